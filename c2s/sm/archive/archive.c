/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * archive - messages are kept for their users (XEP-0313, XEP-0359): the sender's copy when a client
 * of ours sends one, the recipient's when it comes to an account that is owned here.
 *
 * All that is archived in one tick of the loop goes into one job, which is queued at the end of the
 * tick, or before when it is big, or when somebody asks what is in an archive. The sender's client
 * is told that its message is handled when that job is done, too (XEP-0198); delivery does not wait
 * for it. When the store fails, what has been delivered stays delivered: the archive lacks it.
 * When too much is queued already, messages are refused: the sender tries again.
 *
 * A batch belongs to sm->archive until it is queued, then to its job. Its rows hold their users, so
 * that none is released before his archive has everything.
 */
#include "c2s/sm/archive/archive.h"

#include "tls/crypto.h"

#include <stdlib.h>

#define BATCH_ROWS 128
#define BATCH_BYTES (256u << 10)

/* Texts are places in the batch's buffer, which grows. */
struct row {
    struct sm_user *user;
    struct link_done done;
    int64_t account, id;
    size_t bare_at, bare_n, resource_n, stanza_at, stanza_n; /* the resource follows the bare JID */
    bool has_resource, is_lost;
};

struct sm_archive_batch {
    size_t count;
    struct buf text;
    struct row rows[BATCH_ROWS];
};

struct job {
    struct sm_job job; /* first */
    struct sm_archive_batch *batch;
};

/* --- numbers ---------------------------------------------------------------------------------- */

/* The first of a millisecond is random below, so that none can be guessed, and two processes do
 * not make the same ones; there is room for a million above it. */
int64_t sm_archive_new_id(struct sm *sm)
{
    struct sm_archive *a = sm->archive;
    int64_t now = loop_wall(sm->loop);
    uint32_t salt;

    now = now < 0 ? 0 : now > SM_ARCHIVE_MAX_TIME ? SM_ARCHIVE_MAX_TIME : now;
    if (sm_archive_time_of(a->last_id) >= now)
        return ++a->last_id;
    crypto_random(&salt, sizeof(salt));
    salt &= (1u << (SM_ARCHIVE_TIME_SHIFT - 1)) - 1;
    a->last_id = now << SM_ARCHIVE_TIME_SHIFT | salt;
    return a->last_id;
}

void sm_archive_id_text(int64_t id, char text_r[SM_ARCHIVE_ID_LEN])
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = SM_ARCHIVE_ID_LEN; i-- > 0; id >>= 4)
        text_r[i] = digits[id & 15];
}

bool sm_archive_id_read(struct span text, int64_t *id_r)
{
    uint64_t id = 0;

    if (text.n != SM_ARCHIVE_ID_LEN)
        return false;
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
            return false;
        id = id << 4 | (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
    }
    *id_r = (int64_t)id;
    return id > 0 && id < INT64_MAX;
}

void sm_archive_write_id(struct buf *out, struct span by, int64_t id)
{
    char text[SM_ARCHIVE_ID_LEN];

    sm_archive_id_text(id, text);
    xml_raw(out, SPAN("<stanza-id xmlns='" NS_STANZA_ID "'"));
    xml_attr(out, "by", by);
    xml_attr(out, "id", span_make(text, sizeof(text)));
    xml_raw(out, SPAN("/>"));
}

/* --- the other end ---------------------------------------------------------------------------- */

static void put_peer(const struct sm *sm, const struct jid *jid, struct buf *text,
                     struct sm_archive_peer *peer_r)
{
    bool is_network = !span_is_none(jid->local) && sm_is_network_domain(sm, jid->domain);
    size_t n;

    buf_clear(text);
    if (is_network) {
        buf_append(text, jid->local);
        buf_append_char(text, '@');
        buf_append(text, sm->opts.host);
    } else {
        buf_append(text, jid->bare);
    }
    n = buf_len(text);
    buf_append(text, jid->resource);
    *peer_r = (struct sm_archive_peer){span_make(buf_span(text).p, n), SPAN_NONE};
    if (!jid_is_bare(jid))
        peer_r->resource = span_from(buf_span(text), n);
}

bool sm_archive_peer_of(const struct sm *sm, struct span address, struct buf *text,
                        struct sm_archive_peer *peer_r)
{
    struct jid_scratch scratch SM_HOT;
    struct jid jid;

    if (!jid_parse(address, &jid, &scratch))
        return false;
    put_peer(sm, &jid, text, peer_r);
    return true;
}

/* --- the batch -------------------------------------------------------------------------------- */

static struct sm_archive_batch *batch_of(struct sm_archive *a)
{
    if (a->batch)
        return a->batch;
    a->batch = a->spare ? a->spare : mem_alloc(sizeof(*a->batch));
    if (!a->spare)
        a->batch->text = (struct buf){0};
    a->spare = NULL;
    a->batch->count = 0;
    loop_defer(a->sm->loop, &a->flush);
    return a->batch;
}

static void batch_free(struct sm_archive_batch *b)
{
    if (!b)
        return;
    buf_free(&b->text);
    free(b);
}

/* One is kept for the next tick, unless it has grown beyond what a tick needs. */
static void batch_return(struct sm_archive *a, struct sm_archive_batch *b)
{
    buf_clear(&b->text);
    if (a->spare || b->text.cap > 2 * BATCH_BYTES)
        batch_free(b);
    else
        a->spare = b;
}

static struct sm_archive_peer row_peer(const struct row *row, const char *text)
{
    struct sm_archive_peer peer = {span_make(text + row->bare_at, row->bare_n), SPAN_NONE};

    if (row->has_resource)
        peer.resource = span_make(text + row->bare_at + row->bare_n, row->resource_n);
    return peer;
}

/* An account that has just been deleted wants nothing kept; that is no failure of the others. */
static int run(struct db *db, struct store_job *store_job)
{
    struct sm_archive_batch *b = ((struct job *)(void *)store_job)->batch;
    const char *text = buf_span(&b->text).p;

    for (size_t i = 0; i < b->count; i++) {
        struct row *row = &b->rows[i];
        const struct sm_archive_peer peer = row_peer(row, text);
        int result = sm_archive_insert(db, row->account, row->id, &peer,
                                       span_make(text + row->stanza_at, row->stanza_n));
        row->is_lost = result < 0;
        if (result < 0 && result != DB_CONSTRAINT)
            return result;
    }
    return STORE_OK;
}

static bool finish(struct sm_job *job, int result)
{
    struct sm_archive_batch *b = ((struct job *)job)->batch;

    if (result < 0)
        LOG(LOG_WARN, "sm.archive_failed", F_INT("messages", (int64_t)b->count));
    for (size_t i = 0; i < b->count; i++) {
        struct row *row = &b->rows[i];
        sm_done(row->done, result >= 0 && !row->is_lost);
        row->user->jobs--;
        sm_user_settle(row->user);
    }
    batch_return(job->sm->archive, b);
    return true;
}

/* Its bytes have been counted as queued row by row: it cannot be refused any more. */
void sm_archive_flush(struct sm *sm)
{
    struct sm_archive *a = sm->archive;
    struct job *job;

    if (!a->batch)
        return;
    job = mem_zalloc(sizeof(*job));
    job->batch = a->batch;
    a->batch = NULL;
    loop_defer_cancel(&a->flush);
    job->job.finish = finish;
    job->job.bytes = buf_len(&job->batch->text) + job->batch->count * sizeof(struct row);
    sm->job_bytes -= job->job.bytes;
    sm_job_start(sm, STORE_WRITE, &job->job, NULL, NULL, run);
}

static void on_flush(void *ctx)
{
    sm_archive_flush(ctx);
}

/* --- a message -------------------------------------------------------------------------------- */

/* The sender's copy, if it is the last row, has the same words. */
static void put_stanza(struct sm_archive_batch *b, struct row *row, const struct sm_in *in)
{
    const struct row *last = b->count > 0 ? &b->rows[b->count - 1] : NULL;
    const struct stanza_write_opts opts = {
        .ns = SPAN(NS_CLIENT),
        .from_ns = stanza_root(in->stanza)->ns,
        .to = in->to.full,
        .from = in->stanza->from,
    };

    if (last && last->id == in->sent_id) {
        row->stanza_at = last->stanza_at;
        row->stanza_n = last->stanza_n;
        return;
    }
    row->stanza_at = buf_len(&b->text);
    stanza_write(&b->text, in->stanza, &opts);
    row->stanza_n = buf_len(&b->text) - row->stanza_at;
}

/* The number that it gets; 0: too much is queued. */
static int64_t keep(struct sm_in *in, struct sm_user *user, const struct sm_archive_peer *peer)
{
    struct sm *sm = in->sm;
    struct sm_archive_batch *b;

    if (!sm_job_has_room(sm, sm->opts.max_stanza, in->is_from_link))
        return 0;
    b = batch_of(sm->archive);
    size_t before = buf_len(&b->text);
    struct row *row = &b->rows[b->count];
    *row = (struct row){
        .user = user,
        .account = user->profile->account,
        .id = sm_archive_new_id(sm),
        .bare_at = before,
        .bare_n = peer->bare.n,
        .resource_n = peer->resource.n,
        .has_resource = !span_is_none(peer->resource),
    };
    buf_append(&b->text, peer->bare);
    buf_append(&b->text, peer->resource);
    put_stanza(b, row, in);
    row->done = sm_in_split_done(in);
    user->jobs++;
    b->count++;
    sm->job_bytes += buf_len(&b->text) - before + sizeof(*row);
    int64_t id = row->id;
    if (b->count == BATCH_ROWS || buf_len(&b->text) >= BATCH_BYTES)
        sm_archive_flush(sm);
    return id;
}

static bool is_contact(void *ctx, struct span bare)
{
    return sm_contact_find(((const struct sm_user *)ctx)->profile, bare) != NULL;
}

/* *id_r 0: his archive does not have it. False: refused. */
static bool archive(struct sm_in *in, struct sm_user *user, const struct sm_archive_peer *peer,
                    int64_t *id_r)
{
    if (!sm_archive_is_wanted(in->sm, user->profile->archive_prefs, peer, is_contact, user))
        return true;
    *id_r = keep(in, user, peer);
    if (*id_r)
        return true;
    sm_refuse(in, STANZA_RESOURCE_CONSTRAINT, "too much at once");
    return false;
}

bool sm_archive_is_on(const struct sm *sm)
{
    return sm->opts.archive;
}

static bool is_due(const struct sm_in *in)
{
    return in->sm->opts.archive && !in->is_again && sm_archive_is_worth(in->stanza);
}

/* What goes to oneself is archived as it comes. */
bool sm_archive_sending(struct sm_in *in)
{
    struct sm_user *user = in->session->user;
    struct sm_archive_peer peer;

    if (!is_due(in) || !user || user->state != SM_USER_OWNED || sm_in_user(in) == user)
        return true;
    put_peer(in->sm, &in->to, &in->sm->archive->peer, &peer);
    return archive(in, user, &peer, &in->sent_id);
}

bool sm_archive_receiving(struct sm_in *in, struct sm_user *user)
{
    struct sm_archive_peer peer;

    if (!is_due(in) ||
        !sm_archive_peer_of(in->sm, in->stanza->from, &in->sm->archive->peer, &peer))
        return true;
    return archive(in, user, &peer, &in->archive_id);
}

/* --- life ------------------------------------------------------------------------------------- */

void sm_archive_open(struct sm *sm)
{
    struct sm_archive *a = mem_zalloc(sizeof(*a));

    a->sm = sm;
    a->flush = (struct deferred){.call = on_flush, .ctx = sm};
    list_init(&a->pages);
    list_init(&a->sweeps);
    sm->archive = a;
    sm_archive_expiry_open(sm);
}

void sm_archive_close(struct sm *sm)
{
    sm_archive_flush(sm);
    sm_mam_drop_all(sm);
    sm_archive_expiry_close(sm);
}

void sm_archive_free(struct sm *sm)
{
    batch_free(sm->archive->spare);
    buf_free(&sm->archive->peer);
    free(sm->archive);
}
