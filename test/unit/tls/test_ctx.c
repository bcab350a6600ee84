/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * ctx: what is loaded, what is refused, what is only warned of.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/log.h"
#include "base/loop.h"
#include "base/mem.h"
#include "tls/crypto.h"
#include "tls/ctx.h"

#include "test/unit/tls/certs.h"

#define DAY (24 * 3600L)

static const struct cert_opts made[] = {
    {.name = "good", .dns = "prime.example", .begins = -DAY, .ends = DAY},
    {.name = "other", .dns = "prime.example", .begins = -DAY, .ends = DAY},
    {.name = "expired", .dns = "prime.example", .begins = -2 * DAY, .ends = -DAY},
    {.name = "early", .dns = "prime.example", .begins = DAY, .ends = 2 * DAY},
};

static int setup(void **state)
{
    (void)state;
    crypto_init();
    certs_begin();
    for (size_t i = 0; i < ARRAY_LEN(made); i++)
        certs_make(&made[i]);
    certs_write(certs_path("text", ".crt"), "no PEM\n", 7, 0644);
    certs_write(certs_path("empty", ".crt"), "", 0, 0644);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    static const char *const names[] = {"good", "other", "expired", "early", "text", "empty"};
    certs_end(names, ARRAY_LEN(names));
    return 0;
}

static char logged[512];

static void keep_line(void *ctx, struct span line)
{
    (void)ctx;
    snprintf(logged, sizeof(logged), "%.*s", SPAN_ARG(line));
}

/* Loads and lets go; the error's line, "" when there is none. */
static const char *load(const char *cert, const char *key, const char *ca, const char *priority)
{
    static char error[TLS_ERROR_MAX];
    struct tls_ctx_opts opts = {
        .cert_file = cert, .key_file = key, .ca_file = ca, .priority = priority};
    logged[0] = '\0';
    log_set_sink(keep_line, NULL);
    struct tls_ctx *ctx = tls_ctx_new(&opts, error);
    log_set_sink(NULL, NULL);
    assert_int_equal(ctx == NULL, error[0] != '\0');
    tls_ctx_unref(&ctx);
    assert_null(ctx);
    return error;
}

#define CRT(name) certs_path(name, ".crt")
#define KEY(name) certs_path(name, ".key")

static void assert_has(const char *text, const char *part)
{
    if (!strstr(text, part))
        print_message("\"%s\" lacks \"%s\"\n", text, part);
    assert_non_null(strstr(text, part));
}

static void good_files_load_in_silence(void **state)
{
    (void)state;
    assert_string_equal(load(CRT("good"), KEY("good"), NULL, NULL), "");
    assert_string_equal(load(NULL, NULL, CRT("good"), NULL), "");
    assert_string_equal(load(NULL, NULL, NULL, "NORMAL"), "");
    assert_string_equal(logged, "");
}

static void wrong_files_are_named(void **state)
{
    (void)state;
    assert_has(load(CRT("none"), KEY("good"), NULL, NULL), "none.crt: No such file");
    assert_has(load(CRT("good"), KEY("none"), NULL, NULL), "none.key: No such file");
    assert_has(load(CRT("good"), NULL, NULL, NULL), "good.crt: has no key file");
    assert_has(load(CRT("good"), KEY("other"), NULL, NULL),
               "other.key: is not the key of the certificate");
    assert_has(load(CRT("text"), KEY("good"), NULL, NULL), "text.crt");
    assert_has(load(CRT("empty"), KEY("good"), NULL, NULL), "empty.crt");
    assert_has(load(certs_dir, KEY("good"), NULL, NULL), "is no regular file");
    assert_has(load(NULL, NULL, CRT("none"), NULL), "none.crt: No such file");
    assert_has(load(NULL, NULL, CRT("empty"), NULL), "empty.crt: holds no certificate");
    assert_has(load(NULL, NULL, CRT("text"), NULL), "text.crt: holds no certificate");
    assert_has(load(NULL, NULL, NULL, "NORMAL:+NONSENSE"), "+NONSENSE");
}

static void a_key_that_others_may_use_is_refused(void **state)
{
    (void)state;
    static const struct {
        mode_t mode;
        bool taken;
    } cases[] = {
        {0400, true},  {0600, true},  {0640, true},  {0440, true},  {0644, false},
        {0604, false}, {0602, false}, {0601, false}, {0660, false}, {0666, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(chmod(KEY("good"), cases[i].mode), 0);
        const char *error = load(CRT("good"), KEY("good"), NULL, NULL);
        if (cases[i].taken)
            assert_string_equal(error, "");
        else
            assert_has(error, "good.key: others may read it");
    }
    assert_int_equal(chmod(KEY("good"), 0600), 0);
}

static void a_link_is_judged_by_its_target(void **state)
{
    (void)state;
    char link[160];
    snprintf(link, sizeof(link), "%s/link.key", certs_dir);
    assert_int_equal(symlink(KEY("good"), link), 0);
    assert_string_equal(load(CRT("good"), link, NULL, NULL), "");
    assert_int_equal(chmod(KEY("good"), 0644), 0);
    assert_has(load(CRT("good"), link, NULL, NULL), "link.key: others may read it");
    assert_int_equal(chmod(KEY("good"), 0600), 0);
    unlink(link);
}

static void dates_are_warned_of(void **state)
{
    (void)state;
    assert_string_equal(load(CRT("expired"), KEY("expired"), NULL, NULL), "");
    assert_has(logged, "tls.certificate.expired");
    assert_has(logged, "expired.crt");
    assert_string_equal(load(CRT("early"), KEY("early"), NULL, NULL), "");
    assert_has(logged, "tls.certificate.not-yet-valid");
}

static void references_are_counted(void **state)
{
    (void)state;
    char error[TLS_ERROR_MAX];
    struct tls_ctx_opts opts = {.alpn = SPAN("xmpp-client")};
    struct tls_ctx *ctx = tls_ctx_new(&opts, error), *second = tls_ctx_ref(ctx);
    assert_ptr_equal(ctx, second);
    tls_ctx_unref(&ctx);
    assert_null(ctx);
    tls_ctx_unref(&second);
    tls_ctx_unref(&second);
}

static void both_directions_are_renewed_or_none(void **state)
{
    (void)state;
    char error[TLS_ERROR_MAX];
    struct loop *loop = loop_new(), *sim = loop_new_sim();
    struct tls_ctx *in = NULL, *out = NULL;
    struct tls_ctx_opts opts = {.cert_file = CRT("good"), .key_file = KEY("good")};
    assert_true(tls_ctx_renew_both(loop, &opts, &in, &out, error));
    struct tls_ctx *first_in = tls_ctx_ref(in), *first_out = tls_ctx_ref(out);
    opts.key_file = KEY("other");
    assert_false(tls_ctx_renew_both(loop, &opts, &in, &out, error));
    assert_has(error, "other.key");
    assert_ptr_equal(in, first_in);
    assert_ptr_equal(out, first_out);
    opts.key_file = KEY("good");
    assert_true(tls_ctx_renew_both(loop, &opts, &in, &out, error));
    assert_ptr_not_equal(in, first_in);
    assert_ptr_not_equal(out, first_out);
    assert_ptr_not_equal(in, out);
    tls_ctx_unref(&first_in);
    tls_ctx_unref(&first_out);
    opts.cert_file = "/nowhere"; /* which a simulation does not look at */
    assert_true(tls_ctx_renew_both(sim, &opts, &in, &out, error));
    tls_ctx_unref(&in);
    tls_ctx_unref(&out);
    loop_free(&sim);
    loop_free(&loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_files_load_in_silence),
        cmocka_unit_test(wrong_files_are_named),
        cmocka_unit_test(a_key_that_others_may_use_is_refused),
        cmocka_unit_test(a_link_is_judged_by_its_target),
        cmocka_unit_test(dates_are_warned_of),
        cmocka_unit_test(references_are_counted),
        cmocka_unit_test(both_directions_are_renewed_or_none),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
