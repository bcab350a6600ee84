/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * conf_value - typed values of the configuration: from text into the struct, and back to nothing.
 */
#include "base/conf_private.h"

#include "base/addr.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>

struct unit {
    const char *suffix;
    int64_t factor;
};

static const struct unit size_units[] = {
    {"", 1}, {"K", 1 << 10}, {"M", 1 << 20}, {"G", 1 << 30}, {NULL, 0}};
static const struct unit time_units[] = {{"ms", 1},      {"s", 1000},     {"m", 60000},
                                         {"h", 3600000}, {"d", 86400000}, {NULL, 0}};
static const struct unit no_units[] = {{"", 1}, {NULL, 0}};

static const struct unit *units_of(enum conf_type type)
{
    return type == CONF_SIZE ? size_units : type == CONF_TIME ? time_units : no_units;
}

static void *field_of(const struct conf_key *key, void *base)
{
    return (char *)base + key->offset;
}

static const char *const bool_words[] = {"false", "no", "off", "true", "yes", "on"};

static bool set_bool(const char *text, bool *value_r)
{
    for (size_t i = 0; i < ARRAY_LEN(bool_words); i++) {
        if (strcasecmp(text, bool_words[i]) == 0) {
            *value_r = i >= 3;
            return true;
        }
    }
    return false;
}

static bool set_enum(const struct conf_key *key, const char *text, int *value_r)
{
    for (int i = 0; key->choices[i]; i++) {
        if (strcmp(text, key->choices[i]) == 0) {
            *value_r = i;
            return true;
        }
    }
    return false;
}

/* Digits, then one of the units. A zero needs none. */
static bool set_number(const struct conf_key *key, const char *text, int64_t *value_r)
{
    bool negative = text[0] == '-' && key->type == CONF_INT;
    const char *digits = text + negative;
    size_t n = strspn(digits, "0123456789");
    uint64_t number;

    if (!span_to_u64(span_make(digits, n), INT64_MAX, &number))
        return false;
    const struct unit *unit = units_of(key->type);
    while (unit->suffix && strcmp(unit->suffix, digits + n) != 0)
        unit++;
    if (!unit->suffix && (number != 0 || digits[n] != '\0'))
        return false;
    int64_t factor = unit->suffix ? unit->factor : 1;
    if ((int64_t)number > INT64_MAX / factor)
        return false;
    int64_t value = (int64_t)number * factor;
    if (negative)
        value = -value;
    if ((key->min != 0 || key->max != 0) && (value < key->min || value > key->max))
        return false;
    *value_r = value;
    return true;
}

static void list_clear(struct conf_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        mem_wipe(list->items[i], strlen(list->items[i]));
        free(list->items[i]);
    }
    free(list->items);
    *list = (struct conf_list){0};
}

static bool set_list(const struct conf_key *key, const char *text, struct conf_list *list)
{
    static const char separators[] = ", \t";
    struct addr addr;

    for (const char *p = text + strspn(text, separators); *p; p += strspn(p, separators)) {
        size_t n = strcspn(p, separators);
        if (key->type == CONF_ADDRS && addr_parse(span_make(p, n), &addr) != 0) {
            list_clear(list);
            return false;
        }
        list->items = mem_realloc(list->items, (list->count + 1) * sizeof(*list->items));
        list->items[list->count++] = mem_strndup(p, n);
        p += n;
    }
    return true;
}

static bool set_any(const struct conf_key *key, void *field, const char *text)
{
    switch (key->type) {
    case CONF_STRING:
        *(char **)field = mem_strndup(text, strlen(text));
        return true;
    case CONF_BOOL:
        return set_bool(text, field);
    case CONF_ENUM:
        return set_enum(key, text, field);
    case CONF_INT:
    case CONF_SIZE:
    case CONF_TIME:
        return set_number(key, text, field);
    case CONF_LIST:
    case CONF_ADDRS:
        return set_list(key, text, field);
    }
    return false;
}

bool conf_value_set(const struct conf_key *key, void *base, const char *text,
                    char reason_r[CONF_REASON_MAX])
{
    char wanted[CONF_REASON_MAX / 2];

    if (set_any(key, field_of(key, base), text))
        return true;
    conf_value_describe(key, wanted, sizeof(wanted));
    snprintf(reason_r, CONF_REASON_MAX, "%.60s must be %s", key->name, wanted);
    return false;
}

void conf_value_clear(const struct conf_key *key, void *base)
{
    void *field = field_of(key, base);

    if (key->type == CONF_LIST || key->type == CONF_ADDRS) {
        list_clear(field);
    } else if (key->type == CONF_STRING) {
        char **string = field;
        if (*string)
            mem_wipe(*string, strlen(*string));
        free(*string);
        *string = NULL;
    }
}

static bool list_equal(const struct conf_list *a, const struct conf_list *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (strcmp(a->items[i], b->items[i]) != 0)
            return false;
    return true;
}

bool conf_value_equal(const struct conf_key *key, const void *base, const void *other)
{
    const void *a = (const char *)base + key->offset, *b = (const char *)other + key->offset;

    switch (key->type) {
    case CONF_STRING:
        return strcmp(*(char *const *)a, *(char *const *)b) == 0;
    case CONF_BOOL:
        return *(const bool *)a == *(const bool *)b;
    case CONF_ENUM:
        return *(const int *)a == *(const int *)b;
    case CONF_INT:
    case CONF_SIZE:
    case CONF_TIME:
        return *(const int64_t *)a == *(const int64_t *)b;
    case CONF_LIST:
    case CONF_ADDRS:
        return list_equal(a, b);
    }
    return false;
}

/* A number as it is written in a file, in the largest unit that fits without a rest. */
static void number_format(const struct conf_key *key, int64_t value, char text_r[32])
{
    const struct unit *best = units_of(key->type);

    for (const struct unit *u = best; u->suffix; u++)
        if (value != 0 && value % u->factor == 0)
            best = u;
    snprintf(text_r, 32, "%lld%s", (long long)(value / best->factor), best->suffix);
}

static void describe_number(const struct conf_key *key, const char *what, char *text_r, size_t size)
{
    char min[32], max[32];

    if (key->min == 0 && key->max == 0) {
        snprintf(text_r, size, "%s", what);
        return;
    }
    number_format(key, key->min, min);
    number_format(key, key->max, max);
    snprintf(text_r, size, "%s from %s to %s", what, min, max);
}

static void describe_choices(const char *const *choices, char *text_r, size_t size)
{
    size_t n = (size_t)snprintf(text_r, size, "one of");

    for (int i = 0; choices[i] && n < size; i++)
        n += (size_t)snprintf(text_r + n, size - n, "%s %s", i ? "," : "", choices[i]);
}

void conf_names_describe(const struct conf_section *section, char *text_r, size_t size)
{
    describe_choices(section->names, text_r, size);
}

void conf_value_describe(const struct conf_key *key, char *text_r, size_t size)
{
    switch (key->type) {
    case CONF_STRING:
        snprintf(text_r, size, "text");
        break;
    case CONF_INT:
        describe_number(key, "a number", text_r, size);
        break;
    case CONF_BOOL:
        snprintf(text_r, size, "true or false");
        break;
    case CONF_SIZE:
        describe_number(key, "a size (10, 64K, 1M, 2G)", text_r, size);
        break;
    case CONF_TIME:
        describe_number(key, "a time (500ms, 10s, 5m, 2h, 7d)", text_r, size);
        break;
    case CONF_ENUM:
        describe_choices(key->choices, text_r, size);
        break;
    case CONF_LIST:
        snprintf(text_r, size, "a list of words");
        break;
    case CONF_ADDRS:
        snprintf(text_r, size, "a list of addresses (127.0.0.1:5347, [::1]:5347, unix:/path)");
        break;
    }
}
