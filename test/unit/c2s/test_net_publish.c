/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_net_publish - our users' homes are told to their directories: once, in batches, anew when
 * the network changes; and what speaks against them is heard.
 */
#include "net_signed.h"

#include "base/log.h"
#include "c2s/sm/network/record.h"

#define RESULT "<homes xmlns='" NS_NETWORK "'/>"

/* Prime begins to publish. alice and bob are out of the way. */
static struct kit *start(bool has_key)
{
    struct sm_opts opts = net_key_opts();
    if (!has_key)
        opts.net.cert = opts.net.key = NULL;
    struct kit *k = net_new(net_key_table, &opts);
    kit_sql(k, "DELETE FROM account WHERE name < 'user' AND ?1 = ''", "");
    return k;
}

static void open(struct kit *k)
{
    sm_publish_open(k->sm);
    loop_sim_advance(k->loop, 100);
}

/* The next batch for that server, without its beginning; "": there is none. Its id is kept. */
static char batch_id[64];
static const char *batch(struct kit *k, const char *host)
{
    static char xml[1 << 17];
    char want[64];
    const char *all = buf_len(&k->link.out) ? buf_z(&k->link.out) : "", *at = NULL;
    xml[0] = batch_id[0] = 0;
    snprintf(want, sizeof(want), " to='%s'><homes", host);
    for (at = strstr(all, "<iq "); at; at = strstr(at + 1, "<iq ")) {
        snprintf(xml, sizeof(xml), "%.*s", (int)net_stanza_length(at), at);
        if (strstr(xml, want))
            break;
    }
    if (!at) {
        xml[0] = 0;
        return xml;
    }
    snprintf(batch_id, sizeof(batch_id), "%s", net_asked(k, host, "<homes"));
    return xml;
}

static void answer(struct kit *k, const char *host, const char *payload)
{
    assert_true(batch_id[0] != 0);
    net_reply(k, "result", batch_id, host, payload);
    loop_sim_advance(k->loop, 200);
}

static int count(const char *text, const char *what)
{
    int n = 0;
    for (const char *at = strstr(text, what); at; at = strstr(at + 1, what))
        n++;
    return n;
}

/* All that is to be told to that server is taken; how many records they were. */
static int take_all(struct kit *k, const char *host)
{
    int n = 0;
    for (int i = 0; i < 100; i++) {
        const char *xml = batch(k, host);
        if (!*xml)
            return n;
        n += count(xml, "<home ");
        answer(k, host, RESULT);
    }
    return -1;
}

static void each_user_is_told_to_his_directory(void **state)
{
    struct kit *k = start(true);
    const char *xml;
    char both[32], two[32];
    (void)state;
    snprintf(both, sizeof(both), "%s", net_user(k, "beta.test", "gamma.test", 0));
    snprintf(two, sizeof(two), "%s", net_user(k, "prime.test", "gamma.test", 0));
    net_account(k, both, 1000);
    net_account(k, two, 2000);
    open(k);
    xml = batch(k, "beta.test");
    EXPECT_IN(xml, net_record(both, "prime.test", 1000, &key_prime));
    EXPECT_IN(xml, " last='true'>");
    assert_int_equal(count(xml, "<home "), 1);
    answer(k, "beta.test", RESULT);
    xml = batch(k, "gamma.test");
    EXPECT_IN(xml, net_record(both, "prime.test", 1000, &key_prime));
    EXPECT_IN(xml, net_record(two, "prime.test", 2000, &key_prime));
    answer(k, "gamma.test", RESULT);
    /* that was all */
    loop_sim_advance(k->loop, 300 * 1000);
    assert_int_equal(take_all(k, "beta.test") + take_all(k, "gamma.test"), 0);
    assert_int_equal(net_is_recorded(k, both, "prime.test"), 1);
    net_free(k);
}

/* Told anew, by the key that it has now: when it is another one while it runs, and at its start. */
static void another_key_is_told_anew(void **state)
{
    struct kit *k = start(true);
    char user[32];
    const char *xml;
    (void)state;
    snprintf(user, sizeof(user), "%s", net_user(k, "beta.test", "gamma.test", 0));
    net_account(k, user, 1000);
    open(k);
    assert_int_equal(take_all(k, "beta.test") + take_all(k, "gamma.test"), 2);
    sm_set_server_key(k->sm, key_gamma.cert, key_gamma.key);
    loop_sim_advance(k->loop, 300);
    xml = batch(k, "beta.test");
    EXPECT_IN(xml, net_record(user, "prime.test", 1000, &key_gamma));
    answer(k, "beta.test", RESULT);
    assert_int_equal(take_all(k, "gamma.test"), 1);
    /* The same key again is no news. */
    sm_set_server_key(k->sm, key_gamma.cert, key_gamma.key);
    loop_sim_advance(k->loop, 300 * 1000);
    assert_int_equal(take_all(k, "beta.test") + take_all(k, "gamma.test"), 0);
    /* A start with another one. */
    sm_publish_close(k->sm);
    sm_set_server_key(k->sm, key_prime.cert, key_prime.key);
    open(k);
    loop_sim_advance(k->loop, 300);
    assert_int_equal(take_all(k, "beta.test") + take_all(k, "gamma.test"), 2);
    net_free(k);
}

static void nobody_is_told_as_well(void **state)
{
    struct kit *k = start(true);
    char want[64];
    (void)state;
    snprintf(want, sizeof(want), " servers='%llu' last='true'></homes>",
             (unsigned long long)servers_set(k->sm->net->servers));
    open(k);
    EXPECT_IN(batch(k, "beta.test"), want);
    net_free(k);
}

static void without_a_key_they_are_not_signed(void **state)
{
    struct kit *k = start(false);
    const char *user = net_user(k, "beta.test", "gamma.test", 0);
    (void)state;
    net_account(k, user, 1000);
    open(k);
    EXPECT_IN(batch(k, "beta.test"), net_record(user, "prime.test", 1000, NULL));
    net_free(k);
}

static void many_come_in_batches(void **state)
{
    struct kit *k = start(false);
    const char *xml;
    (void)state;
    kit_sql(k,
            "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 999)"
            " INSERT INTO account (name, created, iterations, salt_sha1, stored_sha1, server_sha1,"
            " salt_sha256, stored_sha256, server_sha256)"
            " SELECT 'user' || i, i, 1, x'', x'', x'', x'', x'', x'' FROM n WHERE ?1 = ''",
            "");
    open(k);
    xml = batch(k, "beta.test");
    assert_int_equal(count(xml, "<home "), 100);
    assert_null(strstr(xml, " last="));
    answer(k, "beta.test", RESULT);
    const int beta = 100 + take_all(k, "beta.test"), gamma = take_all(k, "gamma.test");
    /* each user has two of three directories; ours need not be told */
    assert_in_range(beta + gamma, 1200, 1500);
    assert_int_equal(kit_sql(k, "SELECT count(*) FROM home WHERE ?1 = ''", ""), 1000);
    assert_int_equal(kit_sql(k, "SELECT count(*) FROM home_told WHERE is_whole AND ?1 = ''", ""),
                     2);
    net_free(k);
}

static void a_restart_goes_on(void **state)
{
    struct sm_opts opts = net_key_opts();
    struct servers *servers = net_servers(net_key_table);
    struct kit *k = start(true);
    const char *user = net_user(k, "beta.test", "gamma.test", 0),
               *next = net_user(k, "beta.test", "gamma.test", 1);
    (void)state;
    net_account(k, user, 1000);
    open(k);
    assert_int_equal(take_all(k, "beta.test"), 1);
    assert_int_equal(take_all(k, "gamma.test"), 1);
    sm_free(&k->sm);
    kit_settle(k);
    net_account(k, next, 2000);
    opts.net.servers = servers;
    k->sm = sm_new(k->loop, k->store, &opts);
    servers_unref(&servers);
    kit_link_up(k);
    net_route(k, "beta.test", true);
    loop_sim_advance(k->loop, 100);
    EXPECT_IN(batch(k, "beta.test"), net_record(next, "prime.test", 2000, &key_prime));
    answer(k, "beta.test", RESULT);
    assert_int_equal(take_all(k, "beta.test"), 0);
    net_free(k);
}

static void a_new_account_is_told_at_once(void **state)
{
    struct kit *k = start(true);
    const char *user = net_user(k, "beta.test", "gamma.test", 0);
    (void)state;
    open(k);
    take_all(k, "beta.test");
    take_all(k, "gamma.test");
    net_account(k, user, 1000);
    sm_user_added(k->sm, span_of(user));
    loop_sim_advance(k->loop, 50);
    EXPECT_IN(batch(k, "beta.test"), user);
    EXPECT_IN(batch(k, "gamma.test"), user);
    net_free(k);
}

static void another_network_is_told_all(void **state)
{
    struct kit *k = start(true);
    const char *user = net_user(k, "beta.test", "gamma.test", 0);
    char table[512];
    (void)state;
    net_account(k, user, 1000);
    open(k);
    take_all(k, "beta.test");
    take_all(k, "gamma.test");
    snprintf(table, sizeof(table), "beta.test %s enabled\n", key_beta.fingerprint);
    net_table(k, table);
    loop_sim_advance(k->loop, 300);
    EXPECT_IN(batch(k, "beta.test"), net_record(user, "prime.test", 1000, &key_prime));
    assert_string_equal(batch(k, "gamma.test"), "");
    assert_int_equal(kit_sql(k, "SELECT count(*) FROM home_told WHERE host = ?1", "gamma.test"), 0);
    net_free(k);
}

static void who_is_away_is_told_later(void **state)
{
    struct kit *k = start(true);
    (void)state;
    net_route(k, "beta.test", false);
    open(k);
    assert_string_equal(batch(k, "beta.test"), "");
    net_route(k, "beta.test", true);
    loop_sim_advance(k->loop, 100);
    EXPECT_IN(batch(k, "beta.test"), " last='true'");
    /* it does not answer, then it refuses, then it does */
    loop_sim_advance(k->loop, 5000 + 5000 + 100);
    EXPECT_IN(batch(k, "beta.test"), " last='true'");
    net_reply(k, "error", batch_id, "beta.test",
              "<error type='auth'><forbidden xmlns='" NS_STANZA_ERRORS "'/></error>");
    loop_sim_advance(k->loop, 9000);
    assert_string_equal(batch(k, "beta.test"), "");
    loop_sim_advance(k->loop, 1200);
    assert_int_equal(take_all(k, "beta.test"), 0);
    loop_sim_advance(k->loop, 300 * 1000);
    assert_string_equal(batch(k, "beta.test"), "");
    net_free(k);
}

static void one_instance_tells_it(void **state)
{
    struct kit *k = start(true);
    char note[64];
    (void)state;
    snprintf(note, sizeof(note), "%lld", (long long)loop_wall(k->loop) + 20000);
    kit_sql(k,
            "INSERT INTO home_told (host, servers, account, is_whole, instance, busy_until)"
            " VALUES ('beta.test', 1, 0, 0, 'c2s-2.prime.test', CAST(?1 AS INTEGER))",
            note);
    open(k);
    assert_string_equal(batch(k, "beta.test"), "");
    EXPECT_IN(batch(k, "gamma.test"), " last='true'");
    loop_sim_advance(k->loop, 21000);
    EXPECT_IN(batch(k, "beta.test"), " last='true'");
    net_free(k);
}

/* --- answers --- */

/* beta answers that who is told to it is at home at gamma since, as somebody has signed. */
static void answer_gamma(struct kit *k, const char *user, const struct net_key *signer)
{
    char xml[2048];
    batch(k, "beta.test");
    snprintf(xml, sizeof(xml), "<homes xmlns='" NS_NETWORK "'>%s</homes>",
             net_record(user, "gamma.test", 2000, signer));
    answer(k, "beta.test", xml);
}

static void a_newer_record_sets_the_account_aside(void **state)
{
    struct kit *k = start(true);
    const char *user = net_user(k, "beta.test", "gamma.test", 0);
    (void)state;
    net_account(k, user, 1000);
    open(k);
    answer_gamma(k, user, &key_gamma);
    assert_int_equal(kit_sql(k, "SELECT count(*) FROM account WHERE name = ?1", user), 1);
    net_give_key(k, &key_gamma, &key_gamma);
    assert_int_equal(kit_sql(k, "SELECT count(*) FROM account WHERE name = ?1", user), 0);
    assert_int_equal(net_is_recorded(k, user, "gamma.test"), 1);
    net_free(k);
}

static void a_forged_one_does_not(void **state)
{
    struct kit *k = start(true);
    const char *user = net_user(k, "beta.test", "gamma.test", 0);
    (void)state;
    net_account(k, user, 1000);
    open(k);
    answer_gamma(k, user, &key_beta);
    net_give_key(k, &key_gamma, &key_gamma);
    assert_int_equal(kit_sql(k, "SELECT count(*) FROM account WHERE name = ?1", user), 1);
    net_free(k);
}

/* --- one line for one cause --- */

static struct {
    const char *event;
    int count;
} lines;

static void on_line(void *ctx, struct span line)
{
    (void)ctx;
    lines.count += memmem(line.p, line.n, lines.event, strlen(lines.event)) != NULL;
}

static void a_refusal_is_told_once(void **state)
{
    static const struct {
        const char *text; /* NULL: it is taken */
        int count;
    } answers[] = {{"your clock", 1}, {"your clock", 1}, {"your clock", 1}, {"your key", 2},
                   {"your key", 2},   {NULL, 2},         {"your key", 3}};
    struct kit *k = start(true);
    uint64_t pause = 2500; /* before it is told again: twice as long each time */
    (void)state;
    lines.event = "ev=network.publish_refused";
    lines.count = 0;
    log_set_sink(on_line, NULL);
    open(k);
    for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
        char error[200];
        EXPECT_IN(batch(k, "beta.test"), " last='true'");
        snprintf(error, sizeof(error),
                 "<error type='modify'><not-acceptable xmlns='" NS_STANZA_ERRORS "'/>"
                 "<text xmlns='" NS_STANZA_ERRORS "'>%s</text></error>",
                 answers[i].text ? answers[i].text : "");
        if (answers[i].text)
            net_reply(k, "error", batch_id, "beta.test", error);
        else
            answer(k, "beta.test", RESULT);
        assert_int_equal(lines.count, answers[i].count);
        pause = answers[i].text ? 2 * pause : 2500;
        if (!answers[i].text) {
            net_account(k, net_user(k, "beta.test", "gamma.test", 0), 1000);
            sm_publish_look(k->sm);
        }
        loop_sim_advance(k->loop, answers[i].text ? pause + 100 : 100);
    }
    log_set_sink(NULL, NULL);
    net_free(k);
}

static void an_unproved_move_is_told_once(void **state)
{
    struct kit *k = start(true);
    const char *user = net_user(k, "beta.test", "gamma.test", 0);
    struct sm_home_record r = {span_of(user), SPAN("gamma.test"), 2000, SPAN("forged")};
    (void)state;
    lines.event = "ev=network.unproved_move";
    lines.count = 0;
    log_set_sink(on_line, NULL);
    net_account(k, user, 1000);
    open(k);
    answer_gamma(k, user, &key_beta);
    net_give_key(k, &key_gamma, &key_gamma);
    assert_int_equal(lines.count, 1);
    for (int i = 0; i < 3; i++) {
        sm_moved_judge(k->sm, &r);
        loop_sim_advance(k->loop, 60 * 1000);
        assert_int_equal(lines.count, 1);
    }
    r.stamp++;
    sm_moved_judge(k->sm, &r);
    loop_sim_advance(k->loop, 60 * 1000);
    assert_int_equal(lines.count, 2);
    log_set_sink(NULL, NULL);
    net_free(k);
}

/* It is looked at each minute, and logged when its cause is another one. */
static void what_is_not_proved_is_logged_once(void **state)
{
    struct kit *k = start(true);
    const char *user = net_user(k, "beta.test", "gamma.test", 0);
    static struct net_log log;
    (void)state;
    net_account(k, user, 1000);
    kit_sql(k, "INSERT INTO home (user, host, stamp, proof) VALUES (?1, 'gamma.test', 2000, x'')",
            user);
    net_watch_log(&log, "network.unproved_move");
    open(k);
    loop_sim_advance(k->loop, 600 * 1000);
    assert_int_equal(log.count, 1);
    EXPECT_IN(log.last, "home=gamma.test reason=\"not signed\"");
    kit_sql(k, "UPDATE home SET proof = x'00' WHERE user = ?1", user);
    loop_sim_advance(k->loop, 600 * 1000);
    assert_int_equal(log.count, 2);
    EXPECT_IN(log.last, "reason=\"the key of that home cannot be had\"");
    kit_sql(k, "UPDATE home SET stamp = 9000000000000, proof = x'00' WHERE user = ?1", user);
    loop_sim_advance(k->loop, 600 * 1000);
    assert_int_equal(log.count, 3);
    EXPECT_IN(log.last, "reason=\"a time in the future\"");
    log_set_sink(NULL, NULL);
    net_free(k);
}

/* He has come from gamma, as beta knows: gamma is told, though it is no directory of his. */
static void the_former_home_is_told(void **state)
{
    struct kit *k = start(true);
    const char *user = net_user(k, "prime.test", "beta.test", 0);
    (void)state;
    net_account(k, user, 3000);
    open(k);
    take_all(k, "gamma.test");
    answer_gamma(k, user, &key_gamma);
    EXPECT_IN(batch(k, "gamma.test"), net_record(user, "prime.test", 3000, &key_prime));
    answer(k, "gamma.test", RESULT);
    assert_int_equal(kit_sql(k, "SELECT count(*) FROM home_former WHERE ?1 = ''", ""), 0);
    loop_sim_advance(k->loop, 300 * 1000);
    assert_string_equal(batch(k, "gamma.test"), "");
    net_free(k);
}

static void our_own_directory_knows_it_too(void **state)
{
    struct kit *k = start(true);
    const char *user = net_user(k, "prime.test", "beta.test", 0);
    char record[256];
    (void)state;
    snprintf(record, sizeof(record), "%s", user);
    kit_sql(k, "INSERT INTO home (user, host, stamp, proof) VALUES (?1, 'gamma.test', 5, x'')",
            record);
    net_account(k, user, 3000);
    open(k);
    assert_int_equal(take_all(k, "gamma.test"), 0);
    assert_int_equal(take_all(k, "beta.test"), 1);
    assert_int_equal(take_all(k, "gamma.test"), 1);
    net_free(k);
}

static void the_end_may_come_at_any_moment(void **state)
{
    (void)state;
    for (int i = 0; i < 6; i++) {
        struct kit *k = start(true);
        for (int n = 0; n < 30; n++)
            net_account(k, net_user(k, "beta.test", "gamma.test", n), 1000);
        sm_publish_open(k->sm);
        loop_sim_advance(k->loop, 18 + (uint64_t)i * 2);
        net_free(k);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_user_is_told_to_his_directory),
        cmocka_unit_test(another_key_is_told_anew),
        cmocka_unit_test(nobody_is_told_as_well),
        cmocka_unit_test(without_a_key_they_are_not_signed),
        cmocka_unit_test(many_come_in_batches),
        cmocka_unit_test(a_restart_goes_on),
        cmocka_unit_test(a_new_account_is_told_at_once),
        cmocka_unit_test(another_network_is_told_all),
        cmocka_unit_test(who_is_away_is_told_later),
        cmocka_unit_test(one_instance_tells_it),
        cmocka_unit_test(a_newer_record_sets_the_account_aside),
        cmocka_unit_test(a_forged_one_does_not),
        cmocka_unit_test(a_refusal_is_told_once),
        cmocka_unit_test(an_unproved_move_is_told_once),
        cmocka_unit_test(what_is_not_proved_is_logged_once),
        cmocka_unit_test(the_former_home_is_told),
        cmocka_unit_test(our_own_directory_knows_it_too),
        cmocka_unit_test(the_end_may_come_at_any_moment),
    };
    return cmocka_run_group_tests(tests, net_keys_set_up, net_keys_tear_down);
}
