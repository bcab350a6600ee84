/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * ping - XEP-0199, of the server and of one's own account. A row of iq.c's table calls it.
 */
#include "c2s/sm/sm_private.h"

void sm_ping(struct sm_in *in, uint32_t payload)
{
    (void)payload;
    sm_iq_empty_result(in);
}
