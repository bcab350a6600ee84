/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * control - local administration: a Unix socket per process, mode 0600, the peer's uid checked
 * (root or our own).
 *
 * Request: one line of words, separated by tabs; within a word \t \n \\ are escaped. Answer: any
 * number of rows in the same form (the first names the columns), then "ok" or "error<TAB>reason"
 * on a line that starts with a dot: ".ok", ".error<TAB>reason". A line over 64 KiB, or anything
 * that is no request, closes that connection and nothing else. Requests of one connection are
 * answered in order, one at a time.
 *
 * Every process that daemon_main runs knows "reload": it does what SIGHUP does.
 */
#ifndef BASE_CONTROL_H
#define BASE_CONTROL_H

#include "base/buf.h"
#include "base/conf.h"

struct control;
struct control_call; /* one request being answered */
struct loop;

struct control_command {
    const char *name; /* the first words, separated by a blank: "user add" */
    int min_args, max_args;
    const char *usage; /* the whole line: "user add JID PASSWORD [JID PASSWORD ...]" */
    void (*run)(void *ctx, struct control_call *call, const struct span *args, size_t count);
};

/* commands ends with name == NULL. Returns NULL with a negative errno in *error_r. */
struct control *control_new(struct loop *loop, const char *path,
                            const struct control_command *commands, void *ctx, int *error_r);
/* The same at the path of a setting, in which %i stands for the instance; NULL with a reason. */
struct control *control_open(struct loop *loop, const char *pattern, const char *instance,
                             const struct control_command *commands, void *ctx,
                             char error_r[CONF_ERROR_MAX]);
void control_free(struct control **c);

/* Each run() ends, now or later, with exactly one control_ok or control_error. args are valid only
 * during run(). If the asker has gone, rows are dropped. */
void control_row(struct control_call *call, const struct span *words, size_t count);
/* The same for a name and its value: a word, a number, a list with blanks between its items, a text
 * with a row for each of its lines. */
void control_row2(struct control_call *call, struct span name, struct span value);
void control_row_number(struct control_call *call, struct span name, uint64_t n);
void control_row_list(struct control_call *call, struct span name, const struct conf_list *list);
void control_row_lines(struct control_call *call, struct span name, struct span text);
void control_ok(struct control_call *call);
void control_error(struct control_call *call, const char *reason);

/* What an answer waits for, of the given name, which may come and go meanwhile. */
struct control_waiting {
    bool (*is_under_way)(void *ctx, struct span name);
    /* Ends the call. */
    void (*answer)(void *ctx, struct control_call *call, struct span name);
};
/* answer, at once or as soon as it is not under way any more, after 25 s at the latest. name is
 * copied; ctx stays until the end of the loop. */
void control_wait(struct control_call *call, struct loop *loop, const struct control_waiting *what,
                  void *ctx, struct span name);

/*
 * For an answer that goes on: from now on it is noticed when the asker hangs up, and told by
 * on_gone(ctx), once; the call still ends with control_ok then. on_gone does not come after that.
 */
void control_watch(struct control_call *call, void (*on_gone)(void *ctx), void *ctx);
/* Bytes of rows that the asker has not read yet. */
size_t control_queued(const struct control_call *call);

/* --- the asking side, blocking: for command-line tools --- */

/* How long the other side may be silent, from now on; at first 30 s. */
void control_ask_patience(unsigned seconds);
/* Sends one request over the socket at path; calls row for each row. Returns 0, -errno when the
 * socket cannot be reached, or 1 with the refusal's reason in error_r. */
int control_ask(const char *path, const struct span *words, size_t count,
                void (*row)(void *ctx, const struct span *words, size_t count), void *ctx,
                char error_r[256]);

/* The escaping, for both sides. */
void control_escape(struct buf *out, struct span word);
/* Splits a line in place; returns the number of words, at most max. */
size_t control_split(char *line, size_t n, struct span *words, size_t max);

#endif
