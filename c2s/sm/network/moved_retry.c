/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * moved_retry - an error <gone/> with a record has come for what one of ours has sent: he is at
 * home elsewhere. When the record proves to be signed by that home, the stanza is made of the error
 * again and goes there (c2s/NETWORK.md).
 *
 * Its content is what the other server says that it was: so there must have been such a stanza
 * (moved_sent.c). It ends: each time the record is newer than what was known, or it is the one that
 * is known and somebody else has sent the error. Otherwise the client gets the error as it is.
 */
#include "c2s/sm/network/record.h"

#include <stdlib.h>

struct retry {
    struct sm_job job; /* first; for the record that is to be kept */
    struct sm *sm;
    struct stanza error; /* as it came */
    struct sm_home_record r;
    struct buf text;
    struct span type; /* of the stanza that it is about, in the error's arena */
    bool is_quiet;    /* it is not sent again: the client would not know the answer */
};

static bool is_kind(const struct stanza *s, struct span name)
{
    return span_eq(stanza_root(s)->name, name);
}

/* <home/> in the <error/> of s, which says <gone/>; 0: there is none. */
static uint32_t find_home(const struct stanza *s)
{
    const uint32_t error =
        span_eq(s->type, SPAN("error")) ? stanza_child(s, 0, SPAN_NONE, SPAN("error")) : 0;

    if (!error || !stanza_child(s, error, SPAN(NS_STANZA_ERRORS), SPAN("gone")))
        return 0;
    return stanza_child(s, error, SPAN(NS_NETWORK), SPAN("home"));
}

bool sm_moved_says(const struct stanza *error, struct span host)
{
    const uint32_t home = find_home(error);

    return home && host.n > 0 && span_eq(stanza_attr(error, home, SPAN("host")), host);
}

void sm_moved_strip(struct stanza *s)
{
    uint32_t error, home;

    if (!span_eq(s->type, SPAN("error")))
        return;
    for (error = stanza_child(s, 0, SPAN_NONE, SPAN("error")); error;
         error = stanza_next(s, error, SPAN_NONE, SPAN("error"))) {
        for (home = stanza_child(s, error, SPAN(NS_NETWORK), SPAN_NONE); home;
             home = stanza_next(s, home, SPAN(NS_NETWORK), SPAN_NONE))
            stanza_remove(s, home);
    }
}

/* --- what it was ------------------------------------------------------------------------------ */

/* The error becomes the stanza again, to where he is. */
static void restore(struct retry *t)
{
    struct stanza *s = &t->error;
    const struct span sender = arena_span(&s->arena, s->to);
    struct buf to = {0};

    stanza_remove(s, stanza_child(s, 0, SPAN_NONE, SPAN("error")));
    sm_moved_address(&to, &t->r, s->from);
    stanza_set_attr(s, 0, SPAN("from"), sender);
    stanza_set_attr(s, 0, SPAN("to"), buf_span(&to));
    stanza_set_attr(s, 0, SPAN("type"), span_eq(t->type, SPAN("normal")) ? SPAN_NONE : t->type);
    buf_free(&to);
}

static void retry_free(struct retry *t)
{
    stanza_free(&t->error);
    buf_free(&t->text);
}

/* To its client, as any other. */
static void deliver_error(struct retry *t)
{
    struct sm_in in = {.sm = t->sm, .stanza = &t->error, .is_from_link = true};
    struct jid_scratch scratch SM_HOT;

    if (jid_parse(t->error.to, &in.to, &scratch))
        sm_in_go_on(&in, SM_RECEIVING);
    sm_done(in.done, true);
}

static void send_here(struct retry *t)
{
    struct sm_in in = {.sm = t->sm, .stanza = &t->error, .is_from_link = true};
    struct jid_scratch scratch SM_HOT;

    restore(t);
    if (jid_parse(t->error.to, &in.to, &scratch))
        sm_in_go_on(&in, SM_RECEIVING);
    sm_done(in.done, true);
}

static void send_again(struct retry *t)
{
    struct sm *sm = t->sm;
    const struct stanza_write_opts opts = {
        .ns = SPAN(NS_COMPONENT),
        .from_ns = stanza_root(&t->error)->ns,
    };
    struct stanza before = {0};

    if (t->is_quiet) {
        deliver_error(t);
    } else if (span_eq(t->r.host, sm->opts.host)) {
        send_here(t);
    } else {
        stanza_copy(&before, &t->error);
        restore(t);
        sm_moved_note(sm, &t->error, t->error.type, t->error.from, t->error.to);
        if (!sm->link || !link_send_stanza(sm->link, &t->error, &opts, (struct link_done){0})) {
            stanza_copy(&t->error, &before);
            deliver_error(t);
        }
        stanza_free(&before);
    }
}

/* --- whether it is believed ------------------------------------------------------------------- */

/* A directory keeps what it has learnt; and that he is at home here, if he is not, must not be
 * asked of others again and again. */
static int keep_run(struct db *db, struct store_job *job)
{
    struct retry *t = (struct retry *)(void *)job;
    struct sm_home_record old;
    struct buf text = {0}, old_host = {0};
    int result = sm_record_load(db, t->r.user, &old, &text);

    if (result > 0 || (result == 0 && span_eq(t->r.host, t->sm->opts.host)))
        result = sm_record_save(db, &t->r, &old_host);
    buf_free(&text);
    buf_free(&old_host);
    return result < 0 ? result : STORE_OK;
}

static bool keep_finish(struct sm_job *job, int result)
{
    struct retry *t = (struct retry *)job;

    if (t->sm->is_closed)
        return true;
    if (result < 0)
        deliver_error(t);
    else
        send_again(t);
    return true;
}

static void keep_destroy(struct sm_job *job)
{
    retry_free((struct retry *)job);
}

static bool is_progress(const struct retry *t)
{
    const struct sm_home known = sm_home_peek(t->sm, t->r.user);

    if (known.kind == SM_HOME_HERE)
        return span_eq(t->r.host, t->sm->opts.host);
    if (known.kind != SM_HOME_AT || sm_record_beats(&t->r, known.host, known.stamp))
        return true;
    return span_eq(t->r.host, known.host) && t->r.stamp == known.stamp;
}

static void on_verified(void *ctx, bool is_good)
{
    struct retry *t = ctx;
    struct sm *sm = t->sm;

    if (!sm->is_closed && is_good && is_progress(t)) {
        sm_home_learn(sm, t->r.user, t->r.host, t->r.stamp);
        t->job.bytes = sizeof(*t) + arena_held(&t->error.arena);
        t->job.is_foreign = true;
        t->job.finish = keep_finish;
        t->job.destroy = keep_destroy;
        if (sm_job_submit(sm, STORE_WRITE, &t->job, NULL, NULL, keep_run))
            return;
    }
    if (!sm->is_closed)
        deliver_error(t);
    retry_free(t);
    free(t);
}

/* A client that knows others by their servers expects the answer of whom it has asked. */
static bool knows_answer(const struct sm_in *in)
{
    const struct sm_user *user = sm_in_user(in);
    const struct sm_session *s =
        user && !jid_is_bare(&in->to) ? sm_user_session(user, in->to.resource) : NULL;

    return s && span_eq(s->domain, in->sm->opts.network);
}

static bool is_sound(const struct sm_in *in, const struct sm_home_record *r, const struct jid *from)
{
    const struct servers *list = in->sm->net->servers;

    return span_eq(r->user, from->local) && !span_eq(r->host, from->domain) &&
           servers_has_other(list, from->domain) && servers_has(list, r->host);
}

bool sm_moved_retry(struct sm_in *in)
{
    const struct stanza *s = in->stanza;
    const uint32_t home = sm_has_network(in->sm) && in->is_from_link ? find_home(s) : 0;
    struct jid_scratch scratch SM_HOT;
    struct sm_home_record r;
    struct buf proof = {0};
    struct jid from;
    struct retry *t;
    bool is_taken = home && in->sm->net->key_wait_count < SM_KEY_WAITS_MAX &&
                    !span_is_none(in->to.local) && sm_is_local_domain(in->sm, in->to.domain) &&
                    sm_moved_is_type(s, stanza_attr(s, home, SPAN("type"))) &&
                    sm_record_read(s, home, &r, &proof) && jid_parse(s->from, &from, &scratch) &&
                    !span_is_none(from.local) && is_sound(in, &r, &from) &&
                    sm_moved_take(in->sm, s, stanza_attr(s, home, SPAN("type")));

    if (is_taken) {
        t = mem_zalloc(sizeof(*t));
        t->sm = in->sm;
        stanza_copy(&t->error, s);
        sm_record_copy(&t->r, &t->text, &r);
        t->type = arena_span(&t->error.arena, stanza_attr(s, home, SPAN("type")));
        t->is_quiet = is_kind(s, SPAN("iq")) && !knows_answer(in);
        sm_record_verify(in->sm, &t->r, on_verified, t);
    }
    buf_free(&proof);
    return is_taken;
}
