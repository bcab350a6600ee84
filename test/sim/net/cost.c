/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * cost - two rings of servers: in A the contacts of users are at home at the two neighbours of
 * their server, in B anywhere. The same users do the same in networks of 5, 10 and 20 servers, and
 * what the network costs for each message must stay the same.
 *
 * Courses: everybody logs in and befriends his contacts; goes and comes back (presence); writes to
 * each contact once, and again and again.
 */
#include "rings.h"

#include <stdio.h>
#include <stdlib.h>

#define ROUNDS 5 /* of messages to each contact, after the first */

struct cost {
    size_t sites, users;
    bool is_near;
    size_t remote_pairs; /* a server, and a user elsewhere who writes to one of its users or is
                            written to */
    struct meter publish, friends, presence, first, again;
    size_t first_remote, again_remote; /* messages to users elsewhere */
    int records, records_most;
    size_t lost;
};

/* --- who knows whom --------------------------------------------------------------------------- */

static bool knows(const struct person *p, const struct person *other)
{
    for (size_t i = 0; i < p->contact_count; i++)
        if (p->contacts[i] == other)
            return true;
    return p == other;
}

static struct person *candidate(const struct person *p, bool is_near)
{
    size_t sites = ring->site_count, at = p->home->index;
    if (is_near)
        at = (at + (chance_of(50) ? 1 : sites - 1)) % sites;
    else
        at = chance_below(sites);
    return &ring->persons[at * RING_USERS + chance_below(RING_USERS)];
}

static void choose_contacts(bool is_near)
{
    for (size_t i = 0; i < ring->person_count; i++) {
        struct person *p = &ring->persons[i];
        while (p->contact_count < RING_CONTACTS) {
            struct person *other = candidate(p, is_near);
            if (!knows(p, other))
                p->contacts[p->contact_count++] = other;
        }
    }
}

/* --- the course ------------------------------------------------------------------------------- */

static void write_all(size_t *remote)
{
    for (size_t i = 0; i < ring->person_count; i++) {
        struct person *p = &ring->persons[i];
        for (size_t k = 0; k < p->contact_count; k++) {
            person_write(p, p->contacts[k], false);
            *remote += p->contacts[k]->home != p->home;
        }
        ring_pass(20);
    }
    ring_pass(5000);
}

static struct meter since(struct meter *before)
{
    struct meter now = meter, d = now;
    d.gets -= before->gets, d.sets -= before->sets, d.queries -= before->queries;
    d.other_questions -= before->other_questions, d.messages -= before->messages;
    d.presences -= before->presences, d.iqs -= before->iqs, d.bytes -= before->bytes;
    d.words -= before->words, d.dials -= before->dials;
    *before = now;
    return d;
}

static void come_all(void)
{
    for (size_t i = 0; i < ring->person_count; i++)
        person_come(&ring->persons[i]);
    ring_pass(10000);
}

static void go_all(void)
{
    for (size_t i = 0; i < ring->person_count; i++)
        person_go(&ring->persons[i]);
    ring_pass(10000);
}

static void befriend_all(void)
{
    for (size_t i = 0; i < ring->person_count; i++) {
        struct person *p = &ring->persons[i];
        for (size_t k = 0; k < p->contact_count; k++) {
            person_befriend(p, p->contacts[k]);
            ring_pass(20);
        }
    }
    ring_pass(20000);
}

static void count_pairs(struct cost *c)
{
    for (size_t s = 0; s < ring->site_count; s++)
        for (size_t u = 0; u < ring->person_count; u++) {
            const struct person *one = &ring->persons[u];
            bool have_met = false;
            for (size_t i = 0; i < RING_USERS && one->home->index != s; i++) {
                const struct person *other = &ring->persons[s * RING_USERS + i];
                have_met = have_met || knows(other, one) || knows(one, other);
            }
            c->remote_pairs += have_met;
        }
}

static void make_users(void)
{
    for (size_t i = 0; i < ring->site_count * RING_USERS; i++) {
        struct person *p = &ring->persons[ring->person_count];
        person_make(p, ring->person_count++, &ring->sites[i / RING_USERS]);
        site_add_user(p->home, p->user);
    }
    ring_pass(15000);
}

static void measure(struct cost *c)
{
    struct meter before;
    for (size_t i = 0; i < ring->site_count; i++)
        site_start(&ring->sites[i]);
    sites_tell();
    ring_pass(15000);
    before = meter;
    make_users();
    c->publish = since(&before);
    choose_contacts(c->is_near);
    count_pairs(c);
    come_all();
    before = meter;
    write_all(&c->first_remote);
    c->first = since(&before);
    for (int i = 0; i < ROUNDS; i++)
        write_all(&c->again_remote);
    c->again = since(&before);
    befriend_all();
    c->friends = since(&before);
    go_all();
    come_all();
    c->presence = since(&before);
}

static void look(struct cost *c)
{
    struct ledger_figures f = ledger_figures();
    c->lost = f.sent - f.received;
    for (size_t i = 0; i < ring->site_count; i++) {
        int n = site_records(&ring->sites[i]);
        c->records += n;
        c->records_most = n > c->records_most ? n : c->records_most;
    }
}

static struct cost run(size_t sites, bool is_near, enum rule *broken_r)
{
    static struct ring r;
    struct cost c = {.sites = sites, .users = sites * RING_USERS, .is_near = is_near};
    chance_seed(sites);
    meter_clear();
    ring_open(&r, sites, sites);
    measure(&c);
    look(&c);
    if (r.broken)
        printf("# %zu servers: %s: %s\n", sites, rule_name(r.broken), r.why);
    *broken_r = r.broken;
    if (!r.broken)
        ring_close(&r);
    return c;
}

/* --- what must be true of it ------------------------------------------------------------------ */

static bool is_met(bool is_true, const struct cost *c, const char *what)
{
    if (!is_true)
        printf("not ok ring %s of %zu servers: %s\n", c->is_near ? "A" : "B", c->sites, what);
    return is_true;
}

static bool check_one(const struct cost *c)
{
    bool is_good = is_met(c->lost == 0, c, "messages are lost");
    is_good &=
        is_met(c->first.gets <= c->remote_pairs, c, "a first contact takes more than a question");
    is_good &= is_met(c->again.gets == 0, c, "what is known is asked again");
    is_good &=
        is_met(c->again.messages == c->again_remote, c, "a message crosses a link more than once");
    is_good &= is_met(c->publish.sets <= 2 * c->users, c, "the directory is told too often");
    is_good &= is_met(c->records > 0 && (size_t)c->records <= 3 * c->users, c,
                      "a home is recorded in more than three places");
    is_good &= is_met(c->records_most <= 6 * RING_USERS, c, "a server has far more than its share");
    return is_good;
}

static double ratio(uint64_t a, size_t b)
{
    return b > 0 ? (double)a / (double)b : 0;
}

/* The network of many servers against that of few. */
static bool check_growth(const struct cost *few, const struct cost *many)
{
    double bytes =
        ratio(many->again.bytes, many->again_remote) / ratio(few->again.bytes, few->again_remote);
    double presence =
        ratio(many->presence.presences, many->users) / ratio(few->presence.presences, few->users);
    bool is_good = is_met(bytes < 1.3, many, "bytes of a message grow with the network");
    is_good &= is_met(presence < 1.5, many, "presence of a user grows with the network");
    return is_good;
}

/* --- the table -------------------------------------------------------------------------------- */

static void print_head(void)
{
    puts("# | ring | servers | users | look-ups at a first contact | look-ups of a later message | "
         "stanzas on links of a message | bytes on links of a message | "
         "presence on links of a login | questions to tell of a user | records at one server |\n"
         "# |---|---|---|---|---|---|---|---|---|---|");
}

static void print_row(const struct cost *c)
{
    printf("# | %s | %zu | %zu | %.2f | %.2f | %.2f | %.0f | %.1f | %.2f | %d |\n",
           c->is_near ? "A" : "B", c->sites, c->users, ratio(c->first.gets, c->remote_pairs),
           ratio(c->again.gets, c->again_remote), ratio(c->again.messages, c->again_remote),
           ratio(c->again.bytes, c->again_remote), ratio(c->presence.presences, c->users),
           ratio(c->publish.sets, c->users), c->records_most);
}

bool cost_run(bool is_whole)
{
    static const size_t sizes[] = {5, 10, 20};
    bool is_good = true;
    print_head();
    for (int near = 1; near >= 0; near--) {
        struct cost c[ARRAY_LEN(sizes)];
        bool is_ring_good = true;
        for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
            enum rule broken = RULE_NONE;
            if (!is_whole && i == 1)
                continue;
            c[i] = run(sizes[i], near, &broken);
            print_row(&c[i]);
            is_ring_good = check_one(&c[i]) && !broken && is_ring_good;
        }
        is_ring_good = check_growth(&c[0], &c[ARRAY_LEN(sizes) - 1]) && is_ring_good;
        printf("%sok ring %s costs the same with 5 and with 20 servers\n",
               is_ring_good ? "" : "not ", near ? "A" : "B");
        is_good = is_good && is_ring_good;
    }
    return is_good;
}
