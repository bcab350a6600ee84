#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# hardening BUILD - what the Makefile's flags promise is there in the programs: PIE, full RELRO, no
# executable stack, no text relocations, code apart from data, canaries, fortified calls, and
# control-flow protection: every object is made for indirect-branch tracking and shadow stacks, and
# the programs are marked for shadow stacks. They are not marked for branch tracking as long as the
# C library's start files are not made for it. Sanitized builds, which have none of it, pass.
cd "$(dirname "$0")/../.." || exit 1
build=$1
bad=0

fail() {
    echo "$program: $*"
    bad=1
}

is_x86() {
    [ "$(uname -m)" = x86_64 ]
}

for program in kontalk-router kontalk-c2s kontalk-s2s kontalk-net kontalkctl; do
    file=$build/$program
    [ -x "$file" ] || { fail "not built"; continue; }
    nm -D -u "$file" | grep -q '__asan_\|__ubsan_' && continue
    header=$(readelf -W -h "$file")
    segments=$(readelf -W -l "$file")
    dynamic=$(readelf -W -d "$file")
    notes=$(readelf -W -n "$file" 2>/dev/null)
    undefined=$(nm -D -u "$file")

    echo "$header" | grep -q 'Type: *DYN' || fail "not position-independent"
    echo "$dynamic" | grep -q 'Flags:.* PIE' || fail "not marked as PIE"
    echo "$segments" | grep -q 'GNU_RELRO' || fail "no RELRO"
    echo "$dynamic" | grep -q 'BIND_NOW' || fail "no BIND_NOW: RELRO is not full"
    echo "$dynamic" | grep -q 'TEXTREL' && fail "relocations in its code"
    echo "$dynamic" | grep -Eq 'R(UN)?PATH' && fail "a path for libraries of its own"
    echo "$segments" | grep 'GNU_STACK' | grep -q ' RW ' || fail "an executable stack"
    echo "$segments" | grep 'LOAD' | grep -q ' RWE ' && fail "a segment to write and execute"
    echo "$undefined" | grep -q '__stack_chk_fail' || fail "no stack canaries"
    echo "$undefined" | grep -Eq '__[a-z]+_chk(@|$)' || fail "no fortified calls"
    if is_x86; then
        echo "$notes" | grep -q 'x86 feature:.*SHSTK' || fail "not marked for shadow stacks"
    fi
    is_hardened=1
done

if is_x86 && [ -n "${is_hardened-}" ]; then
    objects=$(find "$build/common" "$build/router" "$build/c2s" -name '*.o' | sort)
    for program in $objects; do
        readelf -W -n "$program" | grep -q 'x86 feature: IBT, SHSTK' ||
            fail "not made for control-flow protection"
    done
fi
exit $bad
