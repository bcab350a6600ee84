# SPDX-License-Identifier: GPL-3.0-or-later
"""archive_size - a database with many users and archived messages, and what looking them up costs.

bench's growth calls it: fill() while the server's c2s is stopped, then newest_page().
"""
import base64
import socket
import sqlite3
import ssl
import time

from measure import cpu_seconds, wait_idle

# One user has half of all messages, the others have equal parts of the rest.
HEAVY = "u1"
LIGHT = "u2"
BODY = "Where be these enemies? Capulet, Montague, see what a scourge is laid upon your hate"
SECONDS = 30


def fill(path, host, messages, users):
    """Users without sessions, x0, x1, ..., and messages of them and of HEAVY, one each 100 ms."""
    db = sqlite3.connect(path)
    db.execute("PRAGMA synchronous = OFF")
    kept = ", ".join(row[1] for row in db.execute("PRAGMA table_info(account)")
                     if row[1] not in ("id", "name"))
    db.execute("CREATE TEMP TABLE n (i INTEGER PRIMARY KEY)")
    db.execute("INSERT INTO n WITH RECURSIVE c(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM c"
               " WHERE i < ?) SELECT i FROM c", (max(messages, users),))
    db.execute(f"INSERT INTO account (name, {kept}) SELECT 'x' || i, {kept} FROM n, account"
               " WHERE account.name = 'u0' AND i < ?", (users,))
    first, light, heavy = (
        db.execute("SELECT id FROM account WHERE name = ?", (name,)).fetchone()[0]
        for name in ("x0", LIGHT, HEAVY))
    start = int(time.time() * 1000) - 100 * messages
    db.execute(
        "INSERT INTO archive (account, id, peer, resource, stanza) SELECT"
        " CASE WHEN i % 2 THEN ?1 WHEN i % 1000 = 0 THEN ?2 ELSE ?3 + (i * 7919) % ?4 END,"
        " ((?5 + 100 * i) << 21) + i, 'u' || (i % 50) || '@' || ?6, 'r',"
        " '<message type=''chat'' id=''m' || i || ''' to=''u1@' || ?6 || ''' from=''u' || (i % 50)"
        " || '@' || ?6 || '/r''><body>' || ?7 || '</body></message>' FROM n WHERE i < ?8",
        (heavy, light, first, users, start, host, BODY, messages))
    db.commit()
    db.close()


class Reader:
    """A client that asks for pages."""

    def __init__(self, server, user, password):
        self.host = server.host
        self.socket = socket.create_connection((server.address, server.port), SECONDS)
        self.heard = ""
        self.open()
        self.ask("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>", "<proceed")
        tls = ssl.create_default_context()
        tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
        self.socket = tls.wrap_socket(self.socket)
        self.open()
        plain = base64.b64encode(f"\0{user}\0{password}".encode()).decode()
        self.ask("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>"
                 f"{plain}</auth>", "<success")
        self.open()
        self.ask("<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>",
                 "</iq>")

    def ask(self, text, end):
        self.heard = ""
        self.socket.sendall(text.encode())
        while end not in self.heard:
            got = self.socket.recv(1 << 18)
            if not got:
                raise RuntimeError(f"the server has hung up: {self.heard[-300:]}")
            self.heard += got.decode()
        return self.heard

    def open(self):
        self.ask(f"<stream:stream to='{self.host}' version='1.0' xmlns='jabber:client' "
                 "xmlns:stream='http://etherx.jabber.org/streams'>", "</stream:features>")

    def page(self, size, form=""):
        return self.ask(f"<iq type='set' id='q'><query xmlns='urn:xmpp:mam:2'>{form}"
                        f"<set xmlns='http://jabber.org/protocol/rsm'><max>{size}</max><before/>"
                        "</set></query></iq>", "</fin></iq>")


def newest_page(server, password, user=HEAVY, size=50, times=200):
    """Milliseconds of the server's CPU, of the clock, and what a page held."""
    reader = Reader(server, user, password)
    held = reader.page(size).count("<result")
    wait_idle(server)
    cpu, clock = cpu_seconds(server.pids()), time.monotonic()
    for _ in range(times):
        reader.page(size)
    cpu, clock = cpu_seconds(server.pids()) - cpu, time.monotonic() - clock
    reader.socket.close()
    return 1000 * cpu / times, 1000 * clock / times, held
