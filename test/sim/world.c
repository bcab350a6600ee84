/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * world - the course of one seed: a suite is set up, its persons chat while things fail, then all
 * is mended, everybody comes, everybody goes, everybody comes back for what is still stored, and
 * nothing may be left of them:
 *
 *   owner    Once things have settled, each user who is there is owned by one instance, the one
 *            that the router names; nothing of his is still stored.
 *   session  Once all have gone, no client, session, user or claim is left.
 *   memory   Once the suite has ended, it has given back all its memory.
 *   stuck    Whoever wants in gets in.
 */
#include "sim.h"

#include "base/mem.h"
#include "c2s/sm/sm_private.h"
#include "tls/crypto.h"
#include "wraps.h"
#include "xml/parser.h"

#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SETTLE_MS 12000
#define GATHER_ROUNDS 150 /* of a second */

enum fault {
    FAULT_ROUTER_STOP,
    FAULT_ROUTER_KILL,
    FAULT_C2S_STOP,
    FAULT_C2S_KILL,
    FAULT_CUT_OFF,
    FAULT_LINK_BREAK,
    FAULTS,
};

struct world *world;

bool world_is_calm(const struct world *w)
{
    return w->profile.faults == 0 && !w->profile.breaks;
}

/* --- setting up ------------------------------------------------------------------------------- */

static void make_profile(struct world *w)
{
    struct profile *p = &w->profile;
    p->link_delay = chance_of(50) ? chance_below(3) : chance_below(20);
    p->client_delay = p->link_delay + 1 + (chance_of(50) ? chance_below(10) : chance_below(120));
    p->pause = chance_between(20, 700);
    p->length = chance_between(3000, 12000);
    p->breaks = w->seed % 4 != 0;
    if (w->seed % 4 >= 2)
        p->faults = (unsigned)chance_between(1, (1u << FAULTS) - 1);
}

static void make_persons(struct world *w)
{
    size_t users = (size_t)chance_between(2, 6);
    for (size_t user = 0; user < users; user++) {
        size_t resources = chance_of(25) ? 2 : 1;
        for (size_t r = 0; r < resources; r++) {
            struct person *p = &w->persons[w->person_count];
            *p = (struct person){.index = w->person_count++};
            snprintf(p->user, sizeof p->user, "u%zu", user);
            snprintf(p->resource, sizeof p->resource, "r%zu", r);
            p->home = (size_t)chance_between(1, SIM_INSTANCES);
            p->is_managed = chance_of(60);
        }
        stage_add_user(w->stage, w->persons[w->person_count - 1].user);
    }
}

/* Where the router writes down who was here, for its next start. */
static void make_room(struct world *w)
{
    snprintf(w->room, sizeof w->room, "/tmp/sim-XXXXXX");
    if (!mkdtemp(w->room))
        abort();
    struct buf path = {0};
    buf_printf(&path, "%s/router.ctl", w->room);
    free(w->stage->router_conf->control);
    w->stage->router_conf->control = mem_strdup_span(buf_span(&path));
    buf_free(&path);
}

static void remove_room(const struct world *w)
{
    struct buf path = {0};
    buf_printf(&path, "%s/router.ctl.known", w->room);
    unlink(buf_z(&path));
    rmdir(w->room);
    buf_free(&path);
}

static void set_up(struct world *w)
{
    wraps_open_store();
    w->stage = stage_new(0, NULL, "[limits]\nprelogin_per_address = 1000\nresume = 4s\n");
    make_room(w);
    crypto_simulate(w->seed + 1);
    if (chance_of(50))
        w->stage->router_conf->settle = 1000;
    stage_stop_router(w->stage); /* these settings are of the next one */
    stage_start_router(w->stage);
    make_persons(w); /* in the database, before there are two who would add them */
    for (size_t number = 2; number <= SIM_INSTANCES; number++)
        stage_start_c2s(w->stage, number);
    for (size_t i = 0; i < w->person_count; i++)
        person_start(&w->persons[i]);
}

/* --- failing ---------------------------------------------------------------------------------- */

static void break_link(struct instance *i, size_t number)
{
    if (!i->c2s || !link_is_up(i->c2s->link))
        return;
    sim_trace("the link of c2s-%zu breaks", number);
    conn_abort(i->link_conn, -ECONNRESET);
}

static void end_router(struct world *w, bool is_killed)
{
    sim_trace("the router is %s", is_killed ? "killed" : "stopped");
    if (is_killed)
        router_free(&w->stage->router);
    else
        stage_stop_router(w->stage);
}

static void end_c2s(struct world *w, size_t number, bool is_killed)
{
    sim_trace("c2s-%zu is %s", number, is_killed ? "killed" : "stopped");
    if (is_killed)
        stage_kill_c2s(w->stage, number);
    else
        stage_stop_c2s(w->stage, number);
}

static void start(struct world *w, size_t number)
{
    sim_trace("c2s-%zu starts", number);
    stage_start_c2s(w->stage, number);
}

static void start_router(struct world *w)
{
    sim_trace("the router starts");
    stage_start_router(w->stage);
}

static void cut_off(struct world *w, size_t number, bool is_cut_off)
{
    sim_trace("c2s-%zu is %s", number, is_cut_off ? "cut off" : "joined");
    stage_cut_off_c2s(w->stage, number, is_cut_off);
}

static void fail(struct world *w)
{
    enum fault fault = (enum fault)chance_below(FAULTS);
    size_t number = (size_t)chance_between(1, SIM_INSTANCES);
    struct instance *i = &w->stage->c2s[number - 1];
    if (!(w->profile.faults & 1u << fault))
        return;
    switch (fault) {
    case FAULT_ROUTER_STOP:
    case FAULT_ROUTER_KILL:
        if (w->stage->router)
            end_router(w, fault == FAULT_ROUTER_KILL);
        else
            start_router(w);
        break;
    case FAULT_C2S_STOP:
    case FAULT_C2S_KILL:
        if (i->c2s)
            end_c2s(w, number, fault == FAULT_C2S_KILL);
        else
            start(w, number);
        break;
    case FAULT_CUT_OFF:
        if (i->c2s)
            cut_off(w, number, !i->is_cut_off);
        break;
    default:
        break_link(i, number);
    }
}

static void mend(struct world *w)
{
    if (!w->stage->router)
        start_router(w);
    for (size_t number = 1; number <= SIM_INSTANCES; number++) {
        struct instance *i = &w->stage->c2s[number - 1];
        if (!i->c2s)
            start(w, number);
        else if (i->is_cut_off)
            cut_off(w, number, false);
    }
}

/* --- looking ---------------------------------------------------------------------------------- */

static const struct sm *sm_of(const struct world *w, size_t number)
{
    return w->stage->c2s[number - 1].c2s->sm;
}

/* The instance that owns him; 0: none. */
static size_t owner_of(const struct world *w, const struct person *p)
{
    size_t owner = 0;
    for (size_t number = 1; number <= SIM_INSTANCES; number++) {
        if (!sm_user_owned(sm_of(w, number), span_of(p->user)))
            continue;
        if (owner)
            sim_breach(RULE_OWNER, "%s has two owners", p->user);
        owner = number;
    }
    return owner;
}

static void look_at_owner(const struct world *w, const struct person *p)
{
    char bare[80];
    snprintf(bare, sizeof bare, "%s@" STAGE_HOST, p->user);
    const struct claim *claim = claims_find(&w->stage->router->claims, span_of(bare));
    size_t owner = owner_of(w, p);
    const char *name = owner ? w->stage->c2s[owner - 1].c2s->name : "nobody";
    if (!owner || !claim || claim->fence || !span_eq(claim->owner->name, span_of(name))) {
        sim_breach(RULE_OWNER, "%s is owned by %s, %s by the router", p->user, name,
                   claim ? "claimed otherwise" : "not claimed");
        return;
    }
    const struct sm_user *user = sm_user_owned(sm_of(w, owner), span_of(p->user));
    if (!sm_user_session(user, span_of(p->resource)))
        sim_breach(RULE_SESSION, "%s has no session at %s", p->full, name);
}

static void look_at_all_here(const struct world *w)
{
    for (size_t i = 0; i < w->person_count; i++)
        look_at_owner(w, &w->persons[i]);
    if (wraps_stored() > 0)
        sim_breach(RULE_LOSS, "%d messages are still stored though everybody is there",
                   wraps_stored());
}

static void look_at_none(const struct c2s *c2s)
{
    const struct sm *sm = c2s->sm;
    if (sm->users.count + sm->session_count + sm->openings.count > 0)
        sim_breach(RULE_SESSION, "%zu users, %zu sessions, %zu openings are left at %s",
                   sm->users.count, sm->session_count, sm->openings.count, c2s->name);
    if (sm->fronts.count + sm->guests.count + sm->peers.count > 0)
        sim_breach(RULE_SESSION, "%zu fronts, %zu guests, %zu peers are left at %s",
                   sm->fronts.count, sm->guests.count, sm->peers.count, c2s->name);
    if (c2s->client_count > 0)
        sim_breach(RULE_SESSION, "%zu clients are left at %s", c2s->client_count, c2s->name);
    if (c2s->seat_count > 0)
        sim_breach(RULE_SESSION, "%zu seats are left at %s", c2s->seat_count, c2s->name);
    if (sm->holds != 1 || sm->job_bytes > 0)
        sim_breach(RULE_SESSION, "%zu jobs with %zu bytes are left at %s", sm->holds - 1,
                   sm->job_bytes, c2s->name);
}

static void look_at_nobody_here(const struct world *w)
{
    ledger_check_completions();
    for (size_t number = 1; number <= SIM_INSTANCES; number++)
        look_at_none(w->stage->c2s[number - 1].c2s);
    if (claims_count(&w->stage->router->claims) > 0)
        sim_breach(RULE_SESSION, "%zu claims are left", claims_count(&w->stage->router->claims));
}

/* --- the course ------------------------------------------------------------------------------- */

static void chat(struct world *w)
{
    uint64_t end = loop_now(w->stage->loop) + w->profile.length;
    while (loop_now(w->stage->loop) < end) {
        loop_sim_advance(w->stage->loop, chance_between(10, 500));
        if (w->profile.faults && chance_of(40))
            fail(w);
    }
    sim_trace("the chat is over");
    mend(w);
}

static bool is_as_wanted(const struct world *w, const struct person *p)
{
    return w->mode == MODE_LEAVE ? p->state == PERSON_OFF : p->is_available;
}

static void wait_for_all(struct world *w, enum mode mode)
{
    w->mode = mode;
    for (int round = 0; round < GATHER_ROUNDS; round++) {
        size_t done = 0;
        loop_sim_advance(w->stage->loop, 1000);
        while (done < w->person_count && is_as_wanted(w, &w->persons[done]))
            done++;
        if (done < w->person_count)
            continue;
        loop_sim_advance(w->stage->loop, SETTLE_MS);
        return;
    }
    for (size_t i = 0; i < w->person_count; i++)
        if (!is_as_wanted(w, &w->persons[i]))
            sim_breach(RULE_STUCK, "%s is in state %d for ever", w->persons[i].full,
                       w->persons[i].state);
}

static void take_down(struct world *w)
{
    for (size_t i = 0; i < w->person_count; i++) {
        struct person *p = &w->persons[i];
        timer_stop(&p->next);
        if (p->conn) {
            conn_set_handler(p->conn, NULL, NULL);
            conn_abort(p->conn, 0);
        }
        buf_free(&p->heard);
    }
    struct stage *stage = w->stage; /* who is wrapped still looks at it */
    stage_free(&stage);
    w->stage = NULL;
    wraps_close_store();
}

static void run(struct world *w)
{
    static const enum mode course[] = {MODE_GATHER, MODE_LEAVE, MODE_GATHER, MODE_LEAVE};
    set_up(w);
    chat(w);
    for (size_t i = 0; i < ARRAY_LEN(course) && !w->broken; i++) {
        wait_for_all(w, course[i]);
        if (w->broken)
            break;
        if (course[i] == MODE_GATHER)
            look_at_all_here(w);
        else
            look_at_nobody_here(w);
    }
    if (!w->broken)
        ledger_check();
    if (!w->broken) /* else it may not let itself be ended in order */
        take_down(w);
}

#ifdef __SANITIZE_ADDRESS__
size_t __sanitizer_get_current_allocated_bytes(void); /* its header is clang's */
#endif

/* What the allocator has given out, which is all there is to memory here. */
static size_t memory(void)
{
#ifdef __SANITIZE_ADDRESS__
    return __sanitizer_get_current_allocated_bytes();
#else
    return mallinfo2().uordblks;
#endif
}

/* How much more memory is given out afterwards. */
static size_t run_seed(struct world *w, uint64_t seed)
{
    size_t before = memory();
    *w = (struct world){.seed = seed};
    world = w;
    chance_seed(seed);
    make_profile(w);
    run(w);
    remove_room(w);
    ledger_clear();
    wires_clear();
    world = NULL;
    return memory() > before ? memory() - before : 0;
}

/* What was kept for the next time, as buffers are, is enough when the same happens again. */
void world_run(uint64_t seed, enum rule *broken_r, char *why_r)
{
    static struct world w;
    bool is_traced = sim_is_traced;
    size_t left = run_seed(&w, seed);
    sim_is_traced = false;
    for (int turn = 0; left > 0 && turn < 2 && !w.broken; turn++)
        left = run_seed(&w, seed);
    sim_is_traced = is_traced;
    world = &w;
    if (left > 0 && !w.broken)
        sim_breach(RULE_MEMORY, "%zu bytes are left each time", left);
    world = NULL;
    *broken_r = w.broken;
    memcpy(why_r, w.why, sizeof w.why);
}
