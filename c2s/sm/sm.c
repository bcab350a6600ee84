/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sm - the session manager as a whole: its life, the link's events, and what others ask about it.
 *
 * Owned by the process; the transport and the link call in. The struct outlives sm_free by the
 * store jobs and completions that are still under way (sm_hold).
 */
#include "c2s/sm/access.h"
#include "c2s/sm/archive/archive.h"
#include "c2s/sm/admin/commands.h"
#include "c2s/sm/admin/fleet.h"

#include <limits.h>
#include <stdlib.h>

struct sm *sm_new(struct loop *loop, struct store *store, const struct sm_opts *opts)
{
    struct sm *sm = mem_zalloc(sizeof(*sm));

    sm->loop = loop;
    sm->store = store;
    sm->opts = *opts;
    sm->holds = 1;
    sm->started = loop_now(loop);
    list_init(&sm->ready);
    list_init(&sm->arrived);
    list_init(&sm->posts);
    list_init(&sm->exports);
    list_init(&sm->unannounced);
    sm_access_load(sm, opts->rules, opts->rule_count);
    list_init(&sm->polls);
    list_init(&sm->tells);
    sm_pep_init(sm);
    sm_archive_open(sm);
    sm_network_open(sm);
    sm_erase_open(sm);
    sm_offline_open(sm);
    sm_filter_set(sm, &opts->filter);
    return sm;
}

void sm_set_limits(struct sm *sm, const struct sm_opts *opts)
{
    sm_access_load(sm, opts->rules, opts->rule_count);
    sm->opts.max_sessions = opts->max_sessions;
    sm->opts.max_many_sessions = opts->max_many_sessions;
    sm->opts.min_password = opts->min_password;
    sm->opts.max_roster = opts->max_roster;
    sm->opts.presence_rate = opts->presence_rate;
    sm->opts.presence_burst = opts->presence_burst;
    sm->opts.max_offline = opts->max_offline;
    sm->opts.max_offline_bytes = opts->max_offline_bytes;
    sm->opts.offline_days = opts->offline_days;
    sm->opts.max_blocked = opts->max_blocked;
    sm->opts.max_backlog = opts->max_backlog;
    sm->opts.max_stanza = opts->max_stanza;
    sm->opts.max_nodes = opts->max_nodes;
    sm->opts.max_items = opts->max_items;
    sm->opts.max_item_bytes = opts->max_item_bytes;
    sm->opts.max_pubsub_bytes = opts->max_pubsub_bytes;
    sm->opts.max_push = opts->max_push;
    sm->opts.push_sender = opts->push_sender;
    sm->opts.push_body = opts->push_body;
    sm->opts.max_addresses = opts->max_addresses;
    sm->opts.externals = opts->externals;
    sm->opts.external_count = opts->external_count;
    sm->opts.contacts = opts->contacts;
    sm->opts.archive = opts->archive;
    sm->opts.archive_rule = opts->archive_rule;
    sm->opts.archive_page = opts->archive_page;
    sm->opts.archive_days = opts->archive_days;
    sm->opts.archive_messages = opts->archive_messages;
    sm_filter_set(sm, &opts->filter);
    sm_network_set_limits(sm, &opts->net);
}

void sm_hold(struct sm *sm)
{
    sm->holds++;
}

void sm_unhold(struct sm *sm)
{
    if (--sm->holds > 0)
        return;
    sm_pep_free(sm);
    sm_waits_free(sm);
    sm_joins_free(sm);
    sm_archive_free(sm);
    sm_access_free(sm);
    sm_commands_free(sm);
    servers_unref(&sm->members);
    map_free(&sm->users);
    buf_free(&sm->scratch);
    buf_free(&sm->tail);
    buf_free(&sm->nowhere);
    stanza_free(&sm->notice);
    stanza_free(&sm->content);
    free(sm);
}

void sm_free(struct sm **sm_p)
{
    struct sm *sm = *sm_p;

    if (!sm)
        return;
    *sm_p = NULL;
    sm->is_closed = true;
    sm->link = NULL;
    sm->accounts = NULL;
    sm_filter_free(sm);
    sm_guest_peer_down(sm, SPAN_NONE);
    sm_archive_close(sm);
    sm_push_close(sm);
    sm_fleet_close(sm);
    sm_commands_close(sm);
    sm_tell_close(sm);
    sm_multicast_close(sm);
    sm_post_close(sm);
    sm_export_close(sm);
    sm_network_close(sm);
    sm_erase_close(sm);
    sm_offline_close(sm);
    sm_session_drop_all(sm);
    sm_front_drop_all(sm);
    timer_stop(&sm->peer_beat);
    timer_stop(&sm->announce_wait);
    loop_defer_cancel(&sm->answer);
    sm_disco_free(sm);
    map_free(&sm->peers);
    map_free(&sm->openings);
    map_free(&sm->fronts);
    map_free(&sm->guests);
    map_free(&sm->moved);
    sm_unhold(sm);
}

static void on_up(void *ctx)
{
    sm_user_on_link_up(ctx);
    sm_fleet_on_up(ctx);
}

static void on_down(void *ctx)
{
    struct sm *sm = ctx;

    sm_filter_away(sm);
    sm_disco_free(sm); /* what is still there is told anew */
    sm_members_gone(sm);
    sm_front_peer_down(sm, SPAN_NONE);
    sm_guest_peer_down(sm, SPAN_NONE);
    sm_user_on_link_down(sm);
}

static void on_route(void *ctx, struct span name, bool is_up)
{
    struct sm *sm = ctx;

    sm_disco_route(sm, name, is_up);
    sm_member_on_route(sm, name, is_up);
    sm_filter_on_route(sm, name, is_up);
}

static void on_claim(void *ctx, struct span jid, struct span owner)
{
    sm_user_on_claim(ctx, jid, owner);
}

static void on_released(void *ctx, struct span jid)
{
    sm_user_on_released(ctx, jid);
}

static void on_envelope(void *ctx, struct stanza *envelope)
{
    sm_envelope(ctx, envelope);
}

const struct link_events sm_link_events = {
    .on_up = on_up,
    .on_down = on_down,
    .on_stanza = sm_on_link_stanza,
    .on_envelope = on_envelope,
    .on_route = on_route,
    .on_claim = on_claim,
    .on_released = on_released,
};

void sm_set_link(struct sm *sm, struct link *link)
{
    bool was_linked = sm->link != NULL;

    if (was_linked && !link) { /* while they can still be told */
        sm_filter_away(sm);
        sm_edge_away(sm);
        sm_guest_peer_down(sm, SPAN_NONE);
    }
    sm->link = link;
    if (was_linked && !link)
        on_down(sm);
}

void sm_set_accounts(struct sm *sm, const struct sm_account_ops *ops, void *ctx)
{
    sm->accounts = ops;
    sm->accounts_ctx = ctx;
}

bool sm_is_local_domain(const struct sm *sm, struct span domain)
{
    return span_eq(domain, sm->opts.host) || span_eq(domain, sm->opts.network);
}

void sm_user_added(struct sm *sm, struct span name)
{
    sm_home_on_account(sm, name, true);
    sm_publish_look(sm);
}

void sm_user_deleted(struct sm *sm, struct span name)
{
    struct sm_user *user = sm_user_find(sm, name);

    sm_home_on_account(sm, name, false);
    sm_front_user_ended(sm, name, "account deleted");
    sm_rights_end(sm, name);
    if (user)
        sm_user_end_sessions(user);
    sm_owner_tell(sm, name, "deleted");
    sm_erase_look(sm);
}

void sm_user_moved(struct sm *sm, struct span name, struct span host)
{
    struct sm_user *user = sm_user_find(sm, name);
    char text[SM_MOVED_TEXT];

    sm_front_user_ended(sm, name, sm_moved_text(host, text));
    sm_rights_end(sm, name);
    if (user)
        sm_user_end_moved(user, host);
    sm_owner_tell_of(sm, name, "moved", host);
}

struct span sm_session_jid(const struct sm_session *session)
{
    return session->full;
}

int sm_session_priority(const struct sm_session *session)
{
    return session->is_available ? session->priority : INT_MIN;
}

size_t sm_session_count(const struct sm *sm)
{
    return sm->session_count;
}

void sm_features(const struct sm *sm, struct buf *out)
{
    (void)sm;
    xml_raw(out, SPAN("<ver xmlns='" NS_ROSTER_VER "'/><sub xmlns='" NS_PRE_APPROVAL "'/>"));
}
