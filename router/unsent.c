/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * unsent - what was queued for a component that is gone goes back, instead of being lost with it.
 *
 * While output waits for a third-party component, each stanza's place in it is marked. When the
 * connection ends, stanzas that the system has not begun to send are decided anew: as a rule they
 * come back to their senders. What the system took may or may not have been read: XEP-0114 has no
 * acknowledgements. Our own processes have none of this: what they were sent is their partners' to
 * repeat.
 */
#include "base/log.h"
#include "router/router.h"

#include <string.h>

struct mark {
    uint64_t at; /* place in all that was ever queued */
    size_t n;
};

static struct mark mark_read(struct span *marks)
{
    struct mark m;
    memcpy(&m, marks->p, sizeof m);
    *marks = span_from(*marks, sizeof m);
    return m;
}

void unsent_mark(struct peer *to, size_t queued)
{
    uint64_t taken = stream_out_taken(&to->stream);
    struct mark m = {.at = taken + queued, .n = stream_out_len(&to->stream) - queued};
    struct span old = buf_span(&to->marks);
    while (old.n > 0) {
        struct mark first = mark_read(&old);
        if (first.at + first.n > taken)
            break;
        buf_consume(&to->marks, sizeof first);
    }
    buf_append(&to->marks, span_make((const char *)&m, sizeof m));
}

/* False: it cannot be told where it belongs. */
static bool give_back(struct router *r, struct span frame)
{
    struct starttag tag;
    if (!starttag_scan(frame, &tag) || span_is_none(tag.from) || span_is_none(tag.to))
        return false;
    /* Escapes are in resources and ids only: neither decides about a way. */
    relay_held(r, &(struct held){.from = tag.from, .to = tag.to, .frame = frame});
    return true;
}

void unsent_return(struct stream *s, struct span bytes)
{
    struct peer *p = s->ctx;
    struct router *r = p->router;
    uint64_t start = stream_out_taken(s);
    size_t returned = 0, lost = 0;
    struct buf taken_over = p->marks;
    struct span marks = buf_span(&taken_over);
    p->marks = (struct buf){0};
    peer_down(p);
    while (marks.n > 0 && !r->is_stopping) {
        struct mark m = mark_read(&marks);
        if (m.at + m.n <= start)
            continue;
        bool is_whole = m.at >= start && m.at + m.n - start <= bytes.n;
        if (is_whole && give_back(r, span_make(bytes.p + (m.at - start), m.n)))
            returned++;
        else
            lost++;
    }
    buf_free(&taken_over);
    r->counters.lost += lost;
    if (returned + lost > 0)
        LOG(LOG_WARN, "peer.unsent", F_SPAN("name", p->name), F_INT("returned", returned),
            F_INT("lost", lost));
}
