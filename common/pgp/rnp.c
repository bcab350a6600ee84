/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * rnp - librnp opened and closed, and bytes into it and out of it. Called by key.c and key_make.c.
 */
#include "pgp/key_private.h"

#include <stdlib.h>

bool pgp_fail(char error_r[PGP_ERROR_MAX], const char *why)
{
    snprintf(error_r, PGP_ERROR_MAX, "%s", why);
    return false;
}

/*
 * The library writes what it thinks of a key to standard error, and cannot be told not to. Peers
 * send keys, and our log is there: the stream, not the descriptor, which the log uses, goes
 * elsewhere for as long.
 */
void pgp_rnp_open(struct pgp_rnp *r)
{
    static FILE *nowhere;
    if (!nowhere)
        nowhere = fopen("/dev/null", "we");
    r->errors = stderr;
    if (nowhere)
        stderr = nowhere;
    if (rnp_ffi_create(&r->ffi, "GPG", "GPG") != RNP_SUCCESS)
        abort();
}

void pgp_rnp_close(struct pgp_rnp *r)
{
    rnp_ffi_destroy(r->ffi);
    stderr = r->errors;
}

bool pgp_packets_of(struct span data, struct buf *out, char error_r[PGP_ERROR_MAX])
{
    /* Armour is a third longer than what it holds, and has lines of headers. */
    size_t max = data.n > 0 && !(data.p[0] & 0x80) ? 2 * PGP_KEY_BYTES_MAX : PGP_KEY_BYTES_MAX;
    if (data.n == 0)
        return pgp_fail(error_r, "no key");
    if (data.n > max)
        return pgp_fail(error_r, "the key is too long");
    buf_reserve(out, PGP_KEY_BYTES_MAX); /* no part of a secret is left behind by growing */
    if (data.p[0] & 0x80)
        return buf_append(out, data);
    return pgp_dearmour(data, out) || pgp_fail(error_r, "neither a binary key nor an armoured one");
}

bool pgp_rnp_export(rnp_key_handle_t key, uint32_t flags, struct buf *out)
{
    rnp_output_t memory = NULL;
    uint8_t *p = NULL;
    size_t n = 0;
    bool ok = rnp_output_to_memory(&memory, 0) == RNP_SUCCESS &&
              rnp_key_export(key, memory, flags) == RNP_SUCCESS &&
              rnp_output_memory_get_buf(memory, &p, &n, false) == RNP_SUCCESS &&
              buf_append(out, span_make((const char *)p, n));
    if (p)
        rnp_buffer_clear(p, n);
    rnp_output_destroy(memory);
    return ok;
}
