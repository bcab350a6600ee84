/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * jid_prep - preparation of address parts by libidn: nodeprep, resourceprep (RFC 6122 A, B) and
 * IDNA (RFC 3490). Called by jid.c only.
 *
 * libidn reads beyond the end of text that is not UTF-8 (CVE-2015-2059): everything is validated
 * first, and nothing is ever cut. Code points that Unicode 3.2 did not know are let through, as the
 * profiles demand of queries: names and nicknames of today's scripts and pictures are in use.
 */
#include "xmpp/jid_prep.h"

#include "base/buf.h"
#include "base/mem.h"

#include <arpa/inet.h>
#include <idn-free.h>
#include <idna.h>
#include <punycode.h>
#include <stringprep.h>

/* No mapping grows a character by more; a longer result cannot be a part anyway. */
#define WORK_MAX (JID_PART_MAX + 1)

/* The length of the UTF-8 sequence at p (RFC 3629), 0 when there is none; U+0000 is none, too. */
static size_t utf8_sequence(const unsigned char *p, size_t n, uint32_t *code_r)
{
    static const uint32_t least[] = {0, 1, 0x80, 0x800, 0x10000};
    size_t len = p[0] < 0x80   ? 1
                 : p[0] < 0xC0 ? 0
                 : p[0] < 0xE0 ? 2
                 : p[0] < 0xF0 ? 3
                 : p[0] < 0xF8 ? 4
                               : 0;
    if (len == 0 || len > n)
        return 0;
    uint32_t code = len == 1 ? p[0] : p[0] & (0x7Fu >> len);
    for (size_t i = 1; i < len; i++) {
        if ((p[i] & 0xC0) != 0x80)
            return 0;
        code = code << 6 | (p[i] & 0x3F);
    }
    if (code < least[len] || code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF))
        return 0;
    *code_r = code;
    return len;
}

/* Invisible controls of writing direction that are younger than the profiles' tables. */
static bool is_young_control(uint32_t code)
{
    return code == 0x061C || (code >= 0x2066 && code <= 0x2069);
}

static bool is_sound(struct span text)
{
    uint32_t code;
    for (size_t i = 0, len; i < text.n; i += len) {
        len = utf8_sequence((const unsigned char *)text.p + i, text.n - i, &code);
        if (len == 0 || is_young_control(code))
            return false;
    }
    return true;
}

static bool run_profile(struct span text, const Stringprep_profile *profile, char work[WORK_MAX])
{
    memcpy(work, text.p, text.n);
    work[text.n] = '\0';
    return stringprep(work, WORK_MAX, 0, profile) == STRINGPREP_OK && work[0] != '\0';
}

static bool prep(struct span text, const Stringprep_profile *profile, char *out,
                 struct span *part_r)
{
    char work[WORK_MAX], again[WORK_MAX];
    if (!is_sound(text) || !run_profile(text, profile, work))
        return false;
    struct span first = span_of(work);
    /* What would become another address when prepared once more is nobody's: with it, one user
     * could register what the next look-up takes for another. */
    if (!span_eq(first, text) &&
        (!run_profile(first, profile, again) || !span_eq(first, span_of(again))))
        return false;
    memcpy(out, first.p, first.n);
    *part_r = span_make(out, first.n);
    return true;
}

bool jid_prep_local_slow(struct span text, char *out, struct span *part_r)
{
    return prep(text, stringprep_xmpp_nodeprep, out, part_r);
}

bool jid_prep_resource_slow(struct span text, char *out, struct span *part_r)
{
    return prep(text, stringprep_xmpp_resourceprep, out, part_r);
}

/* "[2001:DB8::1]" in the one canonical spelling (RFC 5952). */
static bool prep_ipv6(struct span text, char *out, struct span *part_r)
{
    char z[INET6_ADDRSTRLEN];
    struct in6_addr a;
    if (text.n < 4 || text.n > sizeof(z) || text.p[text.n - 1] != ']')
        return false;
    memcpy(z, text.p + 1, text.n - 2);
    z[text.n - 2] = '\0';
    if (strlen(z) != text.n - 2 || inet_pton(AF_INET6, z, &a) != 1 ||
        !inet_ntop(AF_INET6, &a, z, sizeof(z)))
        return false;
    size_t n = strlen(z);
    out[0] = '[';
    memcpy(out + 1, z, n);
    out[n + 1] = ']';
    *part_r = span_make(out, n + 2);
    return true;
}

static bool is_ascii(const uint32_t *code, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (code[i] >= 0x80)
            return false;
    return true;
}

/* An A-label that IDNA 2003 does not turn into a U-label may be one of IDNA 2008 and stays: when it
 * holds something that needed encoding, and nothing prohibited. *stays_r: it is such a one, as its
 * prepared form is in ASCII. */
static bool check_a_label(struct span label, bool *stays_r)
{
    uint32_t code[4 * JID_LABEL_MAX];
    size_t n = JID_LABEL_MAX;
    struct span coded = span_from(label, sizeof("xn--") - 1);
    if (punycode_decode(coded.n, coded.p, &n, code, NULL) != PUNYCODE_SUCCESS ||
        is_ascii(code, n) ||
        stringprep_4i(code, &n, ARRAY_LEN(code), 0, stringprep_nameprep) != STRINGPREP_OK)
        return false;
    *stays_r = is_ascii(code, n);
    return true;
}

/* A label in its final form: in ASCII only lower-case letters, digits and inner hyphens. */
static bool is_final_label(struct span label)
{
    bool ascii = true, stays;
    if (label.n == 0 || label.p[0] == '-' || label.p[label.n - 1] == '-')
        return false;
    for (size_t i = 0; i < label.n; i++) {
        unsigned char c = (unsigned char)label.p[i];
        if (c >= 0x80)
            ascii = false;
        else if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '-')
            return false;
    }
    if (ascii && label.n > JID_LABEL_MAX)
        return false;
    return !span_starts(label, SPAN("xn--")) || (ascii && check_a_label(label, &stays));
}

static bool is_final_domain(struct span text)
{
    for (;;) {
        size_t dot = span_index(text, '.');
        if (!is_final_label(span_make(text.p, dot)))
            return false;
        if (dot == text.n)
            return true;
        text = span_from(text, dot + 1);
    }
}

static void lower_ascii(char *z)
{
    for (; *z; z++)
        if (*z >= 'A' && *z <= 'Z')
            *z = (char)(*z - 'A' + 'a');
}

/* One label of a name in ASCII. Those that stay are not shown to libidn: it looks behind the end of
 * a prepared form as short as that of "xn--vka", which is "dz". */
static bool append_unicode(struct buf *out, struct span label)
{
    char z[JID_LABEL_MAX + 1], *unicode = NULL;
    bool stays = true;
    if (label.n > JID_LABEL_MAX ||
        (span_starts(label, SPAN("xn--")) && !check_a_label(label, &stays)))
        return false;
    if (stays)
        return buf_append(out, label);
    memcpy(z, label.p, label.n);
    z[label.n] = '\0';
    bool good = idna_to_unicode_8z8z(z, &unicode, IDNA_ALLOW_UNASSIGNED) == IDNA_SUCCESS &&
                buf_append(out, span_of(unicode));
    idn_free(unicode);
    return good;
}

static bool to_unicode(struct buf *out, struct span ascii)
{
    for (;;) {
        size_t dot = span_index(ascii, '.');
        if (!append_unicode(out, span_make(ascii.p, dot)))
            return false;
        if (dot == ascii.n)
            return true;
        buf_append_char(out, '.');
        ascii = span_from(ascii, dot + 1);
    }
}

bool jid_prep_domain_slow(struct span text, char *out, struct span *part_r)
{
    char z[JID_PART_MAX + 1];
    char *ascii = NULL;
    struct buf unicode = {0};
    bool good = false;

    if (text.p[0] == '[')
        return prep_ipv6(text, out, part_r);
    if (!is_sound(text))
        return false;
    memcpy(z, text.p, text.n);
    z[text.n] = '\0';
    /* Through the ASCII form, so that every spelling of a name ends as the same U-labels. */
    if (idna_to_ascii_8z(z, &ascii, IDNA_ALLOW_UNASSIGNED | IDNA_USE_STD3_ASCII_RULES) !=
        IDNA_SUCCESS)
        goto out;
    lower_ascii(ascii);
    if (!to_unicode(&unicode, span_of(ascii)))
        goto out;
    struct span domain = buf_span(&unicode);
    if (domain.n > JID_PART_MAX || !is_final_domain(domain) || !is_sound(domain))
        goto out;
    memcpy(out, domain.p, domain.n);
    *part_r = span_make(out, domain.n);
    good = true;
out:
    idn_free(ascii);
    buf_free(&unicode);
    return good;
}

bool jid_domain_to_ascii(struct span domain, char out[JID_ASCII_MAX + 1])
{
    char z[JID_PART_MAX + 1];
    char *ascii = NULL;

    if (domain.n == 0 || domain.n > JID_PART_MAX || domain.p[0] == '[' || !is_sound(domain))
        return false;
    memcpy(z, domain.p, domain.n);
    z[domain.n] = '\0';
    bool good = idna_to_ascii_8z(z, &ascii, IDNA_ALLOW_UNASSIGNED | IDNA_USE_STD3_ASCII_RULES) ==
                    IDNA_SUCCESS &&
                strlen(ascii) <= JID_ASCII_MAX;
    if (good) {
        lower_ascii(ascii);
        memcpy(out, ascii, strlen(ascii) + 1);
    }
    idn_free(ascii);
    return good;
}
