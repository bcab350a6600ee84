# SPDX-License-Identifier: GPL-3.0-or-later
"""The network when something dies: a link, the process of the links, a whole server. Nothing that
was accepted is lost; what waits has its time; users move; components come and go.
"""
import asyncio
import contextlib
import re

import pytest
import slixmpp
from helpers import PASSWORD, Component, eventually
from internet import online
from network import NETWORK, PATIENCE, PING, all_of, bodies, edited, handled, refusal, talk

LEDGER = 500


def kill_all(member):
    """The machine loses its power."""
    for process in ("net", "c2s", "router"):
        member.kill(process)


def start_all(member):
    for process in ("router", "c2s", "net"):
        member.restart(process)


async def send_all(client, to, wanted):
    """All of them, with the stream's pauses between. Their ids are their texts."""
    for i, body in enumerate(wanted):
        message = client.make_message(to, body, mtype="chat")
        message["id"] = body
        message.send()
        if i % 25 == 24:
            await client.request(None, PING)


def refused(client):
    """What has come back."""
    return {s["id"] for s in client.arrived if s["type"] == "error"}


def ledger(what):
    return [f"{what} {i:03}" for i in range(LEDGER)]


def test_a_link_is_closed(three):
    """In the middle, from both ends: the next resumes, and all comes once, in order."""
    wanted = ledger("closed")

    async def play():
        async with online((three.prime, None), (three.beta, None)) as (a, b):
            await talk(a, three.prime, b, three.beta, "before")
            for i in range(0, LEDGER, 100):
                await send_all(a, b.boundjid.bare, wanted[i:i + 100])
                closer, other = ((three.prime, three.beta) if i % 200 else
                                 (three.beta, three.prime))
                closer.ctl("net", "close", other.host)
            await all_of(b, wanted)
            assert bodies(b, "closed") == wanted
            await talk(a, three.prime, b, three.beta, "after")

    three.run(play(), 3 * PATIENCE)


@pytest.mark.parametrize("which", ["prime", "beta"])
def test_net_is_killed(three, which):
    """The sender's or the receiver's: nothing is lost that has not come back; what had come and was
    not acknowledged may come again."""
    wanted = ledger(f"killed {which}")
    victim = getattr(three, which)

    async def play():
        async with online((three.prime, None), (three.beta, None)) as (a, b):
            await talk(a, three.prime, b, three.beta, f"before {which}")
            sender = asyncio.ensure_future(send_all(a, b.boundjid.bare, wanted))
            await b.message(wanted[50])
            victim.kill("net")
            await sender
            await handled(a, three.prime)
            await asyncio.to_thread(victim.restart, "net")
            await talk(a, three.prime, b, three.beta, f"after {which}")
            await handled(a, three.prime)
            came, back = {wanted[50], *bodies(b, "killed")}, refused(a)
            lost = [w for w in wanted if w not in came | back]
            assert not lost

    three.run(play(), 4 * PATIENCE)


def test_a_server_is_killed(three):
    """All of beta, while messages come; afterwards it has them all: those that it had taken are in
    its store, the others wait at prime."""
    wanted = ledger("power")
    jid = three.beta.user()

    async def write():
        async with online((three.prime, None), (three.beta, f"{jid}/old")) as (a, b):
            await talk(a, three.prime, b, three.beta, "before power")
            sender = asyncio.ensure_future(send_all(a, jid, wanted))
            await b.message(wanted[50])
            had = {wanted[50], *bodies(b, "power")}
            kill_all(three.beta)
            await sender
            await handled(a, three.prime)
            assert not [s for s in a.arrived if s["type"] == "error"]
            return had | set(bodies(b, "power"))

    async def read(had):
        async with online((three.beta, f"{jid}/new")) as (b,):
            await all_of(b, [w for w in wanted if w not in had], 2 * PATIENCE)

    had = three.run(write(), 2 * PATIENCE)
    start_all(three.beta)
    three.run(read(had), 4 * PATIENCE)


def test_what_waits_survives_our_death(three):
    """beta is away; what prime's users write waits in prime's store, over a kill of its net."""
    wanted = [f"waiting {i}" for i in range(20)]
    jid = three.beta.user()

    async def write():
        async with online((three.prime, None)) as (a,):
            for body in wanted:
                a.send_message(jid, body, mtype="chat")
            await handled(a, three.prime)
            await asyncio.to_thread(eventually, stored, "it is in the store", PATIENCE)
            assert not [s for s in a.arrived if s["type"] == "error"]

    def stored():
        return three.prime.figure(three.beta, "queued") >= len(wanted)

    async def read():
        async with online((three.beta, jid)) as (b,):
            await all_of(b, wanted, 2 * PATIENCE)
            assert bodies(b, "waiting") == wanted

    kill_all(three.beta)
    try:
        three.run(write(), 2 * PATIENCE)
        three.prime.command("kill", "net", "TERM")
        three.prime.restart("net")
    finally:
        start_all(three.beta)
    three.run(read(), 4 * PATIENCE)


def test_users_of_a_server_that_is_down_are_known(three):
    """Their directory has them: messages for users of whom the sender's server has never heard
    wait, too, and there is no error."""
    jids = [three.beta.user() for _ in range(10)]

    async def write():
        async with online((three.gamma, None)) as (c,):
            for jid in jids:
                c.send_message(jid, f"to {jid}", mtype="chat")
            await handled(c, three.gamma)
            assert not [s for s in c.arrived if s["type"] == "error"]

    async def read():
        async with online(*((three.beta, jid) for jid in jids)) as clients:
            for client, jid in zip(clients, jids):
                async with asyncio.timeout(PATIENCE):
                    await client.message(f"to {jid}")

    kill_all(three.beta)
    try:
        three.run(write(), 2 * PATIENCE)
    finally:
        start_all(three.beta)
    three.run(read(), 4 * PATIENCE)


def test_what_has_waited_too_long_comes_back(three):
    jid = three.beta.user()

    async def play():
        async with online((three.prime, None), (three.beta, jid)) as (a, b):
            await talk(a, three.prime, b, three.beta, "before the time is over")
        async with online((three.prime, None)) as (a,):
            three.beta.kill("net")
            a.send_message(jid, "too late", mtype="chat")
            async with asyncio.timeout(PATIENCE):
                while not (found := [s for s in a.arrived if s["type"] == "error"]):
                    async with a.changed:
                        await a.changed.wait()
            assert found[0]["error"]["condition"] == "remote-server-timeout"
            assert str(found[0]["from"]) == jid

    with edited(three.prime, "net", "queue_time", "5s"):
        three.prime.wait_linked(three.beta)
        three.run(play(), 3 * PATIENCE)
    three.beta.restart("net")
    three.wait_linked()


def test_no_packet_passes(three):
    """Between two of them, for a while; the third does not notice."""
    there, back = ([f"{way} {i}" for i in range(20)] for way in ("there", "back"))

    async def play():
        async with online((three.prime, None), (three.beta, None), (three.gamma, None)) as \
                (a, b, c):
            await talk(a, three.prime, b, three.beta, "before the cut")
            with three.cut(three.beta, "prime"):
                for one, other in zip(there, back):
                    a.send_message(b.boundjid.full, one, mtype="chat")
                    b.send_message(a.boundjid.full, other, mtype="chat")
                await handled(a, three.prime)
                await talk(a, three.prime, c, three.gamma, "meanwhile")
                await talk(b, three.beta, c, three.gamma, "meanwhile too")
            await all_of(b, there, 2 * PATIENCE)
            await all_of(a, back, 2 * PATIENCE)
            assert bodies(b, "there") == there and bodies(a, "back") == back

    three.run(play(), 5 * PATIENCE)


def test_a_router_restarts(three):
    async def play():
        async with online((three.prime, None), (three.beta, None)) as (a, b):
            await talk(a, three.prime, b, three.beta, "before the router")
            for member in (three.prime, three.beta):
                await asyncio.to_thread(member.restart, "router")
                eventually(lambda member=member: member.ctl("route", "list").count("beta")
                           and member.ctl("route", "list").count("gamma"), "the routes are back")
                await talk(a, three.prime, b, three.beta, f"after {member.node}'s")

    three.run(play(), 2 * PATIENCE)


def test_an_instance_dies(three):
    """Clients of the other one go on; the links do, too."""
    async def play():
        friend = three.gamma.user()
        async with online(*((three.prime, None) for _ in range(6)), (three.gamma, friend)) as \
                (*clients, c):
            for i, client in enumerate(clients):
                await talk(client, three.prime, c, three.gamma, f"before {i}")
            three.prime.kill("c2s-1")
            left = []
            for client in clients:
                with contextlib.suppress(Exception):
                    if client.is_connected() and (
                            await asyncio.wait_for(client.request(None, PING), 5)):
                        left.append(client)
            for i, client in enumerate(left):
                await talk(client, three.prime, c, three.gamma, f"with one {i}")
            await asyncio.to_thread(three.prime.restart, "c2s-1")
        async with online(*((three.prime, None) for _ in range(6)), (three.gamma, friend)) as \
                (*clients, c):
            for i, client in enumerate(clients):
                await talk(client, three.prime, c, three.gamma, f"with both {i}")

    three.run(play(), 2 * PATIENCE)


def test_components_of_another_server(three):
    """What is below beta's host is reached from prime while it is there, and by nobody after."""
    name = three.beta.components["a"]["name"]

    async def play():
        async with online((three.prime, None)) as (a,):
            component = Component(three.beta, "a")
            with three.network.inside("beta"):
                assert await component.login()
            try:
                # What it says itself comes once its name is known at prime.
                async with asyncio.timeout(PATIENCE):
                    while (await a.request(f"bot@{name}", PING))["error"]["condition"] != (
                            "feature-not-implemented"):
                        await asyncio.sleep(0.05)
                a.send_message(f"bot@{name}", "are you there?", mtype="chat")
                got = await component.message("are you there?")
                assert str(got["from"]) == three.prime.home(a.boundjid.full)
                component.send_message(mto=got["from"], mbody="yes", mfrom=f"bot@{name}/b",
                                       mtype="chat")
                got = await a.message("yes")
                assert str(got["from"]) == f"bot@{name}/b"
            finally:
                await component.logout()
            assert await refusal(a, f"bot@{name}") in ("service-unavailable",
                                                       "remote-server-not-found")

    three.run(play(), 2 * PATIENCE)


def test_a_user_moves(three):
    """He registers at beta: his sessions at prime end, his network address leads to beta, and what
    was on its way to the old home is brought to the new one."""
    jid = three.prime.user()
    local = slixmpp.JID(jid).local

    async def before():
        async with online((three.prime, jid), (three.gamma, None)) as (a, c):
            await talk(a, three.prime, c, three.gamma, "before the move")
            gone = a.gone()
            await asyncio.to_thread(three.beta.ctl, "user", "add", f"{local}@{three.beta.host}",
                                    "-", stdin=PASSWORD + "\n")
            await asyncio.wait_for(gone, PATIENCE)
            # gamma still believes him at prime, and prime says where he has gone.
            for i in range(10):
                c.send_message(jid, f"in flight {i}", mtype="chat")
            await handled(c, three.gamma)
            await handled(c, three.prime)

    async def after():
        async with online((three.beta, jid), (three.gamma, None), (three.prime, None)) as (a, c, p):
            await all_of(a, [f"in flight {i}" for i in range(10)])
            await talk(a, three.beta, c, three.gamma, "after the move")
            await talk(a, three.beta, p, three.prime, "after the move, too")
            assert await refusal(c, f"nobody@{NETWORK}") == "service-unavailable"

    async def refused():
        async with online((three.prime, jid)):
            raise AssertionError("he can still log in")

    three.run(before(), 2 * PATIENCE)
    three.run(after(), 2 * PATIENCE)
    with pytest.raises(AssertionError, match="cannot log in"):
        three.run(refused())
    assert not re.search(rf"^{local}@", three.prime.ctl("user", "list"), re.MULTILINE)


def test_the_orderly_stop(three):
    """A server that is stopped and started has lost nothing, and its peers link again."""
    wanted = [f"stopped {i}" for i in range(50)]

    async def play():
        async with online((three.prime, None), (three.beta, None)) as (a, b):
            await talk(a, three.prime, b, three.beta, "before the stop")
            for i in range(0, 50, 10):
                await send_all(a, b.boundjid.bare, wanted[i:i + 10])
                await asyncio.to_thread(three.prime.restart, "net")
            await all_of(b, wanted, 2 * PATIENCE)
            assert bodies(b, "stopped") == wanted

    three.run(play(), 4 * PATIENCE)
