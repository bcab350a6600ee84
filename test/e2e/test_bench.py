# SPDX-License-Identifier: GPL-3.0-or-later
"""The load generator of the bench: it drives every scenario that the suite has, and sees what a
server does wrong. No figure is judged here."""
import json
import os
import re
import socket
import subprocess
import threading

import pytest

from helpers import BUILD, DEADLINE, PASSWORD

LOAD = os.path.join(BUILD, "test", "bench", "load", "load")


def load(*words, status=0):
    done = subprocess.run([LOAD, *words, "--warm", "0.1", "--seconds", "0.3", "--allow-busy"],
                          capture_output=True, text=True, check=False, timeout=4 * DEADLINE)
    assert done.returncode == status, (words, done.returncode, done.stderr)
    return done.stderr if status else json.loads(done.stdout)


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    from helpers import Suite
    it = Suite(tmp_path_factory.mktemp("bench") / "s", "--users", "40", "--plaintext")
    yield it
    it.stop()


@pytest.mark.parametrize("words", [
    "chat --users 10", "chat --users 10 --tls --window 8", "chat --users 10 --bare",
    "chat --users 4 --body 10000", "chat --users 40 --active 4 --contacts 3",
    "component --window 100", "echo --users 4", "resources --users 4 --resources 3",
    "offline --users 20 --messages 20", "login --users 10 --concurrency 4",
    "login --users 10 --concurrency 4 --tls", "idle --users 40 --tls"])
def test_scenarios(loaded, words):
    options = ["--host", loaded.host, "--port", str(loaded.ports["c2s"]), "--password", PASSWORD,
               "--pids", ",".join(map(str, loaded.pids()))]
    for component in loaded.components.values():
        options += ["--component",
                    f"{component['name']}:{component['secret']}:{loaded.ports['router']}"]
    figures = load(*words.split(), *options)
    if words.startswith("idle"):
        assert figures["pss_kib"] > 0
        return
    prefix = "flush_" if words.startswith("offline") else ""
    assert figures[f"{prefix}operations"] > 0
    assert figures[f"{prefix}cpu_us"] > 0
    assert 0 < figures["own_share"] < 2
    if not prefix:
        assert 0 < figures["p50_us"] <= figures["p99_us"] <= figures["p999_us"]


def relay(listener, spoil):
    """Carries messages between two connections; spoil may change the list of those of one read."""
    sides = [listener.accept()[0] for _ in range(2)]

    def carry(source, target):
        held = b""
        try:
            while data := source.recv(65536):
                *whole, held = re.split(rb"(?<=</message>)", held + data)
                target.sendall(b"".join(spoil([m for m in whole if m])))
        except OSError:
            pass
        for side in sides:
            side.close()

    threads = [threading.Thread(target=carry, args=pair, daemon=True)
               for pair in (sides, sides[::-1])]
    for thread in threads:
        thread.start()


def renumbered(message, receiver):
    return re.sub(rb"<body>(\d+) \d+ ", rb"<body>\1 " + receiver + b" ", message)


@pytest.mark.parametrize("spoil, seen", [
    (lambda m: m, None),
    (lambda m: m + m[-1:], "doubled or reordered"),
    (lambda m: [x for x in m if b" 3 x" not in x], "lost or reordered"),
    (lambda m: m[::-1], "lost or reordered"),
    (lambda m: [renumbered(x, b"7") for x in m], "misdelivered"),
    (lambda m: [b"<message><body>nothing</body></message>"], "unexpected"),
], ids=["right", "doubled", "lost", "reordered", "misdelivered", "foreign"])
def test_faults_are_seen(spoil, seen):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=relay, args=(listener, spoil), daemon=True)
        thread.start()
        said = load("relay", "--users", "2", "--window", "8", "--port",
                    str(listener.getsockname()[1]), "--pids", str(os.getpid()),
                    status=1 if seen else 0)
    if seen:
        assert seen in said
