/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * warm - a client that knows others by their servers is shown its roster: where each contact is at
 * home is looked up before, so that it sees user@HOME at once, as in the presence that follows, and
 * not user@NETWORK first.
 *
 * Nobody is looked up whom the client may not be shown: the quota of its account is used up.
 *
 * Called by contacts/roster.c. The request waits as a copy, and is handled anew when the last
 * answer has come; sm->net has the list of those that wait, each of which belongs to its look-ups.
 */
#include "c2s/sm/network/network.h"

#include <stdlib.h>

struct warm {
    struct list_node node; /* of sm->net->warming */
    struct sm *sm;
    struct sm_session *session;
    struct stanza request;
    struct link_done done;
    size_t left; /* look-ups */
    size_t bytes;
};

static bool is_unknown(const struct sm *sm, struct span local, struct span domain)
{
    return !span_is_none(local) && sm_is_network_domain(sm, domain) &&
           sm_home_peek(sm, local).kind == SM_HOME_UNKNOWN;
}

/* What a client may make us keep is counted with what it has sent to others (edge_wait.c). */
static bool has_room(const struct sm_in *in)
{
    return in->session->unresolved_bytes <= SM_MAX_HELD_BYTES &&
           in->sm->net->warm_bytes <= SM_MAX_ALL_HELD_BYTES;
}

static void keep(struct warm *w, struct sm_in *in)
{
    stanza_copy(&w->request, in->stanza);
    w->done = sm_in_take_done(in);
    w->bytes = sizeof(*w) + arena_held(&w->request.arena) +
               w->request.node_cap * sizeof(struct stanza_node) +
               w->request.attr_cap * sizeof(struct stanza_attr);
    w->session->unresolved_bytes += w->bytes;
    w->sm->net->warm_bytes += w->bytes;
}

static void leave(struct warm *w)
{
    list_remove(&w->node);
    w->session->unresolved_bytes -= w->bytes;
    w->sm->net->warm_bytes -= w->bytes;
}

static void goes_on(struct warm *w)
{
    struct sm_session *session = w->session;
    const struct link_done done = w->done;

    leave(w);
    session->is_warm = true;
    sm_input(session, &w->request, done);
    session->is_warm = false;
    stanza_free(&w->request);
    free(w);
    sm_session_unref(session);
}

static void on_home(void *ctx, const struct sm_home *home)
{
    struct warm *w = ctx;

    (void)home;
    if (--w->left == 0)
        goes_on(w);
}

static struct warm *warm_new(struct sm_in *in)
{
    struct warm *w = mem_zalloc(sizeof(*w));

    w->sm = in->sm;
    w->session = sm_session_ref(in->session);
    list_append(&in->sm->net->warming, &w->node);
    return w;
}

static void ask(struct warm **w, struct sm_in *in, struct span local, struct span domain)
{
    if (!is_unknown(in->sm, local, domain) || !sm_match_may_show(in->session, local))
        return;
    if (!*w)
        *w = warm_new(in);
    if (sm_home_ask(in->sm, local, on_home, *w))
        (*w)->left++;
}

static void ask_all(struct warm **w, struct sm_in *in)
{
    const struct sm_profile *profile = in->session->user->profile;
    const struct sm_contact *c;
    size_t cursor = 0;

    while (profile && (c = sm_contact_next(profile, &cursor)) != NULL)
        ask(w, in, c->local, c->domain);
}

static void drop(struct warm *w)
{
    leave(w);
    stanza_free(&w->request);
    sm_session_unref(w->session);
    free(w);
}

bool sm_warm_homes(struct sm_in *in, struct span one)
{
    const size_t at = span_index(one, '@');
    struct warm *w = NULL;

    if (!sm_has_network(in->sm) || in->session->is_warm ||
        !span_eq(in->session->domain, in->sm->opts.host) || !has_room(in))
        return true;
    if (span_is_none(one))
        ask_all(&w, in);
    else if (at < one.n)
        ask(&w, in, span_make(one.p, at), jid_domain_of(one));
    if (!w)
        return true;
    if (w->left == 0) { /* too much is being looked up */
        drop(w);
        return true;
    }
    keep(w, in);
    return false;
}

/* The look-ups have ended before. */
void sm_warm_close(struct sm *sm)
{
    LIST_FOR_EACH (node, &sm->net->warming) {
        struct warm *w = CONTAINER_OF(node, struct warm, node);
        const struct link_done done = w->done;
        drop(w);
        sm_done(done, false);
    }
}
