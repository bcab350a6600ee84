# SPDX-License-Identifier: GPL-3.0-or-later
"""What users publish of themselves: XEP-0163 over XEP-0060, with XEP-0115, 0084, 0398, 0402, 0384."""
import base64
import contextlib
import hashlib

import aioxmpp
import aioxmpp.avatar
import aioxmpp.pubsub
import aioxmpp.xso
import pytest
from aio import aio_online, signalled, within
from helpers import Client, online, run
from slixmpp.exceptions import IqError
from slixmpp.xmlstream import ET
from slixmpp.xmlstream.handler import Callback
from slixmpp.xmlstream.matcher import MatchXPath

PUBSUB = "http://jabber.org/protocol/pubsub"
NODE = "urn:example:node"
PLUGINS = ("xep_0004", "xep_0030", "xep_0060", "xep_0115", "xep_0163", "xep_0118", "xep_0084",
           "xep_0054", "xep_0049")
IMAGE = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGNgYGD4DwABBAEAX+XDSwAAAABJRU5ErkJg"
    "gg==")
IMAGE_ID = hashlib.sha1(IMAGE).hexdigest()


@contextlib.asynccontextmanager
async def interested(suite, *jids, nodes=()):
    """Clients whose capabilities, shown with their first presence, name these nodes, too."""
    clients = []
    try:
        for jid in jids:
            client = Client(suite, jid, plugins=PLUGINS)
            clients.append(client)
            client.register_handler(Callback(
                "events", MatchXPath(f"{{jabber:client}}message/{{{PUBSUB}#event}}event"),
                client.on_stanza))
            assert await client.login(presence=False)
            for node in nodes:
                await client["xep_0030"].add_feature(node + "+notify")
            await client["xep_0115"].update_caps(broadcast=False)
            client.send_presence()
            await client.request(suite.host, "<ping xmlns='urn:xmpp:ping'/>")
        yield clients
    finally:
        for client in clients:
            await client.logout()


async def befriend(a, b):
    """Each sees the other's presence."""
    for one, other in ((a, b), (b, a)):
        one.send_presence(pto=other.boundjid.bare, ptype="subscribe")
        await other.presence(one.boundjid.bare, "subscribe")
        other.send_presence(pto=one.boundjid.bare, ptype="subscribed")
        await one.presence(other.boundjid)
    for client in (a, b):
        await client.request(client.suite.host, "<ping xmlns='urn:xmpp:ping'/>")


def event(node, text=None):
    def matches(stanza):
        items = stanza.xml.find(f"{{{PUBSUB}#event}}event/{{{PUBSUB}#event}}*[@node='{node}']")
        return items is not None and (text is None or text in str(stanza))
    return matches


def payload(text):
    return ET.fromstring(f"<e xmlns='urn:example:e'>{text}</e>")


def form(client, kind, **fields):
    made = client["xep_0004"].make_form(ftype="submit")
    made.add_field(var="FORM_TYPE", ftype="hidden", value=f"{PUBSUB}#{kind}")
    for var, value in fields.items():
        made.add_field(var="pubsub#" + var, value=value)
    return made


async def condition(awaitable):
    with pytest.raises(IqError) as refused:
        await awaitable
    return refused.value.iq


def test_events_by_capabilities(suite):
    async def play():
        async with interested(suite, suite.user(), suite.user(), suite.user(), nodes=[NODE]) \
                as (a, b, stranger):
            await befriend(a, b)
            await a["xep_0060"].publish(None, NODE, id="1", payload=payload("one"))
            for client in (a, b):
                heard = await client.expect(event(NODE, "one"), "event")
                assert heard["from"] == a.boundjid.bare and heard["type"] == "headline"
            async with interested(suite, b.boundjid.bare + "/late", nodes=[NODE]) as (late,):
                heard = await late.expect(event(NODE, "one"), "last item")
                assert heard.xml.find("{urn:xmpp:delay}delay") is not None
            async with interested(suite, b.boundjid.bare + "/deaf") as (deaf,):
                await a["xep_0060"].retract(None, NODE, "1", notify="true")
                await b.expect(event(NODE, "retract"), "retraction")
                await deaf.request(suite.host, "<ping xmlns='urn:xmpp:ping'/>")
                assert not [s for s in deaf.arrived if event(NODE)(s)]
            assert not [s for s in stranger.arrived if event(NODE)(s)]
    run(play())


def test_of_who_is_away(suite):
    """XEP-0163 4.3: the last item comes to who has come, whether its publisher is there or not; what
    is for nobody else, and what nobody is interested in, does not."""
    async def play():
        jid, friend = suite.user(), suite.user()
        async with interested(suite, jid, friend) as (a, b):
            await befriend(a, b)
            await a["xep_0060"].publish(None, NODE, id="1", payload=payload("left behind"))
            await a["xep_0060"].publish(
                None, "urn:example:mine", id="1", payload=payload("mine"),
                options=form(a, "publish-options", access_model="whitelist"))
        async with interested(suite, friend, nodes=[NODE, "urn:example:mine"]) as (b,), \
                interested(suite, suite.user(), nodes=[NODE]) as (stranger,):
            heard = await b.expect(event(NODE, "left behind"), "last item")
            assert heard["from"] == jid and heard.xml.find("{urn:xmpp:delay}delay") is not None
            for client in (b, stranger):
                await client.request(suite.host, "<ping xmlns='urn:xmpp:ping'/>")
                assert not [s for s in client.arrived if "urn:example" in str(s)]
    run(play())


def test_tune(suite):
    """A plugin of slixmpp that stands on PEP."""
    async def play():
        async with interested(suite, suite.user(), suite.user()) as (a, b):
            await befriend(a, b)
            heard = []
            b.add_event_handler("user_tune_publish", heard.append)
            await a["xep_0118"].publish_tune(artist="Yes", title="Heart of the Sunrise")
            await b.expect(event("http://jabber.org/protocol/tune", "Yes"), "tune")
            assert heard[0]["pubsub_event"]["items"]["item"]["tune"]["title"] == \
                "Heart of the Sunrise"
    run(play())


def test_twelve_operations(suite):
    """Of XEP-0060, as far as an account has them."""
    async def play():
        async with interested(suite, suite.user(), suite.user()) as (a, b):
            await befriend(a, b)
            mine, his = a["xep_0060"], b["xep_0060"]
            owner, reader = a.boundjid.bare, b.boundjid.bare
            # 1 create, 2 configure
            await mine.create_node(owner, NODE, config=form(a, "node_config", title="A node"))
            await mine.set_node_config(owner, NODE, form(a, "node_config", max_items="max"))
            config = await mine.get_node_config(owner, NODE)
            values = config["pubsub_owner"]["configure"]["form"].get_values()
            assert values["pubsub#title"] == "A node" and values["pubsub#max_items"] == "max"
            # 3 subscribe, 4 configure the subscription
            answer = await his.subscribe(owner, NODE)
            assert answer["pubsub"]["subscription"]["subscription"] == "subscribed"
            await his.set_subscription_options(
                owner, NODE, reader, form(b, "subscribe_options", deliver="1"))
            answer = await his.get_subscription_options(owner, NODE, reader)
            assert "pubsub#deliver" in str(answer)
            # 5 publish, 6 retrieve
            for i in ("1", "2", "3"):
                await mine.publish(owner, NODE, id=i, payload=payload(i))
                await b.expect(event(NODE, f">{i}</e>"), "event")
            answer = await his.get_items(owner, NODE)
            assert [i["id"] for i in answer["pubsub"]["items"]["substanzas"]] == ["1", "2", "3"]
            answer = await his.get_items(owner, NODE, max_items=1)
            assert [i["id"] for i in answer["pubsub"]["items"]["substanzas"]] == ["3"]
            # 7 delete an item
            await mine.retract(owner, NODE, "2", notify="true")
            await b.expect(event(NODE, "retract"), "retraction")
            # 8 manage subscriptions, 9 affiliations
            answer = await mine.get_node_subscriptions(owner, NODE)
            assert reader in str(answer)
            await mine.modify_affiliations(owner, NODE, [(reader, "publisher")])
            await his.publish(owner, NODE, id="4", payload=payload("his"))
            answer = await mine.get_node_affiliations(owner, NODE)
            assert {(str(i["jid"]), i["affiliation"]) for i in
                    answer["pubsub_owner"]["affiliations"]["substanzas"]} == \
                {(owner, "owner"), (reader, "publisher")}
            answer = await his.get_affiliations(owner)
            assert "publisher" in str(answer)
            # 10 purge, 11 unsubscribe, 12 delete
            await mine.purge(owner, NODE)
            await b.expect(event(NODE, "purge"), "purge")
            await his.unsubscribe(owner, NODE)
            answer = await his.get_subscriptions(owner)
            assert NODE not in str(answer)
            await mine.delete_node(owner, NODE)
            answer = await condition(his.get_items(owner, NODE))
            assert answer["error"]["condition"] == "item-not-found"
    run(play())


def test_what_strangers_may(suite):
    """OMEMO's nodes are open (XEP-0384), bookmarks are not (XEP-0402), by publish-options."""
    async def play():
        async with interested(suite, suite.user(), suite.user()) as (a, stranger):
            owner = a.boundjid.bare
            await a["xep_0060"].publish(
                None, "urn:xmpp:omemo:2:devices", id="current", payload=payload("devices"),
                options=form(a, "publish-options", access_model="open"))
            await a["xep_0060"].publish(
                None, "urn:xmpp:bookmarks:1", id="r@muc.example", payload=ET.fromstring(
                    "<conference xmlns='urn:xmpp:bookmarks:1' autojoin='true' name='R'/>"),
                options=form(a, "publish-options", access_model="whitelist", max_items="max",
                             send_last_published_item="never", persist_items="true"))
            read = stranger["xep_0060"].get_items
            assert "devices" in str(await read(owner, "urn:xmpp:omemo:2:devices"))
            answer = await condition(read(owner, "urn:xmpp:bookmarks:1"))
            assert answer["error"]["condition"] == "item-not-found", str(answer)
            await a["xep_0060"].publish(None, NODE, payload=payload("x"))
            answer = await condition(read(owner, NODE))
            assert answer.xml.find(
                f".//{{{PUBSUB}#errors}}presence-subscription-required") is not None, str(answer)
            answer = await condition(a["xep_0060"].publish(
                None, NODE, payload=payload("x"),
                options=form(a, "publish-options", access_model="open")))
            assert answer.xml.find(f".//{{{PUBSUB}#errors}}precondition-not-met") is not None
            info = await a["xep_0030"].get_info(jid=owner)
            assert ("pubsub", "pep", None, None) in info["disco_info"]["identities"]
            assert {PUBSUB + "#publish-options", "urn:xmpp:bookmarks:1#compat",
                    "urn:xmpp:pep-vcard-conversion:0"} <= set(info["disco_info"]["features"])
            # the same bookmarks for who only knows private XML
            answer = await a.request(None, "<query xmlns='jabber:iq:private'>"
                                     "<storage xmlns='storage:bookmarks'/></query>")
            room = answer.xml.find(".//{storage:bookmarks}conference")
            assert room.get("jid") == "r@muc.example" and room.get("name") == "R"
    run(play())


def test_avatar(suite):
    """XEP-0084 here, XEP-0153 there."""
    async def play():
        async with interested(suite, suite.user(), suite.user()) as (a, b):
            await befriend(a, b)
            options = form(a, "publish-options", access_model="open")
            await a["xep_0084"].publish_avatar(IMAGE, options=options)
            await a["xep_0084"].publish_avatar_metadata(
                {"id": IMAGE_ID, "type": "image/png", "bytes": len(IMAGE)}, options=options)
            await b.expect(event("urn:xmpp:avatar:metadata", IMAGE_ID), "metadata")
            heard = await b.expect(lambda s: s.name == "presence" and IMAGE_ID in str(s), "hash")
            assert heard["from"] == a.boundjid
            answer = await b["xep_0084"].retrieve_avatar(a.boundjid.bare, IMAGE_ID)
            assert answer["pubsub"]["items"]["item"]["avatar_data"]["value"] == IMAGE
            card = await b["xep_0054"].get_vcard(a.boundjid.bare)
            assert card["vcard_temp"]["PHOTO"]["BINVAL"] == IMAGE
            other = hashlib.sha1(b"other").hexdigest()
            await a.request(None, "<vCard xmlns='vcard-temp'><PHOTO><TYPE>image/png</TYPE><BINVAL>"
                            f"{base64.b64encode(b'other').decode()}</BINVAL></PHOTO></vCard>",
                            "set")
            await b.expect(event("urn:xmpp:avatar:metadata", other), "metadata of the vCard")
    run(play())


class Payload(aioxmpp.xso.XSO):
    TAG = ("urn:example:e", "e")
    text = aioxmpp.xso.Text(default=None)


aioxmpp.pubsub.xso.as_payload_class(Payload)


def test_aioxmpp_pubsub(suite):
    async def play():
        jid, other = suite.user(), suite.user()
        async with aio_online(suite, jid, aioxmpp.PubSubClient) as (a, mine), \
                aio_online(suite, other, aioxmpp.PubSubClient) as (b, his):
            owner = a.local_jid.bare()
            features = await within(mine.get_features(owner))
            assert aioxmpp.pubsub.xso.Feature.PUBLISH_OPTIONS in features
            assert aioxmpp.pubsub.xso.Feature.PERSISTENT_ITEMS in features
            await within(mine.create(owner, NODE))
            config = await within(mine.get_node_config(owner, NODE))
            filled = aioxmpp.pubsub.NodeConfigForm.from_xso(config)
            filled.access_model.value = "open"
            await within(mine.set_node_config(owner, filled.render_reply(), NODE))
            await within(his.subscribe(owner, NODE))
            published = signalled(his.on_item_published)
            assert await within(mine.publish(owner, NODE, Payload(), id_="1")) == "1"
            (service, node, item), *_ = (await within(published),)
            assert (service, node, item.id_) == (owner, NODE, "1")
            items = await within(his.get_items(owner, NODE))
            assert [i.id_ for i in items.payload.items] == ["1"]
            retracted = signalled(his.on_item_retracted)
            await within(mine.retract(owner, NODE, "1", notify=True))
            assert (await within(retracted))[2] == "1"
            there = await within(his.get_subscriptions(owner, NODE))
            assert there.subscriptions[0].jid == b.local_jid.bare()
            await within(his.unsubscribe(owner, NODE))
            deleted = signalled(mine.on_node_deleted)
            await within(mine.subscribe(owner, NODE))
            await within(mine.delete(owner, NODE))
            assert (await within(deleted))[1] == NODE
    run(play())


def test_aioxmpp_avatar(suite):
    """What aioxmpp publishes, another aioxmpp reads."""
    async def play():
        jid, other = suite.user(), suite.user()
        async with online(suite, jid, other) as (a, b):
            await befriend(a, b)
        async with aio_online(suite, jid, aioxmpp.avatar.AvatarService) as (a, mine):
            images = aioxmpp.avatar.AvatarSet()
            images.add_avatar_image("image/png", image_bytes=IMAGE)
            await within(mine.publish_avatar_set(images))
            async with aio_online(suite, other, aioxmpp.avatar.AvatarService) as (_, his):
                found = list(await within(his.get_avatar_metadata(a.local_jid.bare())))
                assert [image.id_ for image in found] == [IMAGE_ID]
                for image in found:
                    assert await within(image.get_image_bytes()) == IMAGE
    run(play())
