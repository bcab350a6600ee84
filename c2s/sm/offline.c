/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * offline - messages that find nobody: which are kept, and bringing them when somebody comes.
 *
 * One session at a time gets a user's stored messages (user->flush_session), in batches: load,
 * write to the client, delete what was written, load again, until nothing is left. A message that
 * comes meanwhile for that session is stored behind the others, so that it does not overtake them,
 * and the last load finds it. If the session ends in between, what it has not got is still stored.
 * Who stores a message for a user that he does not own tells the owner, if there is one by then:
 * the user may have come meanwhile, or the router may have been away.
 * XEP-0160, XEP-0203, XEP-0334; RFC 6121 8.5.2.2.1. Called by message.c and presence.c.
 */
#include "c2s/sm/archive/archive.h"

#include <stdlib.h>

/* How long to wait for a client whose queue is half full. */
#define FLUSH_WAIT_MS 100

static bool has_hint(const struct stanza *s, struct span name)
{
    return stanza_child(s, 0, SPAN(NS_HINTS), name) != 0;
}

/* Something besides chat states and the thread they belong to. */
static bool has_content(const struct stanza *s)
{
    const struct span ns = stanza_root(s)->ns;

    for (uint32_t c = stanza_child(s, 0, SPAN_NONE, SPAN_NONE); c;
         c = stanza_next(s, c, SPAN_NONE, SPAN_NONE)) {
        const struct stanza_node *node = &s->nodes[c];
        if (!span_eq(node->ns, SPAN(NS_CHATSTATES)) && !span_eq(node->ns, SPAN(NS_HINTS)) &&
            !(span_eq(node->ns, ns) && span_eq(node->name, SPAN("thread"))))
            return true;
    }
    return false;
}

enum sm_offline_rule sm_offline_rule(const struct stanza *s)
{
    bool has_body = stanza_child(s, 0, stanza_root(s)->ns, SPAN("body")) != 0;

    if (has_hint(s, SPAN("no-store")))
        return has_body ? SM_OFFLINE_REFUSE : SM_OFFLINE_DROP;
    if (has_body || has_hint(s, SPAN("store")))
        return SM_OFFLINE_STORE;
    return has_content(s) ? SM_OFFLINE_STORE : SM_OFFLINE_DROP;
}

/* --- storing ---------------------------------------------------------------------------------- */

struct insert {
    struct sm_job job; /* first */
    struct span name, sender;
    struct span id_value, from_value, to_value; /* escaped: attributes of the answer */
    struct sm_offline_limits limits;
    int64_t stamp;
    int64_t archive_id;
    struct sm_archive_absent *absent; /* it is to be archived, too; NULL: it is, or is not to be */
    struct sm_push_absent *push; /* who is to be told of it; NULL: nobody, or by push.c */
    bool is_answered; /* there is a sender who can be told */
    bool is_absent;   /* nobody owns the user, nor has seen whether the sender is blocked */
    struct buf stanza, text;
};

static int insert_run(struct db *db, struct store_job *store_job)
{
    struct insert *i = (struct insert *)(void *)store_job;
    const struct span stanza = buf_span(&i->stanza);
    int64_t id;
    int result;

    if (i->is_absent && sm_account_blocks(i->job.sm, db, i->name, i->sender))
        return SM_OFFLINE_BLOCKED;
    id = i->absent ? sm_archive_absent_id(db, i->absent, i->name) : i->archive_id;
    result = sm_offline_insert(db, i->name, i->stamp, stanza, &i->limits);
    if (result == STORE_OK && id)
        result = sm_offline_set_archived(db, id);
    if (result == STORE_OK && i->absent && id)
        result = sm_archive_absent_store(db, i->absent, stanza);
    if (result == STORE_OK && i->push)
        sm_push_absent_read(db, i->push, i->name);
    return result;
}

static bool insert_finish(struct sm_job *job, int result)
{
    struct insert *i = (struct insert *)job;
    struct sm_out out;

    if (result == STORE_OK) {
        sm_owner_tell(job->sm, i->name, "stored");
        if (i->push)
            sm_push_absent_send(job->sm, i->push, i->name);
        return true;
    }
    if (!i->is_answered)
        return false;
    if (result == SM_OFFLINE_NO_ACCOUNT &&
        sm_moved_refuse_text(job->sm, buf_span(&i->stanza), &job->done))
        return true;
    bool is_final = result > 0;
    stanza_error_write_parts(sm_out_begin_to(job->sm, i->sender, &out), SPAN("message"),
                             i->id_value, i->from_value, i->to_value,
                             is_final ? STANZA_SERVICE_UNAVAILABLE : STANZA_RESOURCE_CONSTRAINT,
                             NULL);
    sm_out_end(&out);
    return true;
}

static void insert_destroy(struct sm_job *job)
{
    struct insert *i = (struct insert *)job;

    sm_archive_absent_free(i->absent);
    sm_push_absent_free(i->push);
    buf_free(&i->stanza);
    buf_free(&i->text);
}

/* What must outlive the stanza, one after the other in i->text; the spans come when it is whole. */
static void insert_keep(struct insert *i, const struct sm_in *in, struct span name)
{
    const struct stanza *s = in->stanza;
    const struct span raw[] = {name, s->from}, escaped[] = {s->id, s->to, s->from};
    struct span *const raw_r[] = {&i->name, &i->sender};
    /* The answer goes the other way. */
    struct span *const escaped_r[] = {&i->id_value, &i->from_value, &i->to_value};
    size_t ends[ARRAY_LEN(raw) + ARRAY_LEN(escaped)], n = 0, at = 0;

    for (size_t k = 0; k < ARRAY_LEN(raw); k++) {
        buf_append(&i->text, raw[k]);
        ends[n++] = buf_len(&i->text);
    }
    for (size_t k = 0; k < ARRAY_LEN(escaped); k++) {
        xml_value(&i->text, escaped[k]);
        ends[n++] = buf_len(&i->text);
    }
    const char *p = buf_span(&i->text).p;
    for (size_t k = 0; k < n; at = ends[k++]) {
        struct span part = span_make(p + at, ends[k] - at);
        if (k < ARRAY_LEN(raw))
            *raw_r[k] = part;
        else if (!span_is_none(escaped[k - ARRAY_LEN(raw)]))
            *escaped_r[k - ARRAY_LEN(raw)] = part;
    }
}

void sm_offline_store(struct sm_in *in, struct span name, struct sm_user *user)
{
    struct sm *sm = in->sm;
    struct insert *i = mem_zalloc(sizeof(*i));
    const struct stanza_write_opts opts = {
        .ns = SPAN(NS_CLIENT),
        .from_ns = stanza_root(in->stanza)->ns,
        .to = in->to.full,
        .from = in->stanza->from,
    };

    insert_keep(i, in, name);
    stanza_write(&i->stanza, in->stanza, &opts);
    i->stamp = in->is_again ? in->stamp : loop_wall(sm->loop);
    i->limits = (struct sm_offline_limits){sm->opts.max_offline, sm->opts.max_offline_bytes};
    i->archive_id = in->archive_id;
    i->is_answered = in->session || in->is_from_link;
    i->is_absent = !user || user->state != SM_USER_OWNED;
    if (i->is_absent) {
        i->absent = sm_archive_absent_new(in);
        i->push = sm_push_absent_new(in);
    }
    i->job.bytes = sizeof(*i) + buf_len(&i->stanza) + buf_len(&i->text);
    i->job.is_foreign = in->is_from_link && !in->is_again;
    i->job.finish = insert_finish;
    i->job.destroy = insert_destroy;
    if (!sm_job_submit(sm, STORE_WRITE, &i->job, user, NULL, insert_run)) {
        insert_destroy(&i->job);
        free(i);
        sm_refuse(in, STANZA_RESOURCE_CONSTRAINT, NULL);
        return;
    }
    i->job.done = sm_in_take_done(in);
    if (user)
        user->flush_again = true;
}

void sm_offline_message(struct sm_in *in, struct span name, struct sm_user *user)
{
    switch (sm_offline_rule(in->stanza)) {
    case SM_OFFLINE_STORE:
        sm_offline_store(in, name, user);
        break;
    case SM_OFFLINE_DROP:
        break;
    case SM_OFFLINE_REFUSE:
        sm_refuse(in, STANZA_SERVICE_UNAVAILABLE, NULL);
        break;
    }
}

/* --- bringing --------------------------------------------------------------------------------- */

struct load {
    struct sm_job job; /* first */
    struct sm_offline_batch batch;
};

struct removal {
    struct sm_job job; /* first */
    int64_t last_id;
};

static void load_next(struct sm_user *user);

static int removal_run(struct db *db, struct store_job *store_job)
{
    struct removal *r = (struct removal *)(void *)store_job;

    return sm_offline_delete(db, r->job.user->name, r->last_id);
}

/* A failure brings them once more, another time. */
static bool removal_finish(struct sm_job *job, int result)
{
    if (result < 0)
        LOG(LOG_WARN, "sm.offline_delete_failed", F_SPAN("user", job->user->bare));
    return true;
}

static bool remove_up_to(struct sm_user *user, int64_t last_id)
{
    struct removal *r = mem_zalloc(sizeof(*r));

    r->last_id = last_id;
    r->job.finish = removal_finish;
    if (sm_job_submit(user->sm, STORE_WRITE, &r->job, user, NULL, removal_run))
        return true;
    free(r);
    return false;
}

/* A stored message ends with its end tag, which the rest must precede. */
static void write_row(struct sm_session *s, struct buf *out, struct span stanza,
                      const struct sm_offline_row *row)
{
    static const struct span end = SPAN_INIT("</message>");

    if (span_ends(stanza, end)) {
        buf_append(out, span_make(stanza.p, stanza.n - end.n));
        xml_raw(out, SPAN("<delay xmlns='" NS_DELAY "'"));
        xml_attr(out, "from", s->domain);
        xml_raw(out, SPAN(" stamp='"));
        sm_time_write(out, row->stamp);
        xml_raw(out, SPAN("'/>"));
        if (row->archive_id)
            sm_archive_write_id(out, s->bare, row->archive_id);
        buf_append(out, end);
    } else {
        buf_append(out, stanza);
    }
}

/* Writes what the client takes; the id of the last one written, 0: none. */
static int64_t write_batch(struct sm_session *s, const struct sm_offline_batch *batch)
{
    const char *text = buf_span(&batch->text).p;
    int64_t last = 0;

    for (size_t k = 0; k < batch->count; k++) {
        const struct sm_offline_row *row = &batch->rows[k];
        struct sm_out out;
        if (s->is_full)
            break;
        struct buf *buf = sm_out_begin(s->sm, s, &out);
        bool is_taken = out.client != NULL;
        if (is_taken)
            write_row(s, buf, span_make(text + row->offset, row->n), row);
        sm_out_end(&out);
        if (!is_taken)
            break;
        last = row->id;
    }
    return last;
}

/* What is left is for the next reachable session. */
static void flush_over(struct sm_user *user)
{
    user->flush_session = NULL;
    timer_stop(&user->flush_wait);
}

static void on_flush_wait(void *ctx)
{
    load_next(ctx);
}

/* One load at a time, until what it brought is on its way out of the store: else it comes twice. */
static bool load_finish(struct sm_job *job, int result)
{
    struct load *load = (struct load *)job;
    struct sm_user *user = job->user;
    struct sm_session *s = job->session;
    int64_t last = 0;

    if (result >= 0 && user->flush_session == s)
        last = write_batch(s, &load->batch);
    bool is_removed = last == 0 || remove_up_to(user, last);
    user->flush_loading = false;
    if (!user->flush_session)
        return true;
    if (result < 0 || !is_removed)
        flush_over(user); /* storage is in trouble: better late than twice */
    else if (user->flush_session != s || load->batch.has_more || user->flush_again)
        load_next(user);
    else
        flush_over(user);
    return true;
}

static int load_run(struct db *db, struct store_job *store_job)
{
    struct load *load = (struct load *)(void *)store_job;

    return sm_offline_load(db, load->job.user->name, &load->batch);
}

static void load_destroy(struct sm_job *job)
{
    buf_free(&((struct load *)job)->batch.text);
}

/* Not faster than the client reads: its queue is for what is new, too. */
static void load_next(struct sm_user *user)
{
    struct sm_session *s = user->flush_session;
    struct sm *sm = user->sm;

    if (user->flush_loading)
        return; /* goes on when that is done */
    if (s->client->ops->backlog(s->client) > sm->opts.max_backlog / 2) {
        timer_start(&user->flush_wait, sm->loop, FLUSH_WAIT_MS, on_flush_wait, user);
        return;
    }
    struct load *load = mem_zalloc(sizeof(*load));
    load->job.bytes = SM_OFFLINE_BATCH_BYTES;
    load->job.finish = load_finish;
    load->job.destroy = load_destroy;
    user->flush_again = false;
    user->flush_loading = true;
    if (sm_job_submit(sm, STORE_READ, &load->job, user, s, load_run))
        return;
    free(load);
    user->flush_loading = false;
    timer_start(&user->flush_wait, sm->loop, FLUSH_WAIT_MS, on_flush_wait, user);
}

void sm_offline_begin(struct sm_session *s)
{
    struct sm_user *user = s->user;

    if (user->flush_session)
        return;
    user->flush_session = s;
    load_next(user);
}

static void begin_any(struct sm_user *user, const struct sm_session *but)
{
    LIST_FOR_EACH (node, &user->sessions) {
        struct sm_session *s = CONTAINER_OF(node, struct sm_session, node);
        if (s != but && sm_session_is_eligible(s)) {
            sm_offline_begin(s);
            return;
        }
    }
}

void sm_offline_look(struct sm_user *user)
{
    user->flush_again = true;
    begin_any(user, NULL);
}

void sm_offline_end(struct sm_session *s)
{
    struct sm_user *user = s->user;

    if (!user || user->flush_session != s)
        return;
    flush_over(user);
    begin_any(user, s);
}
