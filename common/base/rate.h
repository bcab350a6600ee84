/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * rate - token bucket.
 */
#ifndef BASE_RATE_H
#define BASE_RATE_H

#include <stdbool.h>
#include <stdint.h>

struct rate {
    uint64_t per_second, burst; /* tokens; per_second 0: no limit */
    uint64_t tokens_milli;      /* thousandths of tokens in the bucket */
    uint64_t at_ms;             /* when it was last filled */
};

void rate_init(struct rate *r, uint64_t per_second, uint64_t burst, uint64_t now_ms);
/* Takes n tokens (it may go into debt by one take); 0, or the milliseconds to wait first. */
uint64_t rate_take(struct rate *r, uint64_t n, uint64_t now_ms);
/* Takes n tokens in any case; 0, or the milliseconds after which the debt is paid. */
uint64_t rate_charge(struct rate *r, uint64_t n, uint64_t now_ms);

#endif
