# SPDX-License-Identifier: GPL-3.0-or-later
"""Logging in: the ways to TLS, the SASL mechanisms, refusals, resources."""
import asyncio
import base64
import hashlib
import hmac
import os
import ssl

import pytest
from helpers import PASSWORD, Client, Raw, online, run

MECHANISMS = ["SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN"]


@pytest.mark.parametrize("direct", [False, True], ids=["starttls", "direct"])
@pytest.mark.parametrize("mech", MECHANISMS)
def test_mechanism(suite, mech, direct):
    async def play():
        client = Client(suite, suite.user() + "/r", mech=mech)
        assert await client.login(direct=direct)
        assert client.boundjid.resource == "r"
        await client.logout()
    run(play())


def test_the_clients_own_choice(suite):
    """slixmpp left alone tries what it thinks best; it must get in."""
    async def play():
        client = Client(suite, suite.user(), mech=None)
        assert await client.login()
        await client.logout()
    run(play())


@pytest.mark.parametrize("mech", MECHANISMS)
def test_wrong_password(suite, mech):
    async def play():
        client = Client(suite, suite.user(), password="wrong", mech=mech)
        assert not await client.login()
        assert not client.authenticated
        await client.logout()
    run(play())


def test_unknown_user_fails_the_same_way(suite):
    async def play():
        client = Client(suite, f"nobody@{suite.host}")
        assert not await client.login()
        await client.logout()
    run(play())


def certificate_hash(raw):
    return hashlib.sha256(raw.socket.getpeercert(binary_form=True)).digest()


def scram_plus(raw, user, binding, name):
    """RFC 5802 by hand with a channel binding; returns the server's last element."""
    gs2 = b"p=tls-server-end-point,,"
    first = b"n=%s,r=%s" % (user.encode(), base64.b64encode(os.urandom(18)))
    raw.send(f"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='{name}'>"
             f"{base64.b64encode(gs2 + first).decode()}</auth>")
    challenge = base64.b64decode(raw.expect(r"<challenge[^>]*>([^<]+)<")[1])
    parts = dict(part.split(b"=", 1) for part in challenge.split(b","))
    algorithm = "sha256" if "256" in name else "sha1"
    salted = hashlib.pbkdf2_hmac(algorithm, PASSWORD.encode(), base64.b64decode(parts[b"s"]),
                                 int(parts[b"i"]))

    def mac(key, text):
        return hmac.digest(key, text, algorithm)

    last = b"c=%s,r=%s" % (base64.b64encode(gs2 + binding), parts[b"r"])
    signed = b",".join([first, challenge, last])
    client_key = mac(salted, b"Client Key")
    signature = mac(hashlib.new(algorithm, client_key).digest(), signed)
    proof = bytes(a ^ b for a, b in zip(client_key, signature))
    last += b",p=" + base64.b64encode(proof)
    raw.send("<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>"
             f"{base64.b64encode(last).decode()}</response>")
    answer = raw.expect(r"<(success|failure)[^>]*>(.*?)</(success|failure)>")
    if answer[1] == "success":
        verifier = base64.b64encode(mac(mac(salted, b"Server Key"), signed))
        assert base64.b64decode(answer[2]) == b"v=" + verifier
    return answer


@pytest.mark.parametrize("mech", ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS"])
@pytest.mark.parametrize("bound", [True, False], ids=["bound", "another-channel"])
def test_channel_binding(suite, mech, bound):
    user = suite.user().partition("@")[0]
    with Raw(suite.ports["c2s_tls"]) as raw:
        raw.start_tls(suite, alpn="xmpp-client")
        raw.open(suite.host)
        features = raw.expect(r"<stream:features>.*</stream:features>")[0]
        assert f"<mechanism>{mech}</mechanism>" in features
        assert "tls-server-end-point" in features
        binding = certificate_hash(raw) if bound else bytes(32)
        answer = scram_plus(raw, user, binding, mech)
        assert answer[1] == ("success" if bound else "failure")


def test_no_login_without_tls(suite):
    with Raw(suite.ports["c2s"]) as raw:
        raw.open(suite.host)
        features = raw.expect(r"<stream:features>.*</stream:features>")[0]
        assert "<required/>" in features and "mechanism" not in features
        token = base64.b64encode(b"\0u0\0" + PASSWORD.encode()).decode()
        raw.send("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>"
                 f"{token}</auth>")
        assert "encryption-required" in raw.expect(r"<failure.*?</failure>")[0]


def test_plaintext_where_it_is_configured(new_suite):
    suite = new_suite("--plaintext", "--users", "1")

    async def play():
        client = Client(suite, suite.user(), mech="SCRAM-SHA-256")
        assert await client.login(force_starttls=False, disable_starttls=True)
        await client.logout()
    run(play())


def test_wrong_alpn_is_refused(suite):
    with Raw(suite.ports["c2s_tls"]) as raw, pytest.raises(ssl.SSLError):
        raw.start_tls(suite, alpn="http/1.1")
        raw.open(suite.host)
        raw.expect("<stream:stream")


def test_unknown_host(suite):
    with Raw(suite.ports["c2s"]) as raw:
        raw.open("elsewhere.example")
        assert "host-unknown" in raw.expect_end()


def test_rubbish_ends_that_stream_only(suite):
    with Raw(suite.ports["c2s"]) as raw:
        raw.open(suite.host)
        raw.expect("</stream:features>")
        raw.send("<a><b></a></b>")
        assert "not-well-formed" in raw.expect_end()
    with Raw(suite.ports["c2s"]) as raw:
        raw.open(suite.host)
        raw.expect("</stream:features>")


def test_same_resource_replaces_the_session(suite):
    async def play():
        jid = suite.user() + "/phone"
        async with online(suite, jid) as (old,):
            gone = old.gone()
            conflict = asyncio.get_running_loop().create_future()
            old.add_event_handler("stream_error", lambda e: conflict.set_result(e["condition"]))
            async with online(suite, jid) as (new,):
                assert await asyncio.wait_for(conflict, 10) == "conflict"
                await asyncio.wait_for(gone, 10)
                new.send_message(new.boundjid.full, "still here", mtype="chat")
                await new.message("still here")
    run(play())


def test_server_makes_a_resource(suite):
    async def play():
        jid = suite.user()
        async with online(suite, jid, jid) as (one, two):
            assert one.boundjid.resource and two.boundjid.resource
            assert one.boundjid.full != two.boundjid.full
    run(play())
