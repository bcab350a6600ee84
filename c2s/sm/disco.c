/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * disco - XEP-0030: features from iq.c's table; items of the server are the services that the
 * router has in its domain, items of an account its available resources and its nodes.
 */
#include "c2s/sm/archive/archive.h"
#include "c2s/sm/admin/commands.h"

#include "xmpp/register.h"

#include <stdlib.h>

static bool is_to_host(const struct sm_in *in)
{
    return span_is_none(in->to.local);
}

/* Nodes are those that accounts publish to, and the server's commands (XEP-0030 7). */
static struct span node_of(const struct sm_in *in, uint32_t payload)
{
    return stanza_attr(in->stanza, payload, SPAN("node"));
}

static void write_feature(void *ctx, const char *feature)
{
    struct buf *out = ctx;

    xml_raw(out, SPAN("<feature"));
    xml_attr(out, "var", span_of(feature));
    xml_raw(out, SPAN("/>"));
}

/* Besides the rows of iq.c: what goes without a request, or is asked of the account only, and
 * looked for at the server all the same. */
static const struct {
    unsigned targets;
    const char *feature;
    bool (*is_on)(const struct sm *sm); /* NULL: always */
} more[] = {
    {SM_TO_HOST, "msgoffline", NULL}, /* XEP-0160 */
    {SM_TO_HOST, NS_BLOCKING, NULL},
    {SM_TO_HOST, NS_VCARD, NULL},
    {SM_TO_HOST, NS_PRIVATE, NULL},
    {SM_TO_HOST, NS_REGISTER, NULL},
    {SM_TO_HOST, NS_CARBONS, NULL},
    {SM_TO_HOST, NS_PUSH, NULL},
    {SM_TO_HOST, NS_ADDRESS, NULL}, /* XEP-0033 */
    {SM_TO_HOST, NS_PUBKEY, sm_has_key},
    {SM_TO_HOST | SM_TO_ACCOUNT, NS_CARBONS_RULES, NULL},
    {SM_TO_HOST | SM_TO_ACCOUNT, NS_MAM, sm_archive_is_on},
    {SM_TO_ACCOUNT, NS_MAM_EXTENDED, sm_archive_is_on},
    {SM_TO_ACCOUNT, NS_MAM_GROUPCHAT, sm_archive_is_on},
    {SM_TO_ACCOUNT, NS_STANZA_ID, sm_archive_is_on},
};

static void write_features(const struct sm *sm, unsigned target, struct buf *out)
{
    sm_iq_each_feature(target, write_feature, out);
    for (size_t i = 0; i < ARRAY_LEN(more); i++) {
        if ((more[i].targets & target) && (!more[i].is_on || more[i].is_on(sm)))
            write_feature(out, more[i].feature);
    }
}

void sm_disco_info(struct sm_in *in, uint32_t payload)
{
    const struct span node = node_of(in, payload);
    struct sm_out out;

    if (!span_is_empty(node)) {
        if (!is_to_host(in))
            sm_pep_disco_node(in, payload);
        else if (sm_command_is_node(node))
            sm_command_disco_info(in, node);
        else
            sm_refuse(in, STANZA_ITEM_NOT_FOUND, NULL);
        return;
    }
    struct buf *buf = sm_iq_open(in, &out);
    xml_raw(buf, SPAN("<query xmlns='" NS_DISCO_INFO "'>"));
    if (is_to_host(in)) {
        xml_raw(buf, SPAN("<identity category='server' type='im' name='Kontalk'/>"));
        write_features(in->sm, SM_TO_HOST, buf);
        sm_contact_info_write(in->sm, buf);
    } else {
        xml_raw(buf, SPAN("<identity category='account' type='registered'/>"
                          "<identity category='pubsub' type='pep'/>"));
        write_features(in->sm, SM_TO_ACCOUNT, buf);
        sm_pep_each_feature(write_feature, buf);
    }
    xml_raw(buf, SPAN("</query>"));
    sm_iq_close(&out);
}

static void write_item(struct buf *out, struct span jid)
{
    xml_raw(out, SPAN("<item"));
    xml_attr(out, "jid", jid);
    xml_raw(out, SPAN("/>"));
}

static void write_services(const struct sm *sm, struct buf *out)
{
    const struct sm_service *service;
    size_t cursor = 0;

    while ((service = map_next(&sm->routes, &cursor)) != NULL)
        write_item(out, span_make(service->name, service->n));
}

void sm_disco_write_resources(const struct sm_user *user, struct buf *out)
{
    LIST_FOR_EACH (node, &user->sessions) {
        const struct sm_session *s = CONTAINER_OF(node, struct sm_session, node);
        if (s->is_available && !s->is_gone)
            write_item(out, s->full);
    }
}

void sm_disco_items(struct sm_in *in, uint32_t payload)
{
    const struct span node = node_of(in, payload);
    struct sm_out out;

    if (!is_to_host(in)) {
        sm_pep_disco_items(in, payload);
        return;
    }
    if (!span_is_empty(node)) {
        if (sm_command_is_node(node))
            sm_command_disco_items(in, node);
        else
            sm_refuse(in, STANZA_ITEM_NOT_FOUND, NULL);
        return;
    }
    struct buf *buf = sm_iq_open(in, &out);
    xml_raw(buf, SPAN("<query xmlns='" NS_DISCO_ITEMS "'>"));
    sm_services_write_items(in, buf);
    write_services(in->sm, buf);
    xml_raw(buf, SPAN("</query>"));
    sm_iq_close(&out);
}

static bool is_below(struct span name, struct span domain)
{
    return name.n > domain.n + 1 && span_ends(name, domain) &&
           name.p[name.n - domain.n - 1] == '.';
}

void sm_disco_route(struct sm *sm, struct span name, bool is_up)
{
    if (!is_up) {
        free(map_remove(&sm->routes, name));
        return;
    }
    if (!is_below(name, sm->opts.host) || span_eq(name, sm->opts.instance) ||
        sm->routes.count >= SM_MAX_ROUTES || map_get(&sm->routes, name))
        return;
    struct sm_service *service = mem_alloc(sizeof(*service) + name.n);
    service->n = name.n;
    memcpy(service->name, name.p, name.n);
    map_put(&sm->routes, span_make(service->name, service->n), service);
}

void sm_disco_free(struct sm *sm)
{
    struct sm_service *service;
    size_t cursor = 0;

    while ((service = map_next(&sm->routes, &cursor)) != NULL)
        free(service);
    map_free(&sm->routes);
}
