# SPDX-License-Identifier: GPL-3.0-or-later
"""Messages: both ways, to several resources, to nobody, to those who come back later."""
import datetime

import pytest
from helpers import online, run

DELAY = "{urn:xmpp:delay}delay"


def test_chat_both_ways(suite):
    async def play():
        async with online(suite, suite.user(), suite.user()) as (a, b):
            a.send_message(b.boundjid.bare, "hello", mtype="chat")
            got = await b.message("hello")
            assert got["from"] == a.boundjid and got["to"].bare == b.boundjid.bare
            assert got["type"] == "chat"
            b.send_message(got["from"], "hello yourself", mtype="chat")
            back = await a.message("hello yourself")
            assert back["from"] == b.boundjid and back["to"] == a.boundjid
    run(play())


@pytest.mark.parametrize("body", ["<&>'\"", "żółw 🐢", "a\nb\tc", "x" * 100000],
                         ids=["markup", "unicode", "blanks", "long"])
def test_bodies_arrive_as_they_were(suite, body):
    async def play():
        async with online(suite, suite.user(), suite.user()) as (a, b):
            a.send_message(b.boundjid.full, body, mtype="chat")
            assert (await b.message(body))["body"] == body
    run(play())


def test_order_is_kept(suite):
    async def play():
        async with online(suite, suite.user(), suite.user()) as (a, b):
            for i in range(200):
                a.send_message(b.boundjid.bare, str(i), mtype="chat")
            await b.message("199")
            bodies = [s["body"] for s in b.arrived if s.name == "message"]
            assert bodies == [str(i) for i in range(199)]
    run(play())


def test_bare_address_reaches_every_resource(suite):
    async def play():
        to = suite.user()
        async with online(suite, suite.user(), to + "/one", to + "/two") as (a, one, two):
            a.send_message(to, "all of you", mtype="chat")
            await one.message("all of you")
            await two.message("all of you")
            a.send_message(to + "/two", "only you", mtype="chat")
            a.send_message(to, "end", mtype="chat")
            await two.message("only you")
            await one.message("end")
            assert not [s for s in one.arrived if s.name == "message"]
    run(play())


def test_unknown_user_and_unknown_domain(suite):
    async def play():
        async with online(suite, suite.user()) as (a,):
            for to in (f"nobody@{suite.host}", "somebody@elsewhere.example"):
                a.send_message(to, "anybody?", mtype="chat")
                error = await a.expect(lambda s, to=to: s["type"] == "error" and s["from"] == to)
                assert error["error"]["condition"] == "service-unavailable"
    run(play())


def test_offline_messages_come_in_order_with_their_time(suite):
    async def play():
        to = suite.user()
        before = datetime.datetime.now(datetime.timezone.utc)
        async with online(suite, suite.user()) as (a,):
            for i in range(3):
                a.send_message(to, f"stored {i}", mtype="chat")
            # Its answer follows what was sent before it.
            await a.request(suite.host, "<ping xmlns='urn:xmpp:ping'/>")
            async with online(suite, to) as (b,):
                for i in range(3):
                    got = await b.expect(lambda s: s.name == "message")
                    assert got["body"] == f"stored {i}"
                    assert got["from"] == a.boundjid
                    delay = got.xml.find(DELAY)
                    assert delay is not None and delay.get("from") == suite.host
                    stamp = datetime.datetime.fromisoformat(
                        delay.get("stamp").replace("Z", "+00:00"))
                    assert abs((stamp - before).total_seconds()) < 60
            async with online(suite, to) as (b,):
                await b.presence(b.boundjid)
                a.send_message(to, "live", mtype="chat")
                got = await b.expect(lambda s: s.name == "message")
                assert got["body"] == "live" and got.xml.find(DELAY) is None
    run(play())


def test_negative_priority_gets_what_is_sent_to_it_only(suite):
    async def play():
        to = suite.user()
        async with online(suite, suite.user(), to + "/shy") as (a, shy):
            shy.send_presence(ppriority=-1)
            await shy.request(suite.host, "<ping xmlns='urn:xmpp:ping'/>")
            a.send_message(to, "for the account", mtype="chat")
            a.send_message(to + "/shy", "for this one", mtype="chat")
            got = await shy.expect(lambda s: s.name == "message")
            assert got["body"] == "for this one"
            async with online(suite, to + "/open") as (open_,):
                await open_.message("for the account")
    run(play())
