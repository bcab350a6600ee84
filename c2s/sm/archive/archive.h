/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * archive - what the files of the archive (XEP-0313) share; offline.c keeps what comes for an
 * absent user by it.
 *
 * A message's number is made on the loop when it is archived, so that what is delivered can name
 * it: ms since 1970 << 21, and below that what makes it unique. Numbers of one process only grow,
 * and a user has one owner at a time: the order of the numbers is that of his archive.
 */
#ifndef C2S_SM_ARCHIVE_H
#define C2S_SM_ARCHIVE_H

#include "c2s/sm/sm_private.h"

#define SM_ARCHIVE_TIME_SHIFT 21
#define SM_ARCHIVE_MAX_TIME ((INT64_C(1) << 42) - 1) /* in the year 2109 */
#define SM_ARCHIVE_ID_LEN 16                         /* as text: lower-case hex */

struct sm_archive_batch;
struct sm_archive_sweep;

struct sm_archive {
    struct sm *sm;
    int64_t last_id;
    struct sm_archive_batch *batch; /* of this tick; NULL: nothing yet */
    struct sm_archive_batch *spare;
    struct deferred flush;
    struct buf peer;         /* scratch: the other end of a message */
    struct list_node pages;  /* answers that wait for their client to read (mam_page.c) */
    struct list_node sweeps; /* under way (archive_expire.c) */
    struct timer expiry;
};

/* The other end of a message: a bare JID, of our domains always the host, and the resource. */
struct sm_archive_peer {
    struct span bare, resource; /* resource none: it has none */
};

/* --- archive.c --- */
bool sm_archive_is_on(const struct sm *sm);
bool sm_archive_sending(struct sm_in *in); /* hooks */
bool sm_archive_receiving(struct sm_in *in, struct sm_user *user);
/* <stanza-id/> of what is in the archive of by (a bare JID). */
void sm_archive_write_id(struct buf *out, struct span by, int64_t id);
/* What has been archived in this tick is queued for the store: what is queued later sees it. */
void sm_archive_flush(struct sm *sm);
void sm_archive_open(struct sm *sm);  /* for sm_new */
void sm_archive_close(struct sm *sm); /* for sm_free */
void sm_archive_free(struct sm *sm);  /* when the last job is done */

/* --- mam.c, mam_prefs.c --- handlers of iq.c's table */
void sm_mam_query(struct sm_in *in, uint32_t payload);
void sm_mam_form(struct sm_in *in, uint32_t payload);
void sm_mam_metadata(struct sm_in *in, uint32_t payload);
void sm_mam_prefs_get(struct sm_in *in, uint32_t payload);
void sm_mam_prefs_set(struct sm_in *in, uint32_t payload);
/* A part of the profile. */
int sm_archive_prefs_load(struct db *db, int64_t account, struct sm_profile *profile);
void sm_archive_prefs_free(struct sm_profile *profile);

/* --- archive.c, for its neighbours --- */
int64_t sm_archive_new_id(struct sm *sm);
void sm_archive_id_text(int64_t id, char text_r[SM_ARCHIVE_ID_LEN]);
/* False: it is none that has ever been made here. */
bool sm_archive_id_read(struct span text, int64_t *id_r);
static inline int64_t sm_archive_time_of(int64_t id)
{
    return id >> SM_ARCHIVE_TIME_SHIFT;
}
/* In text, which is cleared first. False: address is no JID. */
bool sm_archive_peer_of(const struct sm *sm, struct span address, struct buf *text,
                        struct sm_archive_peer *peer_r);

/* --- archive_rule.c --- */
/* A message that archives hold, if their owners do not object. */
bool sm_archive_is_worth(const struct stanza *s);
/* The user's own say; prefs NULL: the server's. is_contact is asked for only when it matters. */
bool sm_archive_is_wanted(const struct sm *sm, const struct sm_archive_prefs *prefs,
                          const struct sm_archive_peer *peer,
                          bool (*is_contact)(void *ctx, struct span bare), void *ctx);

/* --- mam_prefs.c --- */
enum sm_archive_say { SM_SAY_NOTHING, SM_SAY_ALWAYS, SM_SAY_NEVER };
enum sm_archive_rule sm_archive_prefs_rule(const struct sm_archive_prefs *prefs);
enum sm_archive_say sm_archive_prefs_say(const struct sm_archive_prefs *prefs, struct span jid);
/* Of an account that nobody owns; in run(). NULL: it has set none. To be freed. */
struct sm_archive_prefs *sm_archive_prefs_read(struct db *db, int64_t account);
void sm_archive_prefs_drop(struct sm_archive_prefs *prefs);

/* --- archive_absent.c --- what comes for a user whom nobody owns is archived by the job that
 * stores it */
struct sm_archive_absent;
/* NULL: no archive has it. */
struct sm_archive_absent *sm_archive_absent_new(const struct sm_in *in);
void sm_archive_absent_free(struct sm_archive_absent *a);
/* In run(): the number that it is to get; 0: the user does not want it. */
int64_t sm_archive_absent_id(struct db *db, struct sm_archive_absent *a, struct span name);
int sm_archive_absent_store(struct db *db, const struct sm_archive_absent *a, struct span stanza);

/* --- archive_store.c --- in run() */
int sm_archive_insert(struct db *db, int64_t account, int64_t id,
                      const struct sm_archive_peer *peer, struct span stanza);
#define SM_ARCHIVE_SLICE 500
/* At most SM_ARCHIVE_SLICE of the rows below id_end: of that account, or (0) the oldest of all.
 * How many have been removed; < 0: as db_step. */
int64_t sm_archive_delete(struct db *db, int64_t account, int64_t id_end);
/* The number of the newest message that is one too many when the user may have that many; 0: there
 * is none. */
int64_t sm_archive_excess(struct db *db, int64_t account, size_t messages);

/* What a page is chosen from: the numbers from first to last, of that peer if there is one. */
struct sm_archive_range {
    int64_t account, first, last;
    struct sm_archive_peer peer; /* bare none: all; resource none: any */
};
/*
 * Goes through the range from its beginning (or its end), and gives the numbers to take() until
 * that says no. At most max_steps rows are read: false then, and *range is what is left.
 */
bool sm_archive_walk(struct db *db, struct sm_archive_range *range, bool is_backward,
                     size_t max_steps, bool (*take)(void *ctx, int64_t id), void *ctx);
/* How many there are, whatever the resource; max + 1: more than max. */
size_t sm_archive_count(struct db *db, const struct sm_archive_range *range, size_t max);
/* Whether it is there, and in that range. */
bool sm_archive_has(struct db *db, int64_t account, int64_t id);
bool sm_archive_is_in(struct db *db, const struct sm_archive_range *range, int64_t id);
/* Appends the stanza; false: it is gone. */
bool sm_archive_load(struct db *db, int64_t account, int64_t id, struct buf *text);

/* --- mam_page.c --- */
#define SM_MAM_IDS_MAX 250
/* What a request asks for: mam.c fills it. */
struct sm_mam_query {
    struct stanza *request;
    struct span query_id;          /* none: not given; in the request */
    struct buf peer;               /* range.peer is in it */
    struct sm_archive_range range; /* by the form */
    int64_t page_first, page_last; /* by the result set, in addition */
    int64_t known[4];              /* numbers that must be there */
    size_t known_count;
    int64_t ids[SM_MAM_IDS_MAX]; /* the only ones that are wanted, if is_by_id */
    size_t id_count;
    size_t max;
    bool is_by_id, is_backward, is_flipped;
};
/* Answers it, taking the query's buffer, and in's completion. */
void sm_mam_answer(struct sm_in *in, struct sm_mam_query *query);
void sm_mam_drop_all(struct sm *sm); /* for sm_archive_close: without a word */

/* --- archive_expire.c --- */
void sm_archive_expiry_open(struct sm *sm);
void sm_archive_expiry_close(struct sm *sm);

#endif
