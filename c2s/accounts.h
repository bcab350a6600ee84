/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * accounts - the users at home here and their SCRAM keys.
 *
 * Passwords are never stored: only what RFC 5803 keeps. Everything a user has hangs on the number
 * of his account, never on his name, so that a name registered again inherits nothing.
 * All calls are asynchronous (store); answers come on the loop. Names are prepared localparts.
 */
#ifndef C2S_ACCOUNTS_H
#define C2S_ACCOUNTS_H

#include "xmpp/sasl.h"

struct loop;
struct store;
struct accounts;

struct accounts *accounts_new(struct loop *loop, struct store *store, uint32_t iterations);
/* For passwords that are set from now on. */
void accounts_set_iterations(struct accounts *a, uint32_t iterations);
/* An account has been made, by whichever call: before that is answered, and not after
 * accounts_free. */
void accounts_on_added(struct accounts *a, void (*call)(void *ctx, struct span user), void *ctx);
/* Before store_close. What is under way is still answered: by the store, or as failed. */
void accounts_free(struct accounts **a);

enum accounts_result {
    ACCOUNTS_OK,
    ACCOUNTS_EXISTS,
    ACCOUNTS_UNKNOWN,
    ACCOUNTS_BAD_PASSWORD, /* empty, over 1,023 bytes, or prohibited by SASLprep */
    ACCOUNTS_FAILED,       /* storage or thread pool refused; logged */
};
const char *accounts_result_text(enum accounts_result r);

/* done(ctx, result, credentials): credentials valid during the call. */
void accounts_credentials(struct accounts *a, struct span user,
                          void (*done)(void *ctx, enum accounts_result r,
                                       const struct sasl_credentials *c),
                          void *ctx);
/* Keys are derived on work threads; the password is copied and wiped. */
void accounts_add(struct accounts *a, struct span user, struct span password,
                  void (*done)(void *ctx, enum accounts_result r), void *ctx);
/* Nobody can log in to it until it has a password, or keys that come from elsewhere. */
void accounts_add_without_password(struct accounts *a, struct span user,
                                   void (*done)(void *ctx, enum accounts_result r), void *ctx);
void accounts_set_password(struct accounts *a, struct span user, struct span password,
                           void (*done)(void *ctx, enum accounts_result r), void *ctx);
/* Removes the account: its name is free, and nobody can log in to it. sm_user_deleted must follow:
 * it ends the sessions and has the rest removed. */
void accounts_delete(struct accounts *a, struct span user,
                     void (*done)(void *ctx, enum accounts_result r), void *ctx);
/* each(ctx, user, created in ms since 1970) in order of name; then done. */
void accounts_list(struct accounts *a,
                   void (*each)(void *ctx, struct span user, int64_t created),
                   void (*done)(void *ctx, enum accounts_result r), void *ctx);

#endif
