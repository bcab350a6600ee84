# SPDX-License-Identifier: GPL-3.0-or-later
"""Federation when something dies: the other server, our s2s, our router. Nothing that was accepted
is lost, and the way is found again.
"""
import contextlib
import signal

import pytest
from federation import Ours, online, talk
from helpers import eventually

# From one attempt to the next there are 15 s, and a busy machine takes its time.
PATIENCE = 60


@pytest.fixture(scope="module", name="peer", params=["prosody", "ejabberd"])
def each_peer(lab, request):
    return getattr(lab, request.param)()


def bodies(client, wanted):
    """How often each of these has come so far."""
    return [sum(1 for s in client.arrived if s.name == "message" and s["type"] != "error"
                and s["body"] == body) for body in wanted]


async def all_of(client, wanted):
    """Waits for each of these bodies; fails when one comes twice."""
    async with client.changed:
        import asyncio
        await asyncio.wait_for(client.changed.wait_for(lambda: all(bodies(client, wanted))),
                               PATIENCE)
    assert bodies(client, wanted) == [1] * len(wanted)


async def handled(client, server):
    """The server has taken what was sent before: it answers in order."""
    answer = await client.request(server.host, "<ping xmlns='urn:xmpp:ping'/>")
    assert answer["type"] == "result"


@contextlib.contextmanager
def down(server, number=signal.SIGKILL):
    server.stop(number)
    try:
        yield
    finally:
        server.start()


def test_the_other_server_dies(lab, ours, peer):
    """Between two messages: the next opens a new stream, in both directions."""
    async def before():
        async with online((ours, "u0"), (peer, "u0")) as (a, b):
            await talk(a, b, "before")

    async def after():
        async with online((ours, "u0"), (peer, "u0")) as (a, b):
            await talk(a, b, "after")

    lab.run(before())
    with down(peer):
        pass
    lab.run(after())


def test_our_s2s_dies(lab, ours, peer):
    async def play():
        async with online((ours, "u1"), (peer, "u1")) as (a, b):
            await talk(a, b, "before")
            ours.kill("s2s")
            ours.restart("s2s")
            await talk(a, b, "after")

    lab.run(play())


def test_what_waits_survives_our_death(lab, ours, peer):
    """The other server is away; what our users write waits, survives a kill, and arrives once."""
    wanted = [f"waiting {i}" for i in range(10)]

    async def write():
        async with online((ours, "u2")) as (a,):
            for body in wanted:
                a.send_message(f"u2@{peer.host}", body)
            await handled(a, ours)
            eventually(lambda: "u2@" in "u2@" and stored(ours) >= len(wanted),
                       "all of it is in the store")

    async def read():
        async with online((peer, "u2")) as (b,):
            await all_of(b, wanted)

    with down(peer):
        lab.run(write())
        ours.kill("s2s")
        ours.restart("s2s")
    lab.run(read())


def stored(suite):
    """Stanzas that wait on disk for other servers."""
    import sqlite3
    import os
    path = os.path.join(os.path.dirname(suite.paths["database"]), "s2s.db")
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        return db.execute("SELECT count(*) FROM outbox").fetchone()[0]


def test_our_router_restarts(lab, ours, peer):
    async def play():
        async with online((ours, "u3"), (peer, "u3")) as (a, b):
            await talk(a, b, "before")
            ours.restart("router")
            await talk(a, b, "after")

    lab.run(play())


def test_a_stream_is_closed_by_hand(lab, ours, peer):
    async def play():
        async with online((ours, "u4"), (peer, "u4")) as (a, b):
            await talk(a, b, "before")
            assert peer.host in ours.ctl("s2s", "list")
            ours.ctl("s2s", "close", peer.host)
            await talk(a, b, "after")

    lab.run(play())


def test_no_network_for_a_while(lab, ours, peer):
    """Packets vanish; both sides notice, and nothing is lost or comes twice."""
    wanted = [f"unheard {i}" for i in range(5)]
