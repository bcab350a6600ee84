/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * archive_rule - which messages an archive holds (XEP-0313 6.1.1, XEP-0334), and whether its owner
 * wants them (XEP-0441). Called by archive.c on the loop, and for absent users in run().
 */
#include "c2s/sm/archive/archive.h"

/* Besides a body, what makes a message one that its reader will look for later; name none: any. */
static const struct {
    struct span ns, name;
} contents[] = {
    {SPAN_INIT("urn:xmpp:receipts"), SPAN_INIT("received")},
    {SPAN_INIT("urn:xmpp:chat-markers:0"), {NULL, 0}},
    {SPAN_INIT("urn:xmpp:eme:0"), SPAN_INIT("encryption")},
    {SPAN_INIT("eu.siacs.conversations.axolotl"), SPAN_INIT("encrypted")},
    {SPAN_INIT("urn:xmpp:omemo:2"), SPAN_INIT("encrypted")},
    {SPAN_INIT("urn:xmpp:openpgp:0"), SPAN_INIT("openpgp")},
    {SPAN_INIT("urn:ietf:params:xml:ns:xmpp-e2e"), SPAN_INIT("e2e")},
    {SPAN_INIT("jabber:x:encrypted"), SPAN_INIT("x")},
    {SPAN_INIT("jabber:x:signed"), SPAN_INIT("x")},
    {SPAN_INIT("urn:xmpp:reactions:0"), SPAN_INIT("reactions")},
    {SPAN_INIT("urn:xmpp:message-retract:1"), SPAN_INIT("retract")},
    {SPAN_INIT("jabber:x:conference"), SPAN_INIT("x")},
};

static bool has_hint(const struct stanza *s, struct span name)
{
    return stanza_child(s, 0, SPAN(NS_HINTS), name) != 0;
}

static bool is_content(const struct stanza *s, uint32_t node)
{
    const struct stanza_node *n = &s->nodes[node];

    if (span_eq(n->ns, stanza_root(s)->ns))
        return span_eq(n->name, SPAN("body")) || span_eq(n->name, SPAN("subject"));
    for (size_t i = 0; i < ARRAY_LEN(contents); i++) {
        if (span_eq(n->ns, contents[i].ns) &&
            (span_is_none(contents[i].name) || span_eq(n->name, contents[i].name)))
            return true;
    }
    return false;
}

static bool has_content(const struct stanza *s)
{
    for (uint32_t c = stanza_child(s, 0, SPAN_NONE, SPAN_NONE); c;
         c = stanza_next(s, c, SPAN_NONE, SPAN_NONE)) {
        if (is_content(s, c))
            return true;
    }
    return false;
}

/* Rooms have their own archives; headlines and errors are of the moment. */
bool sm_archive_is_worth(const struct stanza *s)
{
    if (!span_eq(stanza_root(s)->name, SPAN("message")) || span_eq(s->type, SPAN("groupchat")) ||
        span_eq(s->type, SPAN("headline")) || span_eq(s->type, SPAN("error")))
        return false;
    if (has_hint(s, SPAN("no-store")) || has_hint(s, SPAN("no-permanent-store")))
        return false;
    return has_content(s) || has_hint(s, SPAN("store"));
}

/* --- the user's say --- */

/* A user of the network goes by two names here: of the host, as the peer has it, and of the
 * network, as what is said of him is stored. */
static struct span in_network(const struct sm *sm, struct span bare, char text[JID_TEXT_MAX])
{
    const struct span host = sm->opts.host, network = sm->opts.network;
    size_t at = span_index(bare, '@');

    if (at == bare.n || !span_eq(span_from(bare, at + 1), host) || span_eq(host, network) ||
        at + 1 + network.n > JID_TEXT_MAX)
        return SPAN_NONE;
    memcpy(text, bare.p, at + 1);
    memcpy(text + at + 1, network.p, network.n);
    return span_make(text, at + 1 + network.n);
}

static enum sm_archive_say say_full(const struct sm_archive_prefs *prefs, struct span bare,
                                    struct span resource)
{
    char text[JID_TEXT_MAX] SM_HOT;

    if (span_is_none(bare) || span_is_none(resource) ||
        bare.n + 1 + resource.n > sizeof(text))
        return SM_SAY_NOTHING;
    memcpy(text, bare.p, bare.n);
    text[bare.n] = '/';
    memcpy(text + bare.n + 1, resource.p, resource.n);
    return sm_archive_prefs_say(prefs, span_make(text, bare.n + 1 + resource.n));
}

/* What is said of a resource goes before what is said of all. */
static enum sm_archive_say say(const struct sm_archive_prefs *prefs,
                               const struct sm_archive_peer *peer, struct span other)
{
    enum sm_archive_say said = say_full(prefs, peer->bare, peer->resource);

    if (!said)
        said = say_full(prefs, other, peer->resource);
    if (!said)
        said = sm_archive_prefs_say(prefs, peer->bare);
    if (!said && !span_is_none(other))
        said = sm_archive_prefs_say(prefs, other);
    return said;
}

bool sm_archive_is_wanted(const struct sm *sm, const struct sm_archive_prefs *prefs,
                          const struct sm_archive_peer *peer,
                          bool (*is_contact)(void *ctx, struct span bare), void *ctx)
{
    enum sm_archive_rule rule = prefs ? sm_archive_prefs_rule(prefs) : sm->opts.archive_rule;
    enum sm_archive_say said = SM_SAY_NOTHING;
    char text[JID_TEXT_MAX] SM_HOT;
    struct span other;

    if (!prefs && rule != SM_ARCHIVE_ROSTER)
        return rule == SM_ARCHIVE_ALWAYS;
    other = in_network(sm, peer->bare, text);
    if (prefs)
        said = say(prefs, peer, other);
    if (said)
        return said == SM_SAY_ALWAYS;
    if (rule != SM_ARCHIVE_ROSTER)
        return rule == SM_ARCHIVE_ALWAYS;
    return is_contact(ctx, peer->bare) || (!span_is_none(other) && is_contact(ctx, other));
}
