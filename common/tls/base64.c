/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * base64 - RFC 4648 section 4, strict: what a decoder accepts has exactly one spelling, so that no
 * two parties can read different bytes. Called by SASL and by whatever writes binary as text.
 */
#include "tls/crypto.h"

static const char alphabet[64] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_encode(struct buf *out, struct span data)
{
    size_t n = (data.n + 2) / 3 * 4;
    char *to = n ? buf_reserve(out, n) : NULL;
    if (!to)
        return;
    const unsigned char *p = (const unsigned char *)data.p;
    size_t left = data.n;
    for (; left >= 3; left -= 3, p += 3) {
        *to++ = alphabet[p[0] >> 2];
        *to++ = alphabet[(p[0] & 3) << 4 | p[1] >> 4];
        *to++ = alphabet[(p[1] & 15) << 2 | p[2] >> 6];
        *to++ = alphabet[p[2] & 63];
    }
    if (left) {
        unsigned second = left == 2 ? p[1] : 0;
        *to++ = alphabet[p[0] >> 2];
        *to++ = alphabet[(p[0] & 3) << 4 | second >> 4];
        *to++ = left == 2 ? alphabet[(second & 15) << 2] : '=';
        *to = '=';
    }
    buf_commit(out, n);
}

/* The six bits of a character, or -1. */
static int value_of(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

bool base64_decode(struct buf *out, struct span text)
{
    if (text.n % 4 != 0)
        return false;
    if (text.n == 0)
        return true;
    size_t padding = text.p[text.n - 1] != '=' ? 0 : text.p[text.n - 2] != '=' ? 1 : 2;
    size_t n = text.n / 4 * 3 - padding;
    char *to = buf_reserve(out, n);
    if (!to)
        return false;
    uint32_t bits = 0;
    unsigned have = 0;
    for (size_t i = 0; i < text.n - padding; i++) {
        int value = value_of(text.p[i]);
        if (value < 0)
            return false;
        bits = bits << 6 | (uint32_t)value;
        have += 6;
        if (have >= 8) {
            have -= 8;
            *to++ = (char)(bits >> have & 0xff);
        }
    }
    /* What the padding cuts off must be zero, or the same bytes had several spellings. */
    if (bits & ((1u << have) - 1))
        return false;
    buf_commit(out, n);
    return true;
}
