/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * attach - kontalkctl in the place of a component: what the router sends for it is printed, one
 * stanza a line, and what is typed or read from a file is sent. And tap: what passes the router.
 */
#include "router/ctl/input.h"
#include "router/ctl/part.h"

#include "base/control.h"
#include "base/mem.h"
#include "router/redact.h"
#include "tls/crypto.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* --- attach ----------------------------------------------------------------------------------- */

struct attach {
    const struct ctl *ctl;
    struct loop *loop;
    struct part part;
    struct input input;
    struct timer limit;
    int fd; /* of the input */
    unsigned long line;
    int status;
};

static void end(struct attach *a)
{
    input_stop(&a->input);
    timer_stop(&a->limit);
    part_close(&a->part);
}

static void on_signal(void *ctx, int signum)
{
    (void)signum;
    end(ctx);
}

static void on_limit(void *ctx)
{
    end(ctx);
}

/* Anything but one whole stanza would end the stream, or wait for the next line. */
static bool is_stanza(struct span line)
{
    struct framer framer;
    enum frame frame;

    framer_init_stanzas(&framer, &framer_limits_component);
    return framer_scan(&framer, line.p, line.n, &frame) == line.n && frame == FRAME_STANZA;
}

static void on_line(void *ctx, struct span line)
{
    struct attach *a = ctx;

    a->line++;
    if (line.n == 0)
        return;
    if (is_stanza(line))
        part_send(&a->part, line);
    else
        a->status = ctl_fail("line %lu is not one stanza: not sent", a->line);
}

/* What is still to come is shown until somebody ends it. */
static void on_input_end(void *ctx)
{
    (void)ctx;
}

static void on_up(void *ctx)
{
    struct attach *a = ctx;

    fprintf(stderr, "attached as %s; one stanza a line, Ctrl-C ends\n", a->part.name);
    input_start(&a->input, a->loop, a->fd, on_line, on_input_end, a);
}

static void on_frame(void *ctx, struct span frame)
{
    struct buf line = {0};

    (void)ctx;
    redact_line(&line, frame, true);
    buf_append_char(&line, '\n');
    fwrite(line.p, 1, buf_len(&line), stdout);
    fflush(stdout);
    buf_wipe(&line);
}

static void on_end(void *ctx, const char *reason)
{
    struct attach *a = ctx;

    if (reason[0])
        a->status = ctl_fail("%s", reason);
    end(a);
    loop_stop(a->loop);
}

static const struct part_events events = {.on_up = on_up, .on_frame = on_frame, .on_end = on_end};

static int run_attach(const struct ctl *ctl, char **args, int count)
{
    struct attach *a = mem_zalloc(sizeof(*a));
    char error[CTL_ERROR_MAX];

    a->ctl = ctl;
    a->fd = count > 1 ? open(args[1], O_RDONLY | O_CLOEXEC) : STDIN_FILENO;
    if (a->fd < 0) {
        free(a);
        return ctl_fail("%s: %s", args[1], strerror(errno));
    }
    crypto_init();
    a->loop = loop_new();
    loop_on_signal(a->loop, SIGINT, on_signal, a);
    loop_on_signal(a->loop, SIGTERM, on_signal, a);
    if (ctl->seconds)
        timer_start(&a->limit, a->loop, ctl->seconds * 1000, on_limit, a);
    if (part_start(&a->part, ctl, a->loop, args[0], &events, a, error))
        loop_run(a->loop);
    else
        a->status = ctl_fail("%s", error);
    int status = a->status;
    timer_stop(&a->limit);
    input_stop(&a->input);
    part_free(&a->part);
    loop_free(&a->loop);
    input_free(&a->input);
    xml_parser_shared_free();
    if (count > 1)
        close(a->fd);
    free(a);
    return status;
}

/* --- tap -------------------------------------------------------------------------------------- */

static void on_tap_signal(int signum)
{
    (void)signum;
    _exit(0); /* each line has been written */
}

static void on_tap_row(void *ctx, const struct span *words, size_t count)
{
    bool *header_seen = ctx;

    if (*header_seen && count == 5) {
        printf("%.*s %.*s > %.*s %.*s %.*s\n", SPAN_ARG(words[0]), SPAN_ARG(words[1]),
               SPAN_ARG(words[2]), SPAN_ARG(words[3]), SPAN_ARG(words[4]));
        if (fflush(stdout) != 0)
            _exit(1); /* nobody reads any more */
    } else if (!*header_seen) {
        fputs("tapping; Ctrl-C ends\n", stderr);
    }
    *header_seen = true;
}

static int run_tap(const struct ctl *ctl, char **args, int count)
{
    const struct span words[] = {SPAN_INIT("tap"), span_of(count > 0 ? args[0] : ""),
                                 SPAN_INIT("bodies")};
    char error[CTL_ERROR_MAX];
    bool header_seen = false;

    signal(SIGINT, on_tap_signal);
    signal(SIGTERM, on_tap_signal);
    signal(SIGALRM, on_tap_signal);
    alarm(ctl->seconds);
    control_ask_patience(0); /* there may be no traffic for long */
    int result = ctl_ask_router(ctl, words, ctl->bodies ? 3 : 2, on_tap_row, &header_seen, error);
    if (result)
        return ctl_fail("%s", header_seen ? "the router has stopped" : error);
    return ctl_fail("the router has ended the tap");
}

const struct ctl_command attach_commands[] = {
    {"attach", 1, 2, "NAME [FILE]", "be the component NAME: print what comes, send what is typed",
     run_attach},
    {"tap", 0, 1, "[ADDRESS]", "show what passes the router; texts only with --bodies", run_tap},
    {.name = NULL},
};
