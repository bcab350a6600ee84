# SPDX-License-Identifier: GPL-3.0-or-later
"""peers - the servers that the bench compares with, as Debian packages them: Prosody, ejabberd and
jabberd2, each with the modules and the tuning of its package, shapers and flood limits off.
"""
import gzip
import hashlib
import hmac
import http.client
import json
import os
import re
import sqlite3

from servers import (COMPONENTS, PASSWORD, READY_SECONDS, Pair, Server, ServerError,
                     package_version, suitelib, tail)

ITERATIONS = 4096
SALT = b"the salt of all users"


class Prosody(Server):
    name = "prosody"
    title = "Prosody"
    pair = ("127.0.0.2", "127.0.0.3")
    # What /etc/prosody/prosody.cfg.lua of the package enables, without limits and administration.
    modules = ("disco roster saslauth tls blocklist bookmarks carbons pep private smacks vcard4 "
               "vcard_legacy csi_simple ping time uptime version posix").split()

    def version(self):
        return package_version("prosody")

    def s2s(self):
        if self.purpose != "s2s":
            return ['s2s_ports = {}', 'modules_disabled = { "s2s" }']
        return [f's2s_ports = {{ {Pair.port} }}', f's2s_interfaces = {{ "{self.address}" }}',
                's2s_secure_auth = false', 's2s_require_encryption = false']

    def configuration(self):
        modules = self.modules + (["dialback"] if self.purpose == "s2s" else [])
        modules += (["mam"] if self.purpose == "archive" else [])
        lines = [
            'run_as_root = true', 'daemonize = false',
            f'pidfile = "{self.path("prosody.pid")}"', f'data_path = "{self.path("data")}"',
            f'interfaces = {{ "{self.address}" }}', f'c2s_ports = {{ {self.port} }}',
            'http_ports = {}', 'https_ports = {}', 'c2s_direct_tls_ports = {}',
            f'component_interfaces = {{ "{self.address}" }}',
            f'component_ports = {{ {self.component_port} }}',
            'modules_enabled = { ' + "; ".join(f'"{m}"' for m in modules) + ' }',
            *self.s2s(), 'c2s_require_encryption = false', 'allow_unencrypted_plain_auth = true',
            'authentication = "internal_hashed"', 'default_archive_policy = true',
            f'log = {{ warn = "{self.path("prosody.log")}" }}',
            f'ssl = {{ certificate = "{self.path("cert.pem")}"; key = "{self.path("key.pem")}" }}',
            f'VirtualHost "{self.host}"']
        for name in COMPONENTS:
            lines += [f'Component "{name}"', f'component_secret = "{self.secret}"']
        return "\n".join(lines) + "\n"

    def prepare(self):
        self.write("prosody.cfg.lua", self.configuration())
        salted = hashlib.pbkdf2_hmac("sha1", PASSWORD.encode(), SALT, ITERATIONS)
        client = hmac.digest(salted, b"Client Key", "sha1")
        account = "return {\n" + "".join(f'["{key}"] = {value};\n' for key, value in (
            ("salt", f'"{SALT.decode()}"'), ("iteration_count", ITERATIONS),
            ("stored_key", f'"{hashlib.sha1(client).hexdigest()}"'),
            ("server_key", f'"{hmac.digest(salted, b"Server Key", "sha1").hex()}"'))) + "};\n"
        folder = re.sub(r"[^a-z0-9]", lambda m: f"%{ord(m[0]):02x}", self.host)
        for i in range(self.users):
            self.write(f"data/{folder}/accounts/u{i}.dat", account)

    def launch(self):
        self.spawn(["prosody", "-F", "--config", self.path("prosody.cfg.lua")])
        self.wait_for_port(self.component_port)


class Ejabberd(Server):
    name = "ejabberd"
    title = "ejabberd"
    pair = ("127.0.0.4", "127.0.0.5")
    # What /etc/ejabberd/ejabberd.yml of the package has, without web, STUN, MQTT, chat rooms and
    # the two that stop floods (fail2ban, pres_counter).
    modules = ("adhoc admin_extra announce avatar blocking caps carboncopy client_state configure "
               "disco http_api last offline ping privacy private push push_keepalive roster "
               "shared_roster sic stream_mgmt vcard vcard_xupdate version").split()

    def version(self):
        return package_version("ejabberd")

    def configuration(self):
        anywhere = {"ip": self.address}
        s2s = []
        modules = {f"mod_{name}": {} for name in self.modules}
        modules["mod_roster"] = {"versioning": True}
        modules["mod_pubsub"] = {"plugins": ["flat", "pep"]}
        if self.purpose == "archive":
            modules["mod_mam"] = {"default": "always"}
        if self.purpose == "s2s":
            modules["mod_s2s_dialback"] = {}
            s2s = [{**anywhere, "port": Pair.port, "module": "ejabberd_s2s_in"}]
        # JSON is YAML.
        return json.dumps({
            "hosts": [self.host], "loglevel": "warning", "certfiles": [self.path("both.pem")],
            "auth_password_format": "scram",
            "s2s_use_starttls": "optional",
            "listen": [
                *s2s,
                {**anywhere, "port": self.port, "module": "ejabberd_c2s", "starttls": True,
                 "max_stanza_size": 262144, "shaper": "none", "backlog": 1000},
                # A component gets all the names of its port: so each has a port of its own.
                *({**anywhere, "port": self.port_of(name), "module": "ejabberd_service",
                   "hosts": {name: {"password": self.secret}}, "shaper_rule": "none"}
                  for name in COMPONENTS),
                {**anywhere, "port": self.port + 2, "module": "ejabberd_http",
                 "request_handlers": {"/api": "mod_http_api"}}],
            "api_permissions": {"bench": {"who": {"ip": "127.0.0.0/8"}, "what": ["register"]}},
            "shaper_rules": {"max_user_sessions": 10, "max_user_offline_messages": 5000},
            "modules": modules}, indent=1)

    def port_of(self, component):
        return self.port + 1 + 3 * COMPONENTS.index(component)

    def prepare(self):
        self.write("ejabberd.yml", self.configuration())
        self.write("inetrc", '{lookup, ["file", "native"]}.\n')
        os.makedirs(self.path("spool"), exist_ok=True)

    def launch(self):
        # As ejabberdctl does it; a fixed port instead of epmd, a node name and a cookie of its own.
        self.spawn(
            ["erl", "-noinput", "-sname", f"bench{self.port}@localhost", "-setcookie", "bench",
             "-start_epmd", "false", "-erl_epmd_port", str(self.port + 3),
             "-kernel", "inet_dist_use_interface", "{" + self.address.replace(".", ",") + "}", "+K", "true", "+P", "250000",
             "-mnesia", "dir", f'"{self.path("spool")}"', "-s", "ejabberd"],
            env={"HOME": self.directory, "ERL_LIBS": "/usr/lib/x86_64-linux-gnu",
                 "EJABBERD_CONFIG_PATH": self.path("ejabberd.yml"),
                 "EJABBERD_LOG_PATH": self.path("ejabberd.log"), "ERL_MAX_PORTS": "32000",
                 "ERL_CRASH_DUMP": self.path("crash.dump"), "ERL_INETRC": self.path("inetrc")})
        self.wait_for_port(self.component_port)

    def register(self):
        self.wait_for_port(self.port + 2)
        api = http.client.HTTPConnection(self.address, self.port + 2, timeout=30)
        for i in range(self.users):
            api.request("POST", "/api/register", json.dumps(
                {"user": f"u{i}", "host": self.host, "password": PASSWORD}))
            answer = api.getresponse()
            text = answer.read().decode()
            if answer.status not in (200, 409):
                raise ServerError(f"register u{i}: {answer.status} {text}")


class Jabberd2(Server):
    name = "jabberd2"
    title = "jabberd2"
    # Its package offers no SCRAM; the password is compared as it is.
    mechanism = "PLAIN"
    missing = {"carbons": "it has none", "archive": "it has none",
               "s2s": "it looks names up only"}
    schema = "/usr/share/doc/jabberd2/db-setup.sqlite.gz"

    def version(self):
        return package_version("jabberd2")

    def configuration(self, part):
        """The package's file with our paths, ports and names."""
        with open(f"/etc/jabberd2/{part}.xml", encoding="utf-8", errors="replace") as file:
            text = re.sub(r"<!--.*?-->", "", file.read(), flags=re.DOTALL)
        for pattern, new in (
                ("/var/run/jabberd2/", self.path("")), ("/var/log/jabberd2/", self.path("")),
                ("/var/lib/jabberd2/", self.path("")),
                ("/etc/jabberd2/router-users.xml", self.path("router-users.xml")),
                ("/etc/jabberd2/router-filter.xml", self.path("router-filter.xml")),
                ("<ip>0.0.0.0</ip>", "<ip>127.0.0.1</ip>"),
                ("<port>5347</port>", f"<port>{self.component_port}</port>"),
                ("<port>5222</port>", f"<port>{self.port}</port>"),
                ("<max_fds>1024</max_fds>", "<max_fds>16384</max_fds>"),
                ("<stanzas>1000</stanzas>", "<stanzas>0</stanzas>"),
                ("<id register-enable='mu'>localhost.localdomain</id>",
                 f"<id pemfile='{self.path('both.pem')}'>{self.host}</id>"),
                ("<id>localhost.localdomain</id>", f"<id>{self.host}</id>")):
            text = text.replace(pattern, new)
        if part == "router":
            text = text.replace("<secret>secret</secret>", f"<secret>{self.secret}</secret>")
        return text

    def prepare(self):
        for part in ("router", "sm", "c2s"):
            self.write(f"{part}.xml", self.configuration(part))
        for name in ("router-users.xml", "router-filter.xml"):
            with open(f"/etc/jabberd2/{name}", encoding="utf-8", errors="replace") as file:
                self.write(name, file.read())
        with gzip.open(self.schema, "rt", encoding="utf-8", errors="replace") as file:
            schema = file.read()
        with sqlite3.connect(self.path("sqlite.db")) as db:
            db.executescript(schema)
            db.executemany('INSERT INTO authreg (username, realm, password) VALUES (?, ?, ?)',
                           [(f"u{i}", self.host, PASSWORD) for i in range(self.users)])
            db.executemany('INSERT INTO active ("collection-owner", time) VALUES (?, 1)',
                           [(f"u{i}@{self.host}",) for i in range(self.users)])

    def launch(self):
        self.spawn(["jabberd2-router", "-c", self.path("router.xml")])
        self.wait_for_port(self.component_port)
        for part in ("sm", "c2s"):
            self.spawn([f"jabberd2-{part}", "-c", self.path(f"{part}.xml")])
        # The port is open before the parts have found each other.
        suitelib.wait_for(lambda: {f"[{self.host}] online", "[c2s] online"} <= set(
            re.findall(r"\[\w+\] online", tail(self.path("router.log"), 400))),
            READY_SECONDS, "sm and c2s online")


PEERS = {peer.name: peer for peer in (Prosody, Ejabberd, Jabberd2)}
