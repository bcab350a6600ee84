/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * dial_story - what happened on the way to a domain, for people: `kontalkctl s2s explain`.
 *
 * Names in it have passed dns_wire_to_name or the caller's preparation, so it holds no controls.
 */
#include "dns/dial_private.h"

#include <stdio.h>

#define LINE_MAX_BYTES 400
#define NOTES_MAX 6144 /* with a story before them */

void dial_tell(struct dial *d, const char *format, ...)
{
    char line[LINE_MAX_BYTES];
    va_list args;

    va_start(args, format);
    vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    if (d->story_is_full)
        return;
    if (buf_len(&d->story) + sizeof(line) + 40 > DIAL_STORY_MAX) {
        d->story_is_full = true;
        buf_append(&d->story, SPAN("...\n"));
        return;
    }
    uint64_t ms = loop_now(d->loop) - d->started;
    buf_printf(&d->story, "+%u.%03u s  %s\n", (unsigned)(ms / 1000), (unsigned)(ms % 1000), line);
}

struct span dial_story(const struct dial *d)
{
    return buf_span(&d->story);
}

void dial_note(struct buf *notes, const char *format, va_list args)
{
    char line[256];

    vsnprintf(line, sizeof(line), format, args);
    if (buf_len(notes) < NOTES_MAX)
        buf_printf(notes, "%s\n", line);
}

void dial_write_story(const struct dial *d, const struct buf *notes, struct buf *out)
{
    buf_clear(out);
    if (d)
        buf_append(out, dial_story(d));
    buf_append(out, buf_span(notes));
}

void dial_end(struct dial **d, struct buf *notes)
{
    struct buf all = {0};

    dial_write_story(*d, notes, &all);
    buf_free(notes);
    *notes = all;
    dial_free(d);
}
