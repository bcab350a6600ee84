/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * table - rows for people (aligned columns, nothing that steers a terminal) and for programs
 * (a JSON array of objects, RFC 8259).
 */
#include "router/ctl/ctl.h"

#include "base/buf.h"
#include "base/log_text.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>

void table_row(void *ctx, const struct span *words, size_t count)
{
    struct table *t = ctx;

    if (t->skip_header) {
        t->skip_header = false;
        return;
    }
    if (t->columns == 0)
        t->columns = count;
    t->cells = mem_realloc(t->cells, (t->cell_count + t->columns) * sizeof(*t->cells));
    for (size_t i = 0; i < t->columns; i++)
        t->cells[t->cell_count++] = mem_strdup_span(i < count ? words[i] : SPAN(""));
}

void table_free(struct table *t)
{
    for (size_t i = 0; i < t->cell_count; i++)
        free(t->cells[i]);
    free(t->cells);
    *t = (struct table){0};
}

/* --- for people --- */

/* A cell as it is shown; escaping makes four bytes of one at most. */
static void append_shown(struct buf *out, const char *cell)
{
    struct span s = span_of(cell);
    char *to = buf_reserve(out, s.n * 4 + 1);
    struct log_text text = {.p = to, .max = s.n * 4};

    log_text_escape(&text, s);
    buf_commit(out, text.n);
}

static size_t width_of(struct span shown)
{
    size_t width = 0;
    for (size_t i = 0; i < shown.n; i++)
        width += (shown.p[i] & 0xc0) != 0x80; /* characters, not bytes */
    return width;
}

static void print_text(const struct table *t)
{
    struct buf shown = {0};
    size_t *widths = mem_zalloc(t->columns * sizeof(*widths));

    for (size_t i = 0; i < t->cell_count; i++) {
        buf_clear(&shown);
        append_shown(&shown, t->cells[i]);
        size_t width = width_of(buf_span(&shown));
        if (width > widths[i % t->columns])
            widths[i % t->columns] = width;
    }
    for (size_t i = 0; i < t->cell_count; i++) {
        size_t column = i % t->columns;
        bool last = column + 1 == t->columns;
        buf_clear(&shown);
        append_shown(&shown, t->cells[i]);
        int pad = last ? 0 : (int)(widths[column] - width_of(buf_span(&shown)) + 2);
        printf("%.*s%*s%s", SPAN_ARG(buf_span(&shown)), pad, "", last ? "\n" : "");
    }
    free(widths);
    buf_free(&shown);
}

/* --- for programs --- */

static void print_json_string(const char *text)
{
    struct buf escaped = {0};

    for (const char *p = text; *p; p++) {
        if (*p == '"' || *p == '\\')
            buf_printf(&escaped, "\\%c", *p);
        else if ((unsigned char)*p < 0x20 || *p == 0x7f)
            buf_printf(&escaped, "\\u%04x", (unsigned)*p);
        else
            buf_append_char(&escaped, *p);
    }
    printf("\"%.*s\"", SPAN_ARG(buf_span(&escaped)));
    buf_free(&escaped);
}

static void print_json(const struct table *t)
{
    size_t rows = t->columns ? t->cell_count / t->columns : 0;

    printf("[");
    for (size_t row = 1; row < rows; row++) {
        printf("%s\n  {", row > 1 ? "," : "");
        for (size_t i = 0; i < t->columns; i++) {
            printf("%s", i ? ", " : "");
            print_json_string(t->cells[i]);
            printf(": ");
            print_json_string(t->cells[row * t->columns + i]);
        }
        printf("}");
    }
    printf(rows > 1 ? "\n]\n" : "]\n");
}

void table_print(const struct table *t, bool json)
{
    if (json)
        print_json(t);
    else if (t->columns)
        print_text(t);
}
