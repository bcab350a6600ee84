# SPDX-License-Identifier: GPL-3.0-or-later
"""The ways to other servers, and who they prove to be: SRV records, families of addresses, TLS of
both kinds, certificates good and bad, dialback, DANE; each domain of the laboratory is a case.
"""
import pytest
from federation import DEAD, Ours
from helpers import Raw, eventually
from internet import forwarded, has_message, online, talk, v4

# Domains that must be reached, and what our log says of the stream.
GOOD = {
    "six": "an address of IPv6 only",
    "dead": "two targets, the first of which is dead",
    "direct": "TLS from the first byte",
    "bare": "no SRV record",
    "routed": "nothing in the DNS, but a way in the configuration",
    "homemade": "a certificate of its own making, so dialback",
}
BAD = {
    "expired": "expired",
    "selfsigned": "self-signed",
    "wrong": "of another name",
}


@pytest.fixture(scope="module", name="ours")
def start_ours(lab, tmp_path_factory):
    settings = {f"domain {name}.example.auth": "certificate"
                for name in (*GOOD, *BAD, "dane") if name != "homemade"}
    settings["domain routed.example.route"] = f"{v4('prosody')}:5269"
    settings["domain pinned.example.pin"] = lab.authority.pin(lab.pem["pinned"])
    settings["domain pinbad.example.pin"] = lab.authority.pin(lab.pem["pinned"])
    settings["domain denied.example.deny"] = "true"
    settings["s2s.cert"] = lab.authority.give("both", ["kontalk.example"], for_clients=True)
    it = Ours(lab, tmp_path_factory.mktemp("ours") / "s", settings=settings)
    yield it
    it.stop()


@pytest.mark.parametrize("name", GOOD)
def test_good_ways(lab, ours, name):
    prosody = lab.prosody()

    async def play():
        async with online((ours, None), (prosody, f"u0@{name}.example")) as (a, b):
            await talk(a, b, name)

    lab.run(play())


@pytest.mark.parametrize("name", BAD)
def test_bad_certificates(lab, ours, name):
    """Where the policy asks for a certificate, nothing goes out and nothing comes in."""
    prosody = lab.prosody()

    async def play():
        async with online((ours, None), (prosody, f"u0@{name}.example")) as (a, b):
            error = await forwarded(a, b.boundjid.bare)
            assert error["error"]["condition"] == "remote-server-timeout"
            assert BAD[name] in error["error"]["text"], error
            assert (await forwarded(b, a.boundjid.bare))["type"] == "error"
            assert not has_message(a) and not has_message(b)

    lab.run(play())


def test_a_tlsa_record(lab, ours):
    """No CA knows its certificate, and the policy asks for one: the signed zone names it."""
    prosody = lab.prosody()

    async def play():
        async with online((ours, None), (prosody, "u0@dane.example")) as (a, b):
            a.send_message(b.boundjid.bare, "by DANE")
            await b.message("by DANE")

    lab.run(play())


def test_a_wrong_tlsa_record(lab, ours):
    """The certificate is good by the CA, but the zone says that it is another's."""
    prosody = lab.prosody()

    async def play():
        async with online((ours, None), (prosody, "u0@danebad.example")) as (a, b):
            error = await forwarded(a, b.boundjid.bare)
            assert error["error"]["condition"] == "remote-server-timeout"
            assert not has_message(b)

    lab.run(play())


def test_a_pin(lab, ours):
    """A certificate that nobody has signed, but the one that the configuration names."""
    prosody = lab.prosody()

    async def play():
        async with online((ours, None), (prosody, "u0@pinned.example")) as (a, b):
            await talk(a, b, "pinned")

    lab.run(play())


def test_a_wrong_pin(lab, ours):
    """A certificate of a good CA, but another than the configuration names."""
    prosody = lab.prosody()

    async def play():
        async with online((ours, None), (prosody, "u0@pinbad.example")) as (a, b):
            error = await forwarded(a, b.boundjid.bare)
            assert error["error"]["condition"] == "remote-server-timeout"
            assert (await forwarded(b, a.boundjid.bare))["type"] == "error"
            assert not has_message(a) and not has_message(b)

    lab.run(play())


def test_ejabberd_takes_our_certificate(lab, ours):
    """It asks for one that is for clients, too; without, it takes dialback (test_federation)."""
    ejabberd = lab.ejabberd()

    async def play():
        async with online((ours, None), (ejabberd, "u0")) as (a, b):
            await talk(a, b, "external")

    lab.run(play())
    assert "authenticated by our certificate" in ours.ctl("s2s", "explain", ejabberd.host)


def test_dialback_alone(lab, ours):
    other = lab.prosody_dialback()

    async def play():
        async with online((ours, None), (other, "u0")) as (a, b):
            await talk(a, b, "dialback")

    lab.run(play())
    assert "by=dialback" in next(line for line in ours.log().splitlines()
                                 if "ev=in.proved" in line and other.host in line)


def test_certificates_alone(lab, ours):
    other = lab.prosody_external()

    async def play():
        async with online((ours, None), (other, "u0")) as (a, b):
            await talk(a, b, "external")

    lab.run(play())
    assert "by=external" in next(line for line in ours.log().splitlines()
                                 if "ev=in.proved" in line and other.host in line)


@pytest.mark.parametrize("to", ["u@closed.example", "u@nowhere.example", "u@denied.example",
                                "u@mirror.example",
                                "u@localhost", "u@10.9.0.20", "u@single"])
def test_no_such_server(lab, ours, to):
    """None in the DNS, none by the configuration, or (mirror) we ourselves, who are not it."""
    async def play():
        async with online((ours, None)) as (a,):
            error = await forwarded(a, to)
            assert error["error"]["condition"] == "remote-server-not-found"

    lab.run(play())


@pytest.mark.parametrize("settings", [{}, {"dns.servers": v4(DEAD), "dns.trust_anchor": ""}],
                         ids=["host", "dns"])
def test_none_answers(lab, tmp_path, settings):
    """What cannot be delivered comes back when its time has passed; nobody else waits for it."""
    impatient = Ours(lab, tmp_path / "s", "other", "other.example",
                     settings={"limits.queue_time": "3s", **settings})
    try:
        async def play():
            async with online((impatient, None), (impatient, None)) as (a, b):
                a.send_message("u0@lost.example", "for nobody")
                await talk(a, b, "local")
                error = await a.expect(lambda s: s["type"] == "error", "error")
                assert error["from"] == "u0@lost.example"
                assert error["error"]["condition"] == "remote-server-timeout"

        lab.run(play())
    finally:
        impatient.stop()


def test_private_addresses_see_nothing(lab, tmp_path):
    """As it is configured without a word: whatever a stranger's DNS says, no connection is made."""
    careful = Ours(lab, tmp_path / "s", "other", "other.example",
                   settings={"policy.private": "false"})
    try:
        with lab.listener("clients", 5269) as trap:
            async def play():
                async with online((careful, None)) as (a,):
                    error = await forwarded(a, "u0@trap.example")
                    assert error["error"]["condition"] == "remote-server-not-found"

            lab.run(play())
            assert not trap.has_visitor()
            # The trap is set: somebody without a policy goes in.
            with lab.network.inside("other"):
                Raw(5269, source=v4("other"), address=v4("clients")).socket.close()
            assert trap.has_visitor()
    finally:
        careful.stop()


def test_a_domain_is_denied_while_streams_are_up(lab, tmp_path):
    """The deny file is read again at a reload, and holds for what is open."""
    deny = tmp_path / "deny"
    deny.write_text("# nobody yet\n")
    strict = Ours(lab, tmp_path / "s", "other", "other.example",
                  settings={"policy.deny_file": str(deny)})
    peer = lab.prosody()
    try:
        async def play():
            async with online((strict, None), (peer, "u0")) as (a, b):
                await talk(a, b, "before")
                assert f">{peer.host}" in strict.ctl("s2s", "list")
                deny.write_text(f"{peer.host}\n")
                strict.ctl("reload")
                eventually(lambda: " ready " not in strict.ctl("s2s", "list"), "none is open")
                error = await forwarded(a, b.boundjid.bare)
                assert error["error"]["condition"] == "remote-server-not-found"
                deny.write_text("")
                strict.ctl("reload")
                await talk(a, b, "after")

        lab.run(play())
        assert "cond=policy-violation" in strict.log()
    finally:
        strict.stop()
