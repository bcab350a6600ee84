/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The edge that stanzas of other servers come in by. They come over a stream both ways, so that
 * what is answered comes back on it.
 */
#include "house.h"

#define FROM "from='a@" PEER "/r'"
#define TO "to='b@" HOST "'"
#define ADDRESSED FROM " " TO

/* A house with its router, and PEER, proved. */
static struct wire *start(struct house **h_r, const char *more)
{
    struct house *h = house_new(more);
    house_link(h);
    struct wire *w = peer_proved(h, BIDI);
    wire_say(w, ENABLE);
    wire_heard(w);
    *h_r = h;
    return w;
}

static void end(struct house *h, struct wire *w)
{
    wire_free(&w);
    house_free(h);
}

/* --- addresses -------------------------------------------------------------------------------- */

/* S01, S02, S03, X25, X26, X27: the stream ends, and nothing gets through. */
static void ends_streams(void **state)
{
    static const struct {
        const char *stanza, *error;
    } cases[] = {
        {"<message from='a@paris.example' " TO "/>", "<invalid-from"},
        {"<message from='paris.example' " TO "/>", "<invalid-from"},
        {"<message from='a@sub." PEER "' " TO "/>", "<invalid-from"},
        {"<message from='b@" HOST "' " TO "/>", "<invalid-from"},
        {"<message from='" PEER "@paris.example' " TO "/>", "<invalid-from"},
        {"<message from='paris.example/a@" PEER "' " TO "/>", "<invalid-from"},
        {"<message " TO "/>", "<improper-addressing"},
        {"<message " FROM "/>", "<improper-addressing"},
        {"<message " FROM " to=''/>", "<improper-addressing"},
        {"<message from='' " TO "/>", "<improper-addressing"},
        {"<message from='@" PEER "' " TO "/>", "<improper-addressing"},
        {"<message xmlns:e='urn:e' e:from='a@" PEER "' " TO "/>", "<improper-addressing"},
        {"<message " FROM " to='b c@no domain'/>", "<improper-addressing"},
        {"<message " FROM " to='b@paris.example'/>", "<host-unknown"},
        {"<presence " FROM " to='paris.example'/>", "<host-unknown"},
        {"<iq type='get' id='1' " FROM " to='" PEER "'/>", "<host-unknown"},
        {"<message " FROM " to='@paris.example'/>", "<host-unknown"},
        {"<message " ADDRESSED "><stream:stream to='x'/></message>", "<invalid-xml"},
        {"<message " ADDRESSED "><body><stream:error/></body></message>", "<invalid-xml"},
        {"<message xmlns='jabber:client' " ADDRESSED "/>", "<invalid-namespace"},
        {"<message xmlns='jabber:component:accept' " ADDRESSED "/>", "<invalid-namespace"},
        {"<foo " ADDRESSED "/>", "<unsupported-stanza-type"},
        {"<route xmlns='http://kontalk.org/extensions/router' " ADDRESSED "/>",
         "<unsupported-stanza-type"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases) * WIRE_CHUNKS; i++) {
        size_t n = i / WIRE_CHUNKS;
        struct house *h;
        struct wire *w = start(&h, "");
        for (const char *p = cases[n].stanza; *p;) {
            size_t len = wire_chunks[i % WIRE_CHUNKS], left = strlen(p);
            len = len == 0 || len > left ? left : len;
            wire_say_span(w, span_make(p, len));
            p += len;
        }
        if (!strstr(buf_z(&w->heard), cases[n].error))
            fail_msg("%s: %s", cases[n].stanza, wire_heard(w));
        wire_expect_end(w, "</stream:stream>");
        if (strstr(buf_z(&h->router->heard), "<message") ||
            strstr(buf_z(&h->router->heard), "<presence") ||
            strstr(buf_z(&h->router->heard), "<iq"))
            fail_msg("%s: relayed: %s", cases[n].stanza, wire_heard(h->router));
        end(h, w);
    }
}

/* X23: to the byte. */
static void bounds_stanzas(void **state)
{
    static const char *const parts[] = {"<message " ADDRESSED "><body>", "</body></message>"};
    const size_t rest = 10000 - strlen(parts[0]) - strlen(parts[1]);
    (void)state;
    for (size_t more = 0; more < 2; more++) {
        struct house *h;
        struct wire *w = start(&h, "[limits]\nstanza = 10000\n");
        char *body = mem_alloc(rest + more);
        memset(body, 'x', rest + more);
        wire_say(w, parts[0]);
        wire_say_span(w, span_make(body, rest + more));
        free(body);
        wire_say(w, parts[1]);
        if (more) {
            wire_expect(w, "<stanza-too-big xmlns='urn:xmpp:errors'/>");
            wire_expect_not(h->router, "<message");
        } else {
            wire_expect(h->router, "</body></message>");
        }
        end(h, w);
    }
}

/* Somebody's slip of the pen is told to him, and the stream lives. */
static void answers_malformed_addresses(void **state)
{
    (void)state;
    struct house *h;
    struct wire *w = start(&h, "");
    wire_say(w, "<message id='1' " FROM " to='@" HOST "'/>");
    wire_expect(w, "<message to='a@" PEER "/r' from='" HOST "' id='1' type='error'>");
    wire_say(w, "<message id='1' type='error' " FROM " to='b@" HOST "/'/>");
    wire_expect_not(w, "jid-malformed");
    wire_expect_not(h->router, "<message");
    wire_say(w, "<message id='2' " ADDRESSED "/>");
    wire_expect(h->router, "id='2'");
    end(h, w);
}

/* --- what gets through, and how --------------------------------------------------------------- */

static void cleans_what_it_relays(void **state)
{
    static const struct {
        const char *said, *relayed;
    } cases[] = {
        {"<message id='1' " ADDRESSED "><body>1 &lt; 2</body></message>",
         "><body>1 &lt; 2</body></message>"},
        {"<message from='A@MONTAGUE.example/R' to='B@Capulet.EXAMPLE.'/>",
         "<message to='b@capulet.example' from='a@montague.example/R'/>"},
        {"<presence type='probe' " FROM " to='b@chat." HOST "'/>",
         "<presence to='b@chat.capulet.example' from='a@montague.example/r' type='probe'/>"},
        {"<presence " FROM " to='b@gone." HOST "'/>", "<presence to='b@gone.capulet.example'"},
        {"<presence " FROM " to='b@verona.example'/>", "<presence to='b@verona.example'"},
        /* X30: attributes that pretend */
        {"<message xmlns:e='jabber:server' e:from='x@paris.example' e:type='error' e:to='y' "
         "xml:lang='it' " ADDRESSED "/>",
         "<message to='b@capulet.example' from='a@montague.example/r' xml:lang='it'/>"},
        /* S19, C06: what only we say; what others say of themselves is theirs */
        {"<message " ADDRESSED "><stanza-id xmlns='urn:xmpp:sid:0' by='b@" HOST "' id='1'/>"
         "<stanza-id xmlns='urn:xmpp:sid:0' by='" HOST "' id='2'/>"
         "<stanza-id xmlns='urn:xmpp:sid:0' by='B@VERONA.example' id='3'/>"
         "<stanza-id xmlns='urn:xmpp:sid:0' by='room@chat." HOST "/x' id='4'/></message>",
         "<message to='b@capulet.example' from='a@montague.example/r'/>"},
        {"<message " ADDRESSED "><stanza-id xmlns='urn:xmpp:sid:0' by='room@" PEER
         "' id='1'/><origin-id xmlns='urn:xmpp:sid:0' id='2'/></message>",
         "><stanza-id xmlns='urn:xmpp:sid:0' by='room@montague.example' id='1'/>"
         "<origin-id xmlns='urn:xmpp:sid:0' id='2'/></message>"},
        {"<message " ADDRESSED "><delay xmlns='urn:xmpp:delay' from='" HOST "' stamp='1'/>"
         "<delay xmlns='urn:xmpp:delay' from='" PEER "' stamp='2'/>"
         "<delay xmlns='urn:xmpp:delay' stamp='3'/></message>",
         "r'><delay xmlns='urn:xmpp:delay' from='montague.example' stamp='2'/>"
         "<delay xmlns='urn:xmpp:delay' stamp='3'/></message>"},
        {"<message " ADDRESSED "><via xmlns='http://kontalk.org/extensions/network'/>"
         "<to xmlns='http://kontalk.org/extensions/network'/>"
         "<link xmlns='http://kontalk.org/extensions/network'/></message>",
         "r'><link xmlns='http://kontalk.org/extensions/network'/></message>"},
        {"<message " ADDRESSED "><envelope " ROUTER "/><claim " ROUTER " jid='b@" HOST
         "'/><body>x</body></message>",
         "r'><body>x</body></message>"},
        /* C04: only payload */
        {"<message " ADDRESSED "><received xmlns='urn:xmpp:carbons:2'><forwarded "
         "xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client' from='z@" HOST
         "'/></forwarded></received></message>",
         "from='a@montague.example/r'><received xmlns='urn:xmpp:carbons:2'>"},
        {"<iq type='result' id='p' " ADDRESSED "/>",
         "<iq to='b@capulet.example' from='a@montague.example/r' "},
    };
    (void)state;
    struct house *h;
    struct wire *w = start(&h, "");
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        wire_heard(h->router);
        wire_say(w, cases[i].said);
        if (!strstr(buf_z(&h->router->heard), cases[i].relayed))
            fail_msg("%s: %s", cases[i].said, wire_heard(h->router));
    }
    wire_expect_not(w, "<stream:error");
    end(h, w);
}

/* S14: an error is not answered, and one in which an error was answered goes no further. */
static void ends_ping_pong_of_errors(void **state)
{
    (void)state;
    struct house *h;
    struct wire *w = start(&h, "");
    wire_say(w, "<message type='error' " ADDRESSED "><error type='cancel'/></message>");
    wire_expect(h->router, "<error type='cancel'/>");
    wire_say(w, "<message type='error' " ADDRESSED "><error type='cancel'/><error "
                "type='cancel'/></message><r xmlns='urn:xmpp:sm:3'/>");
    assert_int_equal(buf_len(&h->router->heard), 0);
    wire_expect(w, "<a xmlns='urn:xmpp:sm:3' h='2'/>"); /* it is dealt with */
    end(h, w);
}

/* --- floods: S18 --------------------------------------------------------------------------------
 */

static size_t count_of(struct wire *w, const char *text)
{
    size_t n = 0;
    for (const char *p = buf_z(&w->heard); (p = strstr(p, text)); p += strlen(text))
        n++;
    return n;
}

static void say_many(struct wire *w, const char *stanza, int n)
{
    for (int i = 0; i < n; i++)
        wire_say(w, stanza);
}

static void slows_presence(void **state)
{
    (void)state;
    struct house *h;
    struct wire *w = start(&h, "[policy]\nrate = 0\n[limits]\npresence_rate = 2\n"
                               "presence_burst = 20\n");
    say_many(w, "<presence " ADDRESSED "/>", 100);
    assert_int_equal(count_of(h->router, "<presence"), 20);
    /* whoever else is written to gets his; it goes on at the rate */
    wire_heard(h->router);
    wire_say(w, "<presence " FROM " to='c@" HOST "'/>");
    wire_say(w, "<message " ADDRESSED "/>");
    assert_int_equal(count_of(h->router, "<presence"), 1);
    assert_int_equal(count_of(h->router, "<message"), 1);
    loop_sim_advance(h->loop, 1000);
    wire_heard(h->router);
    say_many(w, "<presence from='a@" PEER "/other' to='b@" HOST "/any'/>", 10);
    assert_int_equal(count_of(h->router, "<presence"), 2);
    /* who asks is told; nothing is lost of the count */
    wire_heard(w);
    wire_say(w, "<presence type='subscribe' id='s' " ADDRESSED "/><r xmlns='urn:xmpp:sm:3'/>");
    wire_expect_not(w, "<stream:error");
    if (!strstr(buf_z(&w->heard), "id='s' type='error'><error type='wait'><resource-constraint"))
        fail_msg("%s", wire_heard(w));
    loop_sim_settle(h->loop);
    wire_expect(w, "<a xmlns='urn:xmpp:sm:3' h='113'/>");
    end(h, w);
}

static void slows_messages(void **state)
{
    (void)state;
    struct house *h;
    struct wire *w = start(&h, "[policy]\nrate = 0\n[limits]\npresence_rate = 1\n"
                               "presence_burst = 1\n");
    say_many(w, "<message id='x' " ADDRESSED "/>", 150);
    assert_int_equal(count_of(h->router, "<message"), 100);
    if (!strstr(buf_z(&w->heard),
                "<message to='a@" PEER "/r' from='b@" HOST "' id='x' type='error'>") &&
        !strstr(buf_z(&w->heard), "<resource-constraint"))
        fail_msg("%s", wire_heard(w));
    say_many(w, "<iq type='get' id='x' " ADDRESSED "><q xmlns='urn:q'/></iq>", 150);
    assert_int_equal(count_of(h->router, "<iq"), 150);
    end(h, w);

    w = start(&h, "[policy]\nrate = 0\n[limits]\npresence_rate = 0\npresence_burst = 1\n");
    say_many(w, "<message " ADDRESSED "/><presence " ADDRESSED "/>", 500);
    assert_int_equal(count_of(h->router, "<message"), 500);
    assert_int_equal(count_of(h->router, "<presence"), 500);
    end(h, w);
}

/* However many users they pretend to write to, the table is bounded. */
static void bounds_the_table(void **state)
{
    char text[200];
    (void)state;
    struct house *h;
    struct wire *w = start(&h, "[policy]\nrate = 0\n[limits]\npresence_rate = 1\n"
                               "presence_burst = 1\n");
    for (int i = 0; i < 17000; i++) {
        snprintf(text, sizeof text, "<presence " FROM " to='u%d@" HOST "'/>", i);
        wire_say(w, text);
    }
    assert_int_equal(count_of(h->router, "<presence"), 17000);
    wire_heard(h->router);
    wire_say(w, text);
    assert_int_equal(count_of(h->router, "<presence"), 0);
    /* who was written to first is forgotten, his bucket is full again */
    wire_say(w, "<presence " FROM " to='u0@" HOST "'/>");
    assert_int_equal(count_of(h->router, "<presence"), 1);
    end(h, w);
}

/* --- the router cannot take it
 * -------------------------------------------------------------------- */

static void answers_when_the_router_is_full(void **state)
{
    (void)state;
    struct house *h = house_new("[policy]\nrate = 0\n");
    struct wire *w = peer_proved(h, BIDI);
    struct buf text = {0};
    buf_append(&text, SPAN("<message id='big' " ADDRESSED "><body>"));
    for (int i = 0; i < 400000; i++)
        buf_append_char(&text, 'x');
    buf_append(&text, SPAN("</body></message>"));
    wire_heard(w);
    for (int i = 0; i < 40; i++)
        wire_say_span(w, buf_span(&text));
    assert_int_equal(buf_len(&w->heard), 0);
    for (int i = 0; i < 4; i++)
        wire_say_span(w, buf_span(&text));
    if (!strstr(buf_z(&w->heard), "<message to='a@" PEER "/r' from='b@" HOST
                                  "' id='big' type='error'><error type='wait'>"
                                  "<resource-constraint "))
        fail_msg("%zu bytes: %.300s", buf_len(&w->heard), wire_heard(w));
    wire_heard(w);
    /* what may not be answered is not */
    buf_clear(&text);
    wire_say(w, "<message type='headline' " ADDRESSED "/>");
    end(h, w);
    buf_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ends_streams),
        cmocka_unit_test(bounds_stanzas),
        cmocka_unit_test(answers_malformed_addresses),
        cmocka_unit_test(cleans_what_it_relays),
        cmocka_unit_test(ends_ping_pong_of_errors),
        cmocka_unit_test(slows_presence),
        cmocka_unit_test(slows_messages),
        cmocka_unit_test(bounds_the_table),
        cmocka_unit_test(answers_when_the_router_is_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
