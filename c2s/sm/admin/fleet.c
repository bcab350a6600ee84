/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fleet - see fleet.h. Called by the commands of the administration (admin_*.c), and by envelope.c
 * for what the others say. Without a router there is nobody else to be asked.
 */
#include "c2s/sm/admin/fleet.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define WAIT_MS 2000
#define POLLS_MAX 64
#define INSTANCES_MAX 100

struct poll {
    struct list_node node; /* in sm->polls */
    struct sm *sm;
    const struct sm_fleet_question *question;
    struct buf text;
    struct buf pending; /* instances that have not answered, each ended by LF */
    uint64_t number;
    char id[21];
    bool is_reading; /* its job has the list of instances not yet */
    struct sm_tally tally;
    struct timer wait;
    void (*then)(void *ctx, const struct sm_tally *tally);
    void *ctx;
};

/* --- the list in the store -------------------------------------------------------------------- */

struct note {
    struct sm_job job; /* first */
    struct buf name;
    bool is_gone;
};

static int note_run(struct db *db, struct store_job *job)
{
    const struct note *n = (const struct note *)(void *)job;
    struct db_stmt *st = n->is_gone
                             ? db_sql(db, "DELETE FROM instance WHERE name = ?1")
                             : db_sql(db, "INSERT OR IGNORE INTO instance (name) VALUES (?1)");

    db_bind_text(st, 1, buf_span(&n->name));
    return db_run(st);
}

static bool note_finish(struct sm_job *job, int result)
{
    (void)job, (void)result;
    return true;
}

static void note_free(struct sm_job *job)
{
    buf_free(&((struct note *)job)->name);
}

static void note(struct sm *sm, struct span name, bool is_gone)
{
    struct note *n = mem_zalloc(sizeof(*n));

    buf_append(&n->name, name);
    n->is_gone = is_gone;
    n->job.bytes = sizeof(*n);
    n->job.finish = note_finish;
    n->job.destroy = note_free;
    sm_job_start(sm, STORE_WRITE, &n->job, NULL, NULL, note_run);
}

void sm_fleet_on_up(struct sm *sm)
{
    note(sm, sm->opts.instance, false);
}

/* --- asking ----------------------------------------------------------------------------------- */

static const struct sm_fleet_question *find_question(struct span word)
{
    for (size_t i = 0; i < sm_fleet_question_count; i++) {
        if (span_eq(word, sm_fleet_questions[i].word))
            return &sm_fleet_questions[i];
    }
    return NULL;
}

static void add_line(struct buf *lines, struct span line)
{
    buf_append(lines, line);
    buf_append_char(lines, '\n');
}

/* Takes the name out of those that are awaited; false: it is none of them. */
static bool strike(struct poll *p, struct span name)
{
    struct buf left = {0};
    struct span rest = buf_span(&p->pending);
    bool is_found = false;

    while (rest.n > 0) {
        const struct span line = sm_line_take(&rest);
        if (span_eq(line, name))
            is_found = true;
        else
            add_line(&left, line);
    }
    buf_free(&p->pending);
    p->pending = left;
    return is_found;
}

static void finish_poll(struct poll *p)
{
    struct sm *sm = p->sm;
    struct span rest = buf_span(&p->pending);

    timer_stop(&p->wait);
    list_remove(&p->node);
    sm->poll_count--;
    for (; rest.n > 0; p->tally.silent++)
        LOG(LOG_WARN, "fleet.silent", F_SPAN("instance", sm_line_take(&rest)));
    p->then(p->ctx, &p->tally);
    buf_free(&p->text);
    buf_free(&p->pending);
    buf_free(&p->tally.names);
    free(p);
    sm_unhold(sm);
}

static void on_late(void *ctx)
{
    finish_poll(ctx);
}

static void finish_when_all_answered(struct poll *p)
{
    if (buf_len(&p->pending) == 0)
        finish_poll(p);
}

/* One that cannot be sent is not answered. */
static void send_question(struct poll *p, struct span instance)
{
    struct sm_peer *peer = sm_peer_get(p->sm, instance);
    struct buf *out =
        sm_envelope_begin(p->sm, peer, "ask", span_of(p->id), (struct link_done){0});

    add_line(&p->pending, instance);
    if (out) {
        xml_attr(out, "question", p->question->word);
        xml_raw(out, SPAN(" number='"));
        buf_append_u64(out, p->number);
        xml_raw(out, SPAN("'>"));
        xml_text(out, buf_span(&p->text));
        sm_envelope_end_with(p->sm, out, "ask");
    }
    sm_peer_put(p->sm, peer);
}

struct poll_job {
    struct sm_job job; /* first */
    struct poll *poll;
    struct buf instances;
};

static int poll_run(struct db *db, struct store_job *job)
{
    struct poll_job *j = (struct poll_job *)(void *)job;
    struct db_stmt *st =
        db_sql(db, "SELECT name FROM instance WHERE name != ?1 ORDER BY name LIMIT ?2");
    int got;

    db_bind_text(st, 1, j->job.sm->opts.instance);
    db_bind_int(st, 2, INSTANCES_MAX);
    while ((got = db_step(st)) > 0)
        add_line(&j->instances, db_text(st, 0));
    db_reset(st);
    return got;
}

static bool poll_read(struct sm_job *job, int result)
{
    struct poll_job *j = (struct poll_job *)job;
    struct poll *p = j->poll;
    struct span rest = buf_span(&j->instances);

    (void)result; /* a store that fails knows nobody else */
    p->is_reading = false;
    if (!p->sm->is_closed)
        p->question->answer(p->sm, buf_span(&p->text), p->number, &p->tally);
    while (rest.n > 0 && sm_is_linked(p->sm))
        send_question(p, sm_line_take(&rest));
    if (buf_len(&p->pending) > 0)
        timer_start(&p->wait, p->sm->loop, WAIT_MS, on_late, p);
    finish_when_all_answered(p);
    return true;
}

static void poll_destroy(struct sm_job *job)
{
    buf_free(&((struct poll_job *)job)->instances);
}

void sm_fleet_ask(struct sm *sm, const char *word, struct span text, uint64_t number,
                  void (*then)(void *ctx, const struct sm_tally *tally), void *ctx)
{
    struct poll_job *j;
    struct poll *p;

    if (sm->poll_count >= POLLS_MAX) {
        then(ctx, NULL);
        return;
    }
    p = mem_zalloc(sizeof(*p));
    p->sm = sm;
    p->question = find_question(span_of(word));
    assert(p->question);
    buf_append(&p->text, text);
    p->number = number;
    snprintf(p->id, sizeof(p->id), "%" PRIu64, ++sm->serial);
    p->is_reading = true;
    p->then = then;
    p->ctx = ctx;
    list_append(&sm->polls, &p->node);
    sm->poll_count++;
    sm_hold(sm);
    j = mem_zalloc(sizeof(*j));
    j->poll = p;
    j->job.bytes = sizeof(*j);
    j->job.finish = poll_read;
    j->job.destroy = poll_destroy;
    sm_job_start(sm, STORE_READ, &j->job, NULL, NULL, poll_run);
}

/* --- being asked, and hearing answers --------------------------------------------------------- */

void sm_fleet_on_ask(struct sm *sm, struct span from, struct stanza *e, uint32_t node)
{
    const struct sm_fleet_question *question =
        find_question(stanza_attr(e, node, SPAN("question")));
    struct sm_tally tally = {0};
    uint64_t number = 0;

    if (!question)
        return; /* one of a newer instance: we are silent */
    span_to_u64(stanza_attr(e, node, SPAN("number")), UINT64_MAX, &number);
    question->answer(sm, stanza_text(e, node), number, &tally);
    struct sm_peer *peer = sm_peer_get(sm, from);
    struct buf *out = sm_envelope_begin(sm, peer, "answer", stanza_attr(e, node, SPAN("id")),
                                        (struct link_done){0});
    if (out) {
        xml_raw(out, SPAN(" count='"));
        buf_append_u64(out, tally.count);
        xml_raw(out, SPAN("'>"));
        xml_text(out, buf_span(&tally.names));
        sm_envelope_end_with(sm, out, "answer");
    }
    sm_peer_put(sm, peer);
    buf_free(&tally.names);
}

/* That awaits an answer of that instance; NULL: none does. */
static struct poll *poll_of(const struct sm *sm, struct span from, const struct stanza *e,
                            uint32_t node)
{
    const struct span id = stanza_attr(e, node, SPAN("id"));

    LIST_FOR_EACH (n, &sm->polls) {
        struct poll *p = CONTAINER_OF(n, struct poll, node);
        if (span_eq(id, span_of(p->id)) && strike(p, from))
            return p;
    }
    return NULL;
}

void sm_fleet_on_answer(struct sm *sm, struct span from, struct stanza *e, uint32_t node)
{
    struct poll *p = poll_of(sm, from, e, node);
    uint64_t count = 0;

    if (!p)
        return;
    span_to_u64(stanza_attr(e, node, SPAN("count")), UINT32_MAX, &count);
    p->tally.count += count;
    buf_append(&p->tally.names, stanza_text(e, node));
    finish_when_all_answered(p);
}

void sm_fleet_on_returned(struct sm *sm, struct span from, struct stanza *e, uint32_t node)
{
    struct poll *p = poll_of(sm, from, e, node);

    note(sm, from, true);
    if (p)
        finish_when_all_answered(p);
}

void sm_fleet_close(struct sm *sm)
{
    LIST_FOR_EACH (node, &sm->polls) {
        struct poll *p = CONTAINER_OF(node, struct poll, node);
        if (!p->is_reading)
            finish_poll(p);
    }
}
