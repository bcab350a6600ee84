/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * pie - accounts to and from files of XEP-0227: `user export`, and `user import` of such a file.
 * The server gives and takes pieces (c2s/control_pie.c); the files are this user's, readable by
 * nobody else, since there are keys in them.
 */
#include "router/ctl/pie.h"

#include "base/control.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- export ----------------------------------------------------------------------------------- */

struct output {
    int fd;
    int error; /* the first that writing had */
    unsigned long long users;
};

static void on_row(void *ctx, const struct span *words, size_t count)
{
    struct output *o = ctx;
    uint64_t users;

    if (count == 2 && span_eq(words[0], SPAN("users")) && span_to_u64(words[1], UINT64_MAX, &users))
        o->users = users;
    if (count != 2 || !span_eq(words[0], SPAN("xml")))
        return;
    for (struct span rest = words[1]; rest.n > 0 && !o->error;) {
        ssize_t n = write(o->fd, rest.p, rest.n);
        if (n >= 0)
            rest = span_from(rest, (size_t)n);
        else if (errno != EINTR)
            o->error = errno;
    }
}

/* 0, or the exit status. */
static int fetch(const struct ctl *ctl, const char *user, struct output *o)
{
    struct span words[3] = {SPAN("user"), SPAN("export"), span_of(user ? user : "")};
    char error[CTL_ERROR_MAX];

    if (ctl_ask_long(ctl, words, user ? 3 : 2, "MiB", on_row, o, error) != 0)
        return ctl_fail("%s", error);
    return o->error ? ctl_fail("cannot write: %s", strerror(o->error)) : 0;
}

/* Under another name until it is whole; what is there already stays. */
static int export_to(const struct ctl *ctl, const char *user, const char *file)
{
    struct buf name = {0};
    struct stat st;
    struct output o = {0};
    int status;

    if (lstat(file, &st) == 0)
        return ctl_fail("%s: %s", file, strerror(EEXIST));
    buf_printf(&name, "%s.unfinished", file);
    const char *unfinished = buf_z(&name);
    o.fd = open(unfinished, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (o.fd < 0) {
        status = ctl_fail("%s: %s", unfinished, strerror(errno));
    } else {
        status = fetch(ctl, user, &o);
        if (status == 0 && (fsync(o.fd) < 0 || renameat2(AT_FDCWD, unfinished, AT_FDCWD, file,
                                                         RENAME_NOREPLACE) < 0))
            status = ctl_fail("%s: %s", file, strerror(errno));
        close(o.fd);
        if (status == 0)
            printf("%s: %llu accounts\n", file, o.users);
        else
            unlink(unfinished);
    }
    buf_free(&name);
    return status;
}

static int run_export(const struct ctl *ctl, char **args, int count)
{
    const char *user = ctl->all ? NULL : args[0], *file = args[count - 1];
    struct output o = {.fd = STDOUT_FILENO};

    if (count != (ctl->all ? 1 : 2)) {
        fprintf(stderr, "usage: kontalkctl user export JID FILE\n"
                        "       kontalkctl user export --all FILE\n");
        return 2;
    }
    return strcmp(file, "-") == 0 ? fetch(ctl, user, &o) : export_to(ctl, user, file);
}

/* --- import ----------------------------------------------------------------------------------- */

#define CHUNK_BYTES 28000 /* its words may double by escaping, and a request has 64 KiB */
#define TRIES 30          /* a second each, when the store is busy */
#define PATIENCE_S 120    /* a password is hashed */

struct import {
    const struct ctl *ctl;
    const char *mode;
    struct conf_list paths; /* of the c2s; the first that answers is used for all */
    size_t chosen;
    char *jid;
    char token[64];
    bool is_known, is_left_out;
    struct { /* of this user */
        unsigned long long taken, known, refused, ignored;
        char login[32], example[160];
    } got;
    unsigned long long made, merged, left_out, incomplete;
};

static void on_answer(void *ctx, const struct span *words, size_t count)
{
    struct import *i = ctx;
    const struct {
        struct span name;
        unsigned long long *sum;
    } sums[] = {
        {SPAN("taken"), &i->got.taken},
        {SPAN("known"), &i->got.known},
        {SPAN("refused"), &i->got.refused},
        {SPAN("ignored"), &i->got.ignored},
    };
    uint64_t value;

    if (count != 2)
        return;
    for (size_t k = 0; k < ARRAY_LEN(sums); k++) {
        if (span_eq(words[0], sums[k].name) && span_to_u64(words[1], UINT64_MAX, &value))
            *sums[k].sum += value;
    }
    if (span_eq(words[0], SPAN("token")))
        snprintf(i->token, sizeof(i->token), "%.*s", SPAN_ARG(words[1]));
    if (span_eq(words[0], SPAN("login")))
        snprintf(i->got.login, sizeof(i->got.login), "%.*s", SPAN_ARG(words[1]));
    if (span_eq(words[0], SPAN("merged")))
        i->is_known = span_eq(words[1], SPAN("yes"));
    if (span_eq(words[0], SPAN("example")) && !i->got.example[0])
        snprintf(i->got.example, sizeof(i->got.example), "%.*s", SPAN_ARG(words[1]));
}

static int ask(struct import *i, const struct span *words, size_t count,
               char error_r[CTL_ERROR_MAX])
{
    return ctl_ask(i->paths.items[i->chosen], words, count, on_answer, i, error_r);
}

static int ask_about(struct import *i, const char *verb, struct span text,
                     char error_r[CTL_ERROR_MAX])
{
    const struct span words[] = {SPAN("import"), span_of(verb), span_of(i->token), text};

    return ask(i, words, text.p ? 4 : 3, error_r);
}

/* What another server keeps in place of a password is none. */
static bool is_password(struct span password)
{
    return !span_is_empty(password) && !span_starts(password, SPAN("scram:"));
}

/* One that is refused is passed over: the others may be good. */
static bool on_user(void *ctx, struct span host, struct span name, struct span password)
{
    struct import *i = ctx;
    char error[CTL_ERROR_MAX];
    struct buf jid = {0};

    buf_printf(&jid, "%.*s@%.*s", SPAN_ARG(name), SPAN_ARG(host));
    free(i->jid);
    i->jid = mem_strdup_span(buf_span(&jid));
    buf_free(&jid);
    memset(&i->got, 0, sizeof(i->got));
    const struct span words[] = {SPAN("import"), SPAN("user"), span_of(i->mode), span_of(i->jid),
                                 password};
    int result = ask(i, words, is_password(password) ? 5 : 4, error);
    while (result < 0 && i->made + i->merged + i->left_out == 0 &&
           i->chosen + 1 < i->paths.count) {
        i->chosen++;
        result = ask(i, words, is_password(password) ? 5 : 4, error);
    }
    i->is_left_out = result != 0;
    if (result < 0) {
        ctl_fail("%s", error);
        return false;
    }
    if (result > 0) {
        ctl_fail("%s: %s: left out", i->jid, error);
        i->left_out++;
    }
    return true;
}

static bool send_text(struct import *i, struct span xml, char error_r[CTL_ERROR_MAX])
{
    while (xml.n > 0) {
        struct span chunk = span_make(xml.p, xml.n < CHUNK_BYTES ? xml.n : CHUNK_BYTES);
        if (ask_about(i, "text", chunk, error_r) != 0)
            return false;
        xml = span_from(xml, chunk.n);
    }
    return true;
}

static bool on_part(void *ctx, struct span xml)
{
    struct import *i = ctx;
    char error[CTL_ERROR_MAX];

    if (i->is_left_out)
        return true;
    for (int tries = 1;; tries++) {
        if (send_text(i, xml, error) && ask_about(i, "store", SPAN_NONE, error) == 0)
            return true;
        if (tries == TRIES || !strstr(error, "busy")) {
            ctl_fail("%s: %s", i->jid, error);
            return false;
        }
        poll(NULL, 0, 1000);
    }
}

static void report(struct import *i)
{
    bool needs_password = strcmp(i->got.login, "none") == 0;

    printf("%s: %s, %llu entries", i->jid, i->is_known ? "merged" : "new", i->got.taken);
    if (i->got.known)
        printf(", %llu were there", i->got.known);
    if (i->got.refused)
        printf(", %llu refused", i->got.refused);
    if (i->got.ignored)
        printf(", %llu elements not known", i->got.ignored);
    if (i->got.example[0])
        printf(" (first: %s)", i->got.example);
    if (needs_password)
        printf("; no password: set one");
    if (strcmp(i->got.login, "sha-1") == 0)
        printf("; keys for SCRAM-SHA-1 and PLAIN only");
    printf("\n");
    i->incomplete += i->got.refused > 0 || needs_password;
}

static bool on_user_end(void *ctx)
{
    struct import *i = ctx;
    char error[CTL_ERROR_MAX];

    if (i->is_left_out)
        return true;
    if (ask_about(i, "end", SPAN_NONE, error) != 0) {
        ctl_fail("%s: %s", i->jid, error);
        return false;
    }
    report(i);
    i->merged += i->is_known;
    i->made += !i->is_known;
    return true;
}

int pie_import(const struct ctl *ctl, FILE *file, const char *name)
{
    static const struct pie_events events = {on_user, on_part, on_user_end};
    struct import i = {.ctl = ctl,
                       .mode = ctl->replace ? "replace" : ctl->merge ? "merge" : "new"};
    int failed = ctl_sockets(ctl, "c2s", &i.paths);
    bool is_read = false;

    control_ask_patience(PATIENCE_S);
    if (ctl->replace && ctl->merge)
        ctl_fail("--merge or --replace, not both");
    else if (i.paths.count == 0)
        ctl_fail("no c2s is running: cannot reach %s/c2s-*.ctl: %s", ctl->runtime,
                 strerror(failed ? -failed : ENOENT));
    else
        is_read = pie_read(file, name, &events, &i);
    if (is_read || i.made || i.merged)
        printf("%llu accounts made, %llu merged, %llu left out\n", i.made, i.merged, i.left_out);
    ctl_sockets_free(&i.paths);
    free(i.jid);
    if (is_read && i.left_out)
        return 1;
    if (is_read && i.incomplete)
        return ctl_fail("%llu accounts are not complete", i.incomplete);
    return is_read ? 0 : 1;
}

const struct ctl_command pie_commands[] = {
    {"user export", 1, 2, "JID FILE", "write an account to a file (XEP-0227); --all FILE: all",
     run_export},
    {.name = NULL},
};
