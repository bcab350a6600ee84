# SPDX-License-Identifier: GPL-3.0-or-later
"""servers - what the bench measures: our own suite, the raw relay, and the base of the peers.

A server lives in a private directory below the bench's scratch directory, listens on 127.0.0.1 and
is started and stopped as often as wanted; its users stay. Nothing outside the directory is written.
"""
import json
import os
import signal
import socket
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.dirname(HERE))
import suitelib  # noqa: E402

HOST = "localhost"
PASSWORD = "secret"
COMPONENTS = ("a.localhost", "b.localhost")
READY_SECONDS = 60
STOP_SECONDS = 20


class ServerError(Exception):
    """A server did not start; its text says why."""


def package_version(package):
    done = subprocess.run(["dpkg-query", "-W", "-f=${Version}", package], capture_output=True,
                          text=True, check=False)
    return done.stdout.strip() or None


def session_of(pid):
    """The session id of a process, or None when it has ended."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            fields = file.read().rpartition(")")[2].split()
        return None if fields[0] in "ZX" else int(fields[3])
    except OSError:
        return None


def listens(port, address):
    try:
        socket.create_connection((address, port), timeout=5).close()
        return True
    except OSError:
        return False


def tail(path, size=1500):
    try:
        with open(path, "rb") as file:
            return file.read()[-size:].decode(errors="replace").strip()
    except OSError:
        return ""


class Server:
    """A server whose processes this one starts, each in a session of its own."""

    name = ""
    title = ""
    # Words for its logins: what its package offers.
    mechanism = "SCRAM-SHA-1"
    # Scenarios that it cannot do, and why.
    missing = {}
    # The addresses of two that talk to each other.
    pair = ()
    # The scenario that it has been set up for alone: "archive", "s2s"; none: all others.
    purpose = None

    def __init__(self, directory, port, users, purpose=None, address="127.0.0.1", host=HOST):
        self.directory = os.path.join(directory, f"{self.name}-{purpose or 'plain'}-{address}")
        self.port, self.component_port = port, port + 1
        self.users = users
        self.purpose = purpose
        self.address, self.host = address, host
        self.secret = "component-secret"
        self.leaders = []
        self.is_prepared = False

    def path(self, *names):
        return os.path.join(self.directory, *names)

    def write(self, name, text):
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        suitelib.write_private(self.path(name), text)
        return self.path(name)

    # --- what each kind of server says ---

    def version(self):
        """Its version, or None when it is not installed."""
        raise NotImplementedError

    def prepare(self):
        """Writes the configuration and, where that is done with files, the users."""

    def launch(self):
        """Starts the processes."""

    def register(self):
        """Makes the users, when the running server is needed for it."""

    # --- what all of them do ---

    def spawn(self, words, env=None, log=None):
        for port in () if self.leaders else (self.port, self.component_port):
            if listens(port, self.address):
                raise ServerError(f"port {port} is in use")
        with open(self.path(log or "output.log"), "ab") as out:
            self.leaders.append(subprocess.Popen(
                words, cwd=self.directory, env={**os.environ, **(env or {})},
                stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True))

    def wait_for_port(self, port):
        deadline = time.monotonic() + READY_SECONDS
        while not listens(port, self.address):
            for process in self.leaders:
                if process.poll() is not None:
                    raise ServerError(f"{process.args[0]} ended with status {process.returncode}: "
                                      + tail(self.path("output.log")))
            if time.monotonic() > deadline:
                raise ServerError(f"port {port} not open within {READY_SECONDS} s: "
                                  + tail(self.path("output.log")))
            time.sleep(0.05)

    def start(self):
        if self.version() is None:
            raise ServerError("it is not installed: make deps-bench")
        os.makedirs(self.directory, mode=0o700, exist_ok=True)
        is_first = not self.is_prepared
        try:
            if is_first:
                suitelib.make_certificate(self.directory, [self.host])
                self.write("both.pem", "".join(open(self.path(n), encoding="utf-8").read()
                                               for n in ("key.pem", "cert.pem")))
                self.prepare()
                self.is_prepared = True
            self.launch()
            self.wait_for_port(self.port)
            if is_first:
                self.register()
        except (OSError, suitelib.SuiteError, subprocess.SubprocessError) as error:
            self.stop()
            raise ServerError(str(error)) from error
        except BaseException:
            self.stop()
            raise

    def pids(self):
        """All its processes, children included."""
        leaders = {process.pid for process in self.leaders}
        return [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc")))
                if session_of(pid) in leaders]

    def stop(self):
        for number in (signal.SIGTERM, signal.SIGKILL):
            pids = self.pids()
            for pid in pids:
                try:
                    os.kill(pid, number)
                except ProcessLookupError:
                    pass
            deadline = time.monotonic() + STOP_SECONDS
            while any(session_of(pid) for pid in pids) and time.monotonic() < deadline:
                for process in self.leaders:
                    process.poll()
                time.sleep(0.05)
        for process in self.leaders:
            process.wait()
        self.leaders = []

    def port_of(self, component):
        """Where a component connects."""
        return self.component_port

    def options(self):
        """The generator's options that say where it is."""
        words = ["--host", self.host, "--address", self.address, "--port", str(self.port), "--password", PASSWORD,
                 "--mechanism", self.mechanism]
        for name in COMPONENTS:
            words += ["--component", f"{name}:{self.secret}:{self.port_of(name)}"]
        return words + ["--pids", ",".join(map(str, self.pids()))]


class Kontalk(Server):
    """Our own suite, by test/suite."""

    name = "kontalk"
    title = "Kontalk"
    instances = 1

    def version(self):
        done = subprocess.run([suitelib.program("kontalk-c2s"), "--version"],
                              capture_output=True, text=True, check=False)
        return done.stdout.strip().rpartition(" ")[2] or None

    def suite(self, *words):
        done = subprocess.run([os.path.join(ROOT, "test", "suite"), *words], capture_output=True,
                              text=True, check=False)
        if done.returncode != 0:
            raise ServerError(done.stderr.strip())
        return done.stdout

    def start(self):
        if self.is_prepared:
            self.suite("restart", self.path(), "router")
            self.answer = json.loads(self.suite("restart", self.path(), "c2s"))
            return
        self.answer = json.loads(self.suite(
            "start", self.path(), "--plaintext", "--users", str(self.users),
            "--password", PASSWORD, "--c2s", str(self.instances),
            "--set", f"archive.enabled={str(self.purpose == 'archive').lower()}"))
        self.is_prepared = True
        self.port, self.component_port = self.answer["ports"]["c2s"], self.answer["ports"]["router"]
        self.secret = self.answer["components"]["a"]["secret"]

    def fill(self, fill):
        """Lets fill(path) write into the database, while nobody else does."""
        self.suite("kill", self.path(), "c2s", "TERM")
        fill(self.answer["paths"]["database"])
        self.answer = json.loads(self.suite("restart", self.path(), "c2s"))

    def pids(self):
        groups = self.answer["pids"].values()
        return [pid for group in groups for pid in (group if isinstance(group, list) else [group])]

    def stop(self):
        if self.is_prepared:
            self.suite("stop", self.path())


class KontalkPair:
    """Two suites of ours whose s2s reach each other by static routes, in clear text, proved by
    dialback; or, for the scenario net, whose net do, by their keys and over TLS 1.3."""

    name = Kontalk.name
    title = Kontalk.title
    missing = {}
    hosts = ("one.example", "two.example")

    def __init__(self, directory, port, users, purpose="s2s"):
        self.directory = directory
        self.users = users
        self.purpose = purpose
        if purpose == "net":
            self.hosts = ("one.network.example", "two.network.example")
        self.bases = (port, port + 1000)
        self.answers = []

    def version(self):
        return Kontalk("/", 0, 0).version()

    def suite(self, *words):
        done = subprocess.run([os.path.join(ROOT, "test", "suite"), *words], capture_output=True,
                              text=True, check=False)
        if done.returncode != 0:
            raise ServerError(done.stderr.strip())
        return done.stdout

    def path(self, i):
        return os.path.join(self.directory, f"kontalk-{self.purpose}-{i}")

    def start(self):
        try:
            for i, host in enumerate(self.hosts):
                self.answers.append(json.loads(self.suite(
                    "start", self.path(i), "--host", host, "--port-base", str(self.bases[i]),
                    "--plaintext", "--users", "0" if self.purpose == "net" else str(self.users),
                    "--password", PASSWORD, "--set", "archive.enabled=false", *self.between(i))))
            if self.purpose == "net":
                self.join()
        except ServerError:
            self.stop()
            raise

    def between(self, i):
        """Words for the suite: how it reaches the other."""
        other = self.hosts[1 - i]
        route = f"127.0.0.1:{suitelib.ports_from(self.bases[1 - i])[self.purpose]}"
        if self.purpose == "net":
            return ["--network", "network.example", "--with", "net",
                    "--net-set", f"server {other}.route={route}"]
        return ["--with", "s2s", "--s2s-set", "policy.tls=optional", "--s2s-set", "policy.rate=0",
                "--s2s-set", f"domain {other}.route={route}"]

    def join(self):
        """They learn of each other; a user of a network is at home at one of them."""
        for i in range(2):
            self.control(i, "user", "import", "-", stdin="".join(
                f"u{u}@{self.hosts[i]} {PASSWORD}\n" for u in range(i, self.users, 2)))
        for i in range(2):
            other = 1 - i
            self.control(i, "server", "add", self.hosts[other], self.answers[other]["fingerprint"])

    def control(self, i, *words, stdin=""):
        config = os.path.join(self.path(i), "config")
        done = subprocess.run([suitelib.program("kontalkctl"), "-c", config, *words], input=stdin,
                              capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise ServerError(done.stderr.strip())

    def stop(self):
        for i in range(len(self.answers)):
            self.suite("stop", self.path(i))
        self.answers = []

    def pids(self):
        groups = [group for answer in self.answers for group in answer["pids"].values()]
        return [pid for group in groups for pid in (group if isinstance(group, list) else [group])]

    def options(self):
        ports = [answer["ports"]["c2s"] for answer in self.answers]
        return ["--host", self.hosts[0], "--address", "127.0.0.1", "--port", str(ports[0]),
                "--host2", self.hosts[1], "--address2", "127.0.0.1", "--port2", str(ports[1]),
                "--password", PASSWORD, "--mechanism", Kontalk.mechanism,
                "--pids", ",".join(map(str, self.pids()))]


class Pair:
    """Two servers of one kind that reach each other by the addresses that their domains are: no
    names need to be resolved, and the port is the one that everybody assumes."""

    purpose = "s2s"
    port = 5269

    def __init__(self, kind, directory, port, users):
        self.name, self.title = kind.name, kind.title
        self.missing = kind.missing
        self.both = [kind(directory, port, users, "s2s", address, address)
                     for address in kind.pair]

    def version(self):
        return self.both[0].version()

    def start(self):
        try:
            for server in self.both:
                if listens(self.port, server.address):
                    raise ServerError(f"port {self.port} at {server.address} is in use")
                server.start()
        except ServerError:
            self.stop()
            raise

    def stop(self):
        for server in self.both:
            server.stop()

    def pids(self):
        return [pid for server in self.both for pid in server.pids()]

    def options(self):
        words = self.both[0].options()
        words[words.index("--pids") + 1] = ",".join(map(str, self.pids()))
        return [*words, "--host2", self.both[1].host, "--address2", self.both[1].address]


class Floor(Server):
    """The raw relay: chat only."""

    name = "floor"
    title = "raw relay"

    def __init__(self, directory, port, users, tls=False):
        super().__init__(directory, port, users, "floor")
        self.tls = tls
        self.directory += "-tls" if tls else ""

    def version(self):
        return "-"

    def launch(self):
        words = [suitelib.program("test/bench/floor"), str(self.port)]
        self.spawn(words + ([self.path("cert.pem"), self.path("key.pem")] if self.tls else []))
