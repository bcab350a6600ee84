#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# doors - clocks, timers, sockets, names and random numbers are reached in one room each, and each
# library's header is included in one room: everything else can then be run on simulated twins.
# Tests are exempt.
cd "$(dirname "$0")/../.." || exit 1
bad=0

# door PATTERN ROOMS... - the pattern may stand only in files of these rooms
door() {
    pattern=$1
    shift
    for file in $(find common router c2s s2s net -name '*.[ch]' | sort); do
        for room; do
            case $file in "$room"*) continue 2 ;; esac
        done
        # Comments may speak of what code may not call.
        if sed -e 's|//.*||' -e 's|/\*.*\*/||' -e '/\/\*/,/\*\//d' "$file" |
            grep -nE "$pattern" | sed "s|^|$file: not the room for this: |"; then
            :
        fi
    done | grep . && bad=1
}

call='(^|[^A-Za-z0-9_.>])'
# kontalkctl is a tool that waits and measures; it is never simulated.
door "$call(time|gettimeofday|clock_gettime|uv_now|uv_hrtime) *\(" \
    common/base/ common/store/ router/ctl/
door "${call}uv_[a-z_]+ *\(" common/base/
door "$call(timerfd_create|sleep|usleep|nanosleep) *\(" common/base/ common/store/
door "$call(socket|socketpair|accept4?|connect) *\(" common/base/
door "$call(getaddrinfo|gethostbyname|res_query) *\(" common/dns/resolve
door "$call(gnutls_rnd|getrandom|getentropy) *\(" common/tls/ common/base/map
door "$call(rand|rand_r|random|drand48|lrand48) *\(" none
door '# *include *<uv\.h>' common/base/
door '# *include *<gnutls/' common/tls/
door '# *include *<rnp/' common/pgp/
door '# *include *<sqlite3\.h>' common/store/
door '# *include *<unbound\.h>' common/dns/resolve
door '# *include *<libxml/' common/xml/
door '# *include *<ini\.h>' common/base/
door '# *include *<(idna|stringprep|punycode)\.h>' common/xmpp/
door '# *include *<strophe\.h>' router/ctl/
exit $bad
