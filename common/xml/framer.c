/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * framer - finds where stanzas end, and refuses what must not reach a parser.
 *
 * Called for every byte that a stream receives, before anything else looks at it. Each state has
 * a function that runs over as many bytes as it can and stops at the first that matters; only the
 * few fields of struct framer survive a chunk, so every chunking gives the same answer. A fault is
 * always found at the same byte, which counts as taken. Stanzas that come whole are tried without
 * all this first: plain.c.
 *
 * RFC 6120 4.2, 4.6.1, 11.1 to 11.6; XML 1.0 section 2.2 (characters).
 */
#include "xml/framer.h"

#include "base/mem.h"
#include "xml/chars.h"
#include "xml/declaration.h"
#include "xml/plain.h"

const struct framer_limits framer_limits_client = {262144, 16384, 64, 4096};
const struct framer_limits framer_limits_prelogin = {8192, 8192, 8, 32};
const struct framer_limits framer_limits_server = {524288, 16384, 64, 4096};
const struct framer_limits framer_limits_component = {1048576, 16384, 64, 4096};
const struct framer_limits framer_limits_link = {8388608, 131072, 72, 4224};

enum state {
    AT_START,    /* nothing has come */
    AFTER_L,     /* what could be "<?xml" in EBCDIC */
    AT_FIRST_LT, /* '<' was the very first byte */
    DECLARATION, /* after "<?" at the very start */
    PROLOG,      /* before the root's start tag */
    BETWEEN,     /* between stanzas */
    IN_TEXT,     /* in a stanza, outside of tags */
    AFTER_LT,    /* after '<' */
    IN_TAG,      /* in a start tag, outside of values */
    IN_VALUE,    /* in an attribute's value */
    AFTER_SLASH, /* after '/' in a start tag */
    AT_END_NAME, /* after "</" */
    IN_END_TAG,  /* in the rest of an end tag */
    AFTER_BANG,  /* in "<![CDATA[", at match */
    IN_CDATA,    /* match: how many of "]]" stand right before */
    AFTER_CLOSE, /* the root's end tag has been seen */
    AFTER_FAULT,
};

/* framer.opened */
enum { ROOT_AWAITED, ROOT_OPEN, NO_ROOT };

/* What a byte means in a tag, outside of values. */
enum { NAME = 0, QUOTE, SLASH, CLOSE, OTHER };

static const uint8_t tag_class[256] = {
    [0 ... 8] = OTHER,     [11 ... 12] = OTHER, [14 ... 31] = OTHER,
    [128 ... 255] = OTHER, ['<'] = OTHER,       ['"'] = QUOTE,
    ['\''] = QUOTE,        ['/'] = SLASH,       ['>'] = CLOSE,
};

/* A call's place in its chunk. */
struct scan {
    struct framer *f;
    const char *p;
    const char *stop; /* end of the chunk, or where the frame gets too big */
};

/* --- outcomes --- */

static enum frame fault(struct scan *c, enum xml_fault what)
{
    c->f->fault = (uint8_t)what;
    return FRAME_FAULT;
}

static void next_frame(struct framer *f, enum state state)
{
    f->state = state;
    f->frame_bytes = 0;
    f->tag_bytes = 0;
    f->elements = 0;
}

/* An element of a stanza has ended; its last byte has been taken. */
static enum frame end_element(struct framer *f)
{
    f->depth--;
    if (f->depth > 0) {
        f->state = IN_TEXT;
        return FRAME_MORE;
    }
    next_frame(f, BETWEEN);
    return FRAME_STANZA;
}

/* --- tags --- */

/* The first byte that is neither part of a name nor white space nor '='. */
static inline const char *skip_names(const char *at, const char *stop)
{
    const unsigned char *p = (const unsigned char *)at, *end = (const unsigned char *)stop;
    for (; end - p >= 4; p += 4) {
        if (tag_class[p[0]])
            return (const char *)p;
        if (tag_class[p[1]])
            return (const char *)p + 1;
        if (tag_class[p[2]])
            return (const char *)p + 2;
        if (tag_class[p[3]])
            return (const char *)p + 3;
    }
    while (p < end && tag_class[*p] == NAME)
        p++;
    return (const char *)p;
}

/* Where the tag under way must have ended, or the end of what there is. */
static const char *tag_stop(const struct scan *c)
{
    const struct framer *f = c->f;
    size_t left = f->limits.tag_bytes > f->tag_bytes ? f->limits.tag_bytes - f->tag_bytes : 0;
    return (size_t)(c->stop - c->p) > left ? c->p + left : c->stop;
}

/* '<' has been taken. */
static void begin_markup(struct framer *f, enum state state)
{
    f->state = state;
    f->tag_bytes = 1;
}

static enum frame begin_start_tag(struct scan *c)
{
    struct framer *f = c->f;
    f->state = IN_TAG;
    if (f->opened == ROOT_AWAITED)
        return FRAME_MORE;
    f->depth++;
    f->elements++;
    if (f->depth > f->limits.depth || f->elements > f->limits.elements)
        return fault(c, XML_TOO_COMPLEX);
    return FRAME_MORE;
}

static enum frame after_lt(struct scan *c)
{
    struct framer *f = c->f;
    char ch = *c->p;
    if (is_name_start(ch)) /* left for the tag's own state, which knows UTF-8 */
        return begin_start_tag(c);
    if (ch == '?' || (ch == '!' && f->depth == 0))
        return fault(c, XML_RESTRICTED);
    if (ch == '!') {
        f->state = AFTER_BANG;
        f->match = 0;
    } else if (ch == '/' && (f->depth > 0 || f->opened == ROOT_OPEN)) {
        f->state = AT_END_NAME;
        f->tag_bytes++;
    } else {
        return fault(c, XML_NOT_WELL_FORMED);
    }
    c->p++;
    return FRAME_MORE;
}

/* The '>' of a start tag, which has been taken. */
static enum frame end_start_tag(struct framer *f)
{
    if (f->opened != ROOT_AWAITED) {
        f->state = IN_TEXT;
        return FRAME_MORE;
    }
    f->opened = ROOT_OPEN;
    next_frame(f, BETWEEN);
    return FRAME_OPEN;
}

static const char *in_value(struct framer *f, const char *p, const char *stop)
{
    p = skip_chars(f, p, stop, (char)f->quote, '<');
    if (p == stop || f->fault)
        return p;
    if (*p == '<') {
        f->fault = XML_NOT_WELL_FORMED;
        return p;
    }
    f->state = IN_TAG;
    return p + 1;
}

/* A byte in a start tag that is no part of names and blanks; p is at it. */
static const char *at_mark(struct framer *f, const char *p, const char *stop)
{
    switch (tag_class[(unsigned char)*p]) {
    case QUOTE:
        f->quote = (uint8_t)*p;
        f->state = IN_VALUE;
        return in_value(f, p + 1, stop);
    case SLASH:
        f->state = AFTER_SLASH;
        return p + 1;
    default:
        if (is_high(*p))
            return utf8_run(f, p, stop);
        f->fault = XML_NOT_WELL_FORMED;
        return p;
    }
}

/* IN_TAG, IN_VALUE, AFTER_SLASH: the whole of a start tag, as far as it has come. */
static enum frame in_start_tag(struct scan *c)
{
    struct framer *f = c->f;
    const char *p = c->p, *stop = tag_stop(c);
    if (f->state == IN_VALUE)
        p = in_value(f, p, stop);
    while (p < stop && !f->fault) {
        if (f->state == AFTER_SLASH) {
            c->p = p;
            if (*p != '>')
                return fault(c, XML_NOT_WELL_FORMED);
            if (f->opened == ROOT_AWAITED) /* a stream that ends as it begins */
                return fault(c, XML_BAD_FORMAT);
            c->p++;
            return end_element(f);
        }
        p = skip_names(p, stop);
        if (p == stop)
            break;
        if (*p == '>') {
            c->p = p + 1;
            return end_start_tag(f);
        }
        p = at_mark(f, p, stop);
    }
    f->tag_bytes += (uint32_t)(p - c->p);
    c->p = p;
    if (f->fault)
        return FRAME_FAULT;
    return p < c->stop ? fault(c, XML_TOO_COMPLEX) : FRAME_MORE;
}

static enum frame at_end_name(struct scan *c)
{
    if (!is_name_start(*c->p))
        return fault(c, XML_NOT_WELL_FORMED);
    c->f->state = IN_END_TAG;
    return FRAME_MORE;
}

static enum frame in_end_tag(struct scan *c)
{
    struct framer *f = c->f;
    const char *p = c->p, *stop = tag_stop(c);
    for (;;) {
        p = skip_names(p, stop);
        if (p == stop || !is_high(*p))
            break;
        p = utf8_run(f, p, stop);
        if (f->fault)
            break;
    }
    f->tag_bytes += (uint32_t)(p - c->p);
    c->p = p;
    if (f->fault)
        return FRAME_FAULT;
    if (p == stop)
        return p < c->stop ? fault(c, XML_TOO_COMPLEX) : FRAME_MORE;
    if (*p != '>')
        return fault(c, XML_NOT_WELL_FORMED);
    c->p++;
    if (f->depth > 0)
        return end_element(f);
    next_frame(f, AFTER_CLOSE);
    return FRAME_CLOSE;
}

/* --- text --- */

static enum frame in_text(struct scan *c)
{
    struct framer *f = c->f;
    c->p = skip_chars(f, c->p, c->stop, '<', '<');
    if (f->fault)
        return FRAME_FAULT;
    if (c->p == c->stop)
        return FRAME_MORE;
    c->p++;
    begin_markup(f, AFTER_LT);
    return FRAME_MORE;
}

static enum frame after_bang(struct scan *c)
{
    static const char literal[] = "[CDATA[";
    struct framer *f = c->f;
    if (*c->p != literal[f->match])
        return fault(c, XML_RESTRICTED);
    c->p++;
    if (++f->match == sizeof(literal) - 1) {
        f->state = IN_CDATA;
        f->match = 0;
    }
    return FRAME_MORE;
}

static enum frame in_cdata(struct scan *c)
{
    struct framer *f = c->f;
    while (c->p < c->stop) {
        if (*c->p == ']') {
            f->match = f->match ? 2 : 1;
            c->p++;
            continue;
        }
        if (*c->p == '>' && f->match == 2) {
            c->p++;
            f->state = IN_TEXT;
            return FRAME_MORE;
        }
        f->match = 0;
        c->p = skip_chars(f, c->p, c->stop, ']', ']');
        if (f->fault)
            return FRAME_FAULT;
    }
    return FRAME_MORE;
}

/* --- between stanzas and before the root --- */

static const char *skip_space(const char *p, const char *stop)
{
    while (p < stop && is_space(*p))
        p++;
    return p;
}

static enum frame between(struct scan *c)
{
    struct framer *f = c->f;
    if (*c->p == '<') {
        c->p++;
        begin_markup(f, AFTER_LT);
        return FRAME_MORE;
    }
    const char *p = skip_space(c->p, c->stop);
    if (p > c->p) {
        c->p = p;
        return FRAME_SPACE;
    }
    unsigned char ch = (unsigned char)*p;
    bool is_character = ch >= 0x20 && (ch < 0x80 || (ch >= 0xC2 && ch <= 0xF4));
    return fault(c, is_character ? XML_BAD_FORMAT : XML_NOT_WELL_FORMED);
}

static enum frame at_start(struct scan *c)
{
    struct framer *f = c->f;
    switch ((unsigned char)*c->p) {
    case '<':
        begin_markup(f, AT_FIRST_LT);
        break;
    case 'L': /* '<' in EBCDIC */
        f->state = AFTER_L;
        f->match = 0;
        break;
    case ' ':
    case '\t':
    case '\n':
    case '\r':
        f->state = PROLOG; /* a declaration would be too late now */
        return FRAME_MORE;
    case 0x00: /* UTF-16BE, UTF-32 */
    case 0xFE: /* their byte order marks */
    case 0xFF:
        return fault(c, XML_UNSUPPORTED_ENCODING);
    default:
        return fault(c, XML_NOT_WELL_FORMED);
    }
    c->p++;
    return FRAME_MORE;
}

/* "<?" is 4C 6F in EBCDIC, its letters are above 0x7F; "Lo" can also begin a text. */
static enum frame after_l(struct scan *c)
{
    struct framer *f = c->f;
    if (is_high(*c->p))
        return fault(c, XML_UNSUPPORTED_ENCODING);
    if (f->match || *c->p != 0x6F)
        return fault(c, XML_NOT_WELL_FORMED);
    f->match = 1;
    c->p++;
    return FRAME_MORE;
}

static enum frame at_first_lt(struct scan *c)
{
    if (*c->p == 0) /* UTF-16LE */
        return fault(c, XML_UNSUPPORTED_ENCODING);
    if (*c->p != '?')
        return after_lt(c);
    c->f->state = DECLARATION;
    c->p++;
    return FRAME_MORE;
}

/* Collects what stands between "<?" and "?>". */
static enum frame in_declaration(struct scan *c)
{
    struct framer *f = c->f;
    char ch = *c->p;
    uint8_t n = f->declaration_len;
    if ((n < 3 && ch != "xml"[n]) || (n == 3 && !is_space(ch)))
        return fault(c, XML_RESTRICTED); /* another processing instruction */
    if (is_high(ch) || ((unsigned char)ch < 0x20 && !is_space(ch)))
        return fault(c, XML_NOT_WELL_FORMED);
    if (ch == '>' && f->declaration[n - 1] == '?') {
        enum xml_fault what = declaration_check(span_make(f->declaration + 3, n - 4u));
        if (what)
            return fault(c, what);
        f->state = PROLOG;
    } else {
        if (n == sizeof(f->declaration))
            return fault(c, XML_TOO_COMPLEX);
        f->declaration[n] = ch;
        f->declaration_len++;
    }
    c->p++;
    return FRAME_MORE;
}

static enum frame in_prolog(struct scan *c)
{
    struct framer *f = c->f;
    const char *p = skip_space(c->p, c->stop);
    if (p > c->p) {
        c->p = p;
        /* After a declaration it is part of the frame. */
        return f->declaration_len ? FRAME_MORE : FRAME_SPACE;
    }
    if (*p != '<')
        return fault(c, XML_NOT_WELL_FORMED);
    c->p++;
    begin_markup(f, AFTER_LT);
    return FRAME_MORE;
}

/* --- the whole --- */

static enum frame step(struct scan *c)
{
    switch ((enum state)c->f->state) {
    case AT_START:
        return at_start(c);
    case AFTER_L:
        return after_l(c);
    case AT_FIRST_LT:
        return at_first_lt(c);
    case DECLARATION:
        return in_declaration(c);
    case PROLOG:
        return in_prolog(c);
    case BETWEEN:
        return between(c);
    case IN_TEXT:
        return in_text(c);
    case AFTER_LT:
        return after_lt(c);
    case IN_TAG:
    case IN_VALUE:
    case AFTER_SLASH:
        return in_start_tag(c);
    case AT_END_NAME:
        return at_end_name(c);
    case IN_END_TAG:
        return in_end_tag(c);
    case AFTER_BANG:
        return after_bang(c);
    case IN_CDATA:
        return in_cdata(c);
    case AFTER_CLOSE:
    case AFTER_FAULT:
        break;
    }
    c->p = c->stop; /* ignored */
    return FRAME_MORE;
}

/* Where the frame under way must have ended, or the end of the chunk. */
static const char *frame_stop(const struct framer *f, const char *p, size_t n)
{
    size_t left =
        f->limits.stanza_bytes > f->frame_bytes ? f->limits.stanza_bytes - f->frame_bytes : 0;
    return n > left && f->state < AFTER_CLOSE ? p + left : p + n;
}

size_t framer_scan(struct framer *f, const char *p, size_t n, enum frame *frame_r)
{
    if (f->state == AFTER_FAULT) {
        *frame_r = FRAME_FAULT;
        return n;
    }
    struct scan c = {f, p, frame_stop(f, p, n)};
    if (f->state == BETWEEN && n > 0 && *p == '<') {
        size_t whole = plain_stanza(f, p, c.stop);
        if (whole) {
            next_frame(f, BETWEEN);
            *frame_r = FRAME_STANZA;
            return whole;
        }
    }
    enum frame frame = FRAME_MORE;
    uint32_t before = f->frame_bytes;
    if (f->utf8_left) { /* a sequence was cut by the end of the last chunk */
        bool in_tag = f->state >= IN_TAG && f->state <= IN_END_TAG;
        c.p = utf8_run(f, p, in_tag ? tag_stop(&c) : c.stop);
        f->tag_bytes += (uint32_t)(c.p - p);
        if (f->fault)
            frame = FRAME_FAULT;
    }
    while (frame == FRAME_MORE && c.p < c.stop)
        frame = step(&c);
    if (frame == FRAME_MORE && c.stop < p + n)
        frame = fault(&c, XML_TOO_BIG);
    if (frame == FRAME_FAULT) {
        f->state = AFTER_FAULT;
        c.p++;
    } else if (frame == FRAME_MORE && f->state != AFTER_CLOSE) {
        f->frame_bytes = before + (uint32_t)(c.p - p);
    }
    *frame_r = frame;
    return (size_t)(c.p - p);
}

void framer_init(struct framer *f, const struct framer_limits *limits)
{
    *f = (struct framer){.limits = *limits, .state = AT_START, .opened = ROOT_AWAITED};
}

void framer_init_stanzas(struct framer *f, const struct framer_limits *limits)
{
    *f = (struct framer){.limits = *limits, .state = BETWEEN, .opened = NO_ROOT};
}

void framer_set_limits(struct framer *f, const struct framer_limits *limits)
{
    f->limits = *limits;
}
