/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * managed - what the tests of stream management and client state share: clients of a house that
 * have a resource, enable XEP-0198, lose their connection and come back.
 */
#ifndef TEST_MANAGED_H
#define TEST_MANAGED_H

#include "house.h"

#define NS_SM_ATTR "xmlns='urn:xmpp:sm:3'"
#define ROMEO "AHJvbWVvAHNlY3JldA=="
#define JULIET "AGp1bGlldABzZWNyZXQ="
#define TO_ROMEO(id) "<message to='romeo@capulet.example/a' id='" id "'><body>hi</body></message>"

/* Logged in; the features of a stream that may bind have come. */
static inline struct wire *arrive(struct house *h, const char *who)
{
    struct wire *w = client_new(h);
    wire_say(w, OPEN("capulet.example"));
    wire_say(w, "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>");
    wire_say(w, who);
    wire_say(w, "</auth>");
    wire_expect(w, "<success");
    wire_say(w, OPEN("capulet.example"));
    return w;
}

static inline struct wire *enter(struct house *h, const char *who, const char *resource)
{
    struct buf bind = {0};
    struct wire *w = arrive(h, who);
    wire_expect(w, "<sm xmlns='urn:xmpp:sm:3'/><csi xmlns='urn:xmpp:csi:0'/>");
    buf_printf(&bind,
               "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>"
               "<resource>%s</resource></bind></iq>",
               resource);
    wire_say(w, buf_z(&bind));
    buf_free(&bind);
    wire_expect(w, "type='result'");
    return w;
}

/* With resumption; the id goes to id_r. */
static inline void enable(struct wire *w, char id_r[MANAGE_ID_LEN + 1])
{
    wire_say(w, "<enable " NS_SM_ATTR " resume='true'/>");
    const char *heard = wire_heard(w), *id = strstr(heard, "<enabled " NS_SM_ATTR " id='");
    if (!id)
        fail_msg("not enabled: %s", heard);
    snprintf(id_r, MANAGE_ID_LEN + 1, "%s", strstr(id, "id='") + 4);
    assert_non_null(strstr(heard, "' resume='true' max='"));
}

/* The connection breaks, without a word. */
static inline void lose(struct wire **w)
{
    wire_free(w);
}

static inline void say_resume(struct wire *w, const char *id, unsigned h)
{
    struct buf out = {0};
    buf_printf(&out, "<resume " NS_SM_ATTR " previd='%s' h='%u'/>", id, h);
    wire_say(w, buf_z(&out));
    buf_free(&out);
}

static inline struct wire *resume(struct house *h, const char *who, const char *id,
                                  unsigned handled)
{
    struct wire *w = arrive(h, who);
    wire_expect(w, "</stream:features>");
    say_resume(w, id, handled);
    return w;
}

/* The text with its # replaced by the number. */
static inline void say_number(struct wire *w, const char *text, unsigned number)
{
    struct buf out = {0};
    size_t at = strcspn(text, "#");
    buf_append(&out, span_make(text, at));
    buf_append_u64(&out, number);
    buf_append_z(&out, text + at + 1);
    wire_say(w, buf_z(&out));
    buf_free(&out);
}

static inline void hear_exactly(struct wire *w, const char *text)
{
    const char *heard = wire_heard(w);
    if (strcmp(heard, text) != 0)
        fail_msg("expected: %s\n   heard: %s", text, heard);
}

static inline size_t count_of(const char *heard, const char *text)
{
    size_t count = 0;
    while ((heard = strstr(heard, text)) != NULL) {
        count++;
        heard += strlen(text);
    }
    return count;
}

/* Of his resource "a". */
static inline struct seat *seat_of_romeo(const struct house *h)
{
    LIST_FOR_EACH (node, &h->c2s->seats) {
        struct seat *seat = CONTAINER_OF(node, struct seat, node);
        if (seat->jid && strcmp(seat->jid, "romeo@capulet.example/a") == 0)
            return seat;
    }
    fail();
    return NULL;
}

static inline size_t hibernating(const struct house *h)
{
    return h->c2s->hibernation.seat_count;
}

#endif
