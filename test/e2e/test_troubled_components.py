# SPDX-License-Identifier: GPL-3.0-or-later
"""A06: a component that is stopped, floods or dies harms nobody: two users chat meanwhile, and each
stanza for it is either answered or comes back."""
import collections
import contextlib
import os
import re
import signal
import socket
import sys
import threading
import time

import pytest
from helpers import DEADLINE, ROOT, Suite, eventually
from test_hostile import MIB, RawComponent, Session, unharmed
from third_party import echo

sys.path.insert(0, os.path.join(ROOT, "test"))
from suitelib import ini_set  # noqa: E402

NAME = "echo.localhost"
# How long a word may take from one user to the other and back, on a busy machine: less than the
# router lets a stream wait for a slow component, so nobody has waited for that.
ROUND_SECONDS = 10
LONG = "x" * 60000


def configure(suite, process, key, value):
    path = os.path.join(suite.paths["config"], f"{process}.conf")
    with open(path, encoding="utf-8") as file:
        text = ini_set(file.read(), {key: value})
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


@pytest.fixture(scope="module", name="house")
def start_house(tmp_path_factory):
    suite = Suite(tmp_path_factory.mktemp("troubled") / "s", "--users", "20", "--component", NAME)
    configure(suite, "router", ("router", "queue"), "2M")
    # All that the component has kept may be answered before our reader has its turn.
    configure(suite, "c2s", ("limits", "backlog"), "8M")
    suite.restart("router")
    suite.restart("c2s-1")
    yield suite
    suite.stop()


@pytest.fixture(name="bot")
def start_bot(house, tmp_path):
    with echo(tmp_path / "echo", house, NAME) as it:
        eventually(lambda: "connected" in it.output(), "the sample component is connected")
        yield it


class Chat(threading.Thread):
    """Two users who say something in turn, from the beginning of the block to its end."""

    def __init__(self, suite, first, second):
        super().__init__()
        self.sessions = [Session(suite, first), Session(suite, second)]
        self.enough = threading.Event()
        self.rounds, self.slowest, self.fault = 0, 0, None

    def run(self):
        a, b = self.sessions
        try:
            while not self.enough.is_set():
                start = time.monotonic()
                for one, other in ((a, b), (b, a)):
                    one.send(f"<message type='chat' to='{other.jid}'><body>{self.rounds}</body>"
                             "</message>")
                    other.expect(f"^\\s*<message [^>]*><body>{self.rounds}</body>.*?</message>")
                self.rounds += 1
                self.slowest = max(self.slowest, time.monotonic() - start)
        except (AssertionError, OSError) as error:
            self.fault = error

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.enough.set()
        self.join()
        for session in self.sessions:
            session.socket.close()
        assert self.fault is None, self.fault
        assert self.rounds > 1 and self.slowest < ROUND_SECONDS, (self.rounds, self.slowest)


class Answers(threading.Thread):
    """Reads what comes to a stream, and notes the ids of the messages: well or as errors."""

    def __init__(self, raw):
        super().__init__()
        self.raw = raw
        self.well, self.errors, self.conditions = [], [], collections.Counter()
        self.text = ""

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        with contextlib.suppress(OSError):
            self.raw.socket.shutdown(socket.SHUT_RDWR)
        self.join()

    def run(self):
        try:
            while data := self.raw.socket.recv(1 << 18):
                self.take(data.decode("ascii"))
        except OSError:
            pass

    def take(self, text):
        self.text += text
        end = 0
        for match in re.finditer(r"<message ([^>]*)>(.*?)</message>", self.text, re.DOTALL):
            end = match.end()
            number = int(re.search(r"\bid=['\"]m(\d+)", match[1])[1])
            if re.search(r"\btype=['\"]error", match[1]):
                self.errors.append(number)
                self.conditions.update(
                    re.findall(r"<((?!text )[\w-]+) xmlns=['\"][^'\"]*stanzas", match[2]))
            else:
                self.well.append(number)
        self.text = self.text[end:]

    def all_of(self, count):
        """Waits for one answer to each; returns whether each came once and in order."""
        eventually(lambda: len(self.well) + len(self.errors) >= count or not self.is_alive(),
                   f"{count} answers", 2 * DEADLINE)
        assert self.is_alive(), f"closed: {self.text}"
        return (sorted(self.well + self.errors) == list(range(count))
                and self.well == sorted(self.well))


def say(raw, number, to, body, from_=None):
    sender = f" from='{from_}'" if from_ else ""
    raw.send(f"<message id='m{number}' to='{to}'{sender} type='chat'><body>{body}</body></message>")


def test_stopped_and_its_queue_full(house, bot):
    """Beyond the cap all comes back; what was within it is answered when it goes on."""
    with Chat(house, "u0", "u1"), Session(house, "u2") as user, \
            Answers(user) as answers:
        bot.signal(signal.SIGSTOP)
        count = 0
        while not answers.errors:
            assert count < 5000, "nothing comes back"
            say(user, count, NAME, LONG)
            count += 1
        for _ in range(20):
            say(user, count, NAME, LONG)
            count += 1
        eventually(lambda: len(answers.errors) >= 20, "20 errors")
        bot.signal(signal.SIGCONT)
        assert answers.all_of(count)
        assert set(answers.conditions) == {"resource-constraint"}
        assert answers.well
        # And it is as before.
        say(user, count, NAME, "back")
        assert answers.all_of(count + 1) and count in answers.well


def test_stopped_and_fed_by_another_component(house, bot):
    """Its feeder is not read from meanwhile: so nothing comes back, and nothing is lost."""
    with Chat(house, "u3", "u4"), RawComponent(house, "b") as feeder, \
            Answers(feeder) as answers:
        feeder.socket.settimeout(2 * DEADLINE)
        bot.signal(signal.SIGSTOP)
        sender = threading.Thread(target=lambda: [
            say(feeder, i, NAME, LONG, feeder.name) for i in range(300)])
        sender.start()
        sender.join(2)
        assert sender.is_alive(), "it was read from all the time"
        assert not answers.well and not answers.errors
        bot.signal(signal.SIGCONT)
        assert answers.all_of(300)
        sender.join()
        assert not answers.errors


def test_killed_with_its_queue_full(house, bot):
    """What had not left for it comes back; what it did not live to read is lost."""
    with Chat(house, "u5", "u6"), Session(house, "u7") as user, \
            Answers(user) as answers:
        bot.signal(signal.SIGSTOP)
        count = 0
        while not answers.errors:
            assert count < 5000, "nothing comes back"
            say(user, count, NAME, LONG)
            count += 1
        bot.kill()
        # The queue holds 34 of them, and one of these had begun to leave.
        eventually(lambda: answers.conditions["service-unavailable"] >= 33,
                   "the queue has come back")
        assert set(answers.conditions) == {"resource-constraint", "service-unavailable"}
        bot.start()

        def answered():
            nonlocal count
            say(user, count, NAME, "again?")
            count += 1
            return eventually(lambda: count - 1 in answers.well + answers.errors, "an answer") and (
                count - 1 in answers.well)
        eventually(answered, "the component is back")


def test_floods_a_user_who_reads(house):
    """All of it arrives, or comes back; nobody else waits for it."""
    count = 20000
    with Chat(house, "u8", "u9"), Session(house, "u10") as user, RawComponent(house, "b") as it:
        user.send("<presence/>")
        user.expect("<presence[^>]*/>")
        with Answers(user) as got, Answers(it) as back:
            for i in range(count):
                say(it, i, user.jid, "a flood of words " * 10, it.name)
            eventually(lambda: len(got.well) + len(back.errors) >= count, "all of it",
                       2 * DEADLINE)
        assert sorted(got.well + back.errors) == list(range(count))
        assert got.well == sorted(got.well)


def test_floods_who_does_not_read_and_who_does_not_exist(house):
    """Nor does it read what comes back. What is kept of all that has a limit."""
    with unharmed(house, grows=48 * MIB), Chat(house, "u11", "u12"), \
            Session(house, "u13") as deaf, RawComponent(house, "b") as it:
        deaf.send("<presence/>")
        it.socket.settimeout(1)
        try:
            for i in range(40000):
                for to in (deaf.jid, f"nobody@{house.host}", f"u14@{house.host}"):
                    say(it, i, to, "a flood of words " * 20, it.name)
        except TimeoutError:
            # Its own answers pile up: so it is not read from.
            pass
