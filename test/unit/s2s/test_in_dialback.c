/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Dialback on incoming streams: pairs that are asked for, answers that nobody asked for, keys that
 * others ask about.
 */
#include "house.h"
#include "s2s/dialback.h"

#define MESSAGE_FROM(domain) "<message from='a@" domain "' to='b@" HOST "' id='m'/>"
#define SHA256 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define RESULT(from, to, key) "<db:result from='" from "' to='" to "'>" key "</db:result>"

struct claim {
    struct house *h;
    struct wire *w;
    char id[256]; /* of the stream on which the key is shown */
};

/* PEER has connected without a certificate, and its server has been dialled and is there. */
static struct claim claim_new(const char *more, const char *before)
{
    struct claim c = {.h = house_new(more)};
    house_link(c.h);
    c.w = peer_secure(c.h);
    snprintf(c.id, sizeof c.id, "%s", value_after(buf_z(&c.w->heard), "<stream:stream", "id"));
    wire_heard(c.w);
    wire_say(c.w, before);
    return c;
}

static void claim_end(struct claim *c)
{
    wire_free(&c->w);
    house_free(c->h);
}

/* What the far server says of the key; id NULL: that of the stream. */
static void far_says(struct claim *c, const char *from, const char *to, const char *id,
                     const char *type)
{
    char text[1024];
    snprintf(text, sizeof text, "<db:verify from='%s' to='%s' id='%s' type='%s'/>", from, to,
             id ? id : c->id, type);
    wire_say(c->h->dialled, text);
}

static void expect_asked(struct claim *c, const char *key)
{
    char text[1024];
    snprintf(text, sizeof text, "<db:verify from='" HOST "' to='" PEER "' id='%s'>%s</db:verify>",
             c->id, key);
    wire_expect(c->h->dialled, text);
}

/* A message that nobody may send yet ends the stream. */
static void expect_unproved(struct claim *c, const char *message)
{
    wire_heard(c->h->router);
    wire_say(c->w, message);
    wire_expect_end(c->w, "<stream:error>");
    wire_expect_not(c->h->router, "<message");
}

/* --- the course of it ------------------------------------------------------------------------- */

static void asks_the_other_server(void **state)
{
    (void)state;
    struct claim c = claim_new("", RESULT(PEER, HOST, "k&lt;1"));
    assert_int_equal(c.h->dials, 1);
    far_accepts(c.h);
    expect_asked(&c, "k&lt;1");
    assert_int_equal(buf_len(&c.w->heard), 0);
    far_says(&c, PEER, HOST, NULL, "valid");
    wire_expect(c.w, "<db:result from='" HOST "' to='" PEER "' type='valid'/>");
    wire_say(c.w, MESSAGE_FROM(PEER));
    wire_expect(c.h->router, "<message to='b@" HOST "' from='a@" PEER "' id='m'/>");
    /* once more, for what is proved: nobody is asked again */
    wire_say(c.w, RESULT(PEER, HOST, "other"));
    wire_expect(c.w, "type='valid'");
    assert_int_equal(c.h->dials, 1);
    claim_end(&c);
}

/* A second word before the answer to the first is not a second question. */
static void asks_once(void **state)
{
    (void)state;
    struct claim c = claim_new("", RESULT(PEER, HOST, "k") RESULT(PEER, HOST, "l"));
    far_accepts(c.h);
    expect_asked(&c, "k");
    far_says(&c, PEER, HOST, NULL, "valid");
    wire_expect(c.w, "<db:result from='" HOST "' to='" PEER "' type='valid'/>");
    assert_int_equal(buf_len(&c.w->heard), 0);
    claim_end(&c);
}

/* S06: a key that is not its own. */
static void ends_liars(void **state)
{
    (void)state;
    struct claim c = claim_new("", RESULT(PEER, HOST, "k"));
    far_accepts(c.h);
    far_says(&c, PEER, HOST, NULL, "invalid");
    wire_expect(c.w, "<db:result from='" HOST "' to='" PEER "' type='invalid'/><stream:error>");
    loop_sim_advance(c.h->loop, 6000);
    assert_true(c.w->is_closed);
    claim_end(&c);
}

static void tells_that_nobody_answers(void **state)
{
    (void)state;
    struct claim c = claim_new("", RESULT("nowhere.example", HOST, "k"));
    loop_sim_advance(c.h->loop, 1000);
    wire_expect(c.w, "<db:result from='" HOST "' to='nowhere.example' type='error'><error "
                     "type='cancel'><remote-server-not-found ");
    wire_say(c.w, RESULT(PEER, HOST, "k"));
    loop_sim_advance(c.h->loop, 31000);
    wire_expect(c.w, "<remote-server-timeout ");
    expect_unproved(&c, MESSAGE_FROM(PEER));
    claim_end(&c);
}

/* The peer is gone before the answer comes: nobody is told, nothing is leaked. */
static void forgets_who_has_gone(void **state)
{
    (void)state;
    struct claim c = claim_new("", RESULT(PEER, HOST, "k"));
    struct house *h = c.h;
    far_accepts(h);
    wire_free(&c.w);
    assert_true(list_is_empty(&pair_find(h->s2s, SPAN(HOST), SPAN(PEER))->questions));
    far_says(&c, PEER, HOST, NULL, "valid");
    house_free(h);
}

/* A question from before TLS or EXTERNAL is that of a stream that is no more: its answer is not
 * said where a header is expected, and proves nothing. */
static void forgets_what_was_asked_before_a_restart(void **state)
{
    (void)state;
    struct house *h = house_new("");
    house_proved = PEER;
    struct wire *w = peer_secure(h);
    wire_say(w, RESULT("paris.example", HOST, "k") EXTERNAL);
    wire_expect(w, "<success");
    assert_true(list_is_empty(&pair_find(h->s2s, SPAN(HOST), SPAN("paris.example"))->questions));
    loop_sim_advance(h->loop, 31000);
    assert_int_equal(buf_len(&w->heard), 0);
    wire_say(w, OPEN);
    wire_expect(w, "</stream:features>");
    wire_free(&w);
    house_free(h);

    h = house_new("[policy]\ntls = optional\n");
    w = peer_new(h, 0, false);
    wire_say(w, OPEN RESULT(PEER, HOST, "k") STARTTLS);
    wire_expect(w, "<proceed");
    assert_true(list_is_empty(&pair_find(h->s2s, SPAN(HOST), SPAN(PEER))->questions));
    wire_free(&w);
    house_free(h);
}

/* --- S04, S05: answers that are not to our question ---------------------------------------------
 */

static void passes_over_what_was_not_asked(void **state)
{
    static const char *const said[] = {
        "<db:result from='" PEER "' to='" HOST "' type='valid'/>",
        "<db:result from='" HOST "' to='" PEER "' type='valid'/>",
        "<db:verify from='" PEER "' to='" HOST "' id='1' type='valid'/>",
        "<db:result from='" PEER "' to='" HOST "' type=''>k</db:result>",
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(said); i++) {
        struct claim c = claim_new("", said[i]);
        assert_int_equal(buf_len(&c.w->heard), 0);
        assert_int_equal(c.h->dials, 0);
        expect_unproved(&c, MESSAGE_FROM(PEER));
        claim_end(&c);
    }
}

static void takes_the_answer_from_whom_it_asked(void **state)
{
    static const struct {
        const char *from, *to, *id;
    } wrong[] = {
        {"paris.example", HOST, NULL},
        {PEER, "verona.example", NULL},
        {HOST, PEER, NULL},
        {PEER, HOST, "other"},
    };
    char text[1024];
    (void)state;
    struct claim c = claim_new("", RESULT(PEER, HOST, "k"));
    far_accepts(c.h);
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        far_says(&c, wrong[i].from, wrong[i].to, wrong[i].id, "valid");
    assert_int_equal(buf_len(&c.w->heard), 0);
    /* on the stream of him who asks, and on that of a third */
    snprintf(text, sizeof text, "<db:verify from='" PEER "' to='" HOST "' id='%s' type='valid'/>",
             c.id);
    wire_say(c.w, text);
    struct wire *third = peer_secure(c.h);
    wire_say(third, text);
    assert_int_equal(buf_len(&c.w->heard), 0);
    wire_free(&third);
    far_says(&c, PEER, HOST, NULL, "valid");
    wire_expect(c.w, "type='valid'");
    claim_end(&c);
}

/* --- several pairs
 * -------------------------------------------------------------------------------- */

/* S09: what is proved for one pair is not for another. */
static void verifies_each_pair(void **state)
{
    static const char *const others[] = {
        MESSAGE_FROM("paris.example"),
        "<message from='a@" PEER "' to='b@chat." HOST "'/>",
        "<message from='a@sub." PEER "' to='b@" HOST "'/>",
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        struct claim c = claim_new("", RESULT(PEER, HOST, "k"));
        far_accepts(c.h);
        far_says(&c, PEER, HOST, NULL, "valid");
        wire_expect(c.w, "type='valid'");
        wire_say(c.w, RESULT("paris.example", HOST, "k"));
        assert_int_equal(c.h->dials, 2);
        wire_heard(c.h->router);
        wire_say(c.w, others[i]);
        wire_expect_end(c.w, "<invalid-from");
        wire_expect_not(c.h->router, "<message");
        claim_end(&c);
    }
}

/* A pair that is refused leaves the others as they are. */
static void refuses_pairs_alone(void **state)
{
    (void)state;
    struct claim c = claim_new("[domain bad.example]\ndeny = true\n"
                               "[domain strict.example]\nauth = certificate\n"
                               "[domain pinned.example]\npin = " SHA256 "\n",
                               RESULT(PEER, HOST, "k"));
    far_accepts(c.h);
    far_says(&c, PEER, HOST, NULL, "valid");
    wire_heard(c.w);
    wire_say(c.w, RESULT(PEER, "elsewhere.example", "k"));
    wire_expect(c.w, "<item-not-found ");
    wire_say(c.w, RESULT("bad.example", HOST, "k"));
    wire_expect(c.w, "<policy-violation ");
    wire_say(c.w, RESULT("strict.example", HOST, "k"));
    wire_expect(c.w, "<policy-violation ");
    wire_say(c.w, RESULT("pinned.example", HOST, "k"));
    wire_expect(c.w, "<policy-violation ");
    wire_say(c.w, MESSAGE_FROM(PEER));
    wire_expect(c.h->router, "<message");
    /* a lie about another pair is an error of that pair */
    wire_say(c.w, RESULT(PEER, "verona.example", "k"));
    far_accepts(c.h);
    far_says(&c, PEER, "verona.example", NULL, "invalid");
    wire_expect(c.w, "<forbidden ");
    assert_false(c.w->is_closed);
    claim_end(&c);
}

/* S07: ours, in any spelling. */
static void refuses_our_own_names(void **state)
{
    static const char *const said[] = {
        RESULT(HOST, HOST, "k"),
        RESULT("CAPULET.example", HOST, "k"),
        RESULT("verona.example.", HOST, "k"),
        RESULT("chat.capulet\xE3\x80\x82"
               "example",
               HOST, "k"),
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(said); i++) {
        struct claim c = claim_new("", said[i]);
        wire_expect_end(c.w, "<not-authorized");
        assert_int_equal(c.h->dials, 0);
        claim_end(&c);
    }
}

/* S10: however many it tries, twenty are looked at. */
static void bounds_pairs(void **state)
{
    char text[200];
    (void)state;
    for (int waits = 0; waits < 2; waits++) {
        struct claim c = claim_new("", "");
        for (int i = 0; i < 40; i++) {
            snprintf(text, sizeof text, RESULT("d%d.example", HOST, "k"), i);
            wire_say(c.w, text);
            if (waits) /* each has been refused when the next comes */
                loop_sim_advance(c.h->loop, 100);
        }
        wire_expect_end(c.w, "<policy-violation");
        assert_true(c.h->s2s->pairs.count <= 20);
        claim_end(&c);
    }
}

/* S10, on many connections: each names domains for us to ask, and our own people still find room;
 * when the noise is over, nothing is left of it. */
static void bounds_questions(void **state)
{
    struct house *h = house_new("[limits]\nmax_pairs = 32\n");
    struct wire *wires[5];
    char text[200];
    (void)state;
    house_link(h);
    for (int n = 0; n < 100; n++) {
        snprintf(text, sizeof text, "v%d.example", n);
        resolver_sim_add(h->resolver, RESOLVE_A, text, "8.8.8.8", false);
    }
    for (int n = 0; n < 100; n++) {
        if (n % 20 == 0)
            wires[n / 20] = peer_secure(h);
        snprintf(text, sizeof text, RESULT("v%d.example", HOST, "k"), n);
        wire_say(wires[n / 20], text);
    }
    assert_in_range(h->s2s->pairs.count, 1, 16);
    assert_in_range(h->dials, 1, 16);
    wire_expect(wires[4], "<resource-constraint");
    for (int n = 0; n < 10; n++) {
        snprintf(text, sizeof text, "<message from='b@" HOST "' to='a@w%d.example'/>", n);
        wire_say(h->router, text);
    }
    wire_expect_not(h->router, "<resource-constraint");
    for (int n = 0; n < 100; n++) { /* the router stays alive */
        loop_sim_advance(h->loop, 4000);
        wire_say(h->router, " ");
    }
    assert_int_equal(h->s2s->pairs.count, 0);
    assert_int_equal(h->s2s->in_count + h->s2s->out_count, 0);
    for (size_t i = 0; i < ARRAY_LEN(wires); i++)
        wire_free(&wires[i]);
    house_free(h);
}

/* --- certificates
 * ----------------------------------------------------------------------------------- */

/* XEP-0344: what the certificate proves need not be asked. */
static void asks_nobody_about_the_proved(void **state)
{
    (void)state;
    struct claim c = claim_new("[policy]\nauth = certificate\n", "");
    wire_say(c.w, RESULT(PEER, HOST, "k"));
    wire_expect(c.w, "<policy-violation ");
    house_proved = "paris.example";
    wire_say(c.w, RESULT("paris.example", HOST, "k"));
    wire_expect(c.w, "<db:result from='" HOST "' to='paris.example' type='valid'/>");
    assert_int_equal(c.h->dials, 0);
    wire_say(c.w, MESSAGE_FROM("paris.example"));
    wire_expect(c.h->router, "<message to='b@" HOST "' from='a@paris.example'");
    claim_end(&c);
}

/* With EXTERNAL first: more pairs by dialback, and the first is not asked about. */
static void adds_to_external(void **state)
{
    (void)state;
    struct house *h = house_new("");
    house_link(h);
    struct wire *w = peer_proved(h, "");
    wire_say(w, MESSAGE_FROM(PEER) "<message from='a@" PEER "' to='room@chat." HOST "'/>");
    wire_expect(h->router, "to='room@chat." HOST "'");
    wire_say(w, RESULT("paris.example", HOST, "k"));
    assert_int_equal(h->dials, 1);
    wire_say(w, MESSAGE_FROM("paris.example"));
    wire_expect_end(w, "<invalid-from");
    wire_free(&w);
    house_free(h);
}

static void needs_no_tls_where_it_is_optional(void **state)
{
    (void)state;
    struct house *h = house_new("[policy]\ntls = optional\n[domain paris.example]\n"
                                "tls = required\n");
    struct wire *w = peer_new(h, 0, false);
    wire_say(w, OPEN RESULT(PEER, HOST, "k"));
    wire_expect(w, "<dialback ");
    assert_int_equal(h->dials, 1);
    wire_say(w, RESULT("paris.example", HOST, "k"));
    wire_expect_end(w, "<policy-violation");
    wire_free(&w);
    house_free(h);
}

/* --- <db:verify/>
 * ------------------------------------------------------------------------------------- */

static void answers_for_its_keys(void **state)
{
    static const struct {
        const char *from, *to, *id, *answer;
        bool is_own;
    } cases[] = {
        {PEER, HOST, "far", "id='far' type='valid'/>", true},
        {"MONTAGUE.example", HOST, "far", "id='far' type='valid'/>", true},
        {PEER, HOST, "near", "id='near' type='invalid'/>", true},
        {PEER, "verona.example", "far", "id='far' type='invalid'/>", true},
        {"paris.example", HOST, "far", "id='far' type='invalid'/>", true},
        {PEER, HOST, "far", "id='far' type='invalid'/>", false},
        {PEER, "elsewhere.example", "far", "<item-not-found ", true},
    };
    char key[DIALBACK_KEY_LEN + 1], text[512];
    (void)state;
    struct house *h = house_new("");
    struct wire *w = peer_secure(h);
    dialback_key(h->s2s, SPAN(PEER), SPAN(HOST), SPAN("far"), key);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        snprintf(text, sizeof text, "<db:verify from='%s' to='%s' id='%s'>%s</db:verify>",
                 cases[i].from, cases[i].to, cases[i].id, cases[i].is_own ? key : "0123");
        wire_heard(w);
        wire_say(w, text);
        if (!strstr(buf_z(&w->heard), cases[i].answer))
            fail_msg("%s: %s", text, wire_heard(w));
    }
    wire_free(&w);
    house_free(h);
}

/* --- XEP-0288 with dialback --- */

static void carries_both_ways(void **state)
{
    (void)state;
    struct claim c = claim_new("", BIDI RESULT(PEER, HOST, "k"));
    far_accepts(c.h);
    wire_heard(c.h->dialled);
    far_says(&c, PEER, HOST, NULL, "valid");
    wire_expect(c.w, "type='valid'");
    wire_say(c.w, ENABLE);
    wire_expect(c.w, "<enabled");
    wire_say(c.h->router, "<message from='b@" HOST "' to='a@" PEER "'><body>1</body></message>");
    wire_expect(c.w, "<body>1</body>");
    wire_expect_not(c.h->dialled, "<body>1</body>");
    claim_end(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(asks_the_other_server),
        cmocka_unit_test(asks_once),
        cmocka_unit_test(ends_liars),
        cmocka_unit_test(tells_that_nobody_answers),
        cmocka_unit_test(forgets_who_has_gone),
        cmocka_unit_test(forgets_what_was_asked_before_a_restart),
        cmocka_unit_test(passes_over_what_was_not_asked),
        cmocka_unit_test(takes_the_answer_from_whom_it_asked),
        cmocka_unit_test(verifies_each_pair),
        cmocka_unit_test(refuses_pairs_alone),
        cmocka_unit_test(refuses_our_own_names),
        cmocka_unit_test(bounds_pairs),
        cmocka_unit_test(bounds_questions),
        cmocka_unit_test(asks_nobody_about_the_proved),
        cmocka_unit_test(adds_to_external),
        cmocka_unit_test(needs_no_tls_where_it_is_optional),
        cmocka_unit_test(answers_for_its_keys),
        cmocka_unit_test(carries_both_ways),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
