/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * ctl - what the files of kontalkctl share.
 *
 * Commands return the exit status: 0 done, 1 failed (the reason has been printed), 2 wrong usage.
 */
#ifndef CTL_CTL_H
#define CTL_CTL_H

#include "base/conf.h"
#include "base/span.h"

#define CTL_ERROR_MAX 512

struct ctl {
    const char *directory; /* of the configuration */
    const char *runtime;   /* of the control sockets */
    const char *component; /* who ping and send speak as */
    const char *servers;   /* the table of the network's servers */
    bool json;
    bool bodies;        /* --bodies: what users wrote is shown */
    unsigned seconds;   /* --seconds: when attach, tap and replay end by themselves; 0: never */
    const char *listen; /* --listen: where replay listens; NULL: where the router does */
    /* Options of single commands; NULL or false: not given. */
    bool all, merge, replace;      /* user export, user import, server import */
    bool to_all, online;           /* message */
    const char *user, *older_than; /* archive purge */
    const char *name, *group, *subscription; /* roster add */
};

struct ctl_command {
    const char *name; /* the words, separated by a blank */
    int min_args, max_args;
    const char *usage; /* the arguments */
    const char *help;
    int (*run)(const struct ctl *ctl, char **args, int count);
};

extern const struct ctl_command user_commands[]; /* each table ends with name == NULL */
extern const struct ctl_command pie_commands[];
extern const struct ctl_command data_commands[];
extern const struct ctl_command list_commands[];
extern const struct ctl_command call_commands[];
extern const struct ctl_command reload_commands[];
extern const struct ctl_command attach_commands[];
extern const struct ctl_command replay_commands[];
extern const struct ctl_command cert_commands[];
extern const struct ctl_command check_commands[];
extern const struct ctl_command selftest_commands[];
extern const struct ctl_command federation_commands[];
extern const struct ctl_command server_commands[];

/* Prints "kontalkctl: ..." on standard error; returns 1. */
int ctl_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* --- ask.c: processes and their sockets --- */

/* "DIRECTORY/NAME"; free it. */
char *ctl_join(const char *directory, const char *name);
/* "/run/kontalk/c2s-1.ctl" is c2s-1. */
struct span ctl_process_name(const char *path);

typedef void ctl_row(void *ctx, const struct span *words, size_t count);

/* Paths of the control sockets whose names start with prefix, in order; free with
 * ctl_sockets_free. Returns 0 or the negative errno of reading the directory. */
int ctl_sockets(const struct ctl *ctl, const char *prefix, struct conf_list *paths_r);
void ctl_sockets_free(struct conf_list *paths);

/* As control_ask; the words that a socket's failure is told in are in error_r, too. */
int ctl_ask(const char *path, const struct span *words, size_t count, ctl_row *row, void *ctx,
            char error_r[CTL_ERROR_MAX]);
/* Asks the first c2s that answers. Returns as control_ask, with the reason in error_r. */
int ctl_ask_c2s(const struct ctl *ctl, const struct span *words, size_t count, ctl_row *row,
                void *ctx, char error_r[CTL_ERROR_MAX]);
/* Asks the router. */
int ctl_ask_router(const struct ctl *ctl, const struct span *words, size_t count, ctl_row *row,
                   void *ctx, char error_r[CTL_ERROR_MAX]);
/* Asks for something that takes its time (c2s/control_work.c): rows are "key", "value", and what is
 * only progress is shown on a terminal and not given to row. word: of what progress counts. Returns
 * as control_ask. */
int ctl_ask_long(const struct ctl *ctl, const struct span *words, size_t count, const char *word,
                 ctl_row *row, void *ctx, char error_r[CTL_ERROR_MAX]);
/* Removes an account at every c2s; returns as control_ask. */
int ctl_user_del(const struct ctl *ctl, const char *jid, char error_r[CTL_ERROR_MAX]);

/* --- cert.c --- */

/* What check, cert install and server must know of c2s.conf, s2s.conf and net.conf. */
struct ctl_edge_conf {
    char *host, *network, *cert, *key, *store_path, *router_address, *router_secret;
    struct conf_list listen, listen_tls;
    char *servers; /* the table */
    char *server_cert, *server_key; /* of c2s.conf: the server's own key; net.conf: cert and key */
};
extern const struct conf_spec ctl_c2s_conf_spec, ctl_s2s_conf_spec, ctl_net_conf_spec;
/* A new file, with the owner of like when we may give it away; false: the reason is printed. */
struct stat;
bool ctl_write_new(const char *path, struct span bytes, unsigned mode, const struct stat *like);

/* --- server_init.c --- */

int ctl_server_init(const struct ctl *ctl, char **args, int count);

/* --- reload.c --- */

/* All processes; prints what each said, returns the exit status. */
int ctl_reload(const struct ctl *ctl);

/* --- table.c: rows --- */

struct table {
    char **cells; /* row by row; the first row is the columns' names */
    size_t cell_count, columns;
    bool skip_header; /* the next row is the header again: another process answers */
};

/* A ctl_row that adds to the table that ctx points to. */
void table_row(void *ctx, const struct span *words, size_t count);
void table_print(const struct table *table, bool json);
void table_free(struct table *table);

#endif
