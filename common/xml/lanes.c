/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * lanes - the runs of lanes.h where less than sixteen bytes are left.
 */
#include "xml/lanes.h"

const char *bytes_find2(const char *p, const char *end, char a, char b)
{
    while (p < end && *p != a && *p != b)
        p++;
    return p;
}

const char *bytes_skip_plain(const char *p, const char *end, char a, char b)
{
    while (p < end && *p != a && *p != b && (signed char)*p >= 0x20)
        p++;
    return p;
}

const char *bytes_skip_names(const char *p, const char *end)
{
    for (; p < end && (signed char)*p >= 0x20; p++) {
        if (*p == '"' || *p == '\'' || *p == '/' || *p == '<' || *p == '>')
            break;
    }
    return p;
}
