/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * rate - token bucket. Debt is kept as a filling time in the future: until then nothing can be
 * taken. What is in the bucket before is what the last millisecond of waiting is too long.
 */
#include "base/rate.h"

#define MILLI 1000
#define CHARGE_MAX (UINT64_MAX / MILLI / 2) /* what one take can cost */

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
    uint64_t debt_ms = now_ms < r->at_ms ? r->at_ms - now_ms : 0;
    if (debt_ms == 0)
        fill(r, now_ms);
    if (debt_ms > 0 || r->tokens_milli < MILLI)
        return debt_ms + ms_for(r, r->tokens_milli < MILLI ? MILLI - r->tokens_milli : 0);
    rate_charge(r, n, now_ms);
    return 0;
}

uint64_t rate_charge(struct rate *r, uint64_t n, uint64_t now_ms)
{
    if (r->per_second == 0)
        return 0;
    if (now_ms >= r->at_ms)
        fill(r, now_ms);
    if (n > CHARGE_MAX)
        n = CHARGE_MAX;
    if (r->tokens_milli >= n * MILLI) {
        r->tokens_milli -= n * MILLI;
    } else {
        uint64_t missing = n * MILLI - r->tokens_milli, wait_ms = ms_for(r, missing);
        r->at_ms += wait_ms;
        r->tokens_milli = wait_ms * r->per_second - missing; /* of the last millisecond */
        if (r->tokens_milli > r->burst * MILLI)
            r->tokens_milli = r->burst * MILLI;
    }
    return r->at_ms > now_ms ? r->at_ms - now_ms : 0;
}
