/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * dane - compares TLSA records with certificates, by the library that belongs to GnuTLS. What a
 * match is worth is decided in peer.c: the library itself looks at one issuer only, and by its
 * name.
 */
#include "tls/dane.h"

#include <gnutls/dane.h>

#define HEAD 3 /* usage, selector, matching type */
#define RECORD_MAX 8192

bool tls_dane_usage(struct span record, enum dane_usage *usage_r)
{
    const unsigned char *p = (const unsigned char *)record.p;
    static const size_t lengths[] = {0, 32, 64}; /* the certificate, SHA-256, SHA-512 */
    if (record.n <= HEAD || record.n > RECORD_MAX || p[0] > DANE_EE || p[1] > 1 || p[2] > 2)
        return false;
    if (p[2] > 0 && record.n != HEAD + lengths[p[2]])
        return false;
    *usage_r = (enum dane_usage)p[0];
    return true;
}

/* A state that asks nobody anything: the records are here. */
static dane_state_t state_new(void)
{
    dane_state_t state;
    int ret = dane_state_init(&state, DANE_F_IGNORE_LOCAL_RESOLVER | DANE_F_IGNORE_DNSSEC);
    return ret == 0 ? state : NULL;
}

bool tls_dane_matches(struct span record, const gnutls_datum_t *cert)
{
    char data[RECORD_MAX];
    enum dane_usage usage;
    if (!tls_dane_usage(record, &usage))
        return false;
    /* Asked as a record of the last certificate of a chain of one. */
    memcpy(data, record.p, record.n);
    data[0] = DANE_EE;
    char *const list[] = {data, NULL};
    const int lengths[] = {(int)record.n, 0};

    dane_state_t state = state_new();
    dane_query_t query = NULL;
    unsigned status = 0;
    bool ok = state && dane_raw_tlsa(state, &query, list, lengths, 1, 0) == 0 &&
              dane_verify_crt_raw(state, cert, 1, GNUTLS_CRT_X509, query, 0, 0, &status) == 0 &&
              status == 0;
    if (query)
        dane_query_deinit(query);
    if (state)
        dane_state_deinit(state);
    return ok;
}
