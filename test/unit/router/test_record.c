/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Recordings of one component, and why a stanza goes where it goes.
 */
#include "house.h"

#include <sys/stat.h>
#include <unistd.h>

static char directory[] = "/tmp/record-XXXXXX";

static const char *path(void)
{
    static char text[64];
    snprintf(text, sizeof text, "%s/r", directory);
    return text;
}

static const char *content(void)
{
    static char text[16384];
    FILE *f = fopen(path(), "r");
    assert_non_null(f);
    text[fread(text, 1, sizeof text - 1, f)] = '\0';
    fclose(f);
    return text;
}

static void start(struct house *h, const char *name, bool bodies)
{
    char error[CONF_ERROR_MAX] = "";
    unlink(path());
    assert_true(record_start(h->router, span_of(name), path(), bodies, error));
}

/* The lines hold these, in this order. */
static void assert_lines(const char *text, const char *const *parts)
{
    for (; *parts; parts++) {
        const char *hit = strstr(text, *parts);
        if (!hit)
            fail_msg("no \"%s\" in %s", *parts, text);
        text = hit + strlen(*parts);
    }
}

static void both_directions(void **state)
{
    struct house *h = house_new(0, 0);
    (void)state;
    h->conf.tap_size = 1 << 20;
    start(h, "c2s-1.h", false);
    struct wire *c2s = join(h, "c2s-1.h", C2S_SECRET), *bot = join_bot(h);
    wire_say(c2s, "<bind" EXT " id='1' name='h' shared='true'/>");
    wire_say(c2s, "<bind" EXT " id='2' name='not.mine'/>");
    wire_say(c2s, "<claim" EXT " id='3' jid='u@h'/>");
    wire_say(c2s, "<watch" EXT "/>");
    wire_say(c2s, "<message from='u@h' to='bot.h'><body>se\ncret</body></message>");
    wire_say(bot, "<message from='bot.h' to='u@h'><body>secret</body></message>");
    wire_say(c2s, "<message from='u@h' to='no.where'><body>secret</body></message>");
    wire_say(c2s, "<release" EXT " id='4' jid='u@h'/>");
    wire_free(&c2s);
    loop_sim_settle(h->loop);
    static const char *const parts[] = {
        "# kontalk-record 1 c2s-1.h no-bodies\n", " up\n",
        " > <bind", "id='1'", " < <bind", "type='result'/>\n",
        " > <bind", "id='2'", " < <bind", "type='error'",
        " > <claim", " < <claim", "jid='u@h'/>\n",
        " > <watch", " < <route", "name='h' state='up'/>\n",
        " > <message from='u@h' to='bot.h'><body>[7]</body></message>\n",
        " < <message to='u@h' from='bot.h'><body>[6]</body></message>\n",
        " > <message", "no.where", " < <message", "type='error'",
        " > <release", " < <released", " down\n", NULL};
    assert_lines(content(), parts);
    assert_null(strstr(content(), "cret"));
    house_free(h);
}

static void third_parties_too(void **state)
{
    struct house *h = house_new(3, 0);
    (void)state;
    h->conf.tap_size = 1 << 20;
    struct wire *bot = join_bot(h);
    join(h, "c2s-1.h", C2S_SECRET);
    start(h, "bot.h", true); /* it is there already */
    wire_say(bot, "<message from='bot.h' to='c2s-1.h'><body>a\nb</body></message>");
    static const char *const parts[] = {
        " bodies\n", " > <message from='bot.h' to='c2s-1.h'><body>a&#10;b</body></message>\n",
        NULL};
    assert_lines(content(), parts);
    assert_true(record_stop(h->router, SPAN("bot.h")));
    assert_false(record_stop(h->router, SPAN("bot.h")));
    size_t before = strlen(content());
    wire_say(bot, "<message from='bot.h' to='c2s-1.h'/>");
    assert_int_equal(strlen(content()), before);
    house_free(h);
}

static void is_bounded(void **state)
{
    struct house *h = house_new(0, 0);
    (void)state;
    h->conf.tap_size = 4096;
    start(h, "bot.h", true);
    struct wire *bot = join_bot(h);
    for (int i = 0; i < 200; i++)
        wire_say(bot, "<message from='bot.h' to='bot.h'><body>again and again</body></message>");
    assert_in_range(strlen(content()), 4096, 4096 + 256);
    house_free(h);
}

static void refusals(void **state)
{
    struct house *h = house_new(0, 0);
    char error[CONF_ERROR_MAX] = "";
    (void)state;
    h->conf.tap_size = 4096;
    start(h, "bot.h", true);
    assert_false(record_start(h->router, SPAN("bot.h"), "/tmp/other", true, error));
    assert_non_null(strstr(error, "already"));
    assert_false(record_start(h->router, SPAN("irc.h"), path(), true, error)); /* not overwritten */
    assert_false(record_start(h->router, SPAN("irc.h"), "/nowhere/r", true, error));
    assert_non_null(strstr(error, "/nowhere/r"));
    house_free(h); /* ends those that are left */
    assert_non_null(strstr(content(), "# kontalk-record 1 bot.h bodies\n"));
}

/* --- route explain ---------------------------------------------------------------------------- */

static void assert_explained(struct house *h, const char *to, const char *rule, const char *fate,
                             const char *peer)
{
    struct jid_scratch scratch;
    struct jid jid;
    assert_true(jid_parse(span_of(to), &jid, &scratch));
    struct relay_view v = relay_explain(h->router, &jid, SPAN("someone@else.where"));
    assert_non_null(strstr(v.rule, rule));
    assert_non_null(strstr(v.fate, fate));
    assert_true(span_eq(v.peer ? v.peer->name : SPAN(""), span_of(peer)));
}

static void every_rule(void **state)
{
    struct house *h = house_new(0, 0);
    (void)state;
    struct wire *c2s = join(h, "c2s-1.h", C2S_SECRET);
    join_bot(h);
    wire_say(c2s, "<bind" EXT " id='1' name='h' shared='true'/>");
    wire_say(c2s, "<claim" EXT " id='2' jid='u@h'/>");
    assert_explained(h, "u@h/r", "claim", "delivered", "c2s-1.h");
    assert_explained(h, "v@h", "hash of the address", "delivered", "c2s-1.h");
    assert_explained(h, "h", "hash of the sender", "delivered", "c2s-1.h");
    assert_explained(h, "h/c2s-1", "instance", "delivered", "c2s-1.h");
    assert_explained(h, "x@bot.h", "domain", "delivered", "bot.h");
    assert_explained(h, "irc.h", "not connected", "bounced", "");
    assert_explained(h, "else.where", "no default route", "bounced", "");
    struct wire *s2s = join(h, "s2s.h", S2S_SECRET);
    wire_say(s2s, "<bind" EXT " id='1' default='true'/>");
    assert_explained(h, "else.where", "default route", "delivered", "s2s.h");
    wire_say(c2s, "<release" EXT " id='3' jid='u@h'/>");
    assert_explained(h, "u@h", "claim", "held", "");
    house_free(h);
}

static void too_early(void **state)
{
    struct house *h = house_new(0, 1000);
    (void)state;
    assert_explained(h, "irc.h", "settling", "held", "");
    house_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_directions), cmocka_unit_test(third_parties_too),
        cmocka_unit_test(is_bounded),      cmocka_unit_test(refusals),
        cmocka_unit_test(every_rule),      cmocka_unit_test(too_early),
    };
    assert_non_null(mkdtemp(directory));
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(path());
    rmdir(directory);
    return failed;
}
