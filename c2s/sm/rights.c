/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * rights - what others have given to the name of an account that is no more: affiliations with
 * their nodes, and subscriptions to them. They end at once, so that whoever gets the name next has
 * none of them; what has been forbidden to the name stays forbidden. Subscriptions to presence are
 * erase.c's affair.
 *
 * Called by sm.c when an account has been removed.
 */
#include "c2s/sm/pubsub/pubsub.h"
#include "c2s/sm/sm_private.h"

#include <stdlib.h>

struct rights {
    struct sm_job job; /* first */
    struct span host_jid, network_jid; /* in text */
    struct buf text;
};

static int run(struct db *db, struct store_job *store_job)
{
    const struct rights *r = (const struct rights *)(const void *)store_job;
    struct db_stmt *st =
        db_sql(db, "DELETE FROM pubsub_affiliation WHERE jid IN (?1, ?2) AND affiliation > ?3");
    int result;

    db_bind_text(st, 1, r->host_jid);
    db_bind_text(st, 2, r->network_jid);
    db_bind_int(st, 3, PUBSUB_OUTCAST);
    if ((result = db_run(st)) < 0)
        return result;
    st = db_sql(db, "DELETE FROM pubsub_subscription WHERE jid IN (?1, ?2)"
                    " OR substr(jid, 1, length(?1) + 1) = ?1 || '/'"
                    " OR substr(jid, 1, length(?2) + 1) = ?2 || '/'");
    db_bind_text(st, 1, r->host_jid);
    db_bind_text(st, 2, r->network_jid);
    return db_run(st);
}

static void warn(const struct rights *r)
{
    LOG(LOG_WARN, "sm.rights_kept", F_SPAN("jid", r->host_jid));
}

static bool finish(struct sm_job *job, int result)
{
    if (result < 0)
        warn((struct rights *)job);
    return true;
}

static void destroy(struct sm_job *job)
{
    buf_free(&((struct rights *)job)->text);
}

void sm_rights_end(struct sm *sm, struct span name)
{
    const struct span host = sm->opts.host, network = sm->opts.network;
    struct rights *r = mem_zalloc(sizeof(*r));
    const char *text;

    buf_printf(&r->text, "%.*s@%.*s%.*s@%.*s", SPAN_ARG(name), SPAN_ARG(host), SPAN_ARG(name),
               SPAN_ARG(network));
    text = buf_span(&r->text).p;
    r->host_jid = span_make(text, name.n + 1 + host.n);
    r->network_jid = span_make(text + r->host_jid.n, name.n + 1 + network.n);
    r->job.bytes = sizeof(*r) + buf_len(&r->text);
    r->job.finish = finish;
    r->job.destroy = destroy;
    if (sm_job_submit(sm, STORE_WRITE, &r->job, NULL, NULL, run))
        return;
    warn(r);
    destroy(&r->job);
    free(r);
}
