/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * owner - words to the instance that owns a user, from one that does not and need not know which it
 * is: headlines in the host's name, which only the host's own client servers have, go to the user's
 * bare JID. The router knows who that is by then; if nobody is, the word has no meaning any more.
 *
 *   stored   a message for him is in the store: he may have come since, or the router was away
 *   deleted  his account is no more
 *   moved    he is at home at the server that is named
 *   roster   the item of his roster that is named has been changed in the store
 *   changed  what his owner keeps in memory of him (profile.c) has been changed in the store
 *
 * Called by offline.c, sm.c, and route.c for what comes in.
 */
#include "c2s/sm/contacts/contacts.h"

static const struct {
    struct span word;
    void (*handle)(struct sm_user *user);
    void (*handle_item)(struct sm_user *user, struct span jid);
} words[] = {
    {SPAN_INIT("stored"), sm_offline_look, NULL},
    {SPAN_INIT("deleted"), sm_user_end_sessions, NULL},
    {SPAN_INIT("changed"), sm_profile_reload, NULL},
    {SPAN_INIT("moved"), NULL, sm_user_end_moved},
    {SPAN_INIT("roster"), NULL, sm_roster_refresh},
};

void sm_owner_tell(struct sm *sm, struct span name, const char *word)
{
    sm_owner_tell_of(sm, name, word, SPAN_NONE);
}

void sm_owner_tell_of(struct sm *sm, struct span name, const char *word, struct span jid)
{
    struct sm_out out;

    struct sm_user *user = sm_user_find(sm, name);
    if (user && user->state == SM_USER_LOADING)
        sm_profile_reload(user); /* what is being read may be older */
    if (sm_user_owned(sm, name))
        return; /* it is us, and we know */
    struct buf *buf = sm_out_begin(sm, NULL, &out);
    xml_raw(buf, SPAN("<message type='headline'"));
    xml_attr(buf, "from", sm->opts.host);
    xml_raw(buf, SPAN(" to='"));
    xml_value(buf, name);
    xml_raw(buf, SPAN("@"));
    xml_value(buf, sm->opts.host);
    xml_raw(buf, SPAN("'><"));
    buf_append_z(buf, word);
    xml_attr(buf, "jid", jid);
    xml_raw(buf, SPAN(" xmlns='" NS_FRONT "'/></message>"));
    sm_out_end(&out);
}

bool sm_owner_on_told(const struct sm_in *in)
{
    const struct stanza *s = in->stanza;
    uint32_t node;

    if (!span_eq(s->from, in->sm->opts.host) ||
        !(node = stanza_child(s, 0, SPAN(NS_FRONT), SPAN_NONE)))
        return false;
    struct sm_user *user = sm_user_owned(in->sm, in->to.local);
    for (size_t i = 0; user && i < ARRAY_LEN(words); i++) {
        if (!span_eq(s->nodes[node].name, words[i].word))
            continue;
        if (words[i].handle)
            words[i].handle(user);
        else
            words[i].handle_item(user, stanza_attr(s, node, SPAN("jid")));
        break;
    }
    return true;
}
