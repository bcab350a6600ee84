/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * replay_script - reading a recording of the router (record.c); what makes two stanzas the same.
 */
#include "router/ctl/replay.h"

#include "base/mem.h"
#include "router/redact.h"
#include "xml/parser.h"
#include "xml/writer.h"
#include "xmpp/ns.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define STEPS_MAX ((size_t)1000000)
#define HIDDEN_MAX ((uint64_t)8 << 20)

/* --- reading ---------------------------------------------------------------------------------- */

/* "# kontalk-record 1 NAME bodies" */
static bool read_header(struct script *s, struct span line)
{
    static const struct span mark = SPAN_INIT("# kontalk-record 1 ");

    if (!span_starts(line, mark))
        return false;
    line = span_from(line, mark.n);
    size_t blank = span_index(line, ' ');
    if (blank == 0 || blank == line.n)
        return false;
    s->name = mem_strdup_span(span_make(line.p, blank));
    s->has_bodies = span_eq(span_from(line, blank + 1), SPAN("bodies"));
    return true;
}

/* "12.345678" */
static bool read_time(struct span text, uint64_t *us_r)
{
    uint64_t seconds, micros;
    size_t dot = span_index(text, '.');

    if (dot == text.n || !span_to_u64(span_make(text.p, dot), UINT32_MAX, &seconds) ||
        !span_to_u64(span_from(text, dot + 1), 999999, &micros))
        return false;
    *us_r = seconds * 1000000 + micros;
    return true;
}

/* ">[12]<": what the router has hidden. A text as long stands for it when it is sent. */
static size_t hidden_length(struct span s, uint64_t *length_r)
{
    size_t close = span_index(s, ']');

    if (!span_starts(s, SPAN(">[")) || close + 1 >= s.n || s.p[close + 1] != '<' ||
        !span_to_u64(span_make(s.p + 2, close - 2), HIDDEN_MAX, length_r))
        return 0;
    return close + 1;
}

static char *fill_hidden(struct span frame)
{
    struct buf out = {0};
    uint64_t length;

    while (frame.n) {
        size_t n = hidden_length(frame, &length);
        buf_append_char(&out, frame.p[0]);
        for (uint64_t i = 0; n && i < length; i++)
            buf_append_char(&out, 'x');
        frame = span_from(frame, n ? n : 1);
    }
    char *copy = mem_strdup_span(buf_span(&out));
    buf_free(&out);
    return copy;
}

static void add_step(struct script *s, uint64_t at_us, enum direction direction, struct span frame)
{
    bool is_filled = direction == TO_COMPONENT && !s->has_bodies;

    if ((s->count & (s->count + 1)) == 0) /* 0, 1, 3, 7, …: room for as many again */
        s->steps = mem_realloc(s->steps, (2 * s->count + 1) * sizeof(*s->steps));
    s->steps[s->count++] = (struct step){
        .at_us = at_us,
        .direction = direction,
        .frame = span_of(is_filled ? fill_hidden(frame) : mem_strdup_span(frame))};
}

static void drop_steps(struct script *s)
{
    for (size_t i = 0; i < s->count; i++)
        free((char *)(uintptr_t)s->steps[i].frame.p);
    free(s->steps);
    s->steps = NULL;
    s->count = 0;
}

enum line { LINE_TAKEN, LINE_BAD, LINE_LAST };

static enum line read_line(struct script *s, struct span line)
{
    uint64_t at_us;
    size_t blank = span_index(line, ' ');

    if (blank == line.n || !read_time(span_make(line.p, blank), &at_us))
        return LINE_BAD;
    line = span_from(line, blank + 1);
    if (span_eq(line, SPAN("down")) || (span_eq(line, SPAN("up")) && s->is_whole))
        return s->is_whole ? LINE_LAST : LINE_TAKEN;
    if (span_eq(line, SPAN("up"))) {
        drop_steps(s);
        s->is_whole = true;
        return LINE_TAKEN;
    }
    bool is_from = span_starts(line, SPAN("> "));
    if ((!is_from && !span_starts(line, SPAN("< "))) || s->count >= STEPS_MAX)
        return LINE_BAD;
    add_step(s, at_us, is_from ? FROM_COMPONENT : TO_COMPONENT, span_from(line, 2));
    return LINE_TAKEN;
}

bool script_load(struct script *s, const char *path, char error_r[256])
{
    FILE *file = fopen(path, "re");
    char *text = NULL;
    size_t size = 0, number = 0;
    enum line result = LINE_TAKEN;

    *s = (struct script){0};
    if (!file) {
        snprintf(error_r, 256, "%.200s: %s", path, strerror(errno));
        return false;
    }
    for (ssize_t n; result == LINE_TAKEN && (n = getline(&text, &size, file)) > 0;) {
        struct span line = span_make(text, (size_t)n - (text[n - 1] == '\n'));
        number++;
        if (number == 1)
            result = read_header(s, line) ? LINE_TAKEN : LINE_BAD;
        else
            result = read_line(s, line);
    }
    free(text);
    fclose(file);
    if (result != LINE_BAD && s->name)
        return true;
    snprintf(error_r, 256, "%.200s:%zu: is no recording of the router", path, number);
    return false;
}

void script_free(struct script *s)
{
    drop_steps(s);
    free(s->name);
}

/* --- comparing -------------------------------------------------------------------------------- */

/* "2026-01-02T03:04:05…" */
static bool is_time(struct span s)
{
    static const char shape[] = "dddd-dd-ddTdd:dd:dd";

    if (s.n < sizeof(shape) - 1)
        return false;
    for (size_t i = 0; shape[i]; i++)
        if (shape[i] == 'd' ? s.p[i] < '0' || s.p[i] > '9' : s.p[i] != shape[i])
            return false;
    return true;
}

static int span_order(struct span a, struct span b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int order = n ? memcmp(a.p, b.p, n) : 0;
    return order ? order : (a.n > b.n) - (a.n < b.n);
}

static void sort_attrs(struct stanza_attr *attrs, uint32_t count)
{
    for (uint32_t i = 1; i < count; i++) {
        for (uint32_t j = i; j > 0 && span_order(attrs[j].name, attrs[j - 1].name) < 0; j--) {
            struct stanza_attr a = attrs[j];
            attrs[j] = attrs[j - 1];
            attrs[j - 1] = a;
        }
    }
}

/* An answer carries the identifier of what it answers: that one counts. */
static void normalise(struct stanza *s)
{
    bool is_answer = span_eq(s->type, SPAN("result")) || span_eq(s->type, SPAN("error"));

    for (uint32_t n = 0; n < s->node_count; n++) {
        struct stanza_node *node = &s->nodes[n];
        if (is_time(node->text))
            node->text = SPAN("*");
        for (uint32_t i = node->attrs; i < node->attrs + node->attr_count; i++) {
            struct stanza_attr *a = &s->attrs[i];
            bool is_id = span_is_none(a->ns) && span_eq(a->name, SPAN("id"));
            if ((is_id && !(n == 0 && is_answer)) || is_time(a->value))
                a->value = SPAN("*");
        }
        sort_attrs(&s->attrs[node->attrs], node->attr_count);
    }
}

void script_canonical(struct buf *out, struct span frame, bool hide)
{
    struct buf line = {0};
    struct stanza s = {0};

    redact_line(&line, frame, !hide);
    if (xml_parse_stanza(xml_parser_shared(SPAN(NS_COMPONENT)), buf_span(&line), &s) == 0) {
        normalise(&s);
        stanza_write_node(out, &s, 0, SPAN(NS_COMPONENT));
    }
    stanza_free(&s);
    buf_wipe(&line);
}
