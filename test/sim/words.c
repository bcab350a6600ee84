/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "words.h"

#include "base/conn.h"
#include "tls/crypto.h"

#include <stdio.h>
#include <string.h>

/* --- said ------------------------------------------------------------------------------------- */

void words_say(struct conn *conn, struct span text)
{
    if (conn)
        conn_send(conn, text);
}

static void say_and_free(struct conn *conn, struct buf *out)
{
    words_say(conn, buf_span(out));
    buf_free(out);
}

void words_open(struct conn *conn, const char *domain)
{
    struct buf out = {0};
    buf_printf(&out,
               "<stream:stream to='%s' version='1.0' xmlns='jabber:client' "
               "xmlns:stream='http://etherx.jabber.org/streams'>",
               domain);
    say_and_free(conn, &out);
}

void words_prove(struct conn *conn, const char *user, const char *password)
{
    struct buf plain = {0}, out = {0};
    buf_append_char(&plain, '\0');
    buf_append_z(&plain, user);
    buf_append_char(&plain, '\0');
    buf_append_z(&plain, password);
    buf_append_z(&out, "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>");
    base64_encode(&out, buf_span(&plain));
    buf_append_z(&out, "</auth>");
    buf_free(&plain);
    say_and_free(conn, &out);
}

void words_bind(struct conn *conn, const char *resource)
{
    struct buf out = {0};
    buf_printf(&out,
               "<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>"
               "<resource>%s</resource></bind></iq>",
               resource);
    say_and_free(conn, &out);
}

void words_acknowledge(struct conn *conn, uint32_t handled)
{
    struct buf out = {0};
    buf_printf(&out, "<a xmlns='urn:xmpp:sm:3' h='%u'/>", handled);
    say_and_free(conn, &out);
}

/* --- heard ------------------------------------------------------------------------------------ */

struct span words_attribute(struct span tag, const char *name)
{
    char mark[16];
    int n = snprintf(mark, sizeof mark, " %s='", name);
    const char *at = memmem(tag.p, tag.n, mark, (size_t)n);
    if (!at)
        return SPAN_NONE;
    struct span value = span_from(tag, (size_t)(at - tag.p) + (size_t)n);
    return span_make(value.p, span_index(value, '\''));
}

struct span words_tag(struct span element)
{
    return span_make(element.p, span_index(element, '>'));
}

bool words_take(struct span *heard, const char *begin, const char *end, struct span *r)
{
    if (!span_starts(*heard, span_of(begin)))
        return false;
    size_t tag = span_index(*heard, '>');
    if (tag < heard->n && tag > 0 && heard->p[tag - 1] == '/') {
        *r = span_make(heard->p, tag + 1);
    } else {
        const char *at = memmem(heard->p, heard->n, end, strlen(end));
        if (!at)
            return false;
        *r = span_make(heard->p, (size_t)(at - heard->p) + strlen(end));
    }
    *heard = span_from(*heard, r->n);
    return true;
}

void words_hear(struct buf *heard, struct span bytes, bool (*listen)(void *ctx, struct span *heard),
                void *ctx)
{
    buf_append(heard, bytes);
    struct span rest = buf_span(heard);
    do {
        while (rest.n > 0 && rest.p[0] == ' ')
            rest = span_from(rest, 1);
    } while (rest.n > 0 && listen(ctx, &rest));
    buf_consume(heard, buf_len(heard) - rest.n);
}
