# SPDX-License-Identifier: GPL-3.0-or-later
"""Clients that nobody here wrote: libstrophe, go-sendxmpp, profanity."""
import asyncio
import os
import shlex
import subprocess

import pytest
from helpers import BUILD, DEADLINE, PASSWORD, eventually, online, run


def echo(client):
    def back(message):
        if message["type"] == "chat" and message["body"]:
            message.reply("echo: " + message["body"]).send()
    client.add_event_handler("message", back)


async def output_of(*words, env=None):
    process = await asyncio.create_subprocess_exec(
        *words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={**os.environ, **(env or {})})
    try:
        out, err = await asyncio.wait_for(process.communicate(), DEADLINE)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, (out, err)
    return out.decode()


@pytest.mark.parametrize("way", ["starttls", "direct"])
def test_libstrophe(suite, way):
    async def play():
        async with online(suite, suite.user()) as (a,):
            echo(a)
            port = suite.ports["c2s_tls" if way == "direct" else "c2s"]
            out = await output_of(
                os.path.join(BUILD, "test/e2e/strophe_client"), suite.user() + "/strophe",
                PASSWORD, "127.0.0.1", str(port), suite.paths["certificate"], way,
                a.boundjid.bare, "from libstrophe")
            assert out == "echo: from libstrophe\n"
    run(play())


def test_why_libstrophe_is_not_on_our_links():
    """A failure here is good news: README.md and the router link may be thought over."""
    done = subprocess.run([os.path.join(BUILD, "test/e2e/strophe_facts")], capture_output=True,
                          text=True, timeout=DEADLINE, check=True)
    assert {"lang", "from", "handshake"} <= set(done.stdout.split())


def sendxmpp(suite, jid, *words, direct=False):
    port = suite.ports["c2s_tls" if direct else "c2s"]
    return ["go-sendxmpp", "-u", jid, "-p", PASSWORD, "-j", f"{suite.host}:{port}",
            *(["-t"] if direct else []), *words]


@pytest.mark.parametrize("direct", [False, True], ids=["starttls", "direct"])
def test_go_sendxmpp_sends(suite, tmp_path, direct):
    async def play():
        text = tmp_path / "text"
        text.write_text("from go-sendxmpp: ż")
        jid = suite.user()
        async with online(suite, suite.user()) as (a,):
            await output_of(
                *sendxmpp(suite, jid, "-m", str(text), a.boundjid.bare, direct=direct),
                env={"SSL_CERT_FILE": suite.paths["certificate"], "HOME": str(tmp_path)})
            got = await a.expect(lambda s: "from go-sendxmpp: ż" in s["body"], "message")
            assert got["from"].bare == jid
    run(play())


def test_go_sendxmpp_listens(suite, tmp_path):
    async def play():
        jid = suite.user()
        async with online(suite, suite.user()) as (a,):
            process = await asyncio.create_subprocess_exec(
                *sendxmpp(suite, jid, "-l", a.boundjid.bare), stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                env={**os.environ, "SSL_CERT_FILE": suite.paths["certificate"],
                     "HOME": str(tmp_path)})
            try:
                # If it is not there yet, the message waits for it.
                a.send_message(jid, "do you hear", mtype="chat")
                while b"do you hear" not in await asyncio.wait_for(
                        process.stdout.readline(), DEADLINE):
                    assert process.returncode is None
            finally:
                if process.returncode is None:
                    process.kill()
                await process.wait()
    run(play())


class Profanity:
    """profanity in a tmux of its own; what it shows is read from the screen."""

    def __init__(self, directory):
        self.tmux = ["tmux", "-S", str(directory / "tmux"), "-f", "/dev/null"]
        environment = {**os.environ, "HOME": str(directory), "TERM": "screen", "LC_ALL": "C.UTF-8",
                       "XDG_CONFIG_HOME": str(directory / "c"),
                       "XDG_DATA_HOME": str(directory / "d")}
        for name in ("c", "d"):
            (directory / name).mkdir()
        subprocess.run([*self.tmux, "new-session", "-d", "-x", "160", "-y", "40",
                        shlex.join(["profanity"])], env=environment, check=True)

    def screen(self):
        return subprocess.run([*self.tmux, "capture-pane", "-p", "-J"], capture_output=True,
                              text=True, check=True).stdout

    def wait(self, text):
        eventually(lambda: text in self.screen(), f"profanity shows {text}")

    def type(self, line):
        subprocess.run([*self.tmux, "send-keys", "-l", line], check=True)
        subprocess.run([*self.tmux, "send-keys", "Enter"], check=True)

    def end(self):
        subprocess.run([*self.tmux, "kill-server"], check=False)


def test_profanity(suite, tmp_path):
    jid = suite.user()
    it = Profanity(tmp_path)
    try:
        it.wait("Profanity")

        async def play():
            def blocking(function, *args):
                return asyncio.get_running_loop().run_in_executor(None, function, *args)

            async with online(suite, suite.user()) as (a,):
                it.type(f"/connect {jid} server 127.0.0.1 port {suite.ports['c2s']} tls trust")
                await blocking(it.wait, "password")
                it.type(PASSWORD)
                await blocking(it.wait, "logged in successfully")
                it.type(f"/msg {a.boundjid.bare} hello from a terminal")
                got = await a.expect(lambda s: s["body"] == "hello from a terminal", "message")
                assert got["from"].bare == jid
                a.send_message(got["from"], "seen on the screen", mtype="chat")
                await blocking(it.wait, "seen on the screen")
        run(play())
    finally:
        it.end()


def test_profanity_roster(suite, tmp_path):
    jid = suite.user()
    it = Profanity(tmp_path)
    try:
        it.wait("Profanity")

        async def play():
            def blocking(function, *args):
                return asyncio.get_running_loop().run_in_executor(None, function, *args)

            async with online(suite, suite.user() + "/there") as (a,):
                friend = a.boundjid.bare
                await a.get_roster(timeout=DEADLINE)
                it.type(f"/connect {jid} server 127.0.0.1 port {suite.ports['c2s']} tls trust")
                await blocking(it.wait, "password")
                it.type(PASSWORD)
                await blocking(it.wait, "logged in successfully")
                it.type(f"/roster add {friend} Verona")
                await blocking(it.wait, "Roster item added")
                it.type(f"/sub request {friend}")
                await a.presence(jid, "subscribe")
                a.send_presence_subscription(jid, ptype="subscribed")
                it.type("/win 1")
                it.type("/roster")
                await blocking(it.wait, "Verona")
                a.send_presence(pshow="away", pstatus="tea")
                await blocking(it.wait, "is away")
                a.send_presence_subscription(jid, ptype="subscribe")
                await blocking(it.wait, "Received authorization request")
                it.type(f"/sub allow {friend}")
                await a.presence(jid, "subscribed")
                it.type(f"/roster remove {friend}")
                await blocking(it.wait, "Roster item removed")
                await a.presence(jid, "unsubscribed")
        run(play())
    finally:
        it.end()
