/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * nameserver - a name server for one test: UDP on a port of the loopback, on a thread of its own,
 * with the few records that test_resolve asks for.
 *
 * By the name's first label: "silent" is never answered, "broken" gets SERVFAIL, "none" NXDOMAIN,
 * "empty" no data; all others get two records of the kind asked for. "alias" is an alias of
 * "target.example". The names in SRV records are compressed.
 */
#ifndef TEST_DNS_NAMESERVER_H
#define TEST_DNS_NAMESERVER_H

#include <arpa/inet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

static struct {
    int fd;
    uint16_t port;
    pthread_t thread;
    atomic_uint asked;
} nameserver;

struct ns_reply {
    unsigned char p[1024];
    size_t n;
};

static void ns_put(struct ns_reply *r, const void *p, size_t n)
{
    memcpy(r->p + r->n, p, n);
    r->n += n;
}

static void ns_put16(struct ns_reply *r, unsigned v)
{
    ns_put(r, (unsigned char[]){(unsigned char)(v >> 8), (unsigned char)v}, 2);
}

/* A record of the name at `owner` in the reply. */
static void ns_record(struct ns_reply *r, unsigned owner, unsigned kind, const void *data, size_t n)
{
    ns_put16(r, 0xc000 | owner);
    ns_put16(r, kind);
    ns_put16(r, 1);
    ns_put16(r, 0);
    ns_put16(r, 60);
    ns_put16(r, (unsigned)n);
    ns_put(r, data, n);
    r->p[7]++;
}

/* Where the name at `at` has its last label, "example". */
static unsigned ns_last_label(const unsigned char *p, unsigned at)
{
    while (p[at + 1 + p[at]] != 0)
        at += 1u + p[at];
    return at;
}

static void ns_records(struct ns_reply *r, unsigned owner, unsigned kind)
{
    for (unsigned char i = 1; i <= 2; i++) {
        if (kind == 1) {
            ns_record(r, owner, kind, (unsigned char[]){192, 0, 2, i}, 4);
        } else if (kind == 28) {
            unsigned char v6[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = i};
            ns_record(r, owner, kind, v6, sizeof(v6));
        } else if (kind == 33) {
            unsigned example = 0xc000 | ns_last_label(r->p, 12);
            unsigned char srv[] = {0,
                                   1,
                                   0,
                                   2,
                                   5269 >> 8,
                                   5269 & 255,
                                   5,
                                   'h',
                                   'o',
                                   's',
                                   't',
                                   (unsigned char)('0' + i),
                                   (unsigned char)(example >> 8),
                                   (unsigned char)example};
            ns_record(r, owner, kind, srv, sizeof(srv));
        } else if (kind == 52) {
            ns_record(r, owner, kind, (unsigned char[]){3, 1, 1, i == 1 ? 0xaa : 0xbb}, 4);
        }
    }
}

static bool ns_is(const unsigned char *label, const char *text)
{
    return label[0] == strlen(text) && strncasecmp((const char *)label + 1, text, label[0]) == 0;
}

/* false: no answer */
static bool ns_answer(const unsigned char *q, size_t n, struct ns_reply *r)
{
    size_t end = 12;

    while (end < n && q[end] != 0)
        end += 1u + q[end];
    end += 5;
    if (end > n || ns_is(q + 12, "silent"))
        return false;
    *r = (struct ns_reply){0};
    ns_put(r, q, end);
    memset(r->p + 6, 0, 6); /* of the question's other sections nothing is left */
    r->p[2] = 0x81;
    r->p[3] = 0x80;
    unsigned kind = (unsigned)q[end - 4] << 8 | q[end - 3];
    if (ns_is(q + 12, "broken")) {
        r->p[3] |= 2;
    } else if (ns_is(q + 12, "alias")) {
        unsigned at = (unsigned)r->n + 12;
        unsigned char target[] = "\6target\7example";
        ns_record(r, 12, 5, target, sizeof(target));
        ns_records(r, at, kind);
    } else if (ns_is(q + 12, "none") || ns_is(q + 12, "empty")) {
        unsigned char soa[] = "\1a\7example\0\1b\7example\0\0\0\0\1\0\0\1\0\0\0\1\0\0\0"
                              "\1\0\0\0\0\74";
        r->p[3] |= ns_is(q + 12, "none") ? 3 : 0;
        ns_record(r, ns_last_label(r->p, 12), 6, soa, sizeof(soa) - 1);
        r->p[7] = 0;
        r->p[9] = 1;
    } else {
        ns_records(r, 12, kind);
    }
    return true;
}

static void *ns_serve(void *arg)
{
    unsigned char q[1500];
    struct ns_reply r;
    struct sockaddr_in peer;
    socklen_t len = sizeof(peer);
    ssize_t n;

    (void)arg;
    /* An empty packet ends it. */
    while ((n = recvfrom(nameserver.fd, q, sizeof(q), 0, (struct sockaddr *)&peer, &len)) > 0) {
        nameserver.asked++;
        if (ns_answer(q, (size_t)n, &r))
            sendto(nameserver.fd, r.p, r.n, 0, (struct sockaddr *)&peer, len);
        len = sizeof(peer);
    }
    return NULL;
}

static uint16_t nameserver_start(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(at);
    int room = 4 << 20;

    nameserver.asked = 0;
    nameserver.fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    setsockopt(nameserver.fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
    assert_int_equal(bind(nameserver.fd, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(getsockname(nameserver.fd, (struct sockaddr *)&at, &len), 0);
    assert_int_equal(pthread_create(&nameserver.thread, NULL, ns_serve, NULL), 0);
    nameserver.port = ntohs(at.sin_port);
    return nameserver.port;
}

static void nameserver_stop(void)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons(nameserver.port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

    sendto(nameserver.fd, "", 0, 0, (struct sockaddr *)&to, sizeof(to));
    pthread_join(nameserver.thread, NULL);
    close(nameserver.fd);
}

/* Questions that have come so far. */
static unsigned nameserver_asked(void)
{
    return nameserver.asked;
}

#endif
