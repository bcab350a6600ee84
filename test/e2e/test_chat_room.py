# SPDX-License-Identifier: GPL-3.0-or-later
"""mu-conference (Debian's jabber-muc): a chat room of another author's, for three of our users.

That it finds a restarted router is not asked of it: reconnecting, it crashes (a fault of its own).
"""
import pytest
from helpers import Suite, online, run
from third_party import DISCO_ITEMS, features, listed, mu_conference

NAME = "conference.localhost"
# With more than 23 characters mu-conference gets its handshake wrong.
SECRET = "0123456789abcdefghijklm"
ROOM = f"tea@{NAME}"
MUC = "http://jabber.org/protocol/muc"
OWNER = "http://jabber.org/protocol/muc#owner"


@pytest.fixture(scope="module", name="hosted")
def start_host(tmp_path_factory):
    directory = tmp_path_factory.mktemp("rooms")
    suite = Suite(directory / "s", "--users", "20", "--component", f"{NAME}={SECRET}")
    try:
        with mu_conference(directory / "muc", suite, NAME) as it:
            suite.muc = it
            yield suite
    finally:
        suite.stop()


async def join(client, room, nick):
    client.send_raw(f"<presence to='{room}/{nick}'><x xmlns='{MUC}'><history maxchars='0'/></x>"
                    "</presence>")
    await client.presence(f"{room}/{nick}")


async def open_room(client, room, nick):
    """A new room lets others in once its owner has accepted its settings."""
    await join(client, room, nick)
    answer = await client.request(
        room, f"<query xmlns='{OWNER}'><x xmlns='jabber:x:data' type='submit'/></query>", "set")
    assert answer["type"] == "result", answer


def test_a_room_of_three(hosted):
    async def play():
        async with online(hosted, *(hosted.user() for _ in range(3))) as (a, b, c):
            await listed(a, NAME)
            assert MUC in await features(a, NAME)
            await open_room(a, ROOM, "anna")
            await join(b, ROOM, "bert")
            await join(c, ROOM, "cleo")
            for client, nicks in ((a, ("bert", "cleo")), (b, ("anna", "cleo")), (c, ("anna",))):
                for nick in nicks:
                    await client.presence(f"{ROOM}/{nick}")
            for client, nick in ((a, "anna"), (b, "bert"), (c, "cleo")):
                text = f"this is {nick} & <co> ☕"
                client.send_message(ROOM, text, mtype="groupchat")
                for other in (a, b, c):
                    got = await other.message(text)
                    assert got["from"] == f"{ROOM}/{nick}" and got["type"] == "groupchat"
            a.send_message(f"{ROOM}/bert", "between us", mtype="chat")
            assert (await b.message("between us"))["from"] == f"{ROOM}/anna"
            answer = await a.request(NAME, f"<query xmlns='{DISCO_ITEMS}'/>")
            assert ROOM in {i.get("jid") for i in answer.xml.iter(f"{{{DISCO_ITEMS}}}item")}
            # The server sends the unavailable presence that the client owes the room.
            await c.logout()
            for client in (a, b):
                await client.presence(f"{ROOM}/cleo", "unavailable")
            assert not [s for client in (a, b) for s in client.arrived
                        if s["body"] == "between us"]
    run(play())


def test_many_words_in_order(hosted):
    async def play():
        room = f"talk@{NAME}"
        async with online(hosted, *(hosted.user() for _ in range(3))) as clients:
            a, b, _ = clients
            await listed(a, NAME)
            await open_room(a, room, "n0")
            for i, client in enumerate(clients[1:], 1):
                await join(client, room, f"n{i}")
            for i in range(100):
                a.send_message(room, f"a{i}", mtype="groupchat")
                b.send_message(room, f"b{i}", mtype="groupchat")
            for client in clients:
                await client.message("a99")
                await client.message("b99")
                bodies = [s["body"] for s in client.arrived if s.name == "message"]
                for letter in "ab":
                    assert ([x for x in bodies if x.startswith(letter) and x[1:].isdigit()]
                            == [f"{letter}{i}" for i in range(99)])
    run(play())


def test_killed_and_started_again(hosted):
    async def play():
        room = f"again@{NAME}"
        async with online(hosted, hosted.user(), hosted.user()) as (a, b):
            await listed(a, NAME)
            await open_room(a, room, "anna")
            hosted.muc.kill()
            await listed(a, NAME, False)
            a.send_message(room, "anybody?", mtype="groupchat")
            error = await a.expect(lambda s: s.name == "message" and s["type"] == "error")
            assert error["error"]["condition"] == "service-unavailable"
            hosted.muc.start()
            await listed(a, NAME)
            await open_room(a, room, "anna")
            await join(b, room, "bert")
            b.send_message(room, "back again", mtype="groupchat")
            await a.message("back again")
    run(play())
