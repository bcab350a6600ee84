/* SPDX-License-Identifier: GPL-3.0-or-later */
/* access: see access.h. */
#include "c2s/sm/access.h"

#include "c2s/sm/sm_private.h"

const char *const sm_right_names[SM_RIGHTS + 1] = {
    [SM_RIGHT_ADMINISTER] = "administer", [SM_RIGHT_REGISTER] = "register",
    [SM_RIGHT_PASSWORD] = "password",     [SM_RIGHT_MULTICAST] = "multicast",
    [SM_RIGHT_PUBLISH] = "publish",       [SM_RIGHT_PUSH] = "push",
    [SM_RIGHT_REMOTE] = "remote",         [SM_RIGHT_MANY_SESSIONS] = "many-sessions",
};

enum whom { NOBODY, LOCAL, ALL };

static const enum whom defaults[SM_RIGHTS] = {
    [SM_RIGHT_ADMINISTER] = NOBODY, [SM_RIGHT_REGISTER] = ALL,         [SM_RIGHT_PASSWORD] = LOCAL,
    [SM_RIGHT_MULTICAST] = LOCAL,   [SM_RIGHT_PUBLISH] = LOCAL,        [SM_RIGHT_PUSH] = LOCAL,
    [SM_RIGHT_REMOTE] = LOCAL,      [SM_RIGHT_MANY_SESSIONS] = NOBODY,
};

static bool is_local(const struct sm *sm, struct span jid)
{
    struct span bare = jid_bare_of(jid);
    return span_index(bare, '@') < bare.n && sm_is_local_domain(sm, jid_domain_of(jid));
}

bool sm_access_allows(const struct sm *sm, enum sm_right right, struct span jid)
{
    switch (defaults[right]) {
    case ALL:
        return true;
    case LOCAL:
        return is_local(sm, jid);
    case NOBODY:
        break;
    }
    return false;
}
