# SPDX-License-Identifier: GPL-3.0-or-later
"""network - three complete servers of one network, each on a machine of its own in a small
internet (internet.py): prime (two instances of c2s, and s2s), beta and gamma under kontalk.test;
and a Prosody outside of the network.

gamma has no SRV record: it is found by its address. Users are p0, p1, … at prime, b0, … at beta,
and g0, … at gamma.
"""
import asyncio
import contextlib
import re

import slixmpp
from federation import Prosody
from helpers import DEADLINE, PASSWORD, eventually
from internet import Inside, Internet, v4, v6

NETWORK = "kontalk.test"
MEMBERS = ("prime", "beta", "gamma")
USERS = 80
PING = "<ping xmlns='urn:xmpp:ping'/>"
# A link that is lost is dialled again after 1 s, 2 s, ...; and a busy machine takes its time.
PATIENCE = 4 * DEADLINE


class Member(Inside):
    """One server of the network."""

    def __init__(self, lab, directory, node, *, instances=1, federates=False, settings=(),
                 net_settings=(), users=USERS):
        self.instances = instances
        everywhere = "0.0.0.0:{0} [::]:{0}"
        host = f"{node}.{NETWORK}"
        resolver = {"dns.servers": v4("dns"), "dns.resolv_conf": "",
                    "dns.trust_anchor": lab.dns.anchor}
        own = {"c2s.listen": everywhere.format(5222), "c2s.log_level": "debug",
               "network.cache_nobody": "1s", **dict(settings)}
        net = {"net.listen": everywhere.format(5270), "net.log_level": "debug", **resolver,
               **dict(net_settings)}
        words = [("--set", own), ("--net-set", net)]
        if federates:
            certificate = lab.authority.give(node, [host, NETWORK])
            words.append(("--s2s-set", {
                "s2s.listen": everywhere.format(5269), "s2s.cert": certificate,
                "s2s.key": lab.authority.key, "s2s.ca": lab.authority.ca,
                "s2s.log_level": "debug", "policy.private": "true", **resolver}))
        super().__init__(
            lab, directory, node, "--host", host, "--network", NETWORK, "--port-base", "5200",
            "--with", "s2s,net" if federates else "net", "--c2s", str(instances),
            *(word for option, values in words for pair in values.items()
              for word in (option, "=".join(pair))))
        self.ctl("user", "import", "-",
                 stdin="".join(f"{node[0]}{i}@{host} {PASSWORD}\n" for i in range(users)))

    @property
    def fingerprint(self):
        return self.json["fingerprint"]

    def user(self, domain=NETWORK):
        """The JID, in the network's domain or that one, of a user of this server that no other test
        uses."""
        self.used += 1
        return f"{self.node[0]}{self.used - 1}@{domain}"

    def home(self, jid):
        """The same user's address at this server; the resource stays."""
        jid = slixmpp.JID(jid)
        return f"{jid.local}@{self.host}" + (f"/{jid.resource}" if jid.resource else "")

    def links(self):
        """The rows of `kontalkctl net list`, by host."""
        return {row["server"]: row for row in self.ctl_json("net", "list")}

    def figure(self, other, column, what=""):
        """A number of the row of another server: "queued" begins with one, "stanzas" has them
        before "out" and "in"."""
        found = re.search(rf"(\d+) ?{what}", self.links()[other.host][column])
        return int(found[1])

    def is_linked(self, other):
        return self.links().get(other.host, {}).get("state") == "up"

    def wait_linked(self, other):
        eventually(lambda: self.is_linked(other), f"{self.node} is linked to {other.node}",
                   PATIENCE)

    def add(self, *others):
        for other in others:
            self.ctl("server", "add", other.host, other.fingerprint)


class Lab(Internet):
    """The three, all linked."""

    domains = (NETWORK, "example")
    nodes = ("dns", "clients", "prosody", *MEMBERS)

    def __init__(self, directory, **settings):
        super().__init__(directory)
        self.members = []
        self.pem = {}
        try:
            for node in MEMBERS:
                self.members.append(Member(
                    self, f"{self.directory}/{node}-s", node, federates=node == "prime",
                    instances=2 if node == "prime" else 1, **settings))
            for one in self.members:
                one.add(*self.others(one))
            self.wait_linked()
            self.wait_published()
        except BaseException:
            self.close()
            raise
        self.prime, self.beta, self.gamma = self.members

    def others(self, one):
        return [other for other in self.members if other is not one]

    def wait_linked(self):
        for one in self.members:
            for other in self.others(one):
                one.wait_linked(other)

    def wait_published(self):
        """All know where all users are at home."""
        for one in self.members:
            for other in self.others(one):
                told = re.compile(rf"ev=network.published peer={re.escape(other.host)} .*last=1 "
                                  f"members={len(self.members)}$", re.MULTILINE)
                eventually(lambda one=one, told=told: any(
                    told.search(one.log(f"c2s-{i + 1}")) for i in range(one.instances)),
                    f"{one.node} has told {other.node} of its users", PATIENCE)

    def zone(self, domain):
        lines = ["$TTL 60\n@ SOA ns hostmaster 1 3600 600 86400 60", "@ NS ns",
                 f"ns A {v4('dns')}", f"ns AAAA {v6('dns')}"]
        if domain != NETWORK:
            return "\n".join([*lines, f"host.prosody A {v4('prosody')}",
                              "_xmpp-server._tcp.prosody SRV 10 10 5269 host.prosody"]) + "\n"
        for node in ("prime", "beta"):
            lines += [f"host.{node} A {v4(node)}", f"host.{node} AAAA {v6(node)}",
                      f"_xmpp-net._tcp.{node} SRV 10 10 5270 host.{node}"]
        lines += [f"gamma A {v4('gamma')}", f"gamma AAAA {v6('gamma')}",
                  "_xmpp-server._tcp SRV 10 10 5269 host.prime",
                  "_xmpp-server._tcp.prime SRV 10 10 5269 host.prime"]
        return "\n".join(lines) + "\n"

    def prosody(self):
        """Somebody outside of the network."""
        if "prosody" not in self.servers:
            certificate = self.authority.give("prosody", ["prosody.example"])
            self.servers["prosody"] = self.start(
                Prosody(self, "prosody", [("prosody.example", certificate, None)]))
        return self.servers["prosody"]

    def stop_members(self):
        for member in self.members:
            member.stop()

    def close(self):
        for member in getattr(self, "members", []):
            with contextlib.suppress(AssertionError):
                member.command("stop")
        super().close()


@contextlib.contextmanager
def edited(member, process, key, value):
    """With another value of a setting, while the block runs."""
    path = f"{member.paths['config']}/{process}.conf"
    with open(path, encoding="utf-8") as file:
        before = file.read()
    after, count = re.subn(rf"^{key} = .*$", f"{key} = {value}", before, flags=re.MULTILINE)
    assert count == 1

    def apply(text):
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        member.restart(process)

    apply(after)
    try:
        yield
    finally:
        apply(before)


def shown(viewer, jid, home):
    """How a user at the server home is shown to a client: by the domain that it has opened its
    stream to."""
    return home.home(jid) if viewer.boundjid.domain != NETWORK else (
        f"{slixmpp.JID(jid).local}@{NETWORK}" + (
            f"/{slixmpp.JID(jid).resource}" if slixmpp.JID(jid).resource else ""))


async def subscribe(a, home_a, b, home_b):
    """Both see each other, each by the address that it is shown."""
    for client in (a, b):
        await client.get_roster()
    pairs = ((a, home_a, b, home_b), (b, home_b, a, home_a))
    for asks, _home, answers, home in pairs:
        name = shown(asks, answers.boundjid.bare, home)
        asks.send_presence(pto=name, ptype="subscribe")
        back = shown(answers, asks.boundjid.bare, _home)
        await answers.presence(back, "subscribe")
        answers.send_presence(pto=back, ptype="subscribed")
        await asks.presence(name, "subscribed")
        await asks.presence(shown(asks, answers.boundjid.full, home))


async def handled(client, server):
    """The server has taken what was sent before: it answers in order."""
    assert (await client.request(server.host, PING))["type"] == "result"


def bodies(client, prefix):
    """Those of the messages that have come so far, in their order."""
    return [s["body"] for s in client.arrived if isinstance(s, slixmpp.Message)
            and s["type"] != "error" and s["body"].startswith(prefix)]


async def all_of(client, wanted, seconds=PATIENCE):
    """Waits until each of these bodies has come."""
    def complete():
        came = {s["body"] for s in client.arrived if isinstance(s, slixmpp.Message)}
        return all(body in came for body in wanted)

    async with client.changed:
        try:
            await asyncio.wait_for(client.changed.wait_for(complete), seconds)
        except asyncio.TimeoutError:
            came = {s["body"] for s in client.arrived if isinstance(s, slixmpp.Message)}
            raise AssertionError(f"lost: {[b for b in wanted if b not in came]}") from None


async def talk(a, home_a, b, home_b, what):
    """Each says something to the other, by the address that it is shown."""
    for one, home, other, other_home, way in ((a, home_a, b, home_b, "there"),
                                              (b, home_b, a, home_a, "back")):
        one.send_message(shown(one, other.boundjid.bare, other_home), f"{what} {way}", mtype="chat")
        got = await other.message(f"{what} {way}")
        assert str(got["from"]) == shown(other, one.boundjid.full, home)
        assert got["to"].bare == other.boundjid.bare


async def refusal(client, to, body="for nobody"):
    """Sends a message that cannot be delivered; returns the condition of the error that comes."""
    client.send_message(to, body, mtype="chat")
    jid = slixmpp.JID(to)
    error = await client.expect(
        lambda s: s["type"] == "error" and s["from"].local == jid.local
        and s["from"].resource == jid.resource, f"error from {to}")
    # Whatever address it is shown him by.
    assert error["from"] == jid
    return error["error"]["condition"]


def addresses(text):
    """The hosts of the network that are named in XML."""
    return set(re.findall(rf"[\w.-]+@((?:\w+\.)?{re.escape(NETWORK)})", str(text)))
