/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * strophe_facts - why libstrophe is not on the daemons' own links (README.md, dependencies).
 *
 * Prints one line per fact that is still so: "lang" when an attribute's namespace is lost between
 * parsing and writing, "from" when an attribute of a foreign namespace passes for the sender,
 * "handshake" when a component connection crashes at the handshake, "work-around" when it does so
 * even with the one in test/components/workaround.h. When a newer libstrophe has mended one of
 * them, test_clients.py or test_sample_component.py says so.
 */
#include "test/components/workaround.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define GREETING                                                                                   \
    "<stream:stream xmlns='jabber:component:accept' id='1' from='c.localhost' "                    \
    "xmlns:stream='http://etherx.jabber.org/streams'><handshake/>"

static void check_lang(xmpp_ctx_t *ctx)
{
    char *text = NULL;
    size_t n;
    xmpp_stanza_t *s = xmpp_stanza_new_from_string(ctx, "<body xml:lang='it'>ciao</body>");
    if (!s || xmpp_stanza_to_text(s, &text, &n) != XMPP_EOK || !strstr(text, "xml:lang"))
        puts("lang");
    if (text)
        xmpp_free(ctx, text);
    if (s)
        xmpp_stanza_release(s);
}

static void check_from(xmpp_ctx_t *ctx)
{
    xmpp_stanza_t *s = xmpp_stanza_new_from_string(
        ctx, "<message xmlns:e='urn:e' from='user@x' e:from='admin@x'/>");
    const char *from = s ? xmpp_stanza_get_from(s) : NULL;
    if (!from || strcmp(from, "user@x") != 0)
        puts("from");
    if (s)
        xmpp_stanza_release(s);
}

static bool is_connected;

static void on_connection(xmpp_conn_t *conn, xmpp_conn_event_t event, int error,
                          xmpp_stream_error_t *stream_error, void *ctx)
{
    (void)conn;
    (void)error;
    (void)stream_error;
    is_connected = event == XMPP_CONN_CONNECT;
    xmpp_stop(ctx);
}

/* In a child process: connects as a component, and crashes or does not. */
static void be_component(xmpp_ctx_t *ctx, unsigned short port, bool with_workaround)
{
    xmpp_conn_t *conn = xmpp_conn_new(ctx);
    xmpp_conn_set_jid(conn, "c.localhost");
    xmpp_conn_set_pass(conn, "secret");
    if (with_workaround)
        workaround_connect(conn, "127.0.0.1", port, on_connection, ctx);
    else
        xmpp_connect_component(conn, "127.0.0.1", port, on_connection, ctx);
    xmpp_run(ctx);
    _exit(is_connected ? 0 : 1);
}

/* Whether a component gets through the handshake; what cannot be tried counts as a failure. */
static bool survives_handshake(xmpp_ctx_t *ctx, bool with_workaround)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    int listener = socket(AF_INET, SOCK_STREAM, 0), status;
    if (bind(listener, (struct sockaddr *)&at, len) || listen(listener, 1) ||
        getsockname(listener, (struct sockaddr *)&at, &len))
        exit(1);
    pid_t child = fork();
    if (child == 0)
        be_component(ctx, ntohs(at.sin_port), with_workaround);
    int peer = accept(listener, NULL, NULL);
    if (write(peer, GREETING, strlen(GREETING)) < 0 || waitpid(child, &status, 0) != child)
        exit(1);
    close(peer);
    close(listener);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

int main(void)
{
    xmpp_initialize();
    xmpp_ctx_t *ctx = xmpp_ctx_new(NULL, NULL);
    check_lang(ctx);
    check_from(ctx);
    if (!survives_handshake(ctx, false))
        puts("handshake");
    if (!survives_handshake(ctx, true))
        puts("work-around");
    xmpp_ctx_free(ctx);
    xmpp_shutdown();
    return 0;
}
