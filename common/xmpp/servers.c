/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * servers - the table: read from its file, sorted by host; who is a member, and which members are
 * the directory of a user. servers_file.c changes the file.
 */
#include "xmpp/servers.h"

#include "base/hash.h"
#include "base/mem.h"
#include "xmpp/component.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define LINE_MAX_BYTES 1024

struct servers {
    struct server *items; /* by host */
    uint64_t *hashes;     /* of the hosts */
    size_t count, members, refs;
    uint64_t set;
};

static int order(const void *a, const void *b)
{
    const struct server *x = a, *y = b;
    size_t n = x->host.n < y->host.n ? x->host.n : y->host.n;
    int c = memcmp(x->host.p, y->host.p, n);
    return c ? c : (x->host.n > y->host.n) - (x->host.n < y->host.n);
}

/* --- reading ---------------------------------------------------------------------------------- */

bool servers_fingerprint(struct span text, char out_r[SERVER_FINGERPRINT + 1])
{
    if (text.n != SERVER_FINGERPRINT)
        return false;
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        if (c >= 'a' && c <= 'f')
            c = (char)(c - 'a' + 'A');
        if (!((c >= '0' && c <= '9') || (c >= 'A' && c <= 'F')))
            return false;
        out_r[i] = c;
    }
    out_r[text.n] = 0;
    return true;
}

static struct span word(char **rest)
{
    char *p = *rest + strspn(*rest, " \t");
    size_t n = strcspn(p, " \t");
    *rest = p + n;
    return span_make(p, n);
}

static struct server *add(struct servers *list, struct span host)
{
    list->items = mem_realloc(list->items, (list->count + 1) * sizeof *list->items);
    struct server *s = &list->items[list->count++];
    *s = (struct server){.host = span_of(mem_strdup_span(host))};
    return s;
}

/* NULL, or what is wrong with the line (which is changed). */
static const char *read_line(struct servers *list, char *line)
{
    struct server s = {0};
    line[strcspn(line, "#\n")] = 0;
    struct span host = word(&line), fingerprint = word(&line), state = word(&line);
    if (span_is_empty(host))
        return NULL;
    char *name = mem_strdup_span(host);
    bool is_domain = component_is_domain(name);
    free(name);
    if (!is_domain)
        return "the host is not a domain name in lower case";
    if (!servers_fingerprint(fingerprint, s.fingerprint))
        return "the fingerprint is not 40 hexadecimal digits";
    s.is_enabled = span_eq(state, SPAN("enabled"));
    if (!s.is_enabled && !span_eq(state, SPAN("disabled")))
        return "neither enabled nor disabled";
    if (!span_is_empty(word(&line)))
        return "something behind the third word";
    for (size_t i = 0; i < list->count; i++)
        if (span_eq(list->items[i].host, host))
            return "the host is there already";
    if (list->count >= SERVERS_MAX)
        return "too many servers";
    struct server *at = add(list, host);
    s.host = at->host;
    *at = s;
    return NULL;
}

/* Who may write it says who is of the network. */
static const char *fault_of(FILE *f)
{
    struct stat st;
    if (fstat(fileno(f), &st) != 0)
        return strerror(errno);
    return st.st_mode & S_IWOTH ? "everybody may write it; chmod 644 or stricter" : NULL;
}

static bool read_file(struct servers *list, const char *file, char error_r[CONF_ERROR_MAX])
{
    FILE *f = fopen(file, "re");
    char line[LINE_MAX_BYTES];
    const char *wrong = NULL;
    unsigned number = 0;
    if (!f) {
        if (errno == ENOENT)
            return true;
        snprintf(error_r, CONF_ERROR_MAX, "%s: %s", file, strerror(errno));
        return false;
    }
    const char *fault = fault_of(f);
    if (fault) {
        snprintf(error_r, CONF_ERROR_MAX, "%s: %s", file, fault);
        fclose(f);
        return false;
    }
    while (!wrong && fgets(line, sizeof line, f)) {
        number++;
        wrong = strlen(line) == sizeof line - 1 ? "the line is too long" : read_line(list, line);
    }
    if (wrong)
        snprintf(error_r, CONF_ERROR_MAX, "%s:%u: %s", file, number, wrong);
    else if (ferror(f))
        snprintf(error_r, CONF_ERROR_MAX, "%s: %s", file, strerror(errno));
    bool is_read = !wrong && !ferror(f);
    fclose(f);
    return is_read;
}

/* --- making ----------------------------------------------------------------------------------- */

static void mark_self(struct servers *list, struct span self)
{
    for (size_t i = 0; i < list->count; i++) {
        if (span_eq(list->items[i].host, self)) {
            list->items[i].is_self = true;
            return;
        }
    }
    struct server *s = add(list, self);
    s->is_self = s->is_enabled = true;
}

static bool is_member(const struct server *s)
{
    return s->is_enabled || s->is_self;
}

static void finish(struct servers *list)
{
    qsort(list->items, list->count, sizeof *list->items, order);
    list->hashes = mem_alloc(list->count * sizeof *list->hashes);
    list->set = 1;
    for (size_t i = 0; i < list->count; i++) {
        list->hashes[i] = hash_span(list->items[i].host);
        if (!is_member(&list->items[i]))
            continue;
        list->members++;
        list->set = hash_mix(list->set ^ list->hashes[i]);
    }
    if (list->set == 0)
        list->set = 1;
}

struct servers *servers_load(const char *file, struct span self, char error_r[CONF_ERROR_MAX])
{
    struct servers *list = mem_zalloc(sizeof *list);
    list->refs = 1;
    bool is_read = read_file(list, file, error_r);
    mark_self(list, self);
    finish(list);
    if (!is_read)
        servers_unref(&list);
    return list;
}

struct servers *servers_ref(struct servers *list)
{
    list->refs++;
    return list;
}

void servers_unref(struct servers **list)
{
    struct servers *l = *list;
    *list = NULL;
    if (!l || --l->refs > 0)
        return;
    for (size_t i = 0; i < l->count; i++)
        free((void *)(uintptr_t)l->items[i].host.p);
    free(l->items);
    free(l->hashes);
    free(l);
}

/* --- asking ----------------------------------------------------------------------------------- */

size_t servers_count(const struct servers *list)
{
    return list->count;
}

const struct server *servers_at(const struct servers *list, size_t i)
{
    return &list->items[i];
}

const struct server *servers_find(const struct servers *list, struct span host)
{
    const struct server key = {.host = host};
    return bsearch(&key, list->items, list->count, sizeof *list->items, order);
}

bool servers_has(const struct servers *list, struct span host)
{
    const struct server *s = servers_find(list, host);
    return s && is_member(s);
}

bool servers_has_other(const struct servers *list, struct span host)
{
    const struct server *s = servers_find(list, host);
    return s && s->is_enabled && !s->is_self;
}

const struct server *servers_of_domain(const struct servers *list, struct span domain)
{
    while (!span_is_empty(domain)) {
        const struct server *s = servers_find(list, domain);
        if (s)
            return s->is_enabled && !s->is_self ? s : NULL;
        size_t dot = span_index(domain, '.');
        domain = span_from(domain, dot < domain.n ? dot + 1 : dot);
    }
    return NULL;
}

size_t servers_members(const struct servers *list)
{
    return list->members;
}

uint64_t servers_set(const struct servers *list)
{
    return list->set;
}

size_t servers_directory(const struct servers *list, struct span localpart,
                         const struct server *out_r[SERVERS_DIRECTORY])
{
    uint64_t key = hash_span(localpart), best[SERVERS_DIRECTORY] = {0};
    size_t count = 0;
    for (size_t i = 0; i < list->count; i++) {
        const struct server *s = &list->items[i];
        if (!is_member(s))
            continue;
        uint64_t h = hash_mix(key ^ list->hashes[i]);
        size_t at = count;
        while (at > 0 && h > best[at - 1])
            at--;
        if (at == SERVERS_DIRECTORY)
            continue;
        if (count < SERVERS_DIRECTORY)
            count++;
        for (size_t k = count - 1; k > at; k--) {
            best[k] = best[k - 1];
            out_r[k] = out_r[k - 1];
        }
        best[at] = h;
        out_r[at] = s;
    }
    return count;
}
