/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * rings - what the files of the network's simulation share: up to 20 whole servers (router, c2s,
 * net) of one network in this process on one simulated loop, the persons at home there, and what
 * must be true of what they say to each other.
 *
 *   main.c     seeds, plants, tables           person.c   a client: logs in, has contacts, chats
 *   day.c      the course of one seed          ledger.c   messages, and what must be true of them
 *   cost.c     the two rings, and their table  meter.c    what the links carry, and questions
 *   site.c     one server: router and c2s        wraps.c    where the code under test is looked at
 *   links.c    its net, and who reaches whom   plants.c   bugs that are planted
 *   gate.c     a component of a server
 *
 * All that is left to chance comes from the seed.
 */
#ifndef TEST_RINGS_H
#define TEST_RINGS_H

#include "base/buf.h"
#include "base/conn.h"
#include "base/loop.h"
#include "test/sim/seeds.h"
#include "test/sim/words.h"

#define RING_NETWORK "ring.example"
#define RING_SITES 20
#define RING_USERS 8 /* of one server */
#define RING_PERSONS (RING_SITES * RING_USERS)
#define RING_CONTACTS 4
#define RING_PASSWORD "secret"
#define RING_GATE_SECRET "third-party"

/* --- what is found ---------------------------------------------------------------------------- */

/*
 * loss       what a server has acknowledged comes, or comes back
 * duplicate  where nothing fails, it comes once
 * order      where nothing fails, one's messages to another come in their order
 * stranger   only the addressee hears it
 * address    each sees the addresses of the domain to which he has opened his stream
 * refusal    where nothing fails, nothing is refused
 * home       once things have settled, everybody finds each user where he is at home
 * cost       questions and stanzas on links are as few as promised
 * stuck      whoever wants in gets in
 */
#define RULES(X)                                                                                   \
    X(LOSS, "loss")                                                                                \
    X(DUPLICATE, "duplicate")                                                                      \
    X(ORDER, "order")                                                                              \
    X(STRANGER, "stranger")                                                                        \
    X(ADDRESS, "address")                                                                          \
    X(REFUSAL, "refusal")                                                                          \
    X(HOME, "home")                                                                                \
    X(COST, "cost")                                                                                \
    X(STUCK, "stuck")

enum rule {
    RULE_NONE,
#define X(name, text) RULE_##name,
    RULES(X)
#undef X
};
const char *rule_name(enum rule rule);

/* Bugs that are planted, one at a time, to see that they are found: plants.c. */
#define PLANTS(X)                                                                                  \
    X(SURE, "a directory that is sure too early that there is nobody", REFUSAL)                    \
    X(STALE, "a record that a newer one does not replace", HOME)                                   \
    X(FORGET, "a queue that forgets what was not acknowledged", LOSS)                              \
    X(TWICE, "a link that hands over what comes twice", DUPLICATE)                                 \
    X(UNCACHED, "answers that are not kept", COST)                                                 \
    X(UNSEEN, "users of whom the directory is not told", REFUSAL)                                  \
    X(RAW, "addresses as they are inside", ADDRESS)                                                \
    X(NEGLECT, "a message that does not wait for the look-up", LOSS)                               \
    X(GONE, "a former home that says nothing", LOSS)

enum plant {
    PLANT_NONE,
#define X(name, text, rule) PLANT_##name,
    PLANTS(X)
#undef X
    PLANT_END
};
extern enum plant planted;

/* The first breach of a rule is the seed's; later ones are only traced. */
void ring_breach(enum rule rule, const char *format, ...) __attribute__((format(printf, 2, 3)));
void ring_trace(const char *format, ...) __attribute__((format(printf, 1, 2)));
extern bool ring_is_traced;

/* --- servers ---------------------------------------------------------------------------------- */

struct c2s;
struct net;
struct router;

struct site {
    size_t index;
    char host[32], fingerprint[41], folder[64], table[96];
    char c2s_name[24], net_name[24];
    bool is_member; /* in the table of the others */
    struct span stores[2]; /* names of the databases of c2s and net: see wraps.c */
    void *keepers[2];      /* they live as long as these */
    struct router *router; /* NULL: it is not running; nor are these */
    struct c2s *c2s;
    struct net *net; /* NULL: not running */
    void *router_conf, *c2s_conf, *net_conf;
    struct resolver *resolver;
    void *c2s_daemon, *net_daemon;
    struct conn *c2s_link, *net_link; /* to its router; valid while they are there */
    bool is_cut[RING_SITES];        /* nobody gets through from here to there */
};

void site_make(struct site *s, size_t index); /* the settings; not started */
void site_drop(struct site *s);
void site_start(struct site *s);
void site_stop(struct site *s, bool is_killed);
bool site_is_up(const struct site *s);
void site_add_user(struct site *s, const char *user);
/* Its c2s takes a client. False: it is not running. */
bool site_take_client(struct site *s, struct conn *conn);
/* Writes its table of all that are members, and has it read that, when it is running. */
void site_tell(struct site *s);
void sites_tell(void);
/* Where the server thinks that he is at home, from what it can learn now; the answer later. */
void site_find(struct site *s, const char *user, void (*call)(void *ctx, const char *host),
                 void *ctx);
/* How many records of homes it keeps. */
int site_records(const struct site *s);

/* --- links.c: nets, and what lies between servers --- */

void links_start(struct site *s);
void links_stop(struct site *s, bool is_killed);
bool links_reload(struct site *s); /* the table */
/* Its router dials nothing: net dials the router, by this. */
struct conn *links_to_router(struct site *s, struct conn **kept);
/* All that is between the two breaks; further dials fail while is_cut. hole: without a word, as
 * when packets vanish. */
void links_cut(struct site *a, struct site *b, bool is_cut, bool hole);
void links_break(struct site *a, struct site *b);
/* The connection is gone (wraps.c). */
void links_forget(const struct conn *c);
/* The server at whose end that is, NULL: it is none between servers. */
const struct site *links_end(const struct conn *c, const struct site **other_r);
bool links_all_up(void);
void links_clear(void);

/* --- meter.c ---------------------------------------------------------------------------------- */

struct meter {
    uint64_t gets, sets, queries, other_questions; /* between session managers */
    uint64_t messages, presences, iqs, bytes;      /* on links between servers */
    uint64_t words;                                /* other elements there: acknowledgements */
    uint64_t iq_bytes;
    uint64_t dials;
};
extern struct meter meter;
void meter_clear(void);
void meter_link(struct span bytes);
void meter_question(bool is_set, struct span payload);

/* --- persons ---------------------------------------------------------------------------------- */

enum person_state {
    PERSON_OFF,
    PERSON_OPENING,
    PERSON_PROVING,
    PERSON_REOPENING,
    PERSON_BINDING,
    PERSON_ON,
};

struct person {
    size_t index;
    char user[24];
    struct site *home; /* where he has registered last */
    struct conn *conn;
    enum person_state state;
    bool is_wanted;      /* to be on */
    bool sees_network;   /* opens his stream to the network's domain */
    bool has_moved;
    bool is_gate;    /* gate.c: no user, a component */
    char domain[48]; /* of a gate */
    unsigned session;
    struct buf heard;
    struct timer next;
    struct person *contacts[RING_CONTACTS];
    size_t contact_count, known_count; /* known: by their presence */
    uint64_t presences;
    /* What his server has acknowledged (XEP-0198). */
    uint32_t sent, acked, handled, asked;
    uint32_t *pending; /* numbers of messages, 0 for other stanzas, not acknowledged */
    size_t pending_count, pending_room;
    uint32_t last[RING_PERSONS + RING_SITES]; /* by sender: the last message heard */
};

void person_make(struct person *p, size_t index, struct site *home);
void person_drop(struct person *p);
void person_come(struct person *p); /* connects, as soon as he can */
void person_go(struct person *p);   /* logs out */
void person_break(struct person *p);
void person_show(struct person *p);
/* A message, to his address in the network, or at his home, or to a gate. */
void person_write(struct person *p, const struct person *to, bool by_host);
void person_befriend(struct person *p, const struct person *to);
struct person *person_of(struct span user);

uint32_t person_message_number(struct span text); /* 0: it is none of the ledger */

/* --- gate.c: persons who are components of a server, where no user is --- */

void gate_make(struct person *g, struct site *home);
void gate_come(struct person *g);
void gate_write(struct person *g, const struct person *to, bool by_host);

/* --- the ledger ------------------------------------------------------------------------------- */

void ledger_clear(void);
uint32_t ledger_send(const struct person *from, const struct person *to);
void ledger_accept(uint32_t number);
void ledger_receive(const struct person *p, uint32_t number, struct span from);
void ledger_refuse(uint32_t number, struct span error);
/* An error about it is under way: its sender may have gone. */
void ledger_answer(uint32_t number);
/* It passes by, between these (NULL: a client). */
void ledger_pass(uint32_t number, const struct site *a, const struct site *b);
/* That server has been killed: what it had in hand may be lost. */
void ledger_kill(const struct site *s);
/* The connection of a component has ended, which acknowledges nothing. */
void ledger_cut_off(const struct person *gate);
void ledger_check(void);
size_t ledger_open(void); /* accepted, and not arrived, refused or excused */
struct ledger_figures {
    size_t sent, received, refused, excused, repeated;
};
struct ledger_figures ledger_figures(void);

/* --- the world -------------------------------------------------------------------------------- */

struct ring {
    struct loop *loop;
    uint64_t seed;
    char folder[32];
    struct site sites[RING_SITES];
    size_t site_count;
    struct person persons[RING_PERSONS];
    size_t person_count;
    struct person gates[RING_SITES]; /* one of each server; or not in use */
    uint64_t link_delay;
    bool has_failed; /* something has: a refusal, or one message twice, may be right */
    /* A server, and a user elsewhere who has written to somebody there, or the other way round:
     * what must be asked. */
    bool has_asked[RING_SITES][RING_PERSONS];
    size_t asked_count;
    enum rule broken;
    char why[SEEDS_WHY];
};
extern struct ring *ring; /* the one under way */

void ring_open(struct ring *r, uint64_t seed, size_t sites);
void ring_close(struct ring *r);
void ring_pass(uint64_t ms);

/* day.c: runs one seed. cost.c: the table; false: the figures grow. */
void day_run(uint64_t seed, enum rule *broken_r, char *why_r);
bool cost_run(bool is_whole);

/* --- wraps.c --- */
void wraps_open_stores(struct site *s);
void wraps_close_stores(struct site *s);
/* Whose database is opened next: 0 of c2s, 1 of net. */
void wraps_use_store(const struct site *s, int which);
int wraps_count(const struct site *s, int which, const char *sql);

#endif
