/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * keep - the rows of a database as they are now, to which it can be brought back: for a process
 * that is used for many inputs. Called by fuzz_session.c; the store is its caller's.
 */
#ifndef TEST_FUZZ_KEEP_H
#define TEST_FUZZ_KEEP_H

#include <stdbool.h>

struct keep;
struct loop;
struct store;

/* On a simulated loop; accounts are taken to stay as they are. trifle: the table that changes all
 * the time and that nobody holds in memory. */
struct keep *keep_new(struct loop *loop, struct store *store, const char *trifle);
/* True: not only the trifle is not as it was. Else that is brought back. */
bool keep_differs(struct keep *k);
/* Brings back all of it. Nobody may hold in memory what is in the database. */
void keep_restore(struct keep *k);
/* After the store has gone: its statements are ours. */
void keep_free(struct keep **k);

#endif
