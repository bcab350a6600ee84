/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * run - what commands.c (the protocol) and run.c (one execution) share.
 */
#ifndef C2S_SM_RUN_H
#define C2S_SM_RUN_H

#include "c2s/sm/admin/commands.h"

#define SM_RUNS_MAX 1000
#define SM_RUNS_OWN 500 /* no more for those whom everyone may: administrators need some, too */
#define SM_RUNS_OF_ONE 10 /* of all resources of a bare JID */
#define SM_RUN_LIFE_MS (10 * 60 * 1000)

struct sm_commands {
    struct list_node runs; /* struct sm_run */
    struct map by_id;
    size_t count;
    struct timer expiry; /* of those that are asking */
    unsigned char secret[32];
};

/* --- run.c --- */
/* The request that it answers next; and away with it, passwords and all. */
void sm_run_take_request(struct sm_run *run, struct sm_in *in);
void sm_run_forget_request(struct sm_run *run);
void sm_run_begin(struct sm_run *run); /* the command itself */
struct span sm_command_form_type(const struct sm_command *command);
void sm_run_write_open(const struct sm_run *run, struct buf *out, const char *status);

/* --- commands.c --- */
void sm_run_set_asking(struct sm_run *run);
void sm_run_free(struct sm_run *run);
/* condition: one of XEP-0050's own, or NULL; text, too, may be NULL */
void sm_command_refuse(struct sm_in *in, enum stanza_error e, const char *condition,
                       const char *text);

#endif
