/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Tests of xml/starttag: what a relay reads from a start tag, and what it does not believe.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/mem.h"
#include "xml/starttag.h"

#include <stdio.h>
#include <stdlib.h>

/* "name xmlns to from id type length" with - for the absent, then "/" and "&" flags; or "no". */
static const struct {
    const char *frame, *expected;
} cases[] = {
    {"<message/>", "message - - - - - 10 /"},
    {"<message></message>", "message - - - - - 9 "},
    {"<iq to='a@b/c' from='d' id='1' type='get'><x/></iq>", "iq - a@b/c d 1 get 42 "},
    {"<iq type=\"set\" id=\"2\"/>", "iq - - - 2 set 23 /"},
    {"<iq\n\tto = 'a'\r\n from='b' />", "iq - a b - - 27 /"},
    {"<message xmlns='jabber:client' to='a'>", "message jabber:client a - - - 38 "},
    {"<x to='it\"s>/>'>", "x - it\"s>/> - - - 16 "},
    {"<x to=''>", "x -  - - - 9 "},
    {"<p:message xmlns:p='u' p:to='no' xml:lang='en' to='yes'/>", "p:message - yes - - - 57 /"},
    {"<x totally='1' fro='2' ids='3' types='4'/>", "x - - - - - 42 /"},
    {"<x to='a&amp;b' from='c'/>", "x - a&amp;b c - - 26 /&"},
    {"<x body='a&amp;b' from='c'/>", "x - - c - - 28 /"},
    {"<x xmlns='a&amp;b' from='c'/>", "x a&amp;b - c - - 29 /"},
    {"<x to='a &quot; long one with more than eight &amp; bytes'>",
     "x - a &quot; long one with more than eight &amp; bytes - - - 59 &"},
    {"<x>a&amp;b</x>", "x - - - - - 3 "},
    {"", "no"},
    {"<", "no"},
    {"<x", "no"},
    {"x/>", "no"},
    {" <x/>", "no"},
    {"</x>", "no"},
    {"<!x>", "no"},
    {"<?x?>", "no"},
    {"<>  ", "no"},
    {"<x to='a' to='b'/>", "no"},
    {"<x from='a' from=''/>", "no"},
    {"<x id='' id=''/>", "no"},
    {"<x type='a' to='b' type='c'/>", "no"},
    {"<x xmlns='a' xmlns='c'/>", "no"},
    {"<x to='a'from='b'/>", "no"},
    {"<x to=a/>", "no"},
    {"<x to/>", "no"},
    {"<x to>", "no"},
    {"<x to='a", "no"},
    {"<x to='a\"/>", "no"},
    {"<x to='a'", "no"},
    {"<x to='a'/", "no"},
    {"<x to='a'/ >", "no"},
    {"<x/to='a'>", "no"},
    {"<x ='a'/>", "no"},
};

static void put(char *out, size_t n, struct span s)
{
    size_t at = strlen(out);
    if (s.p)
        snprintf(out + at, n - at, "%.*s ", SPAN_ARG(s));
    else
        snprintf(out + at, n - at, "- ");
}

static void test_cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char text[256] = "no";
        struct starttag tag;
        /* A copy of its own, so that a look past the end is found out. */
        size_t n = strlen(cases[i].frame);
        char *frame = mem_alloc(n);
        memcpy(frame, cases[i].frame, n);
        if (starttag_scan(span_make(frame, n), &tag)) {
            text[0] = '\0';
            put(text, sizeof(text), tag.name);
            put(text, sizeof(text), tag.xmlns);
            put(text, sizeof(text), tag.to);
            put(text, sizeof(text), tag.from);
            put(text, sizeof(text), tag.id);
            put(text, sizeof(text), tag.type);
            size_t at = strlen(text);
            snprintf(text + at, sizeof(text) - at, "%zu %s%s", tag.length, tag.is_empty ? "/" : "",
                     tag.has_entity ? "&" : "");
        }
        assert_string_equal(text, cases[i].expected);
        free(frame);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
