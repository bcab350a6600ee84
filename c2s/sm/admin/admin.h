/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * admin - the commands of XEP-0133, group by group, and what they do.
 */
#ifndef C2S_SM_ADMIN_H
#define C2S_SM_ADMIN_H

#include "c2s/sm/admin/commands.h"
#include "c2s/sm/admin/fleet.h"

#define SM_ANNOUNCEMENT_MAX (8u << 10)

/* --- admin_users.c --- accounts and sessions: run of commands */
void sm_admin_add_user(struct sm_run *run);
void sm_admin_delete_users(struct sm_run *run);
void sm_admin_change_password(struct sm_run *run);
void sm_admin_end_sessions(struct sm_run *run);

/* --- admin_look.c --- about single users */
void sm_admin_get_roster(struct sm_run *run);
void sm_admin_get_last_login(struct sm_run *run);
void sm_admin_user_stats(struct sm_run *run);

/* --- admin_count.c --- how many, and who */
void sm_admin_registered_num(struct sm_run *run);
void sm_admin_registered_list(struct sm_run *run);
/* Online, active or idle: as the command's node says. */
void sm_admin_users_num(struct sm_run *run);
void sm_admin_users_list(struct sm_run *run);

/* --- admin_tell.c --- announcements */
void sm_admin_announce(struct sm_run *run);
void sm_admin_set_motd(struct sm_run *run);
void sm_admin_ask_motd(struct sm_run *run);
void sm_admin_edit_motd(struct sm_run *run);
void sm_admin_delete_motd(struct sm_run *run);

/* --- own.c --- not XEP-0133's: what users can do about their own sessions */
void sm_own_ask_sessions(struct sm_run *run);
void sm_own_end_sessions(struct sm_run *run);

/* --- tell.c --- words to all users who are online: answers of census.c */
/* text as a headline from the host; counts them. They get it some at a time. */
void sm_tell_all(struct sm *sm, struct span text, uint64_t number, struct sm_tally *tally);
/* There is a message of the day of that number: to who has not seen it. */
void sm_tell_motd(struct sm *sm, struct span text, uint64_t number, struct sm_tally *tally);

/* --- for all of them --- */
/* The instances that were asked but did not answer, as a note. */
void sm_admin_note_silent(struct sm_run *run, const struct sm_tally *tally);
/* The JIDs of the targets, a line each, in run->text. */
void sm_admin_target_lines(struct sm_run *run);

#endif
