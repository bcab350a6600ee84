/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "s2s/conf.h"

#include "base/addr.h"
#include "base/daemon.h"
#include "xmpp/jid.h"

#include <stdio.h>
#include <string.h>

#define AT(field) offsetof(struct s2s_conf, field)
#define GIB (1024LL * 1024 * 1024)

static const char *const tls_choices[] = {"required", "optional", NULL};
static const char *const auth_choices[] = {"certificate", "dialback", NULL};

static const struct conf_key keys[] = {
    {.section = "s2s", .name = "host", .type = CONF_STRING, .offset = AT(host),
     .is_fixed = true,
     .help = "The domain that this server is; components under it are spoken for, too."},
    {.section = "s2s", .name = "network", .type = CONF_STRING, .offset = AT(network),
     .default_value = "", .is_fixed = true,
     .help = "The network's domain; empty: the same as host."},
    {.section = "s2s", .name = "also", .type = CONF_LIST, .offset = AT(also), .default_value = "",
     .help = "Further domains that we speak for."},
    {.section = "s2s", .name = "listen", .type = CONF_ADDRS, .offset = AT(listen),
     .default_value = "0.0.0.0:5269 [::]:5269", .is_fixed = true,
     .help = "Addresses for other servers."},
    {.section = "s2s", .name = "listen_tls", .type = CONF_ADDRS, .offset = AT(listen_tls),
     .default_value = "", .is_fixed = true,
     .help = "Addresses for those with direct TLS (XEP-0368)."},
    {.section = "s2s", .name = "cert", .type = CONF_STRING, .offset = AT(cert),
     .default_value = "/etc/kontalk/cert.pem",
     .help = "Certificate chain, PEM: shown in both directions."},
    {.section = "s2s", .name = "key", .type = CONF_STRING, .offset = AT(key),
     .default_value = "/etc/kontalk/key.pem", .help = "Private key, PEM; not readable by others."},
    {.section = "s2s", .name = "ca", .type = CONF_STRING, .offset = AT(ca),
     .default_value = "/etc/ssl/certs/ca-certificates.crt",
     .help = "Certificates that those of other servers must descend from, PEM."},
    {.section = "s2s", .name = "servers", .type = CONF_STRING, .offset = AT(servers),
     .default_value = "/var/lib/kontalk/servers",
     .help = "The table of the network's servers, which are not federated with."},
    {.section = "s2s", .name = "control", .type = CONF_STRING, .offset = AT(control),
     .default_value = "/run/kontalk/%i.ctl",
     .is_fixed = true, .help = "Control socket for kontalkctl; %i is the instance."},
    {.section = "s2s", .name = "log_level", .type = CONF_ENUM, .offset = AT(log_level),
     .default_value = "info", .choices = log_level_names, .help = "error, warn, info or debug."},

    COMPONENT_KEYS(AT(router)),

    {.section = "store", .name = "path", .type = CONF_STRING, .offset = AT(store_path),
     .default_value = "/var/lib/kontalk/s2s.db",
     .is_fixed = true,
     .help = "Where stanzas wait for servers that cannot be reached; of this process alone."},

    DNS_KEYS(AT(dns)),
    {.section = "dns", .name = "dane", .type = CONF_BOOL, .offset = AT(dane),
     .default_value = "true", .help = "Validated TLSA records decide about certificates."},

    {.section = "policy", .name = "tls", .type = CONF_ENUM, .offset = AT(tls),
     .default_value = "required", .choices = tls_choices, .help = "required, or optional."},
    {.section = "policy", .name = "auth", .type = CONF_ENUM, .offset = AT(auth),
     .default_value = "dialback", .choices = auth_choices,
     .help = "certificate, or dialback: where the certificate proves nothing, the DNS does."},
    {.section = "policy", .name = "private", .type = CONF_BOOL, .offset = AT(private),
     .default_value = "false", .help = "Domains may lead to private addresses."},
    {.section = "policy", .name = "deny_file", .type = CONF_STRING, .offset = AT(deny_file),
     .default_value = "", .help = "Domains without federation, one a line; *.NAME: all below."},
    {.section = "policy", .name = "rate", .type = CONF_SIZE, .offset = AT(rate),
     .default_value = "256K", .max = GIB,
     .help = "Bytes a second read from one stream in the long run; 0: no limit."},
    {.section = "policy", .name = "burst", .type = CONF_SIZE, .offset = AT(burst),
     .default_value = "1M", .min = 4096, .max = GIB, .help = "Bytes at once after a rest."},

    {.section = "limits", .name = "stanza", .type = CONF_SIZE, .offset = AT(stanza),
     .default_value = "512K", .min = 10000, .max = 900 * 1024, .help = "Bytes of one stanza."},
    {.section = "limits", .name = "negotiation_time", .type = CONF_TIME,
     .offset = AT(negotiation_time), .default_value = "60s", .min = 1000, .max = 600000,
     .help = "From connecting to a stream that is authenticated."},
    {.section = "limits", .name = "idle_time", .type = CONF_TIME, .offset = AT(idle_time),
     .default_value = "15m", .min = 10000, .max = 7 * 86400000LL,
     .help = "A stream that nobody uses is closed after it."},
    {.section = "limits", .name = "connections_per_address", .type = CONF_INT,
     .offset = AT(connections_per_address), .default_value = "100", .min = 1, .max = 1000000,
     .help = "Incoming connections of one address (IPv6: /64)."},
    {.section = "limits", .name = "max_connections", .type = CONF_INT,
     .offset = AT(max_connections), .default_value = "10000", .min = 1, .max = 1000000,
     .help = "Incoming connections in all."},
    {.section = "limits", .name = "max_pairs", .type = CONF_INT, .offset = AT(max_pairs),
     .default_value = "20000", .min = 1, .max = 1000000,
     .help = "Domains elsewhere that stanzas wait for or that we have streams to."},
    {.section = "limits", .name = "pairs_per_stream", .type = CONF_INT,
     .offset = AT(pairs_per_stream), .default_value = "20", .min = 1, .max = 10000,
     .help = "Pairs of domains that one incoming stream may be authenticated for."},
    {.section = "limits", .name = "queue", .type = CONF_INT, .offset = AT(queue.stanzas),
     .default_value = "1000", .min = 10, .max = 1000000,
     .help = "Stanzas for one domain kept in memory; more go to the store."},
    {.section = "limits", .name = "queue_bytes", .type = CONF_SIZE, .offset = AT(queue.bytes),
     .default_value = "4M", .min = 1024 * 1024, .max = GIB, .help = "Their bytes."},
    {.section = "limits", .name = "queue_stored", .type = CONF_SIZE, .offset = AT(queue.stored),
     .default_value = "100M", .min = 0, .max = 1024 * GIB,
     .help = "Bytes for one domain in the store; more come back to their senders."},
    {.section = "limits", .name = "queue_time", .type = CONF_TIME, .offset = AT(queue.time),
     .default_value = "1h", .min = 1000, .max = 30 * 86400000LL,
     .help = "How long a stanza waits for a server that cannot be reached."},
    {.section = "limits", .name = "backlog", .type = CONF_SIZE, .offset = AT(backlog),
     .default_value = "4M", .min = 65536, .max = GIB,
     .help = "Bytes written to one stream and not yet taken by the peer."},
    {.section = "limits", .name = "presence_rate", .type = CONF_INT, .offset = AT(presence_rate),
     .default_value = "10", .max = 1000000,
     .help = "Presence stanzas a second from one domain to one user; 0: no limit."},
    {.section = "limits", .name = "presence_burst", .type = CONF_INT, .offset = AT(presence_burst),
     .default_value = "200", .min = 1, .max = 1000000, .help = "Those at once after a rest."},
    {0},
};

#define IN(field) offsetof(struct s2s_domain, field)

/* The first of each is S2S_UNSET: what [policy] says. */
static const char *const tls_or_not[] = {"default", "required", "optional", NULL};
static const char *const auth_or_not[] = {"default", "certificate", "dialback", NULL};
static const char *const bool_or_not[] = {"default", "false", "true", NULL};

static const struct conf_key domain_keys[] = {
    {.name = "tls", .type = CONF_ENUM, .offset = IN(tls), .default_value = "default",
     .choices = tls_or_not, .help = "required or optional; default: as in [policy]."},
    {.name = "auth", .type = CONF_ENUM, .offset = IN(auth), .default_value = "default",
     .choices = auth_or_not, .help = "certificate or dialback."},
    {.name = "private", .type = CONF_ENUM, .offset = IN(private), .default_value = "default",
     .choices = bool_or_not, .help = "true: it may lead to private addresses."},
    {.name = "pin", .type = CONF_STRING, .offset = IN(pin), .default_value = "",
     .help = "SHA-256 of its certificate, hexadecimal: this one and no other."},
    {.name = "route", .type = CONF_STRING, .offset = IN(route), .default_value = "",
     .help = "HOST:PORT to connect to, whatever the DNS says."},
    {.name = "route_tls", .type = CONF_BOOL, .offset = IN(route_tls), .default_value = "false",
     .help = "TLS from the first byte there."},
    {.name = "deny", .type = CONF_BOOL, .offset = IN(deny), .default_value = "false",
     .help = "No federation with it."},
    {.name = "rate", .type = CONF_SIZE, .offset = IN(rate), .default_value = "0", .max = GIB,
     .help = "Bytes a second read from one stream; 0: as in [policy]."},
    {.name = "burst", .type = CONF_SIZE, .offset = IN(burst), .default_value = "0", .max = GIB,
     .help = "Bytes at once; 0: as in [policy]."},
    {0},
};

static const struct conf_section sections[] = {
    {.word = "domain", .keys = domain_keys, .element_size = sizeof(struct s2s_domain),
     .name_offset = IN(name), .array_offset = AT(domains), .count_offset = AT(domain_count)},
    {0},
};

static bool is_fingerprint(struct span text)
{
    size_t digits = 0;
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'))
            digits++;
        else if (c != ':')
            return false;
    }
    return digits == 64;
}

static const char *check_domain(const struct s2s_domain *d, char scratch[256])
{
    const char *wrong = NULL;
    const char *name = strncmp(d->name, "*.", 2) == 0 ? d->name + 2 : d->name;
    struct span host;
    uint16_t port;
    if (!component_is_domain(name))
        wrong = "is not a domain name in lower case";
    else if (*d->pin && !is_fingerprint(span_of(d->pin)))
        wrong = "pin is no SHA-256: 64 hexadecimal digits";
    else if (*d->route && !addr_split(span_of(d->route), &host, &port))
        wrong = "route is not HOST:PORT";
    else if (d->route_tls && !*d->route)
        wrong = "route_tls without route";
    if (!wrong)
        return NULL;
    snprintf(scratch, 256, "[domain %.100s] %s", d->name, wrong);
    return scratch;
}

static const char *check(const void *conf, char scratch[256])
{
    const struct s2s_conf *c = conf;
    if (!component_is_domain(c->host))
        return "[s2s] host is not a domain name in lower case";
    if (*c->network && !component_is_domain(c->network))
        return "[s2s] network is not a domain name in lower case";
    for (size_t i = 0; i < c->also.count; i++)
        if (!component_is_domain(c->also.items[i]))
            return "[s2s] also has what is not a domain name in lower case";
    if (c->rate > 0 && c->rate < 4096)
        return "[policy] rate is under 4K (0: no limit)";
    const char *bad_link = component_conf_check(&c->router, scratch);
    if (bad_link)
        return bad_link;
    for (size_t i = 0; i < c->domain_count; i++) {
        const char *wrong = check_domain(&c->domains[i], scratch);
        if (wrong)
            return wrong;
    }
    return NULL;
}

const struct conf_spec s2s_conf_spec = {
    .keys = keys,
    .sections = sections,
    .size = sizeof(struct s2s_conf),
    .check = check,
};
