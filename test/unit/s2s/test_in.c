/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Incoming streams: headers, TLS, EXTERNAL, XEP-0198, XEP-0288, limits. Dialback on them is in
 * test_in_dialback.c, their stanzas are in test_inbound.c.
 */
#include "house.h"

/* --- headers ---------------------------------------------------------------------------------- */

/* X34, S03, S07, and names in all spellings. */
static void judges_headers(void **state)
{
    static const struct {
        const char *attributes, *answer;
    } cases[] = {
        {"to='capulet.example' from='montague.example' version='1.0'", "<stream:features>"},
        {"to='CAPULET.example.' version='1.0'", "<stream:features>"},
        {"to='verona.example' version='1.0'", "<stream:features>"},
        {"to='chat.capulet.example' version='1.0'", "<stream:features>"},
        {"version='1.0'", "<improper-addressing"},
        {"to='' version='1.0'", "<improper-addressing"},
        {"to='montague.example' version='1.0'", "<host-unknown"},
        {"to='no.capulet.example' version='1.0'", "<host-unknown"},
        {"to='a@capulet.example' version='1.0'", "<host-unknown"},
        {"to='capulet.example' from='' version='1.0'", "<improper-addressing"},
        {"to='capulet.example' from='b c' version='1.0'", "<improper-addressing"},
        {"to='capulet.example' from='capulet.example' version='1.0'", "<not-authorized"},
        {"to='capulet.example' from='CAPULET.Example' version='1.0'", "<not-authorized"},
        {"to='capulet.example' from='\xEF\xBD\x83"
         "apulet.example' version='1.0'",
         "<not-authorized"},
        {"to='capulet.example' from='capulet\xE3\x80\x82"
         "example' version='1.0'",
         "<not-authorized"},
        {"to='capulet.example' from='verona.example' version='1.0'", "<not-authorized"},
        {"to='capulet.example' from='chat.capulet.example' version='1.0'", "<not-authorized"},
        {"to='capulet.example' from='away.capulet.example' version='1.0'", "<not-authorized"},
        {"to='capulet.example' from='bad.example' version='1.0'", "<policy-violation"},
        {"to='capulet.example'", "<unsupported-version"},
    };
    char text[512];
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct house *h = house_new("[domain bad.example]\ndeny = true\n");
        house_link(h);
        struct wire *w = peer_new(h, 0, false);
        snprintf(text, sizeof text, "<stream:stream %s " DECLARED ">", cases[i].attributes);
        wire_say(w, text);
        if (!strstr(buf_z(&w->heard), cases[i].answer))
            fail_msg("%s: %s", cases[i].attributes, wire_heard(w));
        if (cases[i].answer[1] != 's')
            wire_expect_end(w, "</stream:stream>");
        wire_free(&w);
        house_free(h);
    }
}

/* What is offered when: nothing but TLS in clear text where that is required. */
static void offers_by_state(void **state)
{
    (void)state;
    struct house *h = house_new("");
    struct wire *w = peer_new(h, 0, false);
    wire_say(w, OPEN);
    wire_expect(w, "from='" HOST "' to='" PEER "' version='1.0' xml:lang='en'><stream:features>"
                   "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls>"
                   "</stream:features>");
    wire_say(w, STARTTLS);
    wire_expect(w, "<proceed");
    house_secure(w);
    wire_say(w, OPEN);
    wire_expect_not(w, "EXTERNAL");
    wire_expect(w, "<stream:features><dialback xmlns='urn:xmpp:features:dialback'><errors/>"
                   "</dialback><bidi xmlns='urn:xmpp:features:bidi'/><sm xmlns='urn:xmpp:sm:3'/>"
                   "<limits xmlns='urn:xmpp:stream-limits:0'><max-bytes>524288</max-bytes>"
                   "<idle-seconds>900</idle-seconds></limits></stream:features>");
    wire_free(&w);
    house_free(h);

    h = house_new("[policy]\ntls = optional\nauth = certificate\n");
    w = peer_new(h, 0, false);
    wire_say(w, OPEN);
    wire_expect_not(w, "<required/>");
    wire_expect_not(w, "<dialback");
    wire_expect(w, "<bidi");
    wire_free(&w);
    house_free(h);
}

/* T01: what comes behind <starttls/> in clear text ends it. */
static void starts_tls_clean(void **state)
{
    (void)state;
    struct house *h = house_new("");
    house_proved = PEER;
    struct wire *w = peer_new(h, 0, false);
    wire_say(w, OPEN);
    wire_heard(w);
    wire_say(w, STARTTLS OPEN EXTERNAL);
    wire_expect_not(w, "<success");
    loop_sim_advance(h->loop, 6000);
    assert_true(w->is_closed);
    wire_free(&w);
    house_free(h);
}

/* T03, T04, T10, T11: out of order, at all chunk sizes. */
static void refuses_out_of_order(void **state)
{
    static const struct {
        bool is_secure;
        const char *said, *answer;
    } cases[] = {
        {false, "<message from='a@montague.example' to='b@capulet.example'/>", "<policy-violation"},
        {false, EXTERNAL, "<encryption-required/>"},
        {false, "<db:result from='" PEER "' to='" HOST "'>k</db:result>", "<policy-violation"},
        {false, "<db:verify from='" PEER "' to='" HOST "' id='1'>k</db:verify>",
         "<policy-violation"},
        {false, ENABLE, "<failed xmlns='urn:xmpp:sm:3'><unexpected-request"},
        {true, "<message from='a@montague.example' to='b@capulet.example'/>", "<not-authorized"},
        {true, "<iq type='get' id='1' from='montague.example' to='capulet.example'/>",
         "<not-authorized"},
        {true, STARTTLS, "<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:stream>"},
        {true, "<compress xmlns='http://jabber.org/protocol/compress'/>", "<unsupported-feature"},
        {true, EXTERNAL, "<invalid-mechanism/>"},
        {true, "<auth xmlns='" SASL "' mechanism='ANONYMOUS'/>", "<invalid-mechanism/>"},
        {true, "<response xmlns='" SASL "'>=</response>", "<not-authorized"},
        {true, "<resume xmlns='urn:xmpp:sm:3' previd='1' h='0'/>", "<unexpected-request"},
        {true, "<r xmlns='urn:xmpp:sm:3'/>", "<unexpected-request"},
        {true, "<foo/>", "<unsupported-stanza-type"},
        {true, "<message xmlns='jabber:client'/>", "<invalid-namespace"},
        {true, "<db:result from='" PEER "' to='" HOST "'/>", "<bad-format"},
        {true, "<db:result to='" HOST "'>k</db:result>", "<improper-addressing"},
        {true, "<db:verify from='" PEER "' to='" HOST "'>k</db:verify>", "<improper-addressing"},
        {true, "hello", "<bad-format"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases) * WIRE_CHUNKS; i++) {
        size_t n = i / WIRE_CHUNKS;
        struct house *h = house_new("");
        struct wire *w = peer_new(h, wire_chunks[i % WIRE_CHUNKS], cases[n].is_secure);
        wire_say(w, OPEN);
        wire_heard(w);
        wire_say(w, cases[n].said);
        if (!strstr(buf_z(&w->heard), cases[n].answer))
            fail_msg("%s: %s", cases[n].said, wire_heard(w));
        wire_free(&w);
        house_free(h);
    }
}

/* --- EXTERNAL --------------------------------------------------------------------------------- */

/* XEP-0178: the identity is the header's, said in words, by "=", or when asked for it. */
static void takes_certificates(void **state)
{
    static const char *const ways[] = {
        EXTERNAL,
        "<auth xmlns='" SASL "' mechanism='EXTERNAL'>bW9udGFndWUuZXhhbXBsZQ==</auth>",
        "<auth xmlns='" SASL "' mechanism='EXTERNAL'>\n bW9udGFndWUuZXhhbXBsZQ==\n</auth>",
        "<auth xmlns='" SASL "' mechanism='EXTERNAL'>TU9OVEFHVUUuZXhhbXBsZQ==</auth>",
        "<auth xmlns='" SASL "' mechanism='EXTERNAL'/><response xmlns='" SASL "'>=</response>",
        "<auth xmlns='" SASL "' mechanism='EXTERNAL'/><response xmlns='" SASL "'/>",
        "<auth xmlns='" SASL "' mechanism='EXTERNAL'/><response xmlns='" SASL
        "'>bW9udGFndWUuZXhhbXBsZQ==</response>",
        "<auth xmlns='" SASL "' mechanism='EXTERNAL'/><abort xmlns='" SASL "'/>" EXTERNAL,
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
        struct house *h = house_new("");
        house_proved = PEER;
        struct wire *w = peer_secure(h);
        wire_expect(w, "<mechanisms xmlns='" SASL "'><mechanism>EXTERNAL</mechanism></mechanisms>");
        wire_say(w, ways[i]);
        wire_expect(w, "<success xmlns='" SASL "'/>");
        wire_say(w, OPEN);
        wire_expect_not(w, "EXTERNAL");
        wire_expect_not(w, "<bidi");
        wire_expect(w, "</stream:features>");
        wire_free(&w);
        house_free(h);
    }
}

static void refuses_other_identities(void **state)
{
    static const struct {
        const char *said, *answer;
    } cases[] = {
        {"<auth xmlns='" SASL "' mechanism='EXTERNAL'>cGFyaXMuZXhhbXBsZQ==</auth>",
         "<invalid-authzid/>"},
        {"<auth xmlns='" SASL "' mechanism='EXTERNAL'>Y2FwdWxldC5leGFtcGxl</auth>",
         "<invalid-authzid/>"},
        {"<auth xmlns='" SASL "' mechanism='EXTERNAL'>!</auth>", "<incorrect-encoding/>"},
        {"<auth xmlns='" SASL "' mechanism='EXTERNAL'/><abort xmlns='" SASL "'/>", "<aborted/>"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct house *h = house_new("");
        house_proved = PEER;
        struct wire *w = peer_secure(h);
        wire_say(w, cases[i].said);
        wire_expect(w, cases[i].answer);
        wire_say(w, cases[i].said);
        wire_heard(w);
        wire_say(w, cases[i].said);
        wire_expect_end(w, "<policy-violation");
        wire_free(&w);
        house_free(h);
    }
}

/* S08: a certificate of another, or of nobody, is offered nothing; nor is who gives no name. */
static void offers_external_to_the_proved_only(void **state)
{
    static const char *const headers[] = {
        OPEN_FROM("paris.example"),
        "<stream:stream to='" HOST "' version='1.0' " DECLARED ">",
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(headers); i++) {
        struct house *h = house_new("");
        house_proved = PEER;
        struct wire *w = peer_new(h, 0, true);
        wire_say(w, headers[i]);
        wire_expect_not(w, "EXTERNAL");
        wire_heard(w);
        wire_say(w, EXTERNAL);
        wire_expect(w, "<invalid-mechanism/>");
        wire_free(&w);
        house_free(h);
    }
}

/* T21: after EXTERNAL the names stay what they were. */
static void keeps_names_over_restarts(void **state)
{
    static const char *const headers[] = {
        "<stream:stream to='verona.example' from='" PEER "' version='1.0' " DECLARED ">",
        OPEN_FROM("paris.example"),
        OPEN_FROM(HOST),
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(headers); i++) {
        struct house *h = house_new("");
        house_proved = PEER;
        struct wire *w = peer_secure(h);
        wire_say(w, EXTERNAL);
        wire_heard(w);
        wire_say(w, headers[i]);
        wire_expect_end(w, "<not-authorized");
        wire_free(&w);
        house_free(h);
    }
}

static void takes_no_second_login(void **state)
{
    (void)state;
    struct house *h = house_new("");
    struct wire *w = peer_proved(h, "");
    wire_say(w, EXTERNAL);
    wire_expect_end(w, "<not-authorized");
    wire_free(&w);
    house_free(h);
}

/* --- XEP-0198 --------------------------------------------------------------------------------- */

#define MESSAGE "<message from='a@montague.example' to='b@capulet.example' id='m'/>"

/* h rises with what the router has taken: nothing while it is away. */
static void acknowledges_what_is_safe(void **state)
{
    (void)state;
    struct house *h = house_new("");
    struct wire *w = peer_proved(h, "");
    wire_say(w, MESSAGE ENABLE MESSAGE MESSAGE "<r xmlns='urn:xmpp:sm:3'/>");
    wire_expect(w, "<enabled xmlns='urn:xmpp:sm:3'/><a xmlns='urn:xmpp:sm:3' h='0'/>");
    house_link(h);
    loop_sim_settle(h->loop);
    wire_expect(w, "<a xmlns='urn:xmpp:sm:3' h='2'/>");
    wire_say(w, MESSAGE "<r xmlns='urn:xmpp:sm:3'/>");
    wire_expect(w, "h='3'");
    wire_say(w, ENABLE);
    wire_expect(w, "<failed xmlns='urn:xmpp:sm:3'><unexpected-request");
    wire_say(w, "<resume xmlns='urn:xmpp:sm:3' previd='1' h='0'/>");
    wire_expect(w, "<feature-not-implemented");
    wire_say(w, "<a xmlns='urn:xmpp:sm:3' h='x'/>");
    wire_expect_end(w, "<invalid-xml");
    wire_free(&w);
    house_free(h);
}

/* Stanzas that wait for a router that is away are bounded: then the peer waits. */
static void does_not_read_on_while_much_waits(void **state)
{
    (void)state;
    struct house *h = house_new("");
    struct wire *w = peer_proved(h, ENABLE);
    wire_heard(w);
    for (int i = 0; i < 256; i++)
        wire_say(w, MESSAGE);
    wire_say(w, ENABLE);
    assert_int_equal(buf_len(&w->heard), 0);
    house_link(h);
    loop_sim_advance(h->loop, 1000);
    wire_expect(w, "<enabled");
    wire_free(&w);
    house_free(h);
}

/* A stream that ends while its stanzas are under way takes its memory with it later. */
static void outlives_its_connection(void **state)
{
    (void)state;
    struct house *h = house_new("");
    struct wire *w = peer_proved(h, "");
    wire_say(w, MESSAGE MESSAGE);
    wire_free(&w);
    loop_sim_settle(h->loop);
    assert_int_equal(h->s2s->in_count, 0);
    house_link(h);
    house_free(h);
}

/* --- XEP-0288 --------------------------------------------------------------------------------- */

static void from_router(struct house *h, const char *body)
{
    char text[256];
    snprintf(text, sizeof text,
             "<message from='b@" HOST "' to='a@" PEER "' type='chat'><body>%s</body></message>",
             body);
    wire_say(h->router, text);
}

/* One stream for both directions, once the peer is proved, and no other is opened. */
static void carries_both_ways(void **state)
{
    (void)state;
    struct house *h = house_new("");
    house_link(h);
    struct wire *w = peer_proved(h, BIDI);
    wire_say(w, MESSAGE);
    from_router(h, "1");
    wire_expect(w, "<body>1</body></message>");
    assert_int_equal(h->dials, 0);
    /* without XEP-0198, a ping tells what has come */
    loop_sim_advance(h->loop, 2000);
    const char *id = value_after(buf_z(&w->heard), "<iq type='get'", "id");
    char answer[512];
    snprintf(answer, sizeof answer, "<iq type='result' id='%s' from='" PEER "' to='" HOST "'/>",
             id);
    wire_heard(h->router);
    wire_say(w, answer);
    assert_int_equal(buf_len(&h->router->heard), 0);
    struct pair *p = pair_find(h->s2s, SPAN(HOST), SPAN(PEER));
    assert_non_null(p);
    assert_true(outbox_is_empty(p->outbox));
    wire_free(&w);
    house_free(h);
}

static void carries_with_acknowledgements(void **state)
{
    (void)state;
    struct house *h = house_new("");
    house_link(h);
    struct wire *w = peer_proved(h, BIDI);
    wire_say(w, ENABLE);
    wire_expect(w, "<enabled");
    from_router(h, "1");
    from_router(h, "2");
    struct pair *p = pair_find(h->s2s, SPAN(HOST), SPAN(PEER));
    assert_non_null(p);
    assert_true(p->has_acks);
    loop_sim_advance(h->loop, 2000);
    wire_expect(w, "<r xmlns='urn:xmpp:sm:3'/>");
    assert_int_equal(outbox_unacked(p->outbox), 2);
    wire_say(w, "<a xmlns='urn:xmpp:sm:3' h='2'/>");
    assert_int_equal(outbox_unacked(p->outbox), 0);
    wire_say(w, "<a xmlns='urn:xmpp:sm:3' h='9'/>");
    wire_expect_end(w, "<handled-count-too-high");
    wire_free(&w);
    house_free(h);
}

/* What was not acknowledged goes again, over a stream of ours when there is no other. */
static void gives_back_what_it_carried(void **state)
{
    (void)state;
    struct house *h = house_new("");
    house_link(h);
    struct wire *w = peer_proved(h, BIDI);
    wire_say(w, ENABLE);
    from_router(h, "1");
    wire_expect(w, "<body>1</body>");
    wire_free(&w);
    loop_sim_advance(h->loop, 20000);
    assert_int_equal(h->dials, 1);
    struct pair *p = pair_find(h->s2s, SPAN(HOST), SPAN(PEER));
    assert_false(outbox_is_empty(p->outbox));
    assert_null(p->in);
    house_free(h);
}

/* Not without having asked, nor in clear text, nor too late; and not before the peer is proved. */
static void carries_only_when_asked(void **state)
{
    (void)state;
    struct house *h = house_new("");
    house_link(h);
    struct wire *w = peer_proved(h, "");
    wire_say(w, BIDI MESSAGE);
    loop_sim_advance(h->loop, 3000);
    from_router(h, "1");
    wire_expect_not(w, "<body>1</body>");
    assert_int_equal(h->dials, 1);
    struct wire *other = peer_secure(h);
    wire_say(other, BIDI);
    loop_sim_advance(h->loop, 3000);
    wire_expect_not(other, "<body>1</body>");
    wire_free(&other);
    wire_free(&w);
    house_free(h);
}

/* --- limits ----------------------------------------------------------------------------------- */

/* S16: whatever it does, a stream that is not proved ends after the time for that. */
static void ends_slow_negotiations(void **state)
{
    (void)state;
    struct house *h = house_new("");
    struct wire *w = peer_new(h, 0, false);
    const char *header = OPEN;
    for (size_t i = 0; i < 70 && !w->is_closed; i++) {
        wire_say_span(w, span_make(header + i, 1));
        loop_sim_advance(h->loop, 1000);
    }
    assert_true(w->is_closed);
    wire_expect(w, "<connection-timeout");
    wire_free(&w);

    house_proved = PEER;
    w = peer_secure(h); /* proved, but without a new header */
    wire_say(w, EXTERNAL);
    loop_sim_advance(h->loop, 61000);
    wire_expect_end(w, "<connection-timeout");
    wire_free(&w);
    house_free(h);
}

static void bounds_what_comes_before(void **state)
{
    (void)state;
    struct house *h = house_new("");
    struct wire *w = peer_secure(h);
    for (int i = 0; i < 400; i++)
        wire_say(w, "<db:verify from='" PEER "' to='" HOST "' id='1'>k</db:verify>");
    wire_expect_end(w, "<policy-violation");
    wire_free(&w);
    house_free(h);
}

/* R01 */
static void bounds_connections(void **state)
{
    (void)state;
    struct house *h = house_new("[limits]\nconnections_per_address = 2\n");
    struct wire *a = peer_secure(h), *b = peer_secure(h);
    wire_expect(b, "<stream:features>");
    struct wire *c = peer_new(h, 0, false);
    loop_sim_settle(h->loop);
    wire_expect_end(c, "<resource-constraint");
    wire_free(&c);
    c = peer_new(h, 0, true);
    loop_sim_advance(h->loop, 1000);
    assert_true(c->is_closed);
    wire_free(&c);
    wire_free(&a);
    c = peer_secure(h);
    wire_expect(c, "<stream:features>");
    wire_free(&c);
    wire_free(&b);
    house_free(h);

    h = house_new("[limits]\nmax_connections = 1\n");
    a = peer_secure(h);
    b = peer_new(h, 0, false);
    loop_sim_settle(h->loop);
    wire_expect_end(b, "<resource-constraint");
    wire_free(&b);
    wire_free(&a);
    house_free(h);
}

static void ends_unused_streams(void **state)
{
    (void)state;
    struct house *h = house_new("[limits]\nidle_time = 100s\n");
    struct wire *w = peer_proved(h, "");
    for (int i = 0; i < 4; i++) {
        loop_sim_advance(h->loop, 60000);
        wire_say(w, MESSAGE);
    }
    assert_false(w->is_closed);
    loop_sim_advance(h->loop, 99000);
    assert_false(w->is_closed);
    loop_sim_advance(h->loop, 8000);
    assert_true(w->is_closed);
    wire_expect_not(w, "<stream:error");
    wire_free(&w);
    house_free(h);
}

static void cuts_off_who_does_not_read(void **state)
{
    (void)state;
    struct house *h = house_new("[limits]\nbacklog = 65536\n");
    struct wire *w = peer_proved(h, "");
    conn_pause(w->conn);
    for (int i = 0; i < 6000 && h->s2s->in_count > 0; i++)
        wire_say(w, "<db:verify from='" PEER "' to='" HOST "' id='1'>k</db:verify>");
    loop_sim_advance(h->loop, 10000);
    assert_int_equal(h->s2s->in_count, 0);
    wire_free(&w);
    house_free(h);
}

/* --- for the operator ---------------------------------------------------------------------------
 */

static void lists_and_closes(void **state)
{
    struct buf out = {0};
    (void)state;
    struct house *h = house_new("");
    struct wire *w = peer_proved(h, ""), *clear = peer_new(h, 0, false);
    wire_say(w, ENABLE MESSAGE);
    in_list(h->s2s, &out);
    if (!strstr(buf_z(&out), "\t" PEER ">" HOST "\texternal\t") ||
        !strstr(buf_z(&out), "stanzas, ") || !strstr(buf_z(&out), ", acknowledged\n") ||
        !strstr(buf_z(&out), "\t?>?\tconnected\tno TLS, 0 stanzas, 0 bytes\n"))
        fail_msg("%s", buf_z(&out));
    buf_free(&out);
    assert_int_equal(in_close_domain(h->s2s, SPAN("paris.example")), 0);
    assert_int_equal(in_close_domain(h->s2s, SPAN(PEER)), 1);
    loop_sim_settle(h->loop);
    wire_expect_end(w, "</stream:stream>");
    assert_false(clear->is_closed);
    in_close_all(h->s2s);
    loop_sim_settle(h->loop);
    wire_expect_end(clear, "<system-shutdown");
    wire_free(&w);
    wire_free(&clear);
    house_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(judges_headers),
        cmocka_unit_test(offers_by_state),
        cmocka_unit_test(starts_tls_clean),
        cmocka_unit_test(refuses_out_of_order),
        cmocka_unit_test(takes_certificates),
        cmocka_unit_test(refuses_other_identities),
        cmocka_unit_test(offers_external_to_the_proved_only),
        cmocka_unit_test(keeps_names_over_restarts),
        cmocka_unit_test(takes_no_second_login),
        cmocka_unit_test(acknowledges_what_is_safe),
        cmocka_unit_test(does_not_read_on_while_much_waits),
        cmocka_unit_test(outlives_its_connection),
        cmocka_unit_test(carries_both_ways),
        cmocka_unit_test(carries_with_acknowledgements),
        cmocka_unit_test(gives_back_what_it_carried),
        cmocka_unit_test(carries_only_when_asked),
        cmocka_unit_test(ends_slow_negotiations),
        cmocka_unit_test(bounds_what_comes_before),
        cmocka_unit_test(bounds_connections),
        cmocka_unit_test(ends_unused_streams),
        cmocka_unit_test(cuts_off_who_does_not_read),
        cmocka_unit_test(lists_and_closes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
