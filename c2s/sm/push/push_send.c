/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * push_send - notifications on their way to the services, one at a time for each registration, and
 * what the services say to them (XEP-0357 7).
 *
 *   RESTING -> ASKING          sent; its answer, or 30 s without one, ends that
 *           -> WAITING         not so fast, or not so soon after a failure; then it is sent
 *
 * What comes while one is under way or waits goes into the next. A target, of a registration that
 * has been notified lately, lives where the user is owned or, when nobody owns him, where his
 * messages are stored; it is forgotten after a while without work. An answer is to the account: it
 * is matched by its id, which has the registration's number, and by the service that it comes from.
 */
#include "c2s/sm/access.h"
#include "c2s/sm/push/push.h"
#include "xml/parser.h"
#include "xmpp/form.h"

#include <stdio.h>
#include <stdlib.h>

#define ANSWER_MS 30000
#define REST_MS 20000 /* no less than the bucket takes to fill */
#define PER_SECOND 1
#define BURST 5
#define RETRY_MS 10000 /* after the first failure; doubled with each */
#define RETRY_MAX_MS 3600000

#define ID_PREFIX "notify-"

enum target_state { RESTING, WAITING, ASKING };

struct target {
    struct sm *sm;
    enum target_state state;
    struct push_reg *reg; /* a copy */
    unsigned count;       /* messages that the service has not been told of, or not taken */
    unsigned sent;        /* of these, in the notification that is under way */
    uint64_t serial;      /* of that */
    struct buf sender, body; /* of the last message; empty: not to be told */
    struct rate rate;
    struct timer timer;
    size_t name_n, key_n;
    char key[]; /* name, LF, number of the registration */
};

struct sm_push {
    struct map targets;
    struct stanza stanza;
};

/* --- targets ---------------------------------------------------------------------------------- */

static struct span name_of(const struct target *t)
{
    return span_make(t->key, t->name_n);
}

static struct target *target_find(const struct sm *sm, struct span name, int64_t id)
{
    char key[JID_PART_MAX + 32];
    int n = snprintf(key, sizeof(key), "%.*s\n%lld", SPAN_ARG(name), (long long)id);

    return sm->push ? map_get(&sm->push->targets, span_make(key, (size_t)n)) : NULL;
}

static struct target *target_new(struct sm *sm, struct span name, const struct push_reg *reg)
{
    struct target *t;

    if (!sm->push)
        sm->push = mem_zalloc(sizeof(*sm->push));
    if (sm->push->targets.count >= PUSH_MAX_TARGETS) {
        LOG(LOG_WARN, "sm.push_full", F_SPAN("user", name), F_SPAN("service", reg->jid));
        return NULL;
    }
    t = mem_zalloc(sizeof(*t) + name.n + 32);
    t->sm = sm;
    t->name_n = name.n;
    t->key_n = (size_t)snprintf(t->key, name.n + 32, "%.*s\n%lld", SPAN_ARG(name),
                                (long long)reg->id);
    t->reg = sm_push_copy(reg);
    rate_init(&t->rate, PER_SECOND, BURST, loop_now(sm->loop));
    map_put(&sm->push->targets, span_make(t->key, t->key_n), t);
    return t;
}

static void target_free(struct target *t)
{
    map_remove(&t->sm->push->targets, span_make(t->key, t->key_n));
    timer_stop(&t->timer);
    sm_push_list_free(&t->reg);
    buf_free(&t->sender);
    buf_free(&t->body);
    free(t);
}

void sm_push_close(struct sm *sm)
{
    struct target *t;
    size_t cursor = 0;

    if (!sm->push)
        return;
    while ((t = map_next(&sm->push->targets, &cursor)) != NULL)
        target_free(t);
    map_free(&sm->push->targets);
    stanza_free(&sm->push->stanza);
    free(sm->push);
    sm->push = NULL;
}

/* --- notifications ---------------------------------------------------------------------------- */

static void write_summary(struct buf *xml, const struct target *t)
{
    char count[16];

    snprintf(count, sizeof(count), "%u", t->count);
    form_write_begin(xml, "submit", SPAN("urn:xmpp:push:summary"));
    form_write_field(xml, "message-count", NULL, NULL, span_of(count));
    if (buf_len(&t->sender))
        form_write_field(xml, "last-message-sender", NULL, NULL, buf_span(&t->sender));
    if (buf_len(&t->body))
        form_write_field(xml, "last-message-body", NULL, NULL, buf_span(&t->body));
    form_write_end(xml);
}

static void write_iq(struct buf *xml, const struct target *t)
{
    const struct push_reg *reg = t->reg;

    xml_raw(xml, SPAN("<iq type='set'"));
    xml_attr(xml, "to", reg->jid);
    xml_raw(xml, SPAN(" from='"));
    xml_value(xml, name_of(t));
    xml_raw(xml, SPAN("@"));
    xml_value(xml, reg->domain);
    buf_printf(xml, "' id='" ID_PREFIX "%lld-%llu'>", (long long)reg->id,
               (unsigned long long)t->serial);
    xml_raw(xml, SPAN("<pubsub xmlns='" NS_PUBSUB "'><publish"));
    if (reg->node.n)
        xml_attr(xml, "node", reg->node);
    xml_raw(xml, SPAN("><item><notification xmlns='" NS_PUSH "'>"));
    write_summary(xml, t);
    xml_raw(xml, SPAN("</notification></item></publish>"));
    if (reg->options.n) {
        xml_raw(xml, SPAN("<publish-options>"));
        buf_append(xml, reg->options);
        xml_raw(xml, SPAN("</publish-options>"));
    }
    xml_raw(xml, SPAN("</pubsub></iq>"));
}

static void on_timer(void *ctx);

static void enter(struct target *t, enum target_state state, uint64_t ms)
{
    t->state = state;
    timer_start(&t->timer, t->sm->loop, ms, on_timer, t);
}

/* The next message is the first again. */
static void rest(struct target *t)
{
    t->count = t->sent = 0;
    enter(t, RESTING, REST_MS);
}

static void send_now(struct target *t)
{
    struct sm *sm = t->sm;
    struct stanza *s = &sm->push->stanza;
    struct buf xml = {0};
    bool is_made;

    if (!sm_is_linked(sm) && !sm_is_local_domain(sm, jid_domain_of(t->reg->jid))) {
        enter(t, WAITING, RETRY_MS);
        return;
    }
    t->serial = ++sm->serial;
    t->sent = t->count;
    enter(t, ASKING, ANSWER_MS);
    write_iq(&xml, t);
    is_made = xml_parse_stanza(xml_parser_shared(SPAN(NS_CLIENT)), buf_span(&xml), s) == XML_OK;
    buf_free(&xml);
    if (is_made && sm_access_allows(sm, SM_RIGHT_PUSH, s->from))
        sm_send_notice(sm, s, t->reg->jid);
    else
        rest(t);
}

static void send_or_wait(struct target *t)
{
    uint64_t wait = rate_take(&t->rate, 1, loop_now(t->sm->loop));

    if (wait > 0)
        enter(t, WAITING, wait);
    else
        send_now(t);
}

static void go_on(struct target *t)
{
    if (t->count > 0)
        send_or_wait(t);
    else
        rest(t);
}

static void take_note(struct buf *kept, struct span text)
{
    buf_clear(kept);
    if (text.n)
        buf_append(kept, text);
}

/* While there is something under way, the target knows best how that failed. */
static void update(struct target *t, const struct push_reg *reg)
{
    struct push_reg *copy = sm_push_copy(reg);

    if (t->state != RESTING)
        copy->failures = t->reg->failures;
    sm_push_list_free(&t->reg);
    t->reg = copy;
}

void sm_push_send(struct sm *sm, struct span name, const struct push_reg *reg,
                  const struct push_note *note)
{
    struct target *t = target_find(sm, name, reg->id);
    char text[JID_TEXT_MAX];

    if (sm->is_closed || (!t && !(t = target_new(sm, name, reg))))
        return;
    update(t, reg);
    t->count++;
    take_note(&t->sender, sm_edge_shown_away(sm, note->sender, reg->domain, text));
    take_note(&t->body, note->body);
    if (t->state == RESTING)
        send_or_wait(t);
}

void sm_push_forget(struct sm *sm, struct span name, int64_t id)
{
    struct target *t = target_find(sm, name, id);

    if (!t)
        return;
    t->count = t->sent = 0;
    if (t->state == WAITING)
        rest(t);
}

/* --- the store ---------------------------------------------------------------------------------
 *
 * Whether a registration is still there is asked before a second attempt of what its owner does not
 * look after; how it has failed is written down. */

struct visit {
    struct sm_job job; /* first */
    int64_t id, failures; /* failures < 0: read only; too many: it is removed */
    struct push_reg *list; /* afterwards */
    size_t name_n;
    char name[];
};

static int visit_run(struct db *db, struct store_job *store_job)
{
    struct visit *v = (struct visit *)(void *)store_job;
    const int64_t account = sm_account_id(db, span_make(v->name, v->name_n));
    int result = STORE_OK;

    if (v->failures > PUSH_MAX_FAILURES)
        result = sm_push_remove_id(db, account, v->id);
    else if (v->failures >= 0)
        result = sm_push_set_failures(db, account, v->id, v->failures);
    return result < 0 ? result : sm_push_read(db, account, &v->list);
}

void sm_push_update(struct sm *sm, struct span name, struct push_reg **list)
{
    struct sm_user *user = sm_user_owned(sm, name);
    struct push_reg *old;

    if (!user) {
        sm_owner_tell(sm, name, "changed");
        return;
    }
    old = user->profile->push;
    user->profile->push = *list;
    *list = NULL;
    for (const struct push_reg *reg = old; reg; reg = reg->next) {
        if (!sm_push_find_id(user->profile->push, reg->id))
            sm_push_forget(sm, name, reg->id);
    }
    sm_push_list_free(&old);
}

static bool visit_finish(struct sm_job *job, int result)
{
    struct visit *v = (struct visit *)job;
    struct span name = span_make(v->name, v->name_n);
    struct target *t = job->sm->is_closed ? NULL : target_find(job->sm, name, v->id);
    const struct push_reg *reg = sm_push_find_id(v->list, v->id);

    if (t && t->state == WAITING && v->failures < 0) {
        if (result < 0 || reg)
            send_or_wait(t);
        else
            target_free(t);
    }
    if (v->failures >= 0 && result >= 0 && !job->sm->is_closed)
        sm_push_update(job->sm, name, &v->list);
    return true;
}

static void visit_destroy(struct sm_job *job)
{
    sm_push_list_free(&((struct visit *)job)->list);
}

/* When the store has too much to do, it is left at that. */
static void visit(struct sm *sm, struct span name, int64_t id, int64_t failures)
{
    struct visit *v = mem_zalloc(sizeof(*v) + name.n);

    memcpy(v->name, name.p, name.n);
    v->name_n = name.n;
    v->id = id;
    v->failures = failures;
    v->job.bytes = sizeof(*v) + PUSH_MAX_OPTIONS;
    v->job.is_foreign = true;
    v->job.finish = visit_finish;
    v->job.destroy = visit_destroy;
    if (sm_job_submit(sm, failures < 0 ? STORE_READ : STORE_WRITE, &v->job,
                      sm_user_find(sm, name), NULL, visit_run))
        return;
    free(v);
}

/* --- what happens to them --------------------------------------------------------------------- */

/* The time to wait after a failure is over. */
static void try_again(struct target *t)
{
    struct sm_user *user = sm_user_owned(t->sm, name_of(t));
    const struct push_reg *reg;

    if (!user) {
        enter(t, WAITING, ANSWER_MS);
        visit(t->sm, name_of(t), t->reg->id, -1);
        return;
    }
    reg = sm_push_find_id(user->profile->push, t->reg->id);
    if (!reg || sm_push_has_client(user, reg))
        target_free(t);
    else
        send_or_wait(t);
}

static void on_timer(void *ctx)
{
    struct target *t = ctx;

    switch (t->state) {
    case RESTING:
        target_free(t);
        break;
    case WAITING:
        if (t->reg->failures > 0)
            try_again(t);
        else
            send_or_wait(t);
        break;
    case ASKING: /* no word: it may have come */
        LOG(LOG_DEBUG, "sm.push_unanswered", F_SPAN("service", t->reg->jid));
        t->count -= t->sent;
        go_on(t);
        break;
    }
}

/* What passes by itself: the service, or the way to it, is not there, or has too much to do. */
static bool is_temporary(const struct stanza *s)
{
    static const enum stanza_error temporary[] = {
        STANZA_INTERNAL_SERVER_ERROR, STANZA_RECIPIENT_UNAVAILABLE, STANZA_REMOTE_SERVER_NOT_FOUND,
        STANZA_REMOTE_SERVER_TIMEOUT, STANZA_RESOURCE_CONSTRAINT,   STANZA_SERVICE_UNAVAILABLE,
    };
    uint32_t error = stanza_child(s, 0, SPAN_NONE, SPAN("error"));
    uint32_t condition = error ? stanza_child(s, error, SPAN(NS_STANZA_ERRORS), SPAN_NONE) : 0;

    if (!error || span_eq(stanza_attr(s, error, SPAN("type")), SPAN("wait")))
        return true;
    for (size_t i = 0; condition && i < ARRAY_LEN(temporary); i++) {
        if (stanza_error_parse(s->nodes[condition].name) == temporary[i])
            return true;
    }
    return false;
}

static void disable(struct sm *sm, struct span name, const struct push_reg *reg)
{
    LOG(LOG_INFO, "sm.push_disabled", F_SPAN("user", name), F_SPAN("service", reg->jid));
    visit(sm, name, reg->id, PUSH_MAX_FAILURES + 1);
}

static void on_failure(struct target *t, const struct stanza *answer)
{
    int64_t failures = ++t->reg->failures;
    uint64_t wait = RETRY_MS;

    if (!is_temporary(answer) || failures > PUSH_MAX_FAILURES) {
        disable(t->sm, name_of(t), t->reg);
        target_free(t);
        return;
    }
    for (int64_t i = 1; i < failures && wait < RETRY_MAX_MS; i++)
        wait *= 2;
    visit(t->sm, name_of(t), t->reg->id, failures);
    if (t->count == 0)
        rest(t); /* the client is back */
    else
        enter(t, WAITING, wait < RETRY_MAX_MS ? wait : RETRY_MAX_MS);
}

static void on_success(struct target *t)
{
    if (t->reg->failures > 0)
        visit(t->sm, name_of(t), t->reg->id, 0);
    t->reg->failures = 0;
    t->count -= t->sent;
    go_on(t);
}

/* --- answers ---------------------------------------------------------------------------------- */

/* "notify-12-345" */
static bool read_id(struct span id, uint64_t *reg_r, uint64_t *serial_r)
{
    static const struct span prefix = SPAN_INIT(ID_PREFIX);
    struct span rest;
    size_t dash;

    if (!span_starts(id, prefix))
        return false;
    rest = span_from(id, prefix.n);
    dash = span_index(rest, '-');
    return dash < rest.n && span_to_u64(span_make(rest.p, dash), INT64_MAX, reg_r) &&
           span_to_u64(span_from(rest, dash + 1), UINT64_MAX, serial_r);
}

/* To one that another instance has sent for him. Who says no is believed: it is about itself. */
static void take_stray(struct sm_in *in, int64_t id, struct span from)
{
    const struct sm_user *user = sm_in_user(in);
    const struct push_reg *reg = user ? sm_push_find_id(user->profile->push, id) : NULL;

    if (reg && span_eq(reg->jid, from) && span_eq(in->stanza->type, SPAN("error")) &&
        !is_temporary(in->stanza))
        disable(in->sm, user->name, reg);
}

bool sm_push_answer(struct sm_in *in)
{
    struct jid_scratch scratch;
    uint64_t id, serial;
    struct target *t;
    struct jid from;

    if (span_is_none(in->to.local) || !read_id(in->stanza->id, &id, &serial))
        return false;
    if (!jid_parse(in->stanza->from, &from, &scratch))
        return true;
    t = target_find(in->sm, in->to.local, (int64_t)id);
    if (!t || t->state != ASKING || t->serial != serial)
        take_stray(in, (int64_t)id, from.full);
    else if (!span_eq(t->reg->jid, from.full))
        return true; /* not whom we have asked */
    else if (span_eq(in->stanza->type, SPAN("result")))
        on_success(t);
    else
        on_failure(t, in->stanza);
    return true;
}
