/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * call - asking an address something through the router, as the component that kontalkctl.conf
 * names: ping, and a message.
 */
#include "router/ctl/part.h"

#include "base/mem.h"
#include "tls/crypto.h"
#include "xmpp/jid.h"
#include "xmpp/ns.h"

#include <stdio.h>
#include <stdlib.h>

#define PING_MS 10000
/* How long an error may take to come back for a message: nobody answers a good one. */
#define BOUNCE_MS 500

struct call {
    const struct ctl *ctl;
    struct loop *loop;
    struct part part;
    struct timer limit;
    const char *to, *text; /* text NULL: a ping */
    char id[17];
    uint64_t sent_us;
    bool is_answered;
    int status;
};

static void on_limit(void *ctx)
{
    struct call *c = ctx;

    if (c->text)
        printf("sent to %s; no error came back\n", c->to);
    else
        c->status = ctl_fail("%s: no answer within %d s", c->to, PING_MS / 1000);
    part_close(&c->part);
}

static void on_up(void *ctx)
{
    struct call *c = ctx;
    struct buf out = {0};

    xml_raw(&out, c->text ? SPAN("<message type='chat'") : SPAN("<iq type='get'"));
    xml_attr(&out, "id", span_of(c->id));
    xml_attr(&out, "from", span_of(c->part.name));
    xml_attr(&out, "to", span_of(c->to));
    xml_raw(&out, c->text ? SPAN("><body>") : SPAN("><ping xmlns='" NS_PING "'/></iq>"));
    if (c->text) {
        xml_text(&out, span_of(c->text));
        xml_raw(&out, SPAN("</body></message>"));
    }
    c->sent_us = loop_now_us(c->loop);
    part_send(&c->part, buf_span(&out));
    buf_free(&out);
    timer_start(&c->limit, c->loop, c->text ? BOUNCE_MS : PING_MS, on_limit, c);
}

/* The condition of an error stanza. */
static struct span condition_of(const struct stanza *s)
{
    uint32_t error = stanza_child(s, 0, SPAN_NONE, SPAN("error"));
    uint32_t condition = error ? stanza_child(s, error, SPAN(NS_STANZA_ERRORS), SPAN_NONE) : 0;
    return condition ? s->nodes[condition].name : SPAN("an error without a condition");
}

static void on_frame(void *ctx, struct span frame)
{
    struct call *c = ctx;
    double ms = (double)(loop_now_us(c->loop) - c->sent_us) / 1000;
    struct stanza s = {0};

    if (c->is_answered || xml_parse_stanza(xml_parser_shared(SPAN(NS_COMPONENT)), frame, &s) != 0)
        return;
    bool is_error = span_eq(s.type, SPAN("error"));
    if (span_eq(s.id, span_of(c->id)) && (is_error || span_eq(s.type, SPAN("result")))) {
        c->is_answered = true;
        if (is_error)
            c->status = ctl_fail("%s: %.*s, after %.1f ms", c->to, SPAN_ARG(condition_of(&s)), ms);
        else
            printf("%s answered in %.1f ms\n", c->to, ms);
        timer_stop(&c->limit);
        part_close(&c->part);
    }
    stanza_free(&s);
}

static void on_end(void *ctx, const char *reason)
{
    struct call *c = ctx;

    if (reason[0])
        c->status = ctl_fail("%s", reason);
    timer_stop(&c->limit);
    loop_stop(c->loop);
}

static const struct part_events events = {.on_up = on_up, .on_frame = on_frame, .on_end = on_end};

static int call(const struct ctl *ctl, const char *to, const char *text)
{
    struct call c = {.ctl = ctl, .to = to, .text = text};
    struct jid_scratch scratch;
    struct jid jid;
    char error[CTL_ERROR_MAX];

    if (!jid_parse(span_of(to), &jid, &scratch))
        return ctl_fail("%s is not an address", to);
    if (text && !utf8_check(span_of(text)))
        return ctl_fail("the text is not UTF-8, or holds control characters");
    crypto_init();
    crypto_random_hex(c.id, 8);
    c.loop = loop_new();
    if (part_start(&c.part, ctl, c.loop, ctl->component, &events, &c, error))
        loop_run(c.loop);
    else
        c.status = ctl_fail("%s", error);
    part_free(&c.part);
    loop_free(&c.loop);
    xml_parser_shared_free();
    return c.status;
}

static int run_ping(const struct ctl *ctl, char **args, int count)
{
    (void)count;
    return call(ctl, args[0], NULL);
}

static int run_send(const struct ctl *ctl, char **args, int count)
{
    (void)count;
    return call(ctl, args[0], args[1]);
}

const struct ctl_command call_commands[] = {
    {"ping", 1, 1, "JID", "ask an address for a sign of life (XEP-0199)", run_ping},
    {"send", 2, 2, "JID TEXT", "send a message", run_send},
    {.name = NULL},
};
