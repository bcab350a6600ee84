/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * strophe_facts - why libstrophe is not on the daemons' own links (README.md, dependencies).
 *
 * Prints one line per fact that is still so: "lang" when an attribute's namespace is lost between
 * parsing and writing, "handshake" when a component connection crashes at the handshake. When a
 * newer libstrophe has mended one of them, test_clients.py says so.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strophe.h>
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

static void on_connection(xmpp_conn_t *conn, xmpp_conn_event_t event, int error,
                          xmpp_stream_error_t *stream_error, void *ctx)
{
    (void)conn;
    (void)event;
    (void)error;
    (void)stream_error;
    xmpp_stop(ctx);
}

/* In a child process: connects as a component, and crashes or does not. */
static void be_component(xmpp_ctx_t *ctx, unsigned short port)
{
    xmpp_conn_t *conn = xmpp_conn_new(ctx);
    xmpp_conn_set_jid(conn, "c.localhost");
    xmpp_conn_set_pass(conn, "secret");
    xmpp_connect_component(conn, "127.0.0.1", port, on_connection, ctx);
    xmpp_run(ctx);
    _exit(0);
}

static int check_handshake(xmpp_ctx_t *ctx)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    int listener = socket(AF_INET, SOCK_STREAM, 0), status;
    if (bind(listener, (struct sockaddr *)&at, len) || listen(listener, 1) ||
        getsockname(listener, (struct sockaddr *)&at, &len))
        return 1;
    pid_t child = fork();
    if (child == 0)
        be_component(ctx, ntohs(at.sin_port));
    int peer = accept(listener, NULL, NULL);
    if (write(peer, GREETING, strlen(GREETING)) < 0)
        return 1;
    waitpid(child, &status, 0);
    /* Under a sanitizer a crash is an exit. */
    if (WIFSIGNALED(status) || WEXITSTATUS(status) != 0)
        puts("handshake");
    close(peer);
    close(listener);
    return 0;
}

int main(void)
{
    xmpp_initialize();
    xmpp_ctx_t *ctx = xmpp_ctx_new(NULL, NULL);
    check_lang(ctx);
    fflush(stdout);
    int status = check_handshake(ctx);
    xmpp_ctx_free(ctx);
    xmpp_shutdown();
    return status;
}
