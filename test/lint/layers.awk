# SPDX-License-Identifier: GPL-3.0-or-later
# layers - includes point down only. Reads every source file; prints one line per breach.
#
# A file's room is its folder; ALLOW says which headers a room may include, as a pattern over the
# include's spelling. Includes are spelled from one root, so "x.h" and "../x.h" are breaches too.
# test/ may include everything.

BEGIN {
    allow["common/base"] = "^base/"
    allow["common/xml"] = "^(xml|base)/"
    allow["common/tls"] = "^(tls|base)/"
    allow["common/store"] = "^(store|base)/"
    allow["common/dns"] = "^(dns|base)/"
    allow["common/pgp"] = "^(pgp|base)/"
    allow["common/xmpp"] = "^(xmpp|xml|tls|pgp|store|base)/"
    daemon = "^(xmpp|xml|tls|pgp|store|base)/"
    allow["router"] = daemon "|^router/[^/]*$"
    allow["s2s"] = daemon "|^dns/|^s2s/[^/]*$"
    allow["net"] = daemon "|^dns/|^net/[^/]*$"
    # kontalkctl knows router.conf and how texts are hidden, and nothing else of the router.
    allow["router/ctl"] = daemon "|^router/ctl/|^router/(conf|redact)[.]h$"
    # The transport sees one header of the session manager; the session manager sees no transport.
    allow["c2s"] = daemon "|^c2s/[^/]*$|^c2s/sm/sm[.]h$"
    allow["c2s/sm"] = "^(xmpp|xml|store|base)/|^tls/crypto[.]h$|^c2s/sm/|^c2s/(c2s|schema)[.]h$"
    deny["c2s/sm"] = "^base/(conn|listen)[.]h$|^xmpp/(sasl|sasl_private|stream)[.]h$"
    rooms = split("admin archive contacts filter instances network pep pie push", room_of_sm, " ")
    for (i = 1; i <= rooms; i++) {
        allow["c2s/sm/" room_of_sm[i]] = allow["c2s/sm"]
        deny["c2s/sm/" room_of_sm[i]] = deny["c2s/sm"]
    }
    # Homes are signed with the server's own key.
    allow["c2s/sm/network"] = allow["c2s/sm"] "|^tls/bridge[.]h$"
    # The publish-subscribe core knows nothing of the rest of the session manager.
    allow["c2s/sm/pubsub"] = "^(xmpp|xml|store|base)/|^c2s/sm/pubsub/"
    deny["c2s/sm/pubsub"] = "^base/(conn|listen|loop)[.]h$|^xmpp/(sasl|sasl_private|stream|link)[.]h$"
}

FNR == 1 {
    room = FILENAME
    sub("^[.]/", "", room)
    sub("/[^/]*$", "", room)
    known = room in allow
    if (!known && room !~ "^test(/|$)") {
        printf "%s: no rule for this folder in layers.awk\n", FILENAME
        bad = 1
    }
}

known && /^[ \t]*#[ \t]*include[ \t]*"/ {
    split($0, part, "\"")
    if (part[2] !~ allow[room] || (room in deny && part[2] ~ deny[room])) {
        printf "%s:%d: %s may not include \"%s\"\n", FILENAME, FNR, room, part[2]
        bad = 1
    }
}

END { exit bad }
