/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * span - the few operations on spans that are too long for the header.
 */
#include "base/span.h"

bool span_to_u64(struct span s, uint64_t max, uint64_t *value_r)
{
    uint64_t value = 0;

    if (s.n == 0)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        unsigned digit = (unsigned)(unsigned char)s.p[i] - '0';
        if (digit > 9 || value > (UINT64_MAX - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    if (value > max)
        return false;
    *value_r = value;
    return true;
}
