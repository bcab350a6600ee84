/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * caps_hash - does an answer to disco#info make the hash that was promised (XEP-0115 5.1, 5.4)?
 *
 * An answer that could be read in two ways makes none: the same identity, feature or form twice, a
 * FORM_TYPE with several values, or a '<' in what '<' separates.
 */
#include "c2s/sm/pep/caps.h"

#include "base/mem.h"
#include "tls/crypto.h"
#include "xmpp/form.h"
#include "xmpp/ns.h"

#include <stdlib.h>

#define FIELDS 4 /* of an identity: category, type, lang, name */

/* One line of the string: an identity, a feature, a value; or a form or its field, by its name. */
struct line {
    struct span field[FIELDS];
    uint32_t node;
};

struct lines {
    struct line *line;
    size_t count, room;
    bool is_bad;
};

static int compare_spans(struct span a, struct span b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int order = n ? memcmp(a.p, b.p, n) : 0;

    return order ? order : (a.n > b.n) - (a.n < b.n);
}

static int compare(const void *a, const void *b)
{
    const struct line *x = a, *y = b;
    int order = 0;

    for (size_t i = 0; i < FIELDS && order == 0; i++)
        order = compare_spans(x->field[i], y->field[i]);
    return order;
}

static struct line *add(struct lines *lines, uint32_t node, struct span text)
{
    if (lines->count == lines->room) {
        lines->room = lines->room ? lines->room * 2 : 64;
        lines->line = mem_realloc(lines->line, lines->room * sizeof(*lines->line));
    }
    struct line *line = &lines->line[lines->count++];
    *line = (struct line){.field = {text}, .node = node};
    if (span_index(text, '<') < text.n)
        lines->is_bad = true;
    return line;
}

static void sort(struct lines *lines)
{
    if (lines->count > 1)
        qsort(lines->line, lines->count, sizeof(*lines->line), compare);
}

static void sort_unique(struct lines *lines)
{
    sort(lines);
    for (size_t i = 1; i < lines->count; i++) {
        if (compare(&lines->line[i - 1], &lines->line[i]) == 0)
            lines->is_bad = true;
    }
}

static void write_text(struct buf *out, struct span text)
{
    buf_append(out, text);
    buf_append_char(out, '<');
}

static bool write_identities(const struct stanza *s, uint32_t query, struct buf *out)
{
    static const struct span names[] = {SPAN_INIT("category"), SPAN_INIT("type"), SPAN_INIT(""),
                                        SPAN_INIT("name")};
    struct lines lines = {0};

    for (uint32_t i = stanza_child(s, query, SPAN(NS_DISCO_INFO), SPAN("identity")); i;
         i = stanza_next(s, i, SPAN(NS_DISCO_INFO), SPAN("identity"))) {
        struct line *line = add(&lines, i, SPAN(""));
        for (size_t k = 0; k < FIELDS; k++) {
            line->field[k] = names[k].n ? stanza_attr(s, i, names[k])
                                        : stanza_attr_ns(s, i, SPAN(NS_XML), SPAN("lang"));
            if (span_index(line->field[k], '<') < line->field[k].n)
                lines.is_bad = true;
        }
    }
    sort_unique(&lines);
    for (size_t i = 0; i < lines.count; i++) {
        for (size_t k = 0; k < FIELDS; k++) {
            buf_append(out, lines.line[i].field[k]);
            buf_append_char(out, k + 1 < FIELDS ? '/' : '<');
        }
    }
    free(lines.line);
    return !lines.is_bad;
}

static bool write_features(const struct stanza *s, uint32_t query, struct buf *out)
{
    struct lines lines = {0};

    for (uint32_t f = stanza_child(s, query, SPAN(NS_DISCO_INFO), SPAN("feature")); f;
         f = stanza_next(s, f, SPAN(NS_DISCO_INFO), SPAN("feature")))
        add(&lines, f, stanza_attr(s, f, SPAN("var")));
    sort_unique(&lines);
    for (size_t i = 0; i < lines.count; i++)
        write_text(out, lines.line[i].field[0]);
    free(lines.line);
    return !lines.is_bad;
}

static bool write_values(struct stanza *s, uint32_t field, struct buf *out)
{
    struct lines lines = {0};

    for (uint32_t v = stanza_child(s, field, SPAN(NS_FORM), SPAN("value")); v;
         v = stanza_next(s, v, SPAN(NS_FORM), SPAN("value")))
        add(&lines, v, stanza_text(s, v));
    sort(&lines);
    for (size_t i = 0; i < lines.count; i++)
        write_text(out, lines.line[i].field[0]);
    free(lines.line);
    return !lines.is_bad;
}

static bool write_form(struct stanza *s, uint32_t form, struct buf *out)
{
    struct lines lines = {0};
    bool is_good = true;

    for (uint32_t f = stanza_child(s, form, SPAN(NS_FORM), SPAN("field")); f;
         f = stanza_next(s, f, SPAN(NS_FORM), SPAN("field"))) {
        struct span var = stanza_attr(s, f, SPAN("var"));
        if (!span_eq(var, SPAN("FORM_TYPE")))
            add(&lines, f, var);
    }
    sort(&lines);
    for (size_t i = 0; i < lines.count; i++) {
        write_text(out, lines.line[i].field[0]);
        is_good = write_values(s, lines.line[i].node, out) && is_good;
    }
    free(lines.line);
    return is_good && !lines.is_bad;
}

/* A form without a hidden FORM_TYPE is passed over; none: it has several. */
static struct span form_type_of(struct stanza *s, uint32_t form)
{
    uint32_t field = form_field(s, form, SPAN("FORM_TYPE"));
    uint32_t value = field ? stanza_child(s, field, SPAN(NS_FORM), SPAN("value")) : 0;

    if (!value || !span_eq(stanza_attr(s, field, SPAN("type")), SPAN("hidden")))
        return SPAN("");
    if (stanza_next(s, value, SPAN(NS_FORM), SPAN("value")))
        return SPAN_NONE;
    return stanza_text(s, value);
}

static bool write_forms(struct stanza *s, uint32_t query, struct buf *out)
{
    struct lines lines = {0};
    bool is_good = true;

    for (uint32_t x = stanza_child(s, query, SPAN(NS_FORM), SPAN("x")); x;
         x = stanza_next(s, x, SPAN(NS_FORM), SPAN("x"))) {
        struct span type = form_type_of(s, x);
        if (span_is_none(type))
            lines.is_bad = true;
        else if (type.n > 0)
            add(&lines, x, type);
    }
    sort_unique(&lines);
    for (size_t i = 0; i < lines.count; i++) {
        write_text(out, lines.line[i].field[0]);
        is_good = write_form(s, lines.line[i].node, out) && is_good;
    }
    free(lines.line);
    return is_good && !lines.is_bad;
}

bool caps_is_true(struct stanza *s, uint32_t query, struct span algorithm, struct span ver)
{
    unsigned char digest[CRYPTO_HASH_MAX];
    enum crypto_hash hash;
    struct buf text = {0}, made = {0};
    bool is_true = false;

    if (span_eq(algorithm, SPAN("sha-1")))
        hash = CRYPTO_SHA1;
    else if (span_eq(algorithm, SPAN("sha-256")))
        hash = CRYPTO_SHA256;
    else
        return false;
    if (write_identities(s, query, &text) && write_features(s, query, &text) &&
        write_forms(s, query, &text)) {
        crypto_digest(hash, buf_span(&text), digest);
        base64_encode(&made, span_make((const char *)digest, crypto_hash_len(hash)));
        is_true = span_eq(buf_span(&made), ver);
    }
    buf_free(&text);
    buf_free(&made);
    return is_true;
}
