/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * trace - opening, filling and closing a bounded file of lines.
 */
#include "router/trace.h"

#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static void flush(void *ctx)
{
    struct trace *t = ctx;
    struct span s = buf_span(&t->out);
    ssize_t n = write(t->fd, s.p, s.n);
    if (n < 0 || (size_t)n < s.n) {
        LOG(LOG_ERROR, "trace.write", F_SPAN("name", t->name),
            F_STR("err", n < 0 ? strerror(errno) : "short write"));
        t->is_full = true;
    }
    buf_free(&t->out);
}

bool trace_open(struct trace *t, struct loop *loop, struct span name, const char *path,
                enum trace_file how, uint64_t size_max, char error_r[CONF_ERROR_MAX])
{
    struct stat st;
    int fd = open(path,
                  O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW |
                      (how == TRACE_NEW ? O_EXCL : O_APPEND),
                  0600);
    if (fd < 0 || fstat(fd, &st) < 0) {
        snprintf(error_r, CONF_ERROR_MAX, "%.200s: %s", path, strerror(errno));
        if (fd >= 0)
            close(fd);
        return false;
    }
    *t = (struct trace){.loop = loop,
                        .name = name,
                        .fd = fd,
                        .size = (uint64_t)st.st_size,
                        .size_max = size_max,
                        .flush = {.call = flush, .ctx = t}};
    return true;
}

void trace_close(struct trace *t)
{
    loop_defer_cancel(&t->flush);
    if (buf_len(&t->out) > 0)
        flush(t);
    close(t->fd);
    buf_free(&t->out);
}

struct buf *trace_begin(struct trace *t)
{
    t->line = buf_len(&t->out);
    return t->is_full ? NULL : &t->out;
}

void trace_end(struct trace *t)
{
    buf_append_char(&t->out, '\n');
    t->size += buf_len(&t->out) - t->line;
    if (t->size > t->size_max) {
        LOG(LOG_WARN, "trace.full", F_SPAN("name", t->name), F_INT("bytes", t->size));
        t->is_full = true;
    }
    loop_defer(t->loop, &t->flush);
}
