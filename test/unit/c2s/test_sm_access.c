/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Access rules: every kind of entry, for every right; what a line may say; and the places where
 * the session manager asks: other domains, publishing, many sessions.
 */
#include "sm_pep.h"

#include "c2s/sm/access.h"

/* --- entries ---------------------------------------------------------------------------------- */

/* As conf_load splits a line. */
static struct conf_list words_of(const char *text)
{
    struct conf_list list = {0};
    for (const char *p = text; *p;) {
        size_t n = strcspn(p, ", ");
        if (n > 0) {
            list.items = mem_realloc(list.items, (list.count + 1) * sizeof(*list.items));
            list.items[list.count++] = mem_strndup(p, n);
        }
        p += n + (p[n] != '\0');
    }
    return list;
}

static void words_free(struct conf_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->items[i]);
    free(list->items);
}

/* The rules of names[i] are texts[i], from now on. */
static void set_rules(struct kit *k, const char *const *names, const char *const *texts, size_t n)
{
    struct sm_rule rules[SM_RIGHTS];
    struct sm_opts opts = *kit_opts();
    assert_true(n <= SM_RIGHTS);
    for (size_t i = 0; i < n; i++) {
        rules[i].name = mem_strndup(names[i], strlen(names[i]));
        rules[i].words = words_of(texts[i]);
    }
    opts.rules = rules;
    opts.rule_count = n;
    opts.max_many_sessions = 5;
    sm_set_limits(k->sm, &opts);
    for (size_t i = 0; i < n; i++) {
        free(rules[i].name);
        words_free(&rules[i].words);
    }
}

static void set_rule(struct kit *k, const char *name, const char *text)
{
    set_rules(k, &name, &text, 1);
}

enum who { HOST_USER, NETWORK_USER, OTHER_USER, FAR_USER, FAR_DOMAIN, HOST, WHO };

static const char *const people[WHO] = {
    [HOST_USER] = "alice@prime.test/phone", [NETWORK_USER] = "alice@net.test",
    [OTHER_USER] = "bob@prime.test",        [FAR_USER] = "alice@far.test/x",
    [FAR_DOMAIN] = "far.test",              [HOST] = "prime.test",
};

/* One letter for each of people: y or n. */
static const struct {
    const char *rule, *want;
} table[] = {
    {"allow all", "yyyyyy"},
    {"allow none", "nnnnnn"},
    {"deny all", "nnnnnn"},
    {"deny none", "nnnnnn"},
    {"allow local", "yyynnn"},
    {"allow alice@prime.test", "yynnnn"},
    {"allow alice@net.test", "yynnnn"},
    {"allow ALICE@Prime.Test", "yynnnn"},
    {"allow alice@far.test", "nnnynn"},
    {"allow @far.test", "nnnyyn"},
    {"allow @FAR.test.", "nnnyyn"},
    {"allow @ar.test", "nnnnnn"},
    {"allow @prime.test", "yyynny"},
    {"allow @net.test", "yyynny"},
    /* the first that fits decides */
    {"deny alice@prime.test, allow local", "nnynnn"},
    {"deny alice@net.test, allow all", "nnyyyy"},
    {"allow local, deny alice@prime.test", "yyynnn"},
    {"allow none, allow bob@prime.test", "nnynnn"},
    {"deny none, allow @far.test, deny all", "nnnyyn"},
    /* a verb holds until the next one */
    {"allow bob@prime.test alice@far.test deny local allow all", "nnyyyy"},
};

static const char *const default_wants[SM_RIGHTS] = {
    [SM_RIGHT_ADMINISTER] = "nnnnnn", [SM_RIGHT_REGISTER] = "yyyyyy",
    [SM_RIGHT_PASSWORD] = "yyynnn",   [SM_RIGHT_MULTICAST] = "yyynnn",
    [SM_RIGHT_PUBLISH] = "yyynnn",    [SM_RIGHT_PUSH] = "yyynnn",
    [SM_RIGHT_REMOTE] = "yyynnn",     [SM_RIGHT_MANY_SESSIONS] = "nnnnnn",
};

static void expect_all(const struct kit *k, enum sm_right right, const char *want, const char *why)
{
    for (size_t who = 0; who < WHO; who++) {
        if (sm_access_allows(k->sm, right, span_of(people[who])) != (want[who] == 'y'))
            fail_msg("%s of %s under \"%s\"", sm_right_names[right], people[who], why);
    }
}

static void decides_by_each_entry_for_each_right(void **state)
{
    struct kit *k = kit_new(NULL);
    (void)state;
    for (size_t right = 0; right < SM_RIGHTS; right++) {
        for (size_t i = 0; i < ARRAY_LEN(table); i++) {
            set_rule(k, sm_right_names[right], table[i].rule);
            expect_all(k, right, table[i].want, table[i].rule);
            for (size_t other = 0; other < SM_RIGHTS; other++) {
                if (other != right)
                    expect_all(k, other, default_wants[other], "another's rule");
            }
        }
    }
    set_rules(k, NULL, NULL, 0);
    for (size_t right = 0; right < SM_RIGHTS; right++)
        expect_all(k, right, default_wants[right], "no rule");
    kit_free(k);
}

static void every_right_has_a_name(void **state)
{
    (void)state;
    for (size_t right = 0; right < SM_RIGHTS; right++)
        assert_true(sm_right_names[right] && *sm_right_names[right]);
    assert_null(sm_right_names[SM_RIGHTS]);
}

/* --- lines ------------------------------------------------------------------------------------ */

static void checks_lines(void **state)
{
    static const struct {
        const char *line, *wrong; /* NULL: nothing is */
    } cases[] = {
        {"allow all", NULL},
        {"deny a@b.test, allow @c.test local, deny none", NULL},
        {"deny @localhost", NULL},
        {"allow @[::1]", NULL},
        {"", "after allow or deny comes whom"},
        {"allow", "after allow or deny comes whom"},
        {"allow all deny", "after allow or deny comes whom"},
        {"allow deny all", "after allow or deny comes whom"},
        {"all", "a line begins with allow or deny"},
        {"Allow all", "a line begins with allow or deny"},
        {"a@b.test", "a line begins with allow or deny"},
        {"allow lcoal", "lcoal is neither user@domain, @domain, local, all nor none"},
        {"allow b.test", "b.test is neither user@domain"},
        {"allow @", "@ is no domain"},
        {"allow @b..test", "@b..test is no domain"},
        {"allow a@", "a@ is no address"},
        {"allow a@b@c.test", "a@b@c.test is no address"},
        {"allow a@b.test/x", "a@b.test/x is the address of a resource"},
    };
    char scratch[256];
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *wrong = sm_rule_check(cases[i].line, scratch);
        if (cases[i].wrong ? !wrong || !strstr(wrong, cases[i].wrong) : wrong != NULL)
            fail_msg("%s: %s", cases[i].line, wrong ? wrong : "taken");
    }
}

/* However long: the reason fits. */
static void a_long_word_is_told_in_part(void **state)
{
    char line[3000] = "allow ", scratch[256];
    (void)state;
    memset(line + 6, 'x', sizeof(line) - 7);
    line[sizeof(line) - 1] = '\0';
    const char *wrong = sm_rule_check(line, scratch);
    assert_non_null(wrong);
    assert_true(strlen(wrong) < 256);
}

/* --- other domains ---------------------------------------------------------------------------- */

static void who_may_not_leave_is_told(void **state)
{
    static const struct {
        const char *stanza;
        bool leaves;
    } cases[] = {
        {"<message to='r@far.test' id='1'><body>1</body></message>", false},
        {"<message to='far.test' id='1'><body>1</body></message>", false},
        {"<iq type='get' to='far.test' id='1'><ping xmlns='urn:xmpp:ping'/></iq>", false},
        {"<presence to='r@far.test' id='1' type='subscribe'/>", false},
        {"<message to='r@notprime.test' id='1'><body>1</body></message>", false},
        {"<message to='r@irc.prime.test' id='1'><body>1</body></message>", true},
        {"<iq type='get' to='irc.prime.test' id='1'><ping xmlns='urn:xmpp:ping'/></iq>", true},
    };
    (void)state;
    struct kit *k = with_contacts();
    kit_link_up(k);
    set_rule(k, "remote", "deny alice@net.test, allow local");
    for (int turn = 0; turn < 2; turn++) {
        const char *user = turn ? "bob" : "alice";
        struct kit_client *c = kit_open(k, user, "prime.test", "x");
        sm_link_events.on_claim(k->sm, span_of(turn ? "bob@prime.test" : "alice@prime.test"),
                                SPAN_NONE);
        kit_settle(k);
        assert_non_null(c->session);
        for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
            buf_clear(&k->link.out);
            kit_say(k, c, cases[i].stanza);
            const char *heard = kit_heard(c);
            if (cases[i].leaves || turn)
                assert_true(buf_len(&k->link.out) > 0);
            else {
                EXPECT_IN(heard, "<forbidden");
                assert_int_equal(buf_len(&k->link.out), 0);
            }
        }
        kit_close(k, c);
    }
    kit_free(k);
}

/* Nor does one message to many: each copy is judged by itself. */
static void copies_may_not_leave(void **state)
{
    (void)state;
    struct kit *k = with_contacts();
    struct kit_client *alice = kit_open(k, "alice", "prime.test", "x");
    struct kit_client *bob = kit_open(k, "bob", "prime.test", "x");
    kit_say(k, bob, "<presence/>");
    kit_heard(bob);
    k->link.is_up = true;
    sm_set_link(k->sm, &k->link);
    set_rule(k, "remote", "deny all");
    kit_say(k, alice, "<message to='prime.test' id='1'><body>1</body>"
                      "<addresses xmlns='http://jabber.org/protocol/address'>"
                      "<address type='to' jid='r@far.test'/>"
                      "<address type='to' jid='bob@prime.test'/></addresses></message>");
    EXPECT(alice, "from='r@far.test' id='1' type='error'><error type='auth'><forbidden");
    EXPECT(bob, "<body>1</body>");
    assert_null(strstr(kit_drain(&k->link.out), "to='r@far.test'"));
    kit_close(k, alice);
    kit_close(k, bob);
    kit_free(k);
}

/* What the server says on his behalf stays here, too: presence to an old contact, and probes. */
static void his_presence_stays_here(void **state)
{
    (void)state;
    for (int turn = 0; turn < 2; turn++) {
        struct kit *k = with_contacts();
        if (turn)
            set_rule(k, "remote", "deny all");
        k->link.is_up = true;
        struct kit_client *alice = kit_open(k, "alice", "prime.test", "x");
        sm_set_link(k->sm, &k->link);
        kit_say(k, alice, "<presence/>");
        const char *said = kit_drain(&k->link.out);
        assert_int_equal(strstr(said, "far.test") == NULL, turn);
        EXPECT_IN(said, "bob@prime.test"); /* who may be anywhere */
        kit_close(k, alice);
        kit_free(k);
    }
}

/* --- publishing ------------------------------------------------------------------------------- */

static void who_may_not_publish_may_read(void **state)
{
    static const struct say denied[] = {
        {IQ("set", "", PUBSUB(PUBLISH("n", "1", E("one")))), "<forbidden"},
        {IQ("set", TO_ALICE, PUBSUB("<create node='m'/>")), "<forbidden"},
        {IQ("set", "", OWNER("<delete node='open'/>")), "<forbidden"},
        {IQ("get", "", PUBSUB("<items node='open'/>")), "<item id='1'>"},
    };
    static const struct say other[] = {
        {IQ("set", "", PUBSUB(PUBLISH("n", "1", E("one")))), "<publish node='n'>"},
        {IQ("get", TO_ALICE, PUBSUB("<items node='open'/>")), "<item id='1'>"},
    };
    (void)state;
    struct kit *k = with_contacts();
    struct kit_client *alice = kit_open(k, "alice", "prime.test", "x");
    struct kit_client *bob = kit_open(k, "bob", "net.test", "x");
    play(k, alice, nodes, 1);
    set_rule(k, "publish", "deny alice@prime.test, allow local");
    play(k, alice, denied, ARRAY_LEN(denied));
    play(k, bob, other, ARRAY_LEN(other));
    kit_close(k, alice);
    kit_close(k, bob);
    kit_free(k);
}

/* --- many sessions ---------------------------------------------------------------------------- */

static size_t count_opened(struct kit *k, const char *user)
{
    struct kit_client *c[7];
    size_t n = 0;
    char resource[8];
    for (size_t i = 0; i < ARRAY_LEN(c); i++) {
        snprintf(resource, sizeof(resource), "r%zu", i);
        c[i] = kit_open(k, user, i % 2 ? "prime.test" : "net.test", resource);
        if (c[i]->session)
            n++;
        else
            assert_int_equal(c[i]->refused, STANZA_RESOURCE_CONSTRAINT);
    }
    for (size_t i = 0; i < ARRAY_LEN(c); i++)
        kit_close(k, c[i]);
    return n;
}

static void some_may_have_many_sessions(void **state)
{
    (void)state;
    struct kit *k = kit_new(NULL);
    assert_int_equal(count_opened(k, "alice"), 3);
    set_rule(k, "many-sessions", "allow alice@prime.test");
    assert_int_equal(count_opened(k, "alice"), 5);
    assert_int_equal(count_opened(k, "bob"), 3);
    set_rules(k, NULL, NULL, 0);
    assert_int_equal(count_opened(k, "alice"), 3);
    kit_free(k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decides_by_each_entry_for_each_right),
        cmocka_unit_test(every_right_has_a_name),
        cmocka_unit_test(checks_lines),
        cmocka_unit_test(a_long_word_is_told_in_part),
        cmocka_unit_test(who_may_not_leave_is_told),
        cmocka_unit_test(copies_may_not_leave),
        cmocka_unit_test(his_presence_stays_here),
        cmocka_unit_test(who_may_not_publish_may_read),
        cmocka_unit_test(some_may_have_many_sessions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
