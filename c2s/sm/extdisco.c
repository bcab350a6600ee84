/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * extdisco - XEP-0215: services elsewhere that our users' clients are told of, for calls above all
 * (STUN, TURN). They are settings; who has a secret gets credentials made for each request, as TURN
 * servers check them: the user is the time at which they expire, the password its HMAC-SHA-1.
 *
 * Rows of iq.c call it.
 */
#include "c2s/sm/sm_private.h"

#include "tls/crypto.h"

#include <stdio.h>

static void write_made_credentials(const struct sm *sm, struct buf *out,
                                   const struct sm_external *x)
{
    const int64_t expiry = loop_wall(sm->loop) / 1000 + x->lifetime / 1000;
    unsigned char mac[CRYPTO_HASH_MAX];
    char user[24];

    snprintf(user, sizeof(user), "%lld", (long long)expiry);
    crypto_hmac(CRYPTO_SHA1, span_of(x->secret), span_of(user), mac);
    xml_attr(out, "username", span_of(user));
    xml_raw(out, SPAN(" password='"));
    base64_encode(out, span_make((const char *)mac, crypto_hash_len(CRYPTO_SHA1)));
    xml_raw(out, SPAN("' restricted='true' expires='"));
    sm_time_write(out, expiry * 1000);
    xml_raw(out, SPAN("'"));
}

static void write_service(const struct sm *sm, struct buf *out, const struct sm_external *x)
{
    xml_raw(out, SPAN("<service"));
    xml_attr(out, "type", span_of(x->type));
    xml_attr(out, "host", span_of(x->host));
    if (x->port) {
        xml_raw(out, SPAN(" port='"));
        buf_append_u64(out, (uint64_t)x->port);
        xml_raw(out, SPAN("'"));
    }
    if (*x->transport)
        xml_attr(out, "transport", span_of(x->transport));
    if (*x->secret) {
        write_made_credentials(sm, out, x);
    } else if (*x->username) {
        xml_attr(out, "username", span_of(x->username));
        xml_attr(out, "password", span_of(x->password));
        xml_raw(out, SPAN(" restricted='true'"));
    }
    xml_raw(out, SPAN("/>"));
}

/* Credentials are for clients of ours; that includes those who are connected elsewhere. */
static bool is_ours(struct sm_in *in)
{
    if (in->session)
        return true;
    sm_refuse(in, STANZA_FORBIDDEN, NULL);
    return false;
}

void sm_extdisco_services(struct sm_in *in, uint32_t payload)
{
    const struct sm *sm = in->sm;
    const struct span type = stanza_attr(in->stanza, payload, SPAN("type"));
    struct sm_out out;

    if (!is_ours(in))
        return;
    struct buf *buf = sm_iq_open(in, &out);
    xml_raw(buf, SPAN("<services xmlns='" NS_EXTDISCO "'"));
    xml_attr(buf, "type", type);
    xml_raw(buf, SPAN(">"));
    for (size_t i = 0; i < sm->opts.external_count; i++) {
        const struct sm_external *x = &sm->opts.externals[i];
        if (span_is_none(type) || span_eq(type, span_of(x->type)))
            write_service(sm, buf, x);
    }
    xml_raw(buf, SPAN("</services>"));
    sm_iq_close(&out);
}

static bool is_meant(const struct stanza *s, uint32_t service, const struct sm_external *x)
{
    const struct span port = stanza_attr(s, service, SPAN("port"));
    uint64_t number;

    return span_eq(stanza_attr(s, service, SPAN("type")), span_of(x->type)) &&
           span_eq(stanza_attr(s, service, SPAN("host")), span_of(x->host)) &&
           (span_is_none(port) ||
            (span_to_u64(port, UINT16_MAX, &number) && number == (uint64_t)x->port));
}

void sm_extdisco_credentials(struct sm_in *in, uint32_t payload)
{
    const struct sm *sm = in->sm;
    const struct stanza *s = in->stanza;
    uint32_t service = stanza_child(s, payload, SPAN(NS_EXTDISCO), SPAN("service"));
    struct sm_out out;
    struct buf *buf = NULL;

    if (!is_ours(in))
        return;
    if (!service || span_is_none(stanza_attr(s, service, SPAN("type"))) ||
        span_is_none(stanza_attr(s, service, SPAN("host")))) {
        sm_refuse(in, STANZA_BAD_REQUEST, NULL);
        return;
    }
    for (size_t i = 0; i < sm->opts.external_count; i++) {
        if (!is_meant(s, service, &sm->opts.externals[i]))
            continue;
        if (!buf) {
            buf = sm_iq_open(in, &out);
            xml_raw(buf, SPAN("<credentials xmlns='" NS_EXTDISCO "'>"));
        }
        write_service(sm, buf, &sm->opts.externals[i]);
    }
    if (!buf) {
        sm_refuse(in, STANZA_ITEM_NOT_FOUND, NULL);
        return;
    }
    xml_raw(buf, SPAN("</credentials>"));
    sm_iq_close(&out);
}
