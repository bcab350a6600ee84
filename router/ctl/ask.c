/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * ask - which processes run, and asking them.
 */
#include "router/ctl/ctl.h"

#include "base/buf.h"
#include "base/control.h"
#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char suffix[] = ".ctl";

static int by_version(const void *a, const void *b)
{
    return strverscmp(*(char *const *)a, *(char *const *)b); /* c2s-2 before c2s-10 */
}

char *ctl_join(const char *directory, const char *name)
{
    struct buf path = {0};
    buf_printf(&path, "%s/%s", directory, name);
    char *copy = mem_strdup_span(buf_span(&path));
    buf_free(&path);
    return copy;
}

struct span ctl_process_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    struct span name = span_of(slash ? slash + 1 : path);
    name.n -= strlen(suffix);
    return name;
}

int ctl_sockets(const struct ctl *ctl, const char *prefix, struct conf_list *paths_r)
{
    DIR *dir = opendir(ctl->runtime);

    *paths_r = (struct conf_list){0};
    if (!dir)
        return -errno;
    for (struct dirent *e; (e = readdir(dir));) {
        struct span name = span_of(e->d_name);
        if (!span_starts(name, span_of(prefix)) || !span_ends(name, span_of(suffix)))
            continue;
        paths_r->items =
            mem_realloc(paths_r->items, (paths_r->count + 1) * sizeof(*paths_r->items));
        paths_r->items[paths_r->count++] = ctl_join(ctl->runtime, e->d_name);
    }
    closedir(dir);
    if (paths_r->count)
        qsort(paths_r->items, paths_r->count, sizeof(*paths_r->items), by_version);
    return 0;
}

void ctl_sockets_free(struct conf_list *paths)
{
    for (size_t i = 0; i < paths->count; i++)
        free(paths->items[i]);
    free(paths->items);
    *paths = (struct conf_list){0};
}

int ctl_ask(const char *path, const struct span *words, size_t count, ctl_row *row, void *ctx,
            char error_r[CTL_ERROR_MAX])
{
    char reason[256];
    int result = control_ask(path, words, count, row, ctx, reason);

    if (result < 0)
        snprintf(error_r, CTL_ERROR_MAX, "cannot reach %.300s: %s", path, strerror(-result));
    else
        snprintf(error_r, CTL_ERROR_MAX, "%s", result ? reason : "");
    return result;
}

static void no_c2s(const struct ctl *ctl, int error, char error_r[CTL_ERROR_MAX])
{
    snprintf(error_r, CTL_ERROR_MAX, "no c2s is running: cannot reach %.200s/c2s-*%s: %s",
             ctl->runtime, suffix, strerror(-error));
}

int ctl_ask_c2s(const struct ctl *ctl, const struct span *words, size_t count, ctl_row *row,
                void *ctx, char error_r[CTL_ERROR_MAX])
{
    struct conf_list paths;
    int result = ctl_sockets(ctl, "c2s", &paths);

    if (result == 0 && paths.count == 0)
        result = -ENOENT;
    for (size_t i = 0; i < paths.count; i++) {
        result = ctl_ask(paths.items[i], words, count, row, ctx, error_r);
        if (result >= 0)
            break;
    }
    ctl_sockets_free(&paths);
    if (result < 0)
        no_c2s(ctl, result, error_r);
    return result;
}

/* --- what takes its time --- */

/* It says how far it is every few seconds. */
#define LONG_PATIENCE_S 60

struct long_rows {
    ctl_row *row;
    void *ctx;
    const char *word;
    bool header_seen, is_shown;
};

static void on_long_row(void *ctx, const struct span *words, size_t count)
{
    struct long_rows *l = ctx;

    if (!l->header_seen) {
        l->header_seen = true;
        return;
    }
    if (count == 2 && span_eq(words[0], SPAN("progress"))) {
        l->is_shown = isatty(STDERR_FILENO) != 0;
        if (l->is_shown)
            fprintf(stderr, "\r%.*s %s ", SPAN_ARG(words[1]), l->word);
    } else if (l->row) {
        l->row(l->ctx, words, count);
    }
}

int ctl_ask_long(const struct ctl *ctl, const struct span *words, size_t count, const char *word,
                 ctl_row *row, void *ctx, char error_r[CTL_ERROR_MAX])
{
    struct long_rows l = {.row = row, .ctx = ctx, .word = word};

    control_ask_patience(LONG_PATIENCE_S);
    int result = ctl_ask_c2s(ctl, words, count, on_long_row, &l, error_r);
    if (l.is_shown)
        fputs("\r\033[K", stderr);
    return result;
}

int ctl_ask_router(const struct ctl *ctl, const struct span *words, size_t count, ctl_row *row,
                   void *ctx, char error_r[CTL_ERROR_MAX])
{
    char *path = ctl_join(ctl->runtime, "router.ctl");
    int result = ctl_ask(path, words, count, row, ctx, error_r);

    if (result < 0)
        snprintf(error_r, CTL_ERROR_MAX, "no router is running: cannot reach %.200s: %s", path,
                 strerror(-result));
    free(path);
    return result;
}

/*
 * Each instance ends the sessions it holds, so all are told. After the first the account is gone:
 * the others then refuse, which is no fault.
 */
int ctl_user_del(const struct ctl *ctl, const char *jid, char error_r[CTL_ERROR_MAX])
{
    const struct span words[] = {SPAN_INIT("user"), SPAN_INIT("del"), span_of(jid)};
    char error[CTL_ERROR_MAX];
    struct conf_list paths;
    int error_code = ctl_sockets(ctl, "c2s", &paths);
    bool deleted = false, refused = false;

    if (error_code == 0)
        error_code = -ENOENT;
    for (size_t i = 0; i < paths.count; i++) {
        int result = ctl_ask(paths.items[i], words, ARRAY_LEN(words), NULL, NULL, error);
        deleted = deleted || result == 0;
        if (result > 0 && !refused)
            snprintf(error_r, CTL_ERROR_MAX, "%s", error);
        refused = refused || result > 0;
        if (result < 0)
            error_code = result;
    }
    ctl_sockets_free(&paths);
    if (!deleted && !refused)
        no_c2s(ctl, error_code, error_r);
    return deleted ? 0 : refused ? 1 : error_code;
}
