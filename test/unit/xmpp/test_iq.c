/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_iq - which requests are requests, and their answers. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "base/mem.h"
#include "xmpp/iq.h"
#include "xmpp/ns.h"

static void requests_are_checked(void **state)
{
    (void)state;
    static const struct {
        const char *name, *type, *id;
        int children;
        bool valid;
    } rows[] = {
        {"iq", "get", "1", 1, true},       {"iq", "set", "1", 1, true},
        {"iq", "get", "1", 0, false},      {"iq", "get", "1", 2, false},
        {"iq", "get", NULL, 1, false},     {"iq", "get", "", 1, false},
        {"iq", "result", "1", 1, false},   {"iq", "error", "1", 1, false},
        {"iq", "GET", "1", 1, false},      {"iq", NULL, "1", 1, false},
        {"message", "get", "1", 1, false},
    };
    struct stanza s = {0};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        stanza_reset(&s);
        stanza_add(&s, 0, SPAN(NS_CLIENT), span_of(rows[i].name));
        stanza_set_attr(&s, 0, SPAN("type"), span_of(rows[i].type));
        stanza_set_attr(&s, 0, SPAN("id"), span_of(rows[i].id));
        stanza_add_text(&s, 0, SPAN("\n ")); /* text between does not count */
        for (int c = 0; c < rows[i].children; c++)
            stanza_add(&s, 0, SPAN(NS_PING), SPAN("ping"));
        stanza_add_text(&s, 0, SPAN("\n"));
        assert_int_equal(iq_is_valid_request(&s), rows[i].valid);
    }
    stanza_free(&s);
}

static void answers_are_written(void **state)
{
    (void)state;
    struct buf out = {0};
    iq_write_result(&out, SPAN("a'b"), SPAN_NONE, SPAN("alice@x/<&>"));
    assert_string_equal(buf_z(&out),
                        "<iq type='result' id='a&apos;b' to='alice@x/&lt;&amp;&gt;'/>");
    buf_clear(&out);
    iq_write_result_open(&out, SPAN("1"), SPAN("x"), SPAN_NONE);
    buf_append(&out, SPAN("<q/>"));
    iq_write_end(&out);
    assert_string_equal(buf_z(&out), "<iq type='result' id='1' from='x'><q/></iq>");
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_are_checked),
        cmocka_unit_test(answers_are_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
