# SPDX-License-Identifier: GPL-3.0-or-later
"""The completion of kontalkctl's command line knows every command and option that --help names."""
import os
import re
import subprocess

from helpers import BUILD, ROOT

COMPLETION = os.path.join(ROOT, "packaging", "completion", "kontalkctl")


def complete(*words):
    """What bash offers for the last of the words."""
    script = (f"source {COMPLETION}; COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1)); "
              "_kontalkctl kontalkctl \"${COMP_WORDS[COMP_CWORD]}\" "
              "\"${COMP_WORDS[COMP_CWORD - 1]}\"; printf '%s\\n' \"${COMPREPLY[@]}\"")
    done = subprocess.run(["bash", "-c", script, "bash", "kontalkctl", *words], check=True,
                          capture_output=True, text=True)
    return set(done.stdout.split())


def shown_by_help():
    text = subprocess.run([os.path.join(BUILD, "kontalkctl"), "--help"], check=True,
                          capture_output=True, text=True).stdout
    commands, _, options = text.partition("options:")
    names = [re.match(r"  ([a-z0-9]+(?: [a-z]+)?)\b", line)[1]
             for line in commands.splitlines() if line.startswith("  ")]
    return names, re.findall(r"--?[a-z][a-z-]*", re.sub(r"(?m)^(  \S+(?: [A-Z]+)?)  .*$", r"\1", options))


def test_every_command_is_offered():
    names, options = shown_by_help()
    assert len(names) > 15 and "--json" in options
    for name in names:
        first, _, second = name.partition(" ")
        assert first in complete(first[:2])
        if second in ("add", "list", "explain", "start", "stop", "install", "del", "import"):
            assert second in complete(first, "")
    assert set(options) <= complete("-")


def test_everything_offered_is_a_command():
    names, _ = shown_by_help()
    for first in complete(""):
        words = {f"{first} {second}" for second in complete(first, "")
                 if not os.path.exists(second)}
        assert words <= set(names) if words else first in {n.split()[0] for n in names}


def test_files_and_options_are_passed_over(tmp_path):
    (tmp_path / "some.pem").touch()
    (tmp_path / "some.dir").mkdir()
    assert complete("--json", "-c", "/etc", "user", "pas") == {"passwd"}
    assert complete("cert", "install", f"{tmp_path}/so") == {
        f"{tmp_path}/some.pem", f"{tmp_path}/some.dir"}
    assert complete("-c", f"{tmp_path}/so") == {f"{tmp_path}/some.dir"}
    assert complete("--seconds", "") == set()
    assert complete("tap", "") == set()
