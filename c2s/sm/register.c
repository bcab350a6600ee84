/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * register - in-band registration for those who are logged in (XEP-0077 3.1 to 3.3): who is
 * registered, another password, no account any more. Always about the asker's own account.
 *
 * Rows of iq.c's table call it, for requests to the account and to the host. A struct change lives
 * from a request that the accounts must answer to that answer; it holds the session and its user.
 * How an account is made is the transport's affair (c2s/register.c): that comes before the login.
 */
#include "c2s/sm/access.h"
#include "c2s/sm/contacts/contacts.h"

#include "xmpp/register.h"

#include <stdlib.h>

struct change {
    struct sm *sm;
    struct sm_user *user;
    struct sm_session *session;
    struct stanza request; /* without its content, which holds the password */
    struct link_done done;
};

/* --- answering --- */

/* All but the one that has just proved that it knows the new password. */
static void end_others(const struct change *c)
{
    LIST_FOR_EACH (node, &c->user->sessions) {
        struct sm_session *s = CONTAINER_OF(node, struct sm_session, node);
        if (s != c->session)
            sm_session_kick(s, STREAM_RESET, "the password has been changed");
    }
}

static void answer(const struct change *c, enum stanza_error e, const char *text)
{
    struct sm_in in = {.sm = c->sm, .session = c->session, .stanza = (struct stanza *)&c->request};

    if (!c->session->client)
        return;
    if (e == STANZA_ERROR_NONE)
        sm_iq_empty_result(&in);
    else
        sm_refuse(&in, e, text);
}

static void change_end(struct change *c)
{
    struct sm *sm = c->sm;
    struct sm_user *user = c->user;
    struct link_done done = c->done;

    user->is_changing = false;
    sm_session_unref(c->session);
    stanza_free(&c->request);
    free(c);
    sm_done(done, true);
    user->jobs--;
    sm_user_settle(user);
    sm_unhold(sm);
}

static void on_password_set(void *ctx, enum stanza_error e, const char *text)
{
    struct change *c = ctx;

    answer(c, e, text);
    if (e == STANZA_ERROR_NONE) {
        LOG(LOG_INFO, "register.password", F_SPAN("jid", c->session->full));
        end_others(c);
    }
    change_end(c);
}

/* What is there no more need not be removed again. */
static void on_removed(void *ctx, enum stanza_error e, const char *text)
{
    struct change *c = ctx;

    if (e == STANZA_ITEM_NOT_FOUND)
        e = STANZA_ERROR_NONE;
    answer(c, e, text);
    if (e == STANZA_ERROR_NONE) {
        LOG(LOG_INFO, "register.removed", F_SPAN("jid", c->session->full));
        if (!c->sm->is_closed) {
            sm_user_deleted(c->sm, c->user->name);
            sm_erase(c->sm, c->user->name, NULL, NULL);
        }
    }
    change_end(c);
}

/* One at a time of each user: keys are derived for it. NULL: refused. */
static struct change *change_begin(struct sm_in *in)
{
    struct sm_user *user = in->session->user;
    struct change *c;

    if (!in->sm->accounts) {
        sm_refuse(in, STANZA_SERVICE_UNAVAILABLE, NULL);
        return NULL;
    }
    if (user->is_changing) {
        sm_refuse(in, STANZA_RESOURCE_CONSTRAINT, "one change at a time");
        return NULL;
    }
    c = mem_zalloc(sizeof(*c));
    c->sm = in->sm;
    c->user = user;
    c->session = sm_session_ref(in->session);
    stanza_add(&c->request, 0, SPAN(NS_CLIENT), SPAN("iq"));
    c->request.id = arena_span(&c->request.arena, in->stanza->id);
    c->request.to = arena_span(&c->request.arena, in->stanza->to);
    c->request.type = SPAN("set");
    c->request.from = c->session->full;
    c->done = sm_in_take_done(in);
    user->is_changing = true;
    user->jobs++;
    sm_hold(in->sm);
    return c;
}

/* --- asking --- */

static bool names_self(const struct sm_in *in, struct span username)
{
    const struct sm_user *user = in->session->user;
    struct jid_scratch scratch;
    struct span name;
    struct jid jid;

    if (jid_prep_local(username, scratch.text, &name))
        return span_eq(name, user->name);
    return jid_parse(username, &jid, &scratch) && jid_is_bare(&jid) &&
           sm_user_is(user, jid.local, jid.domain);
}

static void set_password(struct sm_in *in, const struct register_query *q)
{
    struct change *c;

    if (span_is_empty(q->username) || span_is_none(q->password))
        sm_refuse(in, STANZA_BAD_REQUEST, "a name and a password are needed");
    else if (!names_self(in, q->username))
        sm_refuse(in, STANZA_FORBIDDEN, "not your account");
    else if (!sm_access_allows(in->sm, SM_RIGHT_PASSWORD, in->session->full))
        sm_refuse(in, STANZA_NOT_ALLOWED, NULL);
    else if (span_is_empty(q->password) ||
             register_length(q->password) < in->sm->opts.min_password)
        sm_refuse(in, STANZA_NOT_ACCEPTABLE, "the password is too short");
    else if ((c = change_begin(in)) != NULL)
        in->sm->accounts->set_password(in->sm->accounts_ctx, c->user->name, q->password,
                                       (struct sm_account_answer){on_password_set, c});
}

static void remove_account(struct sm_in *in, const struct register_query *q)
{
    struct change *c;

    if (q->has_more)
        sm_refuse(in, STANZA_BAD_REQUEST, "nothing may stand beside <remove/>");
    else if (!sm_access_allows(in->sm, SM_RIGHT_PASSWORD, in->session->full))
        sm_refuse(in, STANZA_FORBIDDEN, NULL);
    else if ((c = change_begin(in)) != NULL)
        in->sm->accounts->remove(in->sm->accounts_ctx, c->user->name,
                                 (struct sm_account_answer){on_removed, c});
}

void sm_register_get(struct sm_in *in, uint32_t payload)
{
    struct sm_out out;
    struct buf *buf;

    (void)payload;
    if (!in->session) {
        sm_refuse(in, STANZA_SERVICE_UNAVAILABLE, NULL);
        return;
    }
    buf = sm_iq_open(in, &out);
    xml_raw(buf, SPAN("<query xmlns='" NS_REGISTER "'><registered/><username>"));
    xml_text(buf, in->session->user->name);
    xml_raw(buf, SPAN("</username><password/></query>"));
    sm_iq_close(&out);
}

void sm_register_set(struct sm_in *in, uint32_t payload)
{
    struct register_query q;

    if (!in->session) { /* to the host, from elsewhere */
        sm_refuse(in, STANZA_FORBIDDEN, NULL);
        return;
    }
    register_read(in->stanza, payload, &q);
    if (q.is_removal)
        remove_account(in, &q);
    else
        set_password(in, &q);
}
