/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * access - see access.h. A rule is written as words, "allow" or "deny" and then whom:
 *
 *   user@example.org   an account; one of ours is the same in both of our domains
 *   @example.org       a domain and everyone in it; one of ours stands for both
 *   local              whoever is in a domain of ours
 *   all, none
 *
 * The words come from the configuration, which has had them checked here line by line; they are
 * made into entries when it is loaded. sm.c calls that, everyone may ask.
 */
#include "c2s/sm/access.h"

#include "c2s/sm/sm_private.h"

#include <stdio.h>
#include <stdlib.h>

const char *const sm_right_names[SM_RIGHTS + 1] = {
    [SM_RIGHT_ADMINISTER] = "administer", [SM_RIGHT_REGISTER] = "register",
    [SM_RIGHT_PASSWORD] = "password",     [SM_RIGHT_MULTICAST] = "multicast",
    [SM_RIGHT_PUBLISH] = "publish",       [SM_RIGHT_PUSH] = "push",
    [SM_RIGHT_REMOTE] = "remote",         [SM_RIGHT_MANY_SESSIONS] = "many-sessions",
};

enum whom { NONE, ALL, LOCAL, DOMAIN, ACCOUNT };

struct entry {
    enum whom whom;
    bool is_allowed;
    bool is_ours; /* the domain is one of ours: both are meant */
    struct span local, domain;
};

struct rule {
    const struct entry *entries; /* NULL: the default holds */
    size_t count;
};

struct sm_access {
    struct arena arena;
    struct rule rules[SM_RIGHTS];
};

static const enum whom defaults[SM_RIGHTS] = {
    [SM_RIGHT_ADMINISTER] = NONE, [SM_RIGHT_REGISTER] = ALL,       [SM_RIGHT_PASSWORD] = LOCAL,
    [SM_RIGHT_MULTICAST] = LOCAL, [SM_RIGHT_PUBLISH] = LOCAL,      [SM_RIGHT_PUSH] = LOCAL,
    [SM_RIGHT_REMOTE] = LOCAL,    [SM_RIGHT_MANY_SESSIONS] = NONE,
};

/* --- reading --- */

static bool read_verb(struct span word, bool *is_allowed_r)
{
    const bool is_allow = span_eq(word, SPAN("allow"));

    if (!is_allow && !span_eq(word, SPAN("deny")))
        return false;
    *is_allowed_r = is_allow;
    return true;
}

/* Views into the word or into scratch. NULL, or what is wrong with it. */
static const char *read_whom(struct span word, struct entry *e, struct jid_scratch *scratch)
{
    static const struct {
        struct span word;
        enum whom whom;
    } words[] = {{SPAN_INIT("all"), ALL}, {SPAN_INIT("none"), NONE}, {SPAN_INIT("local"), LOCAL}};
    struct jid jid;

    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (span_eq(word, words[i].word)) {
            e->whom = words[i].whom;
            return NULL;
        }
    }
    if (span_starts(word, SPAN("@"))) {
        e->whom = DOMAIN;
        return jid_prep_domain(span_from(word, 1), scratch->text, &e->domain) ? NULL
                                                                              : "is no domain";
    }
    if (span_index(word, '@') == word.n)
        return "is neither user@domain, @domain, local, all nor none";
    if (!jid_parse(word, &jid, scratch))
        return "is no address";
    if (!jid_is_bare(&jid))
        return "is the address of a resource: leave that out";
    e->whom = ACCOUNT;
    e->local = jid.local;
    e->domain = jid.domain;
    return NULL;
}

const char *sm_rule_check(const char *text, char scratch[256])
{
    static const char separators[] = ", \t";
    struct jid_scratch prepared;
    struct entry e = {.whom = NONE};
    const char *p = text + strspn(text, separators);
    bool has_verb = false, has_whom = false;

    for (size_t n; *p; p += n, p += strspn(p, separators)) {
        n = strcspn(p, separators);
        struct span word = span_make(p, n);
        if (read_verb(word, &e.is_allowed)) {
            if (has_verb && !has_whom)
                break;
            has_verb = true;
            has_whom = false;
            continue;
        }
        if (!has_verb)
            return "a line begins with allow or deny";
        const char *wrong = read_whom(word, &e, &prepared);
        if (wrong) {
            snprintf(scratch, 256, "%.*s %s", n < 100 ? (int)n : 100, p, wrong);
            return scratch;
        }
        has_whom = true;
    }
    return has_whom ? NULL : "after allow or deny comes whom: user@domain, @domain, local, ...";
}

/* --- loading --- */

static void load(const struct sm *sm, struct arena *arena, struct rule *rule,
                 const struct conf_list *words)
{
    struct entry *entries = arena_alloc(arena, (words->count + 1) * sizeof(*entries));
    bool is_allowed = false;

    rule->entries = entries;
    for (size_t i = 0; i < words->count; i++) {
        struct entry *e = &entries[rule->count];
        struct jid_scratch prepared;
        struct span word = span_of(words->items[i]);
        if (read_verb(word, &is_allowed))
            continue;
        *e = (struct entry){.is_allowed = is_allowed};
        if (read_whom(word, e, &prepared))
            continue; /* not from a configuration that has been checked */
        e->is_ours = sm_is_local_domain(sm, e->domain);
        e->local = arena_span(arena, e->local);
        e->domain = arena_span(arena, e->domain);
        rule->count++;
    }
}

void sm_access_load(struct sm *sm, const struct sm_rule *rules, size_t count)
{
    sm_access_free(sm);
    if (count == 0)
        return;
    sm->access = mem_zalloc(sizeof(*sm->access));
    for (size_t i = 0; i < count; i++) {
        for (size_t right = 0; right < SM_RIGHTS; right++) {
            if (strcmp(rules[i].name, sm_right_names[right]) == 0)
                load(sm, &sm->access->arena, &sm->access->rules[right], &rules[i].words);
        }
    }
}

void sm_access_free(struct sm *sm)
{
    if (!sm->access)
        return;
    arena_free(&sm->access->arena);
    free(sm->access);
    sm->access = NULL;
}

/* --- asking --- */

static bool fits(const struct sm *sm, const struct entry *e, struct span local, struct span domain)
{
    switch (e->whom) {
    case NONE:
        break;
    case ALL:
        return true;
    case LOCAL:
        return !span_is_none(local) && sm_is_local_domain(sm, domain);
    case ACCOUNT:
        if (!span_eq(local, e->local) || span_is_none(local))
            return false;
        return e->is_ours ? sm_is_local_domain(sm, domain) : span_eq(domain, e->domain);
    case DOMAIN:
        return e->is_ours ? sm_is_local_domain(sm, domain) : span_eq(domain, e->domain);
    }
    return false;
}

bool sm_access_allows(const struct sm *sm, enum sm_right right, struct span jid)
{
    const struct span bare = jid_bare_of(jid);
    const size_t at = span_index(bare, '@');
    const struct span local = at < bare.n ? span_make(bare.p, at) : SPAN_NONE;
    const struct span domain = at < bare.n ? span_from(bare, at + 1) : bare;
    const struct rule *rule = sm->access ? &sm->access->rules[right] : NULL;

    if (!rule || !rule->entries)
        return fits(sm, &(struct entry){.whom = defaults[right]}, local, domain);
    for (size_t i = 0; i < rule->count; i++) {
        if (fits(sm, &rule->entries[i], local, domain))
            return rule->entries[i].is_allowed;
    }
    return false;
}

bool sm_may_register(const struct sm *sm, struct span name)
{
    struct buf jid = {0};
    bool is_allowed;

    buf_append(&jid, name);
    buf_append_char(&jid, '@');
    buf_append(&jid, sm->opts.host);
    is_allowed = sm_access_allows(sm, SM_RIGHT_REGISTER, buf_span(&jid));
    buf_free(&jid);
    return is_allowed;
}

/* --- stanzas to other domains --- */

/* A name below the host's is a service of this server, not another one. */
static bool is_elsewhere(const struct sm *sm, struct span domain)
{
    const struct span host = sm->opts.host;

    if (sm_is_network_domain(sm, domain))
        return false;
    return !(domain.n > host.n + 1 && span_ends(domain, host) &&
             domain.p[domain.n - host.n - 1] == '.');
}

/* What the server says in its own name is nobody's stanza. */
static bool is_server(const struct sm *sm, struct span who)
{
    return sm_is_local_domain(sm, who);
}

bool sm_access_reaches(const struct sm *sm, struct span who, struct span domain)
{
    return !is_elsewhere(sm, domain) || is_server(sm, who) ||
           sm_access_allows(sm, SM_RIGHT_REMOTE, who);
}

bool sm_access_sending(struct sm_in *in)
{
    if (sm_access_reaches(in->sm, in->stanza->from, in->to.domain))
        return true;
    sm_refuse(in, STANZA_FORBIDDEN, "not to other servers");
    return false;
}
