/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * rate - token bucket. Debt is kept as a filling time in the future: until then the bucket is
 * empty and nothing can be taken.
 */
#include "base/rate.h"

#define MILLI 1000

void rate_init(struct rate *r, uint64_t per_second, uint64_t burst, uint64_t now_ms)
{
    r->per_second = per_second;
    r->burst = burst ? burst : 1;
    r->tokens_milli = r->burst * MILLI;
    r->at_ms = now_ms;
}

static void fill(struct rate *r, uint64_t now_ms)
{
    uint64_t room = r->burst * MILLI - r->tokens_milli;
    uint64_t elapsed = now_ms - r->at_ms;

    /* per_second tokens a second are per_second thousandths a millisecond. */
    if (elapsed > room / r->per_second)
        r->tokens_milli = r->burst * MILLI;
    else
        r->tokens_milli += elapsed * r->per_second;
    r->at_ms = now_ms;
}

static uint64_t ms_for(const struct rate *r, uint64_t tokens_milli)
{
    return (tokens_milli + r->per_second - 1) / r->per_second;
}

uint64_t rate_take(struct rate *r, uint64_t n, uint64_t now_ms)
{
    if (r->per_second == 0)
        return 0;
    if (now_ms < r->at_ms) /* in debt */
        return r->at_ms - now_ms + ms_for(r, MILLI);
    fill(r, now_ms);
    if (r->tokens_milli < MILLI)
        return ms_for(r, MILLI - r->tokens_milli);
    if (n > UINT64_MAX / MILLI / 2)
        n = UINT64_MAX / MILLI / 2;
    if (r->tokens_milli >= n * MILLI) {
        r->tokens_milli -= n * MILLI;
        return 0;
    }
    r->at_ms = now_ms + ms_for(r, n * MILLI - r->tokens_milli);
    r->tokens_milli = 0;
    return 0;
}
