/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * server_init - makes the key by which the other servers of the network know this one: an OpenPGP
 * key, and the certificate with the same key that carries it. Once in a server's life; what is
 * there is never written over.
 */
#include "router/ctl/ctl.h"

#include "base/buf.h"
#include "base/mem.h"
#include "pgp/key.h"
#include "tls/bridge.h"
#include "tls/crypto.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEY_BITS 3072
#define CERT_MODE 0644
#define SECRET_MODE 0600
#define KEY_MODE_MAX 0640 /* and no more than c2s.conf, which the same processes read */

enum { FILE_PGP, FILE_KEY, FILE_CERT, FILES };
static const char *const names[FILES] = {"server.pgp", "server.key", "server.pem"};

struct identity {
    struct buf text[FILES]; /* secret, secret, public */
    char fingerprint[PGP_FINGERPRINT + 1];
};

static void wipe(struct identity *id)
{
    for (size_t i = 0; i < FILES; i++)
        buf_wipe(&id->text[i]);
}

/* --- making ----------------------------------------------------------------------------------- */

static bool make_certificate(struct identity *id, const struct pgp_key *key,
                             const struct pgp_secret *s, const char *host)
{
    char error[TLS_ERROR_MAX];
    struct buf packets = {0};
    struct tls_rsa rsa = {.n = buf_span(&s->n),
                          .e = buf_span(&s->e),
                          .d = buf_span(&s->d),
                          .p = buf_span(&s->p),
                          .q = buf_span(&s->q),
                          .u = buf_span(&s->u)};
    pgp_key_write(key, &packets);
    bool ok = tls_bridge_make(&rsa, buf_span(&packets), pgp_key_uid(key, 0), span_of(host),
                              s->created, &id->text[FILE_CERT], &id->text[FILE_KEY], error);
    if (!ok)
        ctl_fail("%s", error);
    buf_free(&packets);
    return ok;
}

static bool make(struct identity *id, const char *host)
{
    char error[PGP_ERROR_MAX];
    struct buf uid = {0};
    struct pgp_secret secret = {0};
    struct pgp_key *key = NULL;
    buf_printf(&uid, "Kontalk server <%s>", host);
    bool ok = pgp_key_make(buf_span(&uid), KEY_BITS, &id->text[FILE_PGP], error) &&
              (key = pgp_key_parse(buf_span(&id->text[FILE_PGP]), error)) &&
              pgp_secret_read(buf_span(&id->text[FILE_PGP]), &secret, error);
    if (!ok) {
        ctl_fail("the key cannot be made: %s", error);
    } else {
        memcpy(id->fingerprint, pgp_key_fingerprint(key), sizeof id->fingerprint);
        ok = make_certificate(id, key, &secret, host);
    }
    pgp_secret_wipe(&secret);
    pgp_key_free(&key);
    buf_free(&uid);
    return ok;
}

/* --- files ------------------------------------------------------------------------------------ */

static bool are_free(char *const paths[FILES])
{
    struct stat st;
    for (size_t i = 0; i < FILES; i++) {
        bool is_there = lstat(paths[i], &st) == 0;
        if (is_there || errno != ENOENT) {
            ctl_fail("%s: %s", paths[i], is_there ? "is there already" : strerror(errno));
            return false;
        }
    }
    return true;
}

/* All or none. server.pgp is for the operator alone; the processes read the other two. */
static bool write_files(const struct identity *id, char *const paths[FILES],
                        const struct stat *like)
{
    const unsigned modes[FILES] = {SECRET_MODE, like->st_mode & KEY_MODE_MAX, CERT_MODE};
    struct stat own = *like;
    own.st_uid = geteuid();
    own.st_gid = getegid();
    for (size_t i = 0; i < FILES; i++) {
        if (ctl_write_new(paths[i], buf_span(&id->text[i]), modes[i], i == FILE_PGP ? &own : like))
            continue;
        /* The one that failed may be somebody else's by now. */
        while (i-- > 0)
            unlink(paths[i]);
        return false;
    }
    return true;
}

static int init(const char *directory, const char *host, const struct stat *like)
{
    struct identity id = {0};
    char *paths[FILES];
    for (size_t i = 0; i < FILES; i++)
        paths[i] = ctl_join(directory, names[i]);
    crypto_init();
    bool ok = are_free(paths) && make(&id, host) && write_files(&id, paths, like);
    if (ok)
        printf("# made %s, %s and %s: keep a copy of the first in a safe place\n"
               "# for the operators of the other servers (kontalkctl server add):\n"
               "%s %s\n",
               paths[FILE_PGP], paths[FILE_KEY], paths[FILE_CERT], host, id.fingerprint);
    for (size_t i = 0; i < FILES; i++)
        free(paths[i]);
    wipe(&id);
    return ok ? 0 : 1;
}

int ctl_server_init(const struct ctl *ctl, char **args, int count)
{
    char error[CONF_ERROR_MAX];
    struct stat like;
    char *path = ctl_join(ctl->directory, "c2s.conf");
    struct ctl_edge_conf *conf = conf_load(&ctl_c2s_conf_spec, path, false, error);
    int status = 1;
    if (!conf)
        ctl_fail("%s", error);
    else if (stat(path, &like) != 0)
        ctl_fail("%s: %s", path, strerror(errno));
    else if (!*conf->host)
        ctl_fail("%s: [c2s] host is empty", path);
    else
        status = init(count > 0 ? args[0] : ctl->directory, conf->host, &like);
    free(path);
    if (conf)
        conf_free(&ctl_c2s_conf_spec, (void **)&conf);
    return status;
}
