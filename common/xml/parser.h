/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * parser - complete frames into stanzas, through one libxml2 push parser that many streams share.
 *
 * The parser is primed with a synthetic stream header that declares the default namespace and
 * xmlns:stream, and then fed one whole frame at a time, so no partial input is ever held in it.
 * It is made anew when its name dictionary has grown (256 KiB) and after any fault; a fault
 * concerns only the frame that caused it. The rules that make libxml2 safe are all enforced here
 * or in the framer: every frame must have passed a framer first.
 */
#ifndef XML_PARSER_H
#define XML_PARSER_H

#include "xml/fault.h"
#include "xml/stanza.h"

struct xml_parser;

/*
 * xml_parser_new - ns is the default namespace of the frames ("jabber:client"). header, when not
 * NULL, is a parsed stream header whose further prefixes (xmlns:p) are declared, too: such a
 * stream needs a parser of its own.
 */
struct xml_parser *xml_parser_new(struct span ns, const struct stanza *header);
void xml_parser_free(struct xml_parser **p);
/* The parser that all streams of that namespace share in this process. ns must be a literal. */
struct xml_parser *xml_parser_shared(struct span ns);
/* The same with more prefixes, as they are written: "xmlns:db='…'", a literal; NULL: none. */
struct xml_parser *xml_parser_shared_with(struct span ns, const char *declares);
void xml_parser_shared_free(void); /* all of them: at the end of a process */

/*
 * xml_parse_stanza - a FRAME_STANZA into *out (reset first). XML_OK or a fault; after a fault *out
 * is empty. Namespaced elements keep their namespace; prefixes are not kept.
 */
enum xml_fault xml_parse_stanza(struct xml_parser *p, struct span frame, struct stanza *out);

/*
 * xml_parse_open - a FRAME_OPEN into *out: node 0 is the root with its attributes. The default
 * namespace and prefix declarations are given as attributes with ns "http://www.w3.org/2000/xmlns/"
 * (name "" for the default one).
 */
enum xml_fault xml_parse_open(struct span frame, struct stanza *out);

#endif
