/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fuzz_jid - an address: its parts are sound and make up the whole, and what has been prepared is
 * what it is prepared to.
 */
#include "fuzz.h"

#include "xml/framer.h"
#include "xmpp/jid.h"

static void check_part(struct span part, struct span text)
{
    if (!part.p)
        return;
    if (part.n == 0 || part.n > JID_PART_MAX)
        fuzz_fail("a part of no good length", text, part);
    if (!utf8_check(part))
        fuzz_fail("a part that no stream may carry", text, part);
}

static void check_whole(const struct jid *j, struct span text)
{
    struct buf whole = {0};
    if (j->local.p) {
        buf_append(&whole, j->local);
        buf_append_char(&whole, '@');
    }
    buf_append(&whole, j->domain);
    if (!span_eq(buf_span(&whole), j->bare) || !span_eq(j->bare, jid_bare_of(j->full)))
        fuzz_fail("the bare address is another", text, j->bare);
    if (j->resource.p) {
        buf_append_char(&whole, '/');
        buf_append(&whole, j->resource);
    }
    if (!span_eq(buf_span(&whole), j->full))
        fuzz_fail("the parts do not make up the whole", text, j->full);
    if (!span_eq(jid_domain_of(j->full), j->domain))
        fuzz_fail("the domain is another", text, j->domain);
    buf_free(&whole);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static struct jid_scratch scratch, scratch2;
    struct span text = fuzz_input(data, n);
    struct jid j, again;
    if (!jid_parse(text, &j, &scratch))
        return 0;
    if (span_is_none(j.domain))
        fuzz_fail("no domain", text, j.full);
    check_part(j.local, text);
    check_part(j.domain, text);
    check_part(j.resource, text);
    check_whole(&j, text);
    if (!jid_parse(j.full, &again, &scratch2) || !span_eq(again.full, j.full))
        fuzz_fail("prepared once more it is another", text, j.full);
    return 0;
}
