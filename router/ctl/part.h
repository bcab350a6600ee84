/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * part - kontalkctl as a component: it connects to the router under a name that router.conf gives a
 * secret to, and exchanges raw stanzas. For ping, send and attach. Unlike a link it tries once.
 */
#ifndef CTL_PART_H
#define CTL_PART_H

#include "router/ctl/ctl.h"

#include "xmpp/stream.h"

struct router_conf;

struct part_events {
    void (*on_up)(void *ctx);
    /* A stanza, or a word of our extension, as it came; valid during the call. */
    void (*on_frame)(void *ctx, struct span frame);
    /* The end; reason is empty when part_close asked for it. The part may be freed. */
    void (*on_end)(void *ctx, const char *reason);
};

struct part {
    struct stream stream;
    const struct part_events *events;
    void *ctx;
    struct tls_ctx *tls; /* NULL: in clear */
    char *name, *secret;
    bool is_closing;
};

/* router.conf of the directory that -c names; NULL with a reason. conf_free(&router_conf_spec). */
struct router_conf *ctl_router_conf(const struct ctl *ctl, char error_r[CTL_ERROR_MAX]);
/* The secret of the section that may be name; NULL with a reason. name_r: as it is compared. */
const char *ctl_secret_of(const struct ctl *ctl, const struct router_conf *conf, const char *name,
                          char name_r[1024], char error_r[CTL_ERROR_MAX]);

/* Starts to connect; on_up or on_end follows. False with a reason: no event follows. */
bool part_start(struct part *p, const struct ctl *ctl, struct loop *loop, const char *name,
                const struct part_events *events, void *ctx, char error_r[CTL_ERROR_MAX]);
static inline bool part_is_up(const struct part *p)
{
    return p->stream.conn && p->stream.state != 0 && stream_is_open(&p->stream);
}
void part_send(struct part *p, struct span bytes);
void part_close(struct part *p); /* what is queued is sent first */
void part_free(struct part *p);  /* after on_end, or after a failed start */

#endif
