/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * day - the course of one seed: a small network, whose users chat while links break, servers stop
 * and are killed, users move and servers join. Then all is mended, everybody comes, and what has
 * been accepted must have come; everybody is found where he is at home.
 */
#include "rings.h"

#include "base/mem.h"
#include "tls/crypto.h"
#include "xml/parser.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define JOIN_MS 120000  /* to mend everything */
#define QUIET_MS 300000 /* to bring what waits */

enum fault {
    FAULT_BREAK,
    FAULT_CUT,
    FAULT_HOLE,
    FAULT_STOP,
    FAULT_KILL,
    FAULT_MOVE,
    FAULT_CLIENT,
    FAULTS,
};

struct ring *ring;

/* --- a ring of servers ------------------------------------------------------------------------ */

void ring_open(struct ring *r, uint64_t seed, size_t sites)
{
    *r = (struct ring){.seed = seed, .site_count = sites, .link_delay = 20};
    ring = r;
    crypto_init();
    crypto_simulate(seed + 1);
    r->loop = loop_new_sim();
    snprintf(r->folder, sizeof r->folder, "/tmp/rings-XXXXXX");
    if (!mkdtemp(r->folder))
        abort();
    for (size_t i = 0; i < sites; i++)
        site_make(&r->sites[i], i);
}

void ring_close(struct ring *r)
{
    for (size_t i = 0; i < r->person_count; i++)
        person_drop(&r->persons[i]);
    for (size_t i = 0; i < r->site_count; i++)
        person_drop(&r->gates[i]);
    loop_sim_settle(r->loop);
    for (size_t i = 0; i < r->site_count; i++) {
        site_stop(&r->sites[i], false);
        site_drop(&r->sites[i]);
    }
    loop_free(&r->loop);
    rmdir(r->folder);
    links_clear();
    ledger_clear();
    xml_parser_shared_free();
    crypto_simulate(0);
    ring = NULL;
}

void ring_pass(uint64_t ms)
{
    loop_sim_advance(ring->loop, ms);
}

/* --- setting up ------------------------------------------------------------------------------- */

static unsigned faults;
static size_t first_count; /* servers at the beginning; perhaps another one joins */
static size_t told;        /* of a server that joins: so many have heard */

static void make_world(struct ring *r)
{
    size_t users = (size_t)chance_between(2, 3);
    r->link_delay = chance_of(50) ? 5 : 80;
    bool is_late = chance_of(50); /* the last one joins later; nobody is at home there yet */
    first_count = r->site_count - is_late;
    told = is_late ? 0 : r->site_count;
    r->sites[r->site_count - 1].is_member = !is_late;
    for (size_t i = 0; i < first_count; i++)
        site_start(&r->sites[i]);
    sites_tell();
    ring_pass(5000);
    for (size_t i = 0; i < first_count * users; i++) {
        struct person *p = &r->persons[r->person_count];
        person_make(p, r->person_count++, &r->sites[i % first_count]);
        site_add_user(p->home, p->user);
    }
    for (size_t i = 0; i < r->site_count; i++) {
        gate_make(&r->gates[i], &r->sites[i]);
        if (i < first_count)
            gate_come(&r->gates[i]);
    }
    ring_pass(5000);
}

static struct person *anybody(void)
{
    return &ring->persons[chance_below(ring->person_count)];
}

static struct site *any_site(void)
{
    return &ring->sites[chance_below(ring->site_count)];
}

/* --- what happens ----------------------------------------------------------------------------- */

/* Of the servers that were there from the beginning: of others not everybody knows at once. */
static struct person *any_gate(void)
{
    return &ring->gates[chance_below(first_count)];
}

static void chat(void)
{
    struct person *p = anybody(), *to = anybody();
    uint64_t count = chance_between(1, 4);
    bool by_host = !to->has_moved && chance_of(30);
    struct person *gate = chance_of(20) ? any_gate() : NULL;
    bool is_from_gate = gate && chance_of(60);
    if (p == to)
        return;
    for (uint64_t i = 0; i < count; i++) {
        if (is_from_gate)
            gate_write(gate, to, by_host);
        else
            person_write(p, gate ? gate : to, by_host);
    }
}

/* He registers at another server, and is at home there from now on. */
static void move(void)
{
    struct person *p = anybody();
    struct site *to = any_site();
    if (to == p->home || !site_is_up(to) || !to->is_member || p->has_moved)
        return;
    ring_trace("%s moves from %s to %s", p->user, p->home->host, to->host);
    p->has_moved = true;
    person_break(p);
    p->home = to;
    site_add_user(to, p->user);
}

static void fail(void)
{
    struct site *a = any_site(), *b = any_site();
    enum fault fault = (enum fault)chance_below(FAULTS);
    if (!(faults & 1u << fault))
        return;
    ring->has_failed = true;
    switch (fault) {
    case FAULT_BREAK:
        ring_trace("links of %s and %s break", a->host, b->host);
        links_break(a, b);
        break;
    case FAULT_CUT:
    case FAULT_HOLE:
        if (a == b)
            break;
        ring_trace("%s and %s are %s", a->host, b->host, a->is_cut[b->index] ? "joined" : "cut");
        links_cut(a, b, !a->is_cut[b->index], fault == FAULT_HOLE);
        break;
    case FAULT_STOP:
    case FAULT_KILL:
        if (site_is_up(a))
            site_stop(a, fault == FAULT_KILL);
        else if (a->is_member)
            site_start(a);
        break;
    case FAULT_MOVE:
        move();
        break;
    default:
        person_break(anybody());
    }
}

/* --- a server joins: first all the others hear of it, one after the other -------------------- */

static void join_on(void)
{
    struct site *last = &ring->sites[ring->site_count - 1];
    if (!last->is_member) {
        ring_trace("%s joins", last->host);
        last->is_member = true;
        site_start(last);
        gate_come(&ring->gates[last->index]);
    }
    site_tell(&ring->sites[told++]);
}

static bool is_joining(void)
{
    return told < ring->site_count;
}

static void live(uint64_t ms)
{
    uint64_t end = loop_now(ring->loop) + ms;
    while (loop_now(ring->loop) < end && !ring->broken) {
        ring_pass(chance_between(1, 300));
        if (chance_of(80))
            chat();
        if (faults && chance_of(15))
            fail();
        if (is_joining() && chance_of(told > 0 ? 30 : 5))
            join_on();
        for (int i = 0; i < 6 && told > 0 && is_joining(); i++)
            chat(); /* who does not yet know asks now */
    }
}

static void mend(void)
{
    while (is_joining())
        join_on();
    for (size_t i = 0; i < ring->site_count; i++)
        for (size_t k = 0; k < i; k++)
            links_cut(&ring->sites[i], &ring->sites[k], false, false);
    for (size_t i = 0; i < ring->site_count; i++)
        site_start(&ring->sites[i]);
}

/* --- looking ---------------------------------------------------------------------------------- */

static bool is_everybody_on(void)
{
    for (size_t i = 0; i < ring->person_count; i++)
        if (ring->persons[i].state != PERSON_ON)
            return false;
    return true;
}

static void gather(void)
{
    uint64_t end = loop_now(ring->loop) + JOIN_MS;
    for (size_t i = 0; i < ring->person_count; i++)
        person_come(&ring->persons[i]);
    while (loop_now(ring->loop) < end && !ring->broken && !is_everybody_on())
        ring_pass(500);
    for (size_t i = 0; i < ring->person_count && !ring->broken; i++)
        if (ring->persons[i].state != PERSON_ON)
            ring_breach(RULE_STUCK, "%s is in state %d for ever", ring->persons[i].user,
                        ring->persons[i].state);
}

struct look {
    const struct person *person;
    const struct site *site;
    bool is_answered;
};

static void on_found(void *ctx, const char *host)
{
    struct look *l = ctx;
    l->is_answered = true;
    if (strcmp(host, l->person->home->host) != 0)
        ring_breach(RULE_HOME, "%s finds %s at '%s', not at %s", l->site->host, l->person->user,
                    host, l->person->home->host);
}

static void settle(void)
{
    uint64_t end = loop_now(ring->loop) + QUIET_MS;
    while (loop_now(ring->loop) < end && !ring->broken && ledger_open() > 0)
        ring_pass(1000);
    if (!ring->broken)
        ledger_check();
}

/* Whoever remembers a former home learns the new one when he writes there. */
static void write_to_moved(void)
{
    for (size_t k = 0; k < ring->person_count; k++)
        for (size_t i = 0; i < ring->person_count && ring->persons[k].has_moved; i++)
            if (i != k)
                person_write(&ring->persons[i], &ring->persons[k], false);
    settle();
    ring_pass(5000);
}

static bool has_writers(const struct site *s)
{
    for (size_t i = 0; i < ring->person_count; i++)
        if (ring->persons[i].home == s)
            return true;
    return false;
}

/* Everybody is found by everybody. */
static void look_at_homes(void)
{
    static struct look looks[RING_SITES * RING_PERSONS];
    size_t n = 0;
    for (size_t i = 0; i < ring->site_count; i++)
        for (size_t k = 0; k < ring->person_count; k++) {
            if (ring->persons[k].has_moved && !has_writers(&ring->sites[i]))
                continue;
            struct look *l = &looks[n++];
            *l = (struct look){&ring->persons[k], &ring->sites[i], false};
            site_find(&ring->sites[i], ring->persons[k].user, on_found, l);
        }
    ring_pass(20000);
    for (size_t i = 0; i < n && !ring->broken; i++)
        if (!looks[i].is_answered)
            ring_breach(RULE_HOME, "%s is not told where %s is", looks[i].site->host,
                        looks[i].person->user);
}

/* Where nothing fails, one question tells where a user is at home, once for each server. */
static void look_at_cost(void)
{
    if (told == ring->site_count && meter.gets > ring->asked_count)
        ring_breach(RULE_COST, "%zu questions to find %zu users", (size_t)meter.gets,
                    ring->asked_count);
}

static void run(void)
{
    meter_clear();
    make_world(ring);
    gather();
    if (!ring->broken)
        live(chance_between(5000, 25000));
    if (ring->broken)
        return;
    if (faults == 0)
        look_at_cost();
    mend();
    ring_pass(70000); /* the longest pause before a link is dialled again */
    gather();
    settle();
    if (!ring->broken)
        write_to_moved();
    if (!ring->broken)
        look_at_homes();
}

void day_run(uint64_t seed, enum rule *broken_r, char *why_r)
{
    static struct ring r;
    chance_seed(seed);
    size_t sites = (size_t)chance_between(3, 5);
    ring_open(&r, seed, sites);
    faults = seed % 3 == 0 ? 0 : (unsigned)chance_below(1u << FAULTS);
    run();
    *broken_r = r.broken;
    memcpy(why_r, r.why, sizeof r.why);
    if (!r.broken) /* else it may not let itself be ended in order */
        ring_close(&r);
}
