/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a stanza of another server has lost when our router gets it: S01-S03, S19, C06, X30. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/mem.h"
#include "xml/parser.h"
#include "xml/writer.h"
#include "xmpp/arrival.h"
#include "xmpp/ns.h"

#define FROM "from='a@far.example/r'"
#define TO "to='b@here.example'"
#define OPEN "<message " TO " " FROM
#define ID(by) "<stanza-id xmlns='" NS_STANZA_ID "' by='" by "'/>"
#define DELAY(from) "<delay xmlns='" NS_DELAY "' from='" from "'/>"
#define OURS "<via xmlns='" NS_NETWORK "'/>"
#define OF_ROUTER "<envelope xmlns='" NS_ROUTER "'><message/></envelope>"

static bool is_ours(const void *ctx, struct span domain)
{
    assert_string_equal(ctx, "ctx");
    return span_eq(domain, SPAN("here.example")) || span_eq(domain, SPAN("rooms.here.example"));
}

static void takes_out_what_is_ours(void **state)
{
    static const struct {
        const char *said, *passed;
    } cases[] = {
        {OPEN "><body>1 &lt; 2</body></message>", OPEN "><body>1 &lt; 2</body></message>"},
        {OPEN ">text</message>", OPEN ">text</message>"},
        {"<message from='A@FAR.example/r' to='B@Here.EXAMPLE.'/>", OPEN "/>"},
        {OPEN " xmlns:e='urn:e' e:from='x@y' e:type='error' xml:lang='it'/>",
         OPEN " xml:lang='it'/>"},
        {OPEN ">" ID("b@here.example") ID("here.example") ID("B@HERE.example")
             ID("room@rooms.here.example/x") "</message>",
         OPEN "/>"},
        {OPEN ">" ID("b@far.example") ID("") ID("@") ID("x.here.example.org")
             "<origin-id xmlns='" NS_STANZA_ID "' by='here.example'/></message>",
         OPEN ">" ID("b@far.example") ID("") ID("@") ID("x.here.example.org")
             "<origin-id xmlns='" NS_STANZA_ID "' by='here.example'/></message>"},
        {OPEN ">" DELAY("here.example") DELAY("far.example") DELAY("HERE.example/x") "</message>",
         OPEN ">" DELAY("far.example") "</message>"},
        {OPEN ">" OURS "<to xmlns='" NS_NETWORK "'/><link xmlns='" NS_NETWORK "'/></message>",
         OPEN "><link xmlns='" NS_NETWORK "'/></message>"},
        {OPEN ">" OF_ROUTER "a" OF_ROUTER "<body/>" OF_ROUTER "</message>",
         OPEN ">a<body/></message>"},
        /* what is said inside of something is only payload */
        {OPEN "><x xmlns='urn:x'>" OURS "</x></message>",
         OPEN "><x xmlns='urn:x'>" OURS "</x></message>"},
    };
    struct stanza s = {0};
    struct buf out = {0};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        static struct jid_scratch from_scratch, to_scratch;
        struct jid from, to;
        assert_int_equal(
            xml_parse_stanza(xml_parser_shared(SPAN(NS_SERVER)), span_of(cases[i].said), &s),
            XML_OK);
        assert_true(jid_parse(s.from, &from, &from_scratch));
        assert_true(jid_parse(s.to, &to, &to_scratch));
        arrival_prepare(&s, &from, &to, is_ours, "ctx");
        buf_clear(&out);
        stanza_write(&out, &s, &(struct stanza_write_opts){.ns = SPAN(NS_SERVER)});
        assert_string_equal(buf_z(&out), cases[i].passed);
        stanza_reset(&s);
    }
    buf_free(&out);
    stanza_free(&s);
    xml_parser_shared_free();
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(takes_out_what_is_ours)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
