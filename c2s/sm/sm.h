/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sm - the session manager's only door: everything that knows users is behind it.
 *
 * The transport (client streams; later WebSocket, and other instances' clients) opens a session for
 * an authenticated user, gives it the client's stanzas, and closes it; the session manager writes
 * to the client through sm_client_ops. Neither knows the other's insides: the tests of this room
 * need no sockets, TLS or SASL.
 *
 * All logic for a user runs in the c2s instance that owns him (who has the claim on his bare JID at
 * the router), one stanza at a time.
 */
#ifndef C2S_SM_SM_H
#define C2S_SM_SM_H

#include "base/conf.h"
#include "xml/stanza.h"
#include "xmpp/error.h"
#include "xmpp/link.h"

struct loop;
struct sm;
struct sm_session;
struct store;

struct sm_client;

struct sm_client_ops {
    /* The client's output, to append whole stanzas to (default namespace jabber:client), followed
     * by end(). NULL when the client is closing: then what was to be sent goes where an offline
     * user's would. */
    struct buf *(*begin)(struct sm_client *c);
    void (*end)(struct sm_client *c);
    /* Bytes queued and not yet taken by the system: beyond the cap, the client counts as gone. */
    size_t (*backlog)(const struct sm_client *c);
    /* Ends the client's stream; sm_close follows from the transport, later. text may be NULL. */
    void (*kick)(struct sm_client *c, enum stream_error e, const char *text);
    /* Answer to sm_open: e NONE and the full JID (valid during the call), or a refusal, after which
     * the session does not exist. */
    void (*opened)(struct sm_client *c, struct sm_session *session, struct span full_jid,
                   enum stanza_error e, const char *text);
    /* Read no more from the client (true), or again (false): its session is on the move to another
     * owner. Optional: what comes all the same is kept, up to a bound, then refused. */
    void (*hold)(struct sm_client *c, bool is_held);
};

/* Embedded in the transport's own struct of a client. */
struct sm_client {
    const struct sm_client_ops *ops;
};

/* Services of the host, at these names: they are no accounts'. */
#define SM_MULTICAST "multicast"
#define SM_PROBE "probe"     /* the roster match */
#define SM_NETWORK "network" /* the list of servers */
bool sm_is_reserved(struct span name);

/* A service elsewhere that clients are told of (XEP-0215). The texts are never NULL. */
struct sm_external {
    char *name; /* in the configuration */
    char *type, *host;
    char *transport;           /* "tcp", "udp", or empty */
    char *username, *password; /* of all, or empty */
    char *secret;              /* shared with a TURN server: each client gets its own; or empty */
    int64_t port;              /* 0: the usual one */
    int64_t lifetime;          /* of such credentials, in milliseconds */
};

/* XEP-0157 */
enum sm_contact_kind {
    SM_CONTACT_ABUSE,
    SM_CONTACT_ADMIN,
    SM_CONTACT_FEEDBACK,
    SM_CONTACT_SALES,
    SM_CONTACT_SECURITY,
    SM_CONTACT_STATUS,
    SM_CONTACT_SUPPORT,
    SM_CONTACT_KINDS,
};

/* [access NAME]: who has the right of that name. access.c has the words. */
struct sm_rule {
    char *name;
    struct conf_list words;
};
extern const char *const sm_right_names[]; /* and NULL */
/* Of one line of a rule: NULL, or what is wrong with it (a literal or in scratch). */
const char *sm_rule_check(const char *text, char scratch[256]);

/* What is archived of an account that has said nothing about it. */
enum sm_archive_rule { SM_ARCHIVE_NEVER, SM_ARCHIVE_ALWAYS, SM_ARCHIVE_ROSTER };

/* Which way a stanza goes: from a client of ours, or to an account of ours. */
enum sm_direction { SM_SENDING = 1, SM_RECEIVING = 2 };

enum { SM_FILTER_MESSAGE = 1, SM_FILTER_PRESENCE = 2, SM_FILTER_IQ = 4 };

/* A component that is asked about stanzas before they go on (FILTER.md). */
struct sm_filter_opts {
    struct span component; /* its JID, prepared; empty: there is none. Copied */
    unsigned kinds;        /* SM_FILTER_... */
    unsigned directions;   /* of enum sm_direction */
    uint64_t deadline;     /* ms for an answer */
    bool refuses;          /* what it has not decided, else lets it pass */
    bool is_twice;         /* also when it comes, what one of ours has sent */
    size_t max_count, max_bytes; /* of what waits for it */
};

/* The network of servers (c2s/NETWORK.md). */
struct servers;
struct sm_network_opts {
    struct servers *servers;  /* a ref is taken; NULL: this server alone */
    const char *cert, *key;   /* files: the server's own key, to sign with; NULL: none */
    bool keys_ahead;          /* the other servers' keys are asked for as soon as they are there */
    uint64_t cache, negative; /* ms: how long an answer holds: 1 h; that there is nobody: 60 s */
    size_t max_cache;         /* entries: 100,000 */
    uint64_t deadline;        /* ms of one question: 5 s */
    uint64_t probe_deadline;  /* ms of all of them, when all servers are asked: 10 s */
    uint64_t match_deadline;  /* ms of a roster match: 60 s */
    size_t match_items;       /* of one request: 500 */
    size_t match_daily;       /* addresses that one account may ask for in a day: 5,000 */
    size_t max_homes;         /* records that one other server may leave here: 1,000,000 */
};

struct sm_opts {
    struct span host;            /* "prime.kontalk.net", prepared */
    struct span network;         /* "kontalk.net", prepared; equal to host when there is none */
    struct span instance;        /* handshake name of this instance: "c2s-1.prime.kontalk.net" */
    size_t max_sessions;         /* of one user: 10 */
    size_t max_many_sessions;    /* of one who has the right "many-sessions": 100 */
    size_t min_password;         /* characters of one that a user sets himself: 8 */
    size_t max_roster;           /* items: 1,000 */
    uint64_t presence_rate;      /* broadcasts a second of a session: 5; 0: no limit */
    uint64_t presence_burst;     /* at once: 20 */
    size_t max_offline;          /* messages stored for one user: 1,000 */
    size_t max_offline_bytes;    /* 10 MiB */
    unsigned offline_days;       /* how long they are kept: 7; 0: for ever */
    size_t max_blocked;          /* entries of a block list: 1,000 */
    size_t max_backlog;          /* bytes queued to one client: 1 MiB */
    size_t max_stanza;           /* announced in disco and features: 262,144 */
    size_t max_nodes;            /* of one user, to publish to: 200 */
    size_t max_items;            /* of one node: 256 */
    size_t max_item_bytes;       /* 131,072 */
    size_t max_pubsub_bytes;     /* of all items of one user: 10 MiB */
    size_t max_push;             /* registrations of one user with push services: 20 */
    size_t max_addresses;        /* of one message to many: 50 */
    const char *version;
    const struct sm_external *externals;
    size_t external_count;
    const struct sm_rule *rules; /* who may do what; none of a right: access.c's default */
    size_t rule_count;
    const struct conf_list *contacts; /* URIs, SM_CONTACT_KINDS lists; NULL: none */
    bool archive;                /* messages are archived, and archives can be read */
    enum sm_archive_rule archive_rule;
    size_t archive_page;         /* messages of one answer at most: 250 */
    unsigned archive_days;       /* how long they are kept; 0: for ever */
    size_t archive_messages;     /* of one user: the newest; 0: all */
    bool push_sender, push_body; /* are told to push services */
    struct sm_filter_opts filter;
    struct sm_network_opts net;
};

/*
 * The accounts themselves (names and keys) belong to the transport; this is how the session manager
 * has them changed. done is called once for each call, later, perhaps after sm_free: e NONE, or
 * conflict (there is such an account), item-not-found (there is none), not-acceptable (not a usable
 * password), internal-server-error. text says it for people; NULL when e is NONE. Names are
 * prepared localparts; what is given is copied.
 */
struct sm_account_answer {
    void (*done)(void *ctx, enum stanza_error e, const char *text);
    void *ctx;
};

struct sm_account_ops {
    void (*add)(void *ctx, struct span name, struct span password,
                struct sm_account_answer answer);
    void (*set_password)(void *ctx, struct span name, struct span password,
                         struct sm_account_answer answer);
    /* With all that hangs on it; sm_user_deleted is the caller's affair. */
    void (*remove)(void *ctx, struct span name, struct sm_account_answer answer);
};

/* Borrowed: loop, store, and what opts points to; all live longer. The link may be set later. */
struct sm *sm_new(struct loop *loop, struct store *store, const struct sm_opts *opts);
void sm_free(struct sm **sm);
/* The max_*, min_password, archive* and push_* of opts, rules, filter, externals, contacts, and the
 * times and numbers of the network, from now on: what is open or stored already stays. */
void sm_set_limits(struct sm *sm, const struct sm_opts *opts);
/* Another table of servers (a ref is taken): from now on. */
void sm_set_servers(struct sm *sm, struct servers *servers);
/* The files of the server's own key, read now; NULL: what has been read stays. */
void sm_set_server_key(struct sm *sm, const char *cert, const char *key);
void sm_set_link(struct sm *sm, struct link *link); /* NULL: none */
/* Borrowed; without it no account can be changed from here. */
void sm_set_accounts(struct sm *sm, const struct sm_account_ops *ops, void *ctx);

/* The link's events, for struct link_events of the owner of the link (ctx = sm). */
extern const struct link_events sm_link_events;

/*
 * sm_open - a session for user (prepared localpart, of an existing account) in domain (host or
 * network), with the resource that the client asked for (raw; none: the server makes one).
 * Answered by ops->opened, never from inside the call: bad resource jid-malformed; too many
 * sessions resource-constraint. A session of the same resource is kicked with conflict (RFC 6120
 * 7.7.2.2). The user is claimed at the router first, if that is there.
 */
void sm_open(struct sm *sm, struct sm_client *c, struct span user, struct span domain,
             struct span resource);
/* The client went away before ops->opened. */
void sm_open_cancel(struct sm *sm, struct sm_client *c);

/*
 * sm_input - a stanza (message, presence, iq; jabber:client) of the client. May be changed; valid
 * during the call. done is called exactly once: true when everything that the stanza asks for is in
 * safe hands or refused to the sender (the client's stream counts it as handled then).
 */
void sm_input(struct sm_session *session, struct stanza *stanza, struct link_done done);

/*
 * sm_undelivered - a stanza that was written to the client, or kept for it, and that it never got:
 * one, as it was written; stamp_ms: when, in milliseconds since 1970. Called before sm_close, in
 * the order of writing; the session takes nothing more. Messages go to the user's other resources
 * or are stored, requests are answered by an error, presence is dropped.
 */
void sm_undelivered(struct sm_session *session, struct span stanza, int64_t stamp_ms);

/* The client takes no more messages (they go where an offline user's would), or does again: then
 * what has been stored is brought. What it asked for itself is still written. */
void sm_set_full(struct sm_session *session, bool is_full);

/* The client's connection is lost, and its session waits for it; or it is back. What comes for it
 * meanwhile is told to the push service that it has enabled. */
void sm_set_away(struct sm_session *session, bool is_away);
/* One that is away now has perhaps not got this, which has been written to it before. */
void sm_missed(struct sm_session *session, struct span stanza);

/* The client's stream is gone; unavailable presence goes out. The session is dead after it. */
void sm_close(struct sm_session *session);

/* An account has been made. */
void sm_user_added(struct sm *sm, struct span user);
/* The account is no more: ends his sessions (not-authorized) and the subscriptions between him and
 * others, and has what is left of his account removed, soon (erase.c). */
void sm_user_deleted(struct sm *sm, struct span user);
/* Begins at once with what is left of removed accounts. done, if there is one, comes once nothing
 * is left of those of that name, or (false) the store has failed; later, not after sm_free. */
void sm_erase(struct sm *sm, struct span user, void (*done)(void *ctx, bool is_whole), void *ctx);

/*
 * sm_archive_purge - removes from the archive what is older than before_ms (milliseconds since
 * 1970), of the user of that name, or of all (none); a slice at a time. done comes once, later, not
 * after sm_free: the number of messages removed; is_whole: all of them are.
 */
void sm_archive_purge(struct sm *sm, struct span name, int64_t before_ms,
                      void (*done)(void *ctx, int64_t removed, bool is_whole), void *ctx);

/* Whether somebody may make an account of that name. */
bool sm_may_register(const struct sm *sm, struct span name);

/*
 * sm_name_ask - whether nobody has that name elsewhere in the network. SM_NAME_ASKED: call comes
 * once, later, or (uncertain) from sm_free; else the answer is known now. Whether there is such an
 * account here is not looked at.
 */
enum sm_name_state { SM_NAME_FREE, SM_NAME_TAKEN, SM_NAME_UNCERTAIN, SM_NAME_ASKED };
enum sm_name_state sm_name_ask(struct sm *sm, struct span name,
                               void (*call)(void *ctx, enum sm_name_state state), void *ctx);

/* --- accounts as files of XEP-0227 (pie/) --- */

enum sm_pie_result { SM_PIE_DONE, SM_PIE_NO_USER, SM_PIE_FAILED };

/*
 * sm_export - writes the document: of the user of that name, or of all (none). In slices: write()
 * gets a piece (valid during the call), and is not called while queued() is big. done comes once,
 * later, not after sm_free; after sm_export_stop it comes as SM_PIE_FAILED, soon.
 */
struct sm_export;
struct sm_export_ops {
    void (*write)(void *ctx, struct span xml);
    size_t (*queued)(void *ctx); /* bytes that have been written and not yet taken */
    void (*done)(void *ctx, enum sm_pie_result r, uint64_t users);
};
struct sm_export *sm_export(struct sm *sm, struct span user, const struct sm_export_ops *ops,
                            void *ctx);
void sm_export_stop(struct sm_export *e);

/*
 * sm_import - puts elements of a document's <user/> into the account of that name, which exists:
 * xml is a sequence of whole ones. Elements may come in several pieces, each in its own container.
 * What the account has already stays. One slice: the caller sends bounded pieces, one after the
 * other.
 */
struct sm_import_figures {
    uint64_t taken, known, refused; /* entries; known: they were there already */
    uint64_t ignored;               /* elements that are about something else */
    char example[128];              /* of what was refused or ignored: its name */
    bool has_keys;                  /* to log in with, of SCRAM */
    bool has_sha1_only;
};
void sm_import(struct sm *sm, struct span user, struct span xml, bool may_set_keys,
               void (*done)(void *ctx, enum sm_pie_result r, const struct sm_import_figures *f),
               void *ctx);
/* All has been imported: whoever owns the user reads what he keeps of him anew. */
void sm_import_end(struct sm *sm, struct span user);

/* --- messages of the server (from: the host) --- done comes once, later, not after sm_free */

enum sm_post_result { SM_POST_DONE, SM_POST_NO_USER, SM_POST_FAILED };
/* Kept up to date until done; failed: the user has no room for it, or the store has failed. */
struct sm_post_figures {
    uint64_t sent, failed;
};
/* user: who is not online gets it when he comes. text: as utf8_check wants it. */
void sm_post_user(struct sm *sm, struct span user, struct span text,
                  struct sm_post_figures *figures,
                  void (*done)(void *ctx, enum sm_post_result r), void *ctx);
/* To every account; or to those only who are online and owned by this instance. */
void sm_post_all(struct sm *sm, bool is_online_only, struct span text,
                 struct sm_post_figures *figures,
                 void (*done)(void *ctx, enum sm_post_result r), void *ctx);

/* --- the roster of a user, by the administration --- answers come later, not after sm_free */

enum sm_roster_result {
    SM_ROSTER_DONE,
    SM_ROSTER_NO_USER,
    SM_ROSTER_NO_CONTACT, /* sm_roster_drop */
    SM_ROSTER_TOO_BIG,    /* it has as many items as it may */
    SM_ROSTER_BUSY,       /* too much is queued, or the store has failed */
};
struct sm_roster_entry {
    struct span jid;
    struct span name;         /* none: sm_roster_put leaves it as it is */
    struct span groups;       /* separated by LF; the same */
    struct span subscription; /* none, to, from, both; none at all: the same */
    bool is_asked;            /* only read */
};
void sm_roster_list(struct sm *sm, struct span user,
                    void (*each)(void *ctx, const struct sm_roster_entry *entry),
                    void (*done)(void *ctx, enum sm_roster_result r), void *ctx);
/* Makes or changes an item: his resources are told, the contact is not. entry->jid is bare and
 * prepared, and not the user himself; subscription is one of the four. */
void sm_roster_put(struct sm *sm, struct span user, const struct sm_roster_entry *entry,
                   void (*done)(void *ctx, enum sm_roster_result r), void *ctx);
/* As the user would: the contact is told, too. */
void sm_roster_drop(struct sm *sm, struct span user, struct span contact,
                    void (*done)(void *ctx, enum sm_roster_result r), void *ctx);

/* For `session list`: the full JID, and the priority or INT_MIN when unavailable. */
struct span sm_session_jid(const struct sm_session *session);
int sm_session_priority(const struct sm_session *session);
size_t sm_session_count(const struct sm *sm);

/* Stream features of a bound-to-be stream that come from here (<sub/>, <ver/>), as XML. */
void sm_features(const struct sm *sm, struct buf *out);

#endif
