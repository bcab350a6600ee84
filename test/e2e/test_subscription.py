# SPDX-License-Identifier: GPL-3.0-or-later
"""Who sees whom: subscriptions between users who are there and who are not, with two libraries."""
import asyncio
import base64

import aioxmpp
from aio import aio_online, signalled, within
from helpers import DEADLINE, PASSWORD, Raw, attached, online, run


async def states(client, contact):
    """What the roster says of a contact: its subscription, and whether an answer is awaited."""
    await client.get_roster(timeout=DEADLINE)
    item = client.client_roster[contact]
    return item["subscription"], bool(item["pending_out"])


async def until(client, contact, subscription):
    """The roster is pushed when it changes: slixmpp follows."""
    deadline = asyncio.get_running_loop().time() + DEADLINE
    while client.client_roster[contact]["subscription"] != subscription:
        assert asyncio.get_running_loop().time() < deadline, client.client_roster[contact]
        await client.request(None, "<ping xmlns='urn:xmpp:ping'/>")


async def befriend(a, b):
    for one, other in ((a, b), (b, a)):
        await one.get_roster(timeout=DEADLINE)
        one.send_presence_subscription(other.boundjid.bare, ptype="subscribe")
        await other.presence(one.boundjid.bare, "subscribe")
        other.send_presence_subscription(one.boundjid.bare, ptype="subscribed")
        await one.presence(other.boundjid.bare, "subscribed")


def test_two_become_friends_and_part(suite):
    async def play():
        async with online(suite, suite.user() + "/a", suite.user() + "/b") as (a, b):
            jid, friend = a.boundjid.bare, b.boundjid.bare
            await befriend(a, b)
            await until(a, friend, "both")
            await until(b, jid, "both")
            await a.presence(b.boundjid.full)
            await b.presence(a.boundjid.full)
            a.send_presence(pshow="away", pstatus="tea")
            assert (await b.presence(a.boundjid.full, "away"))["status"] == "tea"
            # a sees b no more; b still sees a
            a.send_presence_subscription(friend, ptype="unsubscribe")
            await a.presence(b.boundjid.full, "unavailable")
            await b.presence(jid, "unsubscribe")
            await until(a, friend, "from")
            await until(b, jid, "to")
            # nor is a seen
            a.send_presence_subscription(friend, ptype="unsubscribed")
            await b.presence(a.boundjid.full, "unavailable")
            await b.presence(jid, "unsubscribed")
            await until(b, jid, "none")
    run(play())


def test_requests_wait_for_who_is_not_there(suite):
    async def play():
        jid, friend = suite.user(), suite.user()
        async with online(suite, jid) as (a,):
            a.send_presence_subscription(friend, ptype="subscribe", pnick="A")
            await a.request(None, "<ping xmlns='urn:xmpp:ping'/>")
            assert await states(a, friend) == ("none", True)
        # until it is answered
        for _ in range(2):
            async with online(suite, friend) as (b,):
                await b.presence(jid, "subscribe")
                assert await states(b, jid) == ("none", False)
        async with online(suite, friend) as (b,):
            await b.presence(jid, "subscribe")
            b.send_presence_subscription(jid, ptype="subscribed")
            await b.request(None, "<ping xmlns='urn:xmpp:ping'/>")
            async with online(suite, jid) as (a,):
                assert await states(a, friend) == ("to", False)
                await a.presence(b.boundjid.full)
            await b.logout()
        async with online(suite, friend) as (b,):
            await b.request(None, "<ping xmlns='urn:xmpp:ping'/>")
            assert not [s for s in b.arrived if s["type"] == "subscribe"]
    run(play())


def test_approved_in_advance(suite):
    async def play():
        jid, friend = suite.user(), suite.user()
        async with online(suite, friend) as (b,):
            answer = await b.request(None, "<query xmlns='jabber:iq:roster'/>")
            b.send_presence_subscription(jid, ptype="subscribed")
            answer = await b.request(None, "<query xmlns='jabber:iq:roster'/>")
            item, = answer.xml.iter("{jabber:iq:roster}item")
            assert item.get("approved") == "true" and item.get("subscription") == "none"
        async with online(suite, jid) as (a,):
            await a.get_roster(timeout=DEADLINE)
            a.send_presence_subscription(friend, ptype="subscribe")
            await a.presence(friend, "subscribed")
            await until(a, friend, "to")
        async with online(suite, friend) as (b,):
            assert await states(b, jid) == ("from", False)
            assert not [s for s in b.arrived if s["type"] == "subscribe"]
    run(play())


def test_the_feature_is_offered(suite):
    jid = suite.user()
    secret = base64.b64encode(f"\0{jid.partition('@')[0]}\0{PASSWORD}".encode()).decode()
    with Raw(suite.ports["c2s"]) as raw:
        raw.open(suite.host)
        raw.expect("</stream:features>")
        raw.send("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
        raw.expect("<proceed[^>]*>")
        raw.start_tls(suite)
        raw.open(suite.host)
        raw.expect("</stream:features>")
        raw.send("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>"
                 f"{secret}</auth>")
        raw.expect("<success[^>]*>")
        raw.open(suite.host)
        raw.expect("<ver xmlns='urn:xmpp:features:rosterver'/>")
        raw.expect("<sub xmlns='urn:xmpp:features:pre-approval'/>")


def test_a_removed_contact_is_told(suite):
    async def play():
        async with online(suite, suite.user() + "/a", suite.user() + "/b") as (a, b):
            await befriend(a, b)
            await b.presence(a.boundjid.full)
            await a.presence(b.boundjid.full)
            a.del_roster_item(b.boundjid.bare)
            await b.presence(a.boundjid.full, "unavailable")
            await a.presence(b.boundjid.full, "unavailable")
            await until(b, a.boundjid.bare, "none")
    run(play())


def test_a_lost_connection_is_told_to_contacts(suite):
    async def play():
        async with online(suite, suite.user() + "/a", suite.user() + "/b") as (a, b):
            await befriend(a, b)
            await b.presence(a.boundjid.full)
            a.abort()
            await b.presence(a.boundjid.full, "unavailable")
    run(play())


def test_a_component_is_a_contact(suite):
    """One beyond the router: presence, probes and subscriptions as with any other domain."""
    async def play():
        async with attached(suite, "a") as gate, online(suite, suite.user()) as (a,):
            contact, jid = f"x@{gate.boundjid.bare}", a.boundjid.bare
            await a.get_roster(timeout=DEADLINE)
            a.send_presence_subscription(contact, ptype="subscribe")
            await gate.expect(lambda s: s["type"] == "subscribe" and str(s["from"]) == jid)
            gate.send_presence(pto=jid, pfrom=contact, ptype="subscribed")
            gate.send_presence(pto=jid, pfrom=contact + "/r", pstatus="hi")
            await a.presence(contact, "subscribed")
            assert (await a.presence(contact + "/r"))["status"] == "hi"
            gate.send_presence(pto=jid, pfrom=contact, ptype="subscribe")
            await a.presence(contact, "subscribe")
            a.send_presence_subscription(contact, ptype="subscribed")
            await gate.expect(lambda s: s["type"] == "available" and s["from"] == a.boundjid)
            # its own probe is answered, a stranger's is not
            gate.send_presence(pto=jid, pfrom=contact + "/r", ptype="probe")
            await gate.expect(lambda s: s["type"] == "available" and s["to"] == contact + "/r")
            gate.send_presence(pto=jid, pfrom="y@" + gate.boundjid.bare, ptype="probe")
            await gate.expect(lambda s: s["type"] == "unsubscribed" and s["to"].user == "y")
            # who comes anew asks
            await a.logout()
            await gate.expect(lambda s: s["type"] == "unavailable" and s["from"] == a.boundjid)
            async with online(suite, jid) as (again,):
                probe = await gate.expect(lambda s: s["type"] == "probe")
                assert probe["to"] == contact and probe["from"] == again.boundjid
    run(play())


def test_aioxmpp(suite):
    async def play():
        jid, friend = suite.user(), suite.user()
        services = (aioxmpp.RosterClient, aioxmpp.PresenceClient)
        async with online(suite, friend + "/b") as (b,), \
                aio_online(suite, jid + "/aio", *services) as (_, roster, presence):
            contact = aioxmpp.JID.fromstr(friend)
            await within(roster.set_entry(contact, name="F", add_to_groups={"g"}))
            assert roster.items[contact].name == "F" and set(roster.groups) == {"g"}
            come = signalled(presence.on_available)
            asked = signalled(roster.on_subscribe)
            roster.subscribe(contact)
            await b.presence(jid, "subscribe")
            b.send_presence_subscription(jid, ptype="subscribed")
            full, _ = await within(come)
            while full.bare() != contact:  # oneself, first
                come = signalled(presence.on_available)
                full, _ = await within(come)
            assert str(full) == friend + "/b"
            assert roster.items[contact].subscription == "to"
            b.send_presence_subscription(jid, ptype="subscribe")
            await within(asked)
            approved = signalled(roster.on_entry_subscription_state_changed)
            roster.approve(contact)
            await within(approved)
            assert roster.items[contact].subscription == "both"
            await b.presence(jid + "/aio")
            gone = signalled(presence.on_unavailable)
            await b.logout()
            await within(gone)
            await within(roster.remove_entry(contact))
            assert contact not in roster.items
    run(play())


def test_a_contact_of_a_restarted_server(new_suite):
    """What has been agreed is there after the servers have gone and come back."""
    suite = new_suite("--users", "2")

    async def before(jid, friend):
        async with online(suite, jid + "/a", friend + "/b") as (a, b):
            await befriend(a, b)
            await b.presence(a.boundjid.full)

    async def after(jid, friend):
        async with online(suite, jid + "/a", friend + "/b") as (a, b):
            await a.presence(b.boundjid.full)
            assert await states(b, jid) == ("both", False)

    jid, friend = suite.user(), suite.user()
    run(before(jid, friend))
    suite.restart("c2s")
    run(after(jid, friend))
