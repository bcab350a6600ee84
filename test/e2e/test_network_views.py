# SPDX-License-Identifier: GPL-3.0-or-later
"""What is shown to clients of the network's domain, and of a host's, through all that clients do
with their contacts: whoever has opened the network's domain is never shown an address at a host,
and whoever has opened a host's none in the network.
"""
import contextlib

import slixmpp
from helpers import Component
from internet import online
from network import NETWORK, PATIENCE, addresses, handled, shown, subscribe
from slixmpp.xmlstream import ET

PLUGINS = ("xep_0030", "xep_0060", "xep_0115", "xep_0280")
NICK = "http://jabber.org/protocol/nick"
MUC = "http://jabber.org/protocol/muc#user"
MAM = "urn:xmpp:mam:2"
DISCO = "http://jabber.org/protocol/disco"


def record(client):
    """All that it is sent from now on, as text."""
    heard = []

    def keep(stanza):
        heard.append(ET.tostring(stanza.xml, encoding="unicode"))
        return stanza

    client.add_filter("in", keep)
    return heard


@contextlib.asynccontextmanager
async def viewers(three, domain):
    """alice at beta, and bob at gamma, in that domain; bob once more in the other one."""
    alice, bob = three.beta.user(), three.gamma.user()
    other = three.gamma.host if domain == "network" else NETWORK
    if domain != "network":
        alice, bob = three.beta.home(alice), three.gamma.home(bob)
    also = f"{slixmpp.JID(bob).local}@{other}"
    async with online((three.beta, alice), (three.gamma, f"{bob}/b"), (three.gamma, f"{also}/also"),
                      plugins=PLUGINS) as (a, b, c):
        for client in (a, b, c):
            await client["xep_0280"].enable()
        await a["xep_0030"].add_feature(NICK + "+notify")
        await a["xep_0115"].update_caps()
        yield a, b, c


def requests(a, bob):
    """(to whom, content, type) of what alice asks of bob and about him."""
    local = slixmpp.JID(bob).local
    yield bob, f"<query xmlns='{DISCO}#info'/>", "get"
    yield bob, f"<query xmlns='{DISCO}#info' node='{NICK}'/>", "get"
    yield bob, f"<query xmlns='{DISCO}#items'/>", "get"
    yield bob, f"<query xmlns='{DISCO}#items' node='{NICK}'/>", "get"
    yield bob, f"<query xmlns='{DISCO}#items' node='http://jabber.org/protocol/commands'/>", "get"
    yield bob, ("<pubsub xmlns='http://jabber.org/protocol/pubsub'>"
                f"<items node='{NICK}'/></pubsub>"), "get"
    yield bob, ("<pubsub xmlns='http://jabber.org/protocol/pubsub'>"
                f"<subscribe node='{NICK}' jid='{a.boundjid.bare}'/></pubsub>"), "set"
    yield bob, "<pubsub xmlns='http://jabber.org/protocol/pubsub'><subscriptions/></pubsub>", "get"
    yield bob, "<vCard xmlns='vcard-temp'/>", "get"
    yield bob, "<query xmlns='jabber:iq:last'/>", "get"
    yield f"{bob}/nobody", "<ping xmlns='urn:xmpp:ping'/>", "get"
    for domain in (NETWORK, slixmpp.JID(bob).domain):
        yield "", (f"<query xmlns='{MAM}'><x xmlns='jabber:x:data' type='submit'>"
                   f"<field var='FORM_TYPE'><value>{MAM}</value></field><field var='with'>"
                   f"<value>{local}@{domain}</value></field></x></query>"), "set"
        yield "", f"<block xmlns='urn:xmpp:blocking'><item jid='{local}@{domain}'/></block>", "set"
        yield "", "<blocklist xmlns='urn:xmpp:blocking'/>", "get"
        yield bob, "<query xmlns='jabber:iq:last'/>", "get"
        yield "", f"<unblock xmlns='urn:xmpp:blocking'><item jid='{local}@{domain}'/></unblock>", (
            "set")
        yield "", ("<query xmlns='jabber:iq:roster'>"
                   f"<item jid='{local}@{domain}' name='{domain}'/></query>"), "set"
        yield "", (f"<prefs xmlns='{MAM}' default='roster'><always><jid>{local}@{domain}</jid>"
                   "</always></prefs>"), "set"
    yield "", "<query xmlns='jabber:iq:roster'/>", "get"


async def talk_to(three, a, b, c, bob):
    """Messages, and copies of them; one message to several; a room that shows who is in it."""
    a.send_message(bob, "to both", mtype="chat")
    for client in (b, c):
        await client.message("to both")
        client.send_message(shown(client, a.boundjid.bare, three.beta), "back", mtype="chat")
    for _ in range(2):
        await a.message("back")
    many = a.make_message(three.beta.host, "to many")
    many.append(ET.fromstring(
        f"<addresses xmlns='http://jabber.org/protocol/address'><address type='to' jid='{bob}'/>"
        f"<address type='cc' jid='{a.boundjid.bare}'/></addresses>"))
    many.send()
    for client in (a, b, c):
        await client.message("to many")
    component = Component(three.prime, "a")
    with three.network.inside("prime"):
        assert await component.login()
    try:
        for to in (a, b, c):
            home = three.beta if to is a else three.gamma
            present = component.make_presence(
                pfrom=f"room@{three.prime.components['a']['name']}/bob",
                pto=home.home(to.boundjid.full))
            present.append(ET.fromstring(
                f"<x xmlns='{MUC}'><item jid='{three.gamma.home(b.boundjid.full)}' role='none'/>"
                f"<item jid='{slixmpp.JID(bob).local}@{NETWORK}/x' role='none'/></x>"))
            present.send()
        for client in (a, b, c):
            await client.expect(lambda s: s["from"].user == "room")
    finally:
        await component.logout()


def assert_seen(client, heard):
    """Of the network, only addresses in the domain that it has opened its stream to."""
    is_network = client.boundjid.domain == NETWORK
    for text in heard:
        seen = addresses(text)
        assert not (seen - {NETWORK} if is_network else seen & {NETWORK}), text


def test_nobody_sees_the_other_form(three):
    async def play(domain):
        async with viewers(three, domain) as (a, b, c):
            heard = {client: record(client) for client in (a, b, c)}
            await subscribe(a, three.beta, b, three.gamma)
            bob = shown(a, b.boundjid.bare, three.gamma)
            await b["xep_0060"].publish(None, NICK, payload=ET.fromstring(
                f"<nick xmlns='{NICK}'>bob</nick>"))
            await talk_to(three, a, b, c, bob)
            for to, content, kind in requests(a, bob):
                answer = await a.request(to, content, kind)
                if to:
                    assert answer["from"] == to
            await handled(a, three.beta)
            for client, texts in heard.items():
                assert len(texts) > 5
                assert_seen(client, texts)
            names = [text for text in heard[a] if NICK in text and "#event" in text]
            assert names, "the nickname has not been told"
            # One contact for one person.
            rosters = [text for text in heard[a] if "jabber:iq:roster" in text]
            assert rosters[-1].count(":item jid=") == 1, rosters[-1]

    for domain in ("network", "host"):
        three.run(play(domain), 2 * PATIENCE)
