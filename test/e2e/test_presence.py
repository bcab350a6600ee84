# SPDX-License-Identifier: GPL-3.0-or-later
"""Presence between the resources of one user, and presence sent to somebody."""
from helpers import Client, online, run


def test_own_resources_see_each_other(suite):
    async def play():
        jid = suite.user()
        async with online(suite, jid + "/one", jid + "/two") as (one, two):
            await one.presence(jid + "/two")
            await two.presence(jid + "/one")
            two.send_presence(pshow="away", pstatus="tea")
            seen = await one.presence(jid + "/two", "away")
            assert seen["status"] == "tea"
            await two.logout()
            await one.presence(jid + "/two", "unavailable")
    run(play())


def test_directed_presence_ends_with_the_session(suite):
    async def play():
        async with online(suite, suite.user(), suite.user()) as (a, b):
            a.send_presence(pto=b.boundjid.full, pstatus="for you")
            seen = await b.presence(a.boundjid.full)
            assert seen["status"] == "for you"
            await a.logout()
            await b.presence(a.boundjid.full, "unavailable")
    run(play())


def test_a_lost_connection_is_unavailable_too(suite):
    async def play():
        jid = suite.user()
        async with online(suite, jid + "/watch") as (watch,):
            lost = Client(suite, jid + "/lost")
            assert await lost.login()
            await watch.presence(jid + "/lost")
            lost.abort()
            await watch.presence(jid + "/lost", "unavailable")
    run(play())
