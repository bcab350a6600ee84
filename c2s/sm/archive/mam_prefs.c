/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * mam_prefs - what a user wants archived (XEP-0441): a rule, and JIDs always or never to be.
 *
 * A part of the profile, read with it; a change goes into the store first. Rows of iq.c's table
 * call the handlers; archive_rule.c asks.
 */
#include "c2s/sm/archive/archive.h"

#include <stdlib.h>

#define MAX_JIDS 1000
#define MAX_BYTES (64u << 10)

/* The lists are as they are stored: prepared JIDs, each followed by LF. */
struct sm_archive_prefs {
    enum sm_archive_rule rule;
    struct buf always, never;
    struct map said; /* JID -> one of the marks below */
};

static char mark_always, mark_never;

static const struct span rule_names[] = {
    [SM_ARCHIVE_NEVER] = SPAN_INIT("never"),
    [SM_ARCHIVE_ALWAYS] = SPAN_INIT("always"),
    [SM_ARCHIVE_ROSTER] = SPAN_INIT("roster"),
};

/* --- in memory --- */

/* The next line of *text, which loses it. False: there is none. */
static bool take_line(struct span *text, struct span *line_r)
{
    size_t n = span_index(*text, '\n');

    if (n == text->n)
        return false;
    *line_r = span_make(text->p, n);
    *text = span_from(*text, n + 1);
    return true;
}

static void map_lines(struct map *said, const struct buf *list, void *mark)
{
    struct span text = buf_span(list), line;

    while (take_line(&text, &line))
        map_put(said, line, mark);
}

/* What is in both lists is not archived. */
static void prefs_index(struct sm_archive_prefs *p)
{
    map_lines(&p->said, &p->always, &mark_always);
    map_lines(&p->said, &p->never, &mark_never);
}

void sm_archive_prefs_drop(struct sm_archive_prefs *p)
{
    if (!p)
        return;
    map_free(&p->said);
    buf_free(&p->always);
    buf_free(&p->never);
    free(p);
}

enum sm_archive_rule sm_archive_prefs_rule(const struct sm_archive_prefs *p)
{
    return p->rule;
}

enum sm_archive_say sm_archive_prefs_say(const struct sm_archive_prefs *p, struct span jid)
{
    const void *mark = map_get(&p->said, jid);

    if (!mark)
        return SM_SAY_NOTHING;
    return mark == &mark_always ? SM_SAY_ALWAYS : SM_SAY_NEVER;
}

/* --- in the store --- */

struct sm_archive_prefs *sm_archive_prefs_read(struct db *db, int64_t account)
{
    struct db_stmt *st =
        db_sql(db, "SELECT rule, always, never FROM archive_prefs WHERE account = ?1");
    struct sm_archive_prefs *p = NULL;

    db_bind_int(st, 1, account);
    if (db_step(st) > 0) {
        p = mem_zalloc(sizeof(*p));
        p->rule = (enum sm_archive_rule)db_int(st, 0);
        buf_append(&p->always, db_text(st, 1));
        buf_append(&p->never, db_text(st, 2));
        prefs_index(p);
    }
    db_reset(st);
    return p;
}

int sm_archive_prefs_load(struct db *db, int64_t account, struct sm_profile *profile)
{
    profile->archive_prefs = sm_archive_prefs_read(db, account);
    return STORE_OK;
}

void sm_archive_prefs_free(struct sm_profile *profile)
{
    sm_archive_prefs_drop(profile->archive_prefs);
}

/* --- answers --- */

/* What is between tags nobody else translates. */
static void write_list(const struct sm_in *in, struct buf *out, const char *name, struct span list)
{
    char text[JID_TEXT_MAX] SM_HOT;
    struct span jid;

    buf_printf(out, "<%s>", name);
    while (take_line(&list, &jid)) {
        xml_raw(out, SPAN("<jid>"));
        xml_text(out, in->session ? sm_edge_shown(in->session, jid, text) : jid);
        xml_raw(out, SPAN("</jid>"));
    }
    buf_printf(out, "</%s>", name);
}

static void answer(struct sm_in *in, const struct sm_archive_prefs *p)
{
    struct span rule = rule_names[p ? p->rule : in->sm->opts.archive_rule];
    struct sm_out out;
    struct buf *buf = sm_iq_open(in, &out);

    xml_raw(buf, SPAN("<prefs xmlns='" NS_MAM "'"));
    xml_attr(buf, "default", rule);
    xml_raw(buf, SPAN(">"));
    write_list(in, buf, "always", p ? buf_span(&p->always) : SPAN(""));
    write_list(in, buf, "never", p ? buf_span(&p->never) : SPAN(""));
    xml_raw(buf, SPAN("</prefs>"));
    sm_iq_close(&out);
}

void sm_mam_prefs_get(struct sm_in *in, uint32_t payload)
{
    const struct sm_user *user = sm_in_user(in);

    (void)payload;
    if (!in->sm->opts.archive || !user)
        sm_refuse(in, STANZA_SERVICE_UNAVAILABLE, NULL);
    else
        answer(in, user->profile->archive_prefs);
}

/* --- setting --- */

struct change {
    struct sm_task task; /* first */
    int64_t account;
    struct sm_archive_prefs *prefs;
};

static int change_run(struct db *db, struct store_job *store_job)
{
    const struct change *c = (struct change *)(void *)store_job;
    struct db_stmt *st = db_sql(db, "INSERT INTO archive_prefs (account, rule, always, never)"
                                    " VALUES (?1, ?2, ?3, ?4) ON CONFLICT (account) DO UPDATE"
                                    " SET rule = ?2, always = ?3, never = ?4");

    db_bind_int(st, 1, c->account);
    db_bind_int(st, 2, c->prefs->rule);
    db_bind_text(st, 3, buf_span(&c->prefs->always));
    db_bind_text(st, 4, buf_span(&c->prefs->never));
    return db_run(st);
}

static void change_done(struct sm_task *task, struct sm_in *in, int result)
{
    struct change *c = (struct change *)task;
    struct sm_user *user = sm_in_user(in);

    if (result < 0) {
        sm_refuse(in, STANZA_RESOURCE_CONSTRAINT, NULL);
        return;
    }
    answer(in, c->prefs);
    if (user) {
        sm_archive_prefs_drop(user->profile->archive_prefs);
        user->profile->archive_prefs = c->prefs;
        c->prefs = NULL;
    } else {
        sm_owner_tell(in->sm, in->to.local, "changed");
    }
}

static void change_destroy(struct sm_task *task)
{
    sm_archive_prefs_drop(((struct change *)task)->prefs);
}

static bool read_rule(struct span name, enum sm_archive_rule *rule_r)
{
    for (size_t i = 0; i < ARRAY_LEN(rule_names); i++) {
        if (span_eq(name, rule_names[i])) {
            *rule_r = (enum sm_archive_rule)i;
            return true;
        }
    }
    return false;
}

static enum stanza_error read_list(const struct sm *sm, struct stanza *s, uint32_t prefs,
                                   struct span name, struct buf *list)
{
    char text[JID_TEXT_MAX] SM_HOT;
    uint32_t node = stanza_child(s, prefs, SPAN(NS_MAM), name);
    struct jid_scratch scratch SM_HOT;
    struct jid jid;
    size_t count = 0;

    if (!node)
        return STANZA_ERROR_NONE;
    for (uint32_t c = stanza_child(s, node, SPAN(NS_MAM), SPAN("jid")); c;
         c = stanza_next(s, c, SPAN(NS_MAM), SPAN("jid"))) {
        if (!jid_parse(stanza_text(s, c), &jid, &scratch))
            return STANZA_JID_MALFORMED;
        const struct span stored = sm_stored_jid(sm, jid.full, text);
        if (++count > MAX_JIDS || buf_len(list) + stored.n >= MAX_BYTES)
            return STANZA_POLICY_VIOLATION;
        buf_append(list, stored);
        buf_append_char(list, '\n');
    }
    return STANZA_ERROR_NONE;
}

void sm_mam_prefs_set(struct sm_in *in, uint32_t payload)
{
    const struct sm_user *user = sm_in_user(in);
    struct stanza *s = in->stanza;
    enum stanza_error e;

    if (!in->sm->opts.archive || !user) {
        sm_refuse(in, STANZA_SERVICE_UNAVAILABLE, NULL);
        return;
    }
    struct change *c = mem_zalloc(sizeof(*c));
    struct sm_archive_prefs *p = c->prefs = mem_zalloc(sizeof(*p));
    e = read_rule(stanza_attr(s, payload, SPAN("default")), &p->rule) ? STANZA_ERROR_NONE
                                                                     : STANZA_BAD_REQUEST;
    if (!e)
        e = read_list(in->sm, s, payload, SPAN("always"), &p->always);
    if (!e)
        e = read_list(in->sm, s, payload, SPAN("never"), &p->never);
    if (e) {
        sm_archive_prefs_drop(p);
        free(c);
        sm_refuse(in, e, NULL);
        return;
    }
    prefs_index(p);
    c->account = user->profile->account;
    c->task.destroy = change_destroy;
    c->task.job.bytes = buf_len(&p->always) + buf_len(&p->never);
    sm_task_submit(in, STORE_WRITE, &c->task, change_run, change_done);
}
