/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * publish - our users' homes are told to their directories (c2s/NETWORK.md).
 *
 * Each other member is told of the users of ours whose directory it is, in batches, in the order of
 * their accounts: what is new is what comes behind the last one told. When the set of members
 * changes all is told anew. The same way a former home is told that its user has come to us.
 *
 * A member that does not answer is told again later, with a growing pause. Signing takes a while,
 * so it is done a few records at a time.
 */
#include "c2s/sm/network/publish.h"

#include <stdlib.h>

#define SOON_MS 20          /* accounts that are made one after the other are told together */
#define LOOK_MS (60 * 1000) /* other instances make accounts, too */
#define SIGN_BATCH 8
#define SIGN_PAUSE_MS 5
#define PARALLEL 4 /* members that are told at the same time */
#define PAUSE_MIN_MS 5000
#define PAUSE_MAX_MS (120 * 1000)
#define TEXT_MAX 200 /* of what another server says is logged */

/* One other member. */
struct target {
    struct list_node node;
    struct sm_publisher *all;
    bool is_dirty;  /* there may be something to tell it */
    bool is_busy;   /* it is being told */
    bool is_in_job; /* the batch is the store's */
    struct publish_batch *batch;
    struct sm_question *question;
    struct timer wait; /* until it is told again, or more is signed */
    uint64_t pause;
    size_t n;
    char host[];
};

struct sm_publisher {
    struct sm *sm;
    struct list_node targets;
    size_t busy;
    uint64_t set; /* of the table that the targets are of */
    struct timer look;
};

static void go(struct sm_publisher *p);
static void load(struct target *t);

static struct span host_of(const struct target *t)
{
    return span_make(t->host, t->n);
}

/* --- one member is done with, for now --------------------------------------------------------- */

static void batch_drop(struct target *t)
{
    if (!t->is_in_job)
        publish_batch_free(&t->batch);
    t->batch = NULL; /* the job's is freed when that has run */
    t->is_in_job = false;
    sm_question_drop(&t->question);
}

static void leave(struct target *t)
{
    batch_drop(t);
    t->is_busy = false;
    t->all->busy--;
}

static void on_pause(void *ctx)
{
    struct target *t = ctx;

    t->is_dirty = true;
    go(t->all);
}

static void again(struct target *t, uint64_t ms)
{
    leave(t);
    timer_start(&t->wait, t->all->sm->loop, ms, on_pause, t);
    go(t->all);
}

static void fail(struct target *t, const char *reason)
{
    t->pause = t->pause ? t->pause * 2 : PAUSE_MIN_MS;
    if (t->pause > PAUSE_MAX_MS)
        t->pause = PAUSE_MAX_MS;
    LOG(LOG_INFO, "network.publish_failed", F_SPAN("peer", host_of(t)), F_STR("reason", reason),
        F_INT("retry_ms", t->pause));
    again(t, t->pause);
}

static void all_dirty(struct sm_publisher *p)
{
    LIST_FOR_EACH(node, &p->targets)
    CONTAINER_OF(node, struct target, node)->is_dirty = true;
}

/* --- a batch, from the store to the member ---------------------------------------------------- */

/* Whose batch it is; NULL: of nobody any more, and freed. */
static struct target *target_of(struct sm *sm, struct publish_batch *b)
{
    if (!sm->is_closed && sm_has_network(sm) && sm->net->publisher) {
        LIST_FOR_EACH(node, &sm->net->publisher->targets)
        {
            struct target *t = CONTAINER_OF(node, struct target, node);
            if (t->batch == b) {
                t->is_in_job = false;
                return t;
            }
        }
    }
    publish_batch_free(&b);
    return NULL;
}

static void on_told(struct sm *sm, struct publish_batch *b, int result)
{
    struct target *t = target_of(sm, b);

    if (!t)
        return;
    if (result < 0) {
        fail(t, "the store has failed");
        return;
    }
    sm->net->counts.published += b->count;
    LOG(LOG_DEBUG, "network.published", F_SPAN("peer", host_of(t)), F_INT("users", b->count),
        F_INT("last", b->is_last), F_INT("members", servers_members(sm->net->servers)));
    sm_is_over(sm, "publish_refused", host_of(t));
    t->pause = 0;
    t->is_dirty |= !b->is_last;
    if (b->has_new_former)
        all_dirty(t->all);
    leave(t);
    go(t->all);
}

static void told(struct target *t)
{
    t->is_in_job = true;
    publish_told(t->batch, on_told);
}

/* What speaks against our record: a newer one; or an older one, which was in its place. */
static void contradicted(struct target *t, const struct sm_home_record *r)
{
    struct publish_batch *b = t->batch;
    struct sm *sm = t->all->sm;

    for (size_t i = 0; i < b->count; i++) {
        const struct sm_home_record *own = &b->records[i];
        if (!span_eq(own->user, r->user) || span_eq(own->host, r->host))
            continue;
        if (sm_record_beats(r, own->host, own->stamp))
            sm_moved_judge(sm, r);
        else if (servers_has_other(sm->net->servers, r->host))
            publish_add_former(b, r->user, r->host);
        return;
    }
}

/* What it says about that is for who keeps this server: a clock, a key, a limit. result NULL:
 * nothing. */
static void refused(struct target *t, enum stanza_error e, const struct stanza *result)
{
    const struct span ns = SPAN(NS_STANZA_ERRORS);
    const uint32_t error = result ? stanza_child(result, 0, SPAN_NONE, SPAN("error")) : 0;
    const uint32_t node = error ? stanza_child(result, error, ns, SPAN("text")) : 0;
    struct span text = node ? result->nodes[result->nodes[node].first].text : SPAN_NONE;

    if (text.n > TEXT_MAX)
        text.n = TEXT_MAX;
    if (text.n > 0 && sm_is_news(t->all->sm, "publish_refused", host_of(t), text))
        LOG(LOG_WARN, "network.publish_refused", F_SPAN("peer", host_of(t)),
            F_STR("cond", stanza_error_name(e)), F_SPAN("text", text));
    fail(t, stanza_error_name(e));
}

static void on_answer(void *ctx, enum stanza_error e, const struct stanza *result, uint32_t payload)
{
    const struct span ns = SPAN(NS_NETWORK), home = SPAN("home");
    struct target *t = ctx;
    struct sm_home_record r;
    struct buf scratch = {0};

    t->question = NULL;
    if (e) {
        refused(t, e, result);
        return;
    }
    for (uint32_t c = payload ? stanza_child(result, payload, ns, home) : 0; c;
         c = stanza_next(result, c, ns, home)) {
        if (sm_record_read(result, c, &r, &scratch))
            contradicted(t, &r);
    }
    buf_free(&scratch);
    told(t);
}

static void ask(struct target *t)
{
    const struct publish_batch *b = t->batch;
    struct sm *sm = t->all->sm;
    struct buf out = {0};

    xml_raw(&out, SPAN("<homes xmlns='" NS_NETWORK "' servers='"));
    buf_append_u64(&out, servers_set(b->servers));
    xml_raw(&out, b->is_last ? SPAN("' last='true'>") : SPAN("'>"));
    for (size_t i = 0; i < b->count; i++)
        sm_record_write(&out, &b->records[i]);
    xml_raw(&out, SPAN("</homes>"));
    t->question =
        sm_question_ask(sm, b->host, true, buf_span(&out), sm->opts.net.deadline, on_answer, t);
    buf_free(&out);
    if (!t->question)
        fail(t, "it cannot be asked");
}

static void on_saved(struct sm *sm, struct publish_batch *b, int result)
{
    struct target *t = target_of(sm, b);

    if (t && result < 0)
        fail(t, "the store has failed");
    else if (t)
        ask(t);
}

static void sign_some(void *ctx)
{
    struct target *t = ctx;
    struct publish_batch *b = t->batch;
    struct sm *sm = t->all->sm;
    struct buf proof = {0};
    size_t signed_now = 0;
    bool is_unsaved = false;

    for (size_t i = 0; i < b->count; i++) {
        struct sm_home_record *r = &b->records[i];
        is_unsaved |= b->is_unsaved[i];
        if (!b->is_unsaved[i] || r->proof.n > 0 || !sm->net->signer)
            continue;
        if (signed_now++ == SIGN_BATCH) {
            timer_start(&t->wait, sm->loop, SIGN_PAUSE_MS, sign_some, t);
            buf_free(&proof);
            return;
        }
        sm_record_sign(sm, r->user, r->stamp, &proof);
        if (buf_len(&proof) > 0)
            r->proof = arena_span(&b->arena, buf_span(&proof));
    }
    buf_free(&proof);
    if (is_unsaved) {
        t->is_in_job = true;
        publish_save(b, on_saved);
    } else {
        ask(t);
    }
}

/* They are signed anew. */
static void drop_stale(const struct sm *sm, struct publish_batch *b)
{
    for (size_t i = 0; i < b->count; i++) {
        if (sm_record_is_stale(sm, &b->records[i])) {
            b->records[i].proof = SPAN_NONE;
            b->is_unsaved[i] = true;
        }
    }
}

static void on_loaded(struct sm *sm, struct publish_batch *b, int result)
{
    struct target *t = target_of(sm, b);

    if (!t)
        return;
    for (size_t i = 0; i < b->lost_count; i++)
        sm_moved_judge(sm, &b->lost[i]);
    drop_stale(sm, b);
    if (result < 0) {
        fail(t, "the store has failed");
    } else if (b->busy_ms > 0) {
        again(t, (uint64_t)b->busy_ms);
    } else if (b->is_nothing) {
        leave(t);
        go(t->all);
    } else if (b->count == 0 && !b->is_last) {
        told(t); /* of nothing: nobody among so many is its affair */
    } else {
        sign_some(t);
    }
}

static void load(struct target *t)
{
    struct sm *sm = t->all->sm;

    t->is_dirty = false;
    t->is_busy = true;
    t->all->busy++;
    t->batch = publish_batch_new(sm, host_of(t));
    t->is_in_job = true;
    publish_load(t->batch, on_loaded);
}

/* --- who is told ------------------------------------------------------------------------------ */

static void go(struct sm_publisher *p)
{
    LIST_FOR_EACH(node, &p->targets)
    {
        struct target *t = CONTAINER_OF(node, struct target, node);
        if (p->busy >= PARALLEL)
            return;
        if (t->is_dirty && !t->is_busy && !timer_is_running(&t->wait) &&
            sm_member_is_reachable(p->sm, host_of(t)))
            load(t);
    }
}

static void target_free(struct target *t)
{
    timer_stop(&t->wait);
    if (t->is_busy)
        leave(t);
    list_remove(&t->node);
    free(t);
}

static struct target *target_find(const struct sm_publisher *p, struct span host)
{
    LIST_FOR_EACH(node, &p->targets)
    {
        struct target *t = CONTAINER_OF(node, struct target, node);
        if (span_eq(host_of(t), host))
            return t;
    }
    return NULL;
}

static void target_add(struct sm_publisher *p, struct span host)
{
    struct target *t = mem_zalloc(sizeof(*t) + host.n);

    t->all = p;
    t->n = host.n;
    memcpy(t->host, host.p, host.n);
    list_append(&p->targets, &t->node);
}

static void follow(struct sm_publisher *p)
{
    const struct servers *list = p->sm->net->servers;

    if (p->set == servers_set(list))
        return;
    p->set = servers_set(list);
    LIST_FOR_EACH(node, &p->targets)
    {
        struct target *t = CONTAINER_OF(node, struct target, node);
        if (!servers_has_other(list, host_of(t)))
            target_free(t);
    }
    for (size_t i = 0; i < servers_count(list); i++) {
        const struct server *s = servers_at(list, i);
        if (s->is_enabled && !s->is_self && !target_find(p, s->host))
            target_add(p, s->host);
    }
    publish_forget_others(p->sm);
}

static void on_look(void *ctx)
{
    struct sm_publisher *p = ctx;

    follow(p);
    all_dirty(p);
    go(p);
    sm_moved_look(p->sm);
    timer_start(&p->look, p->sm->loop, LOOK_MS, on_look, p);
}

void sm_publish_look(struct sm *sm)
{
    struct sm_publisher *p = sm_has_network(sm) ? sm->net->publisher : NULL;

    if (p && (!timer_is_running(&p->look) || p->look.deadline > loop_now(sm->loop) + SOON_MS))
        timer_start(&p->look, sm->loop, SOON_MS, on_look, p);
}

void sm_publish_key(struct sm *sm)
{
    if (sm->net->publisher && sm->net->key)
        publish_check_key(sm, sm_publish_look);
}

void sm_publish_open(struct sm *sm)
{
    struct sm_publisher *p = mem_zalloc(sizeof(*p));

    p->sm = sm;
    list_init(&p->targets);
    sm->net->publisher = p;
    sm_publish_key(sm);
    sm_publish_look(sm);
}

void sm_publish_close(struct sm *sm)
{
    struct sm_publisher *p = sm->net->publisher;

    if (!p)
        return;
    timer_stop(&p->look);
    timer_stop(&sm->net->moved_wait);
    while (!list_is_empty(&p->targets))
        target_free(CONTAINER_OF(p->targets.next, struct target, node));
    free(p);
    sm->net->publisher = NULL;
}
