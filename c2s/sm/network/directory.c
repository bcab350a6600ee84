/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * directory - what other members ask and tell us about homes.
 */
#include "c2s/sm/network/network.h"

void sm_home_get(struct sm_in *in, uint32_t payload)
{
    (void)payload;
    sm_refuse(in, STANZA_SERVICE_UNAVAILABLE, NULL);
}

void sm_homes_set(struct sm_in *in, uint32_t payload)
{
    (void)payload;
    sm_refuse(in, STANZA_SERVICE_UNAVAILABLE, NULL);
}
