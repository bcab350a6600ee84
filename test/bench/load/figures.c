/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * figures - what a run has cost: CPU of the server's processes to the nanosecond, their memory,
 * latencies, the generator's own share; and the line of JSON at the end.
 */
#include "load.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

/* Latencies are kept to 1/32 of their value. */
#define STEPS 32
#define BUCKETS (60 * STEPS)
/* A result in which the generator used more than this of a core is refused. */
#define BUSY 0.60

bool is_measuring;
uint64_t operations;

static uint64_t histogram[BUCKETS];
static uint64_t latency_count;
static double began, cpu_before, own_before;
static struct buf extra; /* more members of the JSON object */
static bool was_paced;
static double worst_share;

/* --- latency -----------------------------------------------------------------------------------
 */

static unsigned bucket_of(uint64_t ns)
{
    if (ns < STEPS)
        return (unsigned)ns;
    unsigned shift = 63 - (unsigned)__builtin_clzll(ns) - 5;
    unsigned bucket = shift * STEPS + (unsigned)(ns >> shift);
    return bucket < BUCKETS ? bucket : BUCKETS - 1;
}

static double value_of(unsigned bucket)
{
    if (bucket < 2 * STEPS)
        return bucket;
    unsigned shift = bucket / STEPS - 1;
    return (double)(((uint64_t)(bucket % STEPS) + STEPS) << shift);
}

void figures_latency(uint64_t ns)
{
    histogram[bucket_of(ns)]++;
    latency_count++;
}

/* Microseconds. */
static double percentile(double share)
{
    uint64_t left = (uint64_t)((double)latency_count * share);
    for (unsigned i = 0; i < BUCKETS; i++) {
        if (histogram[i] > left)
            return value_of(i) / 1e3;
        left -= histogram[i];
    }
    return 0;
}

/* --- processes ---------------------------------------------------------------------------------
 */

/* CPU seconds of a process: all of its threads. */
static double cpu_of(const char *pid)
{
    char path[300];
    double sum = 0;
    snprintf(path, sizeof path, "/proc/%s/task", pid);
    DIR *d = opendir(path);
    if (!d)
        fail(NULL, SPAN_NONE, "process %s has ended", pid);
    for (struct dirent *e; (e = readdir(d));) {
        unsigned long long ns = 0;
        if (e->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "/proc/%s/task/%.20s/schedstat", pid, e->d_name);
        FILE *f = fopen(path, "r");
        if (f && fscanf(f, "%llu", &ns) == 1)
            sum += (double)ns / 1e9;
        if (f)
            fclose(f);
    }
    closedir(d);
    return sum;
}

static double pss_of(const char *pid)
{
    char path[300], line[256];
    double kib = 0;
    snprintf(path, sizeof path, "/proc/%s/smaps_rollup", pid);
    FILE *f = fopen(path, "r");
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "Pss: %lf", &kib) == 1)
            break;
    if (f)
        fclose(f);
    return kib;
}

static double over_pids(double (*of)(const char *pid))
{
    double sum = 0;
    char one[32];
    for (const char *p = opt.pids; *p;) {
        size_t n = strcspn(p, ",");
        snprintf(one, sizeof one, "%.*s", (int)n, p);
        sum += of(one);
        p += n + (p[n] == ',');
    }
    return sum;
}

double figures_cpu(void)
{
    return over_pids(cpu_of);
}

double figures_pss_kib(void)
{
    return over_pids(pss_of);
}

static double own_cpu(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double seconds(void)
{
    return (double)net_clock() / 1e9;
}

/* --- a measured stretch ------------------------------------------------------------------------
 */

void figures_pace(void)
{
    static unsigned turns;
    if (opt.share <= 0 || !is_measuring || ++turns % 16 != 0)
        return;
    double own = own_cpu() - own_before, took = seconds() - began;
    if (own <= opt.share * took)
        return;
    was_paced = true;
    struct timespec pause = {.tv_nsec = (long)((own / opt.share - took) * 1e9) % 100000000};
    nanosleep(&pause, NULL);
}

void figures_begin(void)
{
    is_measuring = true;
    operations = 0;
    latency_count = 0;
    memset(histogram, 0, sizeof histogram);
    cpu_before = figures_cpu();
    own_before = own_cpu();
    began = seconds();
}

void figures_add(const char *prefix, const char *key, double value)
{
    buf_printf(&extra, ", \"%s%s\": %.3f", prefix, key, value);
}

void figures_end(const char *prefix)
{
    double took = seconds() - began, count = (double)operations;
    double cpu = figures_cpu() - cpu_before, share = (own_cpu() - own_before) / took;
    is_measuring = false;
    if (operations == 0)
        fail(NULL, SPAN_NONE, "nothing came through in %.1f s", took);
    if (share > worst_share)
        worst_share = share;
    figures_add(prefix, "operations", count);
    figures_add(prefix, "seconds", took);
    figures_add(prefix, "rate", count / took);
    figures_add(prefix, "cpu_us", cpu / count * 1e6);
    figures_add(prefix, "server_share", cpu / took);
    if (latency_count > 0) {
        figures_add(prefix, "p50_us", percentile(0.5));
        figures_add(prefix, "p99_us", percentile(0.99));
        figures_add(prefix, "p999_us", percentile(0.999));
    }
}

void figures_measure(void)
{
    net_for(opt.warm);
    figures_begin();
    net_for(opt.seconds);
    figures_end("");
}

void figures_print(const char *scenario)
{
    bool is_busy = worst_share > BUSY && !opt.allow_busy;
    printf("{\"scenario\": \"%s\"%s, \"own_share\": %.3f, \"paced\": %s, \"refused\": %s}\n",
           scenario, buf_z(&extra), worst_share, was_paced ? "true" : "false",
           is_busy ? "true" : "false");
    fflush(stdout);
    if (is_busy) {
        fprintf(stderr, "load: refused: the generator used %.0f %% of a core\n", worst_share * 100);
        exit(STATUS_BUSY);
    }
}
