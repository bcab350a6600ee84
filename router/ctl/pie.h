/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * pie - reading files of XEP-0227: pie_read.c walks through a document and those that it includes,
 * pie.c gives what is in them to a c2s.
 */
#ifndef CTL_PIE_H
#define CTL_PIE_H

#include "router/ctl/ctl.h"

#include "base/buf.h"
#include "xml/stanza.h"

#include <stdio.h>

/* What a document holds, in its order. Each returns true to go on; what is wrong has been told. */
struct pie_events {
    /* host: of the element around it; password none: not given in clear text. */
    bool (*on_user)(void *ctx, struct span host, struct span name, struct span password);
    /* What belongs to him, as whole elements; bounded. */
    bool (*on_part)(void *ctx, struct span xml);
    bool (*on_user_end)(void *ctx);
};

/* name "-": of standard input, which file is then; false: told by ctl_fail. */
bool pie_read(FILE *file, const char *name, const struct pie_events *events, void *ctx);

/* --- pie.c --- */
int pie_import(const struct ctl *ctl, FILE *file, const char *name);

#endif
