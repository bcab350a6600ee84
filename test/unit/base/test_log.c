/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Tests of base/log: nobody can forge a line, and nobody can flood it.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static struct buf lines; /* what the sink got, each ended by a line feed */
static size_t line_count;
static int64_t now_ms;

static void on_line(void *ctx, struct span line)
{
    (void)ctx;
    assert_int_equal(span_index(line, '\n'), line.n);
    buf_append(&lines, line);
    buf_append_char(&lines, '\n');
    line_count++;
}

static int64_t fixed_clock(void *ctx)
{
    (void)ctx;
    return now_ms;
}

static int setup(void **state)
{
    (void)state;
    buf_clear(&lines);
    line_count = 0;
    now_ms = 1767322984567; /* 2026-01-02T03:03:04.567Z */
    log_threshold = LOG_INFO;
    log_set_process("c2s-1");
    log_set_clock(fixed_clock, NULL);
    log_set_sink(on_line, NULL);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    log_set_sink(NULL, NULL);
    log_set_clock(NULL, NULL);
    buf_free(&lines);
    return 0;
}

static void test_line(void **state)
{
    (void)state;
    LOG(LOG_INFO, "stream.open", F_STR("sid", "a1"), F_INT("bytes", -42),
        F_SPAN("jid", SPAN("u@h/r")), F_SPAN("none", SPAN_NONE), F_SPAN("empty", SPAN("")));
    LOG(LOG_ERROR, "bare");
    assert_string_equal(
        buf_z(&lines),
        "ts=2026-01-02T03:03:04.567Z lvl=info proc=c2s-1 ev=stream.open sid=a1 bytes=-42 "
        "jid=u@h/r empty=\"\"\n"
        "ts=2026-01-02T03:03:04.567Z lvl=error proc=c2s-1 ev=bare\n");
}

static int evaluated(void)
{
    line_count++;
    return 1;
}

static void test_threshold(void **state)
{
    (void)state;
    LOG(LOG_DEBUG, "quiet", F_INT("n", evaluated()));
    assert_int_equal(line_count, 0); /* not even the field was computed */
    log_threshold = LOG_DEBUG;
    LOG(LOG_DEBUG, "quiet");
    assert_int_equal(line_count, 1);
}

static void test_escaping(void **state)
{
    static const struct {
        const char *value, *want;
    } cases[] = {
        {"plain-1.2:3/4@x", "plain-1.2:3/4@x"},
        {"two words", "\"two words\""},
        {"a=b", "\"a=b\""},
        {"say \"hi\"", "\"say \\\"hi\\\"\""},
        {"back\\slash", "\"back\\\\slash\""},
        {"x\nts=1 lvl=error ev=forged", "\"x\\nts=1 lvl=error ev=forged\""},
        {"cr\r\nlf", "\"cr\\r\\nlf\""},
        {"tab\t", "\"tab\\t\""},
        {"esc\x1b[2J", "\"esc\\x1b[2J\""},
        {"bell\x07 del\x7f", "\"bell\\x07 del\\x7f\""},
        {"csi\xc2\x9b", "\"csi\\u{9b}\""},       /* U+009B as UTF-8 */
        {"raw\x9b", "\"raw\\x9b\""},             /* the byte alone */
        {"rlo\xe2\x80\xae", "\"rlo\\u{202e}\""}, /* U+202E */
        {"iso\xe2\x81\xa6", "\"iso\\u{2066}\""},
        {"ls\xe2\x80\xa8", "\"ls\\u{2028}\""},
        {"bom\xef\xbb\xbf", "\"bom\\u{feff}\""},
        {"tag\xf3\xa0\x80\xa1", "\"tag\\u{e0021}\""},
        {"gr\xc3\xbc\xc3\x9f", "\"gr\xc3\xbc\xc3\x9f\""},
        {"\xf0\x9f\x98\x80", "\"\xf0\x9f\x98\x80\""},
        {"over\xc0\x8a", "\"over\\xc0\\x8a\""}, /* overlong line feed */
        {"sur\xed\xa0\x80", "\"sur\\xed\\xa0\\x80\""},
        {"cut\xe2\x80", "\"cut\\xe2\\x80\""},
        {"%n%s%d", "%n%s%d"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        buf_clear(&lines);
        LOG(LOG_INFO, "e", F_STR("v", cases[i].value));
        const char *got = strstr(buf_z(&lines), " v=");
        assert_non_null(got);
        assert_int_equal(strncmp(got + 3, cases[i].want, strlen(cases[i].want)), 0);
        assert_string_equal(got + 3 + strlen(cases[i].want), "\n");
    }
}

static void test_nul_byte(void **state)
{
    (void)state;
    LOG(LOG_INFO, "e", F_SPAN("v", span_make("a\0b", 3)));
    assert_non_null(strstr(buf_z(&lines), "v=\"a\\x00b\"\n"));
}

static void test_long_values(void **state)
{
    static char huge[100000];

    (void)state;
    memset(huge, 0x9b, sizeof(huge));
    LOG(LOG_INFO, "e", F_SPAN("v", span_make(huge, sizeof(huge))), F_INT("after", 1));
    assert_non_null(strstr(buf_z(&lines), "...\" after=1\n"));
    assert_true(buf_len(&lines) < 4096);
    buf_clear(&lines);
    LOG(LOG_INFO, "e", F_SPAN("v", span_make(huge, 511)), F_SPAN("w", span_make(huge, 511)),
        F_INT("after", 1));
    assert_null(strstr(buf_z(&lines), "w="));
    assert_non_null(strstr(buf_z(&lines), "\" cut=1\n"));
    assert_true(buf_len(&lines) <= 4096);
}

/* A cut in the middle of a character would look like a broken one. */
static void test_cut_between_characters(void **state)
{
    char text[600];

    (void)state;
    for (size_t shift = 0; shift < 3; shift++) {
        buf_clear(&lines);
        memset(text, 'x', shift);
        for (size_t i = shift; i + 3 <= sizeof(text); i += 3)
            memcpy(text + i, "\xe2\x82\xac", 3);
        LOG(LOG_INFO, "e", F_SPAN("v", span_make(text, 590)));
        assert_null(strstr(buf_z(&lines), "\\x"));
        assert_non_null(strstr(buf_z(&lines), "\xe2\x82\xac...\"\n"));
    }
}

static void test_rate_limit(void **state)
{
    (void)state;
    for (int i = 0; i < 50000; i++)
        LOG(LOG_WARN, "auth.failed", F_INT("n", i));
    assert_int_equal(line_count, 50);
    LOG(LOG_WARN, "other"); /* each event has its own count */
    assert_int_equal(line_count, 51);
    now_ms += 1000;
    buf_clear(&lines);
    LOG(LOG_WARN, "auth.failed");
    assert_non_null(strstr(buf_z(&lines), "ev=auth.failed suppressed=49950\n"));
    buf_clear(&lines);
    LOG(LOG_WARN, "auth.failed");
    assert_null(strstr(buf_z(&lines), "suppressed"));
}

/* Without a sink: one line, one write, on standard error. */
static void test_standard_error(void **state)
{
    int ends[2];
    char got[4096];

    (void)state;
    log_set_sink(NULL, NULL);
    assert_int_equal(pipe2(ends, O_DIRECT | O_NONBLOCK), 0); /* packets: a read is one write */
    int saved = dup(STDERR_FILENO);
    dup2(ends[1], STDERR_FILENO);
    LOG(LOG_INFO, "one", F_STR("k", "v"));
    LOG(LOG_INFO, "two");
    dup2(saved, STDERR_FILENO);
    ssize_t n = read(ends[0], got, sizeof(got));
    assert_true(n > 0);
    assert_true(span_ends(span_make(got, (size_t)n), SPAN(" ev=one k=v\n")));
    n = read(ends[0], got, sizeof(got));
    assert_true(n > 0 && span_ends(span_make(got, (size_t)n), SPAN(" ev=two\n")));
    close(saved);
    close(ends[0]);
    close(ends[1]);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_line),       TEST(test_threshold),   TEST(test_escaping),
        TEST(test_nul_byte),   TEST(test_long_values), TEST(test_cut_between_characters),
        TEST(test_rate_limit), TEST(test_standard_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
