/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sim - random days of a whole suite, each told by a number.
 *
 *   sim SEED             runs one and prints what happens (SIM_LOG=1: with the suite's log)
 *   sim --plant N SEED   the same with a bug planted
 *   sim --check          1,000 seeds, the planted bugs, and that a seed is always the same day;
 *                        a line "ok ..." or "not ok ..." for each
 *   sim --seeds FIRST COUNT
 */
#include "sim.h"

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
#define SEEDS 200 /* it takes its time */
#else
#define SEEDS 1000
#endif
#define BLOCK 50        /* seeds of one process, and of one line */
#define PLANT_SEEDS 200 /* within which a planted bug must be found */
#define SAME_SEEDS 12

bool sim_is_traced;
static bool is_printed;
static uint64_t digest; /* of the trace */

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
    char line[400];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    sim_trace("*** %s: %s", rule_name(rule), line);
    if (!world || world->broken)
        return;
    world->broken = rule;
    memcpy(world->why, line, sizeof line);
}

/* --- seeds ------------------------------------------------------------------------------------ */

/* Shared with the processes that run seeds: who dies has said where. */
struct progress {
    uint64_t seed;
    uint64_t failed; /* the first seed that broke a rule */
    enum rule broken;
    char why[400];
};

static void run_block(struct progress *p, uint64_t first, uint64_t count)
{
    enum rule ignored;
    enum plant plant = planted;
    planted = PLANT_NONE; /* a broken world is not taken down: it would be in the way of the next */
    world_run(UINT32_MAX, &ignored, p->why); /* what is made once and kept is made here */
    planted = plant;
    for (p->seed = first; p->seed < first + count && !p->broken; p->seed++) {
        world_run(p->seed, &p->broken, p->why);
        p->failed = p->seed;
    }
}

/* Runs them in a process of their own; done in slot's time. */
static pid_t start_block(struct progress *p, enum plant plant, uint64_t first, uint64_t count)
{
    fflush(stdout);
    *p = (struct progress){0};
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    planted = plant;
    run_block(p, first, count);
    _exit(0);
}

static struct progress *new_progress(size_t count)
{
    void *p = mmap(NULL, count * sizeof(struct progress), PROT_READ | PROT_WRITE,
                   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        exit(2);
    return p;
}

struct task {
    enum plant plant;
    uint64_t first, count;
    pid_t pid;
    int status;
    bool is_over;
};

/* A planted bug may also be found by an assertion of the code under test. */
static bool report(const struct task *t, const struct progress *p)
{
    bool is_dead = !WIFEXITED(t->status) || WEXITSTATUS(t->status) != 0;
    if (t->plant) {
        bool is_found = !is_dead && p->broken == plants[t->plant].rule;
        printf("%sok planted: %s%s%s", is_found ? "" : "not ", plants[t->plant].text,
               p->broken ? ": " : "", p->broken ? p->why : "");
        if (is_dead)
            printf(": seed %" PRIu64 " died", p->seed);
        else if (p->broken)
            printf(" (seed %" PRIu64 ", %s)", p->failed, rule_name(p->broken));
        putchar('\n');
        return is_found;
    }
    bool is_good = !is_dead && !p->broken;
    printf("%sok seeds %" PRIu64 " to %" PRIu64, is_good ? "" : "not ", t->first,
           t->first + t->count - 1);
    if (is_dead)
        printf(": %" PRIu64 " died", p->seed);
    else if (p->broken)
        printf(": %" PRIu64 " breaks %s: %s", p->failed, rule_name(p->broken), p->why);
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
    struct progress *progress = new_progress(count);
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    size_t jobs = cpus > 0 ? (size_t)cpus : 1, started = 0, running = 0;
    bool is_good = true;
    while (started < count || running > 0) {
        if (started < count && running < jobs) {
            struct task *t = &tasks[started];
            t->pid = start_block(&progress[started], t->plant, t->first, t->count);
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

/* The same seed, twice in one process, is the same to the last line of its trace. */
static bool check_same(void)
{
    uint64_t first[SAME_SEEDS];
    bool is_same = true;
    enum rule ignored;
    char why[400];
    sim_is_traced = true;
    for (int turn = 0; turn < 2; turn++) {
        for (uint64_t seed = 0; seed < SAME_SEEDS; seed++) {
            digest = 0xcbf29ce484222325u;
            world_run(seed, &ignored, why);
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
    enum plant plant = planted;
    planted = PLANT_NONE;
    world_run(UINT32_MAX, &broken, why);
    planted = plant;
    sim_is_traced = is_printed = true;
    world_run(seed, &broken, why);
    if (broken)
        printf("seed %" PRIu64 " breaks %s: %s\n", seed, rule_name(broken), why);
    else
        printf("seed %" PRIu64 " breaks nothing\n", seed);
    return !broken;
}

static void no_log(void *ctx, struct span line)
{
    (void)ctx, (void)line;
}

static _Noreturn void usage(void)
{
    fputs("usage: sim [--plant N] SEED | sim --check | sim --seeds FIRST COUNT\n", stderr);
    exit(2);
}

static uint64_t number(const char *text)
{
    uint64_t value;
    if (!span_to_u64(span_of(text), UINT32_MAX - 1, &value))
        usage();
    return value;
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
    count_memory(argv);
    if (!getenv("SIM_LOG"))
        log_set_sink(no_log, NULL);
    if (argc == 2 && strcmp(argv[1], "--check") == 0) {
        bool is_good = check_seeds(0, SEEDS);
        is_good = check_plants() && is_good;
        return check_same() && is_good ? 0 : 1;
    }
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
