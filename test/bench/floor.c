/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * floor - the physical floor that servers are compared with: a relay that only reads, looks for the
 * end of the last message, and writes. No streams, no parsing, no routing.
 *
 *   floor PORT [CERT KEY]
 *
 * Connections on 127.0.0.1 are paired in the order in which they come; what one sends goes to the
 * other. With a certificate: TLS 1.3. It prints "ready" and runs until it is killed.
 */
#include "base/buf.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <gnutls/gnutls.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_SIZE ((size_t)64 * 1024)

struct side {
    int fd;
    gnutls_session_t tls;
    bool is_shaken;
    struct buf in, out;
    struct side *partner;
};

static int poll_fd;
static gnutls_certificate_credentials_t credentials;
static gnutls_priority_t priority;
static struct side *waiting;

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "floor: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void watch(struct side *s, int operation, uint32_t events)
{
    struct epoll_event e = {.events = events, .data.ptr = s};
    epoll_ctl(poll_fd, operation, s->fd, &e);
}

/* Both of a pair end together. The memory of the few sides of a run is left to the exit. */
static void end_pair(struct side *s)
{
    struct side *both[] = {s, s->partner};
    for (int i = 0; i < 2; i++) {
        if (both[i] && both[i]->fd >= 0) {
            close(both[i]->fd);
            both[i]->fd = -1;
        }
    }
    if (waiting == s)
        waiting = NULL;
}

static ssize_t write_some(struct side *s, struct span bytes)
{
    if (!s->tls)
        return send(s->fd, bytes.p, bytes.n, MSG_NOSIGNAL);
    ssize_t n = gnutls_record_send(s->tls, bytes.p, bytes.n);
    if (n == GNUTLS_E_AGAIN)
        errno = EAGAIN;
    return n;
}

static void flush(struct side *s)
{
    bool was_full = buf_len(&s->out) > 0;
    while (buf_len(&s->out) > 0) {
        ssize_t n = write_some(s, buf_span(&s->out));
        if (n < 0 && errno != EAGAIN)
            end_pair(s);
        if (n <= 0)
            break;
        buf_consume(&s->out, (size_t)n);
    }
    if (s->fd >= 0 && (was_full || buf_len(&s->out) > 0))
        watch(s, EPOLL_CTL_MOD, buf_len(&s->out) > 0 ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

/* What ends with a whole message goes on, straight from where it was read. */
static void relay(struct side *s)
{
    struct span bytes = buf_span(&s->in);
    const char *last = memrchr(bytes.p, '/', bytes.n);
    const char *end = last ? memchr(last, '>', bytes.n - (size_t)(last - bytes.p)) : NULL;
    struct side *to = s->partner;
    if (!end || !to)
        return;
    struct span whole = span_make(bytes.p, (size_t)(end + 1 - bytes.p));
    ssize_t n = buf_len(&to->out) > 0 ? 0 : write_some(to, whole);
    if (n < (ssize_t)whole.n) {
        buf_append(&to->out, span_from(whole, n > 0 ? (size_t)n : 0));
        flush(to);
    }
    buf_consume(&s->in, whole.n);
}

static void on_readable(struct side *s)
{
    if (s->tls && !s->is_shaken) {
        int result = gnutls_handshake(s->tls);
        s->is_shaken = result == GNUTLS_E_SUCCESS;
        if (gnutls_error_is_fatal(result))
            end_pair(s);
        if (!s->is_shaken || gnutls_record_check_pending(s->tls) == 0)
            return;
    }
    do {
        char *room = buf_reserve(&s->in, READ_SIZE);
        ssize_t n =
            s->tls ? gnutls_record_recv(s->tls, room, READ_SIZE) : recv(s->fd, room, READ_SIZE, 0);
        if (n == GNUTLS_E_AGAIN || (!s->tls && n < 0 && errno == EAGAIN))
            return;
        if (n <= 0) {
            end_pair(s);
            return;
        }
        buf_commit(&s->in, (size_t)n);
        relay(s);
    } while (s->fd >= 0 && s->tls && gnutls_record_check_pending(s->tls) > 0);
}

static void on_connection(int listener)
{
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC), one = 1;
    if (fd < 0)
        return;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    struct side *s = mem_zalloc(sizeof *s);
    s->fd = fd;
    if (priority) {
        gnutls_init(&s->tls, GNUTLS_SERVER | GNUTLS_NONBLOCK);
        gnutls_priority_set(s->tls, priority);
        gnutls_credentials_set(s->tls, GNUTLS_CRD_CERTIFICATE, credentials);
        gnutls_transport_set_int(s->tls, fd);
    }
    if (waiting) {
        s->partner = waiting;
        waiting->partner = s;
        waiting = NULL;
        relay(s->partner);
    } else {
        waiting = s;
    }
    watch(s, EPOLL_CTL_ADD, EPOLLIN);
}

static int listen_at(uint16_t port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof at) < 0 || listen(fd, 1024) < 0)
        die("cannot listen");
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = NULL};
    epoll_ctl(poll_fd, EPOLL_CTL_ADD, fd, &e);
    return fd;
}

int main(int argc, char **argv)
{
    if (argc != 2 && argc != 4) {
        fprintf(stderr, "usage: floor PORT [CERT KEY]\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    poll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (argc == 4 && (gnutls_priority_init(&priority, "NORMAL:-VERS-ALL:+VERS-TLS1.3", NULL) < 0 ||
                      gnutls_certificate_allocate_credentials(&credentials) < 0 ||
                      gnutls_certificate_set_x509_key_file(credentials, argv[2], argv[3],
                                                           GNUTLS_X509_FMT_PEM) < 0))
        die("certificate");
    int listener = listen_at((uint16_t)strtoul(argv[1], NULL, 10));
    printf("ready\n");
    fflush(stdout);
    for (;;) {
        struct epoll_event events[256];
        int n = epoll_wait(poll_fd, events, 256, -1);
        for (int i = 0; i < n; i++) {
            struct side *s = events[i].data.ptr;
            if (!s)
                on_connection(listener);
            else if (s->fd >= 0 && events[i].events & EPOLLOUT)
                flush(s);
            if (s && s->fd >= 0 && events[i].events & ~(uint32_t)EPOLLOUT)
                on_readable(s);
        }
    }
}
