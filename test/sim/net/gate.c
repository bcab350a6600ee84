/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * gate - a component of one server that knows XEP-0114 only, as a gateway to elsewhere is one: it
 * writes to users of the network, from an address that is none there, and is written to.
 */
#include "rings.h"

#include "base/mem.h"
#include "tls/crypto.h"

#include <stdio.h>
#include <stdlib.h>

static const struct conn_handler gate_handler;

static void on_timer(void *ctx)
{
    struct person *g = ctx;
    if (g->state == PERSON_OFF && g->is_wanted)
        gate_come(g);
}

void gate_make(struct person *g, struct site *home)
{
    *g = (struct person){.index = RING_PERSONS + home->index, .home = home, .is_gate = true};
    snprintf(g->user, sizeof g->user, "g%zu", home->index);
    snprintf(g->domain, sizeof g->domain, "irc.%s", home->host);
}

void gate_come(struct person *g)
{
    struct buf out = {0};
    g->is_wanted = true;
    if (g->conn || !links_to_router(g->home, &g->conn)) {
        timer_start(&g->next, ring->loop, 1000, on_timer, g);
        return;
    }
    conn_set_handler(g->conn, &gate_handler, g);
    g->state = PERSON_OPENING;
    buf_printf(&out,
               "<stream:stream to='%s' xmlns='jabber:component:accept' "
               "xmlns:stream='http://etherx.jabber.org/streams'>",
               g->domain);
    conn_send(g->conn, buf_span(&out));
    buf_free(&out);
}

static void shake(struct person *g, struct span id)
{
    unsigned char digest[CRYPTO_HASH_MAX];
    char hex[2 * CRYPTO_HASH_MAX + 1];
    struct buf text = {0};
    buf_append(&text, id);
    buf_append_z(&text, RING_GATE_SECRET);
    crypto_digest(CRYPTO_SHA1, buf_span(&text), digest);
    crypto_hex(span_make((const char *)digest, crypto_hash_len(CRYPTO_SHA1)), hex);
    buf_clear(&text);
    buf_printf(&text, "<handshake>%s</handshake>", hex);
    conn_send(g->conn, buf_span(&text));
    buf_free(&text);
}

void gate_write(struct person *g, const struct person *to, bool by_host)
{
    struct buf out = {0};
    if (g->state != PERSON_ON)
        return;
    uint32_t number = ledger_send(g, to);
    ledger_accept(number); /* nobody acknowledges: what is written to a router is there */
    buf_printf(
        &out, "<message from='%s@%s/r' to='%s@%s' type='chat' id='m%u'><body>%u</body></message>",
        g->user, g->domain, to->user, by_host ? to->home->host : RING_NETWORK, number, number);
    conn_send(g->conn, buf_span(&out));
    buf_free(&out);
}

static void on_message(struct person *g, struct span text)
{
    uint32_t number = person_message_number(text);
    struct span tag = span_make(text.p, span_index(text, '>'));
    if (number == 0)
        return;
    if (memmem(tag.p, tag.n, " type='error'", 13))
        ledger_refuse(number, text);
    else
        ledger_receive(g, number, SPAN_NONE);
}

static bool listen_on(void *ctx, struct span *heard)
{
    struct person *g = ctx;
    struct span text;
    if (words_take(heard, "<stream:stream", ">", &text)) {
        shake(g, words_attribute(text, "id"));
    } else if (words_take(heard, "<handshake", "</handshake>", &text)) {
        g->state = PERSON_ON;
    } else if (words_take(heard, "<message", "</message>", &text)) {
        on_message(g, text);
    } else if (span_starts(*heard, SPAN("</stream:stream>"))) {
        conn_close(g->conn);
        *heard = span_from(*heard, heard->n);
    } else {
        return words_take(heard, "<?xml", "?>", &text) ||
               words_take(heard, "<stream:error", "</stream:error>", &text) ||
               words_take(heard, "<iq", "</iq>", &text) ||
               words_take(heard, "<presence", "</presence>", &text);
    }
    return true;
}

static void on_data(void *ctx, struct span bytes)
{
    struct person *g = ctx;
    words_hear(&g->heard, bytes, listen_on, g);
}

static void on_close(void *ctx, int error, const char *reason)
{
    struct person *g = ctx;
    (void)error, (void)reason;
    ledger_cut_off(g);
    g->conn = NULL;
    g->state = PERSON_OFF;
    buf_free(&g->heard);
    timer_start(&g->next, ring->loop, 1000, on_timer, g);
}

static const struct conn_handler gate_handler = {.on_data = on_data, .on_close = on_close};
