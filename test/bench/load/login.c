/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * login - from a connection to a session: STARTTLS, SASL (SCRAM-SHA-1, PLAIN), resource binding;
 * and a component's handshake (XEP-0114).
 *
 * The slow half of SCRAM is remembered for each user, so that repeated logins cost the generator
 * little.
 */
#include "load.h"

#include <stdio.h>
#include <stdlib.h>

#define HASH_LEN 20
#define SALT_MAX 64
#define UNDER_WAY_MAX 64
#define LOGIN_SECONDS 300

struct login {
    char nonce[33];
    struct buf auth; /* client-first-bare, server-first, client-final-without-proof */
};

struct salted {
    char salt[SALT_MAX];
    size_t salt_len;
    uint32_t iterations;
    unsigned char key[HASH_LEN];
};

static struct salted *memory;
static size_t memory_len;
static unsigned ready_count, pong_count;

static void send_header(struct client *c)
{
    c->scan = (struct scan){.wants_header = c->is_component};
    buf_printf(&c->out,
               "<?xml version='1.0'?><stream:stream to='%s'%s xmlns='%s' "
               "xmlns:stream='http://etherx.jabber.org/streams'>",
               c->is_component ? c->jid : c->host, c->is_component ? "" : " version='1.0'",
               c->is_component ? "jabber:component:accept" : "jabber:client");
    net_mark(c);
}

static void send_sasl(struct client *c, const char *element, const char *attr, struct span message)
{
    buf_printf(&c->out, "<%s xmlns='urn:ietf:params:xml:ns:xmpp-sasl'%s>", element, attr);
    base64_encode(&c->out, message);
    buf_printf(&c->out, "</%s>", element);
    net_mark(c);
}

static void start_plain(struct client *c)
{
    struct buf message = {0};
    buf_append_char(&message, 0);
    buf_printf(&message, "u%u", c->user);
    buf_append_char(&message, 0);
    buf_append_z(&message, opt.password);
    send_sasl(c, "auth", " mechanism='PLAIN'", buf_span(&message));
    buf_free(&message);
    c->phase = PHASE_SUCCESS;
}

static void start_scram(struct client *c)
{
    struct buf first = {0};
    c->login = mem_zalloc(sizeof *c->login);
    crypto_random_hex(c->login->nonce, 16);
    buf_printf(&c->login->auth, "n=u%u,r=%s", c->user, c->login->nonce);
    buf_append_z(&first, "n,,");
    buf_append(&first, buf_span(&c->login->auth));
    send_sasl(c, "auth", " mechanism='SCRAM-SHA-1'", buf_span(&first));
    buf_free(&first);
    c->phase = PHASE_CHALLENGE;
}

/* The salted password; the last one made serves all users when they have one salt. */
static const unsigned char *salted_key(unsigned user, struct span salt, uint32_t iterations)
{
    static struct salted last;
    if (user >= memory_len) {
        memory = mem_realloc(memory, 2 * ((size_t)user + 1) * sizeof *memory);
        memset(memory + memory_len, 0, (2 * ((size_t)user + 1) - memory_len) * sizeof *memory);
        memory_len = 2 * ((size_t)user + 1);
    }
    struct salted *known = &memory[user];
    if (known->iterations == 0)
        *known = last;
    if (known->iterations != iterations ||
        !span_eq(span_make(known->salt, known->salt_len), salt)) {
        known->iterations = iterations;
        known->salt_len = salt.n < SALT_MAX ? salt.n : 0;
        memcpy(known->salt, salt.p, known->salt_len);
        crypto_pbkdf2(CRYPTO_SHA1, span_of(opt.password), salt, iterations, known->key);
        last = *known;
    }
    return known->key;
}

/* The proof of RFC 5802 3, appended to final. */
static void add_proof(const struct client *c, const unsigned char *salted, struct buf *final)
{
    unsigned char key[HASH_LEN], stored[HASH_LEN], signature[HASH_LEN], proof[HASH_LEN];
    crypto_hmac(CRYPTO_SHA1, span_make((const char *)salted, HASH_LEN), SPAN("Client Key"), key);
    crypto_digest(CRYPTO_SHA1, span_make((char *)key, HASH_LEN), stored);
    crypto_hmac(CRYPTO_SHA1, span_make((char *)stored, HASH_LEN), buf_span(&c->login->auth),
                signature);
    for (int i = 0; i < HASH_LEN; i++)
        proof[i] = key[i] ^ signature[i];
    buf_append_z(final, ",p=");
    base64_encode(final, span_make((char *)proof, HASH_LEN));
}

static void answer_challenge(struct client *c, struct span stanza)
{
    struct buf challenge = {0}, final = {0}, salt = {0};
    if (!scan_is(stanza, "challenge") || !base64_decode(&challenge, scan_text(stanza, "challenge")))
        fail(c, stanza, "no SCRAM challenge");
    const char *z = buf_z(&challenge);
    const char *r = strstr(z, "r="), *s = strstr(z, ",s="), *i = strstr(z, ",i=");
    if (!r || !s || !i || i < s || !base64_decode(&salt, span_make(s + 3, (size_t)(i - s - 3))))
        fail(c, stanza, "a bad SCRAM challenge");
    buf_printf(&final, "c=biws,%.*s", (int)(s - r), r);
    struct buf *auth = &c->login->auth;
    buf_append_char(auth, ',');
    buf_append(auth, buf_span(&challenge));
    buf_append_char(auth, ',');
    buf_append(auth, buf_span(&final));
    add_proof(c, salted_key(c->user, buf_span(&salt), (uint32_t)strtoul(i + 3, NULL, 10)), &final);
    send_sasl(c, "response", "", buf_span(&final));
    buf_free(&challenge);
    buf_free(&final);
    buf_free(&salt);
    c->phase = PHASE_SUCCESS;
}

static void take_success(struct client *c, struct span stanza)
{
    /* a server may send its signature as a challenge of its own, which wants an empty answer */
    if (scan_is(stanza, "challenge")) {
        send_sasl(c, "response", "", SPAN(""));
        return;
    }
    if (!scan_is(stanza, "success"))
        fail(c, stanza, "login refused");
    if (c->login) {
        buf_free(&c->login->auth);
        free(c->login);
        c->login = NULL;
    }
    c->phase = PHASE_RESTARTED;
    send_header(c);
}

static void become_ready(struct client *c)
{
    c->phase = PHASE_READY;
    ready_count++;
    if (c->on_ready)
        c->on_ready(c);
}

static void take_features(struct client *c, struct span stanza)
{
    if (!scan_is(stanza, "stream:features"))
        fail(c, stanza, "no stream features");
    if (opt.tls && c->phase == PHASE_HEADER) {
        net_say(c, "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
        c->phase = PHASE_STARTTLS;
    } else if (!scan_has(stanza, opt.mechanism)) {
        fail(c, stanza, "the server does not offer %s", opt.mechanism);
    } else if (strcmp(opt.mechanism, "PLAIN") == 0) {
        start_plain(c);
    } else {
        start_scram(c);
    }
}

static void bind_resource(struct client *c, struct span features)
{
    if (!scan_has(features, "urn:ietf:params:xml:ns:xmpp-bind"))
        fail(c, features, "no resource binding offered");
    c->needs_session = scan_has(features, "<session") && !scan_has(features, "<optional");
    buf_printf(&c->out,
               "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>"
               "<resource>r%u</resource></bind></iq>",
               c->resource);
    net_mark(c);
    c->phase = PHASE_BIND;
}

static void take_bind(struct client *c, struct span stanza)
{
    struct span jid = scan_text(stanza, "jid");
    if (!scan_is(stanza, "iq"))
        return;
    if (!span_eq(scan_attr(stanza, "type"), SPAN("result")) || jid.n == 0 || jid.n >= sizeof c->jid)
        fail(c, stanza, "binding refused");
    snprintf(c->jid, sizeof c->jid, "%.*s", SPAN_ARG(jid));
    if (!c->needs_session) {
        become_ready(c);
        return;
    }
    net_say(c, "<iq type='set' id='s'><session xmlns='urn:ietf:params:xml:ns:xmpp-session'/></iq>");
    c->phase = PHASE_SESSION;
}

static void take_component(struct client *c, struct span stanza)
{
    if (c->phase == PHASE_HEADER) {
        struct buf text = {0};
        unsigned char digest[HASH_LEN];
        char hex[2 * HASH_LEN + 1];
        struct span id = scan_attr(stanza, "id");
        if (span_is_none(id))
            fail(c, stanza, "no stream id");
        buf_append(&text, id);
        buf_append_z(&text, c->secret);
        crypto_digest(CRYPTO_SHA1, buf_span(&text), digest);
        crypto_hex(span_make((char *)digest, HASH_LEN), hex);
        buf_printf(&c->out, "<handshake>%s</handshake>", hex);
        net_mark(c);
        buf_free(&text);
        c->phase = PHASE_SUCCESS;
    } else if (scan_is(stanza, "handshake")) {
        become_ready(c);
    } else if (!scan_is(stanza, "stream:features")) {
        fail(c, stanza, "handshake refused");
    }
}

void login_stanza(struct client *c, struct span stanza)
{
    if (scan_is(stanza, "stream:error"))
        fail(c, stanza, "stream error");
    if (c->is_component) {
        take_component(c, stanza);
        return;
    }
    switch (c->phase) {
    case PHASE_HEADER:
    case PHASE_SECURED:
        take_features(c, stanza);
        break;
    case PHASE_STARTTLS:
        if (!scan_is(stanza, "proceed"))
            fail(c, stanza, "no TLS");
        net_start_tls(c);
        break;
    case PHASE_CHALLENGE:
        answer_challenge(c, stanza);
        break;
    case PHASE_SUCCESS:
        take_success(c, stanza);
        break;
    case PHASE_RESTARTED:
        bind_resource(c, stanza);
        break;
    case PHASE_BIND:
        take_bind(c, stanza);
        break;
    case PHASE_SESSION:
        if (scan_is(stanza, "iq"))
            become_ready(c);
        break;
    default:
        fail(c, stanza, "an unexpected stanza");
    }
}

void login_handshaken(struct client *c)
{
    if (c->is_raw) {
        c->scan.in_stream = true;
        become_ready(c);
        return;
    }
    c->phase = PHASE_SECURED;
    send_header(c);
}

void login_describe(struct client *c, unsigned index, unsigned user, unsigned resource)
{
    *c = (struct client){.fd = -1,
                         .phase = PHASE_CLOSED,
                         .index = index,
                         .user = user,
                         .resource = resource,
                         .host = opt.host,
                         .address = opt.address};
}

void login_start(struct client *c)
{
    c->phase = PHASE_HEADER;
    net_connect(c, opt.port2 && c->host == opt.host2 ? opt.port2 : opt.port);
    if (!c->is_raw)
        send_header(c);
    else if (opt.tls)
        net_start_tls(c);
    else
        login_handshaken(c);
}

void login_component(struct client *c, unsigned which)
{
    c->is_component = true;
    c->phase = PHASE_HEADER;
    c->secret = opt.secret[which];
    snprintf(c->jid, sizeof c->jid, "%s", opt.component[which]);
    net_connect(c, opt.component_port[which]);
    send_header(c);
}

static bool are_ready(void *ctx)
{
    return ready_count >= *(unsigned *)ctx;
}

void login_all(struct client *clients, unsigned count)
{
    unsigned wanted;
    ready_count = 0;
    for (unsigned i = 0; i < count; i++) {
        if (clients[i].phase == PHASE_CLOSED)
            login_start(&clients[i]);
        wanted = i + 1 > UNDER_WAY_MAX ? i + 1 - UNDER_WAY_MAX : 0;
        net_until(are_ready, &wanted, LOGIN_SECONDS, "logins");
        net_turn(0);
    }
    wanted = count;
    net_until(are_ready, &wanted, LOGIN_SECONDS, "logins");
}

void login_ping(struct client *c, const char *id)
{
    buf_printf(&c->out, "<iq type='get' id='%s' to='%s'><ping xmlns='urn:xmpp:ping'/></iq>", id,
               c->host);
    net_mark(c);
}

/* Presence of others may come in between. */
static void take_pong(struct client *c, struct span stanza)
{
    (void)c;
    if (scan_is(stanza, "iq") && span_eq(scan_attr(stanza, "id"), SPAN("presence")))
        pong_count++;
}

static bool have_ponged(void *ctx)
{
    return pong_count >= *(unsigned *)ctx;
}

void login_presence_all(struct client *clients, unsigned count,
                        void (*handler)(struct client *c, struct span stanza))
{
    unsigned wanted;
    pong_count = 0;
    for (unsigned i = 0; i < count; i++) {
        clients[i].on_stanza = take_pong;
        net_say(&clients[i], "<presence/>");
        login_ping(&clients[i], "presence");
        wanted = i + 1 > UNDER_WAY_MAX ? i + 1 - UNDER_WAY_MAX : 0;
        net_until(have_ponged, &wanted, LOGIN_SECONDS, "presence");
    }
    net_until(have_ponged, &count, LOGIN_SECONDS, "presence");
    for (unsigned i = 0; i < count; i++)
        clients[i].on_stanza = handler;
}
