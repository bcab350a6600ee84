/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * moved - a user of ours who has registered elsewhere: his account is set aside, and what still
 * comes for him is refused with the record of his new home (c2s/NETWORK.md).
 *
 * Called by directory.c and publish.c, which learn of it, and by those who would refuse a stanza as
 * to nobody (offline.c, iq.c, subscribe.c, probe.c). moved_retry.c is the other end.
 */
#include "c2s/sm/contacts/contacts.h"
#include "c2s/sm/network/record.h"

#include "xml/parser.h"

#include <stdio.h>
#include <stdlib.h>

/* --- going ------------------------------------------------------------------------------------ */

struct away {
    struct sm_job job; /* first */
    struct sm_home_record r;
    struct buf text;
    int64_t now;
};

/* 1: he had an account here until now. */
static int away_run(struct db *db, struct store_job *job)
{
    struct away *a = (struct away *)(void *)job;
    struct db_stmt *st = db_sql(db, "SELECT created FROM account WHERE name = ?1");
    struct buf old = {0};
    int64_t created = 0;
    int got, result;

    db_bind_text(st, 1, a->r.user);
    got = db_step(st);
    if (got > 0)
        created = db_int(st, 0);
    db_reset(st);
    if (got <= 0 || !sm_record_beats(&a->r, a->job.sm->opts.host, created))
        return got < 0 ? got : 0;
    result = sm_moved_set_aside(db, a->r.user, a->now);
    if (result >= 0)
        result = sm_record_save(db, &a->r, &old);
    buf_free(&old);
    return result < 0 ? result : 1;
}

static bool away_finish(struct sm_job *job, int result)
{
    struct away *a = (struct away *)job;
    struct sm *sm = job->sm;

    if (result < 0)
        LOG(LOG_WARN, "network.set_aside_failed", F_SPAN("user", a->r.user));
    if (result <= 0)
        return true;
    LOG(LOG_INFO, "network.moved_away", F_SPAN("user", a->r.user), F_SPAN("home", a->r.host));
    if (!sm_has_network(sm))
        return true;
    sm->net->counts.moved++;
    sm_user_moved(sm, a->r.user, a->r.host);
    sm_home_on_account(sm, a->r.user, false);
    sm_home_learn(sm, a->r.user, a->r.host, a->r.stamp);
    sm_moved_look(sm);
    return true;
}

static void away_destroy(struct sm_job *job)
{
    buf_free(&((struct away *)job)->text);
}

const char *sm_moved_text(struct span host, char text[SM_MOVED_TEXT])
{
    snprintf(text, SM_MOVED_TEXT, "this account is at home at %.*s now",
             host.n < 256 ? (int)host.n : 256, host.p);
    return text;
}

void sm_moved_away(struct sm *sm, const struct sm_home_record *r)
{
    struct away *a = mem_zalloc(sizeof(*a));

    sm_record_copy(&a->r, &a->text, r);
    a->now = loop_wall(sm->loop);
    a->job.bytes = sizeof(*a) + buf_len(&a->text);
    a->job.finish = away_finish;
    a->job.destroy = away_destroy;
    sm_job_start(sm, STORE_WRITE, &a->job, NULL, NULL, away_run);
}

struct judge {
    struct sm *sm;
    struct sm_home_record r;
    struct buf text;
};

/* Why it is not believed; NULL: it is. */
static const char *fault_of(const struct judge *j, const struct server_key *key)
{
    if (!sm_record_is_sound(j->sm, &j->r))
        return "a time in the future";
    if (j->r.proof.n == 0)
        return "not signed";
    if (!key)
        return "the key of that home cannot be had";
    return sm_record_is_signed(&j->r, key) ? NULL : "not signed by that home";
}

/* The same record is told and found again and again, until somebody mends its cause. */
static void log_unproved(const struct judge *j, const char *reason)
{
    struct buf cause = {0};

    buf_append(&cause, j->r.host);
    buf_append_char(&cause, '\n');
    buf_append_u64(&cause, (uint64_t)j->r.stamp);
    buf_append_z(&cause, reason);
    if (sm_is_news(j->sm, "unproved_move", j->r.user, buf_span(&cause)))
        LOG(LOG_WARN, "network.unproved_move", F_SPAN("user", j->r.user),
            F_SPAN("home", j->r.host), F_STR("reason", reason));
    buf_free(&cause);
}

static void on_judge_key(void *ctx, const struct server_key *key)
{
    struct judge *j = ctx;
    const char *fault = j->sm->is_closed ? NULL : fault_of(j, key);

    if (fault) {
        log_unproved(j, fault);
    } else if (!j->sm->is_closed) {
        sm_is_over(j->sm, "unproved_move", j->r.user);
        sm_moved_away(j->sm, &j->r);
    }
    buf_free(&j->text);
    free(j);
}

void sm_moved_judge(struct sm *sm, const struct sm_home_record *r)
{
    struct judge *j = mem_zalloc(sizeof(*j));

    j->sm = sm;
    sm_record_copy(&j->r, &j->text, r);
    sm_record_key(sm, j->r.host, on_judge_key, j);
}

/* --- what comes for who is not here ----------------------------------------------------------- */

struct refuse {
    struct sm_task task; /* first */
    struct span user;    /* in the request's arena */
    struct sm_home_record r;
    struct buf text;
};

enum { REFUSE_UNKNOWN = 0, REFUSE_MOVED = 1, REFUSE_HERE = 2 };

static int refuse_run(struct db *db, struct store_job *job)
{
    struct refuse *f = (struct refuse *)(void *)job;
    int result;

    if (sm_account_id(db, f->user))
        return REFUSE_HERE;
    result = sm_record_load(db, f->user, &f->r, &f->text);
    return result > 0 && !span_eq(f->r.host, f->task.job.sm->opts.host) ? REFUSE_MOVED
                                                                        : REFUSE_UNKNOWN;
}

static bool is_kind(const struct stanza *s, struct span name)
{
    return span_eq(stanza_root(s)->name, name);
}

/* As of somebody of whom nothing is known. */
static void refuse_unknown(struct sm_in *in)
{
    const struct stanza *s = in->stanza;

    if (is_kind(s, SPAN("iq")))
        sm_iq_refuse_stranger(in);
    else if (is_kind(s, SPAN("message")))
        sm_refuse(in, STANZA_SERVICE_UNAVAILABLE, NULL);
    else if (span_eq(s->type, SPAN("subscribe")) || span_eq(s->type, SPAN("probe")))
        sm_presence_notice(in->sm, in->to.bare, jid_bare_of(s->from), "unsubscribed");
}

/* Outside of the network one learns it by writing to him or by wanting to see him only: by nothing
 * that asks whether he exists. */
static bool may_know(const struct sm_in *in, bool is_member)
{
    return is_member || is_kind(in->stanza, SPAN("message")) ||
           span_eq(in->stanza->type, SPAN("subscribe"));
}

static void refuse_gone(struct sm_in *in, const struct sm_home_record *r, bool is_member)
{
    struct sm_out out;
    struct buf *buf = sm_out_begin_to(in->sm, in->stanza->from, &out);

    in->sm->net->counts.gone++;
    sm_moved_write_gone(in->sm, buf, out.ns, in->stanza, r, is_member);
    sm_out_end(&out);
}

/* His server has been removed from the table, or disabled. He may be back with it: subscriptions
 * stay, and nobody is sent to an address that leads nowhere. */
static void refuse_left(struct sm_in *in)
{
    if (is_kind(in->stanza, SPAN("message")) || sm_moved_is_local(in->sm, in->stanza->from))
        sm_refuse(in, STANZA_REMOTE_SERVER_NOT_FOUND,
                  "the server of this user does not take part in the network now");
    else
        refuse_unknown(in);
}

static void pass_on(struct sm_in *in, const struct sm_home_record *r)
{
    struct jid_scratch scratch SM_HOT;
    struct buf to = {0};

    sm_moved_address(&to, r, in->stanza->to);
    if (jid_parse(buf_span(&to), &in->to, &scratch))
        sm_send_to_router(in);
    buf_free(&to);
}

/* Who is of ours does not hear of it: it goes to the new home. */
static void refuse_done(struct sm_task *task, struct sm_in *in, int result)
{
    struct refuse *f = (struct refuse *)task;
    struct sm *sm = in->sm;

    if (sm_has_network(sm) && result == REFUSE_HERE &&
        sm_home_peek(sm, f->user).kind == SM_HOME_AT) {
        sm_home_on_account(sm, f->user, true); /* another instance has made his account */
        sm_in_go_on(in, SM_RECEIVING);
        return;
    }
    if (result != REFUSE_MOVED || !sm_has_network(sm)) {
        refuse_unknown(in);
        return;
    }
    const bool is_member = sm_moved_is_member(sm, in->stanza->from);
    const bool is_reached = servers_has_other(sm->net->servers, f->r.host);
    if (sm_moved_is_local(sm, in->stanza->from) && is_reached) {
        sm_home_learn(sm, f->r.user, f->r.host, f->r.stamp);
        pass_on(in, &f->r);
    } else if (!is_reached && !is_member && !is_kind(in->stanza, SPAN("presence"))) {
        refuse_left(in);
    } else if (may_know(in, is_member)) {
        refuse_gone(in, &f->r, is_member);
    } else {
        refuse_unknown(in);
    }
}

static void refuse_destroy(struct sm_task *task)
{
    buf_free(&((struct refuse *)task)->text);
}

/* Presence that somebody waits for an answer to, or that must not be lost. */
static bool is_refusable(const struct stanza *s)
{
    static const struct span types[] = {
        SPAN_INIT("subscribe"),    SPAN_INIT("subscribed"), SPAN_INIT("unsubscribe"),
        SPAN_INIT("unsubscribed"), SPAN_INIT("probe"),
    };

    if (!is_kind(s, SPAN("presence")))
        return stanza_may_answer_error(stanza_root(s)->name, s->type);
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        if (span_eq(s->type, types[i]))
            return true;
    }
    return false;
}

static void refuse(struct sm_in *in)
{
    struct refuse *f = mem_zalloc(sizeof(*f));

    stanza_copy(&f->task.request, in->stanza);
    f->user = arena_span(&f->task.request.arena, in->to.local);
    f->task.destroy = refuse_destroy;
    sm_task_submit(in, STORE_READ, &f->task, refuse_run, refuse_done);
}

/* Until it is known who has sent it: one of ours, or at which server he is. */
struct unnamed {
    struct sm *sm;
    struct stanza stanza;
    struct buf to; /* in->to */
    struct link_done done;
    bool is_from_link, is_by_network, is_told;
};

static void on_sender(void *ctx, struct span domain)
{
    struct unnamed *u = ctx;
    struct sm_in in = {
        .sm = u->sm,
        .stanza = &u->stanza,
        .done = u->done,
        .is_from_link = u->is_from_link,
        .is_by_network = u->is_by_network,
    };
    struct jid_scratch scratch SM_HOT;

    u->is_told = true;
    sm_moved_name(u->sm, &u->stanza, domain);
    if (jid_parse(buf_span(&u->to), &in.to, &scratch))
        refuse(&in);
    sm_done(in.done, true);
}

/* Nobody knows him: then it stays as it is. */
static void unnamed_free(void *ctx)
{
    struct unnamed *u = ctx;

    if (!u->is_told && u->sm->is_closed)
        sm_done(u->done, false);
    else if (!u->is_told)
        on_sender(u, u->sm->opts.host);
    stanza_free(&u->stanza);
    buf_free(&u->to);
    free(u);
}

static void name_sender(struct sm_in *in)
{
    const struct span from = in->stanza->from;
    struct unnamed *u = mem_zalloc(sizeof(*u));

    u->sm = in->sm;
    stanza_copy(&u->stanza, in->stanza);
    u->stanza.from = arena_span(&u->stanza.arena, from);
    buf_append(&u->to, in->to.full);
    u->is_from_link = in->is_from_link;
    u->is_by_network = in->is_by_network;
    u->done = sm_in_take_done(in);
    sm_edge_address(in->sm, span_make(u->stanza.from.p, span_index(from, '@')), on_sender,
                    unnamed_free, u);
}

bool sm_moved_refuse(struct sm_in *in)
{
    if (!sm_has_network(in->sm) || in->is_again || span_is_none(in->to.local) ||
        !is_refusable(in->stanza))
        return false;
    if (!in->session && sm_moved_is_unnamed(in->sm, in->stanza->from))
        name_sender(in);
    else
        refuse(in);
    return true;
}

bool sm_moved_refuse_text(struct sm *sm, struct span text, struct link_done *done)
{
    struct stanza stanza = {0};
    struct sm_in in = {.sm = sm, .stanza = &stanza, .is_from_link = true, .done = *done};
    struct jid_scratch scratch SM_HOT;
    bool is_taken = false;

    if (sm_has_network(sm) &&
        xml_parse_stanza(xml_parser_shared(SPAN(NS_CLIENT)), text, &stanza) == XML_OK &&
        jid_parse(stanza.to, &in.to, &scratch))
        is_taken = sm_moved_refuse(&in);
    *done = in.done;
    stanza_free(&stanza);
    return is_taken;
}
