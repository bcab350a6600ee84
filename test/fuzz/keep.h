/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * keep - the rows of a database as they are now, to which it can be brought back: for a process
 * that is used for many inputs. Called by fuzz_session.c; the store is its caller's.
 */
#ifndef TEST_FUZZ_KEEP_H
#define TEST_FUZZ_KEEP_H

struct loop;
struct store;

/* On a simulated loop; accounts are taken to stay as they are. */
struct keep *keep_new(struct loop *loop, struct store *store);
/* Nobody may hold in memory what is in the database. */
void keep_restore(struct keep *k);
/* After the store has gone: its statements are ours. */
void keep_free(struct keep **k);

#endif
