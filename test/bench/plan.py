# SPDX-License-Identifier: GPL-3.0-or-later
"""plan - the scenarios of the bench: what the generator is told, and which of its figures count."""
from dataclasses import dataclass


@dataclass(frozen=True)
class Scenario:
    name: str
    title: str
    words: str                  # the generator's
    prefix: str = ""            # of the figures' names
    cost: str = "cpu_us"        # the figure that is compared: less is better
    unit: str = "µs"
    is_fresh: bool = False      # needs a server that has just been started
    has_floor: bool = False     # the raw relay is measured, too
    is_default: bool = True     # else only when it is asked for


SCENARIOS = [
    Scenario("chat", "chat, 100 users, W=1", "chat --users 100", has_floor=True),
    Scenario("chat16", "the same, W=16", "chat --users 100 --window 16", has_floor=True),
    Scenario("chat-tls", "chat with TLS, W=1", "chat --users 100 --tls", has_floor=True),
    Scenario("chat16-tls", "the same, W=16", "chat --users 100 --window 16 --tls",
             has_floor=True),
    Scenario("bare", "chat to bare JIDs", "chat --users 100 --bare"),
    Scenario("chat1000", "chat, 1,000-byte bodies", "chat --users 100 --body 1000"),
    Scenario("chat10000", "chat, 10,000-byte bodies", "chat --users 100 --body 10000"),
    Scenario("chat500", "chat, 500 users", "chat --users 500"),
    Scenario("component", "component → component, W=1000", "component --window 1000"),
    Scenario("echo", "client → component → client", "echo --users 100"),
    Scenario("presence", "presence to 10 contacts, a delivery",
             "presence --users 100 --first 1000 --contacts 10"),
    Scenario("resources", "message to 8 resources, a delivery", "resources --users 20"),
    Scenario("carbons", "message with 2 carbons, a delivery", "carbons --users 20"),
    Scenario("offline", "offline: store", "offline --users 200 --messages 50", prefix="store_"),
    Scenario("offline", "offline: flush", "offline --users 200 --messages 50", prefix="flush_"),
    Scenario("login", "login, plaintext", "login --users 200"),
    Scenario("login-tls", "login, TLS 1.3", "login --users 200 --tls"),
    Scenario("idle", "idle session, plaintext", "idle --users 1000", cost="kib_per_session",
             unit="KiB", is_fresh=True),
    Scenario("idle-tls", "idle session, TLS", "idle --users 1000 --tls", cost="kib_per_session",
             unit="KiB", is_fresh=True),
    Scenario("archive", "chat with the archive on", "chat --users 100", is_default=False),
    Scenario("s2s", "chat between two servers", "chat --users 100", is_default=False),
    Scenario("net", "chat between two servers of a network", "chat --users 100", is_default=False),
]
NAMES = list(dict.fromkeys(s.name for s in SCENARIOS))
# The last hundred have friends; the others have none, in every scenario.
USERS = 1100


def rows(names):
    """The scenarios' rows of the table: offline has two."""
    return [s for s in SCENARIOS if s.name in names]


def first(name):
    return next(s for s in SCENARIOS if s.name == name)
