/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * in_list - incoming streams for the operator: which there are, those of a domain ended, and those
 * that a new configuration does not allow. Called by control.c and process.c.
 */
#include "base/log.h"
#include "s2s/in_private.h"
#include "s2s/policy.h"

static bool is_of(const struct in *in, struct span domain)
{
    if (in->is_external && span_eq(in->remote, domain))
        return true;
    LIST_FOR_EACH(node, &in->pairs)
    {
        const struct in_pair *p = CONTAINER_OF(node, struct in_pair, node);
        if (p->is_proved && span_eq(p->remote, domain))
            return true;
    }
    return false;
}

size_t in_close_domain(struct s2s *s, struct span domain)
{
    size_t count = 0;
    LIST_FOR_EACH(node, &s->ins)
    {
        struct in *in = CONTAINER_OF(node, struct in, node);
        if (!stream_is_open(&in->stream) || !is_of(in, domain))
            continue;
        LOG(LOG_INFO, "in.ended", F_STR("sid", in->stream.id), F_SPAN("remote", domain));
        stream_close(&in->stream);
        count++;
    }
    return count;
}

/* --- what a reload has changed ---------------------------------------------------------------- */

static enum stream_error judge(const struct in *in, struct span remote, bool is_proved)
{
    struct s2s_policy policy = policy_of(in->s2s, remote);
    if (policy.is_denied)
        return STREAM_POLICY_VIOLATION;
    if (!is_proved)
        return STREAM_ERROR_NONE;
    if (in_requires_tls(in, remote))
        return STREAM_RESET;
    return in_needs_certificate(&policy) && in_certificate(in, remote) != TLS_PEER_OK
               ? STREAM_RESET
               : STREAM_ERROR_NONE;
}

static enum stream_error judge_all(const struct in *in)
{
    enum stream_error e = STREAM_ERROR_NONE;
    if (!span_is_none(in->remote))
        e = judge(in, in->remote, in->is_external);
    LIST_FOR_EACH(node, &in->pairs)
    {
        const struct in_pair *p = CONTAINER_OF(node, struct in_pair, node);
        if (!e)
            e = judge(in, p->remote, p->is_proved);
    }
    return e;
}

void in_enforce(struct s2s *s)
{
    LIST_FOR_EACH(node, &s->ins)
    {
        struct in *in = CONTAINER_OF(node, struct in, node);
        if (!stream_is_open(&in->stream))
            continue;
        enum stream_error e = judge_all(in);
        if (e)
            stream_error(&in->stream, e, "the configuration has changed");
    }
}

/* --- for s2s list ----------------------------------------------------------------------------- */

static void list_domains(const struct in *in, struct buf *out)
{
    size_t before = buf_len(out);
    if (!span_is_none(in->remote) || list_is_empty(&in->pairs)) {
        buf_append(out, span_is_none(in->remote) ? SPAN("?") : in->remote);
        buf_append_char(out, '>');
        buf_append(out, span_is_none(in->local) ? SPAN("?") : in->local);
    }
    LIST_FOR_EACH(node, &in->pairs)
    {
        const struct in_pair *p = CONTAINER_OF(node, struct in_pair, node);
        if (span_eq(p->remote, in->remote) && span_eq(p->local, in->local))
            continue;
        if (buf_len(out) > before)
            buf_append_char(out, ' ');
        buf_append(out, p->remote);
        buf_append_char(out, '>');
        buf_append(out, p->local);
        if (!p->is_proved)
            buf_append_char(out, '?');
    }
}

static const char *state_of(const struct in *in)
{
    if (!stream_is_open(&in->stream))
        return "closing";
    if (in->stream.state != IN_OPEN)
        return in->stream.role->state_names[in->stream.state];
    return in->is_external ? "external" : "dialback";
}

/* Address, domains, state, details; between tabs. */
void in_list(const struct s2s *s, struct buf *out)
{
    LIST_FOR_EACH(node, &s->ins)
    {
        const struct in *in = CONTAINER_OF(node, struct in, node);
        struct conn *conn = in->stream.conn;
        char peer[ADDR_TEXT_MAX];
        buf_printf(out, "%s\t", addr_format(conn_peer(conn), peer));
        list_domains(in, out);
        buf_printf(out, "\t%s\t%s, %llu stanzas, %llu bytes%s%s\n", state_of(in),
                   conn_is_secure(conn) && conn_transport(conn) ? tls_describe(conn_transport(conn))
                                                                : "no TLS",
                   (unsigned long long)in->stream.stanzas_in,
                   (unsigned long long)in->stream.bytes_in, in->has_acks ? ", acknowledged" : "",
                   in->is_given ? ", both ways" : "");
    }
}
