/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * match - probe@host: which addresses are users of the network; see match.h. A row of services.c.
 *
 *   request -> the store, a slice at a time -> (a client's) other members -> answer
 *
 * A client hears of users by their homes, user@HOST; what it did not find is left out, whatever the
 * reason. Other members hear of our own users, and, as from a directory, of others' homes.
 */
#include "c2s/sm/network/match.h"
#include "c2s/sm/network/record.h"

#include "xmpp/iq.h"

#include <stdlib.h>

#define SLICE 100 /* addresses of one job */

struct sm_matches *sm_matches_of(struct sm *sm)
{
    struct sm_matches *all = sm->net->matches;

    if (!all) {
        all = sm->net->matches = mem_zalloc(sizeof(*all));
        list_init(&all->all);
        list_init(&all->quota_age);
    }
    return all;
}

static void match_free(struct match *m)
{
    if (!m->sm->is_closed) {
        m->sm->net->matches->count--;
        list_remove(&m->node);
    }
    if (m->session)
        sm_session_unref(m->session);
    servers_unref(&m->servers);
    arena_free(&m->arena);
    free(m);
}

/* One that the store works for goes when that is done with it. */
void sm_match_close(struct sm *sm)
{
    struct sm_matches *all = sm->net->matches;

    if (!all)
        return;
    while (!list_is_empty(&all->all)) {
        struct match *m = CONTAINER_OF(all->all.next, struct match, node);
        list_remove(&m->node);
        if (m->looked < m->count)
            continue;
        match_ask_drop(m);
        match_free(m);
    }
    match_quota_free(all);
    free(all);
    sm->net->matches = NULL;
}

/* --- answers ---------------------------------------------------------------------------------- */

static void write_name(const struct match *m, struct buf *out, const struct match_name *name)
{
    xml_raw(out, SPAN("<item jid='"));
    xml_value(out, name->user);
    xml_raw(out, SPAN("@"));
    xml_value(out, name->home);
    xml_raw(out, SPAN("'"));
    if (!m->session && name->is_user && name->stamp)
        buf_printf(out, " stamp='%lld'", (long long)name->stamp);
    xml_raw(out, SPAN("/>"));
}

static void write_answer(const struct match *m, struct buf *out)
{
    xml_raw(out, SPAN("<query xmlns='" NS_KONTALK_ROSTER "'"));
    if (!m->session)
        xml_attr(out, "complete", m->is_complete ? SPAN("true") : SPAN("false"));
    xml_raw(out, SPAN(">"));
    for (size_t i = 0; i < m->count; i++) {
        const struct match_name *name = &m->names[i];
        if (name->is_user || (!m->session && !span_is_none(name->home)))
            write_name(m, out, name);
    }
    xml_raw(out, SPAN("</query>"));
}

/* Who is shown others by their servers has been charged for those. */
static void end_answer(const struct match *m, struct sm_out *out)
{
    if (m->session && span_eq(m->session->domain, m->sm->opts.host))
        out->from = buf_len(out->buf);
    sm_out_end(out);
}

void match_answer(struct match *m)
{
    struct sm_out out;
    struct buf *buf;

    if (!m->session || (m->session->client && !m->session->is_gone)) {
        buf = sm_out_begin(m->sm, m->session, &out);
        iq_write_result_open(buf, m->id, m->to, m->from);
        write_answer(m, buf);
        iq_write_end(buf);
        end_answer(m, &out);
    }
    match_free(m);
}

/* --- what the store knows --------------------------------------------------------------------- */

struct look {
    struct sm_job job; /* first */
    struct match *m;
    struct buf text;
};

/* When he registered here, ms since 1970, which is the stamp of his record; 0: he is not here. */
static int64_t account_created(struct db *db, struct span user)
{
    struct db_stmt *st = db_sql(db, "SELECT max(created, 1) FROM account WHERE name = ?1");
    int64_t created = 0;

    db_bind_text(st, 1, user);
    if (db_step(st) > 0)
        created = db_int(st, 0);
    db_reset(st);
    return created;
}

/* The same work for who is there, who is not, and who has blocked the asker. */
static void look_for(struct db *db, struct look *l, struct match_name *name)
{
    struct match *m = l->m;
    const struct span self = m->sm->opts.host;
    const int64_t created = account_created(db, name->user);
    const bool is_blocked =
        !span_is_none(m->asker) && sm_account_blocks(m->sm, db, name->user, m->asker);
    struct sm_home_record r = {.host = SPAN_NONE};
    const bool is_recorded = sm_record_load(db, name->user, &r, &l->text) > 0;

    if (created) {
        name->is_user = !is_blocked;
        name->is_settled = true;
        name->home = is_blocked ? SPAN_NONE : self;
        name->stamp = created;
    } else if (is_recorded && !span_eq(r.host, self)) {
        name->home = arena_span(&m->arena, r.host);
        name->is_directory_asked = true; /* we are one */
    }
}

static size_t slice_of(const struct match *m)
{
    return m->count - m->looked < SLICE ? m->count - m->looked : SLICE;
}

static int run(struct db *db, struct store_job *job)
{
    struct look *l = (struct look *)(void *)job;
    struct match *m = l->m;
    const size_t n = slice_of(m);

    for (size_t i = 0; i < n; i++)
        look_for(db, l, &m->names[m->looked + i]);
    if (m->looked == 0)
        m->is_complete = sm_has_heard_all(db, m->servers);
    return STORE_OK;
}

static void destroy(struct sm_job *job)
{
    buf_free(&((struct look *)job)->text);
}

static void look_at_next(struct match *m);

static bool finish(struct sm_job *job, int result)
{
    struct match *m = ((struct look *)job)->m;

    (void)result; /* what the store cannot tell counts as unknown */
    m->looked += slice_of(m);
    if (m->sm->is_closed)
        match_free(m);
    else
        look_at_next(m);
    return true;
}

static void look_at_next(struct match *m)
{
    struct look *l;

    if (m->looked == m->count) {
        if (m->session)
            match_ask_others(m);
        else
            match_answer(m);
        return;
    }
    l = mem_zalloc(sizeof(*l));
    l->m = m;
    l->job.finish = finish;
    l->job.destroy = destroy;
    sm_job_start(m->sm, STORE_READ, &l->job, NULL, NULL, run);
}

/* --- requests --------------------------------------------------------------------------------- */

/* The domain may be written in any way of the network's; of a member's question, in that of who is
 * asked, too. */
static bool is_meant(const struct match *m, struct span domain)
{
    return m->session ? sm_is_network_domain(m->sm, domain) : sm_is_local_domain(m->sm, domain);
}

static enum stanza_error read_items(struct match *m, const struct stanza *s, uint32_t query)
{
    struct map seen = {0};
    enum stanza_error e = STANZA_ERROR_NONE;

    for (uint32_t i = stanza_child(s, query, SPAN(NS_KONTALK_ROSTER), SPAN("item")); i && !e;
         i = stanza_next(s, i, SPAN(NS_KONTALK_ROSTER), SPAN("item"))) {
        struct match_name *name = &m->names[m->count];
        struct jid_scratch scratch;
        struct jid jid;
        if (!jid_parse(stanza_attr(s, i, SPAN("jid")), &jid, &scratch)) {
            e = STANZA_BAD_REQUEST;
        } else if (!span_is_none(jid.local) && is_meant(m, jid.domain) &&
                   !map_get(&seen, jid.local)) {
            *name = (struct match_name){.user = arena_span(&m->arena, jid.local)};
            map_put(&seen, name->user, name);
            m->count++;
        }
    }
    map_free(&seen);
    return e;
}

/* A member, or its own probe@: for whom it asks, if it says so, is one of its users. */
static enum stanza_error read_member(struct match *m, const struct stanza *s, uint32_t query)
{
    const struct span asker = stanza_attr(s, query, SPAN("for"));
    struct jid_scratch scratch, asker_scratch;
    struct jid from, jid;

    if (!jid_parse(s->from, &from, &scratch) ||
        !servers_has_other(m->sm->net->servers, from.domain) ||
        (!span_is_none(from.local) && !span_eq(from.local, SPAN(SM_PROBE))))
        return STANZA_FORBIDDEN;
    if (span_is_none(asker))
        return STANZA_ERROR_NONE;
    if (!jid_parse(asker, &jid, &asker_scratch))
        return STANZA_BAD_REQUEST;
    if (!span_eq(jid.domain, from.domain))
        return STANZA_FORBIDDEN;
    m->asker = arena_span(&m->arena, jid.bare);
    return STANZA_ERROR_NONE;
}

static enum stanza_error read_request(struct match *m, const struct sm_in *in, uint32_t query)
{
    const struct stanza *s = in->stanza;
    const size_t max = in->sm->opts.net.match_items;
    const size_t items = stanza_child_count(s, query);
    enum stanza_error e;

    if (m->session)
        m->asker = arena_span(&m->arena, in->session->bare);
    else if ((e = read_member(m, s, query)) != STANZA_ERROR_NONE)
        return e;
    if (items > max)
        return STANZA_NOT_ACCEPTABLE;
    m->names = arena_alloc(&m->arena, (items + 1) * sizeof(*m->names));
    return read_items(m, s, query);
}

static struct match *match_new(const struct sm_in *in)
{
    struct sm_matches *all = sm_matches_of(in->sm);
    const struct stanza *s = in->stanza;
    struct match *m = mem_zalloc(sizeof(*m));

    m->sm = in->sm;
    m->session = in->session ? sm_session_ref(in->session) : NULL;
    m->servers = servers_ref(in->sm->net->servers);
    m->id = arena_span(&m->arena, s->id);
    m->from = arena_span(&m->arena, s->from);
    m->to = arena_span(&m->arena, s->to);
    list_init(&m->asks);
    list_append(&all->all, &m->node);
    all->count++;
    return m;
}

/* Those of the same account, this one included. */
static size_t count_own(const struct match *m)
{
    const struct sm_matches *all = m->sm->net->matches;
    size_t n = 0;

    LIST_FOR_EACH (node, &all->all) {
        const struct match *other = CONTAINER_OF(node, struct match, node);
        n += other->session && span_eq(other->asker, m->asker);
    }
    return n;
}

static bool has_room(const struct match *m)
{
    return m->sm->net->matches->count <= MATCH_MAX &&
           store_pending(m->sm->store) < SM_MAX_JOBS / 2 &&
           (!m->session || count_own(m) <= MATCH_MAX_OWN);
}

static struct span local_of(struct span bare)
{
    return span_make(bare.p, span_index(bare, '@'));
}

void sm_match_get(struct sm_in *in, uint32_t payload)
{
    struct match *m = match_new(in);
    const enum stanza_error e = read_request(m, in, payload);

    if (e != STANZA_ERROR_NONE) {
        sm_refuse(in, e, e == STANZA_NOT_ACCEPTABLE ? "too many items" : NULL);
        match_free(m);
    } else if (!has_room(m)) {
        sm_refuse(in, STANZA_RESOURCE_CONSTRAINT, "too much at once");
        match_free(m);
    } else if (m->session &&
               match_quota_take(in->sm, local_of(in->session->bare), m->count) > 0) {
        sm_refuse(in, STANZA_RESOURCE_CONSTRAINT, "too many addresses in a day");
        match_free(m);
    } else {
        look_at_next(m);
    }
}
