/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * control - what the files share that answer kontalkctl: control.c (its table, and what is short),
 * control_work.c (requests that take their time), control_account.c, control_roster.c,
 * control_message.c, control_pie.c.
 */
#ifndef C2S_CONTROL_H
#define C2S_CONTROL_H

#include "c2s/c2s.h"
#include "xmpp/jid.h"

/* text as the bare JID of a user here; false: it is none, and the call has been answered so. */
bool control_user(struct c2s *c2s, struct control_call *call, struct span text, struct jid *jid,
                  struct jid_scratch *scratch);

/*
 * A request that takes its time: the first member of its own struct, from mem_zalloc. Every few
 * seconds the asker is told how far it is, so that he need not doubt that somebody is at it. It
 * belongs to c2s->works until it ends, or the process does.
 */
struct control_work {
    struct list_node node;
    struct c2s *c2s;
    struct control_call *call;
    struct timer beat;
    uint64_t since;
    uint64_t (*progress)(const struct control_work *work); /* NULL: seconds */
    void (*destroy)(struct control_work *work); /* frees what the rest holds; may be NULL */
};
/* Rows of two columns from here on; the struct is begun with call and c2s. */
void control_work_begin(struct control_work *work, struct c2s *c2s, struct control_call *call);
/* Answers and frees it; error NULL: it has been done. */
void control_work_end(struct control_work *work, const char *error);
/* What is being imported is forgotten: at the end of the process. */
void control_imports_drop(struct c2s *c2s);
/* For the end of the process, when nothing that they wait for comes any more. */
void control_works_drop(struct c2s *c2s);

#define CONTROL_RUN(name)                                                                          \
    void name(void *ctx, struct control_call *call, const struct span *args, size_t count)
/* --- control_account.c --- */
CONTROL_RUN(control_user_erase);
CONTROL_RUN(control_archive_purge);
CONTROL_RUN(control_backup);
/* --- control_roster.c --- */
CONTROL_RUN(control_roster_list);
CONTROL_RUN(control_roster_add);
CONTROL_RUN(control_roster_remove);
/* --- control_message.c --- */
CONTROL_RUN(control_message_user);
CONTROL_RUN(control_message_all);
/* --- control_pie.c --- */
CONTROL_RUN(control_user_export);
CONTROL_RUN(control_import_user);
CONTROL_RUN(control_import_text);
CONTROL_RUN(control_import_store);
CONTROL_RUN(control_import_end);

#endif
