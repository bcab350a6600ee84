/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * match - probe@host: which addresses are users.
 */
#include "c2s/sm/network/network.h"

void sm_match_get(struct sm_in *in, uint32_t payload)
{
    (void)payload;
    sm_refuse(in, STANZA_SERVICE_UNAVAILABLE, NULL);
}

void sm_match_close(struct sm *sm)
{
    (void)sm;
}
