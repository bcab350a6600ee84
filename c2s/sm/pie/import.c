/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * import - elements of a document's <user/> (XEP-0227) into an account: one piece is one job, which
 * takes what it can and counts what it cannot. The file that they come from may be anybody's: each
 * element is framed and parsed as what comes from a client is, every size has a bound, and whatever
 * is refused leaves the rest as it is.
 *
 * Called by c2s/control_pie.c. The handlers of the elements are in import_parts.c and
 * import_archive.c; they run on the storage thread.
 */
#include "c2s/sm/pie/pie.h"

#include "xml/framer.h"
#include "xml/parser.h"

#include <stdio.h>
#include <stdlib.h>

#define DAY_MS (INT64_C(24) * 3600 * 1000)

/* Of one element, with many entries in it. */
static const struct framer_limits limits = {
    .stanza_bytes = 4u << 20, .tag_bytes = 65536, .depth = 64, .elements = 100000};

static const struct {
    struct span ns, name;
    int (*take)(struct pie_import *im, struct db *db);
} kinds[] = {
    {SPAN_INIT(NS_PIE_SCRAM), SPAN_INIT("scram-credentials"), pie_import_keys},
    {SPAN_INIT(NS_ROSTER), SPAN_INIT("query"), pie_import_roster},
    {SPAN_INIT(NS_CLIENT), SPAN_INIT("presence"), pie_import_request},
    {SPAN_INIT(NS_PIE), SPAN_INIT("presence"), pie_import_request}, /* as some write it */
    {SPAN_INIT(NS_PIE), SPAN_INIT("offline-messages"), pie_import_offline},
    {SPAN_INIT(NS_VCARD), SPAN_INIT("vCard"), pie_import_vcard},
    {SPAN_INIT(NS_PRIVATE), SPAN_INIT("query"), pie_import_private},
    {SPAN_INIT(NS_BLOCKING), SPAN_INIT("blocklist"), pie_import_blocked},
    {SPAN_INIT(NS_PUBSUB_OWNER), SPAN_INIT("pubsub"), pie_import_pubsub},
    {SPAN_INIT(NS_PUBSUB), SPAN_INIT("pubsub"), pie_import_pubsub},
    {SPAN_INIT(NS_MAM), SPAN_INIT("prefs"), pie_import_prefs},
    {SPAN_INIT(NS_PIE_MAM), SPAN_INIT("archive"), pie_import_archive},
};

/* --- in run() --------------------------------------------------------------------------------- */

static void note(struct pie_import *im, struct span name, struct span ns)
{
    if (!im->figures.example[0])
        snprintf(im->figures.example, sizeof(im->figures.example), "%.*s%s%.*s",
                 (int)(name.n < 60 ? name.n : 60), name.p, ns.n ? " of " : "",
                 (int)(ns.n < 60 ? ns.n : 60), ns.n ? ns.p : "");
}

int pie_count(struct pie_import *im, int result, const char *what)
{
    if (result > 0) {
        im->figures.taken++;
    } else if (result == 0) {
        im->figures.known++;
    } else if (result == PIE_REFUSED) {
        im->figures.refused++;
        note(im, span_of(what), SPAN(""));
        return 0;
    }
    return result < 0 ? result : 0;
}

int pie_found(struct db_stmt *st)
{
    int got = db_step(st);

    db_reset(st);
    return got;
}

static int take(struct pie_import *im, struct db *db)
{
    const struct stanza_node *root = stanza_root(&im->stanza);

    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        if (span_eq(root->ns, kinds[i].ns) && span_eq(root->name, kinds[i].name)) {
            int result = kinds[i].take(im, db);
            arena_reset(&im->arena);
            return result;
        }
    }
    im->figures.ignored++;
    note(im, root->name, root->ns);
    return 0;
}

/* What is no XML ends the piece: what was before it stays. */
static int take_all(struct pie_import *im, struct db *db, struct xml_parser *parser)
{
    struct span rest = buf_span(&im->xml);
    struct framer f;
    enum frame frame;
    int result = 0;

    framer_init_stanzas(&f, &limits);
    while (rest.n > 0 && result >= 0) {
        size_t n = framer_scan(&f, rest.p, rest.n, &frame);
        struct span bytes = span_make(rest.p, n);
        rest = span_from(rest, n);
        if (frame == FRAME_SPACE)
            continue;
        if (frame != FRAME_STANZA || xml_parse_stanza(parser, bytes, &im->stanza) != XML_OK) {
            im->figures.refused++;
            note(im, SPAN("what is no XML, or too big"), SPAN(""));
            break;
        }
        result = take(im, db);
    }
    return result;
}

static int run(struct db *db, struct store_job *store_job)
{
    struct pie_import *im = (struct pie_import *)(void *)store_job;
    struct xml_parser *parser;
    int result;

    im->account = sm_account_id(db, im->user);
    if (!im->account)
        return SM_PIE_NO_USER;
    im->ask.account = im->account;
    parser = xml_parser_new(SPAN(NS_CLIENT), NULL); /* the shared ones are the loop's */
    result = take_all(im, db, parser);
    xml_parser_free(&parser);
    return result;
}

/* --- on the loop ------------------------------------------------------------------------------ */

static void destroy(struct sm_job *job)
{
    struct pie_import *im = (struct pie_import *)job;

    pubsub_ask_free(&im->ask);
    stanza_free(&im->stanza);
    arena_free(&im->arena);
    buf_wipe(&im->xml); /* it may hold keys */
    buf_free(&im->text);
    buf_free(&im->bare);
}

static bool finish(struct sm_job *job, int result)
{
    struct pie_import *im = (struct pie_import *)job;

    if (!job->sm->is_closed)
        im->done(im->ctx, result < 0 ? SM_PIE_FAILED : (enum sm_pie_result)result, &im->figures);
    return true;
}

/* Never from inside the call: a job that has no room is one that does nothing. */
static int run_nothing(struct db *db, struct store_job *store_job)
{
    (void)db;
    (void)store_job;
    return STORE_FAILED;
}

void sm_import(struct sm *sm, struct span user, struct span xml, bool may_set_keys,
               void (*done)(void *ctx, enum sm_pie_result r, const struct sm_import_figures *f),
               void *ctx)
{
    struct pie_import *im = mem_zalloc(sizeof(*im));
    bool has_room;

    /* The library is set up by its first use: that must not be on two threads at once. */
    xml_parse_stanza(xml_parser_shared(SPAN(NS_CLIENT)), SPAN("<x/>"), &im->stanza);
    buf_append(&im->bare, user);
    im->may_set_keys = may_set_keys;
    im->now = loop_wall(sm->loop);
    im->oldest = sm->opts.archive_days > 0 ? im->now - sm->opts.archive_days * DAY_MS : INT64_MIN;
    buf_append_char(&im->bare, '@');
    buf_append(&im->bare, sm->opts.host);
    im->user = span_make(buf_span(&im->bare).p, user.n);
    sm_pep_ask_self(&im->ask, sm, buf_span(&im->bare));
    im->ask.now = im->now;
    buf_append(&im->xml, xml);
    im->done = done;
    im->ctx = ctx;
    im->job.bytes = sizeof(*im) + 4 * xml.n;
    im->job.finish = finish;
    im->job.destroy = destroy;
    im->job.is_foreign = true; /* it is in no hurry */
    has_room = sm_job_has_room(sm, im->job.bytes, true);
    if (!has_room)
        im->job.bytes = 0;
    sm_job_start(sm, STORE_WRITE, &im->job, NULL, NULL, has_room ? run : run_nothing);
}

void sm_import_end(struct sm *sm, struct span name)
{
    struct sm_user *user = sm_user_owned(sm, name);

    if (user) {
        sm_profile_reload(user);
        sm_offline_look(user);
    } else {
        sm_owner_tell(sm, name, "changed");
        sm_owner_tell(sm, name, "stored");
    }
}
