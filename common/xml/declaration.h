/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * declaration - judges an XML declaration (XML 1.0 section 2.8), for the framer.
 */
#ifndef XML_DECLARATION_H
#define XML_DECLARATION_H

#include "base/span.h"
#include "xml/fault.h"

/*
 * declaration_check - text is what stands between "<?xml" and "?>". XML_OK only for version 1.0,
 * no encoding or UTF-8, and no standalone='no'.
 */
enum xml_fault declaration_check(struct span text);

#endif
