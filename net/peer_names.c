/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * peer_names - the components of another server, which our router reaches by us: bound as it tells
 * them. They stay bound while there is no link, so that what is for them waits in the queue; those
 * that the next link does not tell anew go then.
 */
#include "base/log.h"
#include "base/mem.h"
#include "net/peer.h"
#include "xmpp/jid.h"

#include <stdlib.h>

#define NAMES_MAX 1000 /* of one server */

struct peer_name {
    bool is_told; /* on this link */
    struct span name;
    char text[];
};

static void drop(struct peer *p, struct peer_name *it, bool unbind)
{
    map_remove(&p->names, it->name);
    if (unbind) {
        LOG(LOG_INFO, "peer.name_down", F_SPAN("host", p->host), F_SPAN("name", it->name));
        relay_unbind(p->net, it->name);
    }
    free(it);
}

static void add(struct peer *p, struct span name)
{
    if (p->names.count >= NAMES_MAX) {
        LOG(LOG_WARN, "peer.too_many_names", F_SPAN("host", p->host), F_SPAN("name", name));
        return;
    }
    struct peer_name *it = mem_zalloc(sizeof *it + name.n);
    memcpy(it->text, name.p, name.n);
    it->name = span_make(it->text, name.n);
    it->is_told = true;
    map_put(&p->names, it->name, it);
    LOG(LOG_INFO, "peer.name_up", F_SPAN("host", p->host), F_SPAN("name", name));
    relay_bind(p->net, it->name);
}

bool peer_on_name(struct peer *p, struct span name, bool is_up)
{
    char out[JID_PART_MAX + 1];
    struct span domain;
    if (!jid_prep_domain(name, out, &domain) || span_eq(domain, p->host) || !peer_is_its(p, domain))
        return false;
    struct peer_name *it = map_get(&p->names, domain);
    if (it && is_up)
        it->is_told = true;
    else if (it)
        drop(p, it, true);
    else if (is_up)
        add(p, domain);
    return true;
}

void peer_names_begin(struct peer *p)
{
    size_t cursor = 0;
    for (struct peer_name *it; (it = map_next(&p->names, &cursor));)
        it->is_told = false;
}

void peer_names_told(struct peer *p)
{
    size_t cursor = 0;
    for (struct peer_name *it; (it = map_next(&p->names, &cursor));)
        if (!it->is_told)
            drop(p, it, true);
}

void peer_names_free(struct peer *p, bool unbind)
{
    size_t cursor = 0;
    for (struct peer_name *it; (it = map_next(&p->names, &cursor));)
        drop(p, it, unbind);
    map_free(&p->names);
}
