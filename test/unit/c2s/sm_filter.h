/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sm_filter - what the tests of the filter share: a session manager with one, and the filter's side
 * of the talk. Users are owned here; the link is up.
 */
#ifndef TEST_SM_FILTER_H
#define TEST_SM_FILTER_H

#include "sm_two.h"

#define NS_FILTER "http://kontalk.org/extensions/filter"
#define FILTER "filter.test"
#define PASS "<pass xmlns='" NS_FILTER "'/>"
#define DROP(inner) "<drop xmlns='" NS_FILTER "'>" inner "</drop>"
#define EDIT(inner) "<edit xmlns='" NS_FILTER "'>" inner "</edit>"
#define CONDITION(name) "<" name " xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>"
#define DEADLINE 1000

static inline struct sm_opts *filter_opts(void)
{
    static struct sm_opts opts;
    opts = *kit_opts();
    opts.filter = (struct sm_filter_opts){
        .component = SPAN(FILTER),
        .kinds = SM_FILTER_MESSAGE | SM_FILTER_PRESENCE | SM_FILTER_IQ,
        .directions = SM_SENDING | SM_RECEIVING,
        .deadline = DEADLINE,
        .refuses = true,
        .max_count = 100,
        .max_bytes = 10 << 20,
    };
    return &opts;
}

static inline struct kit *filter_kit(const struct sm_opts *opts)
{
    struct kit *k = kit_new(opts);
    kit_link_up(k);
    return k;
}

static inline struct kit_client *filter_come(struct kit *k, const char *user, const char *resource)
{
    struct kit_client *c = kit_come(k, user, resource, "<presence/>");
    buf_clear(&k->link.out);
    buf_clear(&k->link.words);
    return c;
}

/* Gives the stanza in; its completion does not come yet. */
static inline void say_waiting(struct kit *k, struct kit_client *c, const char *xml)
{
    int before = c->done_count;
    kit_input(k, c, xml);
    kit_settle(k);
    assert_int_equal(c->done_count, before);
}

struct questions {
    const char *text; /* until the next look at anything */
    char ids[16][64];
    size_t count;
};

/* What the filter has been asked since the last call; fails when it was not count questions. */
static inline const struct questions *asked(struct kit *k, size_t count)
{
    static struct questions q;
    q = (struct questions){.text = kit_drain(&k->link.out)};
    for (const char *p = q.text; (p = strstr(p, "<iq type='set' id='filter-")) != NULL; p++) {
        assert_true(q.count < ARRAY_LEN(q.ids));
        assert_int_equal(sscanf(p, "<iq type='set' id='%63[^']'", q.ids[q.count++]), 1);
    }
    if (q.count != count) {
        print_error("%zu questions instead of %zu: %s\n", q.count, count, q.text);
        fail();
    }
    return &q;
}

/* Words of anybody's about a question, without what follows from other things. */
static inline void answer_as(struct kit *k, const char *from, const char *type, const char *id,
                             const char *verdict)
{
    char xml[20000];
    snprintf(xml, sizeof(xml), "<iq type='%s' from='%s' to='c2s-1.prime.test' id='%s'>%s</iq>",
             type, from, id, verdict);
    kit_link_say(k, xml);
}

static inline void answer(struct kit *k, const char *id, const char *verdict)
{
    answer_as(k, FILTER, "result", id, verdict);
}

/* The one question that there is. */
static inline void answer_one(struct kit *k, const char *verdict)
{
    char id[64];
    memcpy(id, asked(k, 1)->ids[0], sizeof(id));
    answer(k, id, verdict);
}

#define TO_BOB(n) "<message to='bob@prime.test/b' id='" n "'><body>" n "</body></message>"

#endif
