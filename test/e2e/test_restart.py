# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes that end and come back: nobody else has to be started again."""
import asyncio

from helpers import DEADLINE, attached, online, run
from test_component import PING, answer_questions, echo_messages


async def in_thread(function, *args):
    """test/suite blocks; the clients go on meanwhile."""
    return await asyncio.get_running_loop().run_in_executor(None, function, *args)


async def answered(client, to):
    """Asks until there is a result: for what comes back by itself, soon."""
    end = asyncio.get_running_loop().time() + DEADLINE
    while True:
        answer = await client.request(to, PING)
        if answer["type"] == "result":
            return
        assert asyncio.get_running_loop().time() < end, answer
        await asyncio.sleep(0.05)


def test_router_restart_while_clients_stay(new_suite):
    suite = new_suite("--users", "2")

    async def play():
        async with online(suite, suite.user(), suite.user()) as (a, b):
            async with attached(suite, "a"):
                pass
            await in_thread(suite.kill, "router", "KILL")
            a.send_message(b.boundjid.bare, "without a router", mtype="chat")
            await b.message("without a router")
            await in_thread(suite.restart, "router")
            assert a.is_connected() and b.is_connected()
            a.send_message(b.boundjid.bare, "with it again", mtype="chat")
            await b.message("with it again")
            async with attached(suite, "a") as component:
                echo_messages(component)
                answer_questions(component)
                await answered(a, component.boundjid.bare)
                a.send_message(component.boundjid.bare, "back", mtype="chat")
                await a.message("echo: back")
    run(play())


def test_c2s_restart_keeps_accounts_and_messages(new_suite):
    suite = new_suite("--users", "2")

    async def play():
        to = suite.user()
        async with online(suite, suite.user()) as (a,):
            a.send_message(to, "kept", mtype="chat")
            # The answer means that the message before it is in safe hands or refused.
            await a.request(suite.host, PING)
            gone = a.gone()
            await in_thread(suite.restart, "c2s")
            await asyncio.wait_for(gone, DEADLINE)
        async with online(suite, to) as (b,):
            await b.message("kept")
    run(play())


def test_component_finds_a_restarted_c2s(new_suite):
    suite = new_suite("--users", "1")

    async def play():
        jid = suite.user()
        async with attached(suite, "a") as component:
            echo_messages(component)
            await in_thread(suite.restart, "c2s")
            async with online(suite, jid) as (a,):
                a.send_message(component.boundjid.bare, "still there?", mtype="chat")
                await a.message("echo: still there?")
    run(play())
