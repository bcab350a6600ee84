/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * conf - router.conf: where components connect, and who may be what.
 *
 * Loaded by main.c, read by the rest of the router, never changed after loading. The rights of a
 * component are one [component NAME] section; the secret that a peer proves decides which.
 */
#ifndef ROUTER_CONF_H
#define ROUTER_CONF_H

#include "base/conf.h"

/* Secrets of internal components are machine-made: shorter ones refuse to start. */
#define ROUTER_SECRET_MIN 32

struct component {
    char *section;           /* NAME of [component NAME] */
    char *secret;
    struct conf_list names;  /* what it may be, patterns allowed; empty: the section's name */
    struct conf_list shared; /* what it may bind together with others, patterns allowed */
    bool is_default, internal;
    bool relays; /* it passes on what others, whom nobody here speaks for, have said */
};

struct router_conf {
    struct conf_list listen;
    char *control;
    int log_level;
    char *tls_cert, *tls_key;
    int64_t queue, settle;
    char *tap_file;
    bool tap_bodies;
    int64_t tap_size;
    struct component *components;
    size_t component_count;
};

extern const struct conf_spec router_conf_spec;

/* A pattern's '*' stands for one or more characters other than dots ("c2s-*.localhost"), '**' for
 * any ("**.kontalk.net"). */
bool conf_name_matches(struct span pattern, struct span name);
bool component_may_be(const struct component *c, struct span name);
bool component_may_share(const struct component *c, struct span name);
const struct component *conf_component(const struct router_conf *conf, struct span section);
/* The first section after prev (NULL: from the start) that may be name; NULL: no more. */
const struct component *conf_component_for(const struct router_conf *conf, struct span name,
                                           const struct component *prev);
/* Name belongs to some section: it never leaves by the default route, nor comes in by it. */
bool conf_is_ours(const struct router_conf *conf, struct span name);
bool conf_has_default(const struct router_conf *conf);
bool conf_has_internal(const struct router_conf *conf);

#endif
