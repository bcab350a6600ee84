/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * farewell - an account is no more: whoever had its name in a roster hears that the subscriptions
 * have ended, in its name, so that the next one of that name gets nothing of them; and what others
 * have let it do at their nodes ends, but for what they have forbidden it.
 *
 * Those of this server are found in the store, some at a time, whoever owned the account; those
 * elsewhere in the memory of its owner, if that is us. Called by sm.c when an account has been
 * removed.
 */
#include "c2s/sm/contacts.h"

#include "c2s/sm/pubsub/pubsub.h"

#include <stdlib.h>

#define PAGE 200

struct farewell {
    struct sm_job job; /* first */
    struct span name, host_jid, network_jid; /* in text */
    int64_t after; /* number of the last account of the page before */
    struct buf found; /* names of this page, each followed by NUL */
    size_t count;
    struct buf text;
};

/* --- in run() --- */

static int forget_rights(struct db *db, const struct farewell *f)
{
    struct db_stmt *st =
        db_sql(db, "DELETE FROM pubsub_affiliation WHERE jid IN (?1, ?2) AND affiliation > ?3");
    int result;

    db_bind_text(st, 1, f->host_jid);
    db_bind_text(st, 2, f->network_jid);
    db_bind_int(st, 3, PUBSUB_OUTCAST);
    if ((result = db_run(st)) < 0)
        return result;
    st = db_sql(db, "DELETE FROM pubsub_subscription WHERE jid IN (?1, ?2)"
                    " OR substr(jid, 1, length(?1) + 1) = ?1 || '/'"
                    " OR substr(jid, 1, length(?2) + 1) = ?2 || '/'");
    db_bind_text(st, 1, f->host_jid);
    db_bind_text(st, 2, f->network_jid);
    return db_run(st);
}

static int run(struct db *db, struct store_job *store_job)
{
    struct farewell *f = (struct farewell *)(void *)store_job;
    struct db_stmt *st;
    int got = f->after == 0 ? forget_rights(db, f) : STORE_OK;

    if (got < 0)
        return got;
    buf_clear(&f->found);
    f->count = 0;
    st = db_sql(db, "SELECT account.id, account.name FROM roster JOIN account"
                    " ON account.id = roster.account WHERE roster.jid IN (?1, ?2)"
                    " AND roster.account > ?3 ORDER BY roster.account LIMIT ?4");
    db_bind_text(st, 1, f->host_jid);
    db_bind_text(st, 2, f->network_jid);
    db_bind_int(st, 3, f->after);
    db_bind_int(st, 4, PAGE);
    while ((got = db_step(st)) > 0) {
        f->after = db_int(st, 0);
        f->count++;
        buf_append(&f->found, db_text(st, 1));
        buf_append_char(&f->found, '\0');
    }
    db_reset(st);
    return got;
}

/* --- on the loop --- */

static void destroy(struct sm_job *job)
{
    struct farewell *f = (struct farewell *)job;

    buf_free(&f->found);
    buf_free(&f->text);
}

static void submit(struct sm *sm, struct farewell *f);

static void end_subscriptions(struct sm *sm, struct span from, struct span contact)
{
    sm_presence_notice(sm, from, contact, "unsubscribe");
    sm_presence_notice(sm, from, contact, "unsubscribed");
}

/* Subscription stanzas are jobs of the store: those of a page are done before the next is read. */
static bool finish(struct sm_job *job, int result)
{
    struct farewell *f = (struct farewell *)job, *next;
    struct sm *sm = job->sm;
    struct span rest = buf_span(&f->found);
    struct buf contact = {0};

    if (result < 0 || sm->is_closed) {
        LOG(LOG_WARN, "sm.farewell_failed", F_SPAN("user", f->name));
        return true;
    }
    while (rest.n > 0) {
        struct span name = span_make(rest.p, span_index(rest, '\0'));
        rest = span_from(rest, name.n + 1);
        buf_clear(&contact);
        buf_append(&contact, name);
        buf_append_char(&contact, '@');
        buf_append(&contact, sm->opts.host);
        end_subscriptions(sm, f->host_jid, buf_span(&contact));
    }
    buf_free(&contact);
    if (f->count == PAGE) {
        next = mem_zalloc(sizeof(*next));
        next->text = f->text;
        next->name = f->name;
        next->host_jid = f->host_jid;
        next->network_jid = f->network_jid;
        next->after = f->after;
        f->text = (struct buf){0};
        submit(sm, next);
    }
    return true;
}

static void submit(struct sm *sm, struct farewell *f)
{
    f->job.bytes = sizeof(*f) + buf_len(&f->text);
    f->job.finish = finish;
    f->job.destroy = destroy;
    if (sm_job_submit(sm, STORE_WRITE, &f->job, NULL, NULL, run))
        return;
    LOG(LOG_WARN, "sm.farewell_failed", F_SPAN("user", f->name));
    destroy(&f->job);
    free(f);
}

static void to_those_elsewhere(const struct sm_user *user)
{
    const struct sm_contact *c;
    size_t cursor = 0;

    while ((c = sm_contact_next(user->profile, &cursor)) != NULL) {
        if (sm_is_local_domain(user->sm, c->domain))
            continue;
        if (c->subscription & SM_SUB_FROM)
            sm_presence_notice(user->sm, user->bare, c->bare, "unsubscribed");
        if ((c->subscription & SM_SUB_TO) || (c->ask & SM_ASK_SUBSCRIBE))
            sm_presence_notice(user->sm, user->bare, c->bare, "unsubscribe");
    }
}

void sm_farewell(struct sm *sm, struct span name)
{
    const struct sm_user *user = sm_user_owned(sm, name);
    struct farewell *f = mem_zalloc(sizeof(*f));
    const struct span host = sm->opts.host, network = sm->opts.network;
    const char *text;

    if (user)
        to_those_elsewhere(user);
    buf_printf(&f->text, "%.*s@%.*s%.*s@%.*s", SPAN_ARG(name), SPAN_ARG(host), SPAN_ARG(name),
               SPAN_ARG(network));
    text = buf_span(&f->text).p;
    f->name = span_make(text, name.n);
    f->host_jid = span_make(text, name.n + 1 + host.n);
    f->network_jid = span_make(text + f->host_jid.n, name.n + 1 + network.n);
    submit(sm, f);
}
