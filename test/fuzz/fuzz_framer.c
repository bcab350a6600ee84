/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fuzz_framer - a stream's bytes through framer and parser, as they come, in pieces and byte by
 * byte: the outcome must be the same. Byte 0: bit 0 a root is expected, the others the piece's
 * size.
 */
#include "fuzz.h"

#include "../unit/xml/dump.h"
#include "xml/framer.h"
#include "xml/parser.h"
#include "xml/starttag.h"
#include "xmpp/ns.h"

/* Small, so that each of them is met. */
static const struct framer_limits limits = {
    .stanza_bytes = 2000, .tag_bytes = 300, .depth = 8, .elements = 40};

struct course {
    struct framer framer;
    struct buf frame, outcome;
    size_t total;
    bool in_space;
};

static void note_stanza(struct course *c, enum xml_fault fault, struct stanza *s)
{
    char *text = dump_stanza(s);
    buf_printf(&c->outcome, "%s %s\n", xml_fault_name(fault), text);
    free(text);
    stanza_free(s);
}

/* One outcome of the framer; false: the stream is over. */
static bool take(struct course *c, enum frame kind)
{
    struct stanza s = {0};
    struct span frame = buf_span(&c->frame);
    /* A run of white space may come in pieces. */
    if (kind == FRAME_SPACE) {
        if (!c->in_space)
            buf_append_z(&c->outcome, "space\n");
        c->in_space = true;
        return true;
    }
    c->in_space = false;
    buf_printf(&c->outcome, "%d at %zu ", (int)kind, c->total);
    if (kind == FRAME_FAULT) {
        buf_append_z(&c->outcome, xml_fault_name(c->framer.fault));
        return false;
    }
    if (kind == FRAME_OPEN) {
        note_stanza(c, xml_parse_open(frame, &s), &s);
    } else if (kind == FRAME_STANZA) {
        struct starttag tag;
        starttag_scan(frame, &tag);
        note_stanza(c, xml_parse_stanza(xml_parser_shared(SPAN(NS_CLIENT)), frame, &s), &s);
    }
    return kind != FRAME_CLOSE;
}

/* A piece in a block of its own, so that a sanitizer sees what is read beyond. */
static bool feed(struct course *c, struct span piece)
{
    char *copy = mem_strndup(piece.p, piece.n);
    size_t at = 0;
    bool goes_on = true;
    while (goes_on && at < piece.n) {
        enum frame kind;
        size_t n = framer_scan(&c->framer, copy + at, piece.n - at, &kind);
        if (n == 0 || n > piece.n - at)
            fuzz_fail("the framer takes what is not there", piece, SPAN(""));
        buf_append(&c->frame, span_make(copy + at, n));
        c->total += n;
        at += n;
        if (kind != FRAME_MORE) {
            goes_on = take(c, kind);
            buf_clear(&c->frame);
        }
    }
    free(copy);
    return goes_on;
}

static struct buf run(struct span in, size_t chunk, bool root)
{
    struct course c = {0};
    if (root)
        framer_init(&c.framer, &limits);
    else
        framer_init_stanzas(&c.framer, &limits);
    while (in.n > 0) {
        size_t n = in.n < chunk ? in.n : chunk;
        if (!feed(&c, span_make(in.p, n)))
            break;
        in = span_from(in, n);
    }
    buf_printf(&c.outcome, "end %d", buf_len(&c.frame) > 0);
    buf_free(&c.frame);
    return c.outcome;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct span in = fuzz_input(data, n);
    uint8_t how = fuzz_byte(&in);
    size_t chunks[] = {2 + (how >> 1) % 40, 1};
    struct buf whole = run(in, in.n, how & 1);
    for (size_t i = 0; i < ARRAY_LEN(chunks); i++) {
        struct buf pieces = run(in, chunks[i], how & 1);
        if (!span_eq(buf_span(&whole), buf_span(&pieces)))
            fuzz_fail("chunking makes a difference", buf_span(&whole), buf_span(&pieces));
        buf_free(&pieces);
    }
    buf_free(&whole);
    return 0;
}
