/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * control_words - the form of lines on the control socket, for both sides.
 */
#include "base/control.h"

void control_escape(struct buf *out, struct span word)
{
    static const char plain[] = "\t\n\r\\", letters[] = "tnr\\";

    for (size_t i = 0; i < word.n; i++) {
        const char *hit = word.p[i] ? strchr(plain, word.p[i]) : NULL;
        if (hit) {
            buf_append_char(out, '\\');
            buf_append_char(out, letters[hit - plain]);
        } else {
            buf_append_char(out, word.p[i]);
        }
    }
}

/* What stands for the escape letter c; others, and the dot that opens a row, for themselves. */
static char unescape(char c)
{
    return c == 't' ? '\t' : c == 'n' ? '\n' : c == 'r' ? '\r' : c;
}

size_t control_split(char *line, size_t n, struct span *words, size_t max)
{
    size_t count = 0;
    char *start = line, *to = line;

    if (n == 0 || max == 0)
        return 0;
    for (size_t i = 0; i < n; i++) {
        if (line[i] == '\\' && i + 1 < n) {
            *to++ = unescape(line[++i]);
        } else if (line[i] == '\t') {
            words[count++] = span_make(start, (size_t)(to - start));
            if (count == max)
                return count;
            start = to;
        } else {
            *to++ = line[i];
        }
    }
    words[count++] = span_make(start, (size_t)(to - start));
    return count;
}
