/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * echo - a component that says back what it is told: a template for components of your own, in C
 * with libstrophe, for the router (XEP-0114).
 *
 *   echo NAME SECRET HOST PORT
 *
 * NAME and SECRET are those of a [component NAME] section of router.conf. It answers messages to
 * any address in its name, and what every entity is asked: service discovery (XEP-0030) and ping
 * (XEP-0199). When the connection ends it comes back, until SIGTERM.
 *
 * libstrophe ignores the namespaces of attributes, and takes e:from for from: behind another server
 * than ours do not trust a sender's address.
 */
#include "test/components/workaround.h"

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define RETRY_SECONDS 1
#define NS_PING "urn:xmpp:ping"

static volatile sig_atomic_t is_over;

struct component {
    xmpp_ctx_t *ctx;
    const char *name;
};

/* --- answers -----------------------------------------------------------------------------------
 */

/* An answer goes from the address that was asked: NAME, or anything@NAME. */
static xmpp_stanza_t *answer_to(xmpp_stanza_t *request, const char *type)
{
    xmpp_stanza_t *answer = xmpp_stanza_reply(request);
    xmpp_stanza_set_from(answer, xmpp_stanza_get_to(request));
    xmpp_stanza_set_type(answer, type);
    return answer;
}

/* The parent holds the child from then on. */
static xmpp_stanza_t *add_child(struct component *c, xmpp_stanza_t *parent, const char *name,
                                const char *ns)
{
    xmpp_stanza_t *child = xmpp_stanza_new(c->ctx);
    xmpp_stanza_set_name(child, name);
    if (ns)
        xmpp_stanza_set_ns(child, ns);
    xmpp_stanza_add_child(parent, child);
    xmpp_stanza_release(child);
    return child;
}

static void send_and_free(xmpp_conn_t *conn, xmpp_stanza_t *stanza)
{
    xmpp_send(conn, stanza);
    xmpp_stanza_release(stanza);
}

static void add_info(struct component *c, xmpp_stanza_t *query)
{
    static const char *const features[] = {XMPP_NS_DISCO_INFO, XMPP_NS_DISCO_ITEMS, NS_PING};
    xmpp_stanza_t *identity = add_child(c, query, "identity", NULL);
    xmpp_stanza_set_attribute(identity, "category", "client");
    xmpp_stanza_set_attribute(identity, "type", "bot");
    xmpp_stanza_set_attribute(identity, "name", "echo");
    for (size_t i = 0; i < sizeof features / sizeof *features; i++)
        xmpp_stanza_set_attribute(add_child(c, query, "feature", NULL), "var", features[i]);
}

static void refuse(struct component *c, xmpp_conn_t *conn, xmpp_stanza_t *iq)
{
    xmpp_stanza_t *answer = answer_to(iq, "error");
    xmpp_stanza_t *error = add_child(c, answer, "error", NULL);
    xmpp_stanza_set_type(error, "cancel");
    add_child(c, error, "service-unavailable", XMPP_NS_STANZAS_IETF);
    send_and_free(conn, answer);
}

/* --- what arrives ------------------------------------------------------------------------------
 */

static int on_iq(xmpp_conn_t *conn, xmpp_stanza_t *iq, void *arg)
{
    struct component *c = arg;
    const char *type = xmpp_stanza_get_type(iq);
    /* Results and errors are answers already. */
    if (!type || (strcmp(type, "get") != 0 && strcmp(type, "set") != 0))
        return 1;
    bool is_get = strcmp(type, "get") == 0;
    if (is_get && xmpp_stanza_get_child_by_ns(iq, XMPP_NS_DISCO_INFO)) {
        xmpp_stanza_t *answer = answer_to(iq, "result");
        add_info(c, add_child(c, answer, "query", XMPP_NS_DISCO_INFO));
        send_and_free(conn, answer);
    } else if (is_get && xmpp_stanza_get_child_by_ns(iq, XMPP_NS_DISCO_ITEMS)) {
        xmpp_stanza_t *answer = answer_to(iq, "result");
        add_child(c, answer, "query", XMPP_NS_DISCO_ITEMS);
        send_and_free(conn, answer);
    } else if (is_get && xmpp_stanza_get_child_by_ns(iq, NS_PING)) {
        send_and_free(conn, answer_to(iq, "result"));
    } else {
        refuse(c, conn, iq);
    }
    return 1;
}

static int on_message(xmpp_conn_t *conn, xmpp_stanza_t *message, void *arg)
{
    struct component *c = arg;
    const char *type = xmpp_stanza_get_type(message);
    /* An answer to an error might come back as an error, and so on for ever. */
    if (type && strcmp(type, "error") == 0)
        return 1;
    char *body = xmpp_message_get_body(message);
    if (!body)
        return 1;
    xmpp_stanza_t *answer = answer_to(message, type ? type : "normal");
    xmpp_message_set_body(answer, body);
    send_and_free(conn, answer);
    xmpp_free(c->ctx, body);
    return 1;
}

static void on_connection(xmpp_conn_t *conn, xmpp_conn_event_t event, int error,
                          xmpp_stream_error_t *stream_error, void *arg)
{
    struct component *c = arg;
    (void)conn;
    if (event == XMPP_CONN_CONNECT) {
        fprintf(stderr, "%s: connected\n", c->name);
        return;
    }
    fprintf(stderr, "%s: disconnected (%d%s%s)\n", c->name, error, stream_error ? " " : "",
            stream_error && stream_error->text ? stream_error->text : "");
    xmpp_stop(c->ctx);
}

/* --- start and end -----------------------------------------------------------------------------
 */

static void on_signal(int number)
{
    (void)number;
    is_over = 1;
}

/* Asked for a second time, the signal ends the process at once. */
static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESETHAND};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
}

static int check_end(xmpp_ctx_t *ctx, void *arg)
{
    (void)arg;
    if (is_over)
        xmpp_stop(ctx);
    return 1;
}

/* One connection, from its opening to its end. */
static void serve(struct component *c, const char *secret, const char *host, unsigned short port)
{
    xmpp_conn_t *conn = xmpp_conn_new(c->ctx);
    xmpp_conn_set_jid(conn, c->name);
    xmpp_conn_set_pass(conn, secret);
    xmpp_handler_add(conn, on_iq, NULL, "iq", NULL, c);
    xmpp_handler_add(conn, on_message, NULL, "message", NULL, c);
    if (workaround_connect(conn, host, port, on_connection, c) == XMPP_EOK)
        xmpp_run(c->ctx);
    xmpp_conn_release(conn);
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        fprintf(stderr, "usage: echo NAME SECRET HOST PORT\n");
        return 2;
    }
    catch_signals();
    xmpp_initialize();
    struct component c = {.name = argv[1]};
    c.ctx = xmpp_ctx_new(NULL, xmpp_get_default_logger(XMPP_LEVEL_ERROR));
    xmpp_global_timed_handler_add(c.ctx, check_end, 200, NULL);
    for (;;) {
        serve(&c, argv[2], argv[3], (unsigned short)strtoul(argv[4], NULL, 10));
        if (is_over)
            break;
        sleep(RETRY_SECONDS);
    }
    xmpp_ctx_free(c.ctx);
    xmpp_shutdown();
    return 0;
}
