/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * list - what runs, who is connected, where stanzas go.
 */
#include "router/ctl/ctl.h"

#include "base/buf.h"
#include "base/mem.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* --- the router's lists --- */

static int print_answer(const struct ctl *ctl, const struct span *words, size_t count)
{
    char error[CTL_ERROR_MAX];
    struct table table = {0};

    int result = ctl_ask_router(ctl, words, count, table_row, &table, error);
    if (result == 0)
        table_print(&table, ctl->json);
    table_free(&table);
    return result ? ctl_fail("%s", error) : 0;
}

static int run_routes(const struct ctl *ctl, char **args, int count)
{
    (void)args;
    (void)count;
    return print_answer(ctl, (const struct span[]){SPAN("route"), SPAN("list")}, 2);
}

static int run_explain(const struct ctl *ctl, char **args, int count)
{
    struct span words[4] = {SPAN("route"), SPAN("explain"), span_of(args[0])};
    if (count > 1)
        words[3] = span_of(args[1]);
    return print_answer(ctl, words, 2 + (size_t)count);
}

static int run_claims(const struct ctl *ctl, char **args, int count)
{
    (void)args;
    (void)count;
    return print_answer(ctl, (const struct span[]){SPAN("claim"), SPAN("list")}, 2);
}

/* --- lists that every c2s has a part of --- */

static int run_sessions(const struct ctl *ctl, char **args, int count)
{
    const struct span words[] = {SPAN_INIT("session"), SPAN_INIT("list")};
    char error[CTL_ERROR_MAX];
    struct conf_list paths;
    struct table table = {0};
    size_t answers = 0;
    int status = 0;

    (void)args;
    (void)count;
    int result = ctl_sockets(ctl, "c2s", &paths);
    for (size_t i = 0; i < paths.count; i++) {
        table.skip_header = table.columns > 0;
        if (ctl_ask(paths.items[i], words, ARRAY_LEN(words), table_row, &table, error) == 0)
            answers++;
        else
            status = ctl_fail("%s", error); /* the others still have something to say */
    }
    if (paths.count == 0)
        status = ctl_fail("no c2s is running: cannot reach %s/c2s-*.ctl: %s", ctl->runtime,
                          strerror(result ? -result : ENOENT));
    if (answers)
        table_print(&table, ctl->json);
    table_free(&table);
    ctl_sockets_free(&paths);
    return status;
}

/* --- info: every process that has a control socket --- */

struct info {
    struct table *table;
    struct span process;
    bool header_seen;
};

static void on_info_row(void *ctx, const struct span *words, size_t count)
{
    struct info *info = ctx;
    const struct span row[] = {info->process, count > 0 ? words[0] : SPAN(""),
                               count > 1 ? words[1] : SPAN("")};

    if (info->header_seen)
        table_row(info->table, row, ARRAY_LEN(row));
    info->header_seen = true;
}

static int run_info(const struct ctl *ctl, char **args, int count)
{
    const struct span word = SPAN_INIT("info");
    const struct span columns[] = {SPAN_INIT("process"), SPAN_INIT("key"), SPAN_INIT("value")};
    char error[CTL_ERROR_MAX];
    struct conf_list paths;
    struct table table = {0};
    int status = 0;

    (void)args;
    (void)count;
    int result = ctl_sockets(ctl, "", &paths);
    table_row(&table, columns, ARRAY_LEN(columns));
    for (size_t i = 0; i < paths.count; i++) {
        struct info info = {.table = &table, .process = ctl_process_name(paths.items[i])};
        if (ctl_ask(paths.items[i], &word, 1, on_info_row, &info, error) != 0)
            status = ctl_fail("%s", error);
    }
    if (paths.count == 0)
        status = ctl_fail("nothing is running: cannot reach %s/*.ctl: %s", ctl->runtime,
                          strerror(result ? -result : ENOENT));
    else
        table_print(&table, ctl->json);
    table_free(&table);
    ctl_sockets_free(&paths);
    return status;
}

const struct ctl_command list_commands[] = {
    {"session list", 0, 0, "", "list the sessions of all c2s instances", run_sessions},
    {"route list", 0, 0, "", "list the router's routes", run_routes},
    {"route explain", 1, 2, "JID [FROM]", "show which rule decides for an address, and for whom",
     run_explain},
    {"claim list", 0, 0, "", "list which instance owns which user", run_claims},
    {"info", 0, 0, "", "show the state of every process", run_info},
    {.name = NULL},
};
