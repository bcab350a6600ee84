# SPDX-License-Identifier: GPL-3.0-or-later
"""Ad-hoc commands (XEP-0050), and the administration of the service by them (XEP-0133), by two
client libraries; on two instances that share the host."""
import asyncio
import contextlib
import datetime

import aioxmpp
import pytest
import slixmpp
from aio import aio_online, within
from helpers import DEADLINE, Client, Suite, attached, online, run
from test_instances import instance_of, on_both
from test_restart import in_thread

ADMIN = "http://jabber.org/protocol/admin"
FORM = "{jabber:x:data}"
OWN = "http://kontalk.org/extensions/commands#end-sessions"
STANZAS = "{urn:ietf:params:xml:ns:xmpp-stanzas}"
ROSTER = "{jabber:iq:roster}"
PLUGINS = ("xep_0004", "xep_0030", "xep_0050", "xep_0133")


@pytest.fixture(scope="module")
def office(tmp_path_factory):
    """Its first user is the administrator."""
    it = Suite(tmp_path_factory.mktemp("office") / "s", "--users", "60", "--c2s", "2", "--set",
               "access administer.rules=allow u0@localhost")
    it.used = 1
    yield it
    it.stop()


@contextlib.asynccontextmanager
async def administrator(suite):
    async with online(suite, f"u0@{suite.host}/desk", plugins=PLUGINS) as (boss,):
        yield boss


class Refused(Exception):
    """By that condition."""


async def execute(client, name, **fields):
    """What the command says when it is completed: a slixmpp stanza. Its form, when it has one, is
    filled in with the fields."""
    done = asyncio.get_running_loop().create_future()

    def on_next(iq, session):
        if iq["command"]["status"] != "executing":
            done.set_result(iq["command"])
            return
        form = iq["command"]["form"]
        required = {var for var, field in form.get_fields().items() if field["required"]}
        assert required == set(fields), required
        form["type"] = "submit"
        form.set_values(fields)
        session["payload"] = form
        client["xep_0050"].complete_command(session)

    def on_error(iq, session):
        client["xep_0050"].terminate_command(session)
        done.set_exception(Refused(iq["error"]["condition"]))

    session = {"next": on_next, "error": on_error}
    start = getattr(client["xep_0133"], name.replace("-", "_"), None)
    if start:
        start(jid=client.suite.host, session=session)
    else:
        client["xep_0050"].start_command(
            client.suite.host, name if "#" in name else f"{ADMIN}#{name}", session)
    return await asyncio.wait_for(done, DEADLINE)


def values(command, var):
    """Of that field of the result."""
    for field in command.xml.iter(FORM + "field"):
        if field.get("var") == var:
            return [value.text or "" for value in field.iter(FORM + "value")]
    raise AssertionError(f"no {var} in {command}")


def notes(command):
    return [text for _, text in command["notes"]]


async def can_log_in(suite, jid, password):
    client = Client(suite, jid, password)
    try:
        return await client.login(presence=False)
    finally:
        await client.logout()


def test_the_life_of_an_account(office):
    jid = f"newcomer@{office.host}"

    async def play():
        async with administrator(office) as boss:
            words = {"accountjid": jid, "password": "first", "password-verify": "first"}
            await execute(boss, "add-user", **words)
            with pytest.raises(Refused, match="conflict"):
                await execute(boss, "add-user", **words)
            assert values(await execute(boss, "get-user-lastlogin", accountjids=[jid]),
                          "lastlogin") == ["never"]
            async with online(office, jid + "/one", password="first") as (client,):
                await client.request(None, "<query xmlns='jabber:iq:roster'><item "
                                     "jid='friend@elsewhere.example'/></query>", "set")
                stats = await execute(boss, "user-stats", accountjid=jid)
                assert values(stats, "rostersize") == ["1"]
                assert values(stats, "onlineresources") == ["one"]
            roster = await execute(boss, "get-user-roster", accountjids=[jid])
            item, = roster.xml.iter(ROSTER + "item")
            assert item.get("jid") == "friend@elsewhere.example"
            last, = values(await execute(boss, "get-user-lastlogin", accountjids=[jid]),
                           "lastlogin")
            then = datetime.datetime.fromisoformat(last.replace("Z", "+00:00"))
            assert abs(datetime.datetime.now(datetime.timezone.utc) - then).total_seconds() < 120
            await execute(boss, "change-user-password", accountjid=jid, password="second")
            assert not await can_log_in(office, jid, "first")
            assert await can_log_in(office, jid, "second")
            await execute(boss, "delete-user", accountjids=[jid])
            assert not await can_log_in(office, jid, "second")
            with pytest.raises(Refused, match="item-not-found"):
                await execute(boss, "user-stats", accountjid=jid)
    run(play())


def test_a_deleted_user_is_thrown_out(office):
    async def play():
        async with administrator(office) as boss, on_both(office) as clients:
            gone = [client.gone() for client in clients]
            done = await execute(boss, "delete-user",
                                 accountjids=[c.boundjid.bare for c in clients])
            assert notes(done) == []
            await asyncio.wait_for(asyncio.gather(*gone), DEADLINE)
    run(play())


def test_sessions_are_ended_wherever_they_are(office):
    async def play():
        async with administrator(office) as boss:
            async with on_both(office) as clients:
                for client in clients:
                    client.auto_reconnect = False
                gone = [client.gone() for client in clients]
                done = await execute(boss, "end-user-session",
                                     accountjids=[c.boundjid.full for c in clients])
                assert notes(done) == ["Sessions ended: 2"]
                await asyncio.wait_for(asyncio.gather(*gone), DEADLINE)
            assert await can_log_in(office, clients[0].boundjid.bare, clients[0].password)
    run(play())


def test_users_are_counted_and_listed(office):
    async def play():
        async with administrator(office) as boss, on_both(office) as (a, b):
            a.send_presence(pshow="away")
            await a.request(office.host, "<ping xmlns='urn:xmpp:ping'/>")
            registered = int(values(await execute(boss, "get-registered-users-num"),
                                    "registeredusersnum")[0])
            assert registered >= 58
            listed = await execute(boss, "get-registered-users-list", max_items="25")
            assert len(values(listed, "registereduserjids")) == 25
            assert notes(listed) == [f"Shown: 25 of {registered}"]
            listed = await execute(boss, "get-registered-users-list", max_items="none")
            assert len(values(listed, "registereduserjids")) == registered
            # others of the same user may be there, too: see on_both
            people = set(values(await execute(boss, "get-online-users-list", max_items="none"),
                                "onlineuserjids"))
            assert {c.boundjid.bare for c in (a, b, boss)} <= people
            numbers = {kind: int(values(await execute(boss, f"get-{kind}-users-num"),
                                        f"{kind}usersnum")[0])
                       for kind in ("online", "active", "idle")}
            assert numbers["online"] == len(people) == numbers["active"] + numbers["idle"]
            assert a.boundjid.bare in values(
                await execute(boss, "get-idle-users-list", max_items="100"), "idleuserjids")
            assert b.boundjid.bare in values(
                await execute(boss, "get-active-users-list", max_items="100"), "activeuserjids")
    run(play())


def test_announcement(office):
    async def play():
        async with administrator(office) as boss, on_both(office) as clients:
            await execute(boss, "announce", announcement="Mind <the> gap\nplease")
            for client in clients:
                message = await client.message("Mind <the> gap\nplease")
                assert message["type"] == "headline" and message["from"] == office.host
    run(play())


def test_message_of_the_day(office):
    async def play():
        late = office.user()
        async with administrator(office) as boss:
            async with on_both(office) as clients:
                await execute(boss, "set-motd", motd="one")
                for client in (*clients, boss):
                    message = await client.message("one")
                    assert message["from"] == office.host
                await execute(boss, "edit-motd", motd="two")
                async with online(office, late) as (client,):
                    assert (await client.message("two"))["subject"] == "Message of the day"
                async with online(office, late) as (client,):  # no more
                    client.send_message(client.boundjid.bare, "end", mtype="chat")
                    await client.message("end")
                    assert not [s for s in client.arrived if s.name == "message"]
                await execute(boss, "delete-motd")
                async with online(office, office.user()) as (client,):
                    client.send_message(client.boundjid.bare, "end", mtype="chat")
                    await client.message("end")
                    assert not [s for s in client.arrived if s.name == "message"]
    run(play())


def test_an_instance_that_died_is_not_waited_for(new_suite):
    suite = new_suite("--users", "10", "--c2s", "2", "--set",
                      "access administer.rules=allow local")

    async def play():
        async with on_both(suite) as (a, b):
            where = {c: await in_thread(instance_of, suite, c.boundjid.full) for c in (a, b)}
            for client in (a, b):
                client.auto_reconnect = False
            gone = b.gone()
            suite.kill(where[b])
            await asyncio.wait_for(gone, DEADLINE)
            for plugin in PLUGINS:
                a.register_plugin(plugin)
            counted = await execute(a, "get-online-users-num")
            assert int(values(counted, "onlineusersnum")[0]) >= 1
            assert notes(counted) == []
            suite.restart(where[b])
    run(play())


def test_others_may_not(office):
    async def play():
        jid = office.user()
        async with online(office, jid, plugins=PLUGINS) as (a,), attached(office, "a") as bot:
            commands = await a["xep_0133"].get_commands(office.host)
            assert [item[1] for item in commands["disco_items"]["items"]] == [OWN]
            for name in ("announce", "add-user", "get-online-users-num", "restart"):
                with pytest.raises(Refused, match="forbidden"):
                    await execute(a, name)
            for who in (f"u0@{bot.boundjid.bare}/desk", bot.boundjid.bare):
                iq = bot.Iq(stype="set", sto=office.host, sfrom=who)
                iq["command"]["node"] = f"{ADMIN}#announce"
                with pytest.raises(slixmpp.exceptions.IqError) as refusal:
                    await iq.send(timeout=DEADLINE)
                assert refusal.value.iq.xml.find(f".//{STANZAS}forbidden") is not None
        async with administrator(office) as boss:
            commands = await boss["xep_0133"].get_commands(office.host)
            assert len(commands["disco_items"]["items"]) == 20
            with pytest.raises(Refused, match="feature-not-implemented"):
                await execute(boss, "restart")
            info = await boss["xep_0030"].get_info(office.host, f"{ADMIN}#announce")
            assert ("automation", "command-node") in {
                identity[:2] for identity in info["disco_info"]["identities"]}
    run(play())


def test_a_user_ends_his_other_sessions(office):
    async def play():
        jid = office.user()
        async with on_both(office, jid) as (a, b):
            for plugin in PLUGINS:
                a.register_plugin(plugin)
            b.auto_reconnect = False
            gone = b.gone()
            done = await execute(a, OWN, resources=[b.boundjid.resource])
            assert notes(done) == ["Sessions ended: 1"]
            await asyncio.wait_for(gone, DEADLINE)
            assert a.is_connected()
    run(play())


def test_aioxmpp(office):
    async def play():
        host = aioxmpp.JID.fromstr(office.host)
        async with aio_online(office, f"u0@{office.host}/aio", aioxmpp.AdHocClient) as (_, adhoc):
            assert await within(adhoc.supports_commands(host))
            nodes = {item.node for item in await within(adhoc.get_commands(host))}
            node = f"{ADMIN}#get-registered-users-list"
            assert node in nodes
            session = await within(adhoc.execute(host, node))
            assert aioxmpp.adhoc.ActionType.COMPLETE in session.allowed_actions
            form = session.first_payload
            form.type_ = aioxmpp.forms.DataType.SUBMIT
            for field in form.fields:
                if field.var == "max_items":
                    field.values[:] = ["2"]
                    field.options.clear()
            await within(session.proceed(action=aioxmpp.adhoc.ActionType.COMPLETE))
            assert session.status == aioxmpp.adhoc.CommandStatus.COMPLETED
            field, = [f for f in session.first_payload.fields if f.var == "registereduserjids"]
            assert len(field.values) == 2 and f"u0@{office.host}" in field.values
            session = await within(adhoc.execute(host, node))
            await within(session.close())
    run(play())
