/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Tests of base/conf: a table of files, good and bad.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/conf.h"
#include "base/mem.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct part {
    char *name, *secret;
    struct conf_list names;
    bool shared;
};

struct role {
    char *name;
    struct conf_list who;
};

struct conf {
    char *host, *text;
    int64_t count, queue, settle;
    bool tap;
    int level;
    struct conf_list listen;
    struct part *parts;
    size_t part_count;
    struct role *roles;
    size_t role_count;
};

static const char *const levels[] = {"error", "warn", "info", NULL};

#define KEY_OF(of, sect, field, kind, def, least, most, words, text)                               \
    {.section = (sect), .name = #field, .type = (kind), .offset = offsetof(of, field),             \
     .default_value = (def), .min = (least), .max = (most), .choices = (words), .help = (text)}
#define KEY(section, name, type, def, ...)                                                         \
    KEY_OF(struct conf, section, name, type, def, __VA_ARGS__)
static const struct conf_key keys[] = {
    KEY("main", host, CONF_STRING, NULL, 0, 0, NULL, "Host name"),
    KEY("main", text, CONF_STRING, "", 0, 0, NULL, "Any text"),
    KEY("main", count, CONF_INT, "5", -10, 10, NULL, "Count"),
    KEY("main", queue, CONF_SIZE, "16M", 1024, (int64_t)1 << 30, NULL, "Queue"),
    KEY("limits", settle, CONF_TIME, "1s", 0, 60000, NULL, "Settle"),
    KEY("limits", tap, CONF_BOOL, "off", 0, 0, NULL, "Tap"),
    KEY("limits", level, CONF_ENUM, "info", 0, 0, levels, "Level"),
    KEY("main", listen, CONF_ADDRS, "127.0.0.1:5347 unix:/run/x.sock", 0, 0, NULL, "Addresses"),
    {.name = NULL},
};
static const struct conf_key part_keys[] = {
    KEY_OF(struct part, NULL, secret, CONF_STRING, NULL, 0, 0, NULL, "Secret"),
    KEY_OF(struct part, NULL, names, CONF_LIST, "", 0, 0, NULL, "Names"),
    KEY_OF(struct part, NULL, shared, CONF_BOOL, "no", 0, 0, NULL, "Shared"),
    {.name = NULL},
};

/* A line begins with yes or no. */
static const char *check_answer(const char *text, char scratch[256])
{
    if (strncmp(text, "yes", 3) == 0 || strncmp(text, "no", 2) == 0)
        return NULL;
    snprintf(scratch, 256, "%.20s is no answer", text);
    return scratch;
}

static const struct conf_key role_keys[] = {
    {.name = "who", .type = CONF_LIST, .offset = offsetof(struct role, who), .is_repeated = true,
     .check = check_answer},
    {.name = NULL},
};
static const char *const role_names[] = {"reader", "writer", NULL};
static const struct conf_section sections[] = {
    {.word = "part", .keys = part_keys, .element_size = sizeof(struct part),
     .name_offset = offsetof(struct part, name), .array_offset = offsetof(struct conf, parts),
     .count_offset = offsetof(struct conf, part_count)},
    {.word = "role", .keys = role_keys, .element_size = sizeof(struct role),
     .name_offset = offsetof(struct role, name), .array_offset = offsetof(struct conf, roles),
     .count_offset = offsetof(struct conf, role_count), .names = role_names},
    {.word = NULL},
};

static const char *check(const void *conf, char scratch[256])
{
    const struct conf *c = conf;

    if (strcmp(c->host, "bad") != 0)
        return NULL;
    snprintf(scratch, 256, "host %s is taken", c->host);
    return scratch;
}

static const struct conf_spec spec = {
    .keys = keys, .sections = sections, .size = sizeof(struct conf), .check = check};

static char path[64];

static void write_file(struct span text, mode_t mode)
{
    strncpy(path, "/tmp/test-conf-XXXXXX", sizeof(path) - 1);
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text.p, text.n), text.n);
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
}

static struct conf *load(struct span text, bool secret, mode_t mode, char error[CONF_ERROR_MAX])
{
    write_file(text, mode);
    struct conf *c = conf_load(&spec, path, secret, error);
    unlink(path);
    return c;
}

static void assert_loads(struct conf **c, const char *text)
{
    char error[CONF_ERROR_MAX];

    *c = load(span_of(text), false, 0644, error);
    assert_string_equal(error, "");
    assert_non_null(*c);
}

static void test_everything(void **state)
{
    struct conf *c;

    (void)state;
    assert_loads(&c, "\xef\xbb\xbf# comment\n"
                     "[main]\n"
                     "host = a.example   ; comment\n"
                     "text = \" two  words = x \"\n"
                     "  count=-7\r\n"
                     "queue: 64K\n"
                     "listen = [::1]:1, 10.0.0.1:2\tunix:/x/%i.sock\n"
                     "[limits]\n"
                     "settle = 500ms\ntap = YES\nlevel = error\n"
                     "\n; another\n"
                     "[ part  a.b ]\n"
                     "secret = s1\nnames = x, y z\n"
                     "[part c]\nsecret=s2\nshared=true");
    assert_string_equal(c->host, "a.example");
    assert_string_equal(c->text, " two  words = x ");
    assert_int_equal(c->count, -7);
    assert_int_equal(c->queue, 65536);
    assert_int_equal(c->settle, 500);
    assert_true(c->tap);
    assert_int_equal(c->level, 0);
    assert_int_equal(c->listen.count, 3);
    assert_string_equal(c->listen.items[2], "unix:/x/%i.sock");
    assert_int_equal(c->part_count, 2);
    assert_string_equal(c->parts[0].name, "a.b");
    assert_int_equal(c->parts[0].names.count, 3);
    assert_string_equal(c->parts[0].names.items[1], "y");
    assert_false(c->parts[0].shared);
    assert_string_equal(c->parts[1].secret, "s2");
    assert_true(c->parts[1].shared);
    conf_free(&spec, (void **)&c);
    assert_null(c);
    conf_free(&spec, (void **)&c);
}

static void test_defaults(void **state)
{
    struct conf *c;

    (void)state;
    assert_loads(&c, "[main]\nhost = h\n");
    assert_string_equal(c->text, "");
    assert_int_equal(c->count, 5);
    assert_int_equal(c->queue, 16 << 20);
    assert_int_equal(c->settle, 1000);
    assert_false(c->tap);
    assert_int_equal(c->level, 2);
    assert_int_equal(c->listen.count, 2);
    assert_int_equal(c->part_count, 0);
    conf_free(&spec, (void **)&c);
}

#define HOST "[main]\nhost=h\n"

static void test_refusals(void **state)
{
    static const struct {
        const char *text;
        int line;
        const char *reason;
    } cases[] = {
        {"", 0, "[main] needs a value for host"},
        {"[limits]\n", 0, "[main] needs a value for host"},
        {HOST "colour = red\n", 3, "unknown key colour in [main]"},
        {HOST "tap = on\n", 3, "unknown key tap in [main]"},
        {"host=h\n", 1, "unknown key host in []"},
        {HOST "[what]\n", 3, "unknown section [what]"},
        {HOST "[main x]\n", 3, "unknown section [main x]"},
        {HOST "[part]\n", 3, "[part] needs a name: [part NAME]"},
        {HOST "[partial x]\n", 3, "unknown section [partial x]"},
        {HOST "[part a]\nsecret=1\n[limits]\n[part a]\n", 6, "[part a] is there twice"},
        {HOST "[part a]\n[limits]\ntap=on\n", 3, "[part a] needs a value for secret"},
        {HOST "[part a]\nsecret=1\n[part b]", 5, "[part b] needs a value for secret"},
        {HOST "[part a]\nhost=1\n", 4, "unknown key host in [part a]"},
        {HOST "[part a]\nsecret=1\nsecret=2\n", 5, "secret is set twice (first in line 4)"},
        {HOST "count=1\ncount=2\n", 4, "count is set twice (first in line 3)"},
        {HOST "[limits]\n[main]\nhost=2\n", 5, "host is set twice (first in line 2)"},
        {HOST "[role painter]\n", 3, "[role NAME]: NAME must be one of reader, writer"},
        {HOST "[role read]\n", 3, "[role NAME]: NAME must be one of reader, writer"},
        {HOST "[role reader]\n", 3, "[role reader] needs a value for who"},
        {HOST "[role reader]\nwho = perhaps a\n", 4, "who: perhaps a is no answer"},
        {HOST "[role reader]\nwho = yes a\nwho = b\n", 5, "who: b is no answer"},
        {HOST "count = eleven\n", 3, "count must be a number from -10 to 10"},
        {HOST "count = 11\n", 3, "count must be a number from -10 to 10"},
        {HOST "count = -11\n", 3, "count must be a number from -10 to 10"},
        {HOST "count = 1 2\n", 3, "count must be a number from -10 to 10"},
        {HOST "count = 5K\n", 3, "count must be a number from -10 to 10"},
        {HOST "count =\n", 3, "count must be a number from -10 to 10"},
        {HOST "queue = 2G\n", 3, "queue must be a size (10, 64K, 1M, 2G) from 1K to 1G"},
        {HOST "queue = 99999999999G\n", 3, "queue must be a size (10, 64K, 1M, 2G) from 1K to 1G"},
        {HOST "queue = 0\n", 3, "queue must be a size (10, 64K, 1M, 2G) from 1K to 1G"},
        {HOST "[limits]\nsettle = 10\n", 4,
         "settle must be a time (500ms, 10s, 5m, 2h, 7d) from 0ms to 1m"},
        {HOST "[limits]\nsettle = 2m\n", 4,
         "settle must be a time (500ms, 10s, 5m, 2h, 7d) from 0ms to 1m"},
        {HOST "[limits]\ntap = 1\n", 4, "tap must be true or false"},
        {HOST "[limits]\nlevel = loud\n", 4, "level must be one of error, warn, info"},
        {HOST "listen = localhost:1\n", 3,
         "listen must be a list of addresses (127.0.0.1:5347, [::1]:5347, unix:/path)"},
        {HOST "text = \"open ; cut\"\n", 3, "text has an opening quote without a closing one"},
        {HOST "text = \"\n", 3, "text has an opening quote without a closing one"},
        {HOST "[limits\ntap=on\n", 3, "a section's name ends with ]"},
        {HOST "[limits] tap=on\n", 3, "nothing may follow the section's name"},
        {HOST "just words\n", 3, "is neither a [section] nor key = value"},
        {HOST "text = a\n   b\n", 4, "is neither a [section] nor key = value"},
        {"[main]\nhost=bad\n", 0, "host bad is taken"},
    };
    char error[CONF_ERROR_MAX], want[CONF_ERROR_MAX];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_null(load(span_of(cases[i].text), false, 0644, error));
        if (cases[i].line)
            snprintf(want, sizeof(want), "%s:%d: %s", path, cases[i].line, cases[i].reason);
        else
            snprintf(want, sizeof(want), "%s: %s", path, cases[i].reason);
        assert_string_equal(error, want);
    }
}

static void assert_refused(struct span text, const char *reason)
{
    char error[CONF_ERROR_MAX];

    assert_null(load(text, false, 0644, error));
    assert_non_null(strstr(error, reason));
}

/* libinih cuts long lines and section names; a secret cut short must not pass. */
static void test_long_lines(void **state)
{
    struct buf text = {0};
    struct conf *c;

    (void)state;
    buf_append_z(&text, HOST "text = ");
    for (int i = 0; i < 4000; i++)
        buf_append_char(&text, 'x');
    assert_loads(&c, buf_z(&text));
    assert_int_equal(strlen(c->text), 4000);
    conf_free(&spec, (void **)&c);
    for (int i = 0; i < 100; i++)
        buf_append_char(&text, 'x');
    assert_refused(buf_span(&text), ":3: the line is too long");

    buf_clear(&text);
    buf_append_z(&text, HOST "[part ");
    for (int i = 0; i < 200; i++)
        buf_append_char(&text, 'n');
    buf_append_z(&text, "]\nsecret = x\n");
    assert_loads(&c, buf_z(&text));
    assert_int_equal(strlen(c->parts[0].name), 200);
    conf_free(&spec, (void **)&c);
    buf_free(&text);
}

static void test_odd_files(void **state)
{
    struct buf text = {0};
    char error[CONF_ERROR_MAX];

    (void)state;
    assert_refused(span_make(HOST "te\0xt = 1\n", sizeof(HOST) + 10), ":3: the line holds a NUL");
    for (int i = 0; i < 200000; i++)
        buf_append_z(&text, "# hello\n");
    assert_refused(buf_span(&text), "is too large");
    buf_free(&text);
    assert_null(conf_load(&spec, "/nonexistent/x.conf", false, error));
    assert_string_equal(error, "/nonexistent/x.conf: cannot be opened: No such file or directory");
    assert_null(conf_load(&spec, "/tmp", false, error));
    assert_string_equal(error, "/tmp: is no file");
}

static void test_secret_permissions(void **state)
{
    static const struct {
        mode_t mode;
        bool good;
    } cases[] = {{0600, true},  {0640, true},  {0400, true},  {0644, false},
                 {0660, false}, {0604, false}, {0602, false}, {0777, false}};
    char error[CONF_ERROR_MAX];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct conf *c = load(SPAN(HOST), true, cases[i].mode, error);
        assert_int_equal(c != NULL, cases[i].good);
        assert_int_equal(strstr(error, "secrets") == NULL, cases[i].good);
        conf_free(&spec, (void **)&c);
    }
}

/* A key that may be repeated keeps the order of its lines. */
static void test_repeated(void **state)
{
    static const char *const want[] = {"yes", "a", "b", "no", "c"};
    struct conf *c;

    (void)state;
    assert_loads(&c, HOST "[role writer]\nwho = yes a, b\nwho = no c\n[role reader]\nwho = no\n");
    assert_int_equal(c->role_count, 2);
    assert_string_equal(c->roles[0].name, "writer");
    assert_int_equal(c->roles[0].who.count, ARRAY_LEN(want));
    for (size_t i = 0; i < ARRAY_LEN(want); i++)
        assert_string_equal(c->roles[0].who.items[i], want[i]);
    assert_int_equal(c->roles[1].who.count, 1);
    conf_free(&spec, (void **)&c);
}

/* What another process needs of a file: the rest is not looked at. */
static void test_partial(void **state)
{
    struct conf_spec partial = spec;
    char error[CONF_ERROR_MAX] = "";

    (void)state;
    partial.is_partial = true;
    write_file(SPAN(HOST "strange = 1\n[elsewhere]\nkey = value\n"), 0644);
    struct conf *c = conf_load(&partial, path, false, error);
    assert_string_equal(error, "");
    assert_non_null(c);
    conf_free(&partial, (void **)&c);
    assert_null(conf_load(&spec, path, false, error));
}

/* Of each type one key; all of them but count may not change. */
static void test_fixed(void **state)
{
    static const struct {
        const char *text, *reason;
    } cases[] = {
        {"", ""},
        {"count = 6\n[part a]\nsecret = s\n", ""},
        {"queue = 16384K\n[limits]\nsettle = 1000ms\ntap = no\nlevel = info\n", ""},
        {"text = x\n", "[main] text"},
        {"queue = 1M\n", "[main] queue"},
        {"listen = unix:/run/x.sock\n", "[main] listen"},
        {"listen = 127.0.0.1:5347 unix:/run/y.sock\n", "[main] listen"},
        {"listen =\n", "[main] listen"},
        {"[limits]\nsettle = 2s\n", "[limits] settle"},
        {"[limits]\ntap = on\n", "[limits] tap"},
        {"[limits]\nlevel = warn\n", "[limits] level"},
    };
    struct conf_key fixed[ARRAY_LEN(keys)];
    struct conf_spec fixed_spec = spec;
    struct conf *old, *next;
    char text[200], reason[200], error[CONF_ERROR_MAX];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        fixed[i] = keys[i];
        fixed[i].is_fixed = keys[i].name && strcmp(keys[i].name, "count") != 0;
    }
    fixed_spec.keys = fixed;
    assert_loads(&old, "[main]\nhost = a\n");
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        snprintf(text, sizeof(text), "[main]\nhost = a\n%s", cases[i].text);
        snprintf(reason, sizeof(reason), "%s cannot change while running: restart",
                 cases[i].reason);
        assert_loads(&next, text);
        assert_true(conf_may_follow(&spec, old, next, error));
        assert_int_equal(conf_may_follow(&fixed_spec, old, next, error), !*cases[i].reason);
        if (*cases[i].reason)
            assert_string_equal(error, reason);
        conf_free(&spec, (void **)&next);
    }
    conf_free(&spec, (void **)&old);
}

static void append(void *ctx, struct span s)
{
    buf_append(ctx, s);
}

static void test_printed_defaults_load(void **state)
{
    struct buf text = {0};
    char error[CONF_ERROR_MAX];

    (void)state;
    conf_print_defaults(&spec, append, &text);
    assert_non_null(
        strstr(buf_z(&text), "[main]\n# Host name\n#   value: text; required\n#host = \n"));
    assert_non_null(strstr(buf_z(&text), "settle = 1s\n"));
    assert_non_null(strstr(buf_z(&text), "#[part NAME]\n"));
    assert_non_null(strstr(buf_z(&text), "#   NAME: one of reader, writer\n#[role NAME]\n"));
    buf_append_z(&text, "[main]\nhost = h\n");
    struct conf *c = load(buf_span(&text), false, 0644, error);
    assert_string_equal(error, "");
    assert_int_equal(c->queue, 16 << 20);
    assert_int_equal(c->part_count, 0);
    conf_free(&spec, (void **)&c);
    buf_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_everything),
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_long_lines),
        cmocka_unit_test(test_odd_files),
        cmocka_unit_test(test_secret_permissions),
        cmocka_unit_test(test_repeated),
        cmocka_unit_test(test_partial),
        cmocka_unit_test(test_fixed),
        cmocka_unit_test(test_printed_defaults_load),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
