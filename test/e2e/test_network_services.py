# SPDX-License-Identifier: GPL-3.0-or-later
"""What the network offers its users: who of one's phone book is there, which servers there are, and
one message to many with one copy on each link.
"""
import base64

import pytest
import slixmpp
from internet import online
from network import NETWORK, edited, handled, refusal, talk

MATCH = "http://kontalk.org/extensions/roster"
COMMANDS = "http://jabber.org/protocol/commands"
LIST = "http://kontalk.org/extensions/serverlist"
ADDRESS = "http://jabber.org/protocol/address"
DISCO = "http://jabber.org/protocol/disco"


async def match(client, jids, to=None):
    """Those that are users, or the condition of the error."""
    items = "".join(f"<item jid='{jid}'/>" for jid in jids)
    answer = await client.request(to or f"probe@{client.boundjid.domain}",
                                  f"<query xmlns='{MATCH}'>{items}</query>")
    if answer["type"] == "error":
        return answer["error"]["condition"]
    return {item.get("jid") for item in answer.xml.iter(f"{{{MATCH}}}item")}


async def items_of(client, to):
    answer = await client.request(to, f"<query xmlns='{DISCO}#items'/>")
    return {item.get("jid") for item in answer.xml.iter(f"{{{DISCO}#items}}item")}


async def features_of(client, to):
    answer = await client.request(to, f"<query xmlns='{DISCO}#info'/>")
    assert answer["type"] == "result", answer
    return {item.get("var") for item in answer.xml.iter(f"{{{DISCO}#info}}feature")}


def test_what_there_is(three):
    async def play():
        async with online((three.beta, three.beta.user(three.beta.host))) as (a,):
            there = await items_of(a, three.beta.host)
            for name in ("probe", "network", "multicast"):
                assert f"{name}@{three.beta.host}" in there
            # Other servers are no services of this one.
            assert not {three.prime.host, three.gamma.host} & there
            assert ADDRESS in await features_of(a, f"multicast@{three.beta.host}")
            assert any(MATCH in f for f in await features_of(a, f"probe@{three.beta.host}"))
            assert COMMANDS in await features_of(a, f"network@{three.beta.host}")

    three.run(play())


def test_the_phone_book(three):
    """Over three servers; whoever is nobody, or elsewhere, is left out."""
    async def play():
        users = [member.user() for member in three.members for _ in range(3)]
        nobody = [f"nobody{i}@{NETWORK}" for i in range(5)]
        jid = three.prime.user()
        async with online((three.prime, jid), (three.prime, three.prime.home(jid))) as (n, h):
            assert await match(n, users + nobody + ["u0@prosody.example"]) == set(users)
            assert await match(n, []) == set()
            found = await match(h, users + nobody)
            assert found == {f"{slixmpp.JID(u).local}@{home.host}"
                             for u in users for home in three.members
                             if u[0] == home.node[0]}
            # By the addresses at the hosts, too.
            assert await match(n, [three.beta.home(users[3])]) == {users[3]}
            assert await match(n, ["a b@@c"]) in ("bad-request", "jid-malformed")
            assert not isinstance(await match(n, [f"x{i}@{NETWORK}" for i in range(501)]), set)

    three.run(play())


def test_who_has_blocked_one_is_not_found(three):
    async def play():
        jid = three.prime.user()
        users = [member.user() for member in three.members]
        async with online((three.prime, jid), *zip(three.members, users)) as (a, *clients):
            assert await match(a, users) == set(users)
            for client in clients:
                answer = await client.request(
                    "", f"<block xmlns='urn:xmpp:blocking'><item jid='{jid}'/></block>", "set")
                assert answer["type"] == "result"
            assert await match(a, users) == set()
            async with online((three.prime, None)) as (other,):
                assert await match(other, users) == set(users)

    three.run(play())


def test_nobody_reads_all_of_it(three):
    """An account has so many addresses a day, whatever sessions it has."""
    jid = three.gamma.user()

    async def play():
        async with online((three.gamma, jid)) as (c,):
            assert await match(c, [f"x{i}@{NETWORK}" for i in range(15)]) == set()
            assert not isinstance(await match(c, [f"y{i}@{NETWORK}" for i in range(15)]), set)
        async with online((three.gamma, jid), (three.gamma, None)) as (c, other):
            assert not isinstance(await match(c, [f"z{i}@{NETWORK}" for i in range(15)]), set)
            assert await match(other, [f"x{i}@{NETWORK}" for i in range(15)]) == set()

    with edited(three.gamma, "c2s", "match_daily", "20"):
        three.run(play())


def test_others_are_not_answered(three):
    """Neither a user of another server, nor somebody outside."""
    async def play():
        async with online((three.prosody(), "u1"), (three.prime, None)) as (out, a):
            assert isinstance(await match(out, [three.prime.user()], f"probe@{NETWORK}"), str)
            assert isinstance(await match(a, [three.beta.user()], f"probe@{three.beta.host}"), str)

    three.run(play())


@pytest.mark.parametrize("at", ["host", "network"])
def test_the_list_of_servers(three, at):
    async def play():
        domain = three.beta.host if at == "host" else NETWORK
        async with online((three.beta, three.beta.user(domain))) as (a,):
            answer = await a.request(
                f"network@{domain}",
                f"<command xmlns='{COMMANDS}' node='serverlist' action='execute'/>", "set")
            assert answer["type"] == "result"
            assert answer.xml.find(f"{{{COMMANDS}}}command").get("status") == "completed"
            found = {item.get("node"): item.get("fingerprint")
                     for item in answer.xml.iter(f"{{{LIST}}}item")}
            assert {node.rpartition("|")[2]: print_ for node, print_ in found.items()} == {
                member.host: member.fingerprint for member in three.members}

    three.run(play())


def test_the_list_as_old_clients_ask_for_it(three):
    """With xmlns twice; their stream goes on."""
    async def play():
        async with online((three.beta, None)) as (a,):
            a.register_handler(slixmpp.xmlstream.handler.Callback(
                "old", slixmpp.xmlstream.matcher.MatcherId("old"), a.on_stanza))
            a.send_raw(f"<iq type='set' id='old' to='network@{NETWORK}'><command"
                       f" xmlns='{COMMANDS}' node='serverlist' xmlns='{COMMANDS}'"
                       " action='execute'/></iq>")
            answer = await a.expect(lambda s: s["id"] == "old", "answer")
            assert answer["type"] == "result"
            assert answer.xml.find(f".//{{{LIST}}}item") is not None
            await handled(a, three.beta)

    three.run(play())


def test_the_keys_of_servers(three):
    async def play():
        async with online((three.beta, None)) as (a,):
            for member in three.members:
                answer = await a.request(member.host, "<pubkey xmlns='urn:xmpp:pubkey:2'/>")
                assert answer["type"] == "result"
                key = answer.xml.find("{urn:xmpp:pubkey:2}pubkey").text
                assert member.host.encode() in base64.b64decode(key)

    three.run(play())


def sent(member):
    """Stanzas that it has sent over each link, by host."""
    return {other.host: member.figure(other, "stanzas", "out")
            for other in member.lab.others(member)}


def test_one_copy_for_each_server(three):
    """A message to ten people at three servers is two messages on the links."""
    async def play():
        jids = [member.user() for member in (three.prime, three.prime, *[three.beta] * 4,
                                             *[three.gamma] * 4)]
        homes = [three.prime] * 2 + [three.beta] * 4 + [three.gamma] * 4
        async with online((three.prime, None), *zip(homes, jids)) as (a, *clients):
            # Where all are at home is known from here on.
            for i, (client, home) in enumerate(zip(clients, homes)):
                await talk(a, three.prime, client, home, f"before {i}")
            addresses = "".join(f"<address type='to' jid='{jid}'/>" for jid in jids)
            before = sent(three.prime)
            for i in range(10):
                a.send_raw(f"<message type='chat' id='m{i}' to='multicast@{NETWORK}'>"
                           f"<addresses xmlns='{ADDRESS}'>{addresses}</addresses>"
                           f"<body>to all {i}</body></message>")
            for client, jid in zip(clients, jids):
                for i in range(10):
                    got = await client.message(f"to all {i}")
                    assert got["from"] == a.boundjid
                    named = {e.get("jid"): e.get("delivered")
                             for e in got.xml.iter(f"{{{ADDRESS}}}address")}
                    assert set(named) <= set(jids)
                    assert all(value == "true" for key, value in named.items() if key != jid)
            await handled(a, three.prime)
            grown = {host: n - before[host] for host, n in sent(three.prime).items()}
            assert set(grown) == {three.beta.host, three.gamma.host}
            # Ten of them, and what little else may have come between.
            assert all(10 <= n < 15 for n in grown.values()), grown

    three.run(play())


def test_one_of_many_is_nobody(three):
    async def play():
        jid = three.gamma.user()
        async with online((three.prime, None), (three.gamma, jid)) as (a, c):
            a.send_raw(f"<message type='chat' id='many' to='multicast@{NETWORK}'>"
                       f"<addresses xmlns='{ADDRESS}'><address type='to' jid='nobody@{NETWORK}'/>"
                       f"<address type='to' jid='{jid}'/></addresses><body>who?</body></message>")
            await c.message("who?")
            assert await refusal(a, f"nobody@{NETWORK}") == "service-unavailable"

    three.run(play())
