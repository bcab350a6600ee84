# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers that lie: about who they are, about who writes, about what others have answered."""
import contextlib
import re
import ssl

import pytest
from helpers import Raw
from internet import online, v4

DB = "jabber:server:dialback"
SASL = "urn:ietf:params:xml:ns:xmpp-sasl"
# base64 of evil.example, of prosody.example
EVIL, PROSODY = "ZXZpbC5leGFtcGxl", "cHJvc29keS5leGFtcGxl"


class Peer(Raw):
    """Another server, as raw as a client can be, with a good certificate for evil.example."""

    def __init__(self, lab, suite, domain="evil.example"):
        with lab.network.inside("clients"):
            super().__init__(5269, source=v4("clients"), address=suite.address)
        self.lab, self.suite, self.domain = lab, suite, domain
        self.certificate = lab.pem["evil"]

    def header(self, to=None):
        self.send(f"<?xml version='1.0'?><stream:stream xmlns='jabber:server' xmlns:db='{DB}' "
                  f"xmlns:stream='http://etherx.jabber.org/streams' from='{self.domain}' "
                  f"to='{to or self.suite.host}' version='1.0'>")

    def secure(self):
        self.header()
        self.expect("<starttls")
        self.send("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
        self.expect("<proceed[^>]*>")
        context = ssl.create_default_context(cafile=self.lab.authority.ca)
        context.load_cert_chain(self.certificate, self.lab.authority.key)
        self.socket = context.wrap_socket(self.socket, server_hostname=self.suite.host)
        self.text = ""
        self.header()
        return self.expect("<stream:features.*?</stream:features>")[0]

    def prove(self):
        """Becomes evil.example, which it is."""
        assert "EXTERNAL" in self.secure()
        self.send(f"<auth xmlns='{SASL}' mechanism='EXTERNAL'>{EVIL}</auth>")
        self.expect("<success")
        self.text = ""
        self.header()
        self.expect("<stream:features.*?(</stream:features>|/>)")
        return self

    def expect_error(self, condition):
        assert f"<{condition} " in self.expect_end()


@pytest.fixture(name="peer")
def make_peer(lab, ours):
    with Peer(lab, ours) as it:
        yield it


@contextlib.contextmanager
def unheard(lab, ours, jid):
    """Nothing that is sent in the block reaches the user."""
    yield

    async def play():
        async with online((ours, jid)) as (a,):
            a.send_message(jid, "own")
            await a.message("own")
            assert not [s for s in a.arrived if "evil" in str(s) or "lie" in str(s)]

    lab.run(play())


def message(from_, to, body="a lie", more=""):
    return f"<message from='{from_}' to='{to}' type='chat'><body>{body}</body>{more}</message>"


def test_what_it_may_say_arrives(lab, ours, peer):
    """So that the others fail for what they lie about."""
    jid = ours.user()

    async def play():
        async with online((ours, jid)) as (a,):
            peer.prove().send(message("x@evil.example", jid, "the truth"))
            assert (await a.message("the truth"))["from"] == "x@evil.example"

    lab.run(play())


@pytest.mark.parametrize("from_, to, condition", [
    ("u0@prosody.example", None, "invalid-from"),
    ("x@sub.evil.example", None, "invalid-from"),
    ("u0@kontalk.example", None, "invalid-from"),
    ("", None, "improper-addressing"),
    ("x@evil.example", "", "improper-addressing"),
    ("x@evil.example", "u0@prosody.example", "host-unknown"),
])
def test_stanzas_of_others(lab, ours, peer, from_, to, condition):
    jid = ours.user()
    with unheard(lab, ours, jid):
        peer.prove().send(message(from_, jid if to is None else to))
        peer.expect_error(condition)


def test_stanzas_before_it_has_proved_anything(lab, ours, peer):
    jid = ours.user()
    with unheard(lab, ours, jid):
        peer.secure()
        peer.send(message("x@evil.example", jid))
        peer.expect_error("not-authorized")


def test_another_ones_certificate(lab, ours):
    """With evil's certificate it cannot be prosody.example by EXTERNAL; and the key that it shows
    is not one of prosody.example's, which is asked."""
    lab.prosody()
    jid = ours.user()
    with unheard(lab, ours, jid), Peer(lab, ours, "prosody.example") as peer:
        features = peer.secure()
        assert "EXTERNAL" not in features and "dialback" in features
        peer.send(f"<db:result from='prosody.example' to='{ours.host}'>{'0' * 64}</db:result>")
        assert "type='invalid'" in peer.expect("<db:result[^>]*>")[0]
        with contextlib.suppress(OSError):
            peer.send(message("u0@prosody.example", jid))
        peer.expect_end()


def test_an_authorization_for_another(lab, ours, peer):
    lab.prosody()
    peer.secure()
    peer.send(f"<auth xmlns='{SASL}' mechanism='EXTERNAL'>{PROSODY}</auth>")
    peer.expect("<failure")


@pytest.mark.parametrize("kind", ["result", "verify"])
def test_answers_that_nobody_asked_for(lab, ours, peer, kind):
    """CVE-2012-3525: what says that prosody.example has been verified verifies nothing."""
    jid = ours.user()
    with unheard(lab, ours, jid):
        peer.prove()
        for from_, to in (("prosody.example", ours.host), (ours.host, "prosody.example")):
            peer.send(f"<db:{kind} from='{from_}' to='{to}' id='x' type='valid'/>")
        with contextlib.suppress(OSError):
            peer.send(message("u0@prosody.example", jid))
        peer.expect_end()


def test_it_claims_to_be_us(lab, ours):
    for claimed in (ours.host, ours.host.upper()):
        with Peer(lab, ours, claimed) as peer:
            with contextlib.suppress(AssertionError, OSError):
                assert "EXTERNAL" not in peer.secure()
                peer.send(f"<db:result from='{claimed}' to='{ours.host}'>{'0' * 64}</db:result>")
            text = peer.expect_end()
            assert re.search("not-authorized|invalid-from|type='error'|type='invalid'", text), text
            assert "type='valid'" not in text


def test_what_only_our_server_may_say(lab, ours, peer):
    """Archive ids in our user's name, delays, carbons: gone before he sees them."""
    jid = ours.user()

    async def play():
        async with online((ours, jid)) as (a,):
            forged = (f"<stanza-id xmlns='urn:xmpp:sid:0' by='{jid}' id='forged'/>"
                      f"<stanza-id xmlns='urn:xmpp:sid:0' by='{ours.host}' id='forged'/>")
            peer.prove().send(message("x@evil.example", jid, "decorated", forged))
            got = await a.message("decorated")
            assert "forged" not in str(got)

    lab.run(play())


NO_STANZAS = {
    "doctype": ("<!DOCTYPE a [<!ENTITY b 'c'>]>", "restricted-xml"),
    "http": ("GET / HTTP/1.0\r\n\r\n", "bad-format"),
    "endless": (f"<message from='x@evil.example'><body>{'a' * 600000}", "policy-violation"),
}


@pytest.mark.parametrize("name", NO_STANZAS)
def test_what_is_no_stanza(peer, name):
    text, condition = NO_STANZAS[name]
    peer.prove()
    with contextlib.suppress(OSError):
        peer.send(text)
    peer.expect_error(condition)
