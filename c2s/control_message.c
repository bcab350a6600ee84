/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * control_message - messages in the server's name for kontalkctl: `message user`, `message all`.
 */
#include "c2s/control.h"

#include "base/log.h"
#include "xml/framer.h"

#include <stdlib.h>

struct message {
    struct control_work work; /* first */
    struct sm_post_figures figures;
};

static uint64_t sent(const struct control_work *w)
{
    return ((const struct message *)w)->figures.sent;
}

static void on_told(void *ctx, enum sm_post_result r)
{
    struct message *m = ctx;

    control_row_number(m->work.call, SPAN("sent"), m->figures.sent);
    control_row_number(m->work.call, SPAN("failed"), m->figures.failed);
    LOG(LOG_INFO, "message.sent", F_INT("sent", m->figures.sent),
        F_INT("failed", m->figures.failed));
    control_work_end(&m->work, r == SM_POST_NO_USER  ? "there is no such account"
                               : r == SM_POST_FAILED ? "the storage failed"
                                                     : NULL);
}

/* False: it has been answered. */
static bool check_text(struct control_call *call, struct span text)
{
    if (text.n > 0 && utf8_check(text))
        return true;
    control_error(call, "the text is empty, not UTF-8, or holds control characters");
    return false;
}

static struct message *message_new(struct c2s *c2s, struct control_call *call)
{
    struct message *m = mem_zalloc(sizeof(*m));

    m->work.progress = sent;
    control_work_begin(&m->work, c2s, call);
    return m;
}

void control_message_user(void *ctx, struct control_call *call, const struct span *args,
                          size_t count)
{
    struct c2s *c2s = ctx;
    struct jid jid;
    struct jid_scratch scratch;

    (void)count;
    if (!control_user(c2s, call, args[0], &jid, &scratch) || !check_text(call, args[1]))
        return;
    struct message *m = message_new(c2s, call);
    sm_post_user(c2s->sm, jid.local, args[1], &m->figures, on_told, m);
}

void control_message_all(void *ctx, struct control_call *call, const struct span *args,
                         size_t count)
{
    struct c2s *c2s = ctx;
    bool is_online = span_eq(args[0], SPAN("online"));

    (void)count;
    if (!is_online && !span_eq(args[0], SPAN("any"))) {
        control_error(call, "usage: message all any|online TEXT");
        return;
    }
    if (!check_text(call, args[1]))
        return;
    struct message *m = message_new(c2s, call);
    sm_post_all(c2s->sm, is_online, args[1], &m->figures, on_told, m);
}
