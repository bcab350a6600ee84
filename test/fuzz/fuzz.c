/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fuzz.h"

#include "base/log.h"
#include "base/mem.h"
#include "tls/crypto.h"
#include "xml/framer.h"
#include "xml/parser.h"

#include <stdio.h>
#include <stdlib.h>

/* The linker gives calls of crypto_pbkdf2 to this (--wrap): thousands of rounds for each login
 * would leave the fuzzer a hundred inputs a second. */
void __wrap_crypto_pbkdf2(enum crypto_hash h, struct span password, struct span salt,
                          uint32_t iterations, unsigned char *out_r);

void __wrap_crypto_pbkdf2(enum crypto_hash h, struct span password, struct span salt,
                          uint32_t iterations, unsigned char *out_r)
{
    (void)iterations;
    crypto_hmac(h, password, salt, out_r);
}

/* Likewise. Most stream headers are as one before, and each is parsed by a parser of its own: those
 * that were good are remembered. */
enum xml_fault __wrap_xml_parse_open(struct span frame, struct stanza *out);
enum xml_fault __real_xml_parse_open(struct span frame, struct stanza *out);

enum xml_fault __wrap_xml_parse_open(struct span frame, struct stanza *out)
{
    static struct {
        struct buf frame;
        struct stanza stanza;
    } met[64];
    static size_t next;
    for (size_t i = 0; i < ARRAY_LEN(met); i++) {
        if (span_eq(frame, buf_span(&met[i].frame))) {
            stanza_copy(out, &met[i].stanza);
            return XML_OK;
        }
    }
    enum xml_fault fault = __real_xml_parse_open(frame, out);
    if (!fault) {
        buf_clear(&met[next].frame);
        buf_append(&met[next].frame, frame);
        stanza_copy(&met[next].stanza, out);
        next = (next + 1) % ARRAY_LEN(met);
    }
    return fault;
}

_Noreturn void fuzz_fail(const char *what, struct span a, struct span b)
{
    fprintf(stderr, "%s\n    %.*s\n    %.*s\n", what, SPAN_ARG(a), SPAN_ARG(b));
    abort();
}

/* No peer can forge or break a line of the log. */
static void on_line(void *ctx, struct span line)
{
    (void)ctx;
    for (size_t i = 0; i < line.n; i++)
        if ((unsigned char)line.p[i] < 0x20 || line.p[i] == 0x7f)
            fuzz_fail("a control in a line of the log", line, SPAN(""));
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    crypto_init();
    log_set_sink(on_line, NULL);
    return 0;
}

uint8_t fuzz_byte(struct span *in)
{
    if (span_is_empty(*in))
        return 0;
    uint8_t byte = (uint8_t)in->p[0];
    *in = span_from(*in, 1);
    return byte;
}

struct span fuzz_part(struct span *in, char separator)
{
    struct span part = span_make(in->p, span_index(*in, separator));
    *in = span_from(*in, part.n < in->n ? part.n + 1 : part.n);
    return part;
}

uint64_t fuzz_wait(struct span *in, uint64_t *left)
{
    static const uint64_t choice[] = {250, 1000, 2100, 5100, 10100, 16000, 31000, 61000};
    uint64_t ms = choice[fuzz_byte(in) % ARRAY_LEN(choice)];
    ms = ms < *left ? ms : *left;
    *left -= ms;
    return ms;
}

/* --- speech ----------------------------------------------------------------------------------- */

/* A frame that has just been found to parse: much is said again and again. */
static bool is_known(struct span frame, bool now_good)
{
    static struct buf good[64];
    static size_t next;
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        if (span_eq(frame, buf_span(&good[i])))
            return true;
    if (now_good) {
        buf_clear(&good[next]);
        buf_append(&good[next], frame);
        next = (next + 1) % ARRAY_LEN(good);
    }
    return false;
}

static void check_frame(enum frame kind, struct span frame, struct span ns)
{
    struct stanza s = {0};
    enum xml_fault fault = XML_OK;
    if (is_known(frame, false))
        return;
    if (kind == FRAME_OPEN)
        fault = xml_parse_open(frame, &s);
    else if (kind == FRAME_STANZA && ns.p)
        fault = xml_parse_stanza(xml_parser_shared(ns), frame, &s);
    else
        return;
    if (fault)
        fuzz_fail("what was said does not parse", frame, span_of(xml_fault_name(fault)));
    is_known(frame, true);
    stanza_free(&s);
}

void fuzz_check_speech(struct span heard, struct span ns, bool is_open)
{
    struct framer f;
    enum frame kind = FRAME_MORE;
    framer_init(&f, &framer_limits_link);
    while (heard.n > 0) {
        size_t n = framer_scan(&f, heard.p, heard.n, &kind);
        struct span frame = span_make(heard.p, n);
        heard = span_from(heard, n);
        if (kind == FRAME_FAULT)
            fuzz_fail("what was said cannot be framed", frame, heard);
        if (kind == FRAME_MORE && !is_open)
            fuzz_fail("what was said has no end", frame, heard);
        if (kind == FRAME_MORE)
            return;
        check_frame(kind, frame, ns);
        /* Then a new header is said on the same connection, by a fake in clear, too. */
        if (kind == FRAME_STANZA &&
            (span_starts(frame, SPAN("<success")) || span_starts(frame, SPAN("<proceed"))))
            framer_init(&f, &framer_limits_link);
        if (kind == FRAME_CLOSE && heard.n > 0)
            fuzz_fail("something was said after the end", heard, SPAN(""));
    }
}
