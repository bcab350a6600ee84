/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * strophe_client - a client of libstrophe for the end-to-end tests.
 *
 *   strophe_client JID PASSWORD HOST PORT CAFILE starttls|direct TO BODY
 *
 * Logs in over TLS, trusting CAFILE only, sends presence and BODY to TO, prints the body of the
 * first message that comes back, and ends. Exit status 0: all of that happened within 15 seconds.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strophe.h>

#define DEADLINE_MS 15000

struct play {
    xmpp_ctx_t *ctx;
    const char *to, *body;
    bool is_done;
};

static int on_message(xmpp_conn_t *conn, xmpp_stanza_t *stanza, void *arg)
{
    struct play *p = arg;
    char *text = NULL;
    xmpp_stanza_t *body = xmpp_stanza_get_child_by_name(stanza, "body");
    if (body)
        text = xmpp_stanza_get_text(body);
    if (!text)
        return 1;
    printf("%s\n", text);
    xmpp_free(p->ctx, text);
    p->is_done = true;
    xmpp_disconnect(conn);
    return 0;
}

static int on_deadline(xmpp_conn_t *conn, void *arg)
{
    (void)conn;
    (void)arg;
    fprintf(stderr, "nothing came back\n");
    exit(1);
}

static void start(xmpp_conn_t *conn, struct play *p)
{
    xmpp_handler_add(conn, on_message, NULL, "message", NULL, p);
    xmpp_stanza_t *presence = xmpp_presence_new(p->ctx);
    xmpp_send(conn, presence);
    xmpp_stanza_release(presence);
    xmpp_stanza_t *message = xmpp_message_new(p->ctx, "chat", p->to, NULL);
    xmpp_message_set_body(message, p->body);
    xmpp_send(conn, message);
    xmpp_stanza_release(message);
}

static void on_connection(xmpp_conn_t *conn, xmpp_conn_event_t event, int error,
                          xmpp_stream_error_t *stream_error, void *arg)
{
    struct play *p = arg;
    if (event == XMPP_CONN_CONNECT) {
        if (!xmpp_conn_is_secured(conn)) {
            fprintf(stderr, "no TLS\n");
            exit(1);
        }
        start(conn, p);
        return;
    }
    if (!p->is_done)
        fprintf(stderr, "disconnected: %d %s\n", error,
                stream_error && stream_error->text ? stream_error->text : "");
    xmpp_stop(p->ctx);
}

int main(int argc, char **argv)
{
    if (argc != 9) {
        fprintf(stderr, "usage: strophe_client JID PASSWORD HOST PORT CAFILE starttls|direct TO "
                        "BODY\n");
        return 2;
    }
    xmpp_initialize();
    struct play p = {.to = argv[7], .body = argv[8]};
    p.ctx = xmpp_ctx_new(NULL, xmpp_get_default_logger(XMPP_LEVEL_WARN));
    xmpp_conn_t *conn = xmpp_conn_new(p.ctx);
    bool is_direct = strcmp(argv[6], "direct") == 0;
    xmpp_conn_set_flags(conn, is_direct ? XMPP_CONN_FLAG_LEGACY_SSL : XMPP_CONN_FLAG_MANDATORY_TLS);
    xmpp_conn_set_jid(conn, argv[1]);
    xmpp_conn_set_pass(conn, argv[2]);
    xmpp_conn_set_cafile(conn, argv[5]);
    xmpp_timed_handler_add(conn, on_deadline, DEADLINE_MS, NULL);
    unsigned short port = (unsigned short)strtoul(argv[4], NULL, 10);
    if (xmpp_connect_client(conn, argv[3], port, on_connection, &p) != XMPP_EOK) {
        fprintf(stderr, "cannot connect\n");
        return 1;
    }
    xmpp_run(p.ctx);
    xmpp_conn_release(conn);
    xmpp_ctx_free(p.ctx);
    xmpp_shutdown();
    return p.is_done ? 0 : 1;
}
