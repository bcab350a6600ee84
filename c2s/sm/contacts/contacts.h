/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * contacts - what the files of the roster, of subscriptions and of presence share.
 *
 *   roster.c        iq: get, set, remove, push      subscription.c  the rules, pure
 *   roster_store.c  the tables                      subscribe.c     the stanzas that follow them
 *   request_store.c requests that wait              requests.c      shown to a client that comes
 *   contact.c       contacts in memory              presence.c      presence, by type
 *   broadcast.c     to contacts                     probe.c         of contacts, and by them
 *   directed.c      to those who were told          pace.c          not too fast
 *   announce.c      after an outage                roster_admin.c  changed by the administration
 */
#ifndef C2S_SM_CONTACTS_H
#define C2S_SM_CONTACTS_H

#include "c2s/sm/sm_private.h"

/* --- subscription.c --- RFC 6121 3 and appendix A */

/* What there is between a user and a contact. The first four are in the roster item, in this
 * order: bits of its subscription, then of its ask. */
enum {
    SM_STATE_TO = SM_SUB_TO,
    SM_STATE_FROM = SM_SUB_FROM,
    SM_STATE_ASKED = SM_ASK_SUBSCRIBE << 2,     /* "pending out" */
    SM_STATE_APPROVED = SM_ASK_APPROVED << 2,   /* in advance */
    SM_STATE_REQUESTED = 16,                    /* "pending in" */
    SM_STATE_ITEM = SM_STATE_TO | SM_STATE_FROM | SM_STATE_ASKED | SM_STATE_APPROVED,
    SM_STATES = 32,
};

/* Outbound: from the user; inbound: from the contact. */
enum sm_sub_event {
    SM_OUT_SUBSCRIBE,
    SM_OUT_SUBSCRIBED,
    SM_OUT_UNSUBSCRIBE,
    SM_OUT_UNSUBSCRIBED,
    SM_IN_SUBSCRIBE,
    SM_IN_SUBSCRIBED,
    SM_IN_UNSUBSCRIBE,
    SM_IN_UNSUBSCRIBED,
    SM_SUB_EVENTS,
};

enum {
    SM_ACT_SEND = 1,    /* the stanza, to the contact */
    SM_ACT_DELIVER = 2, /* the stanza, to the user's resources */
    SM_ACT_REPLY = 4,   /* "subscribed", for the user */
    SM_ACT_SHOW = 8,    /* the presence of his resources, to the contact */
    SM_ACT_HIDE = 16,   /* unavailable presence of them */
};

struct sm_step {
    unsigned state; /* afterwards */
    unsigned acts;
};

/* False: that type is none of the four. */
bool sm_subscription_event(struct span type, bool is_outbound, enum sm_sub_event *event_r);
struct sm_step sm_subscription_step(unsigned state, enum sm_sub_event event);

/* --- contact.c --- */

/*
 * The ways to write the bare JID of a contact. A user of the network has one in its domain and one
 * at each of its hosts, and is the same wherever he is at home; the first of them is his name in
 * memory, whether that is here or not.
 */
struct sm_names {
    struct span jid;    /* as it was given; of a network user: in our host's domain */
    struct span other;  /* none, or of a network user: in the network's domain */
    struct span given;  /* none, or of a network user: as it was given, at another host */
    struct span stored; /* how one who is new is written into the roster: not by another host */
};
/* Those of bare (prepared); what must be made is made in the arena. */
struct sm_names sm_names_of(const struct sm *sm, struct arena *arena, struct span bare);
/* The first of them. Borrows from bare, or from text. */
struct span sm_name_of(const struct sm *sm, struct span bare, char text[JID_TEXT_MAX]);
/* The contact is the user himself, by any of his names. */
bool sm_user_is(const struct sm_user *user, struct span local, struct span domain);

/* --- roster_store.c, request_store.c --- in run() */

struct sm_roster_key {
    int64_t account;
    struct sm_names names;
};
struct sm_roster_item {
    struct span jid, name, groups; /* groups: names, separated by LF */
    struct sm_names names;         /* of jid */
    bool is_removed;
    unsigned state;                /* SM_STATE_..., of one that has been removed */
};
/* ver_r: "account-version", of the roster after the change; needs 44 bytes. */
int sm_roster_change(struct db *db, struct span user, struct sm_roster_item *item,
                     size_t max_items, struct buf *items, char ver_r[44]);
struct sm_roster_row {
    bool is_there;
    unsigned state;  /* SM_STATE_..., without REQUESTED */
    struct buf jid;  /* as it is stored */
};
int sm_roster_read(struct db *db, const struct sm_roster_key *key, struct sm_roster_row *row);
/* Writes its state; makes it if need be, of row->jid. items: gets the item for a push. */
int sm_roster_write_state(struct db *db, const struct sm_roster_key *key,
                          const struct sm_roster_row *row, unsigned state, size_t max_items,
                          struct buf *items);
/* The item as it is, or (row->is_there false) that there is none, for a push. */
int sm_roster_show(struct db *db, const struct sm_roster_key *key, struct sm_roster_row *row,
                   struct buf *items, char ver_r[44]);
/* After a change. */
int sm_roster_new_version(struct db *db, int64_t account, char ver_r[44]);

bool sm_request_exists(struct db *db, const struct sm_roster_key *key);
/* Of one who has none yet. SM_ROSTER_FULL: they are too many. */
int sm_request_put(struct db *db, const struct sm_roster_key *key, int64_t stamp,
                   struct span stanza);
int sm_request_remove(struct db *db, const struct sm_roster_key *key);
int sm_requests_load(struct db *db, int64_t account, struct sm_profile *profile);

#define SM_REQUESTS_BATCH 16
#define SM_REQUEST_BYTES 4096 /* a longer one is stored without what it holds */
struct sm_request_batch {
    size_t sizes[SM_REQUESTS_BATCH]; /* of the stanzas, one after the other in text */
    size_t count;
    struct buf text;
    struct buf last; /* the address of the last one */
};
/* Those behind batch->last (empty: from the beginning); a full batch: there may be more. */
int sm_request_list(struct db *db, int64_t account, struct sm_request_batch *batch);

/* --- roster.c --- */

/* Tells all interested resources. items: <item/>s, ver: the version with them. */
void sm_roster_push(struct sm_user *user, struct span items, struct span ver);

/* --- roster_admin.c --- */

/* An item of his (bare JID) has been changed in the store by the administration: here, or at
 * another instance. */
void sm_roster_refresh(struct sm_user *user, struct span contact);

/* --- subscribe.c --- */

/* From a client, and for an account of ours (user NULL: owned by nobody here); in->to is bare. */
void sm_subscribe_out(struct sm_in *in);
void sm_subscribe_in(struct sm_in *in, struct sm_user *user);
/* The contact is no more in the roster, where it had that state (with REQUESTED). */
void sm_subscription_end(struct sm_user *user, struct span own_bare, struct span contact,
                         unsigned state);

/* --- requests.c --- */
void sm_requests_show(struct sm_session *s);
void sm_requests_show_all(struct sm_user *user); /* to all that are available */

/* --- presence.c --- */

/* presence in these: rendered from after "<presence", without 'to', for any stream. */
void sm_presence_write(struct sm_session *to, struct span to_jid, struct span presence);
void sm_presence_render(const struct sm_in *in, struct buf *out);
/* A stanza with a recipient, wherever that is; from the session manager or checked already. */
void sm_presence_pass_on(struct sm_in *in);
/* presence type, without content, from one bare or full JID to another. */
void sm_presence_notice(struct sm *sm, struct span from, struct span to, const char *type);
/* <presence from type='unavailable'/> into sm->scratch. */
struct span sm_presence_unavailable(struct sm *sm, struct span from);

/* --- directed.c --- */
void sm_directed_forget(struct sm_session *s, struct span address);
/* Unavailable to those of them at jid (full, bare or a domain), which are forgotten. */
void sm_directed_end_for(struct sm_session *s, struct span jid);

/* --- broadcast.c --- */

/* To all contacts who may see it. */
void sm_broadcast(const struct sm_session *s, struct span presence);
/* To all available resources of the user, behind the subscription stanzas that came before. */
void sm_broadcast_to_user(struct sm_user *user, struct span presence);
/* To the available resources of the contact (bare), or on to where it is. */
void sm_broadcast_to(struct sm *sm, struct span contact, struct span from, struct span presence);
/* The presence of all resources of the user, or that they are gone, to one contact (bare). */
void sm_broadcast_all_to(struct sm_user *user, struct span contact);
void sm_broadcast_end_to(struct sm_user *user, struct span contact);
/* Over the link, if there is one; of to, the parts are read. */
void sm_broadcast_over_link(struct sm *sm, const struct jid *to, struct span presence);

/* --- probe.c --- */
void sm_probe_contacts(struct sm_session *s); /* for who has just come */
void sm_probe_contact(struct sm_session *s, const struct sm_contact *c);
void sm_probe_answer(struct sm_in *in, struct sm_user *user); /* user NULL: owned by nobody */

/* As these, but for contacts who are not owned here. */
void sm_broadcast_elsewhere(const struct sm_session *s, struct span presence);
void sm_probe_elsewhere(struct sm_session *s);

/* --- pace.c --- */

/* False: it is to be handled now. True: later, or never, if another one comes before. */
bool sm_pace_defers(struct sm_in *in);
void sm_pace_forget(struct sm_session *s);

#endif
