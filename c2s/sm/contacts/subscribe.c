/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * subscribe - the subscription stanzas of RFC 6121 section 3, from a client of ours (outbound) and
 * for an account of ours (inbound).
 *
 * Each is one job: on the storage thread the state is read, subscription.c's table applied and the
 * outcome written; then, on the loop, it is made known: in the owner's memory, by roster pushes, to
 * the contact. An account that nobody owns is treated alike, without resources; who owns it by then
 * is told to read it again. Jobs run in order, so the stanzas of two users keep theirs.
 *
 * Called by presence.c; a job owns all that it needs.
 */
#include "c2s/sm/contacts/contacts.h"

#include <stdlib.h>

struct subscribe {
    struct sm_job job; /* first */
    struct stanza stanza; /* a copy; from and to are bare */
    struct span to;
    struct span name, own_bare, contact; /* the account's, as the stanza has them */
    struct sm_names names;
    enum sm_sub_event event;
    bool is_from_link;
    size_t max_items;
    int64_t stamp;
    struct buf request; /* to be kept when it is one */
    /* What came of it. */
    struct sm_roster_row row;
    struct sm_step step;
    bool is_changed; /* the item */
    struct buf items;
    char ver[44];
};

static void destroy(struct sm_job *job)
{
    struct subscribe *sub = (struct subscribe *)job;

    stanza_free(&sub->stanza);
    buf_free(&sub->request);
    buf_free(&sub->row.jid);
    buf_free(&sub->items);
}

/* --- on the storage thread --- */

static int write_request(struct db *db, const struct sm_roster_key *key, unsigned old,
                         const struct subscribe *sub)
{
    if (((old ^ sub->step.state) & SM_STATE_REQUESTED) == 0)
        return STORE_OK;
    if (old & SM_STATE_REQUESTED)
        return sm_request_remove(db, key);
    return sm_request_put(db, key, sub->stamp, buf_span(&sub->request));
}

static int write_item(struct db *db, const struct sm_roster_key *key, unsigned old,
                      struct subscribe *sub)
{
    const unsigned state = sub->step.state & SM_STATE_ITEM;
    int result;

    if (((old ^ state) & SM_STATE_ITEM) == 0)
        return STORE_OK;
    if (!sub->row.is_there)
        buf_append(&sub->row.jid, sub->names.stored);
    result = sm_roster_write_state(db, key, &sub->row, state, sub->max_items, &sub->items);
    if (result != STORE_OK)
        return result;
    sub->row.is_there = true;
    sub->is_changed = true;
    return sm_roster_new_version(db, key->account, sub->ver);
}

static int run(struct db *db, struct store_job *store_job)
{
    struct subscribe *sub = (struct subscribe *)(void *)store_job;
    const struct sm_roster_key key = {sm_account_id(db, sub->name), sub->names};
    unsigned old;
    int result;

    if (!key.account)
        return SM_ROSTER_NO_ACCOUNT;
    if (sub->event >= SM_IN_SUBSCRIBE &&
        sm_account_blocks(sub->job.sm, db, sub->name, sub->contact))
        return STORE_OK; /* not a word */
    if ((result = sm_roster_read(db, &key, &sub->row)) < 0)
        return result;
    old = sub->row.state | (sm_request_exists(db, &key) ? SM_STATE_REQUESTED : 0);
    sub->step = sm_subscription_step(old, sub->event);
    if ((result = write_item(db, &key, old, sub)) != STORE_OK)
        return result;
    return write_request(db, &key, old, sub);
}

/* --- on the loop --- */

/* RFC 6121 3.1.3: a request, to whoever is available; the rest, to whoever follows the roster. */
static void deliver(struct sm_in *in, const struct subscribe *sub, const struct sm_user *user)
{
    LIST_FOR_EACH (node, &user->sessions) {
        struct sm_session *s = CONTAINER_OF(node, struct sm_session, node);
        if (sub->event == SM_IN_SUBSCRIBE ? s->is_available : s->is_interested)
            sm_deliver(in, s);
    }
}

/* In the owner's memory; the resources learn of it. */
static void apply(struct subscribe *sub, struct sm_user *user)
{
    struct sm_contact *c;

    if (sub->step.state & SM_STATE_REQUESTED)
        user->profile->has_requests = true;
    if (!sub->is_changed)
        return;
    c = sm_contact_put(user->profile, buf_span(&sub->row.jid));
    c->subscription = sub->step.state & 3;
    c->ask = sub->step.state >> 2 & 3;
    sm_roster_push(user, buf_span(&sub->items), span_of(sub->ver));
}

/* RFC 6121: the resources hear the stanza before the push that it causes. The contact hears that
 * the user is unavailable while he still counts as a subscriber. */
static void act(struct sm_in *in, struct subscribe *sub, struct sm_user *user)
{
    const unsigned acts = sub->step.acts;

    if (user && (acts & SM_ACT_DELIVER))
        deliver(in, sub, user);
    if (user)
        apply(sub, user);
    else if (sub->is_changed || (sub->step.state & SM_STATE_REQUESTED))
        sm_owner_tell(in->sm, sub->name, "changed");
    if (user && (acts & SM_ACT_HIDE))
        sm_broadcast_end_to(user, sub->contact);
    if (acts & SM_ACT_SEND)
        sm_presence_pass_on(in);
    if (acts & SM_ACT_REPLY)
        sm_presence_notice(in->sm, sub->own_bare, sub->contact, "subscribed");
    if (user && (acts & SM_ACT_SHOW))
        sm_broadcast_all_to(user, sub->contact);
}

static void refuse(struct sm_in *in, const struct subscribe *sub, int result)
{
    if (result == SM_ROSTER_NO_ACCOUNT && sub->event >= SM_IN_SUBSCRIBE && sm_moved_refuse(in))
        return;
    if (result == SM_ROSTER_NO_ACCOUNT && sub->event == SM_IN_SUBSCRIBE)
        sm_presence_notice(in->sm, sub->own_bare, sub->contact, "unsubscribed");
    else if (result != SM_ROSTER_NO_ACCOUNT && sub->event < SM_IN_SUBSCRIBE)
        sm_refuse_always(in, STANZA_RESOURCE_CONSTRAINT,
                         result == SM_ROSTER_FULL ? "the roster is full" : NULL);
    else if (result != SM_ROSTER_NO_ACCOUNT)
        sm_refuse(in, STANZA_RESOURCE_CONSTRAINT, NULL);
}

static bool finish(struct sm_job *job, int result)
{
    struct subscribe *sub = (struct subscribe *)job;
    struct sm_in in = {
        .sm = job->sm,
        .session = job->session && job->session->client ? job->session : NULL,
        .stanza = &sub->stanza,
        .done = job->done,
        .is_from_link = sub->is_from_link,
    };
    struct jid_scratch scratch SM_HOT;

    job->done = (struct link_done){0};
    if (job->user && sub->event >= SM_IN_SUBSCRIBE)
        job->user->subscribing--;
    jid_parse(sub->to, &in.to, &scratch);
    if (result == STORE_OK)
        act(&in, sub, sm_user_owned(job->sm, sub->name));
    else
        refuse(&in, sub, result);
    sm_done(in.done, result >= 0 || sub->event <= SM_IN_SUBSCRIBE); /* or refused */
    return true;
}

/* --- the ways in --- */

/* A very long one is kept without what it holds. */
static void keep_request(struct sm_in *in, struct subscribe *sub)
{
    sm_presence_render(in, &sub->request);
    if (buf_len(&sub->request) <= SM_REQUEST_BYTES)
        return;
    buf_clear(&sub->request);
    xml_attr(&sub->request, "from", sub->contact);
    xml_raw(&sub->request, SPAN(" type='subscribe'/>"));
}

static struct subscribe *subscribe_new(struct sm_in *in, enum sm_sub_event event)
{
    struct subscribe *sub = mem_zalloc(sizeof(*sub));
    struct arena *arena = &sub->stanza.arena;

    stanza_copy(&sub->stanza, in->stanza);
    sub->stanza.from = arena_span(arena, in->stanza->from);
    sub->to = arena_span(arena, in->to.bare);
    sub->event = event;
    sub->is_from_link = in->is_from_link;
    sub->max_items = in->sm->opts.max_roster;
    sub->job.bytes = sizeof(*sub) + 2 * arena_held(arena);
    sub->job.finish = finish;
    sub->job.destroy = destroy;
    return sub;
}

static void submit(struct sm_in *in, struct subscribe *sub, struct sm_user *user)
{
    sub->names = sm_names_of(in->sm, &sub->stanza.arena, sub->contact);
    sub->job.done = in->done;
    sub->job.is_foreign = in->is_from_link;
    if (sm_job_submit(in->sm, STORE_WRITE, &sub->job, user, in->session, run)) {
        sm_in_take_done(in);
        if (user && sub->event >= SM_IN_SUBSCRIBE)
            user->subscribing++;
        return;
    }
    destroy(&sub->job);
    free(sub);
    sm_refuse_always(in, STANZA_RESOURCE_CONSTRAINT, "too much at once");
}

void sm_subscribe_out(struct sm_in *in)
{
    struct sm_user *user = in->session->user;
    struct subscribe *sub;
    enum sm_sub_event event;

    if (sm_user_is(user, in->to.local, in->to.domain) ||
        !sm_subscription_event(in->stanza->type, true, &event))
        return;
    sub = subscribe_new(in, event);
    sub->name = arena_span(&sub->stanza.arena, user->name);
    sub->own_bare = sub->stanza.from;
    sub->contact = sub->to;
    submit(in, sub, user);
}

void sm_subscribe_in(struct sm_in *in, struct sm_user *user)
{
    struct jid_scratch scratch SM_HOT;
    struct subscribe *sub;
    enum sm_sub_event event;
    struct jid from;

    if (!jid_parse(in->stanza->from, &from, &scratch) ||
        !sm_subscription_event(in->stanza->type, false, &event) ||
        (span_eq(from.local, in->to.local) && sm_is_network_domain(in->sm, from.domain)))
        return;
    in->stanza->from = from.bare;
    sub = subscribe_new(in, event);
    sub->name = arena_span(&sub->stanza.arena, in->to.local);
    sub->own_bare = sub->to;
    sub->contact = sub->stanza.from;
    sub->stamp = loop_wall(in->sm->loop);
    if (event == SM_IN_SUBSCRIBE)
        keep_request(in, sub);
    submit(in, sub, user ? user : sm_user_find(in->sm, in->to.local));
}

/* RFC 6121 2.5.2 */
void sm_subscription_end(struct sm_user *user, struct span own_bare, struct span contact,
                         unsigned state)
{
    struct sm *sm = user->sm;

    if (state & SM_STATE_FROM)
        sm_broadcast_end_to(user, contact);
    if (state & (SM_STATE_TO | SM_STATE_ASKED))
        sm_presence_notice(sm, own_bare, contact, "unsubscribe");
    if (state & (SM_STATE_FROM | SM_STATE_REQUESTED))
        sm_presence_notice(sm, own_bare, contact, "unsubscribed");
}
