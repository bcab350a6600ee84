/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "net/schema.h"

#include "xmpp/outbox.h"

const struct store_migration net_migrations[] = {
    {1, outbox_schema},
    {0, NULL},
};
