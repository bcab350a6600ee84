/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * workaround - opens a component's connection with a libstrophe that would crash.
 *
 * From 0.12.0 on, xmpp_connect_component() leaves out a piece of state that only
 * xmpp_connect_client() makes, and the library dies of it at the handshake. So we ask for a client
 * connection first, in a way that fails before anything is sent: no host has a name of more than
 * 255 characters, and none is asked for. When test_sample_component.py says that a newer libstrophe
 * has mended it, this file can go.
 */
#ifndef TEST_COMPONENTS_WORKAROUND_H
#define TEST_COMPONENTS_WORKAROUND_H

#include <string.h>
#include <strophe.h>

/* As xmpp_connect_component(); to be used for each new connection in its place. */
static inline int workaround_connect(xmpp_conn_t *conn, const char *host, unsigned short port,
                                     xmpp_conn_handler on_change, void *ctx)
{
    char nowhere[300];
    memset(nowhere, 'x', sizeof nowhere - 1);
    nowhere[sizeof nowhere - 1] = '\0';
    if (xmpp_connect_client(conn, nowhere, 1, on_change, ctx) == XMPP_EOK)
        return XMPP_EINT;
    return xmpp_connect_component(conn, host, port, on_change, ctx);
}

#endif
