/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * user - accounts. One c2s changes the storage that all share; only the removal is told to all,
 * because each ends its own sessions.
 */
#include "router/ctl/pie.h"

#include "base/buf.h"
#include "base/control.h"
#include "base/mem.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

/* One request is a line of 64 KiB at most; words may double in length by escaping. */
#define BATCH_PAIRS 250
#define BATCH_BYTES 24000
#define PASSWORD_MAX 1024
#define IMPORT_PATIENCE_S 600 /* a batch costs 500 times the rounds of hashing that are set */

/* --- passwords --- */

static void set_echo(bool on)
{
    struct termios terminal;

    if (tcgetattr(STDIN_FILENO, &terminal) != 0)
        return;
    if (on)
        terminal.c_lflag |= (tcflag_t)ECHO;
    else
        terminal.c_lflag &= ~(tcflag_t)ECHO;
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &terminal);
}

/* One line of standard input, without its end; from a terminal it is not shown. */
static bool read_password(char password_r[PASSWORD_MAX])
{
    bool terminal = isatty(STDIN_FILENO);

    if (terminal) {
        fputs("password: ", stderr);
        set_echo(false);
    }
    char *line = fgets(password_r, PASSWORD_MAX, stdin);
    if (terminal) {
        set_echo(true);
        fputc('\n', stderr);
    }
    if (!line)
        return false;
    size_t n = strcspn(line, "\r\n");
    if (line[n] == '\0' && n + 1 == PASSWORD_MAX)
        return false; /* cut */
    line[n] = '\0';
    return n > 0;
}

/* --- add, passwd, del --- */

static int set_password(const struct ctl *ctl, const char *verb, char **args)
{
    char typed[PASSWORD_MAX] = "", error[CTL_ERROR_MAX];
    const char *password = args[1];

    if (strcmp(password, "-") == 0) {
        if (!read_password(typed))
            return ctl_fail("no password, or too long a one, on standard input");
        password = typed;
    }
    const struct span words[] = {SPAN_INIT("user"), span_of(verb), span_of(args[0]),
                                 span_of(password)};
    int result = ctl_ask_c2s(ctl, words, ARRAY_LEN(words), NULL, NULL, error);
    mem_wipe(typed, sizeof(typed));
    mem_wipe(args[1], strlen(args[1])); /* shortens its life in the list of processes */
    return result ? ctl_fail("%s", error) : 0;
}

static int run_add(const struct ctl *ctl, char **args, int count)
{
    (void)count;
    return set_password(ctl, "add", args);
}

static int run_passwd(const struct ctl *ctl, char **args, int count)
{
    (void)count;
    return set_password(ctl, "passwd", args);
}

static int run_del(const struct ctl *ctl, char **args, int count)
{
    char error[CTL_ERROR_MAX];

    (void)count;
    return ctl_user_del(ctl, args[0], error) ? ctl_fail("%s", error) : 0;
}

/* --- import --- */

/* Pairs that go out in one request. */
struct batch {
    struct buf text;                 /* the words, one after the other */
    size_t lengths[2 * BATCH_PAIRS]; /* of each word */
    size_t words;
    unsigned long first_line, last_line;
    unsigned long done; /* accounts made by earlier batches */
};

static int batch_send(const struct ctl *ctl, struct batch *b)
{
    struct span words[2 + 2 * BATCH_PAIRS] = {SPAN_INIT("user"), SPAN_INIT("add")};
    char error[CTL_ERROR_MAX];
    const char *p = buf_span(&b->text).p;

    if (b->words == 0)
        return 0;
    for (size_t i = 0; i < b->words; p += b->lengths[i++])
        words[2 + i] = span_make(p, b->lengths[i]);
    int result = ctl_ask_c2s(ctl, words, 2 + b->words, NULL, NULL, error);
    if (result)
        return ctl_fail("lines %lu to %lu: %s", b->first_line, b->last_line, error);
    b->done += b->words / 2;
    b->words = 0;
    buf_clear(&b->text);
    return 0;
}

static void batch_add(struct batch *b, struct span word, unsigned long line)
{
    if (b->words == 0)
        b->first_line = line;
    b->last_line = line;
    b->lengths[b->words++] = word.n;
    buf_append(&b->text, word);
}

/* JID, a blank, and the password: the rest of the line, whatever it holds. */
static int import_line(const struct ctl *ctl, struct batch *b, struct span line, unsigned long n)
{
    size_t blank = span_index(line, ' ');

    if (line.n == 0)
        return 0;
    if (blank == 0 || blank + 1 >= line.n)
        return ctl_fail("line %lu is not \"JID PASSWORD\"", n);
    if (b->words == 2 * BATCH_PAIRS || (b->words && buf_len(&b->text) + line.n > BATCH_BYTES)) {
        int status = batch_send(ctl, b);
        if (status)
            return status;
    }
    batch_add(b, span_make(line.p, blank), n);
    batch_add(b, span_from(line, blank + 1), n);
    return 0;
}

static int import_file(const struct ctl *ctl, FILE *file, struct batch *b)
{
    char line[4096];
    int status = 0;

    for (unsigned long n = 1; !status && fgets(line, sizeof(line), file); n++) {
        size_t len = strlen(line);
        if (len + 1 == sizeof(line) && line[len - 1] != '\n')
            status = ctl_fail("line %lu is too long", n);
        else
            status = import_line(ctl, b, span_make(line, strcspn(line, "\r\n")), n);
    }
    mem_wipe(line, sizeof(line));
    if (!status && ferror(file))
        status = ctl_fail("cannot read: %s", strerror(errno));
    return status ? status : batch_send(ctl, b);
}

/* No address begins with '<', nor with a byte order mark. */
static bool is_document(FILE *file)
{
    int first = getc(file);

    ungetc(first, file);
    return first == '<' || first == 0xEF;
}

static int run_import(const struct ctl *ctl, char **args, int count)
{
    bool is_piped = strcmp(args[0], "-") == 0;
    FILE *file = is_piped ? stdin : fopen(args[0], "re");
    struct batch batch = {0};

    (void)count;
    if (!file)
        return ctl_fail("%s: %s", args[0], strerror(errno));
    control_ask_patience(IMPORT_PATIENCE_S);
    if (is_document(file)) {
        int read = pie_import(ctl, file, args[0]);
        if (!is_piped)
            fclose(file);
        return read;
    }
    int status = import_file(ctl, file, &batch);
    if (!is_piped)
        fclose(file);
    buf_wipe(&batch.text);
    printf("%lu accounts made\n", batch.done);
    return status;
}

/* --- list --- */

static int run_list(const struct ctl *ctl, char **args, int count)
{
    const struct span words[] = {SPAN_INIT("user"), SPAN_INIT("list")};
    char error[CTL_ERROR_MAX];
    struct table table = {0};

    (void)args;
    (void)count;
    int result = ctl_ask_c2s(ctl, words, ARRAY_LEN(words), table_row, &table, error);
    if (result == 0)
        table_print(&table, ctl->json);
    table_free(&table);
    return result ? ctl_fail("%s", error) : 0;
}

const struct ctl_command user_commands[] = {
    {"user add", 2, 2, "JID PASSWORD", "make an account (PASSWORD -: from standard input)",
     run_add},
    {"user import", 1, 1, "FILE", "make accounts of lines \"JID PASSWORD\", or of XEP-0227",
     run_import},
    {"user del", 1, 1, "JID", "remove an account and end its sessions", run_del},
    {"user passwd", 2, 2, "JID PASSWORD", "change a password", run_passwd},
    {"user list", 0, 0, "", "list the accounts", run_list},
    {.name = NULL},
};
