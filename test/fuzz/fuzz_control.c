/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fuzz_control - a line of the control socket: split into words, which come back the same when they
 * are written and split again.
 */
#include "fuzz.h"

#include "base/control.h"
#include "base/mem.h"

#include <stdlib.h>

#define WORDS_MAX 64

static size_t split_copy(struct span line, char **copy_r, struct span words[WORDS_MAX])
{
    *copy_r = mem_alloc(line.n ? line.n : 1);
    memcpy(*copy_r, line.p, line.n);
    return control_split(*copy_r, line.n, words, WORDS_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct span in = fuzz_input(data, n), words[WORDS_MAX], again[WORDS_MAX];
    struct span line = fuzz_part(&in, '\n');
    char *first, *second;
    struct buf out = {0};
    size_t count = split_copy(line, &first, words);
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            buf_append_char(&out, '\t');
        control_escape(&out, words[i]);
    }
    struct span written = buf_span(&out);
    if (memchr(written.p, '\n', written.n))
        fuzz_fail("a word breaks the line", line, written);
    size_t count2 = split_copy(written, &second, again);
    /* One empty word is an empty line, which has none. */
    bool is_empty = count == 1 && words[0].n == 0;
    if (count2 != count && !is_empty)
        fuzz_fail("another number of words", line, written);
    for (size_t i = 0; i < count2; i++)
        if (!span_eq(words[i], again[i]))
            fuzz_fail("a word has changed", words[i], again[i]);
    free(first);
    free(second);
    buf_free(&out);
    return 0;
}
