# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies for a user's other clients (XEP-0280)."""
import asyncio

import aioxmpp
import slixmpp
from aio import aio_online, within
from helpers import PASSWORD, online, run
from test_clients import Profanity

PLUGINS = ("xep_0280",)


def watch_copies(client):
    """Copies of both kinds; slixmpp believes those alone that come from its own account."""
    for event in ("carbon_sent", "carbon_received"):
        client.add_event_handler(event, client.on_stanza)


def inner(stanza, way):
    """The message in a copy of that kind, or None."""
    found = stanza.xml.find(f"{{urn:xmpp:carbons:2}}{way}/{{urn:xmpp:forward:0}}forwarded/"
                            "{jabber:client}message")
    return None if found is None else slixmpp.Message(xml=found)


async def copy_of(client, way, body):
    def matches(stanza):
        message = inner(stanza, way)
        return message is not None and message["body"] == body

    copy = await client.expect(matches, f"{way} {body}")
    assert copy["from"] == client.boundjid.bare and copy["to"] == client.boundjid
    return inner(copy, way)


async def sync(*clients):
    for client in clients:
        await client.request(None, "<ping xmlns='urn:xmpp:ping'/>")


def test_each_client_sees_the_conversation(suite):
    async def play():
        jid, friend = suite.user(), suite.user()
        async with online(suite, jid + "/a", jid + "/b", jid + "/c", friend + "/f",
                          plugins=PLUGINS) as (a, b, c, f):
            watch_copies(b)
            await b["xep_0280"].enable()
            a.send_message(f.boundjid, "hello", mtype="chat")
            copy = await copy_of(b, "sent", "hello")
            assert copy["to"] == f.boundjid and copy["from"] == a.boundjid
            f.send_message(a.boundjid, "hello to you", mtype="chat")
            await a.message("hello to you")
            copy = await copy_of(b, "received", "hello to you")
            assert copy["to"] == a.boundjid and copy["from"] == f.boundjid
            # to all of them: no copy of what each has
            f.send_message(jid, "hello all", mtype="chat")
            for client in (a, b, c):
                await client.message("hello all")
            private = a.make_message(f.boundjid, "between us", mtype="chat")
            private.enable("carbon_private")
            private.send()
            await f.message("between us")
            await b["xep_0280"].disable()
            a.send_message(f.boundjid, "unseen", mtype="chat")
            await f.message("unseen")
            await sync(f, a, b, c)
            for client in (a, b, c):
                assert not [s for s in client.arrived if s.name == "message"
                            and "urn:xmpp:carbons:2" in str(s)], client.arrived
    run(play())


def test_nobody_else_makes_copies(suite):
    """C04"""
    async def play():
        async with online(suite, suite.user(), suite.user(), plugins=PLUGINS) as (a, mallory):
            watch_copies(a)
            await a["xep_0280"].enable()
            forged = mallory.make_message(a.boundjid, "see", mtype="chat")
            forged.append(slixmpp.xmlstream.ET.fromstring(
                "<received xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'>"
                f"<message xmlns='jabber:client' from='boss@{suite.host}' to='{a.boundjid}'>"
                "<body>pay</body></message></forwarded></received>"))
            forged.send()
            arrived = await a.message("see")
            assert arrived["from"] == mallory.boundjid
    run(play())


def test_between_instances(new_suite):
    """The clients of one user are at two processes."""
    suite = new_suite("--users", "2", "--c2s", "2")

    async def play():
        jid, friend = suite.user(), suite.user()
        async with online(suite, *[f"{jid}/{i}" for i in range(6)], friend,
                          plugins=PLUGINS) as (*mine, f):
            for client in mine:
                watch_copies(client)
                await client["xep_0280"].enable()
            mine[0].send_message(f.boundjid, "one", mtype="chat")
            for client in mine[1:]:
                await copy_of(client, "sent", "one")
    run(play())


def test_feature(suite):
    async def play():
        async with online(suite, suite.user(), plugins=PLUGINS) as (a,):
            for to in (suite.host, a.boundjid.bare):
                info = await a["xep_0030"].get_info(to)
                assert "urn:xmpp:carbons:2" in info["disco_info"]["features"], to
    run(play())


def test_aioxmpp(suite):
    async def play():
        jid, friend = suite.user(), suite.user()
        async with online(suite, jid + "/s", friend + "/f") as (a, f), \
                aio_online(suite, jid + "/aio", aioxmpp.CarbonsClient,
                           aioxmpp.dispatcher.SimpleMessageDispatcher) as (c, carbons, dispatcher):
            heard = asyncio.Queue()
            await within(carbons.enable())
            dispatcher.register_callback(None, c.local_jid.bare(), heard.put_nowait)
            a.send_message(f.boundjid, "said elsewhere", mtype="chat")
            copy = (await within(heard.get())).xep0280_sent.stanza
            assert copy.body.any() == "said elsewhere" and str(copy.to) == f.boundjid.full
            f.send_message(a.boundjid, "heard elsewhere", mtype="chat")
            copy = (await within(heard.get())).xep0280_received.stanza
            assert copy.body.any() == "heard elsewhere" and str(copy.from_) == f.boundjid.full
            await within(carbons.disable())
    run(play())


def test_profanity_shows_them(suite, tmp_path):
    """What the user's other client says and hears."""
    jid, friend = suite.user(), suite.user()
    it = Profanity(tmp_path)
    try:
        it.wait("Profanity")

        async def play():
            def blocking(function, *args):
                return asyncio.get_running_loop().run_in_executor(None, function, *args)

            async with online(suite, jid + "/s", friend + "/f") as (a, f):
                it.type("/carbons on")
                it.type(f"/connect {jid} server 127.0.0.1 port {suite.ports['c2s']} tls trust")
                await blocking(it.wait, "password")
                it.type(PASSWORD)
                await blocking(it.wait, "logged in successfully")
                it.type(f"/msg {friend} from the terminal")
                await f.message("from the terminal")
                f.send_message(a.boundjid, "heard elsewhere", mtype="chat")
                await blocking(it.wait, "heard elsewhere")
                a.send_message(f.boundjid, "said elsewhere", mtype="chat")
                await blocking(it.wait, "said elsewhere")
        run(play())
    finally:
        it.end()
