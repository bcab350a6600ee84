/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * conf_print - the defaults as a commented file. What has no default stands there as a comment,
 * because only the operator knows it.
 */
#include "base/buf.h"
#include "base/conf_private.h"

static void put_key(struct buf *out, const struct conf_key *key, bool commented)
{
    char wanted[CONF_REASON_MAX];

    buf_printf(out, "# %s\n", key->help ? key->help : key->name);
    conf_value_describe(key, wanted, sizeof(wanted));
    if (key->type != CONF_STRING || !key->default_value)
        buf_printf(out, "#   value: %s%s\n", wanted, key->default_value ? "" : "; required");
    buf_printf(out, "%s%s = %s\n", commented || !key->default_value ? "#" : "", key->name,
               key->default_value ? key->default_value : "");
}

static void put_names(struct buf *out, const struct conf_section *s)
{
    char names[CONF_REASON_MAX];

    conf_names_describe(s, names, sizeof(names));
    buf_printf(out, "#   NAME: %s\n", names);
}

void conf_print_defaults(const struct conf_spec *spec, void (*write)(void *ctx, struct span s),
                         void *ctx)
{
    struct buf out = {0};
    const char *section = "";

    for (const struct conf_key *k = spec->keys; k->name; k++) {
        if (strcmp(section, k->section) != 0)
            buf_printf(&out, "%s[%s]\n", section[0] ? "\n" : "", k->section);
        section = k->section;
        put_key(&out, k, false);
    }
    for (const struct conf_section *s = spec->sections; s && s->word; s++) {
        buf_printf(&out, "\n# May be there many times, each with a name of its own.\n");
        if (s->names)
            put_names(&out, s);
        buf_printf(&out, "#[%s NAME]\n", s->word);
        for (const struct conf_key *k = s->keys; k->name; k++)
            put_key(&out, k, true);
    }
    write(ctx, buf_span(&out));
    buf_free(&out);
}
