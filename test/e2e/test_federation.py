# SPDX-License-Identifier: GPL-3.0-or-later
"""Federation with Prosody and ejabberd, in networks that the test makes (federation.py)."""
import contextlib

import pytest
from federation import NotPossible, Ours, laboratory
from helpers import Client


@pytest.fixture(scope="module", name="lab")
def make_lab(tmp_path_factory):
    try:
        with laboratory(tmp_path_factory.mktemp("lab")) as lab:
            yield lab
    except NotPossible as error:
        pytest.skip(f"no network of our own: {error}")


@pytest.fixture(scope="module", name="prosody")
def start_prosody(lab):
    return lab.prosody()


@pytest.fixture(scope="module", name="ejabberd")
def start_ejabberd(lab):
    return lab.ejabberd()


@contextlib.asynccontextmanager
async def online(*pairs, **options):
    """Clients of (server, JID)."""
    clients = []
    try:
        for server, jid in pairs:
            if not isinstance(server, Ours):
                options["mech"] = None
            client = Client(server, jid, **options)
            clients.append(client)
            assert await client.login(), f"{jid} cannot log in"
        yield clients
    finally:
        for client in clients:
            await client.logout()


async def talk(a, b, what):
    """Each says something to the other's bare address."""
    a.send_message(b.boundjid.bare, f"{what} there")
    b.send_message(a.boundjid.bare, f"{what} back")
    assert (await b.message(f"{what} there"))["from"] == a.boundjid
    assert (await a.message(f"{what} back"))["from"] == b.boundjid


def test_the_laboratory_is_right(lab, prosody, ejabberd):
    """Two servers of others find each other in it: what fails elsewhere is not the network."""
    async def play():
        async with online((prosody, "u0@prosody.example"),
                          (ejabberd, "u0@ejabberd.example")) as (a, b):
            await talk(a, b, "others")

    lab.run(play())


@pytest.fixture(scope="module", name="ours")
def start_ours(lab, tmp_path_factory):
    it = Ours(lab, tmp_path_factory.mktemp("ours") / "s")
    yield it
    it.stop()


def test_messages_with_prosody(lab, ours, prosody):
    async def play():
        async with online((ours, ours.user()), (prosody, "u1@prosody.example")) as (a, b):
            await talk(a, b, "prosody")

    lab.run(play())


def test_messages_with_ejabberd(lab, ours, ejabberd):
    async def play():
        async with online((ours, ours.user()), (ejabberd, "u1@ejabberd.example")) as (a, b):
            await talk(a, b, "ejabberd")

    lab.run(play())
