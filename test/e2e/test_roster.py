# SPDX-License-Identifier: GPL-3.0-or-later
"""The roster: kept by the server, told to every session that has asked for it."""
import slixmpp
from helpers import DEADLINE, online, run

NS = "jabber:iq:roster"


def items_of(stanza):
    return {i.get("jid"): i for i in stanza.xml.iter(f"{{{NS}}}item")}


async def get(client):
    answer = await client.request(None, f"<query xmlns='{NS}'/>")
    assert answer["type"] == "result"
    return items_of(answer)


async def set_item(client, item):
    answer = await client.request(None, f"<query xmlns='{NS}'>{item}</query>", "set")
    return answer


def watch_pushes(client):
    """slixmpp answers pushes itself; they are noted on the way."""
    client.register_handler(slixmpp.xmlstream.handler.Callback(
        "push", slixmpp.xmlstream.matcher.MatchXPath(f"{{jabber:client}}iq/{{{NS}}}query"),
        lambda iq: iq["type"] == "set" and client.on_stanza(iq)))


def test_set_get_push_remove(suite):
    async def play():
        jid, friend = suite.user(), suite.user()
        async with online(suite, jid + "/a", jid + "/b") as (a, b):
            for client in (a, b):
                watch_pushes(client)
                assert await get(client) == {}
            answer = await set_item(a, f"<item jid='{friend}' name='F &amp; co'>"
                                       "<group>one</group><group>two</group></item>")
            assert answer["type"] == "result"
            for client in (a, b):
                push = await client.expect(lambda s: s.name == "iq", "push")
                item = items_of(push)[friend]
                assert item.get("name") == "F & co" and item.get("subscription") == "none"
                assert {g.text for g in item} == {"one", "two"}
            assert set(await get(b)) == {friend}
            answer = await set_item(b, f"<item jid='{friend}' subscription='remove'/>")
            assert answer["type"] == "result"
            for client in (a, b):
                push = await client.expect(lambda s: s.name == "iq", "push")
                assert items_of(push)[friend].get("subscription") == "remove"
            assert await get(a) == {}
    run(play())


def test_it_is_there_after_the_next_login(suite):
    async def play():
        jid, friend = suite.user(), suite.user()
        async with online(suite, jid) as (a,):
            await set_item(a, f"<item jid='{friend}' name='F'/>")
        async with online(suite, jid) as (a,):
            assert (await get(a))[friend].get("name") == "F"
    run(play())


def test_nobody_writes_to_anothers(suite):
    async def play():
        async with online(suite, suite.user(), suite.user()) as (a, b):
            watch_pushes(b)
            for to in (b.boundjid.bare, b.boundjid.full):
                answer = await a.request(to, f"<query xmlns='{NS}'><item jid='x@y.example'/>"
                                             "</query>", "set")
                assert answer["type"] == "error"
            await b.request(None, "<ping xmlns='urn:xmpp:ping'/>")
            assert not [s for s in b.arrived if s.name == "iq"]
            assert await get(b) == {}
    run(play())


def test_slixmpp_keeps_its_own(suite):
    """RFC 6121 2.6: what it has of a version is asked for no more; its plain interface to rosters."""
    async def play():
        jid, friend = suite.user(), suite.user()
        async with online(suite, jid + "/a") as (a,):
            answer = await a.get_roster(timeout=DEADLINE)
            assert answer["roster"]["ver"] is not None
            await a.update_roster(friend, name="F", groups=["one", "two"])
            assert set(a.client_roster.keys()) >= {friend}
            answer = await a.get_roster(timeout=DEADLINE)
            assert items_of(answer) == {}, "it has got this by a push"
            version = a.client_roster.version
            assert a.client_roster[friend]["name"] == "F"
            assert sorted(a.client_roster[friend]["groups"]) == ["one", "two"]
            answer = await a.request(None, f"<query xmlns='{NS}' ver='{version}'/>")
            assert answer["type"] == "result" and len(answer.xml) == 0
            await a.update_roster(friend, subscription="remove")
            answer = await a.request(None, f"<query xmlns='{NS}' ver='{version}'/>")
            assert items_of(answer) == {} and len(answer.xml) == 1
            assert answer.xml[0].get("ver") != version
    run(play())
