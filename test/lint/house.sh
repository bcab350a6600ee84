#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# house - what the house rules of HACKING.md ask of every file and a machine can see: the licence
# line, no unfinished marks, no path of a developer's machine, lines, functions and files of a
# readable size.
cd "$(dirname "$0")/../.." || exit 1
findings=$(mktemp)
trap 'rm -f "$findings"' EXIT
report() { cat >>"$findings"; }

sources=$(find Makefile .ci common router c2s s2s net etc packaging test -type f \
    ! -name '*.pyc' ! -name '*.md' ! -name '*.play' ! -path '*/corpus/*' | sort)
code=$(printf '%s\n' $sources | grep -E '\.[ch]$')

for file in $sources; do
    head -n 3 "$file" | grep -q 'SPDX-License-Identifier: GPL-3.0-or-later' ||
        echo "$file: no SPDX line"
done | report

# The mark is spelled in two parts so that this file passes itself.
grep -nE '\b(TO''DO|FIX''ME|XX''X|HA''CK)\b|not (yet )?impl''emented' $sources | report
grep -nE '(^|[^A-Za-z0-9_.-])/(home|root|work|Users|mnt)/[A-Za-z.]' $sources README.md HACKING.md \
    CHANGES | grep -v '^test/lint/house\.sh:' | report

awk '
    { width = $0; gsub(/[\200-\277]/, "", width) }
    length(width) > 100 { printf "%s:%d: over 100 columns\n", FILENAME, FNR }
    FNR == 1 { start = 0 }
    FNR == 601 { printf "%s: over 600 lines\n", FILENAME }
    /^\{/ { start = FNR }
    /^\}/ {
        if (start && FNR - start > 90)
            printf "%s:%d: a function of %d lines\n", FILENAME, start, FNR - start
        start = 0
    }' $code | report
cat "$findings"
[ ! -s "$findings" ]
