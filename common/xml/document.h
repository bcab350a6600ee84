/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * document - a document of any length, given in pieces, as containers and what is in them.
 *
 * The caller says which elements are containers: their start tags and ends are told one by one, and
 * so is what they hold. Every other element is one stanza, whole. Only that is ever held in memory,
 * so a document may be of any size while none of its leaves is.
 *
 * The same rules hold as for streams, by the same framer and parser: UTF-8, no DOCTYPE, no
 * comments, no processing instructions but the XML declaration, bounds for everything.
 */
#ifndef XML_DOCUMENT_H
#define XML_DOCUMENT_H

#include "xml/fault.h"
#include "xml/framer.h"
#include "xml/stanza.h"

#define XML_DOCUMENT_LEVELS 8 /* of containers */

/* Each returns true to go on. level: 0 for the root. */
struct xml_document_ops {
    /* An element of that name (as it is spelled, without its prefix) at that level: a container?
     * The root always is one. */
    bool (*is_container)(void *ctx, size_t level, struct span name);
    /* Its start tag: node 0, with its plain attributes; declarations of namespaces are among the
     * attributes, as xml_parse_open gives them. */
    bool (*on_open)(void *ctx, size_t level, const struct stanza *tag);
    bool (*on_leaf)(void *ctx, size_t level, const struct stanza *leaf);
    bool (*on_close)(void *ctx, size_t level);
};

struct xml_document;

/* limits: of a leaf. ops and what they need live longer. */
struct xml_document *xml_document_new(const struct framer_limits *limits,
                                      const struct xml_document_ops *ops, void *ctx);
void xml_document_free(struct xml_document **d);

enum xml_document_result {
    XML_DOCUMENT_OK,      /* so far; go on */
    XML_DOCUMENT_STOPPED, /* by one of the ops */
    XML_DOCUMENT_FAULT,   /* xml_document_fault says what */
};
enum xml_document_result xml_document_feed(struct xml_document *d, struct span bytes);
/* At the end of the bytes: whether the document is whole. */
bool xml_document_is_whole(const struct xml_document *d);
enum xml_fault xml_document_fault(const struct xml_document *d);
/* The line on which it stands. */
uint64_t xml_document_line(const struct xml_document *d);

#endif
