/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * plants - bugs that are planted, one at a time, to see that the simulation finds them.
 */
#include "c2s/sm/network/edge.h"
#include "c2s/sm/network/record.h"
#include "rings.h"
#include "wraps.h"
#include "xmpp/outbox.h"

enum plant planted;

static bool hits(enum plant plant, unsigned percent)
{
    return planted == plant && chance_of(percent);
}

/* --- queues ----------------------------------------------------------------------------------- */

WRAP(void, outbox_rewind, (struct outbox *o))
{
    if (planted == PLANT_FORGET)
        outbox_acked(o, outbox_unacked(o));
    __real_outbox_rewind(o);
}

/* --- links: by their names as test/sim/sim.mk sets them apart --- */

struct net;
WRAP(void, net_room_relay_to_router,
     (struct net *n, const struct stanza *stanza, struct link_done done))
{
    if (hits(PLANT_TWICE, 10))
        __real_net_room_relay_to_router(n, stanza, (struct link_done){0});
    __real_net_room_relay_to_router(n, stanza, done);
}

/* --- homes ------------------------------------------------------------------------------------ */

WRAP(struct sm_home, sm_home_peek, (const struct sm *sm, struct span localpart))
{
    struct sm_home home = __real_sm_home_peek(sm, localpart);
    if (planted == PLANT_UNCACHED && home.kind == SM_HOME_AT)
        home = (struct sm_home){.kind = SM_HOME_UNKNOWN};
    return home;
}

WRAP(int, sm_record_save, (struct db *db, const struct sm_home_record *r, struct buf *old_host))
{
    if (planted == PLANT_STALE) {
        struct sm_home_record known;
        struct buf text = {0};
        int is_known = sm_record_load(db, r->user, &known, &text);
        buf_free(&text);
        if (is_known > 0)
            return 0;
    }
    return __real_sm_record_save(db, r, old_host);
}

/* What it says of who is not in its records. */
WRAP(void, sm_iq_close, (struct sm_out *out))
{
    static const struct span unsure = SPAN_INIT("complete='false'"),
                             sure = SPAN_INIT("complete='true' ");
    struct span text = buf_span(out->buf);
    struct span end = span_from(text, text.n > 100 ? text.n - 100 : 0);
    char *at = planted == PLANT_SURE ? memmem(end.p, end.n, unsure.p, unsure.n) : NULL;
    if (at)
        memcpy(at, sure.p, sure.n);
    __real_sm_iq_close(out);
}

WRAP(void, edge_keep, (struct sm_in *in, enum sm_direction direction))
{
    if (!hits(PLANT_NEGLECT, 20))
        __real_edge_keep(in, direction);
}

WRAP(bool, sm_moved_refuse, (struct sm_in *in))
{
    return planted == PLANT_GONE || __real_sm_moved_refuse(in);
}

WRAP(bool, sm_moved_refuse_text, (struct sm *sm, struct span stanza, struct link_done *done))
{
    return planted == PLANT_GONE || __real_sm_moved_refuse_text(sm, stanza, done);
}

WRAP(void, sm_publish_look, (struct sm *sm))
{
    if (planted != PLANT_UNSEEN)
        __real_sm_publish_look(sm);
}

/* --- addresses -------------------------------------------------------------------------------- */

WRAP(void, sm_edge_out, (const struct sm_session *s, struct buf *out, size_t from))
{
    if (!hits(PLANT_RAW, 50))
        __real_sm_edge_out(s, out, from);
}
