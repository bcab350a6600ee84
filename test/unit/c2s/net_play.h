/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * net_play - what the tests of look-ups share: a network of three, and a user who is asked for.
 */
#ifndef TEST_NET_PLAY_H
#define TEST_NET_PLAY_H

#include "net_kit.h"

#define STAMP 1000

/* A user whose directory is beta, then gamma; asked for. */
struct play {
    struct kit *k;
    const char *user;
    struct net_asker a;
};

static inline struct play play_new(void)
{
    struct play p = {.k = net_new(NET_TABLE, NULL)};
    p.user = net_user(p.k, "beta.test", "gamma.test", 0);
    return p;
}

static inline void expect(struct play *p, enum sm_home_kind kind, const char *host)
{
    assert_int_equal(p->a.count, 1);
    assert_int_equal(p->a.home.kind, kind);
    assert_string_equal(p->a.host, host);
    EXPECT_HOME(p->k, p->user, kind);
}

#endif
