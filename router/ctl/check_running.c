/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * check_running - certificates, ports, and the links of what runs.
 */
#include "router/ctl/check.h"

#include "base/listen.h"
#include "base/mem.h"
#include "tls/cert.h"
#include "tls/crypto.h"
#include "xmpp/jid.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

#define DAY ((int64_t)86400)
#define RENEW_DAYS 14 /* before the end, this is a problem */

/* --- certificates ----------------------------------------------------------------------------- */

static void check_hosts(struct check *c, const char *file, const struct tls_cert *cert,
                        const struct ctl_edge_conf *edge)
{
    const char *const hosts[] = {edge->host, edge->network};
    struct buf names = {0};

    tls_cert_names(cert, &names);
    for (size_t i = 0; i < ARRAY_LEN(hosts); i++)
        if (hosts[i][0] && !tls_cert_covers(cert, hosts[i]))
            check_add(c, PROBLEM, file,
                      "not for %s but for %s: clients and servers will refuse it; get one for "
                      "all names",
                      hosts[i], buf_z(&names));
    buf_free(&names);
}

/* edge: whose names it must be for; NULL: no matter. */
static void check_certificate(struct check *c, const char *file, const struct ctl_edge_conf *edge)
{
    char error[TLS_ERROR_MAX];
    struct tls_cert *cert = tls_cert_open(file, error);
    struct buf names = {0};

    if (!cert) {
        check_add(c, PROBLEM, file, "%s", error);
        return;
    }
    int64_t left = tls_cert_ends(cert) - time(NULL);
    tls_cert_names(cert, &names);
    if (left <= 0)
        check_add(c, PROBLEM, file,
                  "expired %lld days ago: renew it, then kontalkctl cert install FILE",
                  (long long)(-left / DAY));
    else if (left < RENEW_DAYS * DAY)
        check_add(c, PROBLEM, file,
                  "expires in %lld days: renew it, then kontalkctl cert install FILE",
                  (long long)(left / DAY));
    else
        check_add(c, OK, file, "valid for %lld days, for %s", (long long)(left / DAY),
                  buf_z(&names));
    if (edge)
        check_hosts(c, file, cert, edge);
    buf_free(&names);
    tls_cert_free(&cert);
}

void check_certificates(struct check *c)
{
    crypto_init();
    if (c->c2s)
        check_certificate(c, c->c2s->cert, c->c2s);
    if (c->s2s && !(c->c2s && strcmp(c->s2s->cert, c->c2s->cert) == 0))
        check_certificate(c, c->s2s->cert, c->s2s);
    if (c->router && c->router->tls_cert[0])
        check_certificate(c, c->router->tls_cert, NULL);
}

/* --- ports ------------------------------------------------------------------------------------ */

static void on_accept(void *ctx, struct conn *conn)
{
    (void)ctx;
    conn_abort(conn, 0);
}

static void check_port(struct check *c, struct loop *loop, const char *text, const char *process,
                       bool is_running)
{
    struct addr at;
    int error = 0;

    /* Unix sockets are replaced or removed by their process; the links tell about them. */
    if (addr_parse(span_of(text), &at) != 0 || addr_is_unix(&at))
        return;
    struct listener *l = listener_new(loop, &at, &(struct listen_opts){0}, on_accept, NULL, &error);
    if (l && is_running)
        check_add(c, PROBLEM, text,
                  "kontalk-%s runs but does not listen here: addresses change by a restart only",
                  process);
    else if (l)
        check_add(c, OK, text, "free for kontalk-%s", process);
    else if (error == -EADDRINUSE && is_running)
        check_add(c, OK, text, "kontalk-%s listens", process);
    else if (error == -EADDRINUSE)
        check_add(c, PROBLEM, text,
                  "another program listens here, kontalk-%s cannot start: ss -ltnp shows which",
                  process);
    else if (error == -EAFNOSUPPORT || error == -EADDRNOTAVAIL)
        check_add(c, NOTE, text, "this machine does not have the address: %s", strerror(-error));
    else
        check_add(c, PROBLEM, text, "kontalk-%s cannot listen here: %s", process, strerror(-error));
    listener_free(&l);
}

static void check_ports(struct check *c, const struct conf_list *list, const char *process,
                        bool is_running)
{
    struct loop *loop = loop_new();

    for (size_t i = 0; i < list->count; i++)
        check_port(c, loop, list->items[i], process, is_running);
    loop_free(&loop);
}

/* --- processes and links ---------------------------------------------------------------------- */

static void on_info(void *ctx, const struct span *words, size_t count)
{
    char *link = ctx;
    if (count > 1 && span_eq(words[0], SPAN("link")))
        snprintf(link, 16, "%.*s", SPAN_ARG(words[1]));
}

/* Asks all that are called so; how many answered. */
static size_t check_processes(struct check *c, const char *kind)
{
    char error[CTL_ERROR_MAX];
    struct conf_list paths;
    size_t answers = 0;

    ctl_sockets(c->ctl, kind, &paths);
    for (size_t i = 0; i < paths.count; i++) {
        char link[16] = "", name[128];
        snprintf(name, sizeof(name), "%.*s", SPAN_ARG(ctl_process_name(paths.items[i])));
        if (ctl_ask(paths.items[i], &SPAN("info"), 1, on_info, link, error) != 0) {
            check_add(c, PROBLEM, name, "does not answer: %s; is it hung, or a socket left behind?",
                      error);
            continue;
        }
        answers++;
        if (strcmp(link, "down") == 0)
            check_add(c, PROBLEM, name,
                      "its link to the router is down: is the router running, do address and "
                      "secret in [router] fit router.conf? Its log says ev=link.down");
        else
            check_add(c, OK, name, link[0] ? "runs, linked to the router" : "runs");
    }
    ctl_sockets_free(&paths);
    if (paths.count == 0 && answers == 0)
        check_add(c, NOTE, kind, "not running");
    return answers;
}

/* Both files can be good and not fit each other. */
static void check_secret(struct check *c, const char *process, const char *instance,
                         const struct ctl_edge_conf *edge)
{
    char name[300], file[16];

    snprintf(name, sizeof(name), "%s.%.255s", instance, edge->host);
    snprintf(file, sizeof(file), "%s.conf", process);
    for (const struct component *p = NULL;
         (p = conf_component_for(c->router, span_of(name), p)) != NULL;)
        if (strcmp(p->secret, edge->router_secret) == 0)
            return;
    check_add(c, PROBLEM, file,
              "no section of router.conf that may be %s has the secret of its [router] section",
              name);
}

static void check_edge(struct check *c, const char *process, const char *instance,
                       const struct ctl_edge_conf *edge)
{
    bool is_running = check_processes(c, process) > 0;

    check_ports(c, &edge->listen, process, is_running);
    check_ports(c, &edge->listen_tls, process, is_running);
    if (c->router)
        check_secret(c, process, instance, edge);
}

/* Rows are server, state, ...: the first is their names. */
static void on_server(void *ctx, const struct span *words, size_t count)
{
    struct check *c = ctx;
    if (count < 2 || span_eq(words[1], SPAN("state")) || span_eq(words[1], SPAN("up")))
        return;
    check_add(c, NOTE, "net", "no link with %.*s now: kontalkctl net explain %.*s says why",
              SPAN_ARG(words[0]), SPAN_ARG(words[0]));
}

/* The other server may be down: that is no fault of this one. */
static void check_links(struct check *c)
{
    const struct span question[] = {SPAN_INIT("net"), SPAN_INIT("list")};
    char error[CTL_ERROR_MAX];
    struct conf_list paths;

    ctl_sockets(c->ctl, "net", &paths);
    for (size_t i = 0; i < paths.count; i++)
        ctl_ask(paths.items[i], question, ARRAY_LEN(question), on_server, c, error);
    ctl_sockets_free(&paths);
}

void check_running(struct check *c)
{
    if (c->router)
        check_ports(c, &c->router->listen, "router", check_processes(c, "router") > 0);
    if (c->c2s)
        check_edge(c, "c2s", "c2s-1", c->c2s);
    if (c->s2s)
        check_edge(c, "s2s", "s2s", c->s2s);
    if (c->net) {
        check_edge(c, "net", "net", c->net);
        check_links(c);
    }
}
