/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * csi - what is held back from a client: XEP-0352 (client state), and who hibernates (XEP-0198).
 *
 * Called by seat.c for what is written meanwhile. Looks at stanzas as they were written: start
 * tags, and a tree only of the few that may be nothing but a chat state (XEP-0085).
 */
#include "c2s/csi.h"

#include "c2s/c2s.h"
#include "xml/starttag.h"
#include "xmpp/ns.h"

#include <stdlib.h>

#define HELD_MAX 1000
#define HELD_BYTES_MAX (128u << 10)
#define CHAT_STATE_BYTES_MAX 2048

/* In the order of coming; replaced: n is 0. */
struct held {
    size_t at, n; /* in bytes */
    size_t from_at, from_n;
};

struct csi {
    struct buf bytes;
    struct held *held;
    size_t count, cap;
    size_t dead; /* bytes of those that have been replaced */
};

void csi_begin(struct seat *seat)
{
    seat->csi = mem_zalloc(sizeof *seat->csi);
}

void csi_free(struct csi **csi_ptr)
{
    struct csi *csi = *csi_ptr;
    *csi_ptr = NULL;
    if (!csi)
        return;
    buf_free(&csi->bytes);
    free(csi->held);
    free(csi);
}

size_t csi_bytes(const struct csi *csi)
{
    return buf_len(&csi->bytes);
}

static void reset(struct csi *csi)
{
    buf_free(&csi->bytes);
    free(csi->held);
    *csi = (struct csi){0};
}

void csi_flush(struct seat *seat)
{
    struct csi *csi = seat->csi;
    const char *p = buf_span(&csi->bytes).p;
    for (size_t i = 0; i < csi->count; i++) {
        if (csi->held[i].n > 0)
            seat_emit(seat, span_make(p + csi->held[i].at, csi->held[i].n));
    }
    reset(csi);
}

void csi_end(struct seat *seat)
{
    csi_flush(seat);
    csi_free(&seat->csi);
}

/* --- presence --------------------------------------------------------------------------------- */

static struct span held_from(const struct csi *csi, const struct held *held)
{
    return span_make(buf_span(&csi->bytes).p + held->from_at, held->from_n);
}

static void replace(struct csi *csi, struct span from)
{
    for (size_t i = 0; i < csi->count; i++) {
        struct held *held = &csi->held[i];
        if (held->n > 0 && span_eq(held_from(csi, held), from)) {
            csi->dead += held->n;
            held->n = 0;
            return;
        }
    }
}

/* Moves what lives over what does not. */
static void compact(struct csi *csi)
{
    char *p = csi->bytes.p + csi->bytes.head;
    size_t at = 0, count = 0;
    for (size_t i = 0; i < csi->count; i++) {
        struct held held = csi->held[i];
        if (held.n == 0)
            continue;
        memmove(p + at, p + held.at, held.n);
        held.from_at -= held.at - at;
        held.at = at;
        at += held.n;
        csi->held[count++] = held;
    }
    csi->bytes.tail = csi->bytes.head + at;
    csi->count = count;
    csi->dead = 0;
}

static void hold(struct csi *csi, struct span stanza, struct span from)
{
    replace(csi, from);
    if (csi->count == csi->cap) {
        if (csi->dead > 0)
            compact(csi);
        if (csi->count > csi->cap / 2 || csi->cap == 0) {
            csi->cap = csi->cap ? csi->cap * 2 : 8;
            csi->held = mem_realloc(csi->held, csi->cap * sizeof *csi->held);
        }
    } else if (csi->dead > HELD_BYTES_MAX / 4) {
        compact(csi);
    }
    size_t at = buf_len(&csi->bytes);
    csi->held[csi->count++] =
        (struct held){at, stanza.n, at + (size_t)(from.p - stanza.p), from.n};
    buf_append(&csi->bytes, stanza);
}

/* Who is there, or not; not what is asked of the user. */
static bool is_status(const struct starttag *tag)
{
    return span_eq(tag->name, SPAN("presence")) && tag->from.n > 0 &&
           (span_is_none(tag->type) || span_eq(tag->type, SPAN("unavailable")));
}

/* --- chat states ------------------------------------------------------------------------------ */

static bool is_nothing_but_state(const struct stanza *s, uint32_t node)
{
    bool has_state = false;
    for (uint32_t c = stanza_child(s, node, SPAN_NONE, SPAN_NONE); c;
         c = stanza_next(s, c, SPAN_NONE, SPAN_NONE)) {
        struct span ns = s->nodes[c].ns;
        if (span_eq(ns, SPAN(NS_CHATSTATES)))
            has_state = true;
        else if (!span_eq(ns, SPAN(NS_HINTS)) && !span_eq(ns, SPAN(NS_STANZA_ID)) &&
                 !span_eq(s->nodes[c].name, SPAN("thread")))
            return false;
    }
    return has_state;
}

/* A carbon (XEP-0280) is what its message is. */
static uint32_t message_of(const struct stanza *s)
{
    uint32_t carbon = stanza_child(s, 0, SPAN(NS_CARBONS), SPAN_NONE);
    uint32_t forwarded = carbon ? stanza_child(s, carbon, SPAN_NONE, SPAN("forwarded")) : 0;
    return forwarded ? stanza_child(s, forwarded, SPAN(NS_CLIENT), SPAN("message")) : 0;
}

static bool is_chat_state(struct span stanza, const struct starttag *tag)
{
    static const struct span ns = SPAN_INIT(NS_CHATSTATES), body = SPAN_INIT("<body");
    struct stanza tree = {0};
    bool is_state = false;
    if (!span_eq(tag->name, SPAN("message")) || span_eq(tag->type, SPAN("error")) ||
        stanza.n > CHAT_STATE_BYTES_MAX || !memmem(stanza.p, stanza.n, ns.p, ns.n) ||
        memmem(stanza.p, stanza.n, body.p, body.n))
        return false;
    if (xml_parse_stanza(xml_parser_shared(SPAN(NS_CLIENT)), stanza, &tree) == XML_OK)
        is_state = is_nothing_but_state(&tree, message_of(&tree));
    stanza_free(&tree);
    return is_state;
}

/* --- what comes ------------------------------------------------------------------------------- */

void csi_put(struct seat *seat, struct span stanza)
{
    struct csi *csi = seat->csi;
    struct starttag tag;
    bool is_plain = starttag_scan(stanza, &tag);
    if (is_plain && is_status(&tag)) {
        hold(csi, stanza, tag.from);
        if (csi->count > HELD_MAX || buf_len(&csi->bytes) > HELD_BYTES_MAX)
            csi_flush(seat);
        return;
    }
    if (is_plain && is_chat_state(stanza, &tag))
        return;
    csi_flush(seat);
    seat_emit(seat, stanza);
}

/* --- the client's words ----------------------------------------------------------------------- */

void csi_on_inactive(struct stream *s, struct stanza *stanza)
{
    struct seat *seat = client_of(s)->seat;
    (void)stanza;
    if (seat && !seat->csi)
        csi_begin(seat);
}

void csi_on_active(struct stream *s, struct stanza *stanza)
{
    struct seat *seat = client_of(s)->seat;
    (void)stanza;
    if (!seat || !seat->csi)
        return;
    csi_end(seat);
    if (seat->manage && seat_is_writable(seat))
        manage_after_write(seat->manage);
    stream_flush(s);
}
