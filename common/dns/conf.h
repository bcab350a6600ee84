/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * conf - the section [dns] of the daemons that connect to other servers.
 */
#ifndef DNS_CONF_H
#define DNS_CONF_H

#include "base/conf.h"
#include "dns/resolve.h"

/* Embedded in the process's struct of settings. */
struct dns_conf {
    char *resolv_conf, *trust_anchor, *hosts;
    struct conf_list servers;
};

/* Its rows in the process's table; at: the struct's offset there. */
#define DNS_KEY(at, field) (at) + offsetof(struct dns_conf, field)
#define DNS_KEYS(at)                                                                               \
    {.section = "dns", .name = "resolv_conf", .type = CONF_STRING,                                 \
     .offset = DNS_KEY(at, resolv_conf), .default_value = "/etc/resolv.conf",                      \
     .is_fixed = true, .help = "Names the DNS servers to ask."},                                   \
    {.section = "dns", .name = "servers", .type = CONF_LIST, .offset = DNS_KEY(at, servers),       \
     .default_value = "", .is_fixed = true, .help = "Asked instead: ADDRESS or ADDRESS@PORT."},    \
    {.section = "dns", .name = "trust_anchor", .type = CONF_STRING,                                \
     .offset = DNS_KEY(at, trust_anchor), .default_value = "/usr/share/dns/root.key",              \
     .is_fixed = true,                                                                             \
     .help = "Of DNSSEC; empty: answers are not validated, and there is no DANE."},                \
    {.section = "dns", .name = "hosts", .type = CONF_STRING, .offset = DNS_KEY(at, hosts),         \
     .default_value = "", .is_fixed = true,                                                        \
     .help = "Addresses that no server is asked for, as /etc/hosts."}

/* NULL with a reason. */
struct resolver *dns_conf_resolver(const struct dns_conf *conf, struct loop *loop,
                                   char error_r[CONF_ERROR_MAX]);

#endif
