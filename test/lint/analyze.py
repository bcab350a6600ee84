#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""analyze - gcc's -fanalyzer and clang's analyzer (scan-build's checks) over the programs.

    test/lint/analyze.py PACKAGES...

Findings that have been looked at and are false stand in analyze.known, with the reason. Any other
fails, and so does an entry there that nothing finds any more. The last line is
"N passed, N failed": each file counts once for each compiler.
"""
import glob
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
KNOWN = os.path.join(ROOT, "test/lint/analyze.known")
FLAGS = ["-std=gnu17", "-O2", "-D_GNU_SOURCE", '-DKONTALK_VERSION="lint"', "-Icommon", "-I."]
GCC = ["gcc", "-fanalyzer", "-c", "-o", "/dev/null"]
CLANG = ["clang", "--analyze", "--analyzer-output", "text"]
FINDING = re.compile(r"^([^:\s]+):(\d+):\d+: warning: (.*?) \[(?:CWE-\d+\] \[)?(\S+)\]$",
                     re.MULTILINE)


def read_known():
    """Lines "FILE [CHECK] SOURCE LINE"; a comment is the reason for those that follow."""
    with open(KNOWN, encoding="utf-8") as lines:
        return {line.rstrip("\n") for line in lines if line.strip() and not line.startswith("#")}


def source_line(path, number):
    with open(os.path.join(ROOT, path), encoding="utf-8") as lines:
        return lines.read().splitlines()[number - 1].strip()


def analyze(job):
    compiler, path, flags = job
    run = subprocess.run([*compiler, *FLAGS, *flags, path], cwd=ROOT, capture_output=True,
                         text=True, check=False)
    found = []
    for file, number, what, check in FINDING.findall(run.stderr):
        file = os.path.normpath(file)
        key = f"{file} [{check}] {source_line(file, int(number))}"
        found.append((key, f"{file}:{number}: {what} [{check}]"))
    if run.returncode != 0:
        found.append(("", run.stderr))
    return path, compiler[0], found


def main():
    flags = subprocess.run(["pkg-config", "--cflags", *sys.argv[1:]], check=True,
                           capture_output=True, text=True).stdout.split()
    paths = sorted(path for room in ("common", "router", "c2s", "s2s")
                   for path in glob.glob(f"{room}/**/*.c", root_dir=ROOT, recursive=True))
    known, seen, passed, failed = read_known(), set(), 0, 0
    jobs = [(compiler, path, flags) for path in paths for compiler in (GCC, CLANG)]
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for path, compiler, found in pool.map(analyze, jobs):
            seen |= {key for key, _ in found}
            new = [(key, text) for key, text in found if key not in known]
            passed += not new
            failed += bool(new)
            for key, text in new:
                print(f"FAILED {compiler} {text}\n    {key}", flush=True)
    for key in sorted(known - seen):
        print(f"FAILED found no more, take it out of analyze.known: {key}")
        failed += 1
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
