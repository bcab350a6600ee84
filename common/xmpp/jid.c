/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * jid - addresses: the split into parts (RFC 7622 3) and the fast path for prepared ones.
 *
 * Called wherever an address comes in. Nearly every part is plain lower-case ASCII: one pass over a
 * class table sees that, and the part is borrowed from the input. The others go to jid_prep.c.
 */
#include "xmpp/jid.h"

#include "xmpp/jid_prep.h"

/* Which ASCII bytes stand in a part as they are. The rest needs preparation, or is refused. */
#define L 1 /* localpart: not "&'/:<>@, no space, no capitals */
#define D 2 /* domainpart: letters, digits, hyphen; the dot is handled apart */
#define R 4 /* resourcepart: all that prints */

static const uint8_t classes[256] = {
    [' '] = R,
    ['!'] = L | R,
    ['"'] = R,
    ['#' ... '%'] = L | R,
    ['&' ... '\''] = R,
    ['(' ... ','] = L | R,
    ['-'] = L | D | R,
    ['.'] = L | R,
    ['/'] = R,
    ['0' ... '9'] = L | D | R,
    [':'] = R,
    [';'] = L | R,
    ['<'] = R,
    ['='] = L | R,
    ['>'] = R,
    ['?'] = L | R,
    ['@'] = R,
    ['A' ... 'Z'] = R,
    ['[' ... '`'] = L | R,
    ['a' ... 'z'] = L | D | R,
    ['{' ... '~'] = L | R,
};

static bool is_plain(struct span text, uint8_t part)
{
    uint8_t all = part;
    for (size_t i = 0; i < text.n; i++)
        all &= classes[(unsigned char)text.p[i]];
    return all != 0;
}

/* Labels of 1 to 63 letters, digits and inner hyphens; none that claims to be an A-label. */
static bool has_plain_labels(struct span text)
{
    size_t start = 0;
    for (size_t i = 0; i <= text.n; i++) {
        if (i < text.n && text.p[i] != '.') {
            if (!(classes[(unsigned char)text.p[i]] & D))
                return false;
            continue;
        }
        struct span label = span_make(text.p + start, i - start);
        if (label.n == 0 || label.n > JID_LABEL_MAX || label.p[0] == '-' ||
            label.p[label.n - 1] == '-' || span_starts(label, SPAN("xn--")))
            return false;
        start = i + 1;
    }
    return true;
}

/* A few domains are in nearly all addresses: those that were found plain last are known. */
static bool is_plain_domain(struct span text)
{
    static struct {
        size_t n;
        char text[56];
    } known[8];
    size_t at = (text.n + (unsigned char)text.p[0] + (unsigned char)text.p[text.n / 2]) % 8;
    if (text.n == known[at].n && memcmp(text.p, known[at].text, text.n) == 0)
        return true;
    if (!has_plain_labels(text))
        return false;
    if (text.n <= sizeof(known[at].text)) {
        known[at].n = text.n;
        memcpy(known[at].text, text.p, text.n);
    }
    return true;
}

static bool fits(struct span text)
{
    return text.n >= 1 && text.n <= JID_PART_MAX;
}

bool jid_prep_local(struct span text, char *out, struct span *part_r)
{
    if (!fits(text))
        return false;
    if (!is_plain(text, L))
        return jid_prep_local_slow(text, out, part_r);
    *part_r = text;
    return true;
}

bool jid_prep_resource(struct span text, char *out, struct span *part_r)
{
    if (!fits(text))
        return false;
    if (!is_plain(text, R))
        return jid_prep_resource_slow(text, out, part_r);
    *part_r = text;
    return true;
}

/* The root's dot is not part of the name (RFC 7622 3.2). Of two, one stays, and is refused as an
 * empty label. The other dots are those of IDNA: U+3002, U+FF0E, U+FF61. */
static struct span without_root(struct span text)
{
    static const struct span dots[] = {SPAN_INIT("."), SPAN_INIT("\xE3\x80\x82"),
                                       SPAN_INIT("\xEF\xBC\x8E"), SPAN_INIT("\xEF\xBD\xA1")};
    for (size_t i = 0; i < sizeof(dots) / sizeof(dots[0]); i++)
        if (span_ends(text, dots[i]))
            return span_make(text.p, text.n - dots[i].n);
    return text;
}

bool jid_prep_domain(struct span text, char *out, struct span *part_r)
{
    text = without_root(text);
    if (!fits(text))
        return false;
    if (!is_plain_domain(text))
        return jid_prep_domain_slow(text, out, part_r);
    *part_r = text;
    return true;
}

/* Moves a part to its place at *at in the scratch text, unless it was prepared there. */
static struct span settle(struct jid_scratch *scratch, size_t *at, struct span part)
{
    char *to = scratch->text + *at;
    if (part.p != to)
        memmove(to, part.p, part.n);
    *at += part.n;
    return span_make(to, part.n);
}

/* The parts, one behind the other, into scratch: at least one is not as it stood in the input. */
static void assemble(struct jid *jid, struct jid_scratch *scratch)
{
    size_t at = 0;
    if (!span_is_none(jid->local)) {
        jid->local = settle(scratch, &at, jid->local);
        scratch->text[at++] = '@';
    }
    jid->domain = settle(scratch, &at, jid->domain);
    jid->bare = span_make(scratch->text, at);
    if (!span_is_none(jid->resource)) {
        scratch->text[at++] = '/';
        jid->resource = settle(scratch, &at, jid->resource);
    }
    jid->full = span_make(scratch->text, at);
}

static bool same_place(struct span a, struct span b)
{
    return a.p == b.p && a.n == b.n;
}

bool jid_parse(struct span text, struct jid *jid_r, struct jid_scratch *scratch)
{
    struct span local = SPAN_NONE, resource = SPAN_NONE;
    if (text.n == 0)
        return false;
    size_t slash = span_index(text, '/');
    struct span domain = span_make(text.p, slash);
    if (slash < text.n)
        resource = span_from(text, slash + 1);
    size_t at = span_index(domain, '@');
    if (at < domain.n) {
        local = span_make(domain.p, at);
        domain = span_from(domain, at + 1);
    }

    /* Each part is prepared where it belongs behind its predecessors, should it have to be. */
    *jid_r = (struct jid){.local = local, .resource = resource};
    char *out = scratch->text;
    if (!span_is_none(local)) {
        if (!jid_prep_local(local, out, &jid_r->local))
            return false;
        out += jid_r->local.n + 1;
    }
    if (!jid_prep_domain(domain, out, &jid_r->domain))
        return false;
    out += jid_r->domain.n + 1;
    if (!span_is_none(resource) && !jid_prep_resource(resource, out, &jid_r->resource))
        return false;

    if (same_place(local, jid_r->local) && same_place(domain, jid_r->domain) &&
        same_place(resource, jid_r->resource)) {
        jid_r->full = text;
        jid_r->bare = span_make(text.p, slash);
    } else {
        assemble(jid_r, scratch);
    }
    return true;
}

struct span jid_domain_of(struct span full)
{
    struct span bare = jid_bare_of(full);
    size_t at = span_index(bare, '@');
    return at < bare.n ? span_from(bare, at + 1) : bare;
}
