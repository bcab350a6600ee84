/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * component - what the settings of our processes that are components of the router have in common:
 * the section [router], which says where it is and what proves them there.
 */
#ifndef XMPP_COMPONENT_H
#define XMPP_COMPONENT_H

#include "base/conf.h"
#include "xmpp/link.h"

/* Embedded in the process's struct of settings. */
struct component_conf {
    char *address, *secret;
    bool tls;
    char *tls_ca, *tls_name;
};

/* Its rows in the process's table; at: the struct's offset there. */
#define COMPONENT_KEY(at, field) (at) + offsetof(struct component_conf, field)
#define COMPONENT_KEYS(at)                                                                         \
    {.section = "router", .name = "address", .type = CONF_STRING,                                  \
     .offset = COMPONENT_KEY(at, address), .default_value = "unix:/run/kontalk/router.sock",       \
     .is_fixed = true, .help = "Where the router listens."},                                       \
    {.section = "router", .name = "secret", .type = CONF_STRING,                                   \
     .offset = COMPONENT_KEY(at, secret),                                                          \
     .is_fixed = true, .help = "The secret of this component in router.conf."},                    \
    {.section = "router", .name = "tls", .type = CONF_BOOL, .offset = COMPONENT_KEY(at, tls),      \
     .default_value = "false", .is_fixed = true, .help = "TLS to a router on another host."},      \
    {.section = "router", .name = "tls_ca", .type = CONF_STRING,                                   \
     .offset = COMPONENT_KEY(at, tls_ca), .default_value = "",                                     \
     .is_fixed = true, .help = "Certificates that the router's must descend from, PEM."},          \
    {.section = "router", .name = "tls_name", .type = CONF_STRING,                                 \
     .offset = COMPONENT_KEY(at, tls_name), .default_value = "",                                   \
     .is_fixed = true, .help = "The name in the router's certificate."}

/* What is wrong with it: a reason, a literal or in scratch; or NULL. */
const char *component_conf_check(const struct component_conf *c, char scratch[256]);
/* Domains in settings are used as written: they must be in their prepared form. */
bool component_is_domain(const char *name);

/* The context for TLS to the router, NULL when there is to be none; false with a reason. */
bool component_tls(const struct component_conf *c, struct tls_ctx **tls_r,
                   char error_r[CONF_ERROR_MAX]);
/* Sets router, secret, tls and tls_name, for link_new. c has been checked. */
void component_link(const struct component_conf *c, struct tls_ctx *tls, struct link_opts *opts_r);

#endif
