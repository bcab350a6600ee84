/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * rings - networks of whole servers in one process, on virtual time.
 *
 *   rings SEED             runs one day and prints what happens (SIM_LOG=1: with the servers' log;
 *                          SIM_WIRE=1: with all that is said)
 *   rings --plant N SEED   the same with a bug planted
 *   rings --check          200 seeds, the planted bugs, and what the network costs as it grows;
 *                          a line "ok ..." or "not ok ..." for each
 *   rings --seeds FIRST COUNT
 *   rings --table          what it costs with 5, 10 and 20 servers
 */
#include "rings.h"

#include "base/log.h"
#include "base/mem.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef __SANITIZE_ADDRESS__
#define SEEDS 40 /* it takes its time */
#else
#define SEEDS 200
#endif
#define BLOCK 20
#define PLANT_SEEDS 60 /* within which a planted bug must be found */

bool ring_is_traced;

/* --- chance: xorshift64* ---------------------------------------------------------------------- */

static uint64_t chance;

void chance_seed(uint64_t seed)
{
    chance = (seed + 1) * 0x9e3779b97f4a7c15u;
    for (int i = 0; i < 8; i++)
        chance_below(1);
}

uint64_t chance_below(uint64_t n)
{
    chance ^= chance >> 12;
    chance ^= chance << 25;
    chance ^= chance >> 27;
    return n ? (chance * 0x2545f4914f6cdd1du >> 16) % n : 0;
}

/* --- what is found ---------------------------------------------------------------------------- */

const char *rule_name(enum rule rule)
{
    static const char *const names[] = {
        "none",
#define X(name, text) text,
        RULES(X)
#undef X
    };
    return names[rule];
}

static const struct {
    const char *text;
    enum rule rule;
} plants[] = {
    {"nothing", RULE_NONE},
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
    char line[400];
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

/* --- seeds ------------------------------------------------------------------------------------ */

/* Shared with the processes that run seeds: who dies has said where. */
struct progress {
    uint64_t seed;
    uint64_t failed; /* the first seed that broke a rule */
    enum rule broken;
    char why[400];
};

struct task {
    enum plant plant;
    uint64_t first, count;
    pid_t pid;
    int status;
    bool is_over;
};

static void run_block(struct progress *p, const struct task *t)
{
    planted = t->plant;
    for (p->seed = t->first; p->seed < t->first + t->count && !p->broken; p->seed++) {
        day_run(p->seed, &p->broken, p->why);
        p->failed = p->seed;
    }
}

static pid_t start_block(struct progress *p, const struct task *t)
{
    fflush(stdout);
    *p = (struct progress){0};
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    run_block(p, t);
    _exit(0);
}

static bool report(const struct task *t, const struct progress *p)
{
    bool is_dead = !WIFEXITED(t->status) || WEXITSTATUS(t->status) != 0;
    bool is_good = !is_dead && p->broken == plants[t->plant].rule;
    printf("%sok ", is_good ? "" : "not ");
    if (t->plant)
        printf("planted: %s", plants[t->plant].text);
    else
        printf("seeds %" PRIu64 " to %" PRIu64, t->first, t->first + t->count - 1);
    if (is_dead)
        printf(": seed %" PRIu64 " died", p->seed);
    else if (p->broken)
        printf(": %s (seed %" PRIu64 ", %s)", p->why, p->failed, rule_name(p->broken));
    putchar('\n');
    return is_good;
}

static bool wait_one(struct task *tasks, size_t count, const struct progress *progress)
{
    int status;
    pid_t pid = wait(&status);
    for (size_t i = 0; i < count; i++) {
        if (tasks[i].pid != pid || tasks[i].is_over)
            continue;
        tasks[i].status = status;
        tasks[i].is_over = true;
        return report(&tasks[i], &progress[i]);
    }
    return false;
}

static bool run_tasks(struct task *tasks, size_t count)
{
    struct progress *progress = mmap(NULL, count * sizeof *progress, PROT_READ | PROT_WRITE,
                                     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    size_t jobs = cpus > 0 ? (size_t)cpus : 1, started = 0, running = 0;
    bool is_good = true;
    if (progress == MAP_FAILED)
        exit(2);
    while (started < count || running > 0) {
        if (started < count && running < jobs) {
            struct task *t = &tasks[started];
            t->pid = start_block(&progress[started], t);
            started++;
            running++;
        } else {
            is_good = wait_one(tasks, started, progress) && is_good;
            running--;
        }
    }
    munmap(progress, count * sizeof *progress);
    return is_good;
}

static bool check_seeds(uint64_t first, uint64_t count)
{
    size_t blocks = (size_t)((count + BLOCK - 1) / BLOCK);
    struct task *tasks = mem_zalloc(blocks * sizeof *tasks);
    for (size_t i = 0; i < blocks; i++) {
        uint64_t done = i * BLOCK, left = count - done;
        tasks[i] = (struct task){.first = first + done, .count = left < BLOCK ? left : BLOCK};
    }
    bool is_good = run_tasks(tasks, blocks);
    free(tasks);
    return is_good;
}

static bool check_plants(void)
{
    struct task tasks[PLANT_END - 1] = {0};
    size_t n = 0;
    for (int plant = PLANT_NONE + 1; plant < PLANT_END; plant++)
        tasks[n++] = (struct task){.plant = (enum plant)plant, .count = PLANT_SEEDS};
    return run_tasks(tasks, n);
}

/* --- one seed --------------------------------------------------------------------------------- */

static bool tell(uint64_t seed)
{
    enum rule broken;
    char why[400];
    ring_is_traced = true;
    setvbuf(stdout, NULL, _IOLBF, 0); /* in the order of the log */
    day_run(seed, &broken, why);
    printf("seed %" PRIu64 " breaks %s%s%s\n", seed, broken ? rule_name(broken) : "nothing",
           broken ? ": " : "", broken ? why : "");
    return !broken;
}

static void no_log(void *ctx, struct span line)
{
    (void)ctx, (void)line;
}

static _Noreturn void usage(void)
{
    fputs("usage: rings [--plant N] SEED | rings --check | rings --table | "
          "rings --seeds FIRST COUNT\n",
          stderr);
    exit(2);
}

static uint64_t number(const char *text)
{
    uint64_t value;
    if (!span_to_u64(span_of(text), UINT32_MAX - 1, &value))
        usage();
    return value;
}

int main(int argc, char **argv)
{
    if (!getenv("SIM_LOG"))
        log_set_sink(no_log, NULL);
    if (argc == 2 && strcmp(argv[1], "--check") == 0) {
        bool is_good = check_seeds(0, SEEDS);
        is_good = check_plants() && is_good;
        return cost_run(false) && is_good ? 0 : 1;
    }
    if (argc == 2 && strcmp(argv[1], "--table") == 0)
        return cost_run(true) ? 0 : 1;
    if (argc == 4 && strcmp(argv[1], "--seeds") == 0)
        return check_seeds(number(argv[2]), number(argv[3])) ? 0 : 1;
    if (argc == 4 && strcmp(argv[1], "--plant") == 0) {
        planted = (enum plant)number(argv[2]);
        argc -= 2, argv += 2;
    }
    if (argc != 2 || planted >= PLANT_END)
        usage();
    return tell(number(argv[1])) ? 0 : 1;
}
