#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# cppcheck - warnings, performance and portability over the programs; any finding fails.
cd "$(dirname "$0")/../.." || exit 1
exec cppcheck --quiet --std=c11 --enable=warning,performance,portability --inline-suppr \
    --error-exitcode=1 -j "$(nproc)" -D__GNUC__ -Icommon -I. \
    --suppress=missingIncludeSystem common router c2s
