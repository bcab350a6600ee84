/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * settle - waiting after a start, and the file that tells for whom.
 */
#include "router/settle.h"

#include "base/buf.h"
#include "base/log.h"
#include "router/router.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define FILE_MAX (64 * 1024)

/* --- the file --------------------------------------------------------------------------------- */

static int write_file(const char *path, struct span content)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    ssize_t n = write(fd, content.p, content.n);
    int error = n < 0 ? -errno : (size_t)n < content.n ? -ENOSPC : 0;
    if (close(fd) < 0 && !error)
        error = -errno;
    return error;
}

static void save(void *ctx)
{
    struct router *r = ctx;
    struct buf content = {0}, temporary = {0};
    LIST_FOR_EACH(n, &r->peers)
    {
        const struct peer *p = CONTAINER_OF(n, struct peer, node);
        if (!p->is_up || !p->is_internal)
            continue;
        buf_append(&content, p->name);
        buf_append_char(&content, '\n');
    }
    buf_printf(&temporary, "%s.new", r->settle.path);
    int error = write_file(buf_z(&temporary), buf_span(&content));
    if (!error && rename(buf_z(&temporary), r->settle.path) < 0)
        error = -errno;
    if (error)
        LOG(LOG_WARN, "settle.save", F_STR("path", r->settle.path),
            F_STR("err", strerror(-error)));
    buf_free(&content);
    buf_free(&temporary);
}

static char *load(const char *path)
{
    char *text = mem_zalloc(FILE_MAX + 1);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, FILE_MAX);
    if (fd >= 0)
        close(fd);
    text[n > 0 ? n : 0] = '\0';
    return text;
}

/* --- waiting ---------------------------------------------------------------------------------- */

static bool all_are_back(const struct router *r)
{
    struct span rest = span_of(r->settle.text);
    while (rest.n > 0) {
        struct span name = {rest.p, span_index(rest, '\n')};
        if (name.n > 0 && !routes_find(&r->routes, name))
            return false;
        rest = span_from(rest, name.n < rest.n ? name.n + 1 : name.n);
    }
    LIST_FOR_EACH(n, &r->peers)
    {
        const struct peer *p = CONTAINER_OF(n, struct peer, node);
        if (p->is_up && p->is_internal)
            return true;
    }
    return false;
}

static void relay_all(struct router *r)
{
    struct hold hold = r->settle.hold;
    r->settle.hold = (struct hold){0};
    struct held *held;
    while ((held = hold_take(&hold))) {
        relay_held(r, held);
        free(held);
    }
}

static void end(void *ctx)
{
    struct router *r = ctx;
    struct settle *s = &r->settle;
    if (s->done)
        return;
    s->done = true;
    timer_stop(&s->deadline);
    timer_stop(&s->quiet);
    LOG(LOG_INFO, "settle.done", F_INT("held", s->hold.count),
        F_INT("ms", loop_now(r->loop) - r->started));
    relay_all(r);
    settle_instances_changed(r);
}

static void on_quiet(void *ctx)
{
    struct router *r = ctx;
    if (all_are_back(r))
        end(r);
}

void settle_activity(struct router *r)
{
    if (!r->settle.done && all_are_back(r))
        timer_start(&r->settle.quiet, r->loop, SETTLE_QUIET_MS, on_quiet, r);
}

void settle_retry(struct router *r)
{
    if (!r->settle.done && r->settle.hold.count > 0)
        relay_all(r);
}

void settle_instances_changed(struct router *r)
{
    /* While settling the file still says who was here before; at the end of the router the
     * instances go because it goes. */
    if (r->settle.path && r->settle.done && !r->is_stopping)
        loop_defer(r->loop, &r->settle.save);
}

void settle_start(struct router *r)
{
    struct settle *s = &r->settle;
    s->save = (struct deferred){.call = save, .ctx = r};
    if (r->conf->control[0] != '\0') {
        struct buf path = {0};
        buf_printf(&path, "%s.known", r->conf->control);
        s->path = mem_strdup_span(buf_span(&path));
        buf_free(&path);
    }
    s->text = s->path ? load(s->path) : mem_zalloc(1);
    s->done = r->conf->settle == 0 || !conf_has_internal(r->conf);
    if (!s->done)
        timer_start(&s->deadline, r->loop, (uint64_t)r->conf->settle, end, r);
}

void settle_free(struct router *r)
{
    struct settle *s = &r->settle;
    timer_stop(&s->deadline);
    timer_stop(&s->quiet);
    loop_defer_cancel(&s->save);
    hold_clear(&s->hold);
    free(s->path);
    free(s->text);
}
