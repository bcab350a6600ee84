# SPDX-License-Identifier: GPL-3.0-or-later
"""Two instances of c2s that share their ports: nobody notices."""
import contextlib

import pytest
from helpers import Client, attached, online, run
from test_restart import in_thread
from third_party import listed


@pytest.fixture
def pair(new_suite):
    return new_suite("--c2s", "2", "--users", "40")


def instance_of(suite, jid):
    for row in suite.ctl_json("session", "list"):
        if row["jid"] == jid:
            return row["instance"]
    raise AssertionError(f"{jid} has no session")


@contextlib.asynccontextmanager
async def on_both(suite, jid=None):
    """Two clients on different instances, of users of their own or two of one user: the system
    chooses the instance of a connection, so it is tried until it has chosen both. One too many
    goes at once: a user may have ten sessions."""
    clients = {}
    tried = []
    try:
        while len(clients) < 2:
            client = Client(suite, f"{jid}/{len(tried)}" if jid else suite.user())
            tried.append(client)
            assert await client.login()
            where = await in_thread(instance_of, suite, client.boundjid.full)
            if clients.setdefault(where, client) is not client:
                await client.logout()
            assert len(tried) < 20, f"all connections on {list(clients)}"
        yield tuple(clients.values())
    finally:
        for client in tried:
            await client.logout()


def test_users_on_different_instances_chat(pair):
    async def play():
        async with on_both(pair) as (a, b):
            for one, other in ((a, b), (b, a)):
                one.send_message(other.boundjid.bare, "over there", mtype="chat")
                assert (await other.message("over there"))["from"] == one.boundjid
                answer = await one.request(other.boundjid.full, "<query xmlns='jabber:iq:version'/>")
                assert answer["from"] == other.boundjid
            for i in range(200):
                a.send_message(b.boundjid.full, str(i), mtype="chat")
            await b.message("199")
            assert [s["body"] for s in b.arrived if s.name == "message"] == [
                str(i) for i in range(199)]
    run(play())


def test_offline_user_is_reached_from_each(pair):
    async def play():
        to = pair.user()
        async with on_both(pair) as (a, b):
            for client, body in ((a, "from one"), (b, "from the other")):
                client.send_message(to, body, mtype="chat")
                await client.request(pair.host, "<ping xmlns='urn:xmpp:ping'/>")
            async with online(pair, to) as (c,):
                await c.message("from one")
                await c.message("from the other")
    run(play())


def test_one_users_sessions_on_both(pair):
    async def play():
        jid = pair.user()
        async with on_both(pair, jid) as (one, two), online(pair, pair.user()) as (a,):
            a.send_message(jid, "to every resource", mtype="chat")
            await one.message("to every resource")
            await two.message("to every resource")
            two.send_message(a.boundjid.full, "from the second", mtype="chat")
            assert (await a.message("from the second"))["from"] == two.boundjid
            two.send_presence(pshow="dnd")
            await one.presence(two.boundjid.full, "dnd")
    run(play())


def test_the_other_instance_goes_on(pair):
    async def play():
        async with on_both(pair) as (a, b):
            lost = await in_thread(instance_of, pair, a.boundjid.full)
            await in_thread(pair.kill, lost, "KILL")
            b.send_message(a.boundjid.bare, "where are you", mtype="chat")
            answer = await b.request(pair.host, "<ping xmlns='urn:xmpp:ping'/>")
            assert answer["type"] == "result"
            await in_thread(pair.restart, lost)
            async with online(pair, a.boundjid.bare) as (again,):
                await again.message("where are you")
    run(play())


def test_what_is_said_while_the_router_is_away_arrives(pair):
    """To a user of the other instance, who stays where he is."""
    async def play():
        async with on_both(pair) as (a, b):
            await in_thread(pair.kill, "router", "KILL")
            for client, other in ((a, b), (b, a)):
                client.send_message(other.boundjid.bare, "one", mtype="chat")
                client.send_message(other.boundjid.full, "two", mtype="chat")
                answer = await client.request(pair.host, "<ping xmlns='urn:xmpp:ping'/>")
                assert answer["type"] == "result"
            await in_thread(pair.restart, "router")
            for client in (a, b):
                await client.message("one")
                await client.message("two")
    run(play())


def test_both_list_the_components_that_are_there(pair):
    async def play():
        async with on_both(pair) as clients:
            for _ in range(2):
                async with attached(pair, "a") as component:
                    for client in clients:
                        await listed(client, component.boundjid.bare)
                        component.send_message(client.boundjid, "here", mfrom="x@a.localhost")
                        await client.message("here")
                for client in clients:
                    await listed(client, "a.localhost", False)
    run(play())


@contextlib.asynccontextmanager
async def on_one(suite, where):
    """A client of another user on that instance."""
    tried = []
    try:
        while True:
            client = Client(suite, suite.user())
            tried.append(client)
            assert await client.login()
            if await in_thread(instance_of, suite, client.boundjid.full) == where:
                break
            assert len(tried) < 20, f"no connection on {where}"
        yield client
    finally:
        for client in tried:
            await client.logout()


@pytest.mark.parametrize("signal", ("KILL", "TERM"))
def test_a_client_outlives_the_owner_of_its_user(pair, signal):
    """The user of both is owned where he came first; the other goes on by itself."""
    async def play():
        async with on_both(pair, pair.user()) as (one, two):
            here = await in_thread(instance_of, pair, two.boundjid.full)
            owner = await in_thread(instance_of, pair, one.boundjid.full)
            async with on_one(pair, here) as friend:
                gone = two.gone()
                await in_thread(pair.kill, owner, signal)
                for i in range(50):
                    two.send_message(friend.boundjid.full, str(i), mtype="chat")
                await friend.message("49")
                assert [s["body"] for s in friend.arrived if s.name == "message"] == [
                    str(i) for i in range(49)]
                friend.send_message(two.boundjid.bare, "still there", mtype="chat")
                assert (await two.message("still there"))["from"] == friend.boundjid
                answer = await friend.request(two.boundjid.full,
                                              "<query xmlns='jabber:iq:version'/>")
                assert answer["from"] == two.boundjid
                await in_thread(pair.restart, owner)
                friend.send_message(two.boundjid.full, "and now", mtype="chat")
                await two.message("and now")
                assert not gone.done()
    run(play())


def test_both_clients_of_a_user_outlive_the_router(pair):
    """Each is served alone meanwhile; afterwards one instance gives the user to the other."""
    async def play():
        jid = pair.user()
        async with on_both(pair, jid) as (one, two), online(pair, pair.user()) as (friend,):
            gone = [one.gone(), two.gone()]
            await in_thread(pair.kill, "router", "KILL")
            for client in (one, two):
                client.send_presence(pshow="dnd")
                answer = await client.request(pair.host, "<ping xmlns='urn:xmpp:ping'/>")
                assert answer["type"] == "result"
            await in_thread(pair.restart, "router")
            await one.presence(two.boundjid.full, "dnd")
            await two.presence(one.boundjid.full, "dnd")
            friend.send_message(jid, "to both", mtype="chat")
            for client in (one, two):
                await client.message("to both")
                client.send_message(friend.boundjid.full, f"from {client.boundjid}", mtype="chat")
                await friend.message(f"from {client.boundjid}")
            assert not any(future.done() for future in gone)
    run(play())
