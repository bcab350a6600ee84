/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "stage.h"

#include "tls/crypto.h"
#include "xml/parser.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* The control socket's path also names the file where the router keeps who was here: none. */
static const char router_text[] = "[router]\n"
                                  "control = /nonexistent/router.ctl\n"
                                  "settle = 0\n"
                                  "[component c2s]\n"
                                  "secret = " STAGE_SECRET "\n"
                                  "names = c2s-*." STAGE_HOST "\n"
                                  "shared = " STAGE_HOST " " STAGE_NETWORK "\n"
                                  "internal = true\n"
                                  "[component third]\n"
                                  "secret = " STAGE_THIRD_SECRET "\n"
                                  "names = a." STAGE_HOST " b." STAGE_HOST "\n";

static const char c2s_text[] = "[c2s]\n"
                               "host = " STAGE_HOST "\n"
                               "listen = 127.0.0.1:5222\n"
                               "[router]\n"
                               "secret = " STAGE_SECRET "\n"
                               "[auth]\n"
                               "iterations = 4096\n";

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "stage: %s\n", what);
    exit(2);
}

static void *load(const struct conf_spec *spec, const char *text, const char *more)
{
    char path[] = "/tmp/play-XXXXXX", error[CONF_ERROR_MAX];
    int fd = mkstemp(path);
    if (fd < 0 || dprintf(fd, "%s%s", text, more ? more : "") < 0)
        die("no temporary file");
    close(fd);
    void *conf = conf_load(spec, path, true, error);
    unlink(path);
    if (!conf)
        die(error);
    return conf;
}

/* --- processes -------------------------------------------------------------------------------- */

static struct conn *connect_to_router(void *ctx)
{
    struct instance *i = ctx;
    struct stage *s = i->stage;
    struct conn *theirs;
    if (!s->router || s->is_router_stopping || i->is_cut_off)
        return NULL;
    conn_pair_fake(s->loop, s->chunk, 0, &i->link_conn, &theirs);
    router_accept(s->router, theirs);
    return i->link_conn;
}

void stage_start_router(struct stage *s)
{
    char error[CONF_ERROR_MAX];
    if (s->router)
        return;
    s->router = router_new(s->loop, s->router_conf, error);
    if (!s->router)
        die(error);
}

static void on_router_stopped(void *ctx)
{
    struct stage *s = ctx;
    router_free(&s->router);
}

void stage_stop_router(struct stage *s)
{
    if (!s->router)
        return;
    s->is_router_stopping = true; /* it listens no more */
    router_stop(s->router, on_router_stopped, s);
    for (int i = 0; i < 10 && s->router; i++)
        loop_sim_advance(s->loop, 1000);
    if (s->router)
        die("the router has not stopped");
    s->is_router_stopping = false;
}

static void on_added(void *ctx, enum accounts_result r)
{
    (void)ctx;
    if (r != ACCOUNTS_OK)
        die(accounts_result_text(r));
}

/* names: each ended by LF. */
static void add_users(struct instance *i, struct span names)
{
    while (names.n > 0) {
        struct span name = {names.p, span_index(names, '\n')};
        accounts_add(i->c2s->accounts, name, SPAN(STAGE_PASSWORD), on_added, NULL);
        names = span_from(names, name.n + 1);
    }
}

void stage_start_c2s(struct stage *s, size_t number)
{
    static const char *const names[STAGE_INSTANCES] = {"c2s-1", "c2s-2", "c2s-3", "c2s-4"};
    char error[CONF_ERROR_MAX];
    struct instance *i = &s->c2s[number - 1];
    i->stage = s;
    i->daemon =
        (struct daemon){.loop = s->loop, .instance = names[number - 1], .conf = s->c2s_conf};
    c2s_test_connect = connect_to_router;
    c2s_test_connect_ctx = i;
    i->is_cut_off = false;
    i->c2s = c2s_new(&i->daemon, error);
    if (!i->c2s)
        die(error);
    add_users(i, buf_span(&s->users));
    loop_sim_advance(s->loop, 3000); /* the link comes up */
}

static void on_c2s_stopped(void *ctx)
{
    struct instance *i = ctx;
    c2s_free(&i->c2s);
}

void stage_stop_c2s(struct stage *s, size_t number)
{
    struct instance *i = &s->c2s[number - 1];
    if (!i->c2s)
        return;
    c2s_stop(i->c2s, on_c2s_stopped, i);
    loop_sim_advance(s->loop, 20000);
    if (i->c2s)
        die("a c2s has not stopped");
}

void stage_cut_off_c2s(struct stage *s, size_t number, bool is_cut_off)
{
    struct instance *i = &s->c2s[number - 1];
    i->is_cut_off = is_cut_off;
    if (is_cut_off && i->c2s && link_is_up(i->c2s->link))
        conn_abort(i->link_conn, -ECONNRESET);
    loop_sim_advance(s->loop, is_cut_off ? 0 : 3000);
}

/* Its last words find nobody: its connections are broken before it gets to them. */
void stage_kill_c2s(struct stage *s, size_t number)
{
    struct c2s *c2s = s->c2s[number - 1].c2s;
    stage_cut_off_c2s(s, number, true);
    LIST_FOR_EACH(node, &c2s->clients)
    {
        struct client *c = CONTAINER_OF(node, struct client, node);
        if (c->stream.conn)
            conn_abort(c->stream.conn, -ECONNRESET);
    }
    stage_stop_c2s(s, number);
}

void stage_add_user(struct stage *s, const char *name)
{
    buf_printf(&s->users, "%s\n", name);
    for (size_t i = 0; i < STAGE_INSTANCES; i++) {
        struct buf line = {0};
        buf_printf(&line, "%s\n", name);
        if (s->c2s[i].c2s)
            add_users(&s->c2s[i], buf_span(&line));
        buf_free(&line);
    }
    loop_sim_settle(s->loop);
}

struct stage *stage_new(size_t chunk, const char *router_settings, const char *c2s_settings)
{
    struct stage *s = mem_zalloc(sizeof *s);
    crypto_init();
    crypto_simulate(1597);
    s->loop = loop_new_sim();
    s->chunk = chunk;
    s->router_conf = load(&router_conf_spec, router_text, router_settings);
    s->c2s_conf = load(&c2s_conf_spec, c2s_text, c2s_settings);
    stage_start_router(s);
    stage_start_c2s(s, 1);
    return s;
}

static void free_actor(struct actor *a)
{
    if (a->conn)
        conn_abort(a->conn, 0);
    buf_free(&a->heard);
}

void stage_free(struct stage **stage)
{
    struct stage *s = *stage;
    *stage = NULL;
    for (size_t i = 0; i < STAGE_ACTORS; i++)
        free_actor(&s->actors[i]);
    loop_sim_settle(s->loop);
    for (size_t i = 1; i <= STAGE_INSTANCES; i++)
        stage_stop_c2s(s, i);
    stage_stop_router(s);
    loop_free(&s->loop);
    void *conf = s->router_conf;
    conf_free(&router_conf_spec, &conf);
    conf = s->c2s_conf;
    conf_free(&c2s_conf_spec, &conf);
    xml_parser_shared_free();
    crypto_simulate(0);
    buf_free(&s->users);
    free(s);
}

/* --- actors ----------------------------------------------------------------------------------- */

static void on_data(void *ctx, struct span bytes)
{
    struct actor *a = ctx;
    buf_append(&a->heard, bytes);
}

static void on_close(void *ctx, int error, const char *reason)
{
    struct actor *a = ctx;
    (void)error;
    (void)reason;
    a->conn = NULL;
    a->is_deaf = false;
}

static const struct conn_handler handler = {.on_data = on_data, .on_close = on_close};

struct actor *stage_actor(struct stage *s, struct span name)
{
    for (size_t i = 0; i < STAGE_ACTORS; i++) {
        struct actor *a = &s->actors[i];
        if (!a->is_used) {
            a->is_used = true;
            a->stage = s;
            snprintf(a->name, sizeof a->name, "%.*s", SPAN_ARG(name));
        }
        if (span_eq(span_of(a->name), name))
            return a;
    }
    die("too many actors");
}

static struct conn *make_pair(struct actor *a)
{
    struct conn *theirs;
    actor_break(a);
    buf_free(&a->heard);
    conn_pair_fake(a->stage->loop, a->stage->chunk, 0, &a->conn, &theirs);
    conn_set_handler(a->conn, &handler, a);
    return theirs;
}

bool actor_connect(struct actor *a, size_t number, bool direct_tls)
{
    struct c2s *c2s =
        number >= 1 && number <= STAGE_INSTANCES ? a->stage->c2s[number - 1].c2s : NULL;
    if (!c2s)
        return false;
    client_accept(c2s, make_pair(a), direct_tls);
    if (direct_tls)
        actor_start_tls(a);
    loop_sim_settle(a->stage->loop);
    return true;
}

void actor_start_tls(struct actor *a)
{
    static const struct transport_ops none;
    if (a->conn)
        conn_start_transport(a->conn, &none, NULL);
    loop_sim_settle(a->stage->loop);
}

bool actor_connect_router(struct actor *a)
{
    if (!a->stage->router || a->stage->is_router_stopping)
        return false;
    router_accept(a->stage->router, make_pair(a));
    loop_sim_settle(a->stage->loop);
    return true;
}

void actor_be_deaf(struct actor *a, bool is_deaf)
{
    if (!a->conn || a->is_deaf == is_deaf)
        return;
    a->is_deaf = is_deaf;
    if (is_deaf)
        conn_pause(a->conn);
    else
        conn_resume(a->conn);
    loop_sim_settle(a->stage->loop);
}

void actor_say(struct actor *a, struct span text)
{
    if (a->conn)
        conn_send(a->conn, text);
    loop_sim_settle(a->stage->loop);
}

void actor_break(struct actor *a)
{
    if (a->conn)
        conn_abort(a->conn, 0);
    loop_sim_settle(a->stage->loop);
}
