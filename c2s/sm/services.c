/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * services - names of the host at which the session manager itself answers, in one table: what each
 * says of itself (XEP-0030) and who handles what comes for it. They are no accounts'.
 *
 * A row of hooks.c calls it for our clients, before anything else looks at the stanza, and route.c
 * for what comes over the link. The clients of the network's domain find them there, too.
 */
#include "c2s/sm/admin/commands.h"
#include "c2s/sm/multicast.h"

#include "xmpp/iq.h"

/* How long a name may be that is looked for, a bit each: nearly all stanzas are for somebody
 * else. */
#define LONGEST_NAME 31
#define LENGTH_BIT(name) (1u << (sizeof(name) - 1))
#define LENGTHS (1u | LENGTH_BIT(SM_MULTICAST) | LENGTH_BIT(SM_PROBE) | LENGTH_BIT(SM_NETWORK))

struct service {
    struct span name;
    bool is_of_network;  /* there is none where there is no network */
    const char *node;    /* by which it is listed; NULL: without one */
    const char *about;   /* attributes of its identity */
    const char *feature; /* besides those of XEP-0030 */
    const char *ns, *element;
    const char *type; /* of its requests */
    void (*request)(struct sm_in *in, uint32_t payload);
    void (*stanza)(struct sm_in *in); /* messages and presence; NULL: it takes none */
    void (*items)(struct buf *out, struct span self, struct span node);
};

static const struct service services[] = {
    {
        .name = SPAN_INIT(SM_MULTICAST),
        .about = "category='service' type='multicast' name='Multicast'",
        .feature = NS_ADDRESS,
        .stanza = sm_multicast_serve,
    },
    {
        .name = SPAN_INIT(SM_PROBE),
        .is_of_network = true,
        .node = NS_KONTALK_ROSTER "#probe",
        .about = "category='directory' type='user' name='Roster match'",
        .feature = NS_KONTALK_ROSTER "#probe",
        .ns = NS_KONTALK_ROSTER,
        .element = "query",
        .type = "get",
        .request = sm_match_get,
    },
    {
        .name = SPAN_INIT(SM_NETWORK),
        .is_of_network = true,
        .about = "category='directory' type='server' name='Servers of the network'",
        .feature = NS_COMMANDS,
        .ns = NS_COMMANDS,
        .element = "command",
        .type = "set",
        .request = sm_serverlist_set,
        .items = sm_serverlist_items,
    },
};

bool sm_is_reserved(struct span name)
{
    for (size_t i = 0; i < ARRAY_LEN(services); i++) {
        if (span_eq(name, services[i].name))
            return true;
    }
    return false;
}

static bool is_there(const struct sm *sm, const struct service *service)
{
    return !service->is_of_network || sm_has_network(sm);
}

static const struct service *find(const struct sm_in *in)
{
    for (size_t i = 0; i < ARRAY_LEN(services); i++) {
        if (span_eq(in->to.local, services[i].name))
            return is_there(in->sm, &services[i]) ? &services[i] : NULL;
    }
    return NULL;
}

/* --- discovery -------------------------------------------------------------------------------- */

static void write_feature(struct buf *out, const char *feature)
{
    xml_raw(out, SPAN("<feature"));
    xml_attr(out, "var", span_of(feature));
    xml_raw(out, SPAN("/>"));
}

static void answer_info(struct sm_in *in, const struct service *service, struct span node)
{
    struct sm_out out;
    struct buf *buf;

    if (!span_is_empty(node) && (!service->node || !span_eq(node, span_of(service->node))) &&
        (!service->items || !span_eq(node, SPAN(SM_SERVERLIST)))) {
        sm_refuse(in, STANZA_ITEM_NOT_FOUND, NULL);
        return;
    }
    buf = sm_iq_open(in, &out);
    xml_raw(buf, SPAN("<query xmlns='" NS_DISCO_INFO "'"));
    xml_attr(buf, "node", node);
    xml_raw(buf, SPAN("><identity "));
    buf_append_z(buf, service->about);
    xml_raw(buf, SPAN("/>"));
    write_feature(buf, NS_DISCO_INFO);
    write_feature(buf, NS_DISCO_ITEMS);
    write_feature(buf, service->feature);
    xml_raw(buf, SPAN("</query>"));
    sm_iq_close(&out);
}

static void answer_items(struct sm_in *in, const struct service *service, struct span node)
{
    struct sm_out out;
    struct buf *buf = sm_iq_open(in, &out);

    xml_raw(buf, SPAN("<query xmlns='" NS_DISCO_ITEMS "'"));
    xml_attr(buf, "node", node);
    xml_raw(buf, SPAN(">"));
    if (service->items)
        service->items(buf, in->to.full, node);
    xml_raw(buf, SPAN("</query>"));
    sm_iq_close(&out);
}

void sm_services_write_items(const struct sm_in *in, struct buf *out)
{
    const struct span domain = sm_is_local_domain(in->sm, in->to.domain) ? in->to.domain
                                                                         : in->sm->opts.host;

    for (size_t i = 0; i < ARRAY_LEN(services); i++) {
        const struct service *service = &services[i];
        if (!is_there(in->sm, service))
            continue;
        xml_raw(out, SPAN("<item jid='"));
        xml_value(out, service->name);
        xml_raw(out, SPAN("@"));
        xml_value(out, domain);
        xml_raw(out, SPAN("'"));
        if (service->node)
            xml_attr(out, "node", span_of(service->node));
        xml_raw(out, SPAN("/>"));
    }
}

/* --- requests --------------------------------------------------------------------------------- */

static bool is_own_request(const struct service *service, const struct stanza *s, uint32_t payload)
{
    return service->request && span_eq(s->type, span_of(service->type)) &&
           stanza_is(s, payload, span_of(service->ns), span_of(service->element));
}

static void answer_iq(struct sm_in *in, const struct service *service)
{
    const struct stanza *s = in->stanza;
    const uint32_t payload = stanza_child(s, 0, SPAN_NONE, SPAN_NONE);
    const bool is_get = span_eq(s->type, SPAN("get"));
    const struct span node = payload ? stanza_attr(s, payload, SPAN("node")) : SPAN_NONE;

    if (!iq_is_request(s))
        return;
    if (is_own_request(service, s, payload))
        service->request(in, payload);
    else if (is_get && stanza_is(s, payload, SPAN(NS_DISCO_INFO), SPAN("query")))
        answer_info(in, service, node);
    else if (is_get && stanza_is(s, payload, SPAN(NS_DISCO_ITEMS), SPAN("query")))
        answer_items(in, service, node);
    else
        sm_refuse(in, STANZA_SERVICE_UNAVAILABLE, NULL);
}

bool sm_services_sending(struct sm_in *in)
{
    const struct service *service;

    if (in->to.local.n > LONGEST_NAME || !(LENGTHS >> in->to.local.n & 1))
        return true;
    if (span_is_none(in->to.local))
        return sm_multicast_to_host(in);
    service = find(in);
    if (!service || !jid_is_bare(&in->to) || !sm_is_local_domain(in->sm, in->to.domain))
        return true;
    if (span_eq(stanza_root(in->stanza)->name, SPAN("iq")))
        answer_iq(in, service);
    else if (service->stanza)
        service->stanza(in);
    else
        sm_refuse(in, STANZA_SERVICE_UNAVAILABLE, NULL);
    return false;
}
