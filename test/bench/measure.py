# SPDX-License-Identifier: GPL-3.0-or-later
"""measure - runs of the generator against servers that run: one, or rounds of all in turn."""
import json
import os
import subprocess
import sys
import time

import plan
from servers import ServerError, suitelib

BUSY, UNSUPPORTED = 3, 4
# What a generator that was too busy is kept under.
SHARE = "0.5"
RUN_SECONDS = 600
IDLE_SECONDS = 20


def say(text):
    print(text, file=sys.stderr, flush=True)


def cpu_seconds(pids):
    total = 0
    for pid in pids:
        try:
            for task in os.listdir(f"/proc/{pid}/task"):
                with open(f"/proc/{pid}/task/{task}/schedstat", encoding="ascii") as file:
                    total += int(file.read().split()[0])
        except OSError:
            pass
    return total / 1e9


def wait_idle(server):
    """Until the server has digested the end of the run before: jabberd2 needs it to stay sane."""
    deadline = time.monotonic() + IDLE_SECONDS
    before = cpu_seconds(server.pids())
    while time.monotonic() < deadline:
        time.sleep(0.3)
        now = cpu_seconds(server.pids())
        if now - before < 0.01:
            return
        before = now


def generate(server, words):
    """One run of the generator; the figures, or {"error": why}."""
    wait_idle(server)
    command = [suitelib.program("test/bench/load/load"), *words, *server.options()]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False,
                              timeout=RUN_SECONDS)
    except subprocess.TimeoutExpired:
        return {"error": f"took more than {RUN_SECONDS} s"}
    reason = done.stderr.strip().removeprefix("load: ")
    if done.returncode == BUSY and "--share" not in words:
        return generate(server, [*words, "--share", SHARE])
    if done.returncode == UNSUPPORTED:
        return {"unsupported": reason}
    if done.returncode != 0:
        return {"error": reason[:300] or f"status {done.returncode}"}
    return json.loads(done.stdout)


def run(server, scenario, seconds):
    if scenario.name in server.missing:
        return {"unsupported": server.missing[scenario.name]}
    words = scenario.words.split()
    # What ends by itself has no seconds; the raw relay has no streams.
    if server.name == "floor":
        words[0] = "relay"
        words.append("--allow-busy")
    words += ["--seconds", str(seconds)]
    if scenario.is_fresh:
        server.stop()
        server.start()
    return generate(server, words)


class Rounds:
    """Servers and scenarios in turn: A B C D A B C D for each scenario of a round."""

    def __init__(self, servers, names, seconds):
        self.servers = servers
        self.names = names
        self.seconds = seconds
        self.results = []   # dicts: round, scenario, server and the generator's figures
        self.failures = {}  # server: why it did not start

    def start(self):
        for server in list(self.servers):
            try:
                server.start()
                say(f"{server.title} {server.version()}: started")
            except (ServerError, suitelib.SuiteError) as error:
                self.failures[server.title] = str(error)
                self.servers.remove(server)
                say(f"{server.title}: DID NOT START: {error}")

    def wants(self, server, scenario):
        if server.name == "floor":
            return scenario.has_floor and server.tls == ("--tls" in scenario.words)
        special = scenario.name in ("archive", "s2s", "net")
        if server.purpose is None:
            return not special or scenario.name in server.missing
        return server.purpose == scenario.name

    def round(self, number):
        for name in self.names:
            scenario = plan.first(name)
            for server in self.servers:
                if not self.wants(server, scenario):
                    continue
                try:
                    figures = run(server, scenario, self.seconds)
                except (ServerError, suitelib.SuiteError) as error:
                    figures = {"error": str(error)}
                self.results.append({"round": number, "server": server.name, **figures,
                                     "scenario": name})
                say(f"round {number}, {name}, {server.title}: {brief(figures)}")

    def stop(self):
        for server in self.servers:
            server.stop()


def brief(figures):
    for word in ("error", "unsupported"):
        if word in figures:
            return f"{word}: {figures[word]}"
    shown = ("rate", "cpu_us", "store_cpu_us", "flush_cpu_us", "p50_us", "p99_us",
             "kib_per_session", "own_share")
    return ", ".join(f"{key} {figures[key]:.5g}" for key in shown if key in figures) + (
        ", paced" if figures.get("paced") else "")
