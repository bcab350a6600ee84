/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * config - what a node is like, as a typed struct and as a data form (XEP-0060 8.2, 16.4.4), by one
 * table of fields.
 */
#include "c2s/sm/pubsub/pubsub_private.h"

#include "xml/writer.h"
#include "xmpp/form.h"

enum kind {
    FLAG,   /* a bit of flags */
    CHOICE, /* an unsigned char, by the table of its names */
    TEXT,
    TEXTS,  /* several values, kept with LF between */
    ITEMS,  /* a number, or "max" */
    EXPIRE,
    NORMAL, /* notification_type */
    FIXED,  /* a boolean that cannot be changed: at is its value */
};

struct field {
    const char *var, *label;
    enum kind kind;
    size_t at; /* the bit, or the offset */
    const char *const *names;
};

static const char *const access_names[] = {"open", "presence", "roster", "whitelist", NULL};
static const char *const publish_names[] = {"publishers", "subscribers", "open", NULL};
static const char *const last_names[] = {"never", "on_sub", "on_sub_and_presence", NULL};

#define AT(member) offsetof(struct pubsub_config, member)

static const struct field fields[] = {
    {"pubsub#title", "Title", TEXT, AT(title), NULL},
    {"pubsub#description", "Description", TEXT, AT(description), NULL},
    {"pubsub#type", "Namespace of the payloads", TEXT, AT(type), NULL},
    {"pubsub#access_model", "Who may subscribe and read", CHOICE, AT(access), access_names},
    {"pubsub#roster_groups_allowed", "Roster groups that may", TEXTS, AT(groups), NULL},
    {"pubsub#publish_model", "Who may publish", CHOICE, AT(publish), publish_names},
    {"pubsub#max_items", "Items that are kept, or max", ITEMS, AT(max_items), NULL},
    {"pubsub#item_expire", "Seconds that an item is kept, or max", EXPIRE, AT(expire), NULL},
    {"pubsub#persist_items", "Items are kept", FLAG, PUBSUB_PERSIST, NULL},
    {"pubsub#deliver_notifications", "Events are sent", FLAG, PUBSUB_DELIVER, NULL},
    {"pubsub#deliver_payloads", "With the payload", FLAG, PUBSUB_PAYLOADS, NULL},
    {"pubsub#notify_config", "Events of a new configuration", FLAG, PUBSUB_TELL_CONFIG, NULL},
    {"pubsub#notify_delete", "Events of deletion", FLAG, PUBSUB_TELL_DELETE, NULL},
    {"pubsub#notify_retract", "Events of retraction", FLAG, PUBSUB_TELL_RETRACT, NULL},
    {"pubsub#send_last_published_item", "When the last item is sent", CHOICE, AT(last), last_names},
    {"pubsub#notification_type", "Type of the messages", NORMAL, 0, NULL},
    {"pubsub#subscribe", "Others may subscribe", FLAG, PUBSUB_SUBSCRIBE, NULL},
    {"pubsub#purge_offline", "Items go with their publisher", FIXED, false, NULL},
    {"pubsub#presence_based_delivery", "Events only for who is there", FIXED, false, NULL},
};

void pubsub_config_default(struct pubsub_config *c)
{
    *c = (struct pubsub_config){
        .access = PUBSUB_PRESENCE,
        .publish = PUBSUB_BY_PUBLISHERS,
        .last = PUBSUB_LAST_ON_PRESENCE,
        .flags = PUBSUB_PERSIST | PUBSUB_DELIVER | PUBSUB_PAYLOADS | PUBSUB_TELL_DELETE |
                 PUBSUB_TELL_RETRACT | PUBSUB_SUBSCRIBE,
        .max_items = 1,
        .title = SPAN(""),
        .description = SPAN(""),
        .type = SPAN(""),
        .groups = SPAN(""),
    };
}

static const struct field *field_of(struct span var)
{
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        if (span_eq(var, span_of(fields[i].var)))
            return &fields[i];
    }
    return NULL;
}

static void *at(struct pubsub_config *c, const struct field *f)
{
    return (char *)c + f->at;
}

static const void *at_const(const struct pubsub_config *c, const struct field *f)
{
    return (const char *)c + f->at;
}

/* --- reading --- */

static enum stanza_error read_flag(struct stanza *s, uint32_t form, const struct field *f,
                                   struct pubsub_config *c)
{
    bool was = f->kind == FIXED ? f->at != 0 : (c->flags & f->at) != 0, value = was;

    if (!form_boolean(s, form, span_of(f->var), &value))
        return STANZA_BAD_REQUEST;
    if (f->kind == FIXED)
        return value == was ? STANZA_ERROR_NONE : STANZA_NOT_ACCEPTABLE;
    c->flags = value ? c->flags | (unsigned)f->at : c->flags & ~(unsigned)f->at;
    return STANZA_ERROR_NONE;
}

static enum stanza_error read_choice(struct span value, const struct field *f,
                                     struct pubsub_config *c)
{
    for (unsigned char i = 0; f->names[i]; i++) {
        if (span_eq(value, span_of(f->names[i]))) {
            *(unsigned char *)at(c, f) = i;
            return STANZA_ERROR_NONE;
        }
    }
    return STANZA_NOT_ACCEPTABLE;
}

static enum stanza_error read_text(struct span value, const struct field *f,
                                   struct pubsub_config *c)
{
    if (value.n > PUBSUB_TEXT_MAX)
        return STANZA_NOT_ACCEPTABLE;
    *(struct span *)at(c, f) = span_is_none(value) ? SPAN("") : value;
    return STANZA_ERROR_NONE;
}

static enum stanza_error read_texts(struct stanza *s, uint32_t node, const struct field *f,
                                    struct pubsub_config *c)
{
    struct buf all = {.max = PUBSUB_GROUPS_MAX};
    enum stanza_error e = STANZA_ERROR_NONE;

    for (uint32_t v = stanza_child(s, node, SPAN(NS_FORM), SPAN("value")); v;
         v = stanza_next(s, v, SPAN(NS_FORM), SPAN("value"))) {
        struct span text = stanza_text(s, v);
        if (text.n == 0)
            continue;
        if (span_index(text, '\n') < text.n || (buf_len(&all) && !buf_append_char(&all, '\n')) ||
            !buf_append(&all, text))
            e = STANZA_NOT_ACCEPTABLE;
    }
    *(struct span *)at(c, f) = arena_span(&s->arena, buf_span(&all));
    buf_free(&all);
    return e;
}

/* More than there may be is refused, so that nobody thinks that they are kept. */
static enum stanza_error read_items(struct span value, size_t max_items, struct pubsub_config *c)
{
    uint64_t n;

    if (span_eq(value, SPAN("max"))) {
        c->max_items = PUBSUB_ITEMS_MAX;
        return STANZA_ERROR_NONE;
    }
    if (!span_to_u64(value, max_items, &n))
        return STANZA_NOT_ACCEPTABLE;
    c->max_items = (uint32_t)n;
    return STANZA_ERROR_NONE;
}

static enum stanza_error read_expire(struct span value, struct pubsub_config *c)
{
    uint64_t n;

    c->expire = 0;
    if (span_is_empty(value) || span_eq(value, SPAN("max")))
        return STANZA_ERROR_NONE;
    if (!span_to_u64(value, PUBSUB_EXPIRE_MAX, &n))
        return STANZA_NOT_ACCEPTABLE;
    c->expire = (int64_t)n;
    return STANZA_ERROR_NONE;
}

static enum stanza_error read_normal(struct span value, struct pubsub_config *c)
{
    c->is_normal = span_eq(value, SPAN("normal"));
    return c->is_normal || span_eq(value, SPAN("headline")) ? STANZA_ERROR_NONE
                                                             : STANZA_NOT_ACCEPTABLE;
}

static enum stanza_error read_field(struct stanza *s, uint32_t form, uint32_t node,
                                    const struct field *f, size_t max_items,
                                    struct pubsub_config *c)
{
    struct span value = form_value(s, form, span_of(f->var));

    switch (f->kind) {
    case FLAG:
    case FIXED:
        return read_flag(s, form, f, c);
    case CHOICE:
        return read_choice(value, f, c);
    case TEXT:
        return read_text(value, f, c);
    case TEXTS:
        return read_texts(s, node, f, c);
    case ITEMS:
        return read_items(value, max_items, c);
    case EXPIRE:
        return read_expire(value, c);
    case NORMAL:
        break;
    }
    return read_normal(value, c);
}

enum stanza_error pubsub_config_read(struct stanza *s, uint32_t form, bool is_strict,
                                     size_t max_items, struct pubsub_config *c)
{
    for (uint32_t node = stanza_child(s, form, SPAN(NS_FORM), SPAN("field")); node;
         node = stanza_next(s, node, SPAN(NS_FORM), SPAN("field"))) {
        struct span var = stanza_attr(s, node, SPAN("var"));
        const struct field *f = field_of(var);
        enum stanza_error e;

        if (!f && is_strict && !span_eq(var, SPAN("FORM_TYPE")))
            return STANZA_CONFLICT;
        if (!f || node != form_field(s, form, var))
            continue;
        e = read_field(s, form, node, f, max_items, c);
        if (e != STANZA_ERROR_NONE)
            return e;
    }
    return STANZA_ERROR_NONE;
}

bool pubsub_config_eq(const struct pubsub_config *a, const struct pubsub_config *b)
{
    return a->access == b->access && a->publish == b->publish && a->last == b->last &&
           a->is_normal == b->is_normal && a->flags == b->flags && a->max_items == b->max_items &&
           a->expire == b->expire && span_eq(a->title, b->title) &&
           span_eq(a->description, b->description) && span_eq(a->type, b->type) &&
           span_eq(a->groups, b->groups);
}

/* --- writing --- */

static void write_choice(struct buf *out, const struct field *f, const struct pubsub_config *c,
                         bool is_form)
{
    const char *name = f->names[*(const unsigned char *)at_const(c, f)];

    if (!is_form) {
        form_write_field(out, f->var, NULL, NULL, span_of(name));
        return;
    }
    form_write_multi_begin(out, f->var, "list-single", f->label);
    for (size_t i = 0; f->names[i]; i++)
        form_write_option(out, NULL, span_of(f->names[i]));
    form_write_value(out, span_of(name));
    form_write_multi_end(out);
}

static void write_texts(struct buf *out, const struct field *f, const struct pubsub_config *c)
{
    struct span all = *(const struct span *)at_const(c, f);

    form_write_multi_begin(out, f->var, "list-multi", f->label);
    while (all.n > 0) {
        size_t n = span_index(all, '\n');
        form_write_value(out, span_make(all.p, n));
        all = span_from(all, n < all.n ? n + 1 : n);
    }
    form_write_multi_end(out);
}

static void write_number(struct buf *out, const char *var, const char *type, const char *label,
                         bool is_max, uint64_t n)
{
    struct buf text = {0};

    if (is_max)
        buf_append_z(&text, "max");
    else
        buf_append_u64(&text, n);
    form_write_field(out, var, type, label, buf_span(&text));
    buf_free(&text);
}

static void write_field(struct buf *out, const struct field *f, const struct pubsub_config *c,
                        bool is_form)
{
    const char *label = is_form ? f->label : NULL, *single = is_form ? "text-single" : NULL;

    switch (f->kind) {
    case FLAG:
        form_write_field(out, f->var, is_form ? "boolean" : NULL, label,
                         c->flags & f->at ? SPAN("1") : SPAN("0"));
        break;
    case CHOICE:
        write_choice(out, f, c, is_form);
        break;
    case TEXT:
        form_write_field(out, f->var, single, label, *(const struct span *)at_const(c, f));
        break;
    case TEXTS:
        write_texts(out, f, c);
        break;
    case ITEMS:
        write_number(out, f->var, single, label, c->max_items == PUBSUB_ITEMS_MAX, c->max_items);
        break;
    case EXPIRE:
        write_number(out, f->var, single, label, c->expire == 0, (uint64_t)c->expire);
        break;
    case NORMAL:
        form_write_multi_begin(out, f->var, is_form ? "list-single" : NULL, label);
        if (is_form)
            form_write_option(out, NULL, SPAN("normal"));
        if (is_form)
            form_write_option(out, NULL, SPAN("headline"));
        form_write_value(out, c->is_normal ? SPAN("normal") : SPAN("headline"));
        form_write_multi_end(out);
        break;
    case FIXED:
        break;
    }
}

/* The roster's groups are nobody's business but the owner's. */
void pubsub_config_write_fields(struct buf *out, const struct pubsub_config *c, bool is_form)
{
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        if (is_form || fields[i].kind != TEXTS)
            write_field(out, &fields[i], c, is_form);
    }
}

void pubsub_config_write_form(struct buf *out, const struct pubsub_config *c)
{
    form_write_begin(out, "form", SPAN(NS_PUBSUB_CONFIG));
    pubsub_config_write_fields(out, c, true);
    form_write_end(out);
}
