/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * avatar - one picture for those who read it from nodes (XEP-0084) and those who read it from the
 * vCard (XEP-0153), whichever way it was set: XEP-0398.
 *
 * What is published to the metadata node goes into the vCard, if anyone may read the data; a
 * vCard's photo is published to both nodes. The hash of what is in the vCard is kept beside it
 * (table avatar) and in the profile, and put into the user's presence.
 *
 * pep.c and vcard.c call it in run(), and when it is done; route.c with each presence.
 */
#include "c2s/sm/pep/pep.h"

#include "tls/crypto.h"
#include "xml/parser.h"

#define NODE_DATA "urn:xmpp:avatar:data"
#define NODE_METADATA "urn:xmpp:avatar:metadata"
#define NS_VCARD_UPDATE "vcard-temp:x:update"
#define CARD_MAX_BYTES (192u << 10)
#define TYPE_MAX_BYTES 100

/* --- text, in run() --- */

static size_t find(struct span text, struct span what)
{
    const char *hit = text.n ? memmem(text.p, text.n, what.p, what.n) : NULL;

    return hit ? (size_t)(hit - text.p) : text.n;
}

/* The bytes of base64 text, which may have spaces; false: it is none. */
static bool decode(struct span text, struct buf *image)
{
    struct buf dense = {0};
    bool is_good;

    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        if (c != ' ' && c != '\n' && c != '\r' && c != '\t')
            buf_append_char(&dense, c);
    }
    is_good = buf_len(&dense) > 0 && base64_decode(image, buf_span(&dense));
    buf_free(&dense);
    return is_good;
}

static void hash_image(const struct buf *image, char hash_r[41])
{
    unsigned char digest[CRYPTO_HASH_MAX];

    crypto_digest(CRYPTO_SHA1, buf_span(image), digest);
    crypto_hex(span_make((const char *)digest, crypto_hash_len(CRYPTO_SHA1)), hash_r);
}

/* The card without its photos: our own writing, in which '<' begins nothing but a tag. */
static void copy_without_photo(struct buf *out, struct span card)
{
    for (;;) {
        size_t at = find(card, SPAN("<PHOTO"));
        struct span rest, tag;
        buf_append(out, span_make(card.p, at));
        if (at == card.n)
            return;
        rest = span_from(card, at);
        tag = span_make(rest.p, span_index(rest, '>'));
        if (tag.n == rest.n)
            return;
        if (tag.p[tag.n - 1] != '/') {
            size_t end = find(rest, SPAN("</PHOTO>"));
            if (end == rest.n)
                return;
            card = span_from(rest, end + sizeof("</PHOTO>") - 1);
        } else {
            card = span_from(rest, tag.n + 1);
        }
    }
}

/* --- the vCard, in run() --- */

static int set_hash(struct pubsub_ask *ask, struct db *db, struct sm_avatar *avatar,
                    const char *hash)
{
    struct db_stmt *st = db_sql(db, "INSERT INTO avatar (account, hash) VALUES (?1, ?2)"
                                    " ON CONFLICT (account) DO UPDATE SET hash = ?2");

    memcpy(avatar->hash, hash, strlen(hash) + 1);
    avatar->is_changed = true;
    db_bind_int(st, 1, ask->account);
    db_bind_text(st, 2, span_of(hash));
    return db_run(st);
}

static bool get_hash(struct db *db, int64_t account, char hash_r[41])
{
    struct db_stmt *st = db_sql(db, "SELECT hash FROM avatar WHERE account = ?1");
    struct span hash;

    hash_r[0] = 0;
    db_bind_int(st, 1, account);
    if (db_step(st) > 0 && (hash = db_text(st, 0)).n == 40) {
        memcpy(hash_r, hash.p, 40);
        hash_r[40] = 0;
    }
    db_reset(st);
    return hash_r[0] != 0;
}

/* photo none: without one. 1: there is no room for it. */
static int put_into_card(struct db *db, struct span user, struct span type, struct span photo)
{
    struct buf old = {0}, card = {0};
    int result = sm_vcard_load(db, user, &old);

    if (result < 0) {
        buf_free(&old);
        return result;
    }
    copy_without_photo(&card, buf_span(&old));
    if (span_ends(buf_span(&card), SPAN("</vCard>"))) {
        card.tail -= sizeof("</vCard>") - 1;
    } else {
        buf_clear(&card);
        xml_raw(&card, SPAN("<vCard xmlns='vcard-temp'>"));
    }
    if (!span_is_none(photo)) {
        xml_raw(&card, SPAN("<PHOTO><TYPE>"));
        xml_text(&card, type);
        xml_raw(&card, SPAN("</TYPE><BINVAL>"));
        xml_text(&card, photo);
        xml_raw(&card, SPAN("</BINVAL></PHOTO>"));
    }
    xml_raw(&card, SPAN("</vCard>"));
    result = buf_len(&card) <= CARD_MAX_BYTES ? sm_vcard_save(db, user, buf_span(&card)) : 1;
    buf_free(&old);
    buf_free(&card);
    return result;
}

/* --- from the nodes, in run() --- */

/* The <info/> of what has been published that is kept here; 0: there is none. */
static uint32_t find_info(const struct stanza *s, uint32_t payload)
{
    uint32_t publish = stanza_child(s, payload, SPAN(NS_PUBSUB), SPAN("publish"));
    uint32_t item = publish ? stanza_child(s, publish, SPAN(NS_PUBSUB), SPAN("item")) : 0;
    uint32_t metadata = item ? stanza_child(s, item, SPAN(NODE_METADATA), SPAN("metadata")) : 0;
    uint32_t info = metadata ? stanza_child(s, metadata, SPAN(NODE_METADATA), SPAN("info")) : 0;

    while (info && !span_is_none(stanza_attr(s, info, SPAN("url"))))
        info = stanza_next(s, info, SPAN(NODE_METADATA), SPAN("info"));
    return info;
}

/* What is published there is to be what its name says. */
static int convert(struct pubsub_ask *ask, struct db *db, struct span user, uint32_t info,
                   struct sm_avatar *avatar)
{
    struct span id = stanza_attr(ask->request, info, SPAN("id"));
    struct span type = stanza_attr(ask->request, info, SPAN("type"));
    struct span data, text;
    struct buf image = {0};
    char hash[41];
    bool is_open;
    int result = pubsub_item_get(ask, db, SPAN(NODE_DATA), id, &data, &is_open);

    if (result <= 0 || !is_open || type.n > TYPE_MAX_BYTES)
        return result < 0 ? result : 0;
    text = span_from(data, span_index(data, '>') < data.n ? span_index(data, '>') + 1 : data.n);
    text.n = span_index(text, '<');
    result = 0;
    if (decode(text, &image)) {
        hash_image(&image, hash);
        if (span_eq(span_of(hash), id)) {
            result = put_into_card(db, user, type, text);
            if (result == 0)
                result = set_hash(ask, db, avatar, hash);
        }
    }
    buf_free(&image);
    return result < 0 ? result : 0;
}

static int clear(struct pubsub_ask *ask, struct db *db, struct span user,
                 struct sm_avatar *avatar)
{
    char hash[41];
    int result;

    if (!get_hash(db, ask->account, hash))
        return 0;
    result = put_into_card(db, user, SPAN_NONE, SPAN_NONE);
    return result < 0 ? result : set_hash(ask, db, avatar, "");
}

int sm_avatar_published(struct pubsub_ask *ask, struct db *db, struct span user,
                        struct sm_avatar *avatar)
{
    uint32_t info;
    struct span data;
    bool is_open;

    if (!ask->is_owner || !ask->is_changed || !span_eq(ask->node, SPAN(NODE_METADATA)))
        return 0;
    info = find_info(ask->request, ask->payload);
    if (info)
        return convert(ask, db, user, info, avatar);
    if (stanza_child(ask->request, ask->payload, SPAN(NS_PUBSUB), SPAN("publish")) ||
        pubsub_item_get(ask, db, SPAN(NODE_METADATA), SPAN_NONE, &data, &is_open) == 0)
        return clear(ask, db, user, avatar);
    return 0;
}

/* --- from the vCard, in run() --- */

static int publish(struct pubsub_ask *ask, struct db *db, const char *hash, struct span type,
                   struct span text, size_t bytes)
{
    struct pubsub_config open;
    struct buf xml = {0};
    int result;

    pubsub_config_default(&open);
    open.access = PUBSUB_OPEN; /* as the card is */
    xml_raw(&xml, SPAN("<data xmlns='" NODE_DATA "'>"));
    xml_text(&xml, text);
    xml_raw(&xml, SPAN("</data>"));
    result = pubsub_item_put(ask, db, SPAN(NODE_DATA), span_of(hash), buf_span(&xml), &open);
    buf_clear(&xml);
    xml_raw(&xml, SPAN("<metadata xmlns='" NODE_METADATA "'><info bytes='"));
    buf_append_u64(&xml, bytes);
    xml_raw(&xml, SPAN("'"));
    xml_attr(&xml, "id", span_of(hash));
    xml_attr(&xml, "type", type);
    xml_raw(&xml, SPAN("/></metadata>"));
    if (result >= 0)
        result = pubsub_item_put(ask, db, SPAN(NODE_METADATA), span_of(hash), buf_span(&xml),
                                 &open);
    buf_free(&xml);
    return result;
}

/* A photo that is too big to be published is in the card only. */
static int take_photo(struct pubsub_ask *ask, struct db *db, struct span type, struct span text,
                      struct sm_avatar *avatar)
{
    struct buf image = {0};
    char hash[41], old[41];
    int result = 0;

    if (decode(text, &image)) {
        hash_image(&image, hash);
        if (!get_hash(db, ask->account, old) || memcmp(old, hash, sizeof(hash)) != 0) {
            if (type.n <= TYPE_MAX_BYTES && text.n + 100 <= ask->limits.max_item_bytes)
                result = publish(ask, db, hash, type, text, buf_len(&image));
            if (result >= 0)
                result = set_hash(ask, db, avatar, hash);
        }
    }
    buf_free(&image);
    return result;
}

int sm_avatar_from_card(struct pubsub_ask *ask, struct db *db, struct sm_avatar *avatar)
{
    struct stanza *s = ask->request;
    const struct span ns = s->nodes[ask->payload].ns;
    uint32_t photo = stanza_child(s, ask->payload, ns, SPAN("PHOTO"));
    uint32_t value = photo ? stanza_child(s, photo, ns, SPAN("BINVAL")) : 0;
    uint32_t type = photo ? stanza_child(s, photo, ns, SPAN("TYPE")) : 0;
    char old[41];
    int result;

    if (value)
        return take_photo(ask, db, type ? stanza_text(s, type) : SPAN("image/png"),
                          stanza_text(s, value), avatar);
    if (!get_hash(db, ask->account, old))
        return 0;
    result = pubsub_item_put(ask, db, SPAN(NODE_METADATA), span_of(ask->spare_id),
                             SPAN("<metadata xmlns='" NODE_METADATA "'/>"), NULL);
    return result < 0 ? result : set_hash(ask, db, avatar, "");
}

/* --- presence, on the loop --- */

int sm_avatar_load(struct db *db, int64_t account, struct sm_profile *profile)
{
    get_hash(db, account, profile->photo);
    return STORE_OK;
}

/* XEP-0398 4: but who says that he has none, has none. */
void sm_avatar_stamp(struct sm_in *in)
{
    const struct sm_user *user = in->session->user;
    struct stanza *s = in->stanza;
    uint32_t x, photo;

    if (!span_is_empty(s->type) || !user || !user->profile || !user->profile->photo[0])
        return;
    x = stanza_child(s, 0, SPAN(NS_VCARD_UPDATE), SPAN("x"));
    photo = x ? stanza_child(s, x, SPAN(NS_VCARD_UPDATE), SPAN("photo")) : 0;
    if (photo && span_is_empty(stanza_text(s, photo)))
        return;
    if (x)
        stanza_remove(s, x);
    x = stanza_add(s, 0, SPAN(NS_VCARD_UPDATE), SPAN("x"));
    photo = stanza_add(s, x, SPAN(NS_VCARD_UPDATE), SPAN("photo"));
    stanza_add_text(s, photo, span_of(user->profile->photo));
}

bool sm_avatar_sending(struct sm_in *in)
{
    if (span_eq(stanza_root(in->stanza)->name, SPAN("presence")))
        sm_avatar_stamp(in);
    return true;
}

/* Its last presence, once more, with what the picture is now; one that waits will have it. */
static void show_again(struct sm_session *s)
{
    struct sm_in in = {.sm = s->sm, .session = s};
    struct stanza presence = {0};
    struct buf xml = {0};
    uint32_t x;

    if (s->pace)
        return;
    xml_raw(&xml, SPAN("<presence"));
    buf_append(&xml, buf_span(&s->presence));
    if (xml_parse_stanza(xml_parser_shared(SPAN(NS_CLIENT)), buf_span(&xml), &presence) == XML_OK) {
        in.stanza = &presence;
        presence.from = s->full;
        in.to = (struct jid){.local = s->user->name, .domain = s->domain, .full = s->bare,
                             .bare = s->bare};
        x = stanza_child(&presence, 0, SPAN(NS_VCARD_UPDATE), SPAN("x"));
        if (x && !s->user->profile->photo[0])
            stanza_remove(&presence, x);
        sm_avatar_stamp(&in);
        sm_presence_broadcast(&in);
    }
    stanza_free(&presence);
    buf_free(&xml);
}

void sm_avatar_show(struct sm *sm, struct span name, const struct sm_avatar *avatar)
{
    struct sm_user *user = sm_user_owned(sm, name);

    if (!avatar->is_changed || !user)
        return;
    memcpy(user->profile->photo, avatar->hash, sizeof(user->profile->photo));
    LIST_FOR_EACH (node, &user->sessions) {
        struct sm_session *s = CONTAINER_OF(node, struct sm_session, node);
        if (s->is_available && !s->is_gone)
            show_again(s);
    }
}
