/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Claims: first wins, the fence, the end of an owner, bounds.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/log.h"
#include "router/claims.h"

static char places[4];
#define PEER(i) ((struct peer *)(void *)&places[i])
#define U SPAN("u@h")
#define V SPAN("v@g")

/* What the claims have told, in order: "claim 1=0 u@h;" (peer 1: owner is 0), "held <1/>;" */
struct room {
    struct loop *loop;
    struct claims claims;
    struct buf told;
};

static int number_of(const struct peer *p)
{
    return (int)((const char *)(const void *)p - places);
}

static void on_claim(void *ctx, struct peer *peer, struct span id, struct span jid,
                     struct peer *owner)
{
    struct room *room = ctx;
    buf_printf(&room->told, "claim %d=%d %.*s %.*s;", number_of(peer), number_of(owner),
               SPAN_ARG(id), SPAN_ARG(jid));
}

static void on_held(void *ctx, const struct held *held)
{
    struct room *room = ctx;
    const struct claim *claim = claims_find(&room->claims, held->to);
    buf_printf(&room->told, "held %.*s>%d;", SPAN_ARG(held->frame),
               claim ? number_of(claim->owner) : -1);
}

static const struct claims_events events = {.on_claim = on_claim, .on_held = on_held};

static struct room *room_new(void)
{
    struct room *room = mem_zalloc(sizeof *room);
    log_threshold = LOG_ERROR;
    room->loop = loop_new_sim();
    claims_init(&room->claims, room->loop, &events, room);
    return room;
}

static void room_free(struct room *room)
{
    claims_free(&room->claims);
    loop_free(&room->loop);
    buf_free(&room->told);
    free(room);
}

static void expect(struct room *room, const char *told)
{
    assert_string_equal(buf_z(&room->told), told);
    buf_clear(&room->told);
}

static enum claim_result claim(struct room *room, struct span jid, int peer, const char *id)
{
    return claims_add(&room->claims, jid, PEER(peer), span_of(id));
}

static bool hold(struct room *room, const char *frame)
{
    return claim_hold(claims_find(&room->claims, U), SPAN("x@y"), U, span_of(frame));
}

static void first_wins(void **state)
{
    struct room *room = room_new();
    (void)state;
    assert_int_equal(claim(room, U, 0, "1"), CLAIM_GRANTED);
    assert_int_equal(claim(room, U, 0, "2"), CLAIM_GRANTED);
    assert_int_equal(claim(room, U, 1, "3"), CLAIM_REFUSED);
    assert_ptr_equal(claims_find(&room->claims, U)->owner, PEER(0));
    assert_int_equal(claims_count(&room->claims), 1);
    assert_false(claims_release(&room->claims, U, PEER(1)));
    assert_false(claims_release(&room->claims, V, PEER(0)));
    assert_false(claims_released_ok(&room->claims, U, PEER(0)));
    expect(room, "");
    room_free(room);
}

static void fence_passes_on_in_order(void **state)
{
    struct room *room = room_new();
    (void)state;
    claim(room, U, 0, "1");
    assert_true(claims_release(&room->claims, U, PEER(0)));
    assert_true(hold(room, "<a/>"));
    assert_int_equal(claim(room, U, 1, "2"), CLAIM_WAITING);
    assert_int_equal(claim(room, U, 2, "3"), CLAIM_WAITING);
    assert_int_equal(claim(room, U, 1, "4"), CLAIM_WAITING);
    assert_true(hold(room, "<b/>"));
    assert_false(claims_released_ok(&room->claims, U, PEER(1)));
    expect(room, "");
    assert_true(claims_released_ok(&room->claims, U, PEER(0)));
    expect(room, "claim 1=1 4 u@h;claim 2=1 3 u@h;held <a/>>1;held <b/>>1;");
    loop_sim_advance(room->loop, 2 * CLAIM_FENCE_MS);
    expect(room, "");
    room_free(room);
}

static void fence_without_next_owner(void **state)
{
    struct room *room = room_new();
    (void)state;
    claim(room, U, 0, "1");
    claims_release(&room->claims, U, PEER(0));
    hold(room, "<a/>");
    claims_released_ok(&room->claims, U, PEER(0));
    expect(room, "held <a/>>-1;");
    assert_int_equal(claims_count(&room->claims), 0);
    room_free(room);
}

static void fence_ends_by_itself(void **state)
{
    struct room *room = room_new();
    (void)state;
    claim(room, U, 0, "1");
    claims_release(&room->claims, U, PEER(0));
    claim(room, U, 1, "2");
    hold(room, "<a/>");
    loop_sim_advance(room->loop, CLAIM_FENCE_MS - 1);
    expect(room, "");
    loop_sim_advance(room->loop, 1);
    expect(room, "claim 1=1 2 u@h;held <a/>>1;");
    /* The word that comes too late changes nothing. */
    assert_false(claims_released_ok(&room->claims, U, PEER(0)));
    assert_ptr_equal(claims_find(&room->claims, U)->owner, PEER(1));
    room_free(room);
}

static void owner_dies(void **state)
{
    struct room *room = room_new();
    (void)state;
    claim(room, U, 0, "1");
    claim(room, V, 0, "2");
    claim(room, SPAN("w@h"), 1, "3");
    claims_release(&room->claims, U, PEER(0));
    claim(room, U, 1, "4");
    claim(room, U, 2, "5");
    hold(room, "<a/>");
    /* Who waits may die first. */
    claims_forget(&room->claims, PEER(1), SPAN_NONE);
    assert_null(claims_find(&room->claims, SPAN("w@h")));
    expect(room, "");
    claims_forget(&room->claims, PEER(0), SPAN_NONE);
    expect(room, "claim 2=2 5 u@h;held <a/>>2;");
    assert_null(claims_find(&room->claims, V));
    assert_int_equal(claims_count(&room->claims), 1);
    room_free(room);
}

static void forgets_one_domain(void **state)
{
    struct room *room = room_new();
    (void)state;
    claim(room, U, 0, "1");
    claim(room, V, 0, "2");
    claims_forget(&room->claims, PEER(0), SPAN("h"));
    assert_null(claims_find(&room->claims, U));
    assert_non_null(claims_find(&room->claims, V));
    room_free(room);
}

static void holds_so_much_and_no_more(void **state)
{
    struct room *room = room_new();
    (void)state;
    claim(room, U, 0, "1");
    claims_release(&room->claims, U, PEER(0));
    for (int i = 0; i < CLAIM_HOLD_STANZAS; i++)
        assert_true(hold(room, "<a/>"));
    assert_false(hold(room, "<a/>"));
    room_free(room); /* and what is still held does not leak */
}

static void many(void **state)
{
    struct room *room = room_new();
    char jid[32];
    (void)state;
    for (int i = 0; i < 10000; i++) {
        snprintf(jid, sizeof jid, "user%d@h", i);
        assert_int_equal(claim(room, span_of(jid), i % 3, "1"), CLAIM_GRANTED);
    }
    claims_forget(&room->claims, PEER(1), SPAN_NONE);
    assert_int_equal(claims_count(&room->claims), 6667);
    room_free(room);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_wins),
        cmocka_unit_test(fence_passes_on_in_order),
        cmocka_unit_test(fence_without_next_owner),
        cmocka_unit_test(fence_ends_by_itself),
        cmocka_unit_test(owner_dies),
        cmocka_unit_test(forgets_one_domain),
        cmocka_unit_test(holds_so_much_and_no_more),
        cmocka_unit_test(many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
