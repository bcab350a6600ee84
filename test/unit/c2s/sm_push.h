/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sm_push - what the tests of notifications (XEP-0357) share: a client that has enabled a service,
 * messages for it from elsewhere, and the service's answers.
 */
#ifndef TEST_SM_PUSH_H
#define TEST_SM_PUSH_H

#include "sm_two.h"

#define ENABLE(jid, node)                                                                          \
    "<iq type='set' id='e'><enable xmlns='urn:xmpp:push:0' jid='" jid "' node='" node "'/></iq>"
#define DISABLE(rest) "<iq type='set' id='d'><disable xmlns='urn:xmpp:push:0' " rest "/></iq>"
#define OPTIONS(type)                                                                              \
    "<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>" type                   \
    "</value></field><field var='secret'><value>a&lt;b</value></field></x>"
#define PUBLISH_OPTIONS OPTIONS("http://jabber.org/protocol/pubsub#publish-options")
#define BODY "<body>hi</body>"
#define SUMMARY(count, more)                                                                       \
    "<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE' type='hidden'>"                 \
    "<value>urn:xmpp:push:summary</value></field><field var='message-count'><value>" count         \
    "</value></field>" more "</x>"
#define ERROR(type, condition)                                                                     \
    "<error type='" type "'><" condition " xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"

static inline struct kit_client *come(struct kit *k, const char *user, const char *resource,
                               const char *words)
{
    struct kit_client *c = kit_open(k, user, "prime.test", resource);
    if (k->link.is_up && !c->session) {
        char bare[64];
        snprintf(bare, sizeof(bare), "%s@prime.test", user);
        sm_link_events.on_claim(k->sm, span_of(bare), SPAN_NONE);
        kit_settle(k);
    }
    assert_non_null(c->session);
    if (*words)
        kit_say(k, c, words);
    kit_heard(c);
    return c;
}

static inline struct kit *linked(const struct sm_opts *opts)
{
    struct kit *k = kit_new(opts);
    kit_link_up(k);
    return k;
}

static inline size_t count(const char *heard, const char *text)
{
    size_t n = 0;
    for (; (heard = strstr(heard, text)) != NULL; heard++)
        n++;
    return n;
}

/* What has gone over the link: so many notifications. */
static inline const char *expect_pushes(struct kit *k, size_t n)
{
    const char *out = kit_drain(&k->link.out);
    if (count(out, "<notification xmlns='urn:xmpp:push:0'>") != n)
        fail_msg("not %zu notifications: %s", n, out);
    return out;
}

/* The answer to the last notification in what has gone over the link. */
static inline void answer(struct kit *k, const char *pushes, const char *from, const char *to,
                   const char *type, const char *error)
{
    struct buf xml = {0};
    const char *id = NULL;
    for (const char *p = pushes; (p = strstr(p, " id='notify-")) != NULL; p++)
        id = p + 5;
    assert_non_null(id);
    buf_printf(&xml, "<iq type='%s' from='%s' to='%s' id='%.*s'>%s</iq>", type, from, to,
               (int)strcspn(id, "'"), id, error);
    kit_link_say(k, buf_z(&xml));
    buf_free(&xml);
}

static inline void succeed(struct kit *k, const char *pushes)
{
    answer(k, pushes, "push.far.test", "alice@prime.test", "result", "");
}

static inline int64_t registrations(struct kit *k)
{
    return kit_sql(k, "SELECT count(*) FROM push WHERE ?1 IS NOT NULL", "");
}

static inline void from_afar(struct kit *k, const char *rest)
{
    char xml[2048];
    snprintf(xml, sizeof(xml),
             "<message from='carol@far.test/x' to='alice@prime.test' %s</message>", rest);
    kit_link_say(k, xml);
}

static inline void next_day(struct kit *k)
{
    loop_sim_advance(k->loop, 60000);
}

/* alice with a client that has enabled that node, and gone. */
static inline struct kit *away(const struct sm_opts *opts)
{
    struct kit *k = linked(opts);
    struct kit_client *a = come(k, "alice", "phone", ENABLE("push.far.test", "n1"));
    kit_close(k, a);
    sm_link_events.on_released(k->sm, SPAN("alice@prime.test"));
    kit_settle(k);
    kit_drain(&k->link.out);
    return k;
}

#endif
