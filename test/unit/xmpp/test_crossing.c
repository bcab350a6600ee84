/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the sender of another server is told when the router has not taken his stanza, and when, and
 * that completions come through.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "base/mem.h"
#include "xml/parser.h"
#include "xml/writer.h"
#include "xmpp/crossing.h"
#include "xmpp/ns.h"

#define A "a@far.example/r"
#define B "b@here.example"

static struct buf told, order;
static struct stanza said;

static void on_answer(void *ctx, const struct stanza *error, enum stanza_error e)
{
    assert_ptr_equal(ctx, &told);
    stanza_write(&told, error, &(struct stanza_write_opts){.ns = SPAN(NS_SERVER)});
    buf_printf(&order, "%s;", stanza_error_name(e));
}

static void on_done(void *ctx, bool safe)
{
    buf_printf(&order, "%s%s;", (const char *)ctx, safe ? "+" : "-");
}

static void setup(const char *text)
{
    buf_clear(&told);
    buf_clear(&order);
    stanza_reset(&said);
    assert_int_equal(xml_parse_stanza(xml_parser_shared(SPAN(NS_SERVER)), span_of(text), &said),
                     XML_OK);
}

static struct link_done begin(const char *text, char *name)
{
    setup(text);
    struct link_done done = name ? (struct link_done){on_done, name} : (struct link_done){0};
    return crossing_begin(&said, SPAN(A), SPAN(B), done, on_answer, &told);
}

static void finish(struct link_done d, bool safe)
{
    if (d.call)
        d.call(d.ctx, safe);
}

#define FULL                                                                                       \
    "<error type='wait'><resource-constraint "                                                     \
    "xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"
#define ADDRESSES " to='" A "' from='" B "'"

static const struct {
    const char *said, *told;
} cases[] = {
    {"<message id='1'><body>x</body></message>",
     "<message" ADDRESSES " id='1' type='error'>" FULL "</message>"},
    {"<iq type='get' id='&lt;'/>", "<iq" ADDRESSES " id='&lt;' type='error'>" FULL "</iq>"},
    {"<iq type='set' id=''/>", "<iq" ADDRESSES " id='' type='error'>" FULL "</iq>"},
    {"<presence type='subscribe'/>", "<presence" ADDRESSES " type='error'>" FULL "</presence>"},
    /* RFC 6120 8.3.1: these are not answered */
    {"<message type='error' id='1'/>", ""},
    {"<message type='headline'/>", ""},
    {"<iq type='result' id='1'/>", ""},
    {"<presence/>", ""},
    {"<presence type='unavailable'/>", ""},
};

static void tells_senders(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        finish(begin(cases[i].said, NULL), false);
        assert_string_equal(buf_z(&told), cases[i].told);
        finish(begin(cases[i].said, "x"), false);
        assert_string_equal(buf_z(&told), cases[i].told);
        assert_string_equal(buf_z(&order), *cases[i].told ? "resource-constraint;x-;" : "x-;");
    }
    crossing_free_spare();
}

static void is_silent_about_the_rest(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        finish(begin(cases[i].said, NULL), true);
        finish(begin(cases[i].said, "x"), true);
        assert_string_equal(buf_z(&told), "");
        assert_string_equal(buf_z(&order), "x+;");
    }
    crossing_free_spare();
}

/* In whatever order they come back, and when the stanza itself is long gone. */
static void keeps_many_apart(void **state)
{
    char name[] = "x", text[64];
    struct link_done done[40];
    (void)state;
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 40; i++) {
            snprintf(text, sizeof text, "<message id='%d.%d'/>", round, i);
            done[i] = begin(text, name);
        }
        stanza_reset(&said);
        for (int i = 39; i >= 0; i--) {
            buf_clear(&told);
            finish(done[i], i % 3 > 0);
            snprintf(text, sizeof text, " id='%d.%d' ", round, i);
            assert_int_equal(strstr(buf_z(&told), text) != NULL, i % 3 == 0);
        }
    }
    crossing_free_spare();
}

/* Not even as far as that. */
static void refuses(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        setup(cases[i].said);
        crossing_refuse(&said, SPAN(B), SPAN(A), STANZA_RESOURCE_CONSTRAINT, on_answer, &told);
        assert_string_equal(buf_z(&told), cases[i].told);
    }
    setup("<message/>");
    crossing_refuse(&said, SPAN("here.example"), SPAN(A), STANZA_JID_MALFORMED, on_answer, &told);
    assert_string_equal(buf_z(&told), "<message to='" A "' from='here.example' type='error'><error "
                                      "type='modify'><jid-malformed xmlns='" NS_STANZA_ERRORS
                                      "'/></error></message>");
}

static int release(void **state)
{
    (void)state;
    stanza_free(&said);
    buf_free(&told);
    buf_free(&order);
    xml_parser_shared_free();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_senders),
        cmocka_unit_test(is_silent_about_the_rest),
        cmocka_unit_test(keeps_many_apart),
        cmocka_unit_test(refuses),
    };
    return cmocka_run_group_tests(tests, NULL, release);
}
