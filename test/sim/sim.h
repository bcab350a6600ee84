/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sim - what the files of the simulation share: one suite (router, two c2s over one store) in this
 * process on virtual time, the persons who chat on it, and the ledger of what they were promised.
 *
 *   main.c    seeds, plants, what is printed      person.c  a client: logs in, chats, goes
 *   world.c   the course of one seed, its faults  ledger.c  messages, and what must be true of them
 *   wires.c   what is under way on connections    wraps.c   where the code under test is looked at
 *   seeds.c, words.c  what it shares with net/: days by number, what clients say and hear
 *
 * All that is left to chance comes from the seed: the same seed is the same day, to the byte.
 */
#ifndef TEST_SIM_H
#define TEST_SIM_H

#include "base/buf.h"
#include "base/loop.h"
#include "seeds.h"
#include "test/replay/stage.h"
#include "words.h"
#include "xmpp/link.h"

#define SIM_INSTANCES 2
#define SIM_PERSONS 12

/* --- what is found ---------------------------------------------------------------------------- */

/* What must be true; ledger.c says what each means. */
#define RULES(X)                                                                                   \
    X(LOSS, "loss")                                                                                \
    X(DUPLICATE, "duplicate")                                                                      \
    X(ORDER, "order")                                                                              \
    X(REFUSAL, "refusal")                                                                          \
    X(OWNER, "owner")                                                                              \
    X(SESSION, "session")                                                                          \
    X(COMPLETION, "completion")                                                                    \
    X(MEMORY, "memory")                                                                            \
    X(STUCK, "stuck")

enum rule {
    RULE_NONE,
#define X(name, text) RULE_##name,
    RULES(X)
#undef X
};

/* Bugs that are planted, one at a time, to see that they are found: wraps.c. */
#define PLANTS(X)                                                                                  \
    X(DROP, "a delivery that is none", LOSS)                                                       \
    X(FORGET, "a message that is not stored", LOSS)                                                \
    X(NEGLECT, "a message that is not taken back", LOSS)                                           \
    X(TWICE, "a delivery done twice", DUPLICATE)                                                   \
    X(SHUFFLE, "stored messages backwards", ORDER)                                                 \
    X(REFUSE, "a stanza refused for nothing", REFUSAL)                                             \
    X(SHARE, "a claim granted to two", OWNER)                                                      \
    X(LINGER, "a session whose end is not heard", SESSION)                                         \
    X(SILENCE, "a completion that never comes", COMPLETION)                                        \
    X(ECHO, "a completion that comes twice", COMPLETION)                                           \
    X(LEAK, "a connection that is not freed", MEMORY)                                              \
    X(HANG, "a claim that is never answered", STUCK)

enum plant {
    PLANT_NONE,
#define X(name, text, rule) PLANT_##name,
    PLANTS(X)
#undef X
    PLANT_END
};
extern enum plant planted;

/* The first breach of a rule is the seed's; later ones are only traced. */
void sim_breach(enum rule rule, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A line of the trace, when there is one. */
void sim_trace(const char *format, ...) __attribute__((format(printf, 1, 2)));
extern bool sim_is_traced;

/* --- persons ---------------------------------------------------------------------------------- */

enum person_state {
    PERSON_OFF,
    PERSON_OPENING,       /* a header has been sent, features are awaited */
    PERSON_PROVING,       /* the password has been sent */
    PERSON_REOPENING,
    PERSON_BINDING,
    PERSON_ON,
    PERSON_LEAVING,
};

struct person {
    size_t index;
    char user[24], resource[24], full[80];
    struct conn *conn;
    enum person_state state;
    size_t home, at;   /* instances, from 1 */
    unsigned session;  /* how many have been bound */
    bool is_available;
    /* Stream management (XEP-0198): what he may resume, where, and how far he has come. */
    bool is_managed;
    char managed_id[33]; /* empty: nothing */
    size_t managed_at;
    uint32_t handled;
    bool was_available;
    struct buf heard;
    struct timer next;
    /* By sender, and whether it was to the full JID: the last message heard. */
    uint32_t last[SIM_PERSONS][2];
};

void person_start(struct person *p);
void person_end(struct person *p); /* his connection goes, without a word */
extern const struct conn_handler person_handler;

/* --- the world -------------------------------------------------------------------------------- */

enum mode {
    MODE_CHAT,
    MODE_GATHER, /* everybody logs in, is available and says nothing */
    MODE_LEAVE,  /* everybody logs out and stays away */
};

struct profile {
    uint64_t link_delay, client_delay; /* at most, ms */
    uint64_t pause;                    /* between acts of a person, at most */
    uint64_t length;                   /* of the chat, ms */
    bool breaks;                       /* clients lose their connections */
    unsigned faults;                   /* bits: what may fail, see world.c */
};

struct world {
    uint64_t seed;
    struct stage *stage;
    char room[32]; /* a folder */
    struct profile profile;
    enum mode mode;
    bool has_failed; /* something has: from then on a refusal may be right */
    struct person persons[SIM_PERSONS];
    size_t person_count;
    enum rule broken; /* NONE: all is well */
    char why[SEEDS_WHY];
};
extern struct world *world; /* the one under way */

/* Runs one seed; what was broken is in *broken_r, why in why_r (400 bytes). */
void world_run(uint64_t seed, enum rule *broken_r, char *why_r);
bool world_is_calm(const struct world *w);
struct person *world_person(struct span full);

/* --- the ledger ------------------------------------------------------------------------------- */

void ledger_clear(void);
/* A new message's number. */
uint32_t ledger_send(const struct person *from, const char *to, bool is_full);
void ledger_receive(struct person *p, uint32_t number);
/* An answer of type error has been written, or heard. */
void ledger_refuse(uint32_t number, const char *where);
/* It was in a place that may still forget: where says which. */
void ledger_excuse(uint32_t number, const char *where);
/* The completion of a stanza that a client has sent, to be given instead of done. */
struct link_done ledger_watch(uint32_t number, struct link_done done);
/* Its order is not promised: it is given to a client that is not available, or stored by an
 * instance that is cut off. */
void ledger_early(uint32_t number);
/* It takes the way inside of its instance, and may overtake what was sent by the router before the
 * recipient was owned there: the order of that is not promised either. */
void ledger_overtake(uint32_t number);
/* A client may not have got it: it comes once more, and later than others. */
void ledger_again(uint32_t number);
/* The router keeps it back, or does so no more. */
void ledger_hold(uint32_t number, bool is_held);
/* Written for the client of another instance, at this moment. */
void ledger_to_guest(uint32_t number, const void *guest);
/* That client is gone (NULL: all are); what was written at this very moment has not been sent. */
void ledger_guest_ends(const void *guest);
/* At the end: everything accepted has come, been refused, or is excused. */
void ledger_check(void);
/* Every stanza taken up has been completed. */
void ledger_check_completions(void);
size_t ledger_count(void);
/* Numbers are ids of the form m17; 0: it is none. */
uint32_t number_of(struct span id);

/* --- wires.c: which messages are under way on each connection --------------------------------- */

/* conn is about to send what is in its output, or to end. */
void wires_sending(struct conn *conn);
void wires_ending(struct conn *conn);
bool wires_carry(uint32_t number);
/* The reader at this end has taken up the message. */
void wires_taken(const struct conn *reader, uint32_t number);
void wires_taken_bytes(const struct conn *reader, struct span bytes);
void wires_gone(const struct conn *conn);
/* Excuses every message in the bytes. */
void wires_excuse(struct span bytes, const char *where);
void wires_clear(void);
/* Calls with the number of each message whose id stands in the bytes. */
void numbers_in(struct span bytes, void (*call)(void *ctx, uint32_t number), void *ctx);

#endif
