# SPDX-License-Identifier: GPL-3.0-or-later
"""The sample component of test/components, in C with libstrophe."""
import os
import subprocess

import pytest
from helpers import BUILD, DEADLINE, Suite, eventually, online, run
from test_component import PING
from test_restart import in_thread
from third_party import DISCO_INFO, DISCO_ITEMS, echo, features, listed

NAME = "echo.localhost"


@pytest.fixture(scope="module", name="served")
def start_served(tmp_path_factory):
    directory = tmp_path_factory.mktemp("sample")
    suite = Suite(directory / "s", "--users", "20", "--component", NAME)
    try:
        with echo(directory / "echo", suite, NAME) as it:
            suite.echo = it
            yield suite
            assert it.runs(), it.output()
    finally:
        suite.stop()


def test_the_work_around_is_still_needed():
    """A failure here is good news: workaround.h can go, and echo.c connect like a client."""
    done = subprocess.run([os.path.join(BUILD, "test/e2e/strophe_facts")], capture_output=True,
                          text=True, timeout=DEADLINE, check=True)
    facts = done.stdout.split()
    assert "handshake" in facts
    assert "work-around" not in facts


def test_it_answers(served):
    async def play():
        async with online(served, served.user()) as (a,):
            await listed(a, NAME)
            bot = f"bot@{NAME}"
            assert await features(a, bot) == {DISCO_INFO, DISCO_ITEMS, "urn:xmpp:ping"}
            assert (await a.request(bot, f"<query xmlns='{DISCO_ITEMS}'/>"))["type"] == "result"
            answer = await a.request(f"{bot}/desk", PING)
            assert answer["type"] == "result" and answer["from"] == f"{bot}/desk"
            answer = await a.request(NAME, "<query xmlns='jabber:iq:version'/>")
            assert answer["error"]["condition"] == "service-unavailable"
            answer = await a.request(NAME, PING, "set")
            assert answer["error"]["condition"] == "service-unavailable"
            a.send_message(bot, "hello & <you> ☕", mtype="chat")
            got = await a.message("hello & <you> ☕")
            assert got["from"] == bot and got["type"] == "chat"
            for i in range(200):
                a.send_message(bot, f"n{i}", mtype="chat")
            await a.message("n199")
            assert ([s["body"] for s in a.arrived if s.name == "message"]
                    == [f"n{i}" for i in range(199)])
    run(play())


def test_nobody_borrows_a_name(served):
    """libstrophe would take e:from for from, and answer somebody who has not asked."""
    async def play():
        async with online(served, served.user(), served.user()) as (a, b):
            await listed(a, NAME)
            a.send_raw(f"<message xmlns:e='urn:e' to='bot@{NAME}' e:from='{b.boundjid.full}' "
                       f"type='chat'><body>whose?</body></message>")
            await a.message("whose?")
            assert not [s for s in b.arrived if s["body"] == "whose?"]
    run(play())


def test_killed_and_started_again(served):
    async def play():
        async with online(served, served.user()) as (a,):
            await listed(a, NAME)
            served.echo.kill()
            await listed(a, NAME, False)
            answer = await a.request(NAME, PING)
            assert answer["error"]["condition"] == "service-unavailable"
            served.echo.start()
            await listed(a, NAME)
            a.send_message(NAME, "back", mtype="chat")
            await a.message("back")
    run(play())


@pytest.mark.parametrize("how", ["TERM", "KILL"])
def test_the_router_starts_again(served, how):
    async def play():
        async with online(served, served.user()) as (a,):
            await listed(a, NAME)
            await in_thread(served.kill, "router", how)
            await in_thread(served.restart, "router")
            await listed(a, NAME)
            a.send_message(NAME, "found", mtype="chat")
            await a.message("found")
    run(play())


def test_a_second_of_the_same_name(served, tmp_path):
    async def play():
        async with online(served, served.user()) as (a,):
            await listed(a, NAME)
            with echo(tmp_path / "second", served, NAME) as second:
                await in_thread(eventually, lambda: "disconnected" in second.output(), "refusal")
                a.send_message(NAME, "the first one", mtype="chat")
                await a.message("the first one")
                second.process.terminate()
                assert await in_thread(second.process.wait, DEADLINE) == 0
            assert "connected\n" not in second.output().replace("disconnected", "")
    run(play())
