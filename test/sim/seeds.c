/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "seeds.h"

#include "base/log.h"
#include "base/mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

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

/* --- days in processes of their own ----------------------------------------------------------- */

/* Shared with the processes that run seeds: who dies has said where. */
struct progress {
    uint64_t seed;
    uint64_t failed; /* the first seed that broke a rule */
    unsigned broken;
    char why[SEEDS_WHY];
};

struct task {
    unsigned plant;
    uint64_t first, count;
    pid_t pid;
    int status;
    bool is_over;
};

static void begin(const struct seeds *s, unsigned plant)
{
    if (s->prepare)
        s->prepare();
    s->plant(plant);
}

static void run_block(const struct seeds *s, struct progress *p, const struct task *t)
{
    begin(s, t->plant);
    for (p->seed = t->first; p->seed < t->first + t->count && !p->broken; p->seed++) {
        p->broken = s->run(p->seed, p->why);
        p->failed = p->seed;
    }
}

static pid_t start_block(const struct seeds *s, struct progress *p, const struct task *t)
{
    fflush(stdout);
    *p = (struct progress){0};
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    run_block(s, p, t);
    _exit(0);
}

static bool report(const struct seeds *s, const struct task *t, const struct progress *p)
{
    bool is_dead = !WIFEXITED(t->status) || WEXITSTATUS(t->status) != 0;
    bool is_good = !is_dead && p->broken == s->plants[t->plant].rule;
    printf("%sok ", is_good ? "" : "not ");
    if (t->plant)
        printf("planted: %s", s->plants[t->plant].text);
    else
        printf("seeds %" PRIu64 " to %" PRIu64, t->first, t->first + t->count - 1);
    if (is_dead)
        printf(": seed %" PRIu64 " died", p->seed);
    else if (p->broken)
        printf(": %s (seed %" PRIu64 ", %s)", p->why, p->failed, s->rules[p->broken]);
    putchar('\n');
    return is_good;
}

static bool wait_one(const struct seeds *s, struct task *tasks, size_t count,
                     const struct progress *progress)
{
    int status;
    pid_t pid = wait(&status);
    for (size_t i = 0; i < count; i++) {
        if (tasks[i].pid != pid || tasks[i].is_over)
            continue;
        tasks[i].status = status;
        tasks[i].is_over = true;
        return report(s, &tasks[i], &progress[i]);
    }
    return false;
}

static bool run_tasks(const struct seeds *s, struct task *tasks, size_t count)
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
            t->pid = start_block(s, &progress[started], t);
            started++;
            running++;
        } else {
            is_good = wait_one(s, tasks, started, progress) && is_good;
            running--;
        }
    }
    munmap(progress, count * sizeof *progress);
    return is_good;
}

static bool check_seeds(const struct seeds *s, uint64_t first, uint64_t count)
{
    size_t blocks = (size_t)((count + s->block - 1) / s->block);
    struct task *tasks = mem_zalloc(blocks * sizeof *tasks);
    for (size_t i = 0; i < blocks; i++) {
        uint64_t done = i * s->block, left = count - done;
        tasks[i] = (struct task){.first = first + done, .count = left < s->block ? left : s->block};
    }
    bool is_good = run_tasks(s, tasks, blocks);
    free(tasks);
    return is_good;
}

/* A planted bug must break the rule that it is against, and no other before it. */
static bool check_plants(const struct seeds *s)
{
    struct task *tasks = mem_zalloc(s->plant_count * sizeof *tasks);
    for (unsigned plant = 1; plant < s->plant_count; plant++)
        tasks[plant - 1] = (struct task){.plant = plant, .count = s->plant_seeds};
    bool is_good = run_tasks(s, tasks, s->plant_count - 1);
    free(tasks);
    return is_good;
}

/* --- the command line ------------------------------------------------------------------------- */

static bool tell(const struct seeds *s, unsigned plant, uint64_t seed)
{
    char why[SEEDS_WHY] = "";
    begin(s, plant);
    s->trace();
    setvbuf(stdout, NULL, _IOLBF, 0); /* in the order of the log */
    unsigned broken = s->run(seed, why);
    printf("seed %" PRIu64 " breaks %s%s%s\n", seed, broken ? s->rules[broken] : "nothing",
           broken ? ": " : "", broken ? why : "");
    return !broken;
}

static void no_log(void *ctx, struct span line)
{
    (void)ctx, (void)line;
}

void seeds_log(void)
{
    if (!getenv("SIM_LOG"))
        log_set_sink(no_log, NULL);
}

static _Noreturn void usage(const struct seeds *s)
{
    fprintf(stderr, "usage: %s\n", s->usage);
    exit(2);
}

static uint64_t number(const struct seeds *s, const char *text)
{
    uint64_t value;
    if (!span_to_u64(span_of(text), UINT32_MAX - 1, &value))
        usage(s);
    return value;
}

int seeds_main(const struct seeds *s, int argc, char **argv)
{
    uint64_t plant = 0;
    seeds_log();
    if (argc == 2 && strcmp(argv[1], "--check") == 0) {
        bool is_good = check_seeds(s, 0, s->count);
        is_good = check_plants(s) && is_good;
        return s->check() && is_good ? 0 : 1;
    }
    if (argc == 4 && strcmp(argv[1], "--seeds") == 0)
        return check_seeds(s, number(s, argv[2]), number(s, argv[3])) ? 0 : 1;
    if (argc == 4 && strcmp(argv[1], "--plant") == 0) {
        plant = number(s, argv[2]);
        argc -= 2, argv += 2;
    }
    if (argc != 2 || plant >= s->plant_count)
        usage(s);
    return tell(s, (unsigned)plant, number(s, argv[1])) ? 0 : 1;
}
