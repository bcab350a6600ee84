/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "c2s/conf.h"

#include "base/addr.h"
#include "base/daemon.h"
#include "xmpp/jid.h"

#include <stdio.h>

#define AT(field) offsetof(struct c2s_conf, field)
#define GIB (1024LL * 1024 * 1024)

/* In the order of enum sm_archive_rule. */
static const char *const archive_choices[] = {"never", "always", "roster", NULL};
static const char *const failure_choices[] = {"pass", "refuse", NULL};
static const char *const tls_choices[] = {"required", "optional", NULL};

/* They are compared with names that are in their prepared form. */
static const char *check_reserved(const char *text, char scratch[256])
{
    static const char separators[] = ", \t";
    char out[JID_PART_MAX + 1];
    struct span part;

    for (const char *p = text + strspn(text, separators); *p; p += strspn(p, separators)) {
        struct span word = span_make(p, strcspn(p, separators));
        p += word.n;
        if (jid_prep_local(word, out, &part) && span_eq(part, word))
            continue;
        snprintf(scratch, 256, "%.*s is no name in lower case", word.n < 100 ? (int)word.n : 100,
                 word.p);
        return scratch;
    }
    return NULL;
}

/* Words of a list, and the bits that they stand for. */
struct word {
    const char *name;
    unsigned bit;
};

static const struct word stanza_words[] = {
    {"message", SM_FILTER_MESSAGE}, {"presence", SM_FILTER_PRESENCE}, {"iq", SM_FILTER_IQ},
    {NULL, 0}};
static const struct word direction_words[] = {
    {"sending", SM_SENDING}, {"receiving", SM_RECEIVING}, {NULL, 0}};

static const char *check_component(const char *text, char scratch[256]);

static const struct conf_key keys[] = {
    {.section = "c2s", .name = "host", .type = CONF_STRING, .offset = AT(host),
     .is_fixed = true, .help = "The domain that this server is: users are user@host."},
    {.section = "c2s", .name = "network", .type = CONF_STRING, .offset = AT(network),
     .default_value = "", .is_fixed = true,
     .help = "The network's domain; empty: the same as host."},
    {.section = "c2s", .name = "listen", .type = CONF_ADDRS, .offset = AT(listen),
     .default_value = "0.0.0.0:5222 [::]:5222", .is_fixed = true,
     .help = "Addresses for clients with STARTTLS."},
    {.section = "c2s", .name = "listen_tls", .type = CONF_ADDRS, .offset = AT(listen_tls),
     .default_value = "0.0.0.0:5223 [::]:5223", .is_fixed = true,
     .help = "Addresses for clients with direct TLS."},
    {.section = "c2s", .name = "tls", .type = CONF_ENUM, .offset = AT(tls),
     .default_value = "required", .choices = tls_choices,
     .help = "required, or optional (login without TLS: for tests on loopback only)."},
    {.section = "c2s", .name = "cert", .type = CONF_STRING, .offset = AT(cert),
     .default_value = "/etc/kontalk/cert.pem", .help = "Certificate chain, PEM."},
    {.section = "c2s", .name = "key", .type = CONF_STRING, .offset = AT(key),
     .default_value = "/etc/kontalk/key.pem", .help = "Private key, PEM; not readable by others."},
    {.section = "c2s", .name = "control", .type = CONF_STRING, .offset = AT(control),
     .default_value = "/run/kontalk/%i.ctl",
     .is_fixed = true, .help = "Control socket for kontalkctl; %i is the instance."},
    {.section = "c2s", .name = "log_level", .type = CONF_ENUM, .offset = AT(log_level),
     .default_value = "info", .choices = log_level_names, .help = "error, warn, info or debug."},

    COMPONENT_KEYS(AT(router)),

    {.section = "store", .name = "path", .type = CONF_STRING, .offset = AT(store_path),
     .default_value = "/var/lib/kontalk/c2s.db",
     .is_fixed = true, .help = "The users' database; shared by all instances of one host."},

    {.section = "auth", .name = "iterations", .type = CONF_INT, .offset = AT(auth_iterations),
     .default_value = "10000", .min = 4096, .max = 1000000,
     .help = "PBKDF2 rounds of passwords that are set from now on."},

    {.section = "register", .name = "enabled", .type = CONF_BOOL, .offset = AT(registration),
     .default_value = "false", .help = "Whoever connects can make an account for himself."},
    {.section = "register", .name = "per_address", .type = CONF_INT,
     .offset = AT(register_per_address), .default_value = "3", .max = 1000000,
     .help = "Accounts that one address (IPv6: /64) can make in an hour; 0: no limit."},
    {.section = "register", .name = "per_hour", .type = CONF_INT, .offset = AT(register_per_hour),
     .default_value = "100", .max = 1000000, .help = "That all can make; 0: no limit."},
    {.section = "register", .name = "name_min", .type = CONF_INT, .offset = AT(name_min),
     .default_value = "3", .min = 1, .max = 1023, .help = "Characters of a name at least."},
    {.section = "register", .name = "name_max", .type = CONF_INT, .offset = AT(name_max),
     .default_value = "64", .min = 1, .max = 1023, .help = "Characters of a name at most."},
    {.section = "register", .name = "reserved", .type = CONF_LIST, .offset = AT(reserved),
     .default_value = "abuse admin administrator hostmaster kontalk noc postmaster root security "
                      "support system webmaster xmpp",
     .check = check_reserved, .help = "Names that nobody can give himself."},
    {.section = "register", .name = "password_min", .type = CONF_INT, .offset = AT(password_min),
     .default_value = "8", .min = 1, .max = 1000,
     .help = "Characters of a password that a user sets himself, at least."},

    {.section = "network", .name = "servers", .type = CONF_STRING, .offset = AT(servers),
     .default_value = "/var/lib/kontalk/servers",
     .help = "The table of the network's servers (kontalkctl server)."},
    {.section = "network", .name = "cert", .type = CONF_STRING, .offset = AT(server_cert),
     .default_value = "/etc/kontalk/server.pem",
     .help = "The certificate that carries this server's OpenPGP key (kontalkctl server init)."},
    {.section = "network", .name = "key", .type = CONF_STRING, .offset = AT(server_key),
     .default_value = "/etc/kontalk/server.key", .help = "Its private key, PEM."},
    {.section = "network", .name = "cache", .type = CONF_TIME, .offset = AT(home_cache),
     .default_value = "1h", .min = 1000, .max = 604800000,
     .help = "How long it is remembered at which server a user is."},
    {.section = "network", .name = "cache_nobody", .type = CONF_TIME, .offset = AT(home_negative),
     .default_value = "60s", .min = 100, .max = 86400000,
     .help = "The same, that there is no such user."},
    {.section = "network", .name = "cache_entries", .type = CONF_INT, .offset = AT(home_entries),
     .default_value = "100000", .min = 100, .max = 10000000, .help = "Users remembered so."},
    {.section = "network", .name = "deadline", .type = CONF_TIME, .offset = AT(home_deadline),
     .default_value = "5s", .min = 100, .max = 60000,
     .help = "How long the answer of one server may take."},
    {.section = "network", .name = "probe_deadline", .type = CONF_TIME,
     .offset = AT(probe_deadline), .default_value = "10s", .min = 100, .max = 120000,
     .help = "The same, when all servers are asked."},
    {.section = "network", .name = "match_deadline", .type = CONF_TIME,
     .offset = AT(match_deadline), .default_value = "60s", .min = 100, .max = 600000,
     .help = "How long the other servers' part of a roster match may take."},
    {.section = "network", .name = "match_items", .type = CONF_INT, .offset = AT(match_items),
     .default_value = "500", .min = 1, .max = 10000,
     .help = "Addresses in one request for a roster match."},
    {.section = "network", .name = "match_daily", .type = CONF_INT, .offset = AT(match_daily),
     .default_value = "5000", .min = 1, .max = 100000000,
     .help = "Addresses that one user may ask for in a day."},
    {.section = "network", .name = "max_homes", .type = CONF_INT, .offset = AT(max_homes),
     .default_value = "1000000", .min = 1, .max = 1000000000,
     .help = "Users of one other server whose home is recorded here as their directory."},

    {.section = "archive", .name = "enabled", .type = CONF_BOOL, .offset = AT(archive),
     .default_value = "true", .help = "Messages are archived for their users."},
    {.section = "archive", .name = "default", .type = CONF_ENUM, .offset = AT(archive_default),
     .default_value = "always", .choices = archive_choices,
     .help = "For users who have not chosen: always, never, or roster (contacts only)."},
    {.section = "archive", .name = "days", .type = CONF_INT, .offset = AT(archive_days),
     .default_value = "365", .max = 36500,
     .help = "Days that messages are kept; 0: for ever."},
    {.section = "archive", .name = "messages", .type = CONF_INT, .offset = AT(archive_messages),
     .default_value = "100000", .max = 1000000000,
     .help = "Messages kept for one user, the newest; 0: all."},
    {.section = "archive", .name = "page", .type = CONF_INT, .offset = AT(archive_page),
     .default_value = "250", .min = 10, .max = 1000,
     .help = "Messages in one answer to a client at most."},

    {.section = "push", .name = "sender", .type = CONF_BOOL, .offset = AT(push_sender),
     .default_value = "false", .help = "Push services are told whom a message is from."},
    {.section = "push", .name = "body", .type = CONF_BOOL, .offset = AT(push_body),
     .default_value = "false", .help = "They are told its words, unless encrypted."},

    {.section = "limits", .name = "prelogin_bytes", .type = CONF_SIZE, .offset = AT(prelogin_bytes),
     .default_value = "8K", .min = 4096, .max = GIB,
     .help = "What a client may send before it has logged in."},
    {.section = "limits", .name = "login_time", .type = CONF_TIME, .offset = AT(login_time),
     .default_value = "30s", .min = 1000, .max = 600000,
     .help = "From connecting to a bound resource."},
    {.section = "limits", .name = "prelogin", .type = CONF_INT, .offset = AT(prelogin),
     .default_value = "5000", .min = 2, .max = 10000000,
     .help = "Connections of all addresses that have not logged in; from half of them on, "
             "newcomers have 5 s for it."},
    {.section = "limits", .name = "prelogin_per_address", .type = CONF_INT,
     .offset = AT(prelogin_per_address), .default_value = "20", .min = 1, .max = 1000000,
     .help = "Connections of one address (IPv6: /64) that have not logged in."},
    {.section = "limits", .name = "connections_per_address", .type = CONF_INT,
     .offset = AT(connections_per_address), .default_value = "1000", .min = 1, .max = 10000000,
     .help = "Connections of one address (IPv6: /64) in all."},
    {.section = "limits", .name = "max_connections", .type = CONF_INT,
     .offset = AT(max_connections), .default_value = "50000", .min = 1, .max = 10000000,
     .help = "Connections of all addresses to this process."},
    {.section = "limits", .name = "failure_delay", .type = CONF_TIME, .offset = AT(failure_delay),
     .default_value = "15s", .max = 60000,
     .help = "Longest delay of the answer to a failed login: 1, 2, 4, ... s by address."},
    {.section = "limits", .name = "sessions_per_user", .type = CONF_INT,
     .offset = AT(sessions_per_user), .default_value = "10", .min = 1, .max = 1000,
     .help = "Sessions of one user at a time."},
    {.section = "limits", .name = "sessions_of_many", .type = CONF_INT,
     .offset = AT(sessions_of_many), .default_value = "100", .min = 1, .max = 10000,
     .help = "The same of those whom [access many-sessions] allows more."},
    {.section = "limits", .name = "stanza", .type = CONF_SIZE, .offset = AT(stanza),
     .default_value = "256K", .min = 10000, .max = 900 * 1024, .help = "Bytes of one stanza."},
    {.section = "limits", .name = "input_rate", .type = CONF_SIZE, .offset = AT(input_rate),
     .default_value = "16K", .max = GIB,
     .help = "Bytes a second read from a session in the long run; 0: no limit."},
    {.section = "limits", .name = "input_burst", .type = CONF_SIZE, .offset = AT(input_burst),
     .default_value = "256K", .min = 1024, .max = GIB,
     .help = "Bytes read from it at once after it has been quiet."},
    {.section = "limits", .name = "stanza_rate", .type = CONF_INT, .offset = AT(stanza_rate),
     .default_value = "50", .max = 1000000,
     .help = "Stanzas a second taken from a session in the long run; 0: no limit."},
    {.section = "limits", .name = "stanza_burst", .type = CONF_INT, .offset = AT(stanza_burst),
     .default_value = "200", .min = 1, .max = 1000000,
     .help = "Stanzas taken from it at once after it has been quiet."},
    {.section = "limits", .name = "roster", .type = CONF_INT, .offset = AT(roster),
     .default_value = "1000", .min = 1, .max = 100000, .help = "Items of a roster."},
    {.section = "limits", .name = "presence_rate", .type = CONF_INT, .offset = AT(presence_rate),
     .default_value = "5", .max = 1000000,
     .help = "Changes of presence a second that a session tells its contacts; of more, "
             "the last. 0: no limit."},
    {.section = "limits", .name = "presence_burst", .type = CONF_INT,
     .offset = AT(presence_burst), .default_value = "20", .min = 1, .max = 1000000,
     .help = "Those at once after it has been quiet."},
    {.section = "limits", .name = "offline", .type = CONF_INT, .offset = AT(offline),
     .default_value = "1000", .max = 1000000, .help = "Messages kept for an absent user."},
    {.section = "limits", .name = "offline_bytes", .type = CONF_SIZE, .offset = AT(offline_bytes),
     .default_value = "10M", .max = GIB, .help = "Their bytes in all."},
    {.section = "limits", .name = "offline_days", .type = CONF_INT, .offset = AT(offline_days),
     .default_value = "7", .max = 36500, .help = "Days that they are kept; 0: for ever."},
    {.section = "limits", .name = "blocked", .type = CONF_INT, .offset = AT(blocked),
     .default_value = "1000", .min = 1, .max = 100000,
     .help = "Addresses that a user can block."},
    {.section = "limits", .name = "nodes", .type = CONF_INT, .offset = AT(nodes),
     .default_value = "200", .min = 1, .max = 100000,
     .help = "Nodes that a user can publish to."},
    {.section = "limits", .name = "node_items", .type = CONF_INT, .offset = AT(node_items),
     .default_value = "256", .min = 1, .max = 100000, .help = "Items kept of each: \"max\"."},
    {.section = "limits", .name = "item_bytes", .type = CONF_SIZE, .offset = AT(item_bytes),
     .default_value = "128K", .min = 1024, .max = 900 * 1024, .help = "Bytes of one item."},
    {.section = "limits", .name = "published_bytes", .type = CONF_SIZE,
     .offset = AT(published_bytes), .default_value = "10M", .min = 65536, .max = GIB,
     .help = "Bytes of all that a user has published."},
    {.section = "limits", .name = "push_services", .type = CONF_INT, .offset = AT(push_services),
     .default_value = "20", .min = 1, .max = 1000,
     .help = "Registrations of a user with push services; of more, the oldest goes."},
    {.section = "limits", .name = "multicast", .type = CONF_INT, .offset = AT(multicast),
     .default_value = "50", .min = 1, .max = 1000,
     .help = "Addresses of one message to many."},
    {.section = "limits", .name = "backlog", .type = CONF_SIZE, .offset = AT(backlog),
     .default_value = "1M", .min = 65536, .max = GIB,
     .help = "Bytes queued for a client that does not read; beyond, it is cut off."},
    {.section = "limits", .name = "unacked", .type = CONF_INT, .offset = AT(unacked),
     .default_value = "1000", .min = 10, .max = 1000000,
     .help = "Stanzas that a client has not acknowledged; beyond, its messages are stored."},
    {.section = "limits", .name = "unacked_bytes", .type = CONF_SIZE, .offset = AT(unacked_bytes),
     .default_value = "1M", .min = 65536, .max = GIB, .help = "Their bytes."},
    {.section = "limits", .name = "resume", .type = CONF_TIME, .offset = AT(resume),
     .default_value = "600s", .max = 86400000,
     .help = "How long a session waits for its client after a lost connection; 0: not at all."},
    {.section = "limits", .name = "hibernating_per_user", .type = CONF_INT,
     .offset = AT(hibernating_per_user), .default_value = "5", .min = 1, .max = 1000,
     .help = "Sessions of one user that wait at a time; the oldest goes."},

    {.section = "filter", .name = "component", .type = CONF_STRING, .offset = AT(filter),
     .default_value = "", .check = check_component,
     .help = "The JID of a component that is asked about stanzas (FILTER.md); empty: none."},
    {.section = "filter", .name = "stanzas", .type = CONF_LIST, .offset = AT(filter_stanzas),
     .default_value = "message", .help = "About which: message, presence, iq."},
    {.section = "filter", .name = "directions", .type = CONF_LIST,
     .offset = AT(filter_directions), .default_value = "sending receiving",
     .help = "sending: of our clients; receiving: for our users."},
    {.section = "filter", .name = "twice", .type = CONF_BOOL, .offset = AT(filter_twice),
     .default_value = "false",
     .help = "Stanzas between two of our users are asked about in both directions."},
    {.section = "filter", .name = "deadline", .type = CONF_TIME, .offset = AT(filter_deadline),
     .default_value = "1s", .min = 10, .max = 30000, .help = "How long an answer may take."},
    {.section = "filter", .name = "on_failure", .type = CONF_ENUM,
     .offset = AT(filter_on_failure), .default_value = "refuse", .choices = failure_choices,
     .help = "What becomes of a stanza without an answer: pass or refuse."},
    {.section = "filter", .name = "max_waiting", .type = CONF_INT, .offset = AT(filter_waiting),
     .default_value = "1000", .min = 1, .max = 1000000,
     .help = "Stanzas that wait for an answer; beyond, as without one."},
    {.section = "filter", .name = "max_waiting_bytes", .type = CONF_SIZE,
     .offset = AT(filter_waiting_bytes), .default_value = "16M", .min = 1024 * 1024, .max = GIB,
     .help = "The memory that they take."},

#define CONTACT(word, kind, text)                                                                  \
    {.section = "contact", .name = word, .type = CONF_LIST,                                        \
     .offset = AT(contacts) + (kind) * sizeof(struct conf_list), .default_value = "", .help = text}
    CONTACT("abuse", SM_CONTACT_ABUSE, "URIs (mailto:, xmpp:, https:) for reports of abuse."),
    CONTACT("admin", SM_CONTACT_ADMIN, "The administrators'."),
    CONTACT("feedback", SM_CONTACT_FEEDBACK, "For what users think of it."),
    CONTACT("sales", SM_CONTACT_SALES, "For those who want to buy something."),
    CONTACT("security", SM_CONTACT_SECURITY, "For reports of weaknesses."),
    CONTACT("status", SM_CONTACT_STATUS, "Where it is told what works and what does not."),
    CONTACT("support", SM_CONTACT_SUPPORT, "For those who need help."),
    {0},
};

#define IN(field) offsetof(struct sm_external, field)

static const struct conf_key service_keys[] = {
    {.name = "type", .type = CONF_STRING, .offset = IN(type), .help = "stun, turn, turns, ..."},
    {.name = "host", .type = CONF_STRING, .offset = IN(host), .help = "Its name or address."},
    {.name = "port", .type = CONF_INT, .offset = IN(port), .default_value = "0", .max = 65535,
     .help = "0: the usual one."},
    {.name = "transport", .type = CONF_STRING, .offset = IN(transport), .default_value = "",
     .help = "udp or tcp; empty: any."},
    {.name = "username", .type = CONF_STRING, .offset = IN(username), .default_value = "",
     .help = "The same for all clients; empty: none."},
    {.name = "password", .type = CONF_STRING, .offset = IN(password), .default_value = "",
     .help = "Of username."},
    {.name = "secret", .type = CONF_STRING, .offset = IN(secret), .default_value = "",
     .help = "Shared with a TURN server: credentials are made for each client."},
    {.name = "lifetime", .type = CONF_TIME, .offset = IN(lifetime), .default_value = "1d",
     .min = 60000, .max = 31 * 86400000LL, .help = "How long such credentials are good."},
    {0},
};

static const struct conf_key rule_keys[] = {
    {.name = "rules", .type = CONF_LIST, .offset = offsetof(struct sm_rule, words),
     .is_repeated = true, .check = sm_rule_check,
     .help = "allow or deny, then user@domain, @domain, local, all or none; the first that fits."},
    {0},
};

static const struct conf_section sections[] = {
    {.word = "access", .keys = rule_keys, .element_size = sizeof(struct sm_rule),
     .name_offset = offsetof(struct sm_rule, name), .array_offset = AT(rules),
     .count_offset = AT(rule_count), .names = sm_right_names},
    {.word = "service", .keys = service_keys, .element_size = sizeof(struct sm_external),
     .name_offset = IN(name), .array_offset = AT(services), .count_offset = AT(service_count)},
    {0},
};

static const char *check_contacts(const struct c2s_conf *c)
{
    for (size_t kind = 0; kind < SM_CONTACT_KINDS; kind++)
        for (size_t i = 0; i < c->contacts[kind].count; i++)
            if (!strchr(c->contacts[kind].items[i], ':'))
                return "[contact] an address is no URI: mailto:..., xmpp:..., https:...";
    return NULL;
}

static const char *check_services(const struct c2s_conf *c)
{
    for (size_t i = 0; i < c->service_count; i++) {
        const struct sm_external *x = &c->services[i];
        if (*x->transport && strcmp(x->transport, "udp") != 0 && strcmp(x->transport, "tcp") != 0)
            return "[service ...] transport is neither udp nor tcp";
        if (*x->secret && *x->username)
            return "[service ...] both secret and username: the secret makes its own";
        if (!*x->type || !*x->host)
            return "[service ...] type and host must not be empty";
    }
    return NULL;
}

static const char *check_component(const char *text, char scratch[256])
{
    struct jid_scratch room;
    struct jid jid;
    (void)scratch;
    if (*text && (!jid_parse(span_of(text), &jid, &room) || !span_eq(jid.full, span_of(text))))
        return "no JID in its prepared form (lower case)";
    return NULL;
}

static bool read_words(const struct conf_list *list, const struct word *words, unsigned *bits_r)
{
    *bits_r = 0;
    for (size_t i = 0; i < list->count; i++) {
        const struct word *w = words;
        while (w->name && strcmp(w->name, list->items[i]) != 0)
            w++;
        if (!w->name)
            return false;
        *bits_r |= w->bit;
    }
    return *bits_r != 0;
}

static const char *check_filter(const struct c2s_conf *c)
{
    const struct span component = jid_domain_of(span_of(c->filter));
    unsigned bits;
    if (!read_words(&c->filter_stanzas, stanza_words, &bits))
        return "[filter] stanzas is none of message, presence, iq";
    if (!read_words(&c->filter_directions, direction_words, &bits))
        return "[filter] directions is none of sending, receiving";
    if (!span_is_empty(component) &&
        (span_eq(component, span_of(c->host)) || span_eq(component, span_of(c->network))))
        return "[filter] component is in the server's own domain: it needs one of its own";
    return NULL;
}

struct sm_network_opts c2s_conf_network(const struct c2s_conf *c)
{
    return (struct sm_network_opts){
        .cert = c->server_cert,
        .key = c->server_key,
        .cache = (uint64_t)c->home_cache,
        .negative = (uint64_t)c->home_negative,
        .max_cache = (size_t)c->home_entries,
        .deadline = (uint64_t)c->home_deadline,
        .probe_deadline = (uint64_t)c->probe_deadline,
        .match_deadline = (uint64_t)c->match_deadline,
        .match_items = (size_t)c->match_items,
        .match_daily = (size_t)c->match_daily,
        .max_homes = (size_t)c->max_homes,
    };
}

struct sm_filter_opts c2s_conf_filter(const struct c2s_conf *c)
{
    struct sm_filter_opts opts = {
        .component = span_of(c->filter),
        .deadline = (uint64_t)c->filter_deadline,
        .refuses = c->filter_on_failure != 0,
        .is_twice = c->filter_twice,
        .max_count = (size_t)c->filter_waiting,
        .max_bytes = (size_t)c->filter_waiting_bytes,
    };
    read_words(&c->filter_stanzas, stanza_words, &opts.kinds);
    read_words(&c->filter_directions, direction_words, &opts.directions);
    return opts;
}

static const char *check(const void *conf, char scratch[256])
{
    const struct c2s_conf *c = conf;
    if (!component_is_domain(c->host))
        return "[c2s] host is not a domain name in lower case";
    if (*c->network && !component_is_domain(c->network))
        return "[c2s] network is not a domain name in lower case";
    if (c->listen.count + c->listen_tls.count == 0)
        return "[c2s] neither listen nor listen_tls has an address";
    /* What one read has brought must be made up for before the client takes us for dead. */
    if (c->input_rate > 0 && c->input_rate < 4096)
        return "[limits] input_rate is under 4K (0: no limit)";
    if (c->stanza_rate > 0 && c->stanza_rate < 10)
        return "[limits] stanza_rate is under 10 (0: no limit)";
    if (c->name_min > c->name_max)
        return "[register] name_min is over name_max";
    const char *wrong = component_conf_check(&c->router, scratch);
    if (!wrong)
        wrong = check_contacts(c);
    if (!wrong)
        wrong = check_filter(c);
    return wrong ? wrong : check_services(c);
}

const struct conf_spec c2s_conf_spec = {
    .keys = keys,
    .sections = sections,
    .size = sizeof(struct c2s_conf),
    .check = check,
};
