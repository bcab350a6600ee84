/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * ends - two connections joined through a real listener, and what each has been told: for the tests
 * of conn over sockets and of what lies over it. One pair at a time, in the four variables below.
 */
#ifndef TEST_ENDS_H
#define TEST_ENDS_H

#include "base/conn_private.h"
#include "base/listen.h"

/* One end of a connection, and what it has been told. */
struct end {
    struct conn *conn; /* NULL after on_close */
    struct buf heard;
    uint64_t bytes, sum;
    int connects, secures, eofs, drains, closes;
    int error;
    char reason[80];
    bool echo, keep;
    struct timer resume;
};

extern struct loop *ends_loop;
extern struct listener *ends_listener;
extern struct end ends_client, ends_server;

/* Notes everything; the second one has on_eof, too. The third pauses now and then. */
extern const struct conn_handler ends_handler, ends_handler_eof, ends_pausing;
void ends_on_connect(void *ctx);
void ends_on_data(void *ctx, struct span bytes);
void ends_on_secure(void *ctx);
void ends_on_close(void *ctx, int error, const char *reason);

/* For cmocka: a libuv loop; frees all that is left. */
int ends_set_up(void **state);
int ends_tear_down(void **state);

struct addr ends_address(const char *text);
void ends_on_accept(void *ctx, struct conn *c); /* makes it the server's */
void ends_join_at(const struct addr *at);
void ends_join(void); /* over TCP */

/* Runs the loop until what() is so; fails the test after 20 s. */
void ends_run_until(bool (*what)(void));
/* Until so many bytes in all have come, and not one more. */
void ends_run_bytes(uint64_t at_client, uint64_t at_server);
bool ends_are_joined(void);
bool ends_are_secure(void);
bool ends_are_over(void);
bool ends_client_blocked(void);

void ends_expect(struct end *e, const char *text);
void ends_expect_closed(const struct end *e, int error);
void ends_on_resume(void *ctx);

#define ENDS_MANY (10 * 1024 * 1024)

void ends_send_many(struct conn *c); /* ENDS_MANY bytes */
/* Whole lives of a joined pair: an echo and a close; ENDS_MANY bytes against a reader that pauses.
 */
void ends_check_echo(void);
void ends_check_many(void);

#endif
