/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * wires - what connections carry: from the moment when a message's bytes set out until the process
 * at the other end has taken the message up. Whatever is left when a connection ends is lost with
 * it where the receiver does not acknowledge what it has: nobody can know. That, and no more, is
 * excused here; not what goes to clients with stream management.
 */
#include "sim.h"

#include "base/conn_private.h"
#include "base/mem.h"

#include <stdlib.h>

#define WIRES_MAX 256

/* One direction: what its sender has sent. */
struct wire {
    const struct conn *sender; /* NULL: free */
    uint32_t *numbers;
    size_t count, capacity;
};

static struct wire wires[WIRES_MAX];

static struct wire *find(const struct conn *sender)
{
    for (size_t i = 0; sender && i < WIRES_MAX; i++)
        if (wires[i].sender == sender)
            return &wires[i];
    return NULL;
}

static struct wire *get(const struct conn *sender)
{
    struct wire *w = find(sender);
    for (size_t i = 0; !w && i < WIRES_MAX; i++) {
        if (wires[i].sender)
            continue;
        w = &wires[i];
        w->sender = sender;
    }
    if (!w)
        abort();
    return w;
}

static void put(void *ctx, uint32_t number)
{
    struct wire *w = ctx;
    if (w->count == w->capacity) {
        w->capacity = w->capacity ? 2 * w->capacity : 16;
        w->numbers = mem_realloc(w->numbers, w->capacity * sizeof *w->numbers);
    }
    w->numbers[w->count++] = number;
}

static void excuse(void *ctx, uint32_t number)
{
    ledger_excuse(number, ctx);
}

void numbers_in(struct span bytes, void (*call)(void *ctx, uint32_t number), void *ctx)
{
    static const struct span mark = SPAN_INIT(" id='m");
    const char *at;
    while (bytes.n > mark.n && (at = memmem(bytes.p, bytes.n, mark.p, mark.n))) {
        bytes = span_from(bytes, (size_t)(at - bytes.p) + mark.n - 1);
        uint32_t number = number_of(span_make(bytes.p, span_index(bytes, '\'')));
        if (number)
            call(ctx, number);
    }
}

void wires_excuse(struct span bytes, const char *where)
{
    numbers_in(bytes, excuse, (void *)(uintptr_t)where);
}

/* What a client sends is promised nothing until it has been taken up. */
static bool is_of_client(const struct conn *conn)
{
    return conn->handler == &person_handler;
}

/* What is sent there is kept until it is acknowledged (XEP-0198). */
static bool is_managed(const struct conn *conn)
{
    for (size_t i = 0; i < SIM_INSTANCES; i++) {
        const struct c2s *c2s = world->stage ? world->stage->c2s[i].c2s : NULL;
        for (const struct list_node *n = c2s ? c2s->clients.next : NULL;
             n && n != &c2s->clients; n = n->next) {
            const struct client *c = CONTAINER_OF(n, const struct client, node);
            if (c->stream.conn == conn)
                return c->seat && c->seat->manage;
        }
    }
    return false;
}

void wires_sending(struct conn *conn)
{
    const struct conn *peer = conn->pair.peer;
    if (buf_len(&conn->out) == 0 || is_of_client(conn) || is_managed(conn))
        return;
    if (!peer || peer->state >= CONN_CLOSING)
        wires_excuse(buf_span(&conn->out), "sent after the other end had closed");
    else
        numbers_in(buf_span(&conn->out), put, get(conn));
}

static void lose_all(const struct conn *sender)
{
    struct wire *w = find(sender);
    for (size_t i = 0; w && i < w->count; i++)
        ledger_excuse(w->numbers[i], "on a connection that ended");
    if (w)
        w->count = 0;
}

void wires_ending(struct conn *conn)
{
    if (!is_of_client(conn) && !is_managed(conn))
        wires_excuse(buf_span(&conn->out), "in the output of a connection that ended");
    lose_all(conn);
    lose_all(conn->pair.peer);
}

bool wires_carry(uint32_t number)
{
    for (size_t i = 0; i < WIRES_MAX; i++)
        for (size_t k = 0; wires[i].sender && k < wires[i].count; k++)
            if (wires[i].numbers[k] == number)
                return true;
    return false;
}

static void take(void *ctx, uint32_t number)
{
    struct wire *w = ctx;
    size_t i = 0;
    while (i < w->count && w->numbers[i] != number)
        i++;
    if (i == w->count)
        return;
    w->count--;
    memmove(w->numbers + i, w->numbers + i + 1, (w->count - i) * sizeof *w->numbers);
}

void wires_taken(const struct conn *reader, uint32_t number)
{
    struct wire *w = reader ? find(reader->pair.peer) : NULL;
    if (w)
        take(w, number);
}

void wires_taken_bytes(const struct conn *reader, struct span bytes)
{
    struct wire *w = reader ? find(reader->pair.peer) : NULL;
    if (w)
        numbers_in(bytes, take, w);
}

void wires_gone(const struct conn *conn)
{
    struct wire *w = find(conn);
    if (!w)
        return;
    free(w->numbers);
    *w = (struct wire){0};
}

void wires_clear(void)
{
    for (size_t i = 0; i < WIRES_MAX; i++)
        if (wires[i].sender)
            wires_gone(wires[i].sender);
}
