# SPDX-License-Identifier: GPL-3.0-or-later
"""Questions to the server, to accounts and between clients."""
import datetime

import aioxmpp
import aioxmpp.ping
import aioxmpp.version
import pytest
from aio import aio_online, within
from helpers import DEADLINE, online, run

DISCO_INFO = "http://jabber.org/protocol/disco#info"
DISCO_ITEMS = "http://jabber.org/protocol/disco#items"


def test_ping(suite):
    async def play():
        async with online(suite, suite.user()) as (a,):
            for to in (suite.host, None, a.boundjid.bare):
                answer = await a.request(to, "<ping xmlns='urn:xmpp:ping'/>")
                assert answer["type"] == "result"
    run(play())


def test_as_clients_ask(suite):
    """slixmpp's plugins (XEP-0092, 0199, 0202) and aioxmpp's functions, of the host and of others."""
    async def play():
        jid = suite.user()
        async with online(suite, jid + "/s", suite.user() + "/b",
                          plugins=("xep_0092", "xep_0199", "xep_0202")) as (a, b):
            answer = await a["xep_0092"].get_version(suite.host)
            assert answer["software_version"]["name"] and answer["software_version"]["version"]
            b["xep_0092"].software_name = "B's own"
            answer = await a["xep_0092"].get_version(b.boundjid)
            assert answer["software_version"]["name"] == "B's own"
            answer = await a["xep_0202"].get_entity_time(suite.host)
            # slixmpp 1.8.3 sends this well, but cannot read it: it adds a second Z
            assert answer["entity_time"].xml.findtext("{urn:xmpp:time}utc").endswith("Z")
            for to in (suite.host, jid, b.boundjid):
                assert await a["xep_0199"].ping(to) < DEADLINE
        async with aio_online(suite, jid + "/aio") as (c,):
            host = aioxmpp.JID.fromstr(suite.host)
            assert (await within(aioxmpp.version.query_version(c.stream, host))).name
            await within(aioxmpp.ping.ping(c, host))
            await within(aioxmpp.ping.ping(c, aioxmpp.JID.fromstr(jid)))
    run(play())


def test_disco_as_clients_read_it(suite):
    """XEP-0030 by slixmpp and by aioxmpp, which reads more strictly; they see the same."""
    async def play():
        jid = suite.user()
        async with online(suite, jid + "/s", plugins=("xep_0030",)) as (a,), \
                aio_online(suite, jid + "/aio", aioxmpp.DiscoClient) as (_, disco):
            for to in (suite.host, jid):
                ours = (await a["xep_0030"].get_info(to))["disco_info"]
                theirs = await within(disco.query_info(aioxmpp.JID.fromstr(to)))
                assert theirs.features == set(ours["features"])
                assert {(i.category, i.type_) for i in theirs.identities} == \
                    {i[:2] for i in ours["identities"]}
                ours = (await a["xep_0030"].get_items(to))["disco_items"]["items"]
                theirs = await within(disco.query_items(aioxmpp.JID.fromstr(to)))
                assert {(str(i.jid), i.node) for i in theirs.items} == {i[:2] for i in ours}
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
