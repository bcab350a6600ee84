/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * push - notifications for clients that are away (XEP-0357): what the files of it share.
 *
 *   push.c        requests; which message is told to which service
 *   push_rule.c   messages that are worth it, pure
 *   push_send.c   notifications on their way, and the services' answers
 *   push_absent.c messages for users whom nobody owns
 *   push_store.c  the table
 */
#ifndef C2S_SM_PUSH_H
#define C2S_SM_PUSH_H

#include "c2s/sm/sm_private.h"

#define PUSH_MAX_NODE 1024
#define PUSH_MAX_OPTIONS 8192
#define PUSH_MAX_BODY 1024     /* of a message, in a notification */
#define PUSH_MAX_TARGETS 10000 /* registrations that are being notified, in all */
#define PUSH_MAX_FAILURES 24   /* temporary ones in a row: then a registration is removed */

/* A registration of an account with a service; its text is behind it. */
struct push_reg {
    struct push_reg *next;
    int64_t id; /* in the store; the same when it is enabled again */
    int64_t failures;
    struct span key;       /* jid, LF, node: what a session remembers */
    struct span jid, node; /* in key; node empty: none */
    struct span domain;    /* of ours, by which the user is known to the service */
    struct span options;   /* XML: its form; empty: none */
};

/* What a notification may say of a message; in the stanza, or none. */
struct push_note {
    struct span sender, body;
};

/* --- push_rule.c --- */
enum push_worth {
    PUSH_NOTHING,
    PUSH_RECEIVER, /* for whom it goes to by its address, only */
    PUSH_ALL,
};
/* node: the message; 0, or of one that is forwarded. */
enum push_worth sm_push_worth(struct stanza *s, uint32_t node);
/* As far as the settings say. */
struct push_note sm_push_note_of(const struct sm *sm, struct stanza *s, uint32_t node);

/* --- push.c --- the client that has enabled it is there */
bool sm_push_has_client(const struct sm_user *user, const struct push_reg *reg);

/* --- push_store.c --- in run() */
/* Appends the account's to *list, the one that was enabled last first. < 0: as db_step. */
int sm_push_read(struct db *db, int64_t account, struct push_reg **list);
void sm_push_list_free(struct push_reg **list);
struct push_reg *sm_push_copy(const struct push_reg *reg);
struct push_reg *sm_push_find_id(struct push_reg *list, int64_t id); /* NULL: none */
struct push_reg *sm_push_find_key(struct push_reg *list, struct span key);
/* Of more than max the oldest go. */
int sm_push_put(struct db *db, int64_t account, const struct push_reg *reg, int64_t now,
                size_t max);
/* node none: all of that service. */
int sm_push_remove(struct db *db, int64_t account, struct span jid, struct span node);
int sm_push_remove_id(struct db *db, int64_t account, int64_t id);
int sm_push_set_failures(struct db *db, int64_t account, int64_t id, int64_t failures);

/* --- push_send.c --- */
void sm_push_send(struct sm *sm, struct span name, const struct push_reg *reg,
                  const struct push_note *note);
/* What has not been sent yet need not be: the client is back, or the registration is no more. */
void sm_push_forget(struct sm *sm, struct span name, int64_t id);
/* The user's registrations as the store has them now: for his owner. The list is taken. */
void sm_push_update(struct sm *sm, struct span name, struct push_reg **list);

#endif
