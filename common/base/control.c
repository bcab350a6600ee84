/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * control - the answering side. Daemons make one each; the operator's tool asks.
 *
 * A peer (one connection) has at most one call under way; while it has, nothing is read from it.
 * The call belongs to the command until control_ok or control_error; either may outlive the other,
 * then the one that stays forgets the one that went.
 */
#include "base/control.h"

#include "base/conn.h"
#include "base/daemon.h"
#include "base/listen.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/mem.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define CONTROL_LINE_MAX ((size_t)64 << 10)
#define CONTROL_IN_MAX ((size_t)256 << 10)
#define CONTROL_OUT_MAX ((size_t)64 << 20)
#define CONTROL_WORDS_MAX 1100 /* 500 pairs and the command's words */
#define CONTROL_PEERS_MAX 32
#define CONTROL_IDLE_MS 60000

struct control {
    struct loop *loop;
    struct listener *listener;
    const struct control_command *commands;
    void *ctx;
    struct list_node peers;
    size_t peer_count;
};

struct control_peer {
    struct list_node node;
    struct control *control; /* NULL: being freed */
    struct conn *conn;
    struct control_call *call; /* under way, or NULL */
    struct buf in;
    struct timer idle;
    bool dispatching; /* the loop over the buffered requests is running */
};

struct control_call {
    struct control_peer *peer; /* NULL: the asker has gone */
    void (*on_gone)(void *ctx); /* watched, and reading */
    void *gone_ctx;
};

static void dispatch(struct control_peer *peer);

/* --- answers --- */

static void peer_row(struct control_peer *peer, const struct span *words, size_t count)
{
    struct buf *out = conn_out(peer->conn);

    if (count && span_starts(words[0], SPAN(".")))
        buf_append_char(out, '\\'); /* a dot at the start of a line is the end */
    for (size_t i = 0; i < count; i++) {
        if (i)
            buf_append_char(out, '\t');
        control_escape(out, words[i]);
    }
    buf_append_char(out, '\n');
    conn_flush_soon(peer->conn);
}

void control_row(struct control_call *call, const struct span *words, size_t count)
{
    struct control_peer *peer = call->peer;

    if (!peer || conn_is_closing(peer->conn))
        return;
    if (conn_out_len(peer->conn) > CONTROL_OUT_MAX)
        conn_abort(peer->conn, -EMSGSIZE);
    else
        peer_row(peer, words, count);
}

static void call_end(struct control_call *call, struct span end, const char *reason)
{
    struct control_peer *peer = call->peer;
    bool is_paused = !call->on_gone;

    free(call);
    if (!peer)
        return;
    peer->call = NULL;
    if (conn_is_closing(peer->conn))
        return;
    struct buf *out = conn_out(peer->conn);
    buf_append(out, end);
    if (reason) {
        buf_append_char(out, '\t');
        control_escape(out, span_of(reason));
    }
    buf_append_char(out, '\n');
    conn_flush_soon(peer->conn);
    if (is_paused)
        conn_resume(peer->conn);
    if (!peer->dispatching)
        dispatch(peer);
}

void control_ok(struct control_call *call)
{
    call_end(call, SPAN(".ok"), NULL);
}

void control_error(struct control_call *call, const char *reason)
{
    call_end(call, SPAN(".error"), reason);
}

void control_watch(struct control_call *call, void (*on_gone)(void *ctx), void *ctx)
{
    call->on_gone = on_gone;
    call->gone_ctx = ctx;
    if (call->peer)
        conn_resume(call->peer->conn); /* the end is seen by reading only */
}

size_t control_queued(const struct control_call *call)
{
    return call->peer ? conn_out_len(call->peer->conn) : 0;
}

/* --- requests --- */

/* What every process can be asked. */
static void run_reload(void *ctx, struct control_call *call, const struct span *args, size_t count)
{
    char error[CONF_ERROR_MAX];

    (void)ctx;
    (void)args;
    (void)count;
    if (daemon_reload(error))
        control_ok(call);
    else
        control_error(call, error);
}

static const struct control_command common_commands[] = {
    {.name = "reload", .usage = "reload", .run = run_reload},
    {0},
};

/* How many of words the command's name takes; 0: it is another command. */
static size_t match_name(const char *name, const struct span *words, size_t count)
{
    size_t used = 0;

    for (const char *p = name; *p;) {
        size_t n = strcspn(p, " ");
        if (used == count || !span_eq(words[used], span_make(p, n)))
            return 0;
        used++;
        p += n + (p[n] == ' ');
    }
    return used;
}

static const struct control_command *find_command(const struct control *c, const struct span *words,
                                                  size_t count, size_t *used_r)
{
    const struct control_command *const tables[] = {c->commands, common_commands};
    const struct control_command *best = NULL;

    *used_r = 0;
    for (size_t i = 0; i < ARRAY_LEN(tables); i++) {
        for (const struct control_command *cmd = tables[i]; cmd->name; cmd++) {
            size_t used = match_name(cmd->name, words, count);
            if (used > *used_r) {
                best = cmd;
                *used_r = used;
            }
        }
    }
    return best;
}

/* Answers what is no command here, and hangs up. */
static void refuse(struct control_peer *peer, size_t bytes)
{
    LOG(LOG_WARN, "control.refused", F_SPAN("reason", SPAN("no such command")),
        F_INT("bytes", bytes), F_INT("uid", conn_peer_uid(peer->conn)));
    conn_send(peer->conn, SPAN(".error\tno such command\n"));
    conn_close(peer->conn);
}

static void run_line(struct control_peer *peer, char *line, size_t n)
{
    struct span words[CONTROL_WORDS_MAX + 1];
    size_t count = control_split(line, n, words, CONTROL_WORDS_MAX + 1);
    size_t used;
    const struct control_command *cmd = find_command(peer->control, words, count, &used);

    if (!cmd || count > CONTROL_WORDS_MAX) {
        refuse(peer, n);
        return;
    }
    /* Words after the name stay out of the log: they may be passwords. */
    LOG(LOG_INFO, "control.request", F_STR("command", cmd->name),
        F_INT("uid", conn_peer_uid(peer->conn)));
    peer->call = mem_zalloc(sizeof(*peer->call));
    peer->call->peer = peer;
    conn_pause(peer->conn);
    if (count - used < (size_t)cmd->min_args || count - used > (size_t)cmd->max_args) {
        char reason[256];
        snprintf(reason, sizeof(reason), "usage: %.200s", cmd->usage);
        control_error(peer->call, reason);
        return;
    }
    cmd->run(peer->control->ctx, peer->call, words + used, count - used);
}

/* Runs what has arrived, one request at a time, until one takes longer. */
static void dispatch(struct control_peer *peer)
{
    peer->dispatching = true;
    while (peer->control && !peer->call && !conn_is_closing(peer->conn)) {
        size_t n = span_index(buf_span(&peer->in), '\n');
        bool whole = n < buf_len(&peer->in);
        if (n > CONTROL_LINE_MAX) {
            LOG(LOG_WARN, "control.refused", F_SPAN("reason", SPAN("line too long")),
                F_INT("uid", conn_peer_uid(peer->conn)));
            conn_abort(peer->conn, -EMSGSIZE);
            break;
        }
        if (!whole)
            break;
        char *line = peer->in.p + peer->in.head;
        run_line(peer, line, n);
        mem_wipe(line, n);
        buf_consume(&peer->in, n + 1);
    }
    peer->dispatching = false;
}

/* --- connections --- */

static void on_idle(void *ctx)
{
    struct control_peer *peer = ctx;

    if (peer->call)
        timer_start(&peer->idle, peer->idle.loop, CONTROL_IDLE_MS, on_idle, peer);
    else
        conn_close(peer->conn);
}

static void on_data(void *ctx, struct span bytes)
{
    struct control_peer *peer = ctx;

    if (!peer->control)
        return;
    if (!buf_append(&peer->in, bytes)) {
        conn_abort(peer->conn, -EMSGSIZE);
        return;
    }
    timer_start(&peer->idle, peer->control->loop, CONTROL_IDLE_MS, on_idle, peer);
    if (!peer->dispatching)
        dispatch(peer);
}

/* Nothing is read during a call that is not watched, so that here all other requests have their
 * answers, perhaps unsent. */
static void on_eof(void *ctx)
{
    struct control_peer *peer = ctx;
    conn_close(peer->conn);
}

static void peer_detach(struct control_peer *peer)
{
    if (!peer->control)
        return;
    peer->control->peer_count--;
    peer->control = NULL;
    list_remove(&peer->node);
    timer_stop(&peer->idle);
}

static void on_close(void *ctx, int error, const char *reason)
{
    struct control_peer *peer = ctx;
    struct control_call *call = peer->call;

    (void)error;
    (void)reason;
    peer_detach(peer);
    buf_wipe(&peer->in);
    free(peer);
    if (!call)
        return;
    call->peer = NULL;
    if (call->on_gone)
        call->on_gone(call->gone_ctx);
}

static const struct conn_handler peer_handler = {
    .on_data = on_data, .on_eof = on_eof, .on_close = on_close};

/* Connections that are not wanted are closed before a byte is read. */
static void on_stranger_close(void *ctx, int error, const char *reason)
{
    (void)ctx;
    (void)error;
    (void)reason;
}

static const struct conn_handler stranger_handler = {.on_close = on_stranger_close};

static void on_accept(void *ctx, struct conn *conn)
{
    struct control *c = ctx;
    int64_t uid = conn_peer_uid(conn);

    if ((uid != 0 && uid != (int64_t)geteuid()) || c->peer_count >= CONTROL_PEERS_MAX) {
        LOG(LOG_WARN, "control.refused",
            F_STR("reason", c->peer_count >= CONTROL_PEERS_MAX ? "too many connections" : "uid"),
            F_INT("uid", uid));
        conn_set_handler(conn, &stranger_handler, NULL);
        conn_abort(conn, -EPERM);
        return;
    }
    struct control_peer *peer = mem_zalloc(sizeof(*peer));
    peer->control = c;
    peer->conn = conn;
    peer->in.max = CONTROL_IN_MAX;
    list_append(&c->peers, &peer->node);
    c->peer_count++;
    conn_set_handler(conn, &peer_handler, peer);
    timer_start(&peer->idle, c->loop, CONTROL_IDLE_MS, on_idle, peer);
}

struct control *control_new(struct loop *loop, const char *path,
                            const struct control_command *commands, void *ctx, int *error_r)
{
    struct buf text = {0};
    struct addr at;

    buf_printf(&text, "unix:%s", path);
    int error = addr_parse(buf_span(&text), &at);
    buf_free(&text);
    if (error) {
        *error_r = error;
        return NULL;
    }
    struct control *c = mem_zalloc(sizeof(*c));
    c->loop = loop;
    c->commands = commands;
    c->ctx = ctx;
    list_init(&c->peers);
    c->listener =
        listener_new(loop, &at, &(struct listen_opts){.unix_mode = 0600}, on_accept, c, error_r);
    if (!c->listener) {
        free(c);
        return NULL;
    }
    return c;
}

struct control *control_open(struct loop *loop, const char *pattern, const char *instance,
                             const struct control_command *commands, void *ctx,
                             char error_r[CONF_ERROR_MAX])
{
    const char *mark = strstr(pattern, "%i");
    struct buf path = {0};
    int error = 0;

    buf_append(&path, span_make(pattern, mark ? (size_t)(mark - pattern) : strlen(pattern)));
    if (mark) {
        buf_append_z(&path, instance);
        buf_append_z(&path, mark + 2);
    }
    struct control *c = control_new(loop, buf_z(&path), commands, ctx, &error);
    if (!c)
        snprintf(error_r, CONF_ERROR_MAX, "control socket %.200s: %s", buf_z(&path),
                 strerror(-error));
    buf_free(&path);
    return c;
}

void control_free(struct control **control)
{
    struct control *c = *control;

    if (!c)
        return;
    listener_free(&c->listener);
    LIST_FOR_EACH(node, &c->peers)
    {
        struct control_peer *peer = CONTAINER_OF(node, struct control_peer, node);
        peer_detach(peer);
        conn_close(peer->conn);
    }
    free(c);
    *control = NULL;
}
