/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_net_ask - questions to other servers: who may answer them, and what becomes of those that
 * nobody answers.
 */
#include "net_kit.h"

struct heard {
    int count;
    enum stanza_error e;
    char payload[64]; /* its name */
};

static void on_answer(void *ctx, enum stanza_error e, const struct stanza *result, uint32_t payload)
{
    struct heard *h = ctx;
    h->count++;
    h->e = e;
    h->payload[0] = 0;
    if (payload)
        snprintf(h->payload, sizeof(h->payload), "%.*s", SPAN_ARG(result->nodes[payload].name));
}

static struct sm_question *ask(struct kit *k, const char *to, struct heard *h)
{
    return sm_question_ask(k->sm, span_of(to), false, SPAN("<what xmlns='urn:x'/>"), 5000,
                           on_answer, h);
}

static void test_result(void **state)
{
    (void)state;
    struct kit *k = net_new(NET_TABLE, NULL);
    struct heard h = {0};
    assert_non_null(ask(k, "beta.test", &h));
    EXPECT_IN(buf_z(&k->link.out), "<iq type='get'");
    EXPECT_IN(buf_z(&k->link.out), " from='prime.test/c2s-1.prime.test' to='beta.test'>"
                                   "<what xmlns='urn:x'/></iq>");
    net_answer(k, "beta.test", "<so xmlns='urn:x'/>");
    assert_int_equal(h.count, 1);
    assert_int_equal(h.e, STANZA_ERROR_NONE);
    assert_string_equal(h.payload, "so");
    loop_sim_advance(k->loop, 10000);
    assert_int_equal(h.count, 1);
    net_free(k);
}

static void test_errors(void **state)
{
    (void)state;
    static const struct {
        const char *xml;
        enum stanza_error e;
    } cases[] = {
        {"<error type='auth'><forbidden xmlns='" NS_STANZA_ERRORS "'/></error>", STANZA_FORBIDDEN},
        {"<error type='wait'><what xmlns='" NS_STANZA_ERRORS "'/></error>",
         STANZA_UNDEFINED_CONDITION},
        {"<error/>", STANZA_UNDEFINED_CONDITION},
        {"", STANZA_UNDEFINED_CONDITION},
    };
    struct kit *k = net_new(NET_TABLE, NULL);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct heard h = {0};
        char id[64];
        ask(k, "beta.test", &h);
        snprintf(id, sizeof(id), "%s", net_asked(k, "beta.test", ""));
        net_reply(k, "error", id, "beta.test", cases[i].xml);
        assert_int_equal(h.count, 1);
        assert_int_equal(h.e, cases[i].e);
    }
    net_free(k);
}

/* The id alone does not make an answer. */
static void test_only_who_was_asked(void **state)
{
    (void)state;
    static const char *const others[] = {"gamma.test", "probe@gamma.test", "beta.test",
                                         "probe@beta.test/x", "x@beta.test"};
    struct kit *k = net_new(NET_TABLE, NULL);
    struct heard h = {0};
    char id[64];
    ask(k, "probe@beta.test", &h);
    snprintf(id, sizeof(id), "%s", net_asked(k, "probe@beta.test", ""));
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        net_reply(k, "result", id, others[i], "<so xmlns='urn:x'/>");
        assert_int_equal(h.count, 0);
    }
    net_reply(k, "result", "another", "probe@beta.test", "<so xmlns='urn:x'/>");
    assert_int_equal(h.count, 0);
    net_reply(k, "result", id, "probe@BETA.test", "<so xmlns='urn:x'/>");
    assert_int_equal(h.count, 1);
    net_reply(k, "result", id, "probe@beta.test", "<so xmlns='urn:x'/>");
    assert_int_equal(h.count, 1);
    net_free(k);
}

/* Nor does one from a client. */
static void test_clients_do_not_answer(void **state)
{
    (void)state;
    struct kit *k = net_new(NET_TABLE, NULL);
    struct kit_client *alice = kit_come(k, "alice", "a", "");
    struct heard h = {0};
    char id[64], xml[256];
    ask(k, "beta.test", &h);
    snprintf(id, sizeof(id), "%s", net_asked(k, "beta.test", ""));
    snprintf(xml, sizeof(xml), "<iq type='result' id='%s' to='prime.test/c2s-1.prime.test'/>", id);
    kit_say(k, alice, xml);
    assert_int_equal(h.count, 0);
    kit_close(k, alice);
    net_free(k);
}

static void test_deadline(void **state)
{
    (void)state;
    struct kit *k = net_new(NET_TABLE, NULL);
    struct heard h = {0};
    ask(k, "beta.test", &h);
    assert_false(sm_member_is_silent(k->sm, SPAN("beta.test")));
    loop_sim_advance(k->loop, 4900);
    assert_int_equal(h.count, 0);
    loop_sim_advance(k->loop, 200);
    assert_int_equal(h.count, 1);
    assert_int_equal(h.e, STANZA_REMOTE_SERVER_TIMEOUT);
    assert_true(sm_member_is_silent(k->sm, SPAN("beta.test")));
    assert_false(sm_member_is_silent(k->sm, SPAN("gamma.test")));
    net_answer(k, "beta.test", "<so xmlns='urn:x'/>"); /* too late */
    assert_int_equal(h.count, 1);
    loop_sim_advance(k->loop, 10000);
    assert_false(sm_member_is_silent(k->sm, SPAN("beta.test")));
    net_free(k);
}

/* Any answer ends the silence. */
static void test_silence_ends(void **state)
{
    (void)state;
    struct kit *k = net_new(NET_TABLE, NULL);
    struct heard a = {0}, b = {0};
    ask(k, "beta.test", &a);
    net_asked(k, "beta.test", "");
    loop_sim_advance(k->loop, 2000);
    ask(k, "probe@beta.test", &b);
    loop_sim_advance(k->loop, 4000);
    assert_true(sm_member_is_silent(k->sm, SPAN("beta.test")));
    net_answer(k, "probe@beta.test", "<so xmlns='urn:x'/>");
    assert_int_equal(b.count, 1);
    assert_false(sm_member_is_silent(k->sm, SPAN("beta.test")));
    net_free(k);
}

static void test_drop(void **state)
{
    (void)state;
    struct kit *k = net_new(NET_TABLE, NULL);
    struct heard h = {0};
    struct sm_question *q = ask(k, "beta.test", &h);
    sm_question_drop(&q);
    assert_null(q);
    sm_question_drop(&q);
    net_answer(k, "beta.test", "<so xmlns='urn:x'/>");
    loop_sim_advance(k->loop, 10000);
    assert_int_equal(h.count, 0);
    net_free(k);
}

static void test_cannot_be_asked(void **state)
{
    (void)state;
    struct kit *alone = kit_new(NULL);
    struct kit *k = net_new(NET_TABLE, NULL);
    struct heard h = {0};
    kit_link_up(alone);
    assert_null(ask(alone, "beta.test", &h));
    k->link.is_full = true;
    assert_null(ask(k, "beta.test", &h));
    k->link.is_full = false;
    kit_link_down(k);
    assert_null(ask(k, "beta.test", &h));
    loop_sim_advance(k->loop, 10000);
    assert_int_equal(h.count, 0);
    kit_free(alone);
    net_free(k);
}

static void test_too_many(void **state)
{
    (void)state;
    struct kit *k = net_new(NET_TABLE, NULL);
    struct heard h = {0};
    for (int i = 0; i < 10000; i++)
        assert_non_null(ask(k, "beta.test", &h));
    assert_null(ask(k, "beta.test", &h));
    loop_sim_advance(k->loop, 6000);
    assert_int_equal(h.count, 10000);
    assert_non_null(ask(k, "beta.test", &h));
    net_free(k); /* with one under way */
    assert_int_equal(h.count, 10000);
}

/* Members are reached while the router has their route; they are no items of ours. */
static void test_reachable(void **state)
{
    (void)state;
    struct kit *k = net_new(NET_TABLE, NULL);
    assert_true(sm_member_is_reachable(k->sm, SPAN("beta.test")));
    assert_false(sm_member_is_reachable(k->sm, SPAN("delta.test")));
    net_route(k, "beta.test", false);
    assert_false(sm_member_is_reachable(k->sm, SPAN("beta.test")));
    net_route(k, "delta.test", true); /* before the table has it */
    net_table(k, NET_TABLE "delta.test " NET_FINGERPRINT_DELTA " enabled\n");
    assert_true(sm_member_is_reachable(k->sm, SPAN("delta.test")));
    kit_link_say(k, "<iq xmlns='" NS_COMPONENT "' type='get' id='d' from='x@far.test'"
                    " to='prime.test'><query xmlns='" NS_DISCO_ITEMS "'/></iq>");
    assert_null(strstr(buf_z(&k->link.out), "jid='delta.test'"));
    kit_link_down(k);
    kit_link_up(k);
    assert_false(sm_member_is_reachable(k->sm, SPAN("gamma.test")));
    net_free(k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_result),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_only_who_was_asked),
        cmocka_unit_test(test_clients_do_not_answer),
        cmocka_unit_test(test_deadline),
        cmocka_unit_test(test_silence_ends),
        cmocka_unit_test(test_drop),
        cmocka_unit_test(test_cannot_be_asked),
        cmocka_unit_test(test_too_many),
        cmocka_unit_test(test_reachable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
