/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fuzz_conf - a configuration file: loaded, or refused with one line that says why.
 * Byte 0: whose, the router's or a c2s's.
 */
#include "fuzz.h"

#include "c2s/conf.h"
#include "router/conf.h"

#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static void check_reason(struct span text, struct span reason)
{
    if (reason.n == 0 || reason.n >= CONF_ERROR_MAX)
        fuzz_fail("refused without a reason", text, reason);
    if (memchr(reason.p, '\n', reason.n))
        fuzz_fail("the reason is more than a line", text, reason);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static int fd = -1;
    static char path[64];
    char error[CONF_ERROR_MAX] = "";
    struct span text = fuzz_input(data, n);
    const struct conf_spec *spec = fuzz_byte(&text) & 1 ? &c2s_conf_spec : &router_conf_spec;
    if (fd < 0) {
        fd = memfd_create("fuzz", MFD_CLOEXEC);
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        fchmod(fd, 0600);
    }
    if (ftruncate(fd, 0) < 0 || pwrite(fd, text.p, text.n, 0) != (ssize_t)text.n)
        return 0;
    void *conf = conf_load(spec, path, true, error);
    if (conf)
        conf_free(spec, &conf);
    else
        check_reason(text, span_of(error));
    return 0;
}
