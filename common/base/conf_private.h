/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * conf_private - what the files of conf share; nobody else includes it.
 */
#ifndef BASE_CONF_PRIVATE_H
#define BASE_CONF_PRIVATE_H

#include "base/conf.h"

#define CONF_REASON_MAX 256

/*
 * conf_value_set - reads text as key says and stores it in the struct at base. Returns false with
 * the reason, which never quotes a value (it may be a secret).
 */
bool conf_value_set(const struct conf_key *key, void *base, const char *text,
                    char reason_r[CONF_REASON_MAX]);
/* The same value in both structs. */
bool conf_value_equal(const struct conf_key *key, const void *base, const void *other);
/* Releases and wipes what conf_value_set stored; harmless on a zeroed struct. */
void conf_value_clear(const struct conf_key *key, void *base);
/* Writes what a value of this key looks like: "true or false", "a size up to 16777216". */
void conf_value_describe(const struct conf_key *key, char *text_r, size_t size);
/* The names that such sections may have: "one of a, b". */
void conf_names_describe(const struct conf_section *section, char *text_r, size_t size);

#endif
