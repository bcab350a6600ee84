/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * admin - all commands that commands.c serves, in one table: those of XEP-0133 that there is
 * something behind. To restart and shut down is the affair of whoever supervises the processes;
 * accounts have no state of being disabled; lists of who may do what are in the configuration. The
 * last one is for every user.
 */
#include "c2s/sm/admin/admin.h"

/* Of commands that are no extension of others: their nodes and forms. */
#define NS_OWN "http://kontalk.org/extensions/commands"

static const char *const max_items[] = {"25", "50", "75", "100", "150", "200", "none", NULL};

#define LABEL_JID "The Jabber ID for this account"
#define END {NULL, NULL, NULL, false, NULL}

static const struct sm_field new_account[] = {
    {"accountjid", "jid-single", "The Jabber ID for the account to be added", true, NULL},
    {"password", "text-private", "The password for this account", true, NULL},
    {"password-verify", "text-private", "Retype password", true, NULL},
    END,
};
static const struct sm_field account_and_password[] = {
    {"accountjid", "jid-single", LABEL_JID, true, NULL},
    {"password", "text-private", "The password for this account", true, NULL},
    END,
};
static const struct sm_field account[] = {
    {"accountjid", "jid-single", LABEL_JID, true, NULL},
    END,
};
static const struct sm_field accounts[] = {
    {"accountjids", "jid-multi", "The Jabber ID(s)", true, NULL},
    END,
};
static const struct sm_field how_many[] = {
    {"max_items", "list-single", "Maximum number of items to show", true, max_items},
    END,
};
static const struct sm_field announcement[] = {
    {"announcement", "text-multi", "Announcement", true, NULL},
    END,
};
static const struct sm_field motd[] = {
    {"motd", "text-multi", "Message of the Day", true, NULL},
    END,
};

static const struct sm_field sessions[] = {
    {"resources", "list-multi", "Sessions", true, NULL},
    END,
};

#define FILL_IN(what) "Fill out this form to " what "."

const struct sm_command sm_command_table[] = {
    {NS_ADMIN "#add-user", "Add User", SM_RIGHT_ADMINISTER, "Adding a User",
     FILL_IN("add a user"), new_account, NULL, sm_admin_add_user},
    {NS_ADMIN "#delete-user", "Delete User", SM_RIGHT_ADMINISTER, "Deleting a User",
     FILL_IN("delete users, with all that is kept for them"), accounts, NULL,
     sm_admin_delete_users},
    {NS_ADMIN "#end-user-session", "End User Session", SM_RIGHT_ADMINISTER,
     "Ending a User Session", FILL_IN("end sessions: one by its full JID, all by the bare JID"),
     accounts, NULL, sm_admin_end_sessions},
    {NS_ADMIN "#change-user-password", "Change User Password", SM_RIGHT_ADMINISTER,
     "Changing a User Password", FILL_IN("change a user's password"), account_and_password, NULL,
     sm_admin_change_password},
    {NS_ADMIN "#get-user-roster", "Get User Roster", SM_RIGHT_ADMINISTER,
     "Getting a User's Roster", FILL_IN("get a user's roster"), accounts, NULL,
     sm_admin_get_roster},
    {NS_ADMIN "#get-user-lastlogin", "Get User Last Login Time", SM_RIGHT_ADMINISTER,
     "Getting a User's Last Login Time", FILL_IN("get a user's last login time"), accounts, NULL,
     sm_admin_get_last_login},
    {NS_ADMIN "#user-stats", "Get User Statistics", SM_RIGHT_ADMINISTER, "Get User Statistics",
     FILL_IN("gather user statistics"), account, NULL, sm_admin_user_stats},
    {NS_ADMIN "#get-registered-users-num", "Get Number of Registered Users",
     SM_RIGHT_ADMINISTER, NULL, NULL, NULL, NULL, sm_admin_registered_num},
    {NS_ADMIN "#get-registered-users-list", "Get List of Registered Users", SM_RIGHT_ADMINISTER,
     "Requesting List of Registered Users", FILL_IN("list the registered users"), how_many, NULL,
     sm_admin_registered_list},
    {NS_ADMIN "#get-online-users-num", "Get Number of Online Users", SM_RIGHT_ADMINISTER, NULL,
     NULL, NULL, NULL, sm_admin_users_num},
    {NS_ADMIN "#get-online-users-list", "Get List of Online Users", SM_RIGHT_ADMINISTER,
     "Requesting List of Online Users", FILL_IN("list the users who are online"), how_many, NULL,
     sm_admin_users_list},
    {NS_ADMIN "#get-active-users-num", "Get Number of Active Users", SM_RIGHT_ADMINISTER, NULL,
     NULL, NULL, NULL, sm_admin_users_num},
    {NS_ADMIN "#get-active-users-list", "Get List of Active Users", SM_RIGHT_ADMINISTER,
     "Requesting List of Active Users", FILL_IN("list the users who are active"), how_many, NULL,
     sm_admin_users_list},
    {NS_ADMIN "#get-idle-users-num", "Get Number of Idle Users", SM_RIGHT_ADMINISTER, NULL, NULL,
     NULL, NULL, sm_admin_users_num},
    {NS_ADMIN "#get-idle-users-list", "Get List of Idle Users", SM_RIGHT_ADMINISTER,
     "Requesting List of Idle Users", FILL_IN("list the users who are idle"), how_many, NULL,
     sm_admin_users_list},
    {NS_ADMIN "#announce", "Send Announcement to Online Users", SM_RIGHT_ADMINISTER,
     "Making an Announcement", FILL_IN("make an announcement to all users who are online"),
     announcement, NULL, sm_admin_announce},
    {NS_ADMIN "#set-motd", "Set Message of the Day", SM_RIGHT_ADMINISTER,
     "Setting the Message of the Day", FILL_IN("set the message of the day"), motd, NULL,
     sm_admin_set_motd},
    {NS_ADMIN "#edit-motd", "Edit Message of the Day", SM_RIGHT_ADMINISTER,
     "Editing the Message of the Day", FILL_IN("edit the message of the day"), motd,
     sm_admin_ask_motd, sm_admin_edit_motd},
    {NS_ADMIN "#delete-motd", "Delete Message of the Day", SM_RIGHT_ADMINISTER, NULL, NULL, NULL,
     NULL, sm_admin_delete_motd},
    {NS_OWN "#end-sessions", "End Other Sessions of Mine", SM_RIGHT_OWN, "Ending Sessions",
     "Choose which of your other sessions end.", sessions, sm_own_ask_sessions,
     sm_own_end_sessions},
};
const size_t sm_command_count = ARRAY_LEN(sm_command_table);

void sm_admin_note_silent(struct sm_run *run, const struct sm_tally *tally)
{
    if (tally->silent > 0)
        sm_run_note(run, "warn", SPAN_NONE,
                    "Not all instances have answered: there may be more.");
}

void sm_admin_target_lines(struct sm_run *run)
{
    buf_clear(&run->text);
    for (size_t i = 0; i < run->target_count; i++) {
        buf_append(&run->text, run->targets[i].full);
        buf_append_char(&run->text, '\n');
    }
}
