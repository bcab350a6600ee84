/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * plain - a stanza in one run. It must take nothing that the framer's states would not take; what
 * it does not know (CDATA, a limit, anything wrong) it leaves to them, who alone say what is wrong.
 */
#include "xml/plain.h"

#include "xml/chars.h"

/* All of these: what follows, or NULL. */

static const char *plain_value(struct framer *f, const char *p, const char *stop, char quote)
{
    p = quote == '"' ? skip_chars(f, p, stop, '"', '<') : skip_chars(f, p, stop, '\'', '<');
    return p < stop && *p == quote && !f->fault ? p + 1 : NULL;
}

/* From the name on to the tag's end; frame is where all began; is_empty_r: it was "/>". */
LANES_INLINE const char *plain_start_tag(struct framer *f, const char *frame, const char *p,
                                         const char *stop, bool *is_empty_r)
{
    for (*is_empty_r = false; p;) {
        p = lanes_skip_names(frame, p, stop);
        if (p == stop)
            return NULL;
        if (*p == '>')
            return p + 1;
        if (*p == '\'' || *p == '"') {
            p = plain_value(f, p + 1, stop, *p);
        } else if (*p == '/') {
            *is_empty_r = true;
            return stop - p >= 2 && p[1] == '>' ? p + 2 : NULL;
        } else if (is_high(*p)) {
            p = utf8_run(f, p, stop);
            if (f->fault)
                return NULL;
        } else if (is_space(*p)) {
            p++;
        } else {
            return NULL;
        }
    }
    return NULL;
}

LANES_INLINE const char *plain_end_tag(const char *frame, const char *p, const char *stop)
{
    if (p == stop || !is_name_start(*p))
        return NULL;
    p = lanes_skip_names(frame, p, stop);
    return p < stop && *p == '>' ? p + 1 : NULL;
}

static const char *run(struct framer *f, const char *frame, const char *stop)
{
    const struct framer_limits *limits = &f->limits;
    const char *p = frame;
    uint32_t depth = 0, elements = 0;
    while (stop - p >= 2) {
        const char *tag = p++;
        bool is_ended = true;
        if (*p == '/') {
            p = depth > 0 ? plain_end_tag(frame, p + 1, stop) : NULL;
        } else if (is_name_start(*p) && depth < limits->depth && elements < limits->elements) {
            depth++;
            elements++;
            p = plain_start_tag(f, frame, p, stop, &is_ended);
        } else {
            return NULL;
        }
        if (!p || (size_t)(p - tag) > limits->tag_bytes)
            return NULL;
        depth -= is_ended;
        if (depth == 0)
            return p;
        p = skip_chars(f, p, stop, '<', '<');
        if (f->fault)
            return NULL;
    }
    return NULL;
}

size_t plain_stanza(struct framer *f, const char *p, const char *stop)
{
    const char *end = run(f, p, stop);
    if (end)
        return (size_t)(end - p);
    f->fault = XML_OK; /* a wrong or cut sequence has left its traces */
    f->utf8_left = f->utf8_state = 0;
    f->code_point = 0;
    return 0;
}
