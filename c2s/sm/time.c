/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * time - XEP-0202 (a row of iq.c's table calls it), and times as XEP-0082 writes them, for it and
 * for the delay of stored messages.
 */
#include "c2s/sm/sm_private.h"

#include <time.h>

void sm_time_write(struct buf *out, int64_t wall_ms)
{
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm tm;
    char text[32];

    if (!gmtime_r(&seconds, &tm))
        return;
    size_t n = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
    buf_append(out, span_make(text, n));
    buf_printf(out, ".%03dZ", (int)(wall_ms % 1000));
}

void sm_time(struct sm_in *in, uint32_t payload)
{
    struct sm_out out;
    struct buf *buf = sm_iq_open(in, &out);

    (void)payload;
    xml_raw(buf, SPAN("<time xmlns='" NS_TIME "'><tzo>+00:00</tzo><utc>"));
    sm_time_write(buf, loop_wall(in->sm->loop));
    xml_raw(buf, SPAN("</utc></time>"));
    sm_iq_close(&out);
}
