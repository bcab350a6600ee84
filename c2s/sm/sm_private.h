/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sm_private - what the files of the session manager share, and nobody else sees.
 *
 * The course of a stanza: sm_input (a client) or the link's on_stanza makes a struct sm_in of it;
 * message.c, presence.c or iq.c decide by the tables of RFC 6121 section 8; deliver.c writes it to
 * a client of ours or to the router. Nothing is allocated on that way unless it must be stored.
 *
 * Who owns what: struct sm owns its users, a user owns its sessions. A store job holds the user and
 * the session that it works for until it is done, so that both outlive it.
 */
#ifndef C2S_SM_SM_PRIVATE_H
#define C2S_SM_SM_PRIVATE_H

#include "base/list.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/map.h"
#include "base/rate.h"
#include "c2s/sm/sm.h"
#include "store/db.h"
#include "xmpp/jid.h"
#include "xmpp/ns.h"

#define SM_MAX_DIRECTED 1000              /* addresses with directed presence, per session */
#define SM_MAX_ROUTES 1000                /* services in our domain that disco remembers */
#define SM_MAX_JOB_BYTES (64u << 20)      /* stanzas on their way into the store */
#define SM_MAX_JOBS 20000
#define SM_MAX_HELD_BYTES (1u << 20)      /* stanzas of a session on the move */
#define SM_MAX_ALL_HELD_BYTES (64u << 20) /* of all of them */

/* Room of some KiB on the way of every stanza, read only where it has been written: the compiler
 * need not clear it (-ftrivial-auto-var-init). */
#define SM_HOT __attribute__((uninitialized))

struct filter_lane;
struct sm_access;
struct sm_archive;
struct sm_archive_prefs;
struct sm_commands;
struct sm_erase;
struct sm_fellows;
struct sm_filter;
struct sm_front;
struct pep;
struct push_reg;
struct sm_join;
struct sm_multicast;
struct sm_net;
struct sm_pace;
struct sm_profile;
struct sm_push;
struct sm_wait;

struct sm {
    struct loop *loop;
    struct store *store;
    struct link *link; /* NULL: none */
    const struct sm_account_ops *accounts; /* NULL: none */
    void *accounts_ctx;
    struct sm_opts opts;
    struct sm_access *access; /* access.c; NULL: no rules, the defaults hold */
    struct map users;       /* localpart -> struct sm_user */
    struct map openings;    /* address of a struct sm_client -> its session, not yet answered */
    struct list_node ready; /* openings that can be answered */
    struct list_node unannounced; /* users whose presence is to be told again */
    struct timer announce_wait;
    struct list_node posts;   /* messages of the server on their way (post.c) */
    struct list_node exports; /* pie/export.c */
    struct list_node arrived; /* sessions that have moved, and are to go on */
    struct deferred answer;
    struct map routes;      /* public routes of the router: name -> struct sm_service */
    struct map fronts;      /* sessions of our clients that another instance owns, by id */
    struct map guests;      /* other instances' clients whose users we own */
    struct map peers;       /* the instances of both */
    struct map moved;       /* sessions of our clients, by the id of the front they had before */
    struct timer peer_beat;
    struct stanza content;  /* of an envelope */
    struct pep *pep;        /* pep.h */
    struct sm_wait *spare_waits;
    struct sm_join *spare_joins;
    struct sm_archive *archive; /* archive.c */
    struct sm_push *push;       /* push_send.c; NULL: nothing under way */
    struct sm_commands *commands; /* commands.c; NULL: none yet */
    struct list_node polls; /* questions to the other instances (fleet.c) */
    size_t poll_count;
    struct list_node tells; /* what is being told to all who are online (tell.c) */
    size_t tell_count;
    struct sm_multicast *multicast; /* multicast_peer.c; NULL: nobody has been asked */
    struct sm_net *net;         /* network/network.h; NULL: this server alone */
    struct servers *members;    /* of the network, for all threads: see sm_is_member; or NULL */
    struct sm_erase *erase;     /* erase.c */
    struct timer offline_expiry; /* offline_expire.c */
    int64_t offline_expired;     /* in this sweep */
    struct sm_filter *filter;   /* filter.h; NULL: there is none */
    struct buf scratch;     /* presence being fanned out */
    struct buf tail;        /* of a message being delivered */
    struct buf nowhere;     /* what is written when there is nobody to write to */
    struct stanza notice;   /* a presence stanza of our own making */
    size_t session_count;
    size_t holds;           /* jobs and completions under way; the struct outlives them */
    size_t job_bytes;
    size_t held_bytes;      /* stanzas of sessions on the move */
    uint64_t serial;        /* of pushes and fronts */
    uint64_t started;       /* loop time */
    bool is_closed;         /* sm_free has been called */
};

enum sm_user_state {
    SM_USER_IDLE,      /* no claim, no session: exists for its jobs only */
    SM_USER_CLAIMING,  /* the router has been asked */
    SM_USER_LOADING,   /* granted, or there is no router to ask; his profile is being read */
    SM_USER_OWNED,     /* ours, and user->profile is there */
    SM_USER_LOST,      /* was ours, another has the claim now: what was ending here still does */
    SM_USER_RELEASING, /* last session gone, the router has been told */
    SM_USER_RELEASED,  /* the router holds what comes until our jobs are done */
};

struct sm_user {
    struct sm *sm;
    enum sm_user_state state;
    struct span name; /* localpart; key in sm->users */
    struct span bare; /* name@host: what is claimed */
    struct list_node sessions;
    struct list_node waiting; /* openings that wait for the claim */
    size_t session_count, opening_count, jobs;
    struct sm_profile *profile; /* never NULL while OWNED */
    unsigned loads;             /* of the profile, asked for so far: only the last one counts */
    /* Stored messages on their way to a session; see offline.c. */
    struct sm_session *flush_session;
    bool flush_loading, flush_again;
    struct timer flush_wait;
    struct list_node announcing; /* of sm->unannounced */
    bool is_changing;      /* his password, or whether he has an account */
    size_t subscribing;    /* subscription stanzas for him on their way through the store */
    struct rate conflicts; /* sessions that replace one of the same resource */
    struct rate strangers; /* presence from them (strangers.c) */
    uint64_t strangers_dropped, strangers_told; /* not logged yet; loop time of the last line */
    char text[];
};

enum sm_session_state {
    SM_SESSION_OPENING,
    SM_SESSION_OPEN,   /* without a client: it ends when what it has sent has gone on */
    SM_SESSION_MOVING, /* open for the client; its owner is gone and it is opened again (move.c) */
    SM_SESSION_CLOSED,
};

struct sm_session {
    struct list_node node; /* of user->waiting, sm->ready, or user->sessions */
    struct sm *sm;
    struct sm_user *user;     /* NULL: refused while opening, or fronted */
    struct sm_client *client; /* NULL once closed */
    uintptr_t client_address; /* key in sm->openings */
    struct sm_front *front;   /* not NULL: another instance owns the user (front.c) */
    struct sm_fellows *fellows; /* NULL: none known */
    struct filter_lane *filter_lane; /* what it has sent and the filter looks at; NULL: nothing */
    enum sm_session_state state;
    enum stanza_error refusal; /* of an opening */
    unsigned refs;             /* its list and its jobs */
    unsigned roster_gets;      /* under way */
    unsigned archive_pages;    /* under way */
    unsigned unresolved;       /* stanzas of it for who is being looked up (edge_wait.c) */
    unsigned owners_asked;     /* who were no owners any more, while opening (front.c) */
    bool is_available;
    bool is_interested; /* asked for the roster: gets pushes */
    bool has_carbons;   /* asked for copies of what the others send and get (carbons.c) */
    bool has_blocklist; /* asked for it: gets its changes (block.c) */
    bool is_gone;       /* kicked, or the client takes nothing more */
    bool is_moved;      /* is opened, or will be, with the state that it had elsewhere */
    bool is_warm;       /* what it asks is being handled anew (network/warm.c) */
    bool is_held;       /* its client is not being read */
    bool is_away;      /* its client's connection is lost, and may come back (push.c) */
    bool is_full;       /* its client takes no messages at the moment (undelivered.c) */
    int priority;
    uint64_t since;     /* loop time of the binding */
    uint64_t reachable_since; /* loop time: messages to the bare JID have come here since then */
    struct list_node arrival; /* of sm->arrived */
    struct list_node held; /* what the client said on the move */
    size_t held_bytes;
    size_t unresolved_bytes;
    char was[17];       /* key in sm->moved; empty: none */
    struct span full, bare, domain, resource;
    struct buf presence; /* last available presence, from after "<presence" to its end */
    struct map directed; /* addresses that were sent directed presence */
    struct rate presences; /* broadcasts */
    char *push;            /* key of the registration that its client has enabled (push.c) */
    struct sm_asked *asked; /* NULL, or its requests by another name of a user (network/asked.c) */
    struct sm_pace *pace;  /* NULL, or the one that is to come (pace.c) */
    char text[];
};

/* A stanza on its way. */
struct sm_in {
    struct sm *sm;
    struct sm_session *session; /* the sender, when it is a client here; else NULL */
    struct stanza *stanza;      /* stanza->from is the true sender, whatever the attribute says */
    struct jid to;
    struct link_done done; /* cleared when passed on */
    bool is_from_link;
    bool is_relayed; /* another server of the network has passed it on */
    bool is_by_network; /* another instance has it from outside, by the name of its user in the
                           network, and so he answers */
    bool is_again; /* handled before, but a client never got it: it is not archived or copied */
    unsigned filtered; /* the directions (enum sm_direction) in which the filter has seen it */
    int64_t sent_id;    /* it is in the sender's archive by this number; 0: it is not */
    int64_t archive_id; /* in that of the account which it is being delivered to */
    int64_t stamp;    /* of one that is_again: when it was handled first, ms since 1970 */
    struct span tail; /* XML to put before its end tag where it is delivered: its delay */
};

/* Where a stanza belongs. */
enum sm_place {
    SM_PLACE_HOST,    /* this server */
    SM_PLACE_USER,    /* a user owned here */
    SM_PLACE_ABSENT,  /* a user of ours whom nobody owns: handled from storage */
    SM_PLACE_ROUTER,  /* elsewhere */
    SM_PLACE_NOWHERE, /* came from the router and is not for us */
};

/* A place to write one stanza to. */
struct sm_out {
    struct sm *sm;
    struct sm_client *client;
    bool is_link;
    struct sm_session *session; /* of client */
    struct buf *buf; /* never NULL */
    size_t from;     /* where it begins in buf */
    struct span ns;  /* the namespace in force there */
};

struct sm_job {
    struct store_job job; /* first */
    struct sm *sm;
    struct sm_user *user;       /* or NULL */
    struct sm_session *session; /* or NULL */
    struct link_done done;
    size_t bytes;
    bool is_foreign; /* for a stanza that came over the link: see sm_job_has_room */
    /* On the loop; its answer is what done is called with. The job is freed afterwards. */
    bool (*finish)(struct sm_job *job, int result);
    void (*destroy)(struct sm_job *job); /* frees what the job holds but not the job; may be NULL */
};

/* A request that is answered when the store has: the first member of the handler's own struct. */
struct sm_task {
    struct sm_job job; /* first */
    struct stanza request;
    struct buf to; /* in->to */
    bool is_from_link, is_by_network;
    void (*finish)(struct sm_task *task, struct sm_in *in, int result);
    void (*destroy)(struct sm_task *task); /* frees what the rest of it holds; may be NULL */
};

/* A contact in the memory of the user's owner; the rest of the item is in the store only. */
struct sm_contact {
    struct span bare, local, domain; /* prepared, as written; local none for a domain */
    struct span key;                 /* bare; of a network user: in our host's domain */
    unsigned char subscription;      /* SM_SUB_... */
    unsigned char ask;               /* SM_ASK_... */
    char text[];
};
enum { SM_SUB_TO = 1, SM_SUB_FROM = 2 };
enum { SM_ASK_SUBSCRIBE = 1, SM_ASK_APPROVED = 2 };

/* What the owner of a user keeps of him in memory, read when he is claimed (profile.c). */
struct sm_profile {
    const struct sm *sm;
    int64_t account;      /* its number */
    struct map contacts;  /* by their keys: struct sm_contact */
    bool has_requests;    /* subscription requests wait, or have waited, for an answer */
    struct map blocked;   /* JID -> struct sm_blocked (block.c) */
    struct sm_archive_prefs *archive_prefs; /* mam_prefs.c; NULL: he has set none */
    struct push_reg *push; /* with push services; the last one first (push_store.c) */
    char photo[41];       /* hash of his picture; empty: none (avatar.c) */
    int64_t motd;         /* a message of the day that he has not seen (motd.c); 0: none */
};

/* An entry of his block list. */
struct sm_blocked {
    size_t n;
    char jid[]; /* prepared */
};

struct sm_service {
    size_t n;
    char name[];
};

static inline void sm_done(struct link_done done, bool is_safe)
{
    if (done.call)
        done.call(done.ctx, is_safe);
}

/* --- sm.c --- */
bool sm_is_local_domain(const struct sm *sm, struct span domain);
static inline bool sm_is_linked(const struct sm *sm)
{
    return sm->link && link_is_up(sm->link);
}
void sm_hold(struct sm *sm);
/* For moved.c: as sm_user_deleted, but his account is set aside; he is at home at host. */
void sm_user_moved(struct sm *sm, struct span user, struct span host);
void sm_unhold(struct sm *sm); /* frees sm when it is closed and this was the last */

/* --- route.c --- */
void sm_on_link_stanza(void *ctx, struct stanza *stanza);
enum sm_place sm_in_place(const struct sm_in *in, struct sm_user **user_r);
/* Makes the sender a true one, and removes what is forged; false: it has claimed to be another. */
bool sm_in_clean(struct sm_in *in);
/* The latter alone. */
void sm_in_strip(struct sm_in *in);
/* Goes on, the way that it had taken, from the hooks of that direction. */
void sm_in_go_on(struct sm_in *in, enum sm_direction direction);
/* One that has come over the link, whose sender is who he says (sm_edge_sender). */
void sm_in_from_link(struct sm_in *in);
/* The completion moves to the caller, who calls it; without this it is called with true. */
struct link_done sm_in_take_done(struct sm_in *in);
/* The completion for a second purpose: the stanza is done when all of them are. */
struct link_done sm_in_split_done(struct sm_in *in);
void sm_joins_free(struct sm *sm);
/* The account that it is addressed to, when that is owned here; else NULL. */
struct sm_user *sm_in_user(const struct sm_in *in);
/* A stanza that the session manager sends by itself; to must be prepared. */
void sm_send_notice(struct sm *sm, struct stanza *stanza, struct span to);

/* --- user.c --- */
struct sm_user *sm_user_find(const struct sm *sm, struct span name);
struct sm_user *sm_user_owned(const struct sm *sm, struct span name);
struct sm_user *sm_user_get(struct sm *sm, struct span name); /* makes him */
struct sm_session *sm_user_session(const struct sm_user *user, struct span resource);
bool sm_user_is_reachable(const struct sm_user *user); /* has a session that takes messages */
void sm_user_want(struct sm_user *user);   /* an opening has come: claim */
void sm_user_settle(struct sm_user *user); /* something ended: release or free; may free user */
void sm_user_end_sessions(struct sm_user *user); /* his account is no more */
void sm_user_end_moved(struct sm_user *user, struct span host); /* he is at home there now */
void sm_user_on_claim(struct sm *sm, struct span jid, struct span owner);
void sm_user_on_released(struct sm *sm, struct span jid);
void sm_user_on_link_down(struct sm *sm);
void sm_user_on_link_up(struct sm *sm);
void sm_user_on_claims_made(struct sm *sm); /* the router knows of them */

/* --- profile.c --- */
/* Reads it; sm_user_loaded follows, later. False: too much is queued. */
bool sm_profile_load(struct sm_user *user);
/* Something of his has been changed in the store by another instance. */
void sm_profile_reload(struct sm_user *user);
void sm_profile_free(struct sm_profile **profile);
void sm_user_loaded(struct sm_user *user, bool is_read); /* user.c */

/* --- contact.c --- */
struct sm_contact *sm_contact_find(const struct sm_profile *profile, struct span bare);
/* Makes it if need be; bare is prepared. */
struct sm_contact *sm_contact_put(struct sm_profile *profile, struct span bare);
void sm_contact_remove(struct sm_profile *profile, struct span bare);
struct sm_contact *sm_contact_next(const struct sm_profile *profile, size_t *cursor);
void sm_contacts_free(struct sm_profile *profile);
void sm_contacts_rename(struct sm_profile *profile); /* other hosts are in the network now */
int sm_contacts_load(struct db *db, int64_t account, struct sm_profile *profile);
void sm_contacts_follow(struct sm_user *user, const struct sm_profile *now);
/* The address (bare or full) in the form in which it is stored: of a user of a network of several
 * servers, who may be at home elsewhere tomorrow, in the network's domain. Borrows from jid, or
 * from text. */
struct span sm_stored_jid(const struct sm *sm, struct span jid, char text[JID_TEXT_MAX]);
/* May see his presence: himself (in either of our domains), or a contact with a subscription
 * "from" or "both". who: a JID, bare or full. */
bool sm_user_is_seen_by(const struct sm_user *user, struct span who);
/* The same of an account that nobody owns, by any of the names of who asks; in run(). */
struct sm_names;
bool sm_account_is_seen_by_any(struct db *db, struct span name, const struct sm_names *who);

/* --- hooks.c --- one ordered table: what looks at stanzas on their way */
/* From a client of ours, before it goes anywhere; to an account that is owned here, before it is
 * delivered. False: it has been taken (answered, dropped or kept). */
bool sm_hooks_sending(struct sm_in *in);
bool sm_hooks_receiving(struct sm_in *in, struct sm_user *user);
/* To an account that nobody owns, before it is handled from storage. */
bool sm_hooks_absent(struct sm_in *in);
/* A session has become available, or has ended. */
void sm_hooks_available(struct sm_session *s);
void sm_hooks_gone(struct sm_session *s);

/* --- task.c --- */
/* Takes the task (from mem_zalloc) and the completion; done gets the request as the handler had it
 * (in->session NULL: its client has gone), on the loop, and then the task is freed. False: it has
 * been refused, and freed. request may have been filled already, with spans kept into it. */
bool sm_task_submit(struct sm_in *in, enum store_kind kind, struct sm_task *task,
                    int (*run)(struct db *db, struct store_job *job),
                    void (*done)(struct sm_task *task, struct sm_in *in, int result));

/* --- session.c --- */
struct sm_session *sm_session_ref(struct sm_session *s);
void sm_session_unref(struct sm_session *s);
/* Can be answered now, by the end of the tick. refusal NONE: open it. */
void sm_session_ready(struct sm_session *s, enum stanza_error refusal);
/* An opening that waits for the claim on its user. */
void sm_session_claim(struct sm_session *s, struct span name);
void sm_session_kick(struct sm_session *s, enum stream_error e, const char *text);
/* The owner of its user has opened it. */
void sm_session_open_front(struct sm_session *s);
/* Leaves its user, for whom it is not served here any more; he must be settled afterwards. */
void sm_session_detach(struct sm_session *s);
/* It is open, and must be opened again: as an opening, but for an answer to the client. */
void sm_session_reopen(struct sm_session *s);
/* The opening of that client; NULL: answered. */
struct sm_session *sm_session_opening(const struct sm *sm, const struct sm_client *c);
/* What it has sent has gone on: if its client has left, it ends now. */
void sm_session_drained(struct sm_session *s);
void sm_session_drop_all(struct sm *sm); /* for sm_free: without a word */
/* Available with a priority that is not negative: messages to the bare JID come here. */
static inline bool sm_session_is_eligible(const struct sm_session *s)
{
    return s->is_available && s->priority >= 0 && !s->is_gone && !s->is_full;
}

/* --- deliver.c --- */
/* Writes the stanza to the session's client; false: it is gone, or now is, its queue being full. */
bool sm_deliver(struct sm_in *in, struct sm_session *s);
/* To the router; a refusal is answered to the sender. Takes the completion. */
void sm_send_to_router(struct sm_in *in);
/* The answer type='error' to the sender, where one may be given. */
void sm_refuse(struct sm_in *in, enum stanza_error e, const char *text);
void sm_refuse_always(struct sm_in *in, enum stanza_error e, const char *text);
/* To the session's client, or to the sender over the link when session is NULL. */
struct buf *sm_out_begin(struct sm *sm, struct sm_session *session, struct sm_out *out_r);
/* To whoever has that full JID now. */
struct buf *sm_out_begin_to(struct sm *sm, struct span full, struct sm_out *out_r);
void sm_out_end(struct sm_out *out);
void sm_waits_free(struct sm *sm);

/* --- job.c --- */
/* user and session are held; job->done is called when it ends. False: too much is queued already,
 * the job is untouched. */
bool sm_job_submit(struct sm *sm, enum store_kind kind, struct sm_job *job, struct sm_user *user,
                   struct sm_session *session, int (*run)(struct db *db, struct store_job *job));
/* The same in two steps: whether the bytes may be queued, and a job that has been let in. */
bool sm_job_has_room(const struct sm *sm, size_t bytes, bool is_foreign);
void sm_job_start(struct sm *sm, enum store_kind kind, struct sm_job *job, struct sm_user *user,
                  struct sm_session *session, int (*run)(struct db *db, struct store_job *job));
/* The number of the account, 0: there is none. In run(). */
int64_t sm_account_id(struct db *db, struct span name);

/* --- message.c, presence.c, iq.c --- a stanza with in->to set */
void sm_message(struct sm_in *in);
void sm_presence(struct sm_in *in);
void sm_presence_broadcast(struct sm_in *in); /* without a 'to' */
/* The user's resources are gone for jid, or are there for it again (a bare or full JID or a
 * domain): those that it may see, or was told of. For block.c: before it is in the list, and when
 * it is there no more; who is blocked by another entry, too, is left out. */
void sm_presence_hide_from(struct sm_user *user, struct span jid);
void sm_presence_show_to(struct sm_user *user, struct span jid);
void sm_presence_close(struct sm_session *s);  /* unavailable to all who think otherwise */
void sm_presence_forget(struct sm_session *s); /* without a word */
/* Unavailable to all who got directed presence, which are forgotten. */
void sm_presence_end_directed(struct sm_session *s);
void sm_presence_forget_directed(struct sm_session *s);
/* One after the other; none after the last. */
struct span sm_presence_next_directed(const struct sm_session *s, size_t *cursor);
/* False: they are too many. */
bool sm_presence_remember_directed(struct sm_session *s, struct span address);
/* His contacts elsewhere hear of his resources again, soon (announce.c). */
void sm_announce(struct sm_user *user);
/* The session ends and nobody owns its user: all who think otherwise are told. */
void sm_announce_end(struct sm_session *s);
/* What the client's presence says about it, for who does not own the user. */
void sm_presence_note(struct sm_in *in);
/* A session that was available elsewhere is here now. */
void sm_presence_resume(struct sm_session *s);
void sm_iq(struct sm_in *in);
/* An iq of a client whose 'to' was missing: to his account. */
void sm_iq_account(struct sm_in *in);
/* As for one who may ask nothing of the account, whether its user is there or not. */
void sm_iq_refuse_stranger(struct sm_in *in);

/* --- handlers of iq.c's table --- payload is the request's child */
void sm_disco_info(struct sm_in *in, uint32_t payload);
void sm_disco_items(struct sm_in *in, uint32_t payload);
void sm_disco_route(struct sm *sm, struct span name, bool is_up);
void sm_disco_free(struct sm *sm);
void sm_disco_write_resources(const struct sm_user *user, struct buf *out);
void sm_ping(struct sm_in *in, uint32_t payload);
void sm_version(struct sm_in *in, uint32_t payload);
void sm_time(struct sm_in *in, uint32_t payload);
void sm_roster_get(struct sm_in *in, uint32_t payload);
void sm_roster_set(struct sm_in *in, uint32_t payload);

/* Each feature that disco shows for the server or for an account. */
enum { SM_TO_HOST = 1, SM_TO_ACCOUNT = 2 };
void sm_iq_each_feature(unsigned target, void (*each)(void *ctx, const char *feature), void *ctx);
/* <iq type='result'> to the sender, open, then closed. */
struct buf *sm_iq_open(struct sm_in *in, struct sm_out *out_r);
void sm_iq_close(struct sm_out *out);
void sm_iq_empty_result(struct sm_in *in);

/* --- time.c --- */
void sm_time_write(struct buf *out, int64_t wall_ms); /* XEP-0082, UTC */
bool sm_time_read(struct span text, int64_t *wall_ms_r); /* XEP-0082's DateTime */

/* --- undelivered.c --- */
/* The words of fronts about that: see envelope.c. */
void sm_undelivered_word(struct sm *sm, struct span from, struct stanza *e, uint32_t node);
/* The client of that output is no more, or takes nothing more: its owner has it back. */
void sm_undelivered_output(struct sm *sm, struct span owner, const struct stanza *e, uint32_t node);
void sm_full_word(struct sm *sm, struct span from, struct stanza *e, uint32_t node);
void sm_room_word(struct sm *sm, struct span from, struct stanza *e, uint32_t node);
void sm_full_tell(struct sm_session *s); /* the owner, if this is a front */

/* --- offline.c, offline_store.c --- */
/* What XEP-0160 and XEP-0334 want done with a message that finds nobody. */
enum sm_offline_rule { SM_OFFLINE_STORE, SM_OFFLINE_DROP, SM_OFFLINE_REFUSE };
enum sm_offline_rule sm_offline_rule(const struct stanza *s);
/* Nobody there: stores, drops or refuses it. user NULL: not owned here. */
void sm_offline_message(struct sm_in *in, struct span name, struct sm_user *user);
/* Stores it. */
void sm_offline_store(struct sm_in *in, struct span name, struct sm_user *user);
void sm_offline_begin(struct sm_session *s); /* it has become eligible: bring what is stored */
void sm_offline_end(struct sm_session *s);   /* it is eligible no more */
void sm_offline_look(struct sm_user *user);  /* something has been stored for him elsewhere */

struct sm_offline_row {
    int64_t id, stamp;
    size_t offset, n; /* in text */
    int64_t archive_id; /* 0: it is in no archive */
};
#define SM_OFFLINE_BATCH 64
#define SM_OFFLINE_BATCH_BYTES (256u << 10)
struct sm_offline_batch {
    struct sm_offline_row rows[SM_OFFLINE_BATCH];
    size_t count;
    bool has_more;
    struct buf text;
};
/* The results of the store job of sm_offline_insert that are not STORE_... */
enum { SM_OFFLINE_NO_ACCOUNT = 1, SM_OFFLINE_LIMIT = 2, SM_OFFLINE_BLOCKED = 3 };
struct sm_offline_limits {
    size_t messages, bytes;
};
int sm_offline_insert(struct db *db, struct span name, int64_t stamp, struct span stanza,
                      const struct sm_offline_limits *limits);
/* What has just been inserted is in the archive by that number. */
int sm_offline_set_archived(struct db *db, int64_t archive_id);
int sm_offline_load(struct db *db, struct span name, struct sm_offline_batch *batch);
int sm_offline_delete(struct db *db, struct span name, int64_t last_id);
/* A slice of what has been stored before that; how many they were, < 0: failed. */
int64_t sm_offline_remove_old(struct db *db, int64_t before);

/* --- offline_expire.c --- */
void sm_offline_open(struct sm *sm);  /* for sm_new */
void sm_offline_close(struct sm *sm); /* for sm_free */

/* --- roster_store.c --- in run() */
enum { SM_ROSTER_NO_ACCOUNT = 1, SM_ROSTER_SAME = 2, SM_ROSTER_FULL = 3, SM_ROSTER_NO_ITEM = 4 };
/* ver_r: "account-version", of the roster after the change; needs 44 bytes. */
int sm_roster_load(struct db *db, struct span user, struct span ver, struct buf *items,
                   char ver_r[44]);

/* --- owner.c --- words to whoever owns a user */
void sm_owner_tell(struct sm *sm, struct span name, const char *word);
/* The same about an address; none: about none. */
void sm_owner_tell_of(struct sm *sm, struct span name, const char *word, struct span jid);
bool sm_owner_on_told(const struct sm_in *in); /* false: it is an ordinary message */

/* --- erase.c --- */
void sm_erase_open(struct sm *sm);  /* for sm_new */
void sm_erase_close(struct sm *sm); /* for sm_free */
void sm_erase_look(struct sm *sm);  /* an account has been removed, perhaps by another process */

/* --- pie/export.c --- */
void sm_export_close(struct sm *sm); /* for sm_free */

/* --- post.c --- */
void sm_post_close(struct sm *sm); /* for sm_free */

#include "c2s/sm/features.h"
#include "c2s/sm/instances/instances.h"
#include "c2s/sm/network/network.h"
#include "c2s/sm/pep/publish.h"

#endif
