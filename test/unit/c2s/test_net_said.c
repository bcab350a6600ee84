/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_net_said - what is the same as before is logged once.
 */
#include "net_kit.h"

#include "c2s/sm/network/record.h"

static bool is_news(struct kit *k, const char *event, const char *whom, const char *cause)
{
    return sm_is_news(k->sm, event, span_of(whom), span_of(cause));
}

static void each_cause_is_said_once(void **state)
{
    static const struct {
        const char *event, *whom, *cause; /* cause NULL: it is over */
        bool is_news;
    } steps[] = {
        {"e", "a", "x", true},  {"e", "a", "x", false}, {"e", "b", "x", true},
        {"f", "a", "x", true},  {"e", "a", "y", true},  {"e", "a", "y", false},
        {"e", "a", "x", true},  {"e", "a", NULL, false}, {"e", "b", "x", false},
        {"e", "a", "x", true},  {"e", "z", NULL, false}, {"e", "", "x", true},
        {"e", "", "x", false},
    };
    struct kit *k = net_new(NET_TABLE, NULL);
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        if (steps[i].cause)
            assert_int_equal(is_news(k, steps[i].event, steps[i].whom, steps[i].cause),
                             steps[i].is_news);
        else
            sm_is_over(k->sm, steps[i].event, span_of(steps[i].whom));
    }
    net_free(k);
}

static void it_is_bounded(void **state)
{
    struct kit *k = net_new(NET_TABLE, NULL);
    char whom[32];
    (void)state;
    for (int i = 0; i < 10000; i++) {
        snprintf(whom, sizeof(whom), "user%d", i);
        assert_true(is_news(k, "e", whom, "x"));
        assert_false(is_news(k, "e", whom, "x"));
        assert_in_range(k->sm->net->said.count, 1, 4096);
    }
    net_free(k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_cause_is_said_once),
        cmocka_unit_test(it_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
