/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * resolve_private - the inside of a resolver, for resolve*.c only.
 *
 * resolve.c holds the questions that are under way, their deadlines and the giving of answers;
 * resolve_unbound.c and resolve_sim.c are the two that find them. A back end says question_ready
 * when it has the answer; at the end of that tick it is asked for it (answer) and gives it to
 * question_finish. So no asker is ever called from inside a library, and may free what it likes.
 */
#ifndef DNS_RESOLVE_PRIVATE_H
#define DNS_RESOLVE_PRIVATE_H

#include "base/loop.h"
#include "dns/resolve.h"

#define RESOLVE_NAME_MAX 253
#define RESOLVE_RECORDS_MAX 64

struct question {
    struct list_node node; /* of resolver->questions */
    struct resolver *resolver;
    struct resolve_query *query; /* the asker's */
    enum resolve_kind kind;
    struct timer timeout;
    struct deferred ready;
    /* the back end's */
    struct timer delay;
    struct list_node turn;
    void *result;
    int id;
    char name[RESOLVE_NAME_MAX + 1];
};

struct resolve_backend {
    void (*ask)(struct resolver *r, struct question *q);
    /* Forgets it and what it keeps in it; harmless when it is not under way. */
    void (*drop)(struct resolver *r, struct question *q);
    /* Calls question_finish, and nothing else afterwards. */
    void (*answer)(struct resolver *r, struct question *q);
    void (*flush)(struct resolver *r);
    void (*free)(struct resolver *r); /* no question is left */
};

/* First member of each back end's own struct. */
struct resolver {
    struct loop *loop;
    const struct resolve_backend *backend;
    struct list_node questions;
    size_t asked;
};

void resolver_init(struct resolver *r, struct loop *loop, const struct resolve_backend *backend);
void question_ready(struct question *q);
/* Frees the question, then tells the asker. What the answer points to must outlive the call. */
void question_finish(struct question *q, const struct resolve_answer *answer);

#endif
