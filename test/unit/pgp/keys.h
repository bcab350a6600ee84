/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * keys - OpenPGP keys for tests, made by librnp on the spot: sound ones, and such as peers should
 * not show.
 */
#ifndef TEST_UNIT_PGP_KEYS_H
#define TEST_UNIT_PGP_KEYS_H

#include "base/buf.h"
#include "base/mem.h"

#include <rnp/rnp.h>
#include <rnp/rnp_err.h>
#include <stdlib.h>
#include <time.h>

#define KEYS_UID "Somebody <somebody@prime.example>"

struct keys_opts {
    const char *algorithm; /* NULL: RSA */
    long made;             /* seconds from now */
    uint32_t lasts;        /* seconds; 0: for ever */
    bool has_subkey;
    bool is_revoked;
    const char *uid2; /* another user id; NULL: none */
    uint32_t flags;   /* of the export, further ones */
};

#define keys_ok(call) assert_int_equal(call, RNP_SUCCESS)

static inline rnp_key_handle_t keys_generate(rnp_ffi_t ffi, const struct keys_opts *o)
{
    rnp_op_generate_t op;
    rnp_key_handle_t key, sub;
    const char *algorithm = o->algorithm ? o->algorithm : "RSA";
    keys_ok(rnp_op_generate_create(&op, ffi, algorithm));
    if (strcmp(algorithm, "RSA") == 0)
        keys_ok(rnp_op_generate_set_bits(op, 1024));
    keys_ok(rnp_op_generate_set_hash(op, "SHA256"));
    keys_ok(rnp_op_generate_add_usage(op, "sign"));
    keys_ok(rnp_op_generate_add_usage(op, "certify"));
    keys_ok(rnp_op_generate_set_userid(op, KEYS_UID));
    keys_ok(rnp_op_generate_set_expiration(op, o->lasts));
    keys_ok(rnp_op_generate_execute(op));
    keys_ok(rnp_op_generate_get_key(op, &key));
    keys_ok(rnp_op_generate_destroy(op));
    if (o->uid2)
        keys_ok(rnp_key_add_uid(key, o->uid2, "SHA256", 0, 0, false));
    if (o->has_subkey) {
        keys_ok(rnp_op_generate_subkey_create(&op, ffi, key, "RSA"));
        keys_ok(rnp_op_generate_set_bits(op, 1024));
        keys_ok(rnp_op_generate_add_usage(op, "encrypt"));
        keys_ok(rnp_op_generate_execute(op));
        keys_ok(rnp_op_generate_get_key(op, &sub));
        keys_ok(rnp_key_handle_destroy(sub));
        keys_ok(rnp_op_generate_destroy(op));
    }
    if (o->is_revoked)
        keys_ok(rnp_key_revoke(key, 0, "SHA256", "compromised", NULL));
    return key;
}

/* The key, public and binary unless flags say otherwise, behind what is in out. */
static inline void keys_make(const struct keys_opts *o, struct buf *out)
{
    rnp_ffi_t ffi;
    rnp_output_t memory;
    uint8_t *p;
    size_t n;
    uint32_t flags = o->flags | (o->flags & RNP_KEY_EXPORT_SECRET ? 0 : RNP_KEY_EXPORT_PUBLIC);
    keys_ok(rnp_ffi_create(&ffi, "GPG", "GPG"));
    keys_ok(rnp_set_timestamp(ffi, (uint64_t)(time(NULL) + o->made)));
    rnp_key_handle_t key = keys_generate(ffi, o);
    keys_ok(rnp_output_to_memory(&memory, 0));
    keys_ok(rnp_key_export(key, memory, flags | RNP_KEY_EXPORT_SUBKEYS));
    keys_ok(rnp_output_memory_get_buf(memory, &p, &n, false));
    buf_append(out, span_make((const char *)p, n));
    keys_ok(rnp_output_destroy(memory));
    keys_ok(rnp_key_handle_destroy(key));
    keys_ok(rnp_ffi_destroy(ffi));
}

#endif
