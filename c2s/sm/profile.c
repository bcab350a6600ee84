/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * profile - what the owner of a user keeps of him in memory: read by one job when the claim is
 * granted, before any session of his is opened, and again when another instance, which handled
 * something for him while nobody owned him, says that it has changed (owner.c).
 *
 * Each feature that keeps something has a row: how it is read, on the storage thread, and freed.
 * Changes go to the store first; the job's finish, on the loop, makes them here.
 */
#include "c2s/sm/archive/archive.h"
#include "c2s/sm/contacts/contacts.h"

#include <stdlib.h>

static const struct {
    int (*load)(struct db *db, int64_t account, struct sm_profile *profile); /* as a job's run */
    void (*free)(struct sm_profile *profile);
    /* It has been read again, and is about to take the place of what the user has: for those who
     * are to hear what another instance has changed. */
    void (*follow)(struct sm_user *user, const struct sm_profile *now);
} parts[] = {
    {sm_contacts_load, sm_contacts_free, sm_contacts_follow},
    {sm_blocked_load, sm_blocked_free, sm_block_follow},
    {sm_requests_load, NULL, NULL},
    {sm_archive_prefs_load, sm_archive_prefs_free, NULL},
    {sm_avatar_load, NULL, NULL},
    {sm_push_load, sm_push_profile_free, NULL},
    {sm_motd_load, NULL, NULL},
};

struct load {
    struct sm_job job; /* first */
    struct sm_profile *profile;
    unsigned number; /* of user->loads */
};

void sm_profile_free(struct sm_profile **profile_p)
{
    struct sm_profile *profile = *profile_p;

    if (!profile)
        return;
    *profile_p = NULL;
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        if (parts[i].free)
            parts[i].free(profile);
    }
    free(profile);
}

/* An account that has been deleted meanwhile has nothing to read. */
static int run(struct db *db, struct store_job *store_job)
{
    struct load *load = (struct load *)(void *)store_job;
    struct sm_profile *profile = load->profile;

    profile->account = sm_account_id(db, load->job.user->name);
    for (size_t i = 0; profile->account && i < ARRAY_LEN(parts); i++) {
        int result = parts[i].load(db, profile->account, profile);
        if (result < 0)
            return result;
    }
    return STORE_OK;
}

static void follow(struct sm_user *user, const struct sm_profile *now)
{
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        if (parts[i].follow)
            parts[i].follow(user, now);
    }
}

static bool finish(struct sm_job *job, int result)
{
    struct load *load = (struct load *)job;
    struct sm_user *user = job->user;

    if (load->number != user->loads ||
        (user->state != SM_USER_LOADING && user->state != SM_USER_OWNED))
        return true;
    if (result == STORE_OK && user->state == SM_USER_OWNED)
        follow(user, load->profile);
    if (result == STORE_OK) {
        struct sm_profile *old = user->profile;
        user->profile = load->profile;
        load->profile = old;
    } else {
        LOG(LOG_WARN, "sm.profile_failed", F_SPAN("user", user->bare));
    }
    if (user->state == SM_USER_LOADING)
        sm_user_loaded(user, result == STORE_OK);
    else if (result == STORE_OK)
        sm_requests_show_all(user); /* some may have come by another instance */
    return true;
}

static void destroy(struct sm_job *job)
{
    sm_profile_free(&((struct load *)job)->profile);
}

bool sm_profile_load(struct sm_user *user)
{
    struct load *load = mem_zalloc(sizeof(*load));

    load->profile = mem_zalloc(sizeof(*load->profile));
    load->profile->sm = user->sm;
    load->number = ++user->loads;
    load->job.finish = finish;
    load->job.destroy = destroy;
    if (sm_job_submit(user->sm, STORE_READ, &load->job, user, NULL, run))
        return true;
    destroy(&load->job);
    free(load);
    return false;
}

void sm_profile_reload(struct sm_user *user)
{
    if (user->state != SM_USER_LOADING && user->state != SM_USER_OWNED)
        return;
    if (!sm_profile_load(user))
        LOG(LOG_WARN, "sm.profile_failed", F_SPAN("user", user->bare));
}
