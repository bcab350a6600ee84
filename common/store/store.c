/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * store - the door between the loop and the storage thread: a queue of jobs in, a list of finished
 * ones back, one wake-up for many. Called by whoever keeps something; jobs stay their callers'.
 *
 * On a simulated loop there is no thread: the queue is run at the end of the tick.
 */
#include "store/db_private.h"

#include "base/log.h"
#include "base/loop.h"
#include "base/mem.h"

#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

struct store {
    struct loop *loop;
    struct db *db;
    char *path; /* NULL: in memory */
    bool exclusive;
    struct store_backup *backup; /* under way */
    /* The loop's */
    size_t pending;
    struct job_list fresh; /* submitted in this tick */
    struct deferred submitted;

    bool threaded;
    pthread_t thread;
    struct loop_wakeup *wakeup;
    pthread_mutex_t mutex; /* guards what follows */
    pthread_cond_t more;
    struct job_list queue, finished;
    bool closing;
};

/* Takes the whole list. */
static struct job_list list_take(struct store *s, struct job_list *l)
{
    pthread_mutex_lock(&s->mutex);
    struct job_list taken = *l;
    *l = (struct job_list){0};
    pthread_mutex_unlock(&s->mutex);
    return taken;
}

static void on_finish(void *ctx, struct job_list jobs)
{
    struct store *s = ctx;
    pthread_mutex_lock(&s->mutex);
    job_list_join(&s->finished, jobs);
    pthread_mutex_unlock(&s->mutex);
    if (s->threaded)
        loop_wakeup_send(s->wakeup);
}

static void run_all(struct store *s, struct job_list jobs)
{
    for (struct store_job *job = jobs.first, *next; job; job = next) {
        next = job->next; /* once it is finished, it is its caller's */
        group_run(s->db, job);
    }
}

/* --- the storage thread --- */

/* Waits for jobs; an empty list: the end. Nothing queued is the moment to commit. */
static struct job_list thread_wait(struct store *s)
{
    struct job_list jobs = list_take(s, &s->queue);
    if (jobs.first)
        return jobs;
    group_flush(s->db);
    jobs = list_take(s, &s->queue);
    if (jobs.first)
        return jobs;
    checkpoint_idle(s->db);
    pthread_mutex_lock(&s->mutex);
    while (!s->queue.first && !s->closing)
        pthread_cond_wait(&s->more, &s->mutex);
    jobs = s->queue;
    s->queue = (struct job_list){0};
    pthread_mutex_unlock(&s->mutex);
    return jobs;
}

static void *thread_main(void *arg)
{
    struct store *s = arg;
    struct job_list jobs;
    while ((jobs = thread_wait(s)).first)
        run_all(s, jobs);
    return NULL;
}

static bool thread_start(struct store *s)
{
    sigset_t all, old;
    /* Signals are the loop's. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int error = pthread_create(&s->thread, NULL, thread_main, s);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return error == 0;
}

/* --- the loop's side --- */

static void deliver(void *ctx)
{
    struct store *s = ctx;
    struct job_list jobs = list_take(s, &s->finished);
    for (struct store_job *job = jobs.first, *next; job; job = next) {
        next = job->next;
        s->pending--;
        job->done(job, job->result);
    }
}

/* Without a thread: everything that is queued, and its answers. */
static void run_here(struct store *s)
{
    struct job_list jobs = s->fresh;
    s->fresh = (struct job_list){0};
    run_all(s, jobs);
    group_flush(s->db);
    deliver(s);
}

/* At the end of a tick, what it has submitted; the thread is woken without the lock that it needs
 * first. */
static void hand_over(struct store *s)
{
    pthread_mutex_lock(&s->mutex);
    job_list_join(&s->queue, s->fresh);
    pthread_mutex_unlock(&s->mutex);
    s->fresh = (struct job_list){0};
    pthread_cond_signal(&s->more);
}

static void on_submitted(void *ctx)
{
    struct store *s = ctx;
    if (s->threaded)
        hand_over(s);
    else
        run_here(s);
}

static void store_free(struct store *s)
{
    if (s->wakeup)
        loop_wakeup_free(&s->wakeup);
    if (s->db)
        db_close(&s->db);
    pthread_cond_destroy(&s->more);
    pthread_mutex_destroy(&s->mutex);
    free(s->path);
    free(s);
}

struct store *store_open(struct loop *loop, const struct store_opts *opts,
                         char error_r[STORE_ERROR_MAX])
{
    bool sim = loop_is_sim(loop);
    struct store *s = mem_zalloc(sizeof(*s));
    s->loop = loop;
    s->path = sim ? NULL : mem_strdup_span(span_of(opts->path));
    s->exclusive = opts->exclusive;
    s->submitted = (struct deferred){.call = on_submitted, .ctx = s};
    pthread_mutex_init(&s->mutex, NULL);
    pthread_cond_init(&s->more, NULL);
    s->db = db_open(loop, opts, sim, error_r);
    if (!s->db) {
        store_free(s);
        return NULL;
    }
    s->db->finish = on_finish;
    s->db->finish_ctx = s;
    if (!sim) {
        s->wakeup = loop_wakeup_new(loop, deliver, s);
        s->threaded = true;
        if (!thread_start(s)) {
            snprintf(error_r, STORE_ERROR_MAX, "%s: no thread", opts->path);
            store_free(s);
            return NULL;
        }
    }
    return s;
}

void store_close(struct store **s_p)
{
    struct store *s = *s_p;
    if (!s)
        return;
    store_backup_cancel(&s->backup);
    if (s->threaded) {
        hand_over(s);
        pthread_mutex_lock(&s->mutex);
        s->closing = true;
        pthread_cond_signal(&s->more);
        pthread_mutex_unlock(&s->mutex);
        pthread_join(s->thread, NULL);
        s->threaded = false;
    }
    /* The answers may have submitted more: on this thread, now that the other has ended. */
    while (s->pending > 0)
        run_here(s);
    loop_defer_cancel(&s->submitted);
    *s_p = NULL;
    store_free(s);
}

void store_submit(struct store *s, enum store_kind kind, struct store_job *job)
{
    job->kind = kind;
    job->result = 0;
    s->pending++;
    job_list_append(&s->fresh, job);
    loop_defer(s->loop, &s->submitted);
}

size_t store_pending(const struct store *s)
{
    return s->pending;
}

uint64_t store_commits(const struct store *s)
{
    return __atomic_load_n(&s->db->commits, __ATOMIC_RELAXED);
}

bool store_backup(struct store *s, const char *path,
                  void (*done)(void *ctx, const char *error, uint64_t bytes), void *ctx)
{
    const struct store_backup_opts opts = {
        .path = path,
        .refusal = path[0] != '/'              ? "not an absolute path"
                   : s->exclusive && s->path ? "the database is opened exclusively"
                                             : NULL,
        .done = done,
        .ctx = ctx,
    };

    if (s->backup)
        return false;
    store_backup_start(&s->backup, s->loop, s->path, s->db->sql, &opts);
    return true;
}

int store_backup_percent(const struct store *s)
{
    return s->backup ? store_backup_done_percent(s->backup) : 0;
}
