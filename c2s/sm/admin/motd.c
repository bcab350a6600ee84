/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * motd - the message of the day (XEP-0133 4.24 to 4.26): one for all, until it is deleted; each
 * user gets it once, as a message from the host, when he is available or next becomes so.
 *
 * Whether he has seen it is in the store, and the profile of who is there has what he has not. It
 * is marked as seen before it is sent: if the process dies between the two, he never gets it.
 * Called by hooks.c, profile.c, tell.c, and the commands of admin_tell.c.
 */
#include "c2s/sm/sm_private.h"

#include <stdlib.h>

/* --- the store -------------------------------------------------------------------------------- */

int sm_motd_load(struct db *db, int64_t account, struct sm_profile *profile)
{
    struct db_stmt *st = db_sql(db, "SELECT id FROM motd WHERE id >"
                                    " ifnull((SELECT motd FROM motd_seen WHERE account = ?1), 0)");
    int got;

    db_bind_int(st, 1, account);
    got = db_step(st);
    profile->motd = got > 0 ? db_int(st, 0) : 0;
    db_reset(st);
    return got < 0 ? got : STORE_OK;
}

int sm_motd_get(struct db *db, struct buf *text)
{
    struct db_stmt *st = db_sql(db, "SELECT text FROM motd");
    int got = db_step(st);

    if (got > 0)
        buf_append(text, db_text(st, 0));
    db_reset(st);
    return got;
}

int sm_motd_delete(struct db *db)
{
    return db_run(db_sql(db, "DELETE FROM motd"));
}

int64_t sm_motd_set(struct db *db, struct span text)
{
    struct db_stmt *st;
    int64_t id = -1;
    int got = sm_motd_delete(db);

    if (got < 0)
        return got;
    st = db_sql(db, "INSERT INTO motd (text) VALUES (?1) RETURNING id");
    db_bind_text(st, 1, text);
    got = db_step(st);
    if (got > 0)
        id = db_int(st, 0);
    db_reset(st);
    return got < 0 ? got : id;
}

int sm_motd_edit(struct db *db, struct span text)
{
    struct db_stmt *st = db_sql(db, "UPDATE motd SET text = ?1");

    db_bind_text(st, 1, text);
    const int result = db_run(st);
    return result < 0 ? result : db_changes(db) > 0;
}

/* --- giving it -------------------------------------------------------------------------------- */

struct give {
    struct sm_job job; /* first */
    struct buf text;
};

enum { GIVE = 1 }; /* he has not seen it */

static int give_run(struct db *db, struct store_job *job)
{
    struct give *g = (struct give *)(void *)job;
    struct db_stmt *st = db_sql(db, "INSERT INTO motd_seen (account, motd)"
                                    " SELECT account.id, motd.id FROM account, motd"
                                    " WHERE account.name = ?1"
                                    " ON CONFLICT (account) DO UPDATE SET motd = excluded.motd"
                                    " WHERE motd < excluded.motd");
    int result;

    db_bind_text(st, 1, g->job.user->name);
    result = db_run(st);
    if (result < 0 || db_changes(db) == 0)
        return result;
    result = sm_motd_get(db, &g->text);
    return result < 0 ? result : GIVE;
}

static void send_text(struct sm *sm, const struct sm_user *user, struct span text)
{
    struct stanza *message = &sm->notice;

    stanza_reset(message);
    stanza_add(message, 0, SPAN(NS_CLIENT), SPAN("message"));
    stanza_set_attr(message, 0, SPAN("from"), sm->opts.host);
    stanza_set_attr(message, 0, SPAN("to"), user->bare);
    stanza_add_text(message, stanza_add(message, 0, SPAN_NONE, SPAN("subject")),
                    SPAN("Message of the day"));
    stanza_add_text(message, stanza_add(message, 0, SPAN_NONE, SPAN("body")), text);
    sm_send_notice(sm, message, user->bare);
}

static bool give_finish(struct sm_job *job, int result)
{
    if (result == GIVE && !job->sm->is_closed)
        send_text(job->sm, job->user, buf_span(&((struct give *)job)->text));
    return true;
}

static void give_free(struct sm_job *job)
{
    buf_free(&((struct give *)job)->text);
}

bool sm_motd_give(struct sm_user *user)
{
    struct give *g = mem_zalloc(sizeof(*g));

    g->job.bytes = sizeof(*g) + 8192;
    g->job.finish = give_finish;
    g->job.destroy = give_free;
    if (!sm_job_submit(user->sm, STORE_WRITE, &g->job, user, NULL, give_run)) {
        free(g);
        return false;
    }
    if (user->profile)
        user->profile->motd = 0;
    return true;
}

void sm_motd_available(struct sm_session *s)
{
    if (s->user->profile && s->user->profile->motd)
        sm_motd_give(s->user);
}
