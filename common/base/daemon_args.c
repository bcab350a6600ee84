/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * daemon_args - the command line of every daemon.
 */
#include "base/daemon_private.h"

#include "base/buf.h"
#include "base/mem.h"

#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { OPT_DEFAULTS = 256, OPT_VERSION, OPT_HELP };

static const struct option options[] = {
    {"config", required_argument, NULL, 'c'},
    {"instance", required_argument, NULL, 'i'},
    {"test", no_argument, NULL, 't'},
    {"defaults", no_argument, NULL, OPT_DEFAULTS},
    {"version", no_argument, NULL, OPT_VERSION},
    {"help", no_argument, NULL, OPT_HELP},
    {NULL, 0, NULL, 0},
};

static void print_usage(FILE *to, const struct daemon_spec *spec)
{
    fprintf(to,
            "usage: kontalk-%s [-c FILE] [-i INSTANCE] [-t] [--defaults] [--version] [--help]\n"
            "  -c FILE      configuration (default: /etc/kontalk/%s.conf)\n"
            "  -i INSTANCE  this process's name among others of its kind (default: %s)\n"
            "  -t           check the configuration and exit\n"
            "  --defaults   print every setting with its default and exit\n",
            spec->name, spec->name, spec->default_instance);
}

static void print_span(void *ctx, struct span s)
{
    fwrite(s.p, 1, s.n, ctx);
}

/* Instance names become file names and labels of host names. */
static bool is_instance(const char *name)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789-._";
    size_t n = strspn(name, allowed);
    return n > 0 && n < 64 && name[n] == '\0' && name[0] != '-' && name[0] != '.';
}

/* Relative paths must stay valid whatever the directory is later: a reload opens it again. */
static char *absolute_path(const char *path)
{
    char directory[PATH_MAX];
    struct buf text = {0};

    if (path[0] != '/' && getcwd(directory, sizeof(directory)))
        buf_printf(&text, "%s/", directory);
    buf_append_z(&text, path);
    char *copy = mem_strdup_span(buf_span(&text));
    buf_free(&text);
    return copy;
}

static char *default_path(const struct daemon_spec *spec)
{
    struct buf text = {0};

    buf_printf(&text, "/etc/kontalk/%s.conf", spec->name);
    char *copy = mem_strdup_span(buf_span(&text));
    buf_free(&text);
    return copy;
}

/* Acts on one option; -1: go on. */
static int take_option(int option, const struct daemon_spec *spec, struct daemon_args *args,
                       const char **path)
{
    switch (option) {
    case 'c':
        *path = optarg;
        return -1;
    case 'i':
        args->instance = optarg;
        return -1;
    case 't':
        args->test_only = true;
        return -1;
    case OPT_DEFAULTS:
        conf_print_defaults(spec->conf, print_span, stdout);
        return 0;
    case OPT_VERSION:
        printf("kontalk-%s %s\n", spec->name, KONTALK_VERSION);
        return 0;
    case OPT_HELP:
        print_usage(stdout, spec);
        return 0;
    default:
        print_usage(stderr, spec);
        return 2;
    }
}

int daemon_args_read(int argc, char **argv, const struct daemon_spec *spec,
                     struct daemon_args *args_r)
{
    const char *path = NULL;
    int option;

    *args_r = (struct daemon_args){.instance = spec->default_instance};
    optind = 0; /* start afresh, whoever used getopt before */
    while ((option = getopt_long(argc, argv, "c:i:t", options, NULL)) != -1) {
        int status = take_option(option, spec, args_r, &path);
        if (status >= 0)
            return status;
    }
    if (optind < argc) {
        print_usage(stderr, spec);
        return 2;
    }
    if (!is_instance(args_r->instance)) {
        fprintf(stderr, "kontalk-%s: an instance's name consists of a-z, 0-9, - . and _\n",
                spec->name);
        return 2;
    }
    args_r->conf_path = path ? absolute_path(path) : default_path(spec);
    return -1;
}
