/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * armour - ASCII armour taken off (RFC 4880 6.2). Called by rnp.c, for the keys that are text; the
 * checksum is not looked at, since a key has signatures.
 */
#include "pgp/packets.h"

#define BEGIN SPAN("-----BEGIN PGP ")
#define END SPAN("-----END PGP ")

static struct span take_line(struct span *rest)
{
    size_t n = span_index(*rest, '\n');
    struct span line = span_make(rest->p, n);
    *rest = span_from(*rest, n + (n < rest->n));
    while (line.n > 0 && strchr(" \t\r", line.p[line.n - 1]))
        line.n--;
    return line;
}

static int value_of(char c)
{
    return c >= 'A' && c <= 'Z'   ? c - 'A'
           : c >= 'a' && c <= 'z' ? c - 'a' + 26
           : c >= '0' && c <= '9' ? c - '0' + 52
           : c == '+'             ? 62
           : c == '/'             ? 63
                                  : -1;
}

struct decoder {
    unsigned bits, count; /* not yet written, and how many */
    bool is_padded;       /* nothing may follow */
};

static bool decode_line(struct decoder *d, struct span line, struct buf *out)
{
    for (size_t i = 0; i < line.n; i++) {
        int value = value_of(line.p[i]);
        if (line.p[i] == '=' && (d->count == 4 || d->count == 2 || d->is_padded)) {
            d->is_padded = true;
            continue;
        }
        if (value < 0 || d->is_padded)
            return false;
        d->bits = (d->bits << 6 | (unsigned)value) & 0xffff;
        d->count += 6;
        if (d->count < 8)
            continue;
        d->count -= 8;
        if (!buf_append_char(out, (char)(d->bits >> d->count & 0xff)))
            return false;
    }
    return true;
}

bool pgp_dearmour(struct span text, struct buf *out)
{
    struct decoder d = {0};
    struct span line = SPAN("");
    while (text.n > 0 && line.n == 0)
        line = take_line(&text);
    if (!span_starts(line, BEGIN))
        return false;
    while (text.n > 0 && line.n > 0) /* headers, up to an empty line */
        line = take_line(&text);
    while (text.n > 0) {
        line = take_line(&text);
        if (span_starts(line, END))
            return true;
        bool is_checksum = line.n == 5 && line.p[0] == '=';
        if (!is_checksum && !decode_line(&d, line, out))
            return false;
    }
    return false;
}
