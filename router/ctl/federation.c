/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * federation - what kontalk-s2s is asked: its streams, and why a domain cannot be reached.
 */
#include "router/ctl/ctl.h"

#include <errno.h>

static int ask_s2s(const struct ctl *ctl, const struct span *words, size_t count)
{
    char error[CTL_ERROR_MAX];
    struct conf_list paths;
    struct table table = {0};

    int result = ctl_sockets(ctl, "s2s", &paths);
    int status = 0;
    if (paths.count == 0)
        status = ctl_fail("no s2s is running: cannot reach %s/s2s.ctl: %s", ctl->runtime,
                          strerror(result ? -result : ENOENT));
    for (size_t i = 0; i < paths.count; i++) {
        table.skip_header = table.columns > 0;
        if (ctl_ask(paths.items[i], words, count, table_row, &table, error) != 0)
            status = ctl_fail("%s", error);
    }
    if (table.columns > 0)
        table_print(&table, ctl->json);
    table_free(&table);
    ctl_sockets_free(&paths);
    return status;
}

static int run_list(const struct ctl *ctl, char **args, int count)
{
    (void)args;
    (void)count;
    return ask_s2s(ctl, (const struct span[]){SPAN("s2s"), SPAN("list")}, 2);
}

static int run_close(const struct ctl *ctl, char **args, int count)
{
    (void)count;
    return ask_s2s(ctl, (const struct span[]){SPAN("s2s"), SPAN("close"), span_of(args[0])}, 3);
}

static int run_explain(const struct ctl *ctl, char **args, int count)
{
    (void)count;
    return ask_s2s(ctl, (const struct span[]){SPAN("s2s"), SPAN("explain"), span_of(args[0])}, 3);
}

const struct ctl_command federation_commands[] = {
    {"s2s list", 0, 0, "", "list the streams to and from other servers", run_list},
    {"s2s close", 1, 1, "DOMAIN", "close all streams to and from a domain", run_close},
    {"s2s explain", 1, 1, "DOMAIN",
     "say how a domain is reached: DNS, addresses, TLS, certificate, rule", run_explain},
    {.name = NULL},
};
