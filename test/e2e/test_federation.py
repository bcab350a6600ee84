# SPDX-License-Identifier: GPL-3.0-or-later
"""Federation with Prosody and ejabberd, in networks that the test makes (federation.py): what two
people and their servers do all day.
"""
import re

import pytest
from federation import MUC, Ours
from internet import forwarded, online, talk


@pytest.fixture(scope="module", name="peer", params=["prosody", "ejabberd", "kontalk"])
def each_peer(lab, request, tmp_path_factory):
    """Another server, once of each kind."""
    if request.param != "kontalk":
        yield getattr(lab, request.param)()
        return
    it = Ours(lab, tmp_path_factory.mktemp("other") / "s", "other", "other.example")
    yield it
    it.stop()


def test_the_laboratory_is_right(lab):
    """Two servers of others find each other in it: what fails elsewhere is not the network."""
    async def play():
        async with online((lab.prosody(), "u0"), (lab.ejabberd(), "u0")) as (a, b):
            await talk(a, b, "others")

    lab.run(play())


def test_messages(lab, ours, peer):
    async def play():
        async with online((ours, None), (peer, "u1")) as (a, b):
            await talk(a, b, "bare")
            # To full addresses, with all that a text may hold, and in order.
            for i in range(20):
                a.send_message(b.boundjid.full, f"<{i}> & \u2615 \U0001f600")
                b.send_message(a.boundjid.full, f"'{i}' \"back\"")
            for i in range(20):
                assert (await b.message(f"<{i}> & \u2615 \U0001f600"))["from"] == a.boundjid
                assert (await a.message(f"'{i}' \"back\""))["from"] == b.boundjid

    lab.run(play())


def test_subscriptions(lab, ours, peer):
    """Each sees the other come and go, once both have agreed; the rosters say so."""
    async def play():
        async with online((ours, None), (peer, "u2")) as (a, b):
            for client in (a, b):
                await client.get_roster()
            for asks, answers in ((a, b), (b, a)):
                asks.send_presence(pto=answers.boundjid.bare, ptype="subscribe")
                await answers.presence(asks.boundjid.bare, "subscribe")
                answers.send_presence(pto=asks.boundjid.bare, ptype="subscribed")
                await asks.presence(answers.boundjid.bare, "subscribed")
                await asks.presence(answers.boundjid)
            for one, other in ((a, b), (b, a)):
                await one.get_roster()
                assert one.client_roster[other.boundjid.bare]["subscription"] == "both"
            a.send_presence(pshow="away", pstatus="out for lunch")
            seen = await b.expect(lambda s: s["from"] == a.boundjid and s["type"] == "away")
            assert seen["status"] == "out for lunch"
            b.send_presence(ptype="unavailable")
            await a.presence(b.boundjid, "unavailable")
            b.send_presence()
            await a.presence(b.boundjid)
            # A probe from the other side, too: who comes later learns who is there.
            async with online((peer, "u2")) as (late,):
                await late.expect(lambda s: s["from"] == a.boundjid and s["type"] == "away")
            a.send_presence(pto=b.boundjid.bare, ptype="unsubscribe")
            await b.presence(a.boundjid.bare, "unsubscribe")

    lab.run(play())


def test_requests(lab, ours, peer):
    async def play():
        async with online((ours, None), (peer, "u3")) as (a, b):
            ping = "<ping xmlns='urn:xmpp:ping'/>"
            for client, to in ((a, peer.host), (b, ours.host)):
                answer = await client.request(to, ping)
                assert answer["type"] == "result" and answer["from"] == to
            for client, to in ((a, peer.host), (b, ours.host)):
                answer = await client.request(
                    to, "<query xmlns='http://jabber.org/protocol/disco#info'/>")
                assert answer["type"] == "result"
                assert answer.xml.find(".//{*}identity").get("category") == "server"
            for client, to in ((a, b.boundjid), (b, a.boundjid)):
                answer = await client.request(to, "<query xmlns='urn:example:nobody-knows'/>")
                assert answer["error"]["condition"] in ("feature-not-implemented",
                                                        "service-unavailable")
            # Nobody of that name.
            nobody = f"nobody@{ours.host}"
            answer = await b.request(nobody, "<vCard xmlns='vcard-temp'/>")
            assert answer["type"] == "error" and answer["from"] == nobody
            assert (await forwarded(b, f"nobody@{ours.host}"))["error"]["condition"] == (
                "service-unavailable")

    lab.run(play())


@pytest.mark.parametrize("peer", ["prosody", "ejabberd"], indirect=True)
def test_a_chat_room(lab, ours, peer):
    """Two of ours and one of theirs in a room of the other server's."""
    room = f"tea@rooms.{peer.host}"

    async def join(client, nick):
        client.send_raw(f"<presence to='{room}/{nick}'><x xmlns='{MUC}'/></presence>")
        await client.presence(f"{room}/{nick}")

    async def play():
        async with online((peer, "u4"), (ours, None), (ours, None)) as (b, a, c):
            await join(b, "bert")
            answer = await b.request(
                room, f"<query xmlns='{MUC}#owner'><x xmlns='jabber:x:data' type='submit'/>"
                "</query>", "set")
            assert answer["type"] == "result", answer
            await join(a, "anna")
            await join(c, "cleo")
            for client, nick in ((a, "anna"), (b, "bert"), (c, "cleo")):
                client.send_message(room, f"{nick} speaks", mtype="groupchat")
                for other in (a, b, c):
                    got = await other.message(f"{nick} speaks")
                    assert got["from"] == f"{room}/{nick}" and got["type"] == "groupchat"
            a.send_presence(pto=f"{room}/anna", ptype="unavailable")
            await b.presence(f"{room}/anna", "unavailable")
            # One who ends without a word is gone from it, too.
            await c.logout()
            await b.presence(f"{room}/cleo", "unavailable")

    lab.run(play())


def test_the_way_back_is_the_same_stream(lab, ours):
    """Prosody speaks XEP-0288: one stream carries both directions."""
    prosody = lab.prosody()

    async def play():
        async with online((ours, None), (prosody, "u5")) as (a, b):
            a.send_message(b.boundjid.bare, "first")
            await b.message("first")
            b.send_message(a.boundjid.bare, "second")
            await a.message("second")

    lab.run(play())
    # Whichever side has opened it.
    assert (re.search("ev=out.ready local=kontalk.example remote=prosody.example .*bidi=1",
                      ours.log())
            or any("prosody.example" in row["domains"] and "both ways" in row["details"]
                   for row in ours.ctl_json("s2s", "list")))


def test_offline_messages_come_later(lab, ours, peer):
    """What comes from elsewhere for somebody who is not there waits for him, and says when."""
    jid = ours.user()

    async def play():
        async with online((peer, "u6")) as (b,):
            b.send_message(jid, "for later")
            # The server answers after it: so that has been handled.
            assert (await b.request(ours.host, "<ping xmlns='urn:xmpp:ping'/>"))["type"] == "result"
        async with online((ours, jid)) as (a,):
            got = await a.message("for later")
            assert got["from"].bare == f"u6@{peer.host}"
            assert got.xml.find("{urn:xmpp:delay}delay") is not None

    lab.run(play())
