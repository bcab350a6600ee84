/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * rings - networks of whole servers in one process, on virtual time: days told by a number
 * (seeds.h; SIM_WIRE=1: with all that is said). --check: 200 of them, the planted bugs, and what
 * the network costs as it grows. --table: what it costs with 5, 10 and 20 servers.
 */
#include "rings.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#ifdef __SANITIZE_ADDRESS__
#define SEEDS 40 /* it takes its time */
#else
#define SEEDS 200
#endif

bool ring_is_traced;

/* --- what is found ---------------------------------------------------------------------------- */

static const char *const rule_names[] = {"none",
#define X(name, text) text,
                                         RULES(X)
#undef X
};

const char *rule_name(enum rule rule)
{
    return rule_names[rule];
}

static const struct seeds_plant plants[] = {{"nothing", RULE_NONE},
#define X(name, text, rule) {text, RULE_##rule},
                                            PLANTS(X)
#undef X
};

void ring_trace(const char *format, ...)
{
    va_list args;
    if (!ring_is_traced)
        return;
    uint64_t now = ring && ring->loop ? loop_now(ring->loop) - 1000000 : 0;
    printf("%4" PRIu64 ".%03" PRIu64 "  ", now / 1000, now % 1000);
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
}

void ring_breach(enum rule rule, const char *format, ...)
{
    char line[SEEDS_WHY];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    ring_trace("*** %s: %s", rule_name(rule), line);
    if (!ring || ring->broken)
        return;
    ring->broken = rule;
    memcpy(ring->why, line, sizeof line);
}

/* --- days ------------------------------------------------------------------------------------- */

static void plant(unsigned number)
{
    planted = (enum plant)number;
}

static unsigned run(uint64_t seed, char why_r[SEEDS_WHY])
{
    enum rule broken;
    day_run(seed, &broken, why_r);
    return broken;
}

static void trace(void)
{
    ring_is_traced = true;
}

static bool check_cost(void)
{
    return cost_run(false);
}

int main(int argc, char **argv)
{
    static const struct seeds seeds = {
        .usage = "rings [--plant N] SEED | rings --check | rings --table | "
                 "rings --seeds FIRST COUNT",
        .count = SEEDS,
        .block = 20,
        .plant_seeds = 60,
        .plants = plants,
        .plant_count = PLANT_END,
        .rules = rule_names,
        .plant = plant,
        .run = run,
        .trace = trace,
        .check = check_cost,
    };
    if (argc == 2 && strcmp(argv[1], "--table") == 0) {
        seeds_log();
        return cost_run(true) ? 0 : 1;
    }
    return seeds_main(&seeds, argc, argv);
}
