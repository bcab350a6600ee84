# SPDX-License-Identifier: GPL-3.0-or-later
"""federation - the small internet (internet.py) of the tests of federation: a zone "example",
Prosody and ejabberd as others configure them, and our suite.
"""
import contextlib
import hashlib
import hmac
import http.client
import json
import os
import re
import select
import socket
import subprocess

from helpers import PASSWORD, eventually
from internet import START_SECONDS, Inside, Internet, LabError, Node, v4, v6

DEAD = 99  # an address where nobody is
ITERATIONS = 4096
MUC = "http://jabber.org/protocol/muc"
SALT = b"the salt of all users"


class Prosody(Node):
    """A Prosody with its hosts: (domain, certificate, rooms' domain or None)."""

    def __init__(self, lab, node, hosts, *, settings=(), disabled=(), trusts=True):
        super().__init__(lab, node)
        self.hosts, self.settings, self.disabled, self.trusts = hosts, settings, disabled, trusts
        self.host = hosts[0][0]
        self.used = 0

    modules = ("disco roster saslauth tls blocklist carbons pep private smacks vcard4 csi_simple "
               "ping time uptime version posix dialback s2s_bidi").split()

    def tls(self, certificate):
        trust = self.lab.authority.ca if self.trusts else self.lab.pem["selfsigned"]
        return (f'ssl = {{ certificate = "{certificate}"; key = "{self.lab.authority.key}"; '
                f'cafile = "{trust}"; capath = false }}')

    def configuration(self):
        lines = [
            'run_as_root = true', 'daemonize = false',
            f'pidfile = "{self.path("prosody.pid")}"', f'data_path = "{self.path("data")}"',
            'interfaces = { "0.0.0.0", "::" }', 'c2s_ports = { 5222 }', 's2s_ports = { 5269 }',
            's2s_direct_tls_ports = { 5270 }', 'c2s_direct_tls_ports = {}', 'http_ports = {}',
            'https_ports = {}', 'component_ports = {}', 'authentication = "internal_hashed"',
            'modules_enabled = { ' + "; ".join(
                f'"{m}"' for m in self.modules if m not in self.disabled) + ' }',
            'modules_disabled = { ' + "; ".join(f'"{m}"' for m in self.disabled) + ' }',
            f'log = {{ debug = "{self.path("prosody.log")}" }}',
            f'certificates = "{self.path("certificates")}"',
            *self.settings, self.tls(self.hosts[0][1])]
        for domain, certificate, rooms in self.hosts:
            lines += [f'VirtualHost "{domain}"', self.tls(certificate)]
            if rooms:
                lines += [f'Component "{rooms}" "muc"', self.tls(certificate)]
        return "\n".join(lines) + "\n"

    def prepare(self, users=8):
        self.write("prosody.cfg.lua", self.configuration())
        # Where direct TLS finds those of the names that clients ask for.
        os.makedirs(self.path("certificates"))
        for domain, certificate, _ in self.hosts:
            os.symlink(certificate, self.path("certificates", f"{domain}.crt"))
            os.symlink(self.lab.authority.key, self.path("certificates", f"{domain}.key"))
        salted = hashlib.pbkdf2_hmac("sha1", PASSWORD.encode(), SALT, ITERATIONS)
        client = hmac.digest(salted, b"Client Key", "sha1")
        account = "return {\n" + "".join(f'["{key}"] = {value};\n' for key, value in (
            ("salt", f'"{SALT.decode()}"'), ("iteration_count", ITERATIONS),
            ("stored_key", f'"{hashlib.sha1(client).hexdigest()}"'),
            ("server_key", f'"{hmac.digest(salted, b"Server Key", "sha1").hex()}"'))) + "};\n"
        for domain, _, _ in self.hosts:
            folder = re.sub(r"[^a-z0-9]", lambda m: f"%{ord(m[0]):02x}", domain)
            for i in range(users):
                self.write(f"data/{folder}/accounts/u{i}.dat", account)

    def start(self):
        if not os.path.exists(self.path("prosody.cfg.lua")):
            self.prepare()
        self.spawn(["prosody", "-F", "--config", self.path("prosody.cfg.lua")])
        self.wait_for_port(5269)
        self.wait_for_port(5222)


class Ejabberd(Node):
    """An ejabberd with one host and chat rooms."""

    modules = ("adhoc admin_extra blocking caps carboncopy disco last offline ping privacy private "
               "roster s2s_dialback stream_mgmt vcard version").split()

    def __init__(self, lab, node, host, certificate, rooms):
        super().__init__(lab, node)
        self.host, self.certificate, self.rooms = host, certificate, rooms

    def configuration(self):
        both = self.write("both.pem", "".join(
            open(path, encoding="utf-8").read()
            for path in (self.lab.authority.key, self.certificate)))
        modules = {f"mod_{name}": {} for name in self.modules}
        modules["mod_muc"] = {"hosts": [self.rooms], "access": "all",
                              "default_room_options": {"persistent": False}}
        anywhere = {"ip": "::"}
        # JSON is YAML.
        return json.dumps({
            "hosts": [self.host], "loglevel": "debug", "certfiles": [both],
            "ca_file": self.lab.authority.ca, "auth_password_format": "scram",
            "s2s_use_starttls": "required",
            "listen": [
                {**anywhere, "port": 5269, "module": "ejabberd_s2s_in"},
                {**anywhere, "port": 5222, "module": "ejabberd_c2s", "starttls": True},
                {"ip": "127.0.0.1", "port": 5280, "module": "ejabberd_http",
                 "request_handlers": {"/api": "mod_http_api"}}],
            "api_permissions": {"lab": {"who": {"ip": "127.0.0.0/8"}, "what": ["register"]}},
            "modules": modules}, indent=1)

    def start(self):
        if not os.path.exists(self.path("ejabberd.yml")):
            self.write("ejabberd.yml", self.configuration())
            self.write("inetrc", '{lookup, ["file", "dns"]}.\n'
                       f'{{nameserver, {{{v4("dns").replace(".", ",")}}}}}.\n')
            os.makedirs(self.path("spool"))
        self.spawn(
            ["erl", "-noinput", "-sname", "lab@localhost", "-setcookie", "lab", "-start_epmd",
             "false", "-erl_epmd_port", "5299", "-kernel", "inet_dist_use_interface",
             "{127,0,0,1}", "-mnesia", "dir", f'"{self.path("spool")}"', "-s", "ejabberd"],
            env={"HOME": self.directory, "ERL_LIBS": "/usr/lib/x86_64-linux-gnu",
                 "EJABBERD_CONFIG_PATH": self.path("ejabberd.yml"),
                 "EJABBERD_LOG_PATH": self.path("ejabberd.log"),
                 "ERL_CRASH_DUMP": self.path("crash.dump"), "ERL_INETRC": self.path("inetrc")})
        self.wait_for_port(5269)
        self.wait_for_port(5222)
        # Each time: one that is killed has forgotten what it was told last.
        self.register(8)

    def register(self, users):
        eventually(lambda: self.listens(5280, "127.0.0.1"), "ejabberd's API", START_SECONDS)
        with self.lab.network.inside(self.node):
            api = http.client.HTTPConnection("127.0.0.1", 5280, timeout=30)
            for i in range(users):
                api.request("POST", "/api/register", json.dumps(
                    {"user": f"u{i}", "host": self.host, "password": PASSWORD}))
                answer = api.getresponse()
                text = answer.read().decode()
                if answer.status not in (200, 409):
                    raise LabError(f"register u{i}: {answer.status} {text}")
            api.close()


# --- ours ----------------------------------------------------------------------------------------

class Ours(Inside):
    """Our suite in its namespace, with s2s."""

    def __init__(self, lab, directory, node="kontalk", host="kontalk.example", *, settings=(),
                 users=40):
        everywhere = "0.0.0.0:{0} [::]:{0}"
        certificate = lab.authority.give(f"{node}-{host}", [host])
        words = {
            "s2s.listen": everywhere.format(5269), "s2s.listen_tls": everywhere.format(5270),
            "s2s.cert": certificate, "s2s.key": lab.authority.key, "s2s.ca": lab.authority.ca,
            "s2s.log_level": "debug", "dns.servers": v4("dns"), "dns.resolv_conf": "",
            "dns.trust_anchor": lab.dns.anchor, "policy.private": "true", **dict(settings)}
        super().__init__(
            lab, directory, node, "--host", host, "--port-base", "5200", "--with", "s2s", "--users",
            str(users), "--set", "c2s.listen=" + everywhere.format(5222),
            *(word for pair in words.items() for word in ("--s2s-set", "=".join(pair))))


class Listener:
    def __init__(self, sock):
        self.socket = sock

    def has_visitor(self):
        """Whether anybody has connected: the system answers for us, so none is missed."""
        if not select.select([self.socket], [], [], 0)[0]:
            return False
        self.socket.accept()[0].close()
        return True


@contextlib.asynccontextmanager
async def online(*pairs, **options):
    """Clients at (server, name or JID; None: the next of our users), with their presence sent,
    while the block runs."""
    clients = []
    try:
        for server, name in pairs:
            jid = name or server.user()
            jid = jid if "@" in jid else f"{jid}@{server.host}"
            mine = options if isinstance(server, Ours) else {**options, "mech": None}
            client = Client(server, jid, **mine)
            if server.paths["certificate"] is None:
                client.ssl_context.check_hostname = False
                client.ssl_context.verify_mode = ssl.CERT_NONE
            clients.append(client)
            assert await client.login(), f"{jid} cannot log in"
        yield clients
    finally:
        for client in clients:
            await client.logout()


async def talk(a, b, what):
    """Each says something to the other's bare address."""
    a.send_message(b.boundjid.bare, f"{what} there")
    b.send_message(a.boundjid.bare, f"{what} back")
    assert (await b.message(f"{what} there"))["from"] == a.boundjid
    assert (await a.message(f"{what} back"))["from"] == b.boundjid


async def forwarded(client, to):
    """Sends a message that cannot be delivered; returns the error that comes for it."""
    client.send_message(to, "for nobody")
    return await client.expect(lambda s: s["type"] == "error" and s["from"] == to,
                               f"error from {to}")


def has_message(client):
    return any(isinstance(s, slixmpp.Message) and s["type"] != "error" for s in client.arrived)


# --- all of it -----------------------------------------------------------------------------------

class Lab(Internet):
    """The zone, the certificates and the servers; servers start when asked for."""

    domains = ("example",)
    nodes = ("dns", "clients", "kontalk", "other", "prosody", "dialback", "external", "ejabberd")

    def certificates(self):
        give = self.authority.give
        own = {name: give(name, [f"{name}.example", f"rooms.{name}.example"],
                          self_signed=name == "dialback")
               for name in ("prosody", "dialback", "external", "ejabberd")}
        plain = {name: give(name, [f"{name}.example"])
                 for name in ("six", "dead", "direct", "bare", "routed", "pinbad", "danebad",
                              "evil")}
        bad = {"expired": give("expired", ["expired.example"], expired=True),
               "selfsigned": give("selfsigned", ["selfsigned.example"], self_signed=True),
               "wrong": give("wrong", ["somebody-else.example"]),
               "pinned": give("pinned", ["pinned.example"], self_signed=True),
               "homemade": give("homemade", ["homemade.example"], self_signed=True),
               "dane": give("dane", ["dane.example"], self_signed=True)}
        self.pem = {**own, **plain, **bad}

    def zone(self, _domain):
        """Each domain is a case: see the names."""
        ttl = "$TTL 60\n"
        lines = [ttl + "@ SOA ns hostmaster 1 3600 600 86400 60", "@ NS ns",
                 f"ns A {v4('dns')}", f"ns AAAA {v6('dns')}"]
        for node in ("kontalk", "other", "prosody", "dialback", "external", "ejabberd"):
            lines += [f"host.{node} A {v4(node)}", f"host.{node} AAAA {v6(node)}"]
            for domain in (node, f"rooms.{node}"):
                lines.append(f"_xmpp-server._tcp.{domain} SRV 10 10 5269 host.{node}")
        at = "host.prosody"
        for domain in ("expired", "selfsigned", "wrong", "homemade", "pinned", "pinbad"):
            lines.append(f"_xmpp-server._tcp.{domain} SRV 10 10 5269 {at}")
        lines += [
            f"six-host AAAA {v6('prosody')}",
            "_xmpp-server._tcp.six SRV 10 10 5269 six-host",
            f"dead-host A {v4(DEAD)}",
            "_xmpp-server._tcp.dead SRV 10 10 5269 dead-host",
            f"_xmpp-server._tcp.dead SRV 20 10 5269 {at}",
            f"_xmpps-server._tcp.direct SRV 10 10 5270 {at}",
            f"bare A {v4('prosody')}",
            "_xmpp-server._tcp.closed SRV 0 0 0 .",
            f"closed A {v4('prosody')}",
            "_xmpp-server._tcp.evil SRV 10 10 5269 host.trap",
            "_xmpp-server._tcp.trap SRV 10 10 5269 host.trap",
            f"host.trap A {v4('clients')}",
            f"host.trap AAAA {v6('clients')}",
            "_xmpp-server._tcp.mirror SRV 10 10 5269 host.kontalk",
            "_xmpp-server._tcp.lost SRV 10 10 5269 dead-host",
        ]
        for domain in ("dane", "danebad"):
            lines += [f"{domain}-host A {v4('prosody')}",
                      f"_xmpp-server._tcp.{domain} SRV 10 10 5269 {domain}-host"]
        digest = hashlib.sha256(self.public_key()).hexdigest()
        lines.append(f"_5269._tcp.dane-host TLSA 3 1 1 {digest}")
        lines.append(f"_5269._tcp.danebad-host TLSA 3 1 1 {'0' * 64}")
        return "\n".join(lines) + "\n"

    def public_key(self):
        """SubjectPublicKeyInfo, DER."""
        done = subprocess.run(["certtool", "--load-privkey", self.authority.key, "--pubkey-info",
                               "--outder"], capture_output=True, check=False)
        if done.returncode != 0:
            raise LabError(f"certtool: {done.stderr.decode()}")
        return done.stdout

    def once(self, name, make):
        if name not in self.servers:
            self.servers[name] = make()
            self.start(self.servers[name])
        return self.servers[name]

    def prosody(self):
        others = ("six", "dead", "direct", "bare", "routed", "pinned", "pinbad", "expired",
                  "selfsigned", "wrong", "homemade", "dane", "danebad", "closed")
        return self.once("prosody", lambda: Prosody(self, "prosody", [
            ("prosody.example", self.pem["prosody"], "rooms.prosody.example"),
            *((f"{name}.example", self.pem.get(name, self.pem["prosody"]), None)
              for name in others)]))

    def prosody_dialback(self):
        """One that believes no certificate, and whose own nobody believes."""
        return self.once("dialback", lambda: Prosody(
            self, "dialback",
            [("dialback.example", self.pem["dialback"], "rooms.dialback.example")],
            settings=["s2s_secure_auth = false", "s2s_require_encryption = true"], trusts=False))

    def prosody_external(self):
        """One that believes certificates alone."""
        return self.once("external", lambda: Prosody(
            self, "external",
            [("external.example", self.pem["external"], "rooms.external.example")],
            settings=["s2s_secure_auth = true"], disabled=("dialback",)))

    def ejabberd(self):
        return self.once("ejabberd", lambda: Ejabberd(
            self, "ejabberd", "ejabberd.example", self.pem["ejabberd"], "rooms.ejabberd.example"))

    @contextlib.contextmanager
    def listener(self, node, port):
        """Somebody who waits for connections at a node, over both families."""
        with self.network.inside(node):
            it = Listener(socket.create_server(("::", port), family=socket.AF_INET6,
                                               dualstack_ipv6=True))
        with it.socket:
            yield it
