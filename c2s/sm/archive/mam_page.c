/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * mam_page - the answer to a query (XEP-0313 4, XEP-0059): a page of messages, and its end.
 *
 * First the numbers of the page are found, then its messages are read and written, some at a time,
 * not faster than the client reads them: a page belongs to the job that reads for it, or waits in
 * sm->archive->pages. mam.c makes the query; a client that goes ends its pages.
 */
#include "c2s/sm/archive/archive.h"

#include "xmpp/form.h"

#include <stdlib.h>

#define CHUNK_ROWS 64
#define CHUNK_BYTES (256u << 10)
#define WAIT_MS 100
#define STEPS 2000        /* rows that one job looks at */
#define COUNT_MAX 1000    /* what is not more is counted */
#define PAGES_MAX 20      /* of one session at a time */
#define UNKNOWN SIZE_MAX

enum { NO_SUCH_ID = 1, NOT_FOUND_YET = 2 }; /* results of the job that are not STORE_... */

struct row {
    int64_t id;
    size_t offset, n; /* in text */
};

struct page {
    struct list_node node; /* of sm->archive->pages, while it waits */
    struct sm *sm;
    struct sm_session *session;
    struct stanza head; /* the request, without its content */
    struct buf query_id;
    struct sm_mam_query query;
    struct sm_archive_range walk; /* where the next step begins */
    bool is_begun, is_found, has_more;
    int64_t *found;   /* in the order of time */
    size_t found_count, next;
    size_t count; /* UNKNOWN: not told */
    struct row rows[CHUNK_ROWS];
    size_t row_count;
    struct buf text;
    struct timer wait;
};

struct job {
    struct sm_job job; /* first */
    struct page *page;
};

static bool page_next(struct page *p, struct link_done done);

/* --- in run(): finding ------------------------------------------------------------------------ */

static int compare_ids(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return x < y ? -1 : x > y;
}

static void reverse(int64_t *ids, size_t n)
{
    for (size_t i = 0; i < n / 2; i++) {
        int64_t id = ids[i];
        ids[i] = ids[n - 1 - i];
        ids[n - 1 - i] = id;
    }
}

static bool take(void *ctx, int64_t id)
{
    struct page *p = ctx;

    if (p->found_count == p->query.max) {
        p->has_more = true;
        return false;
    }
    p->found[p->found_count++] = id;
    return true;
}

static struct sm_archive_range page_range(const struct page *p)
{
    struct sm_archive_range range = p->query.range;

    if (range.first < p->query.page_first)
        range.first = p->query.page_first;
    if (range.last > p->query.page_last)
        range.last = p->query.page_last;
    return range;
}

/* Those that have been named, in order, once. All of them must be there. */
static int find_named(struct db *db, struct page *p)
{
    struct sm_mam_query *q = &p->query;
    const struct sm_archive_range range = page_range(p);
    size_t n = 0;

    qsort(q->ids, q->id_count, sizeof(*q->ids), compare_ids);
    for (size_t i = 0; i < q->id_count; i++) {
        if (!sm_archive_has(db, q->range.account, q->ids[i]))
            return NO_SUCH_ID;
        if ((n == 0 || q->ids[n - 1] != q->ids[i]) &&
            sm_archive_is_in(db, &q->range, q->ids[i]))
            q->ids[n++] = q->ids[i];
    }
    p->count = n;
    for (size_t i = 0; i < n; i++) {
        int64_t id = q->ids[q->is_backward ? n - 1 - i : i];
        if (id >= range.first && id <= range.last && !take(p, id))
            break;
    }
    return STORE_OK;
}

/* Only what costs little. The place of a page among them is not told: there are clients that take
 * the last page for the end, whichever way they go. */
static void count_all(struct db *db, struct page *p)
{
    if (p->query.is_by_id || !span_is_none(p->query.range.peer.resource))
        return;
    p->count = sm_archive_count(db, &p->query.range, COUNT_MAX);
    if (p->count > COUNT_MAX)
        p->count = UNKNOWN;
}

static int begin(struct db *db, struct page *p)
{
    struct sm_mam_query *q = &p->query;

    for (size_t i = 0; i < q->known_count; i++) {
        if (!sm_archive_has(db, q->range.account, q->known[i]))
            return NO_SUCH_ID;
    }
    p->is_begun = true;
    p->walk = page_range(p);
    return STORE_OK;
}

static int find(struct db *db, struct page *p)
{
    const struct sm_mam_query *q = &p->query;
    int result = p->is_begun ? STORE_OK : begin(db, p);

    if (result == STORE_OK && q->is_by_id)
        result = find_named(db, p);
    else if (result == STORE_OK &&
             !sm_archive_walk(db, &p->walk, q->is_backward,
                              span_is_none(p->walk.peer.resource) ? SIZE_MAX : STEPS, take, p))
        result = NOT_FOUND_YET;
    if (result != STORE_OK)
        return result;
    if (q->is_backward)
        reverse(p->found, p->found_count);
    count_all(db, p);
    p->is_found = true;
    return STORE_OK;
}

/* --- in run(): reading ------------------------------------------------------------------------ */

static int64_t id_at(const struct page *p, size_t i)
{
    return p->found[p->query.is_flipped ? p->found_count - 1 - i : i];
}

/* What has been removed meanwhile is left out. */
static int run(struct db *db, struct store_job *store_job)
{
    struct page *p = ((struct job *)(void *)store_job)->page;
    int result = p->is_found ? STORE_OK : find(db, p);

    p->row_count = 0;
    while (result == STORE_OK && p->next < p->found_count && p->row_count < CHUNK_ROWS &&
           buf_len(&p->text) < CHUNK_BYTES) {
        struct row *row = &p->rows[p->row_count];
        *row = (struct row){.id = id_at(p, p->next++), .offset = buf_len(&p->text)};
        if (!sm_archive_load(db, p->query.range.account, row->id, &p->text))
            continue;
        row->n = buf_len(&p->text) - row->offset;
        p->row_count++;
    }
    return result;
}

/* --- on the loop ------------------------------------------------------------------------------ */

static void page_free(struct page *p)
{
    timer_stop(&p->wait);
    list_remove(&p->node);
    p->session->archive_pages--;
    sm_session_unref(p->session);
    stanza_free(&p->head);
    buf_free(&p->query_id);
    buf_free(&p->query.peer);
    buf_free(&p->text);
    free(p->found);
    free(p);
}

static struct sm_in page_in(struct page *p)
{
    return (struct sm_in){.sm = p->sm, .session = p->session, .stanza = &p->head};
}

static void page_fail(struct page *p, enum stanza_error e)
{
    struct sm_in in = page_in(p);

    sm_refuse(&in, e, NULL);
    page_free(p);
}

/* Stored as it would be for a client: it needs but its namespace. */
static void write_row(const struct page *p, struct buf *out, const struct row *row)
{
    static const struct span start = SPAN_INIT("<message");
    struct span stanza = span_make(buf_span(&p->text).p + row->offset, row->n);
    char id[SM_ARCHIVE_ID_LEN];

    sm_archive_id_text(row->id, id);
    xml_raw(out, SPAN("<message"));
    xml_attr(out, "from", p->session->bare);
    xml_attr(out, "to", p->session->full);
    xml_raw(out, SPAN("><result xmlns='" NS_MAM "'"));
    if (p->query_id.p)
        xml_attr(out, "queryid", buf_span(&p->query_id));
    xml_attr(out, "id", span_make(id, sizeof(id)));
    xml_raw(out, SPAN("><forwarded xmlns='" NS_FORWARD "'><delay xmlns='" NS_DELAY "' stamp='"));
    sm_time_write(out, sm_archive_time_of(row->id));
    xml_raw(out, SPAN("'/>"));
    if (span_starts(stanza, start)) {
        xml_raw(out, SPAN("<message xmlns='" NS_CLIENT "'"));
        buf_append(out, span_from(stanza, start.n));
    }
    xml_raw(out, SPAN("</forwarded></result></message>"));
}

static void write_rows(struct page *p)
{
    for (size_t i = 0; i < p->row_count; i++) {
        struct sm_out out;
        write_row(p, sm_out_begin(p->sm, p->session, &out), &p->rows[i]);
        sm_out_end(&out);
    }
    buf_free(&p->text);
}

static void write_fin(struct page *p)
{
    char first[SM_ARCHIVE_ID_LEN], last[SM_ARCHIVE_ID_LEN];
    struct span ends[2] = {SPAN_NONE, SPAN_NONE};
    struct sm_in in = page_in(p);
    struct sm_out out;
    struct buf *buf = sm_iq_open(&in, &out);

    if (p->found_count > 0) {
        sm_archive_id_text(p->found[0], first);
        sm_archive_id_text(p->found[p->found_count - 1], last);
        ends[0] = span_make(first, sizeof(first));
        ends[1] = span_make(last, sizeof(last));
    }
    xml_raw(buf, SPAN("<fin xmlns='" NS_MAM "'"));
    if (!p->has_more)
        xml_raw(buf, SPAN(" complete='true'"));
    xml_raw(buf, SPAN(">"));
    rsm_write(buf, ends[0], ends[1], -1, p->count == UNKNOWN ? -1 : (int64_t)p->count);
    xml_raw(buf, SPAN("</fin>"));
    sm_iq_close(&out);
}

static void on_wait(void *ctx);

/* Not faster than the client reads: its queue is for what is new, too. */
static void page_go_on(struct page *p)
{
    struct sm_session *s = p->session;

    if (!s->client || s->is_gone)
        page_free(p);
    else if (s->client->ops->backlog(s->client) > p->sm->opts.max_backlog / 2)
        timer_start(&p->wait, p->sm->loop, WAIT_MS, on_wait, p);
    else if (!page_next(p, (struct link_done){0}))
        page_fail(p, STANZA_RESOURCE_CONSTRAINT);
}

static void on_wait(void *ctx)
{
    page_go_on(ctx);
}

static bool finish(struct sm_job *job, int result)
{
    struct page *p = ((struct job *)job)->page;

    if (p->sm->is_closed || !p->session->client || p->session->is_gone) {
        page_free(p);
        return true;
    }
    if (result == NO_SUCH_ID || result < 0) {
        page_fail(p, result < 0 ? STANZA_RESOURCE_CONSTRAINT : STANZA_ITEM_NOT_FOUND);
        return true;
    }
    list_append(&p->sm->archive->pages, &p->node);
    write_rows(p);
    if (result == NOT_FOUND_YET || p->next < p->found_count) {
        page_go_on(p);
        return true;
    }
    write_fin(p);
    page_free(p);
    return true;
}

static bool page_next(struct page *p, struct link_done done)
{
    struct job *job = mem_zalloc(sizeof(*job));

    job->page = p;
    job->job.bytes = CHUNK_BYTES;
    job->job.finish = finish;
    job->job.done = done;
    if (!sm_job_submit(p->sm, STORE_READ, &job->job, NULL, p->session, run)) {
        free(job);
        return false;
    }
    list_remove(&p->node);
    return true;
}

static struct page *page_new(const struct sm_in *in, struct sm_mam_query *query)
{
    struct page *p = mem_zalloc(sizeof(*p));
    const struct stanza *s = in->stanza;

    p->sm = in->sm;
    p->session = sm_session_ref(in->session);
    p->session->archive_pages++;
    list_init(&p->node);
    stanza_add(&p->head, 0, stanza_root(s)->ns, stanza_root(s)->name);
    stanza_set_attr(&p->head, 0, SPAN("type"), s->type);
    stanza_set_attr(&p->head, 0, SPAN("id"), s->id);
    stanza_set_attr(&p->head, 0, SPAN("to"), s->to);
    stanza_set_attr(&p->head, 0, SPAN("from"), s->from);
    if (!span_is_none(query->query_id)) {
        buf_reserve(&p->query_id, 1); /* an empty one is given back, too */
        buf_append(&p->query_id, query->query_id);
    }
    p->query = *query;
    query->peer = (struct buf){0};
    p->query.request = NULL;
    p->query.query_id = SPAN_NONE;
    p->count = UNKNOWN;
    p->found = mem_alloc((query->max + 1) * sizeof(*p->found));
    return p;
}

void sm_mam_answer(struct sm_in *in, struct sm_mam_query *query)
{
    struct page *p;

    if (in->session->archive_pages >= PAGES_MAX) {
        sm_refuse(in, STANZA_RESOURCE_CONSTRAINT, "too many queries at once");
        return;
    }
    sm_archive_flush(in->sm);
    p = page_new(in, query);
    if (page_next(p, in->done))
        sm_in_take_done(in);
    else
        page_fail(p, STANZA_RESOURCE_CONSTRAINT);
}

void sm_mam_drop_all(struct sm *sm)
{
    LIST_FOR_EACH (node, &sm->archive->pages)
        page_free(CONTAINER_OF(node, struct page, node));
}
