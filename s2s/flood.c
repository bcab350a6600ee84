/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * flood - called by inbound.c for each message and presence. When the table is full, the user whom
 * nobody has written to for longest is forgotten: he is the one whose buckets are full again.
 */
#include "s2s/flood.h"

#include "base/log.h"
#include "base/rate.h"

#include <stdlib.h>

#define ENTRIES_MAX 16384
#define LOG_EVERY_MS 10000
/* Messages come in larger numbers than presence: histories of rooms, archives. */
#define MESSAGES_FOR_ONE_PRESENCE 100

struct entry {
    struct list_node node; /* of flood->used */
    struct rate rates[2];
    uint64_t refused;   /* since the last line of the log */
    uint64_t logged_at; /* loop time; 0: not yet */
    size_t n;
    char key[]; /* "REMOTE TO" */
};

struct flood {
    struct map entries;
    struct list_node used; /* the longest ago first */
    struct buf key;
};

static struct flood *flood_of(struct s2s *s)
{
    if (!s->flood) {
        s->flood = mem_zalloc(sizeof *s->flood);
        list_init(&s->flood->used);
    }
    return s->flood;
}

static void drop(struct flood *f, struct entry *e)
{
    map_remove(&f->entries, span_make(e->key, e->n));
    list_remove(&e->node);
    free(e);
}

static struct entry *add(struct s2s *s, struct flood *f, struct span key)
{
    uint64_t now = loop_now(s->loop), rate = (uint64_t)s->conf->presence_rate,
             burst = (uint64_t)s->conf->presence_burst;
    if (f->entries.count >= ENTRIES_MAX)
        drop(f, CONTAINER_OF(f->used.next, struct entry, node));
    struct entry *e = mem_zalloc(sizeof *e + key.n);
    memcpy(e->key, key.p, key.n);
    e->n = key.n;
    rate_init(&e->rates[FLOOD_PRESENCE], rate, burst, now);
    rate_init(&e->rates[FLOOD_MESSAGE], rate * MESSAGES_FOR_ONE_PRESENCE,
              burst * MESSAGES_FOR_ONE_PRESENCE, now);
    list_init(&e->node);
    map_put(&f->entries, span_make(e->key, e->n), e);
    return e;
}

static struct entry *find(struct s2s *s, struct flood *f, struct span remote, struct span to)
{
    buf_clear(&f->key);
    buf_append(&f->key, remote);
    buf_append_char(&f->key, ' ');
    buf_append(&f->key, to);
    struct entry *e = map_get(&f->entries, buf_span(&f->key));
    if (!e)
        e = add(s, f, buf_span(&f->key));
    list_remove(&e->node);
    list_append(&f->used, &e->node);
    return e;
}

static void note(struct s2s *s, struct entry *e, enum flood_kind kind, struct span remote,
                 struct span to)
{
    uint64_t now = loop_now(s->loop);
    e->refused++;
    if (e->logged_at && now - e->logged_at < LOG_EVERY_MS)
        return;
    LOG(LOG_WARN, "inbound.flood", F_SPAN("remote", remote), F_SPAN("to", to),
        F_STR("kind", kind == FLOOD_MESSAGE ? "message" : "presence"), F_INT("count", e->refused));
    e->refused = 0;
    e->logged_at = now;
}

bool flood_admits(struct s2s *s, enum flood_kind kind, struct span remote, struct span to)
{
    if (s->conf->presence_rate == 0)
        return true;
    struct entry *e = find(s, flood_of(s), remote, to);
    if (rate_take(&e->rates[kind], 1, loop_now(s->loop)) == 0)
        return true;
    note(s, e, kind, remote, to);
    return false;
}

void flood_free(struct s2s *s)
{
    struct flood *f = s->flood;
    s->flood = NULL;
    if (!f)
        return;
    LIST_FOR_EACH(node, &f->used)
    drop(f, CONTAINER_OF(node, struct entry, node));
    map_free(&f->entries);
    buf_free(&f->key);
    free(f);
}
