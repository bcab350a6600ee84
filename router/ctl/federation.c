/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * federation - what the processes that speak with other servers are asked, kontalk-s2s (the
 * federation) and kontalk-net (the network): their streams, and why a server cannot be reached.
 */
#include "router/ctl/ctl.h"

#include <errno.h>

/* words: the first is the process. */
static int ask(const struct ctl *ctl, const struct span *words, size_t count)
{
    char error[CTL_ERROR_MAX];
    struct conf_list paths;
    struct table table = {0};
    const char *process = words[0].p; /* a literal */

    int result = ctl_sockets(ctl, process, &paths);
    int status = 0;
    if (paths.count == 0)
        status = ctl_fail("no %s is running: cannot reach %s/%s.ctl: %s", process, ctl->runtime,
                          process, strerror(result ? -result : ENOENT));
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

#define RUN(name, process, word)                                                                   \
    static int name(const struct ctl *ctl, char **args, int count)                                 \
    {                                                                                              \
        const struct span words[] = {SPAN(process), SPAN(word),                                    \
                                     count > 0 ? span_of(args[0]) : SPAN("")};                     \
        return ask(ctl, words, count > 0 ? 3 : 2);                                                 \
    }
RUN(run_s2s_list, "s2s", "list")
RUN(run_s2s_close, "s2s", "close")
RUN(run_s2s_explain, "s2s", "explain")
RUN(run_net_list, "net", "list")
RUN(run_net_close, "net", "close")
RUN(run_net_explain, "net", "explain")

const struct ctl_command federation_commands[] = {
    {"s2s list", 0, 0, "", "list the streams to and from other servers", run_s2s_list},
    {"s2s close", 1, 1, "DOMAIN", "close all streams to and from a domain", run_s2s_close},
    {"s2s explain", 1, 1, "DOMAIN",
     "say how a domain is reached: DNS, addresses, TLS, certificate, rule", run_s2s_explain},
    {"net list", 0, 0, "", "list the links to the other servers of the network", run_net_list},
    {"net close", 1, 1, "SERVER", "end the link with a server; it is made anew", run_net_close},
    {"net explain", 1, 1, "SERVER",
     "say how a server of the network is reached: DNS, addresses, TLS, key", run_net_explain},
    {.name = NULL},
};
