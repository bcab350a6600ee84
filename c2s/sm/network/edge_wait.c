/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * edge_wait - what waits to learn where a user is at home: stanzas for him or in his name, and
 * presence.
 *
 * Each user who is being looked up has a lane; whatever is for him or from him goes to its end, and
 * leaves in that order when the answer has come: so what one says to another keeps its order. A
 * stanza is a copy, with the sender's session held: it goes on even when that ends meanwhile. What
 * has come over the link may be all that another server has kept while we were away: it is kept as
 * text, which is a tenth of its tree, and there is more room for it. When the resolver cannot take
 * a question more, the lane asks again a little later.
 *
 * Called by edge.c, and by those who end sessions or give them away; all of it belongs to sm->net.
 */
#include "c2s/sm/network/edge.h"

#include "xml/parser.h"

#include <stdlib.h>

#define AGAIN_MS 200
#define ADDRESS_BYTES 1024 /* what one who waits for an address may hold, about */

struct lane {
    struct sm *sm;
    struct list_node unasked; /* of edge->unasked */
    struct list_node entries;
    size_t bytes;
    bool is_asked;
    struct span name; /* localpart; key in edge->lanes */
    char text[];
};

struct entry {
    struct list_node node; /* of its lane */
    struct list_node all;  /* of edge->all */
    struct lane *lane;
    size_t bytes;
    /* A stanza; write NULL. */
    struct sm_session *session;
    struct stanza stanza;
    struct buf text; /* the same, without a session */
    struct buf to;   /* in->to */
    struct link_done done;
    enum sm_direction direction;
    bool is_from_link, is_relayed, is_by_network;
    bool is_of_sender; /* the lane is that of its sender */
    /* Or one who waits for an address. */
    void (*write)(void *ctx, struct span domain);
    void (*release)(void *ctx);
    void *ctx;
};

struct sm_edge {
    struct map lanes;
    struct list_node unasked, all;
    size_t bytes;
    struct timer again;
};

static struct sm_edge *edge_of(const struct sm *sm)
{
    return sm->net->edge;
}

static void on_home(void *ctx, const struct sm_home *home);

/* --- lanes ------------------------------------------------------------------------------------ */

static void ask_again(void *ctx)
{
    struct sm *sm = ctx;
    struct sm_edge *edge = edge_of(sm);

    while (!list_is_empty(&edge->unasked)) {
        struct lane *lane = CONTAINER_OF(edge->unasked.next, struct lane, unasked);
        if (!sm_home_ask(sm, lane->name, on_home, lane)) {
            timer_start(&edge->again, sm->loop, AGAIN_MS, ask_again, sm);
            return;
        }
        lane->is_asked = true;
        list_remove(&lane->unasked);
    }
}

static struct lane *lane_get(struct sm *sm, struct span name)
{
    struct sm_edge *edge = edge_of(sm);
    struct lane *lane = map_get(&edge->lanes, name);

    if (lane)
        return lane;
    lane = mem_zalloc(sizeof(*lane) + name.n);
    lane->sm = sm;
    memcpy(lane->text, name.p, name.n);
    lane->name = span_make(lane->text, name.n);
    list_init(&lane->entries);
    list_init(&lane->unasked);
    map_put(&edge->lanes, lane->name, lane);
    return lane;
}

/* Once it has its first entry. */
static void lane_ask(struct lane *lane)
{
    struct sm_edge *edge = edge_of(lane->sm);

    if (lane->is_asked || !list_is_empty(&lane->unasked))
        return;
    list_append(&edge->unasked, &lane->unasked);
    if (!timer_is_running(&edge->again))
        ask_again(lane->sm);
}

static void lane_free(struct lane *lane)
{
    list_remove(&lane->unasked);
    map_remove(&edge_of(lane->sm)->lanes, lane->name);
    free(lane);
}

/* --- entries ---------------------------------------------------------------------------------- */

static struct entry *entry_new(struct sm *sm, struct span name)
{
    struct entry *e = mem_zalloc(sizeof(*e));

    e->lane = lane_get(sm, name);
    list_append(&e->lane->entries, &e->node);
    list_append(&edge_of(sm)->all, &e->all);
    return e;
}

static void count_bytes(struct entry *e, size_t bytes)
{
    edge_of(e->lane->sm)->bytes += bytes - e->bytes;
    e->lane->bytes += bytes - e->bytes;
    if (e->session)
        e->session->unresolved_bytes += bytes - e->bytes;
    e->bytes = bytes;
}

/* Out of its lane, which stays. */
static void take_out(struct entry *e)
{
    count_bytes(e, 0);
    list_remove(&e->node);
    list_remove(&e->all);
}

/* Without a word to its session. */
static void entry_drop(struct entry *e)
{
    struct sm_session *session = e->session;

    if (e->write)
        e->release(e->ctx);
    stanza_free(&e->stanza);
    buf_free(&e->text);
    buf_free(&e->to);
    free(e);
    if (session) {
        session->unresolved--;
        sm_session_unref(session);
    }
}

static void entry_free(struct entry *e)
{
    struct sm_session *session = e->session ? sm_session_ref(e->session) : NULL;

    entry_drop(e);
    if (session) {
        sm_session_drained(session); /* it may have waited for this to end */
        sm_session_unref(session);
    }
}

bool edge_is_waiting(const struct sm *sm, struct span localpart)
{
    const struct sm_edge *edge = edge_of(sm);

    return edge->lanes.count > 0 && map_get(&edge->lanes, localpart);
}

/* What it takes, about. */
static size_t weight_of(const struct entry *e)
{
    const struct stanza *s = &e->stanza;

    return sizeof(*e) + arena_held(&s->arena) + s->node_cap * sizeof(struct stanza_node) +
           s->attr_cap * sizeof(struct stanza_attr) + e->text.cap + e->to.cap;
}

/* Other servers cannot take all of the room from our clients. */
static bool is_too_much(const struct entry *e)
{
    const size_t all = edge_of(e->lane->sm)->bytes;

    if (e->session)
        return e->session->unresolved_bytes > SM_MAX_HELD_BYTES || all > SM_MAX_ALL_HELD_BYTES;
    return e->lane->bytes > SM_MAX_ALL_HELD_BYTES / 4 || all > SM_MAX_ALL_HELD_BYTES / 2;
}

/* The last one has no room: as if it had never come. */
static void drop_last(struct entry *e)
{
    struct lane *lane = e->lane;

    take_out(e);
    entry_free(e);
    if (list_is_empty(&lane->entries) && !lane->is_asked)
        lane_free(lane);
}

static void copy(struct entry *e, const struct stanza *s)
{
    const struct stanza_write_opts opts = {
        .ns = SPAN(NS_CLIENT), .from_ns = stanza_root(s)->ns, .to = s->to, .from = s->from};

    if (!e->session) {
        stanza_write(&e->text, s, &opts);
        return;
    }
    stanza_copy(&e->stanza, s);
    e->stanza.from = arena_span(&e->stanza.arena, s->from);
}

static void keep(struct sm_in *in, struct entry *e)
{
    e->is_from_link = in->is_from_link;
    e->is_relayed = in->is_relayed;
    e->is_by_network = in->is_by_network;
    if (in->session) {
        e->session = sm_session_ref(in->session);
        e->session->unresolved++;
    }
    copy(e, in->stanza);
    buf_append(&e->to, in->to.full);
    count_bytes(e, weight_of(e));
    if (is_too_much(e)) {
        drop_last(e);
        sm_refuse(in, STANZA_RESOURCE_CONSTRAINT, "too much at the moment");
        return;
    }
    e->done = sm_in_take_done(in);
    lane_ask(e->lane);
}

void edge_keep(struct sm_in *in, enum sm_direction direction)
{
    struct entry *e = entry_new(in->sm, in->to.local);

    e->direction = direction;
    keep(in, e);
}

void edge_keep_sender(struct sm_in *in, struct span localpart)
{
    struct entry *e = entry_new(in->sm, localpart);

    e->is_of_sender = true;
    keep(in, e);
}

void edge_keep_address(struct sm *sm, struct span localpart,
                       void (*write)(void *ctx, struct span domain), void (*release)(void *ctx),
                       void *ctx)
{
    struct entry *e = entry_new(sm, localpart);

    e->write = write;
    e->release = release;
    e->ctx = ctx;
    count_bytes(e, sizeof(*e) + ADDRESS_BYTES);
    if (is_too_much(e))
        drop_last(e);
    else
        lane_ask(e->lane);
}

/* --- the answer ------------------------------------------------------------------------------- */

static void stanza_goes_on(struct sm *sm, struct entry *e, const struct sm_home *home)
{
    struct sm_edge_scratch scratch SM_HOT;
    struct jid_scratch prepared SM_HOT;
    struct sm_in in = {
        .sm = sm,
        .session = e->session,
        .stanza = &e->stanza,
        .done = e->done,
        .is_from_link = e->is_from_link,
        .is_relayed = e->is_relayed,
        .is_by_network = e->is_by_network,
    };

    if (!e->session && xml_parse_stanza(xml_parser_shared(SPAN(NS_CLIENT)), buf_span(&e->text),
                                        &e->stanza) != XML_OK)
        return;
    if (!jid_parse(buf_span(&e->to), &in.to, &prepared))
        return;
    if (!e->is_of_sender && edge_settle(&in, home, &scratch))
        sm_in_go_on(&in, e->direction);
    else if (e->is_of_sender && edge_settle_sender(&in, home))
        sm_in_from_link(&in);
    sm_done(in.done, true);
}

static void goes_on(struct sm *sm, struct entry *e, const struct sm_home *home)
{
    take_out(e);
    if (!e->write) {
        stanza_goes_on(sm, e, home);
    } else {
        const struct span domain = edge_domain(sm, home);
        if (!span_is_none(domain))
            e->write(e->ctx, domain);
    }
    entry_free(e);
}

/* The cache may forget the host as soon as something goes on. */
static void on_home(void *ctx, const struct sm_home *answer)
{
    struct lane *lane = ctx;
    struct sm *sm = lane->sm;
    struct sm_home home = *answer;
    char host[JID_PART_MAX] SM_HOT;

    if (home.host.n > sizeof(host))
        home.kind = SM_HOME_UNREACHABLE;
    else if (home.host.n > 0)
        home.host = span_make(memcpy(host, home.host.p, home.host.n), home.host.n);
    while (!list_is_empty(&lane->entries))
        goes_on(sm, CONTAINER_OF(lane->entries.next, struct entry, node), &home);
    lane_free(lane);
    if (timer_is_running(&edge_of(sm)->again)) {
        timer_stop(&edge_of(sm)->again);
        ask_again(sm);
    }
}

/* --- life ------------------------------------------------------------------------------------- */

/* Nothing of it has been decided: its next owner does that. */
void sm_edge_give_back(struct sm_session *s,
                       void (*take)(struct sm_session *s, struct stanza *st, struct link_done done))
{
    if (s->unresolved == 0)
        return;
    LIST_FOR_EACH(node, &edge_of(s->sm)->all)
    {
        struct entry *e = CONTAINER_OF(node, struct entry, all);
        if (e->session != s)
            continue;
        take_out(e);
        take(s, &e->stanza, e->done);
        entry_free(e);
    }
}

/* What has come over the link, and is nobody's but ours to answer. */
void sm_edge_away(struct sm *sm)
{
    const struct sm_home unknown = {.kind = SM_HOME_UNREACHABLE};

    if (!sm_has_network(sm))
        return;
    LIST_FOR_EACH(node, &edge_of(sm)->all)
    {
        struct entry *e = CONTAINER_OF(node, struct entry, all);
        if (!e->write && e->is_from_link)
            goes_on(sm, e, &unknown);
    }
}

void sm_edge_open(struct sm *sm)
{
    struct sm_edge *edge = mem_zalloc(sizeof(*edge));

    list_init(&edge->unasked);
    list_init(&edge->all);
    sm->net->edge = edge;
}

void sm_edge_close(struct sm *sm)
{
    struct sm_edge *edge = edge_of(sm);
    struct lane *lane;
    size_t cursor = 0;

    timer_stop(&edge->again);
    LIST_FOR_EACH(node, &edge->all)
    {
        struct entry *e = CONTAINER_OF(node, struct entry, all);
        struct link_done done = e->done;
        take_out(e);
        entry_drop(e);
        sm_done(done, false);
    }
    while ((lane = map_next(&edge->lanes, &cursor)) != NULL)
        free(lane);
    map_free(&edge->lanes);
    free(edge);
    sm->net->edge = NULL;
}
