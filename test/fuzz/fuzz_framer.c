/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fuzz_framer - a stream's bytes through framer and parser, as they come and in pieces: the frames
 * must be the same. Byte 0: bit 0 a root is expected, the others the piece's size, less one.
 */
#include "fuzz.h"

#include "base/mem.h"
#include "xml/framer.h"
#include "xml/parser.h"
#include "xml/starttag.h"
#include "xmpp/ns.h"

#include <stdlib.h>

/* Small, so that each of them is met. */
static const struct framer_limits limits = {
    .stanza_bytes = 2000, .tag_bytes = 300, .depth = 8, .elements = 40};

struct course {
    struct framer framer;
    struct buf frame, outcome;
    size_t total;
    bool in_space, parses;
};

static void check_parse(enum frame kind, struct span frame)
{
    struct stanza s = {0};
    if (kind == FRAME_OPEN) {
        xml_parse_open(frame, &s);
    } else {
        struct starttag tag;
        starttag_scan(frame, &tag);
        xml_parse_stanza(xml_parser_shared(SPAN(NS_CLIENT)), frame, &s);
    }
    stanza_free(&s);
}

/* One outcome of the framer; false: the stream is over. */
static bool take(struct course *c, enum frame kind)
{
    struct span frame = buf_span(&c->frame);
    /* A run of white space may come in pieces. */
    if (kind == FRAME_SPACE) {
        if (!c->in_space)
            buf_append_z(&c->outcome, "space\n");
        c->in_space = true;
        return true;
    }
    c->in_space = false;
    char head[] = {'\n', (char)('0' + kind), ' ', '\0'};
    buf_append_z(&c->outcome, head);
    if (kind == FRAME_FAULT) {
        buf_printf(&c->outcome, "%s at %zu", xml_fault_name(c->framer.fault), c->total);
        return false;
    }
    /* What the parser sees is the same when the frames are. */
    buf_append(&c->outcome, frame);
    if (c->parses && (kind == FRAME_OPEN || kind == FRAME_STANZA))
        check_parse(kind, frame);
    return kind != FRAME_CLOSE;
}

static bool feed(struct course *c, struct span piece)
{
    bool goes_on = true;
    while (goes_on && piece.n > 0) {
        enum frame kind;
        size_t n = framer_scan(&c->framer, piece.p, piece.n, &kind);
        if (n == 0 || n > piece.n)
            fuzz_fail("the framer takes what is not there", piece, SPAN(""));
        buf_append(&c->frame, span_make(piece.p, n));
        c->total += n;
        piece = span_from(piece, n);
        if (kind != FRAME_MORE) {
            goes_on = take(c, kind);
            buf_clear(&c->frame);
        }
    }
    return goes_on;
}

/* The outcome as text. Each piece lies at the end of a block of its own, so that a sanitizer sees
 * what is read beyond. */
static struct buf run(struct span in, size_t chunk, bool root, bool parses)
{
    struct course c = {.parses = parses};
    char *block = mem_alloc(chunk ? chunk : 1);
    bool goes_on = true;
    if (root)
        framer_init(&c.framer, &limits);
    else
        framer_init_stanzas(&c.framer, &limits);
    while (goes_on && in.n > 0) {
        size_t n = in.n < chunk ? in.n : chunk;
        memcpy(block + chunk - n, in.p, n);
        goes_on = feed(&c, span_make(block + chunk - n, n));
        in = span_from(in, n);
    }
    buf_append_z(&c.outcome, buf_len(&c.frame) > 0 ? "\nunfinished" : "\nfinished");
    buf_free(&c.frame);
    free(block);
    return c.outcome;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct span in = fuzz_input(data, n);
    uint8_t how = fuzz_byte(&in);
    struct buf whole = run(in, in.n, how & 1, true);
    struct buf pieces = run(in, 1 + (how >> 1) % 40, how & 1, false);
    if (!span_eq(buf_span(&whole), buf_span(&pieces)))
        fuzz_fail("chunking makes a difference", buf_span(&whole), buf_span(&pieces));
    buf_free(&pieces);
    buf_free(&whole);
    return 0;
}
