/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * input - reading in a thread, because the loop can wait for sockets only: not for files, and not
 * for every terminal.
 */
#include "router/ctl/input.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

#define WAIT_MS 200 /* how late a stop is noticed */

static void read_block(void *arg)
{
    struct input *in = arg;
    struct pollfd wait = {.fd = in->fd, .events = POLLIN};

    do {
        if (atomic_load(&in->is_stopped)) {
            in->got = 0;
            return;
        }
    } while (poll(&wait, 1, WAIT_MS) == 0);
    do
        in->got = read(in->fd, in->block, sizeof(in->block));
    while (in->got < 0 && errno == EINTR);
}

static void on_read(void *arg)
{
    struct input *in = arg;
    bool is_end = in->got <= 0;

    if (atomic_load(&in->is_stopped))
        return;
    if (!is_end)
        buf_append(&in->lines, span_make(in->block, (size_t)in->got));
    else if (buf_len(&in->lines))
        buf_append_char(&in->lines, '\n'); /* the last line may lack its end */
    for (;;) {
        struct span all = buf_span(&in->lines);
        size_t n = span_index(all, '\n');
        if (n == all.n || atomic_load(&in->is_stopped))
            break;
        in->on_line(in->ctx, span_make(all.p, n && all.p[n - 1] == '\r' ? n - 1 : n));
        buf_consume(&in->lines, n + 1);
    }
    if (is_end)
        in->on_end(in->ctx);
    else
        loop_work(in->loop, read_block, on_read, in);
}

void input_start(struct input *in, struct loop *loop, int fd,
                 void (*on_line)(void *ctx, struct span line), void (*on_end)(void *ctx),
                 void *ctx)
{
    in->loop = loop;
    in->fd = fd;
    in->on_line = on_line;
    in->on_end = on_end;
    in->ctx = ctx;
    loop_work(loop, read_block, on_read, in);
}

void input_stop(struct input *in)
{
    atomic_store(&in->is_stopped, true);
}

void input_free(struct input *in)
{
    buf_wipe(&in->lines);
}
