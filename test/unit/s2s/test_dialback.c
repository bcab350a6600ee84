/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Keys and words of server dialback.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "s2s/dialback.h"
#include "tls/crypto.h"

static struct s2s s2s;

static int set_up(void **state)
{
    (void)state;
    crypto_init();
    memset(s2s.dialback_secret, 7, sizeof s2s.dialback_secret);
    return 0;
}

/* Both of its own making: the answer to whom it is asked, and to nobody else (S06). */
static void knows_its_keys(void **state)
{
    char key[DIALBACK_KEY_LEN + 1], other[DIALBACK_KEY_LEN + 1];
    static const struct {
        const char *remote, *local, *id;
        bool is_key;
    } cases[] = {
        {"montague.example", "capulet.example", "id", true},
        {"montague.example", "capulet.example", "id2", false}, /* replayed from another stream */
        {"capulet.example", "montague.example", "id", false},  /* swapped */
        {"montague.example", "chat.capulet.example", "id", false},
        {"paris.example", "capulet.example", "id", false},
        {"montague.example capulet.example", "id", "", false},
        {"montague.example", "capulet.example id", "", false},
    };
    (void)state;
    dialback_key(&s2s, SPAN("montague.example"), SPAN("capulet.example"), SPAN("id"), key);
    assert_int_equal(strlen(key), DIALBACK_KEY_LEN);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        if (dialback_is_key(&s2s, span_of(cases[i].remote), span_of(cases[i].local),
                            span_of(cases[i].id), span_of(key)) != cases[i].is_key)
            fail_msg("case %zu", i);
    assert_false(dialback_is_key(&s2s, SPAN("montague.example"), SPAN("capulet.example"),
                                 SPAN("id"), SPAN("")));
    key[63] ^= 1;
    assert_false(dialback_is_key(&s2s, SPAN("montague.example"), SPAN("capulet.example"),
                                 SPAN("id"), span_of(key)));
    key[63] ^= 1;
    s2s.dialback_secret[31] ^= 1; /* of another start */
    dialback_key(&s2s, SPAN("montague.example"), SPAN("capulet.example"), SPAN("id"), other);
    s2s.dialback_secret[31] ^= 1;
    assert_string_not_equal(key, other);
}

/* T23: whatever part of it fits. That the time does not tell is crypto_equal's, and the lint's. */
static void knows_no_part_of_a_key(void **state)
{
    char key[DIALBACK_KEY_LEN + 2];
    struct span names[] = {SPAN("montague.example"), SPAN("capulet.example"), SPAN("id")};
    (void)state;
    dialback_key(&s2s, names[0], names[1], names[2], key);
    key[DIALBACK_KEY_LEN] = '0';
    for (size_t n = 0; n <= DIALBACK_KEY_LEN + 1; n++)
        assert_int_equal(dialback_is_key(&s2s, names[0], names[1], names[2], span_make(key, n)),
                         n == DIALBACK_KEY_LEN);
    for (size_t i = 0; i < DIALBACK_KEY_LEN; i++) {
        key[i] ^= 1;
        assert_false(
            dialback_is_key(&s2s, names[0], names[1], names[2], span_make(key, DIALBACK_KEY_LEN)));
        key[i] ^= 1;
    }
}

/* XEP-0185 2: HMAC-SHA256(SHA256(secret), "receiving originating id"), both in hexadecimal. */
static void makes_keys_as_recommended(void **state)
{
    char key[DIALBACK_KEY_LEN + 1];
    unsigned char digest[32];
    char secret[65], want[65];
    (void)state;
    crypto_digest(CRYPTO_SHA256, span_make((char *)s2s.dialback_secret, 32), digest);
    crypto_hex(span_make((char *)digest, 32), secret);
    crypto_hmac(CRYPTO_SHA256, span_of(secret), SPAN("xmpp.example.com example.org D60000229F"),
                digest);
    crypto_hex(span_make((char *)digest, 32), want);
    dialback_key(&s2s, SPAN("xmpp.example.com"), SPAN("example.org"), SPAN("D60000229F"), key);
    assert_string_equal(key, want);
}

static void writes_words(void **state)
{
    struct buf out = {0};
    (void)state;
    dialback_write_result(&out, SPAN("a.example"), SPAN("b.example"), SPAN_NONE, SPAN("k<"));
    assert_string_equal(buf_z(&out),
                        "<db:result from='a.example' to='b.example'>k&lt;</db:result>");
    buf_clear(&out);
    dialback_write_result(&out, SPAN("a.example"), SPAN("b.example"), SPAN("valid"), SPAN_NONE);
    assert_string_equal(buf_z(&out), "<db:result from='a.example' to='b.example' type='valid'/>");
    buf_clear(&out);
    dialback_write_verify(&out, SPAN("a.example"), SPAN("b.example"), SPAN("1'"), SPAN_NONE,
                          SPAN("k"));
    assert_string_equal(buf_z(&out),
                        "<db:verify from='a.example' to='b.example' id='1&apos;'>k</db:verify>");
    buf_clear(&out);
    dialback_write_error(&out, "verify", SPAN("a.example"), SPAN("b.example"), SPAN("1"),
                         STANZA_ITEM_NOT_FOUND);
    assert_string_equal(buf_z(&out),
                        "<db:verify from='a.example' to='b.example' id='1' type='error'>"
                        "<error type='cancel'><item-not-found "
                        "xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></db:verify>");
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_its_keys),
        cmocka_unit_test(knows_no_part_of_a_key),
        cmocka_unit_test(makes_keys_as_recommended),
        cmocka_unit_test(writes_words),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
