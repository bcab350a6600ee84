/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * load - the load generator of the bench: drives one server with one scenario, checks every
 * message, and prints one line of JSON. test/bench/bench calls it; options are in usage().
 */
#include "load.h"

#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

struct options opt = {
    .host = "localhost",
    .address = "127.0.0.1",
    .password = "secret",
    .mechanism = "SCRAM-SHA-1",
    .port = 5222,
    .component_port = {5347, 5347},
    .users = 100,
    .window = 1,
    .body = 100,
    .resources = 8,
    .messages = 100,
    .concurrency = 16,
    .seconds = 3,
    .warm = 0.5,
    .pids = "",
};

static const struct {
    const char *name;
    void (*run)(void);
} scenarios[] = {
    {"chat", run_chat},           {"login", run_login},     {"presence", run_presence},
    {"resources", run_resources}, {"carbons", run_carbons}, {"component", run_component},
    {"echo", run_echo},           {"offline", run_offline}, {"idle", run_idle},
    {"relay", run_relay},
};

void fail(const struct client *c, struct span stanza, const char *format, ...)
{
    va_list args;
    fprintf(stderr, "load: ");
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    if (c)
        fprintf(stderr, " (client %u, %s, phase %d)", c->index, c->jid[0] ? c->jid : c->host,
                (int)c->phase);
    if (stanza.n)
        fprintf(stderr, ": %.*s", stanza.n < 400 ? (int)stanza.n : 400, stanza.p);
    fprintf(stderr, "\n");
    exit(STATUS_FAILED);
}

void unsupported(const char *what)
{
    fprintf(stderr, "load: %s\n", what);
    exit(STATUS_UNSUPPORTED);
}

static _Noreturn void usage(void)
{
    fprintf(stderr, "usage: load SCENARIO --pids PID[,PID...] [options]\n"
                    "scenarios:");
    for (size_t i = 0; i < ARRAY_LEN(scenarios); i++)
        fprintf(stderr, " %s", scenarios[i].name);
    fprintf(stderr,
            "\n"
            "--host NAME --address IP --port N    the server; users are u0@NAME, u1@NAME, ...\n"
            "--host2 NAME --address2 IP --port2 N where every second user lives\n"
            "--password WORD --mechanism NAME --tls\n"
            "--component NAME:SECRET:PORT         twice\n"
            "--users N --first N --active N       how many, from which on, how many of them chat\n"
            "--window N --body BYTES --bare --contacts N --resources N --messages N\n"
            "--concurrency N                      logins under way\n"
            "--seconds S --warm S\n"
            "--share S     keep the generator itself under S of a core\n"
            "--allow-busy  accept results in which it was not\n");
    exit(STATUS_USAGE);
}

static unsigned number(const char *text)
{
    uint64_t value;
    if (!span_to_u64(span_of(text), 10000000, &value))
        usage();
    return (unsigned)value;
}

static void take_component(char *text)
{
    unsigned i = opt.component[0] ? 1 : 0;
    char *secret = strchr(text, ':'), *port = secret ? strchr(secret + 1, ':') : NULL;
    if (!port)
        usage();
    *secret = *port = 0;
    opt.component[i] = text;
    opt.secret[i] = secret + 1;
    opt.component_port[i] = (uint16_t)number(port + 1);
}

enum { TEXT = 1, NUMBER, PORT, SECONDS, FLAG, COMPONENT };

static const struct {
    const char *name;
    int kind;
    void *to;
} rows[] = {
    {"host", TEXT, &opt.host},
    {"address", TEXT, &opt.address},
    {"host2", TEXT, &opt.host2},
    {"address2", TEXT, &opt.address2},
    {"password", TEXT, &opt.password},
    {"mechanism", TEXT, &opt.mechanism},
    {"pids", TEXT, &opt.pids},
    {"port", PORT, &opt.port},
    {"port2", PORT, &opt.port2},
    {"users", NUMBER, &opt.users},
    {"first", NUMBER, &opt.first},
    {"active", NUMBER, &opt.active},
    {"window", NUMBER, &opt.window},
    {"body", NUMBER, &opt.body},
    {"contacts", NUMBER, &opt.contacts},
    {"resources", NUMBER, &opt.resources},
    {"messages", NUMBER, &opt.messages},
    {"concurrency", NUMBER, &opt.concurrency},
    {"seconds", SECONDS, &opt.seconds},
    {"warm", SECONDS, &opt.warm},
    {"share", SECONDS, &opt.share},
    {"tls", FLAG, &opt.tls},
    {"bare", FLAG, &opt.bare},
    {"allow-busy", FLAG, &opt.allow_busy},
    {"component", COMPONENT, NULL},
};

static void take_option(size_t row, char *value)
{
    switch (rows[row].kind) {
    case TEXT:
        *(const char **)rows[row].to = value;
        break;
    case NUMBER:
        *(unsigned *)rows[row].to = number(value);
        break;
    case PORT:
        *(uint16_t *)rows[row].to = (uint16_t)number(value);
        break;
    case SECONDS:
        *(double *)rows[row].to = strtod(value, NULL);
        break;
    case FLAG:
        *(bool *)rows[row].to = true;
        break;
    default:
        take_component(value);
    }
}

static void take_options(int argc, char **argv)
{
    struct option options[ARRAY_LEN(rows) + 1] = {0};
    int row;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        options[i] = (struct option){
            rows[i].name, rows[i].kind == FLAG ? no_argument : required_argument, NULL, 0};
    for (int index; (row = getopt_long(argc, argv, "", options, &index)) != -1;) {
        if (row != 0)
            usage();
        take_option((size_t)index, optarg);
    }
    if (optind != argc || opt.users < 2 || opt.window == 0 || opt.concurrency == 0)
        usage();
}

int main(int argc, char **argv)
{
    if (argc < 2)
        usage();
    take_options(argc - 1, argv + 1);
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    signal(SIGPIPE, SIG_IGN);
    crypto_init();
    net_init();
    for (size_t i = 0; i < ARRAY_LEN(scenarios); i++) {
        if (strcmp(argv[1], scenarios[i].name) == 0) {
            scenarios[i].run();
            return STATUS_OK;
        }
    }
    usage();
}
