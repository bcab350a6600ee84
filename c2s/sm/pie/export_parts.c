/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * export_parts - what an account consists of, in the order in which it is written: XEP-0227
 * section 4. Each part writes its next rows and says whether there are more; all of it runs on the
 * storage thread, in export.c's jobs.
 */
#include "c2s/sm/pie/pie.h"

#include "tls/crypto.h"

/* A part writes at most about a slice. 1: there may be more, 0: it is over; < 0: as db_step. */
struct part {
    int (*write)(struct db *db, struct pie_cursor *c, struct buf *out);
    const char *open, *close; /* its container, where there is something in it; "": none */
};

/* --- the account itself --- */

static void write_blob(struct buf *out, const char *name, struct span blob)
{
    buf_printf(out, "<%s>", name);
    base64_encode(out, blob);
    buf_printf(out, "</%s>", name);
}

/* Columns: iterations, then salt, stored key and server key of the hash from first on. */
static void write_keys(struct buf *out, struct db_stmt *st, int first, const char *mechanism)
{
    if (db_blob(st, first + 1).n == 0)
        return;
    buf_printf(out, "<scram-credentials xmlns='" NS_PIE_SCRAM "' mechanism='%s'><iter-count>",
               mechanism);
    buf_append_u64(out, (uint64_t)db_int(st, 0));
    xml_raw(out, SPAN("</iter-count>"));
    write_blob(out, "salt", db_blob(st, first));
    write_blob(out, "server-key", db_blob(st, first + 2));
    write_blob(out, "stored-key", db_blob(st, first + 1));
    xml_raw(out, SPAN("</scram-credentials>\n"));
}

static int write_account(struct db *db, struct pie_cursor *c, struct buf *out)
{
    struct db_stmt *st = db_sql(db, "SELECT iterations, salt_sha1, stored_sha1, server_sha1,"
                                    " salt_sha256, stored_sha256, server_sha256"
                                    " FROM account WHERE id = ?1");
    int got;

    db_bind_int(st, 1, c->account);
    got = db_step(st);
    xml_raw(out, SPAN("<user"));
    xml_attr(out, "name", c->name);
    xml_raw(out, SPAN(">\n"));
    if (got > 0) {
        write_keys(out, st, 1, "SCRAM-SHA-1");
        write_keys(out, st, 4, "SCRAM-SHA-256");
    }
    db_reset(st);
    return got < 0 ? got : 0;
}

static int write_end(struct db *db, struct pie_cursor *c, struct buf *out)
{
    (void)db;
    (void)c;
    xml_raw(out, SPAN("</user>\n"));
    return 0;
}

/* --- the roster, and who waits to be let in --- */

static void write_groups(struct buf *out, struct span groups)
{
    while (groups.n > 0) {
        size_t n = span_index(groups, '\n');
        xml_raw(out, SPAN("<group>"));
        xml_text(out, span_make(groups.p, n));
        xml_raw(out, SPAN("</group>"));
        groups = span_from(groups, n < groups.n ? n + 1 : n);
    }
}

static void note_text(struct pie_cursor *c, struct span key)
{
    buf_clear(&c->text);
    buf_append(&c->text, key);
}

static int write_roster(struct db *db, struct pie_cursor *c, struct buf *out)
{
    static const char *const words[] = {"none", "to", "from", "both"};
    struct db_stmt *st =
        db_sql(db, "SELECT jid, coalesce(name, ''), subscription, ask, groups FROM roster"
                   " WHERE account = ?1 AND jid > ?2 ORDER BY jid LIMIT ?3");
    int got, rows = 0;

    db_bind_int(st, 1, c->account);
    db_bind_text(st, 2, buf_span(&c->text));
    db_bind_int(st, 3, PIE_SLICE_ROWS);
    while ((got = db_step(st)) > 0) {
        rows++;
        xml_raw(out, SPAN("<item"));
        xml_attr(out, "jid", db_text(st, 0));
        if (db_text(st, 1).n > 0)
            xml_attr(out, "name", db_text(st, 1));
        xml_attr(out, "subscription", span_of(words[db_int(st, 2) & 3]));
        if (db_int(st, 3) & SM_ASK_SUBSCRIBE)
            xml_raw(out, SPAN(" ask='subscribe'"));
        if (db_int(st, 3) & SM_ASK_APPROVED)
            xml_raw(out, SPAN(" approved='true'"));
        xml_raw(out, SPAN(">"));
        write_groups(out, db_text(st, 4));
        xml_raw(out, SPAN("</item>\n"));
        if (rows == PIE_SLICE_ROWS)
            note_text(c, db_text(st, 0));
    }
    return got < 0 ? got : rows == PIE_SLICE_ROWS;
}

static int write_requests(struct db *db, struct pie_cursor *c, struct buf *out)
{
    struct db_stmt *st = db_sql(db, "SELECT jid, stanza FROM roster_request"
                                    " WHERE account = ?1 AND jid > ?2 ORDER BY jid LIMIT 50");
    int got, rows = 0;

    db_bind_int(st, 1, c->account);
    db_bind_text(st, 2, buf_span(&c->text));
    while ((got = db_step(st)) > 0) {
        rows++;
        xml_raw(out, SPAN("<presence xmlns='" NS_CLIENT "'"));
        buf_append(out, db_text(st, 1));
        xml_raw(out, SPAN("\n"));
        if (rows == 50)
            note_text(c, db_text(st, 0));
    }
    return got < 0 ? got : rows == 50;
}

/* --- messages --- */

static const struct span message_start = SPAN_INIT("<message");
static const struct span message_end = SPAN_INIT("</message>");

/* A stored one, with tail before its end; one without content cannot have any. */
static void write_message(struct buf *out, struct span stanza, struct span tail)
{
    if (!span_starts(stanza, message_start))
        return;
    xml_raw(out, SPAN("<message xmlns='" NS_CLIENT "'"));
    stanza = span_from(stanza, message_start.n);
    if (tail.n > 0 && span_ends(stanza, message_end)) {
        buf_append(out, span_make(stanza.p, stanza.n - message_end.n));
        buf_append(out, tail);
        stanza = message_end;
    }
    buf_append(out, stanza);
}

/* When it was accepted, and what it is in the archive. */
static void write_tail(const struct pie_cursor *c, struct buf *tail, int64_t stamp,
                       int64_t archive_id)
{
    struct buf bare = {0};

    buf_clear(tail);
    xml_raw(tail, SPAN("<delay xmlns='" NS_DELAY "'"));
    xml_attr(tail, "from", c->host);
    xml_raw(tail, SPAN(" stamp='"));
    sm_time_write(tail, stamp);
    xml_raw(tail, SPAN("'/>"));
    if (!archive_id)
        return;
    buf_append(&bare, c->name);
    buf_append_char(&bare, '@');
    buf_append(&bare, c->host);
    sm_archive_write_id(tail, buf_span(&bare), archive_id);
    buf_free(&bare);
}

static int write_offline(struct db *db, struct pie_cursor *c, struct buf *out)
{
    struct db_stmt *st = db_sql(db, "SELECT id, stamp, stanza, archive_id FROM offline"
                                    " WHERE account = ?1 AND id > ?2 ORDER BY id");
    struct buf tail = {0};
    int got = 0;

    db_bind_int(st, 1, c->account);
    db_bind_int(st, 2, c->number);
    while (buf_len(out) < PIE_SLICE_BYTES && (got = db_step(st)) > 0) {
        c->number = db_int(st, 0);
        write_tail(c, &tail, db_int(st, 1), db_int(st, 3));
        write_message(out, db_text(st, 2), buf_span(&tail));
        xml_raw(out, SPAN("\n"));
    }
    db_reset(st);
    buf_free(&tail);
    return got;
}

static int write_archive(struct db *db, struct pie_cursor *c, struct buf *out)
{
    struct db_stmt *st = db_sql(db, "SELECT id, stanza FROM archive INDEXED BY archive_account"
                                    " WHERE account = ?1 AND id > ?2 ORDER BY id LIMIT ?3");
    char id[SM_ARCHIVE_ID_LEN];
    int got = 0, rows = 0;

    db_bind_int(st, 1, c->account);
    db_bind_int(st, 2, c->number);
    db_bind_int(st, 3, PIE_SLICE_ROWS);
    while (buf_len(out) < PIE_SLICE_BYTES && (got = db_step(st)) > 0) {
        rows++;
        c->number = db_int(st, 0);
        sm_archive_id_text(c->number, id);
        xml_raw(out, SPAN("<result xmlns='" NS_MAM "'"));
        xml_attr(out, "id", span_make(id, sizeof(id)));
        xml_raw(out, SPAN("><forwarded xmlns='" NS_FORWARD "'><delay xmlns='" NS_DELAY
                          "' stamp='"));
        sm_time_write(out, sm_archive_time_of(c->number));
        xml_raw(out, SPAN("'/>"));
        write_message(out, db_text(st, 1), SPAN(""));
        xml_raw(out, SPAN("</forwarded></result>\n"));
    }
    db_reset(st);
    return got < 0 ? got : got > 0 || rows == PIE_SLICE_ROWS;
}

static void write_jids(struct buf *out, const char *name, struct span lines)
{
    buf_printf(out, "<%s>", name);
    while (lines.n > 0) {
        size_t n = span_index(lines, '\n');
        xml_raw(out, SPAN("<jid>"));
        xml_text(out, span_make(lines.p, n));
        xml_raw(out, SPAN("</jid>"));
        lines = span_from(lines, n < lines.n ? n + 1 : n);
    }
    buf_printf(out, "</%s>", name);
}

static int write_prefs(struct db *db, struct pie_cursor *c, struct buf *out)
{
    static const char *const rules[] = {"never", "always", "roster"};
    struct db_stmt *st =
        db_sql(db, "SELECT rule, always, never FROM archive_prefs WHERE account = ?1");
    int got;

    db_bind_int(st, 1, c->account);
    if ((got = db_step(st)) > 0 && db_int(st, 0) >= 0 && db_int(st, 0) < 3) {
        xml_raw(out, SPAN("<prefs xmlns='" NS_MAM "'"));
        xml_attr(out, "default", span_of(rules[db_int(st, 0)]));
        xml_raw(out, SPAN(">"));
        write_jids(out, "always", db_text(st, 1));
        write_jids(out, "never", db_text(st, 2));
        xml_raw(out, SPAN("</prefs>\n"));
    }
    db_reset(st);
    return got < 0 ? got : 0;
}

/* --- what he keeps --- */

static int write_vcard(struct db *db, struct pie_cursor *c, struct buf *out)
{
    struct db_stmt *st = db_sql(db, "SELECT vcard FROM vcard WHERE account = ?1");
    int got;

    db_bind_int(st, 1, c->account);
    if ((got = db_step(st)) > 0) {
        buf_append(out, db_text(st, 0));
        xml_raw(out, SPAN("\n"));
    }
    db_reset(st);
    return got < 0 ? got : 0;
}

static int write_private(struct db *db, struct pie_cursor *c, struct buf *out)
{
    struct db_stmt *st = db_sql(db, "SELECT rowid, element FROM private"
                                    " WHERE account = ?1 AND rowid > ?2 ORDER BY rowid");
    int got = 0;

    db_bind_int(st, 1, c->account);
    db_bind_int(st, 2, c->number);
    while (buf_len(out) < PIE_SLICE_BYTES && (got = db_step(st)) > 0) {
        c->number = db_int(st, 0);
        buf_append(out, db_text(st, 1));
        xml_raw(out, SPAN("\n"));
    }
    db_reset(st);
    return got;
}

static int write_blocked(struct db *db, struct pie_cursor *c, struct buf *out)
{
    struct db_stmt *st = db_sql(db, "SELECT jid FROM block WHERE account = ?1 ORDER BY jid");
    int got;

    db_bind_int(st, 1, c->account);
    while ((got = db_step(st)) > 0) {
        xml_raw(out, SPAN("<item"));
        xml_attr(out, "jid", db_text(st, 0));
        xml_raw(out, SPAN("/>\n"));
    }
    return got;
}

static int write_nodes(struct db *db, struct pie_cursor *c, struct buf *out)
{
    struct pubsub_ask ask;
    int got = 1;

    pubsub_ask_init(&ask);
    ask.account = c->account;
    while (buf_len(out) < PIE_SLICE_BYTES && got > 0)
        got = pubsub_export_node(&ask, db, &c->pubsub, out);
    pubsub_ask_free(&ask);
    return got;
}

static int write_items(struct db *db, struct pie_cursor *c, struct buf *out)
{
    struct pubsub_ask ask;
    int got;

    pubsub_ask_init(&ask);
    ask.account = c->account;
    got = pubsub_export_items(&ask, db, &c->pubsub, PIE_SLICE_BYTES, out);
    pubsub_ask_free(&ask);
    return got;
}

/* --- all of it --- */

static const struct part parts[] = {
    {write_account, "", ""},
    {write_roster, "<query xmlns='" NS_ROSTER "'>\n", "</query>\n"},
    {write_requests, "", ""},
    {write_offline, "<offline-messages>\n", "</offline-messages>\n"},
    {write_vcard, "", ""},
    {write_private, "<query xmlns='" NS_PRIVATE "'>\n", "</query>\n"},
    {write_blocked, "<blocklist xmlns='" NS_BLOCKING "'>\n", "</blocklist>\n"},
    {write_nodes, "<pubsub xmlns='" NS_PUBSUB_OWNER "'>\n", "</pubsub>\n"},
    {write_items, "<pubsub xmlns='" NS_PUBSUB "'>\n", "</pubsub>\n"},
    {write_prefs, "", ""},
    {write_archive, "<archive xmlns='" NS_PIE_MAM "'>\n", "</archive>\n"},
    {write_end, "", ""},
};

static void next_part(struct pie_cursor *c)
{
    c->part++;
    c->is_begun = false;
    c->number = 0;
    buf_clear(&c->text);
    c->pubsub = (struct pubsub_cursor){0};
}

int pie_export_slice(struct db *db, struct pie_cursor *c, struct buf *out, bool *is_over)
{
    while (buf_len(out) < PIE_SLICE_BYTES && c->part < ARRAY_LEN(parts)) {
        const struct part *part = &parts[c->part];
        struct buf text = {0};
        int got = part->write(db, c, &text);
        if (got >= 0 && buf_len(&text) > 0 && !c->is_begun) {
            buf_append_z(out, part->open);
            c->is_begun = true;
        }
        buf_append(out, buf_span(&text));
        buf_free(&text);
        if (got < 0)
            return got;
        if (got > 0)
            break; /* a part of its own is enough for one slice */
        if (c->is_begun)
            buf_append_z(out, part->close);
        next_part(c);
    }
    *is_over = c->part == ARRAY_LEN(parts);
    return STORE_OK;
}
