/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "s2s/schema.h"

#include "xmpp/outbox.h"

const struct store_migration s2s_migrations[] = {
    {1, outbox_schema},
    {0, NULL},
};
