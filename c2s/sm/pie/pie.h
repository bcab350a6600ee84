/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * pie - accounts as elements of XEP-0227: what the files of this folder share.
 *
 *   export.c   a document, slice by slice        export_parts.c   what an account consists of
 *   import.c   elements into an account          import_parts.c   roster, messages, what he keeps
 *                                                import_archive.c archived and stored messages
 */
#ifndef C2S_SM_PIE_H
#define C2S_SM_PIE_H

#include "c2s/sm/archive/archive.h"
#include "c2s/sm/contacts/contacts.h"
#include "c2s/sm/pep/pep.h"

#define NS_PIE "urn:xmpp:pie:0"
#define NS_PIE_SCRAM NS_PIE "#scram"
#define NS_PIE_MAM NS_PIE "#mam"

#define PIE_SLICE_BYTES (256u << 10)
#define PIE_SLICE_ROWS 200

/* --- export_parts.c --- in run() */

/* Where the export of an account stands. */
struct pie_cursor {
    int64_t account;
    struct span name, host; /* of the account; host: its bare JID ends with it */
    size_t part;
    bool is_begun;          /* the part's container is open */
    int64_t number;         /* in the part: up to it, or */
    struct buf text;        /* to it, all is written */
    struct pubsub_cursor pubsub;
    const struct sm *sm;
};
/* A slice; is_over: it was the last one of that account. < 0: as db_step. */
int pie_export_slice(struct db *db, struct pie_cursor *c, struct buf *out, bool *is_over);

/* --- import.c --- */

struct pie_import {
    struct sm_job job; /* first */
    struct span user;
    struct buf bare;  /* in the host's domain */
    struct buf xml, text;
    bool may_set_keys;
    int64_t account;
    int64_t now, oldest; /* ms since 1970; what is older is not archived any more */
    struct pubsub_ask ask;
    struct stanza stanza; /* the element */
    struct arena arena;   /* reset after each element */
    struct sm_import_figures figures;
    void (*done)(void *ctx, enum sm_pie_result r, const struct sm_import_figures *f);
    void *ctx;
};
/* One entry, by what has become of it: > 0 taken, 0 it was there, PIE_REFUSED, or as db_step. */
#define PIE_REFUSED (-1001)
int pie_count(struct pie_import *im, int result, const char *what);
/* 1 if such a statement finds a row. */
int pie_found(struct db_stmt *st);

/* --- import_parts.c, import_archive.c --- in run(): one element of the user's */
int pie_import_keys(struct pie_import *im, struct db *db);
int pie_import_roster(struct pie_import *im, struct db *db);
int pie_import_request(struct pie_import *im, struct db *db);
int pie_import_vcard(struct pie_import *im, struct db *db);
int pie_import_private(struct pie_import *im, struct db *db);
int pie_import_blocked(struct pie_import *im, struct db *db);
int pie_import_pubsub(struct pie_import *im, struct db *db);
int pie_import_prefs(struct pie_import *im, struct db *db);
int pie_import_offline(struct pie_import *im, struct db *db);
int pie_import_archive(struct pie_import *im, struct db *db);

#endif
