/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * manage - stream management of a client's stream: XEP-0198, version 3.
 *
 * Both sides count stanzas and acknowledge them: what we have received by handled.c, what we have
 * sent by the queue here. We ask (<r/>) after some stanzas or a quiet moment; who does not answer
 * within a minute is as good as gone.
 */
#ifndef C2S_MANAGE_H
#define C2S_MANAGE_H

#include "base/list.h"
#include "base/loop.h"
#include "c2s/unacked.h"
#include "xml/stanza.h"

struct client;
struct seat;
struct stream;

#define MANAGE_ID_LEN 32

struct manage {
    struct seat *seat;
    struct unacked queue;
    struct timer timer;     /* to ask, to give up waiting, to end a hibernation */
    struct deferred answer; /* one <a/> for all <r/> of a tick */
    uint32_t since_ask;     /* stanzas sent since the last <r/> */
    bool is_asking;         /* it has not been answered */
    bool is_owed;           /* the last <a/> did not cover all that had come */
    bool is_full;           /* the session manager keeps messages back */
    /* Resumption; no id: not allowed. */
    char id[MANAGE_ID_LEN + 1];
    uint32_t max_ms;
    struct list_node nest_node, rest_node; /* hibernate.c */
};

/* Handlers of the client's rules. */
void manage_on_enable(struct stream *s, struct stanza *stanza);
void manage_on_resume(struct stream *s, struct stanza *stanza);
void manage_on_r(struct stream *s, struct stanza *stanza);
void manage_on_a(struct stream *s, struct stanza *stanza);
void manage_on_other(struct stream *s, struct stanza *stanza);

/* A stanza has been written (or is to be written when the client is back: not is_sent). */
void manage_note(struct manage *m, struct span stanza, bool is_sent);
/* Stanzas have been written: asks, or waits a moment. */
void manage_after_write(struct manage *m);
/* More of the client's stanzas are in safe hands. */
void manage_on_handled(struct manage *m);
/* The queue is beyond what even answers may add to it. */
bool manage_is_overfull(const struct manage *m);
static inline bool manage_may_resume(const struct manage *m)
{
    return m->id[0] != '\0';
}
/* The connection is gone: nothing is asked any more, no timer runs. */
void manage_pause(struct manage *m);
void manage_free(struct manage **m);

#endif
