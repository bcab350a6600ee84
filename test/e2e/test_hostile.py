# SPDX-License-Identifier: GPL-3.0-or-later
"""What only real sockets, TLS, memory and processor time can show of hostile input; what needs none
of these is in the plays of test/replay. X, T, A and R with a number name the case."""
import base64
import contextlib
import hashlib
import os
import re
import resource
import shutil
import signal
import socket
import ssl
import stat
import subprocess
import sys
import tempfile
import time
import warnings
from random import Random
from xml.etree import ElementTree

import pytest
from helpers import BUILD, DEADLINE, PASSWORD, ROOT, Raw, Suite, eventually

sys.path.insert(0, os.path.join(ROOT, "test"))
from suitelib import ini_set  # noqa: E402

MIB = 1024
SASL = "xmlns='urn:ietf:params:xml:ns:xmpp-sasl'"
STREAMS = "xmlns:stream='http://etherx.jabber.org/streams'"
# A sanitizer keeps what is freed; its memory says nothing.
HAS_SANITIZER = "asan" in os.path.basename(BUILD)


# --- measuring ------------------------------------------------------------------------------------

def rss(pid):
    """Resident memory, KiB."""
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))


def cpu(pid):
    """Processor time used so far, seconds."""
    with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


@contextlib.contextmanager
def unharmed(suite, grows=MIB, seconds=None):
    """The block costs each process at most so much memory and processor time in all; each has its
    descriptors back afterwards, and somebody else is served as before and hears nothing."""
    with Session(suite, "u0", "witness") as witness:
        witness.send("<presence/>")
        witness.expect("<presence[^>]*/>")
        before = {pid: (rss(pid), cpu(pid), descriptors(pid)) for pid in suite.pids()}
        yield
        witness.ping()
        for pid, (memory, used, count) in before.items():
            eventually(lambda: descriptors(pid) <= count, "descriptors are back")
            if not HAS_SANITIZER:
                assert rss(pid) - memory <= grows
                assert seconds is None or cpu(pid) - used <= seconds


def flood(sock, data, most):
    """Sends data again and again until the other end has enough; it must before so many bytes."""
    sent = 0
    try:
        while sent < most:
            sock.sendall(data)
            sent += len(data)
    except (OSError, ssl.SSLError):
        pass
    assert sent < most, "it took everything"


# --- speaking -------------------------------------------------------------------------------------

def plain(user, password=PASSWORD):
    token = base64.b64encode(f"\0{user}\0{password}".encode()).decode()
    return f"<auth {SASL} mechanism='PLAIN'>{token}</auth>"


class Session(Raw):
    """A client that has logged in and bound a resource."""

    def __init__(self, suite, user, name="r"):
        super().__init__(suite.ports["c2s_tls"])
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.start_tls(suite, alpn="xmpp-client")
        self.open(suite.host)
        self.expect("</stream:features>")
        self.send(plain(user))
        self.expect("<success[^>]*>")
        self.open(suite.host)
        self.expect("</stream:features>")
        self.send("<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>"
                  f"<resource>{name}</resource></bind></iq>")
        self.jid = self.expect("<jid>(.*?)</jid></bind></iq>")[1]
        self.pings = 0

    def ping(self):
        """The server answers; nothing else has come."""
        self.pings += 1
        self.send(f"<iq type='get' id='p{self.pings}'><ping xmlns='urn:xmpp:ping'/></iq>")
        before = self.expect(f"(.*?)<iq [^>]*id='p{self.pings}'[^>]*>")[1]
        assert before.strip() == "", before


class RawComponent(Raw):
    """A component whose every byte the test decides about."""

    def __init__(self, suite, key):
        super().__init__(suite.ports["router"])
        self.name = suite.components[key]["name"]
        self.open(self.name, "jabber:component:accept")
        sid = self.expect(" id='([^']*)'[^>]*>")[1]
        digest = hashlib.sha1((sid + suite.components[key]["secret"]).encode()).hexdigest()
        self.send(f"<handshake>{digest}</handshake>")
        self.expect("<handshake/>")


# --- suites ---------------------------------------------------------------------------------------

def configure(suite, section, **values):
    """Other settings of c2s from now on."""
    path = os.path.join(suite.paths["config"], "c2s.conf")
    with open(path, encoding="utf-8") as file:
        text = ini_set(file.read(), {(section, key): value for key, value in values.items()})
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    suite.restart("c2s")


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    """A suite of these tests' own: its memory and time are theirs."""
    it = Suite(tmp_path_factory.mktemp("hostile") / "s", "--users", "60")
    # What is allocated once is not counted.
    with Session(it, "u1"), RawComponent(it, "a"):
        pass
    yield it
    it.stop()


# --- TLS ------------------------------------------------------------------------------------------

@pytest.mark.parametrize("pause", [False, True], ids=["one-segment", "two-segments"])
@pytest.mark.parametrize("what", ["auth", "stream", "iq"])
def test_nothing_said_before_tls_acts(suite, what, pause):
    """T01"""
    stream = f"<stream:stream to='{suite.host}' version='1.0' xmlns='jabber:client' {STREAMS}>"
    said = {"auth": plain("u0"), "stream": stream + plain("u0"),
            "iq": "<iq type='set' id='1'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>"}
    with Raw(suite.ports["c2s"]) as raw:
        raw.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        raw.open(suite.host)
        raw.expect("</stream:features>")
        start = "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
        if pause:
            raw.send(start)
            raw.expect("<proceed[^>]*>")
            raw.send(said[what])
            # What comes now is an alert, not XML.
            raw.text = raw.socket.recv(65536).decode("latin-1")
        else:
            raw.send(start + said[what])
            with pytest.raises((ssl.SSLError, OSError)):
                raw.start_tls(suite)
        assert "success" not in raw.text and "<iq" not in raw.text


@pytest.mark.parametrize("version", ["TLSv1", "TLSv1_1"])
def test_old_versions_are_refused(suite, version):
    """T09"""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of how old they are
        context.minimum_version = context.maximum_version = getattr(ssl.TLSVersion, version)
    with Raw(suite.ports["c2s_tls"]) as raw, pytest.raises(ssl.SSLError, match="alert"):
        context.wrap_socket(raw.socket)


@pytest.mark.parametrize("ciphers", ["eNULL", "aNULL", "CAMELLIA", "AES256-SHA"])
def test_weak_ciphers_are_refused(suite, ciphers):
    """T09"""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(f"{ciphers}:@SECLEVEL=0")
    with Raw(suite.ports["c2s_tls"]) as raw, pytest.raises(ssl.SSLError, match="alert"):
        context.wrap_socket(raw.socket)


def test_renegotiation_ends_the_connection(house):
    """T05"""
    with unharmed(house, seconds=1):
        for _ in range(5):
            done = subprocess.run(
                ["gnutls-cli", "--rehandshake", "--no-ca-verification", "--alpn=xmpp-client",
                 "--priority=NORMAL:-VERS-ALL:+VERS-TLS1.2", f"--port={house.ports['c2s_tls']}",
                 "localhost"], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                timeout=DEADLINE, check=False)
            assert "Handshake was completed" in done.stdout, done.stderr
            assert "ReHandshake was completed" not in done.stdout
            assert done.returncode != 0


# --- XML ------------------------------------------------------------------------------------------

LAUGHS = "".join(f"<!ENTITY l{i} '{f'&l{i - 1};' * 10}'>" for i in range(1, 10))
BOMBS = {
    "X01": f"<!DOCTYPE l [<!ENTITY l0 'lol'>{LAUGHS}]><l>&l9;</l>",
    "X02": f"<!DOCTYPE l [<!ENTITY a '{'x' * 50000}'>]><l>{'&a;' * 10000}</l>",
    "X03": "<!DOCTYPE l SYSTEM 'file:///etc/passwd'><l/>",
}


@pytest.mark.parametrize("case", BOMBS)
def test_nothing_is_expanded(house, case):
    with unharmed(house, seconds=1):
        for _ in range(20):
            with Raw(house.ports["c2s"]) as raw:
                with contextlib.suppress(OSError):
                    raw.send(BOMBS[case])
                raw.expect("<restricted-xml[^>]*/></stream:error></stream:stream>")


@contextlib.contextmanager
def watched(pid, calls):
    """What strace sees of these calls of a process while the block runs: a list that is filled at
    the end of it."""
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "calls")
        tracer = subprocess.Popen(
            ["strace", "-f", "-p", str(pid), "-e", f"trace={calls}", "-o", path],
            stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        try:
            assert "attached" in tracer.stderr.readline()
            seen = []
            yield seen
        finally:
            tracer.send_signal(signal.SIGINT)
            tracer.communicate(timeout=DEADLINE)
        with open(path, encoding="utf-8") as file:
            seen += file.read().splitlines()


def outsiders(url):
    """Documents that ask for something outside of themselves."""
    return [f"<!DOCTYPE l SYSTEM '{url}'><l/>",
            f"<!DOCTYPE l PUBLIC '-//x//y' '{url}'><l/>",
            f"<!DOCTYPE l [<!ENTITY e SYSTEM '{url}'>]><l>&e;</l>",
            f"<!DOCTYPE l [<!ENTITY % p SYSTEM '{url}'> %p;]><l/>",
            f"<?xml-stylesheet href='{url}'?><l/>"]


@pytest.mark.skipif(not shutil.which("strace"), reason="no strace")
@pytest.mark.parametrize("process,port", [("c2s", "c2s"), ("router", "router")])
def test_nothing_outside_is_fetched(house, process, port):
    """X03: neither a file nor an address that a document names, before login nor in a session."""
    with socket.create_server(("127.0.0.1", 0)) as trap, unharmed(house):
        trap.settimeout(0)
        urls = [f"http://127.0.0.1:{trap.getsockname()[1]}/x", "file:///etc/passwd", "/etc/passwd"]
        texts = [text for url in urls for text in outsiders(url)]
        with watched(house.json["pids"][process],
                     "open,openat,openat2,creat,connect,execve,accept,accept4") as calls:
            for text in texts:
                with Raw(house.ports[port]) as raw:
                    raw.send(text)
                    raw.expect("<restricted-xml[^>]*/></stream:error></stream:stream>")
        opened = [call for call in calls if "accept" not in call and " = " in call]
        assert len(calls) - len(opened) >= len(texts), "strace has seen nothing"
        assert not opened
        with pytest.raises(BlockingIOError):
            trap.accept()


@pytest.mark.skipif(not shutil.which("strace"), reason="no strace")
def test_nothing_outside_is_fetched_by_a_session(house):
    """X03, from within a stanza; XInclude is an element as any other."""
    with unharmed(house):
        include = ("<x xmlns='http://www.w3.org/2001/XInclude'>"
                   "<include href='file:///etc/passwd' parse='text'/></x>")
        with Session(house, "u14") as raw:
            with watched(house.json["pids"]["c2s"], "%file,connect,recvfrom,read") as calls:
                raw.send(f"<message to='{raw.jid}' id='i'>{include}</message>")
                assert include.split("<", 2)[2] in raw.expect("<message [^>]*id='i'.*?</message>")[0]
                raw.send(f"<message to='{raw.jid}'>" + outsiders("file:///etc/passwd")[2])
                raw.expect("<restricted-xml[^>]*/></stream:error></stream:stream>")
        assert any("recv" in call or "read" in call for call in calls), "strace has seen nothing"
        assert not [call for call in calls if "passwd\"" in call or "connect(" in call
                    or "w3.org" in call]


@pytest.mark.parametrize("start", ["<!DOCTYPE l [", "<stream:stream a='", "<?xml version='1.0'"],
                         ids=["doctype", "tag", "declaration"])
def test_what_never_ends_is_cut_short(house, start):
    """X04"""
    with unharmed(house, seconds=2), Raw(house.ports["c2s"]) as raw:
        raw.send(start)
        flood(raw.socket, b"x" * 65536, 64 << 20)


def test_depth_costs_no_memory(house):
    """X20"""
    with unharmed(house, seconds=2), Session(house, "u3") as raw:
        raw.send(f"<message to='u0@{house.host}'>")
        flood(raw.socket, b"<a>" * 20000, 16 << 20)


def test_width_costs_no_time(house):
    """X21"""
    with unharmed(house, seconds=1):
        for what in (" a{}='1'", " xmlns:a{}='u{}'"):
            with Session(house, "u4") as raw:
                tag = "".join(what.format(i, i) for i in range(30000))
                with contextlib.suppress(OSError, ssl.SSLError):
                    raw.send(f"<message to='u0@{house.host}'><a{tag}/></message>")
                assert "policy-violation" in raw.expect_end()


NEW = ["<n{0}/>", "<n a{0}='1'/>", "<n xmlns='urn:{0}'/>"]


@pytest.mark.parametrize("new", NEW, ids=["elements", "attributes", "namespaces"])
def test_names_that_never_come_again_do_not_stay(house, new):
    """X24: 15 MB of each kind, which no parser of c2s or router remembers; the streams live."""
    with RawComponent(house, "a") as component, Session(house, "u5") as raw:
        number = 0

        def send_and_wait(rounds):
            nonlocal number
            for _ in range(rounds):
                names = "".join(new.format(number + i) for i in range(3000))
                number += 3000
                raw.send(f"<message to='{component.name}' id='m{number}'>{names}</message>")
                component.expect(f"id='m{number}'.*?</message>")

        send_and_wait(20)
        with unharmed(house, grows=2 * MIB):
            send_and_wait(15_000_000 // (3000 * (len(new) + 4)))
        raw.ping()


@pytest.mark.parametrize("way,size", [("component", 200000), ("client", 20000)])
def test_byte_by_byte(house, way, size):
    """X32: a stanza of which each byte is written alone; under TLS each is a record."""
    with Session(house, "u0", "witness") as witness, contextlib.ExitStack() as stack:
        process, sender = (("router", RawComponent(house, "a")) if way == "component" else
                           ("c2s", Session(house, "u6")))
        stack.enter_context(sender)
        sender.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        from_ = f" from='{sender.name}'" if way == "component" else ""
        stanza = f"<message{from_} to='{witness.jid}'><body>{'x' * size}</body></message>"
        pid = house.json["pids"][process]
        before = cpu(pid)
        for byte in stanza.encode():
            sender.socket.send(bytes([byte]))
        assert witness.expect("<message [^>]*><body>(x*)</body>.*?</message>")[1] == "x" * size
        # Each byte is a call of the system, a second in all; to look at all of them anew each time
        # would take a minute.
        assert HAS_SANITIZER or cpu(pid) - before < 5


def some_xml(random, depth=0):
    """An element by chance: prefixes, defaults, CDATA, references, and all that needs escaping."""
    def word():
        return random.choice("abcxyz") + random.choice(["", "-1", "\u00e9", "_", ".b"])

    def value(quote):
        return "".join(random.choice(
            ["a", " ", "&lt;", "&amp;", "&gt;", "&quot;", "&apos;", "&#10;", "&#9;", "&#13;", "\n",
             "\u20ac", "\U0001f600", "'" if quote != "'" else "", '"' if quote != '"' else "",
             "&#x41;", "]", ">"]) for _ in range(random.randrange(6)))

    prefix = random.choice(["", "", "p:", "q:"])
    name = prefix + word()
    uris = {"p": "urn:p", "q": random.choice(["urn:q", "urn:p", "u v&amp;w"])}
    tag = "".join(f" xmlns:{key}='{uri}'" for key, uri in uris.items())
    if random.random() < 0.4:
        tag += random.choice([" xmlns='urn:d'", " xmlns='jabber:client'", " xmlns='u\t&apos;'"])
    for key in sorted({word() for _ in range(random.randrange(4))}):
        quote = random.choice("'\"")
        tag += f" {random.choice(['', 'p:', 'xml:'])}{key}={quote}{value(quote)}{quote}"
    inside = []
    for _ in range(random.randrange(4) if depth < 4 else 0):
        inside.append(random.choice([
            lambda: some_xml(random, depth + 1), lambda: value("both").replace("]", ""),
            lambda: f"<![CDATA[{value(chr(0))}]]>".replace("]]]", "] ]]")])())
    return f"<{name}{tag}/>" if not inside else f"<{name}{tag}>{''.join(inside)}</{name}>"


def tree(text):
    """What expat makes of a stanza: names, attributes and texts, as no prefix can change them."""
    def of(element):
        return (element.tag, sorted(element.attrib.items()), element.text or "",
                [(of(child), child.tail or "") for child in element])
    root = ElementTree.fromstring(f"<s xmlns='jabber:client'>{text}</s>")[0]
    return [(of(child), child.tail or "") for child in root], root.text or ""


def test_another_parser_understands_the_same(house):
    """X33, X19, X31: what leaves us is, to expat, what came in."""
    random = Random(1597)
    with Session(house, "u11") as raw:
        for i in range(1500):
            inside = some_xml(random)
            raw.send(f"<message to='{raw.jid}' id='d{i}'>{inside}</message>")
            came = raw.expect(f"<message [^>]*id='d{i}'.*?</message>")[0]
            assert tree(came) == tree(f"<message>{inside}</message>"), (inside, came)


# --- passwords ------------------------------------------------------------------------------------

def challenge(suite, user):
    with Raw(suite.ports["c2s_tls"]) as raw:
        raw.start_tls(suite, alpn="xmpp-client")
        raw.open(suite.host)
        raw.expect("</stream:features>")
        first = base64.b64encode(f"n,,n={user},r=abcdefgh".encode()).decode()
        raw.send(f"<auth {SASL} mechanism='SCRAM-SHA-256'>{first}</auth>")
        text = base64.b64decode(raw.expect("<challenge[^>]*>([^<]+)<")[1]).decode()
        return dict(part.split("=", 1) for part in text.split(","))


def test_nobody_is_challenged_as_somebody_is(house):
    """T17"""
    known, nobody, again, other = (challenge(house, user)
                                   for user in ("u7", "nobody", "nobody", "noone"))
    assert nobody["s"] == again["s"] != other["s"]
    assert (nobody["i"], len(nobody["s"]), len(nobody["r"])) == (
        known["i"], len(known["s"]), len(known["r"]))
    assert nobody["r"] != again["r"]


def test_logins_given_up_leave_nothing(house):
    """T20"""
    first = base64.b64encode(b"n,,n=u12,r=abcdefgh").decode()
    attempt = f"<auth {SASL} mechanism='SCRAM-SHA-256'>{first}</auth><abort {SASL}/>"

    def give_up(times):
        for _ in range(times):
            with Raw(house.ports["c2s_tls"]) as raw:
                raw.start_tls(house, alpn="xmpp-client")
                raw.open(house.host)
                raw.expect("</stream:features>")
                for _ in range(4):
                    raw.send(attempt)
                    raw.expect("<aborted/>")

    give_up(20)
    with unharmed(house, grows=MIB // 2):
        give_up(100)


def test_a_storm_of_passwords_holds_nobody_up(new_suite):
    """T19: more checks at a time than threads and their queue take; the rest come back later."""
    suite = new_suite("--users", "1")
    configure(suite, "auth", iterations=200000)
    suite.ctl("user", "add", f"slow@{suite.host}", PASSWORD)
    with contextlib.ExitStack() as stack:
        bystander = stack.enter_context(Session(suite, "u0"))
        raws = [stack.enter_context(Raw(suite.ports["c2s_tls"])) for _ in range(100)]
        for raw in raws:
            raw.start_tls(suite, alpn="xmpp-client")
            raw.open(suite.host)
            raw.expect("</stream:features>")
        for raw in raws:
            raw.send(plain("slow"))
        begin = time.monotonic()
        bystander.ping()
        took = time.monotonic() - begin
        answers = [raw.expect("<success|<temporary-auth-failure")[0] for raw in raws]
        assert answers.count("<success") >= 64
        assert answers.count("<temporary-auth-failure") > 0
        # He waited for a few of the checks at the most, however long they take here.
        assert took < (time.monotonic() - begin) / 4


def test_who_is_added_again_inherits_nothing(house):
    """T24"""
    jid = f"again@{house.host}"
    house.ctl("user", "add", jid, PASSWORD)
    with Session(house, "again") as raw:
        raw.send("<iq type='set' id='1'><query xmlns='jabber:iq:roster'>"
                 f"<item jid='u0@{house.host}'/></query></iq>")
        raw.expect("id='1'")
    with Session(house, "u9") as other:
        other.send(f"<message to='{jid}' id='2'><body>for the first</body></message>")
        other.ping()
    with Session(house, "again") as raw:
        house.ctl("user", "del", jid)
        assert "not-authorized" in raw.expect_end()
    house.ctl("user", "add", jid, PASSWORD)
    with Session(house, "again") as raw:
        raw.send("<presence/><iq type='get' id='3'><query xmlns='jabber:iq:roster'/></iq>")
        raw.expect("<presence[^>]*/>")
        assert "<item" not in raw.expect("<iq [^>]*id='3'.*?</iq>")[0]
        raw.ping()


# --- sockets --------------------------------------------------------------------------------------

def is_open(sock):
    sock.setblocking(False)
    try:
        return sock.recv(4096, socket.MSG_PEEK) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False


def test_one_address_has_its_share_of_strangers(new_suite):
    """R01, T06: idle connections and handshakes that never end, all from one address."""
    suite = new_suite("--users", "2")
    configure(suite, "limits", prelogin_per_address=20, login_time="8s")
    strangers = []
    try:
        for _ in range(200):
            strangers.append(socket.create_connection(("127.0.0.1", suite.ports["c2s_tls"])))
        eventually(lambda: sum(map(is_open, strangers)) == 20, "20 are left")
        for sock in strangers:
            with contextlib.suppress(OSError):
                sock.send(b"\x16")  # the first byte of a handshake
        with Raw(suite.ports["c2s_tls"], source="127.0.0.2") as raw:
            raw.start_tls(suite, alpn="xmpp-client")
            raw.open(suite.host)
            raw.expect("</stream:features>")
            raw.send(plain("u0"))
            raw.expect("<success")
        eventually(lambda: not any(map(is_open, strangers)), "the handshakes are given up")
    finally:
        for sock in strangers:
            sock.close()
    with Session(suite, "u1") as raw:
        raw.ping()


def is_served(suite, user):
    try:
        with Session(suite, user) as session:
            session.ping()
        return True
    except (OSError, AssertionError):
        return False


def test_out_of_descriptors(new_suite):
    """R02"""
    suite = new_suite("--users", "2")
    suite.expected_errors = ("listen.full",)
    pid = suite.json["pids"]["c2s"]
    with Session(suite, "u0") as witness:
        limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (descriptors(pid) + 20, limits[1]))
        used, begin = cpu(pid), time.monotonic()
        strangers = [socket.create_connection(("127.0.0.1", suite.ports["c2s"]))
                     for _ in range(200)]
        try:
            # One in each pause of 100 ms is turned away: ten take a second.
            eventually(lambda: sum(not is_open(s) for s in strangers) >= 10, "some are closed")
            took = time.monotonic() - begin
            assert took > 0.5 and cpu(pid) - used < 0.5 * took
            witness.ping()
        finally:
            for sock in strangers:
                sock.close()
        # The queue of those who have gone is worked off first; some more are turned away meanwhile.
        eventually(lambda: is_served(suite, "u1"), "a login when there is room again")
        witness.ping()


def inner_door(suite, name):
    """The path of a socket in the runtime directory."""
    with open(os.path.join(suite.paths["config"], "kontalkctl.conf"), encoding="utf-8") as file:
        return os.path.join(re.search(r"^runtime *= *(.*)$", file.read(), re.MULTILINE)[1], name)


def try_as_nobody(path):
    """The error of connecting to a Unix socket as another user, 0 for none."""
    code = ("import os, socket, sys\nos.setgroups([])\nos.setgid(65534)\nos.setuid(65534)\n"
            "s = socket.socket(socket.AF_UNIX)\nsys.exit(s.connect_ex(sys.argv[1]))")
    return subprocess.run([sys.executable, "-c", code, path], check=False).returncode


@pytest.mark.parametrize("name", ["router.sock", "router.ctl", "c2s-1.ctl"])
def test_sockets_are_for_ourselves(house, name):
    """A05: the mode keeps others out, whatever the directory allows."""
    path = inner_door(house, name)
    mode = os.stat(path).st_mode
    assert stat.S_ISSOCK(mode) and stat.S_IMODE(mode) == 0o600
    if os.geteuid() == 0:
        assert try_as_nobody(path) == 13  # EACCES


def test_the_router_is_on_loopback_only(house):
    """A05"""
    port = f"{house.ports['router']:04X}"
    with open("/proc/net/tcp", encoding="utf-8") as file:
        rows = [line.split() for line in file][1:]
    listening = [row[1] for row in rows if row[3] == "0A" and row[1].endswith(":" + port)]
    assert listening == [f"0100007F:{port}"]


GARBAGE = {"noise": os.urandom(4096), "null": bytes(4096), "tls": b"\x16\x03\x01\x02\x00\x01",
           "http": b"GET / HTTP/1.1\r\n\r\n", "xml": b"<a><b></a></b>\n" * 100,
           "tabs": b"\t" * 4096 + b"\n"}


@pytest.mark.parametrize("door", ["router", "router.sock", "router.ctl", "c2s-1.ctl"])
def test_garbage_at_the_inner_doors(house, door):
    """A06: rubbish, an endless line, half-open and silent peers."""
    def knock():
        if door == "router":
            return socket.create_connection(("127.0.0.1", house.ports["router"]), DEADLINE)
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(DEADLINE)
        sock.connect(inner_door(house, door))
        return sock

    with unharmed(house, grows=2 * MIB, seconds=2):
        silent, half = knock(), knock()
        half.shutdown(socket.SHUT_WR)
        for data in GARBAGE.values():
            with knock() as sock, contextlib.suppress(OSError):
                sock.sendall(data)
                sock.shutdown(socket.SHUT_WR)
                while sock.recv(65536):
                    pass
        with knock() as sock:
            flood(sock, b"x" * 65536, 64 << 20)
        silent.close()
        half.close()
    assert house.ctl_json("info")


def test_a_component_that_does_not_read_harms_nobody(house):
    """A06: as one that has been stopped; what is for it comes back at the cap (16 MB)."""
    body = "x" * 60000
    with RawComponent(house, "a") as stopped, RawComponent(house, "b") as other:
        with unharmed(house, grows=48 * MIB), Session(house, "u10") as raw:
            raw.socket.settimeout(DEADLINE)
            for i in range(500):
                raw.send(f"<message to='{stopped.name}' id='m{i}'><body>{body}</body></message>")
            raw.expect("type='error'.*?<resource-constraint")
            raw.send(f"<message to='{other.name}' id='well'><body>1</body></message>")
            other.expect("id='well'")
