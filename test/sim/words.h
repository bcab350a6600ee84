/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * words - what the clients of the simulations say to log in, and how they read what they hear: as
 * text, with no help from the code under test.
 */
#ifndef TEST_WORDS_H
#define TEST_WORDS_H

#include "base/buf.h"

struct conn;

/* To a server; nothing when conn is NULL. */
void words_say(struct conn *conn, struct span text);
void words_open(struct conn *conn, const char *domain);
void words_prove(struct conn *conn, const char *user, const char *password);
void words_bind(struct conn *conn, const char *resource);
void words_acknowledge(struct conn *conn, uint32_t handled);

/* Of a start tag; none. */
struct span words_attribute(struct span tag, const char *name);
/* Up to its end, of an element. */
struct span words_tag(struct span element);
/* The first element that is whole, if it begins as wanted, is taken off. */
bool words_take(struct span *heard, const char *begin, const char *end, struct span *r);
/* Adds the bytes to what has been heard, and has it listened to, without the space in front, as
 * long as something of it is whole: listen says false when the rest is not. */
void words_hear(struct buf *heard, struct span bytes, bool (*listen)(void *ctx, struct span *heard),
                void *ctx);

#endif
