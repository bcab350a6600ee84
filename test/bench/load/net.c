/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * net - connections of the generator: sockets, TLS, reading, writing, the one epoll.
 *
 * Bytes are read into one shared buffer and cut there; a client keeps only the beginning of a
 * stanza whose end has not come. Output is sent once after each read.
 */
#include "load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define READ_SIZE ((size_t)256 * 1024)
#define EVENTS_MAX 256

uint64_t now_ns;
static int poll_fd;
static char *shared;
/* Clients with output, and clients whose closing has not been told yet: it is told when nothing is
 * under way with them, so that on_closed may connect them again. */
struct queue {
    struct client **p;
    size_t count, cap;
};

static struct queue dirty, closed;
static gnutls_certificate_credentials_t credentials;
static gnutls_priority_t priority;
static unsigned connections;

uint64_t net_clock(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

void net_init(void)
{
    poll_fd = epoll_create1(EPOLL_CLOEXEC);
    shared = mem_alloc(READ_SIZE);
    now_ns = net_clock();
    if (poll_fd < 0 || gnutls_certificate_allocate_credentials(&credentials) < 0 ||
        gnutls_priority_init(&priority, "NORMAL:-VERS-ALL:+VERS-TLS1.3", NULL) < 0)
        fail(NULL, SPAN_NONE, "cannot start");
}

static void enqueue(struct queue *q, struct client *c)
{
    if (q->count == q->cap) {
        q->cap = q->cap ? 2 * q->cap : 256;
        q->p = mem_realloc(q->p, q->cap * sizeof(*q->p));
    }
    q->p[q->count++] = c;
}

static void watch(struct client *c, int operation, uint32_t events)
{
    struct epoll_event e = {.events = events, .data.ptr = c};
    epoll_ctl(poll_fd, operation, c->fd, &e);
}

void net_connect(struct client *c, uint16_t port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in from = {.sin_family = AF_INET};
    int one = 1;
    /* many logins in a row need more ports than one address has */
    from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + connections++ / 100 % 250);
    inet_pton(AF_INET, c->address, &to.sin_addr);
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
    if (c->fd < 0 || bind(c->fd, (struct sockaddr *)&from, sizeof from) < 0 ||
        connect(c->fd, (struct sockaddr *)&to, sizeof to) < 0)
        fail(c, SPAN_NONE, "cannot connect to %s:%u: %s", c->address, port, strerror(errno));
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    fcntl(c->fd, F_SETFL, fcntl(c->fd, F_GETFL) | O_NONBLOCK);
    c->scan = (struct scan){0};
    watch(c, EPOLL_CTL_ADD, EPOLLIN);
}

void net_close(struct client *c)
{
    if (c->phase == PHASE_CLOSED)
        return;
    if (c->tls)
        gnutls_deinit(c->tls);
    c->tls = NULL;
    close(c->fd);
    c->fd = -1;
    c->phase = PHASE_CLOSED;
    c->wants_write = false;
    buf_free(&c->in);
    buf_free(&c->out);
    if (c->on_closed)
        enqueue(&closed, c);
    else
        fail(c, SPAN_NONE, "the server closed the connection");
}

/* --- TLS ---------------------------------------------------------------------------------------
 */

static void go_on_handshake(struct client *c)
{
    int result = gnutls_handshake(c->tls);
    if (result == GNUTLS_E_SUCCESS)
        login_handshaken(c);
    else if (gnutls_error_is_fatal(result))
        fail(c, SPAN_NONE, "TLS handshake: %s", gnutls_strerror(result));
}

void net_start_tls(struct client *c)
{
    c->phase = PHASE_HANDSHAKE;
    c->scan = (struct scan){0};
    if (gnutls_init(&c->tls, GNUTLS_CLIENT | GNUTLS_NONBLOCK) < 0 ||
        gnutls_priority_set(c->tls, priority) < 0 ||
        gnutls_credentials_set(c->tls, GNUTLS_CRD_CERTIFICATE, credentials) < 0)
        fail(c, SPAN_NONE, "cannot make a TLS session");
    gnutls_server_name_set(c->tls, GNUTLS_NAME_DNS, c->host, strlen(c->host));
    gnutls_transport_set_int(c->tls, c->fd);
    go_on_handshake(c);
}

/* --- output ------------------------------------------------------------------------------------
 */

void net_mark(struct client *c)
{
    if (c->is_dirty)
        return;
    c->is_dirty = true;
    enqueue(&dirty, c);
}

void net_say(struct client *c, const char *text)
{
    buf_append_z(&c->out, text);
    net_mark(c);
}

/* Bytes taken, 0 when the socket is full, -1 when it is dead. */
static ssize_t write_some(struct client *c, struct span s)
{
    ssize_t n;
    if (c->tls) {
        n = gnutls_record_send(c->tls, s.p, s.n);
        return n >= 0 ? n : n == GNUTLS_E_AGAIN || n == GNUTLS_E_INTERRUPTED ? 0 : -1;
    }
    n = send(c->fd, s.p, s.n, MSG_NOSIGNAL);
    return n >= 0 ? n : errno == EAGAIN || errno == EINTR ? 0 : -1;
}

static void flush(struct client *c)
{
    c->is_dirty = false;
    if (c->phase == PHASE_CLOSED)
        return;
    while (buf_len(&c->out) > 0) {
        ssize_t n = write_some(c, buf_span(&c->out));
        if (n < 0) {
            net_close(c);
            return;
        }
        if (n == 0)
            break;
        buf_consume(&c->out, (size_t)n);
    }
    bool wants_write = buf_len(&c->out) > 0;
    if (wants_write != c->wants_write)
        watch(c, EPOLL_CTL_MOD, wants_write ? EPOLLIN | EPOLLOUT : EPOLLIN);
    c->wants_write = wants_write;
}

static void finish_all(void)
{
    for (size_t i = 0; i < dirty.count; i++)
        flush(dirty.p[i]);
    dirty.count = 0;
    for (size_t i = 0; i < closed.count; i++)
        closed.p[i]->on_closed(closed.p[i]);
    closed.count = 0;
}

/* --- input -------------------------------------------------------------------------------------
 */

/* Cuts bytes; returns how many of them are done with. */
static size_t cut(struct client *c, struct span bytes)
{
    struct span stanza;
    size_t start = 0;
    enum phase phase = c->phase;
    while (c->phase != PHASE_CLOSED) {
        int got = scan_next(&c->scan, bytes, &start, &stanza);
        if (got == 0)
            break;
        if (got < 0) {
            net_close(c);
            break;
        }
        if (c->phase == PHASE_READY)
            c->on_stanza(c, stanza);
        else
            login_stanza(c, stanza);
        /* nothing of the old stream is left when a new one begins */
        if (c->phase != phase && !c->scan.in_stream)
            return bytes.n;
        phase = c->phase;
    }
    c->scan.at -= start < c->scan.at ? start : c->scan.at;
    return start;
}

static void take_bytes(struct client *c, size_t n)
{
    struct span bytes = span_make(shared, n);
    if (buf_len(&c->in) > 0) {
        buf_append(&c->in, bytes);
        size_t done = cut(c, buf_span(&c->in));
        if (c->phase != PHASE_CLOSED)
            buf_consume(&c->in, done);
        if (buf_len(&c->in) == 0)
            buf_free(&c->in);
        return;
    }
    size_t done = cut(c, bytes);
    if (done < n && c->phase != PHASE_CLOSED)
        buf_append(&c->in, span_from(bytes, done));
}

static void read_tls(struct client *c)
{
    do {
        ssize_t n = gnutls_record_recv(c->tls, shared, READ_SIZE);
        if (n > 0)
            take_bytes(c, (size_t)n);
        else if (n == GNUTLS_E_AGAIN || n == GNUTLS_E_INTERRUPTED)
            return;
        else
            net_close(c);
    } while (c->phase != PHASE_CLOSED && gnutls_record_check_pending(c->tls) > 0);
}

static void read_some(struct client *c)
{
    if (c->phase == PHASE_HANDSHAKE) {
        go_on_handshake(c);
        /* its last read may have brought records that epoll does not know of */
        if (c->phase == PHASE_HANDSHAKE || gnutls_record_check_pending(c->tls) == 0)
            return;
    }
    if (c->tls) {
        read_tls(c);
        return;
    }
    ssize_t n = recv(c->fd, shared, READ_SIZE, 0);
    if (n > 0)
        take_bytes(c, (size_t)n);
    else if (n == 0 || (errno != EAGAIN && errno != EINTR))
        net_close(c);
}

void net_turn(int timeout_ms)
{
    struct epoll_event events[EVENTS_MAX];
    finish_all();
    int n = epoll_wait(poll_fd, events, EVENTS_MAX, timeout_ms);
    for (int i = 0; i < n; i++) {
        struct client *c = events[i].data.ptr;
        now_ns = net_clock();
        if (c->phase != PHASE_CLOSED && events[i].events & EPOLLOUT)
            flush(c);
        if (c->phase != PHASE_CLOSED && events[i].events & ~(uint32_t)EPOLLOUT)
            read_some(c);
        finish_all();
    }
    now_ns = net_clock();
    figures_pace();
}

void net_for(double seconds)
{
    uint64_t until = net_clock() + (uint64_t)(seconds * 1e9);
    while (now_ns < until)
        net_turn(10);
}

void net_until(bool (*condition)(void *ctx), void *ctx, double seconds, const char *what)
{
    uint64_t until = net_clock() + (uint64_t)(seconds * 1e9);
    while (!condition(ctx)) {
        if (now_ns > until)
            fail(NULL, SPAN_NONE, "%s: not within %.0f s", what, seconds);
        net_turn(10);
    }
}
