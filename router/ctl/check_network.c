/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * check_network - do the parts of a server of the network fit each other: its key and certificate,
 * the table of servers, and what c2s.conf, s2s.conf and net.conf say of them?
 */
#include "router/ctl/check.h"

#include "base/mem.h"
#include "tls/crypto.h"
#include "tls/ctx.h"
#include "xmpp/server_key.h"

#include <stdio.h>
#include <unistd.h>

static void check_same(struct check *c, const char *file, const char *word, const char *value,
                       const char *net_value)
{
    if (strcmp(value, net_value) != 0)
        check_add(c, PROBLEM, file, "%s is %s, but %s in net.conf: make them equal", word,
                  *value ? value : "empty", *net_value ? net_value : "empty");
}

static void check_words(struct check *c)
{
    const struct ctl_edge_conf *net = c->net;
    if (c->c2s) {
        check_same(c, "c2s.conf", "[c2s] host", c->c2s->host, net->host);
        check_same(c, "c2s.conf", "[c2s] network", c->c2s->network, net->network);
        check_same(c, "c2s.conf", "[network] servers", c->c2s->servers, net->servers);
        check_same(c, "c2s.conf", "[network] cert", c->c2s->server_cert, net->cert);
        check_same(c, "c2s.conf", "[network] key", c->c2s->server_key, net->key);
    }
    if (c->s2s) {
        check_same(c, "s2s.conf", "[s2s] host", c->s2s->host, net->host);
        check_same(c, "s2s.conf", "[s2s] network", c->s2s->network, net->network);
        check_same(c, "s2s.conf", "[s2s] servers", c->s2s->servers, net->servers);
    }
    check_same(c, "kontalkctl.conf", "servers", c->ctl->servers, net->servers);
    if (strcmp(net->host, net->network) == 0)
        check_add(c, PROBLEM, "net.conf",
                  "host and network are both %s: users of several servers need a domain in common",
                  net->host);
}

/* --- what the router lets them be ------------------------------------------------------------- */

/* The section that the secret proves; NULL: none (check_running.c says so). */
static const struct component *section_of(const struct check *c, const struct ctl_edge_conf *edge)
{
    for (size_t i = 0; i < c->router->component_count; i++)
        if (strcmp(c->router->components[i].secret, edge->router_secret) == 0)
            return &c->router->components[i];
    return NULL;
}

static void check_shared(struct check *c)
{
    const struct component *p = c->c2s ? section_of(c, c->c2s) : NULL;
    const char *const names[] = {c->c2s ? c->c2s->host : "", c->c2s ? c->c2s->network : ""};
    for (size_t i = 0; p && i < ARRAY_LEN(names); i++)
        if (*names[i] && !component_may_share(p, span_of(names[i])))
            check_add(c, PROBLEM, "router.conf",
                      "[component %s] shared lacks %s, a domain of c2s.conf: the router refuses "
                      "kontalk-c2s",
                      p->section, names[i]);
}

static void check_net_rights(struct check *c)
{
    const struct component *p = section_of(c, c->net);
    if (p && (!p->internal || !p->relays))
        check_add(c, PROBLEM, "router.conf",
                  "[component %s] is for kontalk-net: it needs internal = true and relays = true",
                  p->section);
}

/* --- the key and the table -------------------------------------------------------------------- */

/* Its fingerprint into fingerprint_r; empty: it is of no use. */
static void check_key(struct check *c, char fingerprint_r[SERVER_FINGERPRINT + 1])
{
    const char *cert = c->net->cert;
    char error[CONF_ERROR_MAX], tls_error[TLS_ERROR_MAX];
    fingerprint_r[0] = '\0';
    if (access(cert, F_OK) != 0 && access(c->net->key, F_OK) != 0) {
        check_add(c, PROBLEM, cert, "is not there: kontalkctl server init makes it and its key");
        return;
    }
    struct server_key *key = server_key_open(cert, error);
    const struct tls_ctx_opts opts = {.cert_file = cert, .key_file = c->net->key};
    struct tls_ctx *ctx = key ? tls_ctx_new(&opts, tls_error) : NULL;
    if (ctx) {
        memcpy(fingerprint_r, server_key_fingerprint(key), SERVER_FINGERPRINT + 1);
        check_add(c, OK, cert, "this server is %s %s", c->net->host, fingerprint_r);
    } else {
        check_add(c, PROBLEM, cert, "%s", key ? tls_error : error);
    }
    tls_ctx_unref(&ctx);
    server_key_free(&key);
}

static bool is_below(struct span domain, struct span host)
{
    return domain.n > host.n + 1 && span_ends(domain, host) &&
           domain.p[domain.n - host.n - 1] == '.';
}

/* One key is one server: whoever has it can take the place of both. */
static void check_twins(struct check *c, const struct servers *list, size_t i, const char *own)
{
    const struct server *s = servers_at(list, i);
    if (strcmp(s->fingerprint, own) == 0)
        check_add(c, PROBLEM, c->net->servers,
                  "%.*s has the fingerprint of this server's own key: each server needs a key of "
                  "its own",
                  SPAN_ARG(s->host));
    for (size_t k = 0; k < i; k++)
        if (!servers_at(list, k)->is_self &&
            strcmp(s->fingerprint, servers_at(list, k)->fingerprint) == 0)
            check_add(c, PROBLEM, c->net->servers,
                      "%.*s and %.*s have the same fingerprint: each server needs a key of its own",
                      SPAN_ARG(servers_at(list, k)->host), SPAN_ARG(s->host));
}

static void check_member(struct check *c, const struct server *s)
{
    const struct ctl_edge_conf *net = c->net;
    const struct component *p = c->router ? section_of(c, net) : NULL;
    if (span_eq(s->host, span_of(net->network)))
        check_add(c, PROBLEM, net->servers,
                  "%.*s is the network's domain, and no server: kontalkctl server remove",
                  SPAN_ARG(s->host));
    else if (is_below(s->host, span_of(net->host)))
        check_add(c, PROBLEM, net->servers,
                  "%.*s lies below this server's host, where its own components are",
                  SPAN_ARG(s->host));
    else if (p && !component_may_be(p, s->host))
        check_add(c, PROBLEM, "router.conf",
                  "[component %s] names lacks %.*s, a server of the table: add %.*s **.%.*s",
                  p->section, SPAN_ARG(s->host), SPAN_ARG(s->host), SPAN_ARG(s->host));
}

static void check_others(struct check *c, const struct servers *list, const char *own)
{
    for (size_t i = 0; i < servers_count(list); i++) {
        if (servers_at(list, i)->is_self)
            continue;
        check_twins(c, list, i, own);
        if (servers_at(list, i)->is_enabled)
            check_member(c, servers_at(list, i));
    }
}

static void check_table(struct check *c, const char *fingerprint)
{
    const struct ctl_edge_conf *net = c->net;
    char error[CONF_ERROR_MAX];
    struct servers *list = servers_load(net->servers, span_of(net->host), error);
    if (!list) {
        check_add(c, PROBLEM, net->servers, "%s", error);
        return;
    }
    const struct server *self = servers_find(list, span_of(net->host));
    size_t members = servers_members(list), others = servers_count(list) - 1;
    if (self->fingerprint[0] && fingerprint[0] && strcmp(self->fingerprint, fingerprint) != 0)
        check_add(c, PROBLEM, net->servers,
                  "has the fingerprint %s for this server, which is not that of %s: other servers "
                  "that have the same will refuse it",
                  self->fingerprint, net->cert);
    else if (others == 0)
        check_add(c, NOTE, net->servers, "has no other server: kontalkctl server add");
    else
        check_add(c, OK, net->servers, "%zu other servers, %zu of them enabled", others,
                  members - 1);
    check_others(c, list, fingerprint);
    servers_unref(&list);
}

/* Without kontalk-net others cannot be reached, whatever the table says. */
static void check_alone(struct check *c)
{
    char error[CONF_ERROR_MAX];
    const struct ctl_edge_conf *c2s = c->c2s;
    if (!c2s || !*c2s->network || strcmp(c2s->network, c2s->host) == 0)
        return;
    struct servers *list = servers_load(c2s->servers, span_of(c2s->host), error);
    if (!list)
        check_add(c, PROBLEM, c2s->servers, "%s", error);
    else if (servers_members(list) > 1)
        check_add(c, PROBLEM, "net.conf",
                  "is missing or has no secret, and the table has other servers: they cannot be "
                  "reached");
    servers_unref(&list);
}

void check_network(struct check *c)
{
    char fingerprint[SERVER_FINGERPRINT + 1];
    crypto_init();
    if (c->router)
        check_shared(c);
    if (!c->net) {
        check_alone(c);
        return;
    }
    check_words(c);
    if (c->router)
        check_net_rights(c);
    check_key(c, fingerprint);
    check_table(c, fingerprint);
}
