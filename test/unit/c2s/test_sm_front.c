/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One user, two instances: alice is owned by instance 2, and a client of hers is at instance 1.
 */
#include "sm_kit.h"

#include "xml/framer.h"

struct two {
    struct kit *front, *owner;
};

/* What a link was given, one stanza after the other: envelopes to the other instance, the rest, as
 * the router would, to the owner of its address. */
static bool pump_one(struct kit *from, struct kit *to, struct kit *owner)
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

static void pump(struct two *t)
{
    bool is_any;
    do {
        is_any = pump_one(t->front, t->owner, t->owner);
        is_any |= pump_one(t->owner, t->front, t->owner);
        kit_settle(t->front);
        kit_settle(t->owner);
    } while (is_any || buf_len(&t->front->link.out) || buf_len(&t->owner->link.out));
}

static struct kit_client *open_fronted(struct two *t, const char *resource)
{
    struct kit_client *c = kit_open(t->front, "alice", "net.test", resource);
    sm_link_events.on_claim(t->front->sm, SPAN("alice@prime.test"), SPAN("c2s-2.prime.test"));
    kit_settle(t->front);
    pump(t);
    return c;
}

/* The owner, with a client of its own. */
static struct kit_client *begin(struct two *t)
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

static void end(struct two *t)
{
    kit_free(t->front);
    kit_free(t->owner);
}

static void say(struct two *t, struct kit_client *c, const char *xml)
{
    kit_input(t->front, c, xml);
    kit_settle(t->front);
    pump(t);
}

static void serves_a_client_through_another_instance(void **state)
{
    struct two t;
    struct kit_client *own = begin(&t), *far = open_fronted(&t, "far");
    (void)state;

    assert_string_equal(far->jid, "alice@net.test/far");
    say(&t, far, "<presence><priority>3</priority><c xmlns='caps'/></presence>");
    EXPECT(own, "from='alice@net.test/far'");
    const char *heard = kit_heard(far);
    EXPECT_IN(heard, "<presence to='alice@net.test/far' from='alice@prime.test/own'");
    EXPECT_IN(heard, "<priority>3</priority><c xmlns='caps'/></presence>");
    assert_null(strstr(heard, "extensions/front"));
    kit_say(t.owner, own, "<message to='alice@prime.test/far'><body>a&lt;b</body></message>");
    pump(&t);
    EXPECT(far, "<body>a&lt;b</body></message>");
    say(&t, far, "<iq type='get' id='7'><query xmlns='jabber:iq:roster'/></iq>");
    EXPECT(far, "<query xmlns='jabber:iq:roster' ver='1-0'/></iq>");
    assert_int_equal(far->done_count, 2);
    assert_int_equal(far->unsafe_count, 0);
    /* the same checks as for any other */
    say(&t, far, "<message from='bob@prime.test' to='alice@prime.test/own'/>");
    assert_int_equal(far->kicked, STREAM_INVALID_FROM);
    EXPECT_NOTHING(own);
    kit_close(t.front, far);
    pump(&t);
    EXPECT(own, " from='alice@net.test/far' type='unavailable'");
    assert_int_equal(sm_session_count(t.owner->sm), 1);
    kit_close(t.owner, own);
    end(&t);
}

static void a_conflict_reaches_the_other_instance(void **state)
{
    struct two t;
    struct kit_client *own = begin(&t), *far = open_fronted(&t, "far");
    (void)state;

    struct kit_client *new = kit_open(t.owner, "alice", "prime.test", "far");
    pump(&t);
    assert_non_null(new->session);
    assert_int_equal(far->kicked, STREAM_CONFLICT);
    struct kit_client *third = open_fronted(&t, "3"), *fourth = open_fronted(&t, "4");
    assert_int_equal(fourth->refused, STANZA_RESOURCE_CONSTRAINT);
    kit_close(t.front, far), kit_close(t.front, third), kit_close(t.front, fourth);
    kit_close(t.owner, new), kit_close(t.owner, own);
    end(&t);
}

static void cancelled_while_the_owner_is_asked(void **state)
{
    struct two t;
    struct kit_client *own = begin(&t), *far = kit_client_new();
    (void)state;

    sm_open(t.front->sm, &far->c, SPAN("alice"), SPAN("prime.test"), SPAN("far"));
    kit_settle(t.front);
    sm_link_events.on_claim(t.front->sm, SPAN("alice@prime.test"), SPAN("c2s-2.prime.test"));
    sm_open_cancel(t.front->sm, &far->c);
    pump(&t);
    assert_false(far->is_answered);
    assert_int_equal(sm_session_count(t.owner->sm), 1);
    free(far);
    kit_close(t.owner, own);
    end(&t);
}

/* The user's last session there has gone while the front asked: he can be had. */
static void an_owner_who_has_let_go_is_claimed_from(void **state)
{
    struct two t;
    struct kit_client *own = begin(&t);
    (void)state;

    kit_close(t.owner, own);
    struct kit_client *far = open_fronted(&t, "far");
    EXPECT_WORDS(t.front, "claim alice@prime.test\nclaim alice@prime.test\n");
    assert_false(far->is_answered);
    sm_link_events.on_claim(t.front->sm, SPAN("alice@prime.test"), SPAN_NONE);
    kit_settle(t.front);
    assert_non_null(far->session);
    kit_close(t.front, far);
    end(&t);
}

/* The router is wrong about the owner: nobody runs in circles. */
static void asking_for_the_owner_ends(void **state)
{
    struct two t;
    struct kit_client *own = begin(&t);
    (void)state;

    kit_close(t.owner, own);
    struct kit_client *far = open_fronted(&t, "far");
    for (int i = 0; i < 3; i++) {
        assert_false(far->is_answered);
        sm_link_events.on_claim(t.front->sm, SPAN("alice@prime.test"), SPAN("c2s-2.prime.test"));
        pump(&t);
    }
    assert_int_equal(far->refused, STANZA_RESOURCE_CONSTRAINT);
    kit_close(t.front, far);
    end(&t);
}

/* The owner goes between its answer and the client's. */
static void lost_while_being_answered(void **state)
{
    struct two t;
    struct kit_client *own = begin(&t), *far = kit_client_new();
    (void)state;

    sm_open(t.front->sm, &far->c, SPAN("alice"), SPAN("prime.test"), SPAN("far"));
    sm_link_events.on_claim(t.front->sm, SPAN("alice@prime.test"), SPAN("c2s-2.prime.test"));
    pump_one(t.front, t.owner, t.owner);
    kit_settle(t.owner);
    pump_one(t.owner, t.front, t.owner); /* "opened" */
    t.front->link.is_up = false;
    sm_link_events.on_down(t.front->sm);
    kit_settle(t.front);
    assert_non_null(far->session); /* served alone, as the router is away */
    kit_say(t.front, far, "<presence/>");
    EXPECT(far, "<presence");
    kit_close(t.front, far);
    kit_close(t.owner, own);
    end(&t);
}

/* An envelope has come back. */
static void owner_dies(struct two *t)
{
    kit_drain(&t->front->link.words);
    kit_parse(t->front, NS_COMPONENT,
              "<envelope xmlns='" NS_ROUTER "' type='error' from='c2s-2.prime.test'"
              " to='c2s-1.prime.test'/>");
    sm_link_events.on_envelope(t->front->sm, &t->front->stanza);
    kit_settle(t->front);
}

/* An envelope that comes back says that the other is gone. */
static void the_death_of_either_is_noticed(void **state)
{
    struct two t;
    struct kit_client *own = begin(&t), *far = open_fronted(&t, "far");
    (void)state;

    kit_drain(&t.front->link.out);
    loop_sim_advance(t.front->loop, 10000);
    EXPECT_LINK(t.front, "<f:alive ");
    owner_dies(&t);
    EXPECT_WORDS(t.front, "claim alice@prime.test\n");
    kit_parse(t.owner, NS_COMPONENT,
              "<envelope xmlns='" NS_ROUTER "' type='error' from='c2s-1.prime.test'"
              " to='c2s-2.prime.test'/>");
    sm_link_events.on_envelope(t.owner->sm, &t.owner->stanza);
    assert_int_equal(sm_session_count(t.owner->sm), 1);
    kit_close(t.front, far);
    assert_int_equal(buf_len(&t.front->link.out), 0);
    loop_sim_advance(t.front->loop, 60000);
    assert_int_equal(buf_len(&t.front->link.out), 0); /* nobody left to ask */
    kit_close(t.owner, own);
    end(&t);
}

/* The owner's link has been away for less than a beat: no envelope has come back. */
static void a_short_absence_of_the_owner_is_told(void **state)
{
    struct two t;
    struct kit_client *own = begin(&t), *far = open_fronted(&t, "far");
    struct kit_client *opening = kit_open(t.front, "alice", "net.test", "more");
    (void)state;

    sm_link_events.on_claim(t.front->sm, SPAN("alice@prime.test"), SPAN("c2s-2.prime.test"));
    pump_one(t.front, t.owner, t.owner); /* "open", of which the owner says nothing before */
    kit_link_down(t.owner);
    kit_link_up(t.owner);
    kit_drain(&t.front->link.words);
    pump(&t);
    assert_true(far->is_held);
    EXPECT_WORDS(t.front, "claim alice@prime.test\n"); /* one for both */
    sm_link_events.on_claim(t.front->sm, SPAN("alice@prime.test"), SPAN("c2s-2.prime.test"));
    pump(&t);
    assert_non_null(opening->session);
    assert_false(far->is_held);
    say(&t, far, "<message to='alice@prime.test/own'><body>again</body></message>");
    EXPECT(own, "from='alice@net.test/far'><body>again</body>");
    assert_int_equal(sm_session_count(t.owner->sm), 3);
    kit_close(t.front, far), kit_close(t.front, opening);
    kit_close(t.owner, own);
    end(&t);
}

/* The owner is another process now, which knows of nothing. */
static void a_new_owner_of_the_same_name_denies(void **state)
{
    struct two t;
    struct sm_opts opts = *kit_opts();
    struct kit_client *own = begin(&t), *far = open_fronted(&t, "far");
    struct kit_client *idle = open_fronted(&t, "idle");
    (void)state;

    kit_close(t.owner, own);
    kit_free(t.owner);
    opts.instance = SPAN("c2s-2.prime.test");
    t.owner = kit_new(&opts);
    kit_link_up(t.owner);
    kit_drain(&t.front->link.words);
    say(&t, far, "<presence/>"); /* comes back */
    assert_true(far->is_held);
    assert_false(idle->is_held);
    loop_sim_advance(t.front->loop, 10000);
    pump(&t);
    assert_true(idle->is_held);
    EXPECT_WORDS(t.front, "claim alice@prime.test\n");
    sm_link_events.on_claim(t.front->sm, SPAN("alice@prime.test"), SPAN_NONE);
    kit_settle(t.front);
    EXPECT(far, "<presence to='alice@net.test/far' from='alice@net.test/far'/>");
    assert_int_equal(sm_session_count(t.front->sm), 2);
    kit_close(t.front, far), kit_close(t.front, idle);
    end(&t);
}

/* Instance 1 stores a message in the store of both while it cannot know that alice is at 2. */
static void what_another_has_stored_is_brought(void **state)
{
    struct two t;
    struct kit_client *own = begin(&t);
    (void)state;

    struct kit_client *bob = kit_open(t.front, "bob", "prime.test", "b");
    kit_link_down(t.front);
    kit_say(t.front, bob, "<message to='alice@net.test'><body>1</body></message>");
    assert_int_equal(kit_offline_count(t.front, "alice"), 1);
    /* Each has a store of its own here: what is in one is put into the other. */
    kit_sql(t.owner, "INSERT INTO offline (account, stamp, bytes, stanza) SELECT id, 0, 9,"
                     " '<message><body>1</body></message>' FROM account WHERE name = ?1", "alice");
    EXPECT_NOTHING(own);
    kit_link_up(t.front);
    pump(&t);
    EXPECT(own, "<body>1</body>");
    assert_int_equal(kit_offline_count(t.owner, "alice"), 0);
    /* Nobody else says so. */
    kit_sql(t.owner, "INSERT INTO offline (account, stamp, bytes, stanza) SELECT id, 0, 9,"
                     " '<message><body>2</body></message>' FROM account WHERE name = ?1", "alice");
    kit_link_say(t.owner, "<message from='x@y' to='alice@prime.test' type='headline'>"
                          "<stored xmlns='http://kontalk.org/extensions/front'/></message>");
    assert_null(strstr(kit_heard(own), "<body>2</body>"));
    kit_close(t.front, bob);
    kit_close(t.owner, own);
    end(&t);
}

/* Nobody can tell whose link is away: he looks himself when it is back. */
static void what_was_stored_while_away_is_brought(void **state)
{
    struct two t;
    struct kit_client *own = begin(&t);
    (void)state;

    kit_link_down(t.owner);
    kit_sql(t.owner, "INSERT INTO offline (account, stamp, bytes, stanza) SELECT id, 0, 9,"
                     " '<message><body>1</body></message>' FROM account WHERE name = ?1", "alice");
    EXPECT_NOTHING(own);
    kit_link_up(t.owner);
    kit_settle(t.owner);
    EXPECT_LINK(t.owner, "<f:claimed ");
    EXPECT_NOTHING(own); /* not before the router knows of the claims: somebody may still store */
    const char *const from[] = {"c2s-1.prime.test", "c2s-2.prime.test"};
    for (size_t i = 0; i < ARRAY_LEN(from); i++) {
        char text[300];
        snprintf(text, sizeof text,
                 "<envelope xmlns='" NS_ROUTER "' from='%s' to='c2s-2.prime.test'>"
                 "<claimed xmlns='http://kontalk.org/extensions/front'/></envelope>", from[i]);
        kit_parse(t.owner, NS_COMPONENT, text);
        sm_link_events.on_envelope(t.owner->sm, &t.owner->stanza);
        kit_settle(t.owner);
        if (i == 0)
            EXPECT_NOTHING(own);
    }
    EXPECT(own, "<body>1</body>");
    assert_int_equal(kit_offline_count(t.owner, "alice"), 0);
    kit_close(t.owner, own);
    end(&t);
}

static void deleting_the_user_ends_it(void **state)
{
    struct two t;
    struct kit_client *own = begin(&t), *far = open_fronted(&t, "far");
    (void)state;

    sm_user_deleted(t.front->sm, SPAN("bob"));
    assert_int_equal(far->kicked, STREAM_ERROR_NONE);
    sm_user_deleted(t.front->sm, SPAN("alice"));
    assert_int_equal(far->kicked, STREAM_NOT_AUTHORIZED);
    kit_close(t.front, far);
    pump(&t);
    assert_int_equal(sm_session_count(t.owner->sm), 1);
    assert_int_equal(own->kicked, STREAM_NOT_AUTHORIZED); /* told by whoever deleted her */
    kit_close(t.owner, own);
    end(&t);
}

static void words_about_unknown_sessions(void **state)
{
    static const char *const words[] = {
        "<f:output id='x'><message/></f:output>", "<f:kick id='x' condition='conflict'/>",
        "<f:opened id='x'/>",                     "<f:input id='x'><message/></f:input>",
        "<f:close id='x'/>",                      "<f:alive/>",
        "<f:open id='x' jid='alice@prime.test'/>", "<f:open/>", "<f:nonsense/>", "",
    };
    struct two t;
    struct kit_client *own = begin(&t);
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        char xml[512];
        snprintf(xml, sizeof(xml),
                 "<envelope xmlns='" NS_ROUTER "' from='c2s-1.prime.test' to='c2s-2.prime.test'"
                 " xmlns:f='http://kontalk.org/extensions/front'>%s</envelope>", words[i]);
        kit_parse(t.owner, NS_COMPONENT, xml);
        sm_link_events.on_envelope(t.owner->sm, &t.owner->stanza);
        kit_settle(t.owner);
    }
    EXPECT_LINK(t.owner, "<f:close ");
    assert_int_equal(sm_session_count(t.owner->sm), 1);
    kit_close(t.owner, own);
    end(&t);
}

static void freed_with_fronts_and_guests(void **state)
{
    struct two t;
    struct kit_client *own = begin(&t), *far = open_fronted(&t, "far");
    struct kit_client *opening = kit_open(t.front, "alice", "net.test", "more");
    (void)state;

    sm_link_events.on_claim(t.front->sm, SPAN("alice@prime.test"), SPAN("c2s-2.prime.test"));
    sm_free(&t.front->sm);
    sm_free(&t.owner->sm);
    buf_free(&own->out), buf_free(&far->out);
    free(own), free(far), free(opening);
    end(&t);
}

/* The owner dies, and the front has the user then: the same session, where it was. */
static void goes_on_here_when_the_owner_dies(void **state)
{
    struct two t;
    struct kit_client *own = begin(&t), *far = open_fronted(&t, "far");
    struct kit_client *near = open_fronted(&t, "near");
    (void)state;

    say(&t, far, "<presence><priority>3</priority><show>away</show></presence>");
    say(&t, far, "<iq type='get' id='7'><query xmlns='jabber:iq:roster'/></iq>");
    say(&t, near, "<presence><priority>-1</priority></presence>"); /* gets no stored messages */
    say(&t, far, "<presence to='bob@prime.test/b'/>");
    kit_heard(far), kit_heard(near);
    kit_drain(&t.front->link.out);
    /* what was on its way to the owner comes back */
    kit_input(t.front, far, "<message to='alice@net.test/near' id='1'><body>1</body></message>");
    struct buf sent = {0};
    buf_append(&sent, buf_span(&t.front->link.out));
    const char *head = strstr(buf_z(&sent), "from=");
    char back[2048];
    snprintf(back, sizeof(back), "<envelope xmlns='" NS_ROUTER "' type='error'"
             " from='c2s-2.prime.test' to='c2s-1.prime.test'%s", strchr(head, '>'));
    buf_free(&sent);
    kit_parse(t.front, NS_COMPONENT, back);
    sm_link_events.on_envelope(t.front->sm, &t.front->stanza);
    kit_settle(t.front);
    assert_true(far->is_held);
    assert_true(near->is_held);
    int before = far->done_count;
    kit_input(t.front, far, "<message to='alice@net.test/near' id='2'><body>2</body></message>");
    kit_settle(t.front);
    assert_int_equal(far->done_count, before);
    kit_sql(t.front, "INSERT INTO offline (account, stamp, bytes, stanza) SELECT id, 0, 9,"
                     " '<message><body>kept</body></message>' FROM account WHERE name = ?1",
            "alice");
    EXPECT_NOTHING(far);
    sm_link_events.on_claim(t.front->sm, SPAN("alice@prime.test"), SPAN_NONE);
    kit_settle(t.front);
    assert_int_equal(far->done_count, before + 1);
    assert_false(far->is_held);
    assert_int_equal(far->kicked, STREAM_ERROR_NONE);
    const char *heard = kit_heard(near);
    EXPECT_IN(heard, "<show>away</show>");
    EXPECT_IN(heard, "<body>1</body></message><message to='alice@net.test/near'"
                     " from='alice@net.test/far' id='2'><body>2</body>");
    assert_null(strstr(heard, "unavailable"));
    heard = kit_heard(far);
    EXPECT_IN(heard, "<body>kept</body>");
    EXPECT_IN(heard, "from='alice@net.test/near'");
    /* it is as it was: pushes, directed presence */
    kit_say(t.front, near, "<iq type='set' id='8'><query xmlns='jabber:iq:roster'>"
                           "<item jid='x@y'/></query></iq>");
    EXPECT(far, "<iq type='set' id='push-");
    kit_drain(&t.front->link.out);
    kit_close(t.front, far);
    EXPECT_LINK(t.front, "<presence to='bob@prime.test/b' from='alice@net.test/far'"
                         " type='unavailable'/>");
    EXPECT(near, "type='unavailable'");
    kit_close(t.front, near), kit_close(t.owner, own);
    end(&t);
}

/* After the router's restart another has the claim: whoever is here goes on there. */
static void goes_on_elsewhere_when_the_claim_is_lost(void **state)
{
    struct two t;
    struct kit_client *own = begin(&t), *far = kit_open(t.front, "alice", "net.test", "far");
    (void)state;

    sm_link_events.on_claim(t.front->sm, SPAN("alice@prime.test"), SPAN_NONE);
    kit_settle(t.front);
    kit_say(t.front, far, "<presence><priority>3</priority></presence>");
    kit_say(t.front, far, "<iq type='get' id='7'><query xmlns='jabber:iq:roster'/></iq>");
    for (int i = 0; i < 1000; i++) {
        char xml[200];
        snprintf(xml, sizeof(xml), "<presence to='x%d@a.long.name.of.a.host.example'/>", i);
        kit_say(t.front, far, xml);
    }
    kit_heard(far);
    kit_drain(&t.front->link.out);
    sm_link_events.on_claim(t.front->sm, SPAN("alice@prime.test"), SPAN("c2s-2.prime.test"));
    assert_true(far->is_held);
    assert_int_equal(sm_session_count(t.front->sm), 0);
    pump(&t);
    assert_false(far->is_held);
    EXPECT(own, "from='alice@net.test/far'><priority>3</priority></presence>");
    EXPECT(far, "from='alice@prime.test/own'");
    say(&t, far, "<message to='alice@prime.test/own'><body>over there</body></message>");
    EXPECT(own, "from='alice@net.test/far'><body>over there</body>");
    kit_say(t.owner, own, "<iq type='set' id='8'><query xmlns='jabber:iq:roster'>"
                          "<item jid='x@y'/></query></iq>");
    pump(&t);
    EXPECT(far, "<iq type='set' id='push-");
    kit_close(t.front, far);
    pump_one(t.front, t.owner, t.owner);
    const char *heard = kit_drain(&t.owner->link.out);
    EXPECT_IN(heard, "<presence to='x0@");
    EXPECT_IN(heard, "<presence to='x999@");
    assert_null(strstr(heard, "<presence to='x0@a.long.name.of.a.host.example'"
                              " from='alice@net.test/far'/>"));
    EXPECT(own, "from='alice@net.test/far' type='unavailable'");
    assert_int_equal(sm_session_count(t.owner->sm), 1);
    kit_close(t.owner, own);
    end(&t);
}

/* Both had a session of that resource while they could not know: the newer stays. */
static void the_newer_of_two_stays(void **state)
{
    for (int is_newer_there = 0; is_newer_there < 2; is_newer_there++) {
        struct two t;
        struct kit_client *own = begin(&t), *there = NULL;
        (void)state;
        if (!is_newer_there)
            there = kit_open(t.owner, "alice", "prime.test", "far");
        loop_sim_advance(t.owner->loop, 5000);
        loop_sim_advance(t.front->loop, 6000);
        struct kit_client *here = kit_open(t.front, "alice", "prime.test", "far");
        sm_link_events.on_claim(t.front->sm, SPAN("alice@prime.test"), SPAN_NONE);
        loop_sim_advance(t.owner->loop, 5000);
        loop_sim_advance(t.front->loop, 5000);
        if (is_newer_there)
            there = kit_open(t.owner, "alice", "prime.test", "far");
        assert_non_null(there->session);
        sm_link_events.on_claim(t.front->sm, SPAN("alice@prime.test"), SPAN("c2s-2.prime.test"));
        pump(&t);
        assert_int_equal(here->kicked, is_newer_there ? STREAM_CONFLICT : STREAM_ERROR_NONE);
        assert_int_equal(there->kicked, is_newer_there ? STREAM_ERROR_NONE : STREAM_CONFLICT);
        assert_false(here->is_held);
        kit_close(t.front, here), kit_close(t.owner, there), kit_close(t.owner, own);
        pump(&t);
        assert_int_equal(sm_session_count(t.owner->sm), 0);
        end(&t);
    }
}

/* Only the front's link was away: the owner has not noticed, and keeps one session of it. */
static void comes_back_to_its_owner(void **state)
{
    struct two t;
    struct kit_client *own = begin(&t), *far = open_fronted(&t, "far");
    (void)state;

    say(&t, far, "<presence><show>dnd</show></presence>");
    kit_heard(own), kit_heard(far);
    kit_link_down(t.front);
    assert_false(far->is_held); /* served alone */
    kit_say(t.front, far, "<presence><show>xa</show></presence>");
    kit_heard(far);
    kit_drain(&t.front->link.out);
    kit_link_up(t.front);
    sm_link_events.on_claim(t.front->sm, SPAN("alice@prime.test"), SPAN("c2s-2.prime.test"));
    pump(&t);
    assert_int_equal(far->kicked, STREAM_ERROR_NONE);
    assert_int_equal(sm_session_count(t.owner->sm), 2);
    const char *heard = kit_heard(own);
    EXPECT_IN(heard, "<show>xa</show>");
    assert_null(strstr(heard, "unavailable"));
    EXPECT(far, "from='alice@prime.test/own'");
    kit_close(t.front, far), kit_close(t.owner, own);
    pump(&t);
    end(&t);
}

static void what_is_said_on_the_move_is_bounded(void **state)
{
    static char xml[50000];
    struct two t;
    struct kit_client *own = begin(&t), *far = open_fronted(&t, "far");
    int i = 0;
    (void)state;

    say(&t, far, "<presence to='bob@prime.test/b'/>");
    owner_dies(&t);
    size_t n = (size_t)snprintf(xml, sizeof(xml), "<message to='bob@prime.test'><body>");
    memset(xml + n, 'x', 40000);
    snprintf(xml + n + 40000, sizeof(xml) - n - 40000, "</body></message>");
    int before = far->done_count;
    for (i = 0; i < 100 && buf_len(&far->out) == 0; i++)
        kit_input(t.front, far, xml);
    assert_in_range(i, 5, 50);
    EXPECT(far, "<resource-constraint ");
    assert_int_equal(far->done_count, before + 1);
    /* it goes: its completions come, and who was told of it hears that from us */
    kit_drain(&t.front->link.out);
    sm_close(far->session);
    assert_int_equal(far->done_count, before + i);
    EXPECT_LINK(t.front, "<presence to='bob@prime.test/b' from='alice@net.test/far'"
                         " type='unavailable'/>");
    far->session = NULL;
    kit_settle(t.front);
    sm_link_events.on_claim(t.front->sm, SPAN("alice@prime.test"), SPAN_NONE);
    EXPECT_WORDS(t.front, "claim alice@prime.test\nrelease alice@prime.test\n");
    kit_close(t.front, far), kit_close(t.owner, own);
    end(&t);
}

/* Nobody will have it: the client is sent away after all. */
static void a_move_that_fails(void **state)
{
    struct two t;
    struct kit_client *own = begin(&t), *far = open_fronted(&t, "far");
    (void)state;

    kit_close(t.owner, own);
    own = NULL;
    kit_link_down(t.owner), kit_link_up(t.owner);
    pump(&t);
    assert_true(far->is_held);
    kit_input(t.front, far, "<presence/>");
    for (int i = 0; i < 3; i++) {
        assert_int_equal(far->kicked, STREAM_ERROR_NONE);
        sm_link_events.on_claim(t.front->sm, SPAN("alice@prime.test"), SPAN("c2s-2.prime.test"));
        pump(&t);
    }
    assert_int_equal(far->kicked, STREAM_RESET);
    assert_int_equal(far->unsafe_count, 1);
    kit_close(t.front, far);
    end(&t);
}

static void freed_on_the_move(void **state)
{
    struct two t;
    struct kit_client *own = begin(&t), *far = open_fronted(&t, "far");
    struct kit_client *sent = open_fronted(&t, "sent");
    (void)state;

    owner_dies(&t);
    kit_input(t.front, far, "<presence/>");
    sm_link_events.on_claim(t.front->sm, SPAN("alice@prime.test"), SPAN("c2s-2.prime.test"));
    kit_input(t.front, sent, "<presence/>");
    sm_free(&t.front->sm);
    assert_int_equal(far->unsafe_count + sent->unsafe_count, 2);
    buf_free(&far->out), buf_free(&sent->out);
    free(far), free(sent);
    kit_close(t.owner, own);
    end(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(serves_a_client_through_another_instance),
        cmocka_unit_test(a_conflict_reaches_the_other_instance),
        cmocka_unit_test(cancelled_while_the_owner_is_asked),
        cmocka_unit_test(an_owner_who_has_let_go_is_claimed_from),
        cmocka_unit_test(asking_for_the_owner_ends),
        cmocka_unit_test(lost_while_being_answered),
        cmocka_unit_test(the_death_of_either_is_noticed),
        cmocka_unit_test(a_short_absence_of_the_owner_is_told),
        cmocka_unit_test(a_new_owner_of_the_same_name_denies),
        cmocka_unit_test(what_another_has_stored_is_brought),
        cmocka_unit_test(what_was_stored_while_away_is_brought),
        cmocka_unit_test(deleting_the_user_ends_it),
        cmocka_unit_test(words_about_unknown_sessions),
        cmocka_unit_test(freed_with_fronts_and_guests),
        cmocka_unit_test(goes_on_here_when_the_owner_dies),
        cmocka_unit_test(goes_on_elsewhere_when_the_claim_is_lost),
        cmocka_unit_test(the_newer_of_two_stays),
        cmocka_unit_test(comes_back_to_its_owner),
        cmocka_unit_test(what_is_said_on_the_move_is_bounded),
        cmocka_unit_test(a_move_that_fails),
        cmocka_unit_test(freed_on_the_move),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
