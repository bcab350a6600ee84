/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fault - names of the faults, for log lines.
 */
#include "xml/fault.h"

#include "base/mem.h"

static const char *const names[] = {
    [XML_OK] = "ok",
    [XML_NOT_WELL_FORMED] = "not-well-formed",
    [XML_RESTRICTED] = "restricted-xml",
    [XML_UNSUPPORTED_ENCODING] = "unsupported-encoding",
    [XML_BAD_FORMAT] = "bad-format",
    [XML_TOO_BIG] = "too-big",
    [XML_TOO_COMPLEX] = "too-complex",
    [XML_INVALID] = "invalid-xml",
};

const char *xml_fault_name(enum xml_fault fault)
{
    return (size_t)fault < ARRAY_LEN(names) ? names[fault] : "unknown";
}
