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
    /* RFC 6121 3.1.3: subscription requests that the user has not answered yet */
    {2, "CREATE TABLE roster_request ("
        " account INTEGER NOT NULL REFERENCES account(id) ON DELETE CASCADE,"
        " jid TEXT NOT NULL,"
        " stamp INTEGER NOT NULL,"
        " stanza TEXT NOT NULL,"
        " PRIMARY KEY (account, jid)"
        ") STRICT, WITHOUT ROWID;"},
    /* XEP-0191 */
    {3, "CREATE TABLE block ("
        " account INTEGER NOT NULL REFERENCES account(id) ON DELETE CASCADE,"
        " jid TEXT NOT NULL,"
        " PRIMARY KEY (account, jid)"
        ") STRICT, WITHOUT ROWID;"},
    /* XEP-0313. id: ms since 1970 << 21, and what makes it unique; so its order is that of time.
     * Rows are appended, each index holds all that finding a page needs, and the oldest of all
     * accounts are the first rows. */
    {4, "CREATE TABLE archive ("
        " account INTEGER NOT NULL REFERENCES account(id) ON DELETE CASCADE,"
        " id INTEGER NOT NULL,"
        " peer TEXT NOT NULL,"     /* bare JID of the other end */
        " resource TEXT,"          /* of the other end */
        " stanza TEXT NOT NULL"    /* as for a client */
        ") STRICT;"
        "CREATE UNIQUE INDEX archive_account ON archive (account, id);"
        "CREATE INDEX archive_peer ON archive (account, peer, id);"
        /* what a stored message is in the archive; NULL: it is not there */
        "ALTER TABLE offline ADD COLUMN archive_id INTEGER;"
        "CREATE TABLE archive_prefs ("
        " account INTEGER PRIMARY KEY REFERENCES account(id) ON DELETE CASCADE,"
        " rule INTEGER NOT NULL," /* 0: never, 1: always, 2: roster */
        " always TEXT NOT NULL,"  /* JIDs, separated by U+000A */
        " never TEXT NOT NULL"
        ") STRICT;"},
    /* XEP-0060: the numbers of enumerations are those of pubsub.h */
    {5, "CREATE TABLE pubsub_node ("
        " id INTEGER PRIMARY KEY AUTOINCREMENT,"
        " account INTEGER NOT NULL REFERENCES account(id) ON DELETE CASCADE,"
        " name TEXT NOT NULL,"
        " created INTEGER NOT NULL," /* ms since 1970 */
        " access INTEGER NOT NULL, publish INTEGER NOT NULL, last INTEGER NOT NULL,"
        " is_normal INTEGER NOT NULL, flags INTEGER NOT NULL, max_items INTEGER NOT NULL,"
        " expire INTEGER NOT NULL," /* seconds */
        " title TEXT NOT NULL, description TEXT NOT NULL, type TEXT NOT NULL,"
        " groups TEXT NOT NULL," /* names, separated by U+000A */
        " UNIQUE (account, name)"
        ") STRICT;"
        "CREATE TABLE pubsub_item ("
        " seq INTEGER PRIMARY KEY AUTOINCREMENT," /* in the order of publishing */
        " node INTEGER NOT NULL REFERENCES pubsub_node(id) ON DELETE CASCADE,"
        " id TEXT NOT NULL,"
        " publisher TEXT NOT NULL," /* bare JID; empty: the account */
        " stamp INTEGER NOT NULL,"  /* ms since 1970 */
        " bytes INTEGER NOT NULL,"
        " payload TEXT NOT NULL,"   /* XML that declares its namespaces */
        " UNIQUE (node, id)"
        ") STRICT;"
        "CREATE INDEX pubsub_item_node ON pubsub_item (node, seq, stamp, bytes);"
        "CREATE TABLE pubsub_affiliation ("
        " node INTEGER NOT NULL REFERENCES pubsub_node(id) ON DELETE CASCADE,"
        " jid TEXT NOT NULL,"
        " affiliation INTEGER NOT NULL,"
        " PRIMARY KEY (node, jid)"
        ") STRICT, WITHOUT ROWID;"
        "CREATE TABLE pubsub_subscription ("
        " node INTEGER NOT NULL REFERENCES pubsub_node(id) ON DELETE CASCADE,"
        " jid TEXT NOT NULL,"
        " delivers INTEGER NOT NULL," /* events are sent */
        " PRIMARY KEY (node, jid)"
        ") STRICT, WITHOUT ROWID;"
        /* XEP-0398 */
        "CREATE TABLE avatar ("
        " account INTEGER PRIMARY KEY REFERENCES account(id) ON DELETE CASCADE,"
        " hash TEXT NOT NULL" /* SHA-1 of the picture in the vCard, in hex; empty: none */
        ") STRICT;"},
    /* XEP-0054; XEP-0049; XEP-0012: when the last of his sessions left, and its parting words */
    {6, "CREATE TABLE vcard ("
        " account INTEGER PRIMARY KEY REFERENCES account(id) ON DELETE CASCADE,"
        " vcard TEXT NOT NULL"
        ") STRICT;"
        "CREATE TABLE private ("
        " account INTEGER NOT NULL REFERENCES account(id) ON DELETE CASCADE,"
        " ns TEXT NOT NULL,"
        " name TEXT NOT NULL,"
        " bytes INTEGER NOT NULL,"
        " element TEXT NOT NULL,"
        " PRIMARY KEY (account, ns, name)"
        ") STRICT;"
        "CREATE TABLE last ("
        " account INTEGER PRIMARY KEY REFERENCES account(id) ON DELETE CASCADE,"
        " stamp INTEGER NOT NULL," /* ms since 1970 */
        " status TEXT NOT NULL"
        ") STRICT;"},
    /* XEP-0357 */
    {7, "CREATE TABLE push ("
        " id INTEGER PRIMARY KEY AUTOINCREMENT,"
        " account INTEGER NOT NULL REFERENCES account(id) ON DELETE CASCADE,"
        " jid TEXT NOT NULL,"     /* of the service */
        " node TEXT NOT NULL,"    /* empty: none */
        " domain TEXT NOT NULL,"  /* of ours, by which the user is known there */
        " options TEXT NOT NULL," /* a form, XML; empty: none */
        " stamp INTEGER NOT NULL," /* last enabled: ms since 1970 */
        " failures INTEGER NOT NULL DEFAULT 0," /* in a row */
        " UNIQUE (account, jid, node)"
        ") STRICT;"},
    /* The instances that share this store; the message of the day, and who has seen which; when
     * he who left had come */
    {8, "CREATE TABLE instance ("
        " name TEXT PRIMARY KEY"
        ") STRICT, WITHOUT ROWID;"
        "CREATE TABLE motd ("
        " id INTEGER PRIMARY KEY AUTOINCREMENT,"
        " text TEXT NOT NULL"
        ") STRICT;"
        "CREATE TABLE motd_seen ("
        " account INTEGER PRIMARY KEY REFERENCES account(id) ON DELETE CASCADE,"
        " motd INTEGER NOT NULL"
        ") STRICT;"
        "ALTER TABLE last ADD COLUMN login INTEGER;"}, /* ms since 1970 */
    /* The network of servers (NETWORK.md): where users are at home, ours among them; how far the
     * other members have been told of ours; which of them have told us of all of theirs; which of
     * our users' former homes are to be told. A set is a number of servers_set. */
    {9, "CREATE TABLE home ("
        " user TEXT PRIMARY KEY,"
        " host TEXT NOT NULL,"
        " stamp INTEGER NOT NULL," /* ms since 1970: when he registered there */
        " proof BLOB NOT NULL,"    /* signature of the host's key; empty: none */
        " former TEXT NOT NULL DEFAULT ''" /* the host before this one; empty: none */
        ") STRICT, WITHOUT ROWID;"
        "CREATE TABLE home_told ("
        " host TEXT PRIMARY KEY,"
        " servers INTEGER NOT NULL,"
        " account INTEGER NOT NULL," /* up to this number */
        " is_whole INTEGER NOT NULL," /* it knows that these are all */
        " instance TEXT NOT NULL,"   /* who is telling it */
        " busy_until INTEGER NOT NULL" /* ms since 1970 */
        ") STRICT, WITHOUT ROWID;"
        "CREATE TABLE home_heard ("
        " host TEXT PRIMARY KEY,"
        " servers INTEGER NOT NULL"
        ") STRICT, WITHOUT ROWID;"
        "CREATE TABLE home_former ("
        " user TEXT NOT NULL,"
        " host TEXT NOT NULL,"
        " PRIMARY KEY (host, user)"
        ") STRICT, WITHOUT ROWID;"},
    /* How many homes are recorded at each host: so that a limit of them costs one look. */
    {10, "CREATE TABLE home_count ("
         " host TEXT PRIMARY KEY,"
         " homes INTEGER NOT NULL"
         ") STRICT, WITHOUT ROWID;"
         "INSERT INTO home_count SELECT host, count(*) FROM home GROUP BY host;"
         "CREATE TRIGGER home_made AFTER INSERT ON home BEGIN"
         " INSERT INTO home_count (host, homes) VALUES (NEW.host, 1)"
         " ON CONFLICT (host) DO UPDATE SET homes = homes + 1; END;"
         "CREATE TRIGGER home_moved AFTER UPDATE OF host ON home WHEN OLD.host <> NEW.host BEGIN"
         " UPDATE home_count SET homes = homes - 1 WHERE host = OLD.host;"
         " INSERT INTO home_count (host, homes) VALUES (NEW.host, 1)"
         " ON CONFLICT (host) DO UPDATE SET homes = homes + 1; END;"
         "CREATE TRIGGER home_gone AFTER DELETE ON home BEGIN"
         " UPDATE home_count SET homes = homes - 1 WHERE host = OLD.host; END;"},
    {0, NULL},
};
