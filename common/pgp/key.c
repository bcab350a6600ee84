/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * key - reads the keys that peers show and clients bring: packets.c looks at their shape, librnp at
 * their signatures. What is kept is what the key has certified itself.
 *
 * RFC 4880 5.2.3.3 (self-signatures), 11.1 (transferable public keys). Keys that are revoked by
 * others on the owner's behalf are not known as such.
 */
#include "base/log.h"
#include "base/mem.h"
#include "pgp/key_private.h"

#include <stdlib.h>

#define SKEW_S (24 * 3600) /* a clock of somebody who makes keys may be that wrong */
#define UIDS_MAX 64

struct pgp_key {
    char fingerprint[PGP_FINGERPRINT + 1];
    struct buf packets; /* public */
    bool is_rsa;
    struct buf n, e;
    struct buf uids[UIDS_MAX];
    size_t uid_count;
};

/* --- what librnp thinks of it ----------------------------------------------------------------- */

/* The one master key that there is now. */
static rnp_key_handle_t find_master(rnp_ffi_t ffi)
{
    rnp_identifier_iterator_t it = NULL;
    rnp_key_handle_t found = NULL;
    const char *fingerprint = NULL;
    if (rnp_identifier_iterator_create(ffi, &it, "fingerprint") != RNP_SUCCESS)
        return NULL;
    while (!found && rnp_identifier_iterator_next(it, &fingerprint) == RNP_SUCCESS && fingerprint) {
        bool is_primary = false;
        if (rnp_locate_key(ffi, "fingerprint", fingerprint, &found) != RNP_SUCCESS)
            found = NULL;
        if (found && (rnp_key_is_primary(found, &is_primary) != RNP_SUCCESS || !is_primary)) {
            rnp_key_handle_destroy(found);
            found = NULL;
        }
    }
    rnp_identifier_iterator_destroy(it);
    return found;
}

static rnp_key_handle_t import(rnp_ffi_t ffi, struct span packets)
{
    rnp_input_t in = NULL;
    char *result = NULL;
    bool ok =
        rnp_input_from_memory(&in, (const uint8_t *)packets.p, packets.n, false) == RNP_SUCCESS &&
        rnp_import_keys(ffi, in, RNP_LOAD_SAVE_PUBLIC_KEYS, &result) == RNP_SUCCESS;
    rnp_buffer_destroy(result);
    rnp_input_destroy(in);
    return ok ? find_master(ffi) : NULL;
}

/* NULL: it is in force. */
static const char *judge(rnp_key_handle_t master)
{
    bool is_revoked = false, is_expired = false, is_valid = false;
    if (rnp_key_is_revoked(master, &is_revoked) != RNP_SUCCESS ||
        rnp_key_is_expired(master, &is_expired) != RNP_SUCCESS ||
        rnp_key_is_valid(master, &is_valid) != RNP_SUCCESS)
        return "the key cannot be judged";
    if (is_revoked)
        return "the key is revoked";
    if (is_expired)
        return "the key has expired";
    return is_valid ? NULL : "the key has no valid signature of its own";
}

static bool copy_fingerprint(rnp_key_handle_t master, char out[PGP_FINGERPRINT + 1])
{
    char *text = NULL;
    bool ok = rnp_key_get_fprint(master, &text) == RNP_SUCCESS && strlen(text) == PGP_FINGERPRINT;
    for (size_t i = 0; ok && i <= PGP_FINGERPRINT; i++)
        out[i] = (char)(text[i] >= 'a' && text[i] <= 'f' ? text[i] - 'a' + 'A' : text[i]);
    rnp_buffer_destroy(text);
    return ok;
}

static void copy_uid(struct pgp_key *k, rnp_uid_handle_t uid)
{
    void *text = NULL;
    size_t n = 0;
    uint32_t type = 0;
    bool is_valid = false;
    if (rnp_uid_get_type(uid, &type) == RNP_SUCCESS && type == RNP_USER_ID &&
        rnp_uid_is_valid(uid, &is_valid) == RNP_SUCCESS && is_valid &&
        rnp_uid_get_data(uid, &text, &n) == RNP_SUCCESS)
        buf_append(&k->uids[k->uid_count++], span_make(text, n));
    rnp_buffer_destroy(text);
}

static void copy_uids(struct pgp_key *k, rnp_key_handle_t master)
{
    size_t count = 0;
    if (rnp_key_get_uid_count(master, &count) != RNP_SUCCESS)
        return;
    for (size_t i = 0; i < count && k->uid_count < UIDS_MAX; i++) {
        rnp_uid_handle_t uid = NULL;
        if (rnp_key_get_uid_handle_at(master, i, &uid) == RNP_SUCCESS)
            copy_uid(k, uid);
        rnp_uid_handle_destroy(uid);
    }
}

static const char *fill(struct pgp_key *k, rnp_ffi_t ffi, struct span packets)
{
    rnp_key_handle_t master = import(ffi, packets);
    if (!master)
        return "not an OpenPGP key";
    const char *wrong = judge(master);
    if (!wrong && !copy_fingerprint(master, k->fingerprint))
        wrong = "the key is not of version 4";
    if (!wrong &&
        !pgp_rnp_export(master, RNP_KEY_EXPORT_PUBLIC | RNP_KEY_EXPORT_SUBKEYS, &k->packets))
        wrong = "the key cannot be written";
    if (!wrong)
        copy_uids(k, master);
    rnp_key_handle_destroy(master);
    return wrong;
}

/* --- the door --------------------------------------------------------------------------------- */

static const char *parse(struct pgp_key *k, struct span packets)
{
    struct pgp_numbers master;
    struct pgp_rnp rnp;
    int64_t now = log_wall() / 1000;
    const char *wrong = pgp_packets_check(packets, &master);
    if (wrong)
        return wrong;
    if (master.created > now + SKEW_S)
        return "the key was made in the future: is the clock right?";
    pgp_rnp_open(&rnp);
    /* To the library no skew is forgiven. */
    rnp_set_timestamp(rnp.ffi, (uint64_t)(master.created > now ? now + SKEW_S : now));
    wrong = fill(k, rnp.ffi, packets);
    pgp_rnp_close(&rnp);
    k->is_rsa = master.is_rsa;
    if (master.is_rsa) {
        buf_append(&k->n, master.n);
        buf_append(&k->e, master.e);
    }
    return wrong;
}

struct pgp_key *pgp_key_parse(struct span data, char error_r[PGP_ERROR_MAX])
{
    struct buf packets = {.max = PGP_KEY_BYTES_MAX};
    struct pgp_key *k = NULL;
    if (pgp_packets_of(data, &packets, error_r)) {
        k = mem_zalloc(sizeof *k);
        const char *wrong = parse(k, buf_span(&packets));
        if (wrong) {
            pgp_fail(error_r, wrong);
            pgp_key_free(&k);
        }
    }
    buf_wipe(&packets);
    return k;
}

void pgp_key_free(struct pgp_key **key)
{
    struct pgp_key *k = *key;
    *key = NULL;
    if (!k)
        return;
    for (size_t i = 0; i < k->uid_count; i++)
        buf_free(&k->uids[i]);
    buf_free(&k->packets);
    buf_free(&k->n);
    buf_free(&k->e);
    free(k);
}

const char *pgp_key_fingerprint(const struct pgp_key *k)
{
    return k->fingerprint;
}

bool pgp_key_rsa(const struct pgp_key *k, struct span *n_r, struct span *e_r)
{
    if (!k->is_rsa)
        return false;
    *n_r = buf_span(&k->n);
    *e_r = buf_span(&k->e);
    return true;
}

struct span pgp_key_uid(const struct pgp_key *k, size_t i)
{
    return i < k->uid_count ? buf_span(&k->uids[i]) : SPAN_NONE;
}

void pgp_key_write(const struct pgp_key *k, struct buf *out)
{
    buf_append(out, buf_span(&k->packets));
}
