/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * lock - keeps commits and checkpoints of several processes on one file apart. Called by group.c,
 * checkpoint.c and db_open.c.
 *
 * SQLite before 3.51.3 can corrupt a WAL when a checkpoint and a commit of two connections overlap.
 * So PATH-lock is held with flock(): shared by who writes, exclusive by who checkpoints.
 *
 * A busy process that ends one transaction begins the next within microseconds, and would keep
 * those who poll for the database's lock out for ever. Whoever wants to write or to checkpoint
 * therefore waits for a turn first, an open-file-description lock on byte 0 of the same file: it is
 * kept while waiting, and given on once the transaction has begun.
 *
 * Waiting is polling with an end, so that a stopped process cannot stop the others for ever.
 */
#include "store/db_private.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

bool store_lock_pause(unsigned nth, unsigned wait_ms)
{
    /* Transactions take about a millisecond: who waits longer need not be as quick. */
    const unsigned short_ones = 100;
    if (nth >= wait_ms + short_ones)
        return false;
    nanosleep(&(struct timespec){.tv_nsec = nth < short_ones ? 100000 : 1000000}, NULL);
    return true;
}

int store_lock_open(struct store_lock *l, const char *path)
{
    size_t n = strlen(path) + sizeof("-lock");
    char *name = mem_alloc(n);
    snprintf(name, n, "%s-lock", path);
    l->fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    int error = l->fd < 0 ? -errno : 0;
    free(name);
    return error;
}

void store_lock_close(struct store_lock *l)
{
    if (l->fd >= 0)
        close(l->fd);
    l->fd = -1;
}

static bool take_turn(int fd, int unused)
{
    struct flock turn = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1};
    (void)unused;
    return fcntl(fd, F_OFD_SETLK, &turn) == 0;
}

static bool take_file(int fd, int operation)
{
    return flock(fd, operation | LOCK_NB) == 0;
}

static bool wait_for(bool (*take)(int fd, int operation), int fd, int operation, unsigned wait_ms)
{
    for (unsigned nth = 0; !take(fd, operation); nth++)
        if (wait_ms == 0 || !store_lock_pause(nth, wait_ms))
            return false;
    return true;
}

static bool lock(struct store_lock *l, int operation, unsigned wait_ms)
{
    if (l->fd < 0)
        return true;
    if (!wait_for(take_turn, l->fd, 0, wait_ms))
        return false;
    if (wait_for(take_file, l->fd, operation, wait_ms))
        return true;
    store_lock_begun(l);
    return false;
}

bool store_lock_commit(struct store_lock *l)
{
    return lock(l, LOCK_SH, STORE_LOCK_WAIT_MS);
}

bool store_lock_checkpoint(struct store_lock *l, unsigned wait_ms)
{
    return lock(l, LOCK_EX, wait_ms);
}

void store_lock_begun(struct store_lock *l)
{
    struct flock turn = {.l_type = F_UNLCK, .l_whence = SEEK_SET, .l_len = 1};
    if (l->fd >= 0)
        fcntl(l->fd, F_OFD_SETLK, &turn);
}

void store_unlock(struct store_lock *l)
{
    if (l->fd < 0)
        return;
    flock(l->fd, LOCK_UN);
    store_lock_begun(l); /* a checkpoint keeps its turn to the end; harmless otherwise */
}
