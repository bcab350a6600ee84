/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * site - one server of the network: its settings, its router, its c2s. links.c has its net.
 */
#include "rings.h"

#include "base/conn_private.h"
#include "base/daemon.h"
#include "base/mem.h"
#include "c2s/c2s.h"
#include "c2s/sm/network/network.h"
#include "net/conf.h"
#include "router/router.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECRET_C2S "0123456789abcdef0123456789abcdef"
#define SECRET_NET "fedcba9876543210fedcba9876543210"

static _Noreturn void die(const char *host, const char *what)
{
    fprintf(stderr, "rings: %s: %s\n", host, what);
    exit(2);
}

/* --- settings --------------------------------------------------------------------------------- */

static void *load(const struct site *s, const struct conf_spec *spec, const char *text)
{
    char path[96], error[CONF_ERROR_MAX];
    snprintf(path, sizeof path, "%s/conf", s->folder);
    FILE *f = fopen(path, "we");
    if (!f || fchmod(fileno(f), 0600) != 0 || fputs(text, f) < 0 || fclose(f) != 0)
        die(s->host, "no temporary file");
    void *conf = conf_load(spec, path, true, error);
    unlink(path);
    if (!conf)
        die(s->host, error);
    return conf;
}

static void *load_router(const struct site *s)
{
    char text[1000];
    snprintf(text, sizeof text,
             "[router]\ncontrol = /nonexistent/router.ctl\nsettle = 0\n"
             "[component c2s]\nsecret = " SECRET_C2S "\nnames = c2s-*.%s\n"
             "shared = %s " RING_NETWORK "\ninternal = true\n"
             "[component net]\nsecret = " SECRET_NET "\nnames = net.%s **." RING_NETWORK
             "\ninternal = true\nrelays = true\n"
             "[component gate]\nsecret = " RING_GATE_SECRET "\nnames = irc.%s\n",
             s->host, s->host, s->host, s->host);
    return load(s, &router_conf_spec, text);
}

static void *load_c2s(const struct site *s)
{
    char text[1000];
    snprintf(text, sizeof text,
             "[c2s]\nhost = %s\nnetwork = " RING_NETWORK "\nlisten = 127.0.0.1:5222\n"
             "[router]\nsecret = " SECRET_C2S "\n[auth]\niterations = 4096\n"
             "[limits]\nprelogin_per_address = 1000\n"
             "[network]\nservers = %s\ncert = %s/cert.pem\nkey = %s/key.pem\n",
             s->host, s->table, s->folder, s->folder);
    return load(s, &c2s_conf_spec, text);
}

static void *load_net(const struct site *s)
{
    char text[1000];
    snprintf(text, sizeof text,
             "[net]\nhost = %s\nnetwork = " RING_NETWORK "\nlisten = 127.0.0.1:5270\n"
             "servers = %s\ncert = %s/cert.pem\nkey = %s/key.pem\n"
             "[router]\nsecret = " SECRET_NET "\n",
             s->host, s->table, s->folder, s->folder);
    return load(s, &net_conf_spec, text);
}

/* The twins of wraps.c read in such a file whose key it is. */
static void write_key(const struct site *s, const char *name)
{
    char path[96];
    snprintf(path, sizeof path, "%s/%s", s->folder, name);
    FILE *f = fopen(path, "we");
    if (!f || fputs(s->fingerprint, f) < 0 || fclose(f) != 0 || chmod(path, 0600) != 0)
        die(s->host, "no key");
}

void site_make(struct site *s, size_t index)
{
    *s = (struct site){.index = index};
    snprintf(s->host, sizeof s->host, "s%zu." RING_NETWORK, index);
    snprintf(s->fingerprint, sizeof s->fingerprint, "%040zX", 0xabc000 + index);
    snprintf(s->folder, sizeof s->folder, "%s/%zu", ring->folder, index);
    snprintf(s->table, sizeof s->table, "%s/servers", s->folder);
    if (mkdir(s->folder, 0700) != 0)
        die(s->host, "no folder");
    write_key(s, "cert.pem");
    write_key(s, "key.pem");
    FILE *f = fopen(s->table, "we");
    if (!f || fclose(f) != 0)
        die(s->host, "no table");
    s->router_conf = load_router(s);
    s->c2s_conf = load_c2s(s);
    s->net_conf = load_net(s);
    s->c2s_daemon = mem_zalloc(sizeof(struct daemon));
    s->net_daemon = mem_zalloc(sizeof(struct daemon));
    s->is_member = true;
    wraps_open_stores(s);
}

static void remove_file(const struct site *s, const char *name)
{
    char path[96];
    snprintf(path, sizeof path, "%s/%s", s->folder, name);
    unlink(path);
}

void site_drop(struct site *s)
{
    static const char *const files[] = {"cert.pem", "key.pem", "servers", "servers.lock"};
    wraps_close_stores(s);
    conf_free(&router_conf_spec, &s->router_conf);
    conf_free(&c2s_conf_spec, &s->c2s_conf);
    conf_free(&net_conf_spec, &s->net_conf);
    free(s->c2s_daemon);
    free(s->net_daemon);
    for (size_t i = 0; i < ARRAY_LEN(files); i++)
        remove_file(s, files[i]);
    rmdir(s->folder);
}

/* --- the table -------------------------------------------------------------------------------- */

static void write_table(const struct site *s)
{
    FILE *f = fopen(s->table, "we");
    for (size_t i = 0; f && i < ring->site_count; i++) {
        const struct site *other = &ring->sites[i];
        fprintf(f, "%s %s %s\n", other->host, other->fingerprint,
                other->is_member ? "enabled" : "disabled");
    }
    if (!f || fclose(f) != 0)
        die(s->host, "no table");
}

static void read_table(struct site *s)
{
    char error[CONF_ERROR_MAX] = "";
    if (s->c2s && !network_reload(s->c2s, error))
        die(s->host, error);
    if (s->net && !links_reload(s))
        die(s->host, "its net does not take the table");
}

void site_tell(struct site *s)
{
    write_table(s);
    read_table(s);
}

void sites_tell(void)
{
    for (size_t i = 0; i < ring->site_count; i++)
        site_tell(&ring->sites[i]);
}

/* --- processes -------------------------------------------------------------------------------- */

struct conn *links_to_router(struct site *s, struct conn **kept)
{
    struct conn *theirs;
    if (!s->router)
        return NULL;
    conn_pair_fake(ring->loop, 0, 0, kept, &theirs);
    router_accept(s->router, theirs);
    return *kept;
}

static struct conn *c2s_connects(void *ctx)
{
    struct site *s = ctx;
    return links_to_router(s, &s->c2s_link);
}

static void start_c2s(struct site *s)
{
    char error[CONF_ERROR_MAX] = "";
    struct daemon *d = s->c2s_daemon;
    *d = (struct daemon){.loop = ring->loop, .instance = "c2s-1", .conf = s->c2s_conf};
    c2s_test_connect = c2s_connects;
    c2s_test_connect_ctx = s;
    wraps_use_store(s, 0);
    s->c2s = c2s_new(d, error);
    if (!s->c2s)
        die(s->host, error);
}

bool site_is_up(const struct site *s)
{
    return s->c2s && !s->c2s->is_stopping;
}

void site_start(struct site *s)
{
    char error[CONF_ERROR_MAX] = "";
    if (s->c2s)
        return;
    ring_trace("%s starts", s->host);
    s->router = router_new(ring->loop, s->router_conf, error);
    if (!s->router)
        die(s->host, error);
    start_c2s(s);
    links_start(s);
}

static void on_c2s_stopped(void *ctx)
{
    struct site *s = ctx;
    c2s_free(&s->c2s);
}

static void on_router_stopped(void *ctx)
{
    struct site *s = ctx;
    router_free(&s->router);
}

/* What it would still say finds nobody. */
static void silence(struct site *s)
{
    LIST_FOR_EACH(node, &s->c2s->clients)
    {
        struct client *c = CONTAINER_OF(node, struct client, node);
        if (c->stream.conn)
            conn_abort(c->stream.conn, -ECONNRESET);
    }
    router_free(&s->router);
}

void site_stop(struct site *s, bool is_killed)
{
    if (!s->c2s)
        return;
    ring_trace("%s is %s", s->host, is_killed ? "killed" : "stopped");
    if (is_killed) {
        ledger_kill(s);
        silence(s);
    }
    links_stop(s, is_killed);
    c2s_stop(s->c2s, on_c2s_stopped, s);
    for (int i = 0; i < 40 && s->c2s; i++)
        loop_sim_advance(ring->loop, 500);
    if (s->c2s)
        die(s->host, "its c2s has not stopped");
    if (s->router)
        router_stop(s->router, on_router_stopped, s);
    for (int i = 0; i < 20 && s->router; i++)
        loop_sim_advance(ring->loop, 500);
    if (s->router)
        die(s->host, "its router has not stopped");
}

/* --- users ------------------------------------------------------------------------------------ */

static void on_added(void *ctx, enum accounts_result r)
{
    struct site *s = ctx;
    if (r != ACCOUNTS_OK && r != ACCOUNTS_EXISTS)
        die(s->host, accounts_result_text(r));
}

void site_add_user(struct site *s, const char *user)
{
    accounts_add(s->c2s->accounts, span_of(user), SPAN(RING_PASSWORD), on_added, s);
}

bool site_take_client(struct site *s, struct conn *conn)
{
    if (!site_is_up(s))
        return false;
    client_accept(s->c2s, conn, true);
    return true;
}

/* --- looking ---------------------------------------------------------------------------------- */

struct finding {
    void (*call)(void *ctx, const char *host);
    void *ctx;
    const struct site *site;
};

static void on_home(void *ctx, const struct sm_home *home)
{
    struct finding *f = ctx;
    char host[64] = "";
    if (home->kind == SM_HOME_HERE)
        snprintf(host, sizeof host, "%s", f->site->host);
    else if (home->kind == SM_HOME_AT)
        snprintf(host, sizeof host, "%.*s", SPAN_ARG(home->host));
    f->call(f->ctx, host);
    free(f);
}

void site_find(struct site *s, const char *user, void (*call)(void *ctx, const char *host),
               void *ctx)
{
    struct sm *sm = s->c2s->sm;
    struct finding *f = mem_zalloc(sizeof *f);
    *f = (struct finding){call, ctx, s};
    if (!sm_has_network(sm)) {
        free(f);
        die(s->host, "it has no network");
    }
    struct sm_home home = sm_home_peek(sm, span_of(user));
    if (home.kind != SM_HOME_UNKNOWN)
        on_home(f, &home);
    else if (!sm_home_ask(sm, span_of(user), on_home, f))
        free(f);
}

int site_records(const struct site *s)
{
    return wraps_count(s, 0, "SELECT count(*) FROM home");
}
