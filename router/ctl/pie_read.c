/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * pie_read - documents of XEP-0227, of any length: users and what belongs to them, out of
 * <server-data/>, <host/> and <user/>, and out of the files that these include (section 5). A file
 * may be anybody's: it is read as a stream is (xml/document.h), and includes only what is beside it
 * or below.
 */
#include "router/ctl/pie.h"

#include "base/mem.h"
#include "xml/document.h"
#include "xml/writer.h"

#include <errno.h>
#include <stdlib.h>

#define NS_PIE "urn:xmpp:pie:0"
#define NS_PIE_OLD "http://www.xmpp.org/extensions/xep-0227.html#ns"
#define NS_XINCLUDE "http://www.w3.org/2001/XInclude"
#define INCLUDES_MAX 3     /* one in the other */
#define BATCH_BYTES 98304  /* of what is given on at once; a leaf may be as big as the limit */

static const struct framer_limits limits = {
    .stanza_bytes = 1u << 20, .tag_bytes = 16384, .depth = 60, .elements = 20000};

enum kind { DATA, HOST, USER, PART };

struct level {
    enum kind kind;
    struct buf open; /* PART: its start tag, to be written again in the next batch */
    struct buf ns;
    struct span name; /* in text */
    char text[64];
};

struct reader {
    const char *file;
    const struct pie_events *events;
    void *ctx;
    struct reader *outer; /* which includes this one */
    struct xml_document *document;
    struct level levels[XML_DOCUMENT_LEVELS];
    size_t depth;
    struct buf host, batch;
    bool is_told;   /* why it ends */
};

static bool read_file(struct reader *r, FILE *file);

static bool fail(struct reader *r, const char *what)
{
    ctl_fail("%s, line %llu: %s", r->file, (unsigned long long)xml_document_line(r->document),
             what);
    r->is_told = true;
    return false;
}

/* --- what belongs to a user ------------------------------------------------------------------- */

static void close_part(struct reader *r, const struct level *l)
{
    xml_raw(&r->batch, SPAN("</"));
    buf_append(&r->batch, l->name);
    xml_raw(&r->batch, SPAN(">"));
}

/* Parts that are open are closed for this batch, and opened again in the next one. */
static bool flush(struct reader *r)
{
    bool goes_on = true;

    for (size_t i = r->depth; i > 0 && r->levels[i - 1].kind == PART; i--)
        close_part(r, &r->levels[i - 1]);
    if (buf_len(&r->batch) > 0)
        goes_on = r->events->on_part(r->ctx, buf_span(&r->batch));
    r->is_told = r->is_told || !goes_on;
    buf_wipe(&r->batch);
    for (size_t i = 0; i < r->depth; i++)
        buf_append(&r->batch, buf_span(&r->levels[i].open));
    return goes_on;
}

/* What some servers write in an older namespace is the same. */
static struct span ns_of(struct span ns)
{
    return span_eq(ns, SPAN(NS_PIE_OLD)) ? SPAN(NS_PIE) : ns;
}

static bool open_part(struct reader *r, struct level *l, const struct stanza *tag)
{
    const struct stanza_node *node = stanza_root(tag);
    const struct level *around = &r->levels[r->depth - 1];
    struct span ns = ns_of(node->ns);

    if (node->name.n > sizeof(l->text))
        return fail(r, "a name is too long");
    memcpy(l->text, node->name.p, node->name.n);
    l->name = span_make(l->text, node->name.n);
    buf_append(&l->ns, ns);
    buf_printf(&l->open, "<%.*s", SPAN_ARG(node->name));
    if (around->kind != PART || !span_eq(buf_span(&around->ns), ns))
        xml_attr(&l->open, "xmlns", ns);
    struct span value = stanza_attr(tag, 0, SPAN("node"));
    xml_attr(&l->open, "node", value);
    xml_raw(&l->open, SPAN(">"));
    buf_append(&r->batch, buf_span(&l->open));
    return true;
}

static bool take_leaf(struct reader *r, const struct stanza *leaf)
{
    const struct level *around = &r->levels[r->depth - 1];

    stanza_write_node(&r->batch, leaf, 0, buf_span(&around->ns));
    return buf_len(&r->batch) < BATCH_BYTES || flush(r);
}

/* --- users ------------------------------------------------------------------------------------ */

static bool begin_user(struct reader *r, const struct stanza *tag)
{
    struct span host = buf_span(&r->host), name = stanza_attr(tag, 0, SPAN("name"));

    for (const struct reader *o = r->outer; o && host.n == 0; o = o->outer)
        host = buf_span(&o->host);
    if (host.n == 0 || span_is_empty(name))
        return fail(r, host.n == 0 ? "a user without a host" : "a user without a name");
    r->is_told = !r->events->on_user(r->ctx, host, name, stanza_attr(tag, 0, SPAN("password")));
    return !r->is_told;
}

static bool end_user(struct reader *r)
{
    if (!flush(r))
        return false;
    r->is_told = !r->events->on_user_end(r->ctx);
    return !r->is_told;
}

/* --- includes --------------------------------------------------------------------------------- */

/* "capulet.example/juliet.xml": beside the file that names it, or below. */
static bool is_good_href(struct span href)
{
    if (href.n == 0 || href.n > 1024 || href.p[0] == '/' || span_index(href, ':') < href.n ||
        span_index(href, '\0') < href.n)
        return false;
    for (size_t i = 0; i + 1 < href.n; i++) {
        if (href.p[i] == '.' && href.p[i + 1] == '.')
            return false;
    }
    return true;
}

static bool include(struct reader *r, const struct stanza *leaf)
{
    struct span href = stanza_attr(leaf, 0, SPAN("href"));
    const char *slash = strrchr(r->file, '/');
    struct buf path = {0};
    struct reader inner = {.events = r->events, .ctx = r->ctx, .outer = r};
    size_t depth = 0;
    FILE *file;

    for (const struct reader *o = r; o; o = o->outer)
        depth++;
    if (depth > INCLUDES_MAX || !is_good_href(href) ||
        !span_is_none(stanza_attr(leaf, 0, SPAN("parse"))) ||
        !span_is_none(stanza_attr(leaf, 0, SPAN("xpointer"))) || strcmp(r->file, "-") == 0)
        return fail(r, "that cannot be included: only files beside this one, or below");
    if (slash)
        buf_append(&path, span_make(r->file, (size_t)(slash - r->file) + 1));
    buf_append(&path, href);
    inner.file = buf_z(&path);
    file = fopen(inner.file, "re");
    if (!file) {
        ctl_fail("%s: %s", inner.file, strerror(errno));
        r->is_told = true;
    } else {
        r->is_told = !read_file(&inner, file);
        fclose(file);
    }
    buf_free(&path);
    return !r->is_told;
}

/* --- the document ----------------------------------------------------------------------------- */

static bool is_container(void *ctx, size_t level, struct span name)
{
    const struct reader *r = ctx;
    static const struct span parts[] = {SPAN_INIT("query"), SPAN_INIT("offline-messages"),
                                        SPAN_INIT("archive"), SPAN_INIT("pubsub"),
                                        SPAN_INIT("blocklist")};

    if (level == 0)
        return true;
    const struct level *around = &r->levels[level - 1];
    switch (around->kind) {
    case DATA:
        return span_eq(name, SPAN("host"));
    case HOST:
        return span_eq(name, SPAN("user"));
    case USER:
        for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
            if (span_eq(name, parts[i]))
                return true;
        }
        return false;
    case PART:
        break;
    }
    return span_eq(around->name, SPAN("pubsub")) && span_eq(name, SPAN("items"));
}

static bool is_pie(const struct stanza *tag, struct span name)
{
    return stanza_is(tag, 0, SPAN(NS_PIE), name) || stanza_is(tag, 0, SPAN(NS_PIE_OLD), name);
}

/* What may be where: an included document begins where its <include/> stands. */
static bool find_kind(const struct reader *r, const struct stanza *tag, enum kind *kind_r)
{
    const struct reader *o = r->outer;
    bool is_root = r->depth == 0;
    enum kind around = is_root ? (o ? o->levels[o->depth - 1].kind : DATA)
                               : r->levels[r->depth - 1].kind;

    *kind_r = PART;
    if (around == USER || around == PART)
        return !is_root;
    *kind_r = is_pie(tag, SPAN("server-data")) ? DATA : is_pie(tag, SPAN("host")) ? HOST : USER;
    if (*kind_r == USER && !is_pie(tag, SPAN("user")))
        return false;
    if (is_root && !o)
        return *kind_r != USER; /* whose would he be? */
    return *kind_r == around + 1;
}

static bool on_open(void *ctx, size_t level, const struct stanza *tag)
{
    struct reader *r = ctx;
    struct level *l = &r->levels[level];
    bool goes_on = true;

    if (!find_kind(r, tag, &l->kind))
        return fail(r, "this is no document of XEP-0227 (urn:xmpp:pie:0)");
    if (l->kind == HOST) {
        buf_clear(&r->host);
        buf_append(&r->host, stanza_attr(tag, 0, SPAN("jid")));
    } else if (l->kind == USER) {
        goes_on = begin_user(r, tag);
    } else if (l->kind == PART) {
        goes_on = open_part(r, l, tag);
    }
    r->depth = level + 1;
    return goes_on;
}

static bool on_leaf(void *ctx, size_t level, const struct stanza *leaf)
{
    struct reader *r = ctx;
    enum kind around = r->levels[level - 1].kind;

    if (around == USER || around == PART)
        return take_leaf(r, leaf);
    if (stanza_is(leaf, 0, SPAN(NS_XINCLUDE), SPAN("include")))
        return include(r, leaf);
    if (around == HOST && is_pie(leaf, SPAN("user"))) /* <user/> */
        return begin_user(r, leaf) && end_user(r);
    return true; /* of another kind: an extension */
}

static bool on_close(void *ctx, size_t level)
{
    struct reader *r = ctx;
    struct level *l = &r->levels[level];
    bool goes_on = l->kind != USER || end_user(r);

    if (l->kind == PART)
        close_part(r, l);
    buf_free(&l->open);
    buf_free(&l->ns);
    r->depth = level;
    return goes_on;
}

static bool read_all(struct reader *r, FILE *file)
{
    enum xml_document_result result = XML_DOCUMENT_OK;
    char bytes[16384];
    size_t n;

    while (result == XML_DOCUMENT_OK && (n = fread(bytes, 1, sizeof(bytes), file)) > 0)
        result = xml_document_feed(r->document, span_make(bytes, n));
    mem_wipe(bytes, sizeof(bytes));
    if (result == XML_DOCUMENT_STOPPED)
        return r->is_told ? false : fail(r, "stopped");
    if (result == XML_DOCUMENT_FAULT)
        return fail(r, xml_fault_name(xml_document_fault(r->document)));
    if (ferror(file))
        return fail(r, strerror(errno));
    return xml_document_is_whole(r->document) || fail(r, "the document ends too early");
}

static bool read_file(struct reader *r, FILE *file)
{
    static const struct xml_document_ops ops = {is_container, on_open, on_leaf, on_close};
    bool is_read;

    r->document = xml_document_new(&limits, &ops, r);
    is_read = read_all(r, file);
    xml_document_free(&r->document);
    for (size_t i = 0; i < ARRAY_LEN(r->levels); i++) {
        buf_free(&r->levels[i].open);
        buf_free(&r->levels[i].ns);
    }
    buf_free(&r->host);
    buf_wipe(&r->batch);
    return is_read;
}

bool pie_read(FILE *file, const char *name, const struct pie_events *events, void *ctx)
{
    struct reader r = {.file = name, .events = events, .ctx = ctx};

    return read_file(&r, file);
}
