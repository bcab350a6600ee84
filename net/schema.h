/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * schema - the tables of the queue's database, as numbered migrations. Never edit one that has been
 * released: add the next.
 */
#ifndef NET_SCHEMA_H
#define NET_SCHEMA_H

#include "store/db.h"

extern const struct store_migration net_migrations[];

#endif
