/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * server - the table of the network's servers: changed in its file (servers.h), then all processes
 * are told to read it. They need not run.
 */
#include "router/ctl/ctl.h"

#include "base/buf.h"
#include "base/mem.h"
#include "xmpp/server_key.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define IMPORT_BYTES_MAX ((size_t)1024 * 1024)

/* --- telling ---------------------------------------------------------------------------------- */

/* Those that have it: all but the router. */
static int tell(const struct ctl *ctl)
{
    const struct span words[] = {SPAN_INIT("servers"), SPAN_INIT("reload")};
    struct conf_list paths;
    int status = 0;
    ctl_sockets(ctl, "", &paths);
    for (size_t i = 0; i < paths.count; i++) {
        char error[CTL_ERROR_MAX];
        struct span name = ctl_process_name(paths.items[i]);
        if (span_starts(name, SPAN("router")))
            continue;
        int result = ctl_ask(paths.items[i], words, ARRAY_LEN(words), NULL, NULL, error);
        if (result < 0)
            status = ctl_fail("%.*s has not been told: %s", SPAN_ARG(name), error);
        else if (result > 0)
            status = ctl_fail("%.*s goes on with the table that it has: %s", SPAN_ARG(name), error);
    }
    ctl_sockets_free(&paths);
    return status;
}

/* --- changes ---------------------------------------------------------------------------------- */

static int change(const struct ctl *ctl, enum servers_change what, const char *host,
                  struct span fingerprint)
{
    static const char *const done[] = {"added", "removed", "enabled", "disabled"};
    char error[CONF_ERROR_MAX];
    if (!servers_change(ctl->servers, what, span_of(host), fingerprint, error))
        return ctl_fail("%s", error);
    printf("%s %s\n", host, done[what]);
    return tell(ctl);
}

/* The fingerprint may be written in groups, each of which is an argument. */
static int run_add(const struct ctl *ctl, char **args, int count)
{
    struct buf fingerprint = {0};
    for (int i = 1; i < count; i++)
        buf_append(&fingerprint, span_of(args[i]));
    int status = change(ctl, SERVERS_ADD, args[0], buf_span(&fingerprint));
    buf_free(&fingerprint);
    return status;
}

static int run_remove(const struct ctl *ctl, char **args, int count)
{
    (void)count;
    return change(ctl, SERVERS_REMOVE, args[0], SPAN_NONE);
}

static int run_enable(const struct ctl *ctl, char **args, int count)
{
    (void)count;
    return change(ctl, SERVERS_ENABLE, args[0], SPAN_NONE);
}

static int run_disable(const struct ctl *ctl, char **args, int count)
{
    (void)count;
    return change(ctl, SERVERS_DISABLE, args[0], SPAN_NONE);
}

static bool read_lines(const char *path, struct buf *out)
{
    FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
    out->max = IMPORT_BYTES_MAX;
    if (!f) {
        ctl_fail("%s: %s", path, strerror(errno));
        return false;
    }
    const char *wrong = NULL;
    for (size_t n = 1; n > 0 && !wrong;) {
        char *to = buf_reserve(out, 65536);
        n = to ? fread(to, 1, 65536, f) : 0;
        buf_commit(out, n);
        wrong = !to ? "is too large" : ferror(f) ? strerror(errno) : NULL;
    }
    if (f != stdin)
        fclose(f);
    if (wrong)
        ctl_fail("%s: %s", path, wrong);
    return !wrong;
}

static int run_import(const struct ctl *ctl, char **args, int count)
{
    char error[CONF_ERROR_MAX];
    struct servers_imported r;
    struct buf lines = {0};
    int status = 1;
    (void)count;
    if (!read_lines(args[0], &lines)) {
        buf_free(&lines);
        return 1;
    }
    if (servers_import(ctl->servers, buf_span(&lines), ctl->replace, &r, error)) {
        printf("%zu added, %zu with another fingerprint, %zu as before\n", r.added, r.replaced,
               r.same);
        status = r.added + r.replaced > 0 ? tell(ctl) : 0;
    } else {
        ctl_fail("nothing is imported: %s", error);
    }
    buf_free(&lines);
    return status;
}

/* --- lists ------------------------------------------------------------------------------------ */

/* The table, with ourselves as far as we know who that is. */
struct view {
    struct servers *list;
    char fingerprint[SERVER_FINGERPRINT + 1]; /* of our own key; empty: none, or not readable */
};

static bool view_open(struct view *v, const struct ctl *ctl)
{
    char error[CONF_ERROR_MAX];
    char *path = ctl_join(ctl->directory, "c2s.conf");
    struct ctl_edge_conf *conf = conf_load(&ctl_c2s_conf_spec, path, false, error);
    struct server_key *key = conf ? server_key_open(conf->server_cert, error) : NULL;
    *v = (struct view){0};
    if (key)
        memcpy(v->fingerprint, server_key_fingerprint(key), sizeof v->fingerprint);
    v->list = servers_load(ctl->servers, conf ? span_of(conf->host) : SPAN(""), error);
    if (!v->list)
        ctl_fail("%s", error);
    server_key_free(&key);
    if (conf)
        conf_free(&ctl_c2s_conf_spec, (void **)&conf);
    free(path);
    return v->list != NULL;
}

/* Empty: there is none, neither in the table nor of our own. */
static struct span fingerprint_of(const struct view *v, const struct server *s)
{
    return span_of(s->fingerprint[0] || !s->is_self ? s->fingerprint : v->fingerprint);
}

static int run_list(const struct ctl *ctl, char **args, int count)
{
    const struct span columns[] = {SPAN_INIT("host"), SPAN_INIT("fingerprint"), SPAN_INIT("state")};
    struct table table = {0};
    struct view v;
    (void)args;
    (void)count;
    if (!view_open(&v, ctl))
        return 1;
    table_row(&table, columns, ARRAY_LEN(columns));
    for (size_t i = 0; i < servers_count(v.list); i++) {
        const struct server *s = servers_at(v.list, i);
        const struct span row[] = {s->host, fingerprint_of(&v, s),
                                   s->is_self      ? SPAN("this server")
                                   : s->is_enabled ? SPAN("enabled")
                                                   : SPAN("disabled")};
        if (s->host.n > 0)
            table_row(&table, row, ARRAY_LEN(row));
    }
    table_print(&table, ctl->json);
    table_free(&table);
    servers_unref(&v.list);
    return 0;
}

/* What server import reads: whoever has no fingerprint is left out. */
static int run_export(const struct ctl *ctl, char **args, int count)
{
    struct view v;
    FILE *f = stdout;
    if (!view_open(&v, ctl))
        return 1;
    if (count > 0 && strcmp(args[0], "-") != 0)
        f = fopen(args[0], "we");
    for (size_t i = 0; f && i < servers_count(v.list); i++) {
        const struct server *s = servers_at(v.list, i);
        struct span fingerprint = fingerprint_of(&v, s);
        if (fingerprint.n > 0)
            fprintf(f, "%.*s %.*s %s\n", SPAN_ARG(s->host), SPAN_ARG(fingerprint),
                    s->is_enabled || s->is_self ? "enabled" : "disabled");
    }
    servers_unref(&v.list);
    if (!f || (f != stdout && fclose(f) != 0))
        return ctl_fail("%s: %s", args[0], strerror(errno));
    return 0;
}

const struct ctl_command server_commands[] = {
    {"server init", 0, 1, "[DIRECTORY]", "make the key by which other servers know this one",
     ctl_server_init},
    {"server add", 2, 11, "HOST FINGERPRINT", "add a server to the network", run_add},
    {"server remove", 1, 1, "HOST", "remove a server from the network", run_remove},
    {"server enable", 1, 1, "HOST", "let a server take part again", run_enable},
    {"server disable", 1, 1, "HOST", "keep a server out, and remember its key", run_disable},
    {"server list", 0, 0, "", "list the servers of the network", run_list},
    {"server export", 0, 1, "[FILE]", "write the servers of the network for server import",
     run_export},
    {"server import", 1, 1, "FILE", "add those servers of the lines of a file (- : input)",
     run_import},
    {.name = NULL},
};
