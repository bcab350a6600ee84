/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * cert - installing a certificate: chain and key are taken out of the given files, checked as new
 * files beside those that c2s.conf names, and renamed over them. Then everything reloads.
 */
#include "router/ctl/ctl.h"

#include "base/buf.h"
#include "base/mem.h"
#include "tls/cert.h"
#include "tls/crypto.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define FILE_MAX_BYTES ((size_t)1 << 20)
#define CERT_MODE 0644
#define KEY_MODE_MAX 0640 /* and no more than the configuration's own */

#define KEY(in, key, kind, field, text)                                                            \
    {                                                                                              \
        .section = (in), .name = (key), .type = (kind), .default_value = (text),                   \
        .offset = offsetof(struct ctl_edge_conf, field), .help = ""                                \
    }

#define TABLE "/var/lib/kontalk/servers"
#define SERVER_CERT "/etc/kontalk/server.pem"
#define SERVER_KEY "/etc/kontalk/server.key"

/* The defaults are those of the process. */
#define EDGE_KEYS(in, at, at_tls, store, cert_at, key_at)                                          \
    KEY(in, "host", CONF_STRING, host, ""), KEY(in, "network", CONF_STRING, network, ""),          \
        KEY(in, "listen", CONF_ADDRS, listen, at),                                                 \
        KEY(in, "listen_tls", CONF_ADDRS, listen_tls, at_tls),                                     \
        KEY(in, "cert", CONF_STRING, cert, cert_at), KEY(in, "key", CONF_STRING, key, key_at),     \
        KEY("router", "address", CONF_STRING, router_address, "unix:/run/kontalk/router.sock"),    \
        KEY("router", "secret", CONF_STRING, router_secret, ""),                                   \
        KEY("store", "path", CONF_STRING, store_path, store)

static const struct conf_key c2s_keys[] = {
    EDGE_KEYS("c2s", "0.0.0.0:5222 [::]:5222", "0.0.0.0:5223 [::]:5223", "/var/lib/kontalk/c2s.db",
              "/etc/kontalk/cert.pem", "/etc/kontalk/key.pem"),
    KEY("network", "servers", CONF_STRING, servers, TABLE),
    KEY("network", "cert", CONF_STRING, server_cert, SERVER_CERT),
    KEY("network", "key", CONF_STRING, server_key, SERVER_KEY),
    {.name = NULL},
};
static const struct conf_key s2s_keys[] = {
    EDGE_KEYS("s2s", "0.0.0.0:5269 [::]:5269", "", "/var/lib/kontalk/s2s.db",
              "/etc/kontalk/cert.pem", "/etc/kontalk/key.pem"),
    KEY("s2s", "servers", CONF_STRING, servers, TABLE),
    {.name = NULL},
};
static const struct conf_key net_keys[] = {
    EDGE_KEYS("net", "0.0.0.0:5270 [::]:5270", "", "/var/lib/kontalk/net.db", SERVER_CERT,
              SERVER_KEY),
    KEY("net", "servers", CONF_STRING, servers, TABLE),
    {.name = NULL},
};
#define SPEC(table)                                                                                \
    {                                                                                              \
        .keys = (table), .size = sizeof(struct ctl_edge_conf), .is_partial = true                  \
    }
const struct conf_spec ctl_c2s_conf_spec = SPEC(c2s_keys);
const struct conf_spec ctl_s2s_conf_spec = SPEC(s2s_keys);
const struct conf_spec ctl_net_conf_spec = SPEC(net_keys);

/* --- taking files apart ----------------------------------------------------------------------- */

static bool read_whole(const char *path, struct buf *out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = -1;

    /* Room for all at once: a buffer that grows would leave parts of a key behind. */
    buf_reserve(out, FILE_MAX_BYTES);
    while (fd >= 0 && buf_len(out) < FILE_MAX_BYTES) {
        n = read(fd, out->p + out->tail, FILE_MAX_BYTES - buf_len(out));
        if (n <= 0)
            break;
        buf_commit(out, (size_t)n);
    }
    int error = errno;
    if (fd >= 0)
        close(fd);
    if (n != 0)
        ctl_fail("%s: %s", path, n < 0 ? strerror(error) : "is too large");
    return n == 0;
}

/* The next "-----BEGIN WHAT----- … -----END WHAT-----\n" of *rest_r, which moves on behind it. */
static struct span next_block(struct span *rest_r, struct span *what_r)
{
    static const struct span dashes = SPAN_INIT("-----"), begin = SPAN_INIT("-----BEGIN "),
                             end_mark = SPAN_INIT("-----END ");
    struct span s = *rest_r;
    const char *start = s.n ? memmem(s.p, s.n, begin.p, begin.n) : NULL;

    if (!start)
        return SPAN_NONE;
    s = span_from(s, (size_t)(start - s.p));
    struct span what = span_from(s, begin.n);
    const char *what_end = memmem(what.p, what.n, dashes.p, dashes.n);
    const char *end = memmem(s.p, s.n, end_mark.p, end_mark.n);
    if (!what_end || !end || end < what_end)
        return SPAN_NONE;
    what.n = (size_t)(what_end - what.p);
    size_t n = (size_t)(end - s.p);
    n += span_index(span_from(s, n), '\n');
    n += n < s.n;
    *what_r = what;
    *rest_r = span_from(s, n);
    return span_make(s.p, n);
}

static void sort_blocks(struct span text, struct buf *chain, struct buf *key)
{
    struct span what, block;

    while (!span_is_none(block = next_block(&text, &what))) {
        if (span_eq(what, SPAN("CERTIFICATE")))
            buf_append(chain, block);
        else if (span_ends(what, SPAN("PRIVATE KEY")))
            buf_append(key, block);
    }
}

/* --- checking --------------------------------------------------------------------------------- */

static bool check_names(const struct tls_cert *cert, const struct ctl_edge_conf *conf)
{
    const char *const hosts[] = {conf->host, conf->network};
    struct buf names = {0};
    bool good = true;

    tls_cert_names(cert, &names);
    for (size_t i = 0; good && i < ARRAY_LEN(hosts); i++) {
        good = !hosts[i][0] || tls_cert_covers(cert, hosts[i]);
        if (!good)
            ctl_fail("the certificate is not for %s but for: %s", hosts[i], buf_z(&names));
    }
    buf_free(&names);
    return good;
}

static bool check_pair(const char *cert_file, const char *key_file,
                       const struct ctl_edge_conf *conf)
{
    char error[TLS_ERROR_MAX];
    struct tls_ctx_opts opts = {.cert_file = cert_file, .key_file = key_file};
    struct tls_ctx *tls = tls_ctx_new(&opts, error);
    struct tls_cert *cert = tls ? tls_cert_open(cert_file, error) : NULL;
    int64_t now = time(NULL);
    bool good = false;

    if (!cert)
        ctl_fail("%s", error);
    else if (tls_cert_ends(cert) <= now)
        ctl_fail("the certificate has expired");
    else if (tls_cert_begins(cert) > now)
        ctl_fail("the certificate is not valid yet");
    else
        good = check_names(cert, conf);
    tls_cert_free(&cert);
    tls_ctx_unref(&tls);
    return good;
}

/* --- writing ---------------------------------------------------------------------------------- */

bool ctl_write_new(const char *path, struct span bytes, unsigned mode, const struct stat *like)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        ctl_fail("%s: %s", path, strerror(errno));
        return false;
    }
    bool good = geteuid() != 0 || fchown(fd, like->st_uid, like->st_gid) == 0;
    good = good && fchmod(fd, mode) == 0;
    while (good && bytes.n) {
        ssize_t n = write(fd, bytes.p, bytes.n);
        good = n > 0;
        bytes = good ? span_from(bytes, (size_t)n) : bytes;
    }
    good = good && fsync(fd) == 0;
    if (!good) {
        ctl_fail("%s: %s", path, strerror(errno));
        unlink(path); /* a part of it would be in the way of the next attempt */
    }
    close(fd);
    return good;
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

/* Each rename is whole; between the two a reload would refuse the pair and keep the old one. */
static bool put_in_place(const char *new_cert, const char *new_key,
                         const struct ctl_edge_conf *conf)
{
    if (rename(new_key, conf->key) != 0 || rename(new_cert, conf->cert) != 0) {
        ctl_fail("%s, %s: %s", conf->key, conf->cert, strerror(errno));
        return false;
    }
    sync_directory(conf->key);
    sync_directory(conf->cert);
    printf("installed %s and %s\n", conf->cert, conf->key);
    return true;
}

static bool install(const struct ctl_edge_conf *conf, const struct stat *like, struct buf *chain,
                    struct buf *key)
{
    char *new_cert = mem_alloc(strlen(conf->cert) + 5), *new_key = mem_alloc(strlen(conf->key) + 5);

    snprintf(new_cert, strlen(conf->cert) + 5, "%s.new", conf->cert);
    snprintf(new_key, strlen(conf->key) + 5, "%s.new", conf->key);
    unlink(new_cert); /* of an attempt that was cut short */
    unlink(new_key);
    bool good = ctl_write_new(new_cert, buf_span(chain), CERT_MODE, like) &&
                ctl_write_new(new_key, buf_span(key), like->st_mode & KEY_MODE_MAX, like) &&
                check_pair(new_cert, new_key, conf) && put_in_place(new_cert, new_key, conf);
    if (!good) {
        unlink(new_cert);
        unlink(new_key);
    }
    free(new_cert);
    free(new_key);
    return good;
}

static int reload_if_running(const struct ctl *ctl)
{
    struct conf_list paths;

    ctl_sockets(ctl, "", &paths);
    int status = paths.count ? ctl_reload(ctl) : 0;
    ctl_sockets_free(&paths);
    return status;
}

static int run_install(const struct ctl *ctl, char **args, int count)
{
    struct buf text = {0}, chain = {0}, key = {0};
    struct stat like;
    char error[CONF_ERROR_MAX];
    char *path = ctl_join(ctl->directory, "c2s.conf");
    struct ctl_edge_conf *conf = conf_load(&ctl_c2s_conf_spec, path, true, error);
    int status = 1;

    crypto_init();
    buf_reserve(&key, FILE_MAX_BYTES);
    bool good = conf && stat(path, &like) == 0;
    if (!good)
        ctl_fail("%s", conf ? strerror(errno) : error);
    for (int i = 0; good && i < count; i++) {
        good = read_whole(args[i], &text);
        sort_blocks(buf_span(&text), &chain, &key);
        buf_wipe(&text);
    }
    if (good && (!buf_len(&chain) || !buf_len(&key)))
        ctl_fail("%s holds no %s (PEM): name the file that does, too", args[0],
                 buf_len(&chain) ? "private key" : "certificate");
    else if (good && install(conf, &like, &chain, &key))
        status = reload_if_running(ctl);
    buf_wipe(&text);
    buf_wipe(&key);
    buf_free(&chain);
    free(path);
    if (conf)
        conf_free(&ctl_c2s_conf_spec, (void **)&conf);
    return status;
}

const struct ctl_command cert_commands[] = {
    {"cert install", 1, 2, "FILE [FILE]", "check and install a certificate and its key, reload",
     run_install},
    {.name = NULL},
};
