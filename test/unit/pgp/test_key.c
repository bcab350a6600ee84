/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * key: what is read from a sound key, and why others are refused; hostile bytes; a server's own key
 * made and its numbers read back.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "pgp/key.h"
#include "test/unit/pgp/keys.h"

#include <stdio.h>
#include <unistd.h>

#define DAY (24 * 3600L)

/* Made once: generating takes most of the time. */
static struct buf sound, armoured, with_subkey;

static int set_up(void **state)
{
    (void)state;
    keys_make(&(struct keys_opts){.made = -DAY, .uid2 = "elsewhere@beta.example"}, &sound);
    keys_make(
        &(struct keys_opts){.algorithm = "EDDSA", .made = -DAY, .flags = RNP_KEY_EXPORT_ARMORED},
        &armoured);
    keys_make(&(struct keys_opts){.made = -DAY, .has_subkey = true}, &with_subkey);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    buf_free(&sound);
    buf_free(&armoured);
    buf_free(&with_subkey);
    return 0;
}

static struct pgp_key *parse(struct span data)
{
    char error[PGP_ERROR_MAX] = "";
    struct pgp_key *k = pgp_key_parse(data, error);
    assert_string_equal(error, "");
    assert_non_null(k);
    return k;
}

static void assert_refused(struct span data, const char *why)
{
    char error[PGP_ERROR_MAX] = "";
    struct pgp_key *k = pgp_key_parse(data, error);
    assert_null(k);
    assert_string_equal(error, why);
}

/* --- sound ones ------------------------------------------------------------------------------- */

static void a_key_says_what_it_is(void **state)
{
    (void)state;
    struct span n, e;
    struct buf packets = {0};
    struct pgp_key *k = parse(buf_span(&sound));
    assert_int_equal(strlen(pgp_key_fingerprint(k)), PGP_FINGERPRINT);
    assert_int_equal(strspn(pgp_key_fingerprint(k), "0123456789ABCDEF"), PGP_FINGERPRINT);
    assert_true(pgp_key_rsa(k, &n, &e));
    assert_int_equal(n.n, 128);
    assert_true(span_eq(e, SPAN("\x01\x00\x01")));
    assert_true(span_eq(pgp_key_uid(k, 0), SPAN(KEYS_UID)));
    assert_true(span_eq(pgp_key_uid(k, 1), SPAN("elsewhere@beta.example")));
    assert_true(span_is_none(pgp_key_uid(k, 2)));
    pgp_key_write(k, &packets);
    assert_true(span_eq(buf_span(&packets), buf_span(&sound)));
    pgp_key_free(&k);
    assert_null(k);
    buf_free(&packets);
}

static void what_is_written_is_read_again(void **state)
{
    (void)state;
    const struct buf *const all[] = {&sound, &armoured, &with_subkey};
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        struct buf packets = {0};
        struct pgp_key *k = parse(buf_span(all[i]));
        pgp_key_write(k, &packets);
        struct pgp_key *again = parse(buf_span(&packets));
        assert_string_equal(pgp_key_fingerprint(k), pgp_key_fingerprint(again));
        pgp_key_free(&k);
        pgp_key_free(&again);
        buf_free(&packets);
    }
}

static void a_secret_key_counts_as_its_public_half(void **state)
{
    (void)state;
    static const uint32_t flags[] = {RNP_KEY_EXPORT_SECRET,
                                     RNP_KEY_EXPORT_SECRET | RNP_KEY_EXPORT_ARMORED};
    for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
        struct buf secret = {0}, packets = {0};
        keys_make(&(struct keys_opts){.flags = flags[i]}, &secret);
        struct pgp_key *k = parse(buf_span(&secret));
        pgp_key_write(k, &packets);
        assert_int_equal((unsigned char)*buf_span(&packets).p, 0xc6);
        assert_true(buf_len(&packets) < 600);
        pgp_key_free(&k);
        buf_free(&secret);
        buf_free(&packets);
    }
}

static void others_than_rsa_have_no_numbers(void **state)
{
    (void)state;
    struct buf key = {0};
    struct span n, e;
    keys_make(&(struct keys_opts){.algorithm = "EDDSA"}, &key);
    struct pgp_key *k = parse(buf_span(&key));
    assert_false(pgp_key_rsa(k, &n, &e));
    pgp_key_free(&k);
    buf_free(&key);
}

/* --- such as are refused ---------------------------------------------------------------------- */

static void keys_out_of_force_are_refused(void **state)
{
    (void)state;
    static const struct {
        struct keys_opts opts;
        const char *why; /* NULL: taken */
    } cases[] = {
        {{.algorithm = "EDDSA", .is_revoked = true}, "the key is revoked"},
        {{.algorithm = "EDDSA", .made = -3 * DAY, .lasts = DAY}, "the key has expired"},
        {{.algorithm = "EDDSA", .made = -3 * DAY, .lasts = 4 * DAY}, NULL},
        {{.algorithm = "EDDSA", .made = 2 * DAY},
         "the key was made in the future: is the clock right?"},
        {{.algorithm = "EDDSA", .made = DAY / 2}, NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf key = {0};
        keys_make(&cases[i].opts, &key);
        if (cases[i].why) {
            assert_refused(buf_span(&key), cases[i].why);
        } else {
            struct pgp_key *k = parse(buf_span(&key));
            pgp_key_free(&k);
        }
        buf_free(&key);
    }
}

/* The packet's length with its header: the key's own are short or of two octets. */
static size_t packet_size(struct span at)
{
    unsigned first = (unsigned char)at.p[1];
    return first < 192 ? 2 + first
                       : 3 + ((size_t)(first - 192) << 8) + (unsigned char)at.p[2] + 192;
}

static struct span packet(struct span key, size_t i)
{
    while (i-- > 0)
        key = span_from(key, packet_size(key));
    return span_make(key.p, packet_size(key));
}

static void parts_of_keys_are_refused(void **state)
{
    (void)state;
    struct span key = buf_span(&with_subkey);
    struct buf made = {0};
    assert_refused(packet(key, 0), "the key has no valid signature of its own");
    assert_refused(packet(key, 1), "it does not begin with a key");
    buf_append(&made, packet(key, 3));
    buf_append(&made, packet(key, 4));
    assert_refused(buf_span(&made), "a subkey without its master key");
    buf_clear(&made);
    buf_append(&made, key);
    buf_append(&made, buf_span(&sound));
    assert_refused(buf_span(&made), "more than one key");
    buf_clear(&made);
    buf_append(&made, key);
    buf_append(&made, SPAN("\xd4\x01x")); /* a packet of modification detection */
    assert_refused(buf_span(&made), "a packet that is not of a key");
    buf_clear(&made);
    for (size_t i = 0; i < 300; i++)
        buf_append(&made, i == 0 ? packet(key, 0) : SPAN("\xcd\x01x"));
    assert_refused(buf_span(&made), "too many packets");
    buf_free(&made);
}

/* Somebody else's signatures do not make a key, and a user id without one is not shown. */
static void only_what_the_key_has_signed_counts(void **state)
{
    (void)state;
    struct buf made = {0};
    struct span key = buf_span(&sound), other = buf_span(&with_subkey);
    buf_append(&made, packet(key, 0));
    buf_append(&made, packet(other, 1));
    buf_append(&made, packet(other, 2));
    assert_refused(buf_span(&made), "the key has no valid signature of its own");
    buf_clear(&made);
    buf_append(&made, key);
    buf_append(&made, SPAN("\xcd\x0ex@beta.example"));
    buf_append(&made, packet(other, 2));
    struct pgp_key *k = parse(buf_span(&made));
    assert_true(span_is_none(pgp_key_uid(k, 2)));
    pgp_key_free(&k);
    buf_free(&made);
}

static void numbers_out_of_range_are_refused(void **state)
{
    (void)state;
    static const char head[] = "\x04\x50\0\0\0\x01";
    static const struct {
        unsigned n_bits, e_bits;
        const char *why;
    } cases[] = {
        {8193, 17, "an RSA key with numbers out of range"},
        {2048, 33, "an RSA key with numbers out of range"},
        {2048, 0, "an RSA key with numbers out of range"},
        {2048, 17, "the key has no valid signature of its own"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf body = {0}, key = {0};
        buf_append(&body, span_make(head, 6));
        const unsigned bits[] = {cases[i].n_bits, cases[i].e_bits};
        for (size_t j = 0; j < 2; j++) {
            buf_append_char(&body, (char)(bits[j] >> 8));
            buf_append_char(&body, (char)bits[j]);
            for (unsigned k = 0; k < (bits[j] + 7) / 8; k++)
                buf_append_char(&body, k == 0 ? (char)(1 << (bits[j] + 7) % 8) : 1);
        }
        uint32_t size = (uint32_t)buf_len(&body);
        const char length[] = {(char)0xc6, (char)0xff, 0, 0, (char)(size >> 8), (char)size};
        buf_append(&key, span_make(length, sizeof length));
        buf_append(&key, buf_span(&body));
        assert_refused(buf_span(&key), cases[i].why);
        buf_free(&body);
        buf_free(&key);
    }
}

static void other_versions_are_refused(void **state)
{
    (void)state;
    struct buf made = {0};
    buf_append(&made, buf_span(&sound));
    made.p[made.head + (packet_size(buf_span(&made)) < 194 ? 2 : 3)] = 3;
    assert_refused(buf_span(&made), "the key is not of version 4");
    made.p[made.head + 3] = 6;
    assert_refused(buf_span(&made), "the key is not of version 4");
    buf_free(&made);
}

/* --- hostile bytes ---------------------------------------------------------------------------- */

static void every_cut_is_survived(void **state)
{
    (void)state;
    const struct buf *const all[] = {&with_subkey, &armoured};
    char error[PGP_ERROR_MAX];
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        for (size_t n = 0; n < buf_len(all[i]); n += n < 40 ? 1 : 17) {
            /* A cut between two packets, or in armour's last line, leaves a key. */
            struct pgp_key *k = pgp_key_parse(span_make(buf_span(all[i]).p, n), error);
            assert_true(!k || n > 200);
            pgp_key_free(&k);
        }
    }
}

static void every_flipped_byte_is_survived(void **state)
{
    (void)state;
    char error[PGP_ERROR_MAX];
    struct buf made = {0};
    buf_append(&made, buf_span(&with_subkey));
    size_t head = packet_size(buf_span(&made));
    for (size_t i = 0; i < buf_len(&made); i += 13) {
        made.p[i] ^= 0x11;
        struct pgp_key *k = pgp_key_parse(buf_span(&made), error);
        /* No change of the master key or of its user id goes through. */
        assert_true(!k || i >= head);
        pgp_key_free(&k);
        made.p[i] ^= 0x11;
    }
    buf_free(&made);
}

static void garbage_and_too_much_are_refused(void **state)
{
    (void)state;
    struct buf made = {0};
    char *p = buf_reserve(&made, 1 << 20);
    memset(p, 0xc6, 1 << 20);
    buf_commit(&made, 1 << 20);
    assert_refused(buf_span(&made), "the key is too long");
    memset(p, 'A', 1 << 20);
    assert_refused(buf_span(&made), "the key is too long");
    assert_refused(span_make(p, 1000), "neither a binary key nor an armoured one");
    assert_refused(SPAN("\xc6"), "not a sequence of OpenPGP packets, or cut off");
    assert_refused(SPAN("\xc6\xff\xff\xff\xff\xff"),
                   "not a sequence of OpenPGP packets, or cut off");
    assert_refused(SPAN("\xc6\xe1x"), "not a sequence of OpenPGP packets, or cut off");
    assert_refused(SPAN("\x9b\x04"), "not a sequence of OpenPGP packets, or cut off");
    assert_refused(SPAN("\xc6\x00"), "a key without content");
    assert_refused(SPAN("\xc6\x03\x04xx"), "a key that is cut off");
    assert_refused(SPAN(""), "no key");
    buf_free(&made);
}

#define HEAD "-----BEGIN PGP PUBLIC KEY BLOCK-----\n"
#define TAIL "-----END PGP PUBLIC KEY BLOCK-----\n"

/* Packets with two bytes, as text: what is wrong with what is in it, or with the text. */
static void armour_out_of_shape_is_refused(void **state)
{
    (void)state;
    static const char no_armour[] = "neither a binary key nor an armoured one",
                      no_key[] = "it does not begin with a key"; /* a user id */
    static const struct {
        const char *text, *why;
    } cases[] = {
        {HEAD "\nzQFh\n" TAIL, no_key},
        {"\n\r\n" HEAD "Comment: x\r\nVersion: y\r\n\r\nzQ\r\nFh\r\n=AAAA\r\n" TAIL "\n", no_key},
        {HEAD "\nzQJhYQ==\n" TAIL, no_key},
        {HEAD "\nzQNhYWE=\n" TAIL, no_key},
        {HEAD "\nzQJhYQ==zQFh\n" TAIL, no_armour},
        {HEAD "\n=zQFh\n" TAIL, "no key"}, /* a checksum alone */
        {HEAD "\n=zQF\n" TAIL, no_armour},
        {HEAD "\nzQ!h\n" TAIL, no_armour},
        {HEAD "\nzQFh\n", no_armour},
        {HEAD "zQFh\n" TAIL, no_armour},
        {HEAD TAIL, no_armour},
        {HEAD, no_armour},
        {HEAD "\n" TAIL, "no key"},
        {"x\n" HEAD "\nzQFh\n" TAIL, no_armour},
        {"\n\n", no_armour},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_refused(span_of(cases[i].text), cases[i].why);
    struct buf made = {0};
    buf_append(&made, SPAN(HEAD "\n"));
    while (buf_len(&made) < 120000)
        buf_append(&made, SPAN("zQFh\n"));
    buf_append(&made, SPAN(TAIL));
    assert_refused(buf_span(&made), "neither a binary key nor an armoured one");
    buf_free(&made);
}

/* The log is on standard error: what the library thinks of keys does not get there. */
static void nothing_is_written_to_standard_error(void **state)
{
    (void)state;
    char error[PGP_ERROR_MAX], text[64];
    int saved = dup(STDERR_FILENO), pipes[2];
    assert_int_equal(pipe(pipes), 0);
    fflush(stderr);
    dup2(pipes[1], STDERR_FILENO);
    close(pipes[1]);
    struct buf made = {0};
    buf_append(&made, buf_span(&with_subkey));
    made.p[packet(buf_span(&made), 3).p - made.p + 40] ^= 1; /* a subkey that nobody has signed */
    struct pgp_key *k = pgp_key_parse(buf_span(&made), error);
    pgp_key_free(&k);
    fprintf(stderr, "end");
    fflush(stderr);
    dup2(saved, STDERR_FILENO);
    close(saved);
    assert_int_equal(read(pipes[0], text, sizeof text), 3);
    close(pipes[0]);
    buf_free(&made);
}

/* --- our own ---------------------------------------------------------------------------------- */

static void a_server_makes_its_key(void **state)
{
    (void)state;
    char error[PGP_ERROR_MAX] = "";
    struct buf secret = {0};
    struct pgp_secret s;
    struct span n, e;
    assert_true(pgp_key_make(SPAN("prime.example"), 1024, &secret, error));
    struct pgp_key *k = parse(buf_span(&secret));
    assert_true(span_eq(pgp_key_uid(k, 0), SPAN("prime.example")));
    assert_true(pgp_key_rsa(k, &n, &e));
    assert_true(pgp_secret_read(buf_span(&secret), &s, error));
    assert_true(span_eq(n, buf_span(&s.n)));
    assert_true(span_eq(e, buf_span(&s.e)));
    assert_true(buf_len(&s.d) > 100 && buf_len(&s.d) <= 128);
    assert_int_equal(buf_len(&s.p), 64);
    assert_int_equal(buf_len(&s.q), 64);
    assert_true(labs(s.created - time(NULL)) < 60);
    pgp_secret_wipe(&s);
    pgp_key_free(&k);
    buf_wipe(&secret);
}

static void bad_wishes_are_refused(void **state)
{
    (void)state;
    char error[PGP_ERROR_MAX] = "";
    struct buf secret = {0};
    assert_false(pgp_key_make(SPAN("prime.example"), 3, &secret, error));
    assert_string_not_equal(error, "");
    assert_int_equal(buf_len(&secret), 0);
    buf_free(&secret);
}

static void what_is_no_secret_key_has_no_numbers(void **state)
{
    (void)state;
    char error[PGP_ERROR_MAX];
    struct pgp_secret s;
    struct buf eddsa = {0}, rsa = {0};
    assert_false(pgp_secret_read(buf_span(&sound), &s, error));
    assert_string_equal(error, "the file holds no secret key");
    keys_make(&(struct keys_opts){.algorithm = "EDDSA", .flags = RNP_KEY_EXPORT_SECRET}, &eddsa);
    assert_false(pgp_secret_read(buf_span(&eddsa), &s, error));
    assert_string_equal(error, "not an RSA key");
    keys_make(&(struct keys_opts){.flags = RNP_KEY_EXPORT_SECRET}, &rsa);
    assert_true(pgp_secret_read(buf_span(&rsa), &s, error));
    pgp_secret_wipe(&s);
    rsa.p[packet_size(buf_span(&rsa)) - 1] ^= 1; /* the checksum */
    assert_false(pgp_secret_read(buf_span(&rsa), &s, error));
    assert_string_equal(error, "the secret key is damaged");
    assert_false(pgp_secret_read(SPAN("nothing"), &s, error));
    pgp_secret_wipe(&s);
    buf_free(&eddsa);
    buf_free(&rsa);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_says_what_it_is),
        cmocka_unit_test(what_is_written_is_read_again),
        cmocka_unit_test(a_secret_key_counts_as_its_public_half),
        cmocka_unit_test(others_than_rsa_have_no_numbers),
        cmocka_unit_test(keys_out_of_force_are_refused),
        cmocka_unit_test(parts_of_keys_are_refused),
        cmocka_unit_test(only_what_the_key_has_signed_counts),
        cmocka_unit_test(numbers_out_of_range_are_refused),
        cmocka_unit_test(other_versions_are_refused),
        cmocka_unit_test(every_cut_is_survived),
        cmocka_unit_test(every_flipped_byte_is_survived),
        cmocka_unit_test(garbage_and_too_much_are_refused),
        cmocka_unit_test(armour_out_of_shape_is_refused),
        cmocka_unit_test(nothing_is_written_to_standard_error),
        cmocka_unit_test(a_server_makes_its_key),
        cmocka_unit_test(bad_wishes_are_refused),
        cmocka_unit_test(what_is_no_secret_key_has_no_numbers),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
