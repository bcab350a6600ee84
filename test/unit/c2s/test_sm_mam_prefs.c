/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_sm_mam_prefs - what users want archived, and that it is heeded whether they are there. */
#include "sm_kit.h"

#define MAM "urn:xmpp:mam:2"

static struct kit *k;
static struct kit_client *a; /* alice */

static void set_up(void)
{
    struct sm_opts opts = *kit_opts();
    opts.archive = true;
    opts.archive_rule = SM_ARCHIVE_ALWAYS;
    opts.archive_page = 50;
    k = kit_new(&opts);
    a = kit_open(k, "alice", "prime.test", "x");
    kit_say(k, a, "<presence/>");
    kit_heard(a);
}

static void tear_down(void)
{
    kit_close(k, a);
    kit_free(k);
}

static void prefs(const char *rule, const char *lists)
{
    char text[1000];
    snprintf(text, sizeof(text), "<iq type='set' id='p'><prefs xmlns='" MAM "' default='%s'>%s"
                                 "</prefs></iq>", rule, lists);
    kit_say(k, a, text);
}

static int64_t archived(void)
{
    int64_t count = kit_sql(k, "SELECT count(*) FROM archive WHERE account ="
                                 " (SELECT id FROM account WHERE name = ?1)", "alice");
    kit_sql(k, "DELETE FROM archive WHERE ?1 = ''", "");
    return count;
}

/* One to and one from that address. */
static int64_t talk(const char *address)
{
    char text[300];
    snprintf(text, sizeof(text), "<message to='%s' type='chat'><body>x</body></message>", address);
    kit_say(k, a, text);
    kit_parse(k, NS_COMPONENT, "<message to='alice@prime.test' type='chat'><body>x</body>"
                                 "</message>");
    stanza_set_attr(&k->stanza, 0, SPAN("from"), span_of(address));
    sm_link_events.on_stanza(k->sm, &k->stanza);
    kit_settle(k);
    kit_heard(a);
    return archived();
}

static void preferences_decide(void **state)
{
    (void)state;
    static const struct {
        const char *rule, *lists, *peer;
        int64_t archived;
    } rows[] = {
        {"always", "", "eve@far.test/e", 2},
        {"never", "", "eve@far.test/e", 0},
        {"roster", "", "eve@far.test/e", 0},
        {"roster", "", "friend@far.test/f", 2},
        {"roster", "", "bob@prime.test/f", 2},
        {"never", "<always><jid>eve@far.test</jid></always>", "eve@far.test/e", 2},
        {"never", "<always><jid>Eve@Far.test/e</jid></always>", "eve@far.test/e", 2},
        {"never", "<always><jid>eve@far.test/other</jid></always>", "eve@far.test/e", 0},
        {"always", "<never><jid>eve@far.test</jid></never>", "eve@far.test/e", 0},
        {"always", "<never><jid>eve@far.test</jid></never>", "bob@far.test", 2},
        {"always", "<never><jid>bob@net.test</jid></never>", "bob@prime.test/f", 0},
        {"always", "<never><jid>bob@prime.test</jid></never>", "bob@net.test/f", 0},
        {"roster", "<never><jid>friend@far.test</jid></never>", "friend@far.test/f", 0},
        {"never", "<always><jid>e@x</jid></always><never><jid>e@x</jid></never>", "e@x", 0},
        {"never", "<always><jid>e@x/a</jid></always><never><jid>e@x</jid></never>", "e@x/a", 2},
    };
    set_up();
    kit_link_up(k);
    kit_say(k, a, "<iq type='set' id='r'><query xmlns='jabber:iq:roster'>"
                      "<item jid='friend@far.test'/></query></iq>");
    kit_say(k, a, "<iq type='set' id='r'><query xmlns='jabber:iq:roster'>"
                      "<item jid='bob@net.test'/></query></iq>");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        prefs(rows[i].rule, rows[i].lists);
        EXPECT(a, "<iq type='result'");
        int64_t got = talk(rows[i].peer);
        if (got != rows[i].archived)
            fail_msg("row %zu: %lld", i, (long long)got);
    }
    tear_down();
}

static void preferences_are_kept_and_told(void **state)
{
    (void)state;
    set_up();
    kit_say(k, a, "<iq type='get' id='p'><prefs xmlns='" MAM "'/></iq>");
    EXPECT(a, "<prefs xmlns='" MAM "' default='always'><always></always><never></never></prefs>");
    prefs("roster", "<always><jid>a@b</jid><jid>c@D/e</jid></always><never><jid>x@y</jid></never>");
    const char *expected = "<prefs xmlns='" MAM "' default='roster'><always><jid>a@b</jid>"
                           "<jid>c@d/e</jid></always><never><jid>x@y</jid></never></prefs></iq>";
    EXPECT(a, expected);
    kit_close(k, a);
    a = kit_open(k, "alice", "prime.test", "x");
    kit_say(k, a, "<iq type='get' id='p'><prefs xmlns='" MAM "'/></iq>");
    EXPECT(a, expected);
    prefs("sometimes", "");
    EXPECT(a, "<bad-request");
    prefs("always", "<never><jid>@</jid></never>");
    EXPECT(a, "<jid-malformed");
    kit_say(k, a, "<iq type='set' id='p'><prefs xmlns='" MAM "'/></iq>");
    EXPECT(a, "<bad-request");
    struct buf many = {0};
    buf_append_z(&many, "<iq type='set' id='p'><prefs xmlns='" MAM "' default='never'><always>");
    for (int i = 0; i < 1001; i++)
        buf_printf(&many, "<jid>a%d@b</jid>", i);
    buf_append_z(&many, "</always></prefs></iq>");
    kit_say(k, a, buf_z(&many));
    EXPECT(a, "<policy-violation");
    buf_free(&many);
    kit_say(k, a, "<iq type='get' id='p'><prefs xmlns='" MAM "'/></iq>");
    EXPECT(a, expected);
    tear_down();
}

/* Who is absent has his preferences in the store only. */
static void preferences_hold_for_the_absent(void **state)
{
    (void)state;
    static const struct {
        const char *rule, *lists;
        int64_t archived;
    } rows[] = {
        {"always", "", 1},
        {"never", "", 0},
        {"roster", "", 0},
        {"never", "<always><jid>eve@far.test</jid></always>", 1},
    };
    set_up();
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        prefs(rows[i].rule, rows[i].lists);
        kit_close(k, a);
        kit_link_up(k);
        kit_link_say(k, "<message from='eve@far.test/e' to='alice@prime.test' type='chat'>"
                          "<body>x</body></message>");
        kit_link_down(k);
        assert_int_equal(archived(), rows[i].archived);
        a = kit_open(k, "alice", "prime.test", "x");
        kit_say(k, a, "<presence/>");
        const char *heard = kit_heard(a);
        EXPECT_IN(heard, "<body>x</body>");
        assert_int_equal(strstr(heard, "stanza-id") != NULL, rows[i].archived);
    }
    tear_down();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(preferences_decide),
        cmocka_unit_test(preferences_are_kept_and_told),
        cmocka_unit_test(preferences_hold_for_the_absent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
