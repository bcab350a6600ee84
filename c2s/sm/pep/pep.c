/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * pep - each account is a publish-subscribe service (XEP-0163): requests become tasks that run the
 * core (c2s/sm/pubsub), and what comes of them is answered and sent to whom it interests.
 *
 * A row of iq.c's table calls sm_pubsub, for the owner, his contacts and strangers alike: a node's
 * access model decides, in the task. An account that is not there looks like one without nodes.
 */
#include "c2s/sm/access.h"
#include "c2s/sm/contacts/contacts.h"
#include "c2s/sm/pep/pep.h"

#include "tls/crypto.h"

#include <stdlib.h>

/* --- contacts, in run() --- */

/* One of our users may be in the roster by either of his names. */
static bool find_contact(const void *ctx, struct db *db, int64_t account, struct span who,
                         struct arena *arena, struct pubsub_contact *contact_r)
{
    struct db_stmt *st = db_sql(db, "SELECT subscription, groups FROM roster"
                                    " WHERE account = ?1 AND jid IN (?2, ?3, ?4)");
    struct sm_names names = sm_names_of(ctx, arena, who);
    bool is_found;

    db_bind_int(st, 1, account);
    db_bind_text(st, 2, names.jid);
    db_bind_text(st, 3, names.other);
    db_bind_text(st, 4, names.given);
    is_found = db_step(st) > 0;
    if (is_found)
        *contact_r = (struct pubsub_contact){
            .sees_presence = (db_int(st, 0) & SM_SUB_FROM) != 0,
            .jid = who,
            .groups = arena_span(arena, db_text(st, 1)),
        };
    db_reset(st);
    return is_found;
}

static int each_contact(struct db *db, int64_t account,
                        void (*take)(void *ctx, const struct pubsub_contact *contact), void *ctx)
{
    struct db_stmt *st = db_sql(db, "SELECT jid, groups FROM roster WHERE account = ?1"
                                    " AND (subscription & 2)");
    int got;

    _Static_assert(SM_SUB_FROM == 2, "the bit in the statement");
    db_bind_int(st, 1, account);
    while ((got = db_step(st)) > 0) {
        const struct pubsub_contact contact = {true, db_text(st, 0), db_text(st, 1)};
        take(ctx, &contact);
    }
    db_reset(st);
    return got;
}

static void names_of_one(const void *ctx, struct arena *arena, struct span who,
                         struct pubsub_names *names_r)
{
    const struct sm_names names = sm_names_of(ctx, arena, who);
    const bool has_more = sm_has_members(ctx) && !span_is_none(names.other);

    *names_r = (struct pubsub_names){
        .jids = {names.jid, names.other, names.given},
        .stored = has_more ? names.other : who,
    };
}

const struct pubsub_contacts sm_pep_contacts = {find_contact, each_contact, names_of_one};

/* --- asking --- */

struct span sm_pep_local_name(const struct sm *sm, struct span bare)
{
    size_t at = span_index(bare, '@');

    if (at == bare.n || !sm_is_local_domain(sm, span_from(bare, at + 1)))
        return SPAN_NONE;
    return span_make(bare.p, at);
}

static void set_limits(struct pubsub_ask *ask, const struct sm *sm)
{
    const struct sm_opts *o = &sm->opts;

    ask->now = loop_wall(sm->loop);
    ask->contacts = &sm_pep_contacts;
    ask->contacts_ctx = sm;
    ask->limits = (struct pubsub_limits){
        .max_nodes = o->max_nodes,
        .max_items = o->max_items,
        .max_item_bytes = o->max_item_bytes,
        .max_bytes = o->max_pubsub_bytes,
        .max_people = 1000,
        .max_answer = o->max_stanza / 2 + o->max_stanza / 4,
    };
    crypto_random_hex(ask->spare_id, 16);
}

void sm_pep_ask_self(struct pubsub_ask *ask, struct sm *sm, struct span service)
{
    pubsub_ask_init(ask);
    set_limits(ask, sm);
    ask->service = ask->who = ask->who_full = arena_span(&ask->arena, service);
    ask->is_owner = true;
}

/* One who has the account's name at another server is not its owner. */
static struct span stored_from(const struct sm_in *in, const struct jid *from,
                               char text[JID_TEXT_MAX])
{
    return span_eq(from->local, in->to.local) ? from->full
                                              : sm_stored_jid(in->sm, from->full, text);
}

bool sm_pep_ask_init(struct pubsub_ask *ask, const struct sm_in *in)
{
    char text[JID_TEXT_MAX] SM_HOT;
    struct jid_scratch scratch SM_HOT;
    struct jid from;

    pubsub_ask_init(ask);
    if (!jid_parse(in->stanza->from, &from, &scratch))
        return false;
    set_limits(ask, in->sm);
    ask->service = arena_span(&ask->arena, in->to.bare);
    ask->who_full = arena_span(&ask->arena, stored_from(in, &from, text));
    ask->who = jid_bare_of(ask->who_full);
    ask->has_names = sm_has_network(in->sm);
    ask->is_owner = in->session && in->session->user && in->session->user == sm_in_user(in);
    return true;
}

static void destroy(struct sm_task *task)
{
    struct pep_task *t = (struct pep_task *)task;

    pubsub_ask_free(&t->ask);
    sm_blocked_free(&t->absent);
}

struct pep_task *sm_pep_task_new(struct sm_in *in)
{
    struct pep_task *t = mem_zalloc(sizeof(*t));

    if (!sm_pep_ask_init(&t->ask, in)) {
        free(t);
        sm_refuse(in, STANZA_JID_MALFORMED, NULL);
        return NULL;
    }
    stanza_copy(&t->task.request, in->stanza);
    t->ask.request = &t->task.request;
    t->ask.payload = stanza_child(&t->task.request, 0, SPAN_NONE, SPAN_NONE);
    t->user = arena_span(&t->ask.arena, in->to.local);
    t->task.destroy = destroy;
    t->task.job.bytes = arena_held(&t->task.request.arena);
    return t;
}

/* --- answering --- */

static void write_condition(struct buf *out, const struct pubsub_ask *ask)
{
    if (!ask->refusal.condition)
        return;
    xml_raw(out, SPAN("<"));
    buf_append_z(out, ask->refusal.condition);
    xml_raw(out, SPAN(" xmlns='" NS_PUBSUB_ERRORS "'"));
    if (ask->feature)
        xml_attr(out, "feature", span_of(ask->feature));
    xml_raw(out, SPAN("/>"));
}

static enum stanza_error error_of(const struct pubsub_ask *ask, int result)
{
    if (result == PUBSUB_REFUSED)
        return ask->refusal.error;
    return result == STORE_FULL ? STANZA_RESOURCE_CONSTRAINT : STANZA_INTERNAL_SERVER_ERROR;
}

void sm_pep_refuse(struct sm_in *in, const struct pubsub_ask *ask, int result)
{
    struct buf condition = {0};
    struct sm_out out;

    if (!in->session && !in->is_from_link)
        return;
    if (result == PUBSUB_REFUSED)
        write_condition(&condition, ask);
    stanza_error_write_with(sm_out_begin(in->sm, in->session, &out), in->stanza, SPAN_NONE,
                            SPAN_NONE, error_of(ask, result), SPAN_NONE, buf_span(&condition));
    sm_out_end(&out);
    buf_free(&condition);
}

void sm_pep_answer(struct sm_in *in, const struct pubsub_ask *ask, int result)
{
    struct sm_out out;

    if (result < 0) {
        sm_pep_refuse(in, ask, result);
    } else if (buf_len(&ask->answer) == 0) {
        sm_iq_empty_result(in);
    } else {
        buf_append(sm_iq_open(in, &out), buf_span(&ask->answer));
        sm_iq_close(&out);
    }
}

/* What others publish there goes out although its user may not be there. */
static int load_blocked(struct pep_task *t, struct db *db)
{
    if (t->ask.is_owner || list_is_empty(&t->ask.events))
        return STORE_OK;
    t->absent.sm = t->task.job.sm;
    return sm_blocked_load(db, t->ask.account, &t->absent);
}

static int run(struct db *db, struct store_job *store_job)
{
    struct pep_task *t = (struct pep_task *)(void *)store_job;

    int result;

    t->ask.account = sm_account_id(db, t->user);
    if (sm_bookmarks_run(&t->ask, db, &result))
        return result;
    result = pubsub_run(&t->ask, db);
    if (result >= 0)
        result = load_blocked(t, db);
    if (result >= 0)
        result = sm_avatar_published(&t->ask, db, t->user, &t->avatar);
    return result < 0 ? result : sm_bookmarks_published(&t->ask, db);
}

static void done(struct sm_task *task, struct sm_in *in, int result)
{
    struct pep_task *t = (struct pep_task *)task;

    sm_pep_answer(in, &t->ask, result);
    if (result < 0)
        return;
    sm_pep_notify(in->sm, t->user, &t->ask, &t->absent);
    sm_avatar_show(in->sm, t->user, &t->avatar);
}

static void refuse_publish(struct sm_in *in, struct pep_task *t)
{
    sm_refuse(in, STANZA_FORBIDDEN, "no right to publish");
    destroy(&t->task);
    stanza_free(&t->task.request);
    free(t);
}

void sm_pubsub(struct sm_in *in, uint32_t payload)
{
    const bool is_reading = pubsub_is_reading(in->stanza, payload);
    struct pep_task *t = sm_pep_task_new(in);

    if (t && t->ask.is_owner && !is_reading &&
        !sm_access_allows(in->sm, SM_RIGHT_PUBLISH, in->stanza->from))
        refuse_publish(in, t);
    else if (t)
        sm_task_submit(in, is_reading ? STORE_READ : STORE_WRITE, &t->task, run, done);
}

/* --- life --- */

void sm_pep_init(struct sm *sm)
{
    sm->pep = mem_zalloc(sizeof(*sm->pep));
    sm_interest_init(sm->pep);
}

void sm_pep_free(struct sm *sm)
{
    sm_interest_free(sm->pep);
    free(sm->pep);
    sm->pep = NULL;
}
