# SPDX-License-Identifier: GPL-3.0-or-later
"""Stream management and client state as slixmpp speaks them (XEP-0198, XEP-0352): connections that
break are taken up again, and what they missed comes once.
"""
import asyncio
import os

from helpers import DEADLINE, Client, eventually, online, run
from test_hostile import configure
from test_restart import PING, in_thread

SM = ("xep_0198", "xep_0352", "xep_0199")


def watch(client):
    """slixmpp's events, to be waited for in any order."""
    client.happened = {}
    for name in ("sm_enabled", "session_resumed", "sm_failed", "session_start", "disconnected"):
        client.happened[name] = asyncio.Event()
        client.add_event_handler(name, lambda _, name=name: client.happened[name].set())


async def happens(client, name):
    await asyncio.wait_for(client.happened[name].wait(), DEADLINE)


async def managed(suite, jid):
    client = Client(suite, jid, plugins=SM)
    watch(client)
    assert await client.login()
    await happens(client, "sm_enabled")
    return client


async def break_connection(client):
    """Its end is not announced; slixmpp goes on where it was when it connects again."""
    client.happened["disconnected"].clear()
    client.transport.abort()
    await happens(client, "disconnected")


def sessions(suite, jid):
    return [s for s in suite.ctl_json("session", "list") if s["jid"].startswith(jid)]


async def until_it_hibernates(suite, jid):
    await in_thread(eventually, lambda: any(s["peer"] == "hibernating"
                                            for s in sessions(suite, jid)), "hibernation")


def bodies(client):
    return [s["body"] for s in client.arrived if s.name == "message"]


def test_a_broken_connection_is_resumed(suite):
    async def play():
        async with online(suite, suite.user()) as (b,):
            a = await managed(suite, suite.user())
            for i in range(10):
                b.send_message(a.boundjid.full, f"before {i}", mtype="chat")
            await a.message("before 9")
            await break_connection(a)
            await until_it_hibernates(suite, a.boundjid.bare)
            for i in range(10):
                b.send_message(a.boundjid.bare, f"between {i}", mtype="chat")
            await b.request(suite.host, PING)
            a.connect(("127.0.0.1", suite.ports["c2s"]))
            await happens(a, "session_resumed")
            b.send_message(a.boundjid.full, "after", mtype="chat")
            await a.message("after")
            assert bodies(a) == [f"before {i}" for i in range(9)] + \
                [f"between {i}" for i in range(10)]
            a.send_message(b.boundjid.full, "and back", mtype="chat")
            await b.message("and back")
            assert not [s for s in b.arrived if s["type"] == "unavailable"]
            await a.logout()
    run(play())


def test_what_nobody_resumes_is_stored(new_suite):
    suite = new_suite("--users", "3")
    configure(suite, "limits", resume="1s")

    async def play():
        async with online(suite, suite.user()) as (b,):
            jid = suite.user()
            a = await managed(suite, jid)
            await break_connection(a)
            b.send_message(a.boundjid.full, "too late", mtype="chat")
            await in_thread(eventually, lambda: not sessions(suite, jid), "the end of the session")
            a.connect(("127.0.0.1", suite.ports["c2s"]))
            await happens(a, "sm_failed")
            await asyncio.wait_for(a.disconnect(), DEADLINE)
            async with online(suite, jid) as (again,):
                got = await again.message("too late")
                assert got.xml.find("{urn:xmpp:delay}delay") is not None
    run(play())


def test_a_restart_of_the_server_loses_nothing(new_suite):
    suite = new_suite("--users", "3")

    async def play():
        one, other = suite.user(), suite.user()
        async with online(suite, suite.user()) as (b,):
            a = await managed(suite, one)
            c = await managed(suite, other)
            await break_connection(a)
            await until_it_hibernates(suite, one)
            b.send_message(a.boundjid.full, "hibernated", mtype="chat")
            c.transport.pause_reading()
            b.send_message(c.boundjid.full, "not read", mtype="chat")
            await b.request(suite.host, PING)
            gone = b.gone()
            await in_thread(suite.restart, "c2s")
            await asyncio.wait_for(gone, DEADLINE)
            c.transport.abort()
        for jid, body in ((one, "hibernated"), (other, "not read")):
            async with online(suite, jid) as (again,):
                await again.message(body)
    run(play())


def test_an_inactive_client_is_spared_presence(suite):
    async def play():
        async with online(suite, suite.user()) as (b,):
            a = await managed(suite, suite.user())
            a["xep_0352"].send_inactive()
            await a.request(suite.host, PING)
            for i in range(3):
                b.send_presence(pto=a.boundjid.full, pstatus=str(i))
            b.send_message(a.boundjid.full, "wake up", mtype="chat")
            await a.message("wake up")
            assert [s["status"] for s in a.arrived if s.name == "presence"
                    and s["from"] == b.boundjid] == ["2"]
            b.send_presence(pto=a.boundjid.full, pstatus="3")
            await b.request(suite.host, PING)
            a["xep_0352"].send_active()
            await a.expect(lambda s: s.name == "presence" and s["status"] == "3")
            await a.logout()
    run(play())


def test_a_full_queue_is_stored_and_brought(new_suite):
    suite = new_suite("--users", "2")
    configure(suite, "limits", unacked=20, input_rate=0)

    async def play():
        async with online(suite, suite.user()) as (b,):
            a = await managed(suite, suite.user())
            a.transport.pause_reading()
            for i in range(200):
                b.send_message(a.boundjid.bare, str(i), mtype="chat")
            await b.request(suite.host, PING)
            a.transport.resume_reading()
            await a.message("199")
            assert bodies(a) == [str(i) for i in range(199)]
            await a.logout()
    run(play())


def test_the_log_of_a_client_that_comes_back(suite):
    async def play():
        a = await managed(suite, suite.user())
        await break_connection(a)
        await until_it_hibernates(suite, a.boundjid.bare)
        a.connect(("127.0.0.1", suite.ports["c2s"]))
        await happens(a, "session_resumed")
        await a.logout()
        text = ""
        for name in os.listdir(suite.paths["logs"]):
            with open(os.path.join(suite.paths["logs"], name), encoding="utf-8") as log:
                text += log.read()
        for event in ("client.hibernates", "client.resumed"):
            assert f"ev={event} " in text
        assert a["xep_0198"].sm_id is None or a["xep_0198"].sm_id not in text
    run(play())
