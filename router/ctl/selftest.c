/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * selftest - does the suite work, seen from outside? Two accounts are made, two clients log in
 * over TLS and write to each other; the accounts are removed whatever happens. The clients run in
 * a process of their own, because libstrophe waits for a TLS handshake without a limit.
 */
#include "router/ctl/ctl.h"

#include "router/ctl/selftest_client.h"

#include "base/addr.h"
#include "base/control.h"
#include "base/loop.h"
#include "base/mem.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define LIMIT_US 15000000
#define CONTROL_PATIENCE_S 2
#define GOODBYE_US 1000000
#define ROUND_TRIPS 20
#define WAIT_MS 20

/* What `info` says about the c2s. */
struct server {
    char host[256], cert[512], listen[512], listen_tls[512];
    char address[INET6_ADDRSTRLEN];
    uint16_t port;
    enum client_tls tls;
};

struct test {
    const struct ctl *ctl;
    struct server server;
    struct loop *loop; /* for its clock */
    uint64_t deadline_us;
    xmpp_ctx_t *ctx;
    struct client clients[2];
    char jids[2][320], passwords[2][40];
    uint64_t trips_us[ROUND_TRIPS];
    char fault[CTL_ERROR_MAX];
};

static volatile sig_atomic_t interrupted;

static void on_interrupt(int signum)
{
    (void)signum;
    interrupted = 1;
}

/* --- where the server is --- */

static void on_info(void *ctx, const struct span *words, size_t count)
{
    struct server *s = ctx;
    const struct {
        const char *key;
        char *to;
        size_t size;
    } wanted[] = {
        {"host", s->host, sizeof(s->host)},
        {"cert", s->cert, sizeof(s->cert)},
        {"listen", s->listen, sizeof(s->listen)},
        {"listen_tls", s->listen_tls, sizeof(s->listen_tls)},
    };

    for (size_t i = 0; count > 1 && i < ARRAY_LEN(wanted); i++)
        if (span_eq(words[0], span_of(wanted[i].key)))
            snprintf(wanted[i].to, wanted[i].size, "%.*s", SPAN_ARG(words[1]));
}

/* The address to connect to for one that is listened on: a wildcard is this host. */
static bool use_address(struct server *s, struct span text)
{
    struct addr at;

    if (addr_parse(text, &at) != 0 || addr_is_unix(&at))
        return false;
    if (at.ss.ss_family == AF_INET) {
        struct in_addr *ip = &((struct sockaddr_in *)&at.ss)->sin_addr;
        if (ip->s_addr == htonl(INADDR_ANY))
            ip->s_addr = htonl(INADDR_LOOPBACK);
        inet_ntop(AF_INET, ip, s->address, sizeof(s->address));
    } else {
        struct in6_addr *ip = &((struct sockaddr_in6 *)&at.ss)->sin6_addr;
        if (IN6_IS_ADDR_UNSPECIFIED(ip))
            *ip = in6addr_loopback;
        inet_ntop(AF_INET6, ip, s->address, sizeof(s->address));
    }
    s->port = addr_port(&at);
    return true;
}

/* The first usable address of a list that is separated by blanks. */
static bool use_list(struct server *s, const char *list)
{
    for (const char *p = list + strspn(list, " "); *p; p += strspn(p, " ")) {
        size_t n = strcspn(p, " ");
        if (use_address(s, span_make(p, n)))
            return true;
        p += n;
    }
    return false;
}

static bool find_server(struct test *t)
{
    struct server *s = &t->server;

    if (ctl_ask_c2s(t->ctl, &SPAN("info"), 1, on_info, s, t->fault) != 0)
        return false;
    if (s->cert[0] && use_list(s, s->listen_tls))
        s->tls = CLIENT_DIRECT_TLS;
    else if (use_list(s, s->listen))
        s->tls = s->cert[0] ? CLIENT_STARTTLS : CLIENT_PLAIN;
    else
        snprintf(t->fault, sizeof(t->fault), "the c2s names no address that it listens on");
    if (!t->fault[0] && s->cert[0])
        client_trust(s->cert, t->fault);
    return t->fault[0] == '\0';
}

/* --- accounts --- */

static void make_names(struct test *t)
{
    xmpp_ctx_t *ctx = xmpp_ctx_new(NULL, NULL);
    xmpp_rand_t *random = xmpp_rand_new(ctx);
    char name[17];

    for (int i = 0; i < 2; i++) {
        xmpp_rand_nonce(random, name, sizeof(name));
        xmpp_rand_nonce(random, t->passwords[i], sizeof(t->passwords[i]));
        for (char *p = name; *p; p++)
            *p |= 0x20; /* hexadecimal digits, in lower case as addresses are */
        snprintf(t->jids[i], sizeof(t->jids[i]), "selftest-%s@%s", name, t->server.host);
    }
    xmpp_rand_free(ctx, random);
    xmpp_ctx_free(ctx);
}

static bool make_accounts(struct test *t)
{
    const struct span words[] = {SPAN_INIT("user"),   SPAN_INIT("add"),
                                 span_of(t->jids[0]), span_of(t->passwords[0]),
                                 span_of(t->jids[1]), span_of(t->passwords[1])};
    char error[CTL_ERROR_MAX];

    if (ctl_ask_c2s(t->ctl, words, ARRAY_LEN(words), NULL, NULL, error) != 0) {
        snprintf(t->fault, sizeof(t->fault), "cannot make accounts: %.400s", error);
        return false;
    }
    return true;
}

/* When the making failed, perhaps one of them is there. */
static bool remove_accounts(struct test *t, bool made)
{
    char error[CTL_ERROR_MAX];
    bool removed = true;

    for (int i = 0; i < 2; i++) {
        if (ctl_user_del(t->ctl, t->jids[i], error) == 0 || !made)
            continue;
        ctl_fail("cannot remove %s: %s", t->jids[i], error);
        removed = false;
    }
    return removed;
}

/* --- the clients --- */

/* Runs both clients for a moment; false when it is over, with the reason. */
static bool step(struct test *t)
{
    static const char *const names[] = {"first", "second"};

    xmpp_run_once(t->ctx, WAIT_MS);
    for (int i = 0; i < 2 && !t->fault[0]; i++)
        if (t->clients[i].fault[0])
            snprintf(t->fault, sizeof(t->fault), "%s client: %s", names[i], t->clients[i].fault);
    if (!t->fault[0] && loop_now_us(t->loop) > t->deadline_us)
        snprintf(t->fault, sizeof(t->fault), "no answer within %d seconds", LIMIT_US / 1000000);
    return t->fault[0] == '\0';
}

static bool log_in(struct test *t, uint64_t took_us_r[2])
{
    uint64_t start = loop_now_us(t->loop);

    took_us_r[0] = took_us_r[1] = 0;
    for (int i = 0; i < 2; i++)
        client_start(&t->clients[i], t->ctx, t->jids[i], t->passwords[i], t->server.address,
                     t->server.port, t->server.tls);
    while (!took_us_r[0] || !took_us_r[1]) {
        if (!step(t))
            return false;
        for (int i = 0; i < 2; i++)
            if (!took_us_r[i] && t->clients[i].state == CLIENT_ONLINE)
                took_us_r[i] = loop_now_us(t->loop) - start;
    }
    return true;
}

/* A message to the other client, and its echo back. */
static bool round_trip(struct test *t, const char *to, int number, uint64_t *took_us_r)
{
    char body[32];
    uint64_t start = loop_now_us(t->loop);

    snprintf(body, sizeof(body), "selftest %d", number);
    client_send(&t->clients[0], to, body);
    while (strcmp(t->clients[0].received, body) != 0)
        if (!step(t))
            return false;
    *took_us_r = loop_now_us(t->loop) - start;
    return true;
}

static int by_size(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void report(struct test *t, const uint64_t login_us[2])
{
    static const char *const ways[] = {"without TLS", "STARTTLS", "direct TLS"};

    qsort(t->trips_us, ROUND_TRIPS, sizeof(t->trips_us[0]), by_size);
    uint64_t median = (t->trips_us[ROUND_TRIPS / 2 - 1] + t->trips_us[ROUND_TRIPS / 2]) / 2;
    printf("server      %s at %s port %u, %s\n", t->server.host, t->server.address, t->server.port,
           ways[t->server.tls]);
    printf("login       %.1f ms and %.1f ms\n", (double)login_us[0] / 1e3,
           (double)login_us[1] / 1e3);
    printf("round trip  %.2f ms (median of %d; %.2f to %.2f)\n", (double)median / 1e3, ROUND_TRIPS,
           (double)t->trips_us[0] / 1e3, (double)t->trips_us[ROUND_TRIPS - 1] / 1e3);
}

static bool converse(struct test *t)
{
    uint64_t login_us[2], first_us;
    char full[2048];

    t->clients[1].echoes = true;
    if (!log_in(t, login_us))
        return false;
    /* The account's address first: presence and delivery have to know the session. */
    if (!round_trip(t, t->jids[1], -1, &first_us))
        return false;
    snprintf(full, sizeof(full), "%s", client_jid(&t->clients[1]));
    for (int i = 0; i < ROUND_TRIPS; i++)
        if (!round_trip(t, full, i, &t->trips_us[i]))
            return false;
    report(t, login_us);
    return true;
}

static void log_out(struct test *t)
{
    uint64_t end = loop_now_us(t->loop) + GOODBYE_US;

    for (int i = 0; i < 2; i++)
        client_stop(&t->clients[i]);
    while (loop_now_us(t->loop) < end &&
           (t->clients[0].state == CLIENT_ONLINE || t->clients[1].state == CLIENT_ONLINE))
        xmpp_run_once(t->ctx, WAIT_MS);
    for (int i = 0; i < 2; i++)
        client_free(&t->clients[i]);
}

/* --- apart --- */

static _Noreturn void run_clients(struct test *t)
{
    signal(SIGINT, SIG_IGN); /* the other process decides */
    signal(SIGTERM, SIG_DFL);
    t->loop = loop_new();
    t->ctx = xmpp_ctx_new(NULL, NULL);
    t->deadline_us = loop_now_us(t->loop) + LIMIT_US;
    bool good = converse(t);
    log_out(t);
    xmpp_ctx_free(t->ctx);
    loop_free(&t->loop);
    if (!good)
        ctl_fail("%s", t->fault);
    fflush(stdout);
    _exit(good ? 0 : 1);
}

/* Waits until the clients' end of the pipe is closed by their end. */
static bool wait_for_clients(struct test *t, int fd, pid_t pid)
{
    struct pollfd end = {.fd = fd, .events = POLLIN};
    int status = 0;

    int ended = interrupted ? -1 : poll(&end, 1, LIMIT_US / 1000 + 1000);
    if (ended <= 0) {
        snprintf(t->fault, sizeof(t->fault),
                 ended ? "interrupted" : "no answer to a TLS handshake within %d seconds",
                 LIMIT_US / 1000000);
        kill(pid, SIGKILL);
    }
    waitpid(pid, &status, 0);
    if (!t->fault[0] && WIFSIGNALED(status))
        snprintf(t->fault, sizeof(t->fault), "the test's clients crashed (signal %d)",
                 WTERMSIG(status));
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static bool converse_apart(struct test *t)
{
    int ends[2];

    fflush(NULL);
    if (pipe2(ends, O_CLOEXEC) != 0) {
        snprintf(t->fault, sizeof(t->fault), "pipe: %s", strerror(errno));
        return false;
    }
    pid_t pid = fork();
    if (pid == 0) {
        close(ends[0]);
        run_clients(t);
    }
    close(ends[1]);
    bool good = pid > 0 && wait_for_clients(t, ends[0], pid);
    if (pid < 0)
        snprintf(t->fault, sizeof(t->fault), "fork: %s", strerror(errno));
    close(ends[0]);
    return good;
}

static int run_selftest(const struct ctl *ctl, char **args, int count)
{
    struct test t = {.ctl = ctl};
    struct sigaction action = {.sa_handler = on_interrupt}; /* without SA_RESTART: poll ends */
    bool good = false;

    (void)args;
    (void)count;
    control_ask_patience(CONTROL_PATIENCE_S);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    xmpp_initialize();
    if (find_server(&t)) {
        make_names(&t);
        bool made = make_accounts(&t);
        good = made && converse_apart(&t);
        good = remove_accounts(&t, made) && good;
    }
    mem_wipe(t.passwords, sizeof(t.passwords));
    client_trust_end();
    xmpp_shutdown();
    if (t.fault[0])
        ctl_fail("%s", t.fault);
    puts(good ? "selftest: ok" : "selftest: failed");
    return good ? 0 : 1;
}

const struct ctl_command selftest_commands[] = {
    {"selftest", 0, 0, "", "log two test users in and let them write to each other", run_selftest},
    {.name = NULL},
};
