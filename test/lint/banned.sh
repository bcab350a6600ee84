#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# banned BUILD - no object of the programs calls a function that cannot be called safely.
cd "$(dirname "$0")/../.." || exit 1
build=$1
functions='strcpy|stpcpy|strcat|sprintf|vsprintf|strtok|atoi|atol|atoll|rand|srand|gets|alloca'
objects=$(find "$build/common" "$build/router" "$build/c2s" "$build/s2s" "$build/net" -name '*.o' 2>/dev/null | sort)
[ -n "$objects" ] || { echo "no objects in $build"; exit 1; }
# Fortified builds call __strcpy_chk and the like.
if nm -A -u $objects | grep -E " (__)?($functions)(_chk)?(@.*)?\$"; then
    exit 1
fi
exit 0
