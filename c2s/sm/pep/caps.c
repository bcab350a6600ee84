/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * caps - the cache of sets of features: see caps.h. Called by interest.c; nothing here knows who
 * has a set.
 */
#include "c2s/sm/pep/caps.h"

#include "base/mem.h"
#include "xmpp/ns.h"

#include <stdlib.h>

static const struct span notify = SPAN_INIT("+notify");

void caps_cache_init(struct caps_cache *cache)
{
    *cache = (struct caps_cache){0};
    list_init(&cache->idle);
}

static struct caps *caps_new(size_t key_n)
{
    struct caps *caps = mem_zalloc(sizeof(*caps) + key_n);

    caps->key_n = key_n;
    caps->nodes.max = CAPS_MAX_NODES;
    list_init(&caps->idle);
    list_init(&caps->waiting);
    return caps;
}

static struct span key_of(const struct caps *caps)
{
    return span_make(caps->key, caps->key_n);
}

static void destroy(struct caps_cache *cache, struct caps *caps)
{
    if (caps->key_n > 0)
        map_remove(&cache->sets, key_of(caps));
    buf_free(&caps->nodes);
    free(caps);
}

void caps_cache_free(struct caps_cache *cache)
{
    struct caps *caps;
    size_t cursor = 0;

    while ((caps = map_next(&cache->sets, &cursor)) != NULL)
        destroy(cache, caps);
    map_free(&cache->sets);
}

struct caps *caps_get(struct caps_cache *cache, struct span algorithm, struct span ver)
{
    char key[2 * CAPS_MAX_VER + 1];
    const size_t n = algorithm.n + 1 + ver.n;
    struct caps *caps;

    if (algorithm.n > CAPS_MAX_VER || ver.n > CAPS_MAX_VER)
        return caps_private();
    memcpy(key, algorithm.p, algorithm.n);
    key[algorithm.n] = '\n';
    memcpy(key + algorithm.n + 1, ver.p, ver.n);
    caps = map_get(&cache->sets, span_make(key, n));
    if (!caps) {
        caps = caps_new(n);
        memcpy(caps->key, key, n);
        map_put(&cache->sets, key_of(caps), caps);
    } else if (caps->refs == 0) {
        list_remove(&caps->idle);
        cache->idle_count--;
    }
    caps->refs++;
    return caps;
}

struct caps *caps_private(void)
{
    struct caps *caps = caps_new(0);

    caps->refs = 1;
    caps->is_known = true;
    return caps;
}

/* A known set is kept for the next client that has it; of many, the one idle for longest goes. */
void caps_put(struct caps_cache *cache, struct caps *caps)
{
    if (--caps->refs > 0)
        return;
    if (!caps->is_known || caps->key_n == 0) {
        destroy(cache, caps);
        return;
    }
    list_append(&cache->idle, &caps->idle);
    if (++cache->idle_count <= CAPS_MAX_IDLE)
        return;
    caps = CONTAINER_OF(cache->idle.next, struct caps, idle);
    list_remove(&caps->idle);
    cache->idle_count--;
    destroy(cache, caps);
}

struct span caps_algorithm(const struct caps *caps)
{
    return span_make(caps->key, span_index(key_of(caps), '\n'));
}

struct span caps_ver(const struct caps *caps)
{
    size_t n = span_index(key_of(caps), '\n');

    return n < caps->key_n ? span_from(key_of(caps), n + 1) : SPAN("");
}

bool caps_wants(const struct caps *caps, struct span node)
{
    for (struct span rest = buf_span(&caps->nodes); rest.n > 0;) {
        size_t n = span_index(rest, '\n');
        if (span_eq(span_make(rest.p, n), node))
            return true;
        rest = span_from(rest, n + 1);
    }
    return false;
}

void caps_read_nodes(const struct stanza *s, uint32_t query, struct buf *nodes)
{
    for (uint32_t f = stanza_child(s, query, SPAN(NS_DISCO_INFO), SPAN("feature")); f;
         f = stanza_next(s, f, SPAN(NS_DISCO_INFO), SPAN("feature"))) {
        struct span var = stanza_attr(s, f, SPAN("var"));
        if (!span_ends(var, notify) || var.n == notify.n || span_index(var, '\n') < var.n ||
            buf_len(nodes) + var.n > CAPS_MAX_NODES)
            continue;
        buf_append(nodes, span_make(var.p, var.n - notify.n));
        buf_append_char(nodes, '\n');
    }
}
