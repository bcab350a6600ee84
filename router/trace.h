/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * trace - a file of lines about what passes, grown to a bound: under tap.c and record.c. Embedded
 * in what owns it; written at the end of a tick; readable by the owner of the process alone.
 */
#ifndef ROUTER_TRACE_H
#define ROUTER_TRACE_H

#include "base/buf.h"
#include "base/conf.h"
#include "base/loop.h"

struct trace {
    struct loop *loop;
    struct span name; /* for the log; borrowed */
    int fd;
    bool is_full; /* or cannot be written */
    uint64_t size, size_max;
    size_t line; /* where the last one begins */
    struct buf out;
    struct deferred flush;
};

enum trace_file { TRACE_APPEND, TRACE_NEW }; /* NEW: there must be none */

/* False with a reason that begins with the path; then there is nothing to close. */
bool trace_open(struct trace *t, struct loop *loop, struct span name, const char *path,
                enum trace_file how, uint64_t size_max, char error_r[CONF_ERROR_MAX]);
/* Writes what is left. */
void trace_close(struct trace *t);
/* Where the next line may be appended, or NULL when the file is full; trace_end ends the line. */
struct buf *trace_begin(struct trace *t);
void trace_end(struct trace *t);

#endif
