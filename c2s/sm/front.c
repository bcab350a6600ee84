/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * front - clients here whose user another instance owns: refused for now, to come again.
 */
#include "c2s/sm/sm_private.h"

void sm_front_open(struct sm_session *s, struct span owner)
{
    (void)owner;
    sm_session_ready(s, STANZA_RESOURCE_CONSTRAINT);
}

void sm_front_opened(struct sm_session *s)
{
    (void)s;
}

void sm_front_input(struct sm_session *s, struct stanza *stanza, struct link_done done)
{
    (void)s;
    (void)stanza;
    sm_done(done, false);
}

void sm_front_close(struct sm_session *s)
{
    (void)s;
}

bool sm_front_envelope(struct sm *sm, struct stanza *envelope)
{
    (void)sm;
    (void)envelope;
    return false;
}

void sm_front_peer_down(struct sm *sm, struct span instance)
{
    (void)sm;
    (void)instance;
}

bool sm_guest_envelope(struct sm *sm, struct stanza *envelope)
{
    (void)sm;
    (void)envelope;
    return false;
}

void sm_guest_peer_down(struct sm *sm, struct span instance)
{
    (void)sm;
    (void)instance;
}
