/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * wraps - what stands between the parts under test: the linker sends the calls named in sim.mk here
 * first. They are watched for the ledger; a planted bug is done here, too.
 */
#ifndef TEST_SIM_WRAPS_H
#define TEST_SIM_WRAPS_H

/* One database in memory for all instances of a suite, for as long as it is open. */
void wraps_open_store(void);
void wraps_close_store(void);
/* How many messages are stored. */
int wraps_stored(void);

#endif
