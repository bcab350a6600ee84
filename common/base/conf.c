/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * conf - loading. libinih splits lines into keys and values; this file gives it the lines one by
 * one, and so knows where it is: every refusal names file and line. Section headers are read here,
 * because libinih cuts long ones silently and does not tell of empty sections.
 */
#include "base/conf.h"

#include "base/buf.h"
#include "base/conf_private.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define CONF_FILE_MAX ((size_t)1 << 20)
#define CONF_LINE_MAX 4096

/* A load under way. */
struct load {
    const struct conf_spec *spec;
    const char *path;
    char *error; /* CONF_ERROR_MAX; empty: none yet */
    void *conf;
    struct span rest; /* of the file */
    int line;
    char section[64];                 /* the header's text, for finding and for telling */
    const struct conf_section *named; /* in a named section: its description */
    void *element;                    /* and its element */
    int element_line;                 /* and where it starts */
    int *main_lines;                  /* per key of spec: the line that set it; 0: none */
    int *element_lines;               /* per key of the named section */
};

static void load_fail(struct load *l, int line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The first reason counts. */
static void load_fail(struct load *l, int line, const char *format, ...)
{
    char reason[CONF_REASON_MAX];
    va_list args;

    if (l->error[0])
        return;
    va_start(args, format);
    vsnprintf(reason, sizeof(reason), format, args);
    va_end(args);
    if (line)
        snprintf(l->error, CONF_ERROR_MAX, "%.200s:%d: %s", l->path, line, reason);
    else
        snprintf(l->error, CONF_ERROR_MAX, "%.200s: %s", l->path, reason);
}

static size_t count_keys(const struct conf_key *keys)
{
    size_t n = 0;
    while (keys[n].name)
        n++;
    return n;
}

/* --- the array of a named section --- */

static char **elements_of(const struct conf_section *s, void *conf)
{
    return (char **)(void *)((char *)conf + s->array_offset);
}

static size_t *count_of(const struct conf_section *s, void *conf)
{
    return (size_t *)(void *)((char *)conf + s->count_offset);
}

static char **name_of(const struct conf_section *s, void *element)
{
    return (char **)(void *)((char *)element + s->name_offset);
}

static void *element_add(const struct conf_section *s, void *conf, struct span name)
{
    char **elements = elements_of(s, conf);
    size_t count = (*count_of(s, conf))++;

    *elements = mem_realloc(*elements, (count + 1) * s->element_size);
    void *element = *elements + count * s->element_size;
    memset(element, 0, s->element_size);
    *name_of(s, element) = mem_strdup_span(name);
    return element;
}

static bool element_exists(const struct conf_section *s, void *conf, struct span name)
{
    for (size_t i = 0; i < *count_of(s, conf); i++)
        if (span_eq(span_of(*name_of(s, *elements_of(s, conf) + i * s->element_size)), name))
            return true;
    return false;
}

/* --- ends: what was not said gets its default --- */

static void fill_defaults(struct load *l, const struct conf_key *keys, const int *lines, void *base,
                          int line)
{
    char reason[CONF_REASON_MAX];

    for (size_t i = 0; keys[i].name && !l->error[0]; i++) {
        const char *section = keys[i].section ? keys[i].section : l->section;
        if (lines[i])
            continue;
        if (!keys[i].default_value)
            load_fail(l, line, "[%.63s] needs a value for %s", section, keys[i].name);
        else if (!conf_value_set(&keys[i], base, keys[i].default_value, reason))
            load_fail(l, line, "[%.63s] default: %s", section, reason);
    }
}

static void end_named(struct load *l)
{
    if (!l->named)
        return;
    fill_defaults(l, l->named->keys, l->element_lines, l->element, l->element_line);
    free(l->element_lines);
    l->element_lines = NULL;
    l->named = NULL;
}

/* --- sections --- */

static struct span trim(struct span s)
{
    while (s.n && strchr(" \t\r", s.p[0]))
        s = span_from(s, 1);
    while (s.n && strchr(" \t\r", s.p[s.n - 1]))
        s.n--;
    return s;
}

static bool is_known_name(const struct conf_section *s, struct span name)
{
    if (!s->names)
        return true;
    for (size_t i = 0; s->names[i]; i++)
        if (span_eq(name, span_of(s->names[i])))
            return true;
    return false;
}

static void fail_unknown_name(struct load *l, const struct conf_section *s)
{
    char all[CONF_REASON_MAX / 2];

    conf_names_describe(s, all, sizeof(all));
    load_fail(l, l->line, "[%s NAME]: NAME must be %s", s->word, all);
}

static void begin_named(struct load *l, const struct conf_section *s, struct span name)
{
    if (name.n == 0)
        load_fail(l, l->line, "[%s] needs a name: [%s NAME]", s->word, s->word);
    else if (!is_known_name(s, name))
        fail_unknown_name(l, s);
    else if (element_exists(s, l->conf, name))
        load_fail(l, l->line, "[%s %.*s] is there twice", s->word, SPAN_ARG(name));
    if (l->error[0])
        return;
    l->named = s;
    l->element = element_add(s, l->conf, name);
    l->element_line = l->line;
    l->element_lines = mem_zalloc((count_keys(s->keys) + 1) * sizeof(int));
}

static void begin_section(struct load *l, struct span header)
{
    end_named(l);
    size_t blank = 0;
    while (blank < header.n && header.p[blank] != ' ' && header.p[blank] != '\t')
        blank++;
    struct span word = span_make(header.p, blank);
    snprintf(l->section, sizeof(l->section), "%.*s", SPAN_ARG(header));
    for (const struct conf_section *s = l->spec->sections; s && s->word; s++) {
        if (span_eq(word, span_of(s->word))) {
            begin_named(l, s, trim(span_from(header, blank)));
            return;
        }
    }
    for (const struct conf_key *k = l->spec->keys; k->name; k++)
        if (span_eq(header, span_of(k->section)))
            return;
    if (!l->spec->is_partial)
        load_fail(l, l->line, "unknown section [%.*s]", (int)(header.n > 60 ? 60 : header.n),
                  header.p);
}

/* A header is a line of its own; after it only a comment may come. */
static void read_header(struct load *l, struct span line)
{
    size_t close = span_index(line, ']');

    if (close == line.n) {
        load_fail(l, l->line, "a section's name ends with ]");
        return;
    }
    struct span after = trim(span_from(line, close + 1));
    if (after.n && after.p[0] != ';' && after.p[0] != '#')
        load_fail(l, l->line, "nothing may follow the section's name");
    else
        begin_section(l, trim(span_make(line.p + 1, close - 1)));
}

/* --- libinih's two callbacks --- */

/* As fgets: the next line, NULL at the end or after an error. */
static char *read_line(char *to, int room, void *ctx)
{
    struct load *l = ctx;

    if (l->error[0] || l->rest.n == 0)
        return NULL;
    size_t n = span_index(l->rest, '\n');
    struct span line = span_make(l->rest.p, n);
    l->rest = span_from(l->rest, n < l->rest.n ? n + 1 : n);
    l->line++;
    if (n >= CONF_LINE_MAX - 2 || n + 2 > (size_t)room)
        load_fail(l, l->line, "the line is too long");
    else if (memchr(line.p, '\0', n))
        load_fail(l, l->line, "the line holds a NUL byte");
    struct span text = trim(line);
    if (!l->error[0] && text.n && text.p[0] == '[')
        read_header(l, text);
    if (l->error[0])
        return NULL;
    memcpy(to, line.p, n);
    to[n] = '\n';
    to[n + 1] = '\0';
    return to;
}

static const struct conf_key *find_key(const struct load *l, const char *name, size_t *index_r)
{
    const struct conf_key *keys = l->named ? l->named->keys : l->spec->keys;

    for (size_t i = 0; keys[i].name; i++) {
        if (strcmp(keys[i].name, name) != 0)
            continue;
        if (!l->named && strcmp(keys[i].section, l->section) != 0)
            continue;
        *index_r = i;
        return &keys[i];
    }
    return NULL;
}

/* Quotes keep blanks at the ends; without the second one libinih has cut a comment off. */
static bool unquote(char *value)
{
    size_t n = strlen(value);

    if (value[0] != '"')
        return true;
    if (n < 2 || value[n - 1] != '"')
        return false;
    memmove(value, value + 1, n - 2);
    value[n - 2] = '\0';
    return true;
}

static void set_value(struct load *l, const struct conf_key *key, const char *text)
{
    char reason[CONF_REASON_MAX], scratch[256];
    const char *against = NULL;

    if (!conf_value_set(key, l->named ? l->element : l->conf, text, reason))
        load_fail(l, l->line, "%s", reason);
    else if (key->check && (against = key->check(text, scratch)))
        load_fail(l, l->line, "%s: %s", key->name, against);
}

static int on_value(void *ctx, const char *section, const char *name, const char *value)
{
    struct load *l = ctx;
    char text[CONF_LINE_MAX];
    size_t index;

    (void)section; /* perhaps cut; read_header has the whole one */
    const struct conf_key *key = find_key(l, name, &index);
    if (!key && l->spec->is_partial)
        return 1;
    if (!key) {
        load_fail(l, l->line, "unknown key %.60s in [%s]", name, l->section);
        return 0;
    }
    int *lines = l->named ? l->element_lines : l->main_lines;
    if (lines[index] && !key->is_repeated) {
        load_fail(l, l->line, "%s is set twice (first in line %d)", name, lines[index]);
        return 0;
    }
    lines[index] = l->line;
    snprintf(text, sizeof(text), "%s", value);
    if (!unquote(text))
        load_fail(l, l->line, "%s has an opening quote without a closing one", name);
    else
        set_value(l, key, text);
    mem_wipe(text, strlen(text));
    return l->error[0] == '\0';
}

/* --- loading --- */

static void check_mode(struct load *l, const struct stat *st)
{
    if (st->st_mode & (S_IWGRP | S_IWOTH))
        load_fail(l, 0, "it holds secrets, but others than its owner may write it (chmod 640)");
    else if (st->st_mode & S_IROTH)
        load_fail(l, 0, "it holds secrets, but everybody may read it (chmod 640)");
}

static void read_file(struct load *l, bool secret, struct buf *file)
{
    struct stat st;
    int fd = open(l->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0 || fstat(fd, &st) < 0) {
        load_fail(l, 0, "cannot be opened: %s", strerror(errno));
    } else if (!S_ISREG(st.st_mode)) {
        load_fail(l, 0, "is no file");
    } else if (secret) {
        check_mode(l, &st);
    }
    for (ssize_t n = 1; n > 0 && !l->error[0];) {
        char *to = buf_reserve(file, 4096);
        n = to ? read(fd, to, 4096) : 0;
        if (n < 0)
            load_fail(l, 0, "cannot be read: %s", strerror(errno));
        else if (!to)
            load_fail(l, 0, "is too large");
        else
            buf_commit(file, (size_t)n);
    }
    if (fd >= 0)
        close(fd);
}

static void parse(struct load *l)
{
    /* Indented lines are keys like others, and the first fault ends it. */
    ini_allow_multiline = false;
    ini_stop_on_first_error = true;
    ini_use_stack = false;
    ini_allow_realloc = false;
    ini_max_line = CONF_LINE_MAX;
    ini_initial_alloc = CONF_LINE_MAX;
    int result = ini_parse_stream(read_line, l, on_value, l);
    if (result != 0)
        load_fail(l, result > 0 ? result : 0, "is neither a [section] nor key = value");
    end_named(l);
    fill_defaults(l, l->spec->keys, l->main_lines, l->conf, 0);
    free(l->element_lines);
}

void *conf_load(const struct conf_spec *spec, const char *path, bool secret,
                char error_r[CONF_ERROR_MAX])
{
    struct load l = {.spec = spec, .path = path, .error = error_r};
    struct buf file = {.max = CONF_FILE_MAX};
    char scratch[256];

    error_r[0] = '\0';
    l.conf = mem_zalloc(spec->size);
    l.main_lines = mem_zalloc((count_keys(spec->keys) + 1) * sizeof(int));
    read_file(&l, secret, &file);
    l.rest = buf_span(&file);
    if (span_starts(l.rest, SPAN("\xef\xbb\xbf"))) /* a byte order mark hides a first header */
        l.rest = span_from(l.rest, 3);
    if (!error_r[0])
        parse(&l);
    const char *reason = !error_r[0] && spec->check ? spec->check(l.conf, scratch) : NULL;
    if (reason)
        load_fail(&l, 0, "%s", reason);
    free(l.main_lines);
    buf_wipe(&file);
    if (error_r[0])
        conf_free(spec, &l.conf);
    return l.conf;
}

static void clear_keys(const struct conf_key *keys, void *base)
{
    for (const struct conf_key *k = keys; k->name; k++)
        conf_value_clear(k, base);
}

bool conf_may_follow(const struct conf_spec *spec, const void *old, const void *next,
                     char error_r[CONF_ERROR_MAX])
{
    for (const struct conf_key *k = spec->keys; k->name; k++) {
        if (!k->is_fixed || conf_value_equal(k, old, next))
            continue;
        snprintf(error_r, CONF_ERROR_MAX, "[%s] %s cannot change while running: restart",
                 k->section, k->name);
        return false;
    }
    return true;
}

void conf_free(const struct conf_spec *spec, void **conf)
{
    if (!*conf)
        return;
    for (const struct conf_section *s = spec->sections; s && s->word; s++) {
        char **elements = elements_of(s, *conf);
        for (size_t i = 0; i < *count_of(s, *conf); i++) {
            char *element = *elements + i * s->element_size;
            free(*name_of(s, element));
            clear_keys(s->keys, element);
        }
        free(*elements);
    }
    clear_keys(spec->keys, *conf);
    free(*conf);
    *conf = NULL;
}
