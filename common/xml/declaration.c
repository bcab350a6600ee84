/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * declaration - judges an XML declaration. Called by the framer with the few bytes it collected;
 * the XML library is told to ignore what they say about the encoding. RFC 6120 11.5, 11.6.
 */
#include "xml/declaration.h"

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Drops leading white space; returns whether there was any. */
static bool take_space(struct span *rest)
{
    size_t n = 0;
    while (n < rest->n && is_space(rest->p[n]))
        n++;
    *rest = span_from(*rest, n);
    return n > 0;
}

static bool take_char(struct span *rest, char c)
{
    if (rest->n == 0 || rest->p[0] != c)
        return false;
    *rest = span_from(*rest, 1);
    return true;
}

/* Takes "= 'value'" with its blanks. */
static bool take_value(struct span *rest, struct span *value_r)
{
    take_space(rest);
    if (!take_char(rest, '='))
        return false;
    take_space(rest);
    char quote = rest->n ? rest->p[0] : 0;
    if (quote != '\'' && quote != '"')
        return false;
    *rest = span_from(*rest, 1);
    size_t n = span_index(*rest, quote);
    if (n == rest->n)
        return false;
    *value_r = span_make(rest->p, n);
    *rest = span_from(*rest, n + 1);
    return true;
}

static enum xml_fault judge_version(struct span value)
{
    return span_eq(value, SPAN("1.0")) ? XML_OK : XML_RESTRICTED;
}

static enum xml_fault judge_encoding(struct span value)
{
    return span_eq_case(value, SPAN("utf-8")) ? XML_OK : XML_UNSUPPORTED_ENCODING;
}

static enum xml_fault judge_standalone(struct span value)
{
    if (span_eq(value, SPAN("no")))
        return XML_RESTRICTED;
    return span_eq(value, SPAN("yes")) ? XML_OK : XML_NOT_WELL_FORMED;
}

/* In the order that the grammar demands; only the first is required. */
static const struct {
    struct span name;
    enum xml_fault (*judge)(struct span value);
} parts[] = {
    {SPAN_INIT("version"), judge_version},
    {SPAN_INIT("encoding"), judge_encoding},
    {SPAN_INIT("standalone"), judge_standalone},
};

enum xml_fault declaration_check(struct span text)
{
    struct span rest = text;
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        struct span at = rest;
        if (!take_space(&at) || !span_starts(at, parts[i].name)) {
            if (i == 0)
                return XML_NOT_WELL_FORMED;
            continue;
        }
        rest = span_from(at, parts[i].name.n);
        struct span value;
        if (!take_value(&rest, &value))
            return XML_NOT_WELL_FORMED;
        enum xml_fault fault = parts[i].judge(value);
        if (fault)
            return fault;
    }
    take_space(&rest);
    return rest.n ? XML_NOT_WELL_FORMED : XML_OK;
}
