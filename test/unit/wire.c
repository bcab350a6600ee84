/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

const size_t wire_chunks[WIRE_CHUNKS] = {1, 2, 3, 7, 0};

static void on_data(void *ctx, struct span bytes)
{
    struct wire *w = ctx;
    buf_append(&w->heard, bytes);
}

static void on_close(void *ctx, int error, const char *reason)
{
    struct wire *w = ctx;
    (void)error;
    (void)reason;
    w->is_closed = true;
    w->conn = NULL;
}

static const struct conn_handler handler = {.on_data = on_data, .on_close = on_close};

struct wire *wire_new(struct loop *loop, size_t chunk, struct conn **near_r)
{
    struct wire *w = mem_zalloc(sizeof *w);
    w->loop = loop;
    list_init(&w->node);
    conn_pair_fake(loop, chunk, 0, &w->conn, near_r);
    conn_set_handler(w->conn, &handler, w);
    return w;
}

void wire_free(struct wire **wire)
{
    struct wire *w = *wire;
    *wire = NULL;
    if (w->conn)
        conn_abort(w->conn, 0);
    loop_sim_settle(w->loop);
    buf_free(&w->heard);
    list_remove(&w->node);
    free(w);
}

void wire_say_span(struct wire *w, struct span bytes)
{
    if (w->conn)
        conn_send(w->conn, bytes);
    loop_sim_settle(w->loop);
}

void wire_say(struct wire *w, const char *text)
{
    wire_say_span(w, span_of(text));
}

const char *wire_heard(struct wire *w)
{
    static struct buf last;
    buf_free(&last);
    buf_append(&last, buf_span(&w->heard));
    buf_free(&w->heard);
    return buf_z(&last);
}

void wire_expect(struct wire *w, const char *text)
{
    if (!strstr(buf_z(&w->heard), text))
        fail_msg("expected: %s\n   heard: %s", text, buf_z(&w->heard));
    buf_clear(&w->heard);
}

void wire_expect_not(struct wire *w, const char *text)
{
    if (strstr(buf_z(&w->heard), text))
        fail_msg("not expected: %s\n   heard: %s", text, buf_z(&w->heard));
}

void wire_expect_end(struct wire *w, const char *text)
{
    wire_expect(w, text);
    loop_sim_advance(w->loop, 6000);
    if (!w->is_closed)
        fail_msg("still open after: %s", text);
}
