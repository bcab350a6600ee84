# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers of the network that lie, and the table of servers: who is in it, with which key, and from
when to when.
"""
import base64
import contextlib
import os
import re
import secrets
import ssl
import subprocess
import sys
import threading
import time

import pytest
import slixmpp
from helpers import DEADLINE, PASSWORD, ROOT, Raw, eventually
from internet import online, v4
from network import NETWORK, PATIENCE, refusal, talk

sys.path.insert(0, os.path.join(ROOT, "test"))
import suitelib  # noqa: E402

NS = "http://kontalk.org/extensions/network"
SM = "urn:xmpp:sm:3"
EVIL = f"evil.{NETWORK}"


class Evil:
    """The key and the certificate of one more server."""

    def __init__(self, directory):
        site = suitelib.Site(directory, EVIL, NETWORK, suitelib.OFFSETS, networks=True)
        site.prepare()
        site.write_net()
        self.fingerprint = site.fingerprint
        self.certificate = os.path.join(site.config, "server.pem")
        self.key = os.path.join(site.config, "server.key")


class Peer(Raw):
    """The other end of a link, as raw as a client can be."""

    def __init__(self, three, member, evil=None, domain=EVIL):
        with three.network.inside("clients"):
            super().__init__(5270, source=v4("clients"), address=member.address)
        self.member, self.domain = member, domain
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.set_alpn_protocols(["xmpp-net"])
        if evil:
            context.load_cert_chain(evil.certificate, evil.key)
        self.socket = context.wrap_socket(self.socket, server_hostname=member.host)
        assert self.socket.version() == "TLSv1.3"

    def header(self, to=None):
        self.send("<?xml version='1.0'?><stream:stream xmlns='jabber:server' xmlns:stream="
                  f"'http://etherx.jabber.org/streams' from='{self.domain}' "
                  f"to='{to or self.member.host}' version='1.0'>")
        return self

    def link(self):
        """A link that may carry stanzas."""
        self.header().expect("</stream:features>")
        self.send(f"<enable xmlns='{SM}'/>")
        self.expect("<enabled [^>]*>")
        return self

    def expect_error(self, condition):
        text = self.expect_end()
        assert f"<{condition} " in text, text

    def ask(self, type_, payload):
        """An iq to the host, and what comes for it."""
        id_ = secrets.token_hex(4)
        self.send(f"<iq type='{type_}' id='{id_}' from='{EVIL}/x' to='{self.member.host}'>"
                  f"{payload}</iq>")
        return self.expect(rf"<iq[^>]*id=['\"]{id_}['\"].*?(</iq>|/>)")[0]


@pytest.fixture(scope="module")
def evil(three, tmp_path_factory):
    """A fourth server, which is in prime's table while the test runs."""
    it = Evil(tmp_path_factory.mktemp("evil") / "s")
    three.prime.ctl("server", "add", EVIL, it.fingerprint)
    yield it
    three.prime.ctl("server", "remove", EVIL)


@pytest.fixture(name="peer")
def make_peer(three, evil):
    with Peer(three, three.prime, evil) as it:
        yield it


@contextlib.contextmanager
def from_home(peer, user, text):
    """Sends it; whoever asks in the block hears that this is the user's home. Nobody asks for a
    moment when a question has been left unanswered before: then it comes back, and is sent again.
    """
    ended = threading.Event()

    def answer():
        peer.send(text)
        peer.socket.settimeout(0.2)
        while not ended.is_set():
            with contextlib.suppress(TimeoutError):
                asked = peer.expect(rf"<iq ([^>]*)><home [^>]*user='{user}'[^>]*/></iq>"
                                    "|<remote-server-timeout ")[1]
                if not asked:
                    ended.wait(1)
                    peer.send(text)
                    continue
                id_, from_ = (re.search(rf"{name}='([^']*)'", asked)[1] for name in ("id", "from"))
                peer.send(f"<iq type='result' id='{id_}' from='{EVIL}' to='{from_}'><home "
                          f"xmlns='{NS}' user='{user}' host='{EVIL}' stamp='1'/></iq>")

    thread = threading.Thread(target=answer)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        peer.socket.settimeout(DEADLINE)


@contextlib.contextmanager
def unheard(three, jid):
    """Nothing that is sent in the block reaches the user."""
    yield

    async def play():
        async with online((three.prime, jid)) as (a,):
            a.send_message(jid, "own", mtype="chat")
            await a.message("own")
            assert not [s for s in a.arrived if "a lie" in str(s)]

    three.run(play())


def message(from_, to, body="a lie", more=""):
    return f"<message from='{from_}' to='{to}' type='chat'><body>{body}</body>{more}</message>"


def test_what_it_may_say_arrives(three, peer):
    """So that the others fail for what they lie about."""
    jid = three.prime.user()

    async def play():
        async with online((three.prime, jid)) as (a,):
            text = message(f"x@{EVIL}", three.prime.home(jid), "the truth")
            with from_home(peer.link(), "x", text):
                assert (await a.message("the truth", PATIENCE))["from"] == f"x@{NETWORK}"

    three.run(play())


@pytest.mark.parametrize("name", ["prime", "beta", "gamma"])
def test_users_of_others(three, peer, name):
    """A07: nobody hears it who speaks in the name of one who is at home elsewhere, or here."""
    jid = three.prime.user()
    to = three.prime.home(jid)
    victim = slixmpp.JID(getattr(three, name).user()).local
    peer.link()
    with unheard(three, jid):
        for text in (message(f"{victim}@{EVIL}/x", to),
                     f"<presence type='subscribe' from='{victim}@{EVIL}' to='{to}'>"
                     "<status>a lie</status></presence>"):
            peer.send(text)
            peer.expect("type='error'.*?<forbidden ")
        peer.send(f"<presence from='{victim}@{EVIL}/x' to='{to}'><status>a lie</status></presence>")
    assert "ev=network.not_its_user from=" in three.prime.log("c2s-1")


@pytest.mark.parametrize("from_, to, condition", [
    (f"b0@beta.{NETWORK}", None, "invalid-from"),
    (f"p0@prime.{NETWORK}", None, "invalid-from"),
    (f"b0@{NETWORK}", None, "invalid-from"),
    (f"x@below.beta.{NETWORK}", None, "invalid-from"),
    ("u0@prosody.example", None, "invalid-from"),
    (f"x@{EVIL}.beta.{NETWORK}", None, "invalid-from"),
    (f"x@not{EVIL}", None, "invalid-from"),
    ("", None, "improper-addressing"),
    (f"x@{EVIL}", "", "improper-addressing"),
    (f"x@{EVIL}", f"b0@beta.{NETWORK}", "host-unknown"),
    (f"x@{EVIL}", "u0@prosody.example", "host-unknown"),
])
def test_stanzas_of_others(three, peer, from_, to, condition):
    jid = three.prime.user()
    with unheard(three, jid):
        peer.link().send(message(from_, three.prime.home(jid) if to is None else to))
        peer.expect_error(condition)


@pytest.mark.parametrize("from_", [f"b0@beta.{NETWORK}", f"b0@{NETWORK}", f"p0@prime.{NETWORK}"])
def test_what_it_passes_on_for_others(three, peer, from_):
    """Only somebody from outside of the network."""
    jid = three.prime.user()
    with unheard(three, jid):
        lie = message(from_, jid).replace("<message", "<message xmlns='jabber:server'")
        peer.link().send(f"<relay xmlns='{NS}'>{lie}</relay>")
        peer.expect_error("invalid-from")


def test_before_it_has_proved_anything(three, evil):
    """Without a certificate; with that of another; with a host that is in no table."""
    for certificate, domain in ((None, EVIL), (evil, three.beta.host), (evil, f"no.{NETWORK}"),
                                (evil, three.prime.host), (evil, NETWORK)):
        with Peer(three, three.prime, certificate, domain) as peer:
            with contextlib.suppress(OSError):
                peer.header()
            text = ""
            with contextlib.suppress(ssl.SSLError):
                text = peer.expect_end()
            assert "<enabled" not in text and "</stream:features>" not in text
            if certificate:
                assert "<not-authorized " in text, text
    assert three.prime.is_linked(three.beta)


def test_stanzas_before_the_link_is_there(three, peer):
    jid = three.prime.user()
    with unheard(three, jid):
        peer.header()
        peer.send(message(f"x@{EVIL}", three.prime.home(jid)))
        text = peer.expect_end()
        assert "<stream:error" in text or "</stream:stream>" in text


def test_the_home_of_somebody_else(three, peer):
    """It tells that a user of beta is at home elsewhere: by no record of its own, and by none that
    has not been signed by that home."""
    jid = three.beta.user()
    local = slixmpp.JID(jid).local
    now = int(time.time() * 1000)
    forged = base64.b64encode(b"x" * 384).decode()
    peer.link()
    for host, stamp in ((three.gamma.host, now), (three.beta.host, now), (EVIL, now + 3600000),
                        (three.prime.host, now)):
        answer = peer.ask("set", f"<homes xmlns='{NS}' servers='1'><home user='{local}' "
                          f"host='{host}' stamp='{stamp}' proof='{forged}'/></homes>")
        assert host not in answer or "proof" not in answer or forged not in answer

    async def play():
        async with online((three.prime, None), (three.beta, jid)) as (a, b):
            await talk(a, three.prime, b, three.beta, "still there")

    three.run(play())


def test_others_ask_for_nothing(three):
    """Who is not in the table of servers learns nobody's home, nor who is a user."""
    async def play():
        async with online((three.prosody(), "u3"), (three.prime, None)) as (out, a):
            for payload in (f"<home xmlns='{NS}' user='{a.boundjid.local}'/>",
                            "<query xmlns='http://kontalk.org/extensions/roster'>"
                            f"<item jid='{a.boundjid.bare}'/></query>"):
                for to in (NETWORK, f"probe@{NETWORK}"):
                    answer = await out.request(to, payload)
                    assert answer["type"] == "error", answer

    three.run(play())


def test_what_only_our_servers_may_say(three, peer):
    """Archive ids in our user's name and marks of passing on are gone before he sees them."""
    jid = three.prime.user()

    async def play():
        async with online((three.prime, jid)) as (a,):
            sid = "<stanza-id xmlns='urn:xmpp:sid:0' id='forged' by="
            forged = (f"{sid}'{jid}'/>{sid}'{three.prime.home(jid)}'/>"
                      f"<via xmlns='{NS}' host='forged'/>")
            text = message(f"x@{EVIL}", three.prime.home(jid), "decorated", forged)
            with from_home(peer.link(), "x", text):
                assert "forged" not in str(await a.message("decorated", PATIENCE))

    three.run(play())


@pytest.mark.parametrize("text, condition", [
    ("<!DOCTYPE a [<!ENTITY b 'c'>]>", "restricted-xml"),
    ("GET / HTTP/1.0\r\n\r\n", "bad-format"),
    (f"<message from='x@{EVIL}'><body>{'a' * 3000000}", "policy-violation"),
    ("<r xmlns='urn:xmpp:sm:3'><a/>" + "<a>" * 2000, "policy-violation"),
], ids=["doctype", "http", "endless", "deep"])
def test_what_is_no_stanza(peer, text, condition):
    peer.link()
    with contextlib.suppress(OSError):
        peer.send(text)
    text = ""
    with contextlib.suppress(OSError):
        text = peer.expect_end()
    assert not text or f"<{condition} " in text or "<stream:error" in text, text


def test_more_acknowledged_than_sent(three, peer):
    peer.link().send(f"<a xmlns='{SM}' h='4000000000'/>")
    assert "<stream:error" in peer.expect_end()
    assert three.prime.is_linked(three.beta)


# --- the table -----------------------------------------------------------------------------------

UNREACHABLE = {"service-unavailable", "item-not-found", "remote-server-not-found",
               "remote-server-timeout"}


@contextlib.contextmanager
def without(three, verb, back):
    """gamma is not in prime's table, or is disabled, while the block runs."""
    three.prime.ctl("server", verb, three.gamma.host)
    try:
        yield
    finally:
        three.prime.ctl("server", back, three.gamma.host,
                        *([three.gamma.fingerprint] if back == "add" else []))
        three.wait_linked()


@pytest.mark.parametrize("verb, back", [("disable", "enable"), ("remove", "add")])
def test_a_server_goes_and_comes(three, verb, back):
    """While others run: its users cannot be reached, and say so; afterwards they can. No process
    starts anew."""
    jid = three.gamma.user()
    pids = list(three.prime.pids())

    async def gone():
        async with online((three.prime, None), (three.gamma, jid), (three.beta, None)) as (a, c, b):
            assert await refusal(a, jid) in UNREACHABLE
            await talk(a, three.prime, b, three.beta, f"while {verb}d")
            await talk(b, three.beta, c, three.gamma, f"while {verb}d, too")

    async def there():
        async with online((three.prime, None), (three.gamma, jid)) as (a, c):
            await talk(a, three.prime, c, three.gamma, f"after {verb}")

    three.run(there())
    with without(three, verb, back):
        eventually(lambda: three.gamma.host not in three.prime.links(), "its link has gone")
        eventually(lambda: not three.gamma.is_linked(three.prime), "at the other end, too")
        assert three.gamma.host not in three.prime.ctl("route", "list")
        three.run(gone())
        eventually(lambda: "not-authorized" in three.gamma.ctl(
            "net", "explain", three.prime.host), "gamma is told why", PATIENCE)
    three.run(there())
    assert list(three.prime.pids()) == pids


def test_a_wrong_fingerprint(three):
    """A server whose key is not that of the table is not let in, and both operators see why."""
    wrong = "0" * 39 + "1"
    three.prime.ctl("server", "remove", three.gamma.host)
    three.prime.ctl("server", "add", three.gamma.host, wrong)
    try:
        eventually(lambda: three.gamma.fingerprint in three.prime.ctl(
            "net", "explain", three.gamma.host), "prime says whose key it is", PATIENCE)
        eventually(lambda: "not-authorized" in three.gamma.ctl(
            "net", "explain", three.prime.host), "gamma is told why", PATIENCE)
        assert not three.prime.is_linked(three.gamma)
        assert any(three.gamma.fingerprint in line and wrong in line
                   for line in three.prime.log("net").splitlines())
    finally:
        three.prime.ctl("server", "remove", three.gamma.host)
        three.prime.add(three.gamma)
        three.wait_linked()


def test_a_new_server(three, evil):
    """One that nobody had in his table is one of the network as soon as it is in two."""
    assert EVIL in three.prime.links()
    assert EVIL not in three.beta.links()
    done = subprocess.run([three.prime.paths["kontalkctl"], "-c", three.prime.paths["config"],
                           "server", "export"], capture_output=True, text=True, check=True,
                          timeout=DEADLINE)
    assert re.search(rf"{re.escape(EVIL)}\s+{evil.fingerprint}", done.stdout)
    assert PASSWORD not in done.stdout
