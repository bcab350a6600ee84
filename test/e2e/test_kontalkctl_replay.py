# SPDX-License-Identifier: GPL-3.0-or-later
"""Record and replay: a component's traffic is written down, and played to it alone."""
import asyncio
import contextlib
import os

import slixmpp
from helpers import Component, DEADLINE, attached, eventually, online, run
from test_kontalkctl_attach import running
from test_restart import in_thread


def lines_of(path):
    with open(path, encoding="utf-8") as file:
        return file.read().splitlines()


def replay(suite, file, *words):
    return running(suite, "replay", str(file), *words, ready="waiting for")


class Echo(Component):
    """Answers every message, with more of it when told to be loud."""
    suffix = ""

    def on_stanza(self, stanza):
        if isinstance(stanza, slixmpp.Message) and stanza["type"] in ("chat", "normal"):
            self.send_message(mto=stanza["from"], mfrom=stanza["to"],
                              mbody=stanza["body"] + self.suffix)
        super().on_stanza(stanza)


@contextlib.asynccontextmanager
async def echo(suite, suffix=""):
    component = Echo(suite, "a")
    component.suffix = suffix
    try:
        # The place that it finds may be another than the suite's router.
        while not await component.login():
            await asyncio.sleep(0.05)
        yield component
    finally:
        await component.logout()


async def record_echo(suite, path, *options):
    name = f"a.{suite.host}"
    await in_thread(suite.ctl, "record", "start", name, str(path), *options)
    async with echo(suite), online(suite, suite.user()) as (a,):
        for body in ("one", "two\nlines", "three"):
            a.send_message(mto=f"x@{name}", mbody=body)
            await a.message(body)
    await in_thread(suite.ctl, "record", "stop", name)


def test_what_is_recorded(suite, tmp_path):
    plain, hidden = tmp_path / "plain", tmp_path / "hidden"
    run(record_echo(suite, plain, "--bodies"))
    run(record_echo(suite, hidden))
    for path, body in ((plain, "two&#10;lines"), (hidden, "[9]")):
        lines = lines_of(path)
        assert lines[0].startswith(f"# kontalk-record 1 a.{suite.host} ")
        assert [line.split()[1] for line in lines[1:]] == ["up", *"<><><>", "down"]
        assert f"<body>{body}</body>" in lines[4]
        times = [float(line.split()[0]) for line in lines[1:]]
        assert times == sorted(times)
        assert os.stat(path).st_mode & 0o777 == 0o600


def test_recording_is_refused(suite, tmp_path):
    name, path = f"b.{suite.host}", str(tmp_path / "r")
    suite.ctl("record", "stop", name, status=1)
    suite.ctl("record", "start", name, path)
    assert "already" in suite.ctl("record", "start", name, path + "2", status=1)
    suite.ctl("record", "stop", name)
    assert "exists" in suite.ctl("record", "start", name, path, status=1)
    suite.ctl("record", "start", "a b", path + "3", status=1)
    suite.ctl("replay", str(tmp_path / "missing"), status=1)
    (tmp_path / "other").write_text("something else\n")
    assert "no recording" in suite.ctl("replay", str(tmp_path / "other"), status=1)


def test_a_component_is_replayed(new_suite, tmp_path):
    suite = new_suite("--users", "2")
    plain, hidden = tmp_path / "plain", tmp_path / "hidden"
    run(record_echo(suite, plain, "--bodies"))
    run(record_echo(suite, hidden))
    assert "stop the router" in suite.ctl("replay", str(plain), status=1)
    suite.kill("router", "TERM")

    async def play(file, suffix):
        with replay(suite, file) as it:
            async with echo(suite, suffix):
                summary = await in_thread(it.expect, "sent, ")
                status = await in_thread(it.process.wait, DEADLINE)
                return status, summary
    assert run(play(plain, "")) == (
        0, "3 sent, 3 the same, 0 different, 0 missing, 0 unexpected")
    status, summary = run(play(plain, "!"))
    assert status == 1 and "0 the same, 3 different" in summary
    assert run(play(hidden, ""))[0] == 0
    assert run(play(hidden, "!"))[0] == 1  # another length
    suite.restart("router")


def test_differences_are_shown(new_suite, tmp_path):
    suite = new_suite("--users", "2")
    name = f"a.{suite.host}"
    file = tmp_path / "r"
    file.write_text(f"""# kontalk-record 1 {name} bodies
0.000001 up
0.000002 < <message to='x@{name}' from='u@h' type='chat'><body>one</body></message>
0.000003 > <message from='x@{name}' to='u@h'><body>one</body></message>
0.000004 > <presence from='{name}' to='u@h'/>
0.000005 < <message to='x@{name}' from='u@h' type='chat'><body>two</body></message>
""")
    suite.kill("router", "TERM")

    async def play():
        with replay(suite, file) as it:
            async with echo(suite):
                await in_thread(it.expect, r"^0.000003 different")
                await in_thread(it.expect, "then: .*<body>one</body></message>")
                await in_thread(it.expect, "now: .*<body>one</body></message>")
                await in_thread(it.expect, r"^0.000004 missing")
                await in_thread(it.expect, "^unexpected")
                assert "1 different, 1 missing, 1 unexpected" in await in_thread(
                    it.expect, "sent, ")
    run(play())
    suite.restart("router")


def test_c2s_is_replayed(new_suite, tmp_path):
    suite = new_suite("--users", "2")
    name, file = f"c2s-1.{suite.host}", tmp_path / "c2s"
    suite.ctl("record", "start", name, str(file), "--bodies")
    suite.restart("c2s")

    async def play():
        async with attached(suite, "a") as a:
            for query in ("<ping xmlns='urn:xmpp:ping'/>", "<time xmlns='urn:xmpp:time'/>",
                          "<query xmlns='http://jabber.org/protocol/disco#info'/>",
                          "<query xmlns='jabber:iq:nonsense'/>"):
                await a.request(suite.host, query)
    run(play())
    suite.ctl("record", "stop", name)
    assert sum(" > <iq" in line for line in lines_of(file)) == 4
    suite.kill("router", "TERM")
    with replay(suite, file) as it:
        assert "0 different, 0 missing, 0 unexpected" in it.expect("sent, ")
        assert it.process.wait(DEADLINE) == 0
    # One answer of then is another one now.
    text = file.read_text().replace("service-unavailable", "forbidden")
    assert text != file.read_text()
    file.write_text(text)
    with replay(suite, file, "--seconds", "60") as it:
        it.expect("different")
        assert "1 different, 0 missing, 0 unexpected" in it.expect("sent, ")
    suite.restart("router")
    eventually(lambda: "up" in suite.ctl("info"), "the link is up again")
