/* SPDX-License-Identifier: GPL-3.0-or-later */
/* policy: see policy.h. A look costs one hash for each label of the domain. */
#include "s2s/policy.h"

#include "base/mem.h"
#include "s2s/s2s.h"
#include "xmpp/jid.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* --- the deny file ---------------------------------------------------------------------------- */

#define DENY_LINE_MAX 1100
#define DENY_MAX 1000000

struct denied {
    size_t n;
    char name[]; /* "example.org" or "*.example.org" */
};

static void free_denied(struct map *m)
{
    size_t cursor = 0;
    for (struct denied *d; (d = map_next(m, &cursor));)
        free(d);
    map_free(m);
}

static struct span trimmed(char *line)
{
    char *end = line + strcspn(line, "#\r\n");
    while (line < end && (*line == ' ' || *line == '\t'))
        line++;
    while (end > line && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    return span_make(line, (size_t)(end - line));
}

static bool deny(struct map *m, struct span name)
{
    char out[JID_PART_MAX + 1];
    struct span domain;
    bool is_below = span_starts(name, SPAN("*."));
    if (!jid_prep_domain(is_below ? span_from(name, 2) : name, out, &domain))
        return false;
    struct denied *d = mem_alloc(sizeof *d + 2 + domain.n);
    d->n = (is_below ? 2 : 0) + domain.n;
    memcpy(d->name, "*.", 2);
    memcpy(d->name + (is_below ? 2 : 0), domain.p, domain.n);
    free(map_put(m, span_make(d->name, d->n), d));
    return true;
}

static bool read_denied(FILE *file, const char *path, struct map *m, char *error_r)
{
    char line[DENY_LINE_MAX];
    for (size_t number = 1; fgets(line, sizeof line, file); number++) {
        struct span name = trimmed(line);
        if (span_is_empty(name))
            continue;
        if (m->count >= DENY_MAX || !deny(m, name)) {
            snprintf(error_r, CONF_ERROR_MAX, "%s:%zu: %s", path, number,
                     m->count >= DENY_MAX ? "too many domains" : "is not a domain name");
            return false;
        }
    }
    if (!ferror(file))
        return true;
    snprintf(error_r, CONF_ERROR_MAX, "%s: %s", path, strerror(errno));
    return false;
}

/* The other servers of the network are reached by kontalk-net, where they prove more. */
bool policy_load_servers(struct s2s *s, const struct s2s_conf *conf, char error_r[CONF_ERROR_MAX])
{
    struct servers *list = NULL;
    if (!span_eq(s->network, s->host)) {
        list = servers_load(conf->servers, s->host, error_r);
        if (!list)
            return false;
    }
    servers_unref(&s->servers);
    s->servers = list;
    return true;
}

bool policy_load(struct s2s *s, const struct s2s_conf *conf, char error_r[CONF_ERROR_MAX])
{
    struct map denied = {0};
    if (*conf->deny_file) {
        FILE *file = fopen(conf->deny_file, "re");
        if (!file) {
            snprintf(error_r, CONF_ERROR_MAX, "%s: %s", conf->deny_file, strerror(errno));
            return false;
        }
        bool ok = read_denied(file, conf->deny_file, &denied, error_r);
        fclose(file);
        if (!ok) {
            free_denied(&denied);
            return false;
        }
    }
    if (!policy_load_servers(s, conf, error_r)) {
        free_denied(&denied);
        return false;
    }
    free_denied(&s->denied);
    s->denied = denied;
    return true;
}

void policy_free(struct s2s *s)
{
    free_denied(&s->denied);
    servers_unref(&s->servers);
}

/* --- one domain ------------------------------------------------------------------------------- */

/* pattern: "example.org", or "*.example.org" for all that is below. */
static bool matches(struct span pattern, struct span domain)
{
    if (!span_starts(pattern, SPAN("*.")))
        return span_eq(pattern, domain);
    struct span below = span_from(pattern, 1);
    return domain.n > below.n && span_ends(domain, below);
}

/* The section that says most: the domain's own, else the longest that it is below. */
static const struct s2s_domain *section_of(const struct s2s_conf *conf, struct span domain)
{
    const struct s2s_domain *best = NULL;
    for (size_t i = 0; i < conf->domain_count; i++) {
        const struct s2s_domain *d = &conf->domains[i];
        if (!matches(span_of(d->name), domain))
            continue;
        if (*d->name != '*')
            return d;
        if (!best || strlen(d->name) > strlen(best->name))
            best = d;
    }
    return best;
}

static bool is_denied(const struct s2s *s, struct span domain)
{
    char pattern[JID_PART_MAX + 3] = "*.";
    if (s->denied.count == 0)
        return false;
    if (map_get(&s->denied, domain))
        return true;
    for (size_t dot; (dot = span_index(domain, '.')) < domain.n;) {
        domain = span_from(domain, dot + 1);
        memcpy(pattern + 2, domain.p, domain.n);
        if (map_get(&s->denied, span_make(pattern, domain.n + 2)))
            return true;
    }
    return false;
}

static void refine(struct s2s_policy *p, const struct s2s_domain *d)
{
    p->section = d->name;
    p->is_denied = d->deny;
    if (d->tls != S2S_UNSET)
        p->requires_tls = d->tls - 1 == S2S_TLS_REQUIRED;
    if (d->auth != S2S_UNSET)
        p->requires_cert = d->auth - 1 == S2S_AUTH_CERTIFICATE;
    if (d->private != S2S_UNSET)
        p->allows_private = d->private == 2;
    if (*d->pin)
        p->pin = span_of(d->pin);
    if (*d->route) {
        addr_split(span_of(d->route), &p->route_host, &p->route_port);
        p->route_is_direct = d->route_tls;
    }
    if (d->rate > 0)
        p->rate = (uint64_t)d->rate;
    if (d->burst > 0)
        p->burst = (uint64_t)d->burst;
}

struct s2s_policy policy_of(const struct s2s *s, struct span domain)
{
    const struct s2s_conf *conf = s->conf;
    struct s2s_policy p = {
        .requires_tls = conf->tls == S2S_TLS_REQUIRED,
        .requires_cert = conf->auth == S2S_AUTH_CERTIFICATE,
        .allows_private = conf->private,
        .rate = (uint64_t)conf->rate,
        .burst = (uint64_t)conf->burst,
        .section = "policy",
    };
    const struct s2s_domain *d = section_of(conf, domain);
    if (d)
        refine(&p, d);
    if (is_denied(s, domain)) {
        p.is_denied = true;
        p.section = "deny_file";
    }
    if (s->servers && servers_of_domain(s->servers, domain)) {
        p.is_denied = true;
        p.section = "a server of the network: kontalkctl net explain";
    }
    return p;
}
