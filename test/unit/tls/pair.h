/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * pair - two ends of a socket pair, a TLS session on each, moved by hand. The client is our own
 * where that says enough (pair), and bare GnuTLS where it must misbehave (raw).
 */
#ifndef TEST_UNIT_TLS_PAIR_H
#define TEST_UNIT_TLS_PAIR_H

#include "base/log.h"
#include "tls/crypto.h"
#include "tls/ctx.h"

#include "test/unit/tls/certs.h"

#include <errno.h>
#include <gnutls/gnutls.h>
#include <sys/socket.h>

#define DAY (24 * 3600L)
#define ROUNDS 200
#define ONLY_12 "NORMAL:-VERS-ALL:+VERS-TLS1.2"
#define ONLY_13 "NORMAL:-VERS-ALL:+VERS-TLS1.3"

static const char *const versions[] = {ONLY_12, ONLY_13};

#define PAIR_CERTS (sizeof(made) / sizeof(made[0]))
static const struct cert_opts made[] = {
    {.name = "good", .dns = "prime.example", .begins = -DAY, .ends = DAY},
    {.name = "other", .dns = "prime.example", .begins = -DAY, .ends = DAY},
    {.name = "expired", .dns = "prime.example", .begins = -2 * DAY, .ends = -DAY},
    {.name = "cn-only", .cn = "prime.example", .begins = -DAY, .ends = DAY},
};

static struct tls_ctx *server_ctx;

static inline struct tls_ctx *server_with(const char *cert)
{
    char error[TLS_ERROR_MAX];
    struct tls_ctx_opts opts = {.cert_file = certs_path(cert, ".crt"),
                                .key_file = certs_path(cert, ".key"),
                                .alpn = SPAN("xmpp-client")};
    struct tls_ctx *ctx = tls_ctx_new(&opts, error);
    assert_string_equal(error, "");
    return ctx;
}

static inline struct tls_ctx *client_with(const char *priority, const char *ca, struct span alpn)
{
    char error[TLS_ERROR_MAX];
    struct tls_ctx_opts opts = {.priority = priority, .ca_file = ca, .alpn = alpn};
    struct tls_ctx *ctx = tls_ctx_new(&opts, error);
    assert_string_equal(error, "");
    return ctx;
}

static inline int pair_setup(void **state)
{
    (void)state;
    crypto_init();
    log_threshold = LOG_ERROR; /* an expired certificate is part of the play */
    certs_begin();
    for (size_t i = 0; i < PAIR_CERTS; i++)
        certs_make(&made[i]);
    server_ctx = server_with("good");
    return 0;
}

static inline int pair_teardown(void **state)
{
    (void)state;
    const char *names[PAIR_CERTS];
    for (size_t i = 0; i < PAIR_CERTS; i++)
        names[i] = made[i].name;
    tls_ctx_unref(&server_ctx);
    certs_end(names, ARRAY_LEN(names));
    return 0;
}

/* --- two ends --- */

struct pair {
    void *server, *client;
    int server_fd, client_fd;
};

static const struct transport_ops *const ops = &tls_transport;

static inline void open_pair(struct pair *p, struct tls_ctx *server, bool alpn,
                             struct tls_ctx *client, struct span name)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    *p = (struct pair){.server_fd = fds[0], .client_fd = fds[1]};
    p->server = tls_server_new(server, fds[0], alpn);
    p->client = client ? tls_client_new(client, fds[1], name) : NULL;
}

static inline void close_pair(struct pair *p)
{
    if (p->server)
        ops->free(p->server);
    if (p->client)
        ops->free(p->client);
    close(p->server_fd);
    close(p->client_fd);
}

/* Lets both ends speak until both have an answer: 0 or what went wrong. */
static inline void shake(struct pair *p, int *server_r, int *client_r)
{
    *server_r = *client_r = -EAGAIN;
    for (int i = 0; i < ROUNDS && (*server_r == -EAGAIN || *client_r == -EAGAIN); i++) {
        if (*client_r == -EAGAIN)
            *client_r = ops->handshake(p->client);
        if (*server_r == -EAGAIN)
            *server_r = ops->handshake(p->server);
    }
}

static inline void connect_pair(struct pair *p, struct tls_ctx *server, struct tls_ctx *client)
{
    int s, c;
    open_pair(p, server, false, client, SPAN("prime.example"));
    shake(p, &s, &c);
    assert_int_equal(s, 0);
    assert_int_equal(c, 0);
}

/* What a peer sent already may lie behind tickets or key updates, each of which reads as -EAGAIN.
 */
static inline ssize_t receive(void *t, char *p, size_t n)
{
    ssize_t ret = -EAGAIN;
    for (int i = 0; i < 4 && ret == -EAGAIN; i++)
        ret = ops->recv(t, p, n);
    return ret;
}

/* --- a client that may misbehave --- */

struct raw {
    struct pair pair;
    gnutls_session_t session;
    gnutls_certificate_credentials_t credentials;
};

static inline void raw_open(struct raw *r, const char *priority, unsigned flags)
{
    open_pair(&r->pair, server_ctx, false, NULL, SPAN_NONE);
    gnutls_certificate_allocate_credentials(&r->credentials);
    gnutls_init(&r->session, GNUTLS_CLIENT | GNUTLS_NONBLOCK | flags);
    assert_int_equal(gnutls_priority_set_direct(r->session, priority, NULL), 0);
    gnutls_credentials_set(r->session, GNUTLS_CRD_CERTIFICATE, r->credentials);
    gnutls_transport_set_int(r->session, r->pair.client_fd);
}

static inline void raw_shake(struct raw *r)
{
    int s = -EAGAIN, c = GNUTLS_E_AGAIN;
    for (int i = 0; i < ROUNDS && (s == -EAGAIN || c == GNUTLS_E_AGAIN); i++) {
        if (c == GNUTLS_E_AGAIN)
            c = gnutls_handshake(r->session);
        if (s == -EAGAIN)
            s = ops->handshake(r->pair.server);
    }
    assert_int_equal(s, 0);
    assert_int_equal(c, 0);
}

static inline void raw_close(struct raw *r)
{
    gnutls_deinit(r->session);
    gnutls_certificate_free_credentials(r->credentials);
    close_pair(&r->pair);
}

#endif
