# SPDX-License-Identifier: GPL-3.0-or-later
"""Questions to the server, to accounts and between clients."""
import datetime

import pytest
from helpers import online, run

DISCO_INFO = "http://jabber.org/protocol/disco#info"
DISCO_ITEMS = "http://jabber.org/protocol/disco#items"


def test_ping(suite):
    async def play():
        async with online(suite, suite.user()) as (a,):
            for to in (suite.host, None, a.boundjid.bare):
                answer = await a.request(to, "<ping xmlns='urn:xmpp:ping'/>")
                assert answer["type"] == "result"
    run(play())


def test_version_and_time(suite):
    async def play():
        async with online(suite, suite.user()) as (a,):
            answer = await a.request(suite.host, "<query xmlns='jabber:iq:version'/>")
            assert answer.xml.findtext(".//{jabber:iq:version}name")
            assert answer.xml.findtext(".//{jabber:iq:version}version")
            answer = await a.request(suite.host, "<time xmlns='urn:xmpp:time'/>")
            utc = answer.xml.findtext(".//{urn:xmpp:time}utc").replace("Z", "+00:00")
            now = datetime.datetime.now(datetime.timezone.utc)
            assert abs((datetime.datetime.fromisoformat(utc) - now).total_seconds()) < 60
    run(play())


def test_disco(suite):
    async def play():
        async with online(suite, suite.user()) as (a,):
            info = await a.request(suite.host, f"<query xmlns='{DISCO_INFO}'/>")
            identity = info.xml.find(f".//{{{DISCO_INFO}}}identity")
            assert identity.get("category") == "server" and identity.get("type") == "im"
            features = {f.get("var") for f in info.xml.iter(f"{{{DISCO_INFO}}}feature")}
            assert {DISCO_INFO, DISCO_ITEMS, "urn:xmpp:ping", "urn:xmpp:time",
                    "jabber:iq:version"} <= features
            items = await a.request(suite.host, f"<query xmlns='{DISCO_ITEMS}'/>")
            assert items["type"] == "result"
            account = await a.request(a.boundjid.bare, f"<query xmlns='{DISCO_INFO}'/>")
            identity = account.xml.find(f".//{{{DISCO_INFO}}}identity")
            assert identity.get("category") == "account"
    run(play())


def test_between_clients(suite):
    async def play():
        async with online(suite, suite.user(), suite.user(),
                          plugins=["xep_0199"]) as (a, b):
            answer = await a.request(b.boundjid.full, "<ping xmlns='urn:xmpp:ping'/>")
            assert answer["type"] == "result" and answer["from"] == b.boundjid
    run(play())


@pytest.mark.parametrize("to", ["{host}", "{other}", "{other}/absent", "nobody@{host}",
                                "elsewhere.example"])
def test_what_nobody_answers(suite, to):
    async def play():
        other = suite.user()
        async with online(suite, suite.user()) as (a,):
            answer = await a.request(to.format(host=suite.host, other=other),
                                     "<query xmlns='urn:example:nothing'/>")
            assert answer["type"] == "error"
            assert answer["error"]["condition"] == "service-unavailable"
    run(play())
