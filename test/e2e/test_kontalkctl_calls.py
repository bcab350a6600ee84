# SPDX-License-Identifier: GPL-3.0-or-later
"""kontalkctl's questions: ping, send, route explain, reload."""
import os
import re

from helpers import attached, online, run
from test_restart import in_thread


def explain(suite, *words):
    (row,) = suite.ctl_json("route", "explain", *words)
    return row


def test_ping(suite):
    assert re.search(r"answered in \d+\.\d ms", suite.ctl("ping", suite.host))
    assert "service-unavailable" in suite.ctl("ping", "nowhere.example", status=1)
    assert "not an address" in suite.ctl("ping", "a@b@c", status=1)


def test_ping_reaches_a_client(suite):
    async def play():
        async with online(suite, suite.user(), plugins=["xep_0199"]) as (a,):
            assert "answered" in await in_thread(suite.ctl, "ping", a.boundjid.full)
    run(play())


def test_send(suite):
    async def play():
        async with online(suite, suite.user()) as (a,):
            await in_thread(suite.ctl, "send", a.boundjid.bare, "one & <two>")
            message = await a.message("one & <two>")
            assert message["from"] == f"kontalkctl.{suite.host}" and message["type"] == "chat"
    run(play())
    assert "service-unavailable" in suite.ctl("send", "x@nowhere.example", "text", status=1)
    suite.ctl("send", suite.host, "a\x01b", status=1)


def test_without_a_section_for_it(suite, tmp_path):
    for name in ("router", "kontalkctl"):
        with open(os.path.join(suite.paths["config"], f"{name}.conf"), encoding="utf-8") as file:
            text = file.read().replace(f"kontalkctl.{suite.host}", "other.example")
        if name == "kontalkctl":
            text = text.replace("other.example", "kontalkctl.example")
        path = tmp_path / f"{name}.conf"
        path.write_text(text)
        path.chmod(0o600)
    error = suite.ctl("-c", str(tmp_path), "ping", suite.host, status=1)
    assert "[component kontalkctl.example]" in error


def test_route_explain(suite):
    async def play():
        async with online(suite, suite.user()) as (a,), attached(suite, "a"):
            row = await in_thread(explain, suite, a.boundjid.bare)
            assert row["rule"] == "claim" and row["peer"] == f"c2s-1.{suite.host}"
            row = await in_thread(explain, suite, f"x@a.{suite.host}")
            assert (row["rule"], row["component"]) == ("domain", "examples")
    run(play())
    row = explain(suite, suite.user())
    assert "hash of the address" in row["rule"] and row["fate"] == "delivered"
    assert "hash of the sender" in explain(suite, suite.host, "someone@example.org")["rule"]
    assert explain(suite, f"{suite.host}/c2s-1")["rule"] == "instance of a shared domain"
    row = explain(suite, f"x@b.{suite.host}")
    assert "not connected" in row["rule"] and row["fate"] == "bounced" and row["peer"] == ""
    assert "no default route" in explain(suite, "x@nowhere.example")["rule"]
    suite.ctl("route", "explain", "a@b@c", status=1)


def test_reload(new_suite):
    suite = new_suite()
    suite.expected_errors = ("daemon.reload.refused",)
    path = os.path.join(suite.paths["config"], "c2s.conf")
    assert {r["result"] for r in suite.ctl_json("reload")} == {"reloaded"}
    with open(path, "r+", encoding="utf-8") as file:
        good = file.read()
        file.seek(0)
        file.write("nonsense = 1\n" + good)
    done = suite.ctl("reload", "--json", status=1)
    assert done == ""  # the reasons are in the table, which every process has a row of
    with open(path, "w", encoding="utf-8") as file:
        file.write(good.replace("roster = 1000", "roster = 2000"))
    assert {r["process"] for r in suite.ctl_json("reload")} == {"c2s-1", "router"}
    assert "answered" in suite.ctl("ping", suite.host)
