/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * hibernate - seats whose client may come back: which a user has, for how long they are kept, and
 * how far those had come that are no more.
 *
 * A user's seats hang on his name, so that an id is only ever compared with his own.
 */
#ifndef C2S_HIBERNATE_H
#define C2S_HIBERNATE_H

#include "base/list.h"
#include "base/map.h"

struct c2s;
struct client;
struct seat;
struct hibernate_record;

struct hibernation {
    struct map nests;         /* localpart -> what a user has */
    struct list_node records; /* oldest first */
    size_t record_count;
    struct list_node resting; /* who hibernates, by struct manage */
    size_t seat_count;
};

void hibernate_init(struct hibernation *h);
void hibernate_deinit(struct hibernation *h);

/* The seat may be resumed, from now until it ends. */
void hibernate_register(struct seat *seat);
/* Its connection is gone: it waits for the next. A user's oldest ends when he has too many. */
void hibernate_begin(struct seat *seat);
/* It is taken again, or is about to end. */
void hibernate_stop(struct seat *seat);
/* It ends: how far it had come is remembered. */
void hibernate_forget(struct seat *seat);
/* More of an ended seat's stanzas are in safe hands; or it is freed. */
void hibernate_on_handled(struct seat *seat);
void hibernate_on_freed(struct seat *seat);

/* The seat of the client's user that has this id; NULL: none. *h_r: of one that has ended, when
 * *is_known_r. */
struct seat *hibernate_find(const struct client *c, struct span id, uint32_t *h_r,
                            bool *is_known_r);
/* All that hibernate end now. */
void hibernate_end_all(struct c2s *c2s);

#endif
