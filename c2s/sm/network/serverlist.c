/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * serverlist - network@host: the servers of the network, by the ad-hoc command (XEP-0050) that
 * clients of the Kontalk network fetch them with. One step, no form. A row of services.c.
 *
 * Who has opened his stream to the network's domain is told addresses to connect to as he writes
 * them: NETWORK|HOST.
 */
#include "c2s/sm/admin/commands.h"
#include "c2s/sm/network/network.h"

#include "tls/crypto.h"

/* Our own, when the table leaves us out. */
static const char *fingerprint_of(const struct sm *sm, const struct server *server)
{
    if (!server->fingerprint[0] && server->is_self && sm->net->key)
        return server_key_fingerprint(sm->net->key);
    return server->fingerprint;
}

static void write_server(const struct sm *sm, struct buf *out, const struct server *server,
                         struct span network)
{
    xml_raw(out, SPAN("<item node='"));
    if (!span_is_none(network)) {
        xml_value(out, network);
        xml_raw(out, SPAN("|"));
    }
    xml_value(out, server->host);
    xml_raw(out, SPAN("'"));
    xml_attr(out, "fingerprint", span_of(fingerprint_of(sm, server)));
    xml_raw(out, SPAN("/>"));
}

static void answer(struct sm_in *in)
{
    const struct sm *sm = in->sm;
    const struct servers *servers = sm->net->servers;
    const bool is_network = in->session && span_eq(in->session->domain, sm->opts.network);
    char id[17];
    struct sm_out out;
    struct buf *buf = sm_iq_open(in, &out);

    crypto_random_hex(id, 8);
    xml_raw(buf, SPAN("<command xmlns='" NS_COMMANDS "' node='" SM_SERVERLIST "'"));
    xml_attr(buf, "sessionid", span_of(id));
    xml_raw(buf, SPAN(" status='completed'><serverlist xmlns='" NS_KONTALK_SERVERLIST "'>"));
    for (size_t i = 0; i < servers_count(servers); i++) {
        const struct server *server = servers_at(servers, i);
        if (servers_has(servers, server->host))
            write_server(sm, buf, server, is_network ? sm->opts.network : SPAN_NONE);
    }
    xml_raw(buf, SPAN("</serverlist></command>"));
    sm_iq_close(&out);
}

static bool may_ask(const struct sm_in *in)
{
    struct jid_scratch scratch;
    struct jid from;

    return in->session || (jid_parse(in->stanza->from, &from, &scratch) &&
                           sm_is_member(in->sm, from.domain));
}

void sm_serverlist_set(struct sm_in *in, uint32_t payload)
{
    const struct stanza *s = in->stanza;
    const struct span action = stanza_attr(s, payload, SPAN("action"));

    if (!may_ask(in))
        sm_refuse(in, STANZA_FORBIDDEN, NULL);
    else if (!span_eq(stanza_attr(s, payload, SPAN("node")), SPAN(SM_SERVERLIST)))
        sm_refuse(in, STANZA_ITEM_NOT_FOUND, NULL);
    else if (!span_is_none(action) && !span_eq(action, SPAN("execute")))
        sm_refuse(in, STANZA_BAD_REQUEST, "there is nothing but to execute it");
    else
        answer(in);
}

void sm_serverlist_items(struct buf *out, struct span self, struct span node)
{
    if (!span_eq(node, SPAN(NS_COMMANDS)))
        return;
    xml_raw(out, SPAN("<item"));
    xml_attr(out, "jid", self);
    xml_raw(out, SPAN(" node='" SM_SERVERLIST "' name='List of servers'/>"));
}
