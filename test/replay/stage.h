/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * stage - a whole suite (router, any number of c2s) in this process, on simulated connections and
 * virtual time, and the actors that speak to it.
 */
#ifndef TEST_STAGE_H
#define TEST_STAGE_H

#include "base/conn.h"
#include "base/daemon.h"
#include "base/loop.h"
#include "c2s/c2s.h"
#include "router/router.h"

#define STAGE_HOST "capulet.example"
#define STAGE_PASSWORD "secret"
#define STAGE_INSTANCES 4
#define STAGE_ACTORS 16

struct actor {
    char name[32];
    struct stage *stage;
    struct conn *conn; /* NULL when closed */
    struct buf heard;
    bool is_used;
};

struct instance {
    struct stage *stage;
    struct daemon daemon;
    struct c2s *c2s; /* NULL: not running */
};

struct stage {
    struct loop *loop;
    size_t chunk;
    struct router_conf *router_conf;
    struct c2s_conf *c2s_conf;
    struct router *router; /* NULL: not running */
    struct instance c2s[STAGE_INSTANCES];
    struct actor actors[STAGE_ACTORS];
};

/* A suite with a router and c2s-1, linked. */
struct stage *stage_new(size_t chunk);
void stage_free(struct stage **s);

void stage_start_router(struct stage *s);
void stage_stop_router(struct stage *s);
void stage_start_c2s(struct stage *s, size_t number); /* from 1 */
/* The account exists on every instance afterwards, also on those started later. */
void stage_add_user(struct stage *s, const char *name);

/* The actor of that name, made when new. */
struct actor *stage_actor(struct stage *s, struct span name);
/* A connection to c2s-NUMBER, TLS from the first byte; false: not running. */
bool actor_connect(struct actor *a, size_t number);
bool actor_connect_router(struct actor *a);
void actor_say(struct actor *a, struct span text);
void actor_break(struct actor *a);

#endif
