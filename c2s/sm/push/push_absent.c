/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * push_absent - a message for a user whom nobody owns: his registrations are in the store only, so
 * the job that stores it for him (offline.c, who owns this) reads them, too; when it is stored,
 * they are notified.
 */
#include "c2s/sm/push/push.h"

#include <stdlib.h>

struct sm_push_absent {
    struct push_reg *list;
    struct push_note note; /* in text */
    char text[];
};

struct sm_push_absent *sm_push_absent_new(const struct sm_in *in)
{
    struct sm_push_absent *a;
    struct push_note note;

    if (sm_push_worth(in->stanza, 0) != PUSH_ALL)
        return NULL;
    note = sm_push_note_of(in->sm, in->stanza, 0);
    a = mem_zalloc(sizeof(*a) + note.sender.n + note.body.n);
    if (note.sender.n) {
        memcpy(a->text, note.sender.p, note.sender.n);
        a->note.sender = span_make(a->text, note.sender.n);
    }
    if (note.body.n) {
        memcpy(a->text + note.sender.n, note.body.p, note.body.n);
        a->note.body = span_make(a->text + note.sender.n, note.body.n);
    }
    return a;
}

void sm_push_absent_free(struct sm_push_absent *a)
{
    if (!a)
        return;
    sm_push_list_free(&a->list);
    free(a);
}

/* When that fails nobody is told; the message is stored all the same. */
void sm_push_absent_read(struct db *db, struct sm_push_absent *a, struct span name)
{
    sm_push_read(db, sm_account_id(db, name), &a->list);
}

/* He may have come while it was stored: the clients that are there get it. */
void sm_push_absent_send(struct sm *sm, const struct sm_push_absent *a, struct span name)
{
    const struct sm_user *user = sm_user_owned(sm, name);

    for (const struct push_reg *reg = a->list; reg; reg = reg->next) {
        if (!user || !sm_push_has_client(user, reg))
            sm_push_send(sm, name, reg, &a->note);
    }
}
