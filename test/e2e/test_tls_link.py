# SPDX-License-Identifier: GPL-3.0-or-later
"""The link to a router over TLS, as between hosts: certificate and name are checked."""
import os
import subprocess
import sys

from helpers import ROOT, Raw, eventually, online, run

sys.path.insert(0, os.path.join(ROOT, "test"))
from suitelib import ini_set, program  # noqa: E402


def rewrite(suite, name, values):
    path = os.path.join(suite.paths["config"], name)
    with open(path, encoding="utf-8") as file:
        text = file.read()
    with open(path, "w", encoding="utf-8") as file:
        file.write(ini_set(text, values))


def link_over_tls(suite, name):
    config = suite.paths["config"]
    cert = os.path.join(config, "cert.pem")
    rewrite(suite, "router.conf", {
        ("router", "tls_cert"): cert, ("router", "tls_key"): os.path.join(config, "key.pem")})
    rewrite(suite, "c2s.conf", {
        ("router", "address"): f"127.0.0.1:{suite.ports['router']}",
        ("router", "tls"): "true", ("router", "tls_ca"): cert, ("router", "tls_name"): name})


def link_state(suite):
    return {row["key"]: row["value"] for row in suite.ctl_json("info")
            if row["process"] == "c2s-1"}["link"]


def test_link_over_tls(new_suite):
    suite = new_suite("--users", "2")
    link_over_tls(suite, suite.host)
    suite.restart("router")
    suite.restart("c2s")
    eventually(lambda: link_state(suite) == "up", "link over TLS")
    # The listener answers nobody in clear any more: what passes, passes over TLS.
    with Raw(suite.ports["router"]) as raw:
        raw.open(suite.host, "jabber:component:accept")
        raw.expect_end()

    async def play():
        async with online(suite, suite.user(), suite.user()) as (a, b):
            a.send_message(b.boundjid.full, "over TLS", mtype="chat")
            await b.message("over TLS")
    run(play())


def test_certificate_of_another_name_is_refused(new_suite):
    suite = new_suite("--users", "1")
    link_over_tls(suite, "another.example")
    suite.restart("router")
    conf = os.path.join(suite.paths["config"], "c2s.conf")
    with subprocess.Popen([program("kontalk-c2s"), "-c", conf, "-i", "c2s-9"],
                          stderr=subprocess.PIPE, text=True) as process:
        try:
            for line in process.stderr:
                assert "ev=link.up" not in line
                if "certificate of another name" in line:
                    break
            else:
                raise AssertionError("no word about the certificate")
        finally:
            process.terminate()
