/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * ask - questions to other members, and their answers.
 */
#include "c2s/sm/network/network.h"

struct sm_question *sm_question_ask(struct sm *sm, struct span to, bool is_set, struct span payload,
                                    uint64_t deadline,
                                    void (*answer)(void *ctx, enum stanza_error e,
                                                   const struct stanza *result, uint32_t payload),
                                    void *ctx)
{
    (void)sm, (void)to, (void)is_set, (void)payload, (void)deadline, (void)answer, (void)ctx;
    return NULL;
}

void sm_question_drop(struct sm_question **q)
{
    *q = NULL;
}

bool sm_question_answer(struct sm_in *in)
{
    (void)in;
    return false;
}

void sm_questions_close(struct sm *sm)
{
    (void)sm;
}

bool sm_member_is_reachable(const struct sm *sm, struct span host)
{
    (void)sm, (void)host;
    return false;
}
