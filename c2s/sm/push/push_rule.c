/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * push_rule - which messages are worth waking a device for, and what may be told of them.
 *
 * Words and what is encrypted (XEP-0380, OMEMO, OpenPGP), calls (XEP-0353) and invitations to
 * rooms; not chat states, receipts, markers, headlines or errors.
 */
#include "c2s/sm/push/push.h"

#define NS_AXOLOTL "eu.siacs.conversations.axolotl" /* OMEMO as it was first */
#define NS_OMEMO "urn:xmpp:omemo:2"

enum content { NOTHING, WORDS, SECRET };

static const struct {
    struct span ns, name;
    enum content content;
} contents[] = {
    {SPAN_INIT("urn:xmpp:eme:0"), SPAN_INIT("encryption"), SECRET},
    {SPAN_INIT(NS_AXOLOTL), SPAN_INIT("encrypted"), SECRET},
    {SPAN_INIT(NS_OMEMO), SPAN_INIT("encrypted"), SECRET},
    {SPAN_INIT("urn:xmpp:openpgp:0"), SPAN_INIT("openpgp"), SECRET},
    {SPAN_INIT("urn:ietf:params:xml:ns:xmpp-e2e"), SPAN_INIT("e2e"), SECRET},
    {SPAN_INIT("jabber:x:encrypted"), SPAN_INIT("x"), SECRET},
    {SPAN_INIT("urn:xmpp:jingle-message:0"), SPAN_INIT("propose"), WORDS},
    {SPAN_INIT("urn:xmpp:jingle-message:1"), SPAN_INIT("propose"), WORDS},
    {SPAN_INIT(NS_CONFERENCE), SPAN_INIT("x"), WORDS},
};

static enum content content_of(struct stanza *s, uint32_t message, uint32_t child)
{
    const struct stanza_node *n = &s->nodes[child];

    if (span_eq(n->ns, s->nodes[message].ns))
        return span_eq(n->name, SPAN("body")) && !span_is_empty(stanza_text(s, child)) ? WORDS
                                                                                       : NOTHING;
    for (size_t i = 0; i < ARRAY_LEN(contents); i++) {
        if (span_eq(n->ns, contents[i].ns) && span_eq(n->name, contents[i].name))
            return contents[i].content;
    }
    return NOTHING;
}

/* OMEMO without a payload: that tells nobody anything, whatever else it says of encryption. */
static bool is_keys_only(const struct stanza *s, uint32_t message)
{
    for (uint32_t c = stanza_child(s, message, SPAN_NONE, SPAN("encrypted")); c;
         c = stanza_next(s, c, SPAN_NONE, SPAN("encrypted"))) {
        if (span_eq(s->nodes[c].ns, SPAN(NS_AXOLOTL)) || span_eq(s->nodes[c].ns, SPAN(NS_OMEMO)))
            return !stanza_child(s, c, SPAN_NONE, SPAN("payload"));
    }
    return false;
}

static enum content content(struct stanza *s, uint32_t message)
{
    enum content most = NOTHING;

    if (is_keys_only(s, message))
        return NOTHING;
    for (uint32_t c = stanza_child(s, message, SPAN_NONE, SPAN_NONE); c;
         c = stanza_next(s, c, SPAN_NONE, SPAN_NONE)) {
        enum content one = content_of(s, message, c);
        if (one > most)
            most = one;
    }
    return most;
}

enum push_worth sm_push_worth(struct stanza *s, uint32_t node)
{
    const struct span type = stanza_attr(s, node, SPAN("type"));

    if (!span_eq(s->nodes[node].name, SPAN("message")) || span_eq(type, SPAN("error")) ||
        span_eq(type, SPAN("headline")) || content(s, node) == NOTHING)
        return PUSH_NOTHING;
    if (span_eq(type, SPAN("groupchat")) ||
        stanza_child(s, node, SPAN(NS_HINTS), SPAN("no-store")))
        return PUSH_RECEIVER;
    return PUSH_ALL;
}

/* Not in the middle of a character. */
static struct span cut(struct span text, size_t max)
{
    size_t n = max;

    if (text.n <= max)
        return text;
    while (n > 0 && ((unsigned char)text.p[n] & 0xc0) == 0x80)
        n--;
    return span_make(text.p, n);
}

/* What stands in for words that are encrypted says nothing. */
struct push_note sm_push_note_of(const struct sm *sm, struct stanza *s, uint32_t node)
{
    struct push_note note = {0};
    uint32_t body = stanza_child(s, node, s->nodes[node].ns, SPAN("body"));

    if (sm->opts.push_sender)
        note.sender = node ? stanza_attr(s, node, SPAN("from")) : s->from;
    if (sm->opts.push_body && body && content(s, node) != SECRET)
        note.body = cut(stanza_text(s, body), PUSH_MAX_BODY);
    return note;
}
