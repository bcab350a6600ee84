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
#define STAGE_NETWORK "verona.example"
#define STAGE_PASSWORD "secret"
#define STAGE_SECRET "0123456789abcdef0123456789abcdef" /* of the instances, at the router */
#define STAGE_THIRD_SECRET "third-party"                /* of the components a and b of the host */
#define STAGE_INSTANCES 4
#define STAGE_ACTORS 16

struct actor {
    char name[32];
    struct stage *stage;
    struct conn *conn; /* NULL when closed */
    struct buf heard;
    bool is_used;
    bool is_deaf; /* reads nothing */
    char user[64];       /* who it has logged in as */
    char managed_id[33]; /* what it may resume */
};

struct instance {
    struct stage *stage;
    struct daemon daemon;
    struct c2s *c2s;        /* NULL: not running */
    struct conn *link_conn; /* of its link; valid while that is up */
    bool is_cut_off;        /* cannot reach the router */
};

struct stage {
    struct loop *loop;
    size_t chunk;
    struct router_conf *router_conf;
    struct c2s_conf *c2s_conf;
    struct router *router; /* NULL: not running */
    bool is_router_stopping;
    struct instance c2s[STAGE_INSTANCES];
    struct actor actors[STAGE_ACTORS];
    struct buf users; /* names that every instance has, each ended by LF */
};

/* A suite with a router and c2s-1, linked. The settings ("[limits]\nroster = 3\n") are added to
 * those of the stage; NULL: none. */
struct stage *stage_new(size_t chunk, const char *router_settings, const char *c2s_settings);
void stage_free(struct stage **s);

void stage_start_router(struct stage *s);
void stage_stop_router(struct stage *s);
void stage_start_c2s(struct stage *s, size_t number); /* from 1 */
void stage_stop_c2s(struct stage *s, size_t number);
/* Without a word to anybody, as when it is killed. */
void stage_kill_c2s(struct stage *s, size_t number);
/* Its connection to the router breaks; until it is mended there is no other. */
void stage_cut_off_c2s(struct stage *s, size_t number, bool is_cut_off);
/* The account exists on every instance afterwards, also on those started later. Each instance has
 * a database of its own. */
void stage_add_user(struct stage *s, const char *name);

/* The actor of that name, made when new. */
struct actor *stage_actor(struct stage *s, struct span name);
/* A connection to c2s-NUMBER, perhaps with TLS from the first byte; false: not running. */
bool actor_connect(struct actor *a, size_t number, bool direct_tls);
void actor_start_tls(struct actor *a); /* its side, after <proceed/> */
bool actor_connect_router(struct actor *a);
void actor_be_deaf(struct actor *a, bool is_deaf);
void actor_say(struct actor *a, struct span text);
void actor_break(struct actor *a);

#endif
