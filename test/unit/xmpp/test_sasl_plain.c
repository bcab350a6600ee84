/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sasl and sasl_plain: what is on offer, the order of calls, PLAIN's messages, SASLprep.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/mem.h"
#include "xmpp/sasl_private.h"

#include <stdlib.h>

static const uint8_t server_secret[32] = "0123456789abcdef0123456789abcde";
static struct sasl_credentials romeo;

static struct sasl_opts options(void)
{
    return (struct sasl_opts){.domain = SPAN("prime.example"),
                              .secure = true,
                              .iterations = 64,
                              .server_secret = server_secret};
}

static int setup(void **state)
{
    (void)state;
    static const uint8_t salt1[16] = "salt of sha-1..", salt2[16] = "salt of sha-256";
    romeo.exists = true;
    assert_true(scram_keys_derive(CRYPTO_SHA1, SPAN("juliet"), 64, salt1, &romeo.sha1));
    assert_true(scram_keys_derive(CRYPTO_SHA256, SPAN("juliet"), 64, salt2, &romeo.sha256));
    return 0;
}

static void offers_follow_the_connection(void **state)
{
    (void)state;
    static const struct {
        bool secure, exporter, end_point;
        const char *names[6];
    } cases[] = {
        {false, false, false, {"SCRAM-SHA-256", "SCRAM-SHA-1"}},
        {true, false, false, {"SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN"}},
        {true,
         true,
         true,
         {"SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN"}},
        {true,
         false,
         true,
         {"SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN"}},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct sasl_opts opts = options();
        opts.secure = cases[i].secure;
        opts.cb_exporter = cases[i].exporter ? SPAN("exported") : SPAN_NONE;
        opts.cb_end_point = cases[i].end_point ? SPAN("hashed") : SPAN_NONE;
        const char *names[8];
        size_t count = sasl_offers(&opts, names), expected = 0;
        while (cases[i].names[expected])
            expected++;
        assert_int_equal(count, expected);
        for (size_t k = 0; k < count; k++)
            assert_string_equal(names[k], cases[i].names[k]);
    }
}

static void what_is_not_offered_is_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {"",      "ANONYMOUS", "EXTERNAL",           "DIGEST-MD5",
                                        "plain", "PLAIN ",    "SCRAM-SHA-256-PLUS", "PLAIN"};
    struct sasl_opts opts = options();
    opts.secure = false;
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        enum sasl_failure failure = SASL_FAILURE_NONE;
        assert_null(sasl_new(&opts, span_of(wrong[i]), &failure));
        assert_int_equal(failure, SASL_INVALID_MECHANISM);
    }
    assert_string_equal(sasl_failure_name(SASL_INVALID_MECHANISM), "invalid-mechanism");
    assert_string_equal(sasl_failure_name(SASL_TEMPORARY_AUTH_FAILURE), "temporary-auth-failure");
}

/* Runs PLAIN to its end; credentials NULL: nobody of that name. */
static enum sasl_failure login(struct span message, const struct sasl_credentials *credentials)
{
    static const struct sasl_credentials nobody;
    struct sasl_opts opts = options();
    enum sasl_failure failure;
    struct buf out = {0};
    struct sasl *s = sasl_new(&opts, SPAN("PLAIN"), &failure);
    assert_non_null(s);
    assert_string_equal(sasl_mechanism(s), "PLAIN");
    enum sasl_result r = sasl_step(s, message, &out);
    if (r == SASL_CREDENTIALS_WANTED) {
        r = sasl_credentials(s, credentials ? credentials : &nobody, &out);
        assert_int_equal(r, SASL_WORK_WANTED);
        sasl_work(s);
        r = sasl_worked(s, &out);
    }
    assert_int_equal(buf_len(&out), 0);
    failure = sasl_failure(s);
    assert_int_equal(r, failure == SASL_FAILURE_NONE ? SASL_SUCCESS : SASL_FAILED);
    sasl_free(&s);
    assert_null(s);
    return failure;
}

static const struct {
    struct span message;
    enum sasl_failure failure;
} plain_cases[] = {
    {SPAN_INIT("\0romeo\0juliet"), SASL_FAILURE_NONE},
    {SPAN_INIT("\0ROMEO\0juliet"), SASL_FAILURE_NONE}, /* nodeprep */
    {SPAN_INIT("romeo@prime.example\0romeo\0juliet"), SASL_FAILURE_NONE},
    {SPAN_INIT("Romeo@PRIME.example\0romeo\0juliet"), SASL_FAILURE_NONE},
    {SPAN_INIT("\0romeo\0Juliet"), SASL_NOT_AUTHORIZED},
    {SPAN_INIT("\0romeo\0juliet "), SASL_NOT_AUTHORIZED},
    {SPAN_INIT("\0romeo\0\x01juliet"), SASL_NOT_AUTHORIZED}, /* prohibited by SASLprep */
    /* another identity */
    {SPAN_INIT("juliet@prime.example\0romeo\0juliet"), SASL_INVALID_AUTHZID},
    {SPAN_INIT("romeo@net.example\0romeo\0juliet"), SASL_INVALID_AUTHZID},
    {SPAN_INIT("romeo@prime.example/x\0romeo\0juliet"), SASL_INVALID_AUTHZID},
    {SPAN_INIT("prime.example\0romeo\0juliet"), SASL_INVALID_AUTHZID},
    {SPAN_INIT("romeo\0romeo\0juliet"), SASL_INVALID_AUTHZID},
    {SPAN_INIT("@\0romeo\0juliet"), SASL_INVALID_AUTHZID},
    /* number of NULs */
    {SPAN_INIT("romeo"), SASL_MALFORMED_REQUEST},
    {SPAN_INIT("romeo\0juliet"), SASL_MALFORMED_REQUEST},
    {SPAN_INIT("\0romeo\0juliet\0"), SASL_MALFORMED_REQUEST},
    {SPAN_INIT("\0romeo\0jul\0iet"), SASL_MALFORMED_REQUEST},
    {SPAN_INIT("\0\0\0"), SASL_MALFORMED_REQUEST},
    {SPAN_INIT(""), SASL_MALFORMED_REQUEST},
    /* empty parts */
    {SPAN_INIT("\0\0juliet"), SASL_MALFORMED_REQUEST},
    {SPAN_INIT("\0romeo\0"), SASL_MALFORMED_REQUEST},
    /* names that nobody can have */
    {SPAN_INIT("\0ro meo\0juliet"), SASL_NOT_AUTHORIZED},
    {SPAN_INIT("\0romeo@prime.example\0juliet"), SASL_NOT_AUTHORIZED},
    {SPAN_INIT("\0ro\xc3\0juliet"), SASL_NOT_AUTHORIZED},
};

static void messages_have_exactly_three_parts(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(plain_cases); i++) {
        enum sasl_failure failure = login(plain_cases[i].message, &romeo);
        if (failure != plain_cases[i].failure)
            print_message("case %zu\n", i);
        assert_int_equal(failure, plain_cases[i].failure);
    }
}

static void sizes_are_capped_before_any_work(void **state)
{
    (void)state;
    static const size_t sizes[] = {1024, 8000, 9000, 1 << 20};
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        size_t n = 7 + sizes[i];
        char *message = mem_alloc(n);
        memset(message, 'x', n);
        memcpy(message, "\0romeo\0", 7);
        struct sasl_opts opts = options();
        enum sasl_failure failure;
        struct buf out = {0};
        struct sasl *s = sasl_new(&opts, SPAN("PLAIN"), &failure);
        assert_int_equal(sasl_step(s, span_make(message, n), &out), SASL_FAILED);
        assert_int_equal(sasl_failure(s),
                         n > SASL_MESSAGE_MAX ? SASL_MALFORMED_REQUEST : SASL_NOT_AUTHORIZED);
        sasl_free(&s);
        /* the same as the name */
        memset(message, 'x', n);
        memcpy(message, "", 1);
        memcpy(message + n - 2, "\0p", 2);
        failure = login(span_make(message, n), &romeo);
        assert_int_not_equal(failure, SASL_FAILURE_NONE);
        free(message);
    }
}

static void the_longest_password_works(void **state)
{
    (void)state;
    static const uint8_t salt[16] = "another salt...";
    char message[7 + SASL_PASSWORD_MAX];
    memset(message, 'x', sizeof(message));
    memcpy(message, "\0romeo\0", 7);
    struct sasl_credentials c = {.exists = true};
    assert_true(scram_keys_derive(CRYPTO_SHA256, span_make(message + 7, SASL_PASSWORD_MAX), 3, salt,
                                  &c.sha256));
    assert_int_equal(login(span_make(message, sizeof(message)), &c), SASL_FAILURE_NONE);
}

static void unknown_users_cost_the_same_work(void **state)
{
    (void)state;
    struct sasl_credentials no_keys = {.exists = true};
    assert_int_equal(login(SPAN("\0romeo\0juliet"), NULL), SASL_NOT_AUTHORIZED);
    assert_int_equal(login(SPAN("\0romeo\0juliet"), &no_keys), SASL_NOT_AUTHORIZED);

    struct sasl_opts opts = options();
    enum sasl_failure failure;
    struct buf out = {0};
    struct sasl *s = sasl_new(&opts, SPAN("PLAIN"), &failure);
    assert_int_equal(sasl_step(s, SPAN("\0nobody\0juliet"), &out), SASL_CREDENTIALS_WANTED);
    assert_true(span_eq(sasl_username(s), SPAN("nobody")));
    static const struct sasl_credentials nobody;
    assert_int_equal(sasl_credentials(s, &nobody, &out), SASL_WORK_WANTED);
    assert_int_equal(s->keys.iterations, 64);
    sasl_free(&s);
}

/* Even keys that fit are of no use to who is not there. */
static void fake_keys_never_let_in(void **state)
{
    (void)state;
    struct sasl_opts opts = options();
    enum sasl_failure failure;
    struct buf out = {0};
    struct sasl *s = sasl_new(&opts, SPAN("PLAIN"), &failure);
    sasl_step(s, SPAN("\0nobody\0juliet"), &out);
    static const struct sasl_credentials nobody;
    sasl_credentials(s, &nobody, &out);
    s->keys = romeo.sha256;
    sasl_work(s);
    assert_true(s->verified);
    assert_int_equal(sasl_worked(s, &out), SASL_FAILED);
    sasl_free(&s);
}

static void calls_out_of_order_fail(void **state)
{
    (void)state;
    struct sasl_opts opts = options();
    enum sasl_failure failure;
    struct buf out = {0};
    struct sasl *s = sasl_new(&opts, SPAN("PLAIN"), &failure);
    assert_int_equal(sasl_step(s, SPAN_NONE, &out), SASL_CHALLENGE);
    assert_int_equal(buf_len(&out), 0);
    assert_int_equal(sasl_step(s, SPAN("\0romeo\0juliet"), &out), SASL_CREDENTIALS_WANTED);
    assert_int_equal(sasl_step(s, SPAN("\0romeo\0juliet"), &out), SASL_FAILED);
    assert_int_equal(sasl_credentials(s, &romeo, &out), SASL_FAILED);
    sasl_work(s);
    assert_int_equal(sasl_worked(s, &out), SASL_FAILED);
    sasl_free(&s);

    s = sasl_new(&opts, SPAN("PLAIN"), &failure);
    assert_int_equal(sasl_worked(s, &out), SASL_FAILED);
    assert_int_equal(sasl_step(s, SPAN("\0romeo\0juliet"), &out), SASL_FAILED);
    sasl_free(&s);

    s = sasl_new(&opts, SPAN("PLAIN"), &failure);
    sasl_step(s, SPAN("\0romeo\0juliet"), &out);
    sasl_credentials(s, &romeo, &out);
    assert_int_equal(sasl_worked(s, &out), SASL_FAILED); /* not worked at all */
    assert_int_equal(sasl_step(s, SPAN("\0romeo\0juliet"), &out), SASL_FAILED);
    sasl_free(&s);
    sasl_free(&s);
}

/* RFC 4013 3, and what else must not pass; none: prohibited */
static const struct {
    struct span raw, prepared;
} prep_cases[] = {
    {SPAN_INIT("I\xc2\xadX"), SPAN_INIT("IX")},
    {SPAN_INIT("user"), SPAN_INIT("user")},
    {SPAN_INIT("USER"), SPAN_INIT("USER")},
    {SPAN_INIT("\xc2\xaa"), SPAN_INIT("a")},
    {SPAN_INIT("\xe2\x85\xa8"), SPAN_INIT("IX")},
    {SPAN_INIT("a b\\\"~"), SPAN_INIT("a b\\\"~")},
    {SPAN_INIT("\xc2\xa0x"), SPAN_INIT(" x")}, /* a space that maps to one */
    {SPAN_INIT("p\xc3\xa4ss"), SPAN_INIT("p\xc3\xa4ss")},
    {SPAN_INIT("pa\xcc\x88ss"), SPAN_INIT("p\xc3\xa4ss")}, /* NFKC */
    {SPAN_INIT("\x07"), {NULL, 0}},                        /* control */
    {SPAN_INIT("a\x7f"), {NULL, 0}},
    {SPAN_INIT("a\0b"), {NULL, 0}},
    {SPAN_INIT("\xc3\xa4\0b"), {NULL, 0}},
    {SPAN_INIT("\xd8\xa7\x31"), {NULL, 0}}, /* bidirectional check */
    {SPAN_INIT("\xc2\xad"), {NULL, 0}},     /* nothing is left */
    {SPAN_INIT(""), {NULL, 0}},
    {SPAN_INIT("\xc3"), {NULL, 0}}, /* cut UTF-8 */
    {SPAN_INIT("pass\xe2\x85"), {NULL, 0}},
    {SPAN_INIT("\xc0\xbcx"), {NULL, 0}},    /* overlong */
    {SPAN_INIT("\xed\xa0\x80"), {NULL, 0}}, /* surrogate */
    {SPAN_INIT("\xf8\x88\x80\x80\x80"), {NULL, 0}},
    {SPAN_INIT("\xff\xfe"), {NULL, 0}},
    {SPAN_INIT("\xee\x80\x80"), {NULL, 0}}, /* private use */
    {SPAN_INIT("\xc8\xa1"), {NULL, 0}},     /* unassigned in Unicode 3.2 */
};

static void passwords_are_prepared(void **state)
{
    (void)state;
    struct buf out = {0};
    for (size_t i = 0; i < ARRAY_LEN(prep_cases); i++) {
        buf_clear(&out);
        bool ok = sasl_prep(prep_cases[i].raw, &out);
        if (ok == span_is_none(prep_cases[i].prepared))
            print_message("case %zu\n", i);
        assert_int_equal(ok, !span_is_none(prep_cases[i].prepared));
        if (ok)
            assert_true(span_eq(buf_span(&out), prep_cases[i].prepared));
        else
            assert_int_equal(buf_len(&out), 0);
    }
    buf_free(&out);
}

/* Eighteen characters for one: what grows too much is refused, not cut. */
static void preparation_may_not_explode(void **state)
{
    (void)state;
    char password[341 * 3];
    for (size_t i = 0; i < sizeof(password); i += 3)
        memcpy(password + i, "\xef\xb7\xba", 3);
    struct buf out = {0};
    assert_false(sasl_prep(span_make(password, sizeof(password)), &out));
    assert_true(sasl_prep(span_make(password, 3), &out));
    assert_int_equal(buf_len(&out), 33);
    buf_free(&out);
}

int main(void)
{
    crypto_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(offers_follow_the_connection),
        cmocka_unit_test(what_is_not_offered_is_refused),
        cmocka_unit_test(messages_have_exactly_three_parts),
        cmocka_unit_test(sizes_are_capped_before_any_work),
        cmocka_unit_test(the_longest_password_works),
        cmocka_unit_test(unknown_users_cost_the_same_work),
        cmocka_unit_test(fake_keys_never_let_in),
        cmocka_unit_test(calls_out_of_order_fail),
        cmocka_unit_test(passwords_are_prepared),
        cmocka_unit_test(preparation_may_not_explode),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
