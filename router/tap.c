/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * tap - copies of what passes the router, appended to a file, for debugging ([tap] of router.conf).
 *
 * One line a stanza: time, from whom, to whom, bytes, the stanza. Unless bodies are wanted, each
 * text is replaced by its length: "<body>[12]</body>". The file is written at the end of a tick
 * and grows to its bound at most.
 */
#include "base/buf.h"
#include "base/log.h"
#include "router/redact.h"
#include "router/router.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct tap {
    struct loop *loop;
    int fd;
    bool bodies, is_full;
    uint64_t size, size_max;
    struct buf out;
    struct deferred flush;
};

static void flush(void *ctx)
{
    struct tap *t = ctx;
    struct span s = buf_span(&t->out);
    ssize_t n = write(t->fd, s.p, s.n);
    if (n < 0 || (size_t)n < s.n) {
        LOG(LOG_ERROR, "tap.write", F_STR("err", n < 0 ? strerror(errno) : "short write"));
        t->is_full = true;
    }
    buf_free(&t->out);
}

struct tap *tap_new(struct loop *loop, const char *path, bool bodies, uint64_t size_max,
                    char error_r[CONF_ERROR_MAX])
{
    struct stat st;
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0 || fstat(fd, &st) < 0) {
        snprintf(error_r, CONF_ERROR_MAX, "tap: %.200s: %s", path, strerror(errno));
        if (fd >= 0)
            close(fd);
        return NULL;
    }
    struct tap *t = mem_zalloc(sizeof *t);
    *t = (struct tap){.loop = loop,
                      .fd = fd,
                      .bodies = bodies,
                      .size = (uint64_t)st.st_size,
                      .size_max = size_max,
                      .flush = {.call = flush, .ctx = t}};
    return t;
}

void tap_free(struct tap **tap)
{
    struct tap *t = *tap;
    *tap = NULL;
    if (!t)
        return;
    loop_defer_cancel(&t->flush);
    if (buf_len(&t->out) > 0)
        flush(t);
    close(t->fd);
    buf_free(&t->out);
    free(t);
}

void tap_copy(struct tap *t, struct span from, struct span to, struct span bytes)
{
    if (t->is_full)
        return;
    size_t start = buf_len(&t->out);
    buf_printf(&t->out, "%lld %.*s > %.*s %zu ", (long long)loop_wall(t->loop), SPAN_ARG(from),
               SPAN_ARG(to), bytes.n);
    redact_line(&t->out, bytes, t->bodies);
    buf_append_char(&t->out, '\n');
    t->size += buf_len(&t->out) - start;
    if (t->size > t->size_max) {
        LOG(LOG_WARN, "tap.full", F_INT("bytes", t->size));
        t->is_full = true;
    }
    loop_defer(t->loop, &t->flush);
}
