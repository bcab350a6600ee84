/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sm_two - one user, two instances: alice is owned by instance 2, and what links them is pumped by
 * the test.
 */
#ifndef TEST_SM_TWO_H
#define TEST_SM_TWO_H

#include "sm_kit.h"

#include "xml/framer.h"

struct two {
    struct kit *front, *owner;
};

/* What a link was given, one stanza after the other: envelopes to the other instance, the rest, as
 * the router would, to the owner of its address. */
static inline bool pump_one(struct kit *from, struct kit *to, struct kit *owner)
{
    struct framer f;
    enum frame frame = FRAME_MORE;
    struct buf bytes = {0};
    size_t at = 0;
    bool is_any = buf_len(&from->link.out) > 0;

    buf_append(&bytes, buf_span(&from->link.out));
    buf_clear(&from->link.out);
    framer_init_stanzas(&f, &framer_limits_link);
    while (at < buf_len(&bytes)) {
        const char *p = buf_span(&bytes).p + at;
        size_t n = framer_scan(&f, p, buf_len(&bytes) - at, &frame);
        assert_int_equal(frame, FRAME_STANZA);
        at += n;
        struct stanza *s = &from->stanza;
        assert_int_equal(
            xml_parse_stanza(xml_parser_shared(SPAN(NS_COMPONENT)), span_make(p, n), s), XML_OK);
        if (stanza_is(s, 0, SPAN(NS_ROUTER), SPAN("envelope")))
            sm_link_events.on_envelope(to->sm, s);
        else
            sm_link_events.on_stanza(owner->sm, s);
    }
    buf_free(&bytes);
    return is_any;
}

static inline void pump(struct two *t)
{
    bool is_any;
    do {
        is_any = pump_one(t->front, t->owner, t->owner);
        is_any |= pump_one(t->owner, t->front, t->owner);
        kit_settle(t->front);
        kit_settle(t->owner);
    } while (is_any || buf_len(&t->front->link.out) || buf_len(&t->owner->link.out));
}

static inline struct kit_client *open_fronted(struct two *t, const char *resource)
{
    struct kit_client *c = kit_open(t->front, "alice", "net.test", resource);
    sm_link_events.on_claim(t->front->sm, SPAN("alice@prime.test"), SPAN("c2s-2.prime.test"));
    kit_settle(t->front);
    pump(t);
    return c;
}

/* The owner, with a client of its own. */
static inline struct kit_client *begin(struct two *t)
{
    static struct sm_opts opts;
    opts = *kit_opts();
    opts.instance = SPAN("c2s-2.prime.test");
    t->front = kit_new(NULL);
    t->owner = kit_new(&opts);
    kit_link_up(t->front);
    kit_link_up(t->owner);
    struct kit_client *c = kit_open(t->owner, "alice", "prime.test", "own");
    sm_link_events.on_claim(t->owner->sm, SPAN("alice@prime.test"), SPAN_NONE);
    kit_settle(t->owner);
    assert_non_null(c->session);
    kit_say(t->owner, c, "<presence/>");
    kit_heard(c);
    return c;
}

static inline void end(struct two *t)
{
    kit_free(t->front);
    kit_free(t->owner);
}

static inline void say(struct two *t, struct kit_client *c, const char *xml)
{
    kit_input(t->front, c, xml);
    kit_settle(t->front);
    pump(t);
}

/* An envelope has come back. */
static inline void owner_dies(struct two *t)
{
    kit_drain(&t->front->link.words);
    kit_parse(t->front, NS_COMPONENT,
              "<envelope xmlns='" NS_ROUTER "' type='error' from='c2s-2.prime.test'"
              " to='c2s-1.prime.test'/>");
    sm_link_events.on_envelope(t->front->sm, &t->front->stanza);
    kit_settle(t->front);
}

#endif
