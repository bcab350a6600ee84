/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * record - a home, as it is recorded and told.
 */
#include "c2s/sm/network/network.h"

int sm_record_load(struct db *db, struct span user, struct sm_home_record *r, struct buf *text)
{
    (void)db, (void)user, (void)r;
    buf_clear(text);
    return 0;
}

bool sm_record_read(const struct stanza *s, uint32_t node, struct sm_home_record *r,
                    struct buf *scratch)
{
    (void)s, (void)node, (void)r, (void)scratch;
    return false;
}

void sm_record_verify(struct sm *sm, const struct sm_home_record *r,
                      void (*done)(void *ctx, bool is_good), void *ctx)
{
    (void)sm, (void)r, (void)done, (void)ctx;
}
