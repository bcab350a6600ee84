/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The rules of subscriptions: the tables of RFC 6121 appendix A.
 */
#include "sm_kit.h"

#include "c2s/sm/contacts/contacts.h"

/* --- the tables, as the RFC has them --- */

enum { NONE = 0, TO = 1, FROM = 2, BOTH = 3, OUT = 4, IN = 16 };

static const unsigned states[] = {NONE, NONE | OUT,  NONE | IN,  NONE | OUT | IN, TO,
                                  TO | IN, FROM, FROM | OUT, BOTH};

/* For each state: '+' the stanza goes on, '-' it does not; then the new state, '=' if none. */
static const struct {
    enum sm_sub_event event;
    struct {
        char passes;
        int state;
    } rows[9];
} tables[] = {
    {SM_OUT_SUBSCRIBE, {{'+', NONE | OUT}, {'+', -1}, {'+', NONE | OUT | IN}, {'+', -1}, {'+', -1},
                        {'+', -1}, {'+', FROM | OUT}, {'+', -1}, {'+', -1}}},
    {SM_OUT_UNSUBSCRIBE, {{'+', -1}, {'+', NONE}, {'+', -1}, {'+', NONE | IN}, {'+', NONE},
                          {'+', NONE | IN}, {'+', -1}, {'+', FROM}, {'+', FROM}}},
    /* '-' of a state without "from": approved in advance */
    {SM_OUT_SUBSCRIBED, {{'-', NONE | 8}, {'-', NONE | OUT | 8}, {'+', FROM}, {'+', FROM | OUT},
                         {'-', TO | 8}, {'+', BOTH}, {'-', -1}, {'-', -1}, {'-', -1}}},
    {SM_OUT_UNSUBSCRIBED, {{'-', -1}, {'-', -1}, {'+', NONE}, {'+', NONE | OUT}, {'-', -1},
                           {'+', TO}, {'+', NONE}, {'+', NONE | OUT}, {'+', TO}}},
    {SM_IN_SUBSCRIBE, {{'+', NONE | IN}, {'+', NONE | OUT | IN}, {'-', -1}, {'-', -1},
                       {'+', TO | IN}, {'-', -1}, {'-', -1}, {'-', -1}, {'-', -1}}},
    {SM_IN_UNSUBSCRIBE, {{'-', -1}, {'-', -1}, {'+', NONE}, {'+', NONE | OUT}, {'-', -1},
                         {'+', TO}, {'+', NONE}, {'+', NONE | OUT}, {'+', TO}}},
    {SM_IN_SUBSCRIBED, {{'-', -1}, {'+', TO}, {'-', -1}, {'+', TO | IN}, {'-', -1}, {'-', -1},
                        {'-', -1}, {'+', BOTH}, {'-', -1}}},
    {SM_IN_UNSUBSCRIBED, {{'-', -1}, {'+', NONE}, {'-', -1}, {'+', NONE | IN}, {'+', NONE},
                          {'+', NONE | IN}, {'-', -1}, {'+', FROM}, {'+', FROM}}},
};

static void appendix_a(void **state)
{
    (void)state;
    assert_int_equal(ARRAY_LEN(tables), SM_SUB_EVENTS);
    for (size_t t = 0; t < ARRAY_LEN(tables); t++) {
        const bool is_out = tables[t].event < SM_IN_SUBSCRIBE;
        for (size_t i = 0; i < ARRAY_LEN(states); i++) {
            const struct sm_step step = sm_subscription_step(states[i], tables[t].event);
            const int wanted = tables[t].rows[i].state;
            const bool passes = step.acts & (is_out ? SM_ACT_SEND : SM_ACT_DELIVER);
            if (step.state != (wanted < 0 ? states[i] : (unsigned)wanted) ||
                passes != (tables[t].rows[i].passes == '+'))
                fail_msg("event %d in state %u: state %u, acts %u", tables[t].event, states[i],
                         step.state, step.acts);
        }
    }
}

/* Asked for what is there already, or granted what has been: there is no such state. */
static bool is_sound(unsigned s)
{
    const unsigned asked = SM_STATE_REQUESTED | SM_STATE_APPROVED;
    return !((s & TO) && (s & OUT)) && !((s & FROM) && (s & asked)) && (s & asked) != asked;
}

/* What follows from the tables, in every state there is, with and without approval in advance. */
static void every_state_and_event(void **state)
{
    (void)state;
    for (unsigned s = 0; s < SM_STATES; s++) {
        for (enum sm_sub_event e = 0; e < SM_SUB_EVENTS; e++) {
            const struct sm_step step = sm_subscription_step(s, e);
            const bool had = s & FROM, has = step.state & FROM;
            if (!is_sound(s))
                continue;
            assert_true(is_sound(step.state));
            /* who gains sight is shown, who loses it is told */
            assert_int_equal(!had && has, (step.acts & SM_ACT_SHOW) != 0);
            assert_int_equal(had && !has, (step.acts & SM_ACT_HIDE) != 0);
            /* only a request is ever answered */
            assert_true(!(step.acts & SM_ACT_REPLY) || e == SM_IN_SUBSCRIBE);
            assert_true(!(step.acts & SM_ACT_SEND) || e < SM_IN_SUBSCRIBE);
            assert_true(!(step.acts & SM_ACT_DELIVER) || e >= SM_IN_SUBSCRIBE);
            /* what the contact says never gives him more than he has been granted */
            if (e >= SM_IN_SUBSCRIBE && !had && has)
                assert_true(s & SM_STATE_APPROVED);
            /* the same again changes nothing more */
            assert_int_equal(sm_subscription_step(step.state, e).state, step.state);
        }
    }
}

static void event_names(void **state)
{
    enum sm_sub_event e;
    (void)state;
    assert_true(sm_subscription_event(SPAN("subscribe"), true, &e) && e == SM_OUT_SUBSCRIBE);
    assert_true(sm_subscription_event(SPAN("unsubscribed"), false, &e) &&
                e == SM_IN_UNSUBSCRIBED);
    assert_false(sm_subscription_event(SPAN("probe"), false, &e));
    assert_false(sm_subscription_event(SPAN(""), false, &e));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(appendix_a),
        cmocka_unit_test(every_state_and_event),
        cmocka_unit_test(event_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
