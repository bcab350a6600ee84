/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "c2s/schema.h"

/*
 * account.id is AUTOINCREMENT: a number is never given twice, so a name that is registered again
 * inherits nothing of its predecessor. Everything of a user goes with his account (CASCADE).
 */
const struct store_migration c2s_migrations[] = {
    {1, "CREATE TABLE account ("
        " id INTEGER PRIMARY KEY AUTOINCREMENT,"
        " name TEXT NOT NULL UNIQUE,"
        " created INTEGER NOT NULL," /* ms since 1970 */
        " iterations INTEGER NOT NULL,"
        " salt_sha1 BLOB NOT NULL, stored_sha1 BLOB NOT NULL, server_sha1 BLOB NOT NULL,"
        " salt_sha256 BLOB NOT NULL, stored_sha256 BLOB NOT NULL, server_sha256 BLOB NOT NULL"
        ") STRICT;"
        /* version of the whole roster: RFC 6121 2.6 */
        "CREATE TABLE roster_version ("
        " account INTEGER PRIMARY KEY REFERENCES account(id) ON DELETE CASCADE,"
        " version INTEGER NOT NULL"
        ") STRICT;"
        "CREATE TABLE roster ("
        " account INTEGER NOT NULL REFERENCES account(id) ON DELETE CASCADE,"
        " jid TEXT NOT NULL,"
        " name TEXT,"
        " subscription INTEGER NOT NULL DEFAULT 0," /* bit 0: to, bit 1: from */
        " ask INTEGER NOT NULL DEFAULT 0,"          /* bit 0: subscribe sent, bit 1: pre-approved */
        " groups TEXT NOT NULL DEFAULT '',"         /* names, separated by U+000A */
        " PRIMARY KEY (account, jid)"
        ") STRICT, WITHOUT ROWID;"
        "CREATE TABLE offline ("
        " id INTEGER PRIMARY KEY AUTOINCREMENT,"
        " account INTEGER NOT NULL REFERENCES account(id) ON DELETE CASCADE,"
        " stamp INTEGER NOT NULL,"  /* ms since 1970: when it was accepted */
        " bytes INTEGER NOT NULL,"
        " stanza TEXT NOT NULL"     /* as for a client, without the delay */
        ") STRICT;"
        "CREATE INDEX offline_account ON offline (account, id, bytes);"},
    {0, NULL},
};
