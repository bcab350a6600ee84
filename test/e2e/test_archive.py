# SPDX-License-Identifier: GPL-3.0-or-later
"""The archive (XEP-0313), as slixmpp's plugin and profanity read it."""
from datetime import timedelta

import pytest
import slixmpp
from helpers import PASSWORD, online, run
from slixmpp.xmlstream.handler import Collector
from slixmpp.xmlstream.matcher import MatchXPath
from test_clients import Profanity

MAM = "urn:xmpp:mam:2"
PLUGINS = ("xep_0030", "xep_0059", "xep_0313", "xep_0359", "xep_0441")


def archive_of(client):
    return client["xep_0313"]


def body_of(result):
    return result["mam_result"]["forwarded"]["stanza"]["body"]


async def chat(one, other, count):
    """one and other take turns; returns what was said."""
    bodies = [f"line {i}" for i in range(count)]
    for i, body in enumerate(bodies):
        speaker, hearer = (one, other) if i % 2 == 0 else (other, one)
        speaker.send_message(hearer.boundjid.bare, body, mtype="chat")
        await hearer.message(body)
    return bodies


async def bodies_of(client, **options):
    return [body_of(m) async for m in archive_of(client).iterate(**options)]


def test_both_ends_can_look_it_up(suite):
    async def play():
        async with online(suite, suite.user(), suite.user(), plugins=PLUGINS) as (a, b):
            bodies = await chat(a, b, 33)
            for client in (a, b):
                assert await bodies_of(client) == bodies
                assert await bodies_of(client, reverse=True) == bodies[::-1]
                assert await bodies_of(client, rsm={"max": 7}) == bodies
                assert await bodies_of(client, total=5, rsm={"max": 7}) == bodies[:5]
            info = await a["xep_0030"].get_info(jid=a.boundjid.bare)
            assert {MAM, MAM + "#extended", "urn:xmpp:sid:0"} <= set(
                info["disco_info"]["features"])
            fields = await archive_of(a).get_fields(jid=a.boundjid.bare)
            assert {"start", "end", "with", "before-id", "after-id", "ids"} <= set(
                fields.get_fields())
            assert fields.get_fields()["ids"]["type"] == "list-multi"
    run(play())


def test_filters(suite):
    async def play():
        async with online(suite, suite.user(), suite.user(), suite.user(),
                          plugins=PLUGINS) as (a, b, c):
            bodies = await chat(a, b, 10)
            a.send_message(c.boundjid.full, "for c", mtype="chat")
            await c.message("for c")
            assert await bodies_of(a, with_jid=b.boundjid.bare) == bodies
            assert await bodies_of(a, with_jid=c.boundjid.full) == ["for c"]
            assert await bodies_of(a, with_jid="nobody@example.net") == []
            results = [m async for m in archive_of(a).iterate()]
            stamps = [m["mam_result"]["forwarded"]["delay"]["stamp"] for m in results]
            assert stamps == sorted(stamps)
            assert await bodies_of(a, start=stamps[-1] + timedelta(seconds=1)) == []
            assert await bodies_of(a, end=stamps[0] - timedelta(seconds=1)) == []
            assert await bodies_of(a, start=stamps[0], end=stamps[-1]) == [*bodies, "for c"]

            ids = [m["mam_result"]["id"] for m in results]
            metadata = (await archive_of(a).get_archive_metadata())["mam_metadata"]
            assert (metadata["start"]["id"], metadata["end"]["id"]) == (ids[0], ids[-1])

            async def ask(**fields):
                iq = a.make_iq_set(ito=a.boundjid.bare)
                iq["mam"]["queryid"] = "q"
                for field, value in fields.items():
                    iq["mam"][field] = value
                path = f"{{jabber:client}}message/{{{MAM}}}result"
                results = Collector("results", MatchXPath(path))
                a.register_handler(results)
                try:
                    await iq.send()
                finally:
                    heard = results.stop()
                return [m["mam_result"]["id"] for m in heard]

            assert await ask(after_id=ids[3], before_id=ids[6]) == ids[4:6]
            assert await ask(ids=[ids[2], ids[5]]) == [ids[2], ids[5]]
            with pytest.raises(slixmpp.exceptions.IqError) as refused:
                await ask(after_id="unknown")
            assert refused.value.condition == "item-not-found"
            with pytest.raises(slixmpp.exceptions.IqError) as refused:
                await archive_of(a).retrieve(jid=b.boundjid.bare)
            assert refused.value.condition == "forbidden"
    run(play())


def test_ids_agree_live_stored_and_looked_up(suite):
    async def play():
        absent, jid = suite.user(), suite.user()
        async with online(suite, jid, plugins=PLUGINS) as (a,):
            a.send_message(absent, "while you were away", mtype="chat")
            await a.request(suite.host, "<ping xmlns='urn:xmpp:ping'/>")
            async with online(suite, absent, plugins=PLUGINS) as (b,):
                stored = await b.message("while you were away")
                a.send_message(absent, "here you are", mtype="chat")
                live = await b.message("here you are")
                ids = [m["stanza_id"]["id"] for m in (stored, live)]
                assert {m["stanza_id"]["by"] for m in (stored, live)} == {absent}
                assert ids == [m["mam_result"]["id"] async for m in archive_of(b).iterate()]
    run(play())


def test_it_survives_a_crash(new_suite):
    suite = new_suite("--users", "2")

    async def play():
        jid, other = suite.user(), suite.user()
        async with online(suite, jid, other, plugins=PLUGINS) as (a, b):
            bodies = await chat(a, b, 9)
            assert await bodies_of(b) == bodies  # asked behind it: it is stored
        suite.kill("c2s")
        suite.restart("c2s")
        async with online(suite, other, plugins=PLUGINS) as (b,):
            assert await bodies_of(b) == bodies
    run(play())


def test_preferences(suite):
    async def play():
        async with online(suite, suite.user(), suite.user(), plugins=PLUGINS) as (a, b):
            prefs = a["xep_0441"]
            assert await prefs.get_preferences() == ("always", set(), set())
            done = await prefs.set_preferences(default="always", never=[b.boundjid.bare])
            assert done["mam_prefs"]["never"] == {b.boundjid.bare}
            bodies = await chat(a, b, 4)
            assert await bodies_of(a) == []
            assert await bodies_of(b) == bodies
            await prefs.set_preferences(default="never", always=[b.boundjid.bare])
            assert await chat(a, b, 4) == await bodies_of(a)
    run(play())


def test_profanity_shows_it(suite, tmp_path):
    """What was said while it was not there, and what the user's other client has said."""
    jid, other = suite.user(), suite.user()

    async def before():
        async with online(suite, jid, other) as (a, b):
            a.send_message(other, "said elsewhere", mtype="chat")
            await b.message("said elsewhere")
            b.send_message(a.boundjid.bare, "heard elsewhere", mtype="chat")
            await a.message("heard elsewhere")
    run(before())
    it = Profanity(tmp_path)
    try:
        it.wait("Profanity")
        it.type("/mam on")
        it.type(f"/connect {jid} server 127.0.0.1 port {suite.ports['c2s']} tls trust")
        it.wait("password")
        it.type(PASSWORD)
        it.wait("logged in successfully")
        # It looks up what was said if it knows already that the server can: so it asks once more.
        it.type(f"/disco info {suite.host}")
        it.wait(MAM)
        it.type(f"/msg {other}")
        it.wait("said elsewhere")
        it.wait("heard elsewhere")
    finally:
        it.end()
