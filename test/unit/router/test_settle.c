/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * After a start: what waits, for whom, for how long, and what is remembered.
 */
#include "house.h"

#include <sys/stat.h>
#include <unistd.h>

static void first_start(void **state)
{
    struct house *h = house_new(0, 1000);
    struct wire *irc = join_irc(h);
    (void)state;
    wire_say(irc, "<message from='irc.h' to='u@h' id='1'/>");
    expect_nothing(irc);
    struct wire *a = join_c2s(h, "c2s-1.h");
    wire_say(irc, "<message from='irc.h' to='u@h' id='2'/>");
    loop_sim_advance(h->loop, 50);
    wire_say(a, "<claims" EXT " id='c'>u@h</claims>"); /* and the quiet begins anew */
    wire_heard(a);
    loop_sim_advance(h->loop, 90);
    expect_nothing(a);
    loop_sim_advance(h->loop, 20);
    assert_string_equal(wire_heard(a), "<message to='u@h' from='irc.h' id='1'/>"
                                       "<message to='u@h' from='irc.h' id='2'/>");
    assert_true(h->router->settle.done);
    wire_free(&a);
    wire_say(irc, "<message from='irc.h' to='u@h' id='3'/>");
    wire_expect(irc, STANZA_ERROR("service-unavailable"));
    house_free(h);
}

/* Who comes and goes again is not back. */
static void comes_and_goes(void **state)
{
    struct house *h = house_new(0, 1000);
    struct wire *a = join_c2s(h, "c2s-1.h");
    (void)state;
    loop_sim_advance(h->loop, 50);
    wire_free(&a);
    loop_sim_advance(h->loop, 100);
    assert_false(h->router->settle.done);
    house_free(h);
}

/* Nobody comes: what waited comes back, and the default route never sees it. */
static void nobody_comes(void **state)
{
    struct house *h = house_new(0, 1000);
    struct wire *irc = join_irc(h);
    (void)state;
    wire_say(irc, "<message from='irc.h' to='u@h' id='1'/>");
    wire_say(irc, "<message from='irc.h' to='u@example.org' id='2'/>");
    wire_say(irc, "<presence from='irc.h' to='u@h'/>");
    loop_sim_advance(h->loop, 990);
    expect_nothing(irc);
    loop_sim_advance(h->loop, 20);
    const char *heard = wire_heard(irc);
    assert_non_null(strstr(heard, "to='irc.h' from='u@h' id='1'"));
    assert_non_null(strstr(heard, "to='irc.h' from='u@example.org' id='2'"));
    assert_null(strstr(heard, "presence"));
    house_free(h);
}

/* Names of one owner need not wait for the others: they go as soon as it is here. */
static void names_and_default(void **state)
{
    struct house *h = house_new(0, 1000);
    struct wire *irc = join_irc(h);
    (void)state;
    wire_say(irc, "<message from='irc.h' to='u@example.org' id='1'/>");
    wire_say(irc, "<message from='irc.h' to='bot.h' id='2'/>");
    struct wire *bot = try_join(h, "bot.h", "bot");
    wire_expect(bot, "<handshake/><message to='bot.h' from='irc.h' id='2'/>");
    struct wire *s2s = join(h, "s2s.h", S2S_SECRET);
    wire_say(s2s, "<bind" EXT " id='d' default='true'/>");
    wire_expect(s2s, "<bind" EXT " id='d' type='result'/>"
                     "<message to='u@example.org' from='irc.h' id='1'/>");
    assert_false(h->router->settle.done);
    house_free(h);
}

static void what_waits_is_bounded(void **state)
{
    struct house *h = house_new(0, 1000);
    struct wire *irc = join_irc(h);
    (void)state;
    for (int i = 0; i < SETTLE_STANZAS; i++)
        wire_say(irc, "<presence from='irc.h' to='u@h'/>");
    expect_nothing(irc);
    wire_say(irc, "<message from='irc.h' to='u@h' id='1'/>");
    wire_expect(irc, STANZA_ERROR("resource-constraint"));
    house_free(h);
}

/* --- with a file ------------------------------------------------------------------------------ */

static void read_file(const char *path, char text_r[256])
{
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    size_t n = fread(text_r, 1, 255, f);
    text_r[n] = '\0';
    fclose(f);
}

static void knows_who_was_here(void **state)
{
    char directory[] = "/tmp/settle-XXXXXX", control[64], known[80], text[256];
    (void)state;
    assert_non_null(mkdtemp(directory));
    snprintf(control, sizeof control, "%s/ctl", directory);
    snprintf(known, sizeof known, "%s.known", control);
    struct house *h = house_new(0, 1000);
    router_free(&h->router);
    h->conf.control = control;
    house_start(h);
    struct wire *a = join_c2s(h, "c2s-1.h"), *b = join_c2s(h, "c2s-2.h");
    struct wire *irc = join_irc(h);
    loop_sim_advance(h->loop, 200);
    read_file(known, text);
    assert_string_equal(text, "c2s-1.h\nc2s-2.h\n");
    /* The router goes, and with it everybody: the file stays as it was. */
    router_stop(h->router, NULL, NULL);
    loop_sim_advance(h->loop, 5000);
    assert_int_equal(h->router->peer_count, 0);
    router_free(&h->router);
    loop_sim_settle(h->loop);
    wire_free(&a);
    wire_free(&b);
    wire_free(&irc);
    read_file(known, text);
    assert_string_equal(text, "c2s-1.h\nc2s-2.h\n");
    house_start(h);
    irc = join_irc(h);
    a = join_c2s(h, "c2s-1.h");
    wire_say(irc, "<message from='irc.h' to='u@h' id='1'/>");
    loop_sim_advance(h->loop, 500);
    expect_nothing(a); /* although it has been quiet: c2s-2 is not back */
    b = join_c2s(h, "c2s-2.h");
    wire_say(b, "<claims" EXT " id='1'>u@h</claims>");
    wire_heard(b);
    loop_sim_advance(h->loop, 110);
    wire_expect(b, "id='1'");
    assert_true(h->router->settle.done);
    /* Who leaves while the router lives is not waited for the next time. */
    wire_free(&b);
    loop_sim_settle(h->loop);
    read_file(known, text);
    assert_string_equal(text, "c2s-1.h\n");
    house_free(h);
    unlink(known);
    rmdir(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_start),
        cmocka_unit_test(comes_and_goes),
        cmocka_unit_test(nobody_comes),
        cmocka_unit_test(names_and_default),
        cmocka_unit_test(what_waits_is_bounded),
        cmocka_unit_test(knows_who_was_here),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
