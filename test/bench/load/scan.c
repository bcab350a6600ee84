/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * scan - cuts what a server sends into stanzas, and finds attributes and texts in them.
 *
 * It looks at the brackets only: servers under test send well-formed XML, and a generator that
 * parsed it would be what limits. Called by net.c, login.c and the scenarios.
 */
#include "load.h"

/* The end of the tag that begins at p, after its '>'; NULL when it is not there yet. */
static const char *tag_end(const char *p, const char *end)
{
    const char *close = memchr(p, '>', (size_t)(end - p));
    return close ? close + 1 : NULL;
}

/* What one tag does; 1: it ends a stanza, -1: it ends the stream. */
static int take_tag(struct scan *s, const char *tag, const char *end, bool *is_start_r)
{
    *is_start_r = false;
    if (tag[1] == '?')
        return 0;
    if (tag[1] == '/') {
        if (s->depth == 0)
            return -1;
        return --s->depth == 0;
    }
    if (!s->in_stream) {
        s->in_stream = true;
        *is_start_r = s->wants_header;
        return s->wants_header;
    }
    *is_start_r = s->depth == 0;
    if (end[-2] == '/')
        return s->depth == 0;
    s->depth++;
    return 0;
}

int scan_next(struct scan *s, struct span bytes, size_t *start_r, struct span *stanza_r)
{
    const char *end = bytes.p + bytes.n;
    size_t start = *start_r;
    for (;;) {
        const char *p = bytes.p + s->at;
        const char *tag = p < end ? memchr(p, '<', (size_t)(end - p)) : NULL;
        const char *after = tag && tag + 1 < end ? tag_end(tag, end) : NULL;
        if (!after) {
            s->at = tag ? (size_t)(tag - bytes.p) : bytes.n;
            if (s->depth == 0)
                *start_r = s->at;
            return 0;
        }
        bool is_start;
        int is_end = take_tag(s, tag, after, &is_start);
        if (is_start)
            start = *start_r = (size_t)(tag - bytes.p);
        s->at = (size_t)(after - bytes.p);
        if (is_end != 0) {
            *stanza_r = span_make(bytes.p + start, s->at - start);
            *start_r = s->at;
            return is_end;
        }
    }
}

struct span scan_attr(struct span stanza, const char *name)
{
    size_t n = strlen(name);
    const char *end = stanza.n ? memchr(stanza.p, '>', stanza.n) : NULL;
    for (const char *p = stanza.p; end && p < end;) {
        p = memmem(p, (size_t)(end - p), name, n);
        if (!p)
            break;
        const char *value = p + n;
        if (p > stanza.p && (p[-1] == ' ' || p[-1] == '\n') && value + 1 < end && *value == '=') {
            const char *stop = memchr(value + 2, value[1], (size_t)(end - value - 2));
            return stop ? span_make(value + 2, (size_t)(stop - value - 2)) : SPAN_NONE;
        }
        p = value;
    }
    return SPAN_NONE;
}

bool scan_is(struct span stanza, const char *element)
{
    size_t n = strlen(element);
    return stanza.n > n + 1 && memcmp(stanza.p + 1, element, n) == 0 &&
           strchr(" />\n", stanza.p[n + 1]);
}

bool scan_has(struct span stanza, const char *text)
{
    return stanza.n && memmem(stanza.p, stanza.n, text, strlen(text));
}

struct span scan_text(struct span stanza, const char *element)
{
    const char *end = stanza.p + stanza.n;
    size_t n = strlen(element);
    for (const char *p = stanza.p; p < end; p++) {
        p = memchr(p, '<', (size_t)(end - p));
        if (!p || p + n + 2 > end)
            break;
        if (memcmp(p + 1, element, n) != 0 || !strchr(" >", p[n + 1]))
            continue;
        const char *text = tag_end(p, end);
        const char *stop = text ? memchr(text, '<', (size_t)(end - text)) : NULL;
        return stop ? span_make(text, (size_t)(stop - text)) : SPAN_NONE;
    }
    return SPAN_NONE;
}
