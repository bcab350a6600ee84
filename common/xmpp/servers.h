/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * servers - the servers of the network: a table of host, OpenPGP fingerprint and whether it is
 * enabled, in a file that kontalkctl keeps (`kontalkctl server`) and every process reads.
 *
 * One line a server: HOST FINGERPRINT enabled|disabled; # begins a comment. A missing file is an
 * empty table; one that everybody may write is refused. A table is not changed once it is loaded: a
 * reload makes a new one. This server itself is always a member of its network, in the table or
 * not.
 *
 * Where a user's home is recorded (the directory, see c2s/NETWORK.md) follows from the table alone.
 */
#ifndef XMPP_SERVERS_H
#define XMPP_SERVERS_H

#include "base/conf.h"
#include "base/span.h"

#define SERVERS_MAX 1000
#define SERVER_FINGERPRINT 40 /* hexadecimal digits of a version 4 key */

struct server {
    struct span host; /* prepared */
    /* Upper case; empty: ours, when it is not in the table. */
    char fingerprint[SERVER_FINGERPRINT + 1];
    bool is_enabled;
    bool is_self;
};

struct servers;

/* The table of a file, for the server self (prepared; copied). NULL with file, line and reason. */
struct servers *servers_load(const char *file, struct span self, char error_r[CONF_ERROR_MAX]);
struct servers *servers_ref(struct servers *list);
void servers_unref(struct servers **list);
/* In the order of their hosts; self among them. */
size_t servers_count(const struct servers *list);
const struct server *servers_at(const struct servers *list, size_t i);
/* Enabled or not; NULL: not in the table. */
const struct server *servers_find(const struct servers *list, struct span host);
/* An enabled one, or ourselves: a member of the network. */
bool servers_has(const struct servers *list, struct span host);
/* The same, and others than ourselves. */
bool servers_has_other(const struct servers *list, struct span host);
/* The enabled other server that this domain is, or lies below (a component of it); NULL: none. */
const struct server *servers_of_domain(const struct servers *list, struct span domain);
/* How many members there are, self included. */
size_t servers_members(const struct servers *list);

/* The members that record where that user is at home: the two with the highest rendezvous hash of
 * the localpart, best first. Returns how many (1 in a network of one). */
#define SERVERS_DIRECTORY 2
size_t servers_directory(const struct servers *list, struct span localpart,
                         const struct server *out_r[SERVERS_DIRECTORY]);
/* A number of the set of members: equal sets have equal ones, at every server. Never 0. */
uint64_t servers_set(const struct servers *list);

/* 40 hexadecimal digits, in upper case; false: it is something else. */
bool servers_fingerprint(struct span text, char out_r[SERVER_FINGERPRINT + 1]);

/* --- for kontalkctl: changes, one at a time; each writes the file anew, under a lock --- */

enum servers_change { SERVERS_ADD, SERVERS_REMOVE, SERVERS_ENABLE, SERVERS_DISABLE };
/* fingerprint: for SERVERS_ADD (40 digits, blanks and case do not matter). False with a reason:
 * no such server, there already, no fingerprint, no domain name, the file. */
bool servers_change(const char *file, enum servers_change change, struct span host,
                    struct span fingerprint, char error_r[CONF_ERROR_MAX]);
/* Lines of another table, or HOST FINGERPRINT alone: all of them or none. Who is in the table stays
 * as he is there; with another fingerprint he is refused, unless replace is given. */
struct servers_imported {
    size_t added, replaced, same;
};
bool servers_import(const char *file, struct span lines, bool replace,
                    struct servers_imported *r, char error_r[CONF_ERROR_MAX]);

#endif
