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

/* The length of a CDATA section that s begins with; 0: none. */
static size_t cdata_len(struct span s)
{
    static const struct span open = SPAN_INIT("<![CDATA["), close = SPAN_INIT("]]>");
    if (!span_starts(s, open))
        return 0;
    const char *end = memmem(s.p, s.n, close.p, close.n);
    return end ? (size_t)(end - s.p) + close.n : s.n;
}

/* The length of a tag that s begins with, '>' in quotes heeded. */
static size_t tag_len(struct span s)
{
    char quote = '\0';
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (quote)
            quote = c == quote ? '\0' : quote;
        else if (c == '\'' || c == '"')
            quote = c;
        else if (c == '>')
            return i + 1;
    }
    return s.n;
}

static void write_without_texts(struct buf *out, struct span s)
{
    size_t text = 0;
    while (s.n > 0) {
        size_t n = cdata_len(s);
        bool is_tag = !n && s.p[0] == '<';
        if (is_tag)
            n = tag_len(s);
        else if (!n)
            n = span_index(s, '<');
        if (is_tag && text)
            buf_printf(out, "[%zu]", text);
        text = is_tag ? 0 : text + n;
        if (is_tag)
            buf_append(out, span_make(s.p, n));
        s = span_from(s, n);
    }
}

/* One stanza stays one line. */
static void flatten(struct buf *out, size_t start)
{
    for (size_t i = out->head + start; i < out->tail; i++)
        if (out->p[i] == '\n')
            out->p[i] = ' ';
}

void tap_copy(struct tap *t, struct span from, struct span to, struct span bytes)
{
    if (t->is_full)
        return;
    size_t start = buf_len(&t->out);
    buf_printf(&t->out, "%lld %.*s > %.*s %zu ", (long long)loop_wall(t->loop), SPAN_ARG(from),
               SPAN_ARG(to), bytes.n);
    if (t->bodies)
        buf_append(&t->out, bytes);
    else
        write_without_texts(&t->out, bytes);
    flatten(&t->out, start);
    buf_append_char(&t->out, '\n');
    t->size += buf_len(&t->out) - start;
    if (t->size > t->size_max) {
        LOG(LOG_WARN, "tap.full", F_INT("bytes", t->size));
        t->is_full = true;
    }
    loop_defer(t->loop, &t->flush);
}
