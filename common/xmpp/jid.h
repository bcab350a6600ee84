/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * jid - addresses: parsing and preparation (RFC 7622's syntax with the profiles of RFC 6122:
 * nodeprep, nameprep/IDNA, resourceprep by libidn).
 *
 * Each part holds 1 to 1,023 bytes after preparation. Input that is prepared already, as nearly
 * all is, is not copied: the result borrows from it.
 */
#ifndef XMPP_JID_H
#define XMPP_JID_H

#include "base/span.h"

#define JID_PART_MAX 1023
#define JID_TEXT_MAX (3 * JID_PART_MAX + 2)

struct jid {
    struct span local;    /* none when absent */
    struct span domain;
    struct span resource; /* none when absent */
    struct span full;     /* the whole, contiguous */
    struct span bare;     /* full without the resource */
};

/* Where a prepared address goes when it differs from the input; lives as long as the jid. */
struct jid_scratch {
    char text[JID_TEXT_MAX + 1];
};

/*
 * jid_parse - text into *jid_r, prepared. Views into text or scratch. False: malformed
 * (stanza error jid-malformed). A trailing dot of the domain is dropped (RFC 7622 3.2).
 */
bool jid_parse(struct span text, struct jid *jid_r, struct jid_scratch *scratch);

/* Prepares one part into out (JID_PART_MAX bytes at least); false when it cannot be one.
 * The result may borrow from text. */
bool jid_prep_local(struct span text, char *out, struct span *part_r);
bool jid_prep_domain(struct span text, char *out, struct span *part_r);
bool jid_prep_resource(struct span text, char *out, struct span *part_r);

/* A prepared domain as the DNS and certificates spell it (A-labels, lower case), NUL-terminated in
 * out. False: it has no such form: an address in brackets, or too long for the DNS. */
#define JID_ASCII_MAX 253
bool jid_domain_to_ascii(struct span domain, char out[JID_ASCII_MAX + 1]);

static inline bool jid_is_bare(const struct jid *j)
{
    return span_is_none(j->resource);
}

static inline bool jid_is_domain(const struct jid *j)
{
    return span_is_none(j->local) && span_is_none(j->resource);
}

/* The bare part of an address that is known to be prepared: up to the first '/'. */
static inline struct span jid_bare_of(struct span full)
{
    return span_make(full.p, span_index(full, '/'));
}

/* The domain of an address that is known to be prepared. */
struct span jid_domain_of(struct span full);

#endif
