/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * input - lines of a file or of standard input, on the loop: a pool thread waits for them.
 */
#ifndef CTL_INPUT_H
#define CTL_INPUT_H

#include "base/buf.h"
#include "base/loop.h"

#include <stdatomic.h>
#include <sys/types.h>

struct input {
    struct loop *loop;
    int fd;
    /* A line without its end; valid during the call. */
    void (*on_line)(void *ctx, struct span line);
    void (*on_end)(void *ctx); /* nothing more comes */
    void *ctx;
    struct buf lines;
    char block[16384]; /* the thread's, while it reads */
    ssize_t got;
    atomic_bool is_stopped;
};

/* fd stays the caller's. */
void input_start(struct input *in, struct loop *loop, int fd,
                 void (*on_line)(void *ctx, struct span line), void (*on_end)(void *ctx),
                 void *ctx);
/* No more calls; loop_free then waits for the thread, a fraction of a second. */
void input_stop(struct input *in);
void input_free(struct input *in); /* after loop_free */

#endif
