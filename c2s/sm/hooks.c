/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * hooks - what looks at stanzas on their way, and at sessions that come and go, in one table, in
 * the order in which it happens.
 *
 * sending: a stanza of a client of ours that has a recipient, before it goes anywhere; in->session
 * is the sender. receiving: one for an account that is owned here, before it is delivered; user is
 * that. absent: one for an account that nobody owns, before it is handled from storage. A hook that
 * answers false has taken the stanza, and the rows behind it do not see it.
 */
#include "c2s/sm/access.h"
#include "c2s/sm/archive/archive.h"

struct sm_hook {
    const char *name;
    bool (*sending)(struct sm_in *in);
    bool (*receiving)(struct sm_in *in, struct sm_user *user);
    void (*available)(struct sm_session *s);
    void (*gone)(struct sm_session *s);
    bool (*absent)(struct sm_in *in);
};

/* Any may be NULL. */
static const struct sm_hook hooks[] = {
    {"services", sm_services_sending, NULL, NULL, NULL, NULL},
    {"access", sm_access_sending, NULL, NULL, NULL, NULL},
    {"block", sm_block_sending, sm_block_receiving, NULL, NULL, NULL},
    {"strangers", NULL, sm_strangers_receiving, NULL, NULL, NULL},
    {"filter", sm_filter_sending, sm_filter_receiving, NULL, NULL, sm_filter_absent},
    {"avatar", sm_avatar_sending, NULL, NULL, NULL, NULL},
    {"pep", NULL, sm_pep_receiving, NULL, sm_pep_gone, NULL},
    {"archive", sm_archive_sending, sm_archive_receiving, NULL, NULL, NULL},
    {"carbons", sm_carbons_sending, sm_carbons_receiving, NULL, NULL, NULL},
    {"push", NULL, sm_push_receiving, NULL, NULL, NULL},
    {"commands", NULL, NULL, NULL, sm_commands_gone, NULL},
    {"motd", NULL, NULL, sm_motd_available, NULL, NULL},
};

bool sm_hooks_sending(struct sm_in *in)
{
    for (size_t i = 0; i < ARRAY_LEN(hooks); i++) {
        if (hooks[i].sending && !hooks[i].sending(in))
            return false;
    }
    return true;
}

bool sm_hooks_receiving(struct sm_in *in, struct sm_user *user)
{
    for (size_t i = 0; i < ARRAY_LEN(hooks); i++) {
        if (hooks[i].receiving && !hooks[i].receiving(in, user))
            return false;
    }
    return true;
}

bool sm_hooks_absent(struct sm_in *in)
{
    for (size_t i = 0; i < ARRAY_LEN(hooks); i++) {
        if (hooks[i].absent && !hooks[i].absent(in))
            return false;
    }
    return true;
}

void sm_hooks_available(struct sm_session *s)
{
    for (size_t i = 0; i < ARRAY_LEN(hooks); i++) {
        if (hooks[i].available)
            hooks[i].available(s);
    }
}

void sm_hooks_gone(struct sm_session *s)
{
    for (size_t i = 0; i < ARRAY_LEN(hooks); i++) {
        if (hooks[i].gone)
            hooks[i].gone(s);
    }
}
