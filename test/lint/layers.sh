#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# layers - gives every C file of the tree to layers.awk.
cd "$(dirname "$0")/../.." || exit 1
find common router c2s s2s net test -name '*.[ch]' | sort | xargs awk -f test/lint/layers.awk
