# SPDX-License-Identifier: GPL-3.0-or-later
"""internet - a small internet for tests: one network namespace for each machine on one bridge, IPv4
and IPv6, signed zones served by knot, certificates of a CA of its own, and our suites in it.

Nothing of it is seen outside: the namespaces have no names, their holders die with this process,
and what lies in them goes with them. Needs root. Clients run in a namespace of their own (run()).
"""
import asyncio
import contextlib
import ctypes
import hashlib
import os
import re
import signal
import socket
import ssl
import subprocess

import slixmpp
from helpers import DEADLINE, ROOT, Client, Suite, eventually

# Last octets of the addresses.
NODES = {"dns": 2, "clients": 3, "kontalk": 10, "other": 11, "prosody": 20,
         "dialback": 21, "external": 22, "ejabberd": 30, "prime": 40, "beta": 41, "gamma": 42}
NET4, NET6 = "10.9.0", "fd09:"
START_SECONDS = 60
CLONE_NEWNET = 0x40000000
LIBC = ctypes.CDLL(None, use_errno=True)


class NotPossible(Exception):
    """This machine cannot have such a network; the text says why."""


class LabError(Exception):
    """A server or a tool did not do its work; the text says what it said."""


def v4(node):
    return f"{NET4}.{NODES.get(node, node)}"


def v6(node):
    return f"{NET6}:{NODES.get(node, node)}"


def command(*words, text=None):
    done = subprocess.run(words, input=text, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise LabError(f"{' '.join(words)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


class Network:
    """The namespaces: a holder process in each, and a bridge in that of the name server."""

    def __init__(self, directory, nodes):
        self.directory, self.nodes = directory, nodes
        self.holders = {}
        if os.geteuid() != 0:
            raise NotPossible("network namespaces need root")
        for tool in ("ip", "nsenter", "unshare", "setpriv"):
            if not any(os.access(os.path.join(d, tool), os.X_OK)
                       for d in os.environ["PATH"].split(":")):
                raise NotPossible(f"{tool} is not installed")
        try:
            self.build()
        except LabError as error:
            self.close()
            raise NotPossible(str(error)) from error
        except BaseException:
            self.close()
            raise

    def build(self):
        resolv = write(os.path.join(self.directory, "resolv.conf"), f"nameserver {v4('dns')}\n")
        for node in self.nodes:
            self.hold(node, resolv)
        self.ip("dns", "link", "add", "br0", "type", "bridge")
        self.ip("dns", "link", "set", "br0", "up")
        self.address("dns", "br0")
        for node, holder in self.holders.items():
            if node == "dns":
                continue
            self.ip("dns", "link", "add", f"to-{node}", "type", "veth", "peer", "name", "eth0",
                    "netns", str(holder.pid))
            self.ip("dns", "link", "set", f"to-{node}", "master", "br0", "up")
            self.ip(node, "link", "set", "eth0", "up")
            self.address(node, "eth0")

    def hold(self, node, resolv):
        """A process that does nothing but be in a network of its own, with a resolv.conf of its
        own; it dies with the one that started it."""
        script = f"mount --bind {resolv} /etc/resolv.conf && echo && exec sleep infinity"
        holder = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "unshare", "--net", "--mount", "sh", "-c", script],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.holders[node] = holder
        if not holder.stdout.readline():
            raise NotPossible(f"unshare: {holder.stderr.read().decode().strip()}")
        self.ip(node, "link", "set", "lo", "up")

    def words(self, node):
        """What goes before a command that is to run at a node."""
        return ["nsenter", "--net", "--mount", "--target", str(self.holders[node].pid)]

    def ip(self, node, *words):
        return command(*self.words(node), "ip", *words)

    def address(self, node, device):
        self.ip(node, "addr", "add", f"{v4(node)}/24", "dev", device)
        self.ip(node, "addr", "add", f"{v6(node)}/64", "dev", device, "nodad")

    @contextlib.contextmanager
    def inside(self, node):
        """This thread's sockets are the node's while the block runs."""
        with open("/proc/thread-self/ns/net", "rb") as home, \
                open(f"/proc/{self.holders[node].pid}/ns/net", "rb") as there:
            if LIBC.setns(there.fileno(), CLONE_NEWNET) != 0:
                raise NotPossible(f"setns: {os.strerror(ctypes.get_errno())}")
            try:
                yield
            finally:
                assert LIBC.setns(home.fileno(), CLONE_NEWNET) == 0

    def close(self):
        for holder in self.holders.values():
            holder.kill()
            holder.wait()
            holder.stdout.close()
            holder.stderr.close()


# --- certificates --------------------------------------------------------------------------------

class Authority:
    """A CA, and the certificates that it gives and those that it would not."""

    def __init__(self, directory):
        self.directory = directory
        os.makedirs(directory, mode=0o700)
        self.key = self.path("key.pem")
        command("certtool", "--generate-privkey", "--key-type=ecdsa", "--curve=secp256r1",
                "--outfile", self.key)
        os.chmod(self.key, 0o600)
        self.ca = self.path("ca.pem")
        self.tool("ca", ["cn = Laboratory CA", "ca", "cert_signing_key", "expiration_days = 30"],
                  "--generate-self-signed")

    def path(self, name):
        return os.path.join(self.directory, name)

    def pin(self, path):
        """SHA-256 of a certificate."""
        with open(path, encoding="ascii") as file:
            return hashlib.sha256(ssl.PEM_cert_to_DER_cert(file.read())).hexdigest()

    def tool(self, name, template, *words):
        done = self.path(f"{name}.pem")
        command("certtool", "--no-text", *words, "--load-privkey", self.key, "--template",
                write(self.path(f"{name}.template"), "\n".join(template) + "\n"), "--outfile",
                done)
        return done

    def give(self, name, names, *, self_signed=False, expired=False, for_clients=False):
        """The path of a certificate for these names (with its key: key.pem)."""
        template = [f"cn = {names[0]}", *(f"dns_name = {n}" for n in names), "tls_www_server",
                    "signing_key"]
        template += ["tls_www_client"] if for_clients else []
        template += (['activation_date = "2020-01-01 00:00:00"',
                      'expiration_date = "2021-01-01 00:00:00"'] if expired else
                     ["expiration_days = 30"])
        how = (["--generate-self-signed"] if self_signed else
               ["--generate-certificate", "--load-ca-certificate", self.ca, "--load-ca-privkey",
                self.key])
        return self.tool(name, template, *how)


# --- processes of others -------------------------------------------------------------------------

class Node:
    """A server of somebody else's in its namespace. Also what helpers.Client wants of a suite."""

    def __init__(self, lab, node):
        self.lab, self.node = lab, node
        self.directory = os.path.join(lab.directory, node)
        self.process = None
        self.address = v4(node)
        self.ports = {"c2s": 5222}
        self.paths = {"certificate": None}  # it is not its clients' side that is tested

    def path(self, *names):
        return os.path.join(self.directory, *names)

    def write(self, name, text):
        return write(self.path(name), text)

    def spawn(self, words, env=None):
        with open(self.path("output.log"), "ab") as out:
            self.process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *self.lab.network.words(self.node), *words],
                env={**os.environ, **(env or {})}, stdin=subprocess.DEVNULL, stdout=out,
                stderr=out, start_new_session=True)

    def output(self):
        with open(self.path("output.log"), errors="replace", encoding="utf-8") as file:
            return file.read()[-3000:]

    def listens(self, port, address=None):
        with self.lab.network.inside(self.node):
            try:
                socket.create_connection((address or v4(self.node), port), timeout=5).close()
                return True
            except OSError:
                return False

    def wait_for_port(self, port):
        def is_open():
            if self.process.poll() is not None:
                raise LabError(f"{self.node} has ended: {self.output()}")
            return self.listens(port)
        eventually(is_open, f"{self.node} listens on {port}", START_SECONDS)

    def stop(self, number=signal.SIGTERM):
        """Ends it and its children."""
        if not self.process:
            return
        for signum in (number, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signum)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(10)
                break
        self.process = None


class NameServer(Node):
    """knot, with signed zones."""

    def __init__(self, lab, domains):
        super().__init__(lab, "dns")
        self.domains = domains

    def start(self):
        os.makedirs(self.path("db"), exist_ok=True)
        self.write("knot.conf", f"""
server:
    rundir: "{self.directory}"
    listen: [ {v4("dns")}@53, {v6("dns")}@53 ]
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
log:
  - target: stdout
    any: info
database:
    storage: "{self.path("db")}"
    journal-db-max-size: 16M
    kasp-db-max-size: 16M
    timer-db-max-size: 1M
policy:
  - id: lab
    algorithm: ecdsap256sha256
    single-type-signing: on
template:
  - id: default
    storage: "{self.directory}"
    zonefile-sync: -1
    journal-content: none
zone:
""" + "".join(f"""  - domain: {domain}
    file: {domain}.zone
    dnssec-signing: on
    dnssec-policy: lab
""" for domain in self.domains))
        for domain in self.domains:
            self.write(f"{domain}.zone", self.lab.zone(domain))
        self.spawn(["knotd", "-c", self.path("knot.conf")])
        for domain in self.domains:
            eventually(lambda domain=domain: self.answers(domain), "the name server answers",
                       START_SECONDS)
        self.anchor = self.write("anchor", "".join(
            command("keymgr", "-c", self.path("knot.conf"), domain, "ds")
            for domain in self.domains))

    def answers(self, domain):
        if self.process.poll() is not None:
            raise LabError(f"knotd has ended: {self.output()}")
        done = subprocess.run([*self.lab.network.words("dns"), "kdig", f"@{v4('dns')}", "+short",
                               "+timeout=1", domain, "DNSKEY"], capture_output=True, text=True,
                              check=False)
        return re.search(r"^25[67] 3 13 ", done.stdout, re.MULTILINE)


# --- ours, and clients ----------------------------------------------------------------------------

class Inside(Suite):
    """A suite of ours in its namespace."""

    def __init__(self, lab, directory, node, *options):
        self.lab, self.node = lab, node
        self.address = v4(node)
        super().__init__(directory, *options)

    def command(self, verb, *words):
        done = subprocess.run(
            [*self.lab.network.words(self.node), os.path.join(ROOT, "test", "suite"), verb,
             self.directory, *words], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def log(self, process="s2s"):
        with open(os.path.join(self.paths["logs"], f"{process}.log"), errors="replace",
                  encoding="utf-8") as file:
            return file.read()


@contextlib.asynccontextmanager
async def online(*pairs, **options):
    """Clients at (server, name or JID; None: the next of our users), with their presence sent,
    while the block runs."""
    clients = []
    try:
        for server, name in pairs:
            jid = name or server.user()
            jid = jid if "@" in jid else f"{jid}@{server.host}"
            mine = options if isinstance(server, Suite) else {**options, "mech": None}
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

class Internet:
    """The network, the zones and the certificates: those of the class that says which."""

    domains = ()  # of the zones
    nodes = ()

    def __init__(self, directory):
        self.directory = str(directory)
        self.started = []
        self.servers = {}
        self.network = Network(self.directory, self.nodes)
        try:
            self.authority = Authority(os.path.join(self.directory, "ca"))
            self.certificates()
            self.dns = NameServer(self, self.domains)
            self.start(self.dns)
        except BaseException:
            self.close()
            raise

    def certificates(self):
        """What is needed before the zones are."""

    def zone(self, domain):
        """The text of its zone."""
        raise NotImplementedError

    def start(self, node):
        os.makedirs(node.directory, exist_ok=True)
        self.started.append(node)
        node.start()
        return node

    @contextlib.contextmanager
    def cut(self, node, other="kontalk"):
        """No packet passes between two nodes while the block runs."""
        ways = [v4(node.node), v6(node.node)]
        for way in ways:
            self.network.ip(other, "route", "add", "blackhole", way)
        try:
            yield
        finally:
            for way in ways:
                self.network.ip(other, "route", "del", "blackhole", way)

    def run(self, coroutine, seconds=6 * DEADLINE):
        """Runs an asynchronous test whose connections come from the clients' namespace."""
        with self.network.inside("clients"):
            return asyncio.run(asyncio.wait_for(coroutine, seconds))

    def close(self):
        for node in reversed(self.started):
            node.stop()
        self.network.close()
