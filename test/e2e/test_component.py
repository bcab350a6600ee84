# SPDX-License-Identifier: GPL-3.0-or-later
"""Components (XEP-0114) that know nothing but the standard."""
import hashlib

import slixmpp
from helpers import Component, Raw, attached, online, run

PING = "<ping xmlns='urn:xmpp:ping'/>"


def echo_messages(component):
    def back(message):
        if message["type"] != "error":
            component.send_message(message["from"], "echo: " + message["body"],
                                   mfrom=message["to"], mtype="chat")
    component.add_event_handler("message", back)


def answer_questions(component):
    def result(iq):
        iq.reply().send()
    component.register_handler(slixmpp.xmlstream.handler.Callback(
        "ping", slixmpp.xmlstream.matcher.MatchXPath(
            "{jabber:component:accept}iq/{urn:xmpp:ping}ping"), result))


def test_echo(suite):
    async def play():
        async with attached(suite, "a") as component, online(suite, suite.user()) as (a,):
            echo_messages(component)
            answer_questions(component)
            to = f"bot@{component.boundjid.bare}/desk"
            a.send_message(to, "hello & <you>", mtype="chat")
            assert (await a.message("echo: hello & <you>"))["from"] == to
            answer = await a.request(to, PING)
            assert answer["type"] == "result" and answer["from"] == to
            # And a question of the component's own.
            answer = await component.request(suite.host, PING)
            assert answer["type"] == "result"
    run(play())


def test_two_names_on_one_secret(suite):
    async def play():
        async with attached(suite, "a") as a, attached(suite, "b") as b:
            a.send_message(b.boundjid.bare, "between components", mfrom=a.boundjid.bare)
            got = await b.message("between components")
            assert got["from"] == a.boundjid.bare
    run(play())


def test_down_means_unavailable(suite):
    async def play():
        async with online(suite, suite.user()) as (a,):
            async with attached(suite, "b") as component:
                answer_questions(component)
                assert (await a.request(component.boundjid.bare, PING))["type"] == "result"
            answer = await a.request(component.boundjid.bare, PING)
            assert answer["error"]["condition"] == "service-unavailable"
            a.send_message(component.boundjid.bare, "anybody?", mtype="chat")
            error = await a.expect(lambda s: s.name == "message" and s["type"] == "error")
            assert error["error"]["condition"] == "service-unavailable"
    run(play())


def test_disco_items_name_what_is_there(suite):
    async def play():
        async with attached(suite, "b") as component, online(suite, suite.user()) as (a,):
            ns = "http://jabber.org/protocol/disco#items"
            answer = await a.request(suite.host, f"<query xmlns='{ns}'/>")
            items = {i.get("jid") for i in answer.xml.iter(f"{{{ns}}}item")}
            assert component.boundjid.bare in items
    run(play())


def test_wrong_secret(suite):
    async def play():
        component = Component(suite, "a", secret="wrong")
        assert not await component.login()
        component.cancel_connection_attempt()
    run(play())


def handshake(raw, suite, key):
    name, secret = suite.components[key]["name"], suite.components[key]["secret"]
    raw.open(name, "jabber:component:accept")
    stream_id = raw.expect(r"<stream:stream[^>]* id=['\"]([^'\"]+)['\"]")[1]
    digest = hashlib.sha1((stream_id + secret).encode()).hexdigest()
    raw.send(f"<handshake>{digest}</handshake>")
    raw.expect(r"<handshake ?/>|<handshake></handshake>")
    return name


def test_one_name_one_component(suite):
    with Raw(suite.ports["router"]) as first, Raw(suite.ports["router"]) as second:
        name = handshake(first, suite, "b")
        second.open(name, "jabber:component:accept")
        stream_id = second.expect(r"<stream:stream[^>]* id=['\"]([^'\"]+)['\"]")[1]
        digest = hashlib.sha1((stream_id + suite.components["b"]["secret"]).encode()).hexdigest()
        second.send(f"<handshake>{digest}</handshake>")
        assert "conflict" in second.expect_end()


def test_nobody_speaks_for_others(suite):
    with Raw(suite.ports["router"]) as raw:
        handshake(raw, suite, "b")
        raw.send(f"<message from='someone@{suite.host}' to='u0@{suite.host}'><body>x</body>"
                 "</message>")
        assert "invalid-from" in raw.expect_end()


def test_a_name_that_nobody_configured(suite):
    with Raw(suite.ports["router"]) as raw:
        raw.open("elsewhere.example", "jabber:component:accept")
        assert "host-unknown" in raw.expect_end()
