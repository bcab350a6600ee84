# SPDX-License-Identifier: GPL-3.0-or-later
"""Federation when something dies: the other server, our s2s, our router, the network. Nothing that
was accepted is lost, and the way is found again.
"""
import asyncio
import contextlib
import re
import signal

import pytest
import slixmpp
from helpers import DEADLINE, eventually
from internet import online, talk

# From one attempt to the next there are 15 s, and a busy machine takes its time.
PATIENCE = 3 * DEADLINE


@pytest.fixture(scope="module", name="peer", params=["prosody", "ejabberd"])
def each_peer(lab, request):
    return getattr(lab, request.param)()


def counts(client, wanted):
    """How often each of these bodies has come so far."""
    came = [s["body"] for s in client.arrived
            if isinstance(s, slixmpp.Message) and s["type"] != "error"]
    return [came.count(body) for body in wanted]


async def all_of(client, wanted):
    """Waits for each of these bodies; fails when one comes twice."""
    async with client.changed:
        await asyncio.wait_for(client.changed.wait_for(lambda: all(counts(client, wanted))),
                               PATIENCE)
    assert counts(client, wanted) == [1] * len(wanted)


async def handled(client, server):
    """The server has taken what was sent before: it answers in order."""
    answer = await client.request(server.host, "<ping xmlns='urn:xmpp:ping'/>")
    assert answer["type"] == "result"


@contextlib.contextmanager
def down(server):
    """Killed, and started again after the block."""
    server.stop(signal.SIGKILL)
    try:
        yield
    finally:
        server.start()


def waiting_since(suite, domain):
    """For how many seconds the oldest stanza for that domain has waited; 0: none does."""
    found = re.search(rf">{re.escape(domain)}\b.*\bqueued \d+ \(\d+ bytes, (\d+) s\)",
                      suite.ctl("s2s", "list"))
    return int(found[1]) if found else 0


def test_the_other_server_dies(lab, ours, peer):
    """Between two messages: the next opens a new stream, in both directions."""
    async def play(what):
        async with online((ours, "u0"), (peer, "u0")) as (a, b):
            await talk(a, b, what)

    lab.run(play("before"))
    with down(peer):
        pass
    lab.run(play("after"))


def test_our_s2s_dies(lab, ours, peer):
    async def play():
        async with online((ours, "u1"), (peer, "u1")) as (a, b):
            await talk(a, b, "before")
            ours.kill("s2s")
            ours.restart("s2s")
            await talk(a, b, "after")

    lab.run(play())


def test_what_waits_survives_our_death(lab, ours, peer):
    """The other server is away; what our user writes waits, outlives a kill, and arrives once."""
    wanted = [f"waiting {i}" for i in range(10)]

    async def write():
        async with online((ours, "u2")) as (a,):
            for body in wanted:
                a.send_message(f"u2@{peer.host}", body)
            await handled(a, ours)

    async def read():
        async with online((peer, "u2")) as (b,):
            await all_of(b, wanted)

    with down(peer):
        lab.run(write())
        # What has waited for five seconds is in the store.
        before = waiting_since(ours, peer.host)
        eventually(lambda: waiting_since(ours, peer.host) >= before + 7, "it has waited")
        ours.kill("s2s")
        ours.restart("s2s")
    lab.run(read(), 2 * PATIENCE)


@pytest.mark.parametrize("peer", ["prosody"], indirect=True)
def test_what_was_not_acknowledged_is_sent_again(lab, ours, peer):
    """It dies in the middle of a hundred messages. What it had may come twice, but all comes."""
    wanted = [f"in the middle {i}" for i in range(100)]

    async def write():
        async with online((ours, "u7"), (peer, "u6")) as (a, b):
            await talk(a, b, "in time")  # may come to u6 once more
            for body in wanted:
                a.send_message(f"u7@{peer.host}", body)
            await handled(a, ours)
            peer.stop(signal.SIGKILL)

    async def read():
        async with online((peer, "u7")) as (b,):
            async with b.changed:
                await asyncio.wait_for(
                    b.changed.wait_for(lambda: all(counts(b, wanted))), PATIENCE)

    lab.run(write())
    peer.start()
    lab.run(read(), 2 * PATIENCE)


def test_an_orderly_stop_keeps_what_waits(lab, ours, peer):
    wanted = [f"kept {i}" for i in range(10)]

    async def write():
        async with online((ours, "u3")) as (a,):
            for body in wanted:
                a.send_message(f"u3@{peer.host}", body)
            await handled(a, ours)

    async def read():
        async with online((peer, "u3")) as (b,):
            await all_of(b, wanted)

    with down(peer):
        lab.run(write())
        eventually(lambda: f">{peer.host}" in ours.ctl("s2s", "list"), "s2s has it")
        ours.restart("s2s")
    lab.run(read(), 2 * PATIENCE)


def test_our_router_restarts(lab, ours, peer):
    async def play():
        async with online((ours, "u4"), (peer, "u4")) as (a, b):
            await talk(a, b, "before")
            ours.restart("router")
            await talk(a, b, "after")

    lab.run(play())


def test_streams_closed_by_hand(lab, ours, peer):
    async def play():
        async with online((ours, "u5"), (peer, "u5")) as (a, b):
            await talk(a, b, "before")
            assert f">{peer.host}" in ours.ctl("s2s", "list")
            ours.ctl("s2s", "close", peer.host)
            await talk(a, b, "after")

    lab.run(play())
    said = ours.ctl("s2s", "explain", peer.host)
    assert f"host.{peer.node}.example" in said and "authenticated" in said


def test_the_network_fails_for_a_moment(lab, ours, peer):
    """While both write, no packet passes; afterwards all arrives, in order, once."""
    there, back = ([f"{way} {i}" for i in range(20)] for way in ("there", "back"))

    async def play():
        async with online((ours, "u6"), (peer, "u6")) as (a, b):
            await talk(a, b, "before")
            with lab.cut(peer):
                for one, other in zip(there, back):
                    a.send_message(b.boundjid.full, one)
                    b.send_message(a.boundjid.full, other)
                await handled(a, ours)
            await all_of(b, there)
            await all_of(a, back)
            for client, wanted in ((a, back), (b, there)):
                assert [s["body"] for s in client.arrived if isinstance(s, slixmpp.Message)
                        and s["body"] in wanted] == wanted

    lab.run(play(), 2 * PATIENCE)


async def subscribed(a, b):
    """Both see each other, and both rosters say so."""
    for client in (a, b):
        await client.get_roster()
    for asks, answers in ((a, b), (b, a)):
        asks.send_presence(pto=answers.boundjid.bare, ptype="subscribe")
        await answers.presence(asks.boundjid.bare, "subscribe")
        answers.send_presence(pto=asks.boundjid.bare, ptype="subscribed")
        await asks.presence(answers.boundjid.bare, "subscribed")
        await asks.presence(answers.boundjid)


def test_who_is_there_is_known_after_restarts(lab, ours, peer):
    """Who comes back after a crash learns who is there, and they that he is."""
    async def play():
        async with online((peer, "u7")) as (b,):
            async with online((ours, "u7")) as (a,):
                await subscribed(a, b)
                ours.kill("s2s")
                ours.restart("s2s")
                a.send_presence(pshow="dnd")
                await b.expect(lambda s: s["from"] == a.boundjid and s["type"] == "dnd")
                ours.kill("c2s")
                ours.restart("c2s")
            async with online((ours, "u7")) as (a,):
                await a.presence(b.boundjid)
                await b.presence(a.boundjid)
                for one, other in ((a, b), (b, a)):
                    await one.get_roster()
                    assert one.client_roster[other.boundjid.bare]["subscription"] == "both"
            await b.presence(a.boundjid, "unavailable")

    lab.run(play(), 2 * PATIENCE)
