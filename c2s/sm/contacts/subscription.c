/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * subscription - what each subscription stanza does between a user and a contact: RFC 6121 section
 * 3 and appendix A, as one table. Pure: state and event in, new state and what is to be done out.
 *
 * Called on the storage thread by subscribe.c's jobs, who have the state at hand.
 */
#include "c2s/sm/contacts/contacts.h"

#define TO SM_STATE_TO
#define FROM SM_STATE_FROM
#define ASKED SM_STATE_ASKED
#define APPROVED SM_STATE_APPROVED
#define REQUESTED SM_STATE_REQUESTED
#define SEND SM_ACT_SEND
#define DELIVER SM_ACT_DELIVER
#define REPLY SM_ACT_REPLY
#define SHOW SM_ACT_SHOW
#define HIDE SM_ACT_HIDE
#define ALWAYS 0

struct rule {
    enum sm_sub_event event;
    unsigned when; /* any of these; ALWAYS */
    unsigned clear, set;
    unsigned acts;
};

/* The first that fits; none: nothing happens. The words of the RFC's tables: "pending out" is
 * ASKED, "pending in" is REQUESTED. */
static const struct rule rules[] = {
    /* A.2.1: always sent, so that a contact who has lost our state is asked again */
    {SM_OUT_SUBSCRIBE,    TO,         0,                             0,         SEND},
    {SM_OUT_SUBSCRIBE,    ALWAYS,     0,                             ASKED,     SEND},
    /* A.2.2 */
    {SM_OUT_UNSUBSCRIBE,  ALWAYS,     TO | ASKED,                    0,         SEND},
    /* A.2.3; who has not asked is approved in advance (3.4) */
    {SM_OUT_SUBSCRIBED,   REQUESTED,  REQUESTED | APPROVED,          FROM,      SEND | SHOW},
    {SM_OUT_SUBSCRIBED,   FROM,       0,                             0,         0},
    {SM_OUT_SUBSCRIBED,   ALWAYS,     0,                             APPROVED,  0},
    /* A.2.4 */
    {SM_OUT_UNSUBSCRIBED, FROM,       FROM | REQUESTED | APPROVED,   0,         SEND | HIDE},
    {SM_OUT_UNSUBSCRIBED, REQUESTED,  REQUESTED | APPROVED,          0,         SEND},
    {SM_OUT_UNSUBSCRIBED, ALWAYS,     APPROVED,                      0,         0},
    /* A.3.1; a subscriber who asks again has lost our state, and is told */
    {SM_IN_SUBSCRIBE,     FROM,       0,                             0,         REPLY},
    {SM_IN_SUBSCRIBE,     APPROVED,   REQUESTED | APPROVED,          FROM,      REPLY | SHOW},
    {SM_IN_SUBSCRIBE,     REQUESTED,  0,                             0,         0},
    {SM_IN_SUBSCRIBE,     ALWAYS,     0,                             REQUESTED, DELIVER},
    /* A.3.2 */
    {SM_IN_UNSUBSCRIBE,   FROM,       FROM | REQUESTED,              0,         DELIVER | HIDE},
    {SM_IN_UNSUBSCRIBE,   REQUESTED,  REQUESTED,                     0,         DELIVER},
    /* A.3.3 */
    {SM_IN_SUBSCRIBED,    ASKED,      ASKED,                         TO,        DELIVER},
    /* A.3.4 */
    {SM_IN_UNSUBSCRIBED,  TO | ASKED, TO | ASKED,                    0,         DELIVER},
};

struct sm_step sm_subscription_step(unsigned state, enum sm_sub_event event)
{
    for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
        const struct rule *r = &rules[i];
        if (r->event == event && (r->when == ALWAYS || (state & r->when)))
            return (struct sm_step){.state = (state & ~r->clear) | r->set, .acts = r->acts};
    }
    return (struct sm_step){.state = state};
}

bool sm_subscription_event(struct span type, bool is_outbound, enum sm_sub_event *event_r)
{
    static const struct {
        struct span type;
        enum sm_sub_event out, in;
    } types[] = {
        {SPAN_INIT("subscribe"), SM_OUT_SUBSCRIBE, SM_IN_SUBSCRIBE},
        {SPAN_INIT("subscribed"), SM_OUT_SUBSCRIBED, SM_IN_SUBSCRIBED},
        {SPAN_INIT("unsubscribe"), SM_OUT_UNSUBSCRIBE, SM_IN_UNSUBSCRIBE},
        {SPAN_INIT("unsubscribed"), SM_OUT_UNSUBSCRIBED, SM_IN_UNSUBSCRIBED},
    };

    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        if (span_eq(type, types[i].type)) {
            *event_r = is_outbound ? types[i].out : types[i].in;
            return true;
        }
    }
    return false;
}
