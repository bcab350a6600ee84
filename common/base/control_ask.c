/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * control_ask - the asking side of the control socket: one request, one answer, blocking.
 */
#include "base/control.h"

#include "base/addr.h"
#include "base/mem.h"

#include <errno.h>
#include <stdio.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define ASK_LINE_MAX ((size_t)1 << 20)
#define ASK_COLUMNS_MAX 64

static unsigned patience_s = 30;

void control_ask_patience(unsigned seconds)
{
    patience_s = seconds;
}

static int connect_to(const char *path)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    struct timeval timeout = {.tv_sec = patience_s};

    if (strlen(path) >= sizeof(un.sun_path))
        return -ENAMETOOLONG;
    memcpy(un.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
    if (connect(fd, (struct sockaddr *)&un, sizeof(un)) < 0) {
        int error = -errno;
        close(fd);
        return error;
    }
    return fd;
}

static int send_all(int fd, struct span s)
{
    while (s.n) {
        ssize_t n = send(fd, s.p, s.n, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        s = span_from(s, (size_t)n);
    }
    return 0;
}

struct answer {
    void (*row)(void *ctx, const struct span *words, size_t count);
    void *ctx;
    char *error_r;
    bool ended;
    int result;
};

/* A line of the answer: a row, or the end. */
static void take_line(struct answer *a, char *line, size_t n)
{
    struct span words[ASK_COLUMNS_MAX];
    bool is_end = n && line[0] == '.';
    size_t count = control_split(line, n, words, ASK_COLUMNS_MAX);

    if (!is_end) {
        if (a->row)
            a->row(a->ctx, words, count);
        return;
    }
    a->ended = true;
    if (span_eq(words[0], SPAN(".ok")))
        return;
    a->result = 1;
    snprintf(a->error_r, 256, "%.*s", SPAN_ARG(count > 1 ? words[1] : words[0]));
}

/* Hands on the lines that have arrived whole. */
static void take_lines(struct answer *a, struct buf *in)
{
    while (!a->ended) {
        size_t n = span_index(buf_span(in), '\n');
        if (n == buf_len(in))
            return;
        take_line(a, in->p + in->head, n);
        buf_consume(in, n + 1);
    }
}

static int receive(int fd, struct answer *a)
{
    struct buf in = {.max = ASK_LINE_MAX};
    int error = 0;

    while (!a->ended && !error) {
        char *to = buf_reserve(&in, 16384);
        ssize_t n = to ? recv(fd, to, 16384, 0) : -1;
        if (!to)
            error = -EMSGSIZE;
        else if (n > 0)
            buf_commit(&in, (size_t)n);
        else if (n == 0)
            error = -ECONNRESET;
        else if (errno != EINTR)
            error = errno == EAGAIN ? -ETIMEDOUT : -errno;
        take_lines(a, &in);
    }
    buf_wipe(&in);
    return a->ended ? a->result : error;
}

int control_ask(const char *path, const struct span *words, size_t count,
                void (*row)(void *ctx, const struct span *words, size_t count), void *ctx,
                char error_r[256])
{
    struct answer answer = {.row = row, .ctx = ctx, .error_r = error_r};
    struct buf request = {0};

    error_r[0] = '\0';
    int fd = connect_to(path);
    if (fd < 0)
        return fd;
    for (size_t i = 0; i < count; i++) {
        if (i)
            buf_append_char(&request, '\t');
        control_escape(&request, words[i]);
    }
    buf_append_char(&request, '\n');
    int result = send_all(fd, buf_span(&request));
    buf_wipe(&request); /* it may hold a password */
    if (result == 0)
        result = receive(fd, &answer);
    close(fd);
    return result;
}
