/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * said - what has been logged already and is still the same: what is tried again every minute, and
 * fails for the same cause, is logged once, until the cause is another one or gone.
 *
 * Called by directory.c, publish.c and moved.c; belongs to sm->net. Of a cause a hash is kept. When
 * there is too much of it all is forgotten, and logged once more.
 */
#include "c2s/sm/network/record.h"

#include <stdlib.h>

#define SAID_MAX 4096

struct said {
    uint64_t cause;
    size_t n;
    char key[]; /* event, LF, whom */
};

/* In out, which is the caller's to free. */
static struct span key_of(struct buf *out, const char *event, struct span whom)
{
    buf_append_z(out, event);
    buf_append_char(out, '\n');
    buf_append(out, whom);
    return buf_span(out);
}

static void forget_all(struct map *all)
{
    struct said *s;
    size_t cursor = 0;

    while ((s = map_next(all, &cursor)) != NULL) {
        map_remove(all, span_make(s->key, s->n));
        free(s);
    }
}

static void put(struct map *all, struct span key, uint64_t cause)
{
    struct said *s;

    if (all->count >= SAID_MAX)
        forget_all(all);
    s = mem_zalloc(sizeof(*s) + key.n);
    s->cause = cause;
    s->n = key.n;
    memcpy(s->key, key.p, key.n);
    map_put(all, span_make(s->key, s->n), s);
}

bool sm_is_news(struct sm *sm, const char *event, struct span whom, struct span cause)
{
    const uint64_t number = map_hash(cause);
    struct buf text = {0};
    const struct span key = key_of(&text, event, whom);
    struct said *s = map_get(&sm->net->said, key);
    const bool is_news = !s || s->cause != number;

    if (s)
        s->cause = number;
    else
        put(&sm->net->said, key, number);
    buf_free(&text);
    return is_news;
}

void sm_is_over(struct sm *sm, const char *event, struct span whom)
{
    struct buf text = {0};

    if (sm->net->said.count > 0)
        free(map_remove(&sm->net->said, key_of(&text, event, whom)));
    buf_free(&text);
}

void sm_said_close(struct sm *sm)
{
    forget_all(&sm->net->said);
    map_free(&sm->net->said);
}
