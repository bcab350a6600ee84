/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "text.h"

#include "tls/crypto.h"

/* --- escapes ---------------------------------------------------------------------------------- */

static void expand(struct buf *out, struct span text, uint64_t round);

/* What stands between the braces at the start of text; moves text behind them. */
static struct span take_braces(struct span *text)
{
    size_t depth = 0;
    for (size_t i = 0; i < text->n; i++) {
        depth += text->p[i] == '{';
        if (text->p[i] == '}' && --depth == 0) {
            struct span inside = {text->p + 1, i - 1};
            *text = span_from(*text, i + 1);
            return inside;
        }
        if (depth == 0)
            break;
    }
    return SPAN("");
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c - 'A' + 10;
}

static void repeat(struct buf *out, struct span *rest)
{
    struct span number = {rest->p, span_index(*rest, '{')};
    uint64_t times = 0;
    span_to_u64(number, 100000000, &times);
    *rest = span_from(*rest, number.n);
    struct span inside = take_braces(rest);
    for (uint64_t i = 0; i < times; i++)
        expand(out, inside, i);
}

static void in_base64(struct buf *out, struct span *rest, uint64_t round)
{
    struct buf plain = {0};
    expand(&plain, take_braces(rest), round);
    base64_encode(out, buf_span(&plain));
    buf_free(&plain);
}

static struct span escape(struct buf *out, struct span rest, uint64_t round)
{
    static const char names[] = "ntrs\\", values[] = "\n\t\r \\";
    char c = rest.p[0];
    const char *name = strchr(names, c);
    rest = span_from(rest, 1);
    if (name && c) {
        buf_append_char(out, values[name - names]);
    } else if (c == '#') {
        buf_append_u64(out, round);
    } else if (c == '*') {
        repeat(out, &rest);
    } else if (c == 'b') {
        in_base64(out, &rest, round);
    } else if (c == 'x' && rest.n >= 2) {
        buf_append_char(out, (char)(hex_digit(rest.p[0]) << 4 | hex_digit(rest.p[1])));
        rest = span_from(rest, 2);
    }
    return rest;
}

static void expand(struct buf *out, struct span text, uint64_t round)
{
    while (text.n > 0) {
        size_t plain = span_index(text, '\\');
        buf_append(out, span_make(text.p, plain));
        text = span_from(text, plain);
        if (text.n > 1)
            text = escape(out, span_from(text, 1), round);
        else
            text.n = 0;
    }
}

void text_expand(struct buf *out, struct span text)
{
    expand(out, text, 0);
}

/* --- comparing -------------------------------------------------------------------------------- */

long text_match(struct span heard, struct span pattern)
{
    size_t at = 0;
    bool is_gap = false;
    while (pattern.n > 0) {
        const char *dots = memmem(pattern.p, pattern.n, "...", 3);
        struct span piece = {pattern.p, dots ? (size_t)(dots - pattern.p) : pattern.n};
        struct span rest = span_from(heard, at);
        const char *hit = piece.n == 0               ? rest.p
                          : is_gap                   ? memmem(rest.p, rest.n, piece.p, piece.n)
                          : span_starts(rest, piece) ? rest.p
                                                     : NULL;
        if (!hit)
            return -1;
        at = (size_t)(hit - heard.p) + piece.n;
        pattern = span_from(pattern, piece.n + (dots ? 3 : 0));
        is_gap = dots != NULL;
    }
    return (long)at;
}
