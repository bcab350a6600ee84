# SPDX-License-Identifier: GPL-3.0-or-later
"""helpers - what the end-to-end tests share: a suite of real processes, slixmpp clients and
components with deadlines, and a raw client for what slixmpp would not send.
"""
import asyncio
import contextlib
import json
import os
import re
import select
import socket
import ssl
import subprocess
import time

import slixmpp

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(ROOT, os.environ.get("KONTALK_BUILD") or "build")
PASSWORD = "correct horse"
# How long any one thing may take on a busy machine; nothing waits this long when all is well.
DEADLINE = 20


def run(coroutine):
    """Runs an asynchronous test in a loop of its own."""
    return asyncio.run(asyncio.wait_for(coroutine, 4 * DEADLINE))


def eventually(condition, what, seconds=DEADLINE):
    """Waits for something that announces itself nowhere; returns what condition() returned."""
    deadline = time.monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
        select.select([], [], [], 0.02)


class Suite:
    """A suite started by test/suite."""

    def __init__(self, directory, *options):
        self.directory = str(directory)
        self.used = 0
        self.expected_errors = ()  # events that a test provokes
        self.load(self.command("start", "--password", PASSWORD, *options))

    def load(self, text):
        self.json = json.loads(text)
        self.host = self.json["host"]
        self.ports = self.json["ports"]
        self.paths = self.json["paths"]
        self.components = self.json["components"]

    def command(self, verb, *words):
        done = subprocess.run([os.path.join(ROOT, "test", "suite"), verb, self.directory, *words],
                              capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def restart(self, process):
        self.load(self.command("restart", process))

    def kill(self, process, signal="KILL"):
        self.command("kill", process, signal)

    def pids(self):
        for pid in self.json["pids"].values():
            yield from pid if isinstance(pid, list) else [pid]

    def stop(self):
        """Stops it, and looks for what no test saw: a process that died, an error in a log."""
        dead = [pid for pid in self.pids() if not os.path.exists(f"/proc/{pid}")]
        self.command("stop")
        errors = []
        for name in os.listdir(self.paths["logs"]):
            with open(os.path.join(self.paths["logs"], name), errors="replace",
                      encoding="utf-8") as log:
                errors += [line for line in log
                           if ("lvl=error" in line or "Sanitizer" in line
                               or "runtime error" in line)
                           and not any(f"ev={event} " in line for event in self.expected_errors)]
        assert not dead, f"died: {dead}"
        assert not errors, errors

    def user(self):
        """The JID of a user that no other test uses."""
        self.used += 1
        return f"u{self.used - 1}@{self.host}"

    def ctl(self, *words, stdin=None, status=0):
        """kontalkctl's output; its errors when another status is expected."""
        done = subprocess.run([self.paths["kontalkctl"], "-c", self.paths["config"], *words],
                              input=stdin, capture_output=True, text=True, check=False,
                              timeout=4 * DEADLINE)
        assert done.returncode == status, (words, done.returncode, done.stdout, done.stderr)
        return done.stderr if status else done.stdout

    def ctl_json(self, *words):
        return json.loads(self.ctl(*words, "--json"))


class Listening:
    """What came in, and waiting for what is to come; for slixmpp's clients and components."""

    def listen(self):
        self.arrived = []
        self.changed = asyncio.Condition()
        for name in ("message", "message_error", "message_form"):
            self.add_event_handler(name, self.on_stanza)
        self.register_handler(slixmpp.xmlstream.handler.Callback(
            "all presence", slixmpp.xmlstream.matcher.MatchXPath(
                f"{{{self.default_ns}}}presence"), self.on_stanza))

    def on_stanza(self, stanza):
        asyncio.ensure_future(self.note(stanza))

    async def note(self, stanza):
        async with self.changed:
            self.arrived.append(stanza)
            self.changed.notify_all()

    async def expect(self, matches, what="stanza", seconds=DEADLINE):
        """The first stanza that has come or comes and for which matches() is true; taken out."""
        def find():
            return next((s for s in self.arrived if matches(s)), None)

        async with self.changed:
            try:
                await asyncio.wait_for(self.changed.wait_for(find), seconds)
            except asyncio.TimeoutError:
                raise AssertionError(f"no {what} among {list(map(str, self.arrived))}") from None
            stanza = find()
            self.arrived.remove(stanza)
            return stanza

    async def message(self, body, seconds=DEADLINE):
        return await self.expect(
            lambda s: isinstance(s, slixmpp.Message) and s["body"] == body, f"message {body}",
            seconds)

    async def presence(self, from_, type_="available"):
        return await self.expect(
            lambda s: isinstance(s, slixmpp.Presence) and str(s["from"]) == str(from_)
            and s["type"] == type_, f"presence {type_} from {from_}")

    async def request(self, to, payload=None, type_="get"):
        """Sends an iq; returns the answer, whether result or error."""
        iq = self.Iq(stype=type_, sto=to)
        if self.is_component:
            iq["from"] = self.boundjid
        if payload is not None:
            iq.append(slixmpp.xmlstream.ET.fromstring(payload))
        try:
            return await iq.send(timeout=DEADLINE)
        except slixmpp.exceptions.IqError as error:
            return error.iq


class Client(Listening, slixmpp.ClientXMPP):
    def __init__(self, suite, jid, password=PASSWORD, mech="SCRAM-SHA-256", plugins=()):
        slixmpp.ClientXMPP.__init__(self, jid, password)
        self.suite = suite
        self.ca_certs = suite.paths["certificate"]
        self.auto_authorize = None
        self.auto_subscribe = False
        if mech:
            # slixmpp knows no binding of TLS 1.3 but claims that it could bind, and RFC 5802 has
            # the server take that for an attack; so it is told that there is none.
            mechanisms = self["feature_mechanisms"]
            mechanisms.use_mech = mech
            mechanisms.sasl_callback = lambda *names: {
                **mechanisms._default_credentials(*names), "channel_binding": None}
        for plugin in plugins:
            self.register_plugin(plugin)
        self.listen()

    async def login(self, direct=False, presence=True, **options):
        """Returns True when the session has started, False when the server refused."""
        loop = asyncio.get_running_loop()
        outcome = loop.create_future()

        def settle(value):
            if not outcome.done():
                outcome.set_result(value)

        self.add_event_handler("session_start", lambda _: settle(True))
        self.add_event_handler("failed_all_auth", lambda _: settle(False))
        self.add_event_handler("disconnected", lambda _: settle(False))
        self.add_event_handler("connection_failed", lambda _: settle(False))
        port = self.suite.ports["c2s_tls" if direct else "c2s"]
        address = getattr(self.suite, "address", "127.0.0.1")
        self.connect((address, port), use_ssl=direct, **options)
        started = await asyncio.wait_for(outcome, DEADLINE)
        if started and presence:
            self.send_presence()
            # The server answers in order: after this, the presence has been handled.
            await self.request(self.suite.host, "<ping xmlns='urn:xmpp:ping'/>")
        return started

    def gone(self):
        """A future that is done when the connection has ended, from now on."""
        future = asyncio.get_running_loop().create_future()
        self.add_event_handler("disconnected", lambda _: future.done() or future.set_result(True))
        return future

    async def logout(self):
        if self.is_connected():
            self.end_session_on_disconnect = True
            await asyncio.wait_for(self.disconnect(), DEADLINE)


class Component(Listening, slixmpp.ComponentXMPP):
    def __init__(self, suite, key, secret=None):
        name = suite.components[key]["name"]
        slixmpp.ComponentXMPP.__init__(self, name, secret or suite.components[key]["secret"],
                                       "127.0.0.1", suite.ports["router"])
        self.listen()

    async def login(self):
        outcome = asyncio.get_running_loop().create_future()

        def settle(value):
            if not outcome.done():
                outcome.set_result(value)

        self.add_event_handler("session_start", lambda _: settle(True))
        self.add_event_handler("disconnected", lambda _: settle(False))
        self.connect()
        return await asyncio.wait_for(outcome, DEADLINE)

    async def logout(self):
        if self.is_connected():
            await asyncio.wait_for(self.disconnect(), DEADLINE)


@contextlib.asynccontextmanager
async def online(suite, *jids, **options):
    """Clients of these users, with their presence sent, while the block runs."""
    clients = []
    try:
        for jid in jids:
            client = Client(suite, jid, **options)
            clients.append(client)
            assert await client.login(), f"{jid} cannot log in"
        yield clients
    finally:
        for client in clients:
            await client.logout()


@contextlib.asynccontextmanager
async def attached(suite, key):
    component = Component(suite, key)
    try:
        assert await component.login()
        yield component
    finally:
        await component.logout()


class Raw:
    """A client that sends whatever it is told to."""

    def __init__(self, port, source="127.0.0.1", address="127.0.0.1"):
        self.socket = socket.create_connection((address, port), timeout=DEADLINE,
                                               source_address=(source, 0))
        self.text = ""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def start_tls(self, suite, alpn=None):
        context = ssl.create_default_context(cafile=suite.paths["certificate"])
        if alpn:
            context.set_alpn_protocols([alpn])
        self.socket = context.wrap_socket(self.socket, server_hostname=suite.host)

    def send(self, text):
        self.socket.sendall(text.encode())

    def open(self, to, namespace="jabber:client"):
        version = " version='1.0'" if namespace == "jabber:client" else ""
        self.send(f"<?xml version='1.0'?><stream:stream to='{to}' xmlns='{namespace}' "
                  f"xmlns:stream='http://etherx.jabber.org/streams'{version}>")

    def expect(self, pattern):
        """Reads until pattern has come; returns its match. What came before is dropped."""
        while True:
            match = re.search(pattern, self.text, re.DOTALL)
            if match:
                self.text = self.text[match.end():]
                return match
            data = self.socket.recv(65536)
            assert data, f"closed; no {pattern} in {self.text!r}"
            self.text += data.decode()

    def expect_end(self):
        """Reads until the other end closes; returns what came."""
        try:
            while data := self.socket.recv(65536):
                self.text += data.decode()
        except ConnectionResetError:
            pass
        return self.text
