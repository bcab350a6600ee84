# SPDX-License-Identifier: GPL-3.0-or-later
"""What clients do with what accounts publish: keys (XEP-0384), private data (XEP-0223), and how far
a conversation has been read (XEP-0490)."""
import slixmpp
from helpers import Client, online, run
from slixmpp.xmlstream import ET
from slixmpp.xmlstream.handler import Callback
from slixmpp.xmlstream.matcher import MatchXPath
from test_pep import befriend, condition, event, form, interested

OMEMO = "urn:xmpp:omemo:2"
SIACS = "eu.siacs.conversations.axolotl"
DISPLAYED = "urn:xmpp:mds:displayed:0"


def texts(items):
    return {item["id"]: ET.tostring(item["payload"], encoding="unicode")
            for item in items["pubsub"]["items"]}


async def publish(client, node, id_, xml, **options):
    await client["xep_0060"].publish(None, node, id=id_, payload=ET.fromstring(xml),
                                     options=form(client, "publish-options", **options))


async def fetch(client, jid, node, *ids):
    return texts(await client["xep_0060"].get_items(jid, node, item_ids=list(ids) or None))


def bundle(device):
    keys = "".join(f"<pk id='{i}'>a2V5{i:03}</pk>" for i in range(1, 101))
    return (f"<bundle xmlns='{OMEMO}'><spk id='1'>c3Br</spk><spks>c3Brcw==</spks><ik>aWs{device}"
            f"</ik><prekeys>{keys}</prekeys></bundle>")


async def announce(client, *devices):
    listed = "".join(f"<device id='{device}'/>" for device in devices)
    await publish(client, OMEMO + ":devices", "current",
                  f"<devices xmlns='{OMEMO}'>{listed}</devices>", access_model="open")


def test_keys(suite):
    """XEP-0384 5.3, 5.5: devices and their bundles, for contacts and strangers, with the owner
    there and away; and a message that only the keys' owner can read."""
    async def play():
        jid = suite.user()
        owner = slixmpp.JID(jid).bare
        friend = suite.user()
        async with interested(suite, friend, nodes=[OMEMO + ":devices"]) as (b,):
            async with interested(suite, jid + "/1", jid + "/2",
                                  nodes=[OMEMO + ":devices"]) as (one, two):
                await befriend(one, b)
                for client, device in ((one, 1001), (two, 1002)):
                    await publish(client, OMEMO + ":bundles", str(device), bundle(device),
                                  max_items="max", access_model="open")
                await announce(one, 1001)
                for client in (b, two):
                    await client.expect(event(OMEMO + ":devices", '"1001"'), "device 1001")
                await announce(two, 1001, 1002)
                for client in (b, one):
                    await client.expect(event(OMEMO + ":devices", '"1002"'), "device 1002")
                found = await fetch(b, owner, OMEMO + ":bundles", "1001", "1002")
                assert set(found) == {"1001", "1002"} and "aWs1002" in found["1002"]
                # a device goes
                await two["xep_0060"].retract(None, OMEMO + ":bundles", "1002", notify=False)
                await announce(two, 1001)
                await b.expect(event(OMEMO + ":devices"), "one device less")
            async with interested(suite, suite.user()) as (stranger,):
                for client in (b, stranger):
                    found = await fetch(client, owner, OMEMO + ":bundles", "1001")
                    assert found["1001"].count("<") == 2 * 105 and "a2V5100" in found["1001"]
                    assert not (await fetch(client, owner, OMEMO + ":bundles", "1002"))
                    assert "1002" not in str(await fetch(client, owner, OMEMO + ":devices"))
            message = b.make_message(owner, mtype="chat")
            message.append(ET.fromstring(
                f"<encrypted xmlns='{OMEMO}'><header sid='7'><keys jid='{owner}'>"
                "<key rid='1001'>a2V5</key></keys></header><payload>cGF5</payload></encrypted>"))
            message.append(ET.fromstring("<store xmlns='urn:xmpp:hints'/>"))
            message.send()
            await b.request(suite.host, "<ping xmlns='urn:xmpp:ping'/>")
        one = Client(suite, jid)
        one.register_handler(Callback(
            "encrypted", MatchXPath(f"{{jabber:client}}message/{{{OMEMO}}}encrypted"),
            one.on_stanza))
        assert await one.login()
        got = await one.expect(lambda s: "cGF5" in str(s), "what was kept for him")
        assert got["from"].bare == friend and "urn:xmpp:delay" in str(got)
        await one.logout()
    run(play())


def test_keys_as_they_used_to_be(suite):
    """A node for each device; clients make it open with the first item."""
    async def play():
        async with interested(suite, suite.user(), suite.user()) as (a, stranger):
            node = SIACS + ".bundles:31415"
            await publish(a, node, "current", f"<bundle xmlns='{SIACS}'><signedPreKeyPublic "
                          "signedPreKeyId='1'>c3Br</signedPreKeyPublic></bundle>",
                          persist_items="true", max_items="1", access_model="open")
            await publish(a, SIACS + ".devicelist", "current",
                          f"<list xmlns='{SIACS}'><device id='31415'/></list>",
                          persist_items="true", access_model="open")
            owner = a.boundjid.bare
            assert "31415" in str(await fetch(stranger, owner, SIACS + ".devicelist"))
            assert "c3Br" in str(await fetch(stranger, owner, node))
            # one that is there with other settings is not made open by the way: clients see it,
            # and configure it
            await a["xep_0060"].publish(None, SIACS + ".bundles:27182", payload=ET.fromstring(
                f"<bundle xmlns='{SIACS}'/>"), options=form(a, "publish-options",
                                                            access_model="presence"))
            answer = await condition(publish(a, SIACS + ".bundles:27182", "current",
                                             f"<bundle xmlns='{SIACS}'/>", access_model="open"))
            assert "precondition-not-met" in str(answer)
            await a["xep_0060"].set_node_config(None, SIACS + ".bundles:27182",
                                                form(a, "node_config", access_model="open"))
            assert await fetch(stranger, owner, SIACS + ".bundles:27182")
    run(play())


def test_how_far_it_has_been_read(suite):
    """XEP-0490: an item for each conversation, for the own clients alone."""
    async def play():
        def displayed(by, id_):
            return (f"<displayed xmlns='{DISPLAYED}'><stanza-id xmlns='urn:xmpp:sid:0' by='{by}' "
                    f"id='{id_}'/></displayed>")

        options = {"persist_items": "true", "max_items": "max",
                   "send_last_published_item": "never", "access_model": "whitelist"}
        jid = suite.user()
        async with interested(suite, jid + "/1", jid + "/2", suite.user(),
                              nodes=[DISPLAYED]) as (one, two, b):
            await befriend(one, b)
            owner = one.boundjid.bare
            for chat in ("romeo@example.org", "room@muc.example.org"):
                for id_ in ("first", "second"):
                    await publish(one, DISPLAYED, chat, displayed(owner, id_), **options)
                    got = await two.expect(event(DISPLAYED, f'"{id_}"'), f"{chat} {id_}")
                    assert chat in str(got) and got["from"] == owner
            answer = await condition(b["xep_0060"].get_items(owner, DISPLAYED))
            assert answer["error"]["condition"] == "not-allowed"
            await one["xep_0060"].retract(None, DISPLAYED, "romeo@example.org", notify=True)
            await two.expect(event(DISPLAYED, "retract"), "end of a conversation")
            await b.request(suite.host, "<ping xmlns='urn:xmpp:ping'/>")
            assert not list(filter(event(DISPLAYED), b.arrived))
        async with interested(suite, jid + "/3", nodes=[DISPLAYED]) as (three,):
            found = await fetch(three, None, DISPLAYED)
            assert set(found) == {"room@muc.example.org"} and "second" in str(found)
            assert not list(filter(event(DISPLAYED), three.arrived)), "never sent by itself"
    run(play())


def test_private_data(suite):
    """XEP-0223, with slixmpp's plugin."""
    async def play():
        jid, node = suite.user(), "urn:example:secret"
        async with interested(suite, jid + "/1", jid + "/2", suite.user(), suite.user(),
                              nodes=[node]) as (one, two, b, stranger):
            one.register_plugin("xep_0223")
            await befriend(one, b)
            stanza = slixmpp.xmlstream.ElementBase(
                xml=ET.fromstring(f"<secret xmlns='{node}'>the well</secret>"))
            await one["xep_0223"].store(stanza, node=node, id="1")
            await two.expect(event(node, "the well"), "the other client's event")
            assert "the well" in str(await fetch(two, None, node))
            owner = one.boundjid.bare
            answer = await condition(b["xep_0060"].get_items(owner, node))
            assert answer["error"]["condition"] == "not-allowed"
            answer = await condition(stranger["xep_0060"].get_items(owner, node))
            assert answer["error"]["condition"] == "item-not-found"
            for client in (b, stranger):
                await client.request(suite.host, "<ping xmlns='urn:xmpp:ping'/>")
                assert not list(filter(event(node), client.arrived))
        async with online(suite, jid, plugins=("xep_0060",)) as (later,):
            assert "the well" in str(await fetch(later, None, node))
    run(play())
