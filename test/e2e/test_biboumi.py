# SPDX-License-Identifier: GPL-3.0-or-later
"""biboumi: a gateway that knows nothing of this server lets our users chat on IRC."""
import pytest
from helpers import Suite, online, run
from test_restart import in_thread
from third_party import IrcUser, biboumi, features, listed, ngircd

NAME = "irc.localhost"
SERVER = f"127.0.0.1@{NAME}"
COMMANDS = "http://jabber.org/protocol/commands"
MUC_USER = "http://jabber.org/protocol/muc#user"


@pytest.fixture(scope="module", name="gateway")
def start_gateway(tmp_path_factory):
    directory = tmp_path_factory.mktemp("gateway")
    suite = Suite(directory / "s", "--users", "20", "--component", NAME)
    try:
        with ngircd(directory / "ngircd") as irc, \
                biboumi(directory / "biboumi", suite, NAME) as it:
            suite.irc, suite.biboumi = irc, it
            yield suite
    finally:
        suite.stop()


async def configure(client, port):
    """Tells biboumi the port of our IRC server, as a person would: by an ad-hoc command."""
    form = await client.request(
        SERVER, f"<command xmlns='{COMMANDS}' node='configure' action='execute'/>", "set")
    assert form["type"] == "result", form
    session = form.xml.find(f"{{{COMMANDS}}}command").get("sessionid")
    done = await client.request(SERVER, f"""
        <command xmlns='{COMMANDS}' node='configure' action='complete' sessionid='{session}'>
        <x xmlns='jabber:x:data' type='submit'><field var='ports'><value>{port}</value></field>
        <field var='tls_ports'/><field var='throttle_limit'><value>100</value></field>
        </x></command>""", "set")
    assert done.xml.find(f"{{{COMMANDS}}}command").get("status") == "completed", done


def codes(presence):
    return {s.get("code") for s in presence.xml.iter(f"{{{MUC_USER}}}status")}


async def join(client, channel, nick):
    room = f"{channel}%{SERVER}"
    client.send_raw(f"<presence to='{room}/{nick}'><x xmlns='http://jabber.org/protocol/muc'/>"
                    "</presence>")
    me = await client.presence(f"{room}/{nick}")
    assert "110" in codes(me)
    return room


def test_a_channel(gateway):
    async def play():
        async with online(gateway, gateway.user(), gateway.user()) as (a, b):
            await listed(a, NAME)
            assert "http://jabber.org/protocol/muc" in await features(a, NAME)
            await configure(a, gateway.irc.port)
            await configure(b, gateway.irc.port)
            room = await join(a, "#tea", "alice")
            with await in_thread(IrcUser, gateway.irc.port, "ivan") as ivan:
                await in_thread(ivan.join, "#tea")
                await a.presence(f"{room}/ivan")
                # Both ways, with what XML and IRC each find hard.
                a.send_message(room, "good <morning> & żółw", mtype="groupchat")
                await a.message("good <morning> & żółw")
                line = await in_thread(ivan.expect, "PRIVMSG #tea", "good <morning> & żółw")
                assert line.startswith(":alice!")
                await in_thread(ivan.say, "#tea", "and to </body> you, ünïcode")
                got = await a.message("and to </body> you, ünïcode")
                assert got["from"] == f"{room}/ivan" and got["type"] == "groupchat"
                # Bytes that no XML may hold must end nobody's stream.
                await in_thread(ivan.say, "#tea", "\x01ACTION waves\x01")
                await a.message("/me waves")
                ivan.socket.sendall(b"PRIVMSG #tea :bell \x07 esc \x1b bad \xff\xfe utf\r\n")
                await a.expect(lambda s: s.name == "message" and "bell" in s["body"]
                               and "utf" in s["body"], "bell")
                # A second user of ours sees the same.
                await join(b, "#tea", "bob")
                await in_thread(ivan.expect, ":bob!", "JOIN")
                await in_thread(ivan.say, "#tea", "all here")
                await a.message("all here")
                await b.message("all here")
                # Between two alone.
                a.send_message(f"ivan%{SERVER}", "a word", mtype="chat")
                await in_thread(ivan.expect, ":alice!", "PRIVMSG ivan", "a word")
                await in_thread(ivan.say, "alice", "yes?")
                assert (await a.message("yes?"))["from"].bare == f"ivan%{SERVER}"
                a.send_raw(f"<presence to='{room}/alice' type='unavailable'/>")
                await in_thread(ivan.expect, ":alice!", "PART")
                await b.presence(f"{room}/alice", "unavailable")
    run(play())


def test_who_logs_out_leaves_the_channel(gateway):
    async def play():
        async with online(gateway, gateway.user()) as (a,):
            await configure(a, gateway.irc.port)
            await join(a, "#door", "dora")
            with await in_thread(IrcUser, gateway.irc.port, "watch") as watch:
                await in_thread(watch.join, "#door")
                # Its presence there was directed: the server tells the room that it is over.
                await a.logout()
                await in_thread(watch.expect, ":dora!", "PART")
    run(play())


def test_killed_and_started_again(gateway):
    async def play():
        async with online(gateway, gateway.user()) as (a,):
            await listed(a, NAME)
            await configure(a, gateway.irc.port)
            room = await join(a, "#again", "anna")
            gateway.biboumi.kill()
            await listed(a, NAME, False)
            a.send_message(room, "anybody?", mtype="groupchat")
            error = await a.expect(lambda s: s.name == "message" and s["type"] == "error")
            assert error["error"]["condition"] == "service-unavailable"
            gateway.biboumi.start()
            await listed(a, NAME)
            room = await join(a, "#again", "anna")
            with await in_thread(IrcUser, gateway.irc.port, "otto") as otto:
                await in_thread(otto.join, "#again")
                await in_thread(otto.say, "#again", "back again")
                await a.message("back again")
    run(play())


def test_the_router_starts_again(gateway):
    async def play():
        async with online(gateway, gateway.user()) as (a,):
            await listed(a, NAME)
            await configure(a, gateway.irc.port)
            await in_thread(gateway.restart, "router")
            assert gateway.biboumi.runs()
            await listed(a, NAME)
            room = await join(a, "#later", "lena")
            a.send_message(room, "through the new one", mtype="groupchat")
            await a.message("through the new one")
    run(play())
