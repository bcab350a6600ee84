/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fault - what can be wrong with XML on the wire. The xmpp layer maps each to a stream error.
 */
#ifndef XML_FAULT_H
#define XML_FAULT_H

enum xml_fault {
    XML_OK = 0,
    XML_NOT_WELL_FORMED,      /* RFC 6120 4.9.3.13 */
    XML_RESTRICTED,           /* 4.9.3.18: comment, PI, DTD, entity reference */
    XML_UNSUPPORTED_ENCODING, /* 4.9.3.22 */
    XML_BAD_FORMAT,           /* 4.9.3.1: text where a stanza is due */
    XML_TOO_BIG,              /* bytes of the stanza: policy-violation + stanza-too-big */
    XML_TOO_COMPLEX,          /* depth, elements, tag length: policy-violation */
    XML_INVALID,              /* 4.9.3.10: streams namespace inside a stanza, <xml:x/> */
};

const char *xml_fault_name(enum xml_fault fault); /* for logs */

#endif
