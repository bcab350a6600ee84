/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * block - XEP-0191: the user's block list, its changes, and what happens to stanzas between him and
 * whom he has blocked.
 *
 * Rows of iq.c and hooks.c call it; the list itself is in his profile (block_store.c). To who is
 * blocked, he looks as one who is never there: what a stanza gets for an answer is the same whether
 * a client of his is connected or not. That is why message.c, offline.c and iq.c ask as well, of
 * accounts that nobody owns.
 */
#include "c2s/sm/contacts/contacts.h"

#include <stdlib.h>

/* --- stanzas ---------------------------------------------------------------------------------- */

static bool is_kind(const struct sm_in *in, struct span name)
{
    return span_eq(stanza_root(in->stanza)->name, name);
}

bool sm_block_sending(struct sm_in *in)
{
    const struct stanza *s = in->stanza;
    struct sm_out out;

    if (!sm_is_blocked(in->session->user, in->to.full))
        return true;
    if (stanza_may_answer_error(stanza_root(s)->name, s->type)) {
        struct buf *buf = sm_out_begin(in->sm, in->session, &out);
        stanza_error_write_with(buf, s, s->to, s->from, STANZA_NOT_ACCEPTABLE, SPAN("cancel"),
                                SPAN("<blocked xmlns='" NS_BLOCKING_ERRORS "'/>"));
        sm_out_end(&out);
    }
    return false;
}

/* As it would be if he were not there, and nothing could be stored. */
static void refuse_message(struct sm_in *in)
{
    const struct span type = in->stanza->type;

    if (!span_eq(type, SPAN("groupchat")) && !span_eq(type, SPAN("headline")) &&
        sm_offline_rule(in->stanza) != SM_OFFLINE_DROP)
        sm_refuse(in, STANZA_SERVICE_UNAVAILABLE, NULL);
}

void sm_block_refuse(struct sm_in *in)
{
    if (is_kind(in, SPAN("message")))
        refuse_message(in);
    else if (is_kind(in, SPAN("iq")))
        sm_iq_refuse_stranger(in);
}

bool sm_block_receiving(struct sm_in *in, struct sm_user *user)
{
    if (!sm_is_blocked(user, in->stanza->from))
        return true;
    sm_block_refuse(in);
    return false;
}

/* --- a room's message for an account that nobody owns --- */

struct room_message {
    struct sm_task task; /* first */
    struct span name, who; /* in the request's arena */
};

static int room_message_run(struct db *db, struct store_job *job)
{
    struct room_message *m = (struct room_message *)(void *)job;

    return sm_account_blocks(m->task.job.sm, db, m->name, m->who) ? 1 : 0;
}

static void room_message_done(struct sm_task *task, struct sm_in *in, int result)
{
    (void)task;
    if (result <= 0 && !sm_moved_refuse(in))
        sm_refuse(in, STANZA_SERVICE_UNAVAILABLE, NULL);
}

void sm_block_refuse_absent(struct sm_in *in)
{
    struct room_message *m = mem_zalloc(sizeof(*m));

    stanza_copy(&m->task.request, in->stanza);
    m->name = arena_span(&m->task.request.arena, in->to.local);
    m->who = arena_span(&m->task.request.arena, in->stanza->from);
    sm_task_submit(in, STORE_READ, &m->task, room_message_run, room_message_done);
}

/* --- requests --------------------------------------------------------------------------------- */

static void write_item(struct buf *out, struct span jid)
{
    xml_raw(out, SPAN("<item"));
    xml_attr(out, "jid", jid);
    xml_raw(out, SPAN("/>"));
}

void sm_block_get(struct sm_in *in, uint32_t payload)
{
    const struct sm_blocked *b;
    struct sm_out out;
    size_t cursor = 0;

    (void)payload;
    in->session->has_blocklist = true;
    struct buf *buf = sm_iq_open(in, &out);
    xml_raw(buf, SPAN("<blocklist xmlns='" NS_BLOCKING "'>"));
    while ((b = map_next(&in->session->user->profile->blocked, &cursor)) != NULL)
        write_item(buf, span_make(b->jid, b->n));
    xml_raw(buf, SPAN("</blocklist>"));
    sm_iq_close(&out);
}

struct change {
    struct sm_task task; /* first */
    bool is_block;       /* else unblock; without JIDs: all */
    size_t max;          /* entries of a list */
    struct span *jids;   /* in the request's arena */
    size_t count;
};

static int change_run(struct db *db, struct store_job *job)
{
    struct change *c = (struct change *)(void *)job;
    const struct span name = c->task.job.user->name;

    return c->is_block ? sm_block_add(db, name, c->jids, c->count, c->max)
                       : sm_block_remove(db, name, c->jids, c->count);
}

static void push(struct sm_session *s, const struct change *c)
{
    const struct span name = c->is_block ? SPAN("block") : SPAN("unblock");
    struct sm_out out;
    struct buf *buf = sm_out_begin(s->sm, s, &out);

    xml_raw(buf, SPAN("<iq type='set' id='push-"));
    buf_append_u64(buf, ++s->sm->serial);
    xml_raw(buf, SPAN("'"));
    xml_attr(buf, "to", s->full);
    xml_raw(buf, SPAN("><"));
    xml_raw(buf, name);
    xml_raw(buf, SPAN(" xmlns='" NS_BLOCKING "'>"));
    for (size_t i = 0; i < c->count; i++)
        write_item(buf, c->jids[i]);
    xml_raw(buf, SPAN("</"));
    xml_raw(buf, name);
    xml_raw(buf, SPAN("></iq>"));
    sm_out_end(&out);
}

static void unblock_all(struct sm_user *user)
{
    struct sm_profile old = {.blocked = user->profile->blocked};
    const struct sm_blocked *b;
    size_t cursor = 0;

    user->profile->blocked = (struct map){0};
    while ((b = map_next(&old.blocked, &cursor)) != NULL)
        sm_presence_show_to(user, span_make(b->jid, b->n));
    sm_blocked_free(&old);
}

static void block(struct sm_user *user, struct span jid)
{
    if (map_get(&user->profile->blocked, jid))
        return;
    sm_presence_hide_from(user, jid);
    sm_blocked_put(user->profile, jid);
}

static void unblock(struct sm_user *user, struct span jid)
{
    if (sm_blocked_remove(user->profile, jid))
        sm_presence_show_to(user, jid);
}

/* In memory, as it is in the store now, and to the clients that look at the list. Contacts
 * learn nothing of it, but that the user goes, or comes. */
static void apply(struct sm_user *user, const struct change *c)
{
    if (!c->is_block && c->count == 0)
        unblock_all(user);
    for (size_t i = 0; i < c->count; i++) {
        if (c->is_block)
            block(user, c->jids[i]);
        else
            unblock(user, c->jids[i]);
    }
    LIST_FOR_EACH (node, &user->sessions) {
        struct sm_session *s = CONTAINER_OF(node, struct sm_session, node);
        if (s->has_blocklist && !s->is_gone)
            push(s, c);
    }
}

/* What the first list has and the second has not. */
static void apply_difference(struct sm_user *user, const struct map *first,
                             const struct map *second, bool is_block)
{
    struct arena arena = {0};
    struct change c = {.is_block = is_block};
    const struct sm_blocked *b;
    size_t cursor = 0;

    c.jids = arena_alloc(&arena, (first->count + 1) * sizeof(*c.jids));
    while ((b = map_next(first, &cursor)) != NULL) {
        const struct span jid = span_make(b->jid, b->n);
        if (!map_get(second, jid))
            c.jids[c.count++] = arena_span(&arena, jid);
    }
    if (c.count > 0)
        apply(user, &c);
    arena_free(&arena);
}

void sm_block_follow(struct sm_user *user, const struct sm_profile *now)
{
    struct map *list = &user->profile->blocked;

    if (list->count > 0)
        apply_difference(user, list, &now->blocked, false);
    if (now->blocked.count > 0)
        apply_difference(user, &now->blocked, list, true);
}

static void change_done(struct sm_task *task, struct sm_in *in, int result)
{
    const struct change *c = (const struct change *)task;
    struct sm_user *user = task->job.user;

    if (result != STORE_OK) {
        sm_refuse(in, result == SM_BLOCK_FULL ? STANZA_RESOURCE_CONSTRAINT
                                              : STANZA_INTERNAL_SERVER_ERROR,
                  result == SM_BLOCK_FULL ? "the block list is full" : NULL);
        return;
    }
    sm_iq_empty_result(in);
    if (user->state == SM_USER_OWNED)
        apply(user, c);
    else
        sm_owner_tell(in->sm, user->name, "changed");
}

/* Neither himself nor this server: he would be alone. */
static bool may_block(const struct sm_user *user, const struct jid *jid)
{
    if (span_is_none(jid->local))
        return !sm_is_local_domain(user->sm, jid->domain);
    return !sm_is_network_domain(user->sm, jid->domain) || !span_eq(jid->local, user->name);
}

static void add_listed(struct change *c, const struct sm_user *user, struct span jid)
{
    if (map_get(&user->profile->blocked, jid) &&
        (c->count == 0 || !span_eq(c->jids[c->count - 1], jid)))
        c->jids[c->count++] = arena_span(&c->task.request.arena, jid);
}

/* A network user may be in the list by his address here, too, or by that of another host, from
 * before it was in the network. */
static void add_others(struct change *c, const struct sm_user *user, const struct jid *jid)
{
    char name[JID_TEXT_MAX] SM_HOT;

    if (!sm_has_network(user->sm))
        return;
    add_listed(c, user, jid->full);
    if (jid_is_bare(jid))
        add_listed(c, user, sm_name_of(user->sm, jid->bare, name));
}

/* What else an item holds (XEP-0377: why) is nobody's business here. */
static enum stanza_error read_items(struct change *c, const struct sm_user *user)
{
    struct stanza *s = &c->task.request;
    uint32_t list = stanza_child(s, 0, SPAN(NS_BLOCKING), SPAN_NONE);
    char stored[JID_TEXT_MAX] SM_HOT;
    struct jid_scratch scratch SM_HOT;
    struct jid jid;

    c->jids = arena_alloc(&s->arena, 3 * stanza_child_count(s, list) * sizeof(*c->jids));
    for (uint32_t item = stanza_child(s, list, SPAN(NS_BLOCKING), SPAN("item")); item;
         item = stanza_next(s, item, SPAN(NS_BLOCKING), SPAN("item"))) {
        if (!jid_parse(stanza_attr(s, item, SPAN("jid")), &jid, &scratch))
            return STANZA_JID_MALFORMED;
        if (c->is_block && !may_block(user, &jid))
            return STANZA_NOT_ALLOWED;
        c->jids[c->count++] = arena_span(
            &s->arena, c->is_block && span_eq(jid.domain, user->sm->opts.host)
                           ? jid.full
                           : sm_stored_jid(user->sm, jid.full, stored));
        if (!c->is_block)
            add_others(c, user, &jid);
    }
    if (c->count > c->max)
        return STANZA_RESOURCE_CONSTRAINT;
    return c->is_block && c->count == 0 ? STANZA_BAD_REQUEST : STANZA_ERROR_NONE;
}

void sm_block_set(struct sm_in *in, uint32_t payload)
{
    struct change *c = mem_zalloc(sizeof(*c));
    enum stanza_error e;

    stanza_copy(&c->task.request, in->stanza);
    c->is_block = span_eq(in->stanza->nodes[payload].name, SPAN("block"));
    c->max = in->sm->opts.max_blocked;
    e = read_items(c, in->session->user);
    if (e != STANZA_ERROR_NONE) {
        stanza_free(&c->task.request);
        free(c);
        sm_refuse(in, e, NULL);
        return;
    }
    c->task.job.bytes = arena_held(&c->task.request.arena);
    sm_task_submit(in, STORE_WRITE, &c->task, change_run, change_done);
}
