/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * moved_send - stanzas for users who have moved: passed on for our own users, or the error <gone/>
 * with all that the sender's server needs to send them again. Called by moved.c and moved_store.c.
 */
#include "c2s/sm/network/record.h"

/* What a stanza and its error may have together: more than that would not pass everywhere. */
#define CONTENT_MAX 200000

bool sm_moved_is_local(const struct sm *sm, struct span address)
{
    return sm_is_local_domain(sm, jid_domain_of(address));
}

bool sm_moved_is_unnamed(const struct sm *sm, struct span from)
{
    const size_t at = span_index(from, '@');

    return at < jid_bare_of(from).n && span_eq(jid_domain_of(from), sm->opts.network) &&
           !sm_user_owned(sm, span_make(from.p, at));
}

void sm_moved_name(const struct sm *sm, struct stanza *s, struct span domain)
{
    const size_t at = span_index(s->from, '@');
    struct buf text = {0};

    if (span_eq(domain, sm->opts.host)) /* ours are known by both */
        return;
    buf_append(&text, span_make(s->from.p, at + 1));
    buf_append(&text, domain);
    buf_append(&text, span_from(s->from, jid_bare_of(s->from).n));
    s->from = arena_span(&s->arena, buf_span(&text));
    buf_free(&text);
}

bool sm_moved_is_member(const struct sm *sm, struct span address)
{
    return servers_has_other(sm->net->servers, jid_domain_of(address));
}

void sm_moved_address(struct buf *out, const struct sm_home_record *r, struct span old)
{
    buf_append(out, r->user);
    buf_append_char(out, '@');
    buf_append(out, r->host);
    buf_append(out, span_from(old, span_index(old, '/')));
}

bool sm_moved_pass_on(struct sm *sm, const struct stanza *s, const struct sm_home_record *r,
                      struct span tail, struct link_done done)
{
    struct buf to = {0};
    bool is_sent = false;

    sm_moved_address(&to, r, s->to);
    const struct stanza_write_opts opts = {
        .ns = SPAN(NS_COMPONENT),
        .from_ns = stanza_root(s)->ns,
        .to = buf_span(&to),
        .from = s->from,
        .tail = tail,
    };
    sm_moved_note(sm, s, s->type, s->from, opts.to);
    if (sm->link)
        is_sent = link_send_stanza(sm->link, s, &opts, done);
    else
        sm_done(done, false);
    buf_free(&to);
    return is_sent;
}

/* RFC 5122: what a localpart may hold and a URI may not is escaped. */
static void write_uri(struct buf *out, const struct sm_home_record *r)
{
    static const char plain[] = "-._~!$()*+,;=";

    xml_raw(out, SPAN("xmpp:"));
    for (size_t i = 0; i < r->user.n; i++) {
        const unsigned char c = (unsigned char)r->user.p[i];
        const bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (is_letter || (c >= '0' && c <= '9') || memchr(plain, c, sizeof(plain) - 1))
            buf_append_char(out, (char)c);
        else
            buf_printf(out, "%%%02X", c);
    }
    buf_append_char(out, '@');
    xml_text(out, r->host);
}

/* type none: the stanza is not there to be sent again. */
static void write_error(struct buf *out, const struct sm_home_record *r, bool is_member,
                        struct span type)
{
    xml_raw(out, SPAN("<error type='cancel'><gone xmlns='" NS_STANZA_ERRORS "'>"));
    write_uri(out, r);
    xml_raw(out, SPAN("</gone>"));
    if (is_member)
        sm_record_write_with(out, r, type);
    xml_raw(out, SPAN("</error>"));
}

void sm_moved_write_gone(const struct sm *sm, struct buf *out, struct span ns,
                         const struct stanza *s, const struct sm_home_record *r, bool is_member)
{
    const struct span name = stanza_root(s)->name;
    struct buf error = {0}, whole = {0};

    (void)sm;
    write_error(&error, r, is_member, span_is_empty(s->type) ? SPAN("normal") : s->type);
    const struct stanza_write_opts opts = {
        .ns = ns,
        .from_ns = stanza_root(s)->ns,
        .to = s->from,
        .from = s->to,
        .type = SPAN("error"),
        .tail = buf_span(&error),
    };
    if (is_member)
        stanza_write(&whole, s, &opts);
    if (is_member && buf_len(&whole) <= CONTENT_MAX) {
        buf_append(out, buf_span(&whole));
    } else {
        xml_raw(out, SPAN("<"));
        xml_raw(out, name);
        xml_attr(out, "to", s->from);
        xml_attr(out, "from", s->to);
        xml_attr(out, "id", s->id);
        xml_raw(out, SPAN(" type='error'>"));
        write_error(out, r, is_member, SPAN_NONE);
        xml_raw(out, SPAN("</"));
        xml_raw(out, name);
        xml_raw(out, SPAN(">"));
    }
    buf_free(&error);
    buf_free(&whole);
}
