/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * schema - the tables of the users' database, as numbered migrations. Never edit one that has been
 * released: add the next.
 */
#ifndef C2S_SCHEMA_H
#define C2S_SCHEMA_H

#include "store/db.h"

extern const struct store_migration c2s_migrations[];

#endif
