/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * names - reads the subjectAltNames of a certificate and compares them with a domain. Called by
 * peer.c; nothing outlives a call. The common name is never looked at (RFC 9525 2).
 */
#include "tls/names.h"

#define OID_XMPP_ADDR "1.3.6.1.5.5.7.8.5" /* RFC 6120 13.7.1.4 */
#define OID_SRV_NAME "1.3.6.1.5.5.7.8.7"  /* RFC 4985 */
#define DER_UTF8_STRING 0x0C
#define DER_IA5_STRING 0x16

/* A longer name is no domain, and a certificate with more names than that is not looked through. */
#define NAME_MAX_LEN 1100
#define NAMES_MAX 1000

static struct span without_dot(struct span name)
{
    return span_ends(name, SPAN(".")) ? span_make(name.p, name.n - 1) : name;
}

/*
 * covers - whether a presented name is the domain. A wildcard is the whole first label and stands
 * for one label (RFC 9525 6.3); what follows it must be at least two.
 */
static bool covers(struct span name, struct span domain)
{
    name = without_dot(name);
    if (span_is_empty(name) || memchr(name.p, '\0', name.n))
        return false;
    if (!span_starts(name, SPAN("*.")))
        return span_eq_case(name, domain);
    size_t dot = span_index(domain, '.');
    struct span above = span_from(name, 1); /* with its dot */
    if (dot == 0 || dot == domain.n || memchr(above.p, '*', above.n))
        return false;
    if (memchr(above.p + 1, '.', above.n - 1) == NULL)
        return false;
    return span_eq_case(above, span_from(domain, dot));
}

/* The text of a DER string of that tag; one that is not encoded is taken as it stands. */
static struct span string_of(struct span der, unsigned char tag)
{
    const unsigned char *p = (const unsigned char *)der.p;
    if (der.n >= 2 && p[0] == tag && p[1] < 0x80 && p[1] == der.n - 2)
        return span_from(der, 2);
    if (der.n >= 3 && p[0] == tag && p[1] == 0x81 && p[2] == der.n - 3)
        return span_from(der, 3);
    if (der.n >= 4 && p[0] == tag && p[1] == 0x82 && (size_t)(p[2] << 8 | p[3]) == der.n - 4)
        return span_from(der, 4);
    return der;
}

/* "_xmpp-server.example.org" */
static bool is_srv_name(struct span value, struct span domain, const char *service)
{
    struct span name = string_of(value, DER_IA5_STRING), kind = span_of(service);
    if (name.n < kind.n + 2 || name.p[0] != '_' || name.p[1 + kind.n] != '.' ||
        !span_eq_case(span_make(name.p + 1, kind.n), kind))
        return false;
    return covers(span_from(name, kind.n + 2), domain);
}

/* A bare domain, which may be in any script. */
static bool is_xmpp_addr(struct span value, struct span domain)
{
    struct span name = string_of(value, DER_UTF8_STRING);
    gnutls_datum_t ascii = {NULL, 0};
    if (span_is_empty(name) || memchr(name.p, '\0', name.n) ||
        gnutls_idna_map(name.p, (unsigned)name.n, &ascii, 0) < 0)
        return false;
    bool ok = span_eq_case(span_make((const char *)ascii.data, ascii.size), domain);
    gnutls_free(ascii.data);
    return ok;
}

static bool is_other_name(gnutls_x509_crt_t crt, unsigned i, struct span value, struct span domain,
                          const char *service)
{
    char oid[64];
    size_t n = sizeof oid;
    if (gnutls_x509_crt_get_subject_alt_othername_oid(crt, i, oid, &n) < 0)
        return false;
    if (strcmp(oid, OID_SRV_NAME) == 0)
        return service && is_srv_name(value, domain, service);
    return strcmp(oid, OID_XMPP_ADDR) == 0 && is_xmpp_addr(value, domain);
}

bool tls_names_cover(gnutls_x509_crt_t crt, struct span domain, const char *service)
{
    char text[NAME_MAX_LEN];
    for (unsigned i = 0; i < NAMES_MAX; i++) {
        size_t n = sizeof text;
        int kind = gnutls_x509_crt_get_subject_alt_name(crt, i, text, &n, NULL);
        if (kind == GNUTLS_E_SHORT_MEMORY_BUFFER)
            continue;
        if (kind < 0)
            return false;
        struct span value = span_make(text, n);
        if (kind == GNUTLS_SAN_DNSNAME && covers(value, domain))
            return true;
        if (kind >= GNUTLS_SAN_OTHERNAME && is_other_name(crt, i, value, domain, service))
            return true;
    }
    return false;
}
