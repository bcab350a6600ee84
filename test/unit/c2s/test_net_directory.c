/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_net_directory - what other servers of the network ask and tell about homes, and what they
 * may not.
 */
#include "net_signed.h"

#define GET(user) "<home xmlns='" NS_NETWORK "' user='" user "'/>"

/* Whose directory is ours; another one's. */
static const char *ours(struct kit *k)
{
    return net_user(k, "prime.test", "gamma.test", 0);
}

static const char *others(struct kit *k)
{
    return net_user(k, "beta.test", "gamma.test", 0);
}

static const char *get(struct kit *k, const char *from, const char *user)
{
    char xml[256];
    snprintf(xml, sizeof(xml), "<home xmlns='" NS_NETWORK "' user='%s'/>", user);
    buf_clear(&k->link.out);
    net_question(k, from, "get", xml);
    return kit_drain(&k->link.out);
}

/* The same as a set; its key is asked for the first time. */
static const char *publish(struct kit *k, const char *from, const char *attrs, const char *records)
{
    char id[64];
    buf_clear(&k->link.out);
    net_publish(k, from, attrs, records);
    snprintf(id, sizeof(id), "%s", net_asked(k, "beta.test", "<pubkey"));
    if (id[0]) {
        struct buf xml = {0};
        xml_raw(&xml, SPAN("<pubkey xmlns='" NS_PUBKEY "'>"));
        base64_encode(&xml, buf_span(&key_beta.packets));
        xml_raw(&xml, SPAN("</pubkey>"));
        net_reply(k, "result", id, "beta.test", buf_z(&xml));
        buf_free(&xml);
    }
    return kit_drain(&k->link.out);
}

/* --- asking --- */

static void only_members_are_answered(void **state)
{
    static const char *const strangers[] = {
        "evil.test",       "eve@beta.test/r", "eve@beta.test",
        "rooms.beta.test", "prime.test",      "alice@prime.test/r",
    };
    struct kit *k = net_key_kit();
    (void)state;
    net_learn(k, "eve", "beta.test");
    for (size_t i = 0; i < ARRAY_LEN(strangers); i++) {
        EXPECT_IN(get(k, strangers[i], "alice"), "<forbidden ");
        EXPECT_IN(publish(k, strangers[i], "", ""), "<forbidden ");
    }
    struct kit_client *c = kit_come(k, "alice", "r", "");
    kit_say(k, c, "<iq type='get' id='1' to='prime.test'>" GET("bob") "</iq>");
    EXPECT(c, "<forbidden ");
    kit_close(k, c);
    net_free(k);
}

static void without_a_network_there_is_nothing(void **state)
{
    struct kit *k = kit_new(NULL);
    (void)state;
    kit_link_up(k);
    EXPECT_IN(get(k, "beta.test", "alice"), "<service-unavailable ");
    EXPECT_IN(publish(k, "beta.test", "", ""), "<service-unavailable ");
    kit_free(k);
}

static void our_users_have_signed_records(void **state)
{
    struct kit *k = net_key_kit();
    const char *heard;
    char first[2048];
    (void)state;
    net_account(k, "carol", 12345);
    heard = get(k, "beta.test/c2s-1.beta.test", "carol");
    EXPECT_IN(heard, "<home xmlns='" NS_NETWORK "' user='carol' host='prime.test' stamp='12345'");
    EXPECT_IN(heard, " proof='");
    EXPECT_IN(heard, "to='beta.test/c2s-1.beta.test'");
    snprintf(first, sizeof(first), "%s", heard);
    assert_int_equal(net_is_recorded(k, "carol", "prime.test"), 1);
    /* signed once: what is kept is told */
    tls_signer_free(&k->sm->net->signer);
    assert_string_equal(get(k, "beta.test/c2s-1.beta.test", "carol"), first);
    net_free(k);
}

static void who_is_unknown_may_be_somewhere(void **state)
{
    struct kit *k = net_key_kit();
    (void)state;
    EXPECT_IN(get(k, "beta.test", ours(k)), " complete='false'/>");
    EXPECT_IN(get(k, "beta.test", others(k)), " complete='false'/>");
    net_free(k);
}

static void what_is_no_name_is_refused(void **state)
{
    struct kit *k = net_key_kit();
    (void)state;
    EXPECT_IN(get(k, "beta.test", "Not Prepared"), "<bad-request ");
    EXPECT_IN(get(k, "beta.test", ""), "<bad-request ");
    net_question(k, "beta.test", "get", "<home xmlns='" NS_NETWORK "'/>");
    EXPECT_LINK(k, "<bad-request ");
    net_free(k);
}

static void one_who_has_heard_all_knows_that_there_is_nobody(void **state)
{
    struct kit *k = net_key_kit();
    char last[64], old[64];
    const uint64_t set = servers_set(k->sm->net->servers);
    (void)state;
    snprintf(last, sizeof(last), " servers='%llu' last='true'", (unsigned long long)set);
    snprintf(old, sizeof(old), " servers='%llu' last='true'", (unsigned long long)set + 1);
    EXPECT_IN(publish(k, "beta.test", last, ""), "<homes xmlns='" NS_NETWORK "'></homes>");
    EXPECT_IN(get(k, "beta.test", ours(k)), " complete='false'/>"); /* gamma has not said so */
    net_publish(k, "gamma.test", last, "");
    net_give_key(k, &key_gamma, &key_gamma);
    EXPECT_IN(get(k, "beta.test", ours(k)), " complete='true'/>");
    EXPECT_IN(get(k, "beta.test", others(k)), " complete='false'/>");
    /* by another table */
    net_publish(k, "gamma.test", old, "");
    kit_settle(k);
    EXPECT_IN(get(k, "beta.test", ours(k)), " complete='false'/>");
    net_free(k);
}

/* --- telling --- */

static void a_directory_keeps_what_it_is_told(void **state)
{
    struct kit *k = net_key_kit();
    const char *user = ours(k), *other = others(k);
    char both[2048];
    (void)state;
    snprintf(both, sizeof(both), "%s%s", net_record(user, "beta.test", 1000, &key_beta),
             net_record(other, "beta.test", 1000, &key_beta));
    EXPECT_IN(publish(k, "beta.test/c2s", "", both), "<homes xmlns='" NS_NETWORK "'></homes>");
    assert_int_equal(net_is_recorded(k, user, "beta.test"), 1);
    assert_int_equal(net_is_recorded(k, other, "beta.test"), 0);
    EXPECT_IN(get(k, "gamma.test", user), net_record(user, "beta.test", 1000, &key_beta));
    assert_int_equal(sm_home_peek(k->sm, span_of(user)).kind, SM_HOME_AT);
    net_free(k);
}

/* What a server may not say: of whom it is none of its affair, or what is not true. */
static void lies_are_not_kept(void **state)
{
    struct kit *k = net_key_kit();
    const char *user = ours(k);
    const struct {
        const char *record;
        const char *host;
    } cases[] = {
        {net_record(user, "gamma.test", 1000, &key_gamma), "gamma.test"},
        {net_record(user, "gamma.test", 1000, NULL), "gamma.test"},
        {"<home user='x' host='beta.test' stamp='x'/>", "beta.test"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        EXPECT_IN(publish(k, "beta.test", "", cases[i].record), "type='result'");
        assert_int_equal(net_is_recorded(k, user, cases[i].host), 0);
    }
    net_free(k);
}

/* They may be right some other time, when its clock or its key is: it is told so, tells them again,
 * and has not told all of its users before. */
static void what_may_be_right_later_is_to_come_again(void **state)
{
    struct kit *k = net_key_kit();
    const char *user = ours(k), *second = net_user(k, "prime.test", "gamma.test", 1);
    const int64_t now = loop_wall(k->loop);
    const char *const cases[] = {
        net_record(user, "beta.test", now + 700000, &key_beta),
        net_record(user, "beta.test", 1000, &key_gamma),
    };
    const char *good = net_record(second, "beta.test", 1000, &key_beta), *heard;
    char last[64], both[2048];
    (void)state;
    snprintf(last, sizeof(last), " servers='%llu' last='true'",
             (unsigned long long)servers_set(k->sm->net->servers));
    net_publish(k, "gamma.test", last, "");
    net_give_key(k, &key_gamma, &key_gamma);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        snprintf(both, sizeof(both), "%s%s", cases[i], good);
        heard = publish(k, "beta.test", last, both);
        EXPECT_IN(heard, "<not-acceptable ");
        EXPECT_IN(heard, i == 0 ? "a time in the future" : "not signed by its home");
        assert_int_equal(net_is_recorded(k, user, "beta.test"), 0);
        assert_int_equal(net_is_recorded(k, second, "beta.test"), 1);
        EXPECT_IN(get(k, "gamma.test", user), " complete='false'/>");
    }
    EXPECT_IN(publish(k, "beta.test", last, good), "type='result'");
    EXPECT_IN(get(k, "gamma.test", user), " complete='true'/>");
    net_free(k);
}

/* The same moment at the same home, signed by the key that it has now. */
static void a_new_signature_takes_the_place_of_the_old_one(void **state)
{
    struct kit *k = net_key_kit();
    const char *user = ours(k);
    char table[512];
    (void)state;
    publish(k, "beta.test", "", net_record(user, "beta.test", 1000, &key_beta));
    snprintf(table, sizeof(table), "beta.test %s enabled\n", key_gamma.fingerprint);
    net_table(k, table);
    net_publish(k, "beta.test", "", net_record(user, "beta.test", 1000, &key_gamma));
    net_give_key(k, &key_beta, &key_gamma);
    EXPECT_IN(get(k, "beta.test", user), net_record(user, "beta.test", 1000, &key_gamma));
    /* Without one the old one stays. */
    net_publish(k, "beta.test", "", net_record(user, "beta.test", 1000, NULL));
    kit_settle(k);
    EXPECT_IN(get(k, "beta.test", user), net_record(user, "beta.test", 1000, &key_gamma));
    net_free(k);
}

/* Its records are signed anew when the server has another key. */
static void another_key_of_ours(void **state)
{
    struct kit *k = net_key_kit();
    (void)state;
    net_account(k, "carol", 5000);
    EXPECT_IN(get(k, "beta.test", "carol"), net_record("carol", "prime.test", 5000, &key_prime));
    sm_set_server_key(k->sm, key_gamma.cert, key_gamma.key);
    EXPECT_IN(get(k, "beta.test", "carol"), net_record("carol", "prime.test", 5000, &key_gamma));
    sm_set_server_key(k->sm, key_beta.cert, key_beta.key);
    EXPECT_IN(publish(k, "beta.test", "", net_record("carol", "beta.test", 4000, &key_beta)),
              net_record("carol", "prime.test", 5000, &key_beta));
    net_free(k);
}

static void one_lie_does_not_hurt_the_others(void **state)
{
    struct kit *k = net_key_kit();
    const char *user = ours(k), *second = net_user(k, "prime.test", "gamma.test", 1);
    char both[2048];
    (void)state;
    snprintf(both, sizeof(both), "%s%s", net_record(user, "gamma.test", 1000, &key_gamma),
             net_record(second, "beta.test", 1000, &key_beta));
    publish(k, "beta.test", "", both);
    assert_int_equal(net_is_recorded(k, second, "beta.test"), 1);
    net_free(k);
}

static void there_is_a_bound(void **state)
{
    struct kit *k = net_key_kit();
    struct buf records = {0};
    const char *user = ours(k);
    (void)state;
    for (int i = 0; i < 100; i++)
        buf_append_z(&records, net_record(user, "beta.test", 1000 + i, NULL));
    EXPECT_IN(publish(k, "beta.test", "", buf_z(&records)), "type='result'");
    assert_int_equal(net_is_recorded(k, user, "beta.test"), 1);
    buf_append_z(&records, net_record(user, "beta.test", 2000, NULL));
    EXPECT_IN(publish(k, "beta.test", "", buf_z(&records)), "<not-acceptable ");
    assert_int_equal(kit_sql(k, "SELECT stamp FROM home WHERE user = ?1", user), 1099);
    buf_free(&records);
    net_free(k);
}

/* What beta tells of the nth user whose directory is ours. */
static const char *told(struct kit *k, int nth, int64_t stamp)
{
    return net_record(net_user(k, "prime.test", "gamma.test", nth), "beta.test", stamp, NULL);
}

static int64_t homes_at_beta(struct kit *k)
{
    return kit_sql(k, "SELECT homes FROM home_count WHERE host = ?1", "beta.test");
}

static void a_member_may_tell_of_so_many(void **state)
{
    struct sm_opts opts = net_key_opts();
    char last[64], many[2048];
    static struct net_log log;
    (void)state;
    opts.net.max_homes = 2;
    struct kit *k = net_new(net_key_table, &opts);
    snprintf(last, sizeof(last), " servers='%llu' last='true'",
             (unsigned long long)servers_set(k->sm->net->servers));
    net_watch_log(&log, "network.too_many_homes");
    net_publish(k, "gamma.test", last, "");
    net_give_key(k, &key_gamma, &key_gamma);
    EXPECT_IN(publish(k, "beta.test", last, told(k, 0, 1000)), "type='result'");
    EXPECT_IN(get(k, "gamma.test", net_user(k, "prime.test", "gamma.test", 3)), "'true'/>");
    /* The third is one too many: then it has not told of all any more. */
    snprintf(many, sizeof(many), "%s%s%s", told(k, 0, 1001), told(k, 1, 1000), told(k, 2, 1000));
    for (int i = 0; i < 3; i++) {
        EXPECT_IN(publish(k, "beta.test", last, many), "<resource-constraint ");
        assert_int_equal(homes_at_beta(k), 2);
        loop_sim_advance(k->loop, 120 * 1000);
    }
    assert_int_equal(log.count, 1);
    EXPECT_IN(log.last, " peer=beta.test max=2");
    assert_int_equal(net_is_recorded(k, net_user(k, "prime.test", "gamma.test", 1), "beta.test"),
                     1);
    EXPECT_IN(get(k, "gamma.test", net_user(k, "prime.test", "gamma.test", 3)), "'false'/>");
    /* Who is known may be told of; what another member says is its own. */
    EXPECT_IN(publish(k, "beta.test", "", told(k, 0, 2000)), "type='result'");
    net_publish(k, "gamma.test", "",
                net_record(net_user(k, "prime.test", "gamma.test", 2), "gamma.test", 500, NULL));
    kit_settle(k);
    assert_int_equal(net_is_recorded(k, net_user(k, "prime.test", "gamma.test", 2), "gamma.test"),
                     1);
    /* He comes to beta from there. */
    EXPECT_IN(publish(k, "beta.test", "", told(k, 2, 1000)), "type='result'");
    assert_int_equal(homes_at_beta(k), 3);
    assert_int_equal(log.count, 1);
    log_set_sink(NULL, NULL);
    net_free(k);
}

static void with_more_room_more_is_taken(void **state)
{
    struct sm_opts opts = net_key_opts();
    char both[2048];
    static struct net_log log;
    (void)state;
    opts.net.max_homes = 1;
    struct kit *k = net_new(net_key_table, &opts);
    net_watch_log(&log, "network.too_many_homes");
    snprintf(both, sizeof(both), "%s%s", told(k, 0, 1000), told(k, 1, 1000));
    EXPECT_IN(publish(k, "beta.test", "", both), "[network] max_homes");
    opts.net.max_homes = 2;
    sm_network_set_limits(k->sm, &opts.net);
    EXPECT_IN(publish(k, "beta.test", "", both), "type='result'");
    assert_int_equal(homes_at_beta(k), 2);
    /* One has gone to gamma, and beta gets another one instead: then there is no room again. */
    net_publish(k, "gamma.test", "",
                net_record(net_user(k, "prime.test", "gamma.test", 0), "gamma.test", 3000, NULL));
    net_give_key(k, &key_gamma, &key_gamma);
    assert_int_equal(homes_at_beta(k), 1);
    EXPECT_IN(publish(k, "beta.test", "", told(k, 1, 1000)), "type='result'");
    EXPECT_IN(publish(k, "beta.test", "", told(k, 2, 1000)), "type='result'");
    EXPECT_IN(publish(k, "beta.test", "", told(k, 3, 1000)), "<resource-constraint ");
    assert_int_equal(log.count, 2);
    log_set_sink(NULL, NULL);
    net_free(k);
}

static void an_old_record_that_comes_again_changes_nothing(void **state)
{
    struct kit *k = net_key_kit();
    const char *user = ours(k), *heard;
    char newer[1024];
    (void)state;
    publish(k, "beta.test", "", net_record(user, "beta.test", 1000, &key_beta));
    snprintf(newer, sizeof(newer), "%s", net_record(user, "gamma.test", 2000, &key_gamma));
    net_publish(k, "gamma.test", "", newer);
    net_give_key(k, &key_gamma, &key_gamma);
    /* gamma learns whom beta has to know it of */
    heard = kit_drain(&k->link.out);
    EXPECT_IN(heard, net_record(user, "beta.test", 0, NULL));
    assert_int_equal(net_is_recorded(k, user, "gamma.test"), 1);
    /* and again, if that should not have reached it */
    net_publish(k, "gamma.test", "", newer);
    kit_settle(k);
    EXPECT_LINK(k, net_record(user, "beta.test", 0, NULL));
    /* beta says it again, and hears better */
    EXPECT_IN(publish(k, "beta.test", "", net_record(user, "beta.test", 1000, &key_beta)), newer);
    assert_int_equal(net_is_recorded(k, user, "gamma.test"), 1);
    net_free(k);
}

/* --- against an account here --- */

static void an_older_one_hears_of_ours(void **state)
{
    struct kit *k = net_key_kit();
    const char *heard;
    (void)state;
    net_account(k, "carol", 5000);
    heard = publish(k, "beta.test", "", net_record("carol", "beta.test", 4000, &key_beta));
    EXPECT_IN(heard, net_record("carol", "prime.test", 5000, &key_prime));
    assert_int_equal(kit_sql(k, "SELECT count(*) FROM account WHERE name = ?1", "carol"), 1);
    net_free(k);
}

static void a_newer_one_must_be_signed(void **state)
{
    struct kit *k = net_key_kit();
    (void)state;
    net_account(k, "carol", 5000);
    publish(k, "beta.test", "", net_record("carol", "beta.test", 6000, NULL));
    publish(k, "beta.test", "", net_record("carol", "beta.test", 6000, &key_gamma));
    assert_int_equal(kit_sql(k, "SELECT count(*) FROM account WHERE name = ?1", "carol"), 1);
    publish(k, "beta.test", "", net_record("carol", "beta.test", 6000, &key_beta));
    assert_int_equal(kit_sql(k, "SELECT count(*) FROM account WHERE name = ?1", "carol"), 0);
    assert_int_equal(net_is_recorded(k, "carol", "beta.test"), 1);
    net_free(k);
}

static void whose_key_cannot_be_had_is_to_come_again(void **state)
{
    struct kit *k = net_key_kit();
    (void)state;
    net_account(k, "carol", 5000);
    net_publish(k, "beta.test", "", net_record("carol", "beta.test", 6000, &key_beta));
    net_reply(k, "error", net_asked(k, "beta.test", "<pubkey"), "beta.test",
              "<error type='cancel'><item-not-found xmlns='" NS_STANZA_ERRORS "'/></error>");
    EXPECT_LINK(k, "<resource-constraint ");
    assert_int_equal(kit_sql(k, "SELECT count(*) FROM account WHERE name = ?1", "carol"), 1);
    net_free(k);
}

static void requests_that_wait_end_with_the_server(void **state)
{
    struct kit *k = net_key_kit();
    (void)state;
    for (int i = 0; i < 257; i++) {
        kit_parse(k, NS_COMPONENT,
                  "<iq xmlns='" NS_COMPONENT "' type='set' id='q' from='beta.test' to='prime.test'>"
                  "<homes xmlns='" NS_NETWORK "'/></iq>");
        sm_link_events.on_stanza(k->sm, &k->stanza);
    }
    EXPECT_LINK(k, "<resource-constraint ");
    net_free(k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_members_are_answered),
        cmocka_unit_test(without_a_network_there_is_nothing),
        cmocka_unit_test(our_users_have_signed_records),
        cmocka_unit_test(who_is_unknown_may_be_somewhere),
        cmocka_unit_test(what_is_no_name_is_refused),
        cmocka_unit_test(one_who_has_heard_all_knows_that_there_is_nobody),
        cmocka_unit_test(a_directory_keeps_what_it_is_told),
        cmocka_unit_test(lies_are_not_kept),
        cmocka_unit_test(what_may_be_right_later_is_to_come_again),
        cmocka_unit_test(a_new_signature_takes_the_place_of_the_old_one),
        cmocka_unit_test(another_key_of_ours),
        cmocka_unit_test(one_lie_does_not_hurt_the_others),
        cmocka_unit_test(there_is_a_bound),
        cmocka_unit_test(a_member_may_tell_of_so_many),
        cmocka_unit_test(with_more_room_more_is_taken),
        cmocka_unit_test(an_old_record_that_comes_again_changes_nothing),
        cmocka_unit_test(an_older_one_hears_of_ours),
        cmocka_unit_test(a_newer_one_must_be_signed),
        cmocka_unit_test(whose_key_cannot_be_had_is_to_come_again),
        cmocka_unit_test(requests_that_wait_end_with_the_server),
    };
    return cmocka_run_group_tests(tests, net_keys_set_up, net_keys_tear_down);
}
