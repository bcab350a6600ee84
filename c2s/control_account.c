/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * control_account - what kontalkctl wants of accounts and of the database that takes its time:
 * waiting until a removed account has left nothing behind, purging archives, the backup.
 */
#include "c2s/control.h"

#include "base/log.h"
#include "store/db.h"

#include <stdlib.h>

/* --- what is left of removed accounts --- */

static void on_erased(void *ctx, bool is_whole)
{
    control_work_end(ctx, is_whole ? NULL : "the storage failed; the rest is removed later");
}

/* The account itself has been removed by `user del`, at every instance. */
void control_user_erase(void *ctx, struct control_call *call, const struct span *args, size_t count)
{
    struct c2s *c2s = ctx;
    struct jid jid;
    struct jid_scratch scratch;

    (void)count;
    if (!control_user(c2s, call, args[0], &jid, &scratch))
        return;
    struct control_work *w = mem_zalloc(sizeof(*w));
    control_work_begin(w, c2s, call);
    sm_erase(c2s->sm, jid.local, on_erased, w);
}

/* --- archives --- */

static void on_purged(void *ctx, int64_t removed, bool is_whole)
{
    struct control_work *w = ctx;

    control_row_number(w->call, SPAN("removed"), (uint64_t)removed);
    control_work_end(w, is_whole ? NULL : "the storage failed; not all have been removed");
}

/* BEFORE is in milliseconds since 1970. */
void control_archive_purge(void *ctx, struct control_call *call, const struct span *args,
                           size_t count)
{
    struct c2s *c2s = ctx;
    struct jid jid = {0};
    struct jid_scratch scratch;
    uint64_t before;

    if (!span_to_u64(args[0], INT64_MAX, &before)) {
        control_error(call, "usage: archive purge BEFORE_MS [JID]");
        return;
    }
    if (count > 1 && !control_user(c2s, call, args[1], &jid, &scratch))
        return;
    struct control_work *w = mem_zalloc(sizeof(*w));
    control_work_begin(w, c2s, call);
    LOG(LOG_INFO, "archive.purge", F_SPAN("user", count > 1 ? jid.local : SPAN("*")),
        F_INT("before", before));
    sm_archive_purge(c2s->sm, count > 1 ? jid.local : SPAN_NONE, (int64_t)before, on_purged, w);
}

/* --- backup --- */

static void on_backup(void *ctx, const char *error, uint64_t bytes)
{
    struct control_work *w = ctx;

    if (!error)
        control_row_number(w->call, SPAN("bytes"), bytes);
    control_work_end(w, error);
}

static uint64_t backup_percent(const struct control_work *w)
{
    return (uint64_t)store_backup_percent(w->c2s->store);
}

void control_backup(void *ctx, struct control_call *call, const struct span *args, size_t count)
{
    struct c2s *c2s = ctx;
    char *path = mem_strdup_span(args[0]);
    struct control_work *w = mem_zalloc(sizeof(*w));

    (void)count;
    w->progress = backup_percent;
    control_work_begin(w, c2s, call);
    LOG(LOG_INFO, "backup", F_STR("path", path));
    if (!store_backup(c2s->store, path, on_backup, w))
        control_work_end(w, "a backup is under way already");
    free(path);
}
