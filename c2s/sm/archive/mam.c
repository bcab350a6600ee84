/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * mam - requests to an archive (XEP-0313): what a query may say, the form of it, and where the
 * archive begins and ends. Rows of iq.c's table call the handlers, for the archive's owner only;
 * mam_page.c answers queries.
 */
#include "c2s/sm/archive/archive.h"

#include "xmpp/form.h"

#include <stdlib.h>

#define PAGE_DEFAULT 50
#define QUERY_ID_MAX 1000 /* it is repeated in each message of the answer */
#define NS_VALIDATE "http://jabber.org/protocol/xdata-validate"

/* Without an archive there is nobody to ask. */
static bool refuse_if_off(struct sm_in *in)
{
    if (in->sm->opts.archive && in->session && in->session->user &&
        in->session->user->state == SM_USER_OWNED)
        return false;
    sm_refuse(in, STANZA_SERVICE_UNAVAILABLE, NULL);
    return true;
}

static int64_t account_of(const struct sm_in *in)
{
    return in->session->user->profile->account;
}

/* --- the fields of the form ------------------------------------------------------------------- */

static int64_t max_of(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t min_of(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static enum stanza_error read_with(const struct sm *sm, struct sm_mam_query *q, struct span value)
{
    return sm_archive_peer_of(sm, value, &q->peer, &q->range.peer) ? STANZA_ERROR_NONE
                                                                  : STANZA_BAD_REQUEST;
}

/* A time that no number has is before or after them all. */
static bool read_time(struct span value, int64_t *ms_r)
{
    if (!sm_time_read(value, ms_r))
        return false;
    *ms_r = max_of(-1, min_of(*ms_r, SM_ARCHIVE_MAX_TIME));
    return true;
}

static enum stanza_error read_start(const struct sm *sm, struct sm_mam_query *q, struct span value)
{
    int64_t ms;

    (void)sm;
    if (!read_time(value, &ms))
        return STANZA_BAD_REQUEST;
    q->range.first = max_of(q->range.first, max_of(ms, 0) << SM_ARCHIVE_TIME_SHIFT);
    return STANZA_ERROR_NONE;
}

static enum stanza_error read_end(const struct sm *sm, struct sm_mam_query *q, struct span value)
{
    int64_t ms;

    (void)sm;
    if (!read_time(value, &ms))
        return STANZA_BAD_REQUEST;
    if (ms < SM_ARCHIVE_MAX_TIME)
        q->range.last = min_of(q->range.last, ((ms + 1) << SM_ARCHIVE_TIME_SHIFT) - 1);
    return STANZA_ERROR_NONE;
}

/* It must be there; who asks with one that cannot be is told so at once. */
static enum stanza_error read_known(struct sm_mam_query *q, struct span value, int64_t *id_r)
{
    if (!sm_archive_id_read(value, id_r))
        return STANZA_ITEM_NOT_FOUND;
    q->known[q->known_count++] = *id_r;
    return STANZA_ERROR_NONE;
}

static enum stanza_error read_after_id(const struct sm *sm, struct sm_mam_query *q,
                                       struct span value)
{
    int64_t id;
    enum stanza_error e = read_known(q, value, &id);

    (void)sm;
    if (!e)
        q->range.first = max_of(q->range.first, id + 1);
    return e;
}

static enum stanza_error read_before_id(const struct sm *sm, struct sm_mam_query *q,
                                        struct span value)
{
    int64_t id;
    enum stanza_error e = read_known(q, value, &id);

    (void)sm;
    if (!e)
        q->range.last = min_of(q->range.last, id - 1);
    return e;
}

/* What goes to rooms is not here, whether it is wanted or not. */
static enum stanza_error read_groupchat(const struct sm *sm, struct sm_mam_query *q,
                                        struct span value)
{
    (void)sm, (void)q;
    return span_eq(value, SPAN("true")) || span_eq(value, SPAN("false")) ||
                   span_eq(value, SPAN("1")) || span_eq(value, SPAN("0"))
               ? STANZA_ERROR_NONE
               : STANZA_BAD_REQUEST;
}

static enum stanza_error read_ids(struct sm_mam_query *q, uint32_t field)
{
    struct stanza *s = q->request;

    q->is_by_id = true;
    for (uint32_t v = stanza_child(s, field, SPAN(NS_FORM), SPAN("value")); v;
         v = stanza_next(s, v, SPAN(NS_FORM), SPAN("value"))) {
        if (q->id_count == SM_MAM_IDS_MAX)
            return STANZA_NOT_ACCEPTABLE;
        if (!sm_archive_id_read(stanza_text(s, v), &q->ids[q->id_count++]))
            return STANZA_ITEM_NOT_FOUND;
    }
    return STANZA_ERROR_NONE;
}

/* In the order of the form that we give; each at most once. */
static const struct field {
    const char *var, *type;
    enum stanza_error (*read)(const struct sm *sm, struct sm_mam_query *q, struct span value);
} fields[] = {
    {"with", "jid-single", read_with},
    {"start", "text-single", read_start},
    {"end", "text-single", read_end},
    {"before-id", "text-single", read_before_id},
    {"after-id", "text-single", read_after_id},
    {"ids", "list-multi", NULL},
    {"include-groupchat", "boolean", read_groupchat},
};

static enum stanza_error read_field(const struct sm *sm, struct sm_mam_query *q, uint32_t node,
                                    unsigned *seen)
{
    struct span var = stanza_attr(q->request, node, SPAN("var"));
    uint32_t value = stanza_child(q->request, node, SPAN(NS_FORM), SPAN("value"));

    if (span_is_none(var) || span_eq(var, SPAN("FORM_TYPE")))
        return STANZA_ERROR_NONE;
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        if (!span_eq(var, span_of(fields[i].var)))
            continue;
        if (*seen & (1u << i))
            return STANZA_BAD_REQUEST;
        *seen |= 1u << i;
        if (!value)
            return STANZA_ERROR_NONE;
        return fields[i].read ? fields[i].read(sm, q, stanza_text(q->request, value))
                              : read_ids(q, node);
    }
    return STANZA_FEATURE_NOT_IMPLEMENTED;
}

static enum stanza_error read_form(const struct sm *sm, struct sm_mam_query *q, uint32_t payload)
{
    struct stanza *s = q->request;
    uint32_t form = form_find(s, payload, SPAN_NONE);
    enum stanza_error e = STANZA_ERROR_NONE;
    unsigned seen = 0;

    if (!form)
        return e;
    if (!form_is_type(s, form, SPAN("submit")) ||
        !span_eq(form_value(s, form, SPAN("FORM_TYPE")), SPAN(NS_MAM)))
        return STANZA_BAD_REQUEST;
    for (uint32_t f = stanza_child(s, form, SPAN(NS_FORM), SPAN("field")); f && !e;
         f = stanza_next(s, f, SPAN(NS_FORM), SPAN("field")))
        e = read_field(sm, q, f, &seen);
    return e;
}

/* --- a query ---------------------------------------------------------------------------------- */

static enum stanza_error read_set(const struct sm *sm, struct sm_mam_query *q, uint32_t payload)
{
    enum stanza_error e = STANZA_ERROR_NONE;
    struct rsm rsm;
    int64_t id;

    if (!rsm_read(q->request, payload, &rsm))
        return STANZA_BAD_REQUEST;
    if (rsm.has_index)
        return STANZA_FEATURE_NOT_IMPLEMENTED; /* XEP-0059 2.6: it need not be */
    q->max = rsm.has_max ? (size_t)rsm.max : PAGE_DEFAULT;
    if (q->max > sm->opts.archive_page)
        q->max = sm->opts.archive_page;
    q->is_backward = rsm.is_backward;
    q->page_first = 0;
    q->page_last = INT64_MAX;
    if (rsm.after.n > 0 && !(e = read_known(q, rsm.after, &id)))
        q->page_first = id + 1;
    if (!e && rsm.before.n > 0 && !(e = read_known(q, rsm.before, &id)))
        q->page_last = id - 1;
    return e;
}

static enum stanza_error read_query(const struct sm *sm, struct sm_mam_query *q, uint32_t payload)
{
    struct stanza *s = q->request;
    enum stanza_error e;

    if (stanza_attr(s, payload, SPAN("node")).n > 0)
        return STANZA_ITEM_NOT_FOUND; /* of a pubsub service: XEP-0442 */
    q->range.first = 0;
    q->range.last = INT64_MAX;
    q->query_id = stanza_attr(s, payload, SPAN("queryid"));
    if (q->query_id.n > QUERY_ID_MAX)
        return STANZA_BAD_REQUEST;
    q->is_flipped = stanza_child(s, payload, SPAN(NS_MAM), SPAN("flip-page")) != 0;
    e = read_form(sm, q, payload);
    return e ? e : read_set(sm, q, payload);
}

void sm_mam_query(struct sm_in *in, uint32_t payload)
{
    struct sm_mam_query *q;
    enum stanza_error e;

    if (refuse_if_off(in))
        return;
    q = mem_zalloc(sizeof(*q));
    q->request = in->stanza;
    q->range.account = account_of(in);
    e = read_query(in->sm, q, payload);
    if (!e)
        sm_mam_answer(in, q);
    else
        sm_refuse(in, e, NULL);
    buf_free(&q->peer);
    free(q);
}

void sm_mam_form(struct sm_in *in, uint32_t payload)
{
    struct sm_out out;

    (void)payload;
    if (refuse_if_off(in))
        return;
    struct buf *buf = sm_iq_open(in, &out);
    xml_raw(buf, SPAN("<query xmlns='" NS_MAM "'>"));
    form_write_begin(buf, "form", SPAN(NS_MAM));
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        form_write_multi_begin(buf, fields[i].var, fields[i].type, NULL);
        if (!fields[i].read) /* any values, not only those of a list that is given (XEP-0122) */
            xml_raw(buf, SPAN("<validate xmlns='" NS_VALIDATE "' datatype='xs:string'><open/>"
                              "</validate>"));
        form_write_multi_end(buf);
    }
    form_write_end(buf);
    xml_raw(buf, SPAN("</query>"));
    sm_iq_close(&out);
}

/* --- where it begins and ends ----------------------------------------------------------------- */

struct metadata {
    struct sm_task task; /* first */
    int64_t account, first, last;
};

static bool take_one(void *ctx, int64_t id)
{
    *(int64_t *)ctx = id;
    return false;
}

static int metadata_run(struct db *db, struct store_job *store_job)
{
    struct metadata *m = (struct metadata *)(void *)store_job;
    struct sm_archive_range range = {.account = m->account, .last = INT64_MAX};

    sm_archive_walk(db, &range, false, 1, take_one, &m->first);
    sm_archive_walk(db, &range, true, 1, take_one, &m->last);
    return STORE_OK;
}

static void write_end(struct buf *out, const char *name, int64_t id)
{
    char text[SM_ARCHIVE_ID_LEN];

    sm_archive_id_text(id, text);
    buf_printf(out, "<%s", name);
    xml_attr(out, "id", span_make(text, sizeof(text)));
    xml_raw(out, SPAN(" timestamp='"));
    sm_time_write(out, sm_archive_time_of(id));
    xml_raw(out, SPAN("'/>"));
}

static void metadata_done(struct sm_task *task, struct sm_in *in, int result)
{
    const struct metadata *m = (struct metadata *)task;
    struct sm_out out;

    if (result < 0) {
        sm_refuse(in, STANZA_RESOURCE_CONSTRAINT, NULL);
        return;
    }
    struct buf *buf = sm_iq_open(in, &out);
    xml_raw(buf, SPAN("<metadata xmlns='" NS_MAM "'>"));
    if (m->first) {
        write_end(buf, "start", m->first);
        write_end(buf, "end", m->last);
    }
    xml_raw(buf, SPAN("</metadata>"));
    sm_iq_close(&out);
}

void sm_mam_metadata(struct sm_in *in, uint32_t payload)
{
    struct metadata *m;

    (void)payload;
    if (refuse_if_off(in))
        return;
    sm_archive_flush(in->sm);
    m = mem_zalloc(sizeof(*m));
    m->account = account_of(in);
    sm_task_submit(in, STORE_READ, &m->task, metadata_run, metadata_done);
}
