/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * vcard - XEP-0054: each account's card, set by its owner, given to anyone who asks and is not
 * blocked. An account without one, and one that does not exist, are the same to others.
 *
 * Rows of iq.c call it. The card is kept as its text; sm_vcard_load and sm_vcard_save are for
 * others' jobs, too.
 */
#include "c2s/sm/pep/pep.h"

#include <stdlib.h>

#define VCARD_MAX_BYTES (192u << 10)

struct card {
    struct sm_task task; /* first */
    struct span name;    /* in the request's arena */
    struct buf text;
    bool is_own;
};

/* --- in run() --- */

int sm_vcard_load(struct db *db, struct span name, struct buf *vcard)
{
    struct db_stmt *st = db_sql(
        db, "SELECT vcard FROM vcard WHERE account = (SELECT id FROM account WHERE name = ?1)");

    db_bind_text(st, 1, name);
    int got = db_step(st);
    if (got > 0)
        buf_append(vcard, db_text(st, 0));
    db_reset(st);
    if (got < 0)
        return got;
    return got > 0 ? STORE_OK : SM_VCARD_NONE;
}

int sm_vcard_save(struct db *db, struct span name, struct span vcard)
{
    const int64_t account = sm_account_id(db, name);

    if (!account)
        return SM_VCARD_NONE;
    struct db_stmt *st = db_sql(db, "INSERT INTO vcard (account, vcard) VALUES (?1, ?2)"
                                    " ON CONFLICT (account) DO UPDATE SET vcard = excluded.vcard");
    db_bind_int(st, 1, account);
    db_bind_text(st, 2, vcard);
    return db_run(st);
}

/* --- requests --- */

static void card_free(struct sm_task *task)
{
    buf_free(&((struct card *)task)->text);
}

static struct card *card_new(const struct sm_in *in)
{
    struct card *c = mem_zalloc(sizeof(*c));

    stanza_copy(&c->task.request, in->stanza);
    c->task.destroy = card_free;
    c->name = arena_span(&c->task.request.arena, in->to.local);
    c->is_own = in->session && span_eq(in->session->user->name, in->to.local);
    return c;
}

static int get_run(struct db *db, struct store_job *job)
{
    struct card *c = (struct card *)(void *)job;

    return sm_vcard_load(db, c->name, &c->text);
}

static void get_done(struct sm_task *task, struct sm_in *in, int result)
{
    const struct card *c = (const struct card *)task;
    struct sm_out out;

    if (result != STORE_OK) {
        sm_refuse(in, c->is_own ? STANZA_ITEM_NOT_FOUND : STANZA_SERVICE_UNAVAILABLE, NULL);
        return;
    }
    buf_append(sm_iq_open(in, &out), buf_span(&c->text));
    sm_iq_close(&out);
}

void sm_vcard_get(struct sm_in *in, uint32_t payload)
{
    struct card *c = card_new(in);

    (void)payload;
    sm_task_submit(in, STORE_READ, &c->task, get_run, get_done);
}

/* --- setting: its photo is the avatar, too --- */

static int set_run(struct db *db, struct store_job *job)
{
    struct pep_task *t = (struct pep_task *)(void *)job;
    struct buf text = {0};
    int result;

    stanza_write_node(&text, t->ask.request, t->ask.payload, SPAN(NS_CLIENT));
    t->ask.account = sm_account_id(db, t->user);
    result = sm_vcard_save(db, t->user, buf_span(&text));
    buf_free(&text);
    return result == STORE_OK ? sm_avatar_from_card(&t->ask, db, &t->avatar) : result;
}

static void set_done(struct sm_task *task, struct sm_in *in, int result)
{
    struct pep_task *t = (struct pep_task *)task;

    if (result != STORE_OK) {
        sm_pep_refuse(in, &t->ask, result);
        return;
    }
    sm_iq_empty_result(in);
    sm_pep_notify(in->sm, t->user, &t->ask, NULL);
    sm_avatar_show(in->sm, t->user, &t->avatar);
}

void sm_vcard_set(struct sm_in *in, uint32_t payload)
{
    struct pep_task *t;
    struct buf text = {.max = VCARD_MAX_BYTES};
    bool is_fitting;

    stanza_write_node(&text, in->stanza, payload, SPAN(NS_CLIENT));
    is_fitting = buf_len(&text) > 0;
    buf_free(&text);
    if (!is_fitting)
        sm_refuse(in, STANZA_NOT_ACCEPTABLE, "the vCard is too big");
    else if ((t = sm_pep_task_new(in)) != NULL)
        sm_task_submit(in, STORE_WRITE, &t->task, set_run, set_done);
}
