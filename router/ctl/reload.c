/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * reload - every process that has a control socket loads configuration and certificates anew.
 */
#include "router/ctl/ctl.h"

#include "base/mem.h"

#include <errno.h>
#include <stdlib.h>

int ctl_reload(const struct ctl *ctl)
{
    const struct span word = SPAN_INIT("reload");
    const struct span columns[] = {SPAN_INIT("process"), SPAN_INIT("result")};
    char error[CTL_ERROR_MAX];
    struct conf_list paths;
    struct table table = {0};
    int status = 0;

    int result = ctl_sockets(ctl, "", &paths);
    table_row(&table, columns, ARRAY_LEN(columns));
    for (size_t i = 0; i < paths.count; i++) {
        bool good = ctl_ask(paths.items[i], &word, 1, NULL, NULL, error) == 0;
        const struct span row[] = {ctl_process_name(paths.items[i]),
                                   good ? SPAN("reloaded") : span_of(error)};
        table_row(&table, row, ARRAY_LEN(row));
        status = good ? status : 1;
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

static int run_reload(const struct ctl *ctl, char **args, int count)
{
    (void)args;
    (void)count;
    return ctl_reload(ctl);
}

const struct ctl_command reload_commands[] = {
    {"reload", 0, 0, "", "load configuration and certificates anew, everywhere", run_reload},
    {.name = NULL},
};
