/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fuzz_pgp - what a peer shows to be known by: an OpenPGP key, or a certificate with one in it. It
 * is refused with a reason, or is what is written of it; secrets are not.
 * Byte 0: a key, a certificate, or a key whose secret numbers are asked for.
 */
#include "fuzz.h"

#include "base/log.h"
#include "pgp/key.h"
#include "pgp/packets.h"
#include "tls/bridge.h"
#include "tls/crypto.h"
#include "xmpp/server_key.h"

#define NOW_MS INT64_C(1800000000000) /* the keys of the corpus have been made by then */

static int64_t now(void *ctx)
{
    (void)ctx;
    return NOW_MS;
}

static void check_reason(struct span text, struct span reason)
{
    if (reason.n == 0)
        fuzz_fail("refused without a reason", text, reason);
    for (size_t i = 0; i < reason.n; i++)
        if ((unsigned char)reason.p[i] < ' ')
            fuzz_fail("a control in the reason", text, reason);
}

static void check_written(struct span packets)
{
    struct pgp_numbers master;
    if (pgp_packets_check(packets, &master))
        fuzz_fail("what is written is no key", packets, SPAN(""));
    if (master.is_rsa && master.rest.n > 0)
        fuzz_fail("a secret is written", packets, SPAN(""));
}

static void try_key(struct span data)
{
    char error[PGP_ERROR_MAX] = "", again_error[PGP_ERROR_MAX] = "";
    struct buf packets = {0};
    struct span n, e;
    struct pgp_key *k = pgp_key_parse(data, error);
    if (!k) {
        check_reason(data, span_of(error));
        return;
    }
    pgp_key_write(k, &packets);
    check_written(buf_span(&packets));
    if (strlen(pgp_key_fingerprint(k)) != PGP_FINGERPRINT)
        fuzz_fail("a fingerprint of another length", data, span_of(pgp_key_fingerprint(k)));
    if (pgp_key_rsa(k, &n, &e) && (n.n == 0 || e.n == 0 || n.p[0] == 0 || e.p[0] == 0))
        fuzz_fail("no number", data, n);
    for (size_t i = 0; !span_is_none(pgp_key_uid(k, i)); i++)
        if (i > PGP_PACKETS_MAX)
            fuzz_fail("user ids without end", data, SPAN(""));
    struct pgp_key *again = pgp_key_parse(buf_span(&packets), again_error);
    if (!again || strcmp(pgp_key_fingerprint(k), pgp_key_fingerprint(again)) != 0)
        fuzz_fail("what is written is another key", data, span_of(again_error));
    pgp_key_free(&again);
    pgp_key_free(&k);
    buf_free(&packets);
}

static void try_certificate(struct span der)
{
    char error[TLS_ERROR_MAX] = "", why[CONF_ERROR_MAX] = "";
    struct tls_bridge b;
    if (!tls_bridge_read(der, &b, error)) {
        check_reason(der, span_of(error));
        return;
    }
    struct server_key *k = server_key_parse(buf_span(&b.openpgp), why);
    if (!k)
        check_reason(der, span_of(why));
    server_key_free(&k);
    tls_bridge_free(&b);
}

static void try_secret(struct span data)
{
    char error[PGP_ERROR_MAX] = "";
    struct pgp_secret s;
    if (!pgp_secret_read(data, &s, error))
        check_reason(data, span_of(error));
    pgp_secret_wipe(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static void (*const tries[])(struct span) = {try_key, try_certificate, try_secret};
    struct span in = fuzz_input(data, n);
    log_set_clock(now, NULL);
    crypto_init();
    tries[fuzz_byte(&in) % 3](in);
    return 0;
}
