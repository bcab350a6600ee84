/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * loop_watch - a descriptor of a library that does its own work elsewhere: its owner is called when
 * there is something to read. Connections and listeners watch their own.
 */
#ifndef BASE_LOOP_WATCH_H
#define BASE_LOOP_WATCH_H

struct loop;
struct loop_watch;

/* call(ctx) on the loop whenever fd is readable, until loop_watch_free, which must come before fd
 * is closed and before loop_free. NULL on a simulated loop, or when fd cannot be watched. */
struct loop_watch *loop_watch_new(struct loop *loop, int fd, void (*call)(void *ctx), void *ctx);
void loop_watch_free(struct loop_watch **w); /* also from inside the call */

#endif
