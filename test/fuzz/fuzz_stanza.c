/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fuzz_stanza - one frame: what we accept, expat accepts, and sees the same tree; what we write of
 * it comes back the same, in our eyes and in expat's; the scan of the start tag agrees with the
 * tree.
 */
#include "fuzz.h"

#include "../unit/xml/dump.h"
#include "xml/framer.h"
#include "xml/parser.h"
#include "xml/starttag.h"
#include "xml/writer.h"
#include "xmpp/ns.h"

#include <expat.h>
#include <stdio.h>

#define SEPARATOR '\x01' /* between namespace and name; no XML holds it */

/* --- the second opinion ----------------------------------------------------------------------- */

struct second {
    struct stanza stanza;
    uint32_t node;
    int depth;
};

static struct span split(const char *text, struct span *ns_r)
{
    const char *at = strrchr(text, SEPARATOR);
    *ns_r = at ? span_make(text, (size_t)(at - text)) : SPAN("");
    return span_of(at ? at + 1 : text);
}

static void on_start(void *ctx, const XML_Char *element, const XML_Char **attrs)
{
    struct second *o = ctx;
    struct span ns, name = split(element, &ns);
    if (o->depth++ == 0)
        return;
    o->node = stanza_add(&o->stanza, o->node, ns, name);
    for (; *attrs; attrs += 2) {
        name = split(attrs[0], &ns);
        stanza_set_attr_ns(&o->stanza, o->node, ns.n ? ns : SPAN_NONE, name, span_of(attrs[1]));
    }
}

static void on_end(void *ctx, const XML_Char *element)
{
    struct second *o = ctx;
    (void)element;
    if (--o->depth >= 1)
        o->node = o->stanza.nodes[o->node].parent;
}

static void on_text(void *ctx, const XML_Char *text, int n)
{
    struct second *o = ctx;
    if (o->depth < 2)
        return;
    uint32_t last = o->stanza.nodes[o->node].last;
    struct span piece = span_make(text, (size_t)n);
    if (!last || o->stanza.nodes[last].name.p) {
        stanza_add_text(&o->stanza, o->node, piece);
        return;
    }
    struct span before = o->stanza.nodes[last].text;
    char *joined = arena_bytes(&o->stanza.arena, before.n + piece.n);
    memcpy(joined, before.p, before.n);
    memcpy(joined + before.n, piece.p, piece.n);
    o->stanza.nodes[last].text = span_make(joined, before.n + piece.n);
}

/* The tree as text, to be freed; NULL: expat refuses it. is_repeated_r: for an attribute that comes
 * twice. */
static char *opinion_of(struct span frame, bool *is_repeated_r)
{
    static const char head[] = "<root xmlns='" NS_CLIENT "' xmlns:stream='" NS_STREAM "'>";
    struct second o = {0};
    XML_Parser p = XML_ParserCreateNS("UTF-8", SEPARATOR);
    XML_SetUserData(p, &o);
    XML_SetElementHandler(p, on_start, on_end);
    XML_SetCharacterDataHandler(p, on_text);
    bool ok = XML_Parse(p, head, sizeof head - 1, 0) && XML_Parse(p, frame.p, (int)frame.n, 0) &&
              XML_Parse(p, "</root>", 7, 1);
    *is_repeated_r = !ok && XML_GetErrorCode(p) == XML_ERROR_DUPLICATE_ATTRIBUTE;
    XML_ParserFree(p);
    char *text = ok ? dump_stanza(&o.stanza) : NULL;
    stanza_free(&o.stanza);
    return text;
}

static char *second_opinion(struct span frame)
{
    bool is_repeated;
    return opinion_of(frame, &is_repeated);
}

/* Behind a start tag (which is one: we have parsed it), but for all xmlns in it after the first. */
static const char *copy_tag(struct buf *out, const char *p, const char *end)
{
    const size_t element = strcspn(p, " \t\r\n/>");
    bool has_ns = false;
    buf_append(out, span_make(p, element));
    for (p += element; p < end && *p != '>';) {
        const size_t space = strspn(p, " \t\r\n"), name = strcspn(p + space, "= \t\r\n/>");
        const bool is_ns = name == 5 && memcmp(p + space, "xmlns", 5) == 0;
        const char *quote = p + space + name + strcspn(p + space + name, "'\"/>");
        const char *next = *quote == '\'' || *quote == '"' ? strchr(quote + 1, *quote) + 1
                                                          : quote + (*quote == '/');
        if (!is_ns || !has_ns)
            buf_append(out, span_make(p, (size_t)(next - p)));
        has_ns |= is_ns;
        p = next;
    }
    return p;
}

/* We let a declaration pass that is repeated as it was, which expat does not: it is asked about the
 * frame without. */
static char *opinion_without_repeated(struct span frame)
{
    struct buf z = {0}, out = {0};
    buf_append(&z, frame);
    const char *p = buf_z(&z), *end = p + frame.n;
    while (p < end) {
        size_t n = strncmp(p, "<![CDATA[", 9) == 0 ? (size_t)(strstr(p, "]]>") - p) : 1;
        const bool is_tag = *p == '<' && n == 1 && p[1] != '/';
        buf_append(&out, span_make(p, n));
        p = is_tag ? copy_tag(&out, p + 1, end) : p + n;
    }
    char *text = second_opinion(buf_span(&out));
    buf_free(&z);
    buf_free(&out);
    return text;
}

/* --- what must hold --------------------------------------------------------------------------- */

static bool is_one_frame(struct span bytes, const struct framer_limits *limits)
{
    struct framer f;
    enum frame kind = FRAME_MORE;
    framer_init_stanzas(&f, limits);
    return framer_scan(&f, bytes.p, bytes.n, &kind) == bytes.n && kind == FRAME_STANZA;
}

static void check_same(const char *what, struct span frame, const char *ours, const char *other)
{
    if (!other || strcmp(ours, other) != 0) {
        fprintf(stderr, "frame: %.*s\n", SPAN_ARG(frame));
        fuzz_fail(what, span_of(ours), span_of(other ? other : "(refused)"));
    }
}

static void check_round_trip(const struct stanza *s, const char *ours)
{
    struct buf out = {0};
    struct stanza again = {0}, copy = {0};
    stanza_copy(&copy, s);
    stanza_write(&out, &copy, &(struct stanza_write_opts){.ns = SPAN(NS_CLIENT)});
    struct span written = buf_span(&out);
    if (!is_one_frame(written, &framer_limits_link))
        fuzz_fail("what we write is no frame", written, span_of(ours));
    if (xml_parse_stanza(xml_parser_shared(SPAN(NS_CLIENT)), written, &again))
        fuzz_fail("what we write does not parse", written, span_of(ours));
    char *trip = dump_stanza(&again), *second = second_opinion(written);
    check_same("the round trip changes the tree", written, ours, trip);
    check_same("expat reads what we write otherwise", written, ours, second);
    free(trip);
    free(second);
    stanza_free(&again);
    stanza_free(&copy);
    buf_free(&out);
}

/* A value that white space normalisation leaves alone. */
static bool is_plain(struct span value)
{
    return !memchr(value.p, '\n', value.n) && !memchr(value.p, '\t', value.n) &&
           !memchr(value.p, '\r', value.n);
}

static void check_attr(struct span frame, struct span scanned, struct span parsed)
{
    if (span_is_none(scanned) != span_is_none(parsed) ||
        (scanned.p && is_plain(scanned) && !span_eq(scanned, parsed)))
        fuzz_fail("the scan of the start tag disagrees", frame, scanned);
}

static void check_starttag(struct span frame, const struct stanza *s)
{
    struct starttag tag;
    if (!starttag_scan(frame, &tag))
        fuzz_fail("the scan of the start tag refuses it", frame, SPAN(""));
    if (tag.has_entity)
        return;
    check_attr(frame, tag.to, s->to);
    check_attr(frame, tag.from, s->from);
    check_attr(frame, tag.id, s->id);
    check_attr(frame, tag.type, s->type);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct span frame = fuzz_input(data, n);
    struct stanza s = {0};
    if (!is_one_frame(frame, &framer_limits_client))
        return 0;
    enum xml_fault fault = xml_parse_stanza(xml_parser_shared(SPAN(NS_CLIENT)), frame, &s);
    bool is_repeated;
    char *second = opinion_of(frame, &is_repeated);
    if (!fault && is_repeated)
        second = opinion_without_repeated(frame);
    if (fault == XML_NOT_WELL_FORMED && second)
        fuzz_fail("expat accepts what we do not", frame, span_of(second));
    if (!fault) {
        char *ours = dump_stanza(&s);
        check_same("expat sees another tree", frame, ours, second);
        check_starttag(frame, &s);
        check_round_trip(&s, ours);
        free(ours);
    }
    free(second);
    stanza_free(&s);
    return 0;
}
