/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * check - would it run, and does it? Configuration, permissions, certificates, ports, links. One
 * row for each finding: "ok", "note" (nothing is wrong) or "problem" with what to do about it.
 */
#include "router/ctl/check.h"

#include "base/buf.h"
#include "base/mem.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* --- findings --------------------------------------------------------------------------------- */

void check_add(struct check *c, enum finding kind, const char *subject, const char *format, ...)
{
    static const char *const words[] = {"ok", "note", "problem"};
    char text[1024];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    const struct span row[] = {span_of(words[kind]), span_of(subject), span_of(text)};
    table_row(&c->table, row, ARRAY_LEN(row));
    c->problems += kind == PROBLEM;
}

/* --- configuration ---------------------------------------------------------------------------- */

static const char *const processes[] = {"router", "c2s", "s2s", "net"};

/* kontalk-NAME beside this program. */
static char *program_path(const char *name)
{
    char self[PATH_MAX];
    struct buf path = {0};
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self));
    struct span directory = n > 0 ? span_make(self, (size_t)n) : SPAN("");

    while (directory.n && directory.p[directory.n - 1] != '/')
        directory.n--;
    buf_printf(&path, "%.*skontalk-%s", SPAN_ARG(directory), name);
    char *copy = mem_strdup_span(buf_span(&path));
    buf_free(&path);
    return copy;
}

extern char **environ;

/* Runs "PROGRAM -c FILE -t"; true when it is content, what it said in text_r. */
static bool run_test(const char *program, const char *file, char *text_r, size_t size)
{
    char *const argv[] = {(char *)program, "-c", (char *)file, "-t", NULL};
    posix_spawn_file_actions_t actions;
    int pipes[2], status = -1;
    size_t used = 0;
    pid_t pid;

    text_r[0] = '\0';
    if (pipe(pipes) != 0)
        return false;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, pipes[1], STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, pipes[1], STDERR_FILENO);
    posix_spawn_file_actions_addclose(&actions, pipes[0]);
    int error = posix_spawn(&pid, program, &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(pipes[1]);
    for (ssize_t n = 1; !error && n > 0 && used + 1 < size;) {
        n = read(pipes[0], text_r + used, size - used - 1);
        used += n > 0 ? (size_t)n : 0;
    }
    close(pipes[0]);
    text_r[used] = '\0';
    text_r[strcspn(text_r, "\n")] = '\0';
    if (error)
        snprintf(text_r, size, "%s: %s", program, strerror(error));
    else
        waitpid(pid, &status, 0);
    return status == 0;
}

static void check_configuration(struct check *c)
{
    char text[512];
    size_t found = 0;

    for (size_t i = 0; i < ARRAY_LEN(processes); i++) {
        snprintf(text, sizeof(text), "%s.conf", processes[i]);
        char *file = ctl_join(c->ctl->directory, text), *program = program_path(processes[i]);
        if (access(file, F_OK) == 0) {
            found++;
            bool is_unused = (strcmp(processes[i], "s2s") == 0 && !c->s2s) ||
                             (strcmp(processes[i], "net") == 0 && !c->net);
            bool good = !is_unused && run_test(program, file, text, sizeof(text));
            if (is_unused)
                check_add(c, NOTE, file, "not set up: [router] secret is empty");
            else if (good)
                check_add(c, OK, file, "good");
            else
                check_add(c, PROBLEM, file, "%s", text);
        }
        free(file);
        free(program);
    }
    if (found == 0)
        check_add(c, PROBLEM, c->ctl->directory, "no configuration here: name its directory by -c");
}

/* --- permissions ------------------------------------------------------------------------------ */

static void check_directory(struct check *c, const char *path, bool is_private)
{
    struct stat st;

    if (stat(path, &st) != 0)
        check_add(c, PROBLEM, path, "%s: systemd-tmpfiles --create makes it", strerror(errno));
    else if (!S_ISDIR(st.st_mode))
        check_add(c, PROBLEM, path, "is no directory");
    else if (st.st_mode & S_IWOTH)
        check_add(c, PROBLEM, path, "everybody may write it: chmod o-w");
    else if (is_private && (st.st_mode & S_IROTH))
        check_add(c, PROBLEM, path, "everybody may read what is in it: chmod o-rwx");
    else
        check_add(c, OK, path, "mode %o", (unsigned)(st.st_mode & 07777));
}

/* The process does not run as root: can its user read what its configuration names? */
static void check_readable(struct check *c, const char *path)
{
    struct stat file, runtime;

    if (stat(path, &file) != 0 || stat(c->ctl->runtime, &runtime) != 0 || runtime.st_uid == 0)
        return;
    mode_t need = file.st_uid == runtime.st_uid   ? S_IRUSR
                  : file.st_gid == runtime.st_gid ? S_IRGRP
                                                  : S_IROTH;
    if (!(file.st_mode & need))
        check_add(c, PROBLEM, path,
                  "the user of the processes (%u) cannot read it: chgrp %u, chmod g+r",
                  (unsigned)runtime.st_uid, (unsigned)runtime.st_gid);
}

static void check_edge_files(struct check *c, const struct ctl_edge_conf *edge)
{
    char *store = mem_strdup_span(span_of(edge->store_path));
    char *slash = strrchr(store, '/');

    if (slash && slash != store) {
        *slash = '\0';
        check_directory(c, store, true);
    }
    free(store);
    check_readable(c, edge->cert);
    check_readable(c, edge->key);
}

static void check_permissions(struct check *c)
{
    check_directory(c, c->ctl->runtime, false);
    if (c->c2s)
        check_edge_files(c, c->c2s);
    if (c->s2s)
        check_edge_files(c, c->s2s);
    if (c->net) {
        check_edge_files(c, c->net);
        check_readable(c, c->net->servers);
    }
    for (size_t i = 0; i < ARRAY_LEN(processes); i++) {
        char name[32];
        snprintf(name, sizeof(name), "%s.conf", processes[i]);
        char *path = ctl_join(c->ctl->directory, name);
        check_readable(c, path);
        free(path);
    }
}

/* --- all of it -------------------------------------------------------------------------------- */

static struct ctl_edge_conf *load_edge(const struct ctl *ctl, const char *name,
                                       const struct conf_spec *spec)
{
    char error[CONF_ERROR_MAX];
    char *path = ctl_join(ctl->directory, name);
    struct ctl_edge_conf *conf =
        access(path, F_OK) == 0 ? conf_load(spec, path, false, error) : NULL;

    free(path);
    return conf;
}

/* As it is installed, without a secret, it is not set up. */
static struct ctl_edge_conf *load_optional(const struct ctl *ctl, const char *name,
                                           const struct conf_spec *spec)
{
    struct ctl_edge_conf *conf = load_edge(ctl, name, spec);

    if (conf && !*conf->router_secret)
        conf_free(spec, (void **)&conf);
    return conf;
}

static void free_edge(struct ctl_edge_conf *conf, const struct conf_spec *spec)
{
    if (conf)
        conf_free(spec, (void **)&conf);
}

static int run_check(const struct ctl *ctl, char **args, int count)
{
    const struct span columns[] = {SPAN_INIT("result"), SPAN_INIT("subject"), SPAN_INIT("finding")};
    struct check c = {.ctl = ctl};
    char error[CONF_ERROR_MAX];

    (void)args;
    (void)count;
    table_row(&c.table, columns, ARRAY_LEN(columns));
    c.c2s = load_edge(ctl, "c2s.conf", &ctl_c2s_conf_spec);
    c.s2s = load_optional(ctl, "s2s.conf", &ctl_s2s_conf_spec);
    c.net = load_optional(ctl, "net.conf", &ctl_net_conf_spec);
    c.router = ctl_router_conf(ctl, error);
    check_configuration(&c);
    check_permissions(&c);
    check_certificates(&c);
    check_network(&c);
    check_running(&c);
    table_print(&c.table, ctl->json);
    table_free(&c.table);
    free_edge(c.c2s, &ctl_c2s_conf_spec);
    free_edge(c.s2s, &ctl_s2s_conf_spec);
    free_edge(c.net, &ctl_net_conf_spec);
    if (c.router)
        conf_free(&router_conf_spec, (void **)&c.router);
    if (c.problems)
        ctl_fail("%zu problem%s", c.problems, c.problems == 1 ? "" : "s");
    return c.problems ? 1 : 0;
}

const struct ctl_command check_commands[] = {
    {"check", 0, 0, "", "check configuration, permissions, certificates, ports and links",
     run_check},
    {.name = NULL},
};
