# SPDX-License-Identifier: GPL-3.0-or-later
"""What an account keeps for its user and others, and what the server tells of itself: vCards, private
XML, last activity, services elsewhere, contact addresses."""
import base64
import hashlib
import hmac
import os
import re
import time
import xml.etree.ElementTree as ET

import aioxmpp
from aio import aio_online, within
from helpers import eventually, online, run
from test_pep import befriend, event, interested

SERVICE = "{urn:xmpp:extdisco:2}service"
SECRET = "not so secret"
BOOKMARKS = "urn:xmpp:bookmarks:1"


def test_vcards(suite):
    async def play():
        jid, other = suite.user(), suite.user()
        async with online(suite, other, plugins=("xep_0054",)) as (b,):
            async with online(suite, jid, plugins=("xep_0054",)) as (a,):
                assert (await a.request(None, "<vCard xmlns='vcard-temp'/>"))["type"] == "error"
                card = a["xep_0054"].make_vcard()
                card["FN"] = "A & co"
                card["PHOTO"]["TYPE"] = "image/png"
                card["PHOTO"]["BINVAL"] = b"\x89PNG" * 10000
                await a["xep_0054"].publish_vcard(card)
                answer = await b["xep_0054"].get_vcard(jid)
                assert answer["vcard_temp"]["FN"] == "A & co"
            answer = await b["xep_0054"].get_vcard(jid)
            assert answer["vcard_temp"]["PHOTO"]["BINVAL"] == b"\x89PNG" * 10000
            nobody = await b.request(f"nobody@{suite.host}", "<vCard xmlns='vcard-temp'/>")
            without = await b.request(suite.user(), "<vCard xmlns='vcard-temp'/>")
            assert nobody["error"]["condition"] == without["error"]["condition"]
    run(play())


def test_private_xml(suite):
    async def play():
        jid = suite.user()
        async with online(suite, jid + "/s") as (a,):
            answer = await a.request(None, "<query xmlns='jabber:iq:private'><storage "
                                     "xmlns='storage:bookmarks'><conference jid='r@s.example' "
                                     "name='R'/></storage></query>", "set")
            assert answer["type"] == "result"
        async with aio_online(suite, jid + "/aio", aioxmpp.bookmarks.BookmarkClient) as \
                (_, bookmarks):
            found = await within(bookmarks.get_bookmarks())
            assert [str(b.jid) for b in found] == ["r@s.example"]
    run(play())


def test_last_activity(suite):
    async def play():
        async with online(suite, suite.user(), suite.user(), plugins=("xep_0012",)) as (a, b):
            answer = await a["xep_0012"].get_last_activity(suite.host, local=False)
            assert 0 <= answer["last_activity"]["seconds"] < 3600
            answer = await a.request(b.boundjid.bare, "<query xmlns='jabber:iq:last'/>")
            assert answer["error"]["condition"] == "forbidden"
            answer = await a.request(None, "<query xmlns='jabber:iq:last'/>")
            assert answer.xml[0].get("seconds") == "0"
    run(play())


def test_last_activity_of_a_friend(suite):
    """XEP-0012 3, 8: who sees his presence may know since when he is away, and what he said then."""
    async def play():
        jid, friend = suite.user(), suite.user()
        async with online(suite, friend, plugins=("xep_0012",)) as (b,):
            async with online(suite, jid) as (a,):
                await befriend(a, b)
                answer = await b["xep_0012"].get_last_activity(jid, local=False)
                assert answer["last_activity"]["seconds"] == 0
                a.send_presence(ptype="unavailable", pstatus="to the well")
                await b.presence(a.boundjid, "unavailable")
            answer = await b["xep_0012"].get_last_activity(jid, local=False)
            assert 0 <= answer["last_activity"]["seconds"] < 600
    run(play())


def test_bookmarks_of_old_and_new_clients(suite):
    """XEP-0402 with XEP-0411: what slixmpp's xep_0048 and aioxmpp keep in private XML is the same as
    the items of who knows those; changes are told."""
    async def play():
        jid = suite.user()
        async with interested(suite, jid + "/new", nodes=[BOOKMARKS]) as (new,), \
                online(suite, jid + "/old", plugins=("xep_0048",)) as (old,), \
                aio_online(suite, jid + "/aio", aioxmpp.bookmarks.BookmarkClient) as (_, other):
            kept = old["xep_0048"].stanza.Bookmarks()
            kept.add_conference("one@muc.example", nick="me", autojoin=True)
            await old["xep_0048"].set_bookmarks(kept)
            told = await new.expect(event(BOOKMARKS, "one@muc.example"), "event")
            room = told.xml.find(f".//{{{BOOKMARKS}}}conference")
            assert room.get("autojoin") == "true"
            assert room.findtext(f"{{{BOOKMARKS}}}nick") == "me"
            await new["xep_0060"].publish(None, BOOKMARKS, id="two@muc.example",
                                          payload=ET.fromstring(f"<conference xmlns='{BOOKMARKS}' "
                                                                "name='Two'/>"))
            found = await within(other.get_bookmarks())
            assert {(str(b.jid), b.nick, b.autojoin) for b in found} == \
                {("one@muc.example", "me", True), ("two@muc.example", None, False)}
            await within(other.discard_bookmark(found[0]))
            gone = str(found[0].jid)
            await new.expect(event(BOOKMARKS, "retract"), "retraction")
            answer = await old["xep_0048"].get_bookmarks()
            left = {str(c["jid"]) for c in answer["private"]["bookmarks"]["conferences"]}
            assert left == {"one@muc.example", "two@muc.example"} - {gone}
    run(play())


def configure(suite, contacts, more=""):
    path = os.path.join(suite.paths["config"], "c2s.conf")
    with open(path, encoding="utf-8") as file:
        text = file.read()
    for key, value in contacts.items():
        text, count = re.subn(rf"(?m)^{key} =$", f"{key} = {value}", text)
        assert count == 1
    with open(path, "w", encoding="utf-8") as file:
        file.write(text + more)


def check_service(service):
    """As a TURN server does."""
    user, password = service.get("username"), service.get("password")
    assert int(user) > time.time()
    made = hmac.new(SECRET.encode(), user.encode(), hashlib.sha1).digest()
    assert base64.b64decode(password) == made


def test_what_is_configured_is_told(new_suite):
    suite = new_suite("--users", "1")
    configure(suite, {"abuse": "mailto:abuse@localhost xmpp:abuse@localhost"}, f"""
[service stun]
type = stun
host = stun.localhost
[service turn]
type = turn
host = turn.localhost
port = 3478
transport = udp
secret = {SECRET}
""")
    suite.restart("c2s")

    async def play():
        jid = suite.user()
        async with online(suite, jid + "/s") as (a,):
            answer = await a.request(suite.host, "<services xmlns='urn:xmpp:extdisco:2'/>")
            stun, turn = answer.xml.iter(SERVICE)
            assert stun.get("host") == "stun.localhost" and stun.get("username") is None
            check_service(turn)
            answer = await a.request(suite.host, "<credentials xmlns='urn:xmpp:extdisco:2'>"
                                     "<service type='turn' host='turn.localhost'/></credentials>")
            check_service(next(answer.xml.iter(SERVICE)))
        async with aio_online(suite, jid + "/aio", aioxmpp.DiscoClient) as (_, disco):
            info = await within(disco.query_info(aioxmpp.JID.fromstr(suite.host)))
            assert {"vcard-temp", "jabber:iq:last", "urn:xmpp:extdisco:2"} <= info.features
            form, = info.exts
            assert form.get_form_type() == "http://jabber.org/network/serverinfo"
            abuse, = [f for f in form.fields if f.var == "abuse-addresses"]
            assert list(abuse.values) == ["mailto:abuse@localhost", "xmpp:abuse@localhost"]
    run(play())


def test_a_reload_tells_what_is_new(new_suite):
    suite = new_suite("--users", "1")

    async def contacts():
        async with online(suite, suite.user()) as (a,):
            answer = await a.request(suite.host,
                                     "<query xmlns='http://jabber.org/protocol/disco#info'/>")
            suite.used = 0
            return ET.tostring(answer.xml, encoding="unicode")

    assert "support@localhost" not in run(contacts())
    configure(suite, {"support": "mailto:support@localhost"})
    suite.kill("c2s", "HUP")
    eventually(lambda: "support@localhost" in run(contacts()), "the new address")
