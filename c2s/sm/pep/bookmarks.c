/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * bookmarks - one list of rooms for all clients: the items of urn:xmpp:bookmarks:1 (XEP-0402) are
 * what is kept; private XML (XEP-0049) and the node storage:bookmarks (XEP-0048) show the same as
 * one element, and what is set there is published item by item (urn:xmpp:bookmarks:1#compat,
 * XEP-0411). What else such an element holds (links) stays in private XML.
 *
 * private.c calls it for that element, pep.c for both nodes, always for the account's owner.
 */
#include "c2s/sm/pep/pep.h"

#define NODE "urn:xmpp:bookmarks:1"
#define OLD "storage:bookmarks"
#define ROOM_START "<conference xmlns='" NODE "'"
#define STORAGE_START "<storage xmlns='" OLD "'>"
#define STORAGE_END "</storage>"

static size_t find(struct span text, struct span what)
{
    const char *hit = text.n ? memmem(text.p, text.n, what.p, what.n) : NULL;

    return hit ? (size_t)(hit - text.p) : text.n;
}

/* --- showing, in run() --- */

/* An item as its old form: the element is ours, so it begins with its namespace. */
static void write_room(void *ctx, struct span id, struct span payload)
{
    struct buf *out = ctx;

    if (!span_starts(payload, SPAN(ROOM_START)))
        return;
    xml_raw(out, SPAN("<conference"));
    xml_attr(out, "jid", id);
    buf_append(out, span_from(payload, sizeof(ROOM_START) - 1));
}

int sm_bookmarks_write(struct pubsub_ask *ask, struct db *db, struct buf *out)
{
    struct buf kept = {0};
    struct span rest;
    size_t start;
    int result;

    xml_raw(out, SPAN(STORAGE_START));
    start = buf_len(out);
    result = pubsub_items_each(ask, db, SPAN(NODE), write_room, out);
    if (result >= 0)
        result = sm_private_load(db, ask->account, SPAN(OLD), SPAN("storage"), &kept);
    rest = buf_span(&kept);
    if (span_starts(rest, SPAN(STORAGE_START)) && span_ends(rest, SPAN(STORAGE_END)))
        buf_append(out, span_make(rest.p + sizeof(STORAGE_START) - 1,
                                  rest.n - (sizeof(STORAGE_START STORAGE_END) - 1)));
    if (buf_len(out) > start) {
        xml_raw(out, SPAN(STORAGE_END));
    } else {
        out->tail--;
        xml_raw(out, SPAN("/>"));
    }
    buf_free(&kept);
    return result < 0 ? result : 0;
}

/* --- taking, in run() --- */

static void write_text(struct buf *out, struct stanza *s, uint32_t room, const char *name)
{
    uint32_t child = stanza_child(s, room, SPAN(OLD), span_of(name));

    if (!child)
        return;
    xml_raw(out, SPAN("<"));
    buf_append_z(out, name);
    xml_raw(out, SPAN(">"));
    xml_text(out, stanza_text(s, child));
    xml_raw(out, SPAN("</"));
    buf_append_z(out, name);
    xml_raw(out, SPAN(">"));
}

/* Old clients know nothing of extensions: those of the item stay. */
static void write_extensions(struct buf *out, struct span old)
{
    struct span rest = span_from(old, find(old, SPAN("<extensions")));
    size_t end = find(rest, SPAN("</conference>"));

    if (rest.n > 0 && end < rest.n)
        buf_append(out, span_make(rest.p, find(rest, SPAN("</extensions>")) +
                                              sizeof("</extensions>") - 1));
}

static void make_payload(struct buf *out, struct stanza *s, uint32_t room, struct span old)
{
    struct span autojoin = stanza_attr(s, room, SPAN("autojoin"));

    xml_raw(out, SPAN(ROOM_START));
    xml_attr(out, "name", stanza_attr(s, room, SPAN("name")));
    if (span_eq(autojoin, SPAN("1")) || span_eq(autojoin, SPAN("true")))
        xml_raw(out, SPAN(" autojoin='true'"));
    xml_raw(out, SPAN(">"));
    write_text(out, s, room, "nick");
    write_text(out, s, room, "password");
    if (span_starts(old, SPAN(ROOM_START)) && find(old, SPAN("</extensions>")) < old.n)
        write_extensions(out, old);
    xml_raw(out, SPAN("</conference>"));
}

/* id: of the item, in ask->arena; none: that is no room. */
static int take_room(struct pubsub_ask *ask, struct db *db, uint32_t room, struct span *id_r)
{
    struct stanza *s = ask->request;
    struct span old = SPAN("");
    struct jid_scratch scratch;
    struct buf payload = {0};
    struct pubsub_config config;
    struct jid jid;
    bool is_open;
    int result;

    *id_r = SPAN_NONE;
    if (!jid_parse(stanza_attr(s, room, SPAN("jid")), &jid, &scratch))
        return 0;
    *id_r = arena_span(&ask->arena, jid.bare);
    result = pubsub_item_get(ask, db, SPAN(NODE), *id_r, &old, &is_open);
    if (result < 0)
        return result;
    make_payload(&payload, s, room, old);
    pubsub_config_default(&config);
    config.access = PUBSUB_WHITELIST;
    config.max_items = PUBSUB_ITEMS_MAX;
    config.last = PUBSUB_LAST_NEVER;
    result = 0;
    if (buf_len(&payload) > ask->limits.max_item_bytes)
        result = pubsub_ask_refuse(ask, STANZA_NOT_ACCEPTABLE, "payload-too-big");
    else if (!span_eq(buf_span(&payload), old))
        result = pubsub_item_put(ask, db, SPAN(NODE), *id_r, buf_span(&payload), &config);
    buf_free(&payload);
    return result;
}

/* Those that are left of the items are dropped. */
struct left {
    struct map kept; /* by id */
    struct buf ids;  /* each ended by LF */
};

static void note_left(void *ctx, struct span id, struct span payload)
{
    struct left *left = ctx;

    (void)payload;
    if (map_get(&left->kept, id) || span_index(id, '\n') < id.n)
        return;
    buf_append(&left->ids, id);
    buf_append_char(&left->ids, '\n');
}

static int drop_others(struct pubsub_ask *ask, struct db *db, struct left *left)
{
    int result = pubsub_items_each(ask, db, SPAN(NODE), note_left, left);
    struct span rest = buf_span(&left->ids), id;

    while (result >= 0 && !span_is_none(id = pubsub_next_jid(&rest)))
        result = pubsub_item_drop(ask, db, SPAN(NODE), id);
    return result < 0 ? result : 0;
}

/* What is no room, as it is. */
static int keep_rest(struct pubsub_ask *ask, struct db *db, uint32_t storage)
{
    struct stanza *s = ask->request;
    struct buf rest = {0};
    int result;

    xml_raw(&rest, SPAN(STORAGE_START));
    for (uint32_t c = stanza_child(s, storage, SPAN_NONE, SPAN_NONE); c;
         c = stanza_next(s, c, SPAN_NONE, SPAN_NONE)) {
        if (!stanza_is(s, c, SPAN(OLD), SPAN("conference")))
            stanza_write_node(&rest, s, c, SPAN(OLD));
    }
    xml_raw(&rest, SPAN(STORAGE_END));
    result = sm_private_save(db, ask->account, SPAN(OLD), SPAN("storage"), buf_span(&rest));
    buf_free(&rest);
    return result == SM_PRIVATE_FULL ? pubsub_ask_refuse(ask, STANZA_RESOURCE_CONSTRAINT, NULL)
                                     : result;
}

/* Nobody else may see them, wherever they come from (XEP-0411 4). */
int sm_bookmarks_take(struct pubsub_ask *ask, struct db *db, uint32_t storage)
{
    struct stanza *s = ask->request;
    struct left left = {0};
    int result = pubsub_node_close(ask, db, SPAN(NODE));

    for (uint32_t c = stanza_child(s, storage, SPAN(OLD), SPAN("conference"));
         c && result >= 0; c = stanza_next(s, c, SPAN(OLD), SPAN("conference"))) {
        struct span id;
        result = take_room(ask, db, c, &id);
        if (result >= 0 && !span_is_none(id))
            map_put(&left.kept, id, (void *)(uintptr_t)id.p);
    }
    if (result >= 0)
        result = drop_others(ask, db, &left);
    if (result >= 0)
        result = keep_rest(ask, db, storage);
    map_free(&left.kept);
    buf_free(&left.ids);
    return result;
}

/* The other node's event, for the user's own resources. */
static int tell_old(struct pubsub_ask *ask, struct db *db)
{
    struct pubsub_event *event = pubsub_event_new(ask, SPAN(OLD));
    int result;

    xml_raw(&event->xml, SPAN("<event xmlns='" NS_PUBSUB_EVENT "'><items node='" OLD
                              "'><item id='current'>"));
    result = sm_bookmarks_write(ask, db, &event->xml);
    xml_raw(&event->xml, SPAN("</item></items></event>"));
    return result;
}

/* --- the nodes, in run() --- */

static int answer_items(struct pubsub_ask *ask, struct db *db)
{
    int result;

    xml_raw(&ask->answer, SPAN("<pubsub xmlns='" NS_PUBSUB "'><items node='" OLD
                               "'><item id='current'>"));
    result = sm_bookmarks_write(ask, db, &ask->answer);
    xml_raw(&ask->answer, SPAN("</item></items></pubsub>"));
    return result;
}

static int take_item(struct pubsub_ask *ask, struct db *db, uint32_t publish)
{
    struct stanza *s = ask->request;
    uint32_t item = stanza_child(s, publish, SPAN(NS_PUBSUB), SPAN("item"));
    uint32_t storage = item ? stanza_child(s, item, SPAN(OLD), SPAN("storage")) : 0;
    int result;

    if (!storage)
        return pubsub_ask_refuse(ask, STANZA_BAD_REQUEST, "invalid-payload");
    result = sm_bookmarks_take(ask, db, storage);
    xml_raw(&ask->answer, SPAN("<pubsub xmlns='" NS_PUBSUB "'><publish node='" OLD
                               "'><item id='current'/></publish></pubsub>"));
    return result < 0 ? result : tell_old(ask, db);
}

bool sm_bookmarks_run(struct pubsub_ask *ask, struct db *db, int *result_r)
{
    const struct stanza *s = ask->request;
    uint32_t publish = stanza_child(s, ask->payload, SPAN(NS_PUBSUB), SPAN("publish"));
    uint32_t items = stanza_child(s, ask->payload, SPAN(NS_PUBSUB), SPAN("items"));
    uint32_t action = publish ? publish : items;

    if (!ask->is_owner || !ask->account || !action ||
        !span_eq(stanza_attr(s, action, SPAN("node")), SPAN(OLD)) ||
        span_eq(s->type, SPAN("set")) != (publish != 0))
        return false;
    *result_r = publish ? take_item(ask, db, publish) : answer_items(ask, db);
    return true;
}

int sm_bookmarks_published(struct pubsub_ask *ask, struct db *db)
{
    if (!ask->is_owner || !ask->is_changed || !span_eq(ask->node, SPAN(NODE)))
        return 0;
    return tell_old(ask, db);
}

/* --- private XML --- */

static int get_run(struct db *db, struct store_job *job)
{
    struct pep_task *t = (struct pep_task *)(void *)job;

    t->ask.account = sm_account_id(db, t->user);
    xml_raw(&t->ask.answer, SPAN("<query xmlns='" NS_PRIVATE "'>"));
    int result = sm_bookmarks_write(&t->ask, db, &t->ask.answer);
    xml_raw(&t->ask.answer, SPAN("</query>"));
    return result;
}

static int set_run(struct db *db, struct store_job *job)
{
    struct pep_task *t = (struct pep_task *)(void *)job;
    uint32_t storage = stanza_child(t->ask.request, t->ask.payload, SPAN(OLD), SPAN("storage"));
    int result;

    t->ask.account = sm_account_id(db, t->user);
    if (!t->ask.account)
        return STORE_FAILED;
    result = sm_bookmarks_take(&t->ask, db, storage);
    return result < 0 ? result : tell_old(&t->ask, db);
}

static void done(struct sm_task *task, struct sm_in *in, int result)
{
    struct pep_task *t = (struct pep_task *)task;

    sm_pep_answer(in, &t->ask, result);
    if (result >= 0)
        sm_pep_notify(in->sm, t->user, &t->ask, NULL);
}

bool sm_bookmarks_private(struct sm_in *in, uint32_t query)
{
    const bool is_set = span_eq(in->stanza->type, SPAN("set"));
    struct pep_task *t;

    if (stanza_child_count(in->stanza, query) != 1 ||
        !stanza_child(in->stanza, query, SPAN(OLD), SPAN("storage")))
        return false;
    t = sm_pep_task_new(in);
    if (t)
        sm_task_submit(in, is_set ? STORE_WRITE : STORE_READ, &t->task,
                       is_set ? set_run : get_run, done);
    return true;
}
