/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * starttag - the few attributes that a relay needs, read from a stanza's start tag without a tree.
 *
 * Called for each relayed frame of our own processes. The framer has seen to characters and
 * quotes; what is not as our writer would put it is refused rather than guessed.
 */
#include "xml/starttag.h"

#include "xml/lanes.h"

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Bytes that end a name in a tag. */
static const bool ends_name[256] = {
    [0] = true,   ['\t'] = true, ['\n'] = true, ['\r'] = true, [' '] = true, ['/'] = true,
    ['>'] = true, ['='] = true,  ['\''] = true, ['"'] = true,  ['<'] = true,
};

static const char *skip_name(const char *p, const char *end)
{
    while (p < end && !ends_name[(unsigned char)*p])
        p++;
    return p;
}

static const char *skip_space(const char *p, const char *end)
{
    while (p < end && is_space(*p))
        p++;
    return p;
}

/* Where the value of an attribute of that name goes, or NULL when it is of no interest. */
static struct span *field(struct starttag *tag, struct span name)
{
    switch (name.n) {
    case 2:
        return memcmp(name.p, "to", 2) == 0   ? &tag->to
               : memcmp(name.p, "id", 2) == 0 ? &tag->id
                                              : NULL;
    case 4:
        return memcmp(name.p, "from", 4) == 0   ? &tag->from
               : memcmp(name.p, "type", 4) == 0 ? &tag->type
                                                : NULL;
    case 5:
        return memcmp(name.p, "xmlns", 5) == 0 ? &tag->xmlns : NULL;
    default:
        return NULL;
    }
}

/* As our writer puts them, and nearly all that are relayed have them; NULL: look closer. */
static const char *begin_common(struct starttag *tag, const char *p, const char *end,
                                struct span **to_r)
{
    static const size_t longest = sizeof("from='") - 1;
    if ((size_t)(end - p) < longest)
        return NULL;
    if (memcmp(p, "to='", 4) == 0) {
        *to_r = &tag->to;
        return p + 4;
    }
    if (memcmp(p, "from='", 6) == 0) {
        *to_r = &tag->from;
        return p + 6;
    }
    if (memcmp(p, "type='", 6) == 0) {
        *to_r = &tag->type;
        return p + 6;
    }
    if (memcmp(p, "id='", 4) == 0) {
        *to_r = &tag->id;
        return p + 4;
    }
    return NULL;
}

/* Takes name and '=', and the quote; returns where the value begins, or NULL. */
static const char *begin_attr(struct starttag *tag, const char *p, const char *end,
                              struct span **to_r)
{
    struct span name = {p, 0};
    p = skip_name(p, end);
    name.n = (size_t)(p - name.p);
    p = skip_space(p, end);
    if (name.n == 0 || p == end || *p != '=')
        return NULL;
    p = skip_space(p + 1, end);
    if (p == end || (*p != '\'' && *p != '"'))
        return NULL;
    *to_r = field(tag, name);
    return p + 1;
}

/* name='value' at p; returns what follows, or NULL. */
static const char *take_attr(struct starttag *tag, const char *p, const char *end)
{
    struct span *to = NULL;
    const char *value = begin_common(tag, p, end, &to);
    if (!value)
        value = begin_attr(tag, p, end, &to);
    if (!value)
        return NULL;
    char quote = value[-1];
    bool has_entity = false;
    /* Once for each, so that the compiler knows what is looked for. */
    p = quote == '"' ? lanes_find2(value, end, '"', '&') : lanes_find2(value, end, '\'', '&');
    if (p < end && *p == '&') {
        has_entity = true;
        p = bytes_find2(p, end, quote, quote);
    }
    if (p == end || (to && to->p))
        return NULL; /* no end, or the same attribute again */
    if (to) {
        *to = span_make(value, (size_t)(p - value));
        tag->has_entity |= has_entity && to != &tag->xmlns;
    }
    return p + 1;
}

bool starttag_scan(struct span frame, struct starttag *tag_r)
{
    *tag_r = (struct starttag){.length = 0};
    if (frame.n < 3 || frame.p[0] != '<')
        return false;
    const char *p = frame.p + 1, *end = frame.p + frame.n;
    const char *after_name = skip_name(p, end);
    if (after_name == p || *p == '!' || *p == '?')
        return false;
    tag_r->name = span_make(p, (size_t)(after_name - p));
    p = after_name;
    for (;;) {
        const char *at = skip_space(p, end);
        if (at < end && *at == '/') {
            tag_r->is_empty = true;
            at++;
        }
        if (at == end)
            return false;
        if (*at == '>') {
            tag_r->length = (size_t)(at + 1 - frame.p);
            return true;
        }
        if (at == p || tag_r->is_empty) /* attributes stand apart; nothing follows '/' */
            return false;
        p = take_attr(tag_r, at, end);
        if (!p)
            return false;
    }
}
