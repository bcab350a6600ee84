/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * key_make - a server's own key: made once, by kontalkctl, and its secret numbers for the bridge
 * certificate. RFC 4880 5.5.3. Secrets are the caller's to wipe; what passes through here is wiped.
 */
#include "base/log.h"
#include "base/mem.h"
#include "pgp/key_private.h"

#include <stdlib.h>

static bool set_up(rnp_op_generate_t op, unsigned bits, const char *uid)
{
    return rnp_op_generate_set_bits(op, bits) == RNP_SUCCESS &&
           rnp_op_generate_set_hash(op, "SHA256") == RNP_SUCCESS &&
           rnp_op_generate_add_usage(op, "sign") == RNP_SUCCESS &&
           rnp_op_generate_add_usage(op, "certify") == RNP_SUCCESS &&
           rnp_op_generate_set_expiration(op, 0) == RNP_SUCCESS &&
           rnp_op_generate_set_userid(op, uid) == RNP_SUCCESS;
}

bool pgp_key_make(struct span uid, unsigned bits, struct buf *secret_r, char error_r[PGP_ERROR_MAX])
{
    struct pgp_rnp rnp;
    rnp_op_generate_t op = NULL;
    rnp_key_handle_t key = NULL;
    char *name = mem_strdup_span(uid);
    pgp_rnp_open(&rnp);
    rnp_set_timestamp(rnp.ffi, (uint64_t)(log_wall() / 1000));
    rnp_result_t result = rnp_op_generate_create(&op, rnp.ffi, "RSA");
    if (result == RNP_SUCCESS && !set_up(op, bits, name))
        result = RNP_ERROR_BAD_PARAMETERS;
    if (result == RNP_SUCCESS)
        result = rnp_op_generate_execute(op);
    if (result == RNP_SUCCESS)
        result = rnp_op_generate_get_key(op, &key);
    buf_reserve(secret_r, PGP_KEY_BYTES_MAX);
    if (result == RNP_SUCCESS &&
        !pgp_rnp_export(key, RNP_KEY_EXPORT_SECRET | RNP_KEY_EXPORT_ARMORED, secret_r))
        result = RNP_ERROR_WRITE;
    rnp_key_handle_destroy(key);
    rnp_op_generate_destroy(op);
    pgp_rnp_close(&rnp);
    free(name);
    return result == RNP_SUCCESS || pgp_fail(error_r, rnp_result_to_string(result));
}

/* --- the secret numbers ----------------------------------------------------------------------- */

/* The checksum is the sum of the bytes before it. */
static bool is_whole(struct span numbers, struct span rest)
{
    unsigned sum = 0;
    for (const char *p = numbers.p; p < rest.p; p++)
        sum += (unsigned char)*p;
    return rest.n == 2 &&
           (sum & 0xffff) == ((unsigned)(unsigned char)rest.p[0] << 8 | (unsigned char)rest.p[1]);
}

static const char *read_secret(const struct pgp_numbers *k, struct pgp_secret *s)
{
    struct span numbers, rest, d, p, q, u;
    if (!k->is_rsa)
        return "not an RSA key";
    if (span_is_empty(k->rest))
        return "the file holds no secret key";
    if (k->rest.p[0] != 0)
        return "the key has a passphrase";
    numbers = rest = span_from(k->rest, 1);
    if (!pgp_packets_number(&rest, &d) || !pgp_packets_number(&rest, &p) ||
        !pgp_packets_number(&rest, &q) || !pgp_packets_number(&rest, &u) ||
        !is_whole(numbers, rest))
        return "the secret key is damaged";
    buf_append(&s->n, k->n);
    buf_append(&s->e, k->e);
    buf_append(&s->d, d);
    /* OpenPGP's u is the inverse of its first prime; with the two exchanged, of the second. */
    buf_append(&s->p, q);
    buf_append(&s->q, p);
    buf_append(&s->u, u);
    s->created = k->created;
    return NULL;
}

bool pgp_secret_read(struct span armoured, struct pgp_secret *s_r, char error_r[PGP_ERROR_MAX])
{
    struct buf packets = {.max = PGP_KEY_BYTES_MAX};
    struct pgp_numbers master;
    *s_r = (struct pgp_secret){0};
    bool ok = pgp_packets_of(armoured, &packets, error_r);
    if (ok) {
        const char *wrong = pgp_packets_check(buf_span(&packets), &master);
        if (!wrong)
            wrong = read_secret(&master, s_r);
        ok = !wrong || pgp_fail(error_r, wrong);
    }
    buf_wipe(&packets);
    return ok;
}

void pgp_secret_wipe(struct pgp_secret *s)
{
    struct buf *all[] = {&s->n, &s->e, &s->d, &s->p, &s->q, &s->u};
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        buf_wipe(all[i]);
}
