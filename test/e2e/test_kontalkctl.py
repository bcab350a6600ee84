# SPDX-License-Identifier: GPL-3.0-or-later
"""kontalkctl against running processes, and without them."""
import asyncio
import json
import subprocess

from helpers import DEADLINE, PASSWORD, Client, online, run
from test_restart import in_thread


def names(suite):
    return {row["jid"] for row in suite.ctl_json("user", "list")}


def test_users(suite):
    jid = f"ctl-one@{suite.host}"

    async def can_log_in(password):
        client = Client(suite, jid, password=password)
        started = await client.login()
        await client.logout()
        return started

    suite.ctl("user", "add", jid, "first")
    assert jid in names(suite)
    assert "exists" in suite.ctl("user", "add", jid, "again", status=1)
    assert run(can_log_in("first"))
    suite.ctl("user", "passwd", jid, "-", stdin="second\n")
    assert not run(can_log_in("first"))
    assert run(can_log_in("second"))
    suite.ctl("user", "del", jid)
    assert jid not in names(suite)
    suite.ctl("user", "del", jid, status=1)
    assert not run(can_log_in("second"))


def test_import(suite, tmp_path):
    wanted = {f"import{i}@{suite.host}" for i in range(600)}
    file = tmp_path / "users"
    file.write_text("".join(f"{jid} word\n" for jid in sorted(wanted)))
    suite.ctl("user", "import", str(file))
    assert wanted <= names(suite)


def test_deleting_a_user_ends_the_sessions(suite):
    async def play():
        jid = f"ctl-gone@{suite.host}"
        await in_thread(suite.ctl, "user", "add", jid, PASSWORD)
        async with online(suite, jid) as (a,):
            gone = a.gone()
            await in_thread(suite.ctl, "user", "del", jid)
            await asyncio.wait_for(gone, DEADLINE)
    run(play())


def test_addresses_of_elsewhere_are_refused(suite):
    suite.ctl("user", "add", "someone@elsewhere.example", "x", status=1)
    suite.ctl("user", "add", "not an address", "x", status=1)


def test_sessions(suite):
    async def play():
        async with online(suite, suite.user() + "/here") as (a,):
            rows = await in_thread(suite.ctl_json, "session", "list")
            row = next(r for r in rows if r["jid"] == a.boundjid.full)
            assert row["instance"].startswith("c2s-1")
            assert "127.0.0.1" in row["peer"] and row["priority"] in ("0", 0)
            assert row["secure"]
    run(play())


def test_routes_and_info(suite):
    routes = suite.ctl_json("route", "list")
    assert {suite.host, f"c2s-1.{suite.host}"} <= {r["name"] for r in routes}
    assert next(r for r in routes if r["name"] == suite.host)["kind"] == "shared"
    assert suite.host in suite.ctl("info")
    assert json.loads(suite.ctl("info", "--json"))


def test_claims_name_the_owner(suite):
    async def play():
        async with online(suite, suite.user()) as (a,):
            claims = await in_thread(suite.ctl_json, "claim", "list")
            claim = next(c for c in claims if c["jid"] == a.boundjid.bare)
            assert claim["owner"] == f"c2s-1.{suite.host}"
    run(play())


def test_selftest(suite):
    before = names(suite)
    assert "ms" in suite.ctl("selftest")
    assert names(suite) == before


def test_without_a_server(suite, tmp_path):
    (tmp_path / "kontalkctl.conf").write_text(f"[kontalkctl]\nruntime = {tmp_path}\n")
    for words in (["user", "list"], ["route", "list"], ["selftest"]):
        done = subprocess.run([suite.paths["kontalkctl"], "-c", tmp_path, *words],
                              capture_output=True, text=True, check=False, timeout=DEADLINE)
        assert done.returncode == 1 and str(tmp_path) in done.stderr


def test_usage(suite):
    suite.ctl("no", "such", "command", status=2)
    assert "user" in suite.ctl("--help")
    assert suite.ctl("--version").strip()
