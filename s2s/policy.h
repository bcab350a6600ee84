/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * policy - what the configuration says of one remote domain: its [domain NAME] section over the
 * defaults of [policy], and the deny file.
 */
#ifndef S2S_POLICY_H
#define S2S_POLICY_H

#include "base/span.h"
#include "s2s/conf.h"

struct s2s;

struct s2s_policy {
    bool is_denied; /* no stream in either direction */
    bool requires_tls;
    bool requires_cert;     /* a certificate must prove the domain: no dialback */
    bool allows_private;    /* its addresses may be private ones (S11) */
    struct span pin;        /* SHA-256 of its certificate, hex; none */
    struct span route_host; /* static way to it; none: by the DNS */
    uint16_t route_port;
    bool route_is_direct; /* TLS from the first byte */
    uint64_t rate;        /* bytes a second that are read from each of its streams */
    uint64_t burst;
    const char *section; /* which one decided: "domain example.org", "policy", "deny" */
};

/* Views into the configuration: valid until the next reload. A section for example.org does not
 * hold for chat.example.org, unless it is called "*.example.org". */
struct s2s_policy policy_of(const struct s2s *s, struct span domain);
/* Reads the deny file (one domain a line, # comments, "*.example.org" for all below); false with
 * file, line and reason: what was in force stays. */
bool policy_load(struct s2s *s, const struct s2s_conf *conf, char error_r[CONF_ERROR_MAX]);
/* The same for the table of the network's servers alone. */
bool policy_load_servers(struct s2s *s, const struct s2s_conf *conf, char error_r[CONF_ERROR_MAX]);
void policy_free(struct s2s *s);

#endif
