# SPDX-License-Identifier: GPL-3.0-or-later
"""Notifications for clients that are away (XEP-0357); the push service is a component."""
import contextlib

import slixmpp
from helpers import attached, online, run
from test_stream_management import (break_connection, happens, managed, sessions,
                                    until_it_hibernates)

PUSH = "urn:xmpp:push:0"
PUBSUB = "{http://jabber.org/protocol/pubsub}"
FORM = "{jabber:x:data}"
OPTIONS = ("<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>"
           "http://jabber.org/protocol/pubsub#publish-options</value></field>"
           "<field var='secret'><value>open sesame</value></field></x>")


def fields(form):
    return {f.get("var"): f.findtext(f"{FORM}value") for f in form.findall(f"{FORM}field")}


def publish_of(iq):
    return iq.xml.find(f"{PUBSUB}pubsub/{PUBSUB}publish")


def summary(iq):
    return fields(publish_of(iq).find(f"{PUBSUB}item/{{{PUSH}}}notification/{FORM}x"))


@contextlib.asynccontextmanager
async def push_service(suite, key="a"):
    """A component that answers what is published to it; service.refuse: with that error."""
    async with attached(suite, key) as service:
        service.refuse = None

        def on_publish(iq):
            reply = iq.reply()
            if service.refuse:
                reply["type"] = "error"
                reply["error"]["condition"] = service.refuse
                reply["error"]["type"] = "cancel"
            reply.send()
            service.on_stanza(iq)

        service.register_handler(slixmpp.xmlstream.handler.Callback(
            "publish", slixmpp.xmlstream.matcher.MatchXPath(
                f"{{jabber:component:accept}}iq/{PUBSUB}pubsub"), on_publish))
        service.where = service.boundjid.bare
        yield service


async def notified(service, user, node):
    iq = await service.expect(lambda s: s.name == "iq" and s["from"] == user
                              and publish_of(s).get("node") == node, f"notification of {node}")
    assert iq["to"] == service.where and iq["type"] == "set"
    return iq


async def enable(client, service, node, options=""):
    answer = await client.request(None, f"<enable xmlns='{PUSH}' jid='{service.where}'"
                                  f" node='{node}'>{options}</enable>", "set")
    assert answer["type"] == "result", answer


async def sync(suite, *who):
    for one in who:
        await one.request(suite.host, "<ping xmlns='urn:xmpp:ping'/>")


def test_who_is_absent_is_notified(suite):
    async def play():
        jid = suite.user()
        async with push_service(suite) as service, online(suite, suite.user()) as (b,):
            async with online(suite, jid) as (a,):
                info = await a.request(
                    jid, "<query xmlns='http://jabber.org/protocol/disco#info'/>")
                assert PUSH in str(info)
                await enable(a, service, "phone", OPTIONS)
                b.send_message(jid, "he is there", mtype="chat")
                await a.message("he is there")
            b.send_message(jid, None, mtype="chat")
            b.send_message(jid, "are you there?", mtype="chat")
            iq = await notified(service, jid, "phone")
            told = summary(iq)
            assert told["FORM_TYPE"] == "urn:xmpp:push:summary" and told["message-count"] == "1"
            assert "are you there" not in str(iq) and b.boundjid.bare not in str(iq)
            options = iq.xml.find(f"{PUBSUB}pubsub/{PUBSUB}publish-options/{FORM}x")
            assert fields(options)["secret"] == "open sesame"
            async with online(suite, jid) as (a,):
                await a.message("are you there?")
                answer = await a.request(None, f"<disable xmlns='{PUSH}' jid='{service.where}'/>",
                                         "set")
                assert answer["type"] == "result"
            b.send_message(jid, "not told", mtype="chat")
            await sync(suite, b, service)
            assert not service.arrived
    run(play())


def test_who_may_come_back_is_notified(suite):
    async def play():
        async with push_service(suite) as service, online(suite, suite.user()) as (b,):
            a = await managed(suite, suite.user())
            jid = a.boundjid.bare
            await enable(a, service, "phone")
            async with online(suite, jid + "/desk") as (desk,):
                await break_connection(a)
                await until_it_hibernates(suite, jid)
                b.send_message(jid, "while away", mtype="chat")
                await desk.message("while away")
                await notified(service, jid, "phone")
                a.connect(("127.0.0.1", suite.ports["c2s"]))
                await happens(a, "session_resumed")
                await a.message("while away")
                b.send_message(jid, "back", mtype="chat")
                await a.message("back")
                await sync(suite, b, service)
                assert not service.arrived
                await a.logout()
                b.send_message(jid, "to the desk", mtype="chat")
                await notified(service, jid, "phone")
                await desk.message("to the desk")
            assert not sessions(suite, jid)
    run(play())


def test_a_service_that_does_not_know_him(suite):
    async def play():
        jid = suite.user()
        async with push_service(suite) as service, online(suite, suite.user()) as (b,):
            async with online(suite, jid) as (a,):
                await enable(a, service, "one")
                await enable(a, service, "two")
            service.refuse = "item-not-found"
            b.send_message(jid, "first", mtype="chat")
            await notified(service, jid, "one")
            await notified(service, jid, "two")
            await sync(suite, service, b)
            service.refuse = None
            async with online(suite, jid) as (a,):
                await a.message("first")
                await enable(a, service, "two")
            b.send_message(jid, "second", mtype="chat")
            await notified(service, jid, "two")
            await sync(suite, b, service)
            assert not service.arrived
    run(play())


def test_between_instances(new_suite):
    """The client that is away is at one process, its user's owner may be another."""
    suite = new_suite("--users", "2", "--c2s", "2")

    async def play():
        jid = suite.user()
        async with push_service(suite) as service, online(suite, suite.user()) as (b,):
            phones = []
            for i in range(4):
                phones.append(await managed(suite, f"{jid}/{i}"))
                await enable(phones[i], service, f"phone{i}")
            for phone in phones:
                await break_connection(phone)
            b.send_message(jid, "all of you", mtype="chat")
            for i in range(4):
                await notified(service, jid, f"phone{i}")
            await sync(suite, b, service)
            assert not service.arrived
    run(play())
