/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * roster - getting, setting and removing items, and pushing changes to the interested resources.
 *
 * RFC 6121 section 2. The items live in the store (roster_store.c); a request is checked here, runs
 * as one job and is answered when that is durable. Rows of iq.c's table call it, for the owner of
 * the account only: session and user are there.
 */
#include "c2s/sm/contacts/contacts.h"

#include "xmpp/iq.h"

#include <stdlib.h>

#define NAME_MAX_BYTES 1023
#define GROUPS_MAX 100
/* Name and groups of one item; with the number of items, it bounds what a roster can hold. */
#define ITEM_MAX_BYTES 4096
/* Rosters on their way to one session: each may be as big as that. */
#define GETS_MAX 4

struct roster_job {
    struct sm_job job; /* first */
    struct stanza request; /* a copy: to, from, id */
    struct sm_roster_item item;
    struct span own_bare;
    struct span ver; /* the client's; none: it asks for everything */
    size_t max_items;
    char new_ver[44];
    struct buf items;  /* <item/>s, written on the storage thread */
    struct buf groups;
};

static void destroy(struct sm_job *job)
{
    struct roster_job *r = (struct roster_job *)job;

    stanza_free(&r->request);
    buf_free(&r->items);
    buf_free(&r->groups);
}

/* The request as it was asked, to answer it: false when the session is gone. */
static bool resume(struct roster_job *r, struct sm_in *in_r)
{
    *in_r = (struct sm_in){
        .sm = r->job.sm,
        .session = r->job.session,
        .stanza = &r->request,
    };
    r->request.from = r->job.session->full;
    return r->job.session->client != NULL;
}

static struct roster_job *job_new(struct sm_in *in)
{
    struct roster_job *r = mem_zalloc(sizeof(*r));

    stanza_copy(&r->request, in->stanza);
    r->max_items = in->sm->opts.max_roster;
    r->job.destroy = destroy;
    r->job.bytes = 4096;
    return r;
}

static bool submit(struct sm_in *in, enum store_kind kind, struct roster_job *r,
                   int (*run)(struct db *db, struct store_job *job))
{
    if (sm_job_submit(in->sm, kind, &r->job, in->session->user, in->session, run)) {
        r->job.done = sm_in_take_done(in);
        return true;
    }
    destroy(&r->job);
    free(r);
    sm_refuse(in, STANZA_RESOURCE_CONSTRAINT, NULL);
    return false;
}

static void write_query(struct buf *out, struct span items, struct span ver)
{
    xml_raw(out, SPAN("<query xmlns='" NS_ROSTER "'"));
    xml_attr(out, "ver", ver);
    xml_raw(out, SPAN(">"));
    buf_append(out, items);
    xml_raw(out, SPAN("</query>"));
}

static void answer_failure(struct sm_in *in, int result)
{
    enum stanza_error e = STANZA_RESOURCE_CONSTRAINT;

    if (result == SM_ROSTER_NO_ITEM)
        e = STANZA_ITEM_NOT_FOUND;
    else if (result == SM_ROSTER_NO_ACCOUNT)
        e = STANZA_SERVICE_UNAVAILABLE;
    sm_refuse(in, e, result == SM_ROSTER_FULL ? "the roster is full" : NULL);
}

/* --- get -------------------------------------------------------------------------------------- */

static int get_run(struct db *db, struct store_job *store_job)
{
    struct roster_job *r = (struct roster_job *)(void *)store_job;

    return sm_roster_load(db, r->job.user->name, r->ver, &r->items, r->new_ver);
}

static bool get_finish(struct sm_job *job, int result)
{
    struct roster_job *r = (struct roster_job *)job;
    struct sm_in in;
    struct sm_out out;

    job->session->roster_gets--;
    if (!resume(r, &in))
        return true;
    if (result == SM_ROSTER_SAME) {
        sm_iq_empty_result(&in); /* RFC 6121 2.6.3 */
    } else if (result == STORE_OK) {
        write_query(sm_iq_open(&in, &out), buf_span(&r->items), span_of(r->new_ver));
        sm_iq_close(&out);
    } else {
        answer_failure(&in, result);
    }
    return true;
}

void sm_roster_get(struct sm_in *in, uint32_t payload)
{
    struct roster_job *r;

    if (stanza_child_count(in->stanza, payload) > 0) {
        sm_refuse(in, STANZA_BAD_REQUEST, NULL); /* RFC 6121 2.1.3 */
        return;
    }
    if (in->session->roster_gets == GETS_MAX) {
        sm_refuse(in, STANZA_RESOURCE_CONSTRAINT, "one roster after the other");
        return;
    }
    in->session->is_interested = true;
    if (!sm_warm_homes(in, SPAN_NONE))
        return;
    r = job_new(in);
    r->ver = stanza_attr(&r->request, stanza_child(&r->request, 0, SPAN_NONE, SPAN_NONE),
                         SPAN("ver"));
    r->job.finish = get_finish;
    if (submit(in, STORE_READ, r, get_run))
        in->session->roster_gets++;
}

/* --- set -------------------------------------------------------------------------------------- */

static int set_run(struct db *db, struct store_job *store_job)
{
    struct roster_job *r = (struct roster_job *)(void *)store_job;

    return sm_roster_change(db, r->job.user->name, &r->item, r->max_items, &r->items, r->new_ver);
}

static void push(struct sm_session *s, struct span items, struct span ver)
{
    struct sm_out out;
    struct buf *buf = sm_out_begin(s->sm, s, &out);

    xml_raw(buf, SPAN("<iq type='set' id='push-"));
    buf_append_u64(buf, ++s->sm->serial);
    xml_raw(buf, SPAN("'"));
    xml_attr(buf, "to", s->full);
    xml_raw(buf, SPAN(">"));
    write_query(buf, items, ver);
    xml_raw(buf, SPAN("</iq>"));
    sm_out_end(&out);
}

void sm_roster_push(struct sm_user *user, struct span items, struct span ver)
{
    LIST_FOR_EACH (node, &user->sessions) {
        struct sm_session *s = CONTAINER_OF(node, struct sm_session, node);
        if (s->is_interested && !s->is_gone)
            push(s, items, ver);
    }
}

/* The contact of the owner's memory follows. Who is removed is told first, while still a contact,
 * in the name of the address that the client knows itself by. */
static void follow(const struct roster_job *r, struct sm_user *user)
{
    const struct sm_roster_item *item = &r->item;

    if (item->is_removed) {
        sm_subscription_end(user, r->own_bare, item->jid, item->state);
        sm_contact_remove(user->profile, item->jid);
    } else {
        sm_contact_put(user->profile, item->jid);
    }
    sm_roster_push(user, buf_span(&r->items), span_of(r->new_ver));
}

static bool set_finish(struct sm_job *job, int result)
{
    struct roster_job *r = (struct roster_job *)job;
    struct sm_in in;
    bool is_there = resume(r, &in);

    if (result != STORE_OK) {
        if (is_there)
            answer_failure(&in, result);
        return true;
    }
    struct sm_user *user = sm_user_owned(job->sm, job->user->name);
    if (user)
        follow(r, user);
    else
        sm_owner_tell(job->sm, job->user->name, "changed");
    if (is_there)
        sm_iq_empty_result(&in);
    return true;
}

/* RFC 6121 2.3.3: not empty, not twice, not too long. LF separates them in the store. */
static enum stanza_error read_groups(struct stanza *s, uint32_t item, struct buf *out)
{
    uint32_t seen[GROUPS_MAX];
    size_t count = 0;

    for (uint32_t g = stanza_child(s, item, SPAN(NS_ROSTER), SPAN("group")); g;
         g = stanza_next(s, g, SPAN(NS_ROSTER), SPAN("group"))) {
        struct span name = stanza_text(s, g);
        if (name.n == 0 || name.n > NAME_MAX_BYTES || span_index(name, '\n') < name.n ||
            count == GROUPS_MAX)
            return STANZA_NOT_ACCEPTABLE;
        for (size_t k = 0; k < count; k++) {
            if (span_eq(name, stanza_text(s, seen[k])))
                return STANZA_BAD_REQUEST;
        }
        seen[count++] = g;
        if (buf_len(out) > 0)
            buf_append_char(out, '\n');
        buf_append(out, name);
    }
    return STANZA_ERROR_NONE;
}

/* The one item of the request into r->item; its spans live in r->request and groups. */
static enum stanza_error read_item(struct roster_job *r, const struct sm_user *user)
{
    struct jid_scratch scratch SM_HOT;
    struct stanza *s = &r->request;
    uint32_t query = stanza_child(s, 0, SPAN_NONE, SPAN_NONE);
    uint32_t item = stanza_child(s, query, SPAN(NS_ROSTER), SPAN("item"));
    struct jid jid;

    if (!item || stanza_child_count(s, query) != 1)
        return STANZA_BAD_REQUEST;
    if (!jid_parse(stanza_attr(s, item, SPAN("jid")), &jid, &scratch))
        return STANZA_JID_MALFORMED;
    r->item.jid = arena_span(&s->arena, jid.bare);
    r->item.names = sm_names_of(user->sm, &s->arena, r->item.jid);
    r->item.is_removed = span_eq(stanza_attr(s, item, SPAN("subscription")), SPAN("remove"));
    if (r->item.is_removed)
        return STANZA_ERROR_NONE;
    if (sm_user_is(user, jid.local, jid.domain))
        return STANZA_NOT_ALLOWED; /* RFC 6121 2.3.3 */
    r->item.name = stanza_attr(s, item, SPAN("name"));
    if (r->item.name.n > NAME_MAX_BYTES)
        return STANZA_NOT_ACCEPTABLE;
    enum stanza_error e = read_groups(s, item, &r->groups);
    r->item.groups = buf_span(&r->groups);
    if (e == STANZA_ERROR_NONE && r->item.name.n + r->item.groups.n > ITEM_MAX_BYTES)
        return STANZA_NOT_ACCEPTABLE;
    return e;
}

void sm_roster_set(struct sm_in *in, uint32_t payload)
{
    struct roster_job *r = job_new(in);
    enum stanza_error e = read_item(r, in->session->user);

    (void)payload;
    if (e != STANZA_ERROR_NONE || !sm_warm_homes(in, r->item.jid)) {
        destroy(&r->job);
        free(r);
        if (e != STANZA_ERROR_NONE)
            sm_refuse(in, e, NULL);
        return;
    }
    r->own_bare = arena_span(&r->request.arena, in->session->bare);
    r->job.bytes += buf_len(&r->groups) + r->item.name.n;
    r->job.finish = set_finish;
    submit(in, STORE_WRITE, r, set_run);
}
