/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * hibernate - see the header. Called by seat.c and manage.c; a nest lives while something hangs on
 * it, a record until newer ones push it out.
 */
#include "c2s/hibernate.h"

#include "c2s/c2s.h"
#include "tls/crypto.h"

#include <stdlib.h>

/* A resume in the last second is in time. */
#define GRACE_MS 500
/* What is remembered of seats that have ended. */
#define RECORDS_PER_USER 4
#define RECORDS_MAX 10000

/* What a user has. */
struct nest {
    struct list_node seats;   /* that may be resumed; those that hibernate in order of that */
    struct list_node records; /* oldest first */
    size_t resting_count, record_count;
    size_t n;
    char name[];
};

struct hibernate_record {
    struct list_node node; /* of the nest's */
    struct list_node all;  /* of all */
    struct nest *nest;
    struct seat *seat; /* NULL: freed */
    uint32_t h;
    char id[MANAGE_ID_LEN + 1];
};

void hibernate_init(struct hibernation *h)
{
    *h = (struct hibernation){0};
    list_init(&h->records);
    list_init(&h->resting);
}

/* --- nests ------------------------------------------------------------------------------------ */

static struct nest *nest_get(struct hibernation *h, struct span name)
{
    struct nest *nest = map_get(&h->nests, name);
    if (nest)
        return nest;
    nest = mem_zalloc(sizeof *nest + name.n);
    list_init(&nest->seats);
    list_init(&nest->records);
    memcpy(nest->name, name.p, name.n);
    nest->n = name.n;
    map_put(&h->nests, span_make(nest->name, nest->n), nest);
    return nest;
}

static void nest_settle(struct hibernation *h, struct nest *nest)
{
    if (!list_is_empty(&nest->seats) || !list_is_empty(&nest->records))
        return;
    map_remove(&h->nests, span_make(nest->name, nest->n));
    free(nest);
}

static struct nest *nest_of(const struct seat *seat)
{
    return map_get(&seat->c2s->hibernation.nests, span_of(seat->user));
}

/* --- records ---------------------------------------------------------------------------------- */

static void record_drop(struct hibernation *h, struct hibernate_record *r)
{
    struct nest *nest = r->nest;
    if (r->seat)
        r->seat->record = NULL;
    list_remove(&r->node);
    list_remove(&r->all);
    nest->record_count--;
    h->record_count--;
    free(r);
    nest_settle(h, nest);
}

static void record_drop_first(struct hibernation *h, struct list_node *head, bool is_of_nest)
{
    struct hibernate_record *r = is_of_nest
                                     ? CONTAINER_OF(head->next, struct hibernate_record, node)
                                     : CONTAINER_OF(head->next, struct hibernate_record, all);
    record_drop(h, r);
}

void hibernate_forget(struct seat *seat)
{
    struct hibernation *h = &seat->c2s->hibernation;
    struct nest *nest = nest_of(seat);
    if (!manage_may_resume(seat->manage))
        return;
    struct hibernate_record *r = mem_zalloc(sizeof *r);
    r->nest = nest;
    r->seat = seat;
    r->h = handled_count(&seat->handled);
    memcpy(r->id, seat->manage->id, sizeof r->id);
    seat->record = r;
    list_append(&nest->records, &r->node);
    list_append(&h->records, &r->all);
    nest->record_count++;
    h->record_count++;
    list_remove(&seat->manage->nest_node);
    if (nest->record_count > RECORDS_PER_USER)
        record_drop_first(h, &nest->records, true);
    if (h->record_count > RECORDS_MAX)
        record_drop_first(h, &h->records, false);
}

void hibernate_on_handled(struct seat *seat)
{
    if (seat->record)
        seat->record->h = handled_count(&seat->handled);
}

void hibernate_on_freed(struct seat *seat)
{
    if (seat->record)
        seat->record->seat = NULL;
}

void hibernate_deinit(struct hibernation *h)
{
    while (h->record_count > 0)
        record_drop_first(h, &h->records, false);
    map_free(&h->nests);
}

/* --- seats ------------------------------------------------------------------------------------ */

void hibernate_register(struct seat *seat)
{
    struct nest *nest = nest_get(&seat->c2s->hibernation, span_of(seat->user));
    list_append(&nest->seats, &seat->manage->nest_node);
}

static void on_expired(void *ctx)
{
    seat_end(ctx);
}

static void end_oldest(const struct nest *nest)
{
    LIST_FOR_EACH(node, &nest->seats) {
        struct seat *seat = CONTAINER_OF(node, struct manage, nest_node)->seat;
        if (seat->state == SEAT_HIBERNATING) {
            seat_end(seat);
            return;
        }
    }
}

void hibernate_begin(struct seat *seat)
{
    struct hibernation *h = &seat->c2s->hibernation;
    struct nest *nest = nest_of(seat);
    struct manage *m = seat->manage;
    list_remove(&m->nest_node);
    list_append(&nest->seats, &m->nest_node);
    list_append(&h->resting, &m->rest_node);
    nest->resting_count++;
    h->seat_count++;
    timer_start(&m->timer, seat->c2s->loop, m->max_ms + GRACE_MS, on_expired, seat);
    if (nest->resting_count > (size_t)seat->c2s->conf->hibernating_per_user)
        end_oldest(nest);
}

void hibernate_stop(struct seat *seat)
{
    struct manage *m = seat->manage;
    list_remove(&m->rest_node);
    nest_of(seat)->resting_count--;
    seat->c2s->hibernation.seat_count--;
    timer_stop(&m->timer);
}

struct seat *hibernate_find(const struct client *c, struct span id, uint32_t *h_r,
                            bool *is_known_r)
{
    const struct nest *nest = map_get(&c->c2s->hibernation.nests, span_of(c->user));
    struct seat *found = NULL;
    *is_known_r = false;
    if (!nest)
        return NULL;
    LIST_FOR_EACH(node, &nest->records) {
        const struct hibernate_record *r = CONTAINER_OF(node, struct hibernate_record, node);
        if (crypto_equal(id, span_of(r->id))) {
            *h_r = r->h;
            *is_known_r = true;
        }
    }
    LIST_FOR_EACH(node, &nest->seats) {
        struct seat *seat = CONTAINER_OF(node, struct manage, nest_node)->seat;
        if (crypto_equal(id, span_of(seat->manage->id)) && span_eq(seat->domain, c->domain) &&
            !seat->is_over)
            found = seat;
    }
    return found;
}

void hibernate_end_all(struct c2s *c2s)
{
    const struct list_node *resting = &c2s->hibernation.resting;
    while (!list_is_empty(resting))
        seat_end(CONTAINER_OF(resting->next, struct manage, rest_node)->seat);
}
