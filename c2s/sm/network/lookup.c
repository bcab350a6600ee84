/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * lookup - finding out where a user is at home: one look-up a user, however many want to know.
 *
 *   LOCAL      the store here (lookup_local.c)
 *   DIRECTORY  the servers where his home is recorded, one after the other (c2s/NETWORK.md)
 *   VERIFYING  one of them has told of a third server: whether that has signed it
 *   PROBE      all members at once: his home itself answers
 *
 * What a member says is believed about its own users; about others, what their home has signed. A
 * directory that has heard of all users of all members can say that there is nobody of that name;
 * the probe can when everyone has answered.
 *
 * Owned by sm->net; a look-up ends by telling all who wait for it, or without a word at sm_free.
 */
#include "c2s/sm/network/resolver.h"

#include <stdlib.h>

#define MAX_LOOKUPS 10000
#define MAX_WAITERS 100000
/* How long the others are waited for when one has said that he is at home there: longer only if he
 * registers at two places at once. */
#define PROBE_MORE_MS 500
#define ROOM_FOR_DIRECTORIES 5000 /* questions that probes leave to them */

enum lookup_state { LOOKUP_LOCAL, LOOKUP_DIRECTORY, LOOKUP_VERIFYING, LOOKUP_PROBE };
static const char *const state_names[] = {
    [LOOKUP_LOCAL] = "local",
    [LOOKUP_DIRECTORY] = "directory",
    [LOOKUP_VERIFYING] = "verifying",
    [LOOKUP_PROBE] = "probe",
};

struct waiter {
    struct list_node node;
    void (*call)(void *ctx, const struct sm_home *home);
    void *ctx;
};

/* A question of a look-up to one server. */
struct ask {
    struct lookup *lookup;
    struct sm_question *question; /* NULL: none under way */
    struct span host;             /* kept by the cache */
};

struct lookup {
    struct sm *sm;
    enum lookup_state state;
    struct list_node waiters;
    struct ask directory;
    size_t tried;       /* of the directory's servers */
    struct ask *probes; /* NULL: not yet */
    size_t probe_count, open, unheard;
    struct timer more;
    struct sm_home found; /* host kept by the cache */
    bool is_outdated;
    size_t n;
    char user[];
};

struct sm_lookups {
    struct map by_user;
    size_t waiter_count;
};

static struct span user_of(const struct lookup *l)
{
    return span_make(l->user, l->n);
}

static void stop(struct lookup *l)
{
    timer_stop(&l->more);
    sm_question_drop(&l->directory.question);
    for (size_t i = 0; i < l->probe_count; i++)
        sm_question_drop(&l->probes[i].question);
}

static void lookup_free(struct lookup *l)
{
    stop(l);
    while (!list_is_empty(&l->waiters)) {
        struct waiter *w = CONTAINER_OF(l->waiters.next, struct waiter, node);
        list_remove(&w->node);
        free(w);
    }
    free(l->probes);
    free(l);
}

/* --- the end of one --- */

static const char *const kind_names[] = {
    [SM_HOME_UNKNOWN] = "unknown",
    [SM_HOME_HERE] = "here",
    [SM_HOME_AT] = "at",
    [SM_HOME_NOBODY] = "nobody",
    [SM_HOME_UNREACHABLE] = "unreachable",
};

/* Those who wait may ask for the same user again: the look-up is out of the table by then. */
static void tell(struct lookup *l, const struct sm_home *home)
{
    struct sm *sm = l->sm;

    sm_hold(sm);
    while (!sm->is_closed && !list_is_empty(&l->waiters)) {
        struct waiter *w = CONTAINER_OF(l->waiters.next, struct waiter, node);
        struct waiter told = *w;
        list_remove(&w->node);
        free(w);
        sm->net->lookups->waiter_count--;
        told.call(told.ctx, home);
    }
    lookup_free(l);
    sm_unhold(sm);
}

static void end(struct lookup *l, enum sm_home_kind kind)
{
    struct sm *sm = l->sm;
    struct sm_home home = {.kind = kind};

    if (kind == SM_HOME_AT && !sm_is_member(sm, l->found.host))
        kind = SM_HOME_UNREACHABLE; /* the table has changed meanwhile */
    if (kind == SM_HOME_AT || kind == SM_HOME_HERE)
        home = l->found;
    home.kind = kind;
    map_remove(&sm->net->lookups->by_user, user_of(l));
    stop(l);
    if (!l->is_outdated)
        home = sm_cache_settle(sm, user_of(l), &home);
    LOG(LOG_DEBUG, "network.home", F_SPAN("user", user_of(l)), F_STR("kind", kind_names[home.kind]),
        F_SPAN("peer", home.host), F_STR("by", state_names[l->state]),
        F_INT("unheard", l->unheard));
    tell(l, &home);
}

/* --- records --- */

/* One of the user that may be believed if its source may be. Of ourselves we know. */
static bool is_usable(const struct lookup *l, const struct sm_home_record *r)
{
    return r->stamp > 0 && r->stamp <= loop_wall(l->sm->loop) + HOME_AHEAD_MS &&
           servers_has_other(l->sm->net->servers, r->host);
}

static void keep(struct lookup *l, const struct sm_home_record *r)
{
    l->found.host = sm_cache_host(l->sm, r->host);
    l->found.stamp = r->stamp;
}

/* Who has not answered a moment ago is not waited for. */
static bool can_be_asked(const struct sm *sm, const struct server *s)
{
    return !s->is_self && sm_member_is_reachable(sm, s->host) && !sm_member_is_silent(sm, s->host);
}

static bool ask(struct ask *a, uint64_t deadline,
                void (*answer)(void *ctx, enum stanza_error e, const struct stanza *result,
                               uint32_t payload))
{
    struct buf text = {0};

    xml_raw(&text, SPAN("<home xmlns='" NS_NETWORK "'"));
    xml_attr(&text, "user", user_of(a->lookup));
    xml_raw(&text, SPAN("/>"));
    a->question =
        sm_question_ask(a->lookup->sm, a->host, false, buf_span(&text), deadline, answer, a);
    buf_free(&text);
    return a->question != NULL;
}

/* --- PROBE --- */

static void probe_look(struct lookup *l)
{
    if (l->open > 0)
        return;
    if (!span_is_none(l->found.host))
        end(l, SM_HOME_AT);
    else
        end(l, l->unheard > 0 ? SM_HOME_UNREACHABLE : SM_HOME_NOBODY);
}

static void on_probe_enough(void *ctx)
{
    struct lookup *l = ctx;

    l->unheard += l->open;
    l->open = 0;
    probe_look(l);
}

/* Whether it is an answer at all. One who is there by a clock that is wrong is not nobody. */
static bool probe_read(struct ask *a, const struct stanza *result, uint32_t payload)
{
    struct lookup *l = a->lookup;
    struct buf scratch = {0};
    struct sm_home_record r;

    if (!payload || !stanza_is(result, payload, SPAN(NS_NETWORK), SPAN("home")) ||
        !span_eq(stanza_attr(result, payload, SPAN("user")), user_of(l)))
        return false;
    const bool is_its = sm_record_read(result, payload, &r, &scratch) && span_eq(r.host, a->host);
    const bool counts = is_its && is_usable(l, &r);
    if (counts && r.stamp > l->found.stamp) {
        keep(l, &r);
        if (!timer_is_running(&l->more))
            timer_start(&l->more, l->sm->loop, PROBE_MORE_MS, on_probe_enough, l);
    }
    buf_free(&scratch);
    return counts || !is_its;
}

static void on_probe_answer(void *ctx, enum stanza_error e, const struct stanza *result,
                            uint32_t payload)
{
    struct ask *a = ctx;
    struct lookup *l = a->lookup;

    a->question = NULL;
    l->open--;
    if (e || !probe_read(a, result, payload))
        l->unheard++;
    probe_look(l);
}

static void probe(struct lookup *l)
{
    struct sm *sm = l->sm;
    const struct servers *servers = sm->net->servers;
    const size_t others = servers_members(servers) - 1;
    const bool has_room = sm_question_room(sm) >= ROOM_FOR_DIRECTORIES + others;

    l->state = LOOKUP_PROBE;
    l->found = (struct sm_home){.kind = SM_HOME_AT};
    sm->net->counts.probed++;
    l->probes = mem_zalloc(others * sizeof(*l->probes) + 1);
    for (size_t i = 0; i < servers_count(servers) && l->probe_count < others; i++) {
        const struct server *s = servers_at(servers, i);
        if (s->is_self || !s->is_enabled)
            continue;
        struct ask *a = &l->probes[l->probe_count++];
        a->lookup = l;
        a->host = sm_cache_host(sm, s->host);
        if (has_room && can_be_asked(sm, s) && ask(a, sm->opts.net.probe_deadline, on_probe_answer))
            l->open++;
        else
            l->unheard++;
    }
    probe_look(l);
}

/* --- DIRECTORY --- */

static void directory_next(struct lookup *l);

static void on_verified(void *ctx, bool is_good)
{
    struct lookup *l = ctx;

    if (l->sm->is_closed)
        return; /* all of them end */
    if (is_good)
        end(l, SM_HOME_AT);
    else
        directory_next(l);
}

static void on_directory_answer(void *ctx, enum stanza_error e, const struct stanza *result,
                                uint32_t payload)
{
    struct lookup *l = ((struct ask *)ctx)->lookup;
    struct buf scratch = {0};
    struct sm_home_record r;

    l->directory.question = NULL;
    if (e || !payload || !stanza_is(result, payload, SPAN(NS_NETWORK), SPAN("home")) ||
        !span_eq(stanza_attr(result, payload, SPAN("user")), user_of(l))) {
        directory_next(l);
    } else if (!sm_record_read(result, payload, &r, &scratch)) {
        if (span_eq(stanza_attr(result, payload, SPAN("complete")), SPAN("true")))
            end(l, SM_HOME_NOBODY);
        else
            directory_next(l);
    } else if (!is_usable(l, &r)) {
        directory_next(l);
    } else {
        keep(l, &r);
        if (span_eq(r.host, l->directory.host)) {
            end(l, SM_HOME_AT);
        } else {
            l->state = LOOKUP_VERIFYING;
            sm_record_verify(l->sm, &r, on_verified, l);
        }
    }
    buf_free(&scratch);
}

static void directory_next(struct lookup *l)
{
    struct sm *sm = l->sm;
    const struct server *servers[SERVERS_DIRECTORY];
    const size_t count = servers_directory(sm->net->servers, user_of(l), servers);

    l->state = LOOKUP_DIRECTORY;
    while (l->tried < count) {
        const struct server *s = servers[l->tried++];
        if (!can_be_asked(sm, s))
            continue;
        l->directory = (struct ask){.lookup = l, .host = sm_cache_host(sm, s->host)};
        if (ask(&l->directory, sm->opts.net.deadline, on_directory_answer)) {
            sm->net->counts.asked++;
            return;
        }
    }
    probe(l);
}

/* --- LOCAL --- */

static void on_local(void *ctx, const struct sm_home *home)
{
    struct lookup *l = ctx;

    if (home->kind == SM_HOME_UNKNOWN ||
        (home->kind == SM_HOME_AT && !sm_is_member(l->sm, home->host))) {
        directory_next(l);
        return;
    }
    l->found = *home;
    if (home->kind == SM_HOME_AT)
        l->found.host = sm_cache_host(l->sm, home->host);
    end(l, home->kind);
}

/* --- asking for one --- */

static struct lookup *lookup_begin(struct sm *sm, struct span user)
{
    struct lookup *l = mem_zalloc(sizeof(*l) + user.n);

    l->sm = sm;
    l->n = user.n;
    memcpy(l->user, user.p, user.n);
    list_init(&l->waiters);
    if (!sm_lookup_local(sm, user, on_local, l)) {
        free(l);
        return NULL;
    }
    map_put(&sm->net->lookups->by_user, user_of(l), l);
    return l;
}

bool sm_home_ask(struct sm *sm, struct span localpart,
                 void (*call)(void *ctx, const struct sm_home *home), void *ctx)
{
    struct sm_lookups *all;
    struct lookup *l;
    struct waiter *w;

    if (!sm_has_network(sm))
        return false;
    if (!sm->net->lookups)
        sm->net->lookups = mem_zalloc(sizeof(*sm->net->lookups));
    all = sm->net->lookups;
    l = map_get(&all->by_user, localpart);
    if (all->waiter_count >= MAX_WAITERS || (!l && all->by_user.count >= MAX_LOOKUPS))
        return false;
    if (!l && !(l = lookup_begin(sm, localpart)))
        return false;
    w = mem_alloc(sizeof(*w));
    w->call = call;
    w->ctx = ctx;
    list_append(&l->waiters, &w->node);
    all->waiter_count++;
    return true;
}

void sm_lookup_outdate(struct sm *sm, struct span localpart)
{
    struct lookup *l = sm->net->lookups ? map_get(&sm->net->lookups->by_user, localpart) : NULL;

    if (l)
        l->is_outdated = true;
}

void sm_lookups_close(struct sm *sm)
{
    struct lookup *l;
    size_t cursor = 0;

    if (!sm->net->lookups)
        return;
    while ((l = map_next(&sm->net->lookups->by_user, &cursor)) != NULL)
        lookup_free(l);
    map_free(&sm->net->lookups->by_user);
    free(sm->net->lookups);
    sm->net->lookups = NULL;
}
