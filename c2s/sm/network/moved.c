/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * moved - users of ours who have registered elsewhere.
 */
#include "c2s/sm/network/network.h"

void sm_moved_away(struct sm *sm, const struct sm_home_record *r)
{
    (void)sm, (void)r;
}

bool sm_moved_refuse(struct sm_in *in)
{
    (void)in;
    return false;
}

bool sm_moved_retry(struct sm_in *in)
{
    (void)in;
    return false;
}
