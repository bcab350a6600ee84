/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * backup - a copy of the database as it is at one moment, made while it is written to. Called by
 * store.c, which owns the struct and has one at a time.
 *
 * A connection of its own, on a thread of its own, holds a read transaction and copies its snapshot
 * a few pages at a time: the storage thread is not in the way of it, nor are other processes, and
 * their commits do not make it begin again. The WAL grows meanwhile, as a checkpoint does not go
 * beyond the oldest reader.
 *
 * It grows under another name beside its place, and is given its own when it is whole and on the
 * disk; what is there already stays.
 *
 * On a simulated loop there is neither a file to read nor a thread: the whole is copied at once,
 * from the connection that there is.
 */
#include "store/db_private.h"

#include "base/log.h"
#include "base/loop.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define STEP_PAGES 256

struct store_backup {
    struct loop *loop;
    char *from; /* NULL: own is read */
    sqlite3 *own;
    char *path, *unfinished;
    bool has_unfinished;
    void (*done)(void *ctx, const char *error, uint64_t bytes);
    void *ctx;
    pthread_t thread;
    bool has_thread;
    struct loop_wakeup *wakeup;
    struct deferred deferred;
    /* Written by the one thread, read by the other: atomic. */
    int percent;
    bool is_cancelled;
    /* The outcome, once the thread has ended. */
    char error[STORE_ERROR_MAX];
    uint64_t bytes;
};

static int fail(struct store_backup *b, const char *path, const char *why)
{
    snprintf(b->error, sizeof(b->error), "%.180s: %.60s", path, why);
    return -1;
}

/* --- copying: on the thread --- */

static int step(struct store_backup *b, sqlite3_backup *copy, int pages)
{
    int code;
    unsigned locked = 0;

    for (;;) {
        code = sqlite3_backup_step(copy, pages);
        if (code == SQLITE_BUSY || code == SQLITE_LOCKED) {
            if (!store_lock_pause(locked++, STORE_LOCK_WAIT_MS))
                return code;
            continue;
        }
        if (code != SQLITE_OK)
            return code;
        int total = sqlite3_backup_pagecount(copy), left = sqlite3_backup_remaining(copy);
        __atomic_store_n(&b->percent, total ? (int)(100 - 100ll * left / total) : 0,
                         __ATOMIC_RELAXED);
        if (__atomic_load_n(&b->is_cancelled, __ATOMIC_RELAXED))
            return SQLITE_INTERRUPT;
        if (b->from)
            store_lock_pause(UINT16_MAX, UINT16_MAX); /* a millisecond: others read the disk, too */
    }
}

static int copy_pages(struct store_backup *b, sqlite3 *from)
{
    sqlite3 *to = NULL;
    int code = sqlite3_open_v2(b->unfinished, &to, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX,
                               NULL);

    /* It is synchronised once, at the end, and of no use before. */
    if (code == SQLITE_OK)
        code = sqlite3_exec(to, "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF", NULL, NULL,
                            NULL);
    if (code == SQLITE_OK) {
        sqlite3_backup *copy = sqlite3_backup_init(to, "main", from, "main");
        int stepped = copy ? step(b, copy, b->from ? STEP_PAGES : -1) : SQLITE_ERROR;
        code = copy ? sqlite3_backup_finish(copy) : sqlite3_errcode(to);
        if (stepped != SQLITE_DONE)
            code = stepped;
    }
    sqlite3_close(to);
    if (code == SQLITE_INTERRUPT)
        return fail(b, b->path, "stopped");
    return code == SQLITE_OK ? 0 : fail(b, b->unfinished, sqlite3_errstr(code));
}

/* The snapshot is taken by the first read of the transaction. */
static int copy_snapshot(struct store_backup *b)
{
    sqlite3 *from = NULL;
    int code = sqlite3_open_v2(b->from, &from, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    int result;

    sqlite3_busy_timeout(from, STORE_LOCK_WAIT_MS);
    sqlite3_db_config(from, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_exec(from, "PRAGMA query_only=ON; PRAGMA mmap_size=0; BEGIN;"
                                  " SELECT count(*) FROM sqlite_schema", NULL, NULL, NULL);
    result = code == SQLITE_OK ? copy_pages(b, from) : fail(b, b->from, sqlite3_errstr(code));
    sqlite3_close(from);
    return result;
}

/* The mode counts from the first moment. */
static int create(struct store_backup *b)
{
    struct stat st;
    int fd;

    if (lstat(b->path, &st) == 0)
        return fail(b, b->path, strerror(EEXIST));
    fd = open(b->unfinished, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return fail(b, b->unfinished, strerror(errno));
    close(fd);
    b->has_unfinished = true;
    return 0;
}

static int finish_file(struct store_backup *b)
{
    struct stat st;
    int fd = open(b->unfinished, O_RDWR | O_CLOEXEC);

    if (fd < 0 || fsync(fd) < 0 || fstat(fd, &st) < 0) {
        fail(b, b->unfinished, strerror(errno));
        if (fd >= 0)
            close(fd);
        return -1;
    }
    close(fd);
    b->bytes = (uint64_t)st.st_size;
    if (renameat2(AT_FDCWD, b->unfinished, AT_FDCWD, b->path, RENAME_NOREPLACE) < 0)
        return fail(b, b->path, strerror(errno));
    b->has_unfinished = false;
    if (store_sync_folder_of(b->path) < 0)
        return fail(b, b->path, "its folder cannot be synchronised");
    return 0;
}

static void work(struct store_backup *b)
{
    if (create(b) == 0 && (b->from ? copy_snapshot(b) : copy_pages(b, b->own)) == 0)
        finish_file(b);
    if (b->has_unfinished)
        unlink(b->unfinished);
}

static void *thread_main(void *arg)
{
    struct store_backup *b = arg;

    work(b);
    loop_wakeup_send(b->wakeup);
    return NULL;
}

/* --- on the loop --- */

static void backup_free(struct store_backup *b)
{
    if (b->wakeup)
        loop_wakeup_free(&b->wakeup);
    loop_defer_cancel(&b->deferred);
    free(b->from);
    free(b->path);
    free(b->unfinished);
    free(b);
}

/* The slot is free again before done() is called. */
static void end(struct store_backup **slot)
{
    struct store_backup *b = *slot;

    *slot = NULL;
    if (b->has_thread)
        pthread_join(b->thread, NULL);
    const char *error = b->error[0] ? b->error : NULL;
    if (error)
        LOG(LOG_WARN, "store.backup_failed", F_STR("err", error));
    else
        LOG(LOG_INFO, "store.backup", F_STR("path", b->path), F_INT("bytes", b->bytes));
    b->done(b->ctx, error, b->bytes);
    backup_free(b);
}

static void on_end(void *ctx)
{
    end(ctx);
}

static void on_deferred(void *ctx)
{
    struct store_backup **slot = ctx;

    if (!(*slot)->error[0])
        work(*slot);
    end(slot);
}

static char *join(const char *a, const char *b)
{
    size_t n = strlen(a) + strlen(b) + 1;
    char *both = mem_alloc(n);

    snprintf(both, n, "%s%s", a, b);
    return both;
}

static bool start_thread(struct store_backup **slot)
{
    struct store_backup *b = *slot;
    sigset_t all, old;

    b->wakeup = loop_wakeup_new(b->loop, on_end, slot);
    sigfillset(&all); /* signals are the loop's */
    pthread_sigmask(SIG_SETMASK, &all, &old);
    b->has_thread = pthread_create(&b->thread, NULL, thread_main, b) == 0;
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (!b->has_thread)
        fail(b, b->path, "no thread");
    return b->has_thread;
}

void store_backup_start(struct store_backup **slot, struct loop *loop, const char *from,
                        sqlite3 *own, const struct store_backup_opts *opts)
{
    struct store_backup *b = mem_zalloc(sizeof(*b));

    b->loop = loop;
    b->from = from ? mem_strdup_span(span_of(from)) : NULL;
    b->own = own;
    b->path = mem_strdup_span(span_of(opts->path));
    b->unfinished = join(opts->path, ".unfinished");
    b->done = opts->done;
    b->ctx = opts->ctx;
    b->deferred = (struct deferred){.call = on_deferred, .ctx = slot};
    *slot = b;
    if (opts->refusal)
        fail(b, b->path, opts->refusal);
    if (opts->refusal || !from || !start_thread(slot))
        loop_defer(loop, &b->deferred);
}

int store_backup_done_percent(const struct store_backup *b)
{
    return __atomic_load_n(&b->percent, __ATOMIC_RELAXED);
}

void store_backup_cancel(struct store_backup **slot)
{
    if (!*slot)
        return;
    __atomic_store_n(&(*slot)->is_cancelled, true, __ATOMIC_RELAXED);
    if (!(*slot)->has_thread && !(*slot)->error[0])
        fail(*slot, (*slot)->path, "stopped");
    end(slot);
}
