/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "stage.h"

#include "tls/crypto.h"
#include "xml/parser.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SECRET "0123456789abcdef0123456789abcdef"

static const char router_text[] = "[router]\n"
                                  "settle = 0\n"
                                  "[component c2s]\n"
                                  "secret = " SECRET "\n"
                                  "names = c2s-*." STAGE_HOST "\n"
                                  "shared = " STAGE_HOST "\n"
                                  "internal = true\n"
                                  "[component third]\n"
                                  "secret = third-party\n"
                                  "names = a." STAGE_HOST " b." STAGE_HOST "\n";

static const char c2s_text[] = "[c2s]\n"
                               "host = " STAGE_HOST "\n"
                               "listen = 127.0.0.1:5222\n"
                               "[router]\n"
                               "secret = " SECRET "\n"
                               "[auth]\n"
                               "iterations = 4096\n"
                               "[limits]\n"
                               "offline = 5\n";

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "stage: %s\n", what);
    exit(2);
}

static void *load(const struct conf_spec *spec, const char *text)
{
    char path[] = "/tmp/play-XXXXXX", error[CONF_ERROR_MAX];
    int fd = mkstemp(path);
    if (fd < 0 || write(fd, text, strlen(text)) < 0)
        die("no temporary file");
    close(fd);
    void *conf = conf_load(spec, path, true, error);
    unlink(path);
    if (!conf)
        die(error);
    return conf;
}

/* --- processes --------------------------------------------------------------------------------- */

static struct conn *connect_to_router(void *ctx)
{
    struct stage *s = ctx;
    struct conn *ours, *theirs;
    if (!s->router)
        return NULL;
    conn_pair_fake(s->loop, s->chunk, 0, &ours, &theirs);
    router_accept(s->router, theirs);
    return ours;
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
    router_stop(s->router, on_router_stopped, s);
    for (int i = 0; i < 10 && s->router; i++)
        loop_sim_advance(s->loop, 1000);
}

void stage_start_c2s(struct stage *s, size_t number)
{
    static const char *const names[STAGE_INSTANCES] = {"c2s-1", "c2s-2", "c2s-3", "c2s-4"};
    char error[CONF_ERROR_MAX];
    struct instance *i = &s->c2s[number - 1];
    i->stage = s;
    i->daemon = (struct daemon){
        .loop = s->loop, .instance = names[number - 1], .conf = s->c2s_conf};
    c2s_test_connect = connect_to_router;
    c2s_test_connect_ctx = s;
    i->c2s = c2s_new(&i->daemon, error);
    if (!i->c2s)
        die(error);
    loop_sim_advance(s->loop, 3000); /* the link comes up */
}

static void on_added(void *ctx, enum accounts_result r)
{
    (void)ctx;
    if (r != ACCOUNTS_OK)
        die(accounts_result_text(r));
}

void stage_add_user(struct stage *s, const char *name)
{
    for (size_t i = 0; i < STAGE_INSTANCES; i++)
        if (s->c2s[i].c2s)
            accounts_add(s->c2s[i].c2s->accounts, span_of(name), SPAN(STAGE_PASSWORD), on_added,
                         NULL);
    loop_sim_settle(s->loop);
}

struct stage *stage_new(size_t chunk)
{
    struct stage *s = mem_zalloc(sizeof *s);
    crypto_init();
    crypto_simulate(1597);
    s->loop = loop_new_sim();
    s->chunk = chunk;
    s->router_conf = load(&router_conf_spec, router_text);
    s->c2s_conf = load(&c2s_conf_spec, c2s_text);
    stage_start_router(s);
    stage_start_c2s(s, 1);
    return s;
}

static void on_c2s_stopped(void *ctx)
{
    struct instance *i = ctx;
    c2s_free(&i->c2s);
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
    for (size_t i = 0; i < STAGE_INSTANCES; i++)
        if (s->c2s[i].c2s)
            c2s_stop(s->c2s[i].c2s, on_c2s_stopped, &s->c2s[i]);
    loop_sim_advance(s->loop, 20000);
    stage_stop_router(s);
    for (size_t i = 0; i < STAGE_INSTANCES; i++)
        if (s->c2s[i].c2s)
            die("a c2s has not stopped");
    loop_free(&s->loop);
    void *conf = s->router_conf;
    conf_free(&router_conf_spec, &conf);
    conf = s->c2s_conf;
    conf_free(&c2s_conf_spec, &conf);
    xml_parser_shared_free();
    crypto_simulate(0);
    free(s);
}

/* --- actors ------------------------------------------------------------------------------------ */

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

bool actor_connect(struct actor *a, size_t number)
{
    static const struct transport_ops none;
    struct c2s *c2s = number >= 1 && number <= STAGE_INSTANCES ? a->stage->c2s[number - 1].c2s
                                                               : NULL;
    if (!c2s)
        return false;
    client_accept(c2s, make_pair(a), true);
    conn_start_transport(a->conn, &none, NULL);
    loop_sim_settle(a->stage->loop);
    return true;
}

bool actor_connect_router(struct actor *a)
{
    if (!a->stage->router)
        return false;
    router_accept(a->stage->router, make_pair(a));
    loop_sim_settle(a->stage->loop);
    return true;
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
