/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * log - one logfmt event a line on standard error.
 *
 *   LOG(LOG_INFO, "stream.open", F_STR("sid", id), F_INT("bytes", n));
 *   → ts=2026-01-02T03:04:05.678Z lvl=info proc=c2s-1 ev=stream.open sid=… bytes=42
 *
 * Levels by audience: error = an operator must act; warn = a peer misbehaves, or something heals
 * itself; info = the life of sessions and links; debug = decisions. Values are quoted and escaped
 * (controls, quotes, non-UTF-8, bidirectional overrides), so no peer can forge a line. Never log a
 * body or a secret. Repeats of one event beyond 50 a second are counted, not written: the next
 * second's line carries suppressed=N. A field whose span is absent is left out; a line that grows
 * too long loses its last fields and carries cut=1.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/span.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

struct log_field {
    const char *key;
    enum log_field_type { LOG_FIELD_SPAN, LOG_FIELD_INT } type;
    struct span span;
    int64_t number;
};

#define F_SPAN(k, s) ((struct log_field){.key = (k), .type = LOG_FIELD_SPAN, .span = (s)})
#define F_STR(k, z) ((struct log_field){.key = (k), .type = LOG_FIELD_SPAN, .span = span_of(z)})
#define F_INT(k, i) ((struct log_field){.key = (k), .type = LOG_FIELD_INT, .number = (int64_t)(i)})

/* LOG(level, event, fields...): evaluates its fields only when the level is enabled. */
#define LOG(level, event, ...)                                                                     \
    do {                                                                                           \
        if ((level) <= log_threshold)                                                              \
            log_write(level, event,                                                                \
                      (const struct log_field[]){__VA_ARGS__ __VA_OPT__(, ) F_INT(NULL, 0)});      \
    } while (0)

extern enum log_level log_threshold;

/* The fields end with one whose key is NULL. event is a literal: "room.fact". */
void log_write(enum log_level level, const char *event, const struct log_field *fields);

/* proc is the process's or instance's name, shown in every line; copied. */
void log_set_process(const char *proc);
/* Where lines go, without their end, instead of standard error (tests); NULL: standard error again.
 * Counts of repeated events start afresh. The sink must not log. */
void log_set_sink(void (*sink)(void *ctx, struct span line), void *ctx);
/* Milliseconds since 1970 from elsewhere than the system (simulation); NULL: the system's again. */
void log_set_clock(int64_t (*wall)(void *ctx), void *ctx);
/* What the lines are dated by: milliseconds since 1970. For what has no loop to ask. */
int64_t log_wall(void);

#endif
