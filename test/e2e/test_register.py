# SPDX-License-Identifier: GPL-3.0-or-later
"""In-band registration (XEP-0077) and access rules: slixmpp's and aioxmpp's ways to an account of
one's own, another password, no account any more; and what others try."""
import asyncio
import base64
import os
import re
import subprocess

import aioxmpp.ibr
import pytest
from aio import within
from helpers import BUILD, DEADLINE, PASSWORD, Client, Raw, Suite, online, run
from slixmpp.exceptions import IqError

ON = ("--set", "register.enabled=true", "--set", "register.per_address=0",
      "--set", "register.per_hour=0", "--set", "register.name_min=1")
SASL = "xmlns='urn:ietf:params:xml:ns:xmpp-sasl'"


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    it = Suite(tmp_path_factory.mktemp("register") / "s", "--users", "20", *ON)
    yield it
    it.stop()


def query(inside, id_="r", type_="set", to=""):
    return (f"<iq type='{type_}' id='{id_}'{to}><query xmlns='jabber:iq:register'>{inside}"
            "</query></iq>")


def fields(name, password=PASSWORD):
    return f"<username>{name}</username><password>{password}</password>"


class Newcomer(Client):
    """Registers when the server offers it, then logs in."""

    def __init__(self, suite, jid, password=PASSWORD):
        super().__init__(suite, jid, password, plugins=("xep_0077",))
        self.form = self.refusal = None
        self._always_send_everything = True  # 1.8.3 holds the request back until a session starts
        self.add_event_handler("register", self.register)

    async def register(self, form):
        self.form = form
        iq = self.Iq(stype="set")
        iq["register"]["username"] = self.boundjid.user
        iq["register"]["password"] = self.password
        try:
            await iq.send(timeout=DEADLINE)
        except IqError as error:
            self.refusal = error.iq["error"]["condition"]
            self.disconnect()


class Visitor(Raw):
    """A raw client before its login."""

    def __init__(self, suite, source="127.0.0.1"):
        super().__init__(suite.ports["c2s_tls"], source)
        self.start_tls(suite, alpn="xmpp-client")
        self.host = suite.host
        self.open(suite.host)
        self.features = self.expect("<stream:features>.*</stream:features>")[0]

    def register(self, name, password=PASSWORD):
        """The condition of the error, or None."""
        self.send(query(fields(name, password)))
        answer = self.expect(r"<iq [^>]*id='r'[^>]*?(/>|>.*?</iq>)")[0]
        error = re.search(r"<error type='\w+'><([\w-]+)", answer)
        return error and error[1]

    def login(self, name, password=PASSWORD):
        token = base64.b64encode(f"\0{name}\0{password}".encode()).decode()
        self.send(f"<auth {SASL} mechanism='PLAIN'>{token}</auth>")
        return self.expect("<(success|failure)[^>]*>")[1] == "success"

    def bind(self):
        """After the login; the condition of the error, or None."""
        self.open(self.host)
        self.expect("</stream:features>")
        self.send("<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>")
        answer = self.expect("<iq .*?</iq>")[0]
        error = re.search(r"<error type='\w+'><([\w-]+)", answer)
        return error and error[1]


def test_from_nobody_to_nobody(house):
    async def play():
        jid = f"newcomer@{house.host}"
        client = Newcomer(house, jid)
        assert await client.login()
        assert client.form["register"]["fields"] == {"username", "password"}
        assert (await client["xep_0077"].get_registration())["register"]["registered"]
        async with online(house, house.user()) as (friend,):
            friend.send_message(jid, "welcome", mtype="chat")
            await client.message("welcome")
        async with online(house, jid + "/other") as (other,):
            gone = other.gone()
            await client["xep_0077"].change_password("battery staple")
            await asyncio.wait_for(gone, DEADLINE)
        assert not await Client(house, jid).login()
        async with online(house, jid, password="battery staple") as (again,):
            gone = again.gone()
            ended = asyncio.get_running_loop().create_future()
            client.add_event_handler("stream_error", lambda e: ended.set_result(e["condition"]))
            await client["xep_0077"].cancel_registration()
            assert await asyncio.wait_for(ended, DEADLINE) == "not-authorized"
            await asyncio.wait_for(gone, DEADLINE)
        assert not await Client(house, jid, password="battery staple").login()
        await client.logout()
    run(play())


def test_a_taken_name(house):
    async def play():
        taken = Newcomer(house, house.user(), "another password")
        assert not await taken.login()
        assert taken.refusal == "conflict"
        async with online(house, str(taken.boundjid.bare)):
            pass
    run(play())


def test_aioxmpp_registers(house):
    async def play():
        jid = aioxmpp.JID.fromstr(f"aionewcomer@{house.host}")
        metadata = aioxmpp.make_security_layer(None, no_verify=True)
        _, xmlstream, _ = await within(aioxmpp.node.connect_xmlstream(
            jid, metadata, override_peer=[("127.0.0.1", house.ports["c2s"],
                                           aioxmpp.connector.STARTTLSConnector())]))
        form = await within(aioxmpp.ibr.get_registration_fields(xmlstream))
        assert form.username is not None and form.password is not None
        await within(aioxmpp.ibr.register(
            xmlstream, aioxmpp.ibr.Query(jid.localpart, PASSWORD)))
        await within(xmlstream.close_and_wait())
        async with online(house, str(jid)):
            pass
    run(play())


def test_nothing_is_offered_by_default(suite):
    with Visitor(suite) as raw:
        assert "iq-register" not in raw.features
        assert raw.register("somebody") == "service-unavailable"
        assert not raw.login("somebody")


def test_no_name_or_password_in_clear(house):
    with Raw(house.ports["c2s"]) as raw:
        raw.open(house.host)
        assert "iq-register" not in raw.expect("<stream:features>.*</stream:features>")[0]
        raw.send(query(fields("clear")))
        assert "policy-violation" in raw.expect_end()


def test_others_accounts_are_not_ones_own(house):
    """C02"""
    victim = house.user()
    name = victim.partition("@")[0]
    with Visitor(house) as raw:
        assert raw.register(name, "not your password") == "conflict"
        assert raw.register(name.upper(), "not your password") == "conflict"
        raw.send(query("<remove/>", "x", to=f" from='{victim}/x' to='{house.host}'"))
        raw.expect("<unexpected-request")

    async def play():
        async with online(house, house.user()) as (eve,):
            for to in (None, house.host, victim):
                for inside in (fields(name, "not your password"),
                               fields(victim, "not your password")):
                    answer = await eve.request(
                        to, f"<query xmlns='jabber:iq:register'>{inside}</query>", "set")
                    assert answer["error"]["condition"] == "forbidden"
            answer = await eve.request(
                victim, "<query xmlns='jabber:iq:register'><remove/></query>", "set")
            assert answer["error"]["condition"] == "forbidden"
        async with online(house, victim):
            pass
    run(play())


def test_one_spelling_of_a_name(house):
    """C08: what is registered and what logs in are prepared alike."""
    for registered, login in (("CAPITAL", "capital"), ("\uff4d\uff49\uff4d", "mim"),
                              ("stra\u00dfe", "strasse")):
        with Visitor(house) as raw:
            assert raw.register(registered) is None
            assert raw.login(login)
        with Visitor(house) as raw:
            assert raw.register(login) == "conflict"
    for bad in ("a b c", "a@b.c", "a/bc", "\u0130\u202ebc", "abc\u05d0"):
        with Visitor(house) as raw:
            assert raw.register(bad) == "not-acceptable", bad


def test_a_flood_of_registrations(new_suite):
    """Some in an hour, whatever the number of connections; who has an account notices nothing."""
    suite = new_suite("--users", "4", "--set", "register.enabled=true",
                      "--set", "register.per_address=2", "--set", "register.per_hour=5")
    answers = []
    visitors = [Visitor(suite) for _ in range(20)]
    try:
        for i, raw in enumerate(visitors):
            raw.send(query(fields(f"flood{i}")))
        for raw in visitors:
            answers.append(raw.expect(r"<iq [^>]*id='r'[^>]*?(/>|>.*?</iq>)")[0])
    finally:
        for raw in visitors:
            raw.socket.close()
    made = [a for a in answers if "type='result'" in a]
    refused = [a for a in answers if "<resource-constraint" in a and "type='wait'" in a]
    assert len(made) == 2 and len(refused) == 18
    assert all(re.search(r"try again in \d+ minutes", a) for a in refused)
    for i in range(3):  # others have their share, until all together have had enough
        with Visitor(suite, source=f"127.0.0.{2 + i // 2}") as raw:
            assert raw.register(f"other{i}") is None
    with Visitor(suite, source="127.0.0.9") as raw:
        assert raw.register("other9") == "resource-constraint"
        assert raw.login("u0")
    assert len(suite.ctl_json("user", "list")) == 4 + 5


def test_the_name_of_a_removed_account(house):
    """T24: whoever gets it next has no rights of its former owner's."""
    jid = f"again@{house.host}"
    friend_jid = house.user()

    async def play():
        with Visitor(house) as raw:
            assert raw.register("again") is None
        async with online(house, jid, friend_jid) as (first, friend):
            first.send_presence_subscription(friend_jid)
            await friend.presence(jid, "subscribe")
            friend.send_presence_subscription(jid, ptype="subscribed")
            friend.send_presence_subscription(jid)
            await first.presence(friend_jid, "subscribe")
            first.send_presence_subscription(friend_jid, ptype="subscribed")
            await friend.presence(first.boundjid, "available")
            await friend.request(None, "<query xmlns='jabber:iq:roster'/>")
            answer = await first.request(
                None, "<query xmlns='jabber:iq:register'><remove/></query>", "set")
            assert answer["type"] == "result"
            await friend.presence(jid, "unsubscribed")
            roster = await friend.request(None, "<query xmlns='jabber:iq:roster'/>")
            assert "subscription=\"none\"" in str(roster)
            with Visitor(house) as raw:
                assert raw.register("again") is None
            async with online(house, jid) as (second,):
                roster = await second.request(None, "<query xmlns='jabber:iq:roster'/>")
                assert "<item" not in str(roster)
                answer = await second.request(
                    friend_jid, "<query xmlns='http://jabber.org/protocol/disco#info'/>")
                assert answer["error"]["condition"] == "service-unavailable"
                assert not [p for p in second.arrived if p["from"].bare == friend_jid]
    run(play())


# --- access rules ---------------------------------------------------------------------------------

def add_lines(suite, text):
    with open(os.path.join(suite.paths["config"], "c2s.conf"), "a", encoding="utf-8") as file:
        file.write(text)


def test_rules_of_a_reload(new_suite):
    suite = new_suite("--users", "2", *ON, "--set", "limits.sessions_per_user=1")
    suite.expected_errors = ("daemon.reload.refused",)
    stranger = "elsewhere.example"

    async def play():
        async with online(suite, f"u0@{suite.host}", f"u1@{suite.host}") as (a, b):
            async def conditions():
                answers = []
                for client in (a, b):
                    answer = await client.request(stranger, "<ping xmlns='urn:xmpp:ping'/>")
                    answers.append(answer["error"]["condition"])
                return answers

            def one_more(name):
                with Visitor(suite) as raw:
                    assert raw.login(name)
                    return raw.bind()

            assert "forbidden" not in await conditions()
            assert one_more("u0") == "resource-constraint"
            add_lines(suite, f"[access remote]\nrules = deny u0@{suite.host}\n"
                             "rules = allow local\n"
                             f"[access many-sessions]\nrules = allow u0@{suite.host}\n"
                             f"[access register]\nrules = deny wanted@{suite.host}, allow all\n")
            suite.ctl("reload")
            after = await conditions()
            assert after[0] == "forbidden" and after[1] != "forbidden"
            assert one_more("u0") is None
            assert one_more("u1") == "resource-constraint"
            with Visitor(suite) as raw:
                assert raw.register("wanted") == "forbidden"
            with Visitor(suite) as raw:
                assert raw.register("unwanted") is None
            # what is wrong is refused as a whole, with its line
            add_lines(suite, "[access publish]\nrules = allow lcoal\n")
            suite.ctl("reload", status=1)
            assert await conditions() == after
    run(play())
    log = os.path.join(suite.paths["logs"], "c2s-1.log")
    with open(log, encoding="utf-8") as file:
        assert re.search(r"daemon.reload.refused .*c2s\.conf:\d+: rules: lcoal is neither",
                         file.read())


def test_wrong_rules_refuse_to_start(suite, tmp_path):
    with open(os.path.join(suite.paths["config"], "c2s.conf"), encoding="utf-8") as file:
        text = file.read()
    for more, wanted in (("[access remoet]\nrules = allow all\n", "NAME must be one of administer"),
                         ("[access remote]\nrules = b.example\n", "begins with allow or deny")):
        bad = tmp_path / "bad.conf"
        bad.write_text(text + more)
        bad.chmod(0o600)
        done = subprocess.run([os.path.join(BUILD, "kontalk-c2s"), "-t", "-c", str(bad)],
                              capture_output=True, text=True, check=False)
        assert done.returncode == 1
        assert re.search(rf"bad\.conf:\d+: .*{wanted}", done.stderr + done.stdout)
