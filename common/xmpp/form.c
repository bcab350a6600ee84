/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * form - data forms (XEP-0004) and result sets (XEP-0059): read from a stanza's tree, written as
 * text. Called by the session manager's features; nothing here allocates or outlives the call.
 */
#include "xmpp/form.h"

#include "xml/writer.h"

/* --- reading a form --- */

uint32_t form_find(struct stanza *s, uint32_t node, struct span form_type)
{
    for (uint32_t x = stanza_child(s, node, SPAN(NS_FORM), SPAN("x")); x;
         x = stanza_next(s, x, SPAN(NS_FORM), SPAN("x"))) {
        /* Who cancels a form sends nothing but that (XEP-0004 3.1): no FORM_TYPE. */
        if (span_is_none(form_type) || form_is_type(s, x, SPAN("cancel")) ||
            span_eq(form_value(s, x, SPAN("FORM_TYPE")), form_type))
            return x;
    }
    return 0;
}

bool form_is_type(const struct stanza *s, uint32_t form, struct span type)
{
    return form && span_eq(stanza_attr(s, form, SPAN("type")), type);
}

uint32_t form_field(const struct stanza *s, uint32_t form, struct span var)
{
    if (!form)
        return 0;
    for (uint32_t f = stanza_child(s, form, SPAN(NS_FORM), SPAN("field")); f;
         f = stanza_next(s, f, SPAN(NS_FORM), SPAN("field"))) {
        if (span_eq(stanza_attr(s, f, SPAN("var")), var))
            return f;
    }
    return 0;
}

struct span form_value(struct stanza *s, uint32_t form, struct span var)
{
    uint32_t field = form_field(s, form, var);
    uint32_t value = field ? stanza_child(s, field, SPAN(NS_FORM), SPAN("value")) : 0;

    return value ? stanza_text(s, value) : SPAN_NONE;
}

bool form_boolean(struct stanza *s, uint32_t form, struct span var, bool *value_r)
{
    struct span value = form_value(s, form, var);

    if (span_is_none(value))
        return true;
    if (span_eq(value, SPAN("1")) || span_eq(value, SPAN("true")))
        *value_r = true;
    else if (span_eq(value, SPAN("0")) || span_eq(value, SPAN("false")))
        *value_r = false;
    else
        return false;
    return true;
}

/* --- writing a form --- */

static void attr_z(struct buf *out, const char *name, const char *value)
{
    xml_attr(out, name, span_of(value));
}

void form_write_begin(struct buf *out, const char *type, struct span form_type)
{
    xml_raw(out, SPAN("<x xmlns='" NS_FORM "'"));
    attr_z(out, "type", type);
    xml_raw(out, SPAN(">"));
    if (!span_is_none(form_type))
        form_write_field(out, "FORM_TYPE", "hidden", NULL, form_type);
}

void form_write_field(struct buf *out, const char *var, const char *type, const char *label,
                      struct span value)
{
    form_write_multi_begin(out, var, type, label);
    if (!span_is_none(value))
        form_write_value(out, value);
    form_write_multi_end(out);
}

void form_write_multi_begin(struct buf *out, const char *var, const char *type, const char *label)
{
    xml_raw(out, SPAN("<field"));
    attr_z(out, "var", var);
    attr_z(out, "type", type);
    attr_z(out, "label", label);
    xml_raw(out, SPAN(">"));
}

void form_write_value(struct buf *out, struct span value)
{
    xml_raw(out, SPAN("<value>"));
    xml_text(out, value);
    xml_raw(out, SPAN("</value>"));
}

void form_write_option(struct buf *out, const char *label, struct span value)
{
    xml_raw(out, SPAN("<option"));
    attr_z(out, "label", label);
    xml_raw(out, SPAN(">"));
    form_write_value(out, value);
    xml_raw(out, SPAN("</option>"));
}

void form_write_multi_end(struct buf *out)
{
    xml_raw(out, SPAN("</field>"));
}

void form_write_end(struct buf *out)
{
    xml_raw(out, SPAN("</x>"));
}

/* --- result sets --- */

static uint32_t set_child(const struct stanza *s, uint32_t set, struct span name)
{
    return stanza_child(s, set, SPAN(NS_RSM), name);
}

/* Its schema knows 32 bits. */
static bool read_number(struct stanza *s, uint32_t node, bool *has_r, uint64_t *value_r)
{
    *has_r = node != 0;
    return !node || span_to_u64(stanza_text(s, node), UINT32_MAX, value_r);
}

bool rsm_read(struct stanza *s, uint32_t node, struct rsm *rsm_r)
{
    uint32_t set = stanza_child(s, node, SPAN(NS_RSM), SPAN("set")), child;

    *rsm_r = (struct rsm){.is_there = set != 0};
    if (!set)
        return true;
    /* An empty <after/> asks for what follows nothing: the first page. */
    if ((child = set_child(s, set, SPAN("after"))) != 0 && stanza_text(s, child).n > 0)
        rsm_r->after = stanza_text(s, child);
    if ((child = set_child(s, set, SPAN("before"))) != 0) {
        rsm_r->is_backward = true;
        rsm_r->before = stanza_text(s, child);
    }
    return read_number(s, set_child(s, set, SPAN("max")), &rsm_r->has_max, &rsm_r->max) &&
           read_number(s, set_child(s, set, SPAN("index")), &rsm_r->has_index, &rsm_r->index);
}

void rsm_write(struct buf *out, struct span first, struct span last, int64_t index, int64_t count)
{
    xml_raw(out, SPAN("<set xmlns='" NS_RSM "'>"));
    if (!span_is_none(first)) {
        xml_raw(out, SPAN("<first"));
        if (index >= 0)
            buf_printf(out, " index='%lld'", (long long)index);
        xml_raw(out, SPAN(">"));
        xml_text(out, first);
        xml_raw(out, SPAN("</first>"));
    }
    if (!span_is_none(last)) {
        xml_raw(out, SPAN("<last>"));
        xml_text(out, last);
        xml_raw(out, SPAN("</last>"));
    }
    if (count >= 0)
        buf_printf(out, "<count>%lld</count>", (long long)count);
    xml_raw(out, SPAN("</set>"));
}
