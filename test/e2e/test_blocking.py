# SPDX-License-Identifier: GPL-3.0-or-later
"""Block lists (XEP-0191)."""
import aioxmpp
import slixmpp
from aio import aio_online, signalled, within
from helpers import attached, online, run

PLUGINS = ("xep_0191",)
BLOCKED = "{urn:xmpp:blocking:errors}blocked"


async def blocklist(client):
    answer = await client["xep_0191"].get_blocked()
    return {str(jid) for jid in answer["blocklist"]["items"]}


def has_error(condition):
    return lambda s: s.name == "message" and s["type"] == "error" and f"<{condition} " in str(s)


async def refused(client, to):
    """The condition that a message to there comes back with."""
    client.send_message(to, "are you there?", mtype="chat")
    answer = await client.expect(lambda s: s.name == "message" and s["type"] == "error", "error")
    return answer["error"]["condition"], answer


def test_both_ways_and_back(suite):
    async def play():
        jid, friend = suite.user(), suite.user()
        async with online(suite, jid, friend, plugins=PLUGINS) as (a, b):
            assert await blocklist(a) == set()
            await a["xep_0191"].block(friend)
            assert await blocklist(a) == {friend}
            condition, answer = await refused(a, b.boundjid)
            assert condition == "not-acceptable" and answer.xml.find(f".//{BLOCKED}") is not None
            condition, _ = await refused(b, a.boundjid)
            assert condition == "service-unavailable"
            answer = await b.request(a.boundjid, "<ping xmlns='urn:xmpp:ping'/>")
            assert answer["error"]["condition"] == "service-unavailable"
            b.send_presence(pto=a.boundjid)
            await a["xep_0191"].unblock(friend)
            b.send_message(jid, "again", mtype="chat")
            await a.message("again")
            assert not [s for s in a.arrived if s["from"] == b.boundjid], a.arrived
    run(play())


def test_an_absent_user_looks_the_same(suite):
    """C24: what the blocked one hears does not depend on whether the other is there."""
    async def play():
        jid, friend = suite.user(), suite.user()
        requests = ("<ping xmlns='urn:xmpp:ping'/>",
                    "<query xmlns='http://jabber.org/protocol/disco#info'/>",
                    "<query xmlns='jabber:iq:last'/>", "<query xmlns='jabber:iq:roster'/>",
                    "<vCard xmlns='vcard-temp'/>")

        async def heard(client):
            words = [(await refused(client, to))[0] for to in (jid, jid + "/x")]
            for to in (jid, jid + "/x"):
                for payload in requests:
                    answer = await client.request(to, payload)
                    words.append((str(answer["from"]), answer["error"]["condition"]))
            return words

        async with online(suite, friend) as (b,):
            async with online(suite, jid + "/x", plugins=PLUGINS) as (a,):
                await a.request(None, "<vCard xmlns='vcard-temp'><FN>A</FN></vCard>", "set")
                await a["xep_0191"].block(friend)
                while_there = await heard(b)
                assert not [s for s in a.arrived if s["from"] == b.boundjid]
            while_away = await heard(b)
            assert while_there == while_away
        async with online(suite, jid + "/x") as (a,):
            await a.request(None, "<ping xmlns='urn:xmpp:ping'/>")
            assert not [s for s in a.arrived if s.name == "message"]
    run(play())


def test_a_domain_and_its_components(suite):
    async def play():
        async with attached(suite, "a") as component, \
                online(suite, suite.user(), plugins=PLUGINS) as (a,):
            await a["xep_0191"].block(component.boundjid.bare)
            component.send_message(a.boundjid, "spam", mfrom=f"x@{component.boundjid}",
                                   mtype="chat")
            answer = await component.expect(has_error("service-unavailable"), "error")
            assert answer["from"] == a.boundjid
            await a["xep_0191"].unblock(component.boundjid.bare)
            component.send_message(a.boundjid, "ham", mfrom=f"x@{component.boundjid}",
                                   mtype="chat")
            await a.message("ham")
    run(play())


def test_aioxmpp(suite):
    """Its list follows the server's, whoever changes it."""
    async def play():
        jid = suite.user()
        one, two = (aioxmpp.JID.fromstr(f"{name}@far.example") for name in ("one", "two"))
        async with aio_online(suite, jid + "/aio", aioxmpp.BlockingClient) as (_, blocking), \
                online(suite, jid + "/slix", plugins=PLUGINS) as (a,):
            blocked = signalled(blocking.on_jids_blocked)
            await within(blocking.block_jids([one]))
            assert (await within(blocked))[0] == {one}
            assert await blocklist(a) == {str(one)}
            blocked = signalled(blocking.on_jids_blocked)
            await a["xep_0191"].block(slixmpp.JID(str(two)))
            assert (await within(blocked))[0] == {two}
            assert blocking.blocklist == {one, two}
            unblocked = signalled(blocking.on_jids_unblocked)
            await within(blocking.unblock_all())
            assert (await within(unblocked))[0] == {one, two}
            assert await blocklist(a) == set()
    run(play())
