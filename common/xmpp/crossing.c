/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "xmpp/crossing.h"

#include "base/buf.h"
#include "base/mem.h"
#include "xmpp/ns.h"

#include <stdlib.h>

struct crossing {
    struct crossing *next; /* of the spare ones */
    struct link_done done;
    crossing_answer *answer;
    void *ctx;
    const char *name; /* a literal */
    struct buf text;  /* id, from, to */
    size_t id_n, from_n;
    bool has_id;
};

#define SPARE_MAX 1024
#define SPARE_TEXT_MAX 1024

static struct crossing *spare;
static size_t spare_count;

static struct crossing *take(void)
{
    struct crossing *c = spare;
    if (!c)
        return mem_zalloc(sizeof *c);
    spare = c->next;
    spare_count--;
    return c;
}

static void give_back(struct crossing *c)
{
    if (spare_count >= SPARE_MAX || c->text.cap > SPARE_TEXT_MAX) {
        buf_free(&c->text);
        free(c);
        return;
    }
    buf_clear(&c->text);
    c->next = spare;
    spare = c;
    spare_count++;
}

void crossing_free_spare(void)
{
    while (spare) {
        struct crossing *c = spare;
        spare = c->next;
        buf_free(&c->text);
        free(c);
    }
    spare_count = 0;
}

/* --- answers ---------------------------------------------------------------------------------- */

static void tell(struct span name, struct span id, struct span from, struct span to,
                 enum stanza_error e, crossing_answer *answer, void *ctx)
{
    struct stanza s = {0};
    stanza_add(&s, 0, SPAN(NS_SERVER), name);
    stanza_set_attr(&s, 0, SPAN("from"), from);
    stanza_set_attr(&s, 0, SPAN("to"), to);
    stanza_set_attr(&s, 0, SPAN("id"), id);
    stanza_set_attr(&s, 0, SPAN("type"), SPAN("error"));
    uint32_t error = stanza_add(&s, 0, SPAN(NS_SERVER), SPAN("error"));
    stanza_set_attr(&s, error, SPAN("type"), span_of(stanza_error_type(e)));
    stanza_add(&s, error, SPAN(NS_STANZA_ERRORS), span_of(stanza_error_name(e)));
    answer(ctx, &s, e);
    stanza_free(&s);
}

void crossing_refuse(const struct stanza *s, struct span from, struct span to, enum stanza_error e,
                     crossing_answer *answer, void *ctx)
{
    struct span name = stanza_root(s)->name;
    if (stanza_may_answer_error(name, s->type))
        tell(name, s->id, from, to, e, answer, ctx);
}

/* --- the way to the router -------------------------------------------------------------------- */

static void on_crossed(void *ctx, bool safe)
{
    struct crossing *c = ctx;
    struct link_done done = c->done;
    if (!safe) {
        struct span text = buf_span(&c->text);
        struct span id = span_make(text.p, c->id_n);
        struct span from = span_make(text.p + c->id_n, c->from_n);
        struct span to = span_from(text, c->id_n + c->from_n);
        tell(span_of(c->name), c->has_id ? id : SPAN_NONE, to, from, STANZA_RESOURCE_CONSTRAINT,
             c->answer, c->ctx);
    }
    give_back(c);
    if (done.call)
        done.call(done.ctx, safe);
}

static const char *literal_of(struct span name)
{
    return span_eq(name, SPAN("message")) ? "message"
           : span_eq(name, SPAN("iq"))    ? "iq"
                                          : "presence";
}

struct link_done crossing_begin(const struct stanza *s, struct span from, struct span to,
                                struct link_done done, crossing_answer *answer, void *ctx)
{
    struct span name = stanza_root(s)->name;
    if (!stanza_may_answer_error(name, s->type))
        return done;
    struct crossing *c = take();
    c->done = done;
    c->answer = answer;
    c->ctx = ctx;
    c->name = literal_of(name);
    c->has_id = !span_is_none(s->id);
    c->id_n = s->id.n;
    c->from_n = from.n;
    buf_append(&c->text, s->id);
    buf_append(&c->text, from);
    buf_append(&c->text, to);
    return (struct link_done){on_crossed, c};
}
