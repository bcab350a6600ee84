# SPDX-License-Identifier: GPL-3.0-or-later
"""suitelib - the directory of a private suite (configuration made from etc/, certificate, secrets)
and its processes' control sockets. Used by test/suite and test/try.
"""
import contextlib
import os
import re
import secrets
import shutil
import socket
import subprocess
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
# What is added to a port base; 5200 gives the ports that everybody knows.
OFFSETS = {"c2s": 22, "c2s_tls": 23, "s2s": 69, "net": 70, "router": 147}
# A Unix socket's path is at most 107 bytes; the longest name in the runtime directory is 24.
RUNTIME_PATH_MAX = 80


class SuiteError(Exception):
    """Something the person at the keyboard must know; its text is all there is to say."""


def build_dir():
    return os.path.join(ROOT, os.environ.get("KONTALK_BUILD") or "build")


def program(name):
    path = os.path.join(build_dir(), name)
    if not os.access(path, os.X_OK):
        raise SuiteError(f"{path} is not there: run make first")
    return path


def ports_from(base):
    return {name: base + offset for name, offset in OFFSETS.items()}


def unused_ports():
    """Ports that nobody listens on now, below those that outgoing connections are given. All are
    held until all are found."""
    held = []
    while len(held) < len(OFFSETS):
        with contextlib.suppress(OSError):
            held.append(socket.create_server(("127.0.0.1", 10000 + secrets.randbelow(20000))))
    ports = dict(zip(OFFSETS, (s.getsockname()[1] for s in held)))
    for s in held:
        s.close()
    return ports


def loopback_addresses():
    found = ["127.0.0.1"]
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
        found.append("::1")
    except OSError:
        pass
    return found


def check_ports_free(ports):
    for address in loopback_addresses():
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        for name, port in ports.items():
            try:
                socket.create_server((address, port), family=family).close()
            except OSError as error:
                raise SuiteError(f"port {port} ({name}) at {address}: {os.strerror(error.errno)}") from error


def ini_set(text, values):
    """text with the values of {(section, key): value}; what it lacks is added."""
    left = dict(values)
    section, out = None, []
    for line in text.splitlines():
        header = re.fullmatch(r"\[(.+)\]\s*", line)
        key = re.match(r"(\w+)\s*=", line)
        if header:
            section = header[1]
            out.append(line)
            continue
        if key and (section, key[1]) in left:
            line = f"{key[1]} = {left.pop((section, key[1]))}"
        out.append(line)
    for (section, key), value in left.items():
        if f"[{section}]" in out:
            out.insert(out.index(f"[{section}]") + 1, f"{key} = {value}")
        else:
            out += ["", f"[{section}]", f"{key} = {value}"]
    return "\n".join(out) + "\n"


def write_private(path, text):
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)


def make_certificate(directory, names):
    """A self-signed ECDSA P-256 certificate for names, in directory/{cert,key}.pem."""
    cert, key = os.path.join(directory, "cert.pem"), os.path.join(directory, "key.pem")
    template = os.path.join(directory, "cert.template")
    lines = [f"cn = {names[0]}", *(f"dns_name = {n}" for n in names), "ip_address = 127.0.0.1",
             "expiration_days = 3650", "tls_www_server", "signing_key"]
    write_private(template, "\n".join(lines) + "\n")
    for words in (["--generate-privkey", "--key-type=ecdsa", "--curve=secp256r1",
                   "--outfile", key],
                  ["--generate-self-signed", "--load-privkey", key, "--template", template,
                   "--outfile", cert]):
        done = subprocess.run(["certtool", "--no-text", *words], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise SuiteError(f"certtool: {done.stderr.strip()}")
    os.chmod(key, 0o600)
    os.chmod(cert, 0o644)
    os.unlink(template)


class Site:
    """The directory of a suite: config/, data/, logs/ and the runtime directory."""

    def __init__(self, directory, host, network, ports, components=None, *, federates=False,
                 networks=False):
        """components: {name: secret} of more components than a and b. federates: with s2s, whose
        configuration is written by write_s2s; networks: with net, and write_net."""
        self.federates, self.networks = federates, networks
        self.fingerprint = None  # of the server's key, once write_net has made it
        self.more_components = components or {}
        self.directory = os.path.abspath(directory)
        self.host = host
        self.network = network or host
        self.ports = ports
        self.config = os.path.join(self.directory, "config")
        self.logs = os.path.join(self.directory, "logs")
        self.database = os.path.join(self.directory, "data", "c2s.db")
        self.servers = os.path.join(self.directory, "data", "servers")
        self.runtime = os.path.join(self.directory, "runtime")
        if len(self.runtime) > RUNTIME_PATH_MAX:
            self.runtime = tempfile.mkdtemp(prefix="kontalk-")

    def prepare(self, *, keep=False, plaintext=False, iterations=10000, limits=None, more=None):
        """Makes everything anew; keep: leaves the database and the certificate. more: of c2s.conf,
        (section, key) -> value."""
        os.makedirs(self.directory, mode=0o700, exist_ok=True)
        os.chmod(self.directory, 0o700)
        for path in (self.config, self.logs, os.path.dirname(self.database), self.runtime):
            if not keep or path == self.runtime:
                shutil.rmtree(path, ignore_errors=True)
            os.makedirs(path, mode=0o700, exist_ok=True)
        if not os.path.exists(os.path.join(self.config, "cert.pem")):
            make_certificate(self.config, list(dict.fromkeys([self.host, self.network])))
        self.write_configuration(plaintext, iterations, limits or {}, more or {})

    def listen(self, name):
        addresses = loopback_addresses()
        return " ".join(f"[{a}]:{self.ports[name]}" if ":" in a else f"{a}:{self.ports[name]}"
                        for a in addresses)

    def write_configuration(self, plaintext, iterations, limits, more):
        link_secret = secrets.token_hex(32)
        self.s2s_secret = secrets.token_hex(32)
        self.net_secret = secrets.token_hex(32)
        self.components = {"a": f"a.{self.host}", "b": f"b.{self.host}"}
        self.component_secret = secrets.token_hex(16)
        router_socket = os.path.join(self.runtime, "router.sock")
        self.write("router", {
            ("router", "listen"): f"127.0.0.1:{self.ports['router']} unix:{router_socket}",
            ("router", "control"): os.path.join(self.runtime, "router.ctl"),
            ("component c2s", "secret"): link_secret,
            ("component c2s", "names"): f"c2s-*.{self.host}",
            ("component c2s", "shared"): " ".join(dict.fromkeys([self.host, self.network])),
            ("component c2s", "internal"): "true",
            (f"component kontalkctl.{self.host}", "secret"): secrets.token_hex(16),
            ("component examples", "secret"): self.component_secret,
            ("component examples", "names"): " ".join(self.components.values()),
            **({("component s2s", "secret"): self.s2s_secret,
                ("component s2s", "names"): f"s2s.{self.host}",
                ("component s2s", "default"): "true",
                ("component s2s", "internal"): "true"} if self.federates else {}),
            **({("component net", "secret"): self.net_secret,
                ("component net", "names"): f"net.{self.host} **.{self.network}",
                ("component net", "internal"): "true",
                ("component net", "relays"): "true"} if self.networks else {}),
            **{(f"component {name}", "secret"): secret
               for name, secret in self.more_components.items()},
        })
        values = {
            ("c2s", "host"): self.host,
            ("c2s", "network"): self.network if self.network != self.host else "",
            ("c2s", "listen"): self.listen("c2s"),
            ("c2s", "listen_tls"): self.listen("c2s_tls"),
            ("c2s", "tls"): "optional" if plaintext else "required",
            ("c2s", "cert"): os.path.join(self.config, "cert.pem"),
            ("c2s", "key"): os.path.join(self.config, "key.pem"),
            ("c2s", "control"): os.path.join(self.runtime, "%i.ctl"),
            ("router", "address"): f"unix:{router_socket}",
            ("router", "secret"): link_secret,
            ("store", "path"): self.database,
            ("auth", "iterations"): iterations,
        }
        if self.networks:
            values.update({("network", "servers"): self.servers, **self.network_key("network")})
        values.update({("limits", key): value for key, value in limits.items()})
        values.update(more)
        self.write("c2s", values)
        self.write("kontalkctl", {("kontalkctl", "runtime"): self.runtime,
                                  ("kontalkctl", "component"): f"kontalkctl.{self.host}",
                                  **({("kontalkctl", "servers"): self.servers}
                                     if self.networks else {})})

    def write_s2s(self, more=None):
        """s2s.conf; more: (section, key) -> value."""
        self.write("s2s", {
            ("s2s", "host"): self.host,
            ("s2s", "network"): self.network if self.network != self.host else "",
            ("s2s", "listen"): self.listen("s2s"),
            ("s2s", "cert"): os.path.join(self.config, "cert.pem"),
            ("s2s", "key"): os.path.join(self.config, "key.pem"),
            ("s2s", "servers"): self.servers,
            ("s2s", "control"): os.path.join(self.runtime, "%i.ctl"),
            ("router", "address"): f"unix:{os.path.join(self.runtime, 'router.sock')}",
            ("router", "secret"): self.s2s_secret,
            ("store", "path"): os.path.join(os.path.dirname(self.database), "s2s.db"),
            **(more or {})})

    def network_key(self, section):
        return {(section, "cert"): os.path.join(self.config, "server.pem"),
                (section, "key"): os.path.join(self.config, "server.key")}

    def write_net(self, more=None):
        """net.conf, and the server's key, when there is none; more: (section, key) -> value."""
        self.write("net", {
            ("net", "host"): self.host,
            ("net", "network"): self.network,
            ("net", "listen"): self.listen("net"),
            **self.network_key("net"),
            ("net", "servers"): self.servers,
            ("net", "control"): os.path.join(self.runtime, "%i.ctl"),
            ("router", "address"): f"unix:{os.path.join(self.runtime, 'router.sock')}",
            ("router", "secret"): self.net_secret,
            ("store", "path"): os.path.join(os.path.dirname(self.database), "net.db"),
            **(more or {})})
        path = os.path.join(self.config, "fingerprint")
        if not os.path.exists(os.path.join(self.config, "server.key")):
            done = self.kontalkctl("server", "init")
            found = re.search(rf"\b{re.escape(self.host)}\s+([0-9A-F]{{40}})\b", done.stdout)
            if done.returncode != 0 or not found:
                raise SuiteError(f"kontalkctl server init: {done.stderr.strip() or done.stdout}")
            write_private(path, found[1])
        with open(path, encoding="utf-8") as file:
            self.fingerprint = file.read()

    def write(self, name, values):
        with open(os.path.join(ROOT, "etc", f"{name}.conf"), encoding="utf-8") as file:
            text = ini_set(file.read(), values)
        write_private(os.path.join(self.config, f"{name}.conf"), text)

    def kontalkctl(self, *words, stdin=None):
        return subprocess.run([program("kontalkctl"), "-c", self.config, *words], input=stdin,
                              capture_output=True, text=True, check=False)

    def add_users(self, users):
        """users: (JID, password) pairs."""
        done = self.kontalkctl("user", "import", "-",
                               stdin="".join(f"{jid} {word}\n" for jid, word in users))
        if done.returncode != 0:
            raise SuiteError(f"kontalkctl user import: {done.stderr.strip()}")


def ask_info(path):
    """The answer of a control socket to "info" as a dict; None when nobody answers."""
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(5)
        try:
            s.connect(path)
            s.sendall(b"info\n")
            with s.makefile(encoding="utf-8") as lines:
                rows = []
                for line in lines:
                    if line.startswith("."):
                        return dict(rows) if line.startswith(".ok") else None
                    words = line.rstrip("\n").split("\t")
                    rows.append((words[0], words[1] if len(words) > 1 else ""))
        except OSError:
            pass
    return None


def wait_for(condition, seconds, what):
    """Waits until condition() is true; it may raise SuiteError to give up early."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise SuiteError(f"{what}: not within {seconds} s")
        time.sleep(0.02)


def is_ready(runtime, instance):
    info = ask_info(os.path.join(runtime, f"{instance}.ctl"))
    return info is not None and (instance == "router" or info.get("link") == "up")
