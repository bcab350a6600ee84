/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * log - composing and writing of logfmt lines. Any thread may call it; a line is composed on the
 * stack and leaves in one write(2), so that lines of several processes on one pipe do not mix.
 */
#include "base/log.h"

#include "base/log_text.h"
#include "base/mem.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_BYTES 4096 /* PIPE_BUF: a write of this size to a pipe is atomic */
#define LINE_RESERVE 64     /* of them for cut=, suppressed= and the line's end */
#define EVENTS_MAX 256      /* different events that are counted; a power of two */
#define EVENTS_PER_SECOND 50

struct event_count {
    const char *event;
    int64_t second;
    uint32_t written;
    uint64_t suppressed;
};

enum log_level log_threshold = LOG_INFO;

static const char *const level_names[] = {"error", "warn", "info", "debug"};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards all that follows */
static struct event_count events[EVENTS_MAX];
static char process[64] = "kontalk";
static void (*sink)(void *ctx, struct span line);
static void *sink_ctx;
static int64_t (*clock_wall)(void *ctx);
static void *clock_ctx;

static int64_t wall_ms(void)
{
    struct timespec now;

    if (clock_wall)
        return clock_wall(clock_ctx);
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* The counter of event, or NULL when there are more events than counters. */
static struct event_count *event_find(const char *event)
{
    uint32_t hash = 2166136261u;

    for (const char *p = event; *p; p++)
        hash = (hash ^ (unsigned char)*p) * 16777619u;
    for (uint32_t i = 0; i < EVENTS_MAX; i++) {
        struct event_count *e = &events[(hash + i) % EVENTS_MAX];
        if (!e->event)
            e->event = event;
        if (e->event == event || strcmp(e->event, event) == 0)
            return e;
    }
    return NULL;
}

/* False: the line is one too many. *suppressed_r: lines that were, before this one. */
static bool event_allow(const char *event, int64_t now_ms, uint64_t *suppressed_r)
{
    struct event_count *e = event_find(event);
    int64_t second = now_ms / 1000;

    *suppressed_r = 0;
    if (!e)
        return true;
    if (e->second != second) {
        e->second = second;
        e->written = 0;
    }
    if (e->written >= EVENTS_PER_SECOND) {
        e->suppressed++;
        return false;
    }
    e->written++;
    *suppressed_r = e->suppressed;
    e->suppressed = 0;
    return true;
}

static void put_head(struct log_text *line, enum log_level level, const char *event, int64_t now_ms)
{
    char stamp[96];
    struct tm tm;
    time_t seconds = (time_t)(now_ms / 1000);

    gmtime_r(&seconds, &tm);
    int n = snprintf(
        stamp, sizeof(stamp), "ts=%04d-%02d-%02dT%02d:%02d:%02d.%03dZ lvl=", tm.tm_year + 1900,
        tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, (int)(now_ms % 1000));
    log_text_raw(line, span_make(stamp, (size_t)n));
    log_text_raw(line, span_of(level_names[level]));
    log_text_raw(line, SPAN(" proc="));
    log_text_value(line, span_of(process));
    log_text_raw(line, SPAN(" ev="));
    log_text_raw(line, span_of(event));
}

static void put_field(struct log_text *line, const struct log_field *field)
{
    char digits[24];

    if (field->type == LOG_FIELD_SPAN && span_is_none(field->span))
        return;
    size_t before = line->n;
    log_text_raw(line, SPAN(" "));
    log_text_raw(line, span_of(field->key));
    log_text_raw(line, SPAN("="));
    if (field->type == LOG_FIELD_SPAN) {
        log_text_value(line, field->span);
    } else {
        int n = snprintf(digits, sizeof(digits), "%lld", (long long)field->number);
        log_text_raw(line, span_make(digits, (size_t)n));
    }
    if (line->full)
        line->n = before; /* whole fields or none: half a quoted value would swallow the rest */
}

static void line_out(struct log_text *line)
{
    if (sink) {
        sink(sink_ctx, span_make(line->p, line->n));
        return;
    }
    line->p[line->n] = '\n';
    size_t left = line->n + 1;
    const char *p = line->p;
    while (left) {
        ssize_t n = write(STDERR_FILENO, p, left);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return; /* nobody can be told */
        p += n;
        left -= (size_t)n;
    }
}

void log_write(enum log_level level, const char *event, const struct log_field *fields)
{
    char bytes[LINE_MAX_BYTES];
    struct log_text line = {.p = bytes, .max = sizeof(bytes) - LINE_RESERVE};
    uint64_t suppressed;

    pthread_mutex_lock(&lock);
    int64_t now_ms = wall_ms();
    if (event_allow(event, now_ms, &suppressed)) {
        put_head(&line, level, event, now_ms);
        for (; fields->key && !line.full; fields++)
            put_field(&line, fields);
        bool was_cut = line.full;
        line.full = false;
        line.max = sizeof(bytes) - 1;
        if (was_cut)
            log_text_raw(&line, SPAN(" cut=1"));
        if (suppressed)
            put_field(&line, &F_INT("suppressed", suppressed));
        line_out(&line);
    }
    pthread_mutex_unlock(&lock);
}

void log_set_process(const char *proc)
{
    pthread_mutex_lock(&lock);
    snprintf(process, sizeof(process), "%s", proc);
    pthread_mutex_unlock(&lock);
}

void log_set_sink(void (*new_sink)(void *ctx, struct span line), void *ctx)
{
    pthread_mutex_lock(&lock);
    sink = new_sink;
    sink_ctx = ctx;
    memset(events, 0, sizeof(events)); /* a test starts with clean counts */
    pthread_mutex_unlock(&lock);
}

void log_set_clock(int64_t (*wall)(void *ctx), void *ctx)
{
    pthread_mutex_lock(&lock);
    clock_wall = wall;
    clock_ctx = ctx;
    pthread_mutex_unlock(&lock);
}

int64_t log_wall(void)
{
    pthread_mutex_lock(&lock);
    int64_t now = wall_ms();
    pthread_mutex_unlock(&lock);
    return now;
}
