# SPDX-License-Identifier: GPL-3.0-or-later
"""etc/ holds every key that the programs know, with the default that they have."""
import os
import re
import subprocess

import pytest
from helpers import BUILD, ROOT


def program(name):
    return os.path.join(BUILD, f"kontalk-{name}")


def keys_of(text):
    """{(section, key): value}; sections with a name count as their word."""
    section, found = "", {}
    for line in text.splitlines():
        if header := re.match(r"[#;]?\s*\[([\w-]+)", line):
            section = header[1]
        elif key := re.match(r"[#;]?\s*(\w+)\s*=\s*(.*?)\s*$", line):
            found[section, key[1]] = key[2]
    return found


@pytest.mark.parametrize("name", ["router", "c2s", "s2s"])
def test_every_key_is_in_etc(name):
    defaults = subprocess.run([program(name), "--defaults"], capture_output=True, text=True,
                              check=True).stdout
    with open(os.path.join(ROOT, "etc", f"{name}.conf"), encoding="utf-8") as file:
        ours = keys_of(file.read())
    known = keys_of(defaults)
    assert set(known) == set(ours)


@pytest.mark.parametrize("name", ["router", "c2s"])
def test_check_of_a_configuration(name, suite, tmp_path):
    path = os.path.join(suite.paths["config"], f"{name}.conf")
    done = subprocess.run([program(name), "-t", "-c", path], capture_output=True, text=True,
                          check=False)
    assert done.returncode == 0, done.stderr
    with open(path, encoding="utf-8") as file:
        text = file.read()
    for line, wanted in (("nonsense = 1", "nonsense"), ("log_level = loud", "log_level")):
        bad = tmp_path / "bad.conf"
        bad.write_text(re.sub(r"(?m)^log_level.*$", line, text, count=1))
        bad.chmod(0o600)
        done = subprocess.run([program(name), "-t", "-c", str(bad)], capture_output=True,
                              text=True, check=False)
        assert done.returncode == 1
        assert re.search(rf"bad\.conf:\d+: .*{wanted}", done.stderr + done.stdout)


@pytest.mark.parametrize("name", ["router", "c2s"])
def test_secrets_that_others_can_read_are_refused(name, suite, tmp_path):
    with open(os.path.join(suite.paths["config"], f"{name}.conf"), encoding="utf-8") as file:
        copy = tmp_path / "open.conf"
        copy.write_text(file.read())
    copy.chmod(0o644)
    done = subprocess.run([program(name), "-t", "-c", str(copy)], capture_output=True, text=True,
                          check=False)
    assert done.returncode == 1
