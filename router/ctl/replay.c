/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * replay - one component alone: kontalkctl listens in the router's place, sends the component what
 * the router sent it in a recording, and tells where its answers differ from those of then.
 *
 * The steps are played in their order, as fast as the component goes on: what it sent then is
 * waited for before what it got next is sent. Everything else the router would do is left out but
 * the heartbeat.
 */
#include "router/ctl/part.h"
#include "router/ctl/replay.h"

#include "base/control.h"
#include "base/listen.h"
#include "base/mem.h"
#include "router/conf.h"
#include "router/redact.h"
#include "tls/crypto.h"
#include "tls/ctx.h"
#include "xml/starttag.h"
#include "xmpp/jid.h"
#include "xmpp/link.h"
#include "xmpp/ns.h"

#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define LISTENERS_MAX 8
#define BEAT_MS 5000
#define PATIENCE_MS 3000 /* for a stanza, beyond the time that it took then */
#define SIMILAR_MS 1000  /* when something much like it has come already */
#define QUIET_MS 500     /* after the last step, for what should not come */
#define ARRIVED_MAX 10000

enum replay_state { REPLAY_HANDSHAKE, REPLAY_UP, REPLAY_STATES };

/* What the component has sent and no step has asked for. */
struct arrived {
    struct list_node node;
    struct buf canonical, line;
};

struct replay {
    const struct ctl *ctl;
    struct loop *loop;
    struct script script;
    struct tls_ctx *tls; /* NULL: in clear */
    char *secret;
    struct listener *listeners[LISTENERS_MAX];
    size_t listener_count;
    struct stream stream;
    bool has_stream, is_done;
    size_t pos; /* the next step */
    struct list_node arrived;
    size_t arrived_count;
    struct buf ids; /* "then\0now\0": identifiers that the component made up */
    struct timer wait, beat, limit;
    size_t sent, same, missing, different, unexpected;
};

static void advance(struct replay *r);

/* --- telling ---------------------------------------------------------------------------------- */

static void tell(const struct step *step, const char *what, struct span now)
{
    if (step)
        printf("%llu.%06llu ", (unsigned long long)(step->at_us / 1000000),
               (unsigned long long)(step->at_us % 1000000));
    puts(what);
    if (step)
        printf("  then: %.*s\n", SPAN_ARG(step->frame));
    if (now.n)
        printf("  now:  %.*s\n", SPAN_ARG(now));
}

static void stop_listening(struct replay *r)
{
    while (r->listener_count)
        listener_free(&r->listeners[--r->listener_count]);
}

static void finish(struct replay *r)
{
    r->is_done = true;
    timer_stop(&r->wait);
    timer_stop(&r->beat);
    timer_stop(&r->limit);
    stop_listening(r);
    if (r->has_stream)
        stream_close(&r->stream);
    else
        loop_stop(r->loop);
}

static void arrived_free(struct replay *r, struct arrived *a)
{
    list_remove(&a->node);
    r->arrived_count--;
    buf_free(&a->canonical);
    buf_wipe(&a->line);
    free(a);
}

static void on_quiet(void *ctx)
{
    struct replay *r = ctx;

    LIST_FOR_EACH(n, &r->arrived)
    {
        struct arrived *a = CONTAINER_OF(n, struct arrived, node);
        tell(NULL, "unexpected", buf_span(&a->line));
        r->unexpected++;
        arrived_free(r, a);
    }
    finish(r);
}

/* --- identifiers ------------------------------------------------------------------------------ */

static struct span id_of(struct span frame)
{
    struct starttag tag;
    return starttag_scan(frame, &tag) ? tag.id : SPAN_NONE;
}

/* The component's own identifiers may be others this time. */
static void learn_id(struct replay *r, struct span then, struct span now)
{
    if (span_is_empty(then) || span_is_empty(now) || span_eq(then, now))
        return;
    buf_append(&r->ids, then);
    buf_append_char(&r->ids, '\0');
    buf_append(&r->ids, now);
    buf_append_char(&r->ids, '\0');
}

static struct span id_now(const struct replay *r, struct span then)
{
    struct span rest = buf_span(&r->ids), found = then;

    while (rest.n) {
        struct span key = {rest.p, span_index(rest, '\0')};
        rest = span_from(rest, key.n + 1);
        struct span value = {rest.p, span_index(rest, '\0')};
        rest = span_from(rest, value.n + 1);
        if (span_eq(key, then))
            found = value; /* the latest counts */
    }
    return found;
}

static void send_step(struct replay *r, const struct step *step)
{
    struct span id = id_of(step->frame), now = span_is_none(id) ? id : id_now(r, id);
    struct buf *out = stream_out(&r->stream);

    if (span_eq(id, now)) {
        buf_append(out, step->frame);
    } else {
        buf_append(out, span_make(step->frame.p, (size_t)(id.p - step->frame.p)));
        buf_append(out, now);
        buf_append(out, span_from(step->frame, (size_t)(id.p - step->frame.p) + id.n));
    }
    stream_flush(&r->stream);
    r->sent++;
}

/* --- playing ---------------------------------------------------------------------------------- */

static struct arrived *find_arrived(struct replay *r, const struct step *step)
{
    struct buf wanted = {0};
    struct arrived *found = NULL;

    /* Its texts are hidden already, if they are. */
    script_canonical(&wanted, step->frame, false);
    LIST_FOR_EACH(n, &r->arrived)
    {
        struct arrived *a = CONTAINER_OF(n, struct arrived, node);
        if (!found && span_eq(buf_span(&a->canonical), buf_span(&wanted)))
            found = a;
    }
    buf_free(&wanted);
    return found;
}

/* What has come in its stead: the same kind of stanza for the same address. */
static struct arrived *find_similar(struct replay *r, const struct step *step)
{
    struct starttag then, now;

    if (!starttag_scan(step->frame, &then))
        return NULL;
    LIST_FOR_EACH(n, &r->arrived)
    {
        struct arrived *a = CONTAINER_OF(n, struct arrived, node);
        if (starttag_scan(buf_span(&a->line), &now) && span_eq(then.name, now.name) &&
            span_eq(then.to, now.to))
            return a;
    }
    return NULL;
}

static void on_patience(void *ctx)
{
    struct replay *r = ctx;
    const struct step *step = &r->script.steps[r->pos++];
    struct arrived *a = find_similar(r, step);

    tell(step, a ? "different" : "missing", a ? buf_span(&a->line) : SPAN(""));
    if (a) {
        learn_id(r, id_of(step->frame), id_of(buf_span(&a->line)));
        arrived_free(r, a);
        r->different++;
    } else {
        r->missing++;
    }
    advance(r);
}

static void advance(struct replay *r)
{
    const struct script *s = &r->script;

    timer_stop(&r->wait);
    for (; r->pos < s->count; r->pos++) {
        const struct step *step = &s->steps[r->pos];
        if (step->direction == TO_COMPONENT) {
            send_step(r, step);
            continue;
        }
        struct arrived *a = find_arrived(r, step);
        if (!a) {
            uint64_t took = r->pos ? step->at_us - s->steps[r->pos - 1].at_us : step->at_us;
            timer_start(&r->wait, r->loop,
                        find_similar(r, step) ? SIMILAR_MS : PATIENCE_MS + 2 * took / 1000,
                        on_patience, r);
            return;
        }
        learn_id(r, id_of(step->frame), id_of(buf_span(&a->line)));
        arrived_free(r, a);
        r->same++;
    }
    timer_start(&r->wait, r->loop, QUIET_MS, on_quiet, r);
}

/* A recording that began later lacks what a component says first: it is answered as usual. */
static bool answer_extension(struct replay *r, struct span frame)
{
    struct starttag tag;
    struct buf *out = stream_out(&r->stream);

    if (r->script.is_whole || !starttag_scan(frame, &tag) || !span_eq(tag.xmlns, SPAN(NS_ROUTER)) ||
        span_eq(tag.name, SPAN("envelope")))
        return false;
    if (span_eq(tag.name, SPAN("bind")) || span_eq(tag.name, SPAN("claims"))) {
        buf_printf(out, "<%.*s xmlns='" NS_ROUTER "' id='%.*s' type='result'/>", SPAN_ARG(tag.name),
                   SPAN_ARG(tag.id));
        stream_flush(&r->stream);
    }
    return true;
}

/* --- the router's side of the stream ---------------------------------------------------------- */

static void on_header(struct stream *s, const struct stanza *header)
{
    const struct replay *r = s->ctx;
    char text[JID_PART_MAX + 1];
    struct span name;

    if (!jid_prep_domain(header->to, text, &name) || !span_eq(name, span_of(r->script.name)))
        stream_error(s, STREAM_HOST_UNKNOWN, NULL);
    else
        stream_send_header(s, &(struct stream_header){.from = span_of(r->script.name)});
}

static void on_beat(void *ctx)
{
    struct replay *r = ctx;
    stream_send(&r->stream, SPAN(" "));
    timer_start(&r->beat, r->loop, BEAT_MS, on_beat, r);
}

static void on_handshake(struct stream *s, struct stanza *stanza)
{
    struct replay *r = s->ctx;
    char expected[41];

    link_handshake(span_of(s->id), span_of(r->secret), expected);
    if (!span_eq_case(stanza_text(stanza, 0), span_of(expected))) {
        fprintf(stderr, "refused: its secret is not the one of router.conf\n");
        stream_error(s, STREAM_NOT_AUTHORIZED, NULL);
        return;
    }
    stream_set_state(s, REPLAY_UP);
    stream_set_deadline(s, 0);
    stream_set_limits(s, &framer_limits_link);
    stream_send(s, SPAN("<handshake/>"));
    fprintf(stderr, "%s is connected\n", r->script.name);
    on_beat(r);
    advance(r);
}

static bool on_frame(struct stream *s, struct span frame)
{
    struct replay *r = s->ctx;

    if (s->state != REPLAY_UP || span_starts(frame, SPAN("<stream:")))
        return false;
    if (r->is_done || answer_extension(r, frame))
        return true;
    if (r->arrived_count == ARRIVED_MAX) {
        fprintf(stderr, "too many stanzas that nobody asked for\n");
        finish(r);
        return true;
    }
    struct arrived *a = mem_zalloc(sizeof(*a));
    redact_line(&a->line, frame, r->script.has_bodies);
    script_canonical(&a->canonical, frame, !r->script.has_bodies);
    list_append(&r->arrived, &a->node);
    r->arrived_count++;
    advance(r);
    return true;
}

/* Before the handshake it may try again; afterwards its end is a difference. */
static void on_closed(struct stream *s)
{
    struct replay *r = s->ctx;

    r->has_stream = false;
    if (r->is_done) {
        loop_stop(r->loop);
    } else if (s->state == REPLAY_UP) {
        printf("the component went away after %zu of %zu steps\n", r->pos, r->script.count);
        r->missing++;
        finish(r);
    }
}

static const struct stream_rule rules[] = {
    {STREAM_IN(REPLAY_HANDSHAKE), NS_COMPONENT, "handshake", on_handshake},
};
static const char *const state_names[REPLAY_STATES] = {"handshake", "up"};
static const struct stream_role role = {
    .name = "replay",
    .ns = NS_COMPONENT,
    .ns2 = NS_CLIENT,
    .survives_bad_stanza = true,
    .state_names = state_names,
    .rules = rules,
    .rule_count = ARRAY_LEN(rules),
    .on_header = on_header,
    .on_frame = on_frame,
    .on_closed = on_closed,
};

static void on_stranger_close(void *ctx, int error, const char *reason)
{
    (void)ctx;
    (void)error;
    (void)reason;
}
static const struct conn_handler stranger = {.on_close = on_stranger_close};

static void on_accept(void *ctx, struct conn *conn)
{
    struct replay *r = ctx;

    if (r->has_stream) { /* one component alone */
        conn_set_handler(conn, &stranger, NULL);
        conn_abort(conn, 0);
        return;
    }
    bool with_tls = r->tls && !addr_is_unix(conn_peer(conn));
    int fd = conn_fd(conn);
    r->has_stream = true;
    stream_init(&r->stream, &role, r->loop, conn, r);
    if (with_tls)
        stream_start_tls(&r->stream, &tls_transport, tls_server_new(r->tls, fd, false));
}

/* --- the command ------------------------------------------------------------------------------ */

static bool listen_at(struct replay *r, const char *text)
{
    struct addr at;
    int error = addr_parse(span_of(text), &at);

    if (!error && r->listener_count < LISTENERS_MAX)
        r->listeners[r->listener_count] =
            listener_new(r->loop, &at, &(struct listen_opts){0}, on_accept, r, &error);
    if (error) {
        ctl_fail("%s: %s; stop the router, or give the component an address of its own: --listen",
                 text, strerror(-error));
        return false;
    }
    r->listener_count++;
    fprintf(stderr, "waiting for %s at %s\n", r->script.name, text);
    return true;
}

static bool prepare(struct replay *r, const char *file)
{
    char error[CTL_ERROR_MAX], name[1024];
    struct router_conf *conf = ctl_router_conf(r->ctl, error);
    const char *secret = NULL;
    bool good = conf && script_load(&r->script, file, error);

    if (good)
        secret = ctl_secret_of(r->ctl, conf, r->script.name, name, error);
    if (secret && !r->ctl->listen && conf->tls_cert[0]) {
        struct tls_ctx_opts opts = {.cert_file = conf->tls_cert, .key_file = conf->tls_key};
        r->tls = tls_ctx_new(&opts, error);
        secret = r->tls ? secret : NULL;
    }
    if (!secret)
        ctl_fail("%s", error);
    else
        r->secret = mem_strdup_span(span_of(secret));
    good = secret && (!r->ctl->listen || listen_at(r, r->ctl->listen));
    for (size_t i = 0; good && !r->ctl->listen && i < conf->listen.count; i++)
        good = listen_at(r, conf->listen.items[i]);
    if (conf)
        conf_free(&router_conf_spec, (void **)&conf);
    return good;
}

static void on_signal(void *ctx, int signum)
{
    struct replay *r = ctx;

    (void)signum;
    puts("ended before the recording");
    r->missing++;
    finish(r);
}

static void on_limit(void *ctx)
{
    on_signal(ctx, 0);
}

static void replay_free(struct replay *r)
{
    stop_listening(r);
    LIST_FOR_EACH(n, &r->arrived)
    {
        arrived_free(r, CONTAINER_OF(n, struct arrived, node));
    }
    timer_stop(&r->limit);
    loop_free(&r->loop);
    script_free(&r->script);
    tls_ctx_unref(&r->tls);
    if (r->secret)
        mem_wipe(r->secret, strlen(r->secret));
    free(r->secret);
    buf_free(&r->ids);
    xml_parser_shared_free();
}

static int run_replay(const struct ctl *ctl, char **args, int count)
{
    struct replay r = {.ctl = ctl};

    (void)count;
    crypto_init();
    list_init(&r.arrived);
    r.loop = loop_new();
    loop_on_signal(r.loop, SIGINT, on_signal, &r);
    loop_on_signal(r.loop, SIGTERM, on_signal, &r);
    bool good = prepare(&r, args[0]);
    if (good && ctl->seconds)
        timer_start(&r.limit, r.loop, ctl->seconds * 1000, on_limit, &r);
    if (good) {
        loop_run(r.loop);
        printf("%zu sent, %zu the same, %zu different, %zu missing, %zu unexpected\n", r.sent,
               r.same, r.different, r.missing, r.unexpected);
        good = r.different + r.missing + r.unexpected == 0;
    }
    replay_free(&r);
    return good ? 0 : 1;
}

/* --- recording -------------------------------------------------------------------------------- */

static int ask(const struct ctl *ctl, const struct span *words, size_t count)
{
    char error[CTL_ERROR_MAX];
    return ctl_ask_router(ctl, words, count, NULL, NULL, error) ? ctl_fail("%s", error) : 0;
}

/* The router opens the file: its directory is not ours. */
static int run_record(const struct ctl *ctl, char **args, int count)
{
    char directory[PATH_MAX];
    char *path = mem_strdup_span(span_of(args[1]));

    (void)count;
    if (path[0] != '/' && getcwd(directory, sizeof(directory))) {
        free(path);
        path = ctl_join(directory, args[1]);
    }
    const struct span words[] = {SPAN_INIT("record"), SPAN_INIT("start"), span_of(args[0]),
                                 span_of(path), SPAN_INIT("bodies")};
    int status = ask(ctl, words, ctl->bodies ? 5 : 4);
    free(path);
    return status;
}

static int run_record_stop(const struct ctl *ctl, char **args, int count)
{
    const struct span words[] = {SPAN_INIT("record"), SPAN_INIT("stop"), span_of(args[0])};

    (void)count;
    return ask(ctl, words, ARRAY_LEN(words));
}

const struct ctl_command replay_commands[] = {
    {"record start", 2, 2, "NAME FILE", "write a component's traffic to a file", run_record},
    {"record stop", 1, 1, "NAME", "end that", run_record_stop},
    {"replay", 1, 1, "FILE", "play the router's side of a recording to that component alone",
     run_replay},
    {.name = NULL},
};
