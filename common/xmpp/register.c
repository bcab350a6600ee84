/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * register - see register.h. XEP-0077 sections 3.1 (register), 3.2 (cancel), 3.3 (password), 4
 * (forms) and 6 (what precedes what).
 */
#include "xmpp/register.h"

#include "xml/writer.h"
#include "xmpp/form.h"

static struct span field_of(struct stanza *s, uint32_t query, struct span name)
{
    uint32_t field = stanza_child(s, query, SPAN(NS_REGISTER), name);

    return field ? stanza_text(s, field) : SPAN_NONE;
}

void register_read(struct stanza *s, uint32_t query, struct register_query *q_r)
{
    uint32_t form = form_find(s, query, SPAN_NONE);

    *q_r = (struct register_query){
        .is_removal = stanza_child(s, query, SPAN(NS_REGISTER), SPAN("remove")) != 0,
        .has_more = stanza_child_count(s, query) > 1,
    };
    if (form) {
        q_r->username = form_value(s, form, SPAN("username"));
        q_r->password = form_value(s, form, SPAN("password"));
    } else {
        q_r->username = field_of(s, query, SPAN("username"));
        q_r->password = field_of(s, query, SPAN("password"));
    }
}

static void write_required(struct buf *out, const char *var, const char *type, const char *label)
{
    form_write_multi_begin(out, var, type, label);
    xml_raw(out, SPAN("<required/>"));
    form_write_multi_end(out);
}

void register_write_form(struct buf *out, struct span instructions)
{
    xml_raw(out, SPAN("<query xmlns='" NS_REGISTER "'><instructions>"));
    xml_text(out, instructions);
    xml_raw(out, SPAN("</instructions><username/><password/>"));
    form_write_begin(out, "form", SPAN_NONE);
    xml_raw(out, SPAN("<instructions>")); /* come before all fields */
    xml_text(out, instructions);
    xml_raw(out, SPAN("</instructions>"));
    form_write_field(out, "FORM_TYPE", "hidden", NULL, SPAN(NS_REGISTER));
    write_required(out, "username", "text-single", "Name");
    write_required(out, "password", "text-private", "Password");
    form_write_end(out);
    xml_raw(out, SPAN("</query>"));
}

size_t register_length(struct span text)
{
    size_t n = 0;

    for (size_t i = 0; i < text.n; i++)
        n += ((unsigned char)text.p[i] & 0xC0) != 0x80;
    return n;
}
