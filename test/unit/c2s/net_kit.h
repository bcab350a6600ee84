/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * net_kit - what the tests of the network share: the session manager of prime.test in a network of
 * servers, whose table is a file of the test's, and whose other members are the test itself: it
 * reads the questions off the link and writes the answers.
 */
#ifndef TEST_NET_KIT_H
#define TEST_NET_KIT_H

#include "sm_kit.h"

#include "c2s/sm/network/network.h"
#include "tls/crypto.h"

#include <unistd.h>

#define NET_FINGERPRINT_BETA "BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB"
#define NET_FINGERPRINT_GAMMA "CCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCC"
#define NET_FINGERPRINT_DELTA "DDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDD"
#define NET_TABLE                                                                                  \
    "beta.test " NET_FINGERPRINT_BETA " enabled\n"                                                 \
    "gamma.test " NET_FINGERPRINT_GAMMA " enabled\n"

/* Writes it to a file, and reads that. */
static inline struct servers *net_servers(const char *table)
{
    char file[] = "/tmp/net_kit.XXXXXX", error[CONF_ERROR_MAX];
    const int fd = mkstemp(file);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, table, strlen(table)), strlen(table));
    close(fd);
    struct servers *servers = servers_load(file, SPAN("prime.test"), error);
    unlink(file);
    assert_non_null(servers);
    return servers;
}

static inline struct sm_opts net_opts(struct servers *servers)
{
    struct sm_opts opts = *kit_opts();
    opts.net = (struct sm_network_opts){
        .servers = servers,
        .cache = 3600 * 1000,
        .negative = 60 * 1000,
        .max_cache = 100000,
        .deadline = 5000,
        .probe_deadline = 10000,
        .match_deadline = 60000,
        .match_items = 500,
        .match_daily = 5000,
        .max_homes = 1000000,
    };
    return opts;
}

/* A host of the table has come to the router, or gone. */
static inline void net_route(struct kit *k, const char *host, bool is_up)
{
    sm_link_events.on_route(k->sm, span_of(host), is_up);
}

/* opts NULL: those of net_opts. The link is up, and all enabled hosts of the table can be reached.
 */
static inline struct kit *net_new(const char *table, const struct sm_opts *opts)
{
    struct servers *servers = net_servers(table);
    struct sm_opts all = opts ? *opts : net_opts(NULL);
    crypto_simulate(7);
    all.net.servers = servers;
    struct kit *k = kit_new(&all);
    kit_link_up(k);
    for (size_t i = 0; i < servers_count(servers); i++) {
        const struct server *s = servers_at(servers, i);
        if (s->is_enabled && !s->is_self)
            sm_link_events.on_route(k->sm, s->host, true);
    }
    servers_unref(&servers);
    sm_publish_close(k->sm); /* a test that wants it opens it again */
    kit_settle(k);
    buf_clear(&k->link.out);
    buf_clear(&k->link.words);
    return k;
}

/* Another table from now on. */
static inline void net_table(struct kit *k, const char *table)
{
    struct servers *servers = net_servers(table);
    sm_set_servers(k->sm, servers);
    servers_unref(&servers);
}

/* A localpart whose directory is first and second, in this order; nth: one of several. */
static inline const char *net_user(struct kit *k, const char *first, const char *second, int nth)
{
    static char names[8][16];
    static size_t at;
    char *name = names[at++ % 8];
    const struct server *s[SERVERS_DIRECTORY];
    for (int i = 0; i < 100000; i++) {
        snprintf(name, sizeof(names[0]), "user%d", i);
        if (servers_directory(k->sm->net->servers, span_of(name), s) == 2 &&
            span_eq(s[0]->host, span_of(first)) && span_eq(s[1]->host, span_of(second)) &&
            nth-- == 0)
            return name;
    }
    fail_msg("nobody has the directory %s, %s", first, second);
    return NULL;
}

/* --- questions on the link --- */

/* The stanza that begins at `at` ends where the next one begins. */
static inline size_t net_stanza_length(const char *at)
{
    static const char *const starts[] = {"<iq ", "<message ", "<presence "};
    size_t n = strlen(at);
    for (size_t i = 0; i < ARRAY_LEN(starts); i++) {
        const char *next = strstr(at + 1, starts[i]);
        if (next && (size_t)(next - at) < n)
            n = (size_t)(next - at);
    }
    return n;
}

/* The first question to that address which holds text: taken off the link. Its id; "": there is
 * none. Valid until the next call. */
static inline const char *net_asked(struct kit *k, const char *to, const char *text)
{
    static char id[64], found[1 << 16];
    char want[256];
    struct buf *out = &k->link.out;
    id[0] = 0;
    snprintf(want, sizeof(want), " to='%s'", to);
    for (const char *at = buf_len(out) ? strstr(buf_z(out), "<iq ") : NULL; at;
         at = strstr(at + 1, "<iq ")) {
        const size_t n = net_stanza_length(at);
        snprintf(found, sizeof(found), "%.*s", (int)n, at);
        const char *from = strstr(found, " id='");
        if (!strstr(found, want) || !strstr(found, text) || !from)
            continue;
        snprintf(id, sizeof(id), "%.*s", (int)strcspn(from + 5, "'"), from + 5);
        char *p = (char *)(uintptr_t)at;
        memmove(p, p + n, strlen(p + n) + 1);
        out->tail -= n;
        break;
    }
    return id;
}

#define EXPECT_NOT_ASKED(k, to) assert_string_equal(net_asked(k, to, ""), "")

/* From the router: type "result" or "error". */
static inline void net_reply(struct kit *k, const char *type, const char *id, const char *from,
                             const char *payload)
{
    struct buf xml = {0};
    buf_printf(&xml,
               "<iq xmlns='" NS_COMPONENT "' type='%s' id='%s' from='%s'"
               " to='prime.test/c2s-1.prime.test'>%s</iq>",
               type, id, from, payload);
    kit_link_say(k, buf_z(&xml));
    buf_free(&xml);
}

/* The first question to that server is answered; there must be one. */
static inline void net_answer(struct kit *k, const char *from, const char *payload)
{
    char id[64];
    snprintf(id, sizeof(id), "%s", net_asked(k, from, ""));
    if (!id[0])
        fail_msg("%s has not been asked", from);
    net_reply(k, "result", id, from, payload);
}

/* <home/>: a record (host NULL: nobody of that name, complete or not). */
static inline const char *net_home(const char *user, const char *host, int64_t stamp,
                                   bool is_complete)
{
    static char xml[1024];
    if (host)
        snprintf(xml, sizeof(xml),
                 "<home xmlns='" NS_NETWORK "' user='%s' host='%s' stamp='%lld'/>", user, host,
                 (long long)stamp);
    else
        snprintf(xml, sizeof(xml), "<home xmlns='" NS_NETWORK "' user='%s' complete='%s'/>", user,
                 is_complete ? "true" : "false");
    return xml;
}

/* --- homes --- */

/* Who asks for one, and what he has been told. */
struct net_asker {
    int count; /* how often */
    int place; /* among those who have been told, from 1 */
    struct sm_home home;
    char host[256];
};

static int net_told; /* so many, of all askers */

static void net_on_home(void *ctx, const struct sm_home *home)
{
    struct net_asker *a = ctx;
    a->count++;
    a->place = ++net_told;
    a->home = *home;
    snprintf(a->host, sizeof(a->host), "%.*s", SPAN_ARG(home->host));
}

static inline void net_ask(struct kit *k, const char *user, struct net_asker *a)
{
    assert_true(sm_home_ask(k->sm, span_of(user), net_on_home, a));
    assert_int_equal(a->count, 0);
    kit_settle(k);
}

#define EXPECT_HOME(k, user, wanted)                                                               \
    assert_int_equal(sm_home_peek((k)->sm, span_of(user)).kind, wanted)

/* He is at home there from now on, as far as this server knows. */
static inline void net_learn(struct kit *k, const char *user, const char *host)
{
    sm_home_learn(k->sm, span_of(user), span_of(host), loop_wall(k->loop));
}

/* A client of that domain, who has come and whose user is ours; nothing has been heard so far. */
static inline struct kit_client *net_come(struct kit *k, const char *user, const char *domain,
                                          const char *resource)
{
    struct kit_client *c = kit_open(k, user, domain, resource);
    char bare[64];

    snprintf(bare, sizeof(bare), "%s@prime.test", user);
    if (!c->session)
        sm_link_events.on_claim(k->sm, span_of(bare), SPAN_NONE);
    kit_settle(k);
    assert_non_null(c->session);
    kit_say(k, c, "<presence/>");
    buf_clear(&c->out);
    buf_clear(&k->link.out);
    return c;
}

/* From the router, in the name of a user of another server, who is known to be at home there. */
static inline void net_hear(struct kit *k, const char *xml)
{
    char user[64] = "", host[64] = "";
    if (sscanf(strstr(xml, " from='"), " from='%63[^@]@%63[^/']", user, host) == 2)
        net_learn(k, user, host);
    kit_link_say(k, xml);
}

/* --- the log --- */

struct net_log {
    const char *event;
    int count;
    char last[512];
};

static inline void net_on_line(void *ctx, struct span line)
{
    struct net_log *log = ctx;
    if (memmem(line.p, line.n, log->event, strlen(log->event)) == NULL)
        return;
    log->count++;
    snprintf(log->last, sizeof(log->last), "%.*s", SPAN_ARG(line));
}

/* From now on until log_set_sink(NULL, NULL). */
static inline void net_watch_log(struct net_log *log, const char *event)
{
    *log = (struct net_log){.event = event};
    log_set_sink(net_on_line, log);
}

static inline void net_free(struct kit *k)
{
    kit_free(k);
    crypto_simulate(0);
}

#endif
