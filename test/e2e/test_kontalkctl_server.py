# SPDX-License-Identifier: GPL-3.0-or-later
"""kontalkctl server: a server's key, the table of servers, and who is told of its changes."""
import os
import re
import resource
import subprocess

import pytest
from helpers import BUILD, DEADLINE, ROOT
from test_kontalkctl_check import config, edit

KEY = "0123456789ABCDEF0123456789ABCDEF01234567"
OTHER_KEY = KEY[::-1]
HOST = "prime.example"


@pytest.fixture
def alone(tmp_path):
    """A directory of configuration, of which nothing runs."""
    return Alone(tmp_path)


class Alone:
    def __init__(self, directory):
        self.directory = directory / "etc"
        self.table = directory / "servers"
        self.directory.mkdir()
        (directory / "run").mkdir()
        for name in ("c2s", "s2s", "net", "kontalkctl"):
            with open(os.path.join(ROOT, "etc", f"{name}.conf"), encoding="utf-8") as file:
                text = file.read()
            text = re.sub(r"(?m)^servers = /.*$", f"servers = {self.table}", text)
            text = re.sub(r"(?m)^host = .*$", f"host = {HOST}", text)
            text = re.sub(r"(?m)^runtime = .*$", f"runtime = {directory}/run", text)
            text = text.replace("/etc/kontalk/server.", f"{self.directory}/server.")
            path = self.directory / f"{name}.conf"
            path.write_text(text)
            path.chmod(0o600)

    def ctl(self, *words, status=0, stdin=""):
        done = subprocess.run([os.path.join(BUILD, "kontalkctl"), "-c", self.directory, *words],
                              input=stdin, capture_output=True, text=True, check=False,
                              timeout=DEADLINE)
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout + done.stderr


def test_a_server_makes_its_key_once(alone):
    text = alone.ctl("server", "init")
    (fingerprint,) = re.findall(rf"(?m)^{HOST} ([0-9A-F]{{40}})$", text)
    modes = {name: (alone.directory / name).stat().st_mode & 0o777
             for name in ("server.pgp", "server.key", "server.pem")}
    assert modes == {"server.pgp": 0o600, "server.key": 0o600, "server.pem": 0o644}
    before = {name: (alone.directory / name).read_bytes() for name in modes}

    assert "is there already" in alone.ctl("server", "init", status=1)
    (alone.directory / "server.pgp").unlink()
    assert "server.key: is there already" in alone.ctl("server", "init", status=1)
    assert not (alone.directory / "server.pgp").exists()
    assert (alone.directory / "server.key").read_bytes() == before["server.key"]

    assert alone.ctl("server", "list").split()[-4:] == [HOST, fingerprint, "this", "server"]
    assert alone.ctl("server", "export") == f"{HOST} {fingerprint} enabled\n"


def test_programs_that_nobody_here_wrote_read_the_key(alone, tmp_path):
    fingerprint = alone.ctl("server", "init").split()[-1]
    home = tmp_path / "gnupg"
    home.mkdir(mode=0o700)
    shown = subprocess.run(["gpg", "--homedir", home, "--batch", "--with-colons", "--show-keys",
                            alone.directory / "server.pgp"],
                           check=True, capture_output=True, text=True).stdout
    assert f"fpr:::::::::{fingerprint}:" in shown
    assert f"Kontalk server <{HOST}>" in shown
    shown = subprocess.run(["certtool", "--certificate-info", "--infile",
                            alone.directory / "server.pem"],
                           check=True, capture_output=True, text=True).stdout
    assert "2.25.5270240710" in shown and f"DNSname: {HOST}" in shown
    assert "RSA-SHA256" in shown and "(3072 bits)" in shown


def test_no_part_of_a_key_is_left(alone):
    """The disk is full."""
    def is_full():
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))

    done = subprocess.run([os.path.join(BUILD, "kontalkctl"), "-c", alone.directory, "server",
                           "init"], capture_output=True, text=True, check=False,
                          timeout=DEADLINE, preexec_fn=is_full, restore_signals=False)
    assert done.returncode == 1 and "server.pgp: File too large" in done.stderr
    assert not list(alone.directory.glob("server.*"))
    alone.ctl("server", "init")


def test_a_key_elsewhere(alone, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    assert f"{elsewhere}/server.pgp" in alone.ctl("server", "init", str(elsewhere), status=1)
    elsewhere.mkdir()
    alone.ctl("server", "init", str(elsewhere))
    assert sorted(os.listdir(elsewhere)) == ["server.key", "server.pem", "server.pgp"]


def test_the_table(alone):
    assert alone.ctl("server", "add", "beta.example", KEY) == "beta.example added\n"
    groups = [OTHER_KEY.lower()[i:i + 4] for i in range(0, 40, 4)]
    alone.ctl("server", "add", "gamma.example", *groups)
    assert alone.table.read_text() == (f"beta.example {KEY} enabled\n"
                                       f"gamma.example {OTHER_KEY} enabled\n")
    alone.ctl("server", "disable", "beta.example")
    rows = [line.split() for line in alone.ctl("server", "list").splitlines()]
    assert ["beta.example", KEY, "disabled"] in rows
    assert ["gamma.example", OTHER_KEY, "enabled"] in rows
    assert [HOST, "this", "server"] in rows  # it has no key yet
    assert alone.ctl("server", "export") == alone.table.read_text()
    assert alone.ctl("server", "export", "-") == alone.table.read_text()
    alone.ctl("server", "enable", "beta.example")
    alone.ctl("server", "remove", "gamma.example")
    assert alone.table.read_text() == f"beta.example {KEY} enabled\n"


@pytest.mark.parametrize("words, reason", [
    (("add", "beta.example", OTHER_KEY), "beta.example is in the table already"),
    (("add", "delta.example", "0123"), "not 40 hexadecimal digits"),
    (("add", "Delta.example", KEY), "not a domain name"),
    (("remove", "delta.example"), "delta.example is not in the table"),
    (("enable", "delta.example"), "delta.example is not in the table"),
    (("disable", "delta.example"), "delta.example is not in the table"),
    (("import", "/nowhere/servers"), "/nowhere/servers: "),
    (("export", "/nowhere/servers"), "/nowhere/servers: "),
])
def test_what_is_refused(alone, words, reason):
    alone.ctl("server", "add", "beta.example", KEY)
    assert reason in alone.ctl("server", *words, status=1)
    assert alone.table.read_text() == f"beta.example {KEY} enabled\n"


def test_a_table_from_elsewhere(alone, tmp_path):
    file = tmp_path / "lines"
    alone.ctl("server", "add", "beta.example", KEY)
    alone.ctl("server", "export", str(file))
    file.write_text(file.read_text() + f"# and\ngamma.example {OTHER_KEY}\n")
    alone.ctl("server", "disable", "beta.example")
    assert "1 added, 0 with another fingerprint, 1 as before" in alone.ctl("server", "import",
                                                                           str(file))
    lines = f"beta.example {OTHER_KEY}\ndelta.example {KEY}\n"
    assert "line 1: beta.example has another" in alone.ctl("server", "import", "-", stdin=lines,
                                                           status=1)
    assert "delta" not in alone.table.read_text()
    assert "1 added, 1 with another" in alone.ctl("server", "import", "-", "--replace",
                                                  stdin=lines)
    assert alone.table.read_text() == (f"beta.example {OTHER_KEY} disabled\n"
                                       f"gamma.example {OTHER_KEY} enabled\n"
                                       f"delta.example {KEY} enabled\n")


def test_a_broken_table_is_named(alone):
    alone.table.write_text(f"beta.example {KEY} enabled\nwhat is this\n")
    for words in (("add", "gamma.example", KEY), ("list",), ("export",)):
        assert f"{alone.table}:2: " in alone.ctl("server", *words, status=1)


# --- processes ------------------------------------------------------------------------------------

NETWORK = ("--host", "prime.localhost", "--network", "localhost", "--with", "s2s,net")


@pytest.fixture
def networked(new_suite):
    return new_suite(*NETWORK)


def servers_of_net(suite):
    return {row["server"] for row in suite.ctl_json("net", "list")}


def problems(suite):
    done = subprocess.run([suite.paths["kontalkctl"], "-c", suite.paths["config"], "check"],
                          capture_output=True, text=True, check=False, timeout=DEADLINE)
    found = [line for line in done.stdout.splitlines() if line.startswith("problem")]
    assert done.returncode == (1 if found else 0), done.stdout
    return "\n".join(found)


def test_changes_are_taken_at_once(networked):
    suite = networked
    assert servers_of_net(suite) == set()
    suite.ctl("server", "add", "beta.localhost", KEY)
    assert servers_of_net(suite) == {"beta.localhost"}
    suite.ctl("server", "disable", "beta.localhost")
    assert suite.ctl("route", "list").count("beta.localhost") == 0
    suite.ctl("server", "remove", "beta.localhost")
    assert servers_of_net(suite) == set()


def test_who_cannot_be_told_is_named(networked):
    suite = networked
    suite.kill("net")
    text = suite.ctl("server", "add", "beta.localhost", KEY, status=1)
    assert "net has not been told" in text
    assert "c2s" not in text and "router" not in text
    suite.restart("net")
    assert servers_of_net(suite) == {"beta.localhost"}


def test_check_knows_the_network(networked):
    suite = networked
    suite.expected_errors = ("net.own_fingerprint",)
    assert problems(suite) == ""
    edit(config(suite, "s2s.conf"), "host = prime.localhost", "host = other.localhost")
    assert "[s2s] host is other.localhost, but prime.localhost in net.conf" in problems(suite)
    edit(config(suite, "s2s.conf"), "host = other.localhost", "host = prime.localhost")

    suite.ctl("server", "add", "prime.localhost", KEY)
    assert f"has the fingerprint {KEY} for this server" in problems(suite)
    suite.ctl("server", "remove", "prime.localhost")

    key, pem = config(suite, "server.key"), config(suite, "server.pem")
    os.chmod(key, 0o644)
    assert "others may read it" in problems(suite)
    os.chmod(key, 0o600)
    with open(pem, encoding="utf-8") as file, \
            open(config(suite, "cert.pem"), encoding="utf-8") as other:
        own, usual = file.read(), other.read()
    with open(pem, "w", encoding="utf-8") as file:
        file.write(usual)
    assert "the certificate's key is not RSA" in problems(suite)
    with open(pem, "w", encoding="utf-8") as file:
        file.write(own)
    assert problems(suite) == ""
    os.unlink(pem)
    os.unlink(key)
    assert "kontalkctl server init makes it" in problems(suite)


@pytest.mark.parametrize("hosts, reason", [
    (("localhost",), "localhost is the network's domain, and no server"),
    (("rooms.prime.localhost",), "lies below this server's host"),
    (("beta.localhost", "gamma.localhost"),
     "beta.localhost and gamma.localhost have the same fingerprint"),
    (("beta.example",), "names lacks beta.example, a server of the table"),
])
def test_check_looks_at_each_server(networked, hosts, reason):
    suite = networked
    suite.expected_errors = ("relay.bind_refused",)
    for host in hosts:
        suite.ctl("server", "add", host, KEY)
    assert reason in problems(suite)
    for host in hosts:
        suite.ctl("server", "remove", host)
    assert problems(suite) == ""


def test_check_knows_whose_key_it_is(networked):
    suite = networked
    row = suite.ctl_json("server", "list")[0]
    suite.ctl("server", "add", "beta.localhost", row["fingerprint"])
    assert "beta.localhost has the fingerprint of this server's own key" in problems(suite)


@pytest.mark.parametrize("old, new, reason", [
    ("shared = .*", "shared = prime.localhost",
     "shared lacks localhost, a domain of c2s.conf: the router refuses kontalk-c2s"),
    ("relays = true", "relays = false", "it needs internal = true and relays = true"),
])
def test_check_knows_what_the_router_lets_them_be(networked, old, new, reason):
    path = config(networked, "router.conf")
    with open(path, encoding="utf-8") as file:
        text = file.read()
    with open(path, "w", encoding="utf-8") as file:
        file.write(re.sub(old, new, text))
    assert reason in problems(networked)


def test_a_key_of_another_certificate_is_refused(networked):
    suite = networked
    suite.expected_errors = ("daemon.reload.refused",)
    subprocess.run(["openssl", "genrsa", "-traditional", "-out", config(suite, "server.key"),
                    "3072"], check=True, capture_output=True)
    done = subprocess.run([suite.paths["kontalkctl"], "-c", suite.paths["config"], "reload"],
                          capture_output=True, text=True, check=False, timeout=DEADLINE)
    assert done.returncode == 1
    assert "server.key is not the key of" in done.stdout
    assert "server.key: is not the key of the certificate" in done.stdout
