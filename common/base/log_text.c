/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * log_text - escaping. What is valid UTF-8 and visible stays readable; the rest becomes \n, \xNN
 * (a byte) or \u{N} (a code point).
 */
#include "base/log_text.h"

#include "base/mem.h"

#include <stdio.h>

#define VALUE_MAX_BYTES 512

void log_text_raw(struct log_text *t, struct span s)
{
    if (t->full || s.n > t->max - t->n) {
        t->full = true;
        return;
    }
    if (s.n)
        memcpy(t->p + t->n, s.p, s.n);
    t->n += s.n;
}

/* One code point at the start of s: its length, 0 when it is not valid UTF-8. */
static size_t utf8_next(struct span s, uint32_t *code_r)
{
    const unsigned char *p = (const unsigned char *)s.p;
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t n = p[0] < 0x80 ? 1 : p[0] >> 5 == 6 ? 2 : p[0] >> 4 == 14 ? 3 : p[0] >> 3 == 30 ? 4 : 0;

    if (n == 0 || n > s.n)
        return 0;
    uint32_t code = n == 1 ? p[0] : p[0] & (0x7fu >> n);
    for (size_t i = 1; i < n; i++) {
        if (p[i] >> 6 != 2)
            return 0;
        code = code << 6 | (p[i] & 0x3f);
    }
    if (code < least[n] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
        return 0;
    *code_r = code;
    return n;
}

/* Code points that are invisible, end lines or change what is seen around them. */
static bool is_tricky(uint32_t code)
{
    static const struct {
        uint32_t first, last;
    } ranges[] = {
        {0x00, 0x1f},     {0x7f, 0x9f},     {0xad, 0xad},     {0x61c, 0x61c},
        {0x180e, 0x180e}, {0x200b, 0x200f}, {0x2028, 0x202e}, {0x2060, 0x206f},
        {0xfeff, 0xfeff}, {0xfff9, 0xfffb}, {0xfffe, 0xffff}, {0xe0000, 0xe007f},
    };

    for (size_t i = 0; i < ARRAY_LEN(ranges); i++)
        if (code >= ranges[i].first && code <= ranges[i].last)
            return true;
    return false;
}

static void escape_byte(struct log_text *t, unsigned char byte)
{
    char text[8];
    int n = snprintf(text, sizeof(text), "\\x%02x", byte);
    log_text_raw(t, span_make(text, (size_t)n));
}

static void escape_code(struct log_text *t, uint32_t code)
{
    char text[16];
    int n = snprintf(text, sizeof(text), "\\u{%x}", (unsigned)code);
    log_text_raw(t, span_make(text, (size_t)n));
}

/* Escapes the code point or the stray byte at the start of s; returns the bytes it took. */
static size_t escape_next(struct log_text *t, struct span s)
{
    uint32_t code;
    size_t n = utf8_next(s, &code);

    if (n == 0) {
        escape_byte(t, (unsigned char)s.p[0]);
        return 1;
    }
    if (code == '\n')
        log_text_raw(t, SPAN("\\n"));
    else if (code == '\r')
        log_text_raw(t, SPAN("\\r"));
    else if (code == '\t')
        log_text_raw(t, SPAN("\\t"));
    else if (code == '"')
        log_text_raw(t, SPAN("\\\""));
    else if (code == '\\')
        log_text_raw(t, SPAN("\\\\"));
    else if (code < 0x80 && is_tricky(code))
        escape_byte(t, (unsigned char)code);
    else if (is_tricky(code))
        escape_code(t, code);
    else
        log_text_raw(t, span_make(s.p, n));
    return n;
}

void log_text_escape(struct log_text *t, struct span s)
{
    while (s.n && !t->full)
        s = span_from(s, escape_next(t, s));
}

static bool is_bare(struct span s)
{
    if (s.n == 0)
        return false;
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= ' ' || s.p[i] > '~' || s.p[i] == '"' || s.p[i] == '=' || s.p[i] == '\\')
            return false;
    return true;
}

void log_text_value(struct log_text *t, struct span s)
{
    bool cut = s.n > VALUE_MAX_BYTES;

    if (cut) {
        s.n = VALUE_MAX_BYTES; /* not within a character */
        while (s.n > VALUE_MAX_BYTES - 4 && (s.p[s.n] & 0xc0) == 0x80)
            s.n--;
    }
    if (!cut && is_bare(s)) {
        log_text_raw(t, s);
        return;
    }
    log_text_raw(t, SPAN("\""));
    log_text_escape(t, s);
    log_text_raw(t, cut ? SPAN("...\"") : SPAN("\""));
}
