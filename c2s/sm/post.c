/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * post - a message in the server's name, to one user, to all, or to all who are online here.
 *
 * A user who is owned here gets it as any message; for everyone else it is stored, and whoever owns
 * him is told to bring it: so what has been counted is safe, however many instances there are.
 * Names are read a page at a time, and the next page only when all of the last one is done: a
 * hundred thousand users cost the memory of fifty. Called by c2s/control_message.c.
 */
#include "c2s/sm/sm_private.h"

#include <stdlib.h>

#define PAGE 50
#define PAUSE_MS 1    /* between two pages: others want to be heard */
#define AGAIN_MS 1000 /* the store has no room */

struct sm_post {
    struct list_node node; /* of sm->posts */
    struct sm *sm;
    struct stanza stanza;
    struct buf text;
    struct buf online;  /* names, each followed by LF, for those who are online */
    struct buf last;    /* the last name of the page before */
    struct buf names;   /* of this page, each followed by LF */
    size_t open;        /* of these, under way; and one while they are being sent */
    bool is_one, is_online, is_last;
    struct timer pause;
    struct sm_post_figures *figures;
    void (*done)(void *ctx, enum sm_post_result r);
    void *ctx;
};

struct page {
    struct sm_job job; /* first */
    struct sm_post *post;
    struct buf last, names;
    bool is_one;
    size_t count;
};

static void next_page(struct sm_post *t);

static void post_end(struct sm_post *t, enum sm_post_result r)
{
    struct sm *sm = t->sm;

    if (!sm->is_closed)
        t->done(t->ctx, r);
    timer_stop(&t->pause);
    list_remove(&t->node);
    stanza_free(&t->stanza);
    buf_free(&t->text);
    buf_free(&t->online);
    buf_free(&t->last);
    buf_free(&t->names);
    free(t);
    sm_unhold(sm);
}

/* --- sending ---------------------------------------------------------------------------------- */

static void on_pause(void *ctx)
{
    next_page(ctx);
}

static void wait(struct sm_post *t, uint64_t ms)
{
    if (t->sm->is_closed)
        post_end(t, SM_POST_FAILED);
    else
        timer_start(&t->pause, t->sm->loop, ms, on_pause, t);
}

static void on_sent(void *ctx, bool is_safe)
{
    struct sm_post *t = ctx;

    if (!t->sm->is_closed) {
        t->figures->sent += is_safe;
        t->figures->failed += !is_safe;
    }
    if (--t->open == 0)
        wait(t, PAUSE_MS);
}

static void send_one(struct sm_post *t, struct span name)
{
    struct sm *sm = t->sm;
    struct sm_in in = {.sm = sm, .stanza = &t->stanza, .done = {on_sent, t}};
    struct jid_scratch scratch SM_HOT;
    struct buf to = {0};

    buf_append(&to, name);
    buf_append_char(&to, '@');
    buf_append(&to, sm->opts.host);
    t->open++;
    stanza_reset(in.stanza);
    stanza_add(in.stanza, 0, SPAN(NS_CLIENT), SPAN("message"));
    stanza_set_attr(in.stanza, 0, SPAN("type"), SPAN("normal"));
    stanza_add_text(in.stanza, stanza_add(in.stanza, 0, SPAN_NONE, SPAN("body")),
                    buf_span(&t->text));
    in.stanza->from = sm->opts.host;
    if (!jid_parse(buf_span(&to), &in.to, &scratch))
        sm_done(sm_in_take_done(&in), false);
    else if (sm_user_owned(sm, name))
        sm_message(&in);
    else
        sm_offline_store(&in, name, sm_user_find(sm, name));
    buf_free(&to);
    sm_done(in.done, true);
}

/* The page goes out as a whole; what comes back from inside the calls does not end it. */
static void send_page(struct sm_post *t)
{
    struct span rest = buf_span(&t->names);

    t->open = 1;
    while (rest.n > 0) {
        struct span name = span_make(rest.p, span_index(rest, '\n'));
        rest = span_from(rest, name.n + 1);
        send_one(t, name);
    }
    if (--t->open == 0)
        wait(t, PAUSE_MS);
}

/* --- pages ------------------------------------------------------------------------------------ */

static int page_run(struct db *db, struct store_job *store_job)
{
    struct page *p = (struct page *)(void *)store_job;
    struct db_stmt *st =
        p->is_one ? db_sql(db, "SELECT name FROM account WHERE name = ?1")
                  : db_sql(db, "SELECT name FROM account WHERE name > ?1"
                               " AND substr(name, 1, 1) <> '/' ORDER BY name LIMIT ?2");
    int got;

    db_bind_text(st, 1, buf_span(&p->last));
    if (!p->is_one)
        db_bind_int(st, 2, PAGE);
    while ((got = db_step(st)) > 0) {
        buf_append(&p->names, db_text(st, 0));
        buf_append_char(&p->names, '\n');
        p->count++;
    }
    return got;
}

static void page_destroy(struct sm_job *job)
{
    buf_free(&((struct page *)job)->last);
    buf_free(&((struct page *)job)->names);
}

static bool page_finish(struct sm_job *job, int result)
{
    struct page *p = (struct page *)job;
    struct sm_post *t = p->post;

    if (t->sm->is_closed || result < 0) {
        post_end(t, SM_POST_FAILED);
        return true;
    }
    t->is_last = p->is_one || p->count < PAGE;
    if (p->count == 0) {
        post_end(t, p->is_one ? SM_POST_NO_USER : SM_POST_DONE);
        return true;
    }
    struct buf names = t->names;
    t->names = p->names;
    p->names = names;
    send_page(t);
    return true;
}

static void load_page(struct sm_post *t)
{
    struct page *p = mem_zalloc(sizeof(*p));

    p->post = t;
    p->is_one = t->is_one;
    buf_append(&p->last, buf_span(&t->last));
    p->job.finish = page_finish;
    p->job.destroy = page_destroy;
    p->job.is_foreign = true; /* it is in no hurry */
    if (sm_job_submit(t->sm, STORE_READ, &p->job, NULL, NULL, page_run))
        return;
    page_destroy(&p->job);
    free(p);
    wait(t, AGAIN_MS);
}

/* The last line of names is where the next page begins behind; at first it has been set. */
static void note_last(struct sm_post *t)
{
    struct span rest = buf_span(&t->names);

    while (rest.n > 0) {
        size_t n = span_index(rest, '\n');
        if (n + 1 == rest.n) {
            buf_clear(&t->last);
            buf_append(&t->last, span_make(rest.p, n));
        }
        rest = span_from(rest, n + 1);
    }
}

static void take_online(struct sm_post *t)
{
    size_t n = 0;

    buf_clear(&t->names);
    for (int i = 0; i < PAGE && n < buf_len(&t->online); i++)
        n += span_index(span_from(buf_span(&t->online), n), '\n') + 1;
    buf_append(&t->names, span_make(buf_span(&t->online).p, n));
    buf_consume(&t->online, n);
}

/* What has no room would be refused: it waits. */
static void next_page(struct sm_post *t)
{
    if (!sm_job_has_room(t->sm, PAGE * (buf_len(&t->text) + 8192), true)) {
        wait(t, AGAIN_MS);
    } else if (t->is_online) {
        take_online(t);
        if (buf_len(&t->names) > 0)
            send_page(t);
        else
            post_end(t, SM_POST_DONE);
    } else if (t->is_last) {
        post_end(t, SM_POST_DONE);
    } else {
        note_last(t);
        load_page(t);
    }
}

/* --- the door --------------------------------------------------------------------------------- */

static void list_online(struct sm_post *t)
{
    const struct sm_user *user;
    size_t cursor = 0;

    while ((user = map_next(&t->sm->users, &cursor)) != NULL) {
        if (user->state != SM_USER_OWNED || !sm_user_is_reachable(user))
            continue;
        buf_append(&t->online, user->name);
        buf_append_char(&t->online, '\n');
    }
}

static struct sm_post *post_new(struct sm *sm, struct span text, struct sm_post_figures *figures,
                                void (*done)(void *ctx, enum sm_post_result r), void *ctx)
{
    struct sm_post *t = mem_zalloc(sizeof(*t));

    t->sm = sm;
    t->figures = figures;
    t->done = done;
    t->ctx = ctx;
    buf_append(&t->text, text);
    *figures = (struct sm_post_figures){0};
    list_append(&sm->posts, &t->node);
    sm_hold(sm);
    timer_start(&t->pause, sm->loop, 0, on_pause, t);
    return t;
}

void sm_post_user(struct sm *sm, struct span user, struct span text,
                  struct sm_post_figures *figures,
                  void (*done)(void *ctx, enum sm_post_result r), void *ctx)
{
    struct sm_post *t = post_new(sm, text, figures, done, ctx);

    t->is_one = true;
    buf_append(&t->last, user);
}

void sm_post_all(struct sm *sm, bool is_online_only, struct span text,
                 struct sm_post_figures *figures,
                 void (*done)(void *ctx, enum sm_post_result r), void *ctx)
{
    struct sm_post *t = post_new(sm, text, figures, done, ctx);

    t->is_online = is_online_only;
    if (is_online_only)
        list_online(t);
}

/* Those that a job or a completion works for end with that. */
void sm_post_close(struct sm *sm)
{
    LIST_FOR_EACH (node, &sm->posts) {
        struct sm_post *t = CONTAINER_OF(node, struct sm_post, node);
        if (timer_is_running(&t->pause))
            post_end(t, SM_POST_FAILED);
    }
}
