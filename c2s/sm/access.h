/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * access - who may do what: one rule for each right, as the configuration has it ([access NAME]).
 *
 * A rule is a list of entries, tried in order; the first that fits decides, and when none does the
 * right is refused. Without a rule its default holds (access.c).
 */
#ifndef C2S_SM_ACCESS_H
#define C2S_SM_ACCESS_H

#include "c2s/sm/sm.h"

struct sm_in;

enum sm_right {
    SM_RIGHT_ADMINISTER,    /* the commands of XEP-0133; default: nobody */
    SM_RIGHT_REGISTER,      /* make an account (the name that he asks for); default: all */
    SM_RIGHT_PASSWORD,      /* change the own password, remove the own account; default: local */
    SM_RIGHT_MULTICAST,     /* one message to many (XEP-0033); default: local */
    SM_RIGHT_PUBLISH,       /* to nodes of his own (XEP-0163); default: local */
    SM_RIGHT_PUSH,          /* to a push service (XEP-0357); default: local */
    SM_RIGHT_REMOTE,        /* stanzas to other domains; default: local */
    SM_RIGHT_MANY_SESSIONS, /* more sessions than [limits] sessions_per_user; default: nobody */
    SM_RIGHTS,
};

/* Their names in the configuration, and NULL. */
extern const char *const sm_right_names[SM_RIGHTS + 1];

/* jid: prepared, bare or full, in any of our domains or elsewhere: the true sender of what asks for
 * the right. Costs one look at the rule's entries; allocates nothing. */
bool sm_access_allows(const struct sm *sm, enum sm_right right, struct span jid);
/* Whether who may send to that domain: everyone to ours and to what is below the host's. */
bool sm_access_reaches(const struct sm *sm, struct span who, struct span domain);
/* A row of hooks.c. */
bool sm_access_sending(struct sm_in *in);

/* The rules from now on; nothing is borrowed. */
void sm_access_load(struct sm *sm, const struct sm_rule *rules, size_t count);
void sm_access_free(struct sm *sm);

#endif
