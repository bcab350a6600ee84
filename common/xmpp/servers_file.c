/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * servers_file - changes of the table of servers, line by line, so that comments stay. Called by
 * kontalkctl; the processes only read (servers.c).
 *
 * A change holds a lock on FILE.lock, writes FILE.new, reads that as the processes will, and
 * renames: a reader has the old table or the new one, and two administrators lose nothing.
 */
#include "xmpp/servers.h"

#include "base/buf.h"
#include "base/mem.h"
#include "xmpp/component.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_BYTES_MAX ((size_t)1024 * 1024)
#define FILE_MODE 0644 /* it holds no secrets, and every process reads it */

/* The table while it is changed. */
struct table {
    const char *file;
    int lock;
    struct stat st; /* of the file; st_nlink 0: there is none */
    struct buf text;
    char *error; /* CONF_ERROR_MAX */
};

static bool fail(struct table *t, struct span what, const char *why)
{
    snprintf(t->error, CONF_ERROR_MAX, "%.*s%s", (int)(what.n < 256 ? what.n : 256), what.p, why);
    return false;
}

static bool fail_file(struct table *t, const char *path, int error)
{
    snprintf(t->error, CONF_ERROR_MAX, "%.300s: %s", path, strerror(error));
    return false;
}

/* --- the file --------------------------------------------------------------------------------- */

static bool lock_table(struct table *t)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s.lock", t->file);
    t->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (t->lock < 0 || flock(t->lock, LOCK_EX) < 0)
        return fail_file(t, path, errno);
    return true;
}

static bool read_text(struct table *t)
{
    int fd = open(t->file, O_RDONLY | O_CLOEXEC);
    ssize_t n = 1;
    if (fd < 0)
        return errno == ENOENT || fail_file(t, t->file, errno);
    bool ok = fstat(fd, &t->st) == 0;
    while (ok && n > 0) {
        char *to = buf_reserve(&t->text, 65536);
        if (!to)
            errno = EFBIG;
        n = to ? read(fd, to, 65536) : -1;
        buf_commit(&t->text, n > 0 ? (size_t)n : 0);
        ok = n >= 0;
    }
    if (!ok)
        fail_file(t, t->file, errno);
    close(fd);
    /* Whoever has edited it may have forgotten the last line's end. */
    if (ok && buf_len(&t->text) && t->text.p[t->text.tail - 1] != '\n')
        buf_append_char(&t->text, '\n');
    return ok;
}

/* As the processes will read it. */
static bool is_sound(struct table *t, const char *path)
{
    struct servers *list = servers_load(path, SPAN("localhost"), t->error);
    bool ok = list != NULL;
    servers_unref(&list);
    return ok;
}

static bool open_table(struct table *t, const char *file, char *error_r)
{
    *t =
        (struct table){.file = file, .lock = -1, .text = {.max = FILE_BYTES_MAX}, .error = error_r};
    return lock_table(t) && is_sound(t, file) && read_text(t);
}

static void close_table(struct table *t)
{
    if (t->lock >= 0)
        close(t->lock);
    buf_free(&t->text);
}

static void sync_directory(const char *file)
{
    char *copy = mem_strdup_span(span_of(file));
    int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
    free(copy);
}

static bool write_all(int fd, struct span bytes)
{
    while (bytes.n > 0) {
        ssize_t n = write(fd, bytes.p, bytes.n);
        if (n <= 0)
            return false;
        bytes = span_from(bytes, (size_t)n);
    }
    return true;
}

static bool save_table(struct table *t)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s.new", t->file);
    unlink(path); /* of an attempt that was cut short */
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, FILE_MODE);
    if (fd < 0)
        return fail_file(t, path, errno);
    bool ok =
        write_all(fd, buf_span(&t->text)) && fchmod(fd, FILE_MODE) == 0 &&
        (geteuid() != 0 || t->st.st_nlink == 0 || fchown(fd, t->st.st_uid, t->st.st_gid) == 0) &&
        fsync(fd) == 0;
    if (!ok)
        fail_file(t, path, errno);
    close(fd);
    ok = ok && is_sound(t, path);
    if (ok && rename(path, t->file) != 0)
        ok = fail_file(t, t->file, errno);
    if (ok)
        sync_directory(t->file);
    else
        unlink(path);
    return ok;
}

/* --- lines ------------------------------------------------------------------------------------ */

struct line {
    struct span all; /* with its end */
    struct span host, fingerprint, state;
    struct span more; /* behind the third word; a comment is none */
};

static struct span take_word(struct span *rest)
{
    while (rest->n > 0 && strchr(" \t\r", *rest->p))
        *rest = span_from(*rest, 1);
    size_t n = 0;
    while (n < rest->n && !strchr(" \t\r", rest->p[n]))
        n++;
    struct span word = span_make(rest->p, n);
    *rest = span_from(*rest, n);
    return word;
}

static bool take_line(struct span *text, struct line *l)
{
    if (text->n == 0)
        return false;
    size_t n = span_index(*text, '\n');
    struct span rest = span_make(text->p, n);
    l->all = span_make(text->p, n + (n < text->n));
    *text = span_from(*text, l->all.n);
    rest.n = span_index(rest, '#');
    l->host = take_word(&rest);
    l->fingerprint = take_word(&rest);
    l->state = take_word(&rest);
    l->more = take_word(&rest);
    return true;
}

static bool find_line(const struct table *t, struct span host, struct line *l)
{
    struct span text = buf_span(&t->text);
    while (take_line(&text, l))
        if (l->host.n > 0 && span_eq(l->host, host))
            return true;
    return false;
}

/* What lies at old, in the text, becomes new. */
static bool put(struct table *t, struct span old, struct span new)
{
    struct span text = buf_span(&t->text);
    struct buf out = {.max = FILE_BYTES_MAX};
    size_t at = (size_t)(old.p - text.p);
    bool ok = buf_append(&out, span_make(text.p, at)) && buf_append(&out, new) &&
              buf_append(&out, span_from(text, at + old.n));
    buf_free(&t->text);
    t->text = out;
    return ok || fail_file(t, t->file, EFBIG);
}

static bool append(struct table *t, struct span host, const char *fingerprint, struct span state)
{
    return buf_printf(&t->text, "%.*s %s %.*s\n", SPAN_ARG(host), fingerprint, SPAN_ARG(state)) ||
           fail_file(t, t->file, EFBIG);
}

/* --- one change ------------------------------------------------------------------------------- */

static bool check_host(struct table *t, struct span host)
{
    char *name = mem_strdup_span(host);
    bool ok = component_is_domain(name) || fail(t, host, " is not a domain name in lower case");
    free(name);
    return ok;
}

/* As people write them: in groups, in either case. */
static bool read_fingerprint(struct table *t, struct span text, char out_r[SERVER_FINGERPRINT + 1])
{
    char digits[SERVER_FINGERPRINT];
    size_t n = 0;
    for (size_t i = 0; i < text.n; i++) {
        if (strchr(" \t", text.p[i]))
            continue;
        if (n == SERVER_FINGERPRINT)
            n = SIZE_MAX; /* too many: no length is that */
        if (n == SIZE_MAX)
            break;
        digits[n++] = text.p[i];
    }
    return (n == SERVER_FINGERPRINT && servers_fingerprint(span_make(digits, n), out_r)) ||
           fail(t, SPAN(""), "the fingerprint is not 40 hexadecimal digits");
}

static bool add(struct table *t, struct span host, struct span text)
{
    char fingerprint[SERVER_FINGERPRINT + 1];
    struct line l;
    if (!check_host(t, host) || !read_fingerprint(t, text, fingerprint))
        return false;
    if (find_line(t, host, &l))
        return fail(t, host, " is in the table already: remove it first");
    return append(t, host, fingerprint, SPAN("enabled"));
}

static bool apply(struct table *t, enum servers_change change, struct span host,
                  struct span fingerprint)
{
    struct line l;
    if (change == SERVERS_ADD)
        return add(t, host, fingerprint);
    if (!find_line(t, host, &l))
        return fail(t, host, " is not in the table");
    if (change == SERVERS_REMOVE)
        return put(t, l.all, SPAN(""));
    return put(t, l.state, change == SERVERS_ENABLE ? SPAN("enabled") : SPAN("disabled"));
}

bool servers_change(const char *file, enum servers_change change, struct span host,
                    struct span fingerprint, char error_r[CONF_ERROR_MAX])
{
    struct table t;
    bool ok =
        open_table(&t, file, error_r) && apply(&t, change, host, fingerprint) && save_table(&t);
    close_table(&t);
    return ok;
}

/* --- many ------------------------------------------------------------------------------------- */

static bool import_line(struct table *t, const struct line *in, bool replace,
                        struct servers_imported *r)
{
    char fingerprint[SERVER_FINGERPRINT + 1];
    struct line have;
    bool is_disabled = span_eq(in->state, SPAN("disabled"));
    if (!check_host(t, in->host) || !read_fingerprint(t, in->fingerprint, fingerprint))
        return false;
    if (in->more.n > 0 || (in->state.n > 0 && !is_disabled && !span_eq(in->state, SPAN("enabled"))))
        return fail(t, SPAN(""), "neither enabled nor disabled");
    if (!find_line(t, in->host, &have)) {
        r->added++;
        return append(t, in->host, fingerprint, is_disabled ? SPAN("disabled") : SPAN("enabled"));
    }
    if (span_eq_case(have.fingerprint, span_of(fingerprint))) {
        r->same++;
        return true;
    }
    if (!replace)
        return fail(t, in->host, " has another fingerprint in the table (--replace takes it)");
    r->replaced++;
    return put(t, have.fingerprint, span_of(fingerprint));
}

static bool import_lines(struct table *t, struct span lines, bool replace,
                         struct servers_imported *r)
{
    struct line l;
    for (unsigned number = 1; take_line(&lines, &l); number++) {
        if (l.host.n == 0 || import_line(t, &l, replace, r))
            continue;
        char why[CONF_ERROR_MAX];
        snprintf(why, sizeof why, "%s", t->error);
        snprintf(t->error, CONF_ERROR_MAX, "line %u: %.450s", number, why);
        return false;
    }
    return true;
}

bool servers_import(const char *file, struct span lines, bool replace, struct servers_imported *r,
                    char error_r[CONF_ERROR_MAX])
{
    struct table t;
    *r = (struct servers_imported){0};
    bool ok = open_table(&t, file, error_r) && import_lines(&t, lines, replace, r) &&
              (r->added + r->replaced == 0 || save_table(&t));
    close_table(&t);
    return ok;
}
