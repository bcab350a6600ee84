/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * version - XEP-0092: name and version; the operating system is nobody's business. A row of iq.c's
 * table calls it.
 */
#include "c2s/sm/sm_private.h"

void sm_version(struct sm_in *in, uint32_t payload)
{
    struct sm_out out;
    struct buf *buf = sm_iq_open(in, &out);

    (void)payload;
    xml_raw(buf, SPAN("<query xmlns='" NS_VERSION "'><name>Kontalk</name><version>"));
    xml_text(buf, span_of(in->sm->opts.version));
    xml_raw(buf, SPAN("</version></query>"));
    sm_iq_close(&out);
}
