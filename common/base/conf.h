/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * conf - configuration files: INI syntax (libinih) read through a typed key table.
 *
 * Each process has one table and one struct. An unknown section or key, a wrong type, a value out
 * of range, a missing required key: conf_load fails with "FILE:LINE: reason". The struct is filled
 * whole and never changed afterwards; a reload loads a new one and swaps.
 *
 * Sections with a name ([component a.localhost]) repeat: the table gives the section's word, and
 * each makes one element of an array of structs.
 *
 * Comments start with # or ; at the start of a line, or with a blank and ; after a value. A value
 * may stand in double quotes. Lines are at most 4 KiB.
 */
#ifndef BASE_CONF_H
#define BASE_CONF_H

#include "base/span.h"

enum conf_type {
    CONF_STRING, /* char *, NUL-terminated, owned by the configuration */
    CONF_INT,    /* int64_t within min..max */
    CONF_BOOL,   /* bool: true/false/yes/no/on/off */
    CONF_SIZE,   /* int64_t bytes: 10, 64K, 1M, 2G */
    CONF_TIME,   /* int64_t milliseconds: 500ms, 10s, 5m, 2h, 7d */
    CONF_ENUM,   /* int: index into choices */
    CONF_LIST,   /* struct conf_list of strings, separated by commas or blanks */
    CONF_ADDRS,  /* struct conf_list of addresses; each must pass addr_parse */
};

struct conf_list {
    char **items;
    size_t count;
};

struct conf_key {
    const char *section;
    const char *name;
    enum conf_type type;
    bool is_fixed;             /* cannot change while the process runs: conf_may_follow */
    bool is_repeated;          /* for LIST: may be there many times; each adds to the list */
    size_t offset;             /* into the process's struct, or the section element's */
    const char *default_value; /* as written in a file; NULL: required */
    int64_t min, max;          /* for INT, SIZE, TIME; both 0: any */
    const char *const *choices; /* for ENUM: NULL-terminated */
    const char *help;           /* one line, for --defaults */
    /* What the type cannot say of a value, as it is written; NULL, or the reason against it (a
     * literal or in scratch). It may quote the value: not for secrets. */
    const char *(*check)(const char *text, char scratch[256]);
};

/* A repeatable named section: [word NAME] */
struct conf_section {
    const char *word;
    const struct conf_key *keys; /* section field unused; ends with name == NULL */
    size_t element_size;
    size_t name_offset;  /* char * : NAME */
    size_t array_offset; /* in the process's struct: pointer to the elements */
    size_t count_offset; /* in the process's struct: size_t */
    const char *const *names; /* NULL-terminated: which NAMEs there may be; NULL: any */
};

struct conf_spec {
    const struct conf_key *keys;         /* ends with name == NULL */
    const struct conf_section *sections; /* ends with word == NULL; may be NULL */
    size_t size;                         /* of the process's struct */
    /* Checks what the table cannot say; returns NULL or a reason (a literal or in scratch). */
    const char *(*check)(const void *conf, char scratch[256]);
    bool is_partial; /* a few keys of another process's file: unknown ones are its business */
};

#define CONF_ERROR_MAX 512

/*
 * conf_load - reads path by spec. Returns a new struct, or NULL with one line in error_r.
 * secret: the file holds secrets: it is refused when group or others may write it, or others may
 * read it.
 */
void *conf_load(const struct conf_spec *spec, const char *path, bool secret,
                char error_r[CONF_ERROR_MAX]);
void conf_free(const struct conf_spec *spec, void **conf); /* wipes strings */
/* Whether a running process that has old may go on with next: false, with a reason, when they
 * differ in a key that is fixed. */
bool conf_may_follow(const struct conf_spec *spec, const void *old, const void *next,
                     char error_r[CONF_ERROR_MAX]);
/* Prints every key with its default and help, as a file that conf_load reads. */
void conf_print_defaults(const struct conf_spec *spec, void (*write)(void *ctx, struct span s),
                         void *ctx);

#endif
