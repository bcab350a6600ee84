/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * in_list - incoming streams for the operator: which there are, and those of a domain ended. Called
 * by control.c.
 */
#include "base/log.h"
#include "s2s/in_private.h"

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
