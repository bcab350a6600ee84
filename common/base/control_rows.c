/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * control_rows - rows of two columns, a name and its value: what most commands answer.
 */
#include "base/control.h"

#include "base/mem.h"

#include <stdio.h>

void control_row2(struct control_call *call, struct span name, struct span value)
{
    const struct span words[] = {name, value};
    control_row(call, words, ARRAY_LEN(words));
}

void control_row_number(struct control_call *call, struct span name, uint64_t n)
{
    char text[24];
    snprintf(text, sizeof text, "%llu", (unsigned long long)n);
    control_row2(call, name, span_of(text));
}

void control_row_list(struct control_call *call, struct span name, const struct conf_list *list)
{
    struct buf text = {0};
    for (size_t i = 0; i < list->count; i++)
        buf_printf(&text, "%s%s", i > 0 ? " " : "", list->items[i]);
    control_row2(call, name, buf_span(&text));
    buf_free(&text);
}

void control_row_lines(struct control_call *call, struct span name, struct span text)
{
    while (!span_is_empty(text)) {
        size_t n = span_index(text, '\n');
        control_row2(call, name, span_make(text.p, n));
        text = span_from(text, n < text.n ? n + 1 : text.n);
    }
}
