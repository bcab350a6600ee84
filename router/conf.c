/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * conf - the tables of router.conf and the checks that tables cannot say.
 */
#include "router/conf.h"

#include "base/addr.h"
#include "base/daemon.h"
#include "base/log.h"
#include "xmpp/jid.h"

#include <stdio.h>

#define AT(field) offsetof(struct router_conf, field)
#define IN(field) offsetof(struct component, field)

static const struct conf_key router_keys[] = {
    {.section = "router",
     .name = "listen",
     .type = CONF_ADDRS,
     .is_fixed = true,
     .offset = AT(listen),
     .default_value = "127.0.0.1:5347 unix:/run/kontalk/router.sock",
     .help = "where components connect: loopback and Unix sockets; elsewhere only with TLS"},
    {.section = "router",
     .name = "control",
     .type = CONF_STRING,
     .is_fixed = true,
     .offset = AT(control),
     .default_value = "/run/kontalk/router.ctl",
     .help = "socket of kontalkctl; the instances known before a restart are kept beside it"},
    {.section = "router",
     .name = "log_level",
     .type = CONF_ENUM,
     .offset = AT(log_level),
     .default_value = "info",
     .choices = log_level_names,
     .help = "error, warn, info or debug"},
    {.section = "router",
     .name = "tls_cert",
     .type = CONF_STRING,
     .offset = AT(tls_cert),
     .default_value = "",
     .help = "PEM chain: the TCP listeners then speak TLS from the first byte"},
    {.section = "router",
     .name = "tls_key",
     .type = CONF_STRING,
     .offset = AT(tls_key),
     .default_value = "",
     .help = "PEM key of tls_cert"},
    {.section = "router",
     .name = "queue",
     .type = CONF_SIZE,
     .offset = AT(queue),
     .default_value = "16M",
     .min = 64 * 1024,
     .max = 1024 * 1024 * 1024,
     .help = "bytes queued for one slow component before stanzas for it are bounced"},
    {.section = "router",
     .name = "settle",
     .type = CONF_TIME,
     .offset = AT(settle),
     .default_value = "1s",
     .min = 0,
     .max = 10000,
     .help = "after a start, how long stanzas may wait for the instances known before"},
    {.section = "tap",
     .name = "file",
     .type = CONF_STRING,
     .offset = AT(tap_file),
     .default_value = "",
     .help = "for debugging: a copy of each stanza is appended here; empty: none"},
    {.section = "tap",
     .name = "bodies",
     .type = CONF_BOOL,
     .offset = AT(tap_bodies),
     .default_value = "false",
     .help = "with the texts; otherwise each text is replaced by its length"},
    {.section = "tap",
     .name = "size",
     .type = CONF_SIZE,
     .offset = AT(tap_size),
     .default_value = "64M",
     .min = 4096,
     .max = INT64_C(1) << 40,
     .help = "the copies end when the file has grown to this"},
    {0},
};

static const struct conf_key component_keys[] = {
    {.name = "secret",
     .type = CONF_STRING,
     .offset = IN(secret),
     .help = "of this component alone; internal ones: 32 characters at least"},
    {.name = "names",
     .type = CONF_LIST,
     .offset = IN(names),
     .default_value = "",
     .help = "domains that it may be, one '*' allowed (c2s-*.localhost), or one '**', which also"
             " stands for dots; empty: NAME"},
    {.name = "shared",
     .type = CONF_LIST,
     .offset = IN(shared),
     .default_value = "",
     .help = "domains that it may bind together with others"},
    {.name = "default",
     .type = CONF_BOOL,
     .offset = IN(is_default),
     .default_value = "false",
     .help = "it may bind the default route: all domains that nobody here has"},
    {.name = "internal",
     .type = CONF_BOOL,
     .offset = IN(internal),
     .default_value = "false",
     .help = "one of our own processes: claims, envelopes, verbatim relay"},
    {.name = "relays",
     .type = CONF_BOOL,
     .offset = IN(relays),
     .default_value = "false",
     .help = "it passes on what comes from domains that nobody here has (kontalk-net)"},
    {0},
};

static const struct conf_section sections[] = {
    {.word = "component",
     .keys = component_keys,
     .element_size = sizeof(struct component),
     .name_offset = IN(section),
     .array_offset = AT(components),
     .count_offset = AT(component_count)},
    {0},
};

/* --- checks ----------------------------------------------------------------------------------- */

static bool is_prepared_domain(struct span name)
{
    char out[JID_PART_MAX + 1];
    struct span prepared;
    return jid_prep_domain(name, out, &prepared) && span_eq(prepared, name);
}

/* A domain as it is compared on the wire, with at most one '*' that is not its end. */
static bool is_pattern(struct span pattern)
{
    char text[JID_PART_MAX + 1];
    size_t star = span_index(pattern, '*');
    if (pattern.n == 0 || pattern.n > JID_PART_MAX)
        return false;
    if (star == pattern.n)
        return is_prepared_domain(pattern);
    if (star == pattern.n - 1)
        return false;
    memcpy(text, pattern.p, pattern.n);
    text[star] = 'x';
    if (text[star + 1] == '*' && star + 2 < pattern.n)
        text[star + 1] = 'x';
    return is_prepared_domain(span_make(text, pattern.n));
}

static const char *check_list(const struct component *c, const struct conf_list *list,
                              char scratch[256])
{
    for (size_t i = 0; i < list->count; i++) {
        if (is_pattern(span_of(list->items[i])))
            continue;
        snprintf(scratch, 256, "component %.60s: %.100s is no domain in prepared (lower-case) form",
                 c->section, list->items[i]);
        return scratch;
    }
    return NULL;
}

static const char *check_component(const struct component *c, char scratch[256])
{
    size_t n = strlen(c->secret);
    const char *wrong = NULL;
    if (n == 0)
        wrong = "its secret is empty";
    else if (c->internal && n < ROUTER_SECRET_MIN)
        wrong = "the secret of an internal component needs 32 characters at least";
    else if (c->relays && !c->internal)
        wrong = "relays is for internal components";
    else if (c->names.count == 0 && !is_pattern(span_of(c->section)))
        wrong = "its name is no domain in prepared (lower-case) form, and it has no names";
    if (wrong) {
        snprintf(scratch, 256, "component %.60s: %s", c->section, wrong);
        return scratch;
    }
    const char *reason = check_list(c, &c->names, scratch);
    return reason ? reason : check_list(c, &c->shared, scratch);
}

/* A secret is the identity of a component: two with one secret would be the same. */
static const char *check_secrets(const struct router_conf *conf, char scratch[256])
{
    for (size_t i = 0; i < conf->component_count; i++) {
        for (size_t j = i + 1; j < conf->component_count; j++) {
            const struct component *a = &conf->components[i], *b = &conf->components[j];
            if (strcmp(a->secret, b->secret) != 0)
                continue;
            snprintf(scratch, 256, "components %.60s and %.60s have the same secret", a->section,
                     b->section);
            return scratch;
        }
    }
    return NULL;
}

static const char *check_listen(const struct router_conf *conf, char scratch[256])
{
    bool tls = conf->tls_cert[0] != '\0';
    if (tls != (conf->tls_key[0] != '\0'))
        return "tls_cert and tls_key belong together";
    for (size_t i = 0; i < conf->listen.count; i++) {
        struct addr at;
        if (addr_parse(span_of(conf->listen.items[i]), &at) < 0)
            return "listen: no address";
        if (tls || addr_is_loopback(&at))
            continue;
        snprintf(scratch, 256, "listen: %.100s is reachable from other hosts: set tls_cert",
                 conf->listen.items[i]);
        return scratch;
    }
    return NULL;
}

static const char *check(const void *ctx, char scratch[256])
{
    const struct router_conf *conf = ctx;
    const char *reason = check_listen(conf, scratch);
    for (size_t i = 0; !reason && i < conf->component_count; i++)
        reason = check_component(&conf->components[i], scratch);
    return reason ? reason : check_secrets(conf, scratch);
}

const struct conf_spec router_conf_spec = {
    .keys = router_keys,
    .sections = sections,
    .size = sizeof(struct router_conf),
    .check = check,
};

/* --- rights ----------------------------------------------------------------------------------- */

bool conf_name_matches(struct span pattern, struct span name)
{
    size_t star = span_index(pattern, '*');
    if (star == pattern.n)
        return span_eq(pattern, name);
    bool is_deep = star + 1 < pattern.n && pattern.p[star + 1] == '*';
    struct span head = {pattern.p, star}, tail = span_from(pattern, star + (is_deep ? 2 : 1));
    if (name.n <= head.n + tail.n || !span_starts(name, head) || !span_ends(name, tail))
        return false;
    struct span run = {name.p + head.n, name.n - head.n - tail.n};
    return is_deep || span_index(run, '.') == run.n;
}

static bool list_matches(const struct conf_list *list, struct span name)
{
    for (size_t i = 0; i < list->count; i++)
        if (conf_name_matches(span_of(list->items[i]), name))
            return true;
    return false;
}

bool component_may_be(const struct component *c, struct span name)
{
    if (c->names.count == 0)
        return conf_name_matches(span_of(c->section), name);
    return list_matches(&c->names, name);
}

bool component_may_share(const struct component *c, struct span name)
{
    return list_matches(&c->shared, name);
}

const struct component *conf_component(const struct router_conf *conf, struct span section)
{
    for (size_t i = 0; i < conf->component_count; i++)
        if (span_eq(span_of(conf->components[i].section), section))
            return &conf->components[i];
    return NULL;
}

const struct component *conf_component_for(const struct router_conf *conf, struct span name,
                                           const struct component *prev)
{
    for (size_t i = prev ? (size_t)(prev - conf->components) + 1 : 0; i < conf->component_count;
         i++)
        if (component_may_be(&conf->components[i], name))
            return &conf->components[i];
    return NULL;
}

bool conf_is_ours(const struct router_conf *conf, struct span name)
{
    for (size_t i = 0; i < conf->component_count; i++)
        if (component_may_be(&conf->components[i], name) ||
            component_may_share(&conf->components[i], name))
            return true;
    return false;
}

bool conf_has_default(const struct router_conf *conf)
{
    for (size_t i = 0; i < conf->component_count; i++)
        if (conf->components[i].is_default)
            return true;
    return false;
}

bool conf_has_internal(const struct router_conf *conf)
{
    for (size_t i = 0; i < conf->component_count; i++)
        if (conf->components[i].internal)
            return true;
    return false;
}
