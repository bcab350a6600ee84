/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * redact - for the taps and recordings of the router, and for kontalkctl. It reads frames that a
 * framer has passed, without a parser; a frame that was cut short does no harm.
 */
#include "router/redact.h"

/* The length of a CDATA section that s begins with; 0: none. */
static size_t cdata_len(struct span s)
{
    static const struct span open = SPAN_INIT("<![CDATA["), close = SPAN_INIT("]]>");
    if (!span_starts(s, open))
        return 0;
    const char *end = memmem(s.p, s.n, close.p, close.n);
    return end ? (size_t)(end - s.p) + close.n : s.n;
}

/* The length of a tag that s begins with, '>' in quotes heeded. */
static size_t tag_len(struct span s)
{
    char quote = '\0';
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (quote)
            quote = c == quote ? '\0' : quote;
        else if (c == '\'' || c == '"')
            quote = c;
        else if (c == '>')
            return i + 1;
    }
    return s.n;
}

/* Appends s with each end of a line replaced. */
static void append_flat(struct buf *out, struct span s, struct span newline)
{
    while (s.n > 0) {
        size_t n = span_index(s, '\n');
        buf_append(out, span_make(s.p, n));
        if (n < s.n)
            buf_append(out, newline);
        s = span_from(s, n < s.n ? n + 1 : n);
    }
}

void redact_line(struct buf *out, struct span frame, bool with_texts)
{
    static const struct span in_tag = SPAN_INIT(" "), in_text = SPAN_INIT("&#10;"),
                             in_cdata = SPAN_INIT("]]>&#10;<![CDATA[");
    size_t hidden = 0;
    while (frame.n > 0) {
        size_t n = cdata_len(frame);
        bool is_cdata = n > 0, is_tag = !is_cdata && frame.p[0] == '<';
        if (is_tag)
            n = tag_len(frame);
        else if (!is_cdata)
            n = span_index(frame, '<');
        if (is_tag && hidden)
            buf_printf(out, "[%zu]", hidden);
        hidden = is_tag || with_texts ? 0 : hidden + n;
        if (is_tag || with_texts)
            append_flat(out, span_make(frame.p, n),
                        is_tag     ? in_tag
                        : is_cdata ? in_cdata
                                   : in_text);
        frame = span_from(frame, n);
    }
    if (hidden)
        buf_printf(out, "[%zu]", hidden);
}
