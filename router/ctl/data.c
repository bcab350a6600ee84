/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * data - what the servers keep: erasing a user, purging archives, backups, rosters, and messages in
 * the server's name.
 */
#include "router/ctl/ctl.h"

#include "base/control.h"
#include "base/mem.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define DAY_MS 86400000ll

/* One number of an answer, by its name. */
struct figure {
    const char *name;
    unsigned long long value;
};

static void on_figure(void *ctx, const struct span *words, size_t count)
{
    struct figure *f = ctx;
    uint64_t value;

    if (count == 2 && span_eq(words[0], span_of(f->name)) &&
        span_to_u64(words[1], UINT64_MAX, &value))
        f->value = value;
}

/* --- user erase --- */

/* All instances end its sessions, then one is asked to wait until the last row is gone. */
static int run_erase(const struct ctl *ctl, char **args, int count)
{
    const struct span words[] = {SPAN_INIT("user"), SPAN_INIT("erase"), span_of(args[0])};
    char error[CTL_ERROR_MAX];

    (void)count;
    if (ctl_user_del(ctl, args[0], error) != 0 ||
        ctl_ask_long(ctl, words, ARRAY_LEN(words), "s", NULL, NULL, error) != 0)
        return ctl_fail("%s", error);
    printf("%s is erased\n", args[0]);
    return 0;
}

/* --- archive purge --- */

/* Days before now, or a date (UTC), as milliseconds since 1970. */
static bool read_age(const char *text, long long *ms_r)
{
    struct timespec clock;
    struct tm date = {0};
    uint64_t days;

    clock_gettime(CLOCK_REALTIME, &clock);
    long long now = (long long)clock.tv_sec * 1000 + clock.tv_nsec / 1000000;
    if (span_to_u64(span_of(text), 100000, &days)) {
        *ms_r = now - (long long)days * DAY_MS;
        return *ms_r >= 0;
    }
    const char *end = strptime(text, "%Y-%m-%d", &date);
    if (!end || *end || strlen(text) != strlen("2026-01-01"))
        return false;
    *ms_r = (long long)timegm(&date) * 1000;
    return *ms_r >= 0 && *ms_r <= now;
}

static int run_purge(const struct ctl *ctl, char **args, int count)
{
    struct figure removed = {.name = "removed"};
    char error[CTL_ERROR_MAX], before[24];
    long long ms;

    (void)args;
    (void)count;
    if (!ctl->older_than) {
        fprintf(stderr, "usage: kontalkctl archive purge --older-than DAYS|DATE [--user JID]\n");
        return 2;
    }
    if (!read_age(ctl->older_than, &ms))
        return ctl_fail("--older-than %s: neither a number of days nor a day of the past"
                        " (YYYY-MM-DD)", ctl->older_than);
    snprintf(before, sizeof(before), "%lld", ms);
    const struct span words[] = {SPAN_INIT("archive"), SPAN_INIT("purge"), span_of(before),
                                 span_of(ctl->user ? ctl->user : "")};
    int result = ctl_ask_long(ctl, words, ctl->user ? 4 : 3, "s", on_figure, &removed, error);
    if (result == 0 || removed.value)
        printf("%llu messages removed\n", removed.value);
    return result ? ctl_fail("%s", error) : 0;
}

/* --- backup --- */

static int run_backup(const struct ctl *ctl, char **args, int count)
{
    char error[CTL_ERROR_MAX], directory[PATH_MAX];
    struct figure bytes = {.name = "bytes"};

    (void)count;
    if (args[0][0] == '\0')
        return ctl_fail("a file needs a name");
    if (!getcwd(directory, sizeof(directory)))
        return ctl_fail("cannot see the current directory: %s", strerror(errno));
    char *path = args[0][0] == '/' ? ctl_join("", args[0] + 1) : ctl_join(directory, args[0]);
    const struct span words[] = {SPAN_INIT("backup"), span_of(path)};
    int result =
        ctl_ask_long(ctl, words, ARRAY_LEN(words), "% copied", on_figure, &bytes, error);
    if (result == 0)
        printf("%s: %llu bytes\n", path, bytes.value);
    free(path);
    return result ? ctl_fail("%s", error) : 0;
}

/* --- roster --- */

static int run_roster(const struct ctl *ctl, char **args, int count)
{
    const struct span words[] = {SPAN_INIT("roster"), SPAN_INIT("list"), span_of(args[0])};
    char error[CTL_ERROR_MAX];
    struct table table = {0};

    (void)count;
    int result = ctl_ask_long(ctl, words, ARRAY_LEN(words), "s", table_row, &table, error);
    if (result == 0)
        table_print(&table, ctl->json);
    table_free(&table);
    return result ? ctl_fail("%s", error) : 0;
}

static int run_roster_add(const struct ctl *ctl, char **args, int count)
{
    const char *const values[] = {ctl->name, ctl->group, ctl->subscription};
    static const char *const keys[] = {"name=", "group=", "subscription="};
    char error[CTL_ERROR_MAX], texts[ARRAY_LEN(values)][1100];
    struct span words[4 + ARRAY_LEN(values)] = {SPAN("roster"), SPAN("add"), span_of(args[0]),
                                                span_of(args[1])};
    size_t n = 4;

    (void)count;
    for (size_t i = 0; i < ARRAY_LEN(values); i++) {
        if (!values[i])
            continue;
        int length = snprintf(texts[i], sizeof(texts[i]), "%s%s", keys[i], values[i]);
        if (length < 0 || (size_t)length >= sizeof(texts[i]))
            return ctl_fail("--%.*s is too long", (int)strlen(keys[i]) - 1, keys[i]);
        words[n++] = span_of(texts[i]);
    }
    if (ctl_ask_long(ctl, words, n, "s", NULL, NULL, error) != 0)
        return ctl_fail("%s", error);
    return 0;
}

static int run_roster_remove(const struct ctl *ctl, char **args, int count)
{
    const struct span words[] = {SPAN_INIT("roster"), SPAN_INIT("remove"), span_of(args[0]),
                                 span_of(args[1])};
    char error[CTL_ERROR_MAX];

    (void)count;
    if (ctl_ask_long(ctl, words, ARRAY_LEN(words), "s", NULL, NULL, error) != 0)
        return ctl_fail("%s", error);
    return 0;
}

/* --- message --- */

struct told {
    struct figure sent, failed;
};

static void on_told(void *ctx, const struct span *words, size_t count)
{
    struct told *t = ctx;

    on_figure(&t->sent, words, count);
    on_figure(&t->failed, words, count);
}

static int report_told(const struct told *t, int status)
{
    if (status == 0 || t->sent.value || t->failed.value)
        printf("%llu messages sent\n", t->sent.value);
    if (t->failed.value)
        status = ctl_fail("%llu users did not get it: no room for stored messages, or the storage"
                          " failed", t->failed.value);
    return status;
}

/* Each instance knows those whom it owns. */
static int tell_online(const struct ctl *ctl, const char *text)
{
    const struct span words[] = {SPAN_INIT("message"), SPAN_INIT("all"), SPAN_INIT("online"),
                                 span_of(text)};
    struct told all = {{"sent", 0}, {"failed", 0}};
    char error[CTL_ERROR_MAX];
    struct conf_list paths;
    int status = 0, failed = ctl_sockets(ctl, "c2s", &paths);

    control_ask_patience(60);
    if (paths.count == 0)
        status = ctl_fail("no c2s is running: cannot reach %s/c2s-*.ctl: %s", ctl->runtime,
                          strerror(failed ? -failed : ENOENT));
    for (size_t i = 0; i < paths.count; i++) {
        struct told told = {{"sent", 0}, {"failed", 0}};
        if (ctl_ask(paths.items[i], words, ARRAY_LEN(words), on_told, &told, error) != 0)
            status = ctl_fail("%s", error);
        all.sent.value += told.sent.value;
        all.failed.value += told.failed.value;
    }
    ctl_sockets_free(&paths);
    return report_told(&all, status);
}

static int run_message(const struct ctl *ctl, char **args, int count)
{
    const char *text = args[count - 1];
    struct span one[] = {SPAN("message"), SPAN("user"), span_of(args[0]), span_of(text)};
    struct span all[] = {SPAN("message"), SPAN("all"), SPAN("any"), span_of(text)};
    struct told told = {{"sent", 0}, {"failed", 0}};
    char error[CTL_ERROR_MAX];

    if (count != (ctl->to_all ? 1 : 2) || (ctl->online && !ctl->to_all)) {
        fprintf(stderr, "usage: kontalkctl message JID TEXT\n"
                        "       kontalkctl message --to-all [--online] TEXT\n");
        return 2;
    }
    if (strlen(text) > 16384)
        return ctl_fail("the text is too long: 16,384 bytes at most");
    if (ctl->online)
        return tell_online(ctl, text);
    int result = ctl_ask_long(ctl, ctl->to_all ? all : one, 4, "messages sent", on_told, &told,
                              error);
    return report_told(&told, result ? ctl_fail("%s", error) : 0);
}

const struct ctl_command data_commands[] = {
    {"user erase", 1, 1, "JID", "remove an account and wait until nothing is left of it",
     run_erase},
    {"archive purge", 0, 0, "", "remove old messages of all archives, or of one", run_purge},
    {"roster add", 2, 2, "JID CONTACT", "put a contact into a user's roster, or change it there",
     run_roster_add},
    {"roster remove", 2, 2, "JID CONTACT", "remove a contact, as the user would",
     run_roster_remove},
    {"roster", 1, 1, "JID", "list a user's contacts", run_roster},
    {"message", 1, 2, "JID TEXT", "send a message in the server's name; --to-all: to all users",
     run_message},
    {"backup", 1, 1, "FILE", "copy the database while it is used", run_backup},
    {.name = NULL},
};
