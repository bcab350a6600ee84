/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fuzz - what the fuzz targets share. A target is one fuzz_x.c with LLVMFuzzerTestOneInput: built
 * with clang it is driven by libFuzzer (make fuzz), built with any compiler it is given the files
 * of corpus/x by corpus.c (make check).
 *
 * A target takes the same course for the same bytes: random numbers are seeded anew, time is
 * virtual, key derivation is one HMAC (see fuzz.c). Those that use a process for many inputs say at
 * their head what outlives one. What must never happen ends in fuzz_fail.
 */
#ifndef TEST_FUZZ_H
#define TEST_FUZZ_H

#include "base/buf.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* Prints what, and the two texts that show it, and aborts. */
_Noreturn void fuzz_fail(const char *what, struct span a, struct span b);

static inline struct span fuzz_input(const uint8_t *data, size_t n)
{
    return span_make((const char *)data, n);
}

/* The next byte of the input; 0 at its end. */
uint8_t fuzz_byte(struct span *in);
/* The input up to the next separator, or its end; takes the separator, too. */
struct span fuzz_part(struct span *in, char separator);
/* Milliseconds that the input lets pass: its next byte chooses among a few, most of them just
 * beyond what something of ours waits for. Of *left, which starts at FUZZ_TIME: idle time is what
 * costs most. */
#define FUZZ_TIME 64000
uint64_t fuzz_wait(struct span *in, uint64_t *left);

/* What a process of ours has said on a stream must be whole frames that parse; the last may be
 * unfinished only if is_open. ns none: frames are enough, as when the router carries on verbatim
 * what one of our own processes has said. */
void fuzz_check_speech(struct span heard, struct span ns, bool is_open);

#endif
