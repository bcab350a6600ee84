# SPDX-License-Identifier: GPL-3.0-or-later
"""A filter (c2s/FILTER.md): the sample of test/components, alive and killed."""
import os

import pytest
from helpers import ROOT, Suite, online, run
from test_restart import in_thread
from third_party import Program, listed

NAME = "filter.localhost"


def start_filter(directory, suite):
    directory.mkdir(exist_ok=True)
    return Program(directory, "/usr/bin/python3", "-B",
                   os.path.join(ROOT, "test", "components", "filter.py"), NAME,
                   suite.components[NAME]["secret"], "127.0.0.1", str(suite.ports["router"]))


@pytest.fixture(scope="module", name="filtered", params=["refuse", "pass"])
def start_filtered(request, tmp_path_factory):
    directory = tmp_path_factory.mktemp("filter")
    suite = Suite(directory / "s", "--users", "20", "--component", NAME,
                  "--set", f"filter.component={NAME}", "--set", "filter.deadline=2s",
                  "--set", f"filter.on_failure={request.param}")
    suite.refuses = request.param == "refuse"
    try:
        with start_filter(directory / "filter", suite) as it:
            suite.filter = it
            yield suite
    finally:
        suite.stop()


async def error_of(client, condition):
    """slixmpp does not know each of them."""
    return await client.expect(lambda s: s.name == "message" and s["type"] == "error"
                               and f"<{condition} " in str(s), condition)


def test_it_judges(filtered):
    async def play():
        async with online(filtered, filtered.user(), filtered.user()) as (a, b):
            await listed(a, NAME)
            a.send_message(b.boundjid, "hello & <you> ☕", mtype="chat")
            await b.message("hello & <you> ☕")
            a.send_message(b.boundjid, "buy spam", mtype="chat")
            await error_of(a, "policy-violation")
            a.send_message(b.boundjid, "well, darn it", mtype="chat")
            got = await b.message("well, **** it")
            assert got["from"] == a.boundjid and got["type"] == "chat"
            assert got.xml.find("{urn:xmpp:sid:0}stanza-id") is not None
            for i in range(100):
                a.send_message(b.boundjid, f"{i} {'darn' if i % 3 else ''}", mtype="chat")
            await b.message("99 ")
            assert ([s["body"] for s in b.arrived if s.name == "message"]
                    == [f"{i} {'****' if i % 3 else ''}" for i in range(99)])
    run(play())


def test_for_who_is_away(filtered):
    async def play():
        away = filtered.user()
        async with online(filtered, filtered.user()) as (a,):
            await listed(a, NAME)
            a.send_message(away, "buy spam", mtype="chat")
            await error_of(a, "policy-violation")
            a.send_message(away, "darn", mtype="chat")
            # The answers come in order.
            await a.request(f"nobody@{filtered.host}", "<ping xmlns='urn:xmpp:ping'/>")
        async with online(filtered, away) as (b,):
            await b.message("****")
            assert not [s for s in b.arrived if "spam" in str(s)]
    run(play())


def test_its_last_words(filtered):
    """A client that sends and goes at once."""
    async def play():
        async with online(filtered, filtered.user()) as (b,):
            await listed(b, NAME)
            async with online(filtered, filtered.user()) as (a,):
                a.send_message(b.boundjid, "darn, bye", mtype="chat")
            await b.message("****, bye")
    run(play())


def test_killed(filtered):
    async def play():
        async with online(filtered, filtered.user(), filtered.user()) as (a, b):
            async def unchecked(body):
                a.send_message(b.boundjid, body, mtype="chat")
                if filtered.refuses:
                    await error_of(a, "resource-constraint")
                else:
                    await b.message(body)

            await listed(a, NAME)
            filtered.filter.kill()
            await unchecked("spam 1")
            filtered.filter.start()
            await listed(a, NAME)
            a.send_message(b.boundjid, "darn", mtype="chat")
            await b.message("****")
            filtered.filter.signal(19)  # it is there, and says nothing
            await unchecked("spam 2")
            filtered.filter.signal(18)
            await in_thread(filtered.command, "kill", "c2s", "HUP")
            a.send_message(b.boundjid, "darn it", mtype="chat")
            await b.message("**** it")
    run(play())
