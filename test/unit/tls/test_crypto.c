/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * crypto: published vectors, strictness of base64, and that a seed repeats its numbers.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/mem.h"
#include "tls/crypto.h"

static void assert_hex(const unsigned char *p, size_t n, const char *hex)
{
    char text[2 * CRYPTO_HASH_MAX + 1];
    crypto_hex(span_make((const char *)p, n), text);
    assert_string_equal(text, hex);
}

static void digests_match_fips_180(void **state)
{
    (void)state;
    unsigned char out[CRYPTO_HASH_MAX];
    crypto_digest(CRYPTO_SHA1, SPAN("abc"), out);
    assert_hex(out, crypto_hash_len(CRYPTO_SHA1), "a9993e364706816aba3e25717850c26c9cd0d89d");
    crypto_digest(CRYPTO_SHA256, SPAN("abc"), out);
    assert_hex(out, crypto_hash_len(CRYPTO_SHA256),
               "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    crypto_digest(CRYPTO_SHA256, SPAN(""), out);
    assert_hex(out, 32, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

/* RFC 2202 case 2, RFC 4231 case 2 */
static void hmacs_match_their_rfcs(void **state)
{
    (void)state;
    unsigned char out[CRYPTO_HASH_MAX];
    struct span data = SPAN("what do ya want for nothing?");
    crypto_hmac(CRYPTO_SHA1, SPAN("Jefe"), data, out);
    assert_hex(out, 20, "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
    crypto_hmac(CRYPTO_SHA256, SPAN("Jefe"), data, out);
    assert_hex(out, 32, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    crypto_hmac(CRYPTO_SHA256, SPAN_NONE, SPAN(""), out);
    assert_hex(out, 32, "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

/* RFC 6070 cases 2 and 3; RFC 7914 11 */
static void pbkdf2_matches_its_rfcs(void **state)
{
    (void)state;
    unsigned char out[CRYPTO_HASH_MAX];
    crypto_pbkdf2(CRYPTO_SHA1, SPAN("password"), SPAN("salt"), 2, out);
    assert_hex(out, 20, "ea6c014dc72d6f8ccd1ed92ace1d41f0d8de8957");
    crypto_pbkdf2(CRYPTO_SHA1, SPAN("password"), SPAN("salt"), 4096, out);
    assert_hex(out, 20, "4b007901b765489abead49d926f721d065a429c1");
    crypto_pbkdf2(CRYPTO_SHA256, SPAN("passwd"), SPAN("salt"), 1, out);
    assert_hex(out, 32, "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc");
}

static void equality_needs_the_same_length_and_bytes(void **state)
{
    (void)state;
    assert_true(crypto_equal(SPAN("secret"), SPAN("secret")));
    assert_true(crypto_equal(SPAN_NONE, SPAN("")));
    assert_false(crypto_equal(SPAN("secret"), SPAN("secreT")));
    assert_false(crypto_equal(SPAN("Secret"), SPAN("secret")));
    assert_false(crypto_equal(SPAN("secret"), SPAN("secret1")));
    assert_false(crypto_equal(SPAN("secret"), SPAN_NONE));
}

static const struct {
    struct span raw, text;
} base64_cases[] = {
    {SPAN_INIT(""), SPAN_INIT("")}, /* RFC 4648 10 */
    {SPAN_INIT("f"), SPAN_INIT("Zg==")},
    {SPAN_INIT("fo"), SPAN_INIT("Zm8=")},
    {SPAN_INIT("foo"), SPAN_INIT("Zm9v")},
    {SPAN_INIT("foob"), SPAN_INIT("Zm9vYg==")},
    {SPAN_INIT("fooba"), SPAN_INIT("Zm9vYmE=")},
    {SPAN_INIT("foobar"), SPAN_INIT("Zm9vYmFy")},
    {SPAN_INIT("\0\xff\xfe\x3f\xbf"), SPAN_INIT("AP/+P78=")},
    {SPAN_INIT("\xfb\xff\xff"), SPAN_INIT("+///")},
};

static void base64_goes_both_ways(void **state)
{
    (void)state;
    struct buf out = {0};
    for (size_t i = 0; i < ARRAY_LEN(base64_cases); i++) {
        buf_clear(&out);
        base64_encode(&out, base64_cases[i].raw);
        assert_true(span_eq(buf_span(&out), base64_cases[i].text));
        buf_clear(&out);
        buf_append_z(&out, "before:");
        assert_true(base64_decode(&out, base64_cases[i].text));
        assert_true(span_eq(span_from(buf_span(&out), 7), base64_cases[i].raw));
    }
    buf_free(&out);
}

static void base64_has_one_spelling_only(void **state)
{
    (void)state;
    static const struct span wrong[] = {
        SPAN_INIT("Zg"),
        SPAN_INIT("Zg="),
        SPAN_INIT("="),
        SPAN_INIT("===="),
        SPAN_INIT("Z==="),
        SPAN_INIT("Zg==Zg=="),
        SPAN_INIT("Zm9v "),
        SPAN_INIT(" Zm9"),
        SPAN_INIT("Zm9v\n"),
        SPAN_INIT("Zm\n9"),
        SPAN_INIT("Zm-_"),
        SPAN_INIT("Zh=="),
        SPAN_INIT("Zm9="),
        SPAN_INIT("Z=g="),
        SPAN_INIT("Zg==\0\0"),
        SPAN_INIT("Zm\09"),
        SPAN_INIT("\xff\xff\xff\xff"),
    };
    struct buf out = {0};
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        assert_false(base64_decode(&out, wrong[i]));
        assert_int_equal(buf_len(&out), 0);
    }
    buf_free(&out);
}

static void base64_respects_the_cap_of_its_buffer(void **state)
{
    (void)state;
    struct buf out = {.max = 5};
    assert_false(base64_decode(&out, SPAN("Zm9vYmFy")));
    assert_int_equal(buf_len(&out), 0);
    assert_true(base64_decode(&out, SPAN("Zm9vYmE=")));
    base64_encode(&out, SPAN("no room"));
    assert_int_equal(buf_len(&out), 5);
    buf_free(&out);
}

static void random_numbers_differ(void **state)
{
    (void)state;
    char a[33], b[33];
    crypto_random_hex(a, 16);
    crypto_random_hex(b, 16);
    assert_int_equal(strlen(a), 32);
    assert_int_equal(strspn(a, "0123456789abcdef"), 32);
    assert_string_not_equal(a, b);

    char long_one[2 * 100 + 1];
    crypto_random_hex(long_one, 100);
    assert_int_equal(strlen(long_one), 200);
    assert_memory_not_equal(long_one, long_one + 100, 64);
    crypto_random_hex(a, 0);
    assert_string_equal(a, "");

    unsigned seen = 0;
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(crypto_random_below(1), 0);
        uint64_t n = crypto_random_below(3);
        assert_in_range(n, 0, 2);
        seen |= 1U << n;
    }
    assert_int_equal(seen, 7);
}

static void a_seed_repeats_its_numbers(void **state)
{
    (void)state;
    unsigned char a[37], b[37];
    crypto_simulate(7);
    crypto_random(a, sizeof(a));
    crypto_simulate(7);
    crypto_random(b, sizeof(b));
    assert_memory_equal(a, b, sizeof(a));
    crypto_random(b, sizeof(b));
    assert_memory_not_equal(a, b, sizeof(a));
    crypto_simulate(8);
    crypto_random(b, sizeof(b));
    assert_memory_not_equal(a, b, sizeof(a));
    crypto_simulate(7);
    crypto_simulate(0);
    crypto_random(b, sizeof(b));
    assert_memory_not_equal(a, b, sizeof(a));
}

int main(void)
{
    crypto_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(digests_match_fips_180),
        cmocka_unit_test(hmacs_match_their_rfcs),
        cmocka_unit_test(pbkdf2_matches_its_rfcs),
        cmocka_unit_test(equality_needs_the_same_length_and_bytes),
        cmocka_unit_test(base64_goes_both_ways),
        cmocka_unit_test(base64_has_one_spelling_only),
        cmocka_unit_test(base64_respects_the_cap_of_its_buffer),
        cmocka_unit_test(random_numbers_differ),
        cmocka_unit_test(a_seed_repeats_its_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
