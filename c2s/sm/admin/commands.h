/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * commands - XEP-0050 at the host: what the commands see of a request to execute them.
 *
 * commands.c knows the protocol and nothing of what commands do; a group of commands is a file of
 * its own, and all of them are rows of the table in admin.c. A command has one form at most: it is
 * shown, filled in, and then the command runs; or it asks for nothing and runs at once.
 *
 * A struct sm_run is one execution, from the request that begins it to its last answer. While it
 * is RUNNING, whoever has been told of it (run, a job, an answer of others) owes it one of the
 * answers below, exactly once.
 */
#ifndef C2S_SM_COMMANDS_H
#define C2S_SM_COMMANDS_H

#include "c2s/sm/access.h"
#include "c2s/sm/admin/fleet.h"

#define NS_COMMANDS "http://jabber.org/protocol/commands"
#define NS_ADMIN "http://jabber.org/protocol/admin"

#define SM_COMMAND_ACCOUNTS 100 /* that one execution can be about */

struct sm_field {
    const char *var, *type, *label; /* var NULL: the end */
    bool is_required;
    const char *const *options; /* values, and NULL; or NULL */
};

struct sm_run;

/* Instead of a right: every user of ours, from his client. */
#define SM_RIGHT_OWN SM_RIGHTS

struct sm_command {
    const char *node, *name; /* the FORM_TYPE is what the node has before the '#' */
    enum sm_right right;     /* who may see and execute it */
    const char *title, *instructions;
    const struct sm_field *fields; /* NULL: it asks for nothing */
    /* The form needs values of ours: answers by sm_run_ask, or otherwise. NULL: it does not. */
    void (*ask)(struct sm_run *run);
    void (*run)(struct sm_run *run); /* run->form has a value for each required field */
};

/* admin.c: all of them, SM_COMMAND_COUNT. */
extern const struct sm_command sm_command_table[];
extern const size_t sm_command_count;

/* An account that a command is about. */
struct sm_target {
    struct span full, bare, local, resource; /* resource: none but where it is allowed */
};

enum sm_run_state {
    SM_RUN_ASKING, /* its form has been shown */
    SM_RUN_RUNNING,
};

struct sm_run {
    struct list_node node; /* of all; those that are asking in the order of their age */
    struct sm *sm;
    const struct sm_command *command;
    enum sm_run_state state;
    uint64_t deadline; /* while asking: loop time */
    char *who;         /* prepared full JID of the true sender, NUL-terminated */
    char id[49];

    /* While running: the request that is to be answered, and what the answer will hold. */
    struct sm_session *session; /* a reference; NULL: it came over the link */
    struct stanza request;
    uint32_t form; /* in request; 0: the command asks for nothing */
    struct link_done done;
    struct buf result; /* a data form */
    struct buf notes;

    /* For the command. */
    struct sm_target *targets; /* sm_run_targets: in the arena of request */
    size_t target_count;
    size_t at, open; /* targets that have been dealt with, or are being so */
    struct buf text;
    int64_t number;
};

static inline struct span sm_run_who(const struct sm_run *run)
{
    return span_of(run->who);
}

/* --- the form that has been filled in --- */

/* The JIDs of that field, at most max, as accounts of ours, each of them logged. False: it has been
 * refused (bad-payload), and nothing is to be done. */
bool sm_run_targets(struct sm_run *run, const char *var, size_t max, bool may_be_full);
struct span sm_run_value(struct sm_run *run, const char *var);
/* Whether that is one of the field's values. */
bool sm_run_has_value(struct sm_run *run, const char *var, struct span value);
/* The lines of a text, joined by LF, in run->text; false: too long, refused. */
bool sm_run_text(struct sm_run *run, const char *var, size_t max);

/* --- answers --- each ends, or suspends, the execution: run is not to be touched after it */
/* Shows the form; lines (separated by LF) are the values of its first field, or what can be chosen
 * there when that is a list; none: no value. */
void sm_run_ask(struct sm_run *run, struct span lines);
void sm_run_complete(struct sm_run *run);
/* The form stays: it may be filled in once more. */
void sm_run_refuse(struct sm_run *run, enum stanza_error e, const char *text);
void sm_run_bad_payload(struct sm_run *run);

/* --- what a completed one tells --- */
/* type: "info", "warn", "error"; about may be none. */
void sm_run_note(struct sm_run *run, const char *type, struct span about, const char *text);
/* In run->result: a form of type result and its fields; it is ended by sm_run_complete. */
void sm_run_result(struct sm_run *run);
void sm_run_result_field(struct sm_run *run, const char *var, const char *label, struct span value);
void sm_run_result_number(struct sm_run *run, const char *var, const char *label, uint64_t value);
/* Values: separated by LF. */
void sm_run_result_lines(struct sm_run *run, const char *var, const char *label, struct span lines);

/* --- the store --- */
/* work on the storage thread (it may use run alone), then on the loop. */
void sm_run_store(struct sm_run *run, enum store_kind kind,
                  int (*work)(struct db *db, struct sm_run *run),
                  void (*then)(struct sm_run *run, int result));

/* --- for the rest of the session manager --- */
struct sm_commands;
void sm_commands_free(struct sm *sm);
void sm_commands_close(struct sm *sm); /* for sm_free: no timer, nothing that waits for anyone */
void sm_command(struct sm_in *in, uint32_t payload); /* a row of iq.c */
bool sm_command_is_node(struct span node);
/* disco: of such a node; refused for who may not know of it. */
void sm_command_disco_info(struct sm_in *in, struct span node);
void sm_command_disco_items(struct sm_in *in, struct span node);

#endif
