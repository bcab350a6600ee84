/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * peer_session - what XEP-0198 counts between two servers, over one link and those that resume it.
 *
 * Of ours: acked is the number of the last that the peer has. When a link ends, what was sent and
 * is not acknowledged goes to the front of the queue again; a resumption says how many of these the
 * peer has after all (known). Such a one whose time to live ends meanwhile takes its number with
 * it. Of theirs: the intake lives on without a link. It acknowledges what the router has taken; of
 * what had come and was not there yet, the peer sends all again, and that is passed over.
 */
#include "base/log.h"
#include "base/mem.h"
#include "net/peer.h"
#include "net/wire.h"

#include <stdlib.h>

/* --- theirs ----------------------------------------------------------------------------------- */

static void release(struct intake *in)
{
    if (!in->peer && !handled_is_waiting(&in->handled))
        free(in);
}

static void on_handled(void *ctx)
{
    struct intake *in = ctx;
    if (in->peer && in->peer->wire)
        wire_on_handled(in->peer->wire);
    else
        release(in);
}

struct link_done peer_next_done(struct peer *p)
{
    p->counts.received++;
    return handled_next(&p->intake->handled);
}

void peer_session_forget(struct peer *p)
{
    struct intake *in = p->intake;
    p->previous[0] = '\0';
    p->intake = NULL;
    if (!in)
        return;
    in->peer = NULL;
    release(in);
}

/* --- both ------------------------------------------------------------------------------------- */

void peer_session_begin(struct peer *p, struct span id)
{
    peer_session_forget(p);
    p->intake = mem_zalloc(sizeof *p->intake);
    p->intake->peer = p;
    handled_init(&p->intake->handled, on_handled, p->intake);
    if (id.n > 0 && id.n < sizeof p->previous) { /* else it cannot be resumed */
        memcpy(p->previous, id.p, id.n);
        p->previous[id.n] = '\0';
    }
    p->acked = p->outstanding = 0;
}

bool peer_session_is(const struct peer *p, struct span id)
{
    return p->intake && *p->previous && span_eq(id, span_of(p->previous));
}

bool peer_session_resume(struct peer *p, uint32_t h)
{
    uint32_t count = h - p->acked;
    if (count > p->outstanding)
        return false;
    p->known += count;
    p->acked = h;
    p->outstanding -= count;
    p->intake->again = p->intake->handled.given - handled_count(&p->intake->handled);
    LOG(LOG_DEBUG, "peer.resumed", F_SPAN("host", p->host), F_INT("known", count),
        F_INT("again", p->intake->again));
    return true;
}

void peer_session_pause(struct peer *p)
{
    p->outstanding += outbox_unacked(p->outbox);
    outbox_rewind(p->outbox);
}
