/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * seeds - what simulations share that run random days, each told by a number: chance, days in
 * processes of their own, planted bugs, and the words of the command line.
 *
 *   NAME SEED             runs one and prints what happens (SIM_LOG=1: with the log of what is
 *                         under test)
 *   NAME --plant N SEED   the same with a bug planted
 *   NAME --check          many seeds, the planted bugs, and what more there is to judge; a line
 *                         "ok ..." or "not ok ..." for each
 *   NAME --seeds FIRST COUNT
 */
#ifndef TEST_SEEDS_H
#define TEST_SEEDS_H

#include "base/span.h"

#define SEEDS_WHY 400

/* --- chance ----------------------------------------------------------------------------------- */

void chance_seed(uint64_t seed);
uint64_t chance_below(uint64_t n); /* 0 when n is 0 */
static inline uint64_t chance_between(uint64_t low, uint64_t high)
{
    return low + chance_below(high - low + 1);
}
static inline bool chance_of(unsigned percent)
{
    return chance_below(100) < percent;
}

/* --- days ------------------------------------------------------------------------------------- */

/* A bug that is planted to see that it is found, and the rule that it breaks. */
struct seeds_plant {
    const char *text;
    unsigned rule;
};

struct seeds {
    const char *usage;
    uint64_t count;                   /* seeds that --check judges */
    uint64_t block;                   /* of one process, and of one line */
    uint64_t plant_seeds;             /* within which a planted bug must be found */
    const struct seeds_plant *plants; /* the first is none, and breaks none (0) */
    size_t plant_count;
    const char *const *rules; /* their names */
    /* From now on this bug is in what is under test. */
    void (*plant)(unsigned number);
    /* Runs one day: the first rule that it has broken, or 0; why in why_r. */
    unsigned (*run)(uint64_t seed, char why_r[SEEDS_WHY]);
    /* Makes what is made once in a process and kept, before a bug is planted. May be NULL. */
    void (*prepare)(void);
    /* From now on what happens is printed. */
    void (*trace)(void);
    /* The rest of --check. */
    bool (*check)(void);
};

/* The log of what is under test is dropped, unless SIM_LOG is set. */
void seeds_log(void);
/* main(); the status of the process. */
int seeds_main(const struct seeds *s, int argc, char **argv);

#endif
