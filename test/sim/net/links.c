/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * links - the nets of the servers, and what lies between these: a name server for each, by whose
 * addresses it is known who dials whom, connections, and cuts.
 */
#include "rings.h"

#include "base/conn_private.h"
#include "base/daemon.h"
#include "dns/resolve.h"
#include "net/wire.h"
#include "xmpp/server_key.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

#define LINKS_MAX 2000

/* A connection between two servers: an end of each; NULL: that end is gone. */
struct cable {
    struct conn *ends[2];
    const struct site *sites[2];
    bool is_hole; /* paused at both ends */
};
static struct cable cables[LINKS_MAX];

static _Noreturn void die(const char *host, const char *what)
{
    fprintf(stderr, "rings: %s: %s\n", host, what);
    exit(2);
}

/* --- connections ------------------------------------------------------------------------------ */

static struct cable *free_cable(void)
{
    for (size_t i = 0; i < LINKS_MAX; i++)
        if (!cables[i].ends[0] && !cables[i].ends[1])
            return &cables[i];
    die("links", "too many connections");
}

void links_forget(const struct conn *c)
{
    for (size_t i = 0; i < LINKS_MAX; i++)
        for (int end = 0; end < 2; end++)
            if (cables[i].ends[end] == c)
                cables[i].ends[end] = NULL;
}

void links_clear(void)
{
    memset(cables, 0, sizeof cables);
}

const struct site *links_end(const struct conn *c, const struct site **other_r)
{
    for (size_t i = 0; i < LINKS_MAX; i++)
        for (int end = 0; end < 2; end++)
            if (c && cables[i].ends[end] == c) {
                *other_r = cables[i].sites[!end];
                return cables[i].sites[end];
            }
    return NULL;
}

/* Name servers answer each server with addresses of its own: 20.FROM.TO.1 */
static struct conn *on_dial(void *ctx, const struct addr *to)
{
    (void)ctx;
    uint32_t bits = ntohl(((const struct sockaddr_in *)&to->ss)->sin_addr.s_addr);
    struct site *from = &ring->sites[(bits >> 16 & 255) - 1];
    struct site *dialled = &ring->sites[(bits >> 8 & 255) - 1];
    struct conn *ours, *theirs;
    if (!dialled->net || dialled->net->is_stopping || from->is_cut[dialled->index] ||
        dialled->is_cut[from->index])
        return NULL;
    meter.dials++;
    conn_pair_fake(ring->loop, 0, 1 + chance_below(ring->link_delay), &ours, &theirs);
    *free_cable() = (struct cable){{ours, theirs}, {from, dialled}, false};
    wire_accept(dialled->net, theirs);
    return ours;
}

static bool is_between(const struct cable *c, const struct site *a, const struct site *b)
{
    return (c->sites[0] == a && c->sites[1] == b) || (c->sites[0] == b && c->sites[1] == a);
}

static void pause_end(struct conn *c, bool is_paused)
{
    if (!c || conn_is_closing(c))
        return;
    if (is_paused)
        conn_pause(c);
    else
        conn_resume(c);
}

static void make_hole(struct cable *c, bool is_hole)
{
    if (c->is_hole == is_hole)
        return;
    c->is_hole = is_hole;
    pause_end(c->ends[0], is_hole);
    pause_end(c->ends[1], is_hole);
}

void links_break(struct site *a, struct site *b)
{
    for (size_t i = 0; i < LINKS_MAX; i++)
        for (int end = 0; end < 2; end++)
            if (cables[i].ends[end] && is_between(&cables[i], a, b))
                conn_abort(cables[i].ends[end], -ECONNRESET);
}

void links_cut(struct site *a, struct site *b, bool is_cut, bool hole)
{
    a->is_cut[b->index] = b->is_cut[a->index] = is_cut;
    if (is_cut && !hole)
        links_break(a, b);
    for (size_t i = 0; i < LINKS_MAX; i++)
        if ((cables[i].ends[0] || cables[i].ends[1]) && is_between(&cables[i], a, b))
            make_hole(&cables[i], is_cut);
}

/* --- who they are: by the end at which a session is ------------------------------------------- */

static bool key_of_peer(void *session, char fingerprint_r[SERVER_FINGERPRINT + 1])
{
    for (size_t i = 0; i < LINKS_MAX; i++)
        for (int end = 0; end < 2; end++) {
            const struct conn *c = cables[i].ends[end];
            if (c && session && conn_transport(c) == session) {
                memcpy(fingerprint_r, cables[i].sites[!end]->fingerprint, SERVER_FINGERPRINT + 1);
                return true;
            }
        }
    return false;
}

/* --- a net ------------------------------------------------------------------------------------ */

static struct conn *on_router(void *ctx)
{
    struct site *s = ctx;
    return links_to_router(s, &s->net_link);
}

static struct resolver *names_for(const struct site *s)
{
    struct resolver *r = resolver_new_sim(ring->loop);
    for (size_t i = 0; i < RING_SITES; i++) {
        char host[32], address[32];
        snprintf(host, sizeof host, "s%zu." RING_NETWORK, i);
        snprintf(address, sizeof address, "20.%zu.%zu.1", s->index + 1, i + 1);
        resolver_sim_add(r, RESOLVE_A, host, address, false);
    }
    return r;
}

void links_start(struct site *s)
{
    char error[CONF_ERROR_MAX] = "";
    struct daemon *d = s->net_daemon;
    *d = (struct daemon){.loop = ring->loop, .instance = "net", .conf = s->net_conf};
    s->resolver = names_for(s);
    server_key_twin = key_of_peer;
    net_test_router = on_router;
    net_test_connect = on_dial;
    net_test_resolver = s->resolver;
    net_test_ctx = s;
    wraps_use_store(s, 1);
    s->net = net_new(d, error);
    if (!s->net)
        die(s->host, error);
}

static void on_stopped(void *ctx)
{
    struct site *s = ctx;
    net_test_resolver = s->resolver; /* is not net's to free */
    net_free(&s->net);
}

/* Its connections end without a word; nothing is written to its database any more. */
static void kill_net(struct site *s)
{
    bool was_cut[RING_SITES];
    memcpy(was_cut, s->is_cut, sizeof was_cut);
    for (size_t i = 0; i < ring->site_count; i++) {
        links_break(s, &ring->sites[i]);
        s->is_cut[i] = true;
    }
    loop_sim_settle(ring->loop);
    net_test_resolver = s->resolver;
    net_free(&s->net);
    memcpy(s->is_cut, was_cut, sizeof was_cut);
}

void links_stop(struct site *s, bool is_killed)
{
    if (is_killed) {
        kill_net(s);
    } else {
        net_stop(s->net, on_stopped, s);
        for (int i = 0; i < 40 && s->net; i++)
            loop_sim_advance(ring->loop, 500);
    }
    if (s->net)
        die(s->host, "its net has not stopped");
    resolver_free(&s->resolver);
}

bool links_reload(struct site *s)
{
    char error[CONF_ERROR_MAX] = "";
    return net_reload_servers(s->net, error);
}

bool links_all_up(void)
{
    for (size_t i = 0; i < ring->site_count; i++)
        for (size_t k = 0; k < ring->site_count; k++) {
            const struct site *a = &ring->sites[i], *b = &ring->sites[k];
            const struct peer *p;
            if (i == k || !a->net || !b->is_member || !a->is_member)
                continue;
            p = peer_find(a->net, span_of(b->host));
            if (!p || p->state != PEER_UP)
                return false;
        }
    return true;
}
