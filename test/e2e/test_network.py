# SPDX-License-Identifier: GPL-3.0-or-later
"""One account, many servers: what users of three servers of one network do with each other, each
seeing addresses of the domain that his client has opened its stream to.
"""
import asyncio

import pytest
import slixmpp
from helpers import PASSWORD
from internet import online
from network import (NETWORK, PATIENCE, PING, addresses, bodies, handled, refusal, shown, subscribe,
                     talk)
from test_carbons import copy_of, inner, watch_copies

MAM = "urn:xmpp:mam:2"
ROSTER = "{jabber:iq:roster}item"
BLOCKED = "{urn:xmpp:blocking:errors}blocked"


def in_form(member, form):
    """A user of that server, in the network's domain or in the host's."""
    return member.user(NETWORK if form == "network" else member.host)


def test_each_is_linked_with_each(three):
    for one in three.members:
        rows = one.links()
        assert set(rows) == {other.host for other in three.others(one)}
        assert all(row["state"] == "up" for row in rows.values())


@pytest.mark.parametrize("forms", [("network", "network"), ("host", "host"), ("network", "host"),
                                   ("host", "network")], ids="-".join)
def test_messages(three, forms):
    """Between all pairs of servers, also of one, by bare and by full address."""
    async def play():
        for home in three.members:
            for other in three.members:
                a_jid, b_jid = in_form(home, forms[0]), in_form(other, forms[1])
                async with online((home, a_jid), (other, b_jid)) as (a, b):
                    await talk(a, home, b, other, f"{home.node} {other.node}")
                    to = shown(a, b.boundjid.full, other)
                    for i in range(20):
                        a.send_message(to, f"<{i}> & \u2615", mtype="chat")
                    for i in range(20):
                        got = await b.message(f"<{i}> & \u2615")
                        assert str(got["from"]) == shown(b, a.boundjid.full, home)
                        assert got["to"] == b.boundjid
                    assert [s for s in b.arrived if isinstance(s, slixmpp.Message)] == []

    three.run(play())


def test_receipts_and_acknowledgements(three):
    """With XEP-0198 on both streams; the receipt comes back from where the message went."""
    plugins = ("xep_0198", "xep_0184")

    async def play():
        async with online((three.prime, None), (three.gamma, None), plugins=plugins) as (a, b):
            for client in (a, b):
                client["xep_0184"].auto_ack = True
            receipts = asyncio.Queue()
            a.add_event_handler("receipt_received", receipts.put_nowait)
            message = a.make_message(b.boundjid.bare, "seen?", mtype="chat")
            message["request_receipt"] = True
            message.send()
            await b.message("seen?")
            receipt = await asyncio.wait_for(receipts.get(), 20)
            assert receipt["receipt"] == message["id"]
            assert str(receipt["from"]) == shown(a, b.boundjid.full, three.gamma)

    three.run(play())


@pytest.mark.parametrize("forms", [("network", "network"), ("host", "network")], ids="-".join)
def test_presence_and_subscriptions(three, forms):
    """Each sees the other come and go; the rosters name the other as he is shown."""
    home, other = three.prime, three.beta

    async def play():
        a_jid, b_jid = in_form(home, forms[0]), in_form(other, forms[1])
        async with online((home, a_jid), (other, b_jid)) as (a, b):
            await subscribe(a, home, b, other)
            # A new session, because the homes of contacts are looked up for its presence.
            async with online((home, f"{a_jid}/new"), (other, f"{b_jid}/new")) as (a2, b2):
                for one, mate, mates in ((a2, b, other), (b2, a, home)):
                    await one.presence(shown(one, mate.boundjid.full, mates))
                    answer = await one.request("", "<query xmlns='jabber:iq:roster'/>")
                    items = {item.get("jid"): item.get("subscription")
                             for item in answer.xml.iter(ROSTER)}
                    assert items == {shown(one, mate.boundjid.bare, mates): "both"}
            a.send_presence(pshow="away", pstatus="out for lunch")
            seen = await b.expect(lambda s: s["type"] == "away")
            assert str(seen["from"]) == shown(b, a.boundjid.full, home)
            b.send_presence(ptype="unavailable")
            await a.presence(shown(a, b.boundjid.full, other), "unavailable")
            b.send_presence()
            await a.presence(shown(a, b.boundjid.full, other))
            # Who comes later learns who is there.
            async with online((other, f"{b_jid}/late")) as (late,):
                await late.expect(lambda s: s["type"] == "away"
                                  and str(s["from"]) == shown(late, a.boundjid.full, home))
                await a.presence(shown(a, late.boundjid.full, other))
            await a.presence(shown(a, f"{b_jid}/late", other), "unavailable")
            a.send_presence(pto=shown(a, b.boundjid.bare, other), ptype="unsubscribe")
            await b.presence(shown(b, a.boundjid.bare, home), "unsubscribe")

    three.run(play())


def test_requests_between_clients(three):
    async def play():
        async with online((three.beta, None), (three.gamma, three.gamma.user(three.gamma.host)),
                          plugins=("xep_0199",)) as (a, b):
            for one, mate, home in ((a, b, three.gamma), (b, a, three.beta)):
                to = shown(one, mate.boundjid.full, home)
                answer = await one.request(to, PING)
                assert answer["type"] == "result" and str(answer["from"]) == to
                answer = await one.request(to, "<query xmlns='urn:example:nobody-knows'/>")
                assert answer["type"] == "error" and str(answer["from"]) == to
                # To the account: its server answers for it.
                bare = shown(one, mate.boundjid.bare, home)
                answer = await one.request(bare, PING)
                assert str(answer["from"]) == bare
                # By the address that it is not shown, too.
                user, resource = mate.boundjid.local, mate.boundjid.resource
                for to in (f"{user}@{NETWORK}", f"{user}@{home.host}"):
                    for jid in (to, f"{to}/{resource}"):
                        answer = await one.request(jid, PING)
                        assert str(answer["from"]) == jid
            for one, home in ((a, three.gamma), (b, three.beta)):
                answer = await one.request(home.host, PING)
                assert answer["type"] == "result" and str(answer["from"]) == home.host

    three.run(play())


async def heard(client, body):
    """It has come to this client, itself or as a copy."""
    def matches(stanza):
        message = inner(stanza, "received") or stanza
        return isinstance(message, slixmpp.Message) and message["body"] == body

    return await client.expect(matches, f"{body}, or a copy of it")


def test_both_forms_of_one_account(three):
    """A client at the host's domain and one at the network's: each sees its own form alone."""
    jid = three.prime.user()
    at_host = three.prime.home(jid)

    async def play():
        async with online((three.prime, f"{jid}/n"), (three.prime, f"{at_host}/h"),
                          (three.beta, None), plugins=("xep_0280", "xep_0297")) as (n, h, b):
            for client in (n, h):
                watch_copies(client)
                await client["xep_0280"].enable()
            for to in (jid, at_host):
                b.send_message(to, f"to {to}", mtype="chat")
                for client in (n, h):
                    await heard(client, f"to {to}")
            n.send_message(b.boundjid.bare, "from the network", mtype="chat")
            await b.message("from the network")
            copy = await copy_of(h, "sent", "from the network")
            assert addresses(copy) == {three.prime.host, three.beta.host}
            h.send_message(three.beta.home(b.boundjid.bare), "from the host", mtype="chat")
            got = await b.message("from the host")
            assert str(got["from"]) == f"{jid}/h"
            copy = await copy_of(n, "sent", "from the host")
            assert addresses(copy) == {NETWORK}
            for client, domains in ((n, {NETWORK}), (h, {three.prime.host, three.beta.host})):
                await handled(client, three.prime)
                for stanza in client.arrived:
                    assert addresses(stanza) <= domains, stanza

    three.run(play())


def query_archive(with_):
    return (f"<query xmlns='{MAM}' queryid='q'><x xmlns='jabber:x:data' type='submit'>"
            f"<field var='FORM_TYPE' type='hidden'><value>{MAM}</value></field>"
            f"<field var='with'><value>{with_}</value></field></x></query>")


async def archived(client, with_):
    """The bodies of the archive's answer, and the hosts that it names."""
    found = []

    def note(stanza):
        found.append(stanza)

    client.register_handler(slixmpp.xmlstream.handler.Callback(
        "archive", slixmpp.xmlstream.matcher.MatchXPath(
            f"{{jabber:client}}message/{{{MAM}}}result"), note))
    answer = await client.request("", query_archive(with_), "set")
    assert answer["type"] == "result", answer
    client.remove_handler("archive")
    return ([s.xml.find(".//{*}forwarded/{*}message/{*}body").text for s in found],
            set().union(*(addresses(s) for s in found)))


def test_the_archive(three):
    """`with` finds the contact by whichever address; the answer has the client's form."""
    jid = three.gamma.user()
    mate = three.beta.user()

    async def play():
        async with online((three.gamma, f"{jid}/n"), (three.gamma, f"{three.gamma.home(jid)}/h"),
                          (three.beta, mate)) as (n, h, b):
            await talk(n, three.gamma, b, three.beta, "first")
            n.send_message(three.beta.home(mate), "second", mtype="chat")
            await b.message("second")
            await handled(n, three.gamma)
            for client, domains in ((n, {NETWORK}), (h, {three.gamma.host, three.beta.host})):
                for with_ in (mate, three.beta.home(mate)):
                    said, named = await archived(client, with_)
                    assert said == ["first there", "first back", "second"]
                    assert named <= domains
                assert (await archived(client, three.gamma.user()))[0] == []
            said, named = await archived(b, jid)
            assert said == ["first there", "first back", "second"] and named <= {NETWORK}

    three.run(play())


@pytest.mark.parametrize("form", ["network", "host"])
def test_blocking(three, form):
    """Whoever is blocked by one of his addresses is blocked by all."""
    a_jid, b_jid = three.prime.user(), three.beta.user()
    entry = b_jid if form == "network" else three.beta.home(b_jid)

    async def play():
        async with online((three.prime, a_jid), (three.beta, b_jid)) as (a, b):
            answer = await a.request(
                "", f"<block xmlns='urn:xmpp:blocking'><item jid='{entry}'/></block>", "set")
            assert answer["type"] == "result"
            answer = await a.request("", "<blocklist xmlns='urn:xmpp:blocking'/>")
            assert [i.get("jid") for i in answer.xml.iter("{urn:xmpp:blocking}item")] == [b_jid]
            assert await refusal(b, a_jid) == "service-unavailable"
            assert await refusal(b, three.prime.home(a_jid)) == "service-unavailable"
            for to in (b_jid, three.beta.home(b_jid)):
                a.send_message(to, "hello", mtype="chat")
                error = await a.expect(lambda s: s["type"] == "error", "refusal")
                assert error.xml.find(f".//{BLOCKED}") is not None
            answer = await a.request(
                "", f"<unblock xmlns='urn:xmpp:blocking'><item jid='{b_jid}'/></unblock>", "set")
            assert answer["type"] == "result"
            await talk(a, three.prime, b, three.beta, "again")

    three.run(play())


def test_nobody_of_that_name(three):
    """Is answered as an account that is not here has always been."""
    async def play():
        async with online((three.prime, None), (three.prime, three.prime.user(three.prime.host))) \
                as clients:
            for client in clients:
                for domain in (NETWORK, three.prime.host, three.beta.host):
                    assert await refusal(client, f"nobody@{domain}") == "service-unavailable"
                to = f"nobody@{client.boundjid.domain}"
                answer = await client.request(to, "<vCard xmlns='vcard-temp'/>")
                assert answer["type"] == "error" and str(answer["from"]) == to

    three.run(play())


def test_messages_wait_for_the_absent(three):
    """Whoever is not there finds them later, from the address that he is shown."""
    jid = three.gamma.user()

    async def write():
        async with online((three.prime, None)) as (a,):
            a.send_message(jid, "for later", mtype="chat")
            a.send_message(three.gamma.home(jid), "for later, too", mtype="chat")
            await handled(a, three.prime)
            await handled(a, three.gamma)
            return a.boundjid.full

    async def read(jid, sender):
        async with online((three.gamma, jid)) as (c,):
            for body in ("for later", "for later, too"):
                got = await c.message(body)
                assert str(got["from"]) == sender
                assert got.xml.find("{urn:xmpp:delay}delay") is not None

    three.run(read(jid, three.run(write())))


def test_somebody_from_outside(three):
    """A message for user@NETWORK comes to a server which is not his home, and is passed on."""
    outside = three.prosody()

    async def play():
        jids = [three.prime.user(), three.beta.user(), three.gamma.user(three.gamma.host)]
        async with online((outside, "u0"), (three.prime, jids[0]), (three.beta, jids[1]),
                          (three.gamma, jids[2])) as (out, *inside):
            for client, jid in zip(inside, jids):
                to = f"{slixmpp.JID(jid).local}@{NETWORK}"
                out.send_message(to, f"to {jid}", mtype="chat")
                got = await client.message(f"to {jid}")
                assert got["from"] == out.boundjid and "via" not in str(got)
            # Whom nobody has.
            out.send_message(f"nobody@{NETWORK}", "for nobody", mtype="chat")
            error = await out.expect(lambda s: s["type"] == "error", "error")
            assert error["error"]["condition"] == "service-unavailable"
            assert error["from"] == f"nobody@{NETWORK}"
            # And back from the server that speaks with the world.
            inside[0].send_message(out.boundjid.bare, "back", mtype="chat")
            assert (await out.message("back"))["from"] == inside[0].boundjid

    three.run(play())


def test_who_is_outside_is_answered_by_whom_he_asks(three):
    """Whichever instance has the user: the answer is of the name that was asked."""
    outside = three.prosody()

    async def play():
        async with online((outside, "u1"), *((three.prime, None) for _ in range(5))) as \
                (out, *inside):
            for client in inside:
                asked = f"{client.boundjid.local}@{NETWORK}"
                await client.request(None, "<vCard xmlns='vcard-temp'><FN>x</FN></vCard>",
                                     "set")
                answer = await out.request(asked, "<vCard xmlns='vcard-temp'/>")
                assert answer["from"] == asked

    three.run(play())


def test_another_instance_serves(three):
    """At a server with two instances: whichever a client has come to, all are reached."""
    async def play():
        friend = three.gamma.user()
        async with online(*((three.prime, None) for _ in range(6)), (three.gamma, friend)) as \
                (*clients, c):
            for i, client in enumerate(clients):
                await talk(client, three.prime, c, three.gamma, f"instance {i}")
                answer = await client.request(shown(client, c.boundjid.full, three.gamma), PING)
                assert str(answer["from"]) == c.boundjid.full

    three.run(play())


def test_somebody_who_has_just_been_made(three):
    """Who was nobody a moment ago is found once there is an account."""
    async def ask():
        async with online((three.gamma, None)) as (c,):
            return await refusal(c, f"newcomer@{NETWORK}")

    async def play():
        jid = f"newcomer@{NETWORK}"
        async with online((three.beta, jid), (three.gamma, None)) as (b, c):
            async with asyncio.timeout(PATIENCE):
                while not bodies(b, "welcome"):
                    c.send_message(jid, "welcome", mtype="chat")
                    await handled(c, three.gamma)
                    await asyncio.sleep(0.05)
            await talk(b, three.beta, c, three.gamma, "newcomer")

    assert three.run(ask()) == "service-unavailable"
    three.beta.ctl("user", "add", f"newcomer@{three.beta.host}", "-", stdin=PASSWORD + "\n")
    three.run(play())

