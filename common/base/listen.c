/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * listen - accepts connections on one address and hands them out.
 *
 * The listener belongs to its maker; the connections to on_accept. A reserve descriptor is held
 * open, to be given up for one accept when there is no other left.
 */
#include "base/listen.h"

#include "base/conn_private.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <uv.h>

#define BACKLOG 1024
#define ACCEPT_BUDGET 64
#define FULL_PAUSE_MS 100
#define FULL_LOG_MS 10000
/* Descriptors that TCP's newcomers leave to the process: for its own connections and files, and for
 * the administration, whose socket is a Unix one. */
#define SPARE_FDS 32

struct listener {
    struct loop *loop;
    void (*on_accept)(void *ctx, struct conn *c);
    void *ctx;
    struct list_node node;
    struct addr at;
    struct timer pause;
    uint64_t full_logged; /* when; 0: never */
    uv_poll_t poll;
    int fd;
    int fd_max;     /* the highest that a newcomer may have */
    int reserve;    /* -1: none to be had */
    bool is_closed; /* freed by on_accept: the accept loop must stop */
    /* Of a Unix socket's file: only what we made is removed. */
    dev_t dev;
    ino_t ino;
};

static const char *unix_path(const struct addr *at)
{
    return ((const struct sockaddr_un *)&at->ss)->sun_path;
}

static int open_reserve(void)
{
    return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

/* --- accepting --- */

static void on_poll(uv_poll_t *handle, int status, int events);

static void on_pause_over(void *ctx)
{
    struct listener *l = ctx;

    if (l->reserve < 0)
        l->reserve = open_reserve();
    uv_poll_start(&l->poll, UV_READABLE, on_poll);
}

/* No descriptor or memory for the newcomer: it is turned away, and the others wait. */
static void turn_away(struct listener *l, int error)
{
    char where[ADDR_TEXT_MAX];

    if ((error == EMFILE || error == ENFILE) && l->reserve >= 0) {
        close(l->reserve);
        int fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0)
            close(fd);
        l->reserve = open_reserve();
    }
    uv_poll_stop(&l->poll);
    timer_start(&l->pause, l->loop, FULL_PAUSE_MS, on_pause_over, l);
    if (l->full_logged != 0 && loop_now(l->loop) - l->full_logged < FULL_LOG_MS)
        return;
    l->full_logged = loop_now(l->loop);
    LOG(LOG_ERROR, "listen.full", F_STR("at", addr_format(&l->at, where)),
        F_STR("err", strerrordesc_np(error)));
}

/* Errors that belong to one newcomer, which has gone meanwhile, not to the listener. */
static bool is_newcomers_own(int error)
{
    switch (error) {
    case EAGAIN:
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
        return false;
    default:
        return true;
    }
}

static void on_poll(uv_poll_t *handle, int status, int events)
{
    struct listener *l = handle->data;

    (void)status;
    (void)events;
    for (int i = 0; i < ACCEPT_BUDGET && !l->is_closed; i++) {
        struct addr peer = {.len = sizeof(peer.ss)};
        int fd =
            accept4(l->fd, (struct sockaddr *)&peer.ss, &peer.len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd > l->fd_max) {
            close(fd);
            turn_away(l, EMFILE);
            break;
        }
        if (fd >= 0) {
            l->on_accept(l->ctx, conn_new_fd(l->loop, fd, &peer));
        } else if (errno == EAGAIN) {
            break;
        } else if (!is_newcomers_own(errno)) {
            turn_away(l, errno);
            break;
        }
    }
    /* libuv stops a handle whose descriptor shows an error. */
    if (status < 0 && !l->is_closed && !timer_is_running(&l->pause))
        uv_poll_start(&l->poll, UV_READABLE, on_poll);
}

/* --- the socket --- */

/* Removes the file of a Unix socket at which nobody listens any more. */
static int remove_stale(const struct addr *at)
{
    struct stat st;

    if (lstat(unix_path(at), &st) != 0)
        return errno == ENOENT ? 0 : -errno;
    if (!S_ISSOCK(st.st_mode))
        return -EADDRINUSE;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    int err = connect(fd, (const struct sockaddr *)&at->ss, at->len) == 0 ? 0 : errno;
    close(fd);
    if (err != ECONNREFUSED)
        return err == ENOENT ? 0 : -EADDRINUSE;
    return unlink(unix_path(at)) == 0 || errno == ENOENT ? 0 : -errno;
}

static int bind_unix(struct listener *l, unsigned mode)
{
    struct stat st;
    int err = remove_stale(&l->at);

    if (err)
        return err;
    /* The socket's own mode limits the file's from its first moment; umask may only narrow it. */
    if (fchmod(l->fd, mode) != 0 || bind(l->fd, (const struct sockaddr *)&l->at.ss, l->at.len) != 0)
        return -errno;
    if (chmod(unix_path(&l->at), mode) != 0 || lstat(unix_path(&l->at), &st) != 0)
        return -errno;
    l->dev = st.st_dev;
    l->ino = st.st_ino;
    return 0;
}

static int bind_inet(struct listener *l, bool reuseport)
{
    int on = 1;

    setsockopt(l->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (reuseport && setsockopt(l->fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) != 0)
        return -errno;
    if (l->at.ss.ss_family == AF_INET6 &&
        setsockopt(l->fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) != 0)
        return -errno;
    if (bind(l->fd, (const struct sockaddr *)&l->at.ss, l->at.len) != 0)
        return -errno;
    conn_set_tcp_options(l->fd);
    l->at.len = sizeof(l->at.ss);
    return getsockname(l->fd, (struct sockaddr *)&l->at.ss, &l->at.len) == 0 ? 0 : -errno;
}

static int highest_fd(const struct addr *at)
{
    struct rlimit files;

    if (addr_is_unix(at) || getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur > INT_MAX)
        return INT_MAX;
    int count = (int)files.rlim_cur;
    return count - 1 - (count < 4 * SPARE_FDS ? count / 4 : SPARE_FDS);
}

static int listener_open(struct listener *l, const struct listen_opts *opts)
{
    int err;

    if (loop_is_sim(l->loop))
        return -ENETUNREACH;
    l->fd_max = highest_fd(&l->at);
    l->fd = socket(l->at.ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (l->fd < 0)
        return -errno;
    if (addr_is_unix(&l->at))
        err = bind_unix(l, opts && opts->unix_mode ? opts->unix_mode : 0600);
    else
        err = bind_inet(l, opts && opts->reuseport);
    if (err)
        return err;
    if (listen(l->fd, BACKLOG) != 0)
        return -errno;
    l->reserve = open_reserve();
    if (l->reserve < 0)
        return -errno;
    return uv_poll_init(loop_uv(l->loop), &l->poll, l->fd);
}

static void close_descriptors(struct listener *l)
{
    struct stat st;

    if (l->fd >= 0)
        close(l->fd);
    if (l->reserve >= 0)
        close(l->reserve);
    if (l->ino != 0 && lstat(unix_path(&l->at), &st) == 0 && st.st_dev == l->dev &&
        st.st_ino == l->ino)
        unlink(unix_path(&l->at));
}

struct listener *listener_new(struct loop *loop, const struct addr *at,
                              const struct listen_opts *opts,
                              void (*on_accept)(void *ctx, struct conn *c), void *ctx, int *error_r)
{
    struct listener *l = mem_zalloc(sizeof(*l));

    l->loop = loop;
    l->on_accept = on_accept;
    l->ctx = ctx;
    l->at = *at;
    l->fd = l->reserve = -1;
    *error_r = listener_open(l, opts);
    if (*error_r) {
        close_descriptors(l);
        free(l);
        return NULL;
    }
    l->poll.data = l;
    list_append(&loop->io.listeners, &l->node);
    uv_poll_start(&l->poll, UV_READABLE, on_poll);
    return l;
}

static void on_uv_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void listener_free(struct listener **l_p)
{
    struct listener *l = *l_p;

    if (!l)
        return;
    *l_p = NULL;
    l->is_closed = true;
    timer_stop(&l->pause);
    list_remove(&l->node);
    uv_close((uv_handle_t *)&l->poll, on_uv_closed);
    close_descriptors(l);
}

void listener_drop_all(struct loop *loop)
{
    LIST_FOR_EACH(node, &loop->io.listeners)
    {
        struct listener *l = CONTAINER_OF(node, struct listener, node);
        listener_free(&l);
    }
}

const struct addr *listener_addr(const struct listener *l)
{
    return &l->at;
}
