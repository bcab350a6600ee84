# SPDX-License-Identifier: GPL-3.0-or-later
"""Each process alone: c2s that starts without a router, and the router without anybody."""
import contextlib
import os
import subprocess

from helpers import BUILD, DEADLINE, attached, eventually, online, run
from test_component import PING, answer_questions
from test_restart import answered, in_thread


@contextlib.contextmanager
def c2s_alone(suite, tmp_path):
    """A c2s that is not the suite's: that one would be waited for until it has its link."""
    with open(tmp_path / "alone.log", "wb") as log:
        process = subprocess.Popen(
            [os.path.join(BUILD, "kontalk-c2s"), "-c",
             os.path.join(suite.paths["config"], "c2s.conf")], stderr=log)
    try:
        eventually(lambda: "link" in info(suite, "c2s-1"), "c2s answers kontalkctl")
        yield process
    finally:
        process.terminate()
        assert process.wait(DEADLINE) == 0


def info(suite, process):
    done = subprocess.run([suite.paths["kontalkctl"], "-c", suite.paths["config"], "info"],
                          capture_output=True, text=True, check=False, timeout=DEADLINE)
    rows = (line.split() for line in done.stdout.splitlines())
    return {row[1]: row[-1] for row in rows if row[0] == process}


def test_c2s_starts_without_a_router(new_suite, tmp_path):
    suite = new_suite("--users", "2")
    suite.kill("c2s", "TERM")
    suite.kill("router", "TERM")

    async def play():
        async with online(suite, suite.user(), suite.user()) as (a, b):
            assert info(suite, "c2s-1")["link"] == "down"
            assert (await a.request(suite.host, PING))["type"] == "result"
            a.send_message(b.boundjid.bare, "nobody in between", mtype="chat")
            await b.message("nobody in between")
            await in_thread(suite.restart, "router")
            async with attached(suite, "a") as component:
                answer_questions(component)
                await answered(a, component.boundjid.bare)
                component.send_message(mto=a.boundjid.bare, mfrom=component.boundjid.bare,
                                       mbody="found")
                await a.message("found")
            assert info(suite, "c2s-1")["link"] == "up"

    with c2s_alone(suite, tmp_path):
        run(play())
    suite.restart("c2s")


def test_c2s_alone_stops_in_order(new_suite, tmp_path):
    suite = new_suite()
    suite.kill("c2s", "TERM")
    suite.kill("router", "TERM")
    with c2s_alone(suite, tmp_path):
        pass  # it ends with status 0 while its link is still tried
    suite.restart("router")
    suite.restart("c2s")


def test_the_router_without_a_component(new_suite):
    suite = new_suite()
    suite.kill("c2s", "TERM")
    suite.restart("router")
    assert suite.ctl_json("route", "list") == suite.ctl_json("claim", "list") == []

    async def play():
        async with attached(suite, "a") as component:
            answer = await component.request(suite.host, PING)
            assert "service-unavailable" in str(answer)
            # What nobody has does not come back to whoever is there.
            answer = await component.request("x@nowhere.example", PING)
            assert "service-unavailable" in str(answer)
    run(play())
    assert suite.ctl_json("route", "list") == []
    suite.restart("c2s")
