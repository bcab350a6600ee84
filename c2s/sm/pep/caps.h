/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * caps - what clients say that they want to hear of (XEP-0115): of each set of features only the
 * nodes whose name + "+notify" is among them (XEP-0060 9.2), remembered by algorithm and hash.
 *
 * A hash is believed when an answer to disco#info has been seen that makes it; until then, and
 * where it never is, what a client answers counts for that client alone.
 */
#ifndef C2S_SM_CAPS_H
#define C2S_SM_CAPS_H

#include "base/buf.h"
#include "base/list.h"
#include "base/map.h"
#include "xml/stanza.h"

#define CAPS_MAX_IDLE 2000   /* known sets that nobody has at the moment */
#define CAPS_MAX_NODES 8192  /* bytes of names in one */
#define CAPS_MAX_VER 128

struct caps {
    struct list_node idle;    /* of caps_cache.idle, while refs is 0 */
    struct list_node waiting; /* whoever waits for it to become known */
    size_t refs;
    bool is_known;
    bool is_asked;
    uint64_t asked_at;
    struct buf nodes; /* names, each ended by LF */
    size_t key_n;     /* 0: of one client only */
    char key[];       /* algorithm LF hash */
};

struct caps_cache {
    struct map sets;       /* key -> struct caps */
    struct list_node idle; /* the oldest first */
    size_t idle_count;
};

void caps_cache_init(struct caps_cache *cache);
void caps_cache_free(struct caps_cache *cache);
/* Each takes a reference. The set of that algorithm and hash, unknown if it is new. */
struct caps *caps_get(struct caps_cache *cache, struct span algorithm, struct span ver);
/* One that is known, and not shared. */
struct caps *caps_private(void);
void caps_put(struct caps_cache *cache, struct caps *caps);

struct span caps_algorithm(const struct caps *caps);
struct span caps_ver(const struct caps *caps);
bool caps_wants(const struct caps *caps, struct span node);

/* The +notify nodes of a disco#info <query/>; what exceeds the bound is left out. */
void caps_read_nodes(const struct stanza *s, uint32_t query, struct buf *nodes);
/* caps_hash.c: the answer makes that hash (XEP-0115 5.4). */
bool caps_is_true(struct stanza *s, uint32_t query, struct span algorithm, struct span ver);

#endif
