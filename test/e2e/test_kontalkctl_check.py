# SPDX-License-Identifier: GPL-3.0-or-later
"""kontalkctl check and cert install: what an operator can do wrong, and is told."""
import os
import socket
import ssl
import subprocess

import pytest
from helpers import DEADLINE

TEMPLATE = """cn = {names[0]}
activation_date = "2020-01-01 00:00:00"
expiration_date = "{until}"
{dns}
tls_www_server
signing_key
"""


def make_pair(directory, *names, until="2040-01-01 00:00:00"):
    """A self-signed certificate and its key, as two texts."""
    directory.mkdir(exist_ok=True)
    template, key, cert = (str(directory / name) for name in ("template", "key", "cert"))
    with open(template, "w", encoding="utf-8") as file:
        file.write(TEMPLATE.format(names=names, until=until,
                                   dns="\n".join(f"dns_name = {n}" for n in names)))
    for words in (["--generate-privkey", "--key-type=ecdsa", "--outfile", key],
                  ["--generate-self-signed", "--load-privkey", key, "--template", template,
                   "--outfile", cert]):
        subprocess.run(["certtool", "--no-text", *words], check=True, capture_output=True,
                       stdin=subprocess.DEVNULL)
    texts = []
    for path in (cert, key):
        with open(path, encoding="utf-8") as file:
            texts.append(file.read())
    return texts


@pytest.fixture
def own(new_suite):
    return new_suite()


def problems(suite, status=1):
    done = subprocess.run([suite.paths["kontalkctl"], "-c", suite.paths["config"], "check"],
                          capture_output=True, text=True, check=False, timeout=DEADLINE)
    assert done.returncode == status, done.stdout
    return [line for line in done.stdout.splitlines() if line.startswith("problem")]


def config(suite, name):
    return os.path.join(suite.paths["config"], name)


def edit(path, old, new):
    with open(path, "r+", encoding="utf-8") as file:
        text = file.read()
        assert old in text
        file.seek(0)
        file.truncate()
        file.write(text.replace(old, new))


def shown_certificate(suite):
    return ssl.get_server_certificate(("127.0.0.1", suite.ports["c2s_tls"]))


def test_all_is_well(suite):
    rows = suite.ctl_json("check")
    assert {row["result"] for row in rows} == {"ok"}
    assert any("linked to the router" in row["finding"] for row in rows)
    assert any("kontalk-c2s listens" in row["finding"] for row in rows)


def test_what_it_finds(own, tmp_path):
    os.chmod(config(own, "router.conf"), 0o644)
    edit(config(own, "c2s.conf"), "offline = 1000", "offlime = 1000")
    found = "\n".join(problems(own))
    assert "everybody may read it" in found and "unknown key offlime" in found
    edit(config(own, "c2s.conf"), "offlime = 1000", "offline = 1000")
    os.chmod(config(own, "router.conf"), 0o600)

    cert, key = make_pair(tmp_path / "old", own.host, until="2021-01-01 00:00:00")
    for name, text in (("cert.pem", cert), ("key.pem", key)):
        with open(config(own, name), "w", encoding="utf-8") as file:
            file.write(text)
    (line,) = problems(own)
    assert "expired" in line and "cert install" in line
    cert, key = make_pair(tmp_path / "other", "elsewhere.example")
    with open(config(own, "cert.pem"), "w", encoding="utf-8") as file:
        file.write(cert)
    assert any("is not the key" in line for line in problems(own))
    with open(config(own, "key.pem"), "w", encoding="utf-8") as file:
        file.write(key)
    (line,) = problems(own)
    assert f"not for {own.host} but for elsewhere.example" in line


def test_ports_and_links(own):
    own.kill("router", "TERM")
    with socket.create_server(("127.0.0.1", own.ports["router"])):
        found = "\n".join(problems(own))
        assert "another program listens here" in found
        assert "its link to the router is down" in found
    own.restart("router")
    edit(config(own, "c2s.conf"), "secret = ", "secret = x")
    assert any("no section of router.conf" in line for line in problems(own))
    edit(config(own, "c2s.conf"), "secret = x", "secret = ")
    edit(config(own, "c2s.conf"), f"127.0.0.1:{own.ports['c2s']}", "127.0.0.1:9")
    assert any("does not listen here" in line for line in problems(own))


def test_installing_a_certificate(own, tmp_path):
    cert, key = make_pair(tmp_path / "new", own.host, f"*.{own.host}")
    file = tmp_path / "both.pem"
    file.write_text(key + cert)
    before = shown_certificate(own)
    assert "installed" in own.ctl("cert", "install", str(file))
    assert shown_certificate(own).split() == cert.split() != before.split()
    assert os.stat(config(own, "key.pem")).st_mode & 0o777 == 0o600
    assert os.stat(config(own, "cert.pem")).st_mode & 0o777 == 0o644

    again, its_key = make_pair(tmp_path / "again", own.host)
    (tmp_path / "cert.pem").write_text(again)
    (tmp_path / "key.pem").write_text(its_key)
    own.ctl("cert", "install", str(tmp_path / "cert.pem"), str(tmp_path / "key.pem"))
    assert shown_certificate(own).split() == again.split()


@pytest.mark.parametrize("fault, reason", [
    ("foreign key", "is not the key"), ("no key", "no private key"), ("no cert", "no certificate"),
    ("expired", "expired"), ("name", "not for localhost"), ("missing", "No such file")])
def test_bad_certificates_are_refused(suite, tmp_path, fault, reason):
    before = shown_certificate(suite)
    cert, key = make_pair(
        tmp_path / "a", "elsewhere.example" if fault == "name" else suite.host,
        until="2021-01-01 00:00:00" if fault == "expired" else "2040-01-01 00:00:00")
    if fault == "foreign key":
        _, key = make_pair(tmp_path / "b", suite.host)
    file = tmp_path / "both.pem"
    if fault != "missing":
        file.write_text(("" if fault == "no cert" else cert) + ("" if fault == "no key" else key))
    assert reason in suite.ctl("cert", "install", str(file), status=1)
    assert shown_certificate(suite) == before
    assert not [n for n in os.listdir(suite.paths["config"]) if n.endswith(".new")]
