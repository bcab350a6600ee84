/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * error - the words of stream errors (RFC 6120 4.9) and stanza errors (8.3), and writing them.
 *
 * Called by the stream engine, by relays that bounce, and by the handlers of stanzas. Nothing here
 * keeps anything: it appends to the caller's buffer.
 */
#include "xmpp/error.h"

#include "base/mem.h"
#include "xml/writer.h"
#include "xmpp/ns.h"

static const char *const stream_names[] = {
    [STREAM_ERROR_NONE] = "",
#define X(name, element) [STREAM_##name] = element,
    STREAM_ERRORS(X)
#undef X
};

static const struct {
    struct span name;
    const char *type;
} stanza_errors[] = {
    [STANZA_ERROR_NONE] = {SPAN_INIT(""), "cancel"},
#define X(name, element, type) [STANZA_##name] = {SPAN_INIT(element), type},
    STANZA_ERRORS(X)
#undef X
};

const char *stream_error_name(enum stream_error e)
{
    return stream_names[e];
}

const char *stanza_error_name(enum stanza_error e)
{
    return stanza_errors[e].name.p;
}

const char *stanza_error_type(enum stanza_error e)
{
    return stanza_errors[e].type;
}

enum stanza_error stanza_error_parse(struct span name)
{
    for (size_t i = STANZA_ERROR_NONE + 1; i < ARRAY_LEN(stanza_errors); i++)
        if (span_eq(stanza_errors[i].name, name))
            return (enum stanza_error)i;
    return STANZA_ERROR_NONE;
}

enum stream_error stream_error_parse(struct span name)
{
    for (size_t i = STREAM_ERROR_NONE + 1; i < ARRAY_LEN(stream_names); i++)
        if (span_eq(span_of(stream_names[i]), name))
            return (enum stream_error)i;
    return STREAM_UNDEFINED_CONDITION;
}

enum stream_error stream_error_of_fault(enum xml_fault fault)
{
    switch (fault) {
    case XML_OK:
        return STREAM_ERROR_NONE;
    case XML_NOT_WELL_FORMED:
        return STREAM_NOT_WELL_FORMED;
    case XML_RESTRICTED:
        return STREAM_RESTRICTED_XML;
    case XML_UNSUPPORTED_ENCODING:
        return STREAM_UNSUPPORTED_ENCODING;
    case XML_BAD_FORMAT:
        return STREAM_BAD_FORMAT;
    case XML_TOO_BIG:
    case XML_TOO_COMPLEX:
        return STREAM_POLICY_VIOLATION;
    case XML_INVALID:
        return STREAM_INVALID_XML;
    }
    return STREAM_UNDEFINED_CONDITION;
}

bool stream_error_is_complaint(enum stream_error e)
{
    switch (e) {
    case STREAM_BAD_FORMAT:
    case STREAM_BAD_NAMESPACE_PREFIX:
    case STREAM_IMPROPER_ADDRESSING:
    case STREAM_INVALID_FROM:
    case STREAM_INVALID_NAMESPACE:
    case STREAM_INVALID_XML:
    case STREAM_NOT_WELL_FORMED:
    case STREAM_POLICY_VIOLATION:
    case STREAM_RESTRICTED_XML:
    case STREAM_UNSUPPORTED_STANZA_TYPE:
        return true;
    default:
        return false;
    }
}

/* "<name xmlns='ns'/>"; both are words of our own. */
static void write_condition(struct buf *out, const char *name, struct span ns)
{
    xml_raw(out, SPAN("<"));
    xml_raw(out, span_of(name));
    xml_raw(out, SPAN(" xmlns='"));
    xml_raw(out, ns);
    xml_raw(out, SPAN("'/>"));
}

static void write_text(struct buf *out, const char *text, struct span ns)
{
    if (!text)
        return;
    xml_raw(out, SPAN("<text xmlns='"));
    xml_raw(out, ns);
    xml_raw(out, SPAN("' xml:lang='en'>"));
    xml_text(out, span_of(text));
    xml_raw(out, SPAN("</text>"));
}

void stream_error_write(struct buf *out, enum stream_error e, const char *text, const char *app)
{
    if (e == STREAM_ERROR_NONE)
        e = STREAM_UNDEFINED_CONDITION;
    xml_raw(out, SPAN("<stream:error>"));
    write_condition(out, stream_names[e], SPAN(NS_STREAM_ERRORS));
    write_text(out, text, SPAN(NS_STREAM_ERRORS));
    if (app)
        write_condition(out, app, SPAN(NS_XMPP_ERRORS));
    xml_raw(out, SPAN("</stream:error>"));
}

bool stanza_may_answer_error(struct span name, struct span type)
{
    if (span_eq(type, SPAN("error")))
        return false;
    if (span_eq(name, SPAN("message")))
        return !span_eq(type, SPAN("headline"));
    if (span_eq(name, SPAN("iq")))
        return !span_eq(type, SPAN("result"));
    return span_eq(name, SPAN("presence")) && span_eq(type, SPAN("subscribe"));
}

/* The <error/> child and the end tag of the stanza. */
static void write_error_of_type(struct buf *out, struct span name, enum stanza_error e,
                                struct span type, const char *text, struct span app)
{
    if (e == STANZA_ERROR_NONE)
        e = STANZA_UNDEFINED_CONDITION;
    xml_raw(out, SPAN("<error type='"));
    xml_raw(out, span_is_none(type) ? span_of(stanza_errors[e].type) : type);
    xml_raw(out, SPAN("'>"));
    write_condition(out, stanza_errors[e].name.p, SPAN(NS_STANZA_ERRORS));
    write_text(out, text, SPAN(NS_STANZA_ERRORS));
    xml_raw(out, app);
    xml_raw(out, SPAN("</error></"));
    xml_raw(out, name);
    xml_raw(out, SPAN(">"));
}

static void write_error(struct buf *out, struct span name, enum stanza_error e, const char *text)
{
    write_error_of_type(out, name, e, SPAN_NONE, text, SPAN_NONE);
}

/* The attributes are in the order of stanza_write: an answer must not show by its form whether it
 * was written here, of a user who is there, or has come by the router, of one who is not. */
static void write_answer_open(struct buf *out, const struct stanza *s, struct span from,
                              struct span to)
{
    struct span name = stanza_root(s)->name;
    xml_raw(out, SPAN("<"));
    xml_raw(out, name);
    xml_attr(out, "to", span_is_none(to) ? s->from : to);
    xml_attr(out, "from", span_is_none(from) ? s->to : from);
    xml_attr(out, "id", s->id);
    xml_raw(out, SPAN(" type='error'>"));
}

void stanza_error_write(struct buf *out, const struct stanza *s, struct span ns, struct span from,
                        struct span to, enum stanza_error e, const char *text)
{
    /* A stanza belongs to the default namespace of whatever stream it is on: none is declared. */
    (void)ns;
    write_answer_open(out, s, from, to);
    write_error(out, stanza_root(s)->name, e, text);
}

void stanza_error_write_with(struct buf *out, const struct stanza *s, struct span from,
                             struct span to, enum stanza_error e, struct span type,
                             struct span app)
{
    write_answer_open(out, s, from, to);
    write_error_of_type(out, stanza_root(s)->name, e, type, NULL, app);
}

void stanza_error_write_about(struct buf *out, const struct stanza *s, struct span about,
                              enum stanza_error e, const char *text, struct span app)
{
    write_answer_open(out, s, SPAN_NONE, SPAN_NONE);
    xml_raw(out, about);
    write_error_of_type(out, stanza_root(s)->name, e, SPAN_NONE, text, app);
}

/*
 * An attribute whose value is as it stood in a start tag: escaped already, so only the quote that
 * a value in "…" may hold needs care in our '…'.
 */
static void write_raw_attr(struct buf *out, const char *name, struct span raw)
{
    if (span_is_none(raw))
        return;
    xml_raw(out, SPAN(" "));
    xml_raw(out, span_of(name));
    xml_raw(out, SPAN("='"));
    for (;;) {
        size_t quote = span_index(raw, '\'');
        xml_raw(out, span_make(raw.p, quote));
        if (quote == raw.n)
            break;
        xml_raw(out, SPAN("&apos;"));
        raw = span_from(raw, quote + 1);
    }
    xml_raw(out, SPAN("'"));
}

void stanza_error_write_parts(struct buf *out, struct span name, struct span id, struct span from,
                              struct span to, enum stanza_error e, const char *text)
{
    xml_raw(out, SPAN("<"));
    xml_raw(out, name);
    write_raw_attr(out, "to", to);
    write_raw_attr(out, "from", from);
    write_raw_attr(out, "id", id);
    xml_raw(out, SPAN(" type='error'>"));
    write_error(out, name, e, text);
}

bool stanza_is_error_of_error(const struct stanza *s)
{
    uint32_t first = stanza_child(s, 0, SPAN_NONE, SPAN("error"));
    return first && stanza_next(s, first, SPAN_NONE, SPAN("error"));
}
