/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A whole c2s in virtual time, with a router that is away unless a test says otherwise: stopping in
 * awkward states, reloading, what headers say, and clients that do not read.
 */
#include "house.h"

/* --- the end ---------------------------------------------------------------------------------- */

/* What waits for the router must not keep the process. */
static void stops_without_a_router(void **state)
{
    (void)state;
    struct house *h = house_new("", no_router);
    struct wire *w = login(h);
    wire_say(w, BIND("a"));
    wire_expect(w, "type='result'");
    wire_say(w, "<message to='juliet@elsewhere.example'><body>hi</body></message>");
    c2s_stop(h->c2s, on_stopped, h);
    loop_sim_settle(h->loop);
    wire_expect_end(w, "system-shutdown");
    wire_free(&w);
    house_free(h);
}

/* Each moment of a login: also those in which a thread or the store has yet to answer. */
static void stops_within_a_login(void **state)
{
    static const char *const said[] = {"", OPEN("capulet.example"), LOGIN,
                                       LOGIN OPEN("capulet.example") BIND("a")};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(said); i++) {
        struct house *h = house_new("", i % 2 ? silent_router : no_router);
        struct wire *w = client_new(h);
        if (*said[i])
            conn_send(w->conn, span_of(said[i]));
        c2s_stop(h->c2s, on_stopped, h);
        wire_free(&w);
        house_free(h);
    }
}

/* A process that could not open its sockets ends so: a leak would be found by a sanitizer. */
static void ends_without_having_served(void **state)
{
    (void)state;
    struct house *h = house_new("", no_router);
    c2s_free(&h->c2s);
    loop_free(&h->loop);
    free_conf(h->daemon.conf);
    crypto_simulate(0);
    free(h);
}

/* --- reload ----------------------------------------------------------------------------------- */

static bool reload(struct house *h, const char *more, char error[CONF_ERROR_MAX])
{
    struct c2s_conf *conf = conf_new(more);
    bool is_taken = c2s_reload(h->c2s, conf, error);
    free_conf(is_taken ? h->daemon.conf : conf);
    if (is_taken)
        h->daemon.conf = conf;
    return is_taken;
}

static void on_found(void *ctx, enum accounts_result r, const struct sasl_credentials *c)
{
    uint32_t *iterations = ctx;
    assert_int_equal(r, ACCOUNTS_OK);
    *iterations = c->sha1.iterations;
}

/* The session manager and the accounts get the new values, too. */
static void reloads_limits(void **state)
{
    char error[CONF_ERROR_MAX];
    uint32_t iterations = 0;
    (void)state;
    struct house *h = house_new("", no_router);
    assert_true(reload(h, "[auth]\niterations = 5000\n[limits]\nsessions_per_user = 1\n", error));
    struct wire *a = login(h), *b = login(h);
    wire_say(a, BIND("a"));
    wire_expect(a, "type='result'");
    wire_say(b, BIND("b"));
    wire_expect(b, "<resource-constraint");
    accounts_add(h->c2s->accounts, SPAN("nurse"), SPAN("secret"), on_done, NULL);
    loop_sim_settle(h->loop);
    accounts_credentials(h->c2s->accounts, SPAN("nurse"), on_found, &iterations);
    loop_sim_settle(h->loop);
    assert_int_equal(iterations, 5000);
    wire_free(&a);
    wire_free(&b);
    house_free(h);
}

/* What needs a restart is refused, not ignored. */
static void refuses_what_is_fixed(void **state)
{
    static const char *const fixed[] = {
        "[c2s]\nlisten = 127.0.0.1:6222\n", "[c2s]\nlisten_tls = 127.0.0.1:6223\n",
        "[c2s]\ncontrol = /elsewhere\n",    "[c2s]\nnetwork = verona.example\n",
        "[store]\npath = /elsewhere\n",     "[router]\naddress = 127.0.0.1:1\n",
        "[router]\ntls = true\n",           "[router]\ntls_name = r.example\n",
        "[router]\ntls_ca = /elsewhere\n",
    };
    char error[CONF_ERROR_MAX];
    (void)state;
    struct house *h = house_new("", no_router);
    for (size_t i = 0; i < ARRAY_LEN(fixed); i++)
        if (reload(h, fixed[i], error))
            fail_msg("taken: %s", fixed[i]);
    house_free(h);
}

/* --- headers and sizes ------------------------------------------------------------------------ */

/* RFC 6120 4.9.1.3: an error before we know whom the client wants comes from the host. */
static void errors_say_who_we_are(void **state)
{
    static const char *const bad[] = {OPEN("elsewhere.example"), "<oops/>", "<!DOCTYPE a>"};
    (void)state;
    struct house *h = house_new("", no_router);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct wire *w = client_new(h);
        wire_say(w, bad[i]);
        wire_expect_end(w, "from='capulet.example'");
        wire_free(&w);
    }
    house_free(h);
}

static void fake_salt(char salt[64])
{
    struct house *h = house_new("", no_router);
    struct wire *w = client_new(h);
    struct buf text = {0};
    wire_say(w, OPEN("capulet.example"));
    wire_say(w, "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='SCRAM-SHA-256'>"
                "biwsbj1ub2JvZHkscj1hYmM=</auth>");
    const char *challenge = strstr(wire_heard(w), "<challenge ");
    assert_non_null(challenge);
    struct span rest = span_of(strchr(challenge, '>') + 1);
    assert_true(base64_decode(&text, span_make(rest.p, span_index(rest, '<'))));
    const char *s = strstr(buf_z(&text), ",s=");
    assert_non_null(s);
    snprintf(salt, 64, "%.*s", (int)strcspn(s + 3, ","), s + 3);
    buf_free(&text);
    wire_free(&w);
    house_free(h);
}

/* A user who does not exist must look the same at every instance and after every start. */
static void unknown_users_keep_their_salt(void **state)
{
    char first[64], second[64];
    (void)state;
    fake_salt(first);
    fake_salt(second);
    assert_string_equal(first, second);
}

/* Whatever it is that a client has answered again and again without reading: it ends. */
static void cuts_off_who_does_not_read(void **state)
{
    static const struct {
        const char *first, *again;
    } cases[] = {
        {"", "<iq type='get' id='x'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>"},
        {BIND("a"),
         "<iq type='set' id='x'><session xmlns='urn:ietf:params:xml:ns:xmpp-session'/></iq>"},
        {BIND("a"), "<iq type='get' id='x'><ping xmlns='urn:xmpp:ping'/></iq>"},
        {BIND("a"), "<iq type='get' id='x'><none xmlns='urn:none'/></iq>"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct house *h = house_new("[limits]\nbacklog = 65536\nstanza_rate = 0\n", no_router);
        struct wire *w = login(h);
        if (*cases[i].first)
            wire_say(w, cases[i].first);
        conn_pause(w->conn);
        struct client *c = CONTAINER_OF(h->c2s->clients.next, struct client, node);
        for (int n = 0; n < 4000 && stream_is_open(&c->stream); n++)
            wire_say(w, cases[i].again);
        if (stream_is_open(&c->stream))
            fail_msg("%zu bytes after: %s", stream_out_len(&c->stream), cases[i].again);
        wire_free(&w);
        house_free(h);
    }
}

/* One client's stanzas that wait for the router are bounded: then it waits, too. */
static void does_not_read_on_while_much_waits(void **state)
{
    (void)state;
    struct house *h = house_new("[limits]\nstanza_rate = 0\n", no_router);
    struct wire *w = login(h);
    wire_say(w, BIND("a"));
    wire_expect(w, "type='result'");
    for (int n = 0; n < 255; n++)
        wire_say(w, "<message to='juliet@elsewhere.example'><body>hi</body></message>");
    wire_say(w, "<iq type='get' id='p1'><ping xmlns='urn:xmpp:ping'/></iq>");
    wire_expect(w, "id='p1'");
    wire_say(w, "<message to='juliet@elsewhere.example'><body>hi</body></message>");
    wire_say(w, "<iq type='get' id='p2'><ping xmlns='urn:xmpp:ping'/></iq>");
    wire_expect_not(w, "id='p2'");
    wire_free(&w);
    house_free(h);
}

/* A router that takes the names of h, and then reads no more. */
static void come_up_and_stall(struct house *h)
{
    loop_sim_settle(h->loop);
    wire_say(h->router,
             "<stream:stream xmlns='jabber:component:accept' id='1' from='c2s-1'"
             " xmlns:stream='http://etherx.jabber.org/streams'><handshake/>"
             "<bind xmlns='http://kontalk.org/extensions/router' type='result' id='1'/>");
    assert_true(link_is_up(h->c2s->link));
    conn_pause(h->router->conn);
}

static struct wire *bound(struct house *h, const char *bind)
{
    struct wire *w = login(h);
    wire_say(w, bind);
    wire_expect(w, "type='result'");
    return w;
}

/* A router that falls behind is not fed by whoever can until there is no room for anybody: he is
 * read again when it has caught up. */
static void one_client_does_not_fill_the_link(void **state)
{
    char *body = mem_alloc(60001);
    char *flood = mem_alloc(70000);
    (void)state;
    memset(body, 'x', 60000);
    body[60000] = 0;
    snprintf(flood, 70000, "<message to='juliet@elsewhere.example'><body>%s</body></message>",
             body);
    struct house *h = house_new("[limits]\nstanza_rate = 0\ninput_rate = 0\n", silent_router);
    struct wire *w = bound(h, BIND("a")), *other = bound(h, BIND("b"));
    come_up_and_stall(h);
    for (int n = 0; n < 500; n++)
        wire_say(w, flood);
    wire_say(w, "<iq type='get' id='p1'><ping xmlns='urn:xmpp:ping'/></iq>");
    wire_expect_not(w, "id='p1'");
    wire_say(other, "<message to='juliet@elsewhere.example' id='well'><body>hi</body></message>");
    wire_expect_not(other, "type='error'");
    conn_resume(h->router->conn);
    loop_sim_settle(h->loop);
    wire_expect(h->router, "id='well'");
    wire_expect(w, "id='p1'");
    free(body);
    free(flood);
    wire_free(&w);
    wire_free(&other);
    house_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stops_without_a_router),
        cmocka_unit_test(stops_within_a_login),
        cmocka_unit_test(ends_without_having_served),
        cmocka_unit_test(reloads_limits),
        cmocka_unit_test(refuses_what_is_fixed),
        cmocka_unit_test(errors_say_who_we_are),
        cmocka_unit_test(unknown_users_keep_their_salt),
        cmocka_unit_test(cuts_off_who_does_not_read),
        cmocka_unit_test(does_not_read_on_while_much_waits),
        cmocka_unit_test(one_client_does_not_fill_the_link),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
