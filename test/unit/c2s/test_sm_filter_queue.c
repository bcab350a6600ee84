/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What waits for the filter: its order, its bounds, and how failures are told.
 */
#include "sm_filter.h"

#include "base/log.h"

/* Verdicts come in any order, stanzas go on in theirs; what need not be asked about, too. */
static void in_order(void **state)
{
    struct sm_opts *opts = filter_opts();
    opts->filter.kinds = SM_FILTER_MESSAGE;
    struct kit *k = filter_kit(opts);
    struct kit_client *a = filter_come(k, "alice", "a"), *b = filter_come(k, "bob", "b");
    char ids[3][64];
    (void)state;

    say_waiting(k, a, TO_BOB("1"));
    say_waiting(k, a, TO_BOB("2"));
    say_waiting(k, a, "<iq type='get' to='bob@prime.test/b' id='i'><q xmlns='x'/></iq>");
    say_waiting(k, a, TO_BOB("3"));
    say_waiting(k, a, "<presence to='bob@prime.test/b' type='unavailable' id='p'/>");
    say_waiting(k, a, "<presence><show>dnd</show></presence>");
    const struct questions *q = asked(k, 3);
    memcpy(ids, q->ids, sizeof(ids));
    answer(k, ids[2], PASS);
    answer(k, ids[1], DROP(""));
    EXPECT_NOTHING(a), EXPECT_NOTHING(b);
    /* another's are not held up */
    kit_link_say(k, "<iq type='get' from='x@far.test/x' to='bob@prime.test/b' id='f'>"
                    "<q xmlns='x'/></iq>");
    EXPECT(b, "id='f'");
    answer(k, ids[0], PASS);
    const char *heard = kit_heard(b);
    const char *first = strstr(heard, "<body>1<"), *iq = strstr(heard, "id='i'");
    const char *third = strstr(heard, "<body>3<"), *last = strstr(heard, "id='p'");
    assert_true(first && iq && third && last && first < iq && iq < third && third < last);
    assert_null(strstr(heard, "<body>2<"));
    heard = kit_heard(a);
    EXPECT_IN(heard, "<policy-violation");
    EXPECT_IN(heard, "<show>dnd</show>");
    assert_int_equal(a->done_count, 7);
    kit_close(k, a), kit_close(k, b);
    kit_free(k);
}

/* Of each pair what comes keeps its order; other pairs do not wait for it. */
static void pairs_of_strangers(void **state)
{
    struct kit *k = filter_kit(filter_opts());
    struct kit_client *b = filter_come(k, "bob", "b");
    char ids[3][64];
    (void)state;

    kit_link_say(k, "<message from='x@far.test/1' to='bob@prime.test'><body>1</body></message>");
    kit_link_say(k, "<message from='x@far.test/2' to='bob@prime.test/b'><body>2</body></message>");
    kit_link_say(k, "<message from='y@far.test/1' to='bob@prime.test'><body>3</body></message>");
    memcpy(ids, asked(k, 3)->ids, sizeof(ids));
    answer(k, ids[1], PASS);
    EXPECT_NOTHING(b);
    answer(k, ids[2], PASS);
    EXPECT(b, "<body>3<");
    answer(k, ids[0], PASS);
    const char *heard = kit_heard(b);
    assert_true(strstr(heard, "<body>1<") < strstr(heard, "<body>2<"));
    kit_close(k, b);
    kit_free(k);
}

static void when_too_much_waits(void **state)
{
    struct sm_opts *opts = filter_opts();
    (void)state;

    opts->filter.max_count = 8; /* of which one lane may have two */
    for (int refuses = 0; refuses < 2; refuses++) {
        opts->filter.refuses = refuses;
        struct kit *k = filter_kit(opts);
        struct kit_client *a = filter_come(k, "alice", "a"), *b = filter_come(k, "bob", "b");
        say_waiting(k, a, TO_BOB("1"));
        say_waiting(k, a, TO_BOB("2"));
        kit_input(k, a, TO_BOB("3"));
        if (refuses) {
            assert_int_equal(a->done_count, 2);
            EXPECT(a, " id='3'");
            EXPECT_NOTHING(b);
        } else { /* those before it are let go, that it does not overtake them */
            assert_int_equal(a->done_count, 4);
            const char *heard = kit_heard(b);
            const char *one = strstr(heard, "<body>1<"), *three = strstr(heard, "<body>3<");
            assert_true(one && three && one < three && strstr(heard, "<body>2<"));
        }
        kit_settle(k);
        loop_sim_advance(k->loop, DEADLINE);
        kit_drain(&k->link.out);
        /* what need not be asked about is not refused */
        say_waiting(k, a, TO_BOB("4"));
        say_waiting(k, a, TO_BOB("5"));
        kit_input(k, a, "<presence><show>xa</show></presence>");
        kit_settle(k);
        EXPECT(a, "<show>xa</show>");
        kit_drain(&k->link.out), kit_heard(b);
        for (int i = 0; i < 10; i++) { /* many of them, for all that may wait */
            char xml[200];
            snprintf(xml, sizeof(xml),
                     "<message from='u%d@far.test/x' to='bob@prime.test' id='m%d'><body>m%d</body>"
                     "</message>", i, i, i);
            kit_link_say(k, xml);
        }
        const struct questions *q = asked(k, 8);
        if (refuses)
            EXPECT_IN(q->text, "<message to='u8@far.test/x' from='bob@prime.test' id='m8'"
                               " type='error'>");
        else
            EXPECT(b, "<body>m8</body>");
        kit_close(k, a), kit_close(k, b);
        kit_free(k);
    }
}

static void bytes_count(void **state)
{
    struct sm_opts *opts = filter_opts();
    char xml[30000];
    (void)state;

    opts->filter.max_bytes = 30000;
    struct kit *k = filter_kit(opts);
    struct kit_client *a = filter_come(k, "alice", "a");
    snprintf(xml, sizeof(xml), "<message to='x@far.test'><body>%029000d</body></message>", 1);
    kit_say(k, a, xml);
    EXPECT(a, "<resource-constraint");
    asked(k, 0);
    snprintf(xml, sizeof(xml), "<message to='x@far.test' id='1'><body>%05000d</body></message>", 1);
    say_waiting(k, a, xml);
    snprintf(xml, sizeof(xml), "<message to='x@far.test'><body>%02000d</body></message>", 1);
    kit_say(k, a, xml); /* another would be more than a quarter, which is one's share */
    EXPECT(a, "<resource-constraint");
    loop_sim_advance(k->loop, DEADLINE);
    kit_close(k, a);
    kit_free(k);
}

/* A question that no component's limits would let come back, and one that is too deep. */
static void too_big_to_ask(void **state)
{
    struct kit *k = filter_kit(filter_opts());
    struct kit_client *a = filter_come(k, "alice", "a");
    struct buf xml = {0};
    (void)state;

    buf_append_z(&xml, "<message to='x@far.test' id='1'><body>");
    for (int i = 0; i < 100000; i++)
        buf_append_z(&xml, "&gt;\"");
    buf_append_z(&xml, "</body></message>");
    kit_say(k, a, buf_z(&xml));
    EXPECT(a, "<resource-constraint");
    buf_clear(&xml);
    buf_append_z(&xml, "<message to='x@far.test' id='1'>");
    for (int i = 0; i < 60; i++)
        buf_append_z(&xml, "<d>");
    for (int i = 0; i < 60; i++)
        buf_append_z(&xml, "</d>");
    buf_append_z(&xml, "</message>");
    kit_say(k, a, buf_z(&xml));
    EXPECT(a, "<resource-constraint");
    assert_string_equal(kit_drain(&k->link.out), "");
    buf_free(&xml);
    kit_close(k, a);
    kit_free(k);
}

static size_t lines;
static char last_line[1000];

static void on_line(void *ctx, struct span line)
{
    (void)ctx;
    if (memmem(line.p, line.n, "sm.filter_failed", 16) == NULL)
        return;
    lines++;
    snprintf(last_line, sizeof(last_line), "%.*s", SPAN_ARG(line));
}

/* One line at once, then one for all that follow in ten seconds. */
static void failures_are_counted(void **state)
{
    struct kit *k = filter_kit(filter_opts());
    struct kit_client *a = filter_come(k, "alice", "a");
    (void)state;

    log_set_sink(on_line, NULL);
    for (int i = 0; i < 5; i++) {
        say_waiting(k, a, "<message to='x@far.test'><body>1</body></message>");
        loop_sim_advance(k->loop, DEADLINE);
    }
    say_waiting(k, a, "<message to='x@far.test'><body>1</body></message>");
    kit_drain(&k->link.out);
    say_waiting(k, a, "<message to='x@far.test'><body>1</body></message>");
    answer_one(k, "<what/>");
    assert_int_equal(lines, 1);
    EXPECT_IN(last_line, "component=filter.test stanzas=refused late=1 error=0 bad=0");
    loop_sim_advance(k->loop, 10000);
    assert_int_equal(lines, 2);
    EXPECT_IN(last_line, "late=5 error=0 bad=1 away=0 full=0 big=0");
    loop_sim_advance(k->loop, 100000);
    assert_int_equal(lines, 2);
    log_set_sink(NULL, NULL);
    kit_close(k, a);
    kit_free(k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_order),
        cmocka_unit_test(pairs_of_strangers),
        cmocka_unit_test(when_too_much_waits),
        cmocka_unit_test(bytes_count),
        cmocka_unit_test(too_big_to_ask),
        cmocka_unit_test(failures_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
