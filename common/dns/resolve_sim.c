/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * resolve_sim - the resolver's twin: zones in memory, filled by tests and simulations.
 *
 * Answers come at the end of the tick, or after the name's delay. Its texts are the test's own: a
 * wrong one is a bug of the test and aborts.
 */
#include "base/map.h"
#include "dns/resolve_private.h"
#include "dns/wire.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#define SIM_TTL 300

struct record {
    struct record *next;
    enum resolve_kind kind;
    bool is_secure;
    size_t n;
    char data[512];
};

struct name {
    char *text;
    struct record *records; /* in the order of their adding */
    bool has_status;
    enum resolve_status status;
    uint64_t delay;
    enum resolve_kind delayed; /* 0: all */
};

struct sim {
    struct resolver base;
    struct map names;
};

static struct sim *sim_of(struct resolver *r)
{
    return (struct sim *)r;
}

static struct name *name_get(struct resolver *r, const char *text)
{
    struct sim *s = sim_of(r);
    struct name *it = map_get(&s->names, span_of(text));

    if (it)
        return it;
    it = mem_zalloc(sizeof(*it));
    it->text = mem_strdup_span(span_of(text));
    map_put(&s->names, span_of(it->text), it);
    return it;
}

/* --- zones --- */

static size_t put_u16(char *p, unsigned long v)
{
    p[0] = (char)(v >> 8);
    p[1] = (char)v;
    return 2;
}

static size_t encode_srv(char *p, const char *text)
{
    unsigned priority, weight, port;
    char target[RESOLVE_NAME_MAX + 2];
    size_t n = 0;

    int got = sscanf(text, "%5u %5u %5u %254s", &priority, &weight, &port, target);
    assert(got == 4);
    n += put_u16(p, priority);
    n += put_u16(p + n, weight);
    n += put_u16(p + n, port);
    size_t wire = dns_wire_from_name(span_of(target), p + n);
    assert(wire > 0);
    return got == 4 ? n + wire : 0;
}

static size_t encode_tlsa(char *p, const char *text)
{
    unsigned usage, selector, matching, byte;
    int at = 0;
    size_t n = 3;

    int got = sscanf(text, "%3u %3u %3u %n", &usage, &selector, &matching, &at);
    assert(got == 3);
    p[0] = (char)usage;
    p[1] = (char)selector;
    p[2] = (char)matching;
    for (const char *hex = text + at; got == 3 && sscanf(hex, "%2x", &byte) == 1; hex += 2) {
        assert(n < 512);
        p[n++] = (char)byte;
    }
    return n;
}

static size_t encode(enum resolve_kind kind, char *p, const char *text)
{
    int good = 1;
    size_t n = 0;

    switch (kind) {
    case RESOLVE_A:
        good = inet_pton(AF_INET, text, p);
        n = 4;
        break;
    case RESOLVE_AAAA:
        good = inet_pton(AF_INET6, text, p);
        n = 16;
        break;
    case RESOLVE_SRV:
        n = encode_srv(p, text);
        break;
    case RESOLVE_TLSA:
        n = encode_tlsa(p, text);
        break;
    }
    assert(good == 1);
    (void)good;
    return n;
}

void resolver_sim_add(struct resolver *r, enum resolve_kind kind, const char *name,
                      const char *text, bool is_secure)
{
    struct record *rec = mem_zalloc(sizeof(*rec));
    struct record **last = &name_get(r, name)->records;

    rec->kind = kind;
    rec->is_secure = is_secure;
    rec->n = encode(kind, rec->data, text);
    while (*last)
        last = &(*last)->next;
    *last = rec;
}

static void free_records(struct name *it)
{
    while (it->records) {
        struct record *rec = it->records;
        it->records = rec->next;
        free(rec);
    }
}

void resolver_sim_clear(struct resolver *r, const char *name)
{
    struct name *it = name_get(r, name);

    free_records(it);
    it->has_status = false;
    it->delay = 0;
}

void resolver_sim_status(struct resolver *r, const char *name, enum resolve_status s)
{
    struct name *it = name_get(r, name);

    it->has_status = true;
    it->status = s;
}

void resolver_sim_delay(struct resolver *r, const char *name, uint64_t ms)
{
    resolver_sim_delay_kind(r, name, 0, ms);
}

void resolver_sim_delay_kind(struct resolver *r, const char *name, enum resolve_kind kind,
                             uint64_t ms)
{
    struct name *it = name_get(r, name);

    it->delay = ms;
    it->delayed = kind;
}

/* --- questions --- */

static void on_delay(void *ctx)
{
    question_ready(ctx);
}

static void sim_ask(struct resolver *r, struct question *q)
{
    struct name *it = map_get(&sim_of(r)->names, span_of(q->name));

    if (it && it->delay && (it->delayed == 0 || it->delayed == q->kind))
        timer_start(&q->delay, r->loop, it->delay, on_delay, q);
    else
        question_ready(q);
}

static void sim_drop(struct resolver *r, struct question *q)
{
    (void)r;
    timer_stop(&q->delay);
}

static void sim_answer(struct resolver *r, struct question *q)
{
    const struct name *it = map_get(&sim_of(r)->names, span_of(q->name));
    struct span data[RESOLVE_RECORDS_MAX];
    struct resolve_answer a = {.status = RESOLVE_NO_NAME, .data = data, .ttl = SIM_TTL};

    if (it && it->has_status) {
        a.status = it->status;
    } else if (it && it->records) {
        /* That there is none of the kind is as well signed as the rest of the name. */
        a.is_secure = it->records->is_secure;
        for (const struct record *rec = it->records; rec && a.count < ARRAY_LEN(data);
             rec = rec->next) {
            if (rec->kind != q->kind)
                continue;
            a.is_secure = rec->is_secure;
            data[a.count++] = span_make(rec->data, rec->n);
        }
        a.status = a.count ? RESOLVE_FOUND : RESOLVE_NO_DATA;
    }
    question_finish(q, &a);
}

static void sim_flush(struct resolver *r)
{
    (void)r; /* it keeps no answers */
}

static void sim_free(struct resolver *r)
{
    struct sim *s = sim_of(r);
    struct name *it;

    for (size_t cursor = 0; (it = map_next(&s->names, &cursor));) {
        map_remove(&s->names, span_of(it->text));
        free_records(it);
        free(it->text);
        free(it);
    }
    map_free(&s->names);
    free(s);
}

static const struct resolve_backend sim_backend = {
    .ask = sim_ask,
    .drop = sim_drop,
    .answer = sim_answer,
    .flush = sim_flush,
    .free = sim_free,
};

struct resolver *resolver_new_sim(struct loop *loop)
{
    struct sim *s = mem_zalloc(sizeof(*s));

    resolver_init(&s->base, loop, &sim_backend);
    return &s->base;
}
