/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * control - what kontalkctl may ask of a c2s instance.
 */
#include "c2s/control.h"

#include "base/log.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

/* Account changes that one request may hold: pairs of JID and password. */
#define PAIRS_MAX 500

/* --- info ------------------------------------------------------------------------------------- */

static void on_info(void *ctx, struct control_call *call, const struct span *args, size_t count)
{
    struct c2s *c2s = ctx;
    (void)args;
    (void)count;
    control_row2(call, SPAN("key"), SPAN("value"));
    control_row2(call, SPAN("instance"), span_of(c2s->instance));
    control_row2(call, SPAN("version"), SPAN(KONTALK_VERSION));
    control_row2(call, SPAN("host"), c2s->host);
    control_row2(call, SPAN("network"), c2s->network);
    control_row_list(call, SPAN("listen"), &c2s->conf->listen);
    control_row_list(call, SPAN("listen_tls"), &c2s->conf->listen_tls);
    control_row2(call, SPAN("cert"), span_of(c2s->conf->cert));
    control_row2(call, SPAN("link"),
                 c2s->link && link_is_up(c2s->link) ? SPAN("up") : SPAN("down"));
    control_row_number(call, SPAN("sessions"), sm_session_count(c2s->sm));
    control_row_number(call, SPAN("connections"), c2s->client_count);
    control_row_number(call, SPAN("hibernating"), c2s->hibernation.seat_count);
    control_row_number(call, SPAN("uptime"), (loop_now(c2s->loop) - c2s->started_ms) / 1000);
    control_ok(call);
}

/* --- users ------------------------------------------------------------------------------------ */

/* One request about accounts: it is answered when all of its parts have been. */
struct user_call {
    struct c2s *c2s;
    struct control_call *call;
    char *user; /* of `user del` */
    size_t open;
    enum accounts_result worst;
    size_t failed_count;
};

static struct user_call *user_call_new(struct c2s *c2s, struct control_call *call)
{
    struct user_call *u = mem_zalloc(sizeof *u);
    u->c2s = c2s;
    u->call = call;
    u->open = 1; /* until all parts are under way */
    return u;
}

static void user_part_done(struct user_call *u, enum accounts_result r)
{
    if (r != ACCOUNTS_OK) {
        u->worst = r;
        u->failed_count++;
    }
    if (--u->open > 0)
        return;
    char text[128];
    if (u->failed_count == 0) {
        control_ok(u->call);
    } else {
        snprintf(text, sizeof text, u->failed_count == 1 ? "%s" : "%s (%zu of them failed)",
                 accounts_result_text(u->worst), u->failed_count);
        control_error(u->call, text);
    }
    free(u->user);
    free(u);
}

static void on_user_done(void *ctx, enum accounts_result r)
{
    user_part_done(ctx, r);
}

bool control_user(struct c2s *c2s, struct control_call *call, struct span text, struct jid *jid,
                  struct jid_scratch *scratch)
{
    char reason[256];
    if (jid_parse(text, jid, scratch) && jid_is_bare(jid) && !span_is_none(jid->local) &&
        (span_eq(jid->domain, c2s->host) || span_eq(jid->domain, c2s->network)))
        return true;
    snprintf(reason, sizeof reason, "%.*s is not a user's address at %.*s",
             text.n < 100 ? (int)text.n : 100, text.p, SPAN_ARG(c2s->host));
    control_error(call, reason);
    return false;
}

static void on_user_add(void *ctx, struct control_call *call, const struct span *args,
                        size_t count)
{
    struct c2s *c2s = ctx;
    struct jid jid;
    struct jid_scratch scratch;
    if (count % 2 != 0) {
        control_error(call, "usage: user add JID PASSWORD [JID PASSWORD ...]");
        return;
    }
    for (size_t i = 0; i < count; i += 2)
        if (!control_user(c2s, call, args[i], &jid, &scratch))
            return;
    struct user_call *u = user_call_new(c2s, call);
    for (size_t i = 0; i < count; i += 2) {
        control_user(c2s, call, args[i], &jid, &scratch);
        u->open++;
        LOG(LOG_INFO, "user.add", F_SPAN("user", jid.local));
        accounts_add(c2s->accounts, jid.local, args[i + 1], on_user_done, u);
    }
    user_part_done(u, ACCOUNTS_OK);
}

static void on_user_passwd(void *ctx, struct control_call *call, const struct span *args,
                           size_t count)
{
    struct c2s *c2s = ctx;
    struct jid jid;
    struct jid_scratch scratch;
    (void)count;
    if (!control_user(c2s, call, args[0], &jid, &scratch))
        return;
    LOG(LOG_INFO, "user.passwd", F_SPAN("user", jid.local));
    accounts_set_password(c2s->accounts, jid.local, args[1], on_user_done,
                          user_call_new(c2s, call));
}

/* Sessions end whether or not the account was found: another instance may have removed it. */
static void on_user_deleted(void *ctx, enum accounts_result r)
{
    struct user_call *u = ctx;
    if (u->c2s->sm) /* a stopping process answers what it has begun */
        sm_user_deleted(u->c2s->sm, span_of(u->user));
    if (u->c2s->sm && r == ACCOUNTS_OK)
        sm_erase(u->c2s->sm, span_of(u->user), NULL, NULL);
    user_part_done(u, r);
}

static void on_user_del(void *ctx, struct control_call *call, const struct span *args,
                        size_t count)
{
    struct c2s *c2s = ctx;
    struct jid jid;
    struct jid_scratch scratch;
    (void)count;
    if (!control_user(c2s, call, args[0], &jid, &scratch))
        return;
    struct user_call *u = user_call_new(c2s, call);
    u->user = mem_strdup_span(jid.local);
    LOG(LOG_INFO, "user.del", F_SPAN("user", jid.local));
    accounts_delete(c2s->accounts, jid.local, on_user_deleted, u);
}

static void on_each_user(void *ctx, struct span user, int64_t created)
{
    struct user_call *u = ctx;
    struct buf jid = {0};
    char when[24];
    buf_append(&jid, user);
    buf_append_char(&jid, '@');
    buf_append(&jid, u->c2s->host);
    snprintf(when, sizeof when, "%lld", (long long)created / 1000);
    control_row2(u->call, buf_span(&jid), span_of(when));
    buf_free(&jid);
}

static void on_user_list(void *ctx, struct control_call *call, const struct span *args,
                         size_t count)
{
    struct c2s *c2s = ctx;
    (void)args;
    (void)count;
    control_row2(call, SPAN("jid"), SPAN("created"));
    accounts_list(c2s->accounts, on_each_user, on_user_done, user_call_new(c2s, call));
}

/* --- sessions --------------------------------------------------------------------------------- */

/* One that waits for its client to come back has no peer. */
static void session_row(struct control_call *call, const struct seat *seat)
{
    char priority[16], peer[ADDR_TEXT_MAX];
    const struct conn *conn = seat->client ? seat->client->stream.conn : NULL;
    int p = sm_session_priority(seat->session);
    snprintf(priority, sizeof priority, "%d", p);
    const struct span words[] = {
        sm_session_jid(seat->session),
        p == INT_MIN ? SPAN("unavailable") : span_of(priority),
        span_of(seat->c2s->instance),
        conn ? span_of(addr_format(conn_peer(conn), peer)) : SPAN("hibernating"),
        !conn ? SPAN("-") : conn_is_secure(conn) ? SPAN("yes") : SPAN("no"),
    };
    control_row(call, words, ARRAY_LEN(words));
}

static void on_session_list(void *ctx, struct control_call *call, const struct span *args,
                            size_t count)
{
    struct c2s *c2s = ctx;
    (void)args;
    (void)count;
    const struct span columns[] = {SPAN_INIT("jid"), SPAN_INIT("priority"), SPAN_INIT("instance"),
                                   SPAN_INIT("peer"), SPAN_INIT("secure")};
    control_row(call, columns, ARRAY_LEN(columns));
    LIST_FOR_EACH(node, &c2s->seats) {
        const struct seat *seat = CONTAINER_OF(node, struct seat, node);
        if (seat->session)
            session_row(call, seat);
    }
    control_ok(call);
}

/* --- the table of the network's servers ------------------------------------------------------- */

static void on_servers(void *ctx, struct control_call *call, const struct span *args, size_t count)
{
    struct c2s *c2s = ctx;
    char error[CONF_ERROR_MAX];
    (void)args;
    (void)count;
    if (!network_reload(c2s, error)) {
        LOG(LOG_ERROR, "c2s.servers_refused", F_STR("reason", error));
        control_error(call, error);
        return;
    }
    control_row2(call, SPAN("key"), SPAN("value"));
    control_row_number(call, SPAN("members"), c2s->servers ? servers_members(c2s->servers) : 1);
    control_ok(call);
}

const struct control_command c2s_commands[] = {
    {"info", 0, 0, "info", on_info},
    {"user add", 2, 2 * PAIRS_MAX, "user add JID PASSWORD [JID PASSWORD ...]", on_user_add},
    {"user del", 1, 1, "user del JID", on_user_del},
    {"user passwd", 2, 2, "user passwd JID PASSWORD", on_user_passwd},
    {"user list", 0, 0, "user list", on_user_list},
    {"user erase", 1, 1, "user erase JID", control_user_erase},
    {"user export", 0, 1, "user export [JID]", control_user_export},
    {"import user", 2, 3, "import user new|merge|replace JID [PASSWORD]", control_import_user},
    {"import text", 2, 2, "import text TOKEN TEXT", control_import_text},
    {"import store", 1, 1, "import store TOKEN", control_import_store},
    {"import end", 1, 1, "import end TOKEN", control_import_end},
    {"session list", 0, 0, "session list", on_session_list},
    {"archive purge", 1, 2, "archive purge BEFORE_MS [JID]", control_archive_purge},
    {"roster list", 1, 1, "roster list JID", control_roster_list},
    {"roster add", 2, 5, "roster add JID CONTACT [name=] [group=] [subscription=]",
     control_roster_add},
    {"roster remove", 2, 2, "roster remove JID CONTACT", control_roster_remove},
    {"message user", 2, 2, "message user JID TEXT", control_message_user},
    {"message all", 2, 2, "message all any|online TEXT", control_message_all},
    {"backup", 1, 1, "backup FILE", control_backup},
    {"servers reload", 0, 0, "servers reload", on_servers},
    {NULL, 0, 0, NULL, NULL},
};
