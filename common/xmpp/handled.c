/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "xmpp/handled.h"

#include "base/mem.h"

#include <assert.h>
#include <stdlib.h>

struct handled_token {
    struct handled *owner;
    struct handled_token *next;
    bool is_done;
};

#define KEEP_MAX 1024

static struct handled_token *spare;
static size_t spare_count;

static struct handled_token *take_token(void)
{
    struct handled_token *t = spare;
    if (!t)
        return mem_zalloc(sizeof *t);
    spare = t->next;
    spare_count--;
    *t = (struct handled_token){0};
    return t;
}

static void give_back(struct handled_token *t)
{
    if (spare_count >= KEEP_MAX) {
        free(t);
        return;
    }
    t->next = spare;
    spare = t;
    spare_count++;
}

void handled_free_tokens(void)
{
    while (spare) {
        struct handled_token *t = spare;
        spare = t->next;
        free(t);
    }
    spare_count = 0;
}

void handled_init(struct handled *h, void (*on_change)(void *ctx), void *ctx)
{
    *h = (struct handled){.on_change = on_change, .ctx = ctx};
}

/*
 * on_done - safe or not, the stanza is dealt with: when it failed, the sender has been told by an
 * error stanza, and that error is what he must not lose.
 */
static void on_done(void *ctx, bool safe)
{
    struct handled_token *t = ctx;
    struct handled *h = t->owner;
    (void)safe;
    assert(!t->is_done);
    t->is_done = true;
    h->waiting--;
    while (h->first && h->first->is_done) {
        struct handled_token *first = h->first;
        h->first = first->next;
        h->h++;
        if (h->before > 0)
            h->before--;
        give_back(first);
    }
    if (!h->first)
        h->last = NULL;
    h->on_change(h->ctx);
}

void handled_restart(struct handled *h)
{
    h->before = h->given - h->h;
    h->h -= h->given;
    h->given = 0;
}

struct link_done handled_next(struct handled *h)
{
    struct handled_token *t = take_token();
    t->owner = h;
    if (h->last)
        h->last->next = t;
    else
        h->first = t;
    h->last = t;
    h->waiting++;
    h->given++;
    return (struct link_done){on_done, t};
}
