/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * register - in-band registration before the login (XEP-0077 3.1): the stream feature, the form,
 * and the making of an account, if the configuration lets anyone do that.
 *
 * Called by client.c's rules with an iq of a stream that has not logged in. From the request to the
 * answer the stream is paused in a state of its own, and a struct registration holds the client. In
 * a network of servers a name that somebody has elsewhere is not given away (sm_name_ask).
 */
#include "c2s/c2s.h"

#include "base/log.h"
#include "xmpp/iq.h"
#include "xmpp/jid.h"
#include "xmpp/ns.h"
#include "xmpp/register.h"

#include <stdio.h>
#include <stdlib.h>

struct registration {
    struct client *client;
    struct addr peer;
    uint64_t taken_ms; /* from the quota */
    char *id, *to;     /* of the request; to NULL: none */
    char *name;
    char *password; /* while other servers are asked; NULL: it has gone on */
};

void register_write_feature(const struct client *c, struct buf *out)
{
    if (c->c2s->conf->registration)
        xml_raw(out, SPAN("<register xmlns='" NS_REGISTER_FEATURE "'/>"));
}

/* --- answers ---------------------------------------------------------------------------------- */

static void log_refusal(const struct stream *s, struct span name, enum stanza_error e)
{
    char peer[ADDR_TEXT_MAX];
    LOG(LOG_INFO, "register.refused", F_STR("sid", s->id), F_SPAN("user", name),
        F_STR("cond", stanza_error_name(e)), F_STR("peer", addr_format(conn_peer(s->conn), peer)));
}

static void refuse(struct stream *s, const struct stanza *stanza, struct span name,
                   enum stanza_error e, const char *text)
{
    log_refusal(s, name, e);
    stanza_error_write(stream_out(s), stanza, SPAN(NS_CLIENT), stanza->to, SPAN_NONE, e, text);
    stream_flush(s);
}

static void answer_form(struct stream *s, const struct stanza *stanza)
{
    struct buf *out = stream_out(s);
    iq_write_result_open(out, stanza->id, stanza->to, SPAN_NONE);
    register_write_form(out, SPAN("Choose a name and a password for your account here."));
    iq_write_end(out);
    stream_flush(s);
}

/* --- making the account ----------------------------------------------------------------------- */

static enum stanza_error error_of(enum accounts_result r)
{
    switch (r) {
    case ACCOUNTS_OK:
        return STANZA_ERROR_NONE;
    case ACCOUNTS_EXISTS:
        return STANZA_CONFLICT;
    case ACCOUNTS_BAD_PASSWORD:
        return STANZA_NOT_ACCEPTABLE;
    case ACCOUNTS_UNKNOWN:
    case ACCOUNTS_FAILED:
        break;
    }
    return STANZA_RESOURCE_CONSTRAINT; /* it may work later */
}

static void answer(const struct registration *r, enum stanza_error e, const char *text)
{
    struct stream *s = &r->client->stream;
    struct buf *out = stream_out(s);
    if (e == STANZA_ERROR_NONE) {
        iq_write_result(out, span_of(r->id), span_of(r->to), SPAN_NONE);
    } else {
        struct buf id = {0}, to = {0};
        xml_value(&id, span_of(r->id));
        if (r->to)
            xml_value(&to, span_of(r->to));
        stanza_error_write_parts(out, SPAN("iq"), buf_span(&id), r->to ? buf_span(&to) : SPAN_NONE,
                                 SPAN_NONE, e, text);
        buf_free(&id);
        buf_free(&to);
        log_refusal(s, span_of(r->name), e);
    }
    stream_flush(s);
}

static void password_wipe(struct registration *r)
{
    if (r->password)
        mem_wipe(r->password, strlen(r->password));
    free(r->password);
    r->password = NULL;
}

static void registration_free(struct registration *r)
{
    free(r->id);
    free(r->to);
    free(r->name);
    password_wipe(r);
    free(r);
}

static void end(struct registration *r, enum stanza_error e, const char *text)
{
    struct client *c = r->client;
    struct stream *s = &c->stream;
    char peer[ADDR_TEXT_MAX];
    if (e == STANZA_ERROR_NONE)
        LOG(LOG_INFO, "register.ok", F_STR("sid", s->id), F_STR("user", r->name),
            F_STR("peer", addr_format(&r->peer, peer)));
    else
        quota_give_back(&c->c2s->registrations, &r->peer, r->taken_ms);
    if (client_release(c)) {
        c->has_registered = e == STANZA_ERROR_NONE;
        stream_set_state(s, conn_is_secure(s->conn) ? C2S_SECURED : C2S_CONNECTED);
        answer(r, e, text);
        stream_resume(s);
    }
    registration_free(r);
}

/* The account is made even if the client has gone. */
static void on_added(void *ctx, enum accounts_result result)
{
    end(ctx, error_of(result), accounts_result_text(result));
}

/* What somebody has elsewhere in the network is his. */
static void on_name(void *ctx, enum sm_name_state state)
{
    struct registration *r = ctx;
    if (state == SM_NAME_TAKEN) {
        end(r, STANZA_CONFLICT, "somebody has that name at another server of the network");
    } else if (state == SM_NAME_UNCERTAIN) {
        end(r, STANZA_REMOTE_SERVER_TIMEOUT,
            "whether the name is free cannot be found out at the moment");
    } else {
        accounts_add(r->client->c2s->accounts, span_of(r->name), span_of(r->password), on_added,
                     r);
        password_wipe(r);
    }
}

static void add(struct stream *s, const struct stanza *stanza, struct span name,
                struct span password)
{
    struct client *c = client_of(s);
    struct registration *r = mem_zalloc(sizeof *r);
    r->client = c;
    r->peer = *conn_peer(s->conn);
    r->taken_ms = loop_now(s->loop);
    r->id = mem_strdup_span(stanza->id);
    r->to = span_is_none(stanza->to) ? NULL : mem_strdup_span(stanza->to);
    r->name = mem_strdup_span(name);
    stream_set_state(s, C2S_REGISTERING);
    stream_pause(s); /* end resumes */
    client_hold(c);
    r->password = mem_strdup_span(password);
    enum sm_name_state state = sm_name_ask(c->c2s->sm, name, on_name, r);
    if (state != SM_NAME_ASKED)
        on_name(r, state);
}

/* --- what may be asked ------------------------------------------------------------------------ */

static bool is_reserved(const struct c2s_conf *conf, struct span name)
{
    for (size_t i = 0; i < conf->reserved.count; i++)
        if (span_eq(name, span_of(conf->reserved.items[i])))
            return true;
    return false;
}

/* Whether the name, which is prepared, and the password may be; else the error and the reason. */
static enum stanza_error judge(const struct c2s *c2s, struct span name, struct span password,
                               const char **text_r)
{
    const struct c2s_conf *conf = c2s->conf;
    size_t length = register_length(name);
    *text_r = NULL;
    if (length < (size_t)conf->name_min)
        *text_r = "the name is too short";
    else if (length > (size_t)conf->name_max)
        *text_r = "the name is too long";
    else if (is_reserved(conf, name))
        *text_r = "the name is reserved";
    else if (register_length(password) < (size_t)conf->password_min)
        *text_r = "the password is too short";
    if (*text_r)
        return STANZA_NOT_ACCEPTABLE;
    return sm_may_register(c2s->sm, name) ? STANZA_ERROR_NONE : STANZA_FORBIDDEN;
}

/* False: it has been refused. */
static bool take_quota(struct stream *s, const struct stanza *stanza, struct span name)
{
    struct c2s *c2s = client_of(s)->c2s;
    char text[128];
    uint64_t wait_ms;
    enum quota_verdict v =
        quota_take(&c2s->registrations, conn_peer(s->conn), loop_now(s->loop), &wait_ms);
    if (v == QUOTA_OK)
        return true;
    snprintf(text, sizeof text, "too many registrations%s: try again in %llu minutes",
             v == QUOTA_ADDRESS ? " from your address" : "",
             (unsigned long long)(wait_ms + 59999) / 60000);
    refuse(s, stanza, name, STANZA_RESOURCE_CONSTRAINT, text);
    return false;
}

static void on_set(struct stream *s, struct stanza *stanza, uint32_t query)
{
    struct client *c = client_of(s);
    struct register_query q;
    char prepared[JID_PART_MAX + 1];
    const char *text;
    struct span name;
    register_read(stanza, query, &q);
    if (q.is_removal) {
        refuse(s, stanza, SPAN(""), STANZA_UNEXPECTED_REQUEST, "log in first");
        return;
    }
    if (span_is_empty(q.username) || span_is_empty(q.password)) {
        refuse(s, stanza, SPAN(""), STANZA_NOT_ACCEPTABLE, "a name and a password are needed");
        return;
    }
    if (!jid_prep_local(q.username, prepared, &name)) {
        refuse(s, stanza, SPAN(""), STANZA_NOT_ACCEPTABLE, "this cannot be a name");
        return;
    }
    enum stanza_error e = judge(c->c2s, name, q.password, &text);
    if (e)
        refuse(s, stanza, name, e, text);
    else if (c->has_registered)
        refuse(s, stanza, name, STANZA_NOT_ACCEPTABLE, "log in with the account that you have");
    else if (take_quota(s, stanza, name))
        add(s, stanza, name, q.password);
}

/* To nobody, or to the domain that the client has opened its stream to. */
static bool is_for_us(const struct client *c, struct span to)
{
    struct jid jid;
    struct jid_scratch scratch;
    if (span_is_none(to))
        return true;
    return jid_parse(to, &jid, &scratch) && jid_is_domain(&jid) && span_eq(jid.domain, c->domain);
}

void register_on_iq(struct stream *s, struct stanza *stanza)
{
    struct client *c = client_of(s);
    uint32_t query = stanza_child(stanza, 0, SPAN(NS_REGISTER), SPAN("query"));
    if (!query || !iq_is_request(stanza) || !is_for_us(c, stanza->to) || !client_is_safe(c)) {
        client_on_unexpected(s, stanza);
        return;
    }
    if (!iq_is_valid_request(stanza))
        refuse(s, stanza, SPAN(""), STANZA_BAD_REQUEST, NULL);
    else if (!c->c2s->conf->registration)
        refuse(s, stanza, SPAN(""), STANZA_SERVICE_UNAVAILABLE, "accounts are not made here");
    else if (span_eq(stanza->type, SPAN("get")))
        answer_form(s, stanza);
    else
        on_set(s, stanza, query);
}
