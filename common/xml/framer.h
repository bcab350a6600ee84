/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * framer - finds where stanzas end, and refuses what must not reach a parser.
 *
 * A streaming automaton over the raw bytes of one stream, tens of bytes of state, no memory of
 * its own, no look-behind: the same answer for every chunking. It validates UTF-8 (no overlong
 * form, surrogate, value above U+10FFFF, U+FFFE/FFFF, no C0 control but TAB LF CR), refuses "<!"
 * (but CDATA inside a stanza) and "<?" (but one XML declaration at the start: version 1.0, UTF-8,
 * no standalone='no'), and counts bytes, depth, elements and tag length against its limits. Input
 * that it passes may still be ill-formed: the parser has the last word.
 *
 * RFC 6120 4.2, 11.1 to 11.6; the stream keeps the bytes of an unfinished frame itself.
 */
#ifndef XML_FRAMER_H
#define XML_FRAMER_H

#include "base/span.h"
#include "xml/fault.h"

struct framer_limits {
    uint32_t stanza_bytes; /* one frame */
    uint32_t tag_bytes;    /* one tag, from '<' to '>' */
    uint32_t depth;        /* a stanza element is at depth 1 */
    uint32_t elements;     /* in one stanza */
};

/* 262,144 bytes, 16 KiB tags, depth 64, 4,096 elements. */
extern const struct framer_limits framer_limits_client;  /* after login */
extern const struct framer_limits framer_limits_prelogin; /* 8,192 / 8,192 / 8 / 32 */
extern const struct framer_limits framer_limits_server;  /* 524,288 */
extern const struct framer_limits framer_limits_component; /* 1 MiB: XEP-0114 components */
/* Between our own processes: whatever an edge has accepted must pass here, too, after it was
 * written afresh (escaping makes a byte six) and put into an envelope: 8 MiB, 128 KiB tags. */
extern const struct framer_limits framer_limits_link;

enum frame {
    FRAME_MORE,   /* needs more bytes */
    FRAME_OPEN,   /* XML declaration, if any, and the root's start tag */
    FRAME_STANZA, /* one first-level element, whole */
    FRAME_SPACE,  /* whitespace between stanzas (RFC 6120 4.6.1) */
    FRAME_CLOSE,  /* the root's end tag */
    FRAME_FAULT,  /* framer->fault says what; the stream is over */
};

struct framer {
    struct framer_limits limits;
    uint32_t frame_bytes; /* of the frame under way */
    uint32_t tag_bytes;
    uint32_t depth;
    uint32_t elements;
    uint32_t code_point; /* UTF-8 sequence under way */
    uint8_t utf8_left, utf8_state;
    uint8_t state; /* private enum */
    uint8_t quote;
    uint8_t match; /* progress in a literal: "[CDATA[", "]]>" */
    uint8_t opened; /* the root's start tag has been seen */
    uint8_t fault;  /* enum xml_fault */
    uint8_t declaration_len;
    char declaration[128]; /* the XML declaration, collected at the start only */
};

/* Starts anew: a root's start tag is expected (also after STARTTLS and SASL). */
void framer_init(struct framer *f, const struct framer_limits *limits);
/* Expects stanzas at once, without a root: for stored stanzas. */
void framer_init_stanzas(struct framer *f, const struct framer_limits *limits);
void framer_set_limits(struct framer *f, const struct framer_limits *limits);

/*
 * framer_scan - looks at up to n bytes; stops after the first frame that ends in them.
 * Returns how many bytes it has taken (all of them with FRAME_MORE) and the outcome in *frame_r.
 * The frame's bytes are those taken since the previous frame ended.
 */
size_t framer_scan(struct framer *f, const char *p, size_t n, enum frame *frame_r);

/* utf8_check - true when the whole of s is what the framer accepts as characters. */
bool utf8_check(struct span s);

#endif
