/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fuzz_document - a document as a whole and in pieces: what is told of it must be the same, and
 * levels must open and close as they should. Byte 0: the piece's size, less one.
 */
#include "fuzz.h"

#include "base/mem.h"
#include "xml/document.h"
#include "xml/writer.h"

#include <stdlib.h>

/* Small, so that each of them is met. */
static const struct framer_limits limits = {
    .stanza_bytes = 500, .tag_bytes = 100, .depth = 6, .elements = 20};

struct told {
    struct buf text;
    size_t depth;
};

static bool is_container(void *ctx, size_t level, struct span name)
{
    (void)ctx;
    (void)level;
    return name.n == 1; /* <a> is one, <aa> is none */
}

static bool on_open(void *ctx, size_t level, const struct stanza *tag)
{
    struct told *t = ctx;
    if (level != t->depth++)
        fuzz_fail("a level opens in the wrong place", buf_span(&t->text), SPAN(""));
    buf_printf(&t->text, "<%.*s %.*s\n", SPAN_ARG(stanza_root(tag)->name),
               SPAN_ARG(stanza_root(tag)->ns));
    return true;
}

static bool on_leaf(void *ctx, size_t level, const struct stanza *leaf)
{
    struct told *t = ctx;
    if (level != t->depth)
        fuzz_fail("a leaf is in the wrong place", buf_span(&t->text), SPAN(""));
    stanza_write_node(&t->text, leaf, 0, SPAN(""));
    buf_append_char(&t->text, '\n');
    return true;
}

static bool on_close(void *ctx, size_t level)
{
    struct told *t = ctx;
    if (level + 1 != t->depth--)
        fuzz_fail("a level closes in the wrong place", buf_span(&t->text), SPAN(""));
    buf_append_z(&t->text, ">\n");
    return true;
}

static struct buf run(struct span in, size_t piece)
{
    static const struct xml_document_ops ops = {is_container, on_open, on_leaf, on_close};
    struct told t = {0};
    struct xml_document *d = xml_document_new(&limits, &ops, &t);
    enum xml_document_result r = XML_DOCUMENT_OK;
    while (in.n > 0 && r == XML_DOCUMENT_OK) {
        size_t n = in.n < piece ? in.n : piece;
        r = xml_document_feed(d, span_make(in.p, n));
        in = span_from(in, n);
    }
    buf_append_z(&t.text, r != XML_DOCUMENT_OK       ? "faulty"
                          : xml_document_is_whole(d) ? "whole"
                                                     : "unfinished");
    if (xml_document_is_whole(d) != (r == XML_DOCUMENT_OK && t.depth == 0 && buf_len(&t.text) > 10))
        fuzz_fail("it is whole, and is not", buf_span(&t.text), SPAN(""));
    xml_document_free(&d);
    return t.text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct span in = fuzz_input(data, n);
    uint8_t how = fuzz_byte(&in);
    struct buf whole = run(in, in.n), pieces = run(in, 1 + how % 40);
    if (!span_eq(buf_span(&whole), buf_span(&pieces)))
        fuzz_fail("chunking makes a difference", buf_span(&whole), buf_span(&pieces));
    buf_free(&pieces);
    buf_free(&whole);
    return 0;
}
