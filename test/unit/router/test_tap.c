/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Copies for debugging: one line a stanza, no texts unless wanted, bounded. And the table of failed
 * handshakes.
 */
#include "house.h"

#include <unistd.h>

static char path[] = "/tmp/tap-XXXXXX";

static const char *content(void)
{
    static char text[8192];
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    text[fread(text, 1, sizeof text - 1, f)] = '\0';
    fclose(f);
    return text;
}

static struct house *tapped(bool bodies, int64_t size)
{
    struct house *h = house_new(0, 0);
    router_free(&h->router);
    assert_int_equal(truncate(path, 0), 0);
    h->conf.tap_file = path;
    h->conf.tap_bodies = bodies;
    h->conf.tap_size = size;
    house_start(h);
    return h;
}

static const char stanza[] = "<message from='c2s-1.h' to='bot.h' a='&gt;>'>"
                             "<body>secret\nwords</body><x><![CDATA[a<b>c]]>d</x></message>";

static void copies_without_texts(void **state)
{
    struct house *h = tapped(false, 1 << 20);
    struct wire *c2s = join(h, "c2s-1.h", C2S_SECRET), *bot = join_bot(h);
    (void)state;
    wire_say(c2s, stanza);
    assert_string_equal(wire_heard(bot), stanza);
    const char *heard = content();
    assert_non_null(strstr(heard, " c2s-1.h > bot.h "));
    assert_non_null(strstr(heard, " <message from='c2s-1.h' to='bot.h' a='&gt;>'><body>[12]</body>"
                                  "<x>[18]</x></message>\n"));
    wire_say(bot, "<message from='bot.h' to='no.where'><body>secret</body></message>");
    heard = content();
    assert_non_null(strstr(heard, " router > bot.h "));
    assert_null(strstr(heard, "secret"));
    house_free(h);
}

static void copies_with_texts(void **state)
{
    struct house *h = tapped(true, 1 << 20);
    struct wire *c2s = join(h, "c2s-1.h", C2S_SECRET);
    (void)state;
    join_bot(h);
    wire_say(c2s, stanza);
    assert_non_null(strstr(content(), "<body>secret&#10;words</body><x><![CDATA[a<b>c]]>d</x>"));
    house_free(h);
}

static void is_bounded(void **state)
{
    struct house *h = tapped(true, 4096);
    struct wire *c2s = join(h, "c2s-1.h", C2S_SECRET);
    (void)state;
    join_bot(h);
    for (int i = 0; i < 100; i++)
        wire_say(c2s, stanza);
    assert_in_range(strlen(content()), 4096, 4096 + 256);
    house_free(h);
}

static void must_be_writable(void **state)
{
    struct house *h = house_new(0, 0);
    char error[CONF_ERROR_MAX] = "";
    struct router_conf conf = h->conf;
    (void)state;
    conf.tap_file = "/nowhere/at/all";
    assert_null(router_new(h->loop, &conf, error));
    assert_non_null(strstr(error, "/nowhere/at/all"));
    assert_false(router_reload(h->router, &conf, error));
    house_free(h);
}

static void count_line(void *ctx, struct span line)
{
    *(int *)ctx += memmem(line.p, line.n, "trace.write", 11) != NULL;
}

/* A full disk is told once, and costs nobody else anything. */
static void may_become_unwritable(void **state)
{
    struct house *h = house_new(0, 0);
    int told = 0;
    (void)state;
    router_free(&h->router);
    h->conf.tap_file = "/dev/full";
    h->conf.tap_size = 1 << 20;
    house_start(h);
    log_set_sink(count_line, &told);
    struct wire *c2s = join(h, "c2s-1.h", C2S_SECRET), *bot = join_bot(h);
    for (int i = 0; i < 3; i++) {
        wire_say(c2s, stanza);
        assert_string_equal(wire_heard(bot), stanza);
    }
    assert_int_equal(told, 1);
    log_set_sink(NULL, NULL);
    house_free(h);
}

/* --- admit ------------------------------------------------------------------------------------ */

static struct addr address(const char *text)
{
    struct addr a;
    assert_int_equal(addr_parse(span_of(text), &a), 0);
    return a;
}

static void failures_by_address(void **state)
{
    static struct admit a;
    struct addr v4 = address("192.0.2.1:1"), other = address("192.0.2.2:1"),
                v6 = address("[2001:db8::1]:1"), same = address("[2001:db8::2]:1"),
                local = address("unix:/x");
    char text[40];
    (void)state;
    for (int i = 0; i < ADMIT_FAILURES; i++) {
        assert_true(admit_may_try(&a, &v4, 1000) && admit_may_try(&a, &v6, 1000));
        assert_true(admit_failed(&a, &v4, 1000));
        assert_true(admit_failed(&a, &v6, 1000));
        assert_false(admit_failed(&a, &local, 1000));
    }
    assert_false(admit_may_try(&a, &v4, 1000 + ADMIT_WINDOW_MS - 1));
    assert_false(admit_may_try(&a, &same, 1000)); /* one /64 is one peer */
    assert_true(admit_may_try(&a, &other, 1000));
    assert_true(admit_may_try(&a, &local, 1000));
    assert_true(admit_may_try(&a, &v4, 1000 + ADMIT_WINDOW_MS));
    for (int i = 0; i < 2 * ADMIT_ADDRESSES; i++) {
        snprintf(text, sizeof text, "10.0.%d.%d:1", i / 256, i % 256);
        struct addr many = address(text);
        admit_failed(&a, &many, 2000);
    }
    assert_int_equal(a.count, ADMIT_ADDRESSES);
}

int main(void)
{
    int fd = mkstemp(path);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(copies_without_texts),
        cmocka_unit_test(copies_with_texts),
        cmocka_unit_test(is_bounded),
        cmocka_unit_test(must_be_writable),
        cmocka_unit_test(may_become_unwritable),
        cmocka_unit_test(failures_by_address),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    close(fd);
    unlink(path);
    return failed;
}
