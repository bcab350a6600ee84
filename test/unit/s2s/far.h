/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * far - another server that s2s has dialled, step by step: for the tests of what we open.
 */
#ifndef TEST_S2S_FAR_H
#define TEST_S2S_FAR_H

#include "house.h"
#include "s2s/dialback.h"

#define FAR_OPEN(id)                                                                               \
    "<stream:stream from='" PEER "' to='" HOST "' id='" id "' version='1.0' " DECLARED ">"
#define FEATURES(inner) "<stream:features>" inner "</stream:features>"
#define OFFER_EXTERNAL                                                                             \
    "<mechanisms xmlns='" SASL "'><mechanism>PLAIN</mechanism><mechanism>EXTERNAL</mechanism>"     \
    "</mechanisms>"
#define OFFER_DIALBACK "<dialback xmlns='urn:xmpp:features:dialback'><errors/></dialback>"
#define OFFER_SM "<sm xmlns='urn:xmpp:sm:3'/>"
#define OFFER_BIDI "<bidi xmlns='urn:xmpp:features:bidi'/>"
#define PROCEED "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
#define A(h) "<a xmlns='urn:xmpp:sm:3' h='" h "'/>"
#define R "<r xmlns='urn:xmpp:sm:3'/>"
#define ANY_AUTH "[policy]\nauth = dialback\n"
#define GONE "nowhere.example" /* the DNS does not know it */
#define RESULT(type) "<db:result from='" PEER "' to='" HOST "' type='" type "'/>"

/* A message of romeo's to somebody in domain, as the router gives it. */
static inline void send_to(struct house *h, const char *domain, unsigned number)
{
    char text[256];
    snprintf(text, sizeof text,
             "<message from='romeo@" HOST "/orchard' to='juliet@%s' id='m%u'><body>b%u</body>"
             "</message>",
             domain, number, number);
    wire_say(h->router, text);
}

static inline void send_one(struct house *h, unsigned number)
{
    send_to(h, PEER, number);
}

/* Time passes; the router stays alive. */
static inline void pass(struct house *h, uint64_t ms)
{
    while (ms > 0) {
        uint64_t step = ms < 4000 ? ms : 4000;
        loop_sim_advance(h->loop, step);
        wire_say(h->router, " ");
        ms -= step;
    }
}

/* What the wire has heard since the last call has these messages, in order, each once. */
static inline void expect_messages(struct wire *w, unsigned from, unsigned to)
{
    const char *heard = wire_heard(w), *at = heard;
    char body[32];
    for (unsigned i = from; i < to; i++) {
        snprintf(body, sizeof body, "<body>b%u</body>", i);
        const char *hit = strstr(at, body);
        if (!hit)
            fail_msg("expected %s\n   heard: %s", body, heard);
        at = hit + strlen(body);
    }
    if (strstr(at, "<body>"))
        fail_msg("more than b%u: %s", to, at);
}

/* Up to TLS: its header and features come next. */
static inline void far_secure(struct house *h)
{
    assert_non_null(h->dialled);
    wire_expect(h->dialled, "<stream:stream");
    wire_say(h->dialled, FAR_OPEN("far0") FEATURES(STARTTLS));
    wire_expect(h->dialled, "<starttls");
    wire_say(h->dialled, PROCEED);
    house_secure(h->dialled);
    wire_expect(h->dialled, "<stream:stream");
}

/* By EXTERNAL to the end; after is what the last features offer. */
static inline void far_external(struct house *h, const char *before, const char *after)
{
    house_proved = PEER;
    far_secure(h);
    wire_say(h->dialled, FAR_OPEN("far1") "<stream:features>" OFFER_EXTERNAL);
    wire_say(h->dialled, before);
    wire_say(h->dialled, "</stream:features>");
    wire_expect(h->dialled, "mechanism='EXTERNAL'>Y2FwdWxldC5leGFtcGxl</auth>");
    wire_say(h->dialled, "<success xmlns='" SASL "'/>");
    wire_expect(h->dialled, "<stream:stream");
    wire_say(h->dialled, FAR_OPEN("far2") "<stream:features>");
    wire_say(h->dialled, after);
    wire_say(h->dialled, "</stream:features>");
    if (strstr(after, "urn:xmpp:sm:3"))
        wire_say(h->dialled, "<enabled xmlns='urn:xmpp:sm:3'/>");
}

/* One message that waits, and the stream that it asks for; what comes over it has been heard. */
static inline void far_up(struct house *h, const char *after)
{
    house_link(h);
    send_one(h, 0);
    far_external(h, "", after);
}

static inline struct pair *the_pair(struct house *h)
{
    struct pair *p = pair_find(h->s2s, SPAN(HOST), SPAN(PEER));
    assert_non_null(p);
    return p;
}

static inline size_t queued(struct house *h)
{
    size_t stanzas, bytes;
    uint64_t age;
    outbox_figures(the_pair(h)->outbox, &stanzas, &bytes, &age);
    return stanzas;
}

/* romeo is told. */
static inline void expect_bounce(struct house *h, const char *condition)
{
    const char *heard = wire_heard(h->router);
    if (!strstr(heard, "type='error'") || !strstr(heard, condition) ||
        !strstr(heard, "to='romeo@" HOST "/orchard'"))
        fail_msg("expected a bounce, %s\n   heard: %s", condition, heard);
}

static inline void expect_no_bounce(struct house *h)
{
    const char *heard = wire_heard(h->router);
    if (strstr(heard, "type='error'"))
        fail_msg("nobody should be told: %s", heard);
}

/* The dialback key for that stream has been shown. */
static inline void expect_key(struct house *h, const char *stream_id)
{
    char key[DIALBACK_KEY_LEN + 1], want[300];
    dialback_key(h->s2s, SPAN(PEER), SPAN(HOST), span_of(stream_id), key);
    snprintf(want, sizeof want, "<db:result from='" HOST "' to='" PEER "'>%s</db:result>", key);
    wire_expect(h->dialled, want);
}

/* The far server ends the connection without a word, at the moment of the attempt. */
static inline void far_hangs_up(struct house *h)
{
    conn_abort(h->dialled->conn, 0);
    loop_sim_settle(h->loop);
}

#endif
