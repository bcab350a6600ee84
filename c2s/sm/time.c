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

/* Digits at *at, which moves behind them; false: fewer than n, or out of bounds. */
static bool take_number(struct span text, size_t *at, size_t n, uint64_t min, uint64_t max,
                        int *value_r)
{
    uint64_t value;

    if (*at + n > text.n || !span_to_u64(span_make(text.p + *at, n), max, &value) || value < min)
        return false;
    *value_r = (int)value;
    *at += n;
    return true;
}

static bool take_char(struct span text, size_t *at, char c)
{
    if (*at >= text.n || text.p[*at] != c)
        return false;
    ++*at;
    return true;
}

/* What is smaller than a millisecond is cut off. */
static bool take_fraction(struct span text, size_t *at, int *ms_r)
{
    size_t digits = 0;

    *ms_r = 0;
    if (!take_char(text, at, '.'))
        return true;
    for (; *at < text.n && text.p[*at] >= '0' && text.p[*at] <= '9'; ++*at, digits++) {
        if (digits < 3)
            *ms_r = *ms_r * 10 + (text.p[*at] - '0');
    }
    for (size_t i = digits; i < 3; i++)
        *ms_r *= 10;
    return digits > 0;
}

static bool take_zone(struct span text, size_t *at, int *minutes_r)
{
    int hours, minutes;
    bool is_west;

    *minutes_r = 0;
    if (take_char(text, at, 'Z'))
        return true;
    is_west = take_char(text, at, '-');
    if ((!is_west && !take_char(text, at, '+')) || !take_number(text, at, 2, 0, 23, &hours) ||
        !take_char(text, at, ':') || !take_number(text, at, 2, 0, 59, &minutes))
        return false;
    *minutes_r = (is_west ? -1 : 1) * (hours * 60 + minutes);
    return true;
}

bool sm_time_read(struct span text, int64_t *wall_ms_r)
{
    struct tm tm = {0};
    size_t at = 0;
    int ms, zone;

    if (!take_number(text, &at, 4, 1, 9999, &tm.tm_year) || !take_char(text, &at, '-') ||
        !take_number(text, &at, 2, 1, 12, &tm.tm_mon) || !take_char(text, &at, '-') ||
        !take_number(text, &at, 2, 1, 31, &tm.tm_mday) || !take_char(text, &at, 'T') ||
        !take_number(text, &at, 2, 0, 23, &tm.tm_hour) || !take_char(text, &at, ':') ||
        !take_number(text, &at, 2, 0, 59, &tm.tm_min) || !take_char(text, &at, ':') ||
        !take_number(text, &at, 2, 0, 60, &tm.tm_sec) || !take_fraction(text, &at, &ms) ||
        !take_zone(text, &at, &zone) || at != text.n)
        return false;
    tm.tm_year -= 1900;
    tm.tm_mon--;
    *wall_ms_r = ((int64_t)timegm(&tm) - (int64_t)zone * 60) * 1000 + ms;
    return true;
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
