/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sim - random days of a whole suite, each told by a number (seeds.h). --check: 1,000 of them, the
 * planted bugs, and that a seed is always the same day.
 */
#include "sim.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#ifdef __SANITIZE_ADDRESS__
#define SEEDS 200 /* it takes its time */
#else
#define SEEDS 1000
#endif
#define SAME_SEEDS 12

bool sim_is_traced;
static bool is_printed;
static uint64_t digest; /* of the trace */

/* --- what is found ---------------------------------------------------------------------------- */

static const char *const rule_names[] = {"none",
#define X(name, text) text,
                                         RULES(X)
#undef X
};

static const struct seeds_plant plants[] = {{"nothing", RULE_NONE},
#define X(name, text, rule) {text, RULE_##rule},
                                            PLANTS(X)
#undef X
};

static void add_to_trace(const char *line)
{
    for (const char *p = line; *p; p++)
        digest = (digest ^ (unsigned char)*p) * 0x100000001b3u;
    if (!is_printed)
        return;
    uint64_t now = world && world->stage ? loop_now(world->stage->loop) - 1000000 : 0;
    printf("%4" PRIu64 ".%03" PRIu64 "  %s\n", now / 1000, now % 1000, line);
}

void sim_trace(const char *format, ...)
{
    char line[1024];
    va_list args;
    if (!sim_is_traced)
        return;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    add_to_trace(line);
}

void sim_breach(enum rule rule, const char *format, ...)
{
    char line[SEEDS_WHY];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    sim_trace("*** %s: %s", rule_names[rule], line);
    if (!world || world->broken)
        return;
    world->broken = rule;
    memcpy(world->why, line, sizeof line);
}

/* --- days ------------------------------------------------------------------------------------- */

static void plant(unsigned number)
{
    planted = (enum plant)number;
}

static unsigned run(uint64_t seed, char why_r[SEEDS_WHY])
{
    enum rule broken;
    world_run(seed, &broken, why_r);
    return broken;
}

/* A world that a bug has broken is not taken down: it would be in the way of the next. */
static void prepare(void)
{
    char why[SEEDS_WHY];
    run(UINT32_MAX, why);
}

static void trace(void)
{
    sim_is_traced = is_printed = true;
}

/* The same seed, twice in one process, is the same to the last line of its trace. */
static bool check_same(void)
{
    uint64_t first[SAME_SEEDS];
    bool is_same = true;
    char why[SEEDS_WHY];
    sim_is_traced = true;
    for (int turn = 0; turn < 2; turn++) {
        for (uint64_t seed = 0; seed < SAME_SEEDS; seed++) {
            digest = 0xcbf29ce484222325u;
            run(seed, why);
            if (turn == 0)
                first[seed] = digest;
            else if (first[seed] != digest)
                is_same = false;
        }
    }
    sim_is_traced = false;
    printf("%sok a seed is always the same day\n", is_same ? "" : "not ");
    return is_same;
}

/* The allocator keeps small blocks back that count as given out: not here, where memory is
 * counted. Only a new process can be told. */
static void count_memory(char **argv)
{
    static const char name[] = "GLIBC_TUNABLES";
    if (getenv(name))
        return;
    setenv(name, "glibc.malloc.tcache_count=0:glibc.malloc.mxfast=0", 1);
    execv("/proc/self/exe", argv);
}

int main(int argc, char **argv)
{
    static const struct seeds seeds = {
        .usage = "sim [--plant N] SEED | sim --check | sim --seeds FIRST COUNT",
        .count = SEEDS,
        .block = 50,
        .plant_seeds = 200,
        .plants = plants,
        .plant_count = PLANT_END,
        .rules = rule_names,
        .plant = plant,
        .run = run,
        .prepare = prepare,
        .trace = trace,
        .check = check_same,
    };
    count_memory(argv);
    return seeds_main(&seeds, argc, argv);
}
