# SPDX-License-Identifier: GPL-3.0-or-later
"""third_party - components that nobody here wrote, and what they need, as processes of a test."""
import asyncio
import os
import select
import signal
import socket
import subprocess

from helpers import BUILD, DEADLINE, eventually

DISCO_ITEMS = "http://jabber.org/protocol/disco#items"
DISCO_INFO = "http://jabber.org/protocol/disco#info"


def unused_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


class Program:
    """A process with a directory of its own, and its output in a file there."""

    def __init__(self, directory, *words, **environment):
        self.directory = str(directory)
        self.words = words
        self.environment = {**os.environ, **environment}
        self.process = None
        self.start()

    def start(self):
        with open(os.path.join(self.directory, "output"), "ab") as output:
            self.process = subprocess.Popen(self.words, cwd=self.directory, stdout=output,
                                            stdin=subprocess.DEVNULL, stderr=output,
                                            env=self.environment)

    def output(self):
        with open(os.path.join(self.directory, "output"), errors="replace",
                  encoding="utf-8") as file:
            return file.read()

    def runs(self):
        return self.process.poll() is None

    def signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        """Asks it to end; some of them do not listen."""
        if self.runs():
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
            try:
                self.process.wait(2)
            except subprocess.TimeoutExpired:
                self.kill()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def write(directory, name, text):
    directory.mkdir(exist_ok=True)
    path = directory / name
    path.write_text(text)
    path.chmod(0o600)
    return str(path)


def ngircd(directory):
    """An IRC server of one channel's use; its port is in .port."""
    port = unused_port()
    path = write(directory, "ngircd.conf", f"""
[Global]
Name = irc.example.net
Info = a server for tests
AdminInfo1 = tests
Listen = 127.0.0.1
Ports = {port}
MotdPhrase = "welcome"
[Limits]
MaxPenaltyTime = 0
MaxConnectionsIP = 0
[Options]
DNS = no
Ident = no
PAM = no
""")
    it = Program(directory, "ngircd", "-n", "-f", path)
    it.port = port

    def listens():
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return True
        except OSError:
            assert it.runs(), it.output()
            return False
    eventually(listens, "ngircd listens")
    return it


def biboumi(directory, suite, name):
    path = write(directory, "biboumi.cfg", f"""hostname={name}
password={suite.components[name]['secret']}
xmpp_server_ip=127.0.0.1
port={suite.ports['router']}
db_name={directory}/biboumi.sqlite
identd_port=0
log_level=1
""")
    return Program(directory, "biboumi", path)


def mu_conference(directory, suite, name):
    path = write(directory, "muc.xml", f"""<jcr>
<name>{name}</name>
<host>{name}</host>
<ip>127.0.0.1</ip>
<port>{suite.ports['router']}</port>
<secret>{suite.components[name]['secret']}</secret>
<spool>{directory}/rooms/</spool>
<logdir>{directory}</logdir>
<pidfile>{directory}/pid</pidfile>
<logstderr/>
<loglevel>124</loglevel>
<conference xmlns="jabber:config:conference">
<public/>
<history>40</history>
</conference>
</jcr>
""")
    (directory / "rooms").mkdir(exist_ok=True)
    return Program(directory, "mu-conference", "-c", path)


def echo(directory, suite, name):
    """The sample component of test/components."""
    directory.mkdir(exist_ok=True)
    # libstrophe 0.12.2 leaks 64 bytes with each stream error; a sanitizer must not mind.
    return Program(directory, os.path.join(BUILD, "test/components/echo"), name,
                   suite.components[name]["secret"], "127.0.0.1", str(suite.ports["router"]),
                   ASAN_OPTIONS="detect_leaks=0")


class IrcUser:
    """A user of IRC (RFC 2812) on a bare socket."""

    def __init__(self, port, nick):
        self.nick = nick
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=DEADLINE)
        self.text = b""
        self.send(f"NICK {nick}")
        self.send(f"USER {nick} 0 * :{nick}")
        self.expect(" 001 ")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, line):
        self.socket.sendall(line.encode() + b"\r\n")

    def expect(self, *words):
        """The first line that has all these words; answers pings on the way."""
        while True:
            line, found, rest = self.text.partition(b"\r\n")
            if not found:
                ready, _, _ = select.select([self.socket], [], [], DEADLINE)
                assert ready, f"{self.nick}: no line with {words}"
                data = self.socket.recv(65536)
                assert data, f"{self.nick}: closed; no line with {words}"
                self.text += data
                continue
            self.text = rest
            line = line.decode(errors="replace")
            if line.startswith("PING"):
                self.send(line.replace("PING", "PONG", 1))
            if all(word in line for word in words):
                return line

    def join(self, channel):
        self.send(f"JOIN {channel}")
        self.expect(" 366 ", channel)

    def say(self, to, text):
        self.send(f"PRIVMSG {to} :{text}")


async def items(client):
    """What the host says is there."""
    answer = await client.request(client.suite.host, f"<query xmlns='{DISCO_ITEMS}'/>")
    assert answer["type"] == "result", answer
    return {i.get("jid") for i in answer.xml.iter(f"{{{DISCO_ITEMS}}}item")}


async def features(client, jid):
    answer = await client.request(jid, f"<query xmlns='{DISCO_INFO}'/>")
    assert answer["type"] == "result", answer
    return {i.get("var") for i in answer.xml.iter(f"{{{DISCO_INFO}}}feature")}


async def listed(client, name, wanted=True):
    """Waits until the host lists the component, or no longer does."""
    end = asyncio.get_running_loop().time() + DEADLINE
    while (name in await items(client)) != wanted:
        assert asyncio.get_running_loop().time() < end, f"{name}: listed should be {wanted}"
        await asyncio.sleep(0.05)
