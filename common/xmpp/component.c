/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "xmpp/component.h"

#include "tls/ctx.h"
#include "xmpp/jid.h"

#include <stdio.h>
#include <string.h>

#define SECRET_MIN 32 /* machine-made; the router refuses shorter ones, too */

bool component_is_domain(const char *name)
{
    char out[JID_PART_MAX + 1];
    struct span part;
    return jid_prep_domain(span_of(name), out, &part) && span_eq(part, span_of(name));
}

const char *component_conf_check(const struct component_conf *c, char scratch[256])
{
    struct addr router;
    if (addr_parse(span_of(c->address), &router) < 0)
        return "[router] address is neither ADDRESS:PORT nor unix:PATH";
    if (!c->tls && !addr_is_unix(&router) && !addr_is_loopback(&router))
        return "[router] address is on another host: set tls = true";
    if (strlen(c->secret) >= SECRET_MIN)
        return NULL;
    snprintf(scratch, 256, "[router] secret has %zu characters; at least %d are needed",
             strlen(c->secret), SECRET_MIN);
    return scratch;
}

bool component_tls(const struct component_conf *c, struct tls_ctx **tls_r,
                   char error_r[CONF_ERROR_MAX])
{
    *tls_r = NULL;
    if (!c->tls)
        return true;
    struct tls_ctx_opts opts = {.ca_file = *c->tls_ca ? c->tls_ca : NULL};
    *tls_r = tls_ctx_new(&opts, error_r);
    return *tls_r != NULL;
}

void component_link(const struct component_conf *c, struct tls_ctx *tls, struct link_opts *opts_r)
{
    addr_parse(span_of(c->address), &opts_r->router);
    opts_r->secret = span_of(c->secret);
    opts_r->tls = tls;
    opts_r->tls_name = span_of(c->tls_name);
}
