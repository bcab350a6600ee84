# SPDX-License-Identifier: GPL-3.0-or-later
"""kontalkctl attach and tap: one component alone, and the router's traffic seen live."""
import contextlib
import os
import re
import select
import signal
import subprocess
import time

from helpers import DEADLINE, eventually, online, run
from test_restart import in_thread


class Running:
    """kontalkctl while it runs; what it prints comes line by line."""

    def __init__(self, suite, *words, ready):
        self.process = subprocess.Popen(
            [suite.paths["kontalkctl"], "-c", suite.paths["config"], *words],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.text = {self.process.stdout: "", self.process.stderr: ""}
        self.errors, self.out = self.process.stderr, self.process.stdout
        self.expect(ready, self.errors)

    def expect(self, pattern, stream=None):
        """The first line that matches; lines before it are dropped."""
        stream = stream or self.out
        deadline = time.monotonic() + DEADLINE
        while True:
            while "\n" in self.text[stream]:
                line, _, self.text[stream] = self.text[stream].partition("\n")
                if re.search(pattern, line):
                    return line
            assert select.select([stream], [], [], max(0, deadline - time.monotonic()))[0], pattern
            data = os.read(stream.fileno(), 65536)
            assert data, f"ended without {pattern}: {self.text}"
            self.text[stream] += data.decode()

    def type(self, line):
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def end(self, number=signal.SIGINT):
        if self.process.poll() is None:
            self.process.send_signal(number)
        status = self.process.wait(DEADLINE)
        for stream in (self.process.stdin, self.out, self.errors):
            with contextlib.suppress(BrokenPipeError):
                stream.close()
        return status


@contextlib.contextmanager
def running(suite, *words, ready):
    it = Running(suite, *words, ready=ready)
    try:
        yield it
    finally:
        it.end(signal.SIGKILL)


def attach(suite, name, *words):
    return running(suite, "attach", name, *words, ready=f"attached as {name}")


def tap(suite, *words):
    return running(suite, "tap", *words, ready="tapping")


def message(from_, to, body):
    return f"<message from='{from_}' to='{to}'><body>{body}</body></message>"


def test_the_part_of_a_component(suite):
    name = f"a.{suite.host}"

    async def play():
        async with online(suite, suite.user()) as (a,):
            with attach(suite, name) as it:
                a.send_message(mto=f"x@{name}", mbody="one\ntwo")
                line = await in_thread(it.expect, "<body>one&#10;two</body>")
                assert f"from='{a.boundjid.full}'" in line
                it.type(message(f"y@{name}", a.boundjid.bare, "typed"))
                assert (await a.message("typed"))["from"] == f"y@{name}"
                it.type("<message><not-whole></message>")
                it.type("two <a/> <b/>")
                await in_thread(it.expect, "line 3 is not one stanza", it.errors)
                it.type(message(f"y@{name}", a.boundjid.bare, "still there"))
                await a.message("still there")
                assert await in_thread(it.end) == 1
            with attach(suite, name) as it:
                assert await in_thread(it.end) == 0
    run(play())


def test_stanzas_from_a_file(suite, tmp_path):
    name = f"b.{suite.host}"

    async def play():
        async with online(suite, suite.user()) as (a,):
            file = tmp_path / "stanzas"
            file.write_text("\n".join(message(f"x@{name}", a.boundjid.bare, f"line {i}")
                                      for i in range(500)))
            with attach(suite, name, str(file)) as it:
                for i in range(500):
                    await a.message(f"line {i}")
                assert await in_thread(it.end) == 0
    run(play())
    suite.ctl("attach", name, str(tmp_path / "missing"), status=1)


def test_attaching_fails_with_a_reason(suite):
    name = f"a.{suite.host}"
    assert "[component nobody.example]" in suite.ctl("attach", "nobody.example", status=1)
    with attach(suite, name):
        assert "connected already" in suite.ctl("attach", name, status=1)


def test_it_ends_by_itself(suite):
    suite.ctl("attach", f"a.{suite.host}", "--seconds", "1", stdin="")
    suite.ctl("tap", "--seconds", "1")
    suite.ctl("tap", "--seconds", "x", status=2)


def test_tap(suite):
    a, b = f"a.{suite.host}", f"b.{suite.host}"
    with attach(suite, a) as one, attach(suite, b) as two:
        with tap(suite) as every, tap(suite, f"u@{b}") as some, tap(suite, a, "--bodies") as open_:
            one.type(message(f"x@{a}", f"other@{b}", "first"))
            one.type(message(f"x@{a}", f"u@{b}/r", "second"))
            two.expect("second")
            two.type(message(f"u@{b}", "nobody@nowhere.example", "third"))
            two.expect("nowhere.example.*type='error'|type='error'.*nowhere.example")
            assert re.fullmatch(rf"\d+ {a} > {b} \d+ <message .*<body>\[5\]</body></message>",
                                every.expect("other@"))
            every.expect(f"router > {b} .*type='error'")
            # Only what the address has to do with, and all of it.
            assert "<body>[6]</body>" in some.expect("<message")
            assert "router >" in some.expect("<message")
            open_.expect("first")
            open_.expect("second")
            assert every.end() == some.end() == open_.end() == 0
    assert "usage" in suite.ctl("tap", "a@b@c", status=1)


def test_a_tap_shows_whose_stanza_is_in_an_envelope(new_suite):
    suite = new_suite("--c2s", "2", "--users", "1")

    async def play():
        jid = suite.user()
        with tap(suite, jid) as it:
            for _ in range(8):
                async with online(suite, f"{jid}/1", f"{jid}/2", f"{jid}/3", f"{jid}/4"):
                    pass
            await in_thread(it.expect, f"<envelope .*{jid}")
    run(play())


def test_who_reads_slowly_loses_and_is_told(suite, tmp_path):
    a, b = f"a.{suite.host}", f"b.{suite.host}"
    file = tmp_path / "stanzas"
    file.write_text("".join(message(f"x@{a}", f"u@{b}", f"{i}:" + "x" * 1000) + "\n"
                            for i in range(4000)))
    with tap(suite, "--bodies") as it, attach(suite, b) as two:
        it.process.send_signal(signal.SIGSTOP)
        with attach(suite, a, str(file)):
            two.expect("<body>3999:")  # nothing waits for the tap
            it.process.send_signal(signal.SIGCONT)

            def told():
                two.type(message(f"x@{b}", f"u@{b}", "after"))
                select.select([it.out], [], [], 0.05)
                it.text[it.out] += os.read(it.out.fileno(), 1 << 20).decode()
                return re.search(r" (\d+) stanzas lost", it.text[it.out])
            assert int(eventually(told, "told of the loss")[1]) > 100
