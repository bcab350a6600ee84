/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Accounts made before the login, in a whole c2s in virtual time: what is offered and when, what a
 * name and a password must be, how often, and what the streams go through.
 */
#include "house.h"

#include "xmpp/ns.h"

#define ON "[register]\nenabled = true\nper_address = 0\nper_hour = 0\n"
#define QUERY(inside) "<query xmlns='jabber:iq:register'>" inside "</query>"
#define FIELDS(name, password)                                                                     \
    QUERY("<username>" name "</username><password>" password "</password>")
#define SET(name, password) "<iq type='set' id='r'>" FIELDS(name, password) "</iq>"
#define GET "<iq type='get' id='g'>" QUERY("") "</iq>"

/* A client in front of the features. */
static struct wire *visitor(struct house *h)
{
    struct wire *w = client_new(h);
    wire_say(w, OPEN("capulet.example"));
    return w;
}

static bool is_offered(struct wire *w)
{
    const char *heard = wire_heard(w);
    assert_non_null(strstr(heard, "</stream:features>"));
    return strstr(heard, "<register xmlns='http://jabber.org/features/iq-register'/>") != NULL;
}

/* One exchange of a new client, in one word of the answer. */
static void ask(struct house *h, const char *iq, const char *answer)
{
    struct wire *w = visitor(h);
    wire_heard(w);
    wire_say(w, iq);
    wire_expect(w, answer);
    wire_free(&w);
}

static void try_login(struct house *h, const char *name, const char *password, const char *answer)
{
    struct buf message = {0}, text = {0};
    struct wire *w = visitor(h);
    buf_append_char(&message, '\0');
    buf_append_z(&message, name);
    buf_append_char(&message, '\0');
    buf_append_z(&message, password);
    buf_append_z(&text, "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>");
    base64_encode(&text, buf_span(&message));
    buf_append_z(&text, "</auth>");
    wire_say(w, buf_z(&text));
    loop_sim_advance(h->loop, 20000); /* a failure is held back */
    wire_expect(w, answer);
    buf_free(&message);
    buf_free(&text);
    wire_free(&w);
}

/* --- what is offered -------------------------------------------------------------------------- */

static void offers_nothing_by_default(void **state)
{
    (void)state;
    struct house *h = house_new("", no_router);
    struct wire *w = visitor(h);
    assert_false(is_offered(w));
    wire_say(w, GET);
    wire_expect(w, "<service-unavailable");
    wire_say(w, SET("tybalt", "correct horse"));
    wire_expect(w, "<service-unavailable");
    wire_free(&w);
    try_login(h, "tybalt", "correct horse", "<not-authorized");
    house_free(h);
}

static void offers_it_over_tls_only(void **state)
{
    (void)state;
    for (int turn = 0; turn < 2; turn++) {
        struct house *h =
            house_new(turn ? ON "[c2s]\ntls = optional\n" : ON, no_router);
        struct conn *near;
        struct wire *w = wire_new(h->loop, 0, &near);
        client_accept(h->c2s, near, false); /* in clear text */
        wire_say(w, OPEN("capulet.example"));
        assert_int_equal(is_offered(w), turn);
        wire_say(w, SET("tybalt", "correct horse"));
        if (turn)
            wire_expect(w, "<iq type='result' id='r'/>");
        else
            wire_expect_end(w, "policy-violation");
        wire_free(&w);
        house_free(h);
    }
}

static void shows_a_form(void **state)
{
    (void)state;
    struct house *h = house_new(ON, no_router);
    struct wire *w = visitor(h);
    assert_true(is_offered(w));
    wire_say(w, "<iq type='get' id='g' to='capulet.example'>" QUERY("") "</iq>");
    wire_expect(w, "<iq type='result' id='g' from='capulet.example'>"
                   "<query xmlns='jabber:iq:register'><instructions>");
    wire_free(&w);
    w = login(h);
    wire_free(&w);
    house_free(h);
}

/* --- making an account ------------------------------------------------------------------------ */

static void makes_an_account(void **state)
{
    (void)state;
    for (int turn = 0; turn < 2; turn++) {
        struct house *h = house_new(ON, no_router);
        struct wire *w = visitor(h);
        wire_say(w, turn ? "<iq type='set' id='r' to='capulet.example'>" QUERY(
                               "<x xmlns='jabber:x:data' type='submit'>"
                               "<field var='username'><value>tybalt</value></field>"
                               "<field var='password'><value>correct horse</value></field></x>")
                           "</iq>"
                         : SET("tybalt", "correct horse"));
        wire_expect(w, turn ? "<iq type='result' id='r' from='capulet.example'/>"
                            : "<iq type='result' id='r'/>");
        /* on the same stream he logs in */
        wire_say(w, "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>"
                    "AHR5YmFsdABjb3JyZWN0IGhvcnNl</auth>");
        wire_expect(w, "<success");
        wire_free(&w);
        house_free(h);
    }
}

/* C08: what registers as a name logs in by it, however it is spelled; the rest is no name. */
static void names_are_those_of_the_login(void **state)
{
    static const struct {
        const char *registered, *login;
    } same[] = {
        {"TYBALT", "tybalt"},
        {"\xEF\xBC\xAD\xEF\xBD\x8D\xEF\xBD\x8D", "mmm"}, /* fullwidth */
        {"stra\xC3\x9F" "e", "strasse"},
        {"zw\xE2\x80\x8D" "j\xE2\x80\x8D", "zwj"}, /* joiners are mapped to nothing */
        {"\xC3\x85ngstr\xC3\xB6m", "\xE2\x84\xAB" "ngstr\xC3\xB6m"},
    };
    static const char *const none[] = {
        "ty balt", "ty@balt", "ty/balt", "ty:balt", "&quot;tybalt&quot;", "ty&apos;balt",
        "&lt;tybalt&gt;", "ty&amp;balt", "ty\xE2\x80\xAE" "balt", "\xD7\x90" "abc",
        "ty\xC2\xA0" "balt", "ty\xC2\xAD\xE2\x80\x8B",
    };
    char iq[300];
    (void)state;
    struct house *h = house_new(ON, no_router);
    for (size_t i = 0; i < ARRAY_LEN(same); i++) {
        snprintf(iq, sizeof iq, SET("%s", "correct horse"), same[i].registered);
        ask(h, iq, "<iq type='result'");
        try_login(h, same[i].login, "correct horse", "<success");
        snprintf(iq, sizeof iq, SET("%s", "another horse"), same[i].login);
        ask(h, iq, "<conflict");
    }
    for (size_t i = 0; i < ARRAY_LEN(none); i++) {
        snprintf(iq, sizeof iq, SET("%s", "correct horse"), none[i]);
        ask(h, iq, "<not-acceptable");
    }
    house_free(h);
}

/* C02: a name that is taken keeps its password. */
static void takes_nothing_from_anyone(void **state)
{
    (void)state;
    struct house *h = house_new(ON, no_router);
    ask(h, SET("romeo", "correct horse"), "<conflict");
    ask(h, SET("ROMEO", "correct horse"), "<conflict");
    ask(h, "<iq type='set' id='r'>" QUERY("<remove/>") "</iq>", "<unexpected-request");
    ask(h, "<iq type='set' id='r' from='romeo@capulet.example/x'>" QUERY("<remove/>") "</iq>",
        "<unexpected-request");
    try_login(h, "romeo", "secret", "<success");
    house_free(h);
}

static void refuses_bad_names_and_passwords(void **state)
{
    static const struct {
        const char *iq, *answer;
    } cases[] = {
        {SET("", "correct horse"), "<not-acceptable"},
        {SET("tybalt", ""), "<not-acceptable"},
        {"<iq type='set' id='r'>" QUERY("<username>tybalt</username>") "</iq>",
         "<not-acceptable"},
        {"<iq type='set' id='r'>" QUERY("") "</iq>", "<not-acceptable"},
        {SET("ty", "correct horse"), "too short"},
        {SET("tybaltt", "correct horse"), "too long"},
        {SET("\xC3\xA4\xC3\xB6\xC3\xBC\xC3\xA4\xC3\xB6\xC3\xBC", "correct horse"),
         "type='result'"}, /* 6 characters */
        {SET("admin", "correct horse"), "<conflict"}, /* not reserved here */
        {SET("nurse", "correct horse"), "the name is reserved"},
        {SET("NURSE", "correct horse"), "the name is reserved"},
        {SET("tybalt", "seven77"), "the password is too short"},
        {SET("tybalt", "with&#9;control"), "<not-acceptable"},
        {SET("paris", "correct horse"), "<forbidden"},
        {SET("Paris", "correct horse"), "<forbidden"},
        {SET("tybalt", "correct horse"), "type='result'"},
        {"<iq type='set'>" FIELDS("mercut", "correct horse") "</iq>", "<bad-request"},
        {"<iq type='set' id='r'>" FIELDS("mercut", "correct horse") QUERY("") "</iq>",
         "<bad-request"},
    };
    (void)state;
    struct house *h = house_new(ON "name_max = 6\nreserved = nurse, friar\n"
                                   "[access register]\nrules = deny paris@capulet.example\n"
                                   "rules = allow all\n",
                                no_router);
    accounts_add(h->c2s->accounts, SPAN("admin"), SPAN("secret"), on_done, NULL);
    loop_sim_settle(h->loop);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        ask(h, cases[i].iq, cases[i].answer);
    house_free(h);
}

/* --- the stream ------------------------------------------------------------------------------- */

static void one_account_a_connection(void **state)
{
    (void)state;
    struct house *h = house_new(ON, no_router);
    struct wire *w = visitor(h);
    wire_say(w, SET("romeo", "correct horse"));
    wire_expect(w, "<conflict");
    wire_say(w, SET("tybalt", "correct horse") SET("mercutio", "correct horse"));
    const char *heard = wire_heard(w);
    assert_non_null(strstr(heard, "<iq type='result' id='r'/>"));
    assert_non_null(strstr(heard, "<not-acceptable"));
    wire_free(&w);
    try_login(h, "mercutio", "correct horse", "<not-authorized");
    house_free(h);
}

/* Anything but that is none of a stranger's words. */
static void other_words_end_the_stream(void **state)
{
    static const char *const words[] = {
        "<iq type='get' id='1'><ping xmlns='urn:xmpp:ping'/></iq>",
        "<iq type='get' id='1' to='elsewhere.example'>" QUERY("") "</iq>",
        "<iq type='get' id='1' to='juliet@capulet.example'>" QUERY("") "</iq>",
        "<iq type='result' id='1'>" QUERY("") "</iq>",
        "<message to='juliet@capulet.example'><body>hi</body></message>",
    };
    (void)state;
    struct house *h = house_new(ON, no_router);
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        struct wire *w = visitor(h);
        wire_say(w, words[i]);
        wire_expect_end(w, "<not-authorized");
        wire_free(&w);
    }
    house_free(h);
}

static void keeps_the_budget(void **state)
{
    (void)state;
    struct house *h = house_new(ON, no_router);
    struct wire *w = visitor(h);
    wire_heard(w);
    for (int i = 0; i < 100 && !w->is_closed; i++)
        wire_say(w, SET("romeo", "correct horse"));
    wire_expect_end(w, "too many bytes before login");
    wire_free(&w);
    house_free(h);
}

/* The account is made, whoever is still there to hear of it; or the process ends first. */
static void ends_in_awkward_moments(void **state)
{
    (void)state;
    for (int turn = 0; turn < 2; turn++) {
        struct house *h = house_new(ON, no_router);
        struct wire *w = visitor(h);
        struct stanza iq = {0};
        struct client *c = CONTAINER_OF(h->c2s->clients.next, struct client, node);
        assert_int_equal(xml_parse_stanza(xml_parser_shared(SPAN(NS_CLIENT)),
                                          span_of(SET("tybalt", "correct horse")), &iq), XML_OK);
        register_on_iq(&c->stream, &iq);
        assert_int_equal(c->stream.state, C2S_REGISTERING);
        stanza_free(&iq);
        if (turn) {
            c2s_stop(h->c2s, on_stopped, h);
        } else {
            stream_abort(&c->stream);
            loop_sim_settle(h->loop);
            try_login(h, "tybalt", "correct horse", "<success");
        }
        wire_free(&w);
        house_free(h);
    }
}

/* --- how often -------------------------------------------------------------------------------- */

static void an_address_makes_some_in_an_hour(void **state)
{
    (void)state;
    struct house *h = house_new("[register]\nenabled = true\n", no_router);
    ask(h, SET("one", "correct horse"), "type='result'");
    ask(h, SET("romeo", "correct horse"), "<conflict"); /* is given back */
    loop_sim_advance(h->loop, 600000);
    ask(h, SET("two", "correct horse"), "type='result'");
    ask(h, SET("three", "correct horse"), "type='result'");
    ask(h, SET("four", "correct horse"),
        "<error type='wait'><resource-constraint xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>"
        "<text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas' xml:lang='en'>too many registrations"
        " from your address: try again in 50 minutes");
    loop_sim_advance(h->loop, 3000000);
    ask(h, SET("four", "correct horse"), "type='result'");
    house_free(h);
}

static void all_make_some_in_an_hour(void **state)
{
    char error[CONF_ERROR_MAX];
    (void)state;
    struct house *h =
        house_new("[register]\nenabled = true\nper_address = 0\nper_hour = 2\n", no_router);
    ask(h, SET("one", "correct horse"), "type='result'");
    ask(h, SET("two", "correct horse"), "type='result'");
    ask(h, SET("three", "correct horse"), "too many registrations: try again in 60 minutes");
    /* a reload allows more, or nobody */
    struct c2s_conf *more = conf_new("[register]\nenabled = true\nper_address = 0\nper_hour = 3\n");
    assert_true(c2s_reload(h->c2s, more, error));
    ask(h, SET("three", "correct horse"), "type='result'");
    ask(h, SET("four", "correct horse"), "too many registrations");
    struct c2s_conf *off = conf_new("");
    assert_true(c2s_reload(h->c2s, off, error));
    ask(h, SET("four", "correct horse"), "<service-unavailable");
    free_conf(more);
    free_conf(h->daemon.conf);
    h->daemon.conf = off;
    house_free(h);
}

/* --- settings --------------------------------------------------------------------------------- */

static void refuses_wrong_settings(void **state)
{
    static const struct {
        const char *text, *reason;
    } cases[] = {
        {"[register]\nreserved = admin, Root\n", ":8: reserved: Root is no name in lower case"},
        {"[register]\nname_min = 9\nname_max = 8\n", "[register] name_min is over name_max"},
        {"[access registr]\n", ":7: [access NAME]: NAME must be one of administer, register"},
        {"[access register]\nrules = allow local, deny b.test\n",
         ":8: rules: b.test is neither user@domain"},
        {"[access register]\nrules = allow all\nrules = b@c.test\n",
         ":9: rules: a line begins with allow or deny"},
        {"[access register]\n", ":7: [access register] needs a value for rules"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char path[] = "/tmp/test_c2s.XXXXXX", error[CONF_ERROR_MAX];
        int fd = mkstemp(path);
        assert_true(dprintf(fd, CONF "%s", cases[i].text) > 0);
        close(fd);
        assert_null(conf_load(&c2s_conf_spec, path, true, error));
        unlink(path);
        if (!strstr(error, cases[i].reason))
            fail_msg("%s", error);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(offers_nothing_by_default),
        cmocka_unit_test(offers_it_over_tls_only),
        cmocka_unit_test(shows_a_form),
        cmocka_unit_test(makes_an_account),
        cmocka_unit_test(names_are_those_of_the_login),
        cmocka_unit_test(takes_nothing_from_anyone),
        cmocka_unit_test(refuses_bad_names_and_passwords),
        cmocka_unit_test(one_account_a_connection),
        cmocka_unit_test(other_words_end_the_stream),
        cmocka_unit_test(keeps_the_budget),
        cmocka_unit_test(ends_in_awkward_moments),
        cmocka_unit_test(an_address_makes_some_in_an_hour),
        cmocka_unit_test(all_make_some_in_an_hour),
        cmocka_unit_test(refuses_wrong_settings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
