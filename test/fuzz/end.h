/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * end - the far ends of a process's connections in the hands of a fuzz target, and how it gets its
 * settings. Used by the targets that hold a whole process (fuzz_s2s, fuzz_net) or one stream of it
 * (fuzz_link).
 */
#ifndef TEST_FUZZ_END_H
#define TEST_FUZZ_END_H

#include "base/conf.h"
#include "base/conn_private.h"
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct end {
    struct conn *conn; /* NULL: closed */
    struct buf heard;
};

static inline void end_on_data(void *ctx, struct span bytes)
{
    struct end *e = ctx;
    buf_append(&e->heard, bytes);
}

static inline void end_on_close(void *ctx, int error, const char *reason)
{
    struct end *e = ctx;
    (void)error;
    (void)reason;
    e->conn = NULL;
}

/* The connection for what is tested; whom e was the end of before is left. */
static inline struct conn *end_new(struct end *e, struct loop *loop)
{
    static const struct conn_handler handler = {.on_data = end_on_data, .on_close = end_on_close};
    struct conn *near;
    if (e->conn) {
        conn_set_handler(e->conn, NULL, NULL);
        conn_abort(e->conn, 0);
    }
    buf_clear(&e->heard);
    conn_pair_fake(loop, 0, 0, &e->conn, &near);
    conn_set_handler(e->conn, &handler, e);
    return near;
}

static inline void end_free(struct end *e, struct loop *loop)
{
    if (e->conn)
        conn_abort(e->conn, 0);
    loop_sim_settle(loop);
    buf_free(&e->heard);
}

static inline void end_say(struct end *e, struct loop *loop, struct span text)
{
    if (e->conn)
        conn_send(e->conn, text);
    loop_sim_settle(loop);
}

/* What is said from now on comes in pieces of so many bytes; 0: as it is. */
static inline void end_set_chunk(struct end *e, size_t chunk)
{
    if (e->conn)
        e->conn->pair.chunk = chunk;
}

static inline void end_secure(struct end *e, struct loop *loop)
{
    static const struct transport_ops none;
    if (e->conn)
        conn_start_transport(e->conn, &none, NULL);
    loop_sim_settle(loop);
}

/* Writes text to a new file; path is a template of mkstemp(3). */
static inline void end_write_file(char *path, const char *text)
{
    int fd = mkstemp(path);
    if (fd < 0 || dprintf(fd, "%s", text) < 0)
        fuzz_fail("no file", span_of(path), SPAN(""));
    close(fd);
}

static inline void *end_load_conf(const struct conf_spec *spec, const char *text)
{
    char path[] = "/tmp/fuzz.XXXXXX", error[CONF_ERROR_MAX] = "";
    end_write_file(path, text);
    void *conf = conf_load(spec, path, true, error);
    unlink(path);
    if (!conf)
        fuzz_fail("no settings", span_of(error), SPAN(""));
    return conf;
}

#endif
