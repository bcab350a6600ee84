/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * parser - complete frames into stanzas, through one libxml2 push parser that many streams share.
 *
 * The library's context is primed with the start tag of a made-up root and then fed one frame
 * after another. Handlers copy what they are given straight into the stanza that is being filled;
 * they never stop in the middle of one: a fault only makes them deaf until the frame is through,
 * and then the context is thrown away. RFC 6120 11; XML Namespaces 1.0.
 */
#include "xml/parser.h"

#include "base/buf.h"
#include "base/mem.h"
#include "xml/intern.h"
#include "xml/lanes.h"
#include "xml/tree.h"
#include "xml/writer.h"

#include <libxml/parser.h>
#include <libxml/xmlerror.h>
#include <stdlib.h>

/*
 * NOENT: else "&amp;" in a value arrives as "&#38;"; harmless, as no DOCTYPE is let in. OLD10:
 * names as before the fifth edition of XML 1.0, since a peer that parses with expat drops its whole
 * link over a name that only the fifth knows.
 */
#define OPTIONS (XML_PARSE_NONET | XML_PARSE_IGNORE_ENC | XML_PARSE_NOENT | XML_PARSE_OLD10)
#define DICT_RECYCLE (256u * 1024)    /* names that a context may gather */
#define DICT_LIMIT (8u * 1024 * 1024) /* within one frame: never reached by a framed one */
#define MAX_ATTRS 256                 /* on one element */
#define MAX_NS_IN_SCOPE 256           /* declarations; look-ups walk them */
#define MAX_NS_REPEATED (64u * 1024)  /* see spell() */

struct xml_parser {
    struct xml_parser *next;  /* of the shared ones */
    struct span ns;           /* of a shared one: a literal */
    const char *declares;     /* likewise; or NULL */
    struct buf header;        /* the made-up root's start tag; empty: the frame brings the root */
    xmlParserCtxtPtr ctxt;    /* NULL: to be made */
    const xmlChar *stream_ns; /* the streams namespace as the library interned it */
    const xmlChar *own_ns;    /* ns as the library interned it; NULL: none */
    struct intern spaces;
    /* The frame under way */
    struct stanza *out;
    char *store, *store_end; /* room in the arena for all its names, values and text */
    size_t spelled, spelled_max;
    uint32_t depth; /* open elements, the root being the first */
    uint32_t node;  /* the open element */
    uint32_t ended; /* elements of the first level that are complete */
    bool is_repeating; /* the start tag has its declaration twice: see is_repeated_ns */
    enum xml_fault fault;
};

static void set_fault(struct xml_parser *p, enum xml_fault fault)
{
    if (!p->fault)
        p->fault = fault;
}

/* --- filling a stanza --- */

static inline struct span keep(struct xml_parser *p, const xmlChar *bytes, size_t n)
{
    char *to = p->store;
    if (n > (size_t)(p->store_end - to)) {
        set_fault(p, XML_TOO_COMPLEX); /* more than the frame had: no honest frame does that */
        return SPAN("");
    }
    bytes_copy(to, (const char *)bytes, n);
    p->store += n;
    return span_make(to, n);
}

static struct span keep_z(struct xml_parser *p, const xmlChar *z)
{
    return keep(p, z, strlen((const char *)z));
}

/*
 * spell - counts a namespace that will have to be written out again. A prefix costs its sender a
 * few bytes per use, us the whole name: without a bound, output could be hundreds of times the
 * input.
 */
static void spell(struct xml_parser *p, struct span ns)
{
    p->spelled += ns.n + sizeof(" xmlns:a123=''");
    if (p->spelled > p->spelled_max)
        set_fault(p, XML_TOO_COMPLEX);
}

static inline struct span space(struct xml_parser *p, const xmlChar *uri)
{
    if (uri && uri == p->own_ns)
        return p->ns;
    return uri ? intern_get(&p->spaces, &p->out->arena, (const char *)uri) : SPAN("");
}

/* The library gives five pointers an attribute: name, prefix, namespace, value and its end. */
static void add_attrs(struct xml_parser *p, uint32_t node, int count, const xmlChar **five)
{
    struct stanza *s = p->out;
    tree_reserve_attrs(s, (uint32_t)count);
    s->nodes[node].attr_count = (uint32_t)count;
    for (int i = 0; i < count; i++, five += 5) {
        struct stanza_attr *a = &s->attrs[s->attr_count++];
        a->ns = SPAN_NONE;
        if (five[2]) {
            a->ns = space(p, five[2]);
            spell(p, a->ns);
            if (five[2] == p->stream_ns)
                set_fault(p, XML_INVALID);
        }
        a->name = keep_z(p, five[0]);
        a->value = keep(p, five[3], (size_t)(five[4] - five[3]));
    }
}

static void add_element(struct xml_parser *p, const xmlChar *name, const xmlChar *uri)
{
    struct stanza *s = p->out;
    struct span ns = space(p, uri);
    uint32_t parent = p->node;
    p->node = tree_append(s, parent);
    s->nodes[p->node].ns = ns;
    s->nodes[p->node].name = keep_z(p, name);
    if (p->node == 0 || s->nodes[parent].ns.p != ns.p)
        spell(p, ns);
}

/* A stream header's declarations become attributes, in front of the others. */
static void add_declarations(struct xml_parser *p, int count, const xmlChar **pairs)
{
    struct stanza *s = p->out;
    tree_reserve_attrs(s, (uint32_t)count);
    for (int i = 0; i < count; i++, pairs += 2) {
        struct stanza_attr *a = &s->attrs[s->attr_count++];
        a->ns = SPAN(TREE_NS_XMLNS);
        a->name = pairs[0] ? keep_z(p, pairs[0]) : SPAN("");
        a->value = pairs[1] ? keep_z(p, pairs[1]) : SPAN("");
    }
}

/* --- the library's calls --- */

static void on_start(void *ctx, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri,
                     int ns_count, const xmlChar **spaces, int attr_count, int defaulted,
                     const xmlChar **attrs)
{
    struct xml_parser *p = ctx;
    (void)prefix;
    (void)defaulted;
    if (p->is_repeating) {
        p->is_repeating = false;
        p->ctxt->recovery = 0;
        p->ctxt->wellFormed = 1;
    }
    bool is_header = p->depth++ == 0;
    if (p->fault || (is_header && p->header.tail))
        return;
    if (attr_count > MAX_ATTRS || p->ctxt->nsNr > 2 * MAX_NS_IN_SCOPE) {
        set_fault(p, XML_TOO_COMPLEX);
    } else if (is_header) {
        add_element(p, name, uri);
        add_declarations(p, ns_count, spaces);
        add_attrs(p, 0, attr_count, attrs);
        p->out->nodes[0].attr_count += (uint32_t)ns_count;
        tree_cache_attrs(p->out);
    } else if ((p->depth > 2 && uri == p->stream_ns) || (uri && uri == p->ctxt->str_xml_ns)) {
        set_fault(p, XML_INVALID); /* xml: is for attributes: no default namespace could be that */
    } else {
        add_element(p, name, uri);
        if (attr_count)
            add_attrs(p, p->node, attr_count, attrs);
        if (p->depth == 2)
            tree_cache_attrs(p->out);
    }
    if (p->fault)
        xmlStopParser(p->ctxt);
}

static void on_end(void *ctx, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri)
{
    struct xml_parser *p = ctx;
    (void)name;
    (void)prefix;
    (void)uri;
    p->depth--;
    if (p->fault)
        return;
    if (p->depth == 1)
        p->ended++;
    else if (p->depth > 1)
        p->node = p->out->nodes[p->node].parent;
}

static void on_text(void *ctx, const xmlChar *text, int n)
{
    struct xml_parser *p = ctx;
    if (p->fault || n <= 0)
        return;
    if (p->depth < 2) {
        for (int i = 0; i < n; i++) {
            if (!strchr(" \t\r\n", text[i]))
                set_fault(p, XML_BAD_FORMAT);
        }
        return;
    }
    struct stanza *s = p->out;
    struct span piece = keep(p, text, (size_t)n);
    uint32_t last = s->nodes[p->node].last;
    /* A text comes in pieces; they stand side by side in the store. */
    if (!last || s->nodes[last].name.p) {
        last = tree_append(s, p->node);
        s->nodes[last].text.p = piece.p;
    }
    s->nodes[last].text.n += piece.n;
}

/*
 * The library leaves line ends in CDATA as they came (XML 1.0 section 2.11 wants LF). A section
 * comes in pieces of its buffer, which goes on behind them: the byte after a piece may be looked
 * at.
 */
static void on_cdata(void *ctx, const xmlChar *text, int n)
{
    const xmlChar *end = text + n;
    while (text < end) {
        const xmlChar *cr = memchr(text, '\r', (size_t)(end - text));
        on_text(ctx, text, (int)((cr ? cr : end) - text));
        if (!cr)
            return;
        if (cr[1] != '\n')
            on_text(ctx, (const xmlChar *)"\n", 1);
        text = cr + 1;
    }
}

/*
 * is_repeated_ns - xmlns='x' twice on a payload, letter for letter the same: old Kontalk clients
 * write it in one of their requests. It can mean one thing only, and ending their stream would
 * leave them without a list of servers. The library stands behind the second one's quote.
 */
static bool is_repeated_ns(const struct xml_parser *p, const xmlError *error)
{
    const xmlParserCtxt *ctxt = p->ctxt;
    const xmlChar *end = ctxt->input->cur - 1, *at = end;
    int i = ctxt->nsNr - 2;

    if (p->depth < 2 || error->code != XML_ERR_ATTRIBUTE_REDEFINED || error->str2 || !error->str1 ||
        strcmp(error->str1, "xmlns") != 0)
        return false;
    while (i >= 0 && ctxt->nsTab[i])
        i -= 2;
    while (at > ctxt->input->base && at[-1] != *end)
        at--;
    return i >= 0 && at > ctxt->input->base &&
           span_eq(span_make((const char *)at, (size_t)(end - at)),
                   span_of((const char *)ctxt->nsTab[i + 1]));
}

static void on_error(void *ctx, xmlErrorPtr error)
{
    struct xml_parser *p = ctx;
    if (error->level < XML_ERR_ERROR || error->code == XML_WAR_NS_URI ||
        error->code == XML_WAR_NS_URI_RELATIVE)
        return; /* what a namespace name looks like is nobody's business: "vcard-temp" */
    if (!p->fault && is_repeated_ns(p, error)) {
        p->is_repeating = true;
        p->ctxt->recovery = 1; /* else the library gives no more of it; on_start takes it back */
        return;
    }
    set_fault(p, error->code == XML_ERR_NO_MEMORY ? XML_TOO_COMPLEX : XML_NOT_WELL_FORMED);
}

/* What a framer lets nobody send; if it comes all the same, nothing more is read. */
static void restricted(struct xml_parser *p)
{
    set_fault(p, XML_RESTRICTED);
    xmlStopParser(p->ctxt);
}

static void on_subset(void *ctx, const xmlChar *name, const xmlChar *id, const xmlChar *system)
{
    (void)name;
    (void)id;
    (void)system;
    restricted(ctx);
}

static void on_entity(void *ctx, const xmlChar *name, int type, const xmlChar *id,
                      const xmlChar *system, xmlChar *content)
{
    (void)name;
    (void)type;
    (void)id;
    (void)system;
    (void)content;
    restricted(ctx);
}

static void on_comment(void *ctx, const xmlChar *text)
{
    (void)text;
    restricted(ctx);
}

static void on_instruction(void *ctx, const xmlChar *target, const xmlChar *data)
{
    (void)target;
    (void)data;
    restricted(ctx);
}

static void on_quiet(void *ctx, const char *message, ...)
{
    (void)ctx;
    (void)message;
}

static xmlSAXHandler handlers = {
    .initialized = XML_SAX2_MAGIC,
    .startElementNs = on_start,
    .endElementNs = on_end,
    .characters = on_text,
    .ignorableWhitespace = on_text,
    .cdataBlock = on_cdata,
    .serror = on_error,
    .internalSubset = on_subset,
    .externalSubset = on_subset,
    .entityDecl = on_entity,
    .reference = on_comment,
    .comment = on_comment,
    .processingInstruction = on_instruction,
};

/* --- contexts --- */

static void drop_context(struct xml_parser *p)
{
    if (p->ctxt)
        xmlFreeParserCtxt(p->ctxt);
    p->ctxt = NULL;
}

static void make_context(struct xml_parser *p)
{
    static bool is_quiet;
    if (!is_quiet) { /* what has no context to report to would go to standard error */
        xmlInitParser();
        xmlSetGenericErrorFunc(NULL, on_quiet);
        is_quiet = true;
    }
    p->ctxt = xmlCreatePushParserCtxt(&handlers, p, NULL, 0, NULL);
    if (!p->ctxt)
        abort(); /* out of memory */
    xmlCtxtUseOptions(p->ctxt, OPTIONS);
    xmlDictSetLimit(p->ctxt->dict, DICT_LIMIT);
    p->stream_ns = xmlDictLookup(p->ctxt->dict, (const xmlChar *)TREE_NS_STREAM, -1);
    p->own_ns =
        p->ns.p ? xmlDictLookup(p->ctxt->dict, (const xmlChar *)p->ns.p, (int)p->ns.n) : NULL;
    p->depth = 0;
    if (p->header.tail)
        xmlParseChunk(p->ctxt, p->header.p, (int)p->header.tail, 0);
}

static void begin(struct xml_parser *p, struct span frame, struct stanza *out)
{
    stanza_reset(out);
    intern_reset(&p->spaces);
    p->out = out;
    p->store = arena_bytes(&out->arena, frame.n + 1);
    p->store_end = p->store + frame.n;
    p->spelled = 0;
    p->spelled_max = frame.n + MAX_NS_REPEATED;
    p->node = p->ended = 0;
    p->is_repeating = false;
    p->fault = XML_OK;
}

static enum xml_fault feed(struct xml_parser *p, struct span frame)
{
    if (frame.n > INT32_MAX)
        return XML_TOO_BIG;
    xmlParseChunk(p->ctxt, frame.p, (int)frame.n, 0);
    if (!p->fault && (!p->ctxt->wellFormed || p->ctxt->disableSAX || p->depth != 1 ||
                      p->ctxt->input->cur != p->ctxt->input->end))
        p->fault = XML_NOT_WELL_FORMED;
    return p->fault;
}

enum xml_fault xml_parse_stanza(struct xml_parser *p, struct span frame, struct stanza *out)
{
    if (p->ctxt && xmlDictGetUsage(p->ctxt->dict) > DICT_RECYCLE)
        drop_context(p);
    begin(p, frame, out);
    if (!p->ctxt)
        make_context(p);
    enum xml_fault fault = feed(p, frame);
    if (!fault && p->ended != 1)
        fault = XML_NOT_WELL_FORMED;
    if (fault) {
        stanza_reset(out);
        drop_context(p);
    }
    p->out = NULL;
    return fault;
}

enum xml_fault xml_parse_open(struct span frame, struct stanza *out)
{
    struct xml_parser p = {.fault = XML_OK};
    begin(&p, frame, out);
    make_context(&p);
    p.stream_ns = NULL; /* here it may stand anywhere */
    enum xml_fault fault = feed(&p, frame);
    if (fault)
        stanza_reset(out);
    drop_context(&p);
    intern_free(&p.spaces);
    return fault;
}

/* --- parsers --- */

static void write_header(struct buf *b, struct span ns, const char *declares,
                         const struct stanza *header)
{
    bool has_stream = false;
    buf_append_z(b, "<root");
    xml_attr(b, "xmlns", ns);
    if (declares) {
        buf_append_char(b, ' ');
        buf_append_z(b, declares);
    }
    uint32_t count = header && header->node_count ? header->nodes[0].attr_count : 0;
    for (uint32_t i = 0; i < count; i++) {
        const struct stanza_attr *a = &header->attrs[header->nodes[0].attrs + i];
        if (!span_eq(a->ns, SPAN(TREE_NS_XMLNS)) || a->name.n == 0 || span_eq(a->name, SPAN("xml")))
            continue;
        has_stream |= span_eq(a->name, SPAN("stream"));
        xml_raw(b, SPAN(" xmlns:"));
        xml_raw(b, a->name);
        xml_raw(b, SPAN("='"));
        xml_value(b, a->value);
        xml_raw(b, SPAN("'"));
    }
    if (!has_stream)
        xml_attr(b, "xmlns:stream", SPAN(TREE_NS_STREAM));
    xml_raw(b, SPAN(">"));
}

struct xml_parser *xml_parser_new(struct span ns, const struct stanza *header)
{
    struct xml_parser *p = mem_zalloc(sizeof(*p));
    write_header(&p->header, ns, NULL, header);
    return p;
}

void xml_parser_free(struct xml_parser **p)
{
    if (!*p)
        return;
    drop_context(*p);
    intern_free(&(*p)->spaces);
    buf_free(&(*p)->header);
    free(*p);
    *p = NULL;
}

static struct xml_parser *shared;

struct xml_parser *xml_parser_shared(struct span ns)
{
    return xml_parser_shared_with(ns, NULL);
}

struct xml_parser *xml_parser_shared_with(struct span ns, const char *declares)
{
    struct xml_parser *p = shared;
    while (p && (p->declares != declares || !span_is(p->ns, ns)))
        p = p->next;
    if (!p) {
        p = mem_zalloc(sizeof(*p));
        write_header(&p->header, ns, declares, NULL);
        p->ns = ns;
        p->declares = declares;
        p->next = shared;
        shared = p;
    }
    return p;
}

void xml_parser_shared_free(void)
{
    while (shared) {
        struct xml_parser *p = shared;
        shared = p->next;
        xml_parser_free(&p);
    }
}
