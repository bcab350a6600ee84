/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * iq - what this server answers, in one table: payload, who may ask what where, the handler, and
 * the feature that disco shows for it; so that the two cannot disagree.
 *
 * RFC 6120 8.2.3 and 10.5, RFC 6121 8.5. A new feature is a file with its handlers and its rows
 * here. Called by route.c with a request that has an id and one payload, or with an answer.
 */
#include "c2s/sm/archive/archive.h"
#include "c2s/sm/admin/commands.h"
#include "c2s/sm/contacts/contacts.h"

#include "xmpp/iq.h"
#include "xmpp/register.h"

enum { GET = 1, SET = 2 };

enum access {
    OWNER,      /* the user: his session is there, and he is owned here */
    SUBSCRIBER, /* he, and who may see his presence */
    ANYONE,     /* but who is blocked; the handler decides: in->to.local is the account's name */
};

struct iq_row {
    const char *ns, *name;
    unsigned types;   /* GET, SET */
    unsigned targets; /* SM_TO_HOST, SM_TO_ACCOUNT */
    enum access access; /* to an account */
    /* For who has none. The same for unknown users. */
    enum stanza_error to_others;
    void (*handle)(struct sm_in *in, uint32_t payload);
    const char *feature; /* NULL: not shown, or shown by another row */
};

#define BOTH (SM_TO_HOST | SM_TO_ACCOUNT)

static const struct iq_row rows[] = {
    {NS_DISCO_INFO, "query", GET, BOTH, SUBSCRIBER, STANZA_SERVICE_UNAVAILABLE, sm_disco_info,
     NS_DISCO_INFO},
    {NS_DISCO_ITEMS, "query", GET, BOTH, SUBSCRIBER, STANZA_SERVICE_UNAVAILABLE, sm_disco_items,
     NS_DISCO_ITEMS},
    {NS_PING, "ping", GET, BOTH, OWNER, STANZA_SERVICE_UNAVAILABLE, sm_ping, NS_PING},
    {NS_VERSION, "query", GET, BOTH, OWNER, STANZA_SERVICE_UNAVAILABLE, sm_version, NS_VERSION},
    {NS_TIME, "time", GET, BOTH, OWNER, STANZA_SERVICE_UNAVAILABLE, sm_time, NS_TIME},
    {NS_PUBSUB, "pubsub", GET | SET, SM_TO_ACCOUNT, ANYONE, STANZA_ITEM_NOT_FOUND, sm_pubsub, NULL},
    {NS_PUBSUB "#owner", "pubsub", GET | SET, SM_TO_ACCOUNT, ANYONE, STANZA_FORBIDDEN, sm_pubsub,
     NULL},
    {NS_ROSTER, "query", GET, SM_TO_ACCOUNT, OWNER, STANZA_FORBIDDEN, sm_roster_get, NS_ROSTER},
    {NS_ROSTER, "query", SET, SM_TO_ACCOUNT, OWNER, STANZA_FORBIDDEN, sm_roster_set, NULL},
    {NS_BLOCKING, "blocklist", GET, SM_TO_ACCOUNT, OWNER, STANZA_FORBIDDEN, sm_block_get,
     NS_BLOCKING},
    {NS_BLOCKING, "block", SET, SM_TO_ACCOUNT, OWNER, STANZA_FORBIDDEN, sm_block_set, NULL},
    {NS_BLOCKING, "unblock", SET, SM_TO_ACCOUNT, OWNER, STANZA_FORBIDDEN, sm_block_set, NULL},
    {NS_VCARD, "vCard", GET, SM_TO_ACCOUNT, ANYONE, STANZA_SERVICE_UNAVAILABLE, sm_vcard_get,
     NS_VCARD},
    {NS_VCARD, "vCard", SET, SM_TO_ACCOUNT, OWNER, STANZA_FORBIDDEN, sm_vcard_set, NULL},
    {NS_PRIVATE, "query", GET, SM_TO_ACCOUNT, OWNER, STANZA_FORBIDDEN, sm_private_get, NS_PRIVATE},
    {NS_PRIVATE, "query", SET, SM_TO_ACCOUNT, OWNER, STANZA_FORBIDDEN, sm_private_set, NULL},
    {NS_REGISTER, "query", GET, BOTH, OWNER, STANZA_SERVICE_UNAVAILABLE, sm_register_get, NULL},
    {NS_REGISTER, "query", SET, BOTH, OWNER, STANZA_FORBIDDEN, sm_register_set, NULL},
    {NS_LAST, "query", GET, BOTH, SUBSCRIBER, STANZA_FORBIDDEN, sm_last, NS_LAST},
    {NS_EXTDISCO, "services", GET, SM_TO_HOST, OWNER, STANZA_FORBIDDEN, sm_extdisco_services,
     NS_EXTDISCO},
    {NS_EXTDISCO, "credentials", GET, SM_TO_HOST, OWNER, STANZA_FORBIDDEN,
     sm_extdisco_credentials, NULL},
    {NS_COMMANDS, "command", SET, SM_TO_HOST, OWNER, STANZA_FORBIDDEN, sm_command, NS_COMMANDS},
    {NS_PUBKEY, "pubkey", GET, BOTH, OWNER, STANZA_ITEM_NOT_FOUND, sm_pubkey_get, NULL},
    {NS_CARBONS, "enable", SET, SM_TO_ACCOUNT, OWNER, STANZA_NOT_ALLOWED, sm_carbons_set,
     NS_CARBONS},
    {NS_CARBONS, "disable", SET, SM_TO_ACCOUNT, OWNER, STANZA_NOT_ALLOWED, sm_carbons_set, NULL},
    {NS_PUSH, "enable", SET, SM_TO_ACCOUNT, OWNER, STANZA_FORBIDDEN, sm_push_set, NS_PUSH},
    {NS_PUSH, "disable", SET, SM_TO_ACCOUNT, OWNER, STANZA_FORBIDDEN, sm_push_set, NULL},
    {NS_MAM, "query", SET, SM_TO_ACCOUNT, OWNER, STANZA_FORBIDDEN, sm_mam_query, NULL},
    {NS_MAM, "query", GET, SM_TO_ACCOUNT, OWNER, STANZA_FORBIDDEN, sm_mam_form, NULL},
    {NS_MAM, "metadata", GET, SM_TO_ACCOUNT, OWNER, STANZA_FORBIDDEN, sm_mam_metadata, NULL},
    {NS_MAM, "prefs", GET, SM_TO_ACCOUNT, OWNER, STANZA_FORBIDDEN, sm_mam_prefs_get, NULL},
    {NS_MAM, "prefs", SET, SM_TO_ACCOUNT, OWNER, STANZA_FORBIDDEN, sm_mam_prefs_set, NULL},
    {NS_NETWORK, "home", GET, SM_TO_HOST, OWNER, STANZA_FORBIDDEN, sm_home_get, NULL},
    {NS_NETWORK, "homes", SET, SM_TO_HOST, OWNER, STANZA_FORBIDDEN, sm_homes_set, NULL},
};

void sm_iq_each_feature(unsigned target, void (*each)(void *ctx, const char *feature), void *ctx)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (rows[i].feature && (rows[i].targets & target))
            each(ctx, rows[i].feature);
    }
}

static uint32_t payload_of(const struct stanza *s)
{
    return stanza_child(s, 0, SPAN_NONE, SPAN_NONE);
}

/* is_known_r: a row has the payload, if not for this type. */
static const struct iq_row *find_row(const struct stanza *s, unsigned target, bool *is_known_r)
{
    const unsigned type = span_eq(s->type, SPAN("get")) ? GET : SET;
    const uint32_t payload = payload_of(s);

    *is_known_r = false;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (!(rows[i].targets & target) ||
            !stanza_is(s, payload, span_of(rows[i].ns), span_of(rows[i].name)))
            continue;
        *is_known_r = true;
        if (rows[i].types & type)
            return &rows[i];
    }
    return NULL;
}

/* --- access to an account that nobody owns is asked of the store --- */

struct ask {
    struct sm_task task; /* first */
    const struct iq_row *row;
    struct span name, who; /* in task.request's arena */
    struct sm_names names; /* of who */
    bool has_network;      /* who has no account may be at home elsewhere */
};

static int ask_run(struct db *db, struct store_job *store_job)
{
    struct ask *ask = (struct ask *)(void *)store_job;

    if (sm_account_blocks(ask->task.job.sm, db, ask->name, ask->who))
        return 0;
    if (ask->row->access == ANYONE)
        return !ask->has_network || sm_account_id(db, ask->name) ? 1 : 0;
    return sm_account_is_seen_by_any(db, ask->name, &ask->names) ? 1 : 0;
}

static void ask_done(struct sm_task *task, struct sm_in *in, int result)
{
    const struct iq_row *row = ((struct ask *)task)->row;

    if (result > 0)
        row->handle(in, payload_of(in->stanza));
    else if (!sm_moved_refuse(in))
        sm_refuse(in, row->to_others, NULL);
}

static void ask_store(struct sm_in *in, const struct iq_row *row)
{
    struct ask *ask = mem_zalloc(sizeof(*ask));

    stanza_copy(&ask->task.request, in->stanza);
    ask->row = row;
    ask->has_network = sm_has_network(in->sm);
    ask->name = arena_span(&ask->task.request.arena, in->to.local);
    ask->who = arena_span(&ask->task.request.arena, in->stanza->from);
    ask->names = sm_names_of(in->sm, &ask->task.request.arena, jid_bare_of(ask->who));
    sm_task_submit(in, STORE_READ, &ask->task, ask_run, ask_done);
}

static void serve_account(struct sm_in *in, const struct iq_row *row, bool is_owner)
{
    const struct sm_user *user = sm_in_user(in);

    if (is_owner)
        row->handle(in, payload_of(in->stanza));
    else if (row->access == OWNER && !user && sm_moved_refuse(in))
        return;
    else if (row->access == OWNER)
        sm_refuse(in, row->to_others, NULL);
    else if (!user)
        ask_store(in, row);
    else if (row->access == ANYONE || sm_user_is_seen_by(user, in->stanza->from))
        row->handle(in, payload_of(in->stanza));
    else
        sm_refuse(in, row->to_others, NULL);
}

/* A request that the server answers, for itself or for an account. */
static void serve(struct sm_in *in, unsigned target, bool is_owner)
{
    const struct iq_row *row;
    bool is_known;

    if (!iq_is_request(in->stanza)) {
        if (!sm_push_answer(in) && !sm_multicast_answer(in) && !sm_filter_answer(in) &&
            !sm_question_answer(in))
            sm_interest_answer(in);
        return;
    }
    row = find_row(in->stanza, target, &is_known);
    if (!row)
        sm_refuse(in, is_known && (target == SM_TO_HOST || is_owner) ? STANZA_NOT_ALLOWED
                                                                     : STANZA_SERVICE_UNAVAILABLE,
                  NULL);
    else if (target == SM_TO_ACCOUNT)
        serve_account(in, row, is_owner);
    else
        row->handle(in, payload_of(in->stanza));
}

void sm_iq_account(struct sm_in *in)
{
    serve(in, SM_TO_ACCOUNT, true);
}

void sm_iq_refuse_stranger(struct sm_in *in)
{
    const struct iq_row *row = NULL;
    bool is_known;

    if (iq_is_request(in->stanza) && jid_is_bare(&in->to))
        row = find_row(in->stanza, SM_TO_ACCOUNT, &is_known);
    sm_refuse(in, row ? row->to_others : STANZA_SERVICE_UNAVAILABLE, NULL);
}

/* A roster push that is none of ours (clients believe it) reaches no client. */
static bool may_reach_client(const struct stanza *s)
{
    uint32_t payload = payload_of(s);

    return !iq_is_request(s) || !payload || !span_eq(s->nodes[payload].ns, SPAN(NS_ROSTER));
}

static void to_client(struct sm_in *in, const struct sm_user *user)
{
    struct sm_session *s = sm_user_session(user, in->to.resource);

    if (!s || !may_reach_client(in->stanza) || !sm_deliver(in, s))
        sm_refuse(in, STANZA_SERVICE_UNAVAILABLE, NULL);
}

void sm_iq(struct sm_in *in)
{
    struct sm_user *user;

    switch (sm_in_place(in, &user)) {
    case SM_PLACE_HOST:
        serve(in, SM_TO_HOST, false);
        break;
    case SM_PLACE_USER:
        if (!sm_hooks_receiving(in, user))
            break;
        if (jid_is_bare(&in->to))
            serve(in, SM_TO_ACCOUNT, in->session && in->session->user == user);
        else
            to_client(in, user);
        break;
    case SM_PLACE_ABSENT:
        if (!sm_hooks_absent(in))
            break;
        if (jid_is_bare(&in->to))
            serve(in, SM_TO_ACCOUNT, false);
        else if (!sm_moved_refuse(in))
            sm_refuse(in, STANZA_SERVICE_UNAVAILABLE, NULL);
        break;
    case SM_PLACE_ROUTER:
        sm_send_to_router(in);
        break;
    case SM_PLACE_NOWHERE:
        sm_refuse(in, STANZA_ITEM_NOT_FOUND, NULL);
        break;
    }
}

/* --- answers --- */

struct buf *sm_iq_open(struct sm_in *in, struct sm_out *out_r)
{
    const struct stanza *s = in->stanza;
    struct buf *buf = sm_out_begin(in->sm, in->session, out_r);

    iq_write_result_open(buf, s->id, s->to, s->from);
    return buf;
}

void sm_iq_close(struct sm_out *out)
{
    iq_write_end(out->buf);
    sm_out_end(out);
}

void sm_iq_empty_result(struct sm_in *in)
{
    const struct stanza *s = in->stanza;
    struct sm_out out;

    iq_write_result(sm_out_begin(in->sm, in->session, &out), s->id, s->to, s->from);
    sm_out_end(&out);
}
