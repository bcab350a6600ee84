/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * kontalkctl - administration of a running suite over its control sockets. The manual page beside
 * this file describes the commands; each group of them is one file here.
 */
#include "router/ctl/ctl.h"

#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define DEFAULT_DIRECTORY "/etc/kontalk"
#define DEFAULT_RUNTIME "/run/kontalk"
#define DEFAULT_COMPONENT "kontalkctl.localhost"
#define DEFAULT_SERVERS "/var/lib/kontalk/servers"

struct settings {
    char *runtime, *component, *servers;
};

static const struct conf_key keys[] = {
    {.section = "kontalkctl", .name = "runtime", .type = CONF_STRING,
     .offset = offsetof(struct settings, runtime), .default_value = DEFAULT_RUNTIME,
     .help = "Directory of the control sockets"},
    {.section = "kontalkctl", .name = "component", .type = CONF_STRING,
     .offset = offsetof(struct settings, component), .default_value = DEFAULT_COMPONENT,
     .help = "Who ping and send speak as: a section of router.conf"},
    {.section = "kontalkctl", .name = "servers", .type = CONF_STRING,
     .offset = offsetof(struct settings, servers), .default_value = DEFAULT_SERVERS,
     .help = "The table of the network's servers: that of c2s.conf, s2s.conf and net.conf"},
    {.name = NULL},
};
static const struct conf_spec settings_spec = {.keys = keys, .size = sizeof(struct settings)};

static const struct ctl_command *const groups[] = {
    user_commands,   pie_commands,   data_commands,   list_commands, call_commands, attach_commands,
    replay_commands, check_commands, reload_commands, cert_commands, selftest_commands,
    federation_commands, server_commands,
};

int ctl_fail(const char *format, ...)
{
    va_list args;

    fflush(stdout);
    fputs("kontalkctl: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    return 1;
}

static void print_usage(FILE *to)
{
    fprintf(to, "usage: kontalkctl [-c DIR] [--json] COMMAND\n\ncommands:\n");
    for (size_t g = 0; g < ARRAY_LEN(groups); g++) {
        for (const struct ctl_command *c = groups[g]; c->name; c++) {
            int n = fprintf(to, "  %s%s%s", c->name, c->usage[0] ? " " : "", c->usage);
            fprintf(to, "%*s%s\n", n < 30 ? 30 - n : 2, "", c->help);
        }
    }
    fprintf(to,
            "\noptions:\n"
            "  -c DIR                      directory of kontalkctl.conf (" DEFAULT_DIRECTORY ")\n"
            "  --json                      lists as JSON\n"
            "  --all                       user export: every account\n"
            "  --merge                     user import: add to accounts that exist\n"
            "  --replace                   user import: remove accounts that exist first;\n"
            "                              server import: take other fingerprints\n"
            "  --user JID                  archive purge: of this user only\n"
            "  --older-than DAYS           archive purge: or a date, YYYY-MM-DD\n"
            "  --name NAME                 roster add: the contact's name\n"
            "  --group GROUP               roster add: the contact's group\n"
            "  --subscription STATE        roster add: none, to, from or both\n"
            "  --to-all                    message: to every account\n"
            "  --online                    message: to those only who are online\n"
            "  --bodies                    tap, record: texts, too\n"
            "  --seconds N                 attach, tap, replay: end after N seconds\n"
            "  --listen ADDRESS            replay: instead of where the router listens\n"
            "  --help, --version\n");
}

/* How many of the arguments are the command's name; 0: it is another one. */
static int match(const struct ctl_command *c, char **args, int count)
{
    int used = 0;

    for (const char *p = c->name; *p;) {
        size_t n = strcspn(p, " ");
        if (used == count || !span_eq(span_of(args[used]), span_make(p, n)))
            return 0;
        used++;
        p += n + (p[n] == ' ');
    }
    return used;
}

static int run_command(const struct ctl *ctl, char **args, int count)
{
    for (size_t g = 0; g < ARRAY_LEN(groups); g++) {
        for (const struct ctl_command *c = groups[g]; c->name; c++) {
            int used = match(c, args, count);
            if (!used)
                continue;
            if (count - used >= c->min_args && count - used <= c->max_args)
                return c->run(ctl, args + used, count - used);
            fprintf(stderr, "usage: kontalkctl %s %s\n", c->name, c->usage);
            return 2;
        }
    }
    if (count)
        ctl_fail("there is no command \"%s%s%s\"", args[0], count > 1 ? " " : "",
                 count > 1 ? args[1] : "");
    print_usage(stderr);
    return 2;
}

/* A directory that was named must have the file; the default one need not. */
static struct settings *load_settings(const char *directory)
{
    char error[CONF_ERROR_MAX];
    struct buf path = {0};
    struct settings *settings;

    buf_printf(&path, "%s/kontalkctl.conf", directory ? directory : DEFAULT_DIRECTORY);
    if (!directory && access(buf_z(&path), F_OK) != 0 && errno == ENOENT) {
        settings = mem_zalloc(sizeof(*settings));
        settings->runtime = mem_strdup_span(SPAN(DEFAULT_RUNTIME));
        settings->component = mem_strdup_span(SPAN(DEFAULT_COMPONENT));
        settings->servers = mem_strdup_span(SPAN(DEFAULT_SERVERS));
    } else {
        settings = conf_load(&settings_spec, buf_z(&path), false, error);
        if (!settings)
            ctl_fail("%s", error);
    }
    buf_free(&path);
    return settings;
}

/* What an option sets. */
struct option_row {
    const char *name;
    bool is_flag;
    size_t at; /* in struct ctl */
};

#define FLAG(option, member) {option, true, offsetof(struct ctl, member)}
#define TEXT(option, member) {option, false, offsetof(struct ctl, member)}
static const struct option_row option_rows[] = {
    FLAG("json", json),       FLAG("bodies", bodies),
    FLAG("all", all),         FLAG("merge", merge),
    FLAG("replace", replace), FLAG("to-all", to_all),
    FLAG("online", online),   TEXT("config", directory),
    TEXT("listen", listen),   TEXT("user", user),
    TEXT("name", name),       TEXT("older-than", older_than),
    TEXT("group", group),     TEXT("subscription", subscription),
};
enum { OPT_HELP = 256, OPT_VERSION, OPT_SECONDS, OPT_ROWS };

static void set_option(struct ctl *ctl, const struct option_row *row, const char *value)
{
    void *member = (char *)ctl + row->at;

    if (row->is_flag)
        *(bool *)member = true;
    else
        *(const char **)member = value;
}

/* -1: go on; else the exit status. */
static int read_options(int argc, char **argv, struct ctl *ctl)
{
    struct option options[ARRAY_LEN(option_rows) + 4] = {
        {"help", no_argument, NULL, OPT_HELP},
        {"version", no_argument, NULL, OPT_VERSION},
        {"seconds", required_argument, NULL, OPT_SECONDS},
    };

    for (size_t i = 0; i < ARRAY_LEN(option_rows); i++)
        options[3 + i] =
            (struct option){option_rows[i].name, option_rows[i].is_flag ? no_argument
                                                                        : required_argument,
                            NULL, OPT_ROWS + (int)i};
    for (int option; (option = getopt_long(argc, argv, "c:", options, NULL)) != -1;) {
        uint64_t seconds = 0;
        if (option == 'c') {
            ctl->directory = optarg;
        } else if (option >= OPT_ROWS) {
            set_option(ctl, &option_rows[option - OPT_ROWS], optarg);
        } else if (option == OPT_SECONDS && span_to_u64(span_of(optarg), 1000000, &seconds)) {
            ctl->seconds = (unsigned)seconds;
        } else if (option == OPT_HELP) {
            print_usage(stdout);
            return 0;
        } else if (option == OPT_VERSION) {
            puts("kontalkctl " KONTALK_VERSION);
            return 0;
        } else {
            print_usage(stderr);
            return 2;
        }
    }
    return -1;
}

int main(int argc, char **argv)
{
    struct ctl ctl = {0};
    int status = read_options(argc, argv, &ctl);

    if (status >= 0)
        return status;
    signal(SIGPIPE, SIG_IGN); /* writing fails instead, and what must be undone is undone */
    struct settings *settings = load_settings(ctl.directory);
    if (!settings)
        return 1;
    log_threshold = LOG_ERROR; /* what matters is printed by the commands */
    ctl.directory = ctl.directory ? ctl.directory : DEFAULT_DIRECTORY;
    ctl.runtime = settings->runtime;
    ctl.component = settings->component;
    ctl.servers = settings->servers;
    status = run_command(&ctl, argv + optind, argc - optind);
    if (fflush(stdout) != 0 && status == 0)
        status = ctl_fail("cannot write: %s", strerror(errno));
    conf_free(&settings_spec, (void **)&settings);
    return status;
}
