/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * network - one user account, many servers: what the files of this room share. c2s/NETWORK.md has
 * the words between servers.
 *
 *   edge.c       addresses: into the network (whom is it for), out to clients (how they see them)
 *   edge_wait.c  what waits to learn where its recipient is
 *   warm.c       homes of contacts, before a client that is shown them sees its roster
 *   edge_text.c  addresses in what is written to a client
 *   asked.c      who is written to by another address than he is shown by answers from that one
 *   resolver.c   where a user is at home: accounts here, cache, directory, probe
 *   lookup.c     one question under way, to the directory, then to all (lookup_local.c: the store)
 *   ask.c        questions to other servers, and their answers
 *   record.c     records of homes in the store, and their signatures
 *   directory.c  what other servers ask and tell us about homes
 *   publish.c    our users' homes are told to their directories
 *   name.c       whether a name is free in all of the network
 *   moved.c      a user of ours has registered elsewhere; and what comes back because of that
 *   moved_retry.c, moved_sent.c, moved_send.c, moved_store.c  parts of that
 *   said.c       what has been logged of it already
 *   keys.c       the OpenPGP keys of the servers
 *   match.c      probe@host: which addresses are users (the roster match)
 *   match_ask.c  the same asked of other servers
 *   match_quota.c  how many an account may ask for, or be shown
 *   serverlist.c network@host
 *   pubkey.c     the server's key, for who asks
 *
 * The network of sm_opts has a domain (opts.network) and servers, each a host; a user of it is the
 * same person by user@NETWORK and by user@HOST of his home, and for comparing (rosters, block
 * lists, archives) by user@ any host of the network: sm_name_of gives the one name by which he is
 * kept. Without [network] (no table of servers, or network equal to host) nothing here does
 * anything.
 */
#ifndef C2S_SM_NETWORK_H
#define C2S_SM_NETWORK_H

#include "c2s/sm/sm_private.h"
#include "xmpp/server_key.h"

/* --- which domains --- */

/* There is a network: other names for our users, and other servers. */
static inline bool sm_has_network(const struct sm *sm)
{
    return sm->net != NULL;
}
/* The same, in run(), too. */
static inline bool sm_has_members(const struct sm *sm)
{
    return __atomic_load_n(&sm->members, __ATOMIC_ACQUIRE) != NULL;
}
/* Members of the network (self and enabled ones). Also in run(): those who name contacts ask. */
bool sm_is_member(const struct sm *sm, struct span domain);
/* The network's domain, or a member's host: the domains in which network users have addresses. */
bool sm_is_network_domain(const struct sm *sm, struct span domain);

/* --- resolver.c --- */

enum sm_home_kind {
    SM_HOME_UNKNOWN, /* must be asked */
    SM_HOME_HERE,    /* an account of this server */
    SM_HOME_AT,      /* of the server host */
    SM_HOME_NOBODY,  /* no server has it */
    SM_HOME_UNREACHABLE, /* who could know does not answer at the moment */
};
struct sm_home {
    enum sm_home_kind kind;
    struct span host; /* of SM_HOME_AT; valid until the loop goes on */
    int64_t stamp;    /* of its record, ms since 1970; 0: none */
};

/* From memory, at once: who is owned here, who is in the cache; in a network of one server
 * everybody is here. Never blocks. */
struct sm_home sm_home_peek(const struct sm *sm, struct span localpart);
/* Asks, when peek does not know: call(ctx, home) once, never from inside, not after sm_free. Those
 * who ask about one user share one look-up, and are told in the order of their asking. false: too
 * many look-ups are under way (call follows not). */
bool sm_home_ask(struct sm *sm, struct span localpart,
                 void (*call)(void *ctx, const struct sm_home *home), void *ctx);
/* What has been learnt from an authenticated source: into the cache, if it is newer. */
void sm_home_learn(struct sm *sm, struct span localpart, struct span host, int64_t stamp);
/* Another of our instances has brought a stanza of from, in the network's domain: no error, and no
 * answer for somebody who is not there. From a session, then he has an account here: clients at the
 * host's domain are shown his address there. */
void sm_home_seen(struct sm *sm, struct span from);
/* He has been at home there before he came to where he is now, as far as the cache remembers. */
bool sm_home_was(const struct sm *sm, struct span localpart, struct span host);
/* It was wrong, or may be: forget it. */
void sm_home_forget(struct sm *sm, struct span localpart);
/* An account has been made or removed here. */
void sm_home_on_account(struct sm *sm, struct span localpart, bool is_there);
void sm_resolver_open(struct sm *sm);
void sm_resolver_close(struct sm *sm);
/* The table of servers has changed. */
void sm_resolver_follow(struct sm *sm);

/* --- ask.c --- questions to members, as <iq/> from HOST/INSTANCE, so that this instance gets the
 * answer --- */

struct sm_question; /* opaque */
/* Writes payload (XML, with its namespaces declared) as an iq get or set to `to` (a host, or
 * local@host). answer: e NONE and the result (valid during the call; its first child is node
 * payload), or the error, or REMOTE_SERVER_TIMEOUT after deadline ms; exactly once, never from
 * inside, unless sm_question_drop. NULL: cannot be asked (no link, too many under way). */
struct sm_question *sm_question_ask(struct sm *sm, struct span to, bool is_set, struct span payload,
                                    uint64_t deadline,
                                    void (*answer)(void *ctx, enum stanza_error e,
                                                   const struct stanza *result, uint32_t payload),
                                    void *ctx);
void sm_question_drop(struct sm_question **q);
/* For iq.c: an answer to the host; false: to no question of ours. The answer counts only from whom
 * was asked. */
bool sm_question_answer(struct sm_in *in);
void sm_questions_close(struct sm *sm);
/* How many more can be asked now. */
size_t sm_question_room(const struct sm *sm);
/* The router has a route to that host: net is there. */
bool sm_member_is_reachable(const struct sm *sm, struct span host);
/* It has left a question unanswered, a moment ago. */
bool sm_member_is_silent(const struct sm *sm, struct span host);
/* For sm.c: a public route; all of them are gone. */
void sm_member_on_route(struct sm *sm, struct span name, bool is_up);
void sm_members_gone(struct sm *sm);

/* --- keys.c --- */

/* The OpenPGP key of a member, as the table of servers knows its fingerprint (our own too): from
 * memory, or asked of that server. done(ctx, key) once, never from inside, not after sm_free; the
 * key is valid during the call. NULL: not a member, it does not answer, what it answers is another
 * key. */
void sm_server_key_get(struct sm *sm, struct span host,
                       void (*done)(void *ctx, const struct server_key *key), void *ctx);
void sm_keys_open(struct sm *sm);
void sm_keys_close(struct sm *sm);
/* The table of servers has changed: keys of others than members go. */
void sm_keys_follow(struct sm *sm);

/* --- record.c --- a home, as it is recorded and told --- */

struct sm_home_record {
    struct span user, host;
    int64_t stamp;
    struct span proof; /* host's signature of server_key_home_text, binary; none: not yet */
};
/* In run(). 1: there is one (its spans in text, which is cleared first), 0: none, < 0. */
int sm_record_load(struct db *db, struct span user, struct sm_home_record *r, struct buf *text);
/* Keeps the newer one, and the newer signature of the same. 1: r is in force now, 0: an older one
 * was refused; old_r: the host before, if there was another one (cleared first). */
int sm_record_save(struct db *db, const struct sm_home_record *r, struct buf *old_host);
/* <home xmlns=NS_NETWORK user host stamp proof/>; and back: false: not well-formed. Spans into the
 * stanza, the proof decoded into scratch. */
void sm_record_write(struct buf *out, const struct sm_home_record *r);
bool sm_record_read(const struct stanza *s, uint32_t node, struct sm_home_record *r,
                    struct buf *scratch);
/* A record for a user of ours, signed. On the loop. */
void sm_record_sign(struct sm *sm, struct span user, int64_t stamp, struct buf *proof);
/* Whether its host's key has signed it: the key is fetched if need be (keys.c), so it is answered
 * later, once, never from inside. A stamp more than 10 min in the future is refused. The record's
 * spans are copied. */
void sm_record_verify(struct sm *sm, const struct sm_home_record *r,
                      void (*done)(void *ctx, bool is_good), void *ctx);
/* Those who wait are told that it is not. Before all else that is closed. */
void sm_records_close(struct sm *sm);

/* --- name.c --- */
void sm_names_close(struct sm *sm); /* those who ask are told that it is uncertain */

/* --- directory.c --- rows of iq.c; from members only --- */
void sm_home_get(struct sm_in *in, uint32_t payload);  /* <home user/> */
void sm_homes_set(struct sm_in *in, uint32_t payload); /* <homes><home/>…</homes> */

/* --- publish.c --- */
void sm_publish_open(struct sm *sm);
void sm_publish_close(struct sm *sm);
/* This server has a key, perhaps another one than before. */
void sm_publish_key(struct sm *sm);
/* Something has changed: accounts, the table, a route that has come. */
void sm_publish_look(struct sm *sm);

/* --- moved.c --- */
/* A user of ours is at home elsewhere by a newer, verified record: his account is set aside, his
 * sessions end, what is stored for him goes back to its senders as <gone/>. */
void sm_moved_away(struct sm *sm, const struct sm_home_record *r);
/* What his clients are told: into text. */
#define SM_MOVED_TEXT 320
const char *sm_moved_text(struct span host, char text[SM_MOVED_TEXT]);
/* A stanza for a user who is not here but has been (or whom the directory here knows elsewhere):
 * answered with <gone/> and the record. False: he is not known to have moved. For those that would
 * be refused as to nobody; is called on the loop, answers later. */
bool sm_moved_refuse(struct sm_in *in);
/* The same of one that had been on its way into the store: as it was to be stored. */
bool sm_moved_refuse_text(struct sm *sm, struct span stanza, struct link_done *done);
/* A client has no business with records: takes those out of an error that it sends. */
void sm_moved_strip(struct stanza *s);
/* Our user `from` sends s, of that type, to somebody at another server, on whose word it may be
 * sent again. */
void sm_moved_note(struct sm *sm, const struct stanza *s, struct span type, struct span from,
                   struct span to);
/* It answers (an error, or an iq's result) what one of our users has sent there, as far as that is
 * remembered. */
bool sm_moved_was_sent(const struct sm *sm, const struct stanza *answer);
/* It is an error <gone/> with a record of that home. */
bool sm_moved_says(const struct stanza *error, struct span host);
/* An error <gone/> with a record has come for what one of ours has sent: the record is learnt, and
 * the stanza sent again to where he is. True: it has been taken. For route.c. */
bool sm_moved_retry(struct sm_in *in);

/* --- edge.c --- */

/* in->to is in the network's domain: true: it is a local user's, or now the address at his home
 * (in->to and stanza->to are changed; in scratch, which must live as long as in). False: it has
 * been taken: it waits for the look-up and goes on by itself (sm_in_go_on), was passed on
 * (relayed), or refused. direction: which hooks it goes through then. */
struct sm_edge_scratch {
    char text[JID_TEXT_MAX];
};
bool sm_edge_in(struct sm_in *in, enum sm_direction direction, struct sm_edge_scratch *scratch);
/* It has come over the link: another server speaks for its own users, and for nobody else's. True:
 * this is one of them, or no user. False: it has been taken: it waits for the look-up of its sender
 * and goes on by itself (sm_in_from_link), or was refused. */
bool sm_edge_sender(struct sm_in *in);
/* The recipient is of that host from now on: in scratch, to which in->to and the stanza's 'to'
 * point then; false: that would be too long. */
bool sm_edge_move_to(struct sm_in *in, struct span host, struct sm_edge_scratch *scratch);
/* Presence and the like for one address (bare or full, in the network's domain): write(ctx, domain)
 * is called with the domain in which it is to be sent: at once when that is known, else later; not
 * at all when there is nobody. ctx is freed by release(ctx), exactly once. */
void sm_edge_address(struct sm *sm, struct span localpart,
                     void (*write)(void *ctx, struct span domain), void (*release)(void *ctx),
                     void *ctx);
/* The domain in which he is to be written to, when that is known now: an empty one when there is
 * nobody, none when it must be asked. */
struct span sm_edge_peek(const struct sm *sm, struct span localpart);
/* The session's client sees addresses otherwise than they are inside. Called with what has been
 * appended to out since from: whole stanzas for it. */
void sm_edge_out(const struct sm_session *s, struct buf *out, size_t from);
bool sm_edge_is_on(const struct sm_session *s); /* sm_edge_out has something to do for it */
/* An envelope of ours to another server has come back from the router: its stanza is refused. */
void sm_edge_on_returned(struct sm *sm, struct stanza *envelope);
/* What the session has sent and waits for a look-up: each is given to take, none is kept. */
void sm_edge_give_back(struct sm_session *s, void (*take)(struct sm_session *s, struct stanza *st,
                                                          struct link_done done));
void sm_edge_open(struct sm *sm);  /* for network.c */
void sm_edge_close(struct sm *sm);
/* The link goes for good: what waits and has come over it is refused, while that can be said. */
void sm_edge_away(struct sm *sm);
/* How an address is shown to the session's client: into text. */
struct span sm_edge_shown(const struct sm_session *s, struct span jid, char text[JID_TEXT_MAX]);
/* The same to a client of that domain which has no session, of somebody who has written to it. */
struct span sm_edge_shown_away(const struct sm *sm, struct span from, struct span domain,
                               char text[JID_TEXT_MAX]);

/* --- asked.c --- */
/* What a client here has sent, as it has come in: a request, a message, presence. */
void sm_asked_note(const struct sm_in *in);
/* One stanza for the session, which has asked somebody so, has been appended to out since from; it
 * has been through sm_edge_out. */
void sm_asked_answer(struct sm_session *s, struct buf *out, size_t from);
void sm_asked_free(struct sm_session *s);

/* --- warm.c --- */
/* A client of the host's domain asks for its roster (one none), or is about to be shown one
 * contact: true: where they are is known as well as may be; false: it is handled anew when it is.
 * */
bool sm_warm_homes(struct sm_in *in, struct span one);
void sm_warm_close(struct sm *sm);

/* --- match.c, serverlist.c --- rows of services.c */
void sm_match_get(struct sm_in *in, uint32_t payload);      /* probe@host */
void sm_serverlist_set(struct sm_in *in, uint32_t payload); /* network@host */
#define SM_SERVERLIST "serverlist" /* its command */
void sm_serverlist_items(struct buf *out, struct span self, struct span node); /* for disco */
void sm_match_close(struct sm *sm);

/* --- match_quota.c --- */
/* The session's client, which knows others by their servers, may learn now where that one is at
 * home: its own user, one with a subscription, or one more of those that its account may ask for in
 * a day. */
bool sm_match_may_show(const struct sm_session *s, struct span localpart);

/* --- pubkey.c --- a row of iq.c: the server's key */
void sm_pubkey_get(struct sm_in *in, uint32_t payload);
bool sm_has_key(const struct sm *sm);

/* --- network.c --- all of it, for sm.c */

struct sm_cache;
struct sm_edge;
struct sm_lookups;
struct sm_questions;
struct sm_publisher;
struct sm_keys;
struct sm_matches;

struct sm_net {
    struct servers *servers;
    struct server_key *key;    /* ours; NULL: records are not signed (no [network] cert) */
    struct tls_signer *signer; /* the same */
    struct sm_cache *cache;
    struct sm_lookups *lookups;
    struct sm_questions *questions;
    struct sm_publisher *publisher;
    struct sm_keys *keys;
    struct sm_matches *matches;
    struct sm_edge *edge;
    struct list_node warming; /* warm.c */
    size_t warm_bytes;
    struct buf text; /* edge_text.c builds in it */
    struct list_node key_waits; /* record.c: who waits for a server's key */
    size_t key_wait_count;
    struct list_node name_asks; /* name.c */
    struct timer moved_wait;    /* moved_store.c: what is stored for who has moved */
    bool is_moving;             /* a job of that is under way */
    uint64_t *sent;             /* moved_sent.c; NULL: nothing yet */
    struct map said;            /* said.c */
    /* For figures and tests. */
    struct {
        uint64_t peeks, cached, asked, probed, published, moved, gone;
    } counts;
};
void sm_network_open(struct sm *sm);  /* for sm_new */
void sm_network_close(struct sm *sm); /* for sm_free */
/* For sm_set_limits: the times and numbers. */
void sm_network_set_limits(struct sm *sm, const struct sm_network_opts *opts);

#endif
