/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "net/conf.h"

#include "base/addr.h"
#include "base/daemon.h"

#include <stdio.h>
#include <string.h>

#define AT(field) offsetof(struct net_conf, field)
#define GIB (1024LL * 1024 * 1024)

static const struct conf_key keys[] = {
    {.section = "net", .name = "host", .type = CONF_STRING, .offset = AT(host),
     .is_fixed = true, .help = "The domain that this server is."},
    {.section = "net", .name = "network", .type = CONF_STRING, .offset = AT(network),
     .is_fixed = true,
     .help = "The domain of the network, in which all users have their addresses."},
    {.section = "net", .name = "listen", .type = CONF_ADDRS, .offset = AT(listen),
     .default_value = "0.0.0.0:5270 [::]:5270", .is_fixed = true,
     .help = "Addresses for other servers."},
    {.section = "net", .name = "cert", .type = CONF_STRING, .offset = AT(cert),
     .default_value = "/etc/kontalk/server.pem",
     .help = "The certificate that carries the server's OpenPGP key (kontalkctl server init)."},
    {.section = "net", .name = "key", .type = CONF_STRING, .offset = AT(key),
     .default_value = "/etc/kontalk/server.key",
     .help = "Its private key, PEM; not readable by others."},
    {.section = "net", .name = "servers", .type = CONF_STRING, .offset = AT(servers),
     .default_value = "/var/lib/kontalk/servers",
     .help = "The table of the network's servers (kontalkctl server)."},
    {.section = "net", .name = "control", .type = CONF_STRING, .offset = AT(control),
     .default_value = "/run/kontalk/%i.ctl",
     .is_fixed = true, .help = "Control socket for kontalkctl; %i is the instance."},
    {.section = "net", .name = "log_level", .type = CONF_ENUM, .offset = AT(log_level),
     .default_value = "info", .choices = log_level_names, .help = "error, warn, info or debug."},

    COMPONENT_KEYS(AT(router)),

    {.section = "store", .name = "path", .type = CONF_STRING, .offset = AT(store_path),
     .default_value = "/var/lib/kontalk/net.db",
     .is_fixed = true,
     .help = "Where stanzas wait for servers that cannot be reached; of this process alone."},

    DNS_KEYS(AT(dns)),

    {.section = "policy", .name = "relay", .type = CONF_BOOL, .offset = AT(relay),
     .default_value = "true",
     .help = "What other servers pass on to users here for senders outside of the network is "
             "taken."},
    {.section = "policy", .name = "rate", .type = CONF_SIZE, .offset = AT(rate),
     .default_value = "0", .max = GIB,
     .help = "Bytes a second that are read from one link in the long run; 0: no limit."},
    {.section = "policy", .name = "burst", .type = CONF_SIZE, .offset = AT(burst),
     .default_value = "16M", .min = 4096, .max = GIB, .help = "Bytes at once after a rest."},

    {.section = "limits", .name = "stanza", .type = CONF_SIZE, .offset = AT(stanza),
     .default_value = "2M", .min = 10000, .max = 8 * 1024 * 1024, .help = "Bytes of one stanza."},
    {.section = "limits", .name = "negotiation_time", .type = CONF_TIME,
     .offset = AT(negotiation_time), .default_value = "30s", .min = 1000, .max = 600000,
     .help = "From connecting to a link that is proved."},
    {.section = "limits", .name = "heartbeat", .type = CONF_TIME, .offset = AT(heartbeat),
     .default_value = "30s", .min = 100, .max = 3600000,
     .help = "A link that is silent for so long is asked; after three without an answer it is "
             "dead."},
    {.section = "limits", .name = "connections_per_address", .type = CONF_INT,
     .offset = AT(connections_per_address), .default_value = "20", .min = 1, .max = 1000000,
     .help = "Incoming connections of one address (IPv6: of a /64)."},
    {.section = "limits", .name = "max_connections", .type = CONF_INT,
     .offset = AT(max_connections), .default_value = "2000", .min = 1, .max = 1000000,
     .help = "Incoming connections of all addresses."},
    {.section = "limits", .name = "queue", .type = CONF_INT, .offset = AT(queue.stanzas),
     .default_value = "1000", .min = 1, .max = 1000000,
     .help = "Stanzas in memory for one server."},
    {.section = "limits", .name = "queue_bytes", .type = CONF_SIZE, .offset = AT(queue.bytes),
     .default_value = "16M", .min = 65536, .max = GIB, .help = "Their bytes."},
    {.section = "limits", .name = "queue_stored", .type = CONF_SIZE, .offset = AT(queue.stored),
     .default_value = "1G", .min = 0, .max = 1024 * GIB,
     .help = "Bytes in the store for one server."},
    {.section = "limits", .name = "queue_time", .type = CONF_TIME, .offset = AT(queue.time),
     .default_value = "24h", .min = 1000, .max = 2592000000LL,
     .help = "How long a stanza waits for a server, before it comes back."},
    {.section = "limits", .name = "backlog", .type = CONF_SIZE, .offset = AT(backlog),
     .default_value = "4M", .min = 65536, .max = GIB,
     .help = "Bytes written to one link that its peer has not taken."},
    {0},
};

static const struct conf_key server_keys[] = {
    {.name = "route", .type = CONF_STRING, .offset = offsetof(struct net_server, route),
     .default_value = "", .help = "HOST:PORT to connect to, whatever the DNS says."},
    {0},
};

static const struct conf_section sections[] = {
    {.word = "server", .keys = server_keys, .element_size = sizeof(struct net_server),
     .name_offset = offsetof(struct net_server, name), .array_offset = AT(routes),
     .count_offset = AT(route_count)},
    {0},
};

static const char *check_server(const struct net_server *s, char scratch[256])
{
    struct span host;
    uint16_t port;
    const char *wrong = NULL;
    if (!component_is_domain(s->name))
        wrong = "is not a domain name in lower case";
    else if (*s->route && !addr_split(span_of(s->route), &host, &port))
        wrong = "route is not HOST:PORT";
    if (!wrong)
        return NULL;
    snprintf(scratch, 256, "[server %.100s] %s", s->name, wrong);
    return scratch;
}

static const char *check(const void *conf, char scratch[256])
{
    const struct net_conf *c = conf;
    if (!component_is_domain(c->host))
        return "[net] host is not a domain name in lower case";
    if (!component_is_domain(c->network))
        return "[net] network is not a domain name in lower case";
    if (strcmp(c->host, c->network) == 0)
        return "[net] network is the same as host: a network has a domain of its own";
    if (c->rate > 0 && c->rate < 4096)
        return "[policy] rate is under 4K (0: no limit)";
    const char *wrong = component_conf_check(&c->router, scratch);
    for (size_t i = 0; !wrong && i < c->route_count; i++)
        wrong = check_server(&c->routes[i], scratch);
    return wrong;
}

const struct conf_spec net_conf_spec = {
    .keys = keys,
    .sections = sections,
    .size = sizeof(struct net_conf),
    .check = check,
};
