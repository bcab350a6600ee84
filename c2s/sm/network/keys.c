/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * keys - the OpenPGP keys of the servers: asked of the servers themselves, kept when their
 * fingerprint is the one that the table has. Called by record.c, which verifies signatures.
 *
 * A server that has not given its key is not asked again for a moment. Owned by sm->net; who waits
 * is told when the answer is there, or at the end of the tick.
 */
#include "c2s/sm/network/network.h"

#include "tls/crypto.h"

#include <stdio.h>
#include <stdlib.h>

#define RETRY_MS 10000
#define MAX_WAITERS 100000

struct waiter {
    struct list_node node; /* of an entry, or of sm_keys.ready */
    void (*done)(void *ctx, const struct server_key *key);
    void *ctx;
    size_t n;
    char host[];
};

/* A member that has been asked for its key. */
struct entry {
    struct sm *sm;
    struct server_key *key;       /* NULL: it is not there */
    struct sm_question *question; /* NULL: none under way */
    struct list_node waiters;
    uint64_t retry_at; /* loop time: before it is not asked again */
    size_t n;
    char host[];
};

struct sm_keys {
    struct map by_host;
    size_t waiter_count;
    struct list_node ready; /* can be told at the end of the tick */
    struct deferred tell;
};

static struct span host_of(const struct entry *e)
{
    return span_make(e->host, e->n);
}

/* What is in memory, and what the table has. */
static const struct server_key *key_known(const struct sm *sm, struct span host)
{
    const struct server *s = servers_find(sm->net->servers, host);
    const struct entry *e;

    if (span_eq(host, sm->opts.host))
        return sm->net->key;
    e = map_get(&sm->net->keys->by_host, host);
    return e && e->key && s && s->is_enabled &&
                   strcmp(s->fingerprint, server_key_fingerprint(e->key)) == 0
               ? e->key
               : NULL;
}

/* --- telling those who wait --- */

static void move_all(struct list_node *to, struct list_node *from)
{
    list_init(to);
    while (!list_is_empty(from)) {
        struct list_node *node = from->next;
        list_remove(node);
        list_append(to, node);
    }
}

/* They may end the session manager: then the rest hears nothing. */
static void tell_all(struct sm *sm, struct list_node *list)
{
    struct list_node waiters;

    move_all(&waiters, list);
    sm_hold(sm);
    while (!list_is_empty(&waiters)) {
        struct waiter *w = CONTAINER_OF(waiters.next, struct waiter, node);
        list_remove(&w->node);
        if (!sm->is_closed) {
            sm->net->keys->waiter_count--;
            w->done(w->ctx, key_known(sm, span_make(w->host, w->n)));
        }
        free(w);
    }
    sm_unhold(sm);
}

static void tell_ready(void *ctx)
{
    struct sm *sm = ctx;

    tell_all(sm, &sm->net->keys->ready);
}

/* --- asking --- */

/* NULL with a reason. */
static struct server_key *key_read(const struct stanza *s, uint32_t payload,
                                   char error_r[CONF_ERROR_MAX])
{
    struct buf text = {0}, packets = {0};
    struct server_key *key = NULL;

    snprintf(error_r, CONF_ERROR_MAX, "no key");
    for (uint32_t node = s->nodes[payload].first; node; node = s->nodes[node].next) {
        if (span_is_none(s->nodes[node].name))
            buf_append(&text, s->nodes[node].text);
    }
    if (buf_len(&text) > 0 && base64_decode(&packets, buf_span(&text)))
        key = server_key_parse(buf_span(&packets), error_r);
    buf_free(&text);
    buf_free(&packets);
    return key;
}

static void on_answer(void *ctx, enum stanza_error e, const struct stanza *result, uint32_t payload)
{
    struct entry *entry = ctx;
    struct sm *sm = entry->sm;
    char error[CONF_ERROR_MAX];

    entry->question = NULL;
    if (e)
        snprintf(error, sizeof(error), "%s", stanza_error_name(e));
    else if (!payload || !stanza_is(result, payload, SPAN(NS_PUBKEY), SPAN("pubkey")))
        snprintf(error, sizeof(error), "no answer to the question");
    else if ((entry->key = key_read(result, payload, error)) && !key_known(sm, host_of(entry)))
        snprintf(error, sizeof(error), "its fingerprint %s is not the table's",
                 server_key_fingerprint(entry->key));
    if (!key_known(sm, host_of(entry))) {
        LOG(LOG_WARN, "network.no_key", F_SPAN("peer", host_of(entry)), F_STR("reason", error));
        server_key_free(&entry->key);
        entry->retry_at = loop_now(sm->loop) + RETRY_MS;
    }
    tell_all(sm, &entry->waiters);
}

static struct entry *entry_get(struct sm *sm, struct span host)
{
    struct entry *e = map_get(&sm->net->keys->by_host, host);

    if (e)
        return e;
    e = mem_zalloc(sizeof(*e) + host.n);
    e->sm = sm;
    list_init(&e->waiters);
    e->n = host.n;
    memcpy(e->host, host.p, host.n);
    map_put(&sm->net->keys->by_host, host_of(e), e);
    return e;
}

/* False: it need not be, or cannot. */
static bool is_asked(struct sm *sm, struct span host)
{
    struct entry *e;

    if (key_known(sm, host) || !servers_has_other(sm->net->servers, host) ||
        sm->net->keys->waiter_count >= MAX_WAITERS)
        return false;
    e = entry_get(sm, host);
    if (e->question)
        return true;
    if (loop_now(sm->loop) < e->retry_at)
        return false;
    server_key_free(&e->key); /* of the table before */
    e->question = sm_question_ask(sm, host, false, SPAN("<pubkey xmlns='" NS_PUBKEY "'/>"),
                                  sm->opts.net.deadline, on_answer, e);
    return e->question != NULL;
}

void sm_server_key_get(struct sm *sm, struct span host,
                       void (*done)(void *ctx, const struct server_key *key), void *ctx)
{
    struct waiter *w = mem_zalloc(sizeof(*w) + host.n);
    struct sm_keys *keys = sm->net->keys;

    w->done = done;
    w->ctx = ctx;
    w->n = host.n;
    memcpy(w->host, host.p, host.n);
    if (is_asked(sm, host)) {
        list_append(&entry_get(sm, host)->waiters, &w->node);
    } else {
        list_append(&keys->ready, &w->node);
        loop_defer(sm->loop, &keys->tell);
    }
    keys->waiter_count++;
}

/* --- the whole --- */

void sm_keys_open(struct sm *sm)
{
    struct sm_keys *keys = mem_zalloc(sizeof(*keys));

    list_init(&keys->ready);
    keys->tell = (struct deferred){.call = tell_ready, .ctx = sm};
    sm->net->keys = keys;
}

/* One that is being asked for stays: its answer is judged by the table that there is then. */
void sm_keys_follow(struct sm *sm)
{
    struct sm_keys *keys = sm->net->keys;
    struct entry *e;
    size_t cursor = 0;

    while ((e = map_next(&keys->by_host, &cursor)) != NULL) {
        e->retry_at = 0;
        if (e->question || key_known(sm, host_of(e)))
            continue;
        map_remove(&keys->by_host, host_of(e));
        server_key_free(&e->key);
        free(e);
    }
}

static void waiters_free(struct list_node *list)
{
    while (!list_is_empty(list)) {
        struct waiter *w = CONTAINER_OF(list->next, struct waiter, node);
        list_remove(&w->node);
        free(w);
    }
}

void sm_keys_close(struct sm *sm)
{
    struct sm_keys *keys = sm->net->keys;
    struct entry *e;
    size_t cursor = 0;

    while ((e = map_next(&keys->by_host, &cursor)) != NULL) {
        waiters_free(&e->waiters);
        sm_question_drop(&e->question);
        server_key_free(&e->key);
        free(e);
    }
    waiters_free(&keys->ready);
    loop_defer_cancel(&keys->tell);
    map_free(&keys->by_host);
    free(keys);
    sm->net->keys = NULL;
}
