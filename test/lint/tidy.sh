#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# tidy PACKAGES... - clang-tidy with the checks of .clang-tidy over the programs; a warning fails.
cd "$(dirname "$0")/../.." || exit 1
flags="-std=gnu17 -D_GNU_SOURCE -DKONTALK_VERSION=\"lint\" -Icommon -I. $(pkg-config --cflags "$@")"
find common router c2s s2s net -name '*.c' | sort |
    xargs -P "$(nproc)" -n 4 sh -c \
        'flags=$1; shift; clang-tidy --quiet --warnings-as-errors="*" "$@" -- $flags 2>/dev/null' \
        sh "$flags"
