# SPDX-License-Identifier: GPL-3.0-or-later
"""The tools for starting suites: test/suite, and test/try behind `make run`."""
import os
import re
import select
import signal
import socket
import subprocess
import sys

import pytest
from helpers import BUILD, DEADLINE, ROOT, Client, eventually, online, run

SUITE = os.path.join(ROOT, "test", "suite")
TRY = os.path.join(ROOT, "test", "try")


def refused(*words):
    done = subprocess.run([SUITE, *map(str, words)], capture_output=True, text=True, check=False)
    assert done.returncode == 1, done
    return done.stderr


def test_all_options(new_suite):
    suite = new_suite("--host", "prime.example.org", "--network", "example.org", "--c2s", "2",
                      "--users", "3", "--plaintext", "--component", "irc.example.org",
                      "--component", "rooms.prime.example.org=their secret")
    answer = suite.json
    assert (answer["host"], answer["network"]) == ("prime.example.org", "example.org")
    assert set(answer["ports"]) == {"router", "c2s", "c2s_tls", "s2s", "net"}
    assert isinstance(answer["pids"]["router"], int) and len(answer["pids"]["c2s"]) == 2
    assert answer["components"]["b"]["name"] == "b.prime.example.org"
    assert answer["components"]["a"]["secret"] == answer["components"]["b"]["secret"]
    assert len(answer["components"]["irc.example.org"]["secret"]) == 32
    assert answer["components"]["rooms.prime.example.org"] == {
        "name": "rooms.prime.example.org", "secret": "their secret"}
    for key in ("config", "logs", "database", "kontalkctl"):
        assert os.path.exists(answer["paths"][key])
    users = {row["jid"] for row in suite.ctl_json("user", "list")}
    assert users == {f"u{i}@prime.example.org" for i in range(3)}


def test_a_client_chooses_host_or_network(new_suite):
    suite = new_suite("--host", "prime.example.org", "--network", "example.org", "--users", "2")

    async def play():
        async with online(suite, "u0@example.org", "u1@prime.example.org") as (a, b):
            assert a.boundjid.domain == "example.org"
            assert b.boundjid.domain == "prime.example.org"
            for to in ("u1@example.org", "u1@prime.example.org"):
                a.send_message(to, to, mtype="chat")
                await b.message(to)
    run(play())


def test_refusals(new_suite, tmp_path):
    base = free_base()
    suite = new_suite("--port-base", str(base))
    assert suite.ports == {"c2s": base + 22, "c2s_tls": base + 23, "s2s": base + 69,
                           "net": base + 70, "router": base + 147}
    assert "running" in refused("start", suite.directory)
    assert "http" in refused("start", tmp_path / "x", "--with", "s2s,http")
    assert "no process" in refused("kill", suite.directory, "nothing")
    assert "no suite" in refused("stop", tmp_path / "nothing")
    assert f"port {base + 22} " in refused("start", tmp_path / "y", "--port-base", base)


def test_kill_and_restart(new_suite):
    suite = new_suite("--c2s", "2")
    before = suite.json["pids"]
    suite.kill("c2s-2")
    assert not os.path.exists(f"/proc/{before['c2s'][1]}/exe")
    suite.restart("c2s-2")
    after = suite.json["pids"]
    assert after["router"] == before["router"] and after["c2s"][0] == before["c2s"][0]
    assert after["c2s"][1] != before["c2s"][1]


def test_stopped_suite_can_be_started_again(new_suite, tmp_path):
    suite = new_suite()
    suite.stop()
    suite.load(suite.command("start", "--users", "1"))
    assert suite.ctl_json("user", "list")


class Try:
    """test/try with what it prints."""

    def __init__(self, directory, base):
        self.text = ""
        self.process = subprocess.Popen(
            [sys.executable, TRY, str(directory), str(base)], stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, env={**os.environ, "KONTALK_BUILD": BUILD},
            start_new_session=True,
            # Who runs the tests in the background has it ignored, and a child would keep that.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))

    def read_until(self, pattern):
        while not re.search(pattern, self.text):
            ready, _, _ = select.select([self.process.stdout], [], [], 2 * DEADLINE)
            data = os.read(self.process.stdout.fileno(), 65536) if ready else b""
            assert data, self.text
            self.text += data.decode()

    def end(self, number=signal.SIGINT):
        self.process.send_signal(number)
        try:
            self.process.communicate(timeout=2 * DEADLINE)  # it has more to say than a pipe holds
        finally:
            self.process.stdout.close()


def free_base():
    """A port base whose ports are free now."""
    for base in range(20000 + os.getpid() % 400 * 50, 60000, 200):
        try:
            for offset in (22, 23, 69, 70, 147):
                socket.create_server(("127.0.0.1", base + offset)).close()
            return base
        except OSError:
            continue
    raise AssertionError("no free ports")


def processes_of(directory):
    """Command lines that name the directory."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                line = file.read()
        except OSError:
            continue
        if str(directory).encode() in line and int(pid) != os.getpid():
            found.append(line)
    return found


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_trying_out(tmp_path, number):
    directory = tmp_path / "run"
    base = free_base()
    it = Try(directory, base)
    try:
        it.read_until("Ctrl-C")
        assert os.stat(directory).st_mode & 0o777 == 0o700
        passwords = dict(re.findall(r"(\w+@localhost)\s+password (\S+)", it.text))
        assert set(passwords) == {"alice@localhost", "bob@localhost"}

        class Here:
            paths = {"certificate": directory / "config" / "cert.pem"}
            ports = {"c2s": base + 22, "c2s_tls": base + 23}
            host = "localhost"

        async def play():
            client = Client(Here, "alice@localhost", password=passwords["alice@localhost"])
            client.ca_certs = str(client.ca_certs)
            assert await client.login()
            await client.logout()
        run(play())

        second = Try(tmp_path / "second", base)
        second.read_until(f"port {base + 22}")
        assert second.process.wait(DEADLINE) == 1
        second.process.stdout.close()
    finally:
        it.end(number)
    eventually(lambda: not processes_of(directory), "everything has ended")
