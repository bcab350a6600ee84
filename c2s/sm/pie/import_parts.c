/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * import_parts - what an account is and what it keeps, out of elements of XEP-0227: keys, roster,
 * requests, vCard, private XML, blocked addresses, nodes, and what is to be archived. All of it
 * runs on the storage thread. What is there already stays.
 */
#include "c2s/sm/pie/pie.h"

#include "tls/crypto.h"

#define NAME_MAX_BYTES 1023
#define GROUPS_MAX_BYTES 4096
#define VCARD_MAX_BYTES (192u << 10)
#define PREFS_MAX_BYTES (64u << 10)
#define SALT_MAX 64 /* as much as can be kept */
#define ITERATIONS_MAX 10000000

/* A prepared address, in im->arena; false: it is none. */
static bool read_jid(struct pie_import *im, struct span text, bool is_full_good, struct span *jid_r)
{
    struct jid_scratch scratch SM_HOT;
    struct jid jid;

    if (!jid_parse(text, &jid, &scratch))
        return false;
    *jid_r = arena_span(&im->arena, is_full_good ? jid.full : jid.bare);
    return true;
}

static bool is_himself(const struct pie_import *im, struct span bare)
{
    size_t at = span_index(bare, '@');

    return at < bare.n && span_eq(span_make(bare.p, at), im->user) &&
           sm_is_local_domain(im->job.sm, span_from(bare, at + 1));
}

/* --- keys ------------------------------------------------------------------------------------- */

struct keys {
    uint64_t iterations;
    struct buf salt, server, stored;
};

static bool read_base64(struct pie_import *im, struct span name, struct buf *out)
{
    struct stanza *s = &im->stanza;
    uint32_t node = stanza_child(s, 0, SPAN(NS_PIE_SCRAM), name);
    struct buf text = {0};
    bool is_good;

    /* White space around it is no part of it. */
    struct span raw = node ? stanza_text(s, node) : SPAN("");
    for (size_t i = 0; i < raw.n; i++) {
        if (!strchr(" \t\r\n", raw.p[i]))
            buf_append_char(&text, raw.p[i]);
    }
    is_good = buf_len(&text) > 0 && base64_decode(out, buf_span(&text));
    buf_wipe(&text);
    return is_good;
}

static bool read_keys(struct pie_import *im, size_t hash_len, struct keys *k)
{
    struct stanza *s = &im->stanza;
    uint32_t count = stanza_child(s, 0, SPAN(NS_PIE_SCRAM), SPAN("iter-count"));

    return count && span_to_u64(stanza_text(s, count), ITERATIONS_MAX, &k->iterations) &&
           k->iterations > 0 && read_base64(im, SPAN("salt"), &k->salt) &&
           read_base64(im, SPAN("server-key"), &k->server) &&
           read_base64(im, SPAN("stored-key"), &k->stored) && buf_len(&k->salt) <= SALT_MAX &&
           buf_len(&k->server) == hash_len && buf_len(&k->stored) == hash_len;
}

/* Rounds that the keys of the other hash have, 0: there are none. */
static int64_t other_iterations(struct pie_import *im, struct db *db, bool is_sha1)
{
    struct db_stmt *st =
        is_sha1 ? db_sql(db, "SELECT iterations FROM account WHERE id = ?1"
                             " AND length(stored_sha256) > 0")
                : db_sql(db, "SELECT iterations FROM account WHERE id = ?1"
                             " AND length(stored_sha1) > 0");
    int64_t n = 0;

    db_bind_int(st, 1, im->account);
    if (db_step(st) > 0)
        n = db_int(st, 0);
    db_reset(st);
    return n;
}

#define SET_SHA1                                                                                   \
    "UPDATE account SET iterations = ?2, salt_sha1 = ?3, server_sha1 = ?4, stored_sha1 = ?5"
#define SET_SHA256                                                                                 \
    "UPDATE account SET iterations = ?2, salt_sha256 = ?3, server_sha256 = ?4, stored_sha256 = ?5"
#define FORGET_SHA1 ", salt_sha1 = x'', server_sha1 = x'', stored_sha1 = x''"

/* All keys of an account have the same rounds: where they differ, the better hash stays. */
static int write_keys(struct pie_import *im, struct db *db, bool is_sha1, const struct keys *k)
{
    int64_t other = other_iterations(im, db, is_sha1);
    struct db_stmt *st;

    if (is_sha1 && other && other != (int64_t)k->iterations)
        return 0;
    if (is_sha1)
        st = db_sql(db, SET_SHA1 " WHERE id = ?1");
    else if (other && other != (int64_t)k->iterations)
        st = db_sql(db, SET_SHA256 FORGET_SHA1 " WHERE id = ?1");
    else
        st = db_sql(db, SET_SHA256 " WHERE id = ?1");
    db_bind_int(st, 1, im->account);
    db_bind_int(st, 2, (int64_t)k->iterations);
    db_bind_blob(st, 3, buf_span(&k->salt));
    db_bind_blob(st, 4, buf_span(&k->server));
    db_bind_blob(st, 5, buf_span(&k->stored));
    im->figures.has_keys = true;
    im->figures.has_sha1_only = is_sha1 && !other;
    int result = db_run(st);
    return result < 0 ? result : 1;
}

int pie_import_keys(struct pie_import *im, struct db *db)
{
    struct span mechanism = stanza_attr(&im->stanza, 0, SPAN("mechanism"));
    bool is_sha1 = span_eq(mechanism, SPAN("SCRAM-SHA-1"));
    struct keys k = {.salt = {.max = 1024}, .server = {.max = 1024}, .stored = {.max = 1024}};
    int result = PIE_REFUSED;

    if (!im->may_set_keys)
        return pie_count(im, 0, "");
    if ((is_sha1 || span_eq(mechanism, SPAN("SCRAM-SHA-256"))) &&
        read_keys(im, crypto_hash_len(is_sha1 ? CRYPTO_SHA1 : CRYPTO_SHA256), &k))
        result = write_keys(im, db, is_sha1, &k);
    buf_wipe(&k.salt);
    buf_wipe(&k.server);
    buf_wipe(&k.stored);
    return pie_count(im, result, "scram-credentials");
}

/* --- roster ----------------------------------------------------------------------------------- */

static bool read_groups(struct pie_import *im, uint32_t item, struct buf *out)
{
    struct stanza *s = &im->stanza;

    buf_clear(out);
    for (uint32_t g = stanza_child(s, item, SPAN(NS_ROSTER), SPAN("group")); g;
         g = stanza_next(s, g, SPAN(NS_ROSTER), SPAN("group"))) {
        struct span name = stanza_text(s, g);
        if (name.n == 0)
            continue;
        if (name.n > NAME_MAX_BYTES || span_index(name, '\n') < name.n)
            return false;
        if (buf_len(out) > 0)
            buf_append_char(out, '\n');
        buf_append(out, name);
    }
    return buf_len(out) <= GROUPS_MAX_BYTES;
}

static unsigned read_state(const struct stanza *s, uint32_t item)
{
    struct span subscription = stanza_attr(s, item, SPAN("subscription"));
    struct span approved = stanza_attr(s, item, SPAN("approved"));
    unsigned state = 0;

    if (span_eq(subscription, SPAN("both")) || span_eq(subscription, SPAN("to")))
        state |= SM_STATE_TO;
    if (span_eq(subscription, SPAN("both")) || span_eq(subscription, SPAN("from")))
        state |= SM_STATE_FROM;
    if (!(state & SM_STATE_TO) && span_eq(stanza_attr(s, item, SPAN("ask")), SPAN("subscribe")))
        state |= SM_STATE_ASKED;
    if (!(state & SM_STATE_FROM) &&
        (span_eq(approved, SPAN("true")) || span_eq(approved, SPAN("1"))))
        state |= SM_STATE_APPROVED;
    return state;
}

static int take_item(struct pie_import *im, struct db *db, uint32_t node)
{
    struct sm *sm = im->job.sm;
    struct sm_roster_item item = {0};
    struct sm_roster_key key = {.account = im->account};
    struct sm_roster_row row = {0};
    struct buf pushed = {0};
    char ver[44];
    int result;

    if (!read_jid(im, stanza_attr(&im->stanza, node, SPAN("jid")), false, &item.jid) ||
        is_himself(im, item.jid) || !read_groups(im, node, &im->text))
        return PIE_REFUSED;
    item.name = stanza_attr(&im->stanza, node, SPAN("name"));
    item.groups = buf_span(&im->text);
    item.names = key.names = sm_names_of(sm, &im->arena, item.jid);
    if (item.name.n > NAME_MAX_BYTES || span_index(item.name, '\n') < item.name.n)
        return PIE_REFUSED;
    result = sm_roster_read(db, &key, &row);
    if (result >= 0 && !row.is_there) {
        result = sm_roster_change(db, im->user, &item, sm->opts.max_roster, &pushed, ver);
        if (result == STORE_OK)
            result = sm_roster_read(db, &key, &row);
        if (result == STORE_OK)
            result = sm_roster_write_state(db, &key, &row, read_state(&im->stanza, node),
                                           sm->opts.max_roster, &pushed);
        result = result == STORE_OK ? 1 : result < 0 ? result : PIE_REFUSED;
    }
    buf_free(&pushed);
    buf_free(&row.jid);
    return result;
}

int pie_import_roster(struct pie_import *im, struct db *db)
{
    int result = 0;

    for (uint32_t item = stanza_child(&im->stanza, 0, SPAN(NS_ROSTER), SPAN("item"));
         item && result >= 0; item = stanza_next(&im->stanza, item, SPAN(NS_ROSTER), SPAN("item")))
        result = pie_count(im, take_item(im, db, item), "a roster item");
    return result;
}

/* Kept as it would be when it had come: from after "<presence", without its 'to'. */
static void write_request(struct pie_import *im, struct span jid)
{
    struct buf whole = {0};
    const struct stanza_write_opts opts = {
        .ns = SPAN(NS_CLIENT),
        .from_ns = stanza_root(&im->stanza)->ns,
        .to = SPAN(""),
        .from = jid,
    };
    static const struct span start = SPAN_INIT("<presence");

    stanza_write(&whole, &im->stanza, &opts);
    buf_clear(&im->text);
    if (buf_len(&whole) <= SM_REQUEST_BYTES) {
        buf_append(&im->text, span_from(buf_span(&whole), start.n));
    } else {
        xml_attr(&im->text, "from", jid);
        xml_raw(&im->text, SPAN(" type='subscribe'/>"));
    }
    buf_free(&whole);
}

int pie_import_request(struct pie_import *im, struct db *db)
{
    struct sm_roster_key key = {.account = im->account};
    struct span jid;
    int result;

    if (!span_eq(im->stanza.type, SPAN("subscribe")) ||
        !read_jid(im, im->stanza.from, false, &jid) || is_himself(im, jid))
        return pie_count(im, PIE_REFUSED, "a presence");
    key.names = sm_names_of(im->job.sm, &im->arena, jid);
    if (sm_request_exists(db, &key))
        return pie_count(im, 0, "");
    write_request(im, jid);
    result = sm_request_put(db, &key, im->now, buf_span(&im->text));
    return pie_count(im, result < 0 ? result : result > 0 ? PIE_REFUSED : 1, "a presence");
}

/* --- vCard, private XML ----------------------------------------------------------------------- */

static int take_vcard(struct pie_import *im, struct db *db)
{
    struct sm_avatar avatar = {0};
    struct buf old = {0};
    int result = sm_vcard_load(db, im->user, &old);

    buf_free(&old);
    if (result != SM_VCARD_NONE)
        return result;
    buf_clear(&im->text);
    stanza_write_node(&im->text, &im->stanza, 0, SPAN(NS_CLIENT));
    if (buf_len(&im->text) > VCARD_MAX_BYTES)
        return PIE_REFUSED;
    result = sm_vcard_save(db, im->user, buf_span(&im->text));
    if (result < 0)
        return result;
    im->ask.request = &im->stanza;
    im->ask.payload = 0;
    result = sm_avatar_from_card(&im->ask, db, &avatar);
    im->ask.request = NULL;
    return result < 0 && result != PUBSUB_REFUSED ? result : 1;
}

int pie_import_vcard(struct pie_import *im, struct db *db)
{
    return pie_count(im, take_vcard(im, db), "the vCard");
}

static int remove_private(struct pie_import *im, struct db *db, const struct stanza_node *node)
{
    struct db_stmt *st =
        db_sql(db, "DELETE FROM private WHERE account = ?1 AND ns = ?2 AND name = ?3");

    db_bind_int(st, 1, im->account);
    db_bind_text(st, 2, node->ns);
    db_bind_text(st, 3, node->name);
    return db_run(st);
}

static int take_private(struct pie_import *im, struct db *db, uint32_t child)
{
    const struct stanza_node *node = &im->stanza.nodes[child];
    int result;

    buf_clear(&im->text);
    result = sm_private_load(db, im->account, node->ns, node->name, &im->text);
    if (result <= 0)
        return result; /* there is one, or the store has failed */
    buf_clear(&im->text);
    stanza_write_node(&im->text, &im->stanza, child, SPAN(NS_CLIENT));
    result = sm_private_save(db, im->account, node->ns, node->name, buf_span(&im->text));
    if (result == SM_PRIVATE_FULL)
        result = remove_private(im, db, node) < 0 ? STORE_FAILED : PIE_REFUSED;
    return result == STORE_OK ? 1 : result;
}

int pie_import_private(struct pie_import *im, struct db *db)
{
    int result = 0;

    for (uint32_t c = stanza_child(&im->stanza, 0, SPAN_NONE, SPAN_NONE); c && result >= 0;
         c = stanza_next(&im->stanza, c, SPAN_NONE, SPAN_NONE))
        result = pie_count(im, take_private(im, db, c), "private XML");
    return result;
}

/* --- blocked addresses ------------------------------------------------------------------------ */

static int take_blocked(struct pie_import *im, struct db *db, uint32_t item)
{
    struct db_stmt *st = db_sql(db, "SELECT 1 FROM block WHERE account = ?1 AND jid = ?2");
    struct span jid;
    int result;

    if (!read_jid(im, stanza_attr(&im->stanza, item, SPAN("jid")), true, &jid))
        return PIE_REFUSED;
    db_bind_int(st, 1, im->account);
    db_bind_text(st, 2, jid);
    if ((result = pie_found(st)) != 0)
        return result < 0 ? result : 0;
    st = db_sql(db, "INSERT INTO block (account, jid) SELECT ?1, ?2 WHERE"
                    " (SELECT count(*) FROM block WHERE account = ?1) < ?3");
    db_bind_int(st, 1, im->account);
    db_bind_text(st, 2, jid);
    db_bind_int(st, 3, (int64_t)im->job.sm->opts.max_blocked);
    result = db_run(st);
    return result < 0 ? result : db_changes(db) > 0 ? 1 : PIE_REFUSED;
}

int pie_import_blocked(struct pie_import *im, struct db *db)
{
    int result = 0;

    for (uint32_t item = stanza_child(&im->stanza, 0, SPAN(NS_BLOCKING), SPAN("item"));
         item && result >= 0;
         item = stanza_next(&im->stanza, item, SPAN(NS_BLOCKING), SPAN("item")))
        result = pie_count(im, take_blocked(im, db, item), "a blocked address");
    return result;
}

/* --- nodes ------------------------------------------------------------------------------------ */

int pie_import_pubsub(struct pie_import *im, struct db *db)
{
    size_t taken = 0, refused = 0;
    int result = 0;

    for (uint32_t c = stanza_child(&im->stanza, 0, SPAN_NONE, SPAN_NONE); c && result >= 0;
         c = stanza_next(&im->stanza, c, SPAN_NONE, SPAN_NONE))
        result = pubsub_import(&im->ask, db, &im->stanza, c, &taken, &refused);
    im->figures.taken += taken;
    while (refused-- > 0)
        pie_count(im, PIE_REFUSED, "a node or an item");
    return result;
}

/* --- what is to be archived ------------------------------------------------------------------- */

/* Prepared JIDs, each followed by LF. */
static bool read_jids(struct pie_import *im, struct span name, struct buf *out)
{
    struct stanza *s = &im->stanza;
    uint32_t list = stanza_child(s, 0, SPAN(NS_MAM), name);
    struct span jid;

    for (uint32_t j = list ? stanza_child(s, list, SPAN(NS_MAM), SPAN("jid")) : 0; j;
         j = stanza_next(s, j, SPAN(NS_MAM), SPAN("jid"))) {
        if (!read_jid(im, stanza_text(s, j), true, &jid))
            return false;
        buf_append(out, jid);
        buf_append_char(out, '\n');
    }
    return buf_len(out) <= PREFS_MAX_BYTES;
}

static int take_prefs(struct pie_import *im, struct db *db)
{
    static const struct span names[] = {SPAN_INIT("never"), SPAN_INIT("always"),
                                        SPAN_INIT("roster")};
    struct span word = stanza_attr(&im->stanza, 0, SPAN("default"));
    struct buf always = {0}, never = {0};
    size_t rule = 0;
    int result = PIE_REFUSED;

    while (rule < ARRAY_LEN(names) && !span_eq(word, names[rule]))
        rule++;
    if (rule < ARRAY_LEN(names) && read_jids(im, SPAN("always"), &always) &&
        read_jids(im, SPAN("never"), &never)) {
        struct db_stmt *st =
            db_sql(db, "INSERT OR IGNORE INTO archive_prefs (account, rule, always, never)"
                       " VALUES (?1, ?2, ?3, ?4)");
        db_bind_int(st, 1, im->account);
        db_bind_int(st, 2, (int64_t)rule);
        db_bind_text(st, 3, buf_span(&always));
        db_bind_text(st, 4, buf_span(&never));
        result = db_run(st);
        result = result < 0 ? result : db_changes(db) > 0;
    }
    buf_free(&always);
    buf_free(&never);
    return result;
}

int pie_import_prefs(struct pie_import *im, struct db *db)
{
    return pie_count(im, take_prefs(im, db), "archive preferences");
}
