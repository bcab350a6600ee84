/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * load - a load generator: pairs of clients that chat, or two components, in a closed loop with a
 * window of messages under way per sender, over plaintext on loopback.
 *
 *   load chat HOST PORT USERS PASSWORD WINDOW BODY SECONDS PID[,PID…]
 *   load component PORT NAME,NAME SECRET WINDOW BODY SECONDS PID[,PID…]
 *   load idle HOST PORT USERS PASSWORD SECONDS PID[,PID…]
 *
 * Every message carries a number; one that is lost, doubled or out of order fails the run. Prints
 * one line of JSON: messages per second, CPU µs per message summed over the processes given, the
 * generator's own share of a core, and the processes' PSS in KiB.
 */
#include "base/buf.h"
#include "base/mem.h"
#include "tls/crypto.h"
#include "xmpp/link.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum phase { HEADER, CHALLENGE, FINAL, RESTARTED, BINDING, SESSION, READY };

struct peer {
    int fd;
    enum phase phase;
    struct buf in, out;
    char user[32], nonce[33];
    char to[128], from[128];
    struct buf auth; /* client-first-bare , server-first */
    unsigned char salted[CRYPTO_HASH_MAX];
    struct peer *partner;
    uint64_t sent, received;
    bool is_dirty;
};

static struct peer *peers;
static size_t peer_count, ready_count;
static struct buf body;
static const char *host, *password;
static bool is_measuring, is_component;
static uint64_t total;
static int poll_fd;
static struct peer *dirty[65536];
static size_t dirty_count;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static _Noreturn void die(const char *what, const struct peer *p)
{
    fprintf(stderr, "load: %s (user %s, phase %d): %.300s\n", what, p ? p->user : "",
            p ? (int)p->phase : 0, p ? buf_z((struct buf *)(uintptr_t)&p->in) : "");
    exit(1);
}

/* --- output ----------------------------------------------------------------------------------- */

static void mark(struct peer *p)
{
    if (!p->is_dirty) {
        p->is_dirty = true;
        dirty[dirty_count++] = p;
    }
}

static void flush(struct peer *p)
{
    struct span s = buf_span(&p->out);
    p->is_dirty = false;
    while (s.n > 0) {
        ssize_t n = send(p->fd, s.p, s.n, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EAGAIN) {
            mark(p);
            break;
        }
        if (n < 0)
            die("send", p);
        buf_consume(&p->out, (size_t)n);
        s = buf_span(&p->out);
    }
}

static void say(struct peer *p, const char *text)
{
    buf_append_z(&p->out, text);
    mark(p);
}

static void send_message(struct peer *p)
{
    buf_printf(&p->out,
               "<message to='%s'%s%s%s type='chat' id='%llu'><body>%llu %s</body></message>",
               p->partner->to, is_component ? " from='" : "", is_component ? p->from : "",
               is_component ? "'" : "", (unsigned long long)p->sent, (unsigned long long)p->sent,
               buf_z(&body));
    p->sent++;
    mark(p);
}

/* --- login: SCRAM-SHA-1 ----------------------------------------------------------------------- */

static void send_header(struct peer *p)
{
    buf_printf(&p->out,
               "<?xml version='1.0'?><stream:stream to='%s' version='1.0' xmlns='jabber:client' "
               "xmlns:stream='http://etherx.jabber.org/streams'>",
               host);
    mark(p);
}

static void send_sasl(struct peer *p, const char *element, const char *attr, struct span message)
{
    buf_printf(&p->out, "<%s xmlns='urn:ietf:params:xml:ns:xmpp-sasl'%s>", element, attr);
    base64_encode(&p->out, message);
    buf_printf(&p->out, "</%s>", element);
    mark(p);
}

static void start_auth(struct peer *p)
{
    struct buf first = {0};
    crypto_random_hex(p->nonce, 16);
    buf_clear(&p->auth);
    buf_printf(&p->auth, "n=%s,r=%s", p->user, p->nonce);
    buf_append_z(&first, "n,,");
    buf_append(&first, buf_span(&p->auth));
    send_sasl(p, "auth", " mechanism='SCRAM-SHA-1'", buf_span(&first));
    buf_free(&first);
    p->phase = CHALLENGE;
}

static void answer_challenge(struct peer *p, struct span text)
{
    struct buf challenge = {0}, final = {0}, salt = {0};
    if (!base64_decode(&challenge, text))
        die("challenge", p);
    const char *z = buf_z(&challenge);
    const char *r = strstr(z, "r="), *s = strstr(z, ",s="), *i = strstr(z, ",i=");
    if (!r || !s || !i || !base64_decode(&salt, span_make(s + 3, (size_t)(i - s - 3))))
        die("challenge", p);
    buf_printf(&final, "c=biws,%.*s", (int)(s - r), r);
    buf_append_char(&p->auth, ',');
    buf_append(&p->auth, buf_span(&challenge));
    buf_append_char(&p->auth, ',');
    buf_append(&p->auth, buf_span(&final));
    unsigned char salted[20], key[20], stored[20], signature[20], proof[20];
    crypto_pbkdf2(CRYPTO_SHA1, span_of(password), buf_span(&salt),
                  (uint32_t)strtoul(i + 3, NULL, 10), salted);
    crypto_hmac(CRYPTO_SHA1, span_make((char *)salted, 20), SPAN("Client Key"), key);
    crypto_digest(CRYPTO_SHA1, span_make((char *)key, 20), stored);
    crypto_hmac(CRYPTO_SHA1, span_make((char *)stored, 20), buf_span(&p->auth), signature);
    for (int k = 0; k < 20; k++)
        proof[k] = key[k] ^ signature[k];
    buf_append_z(&final, ",p=");
    base64_encode(&final, span_make((char *)proof, 20));
    send_sasl(p, "response", "", buf_span(&final));
    buf_free(&challenge);
    buf_free(&final);
    buf_free(&salt);
    p->phase = FINAL;
}

/* Whatever has come up to and with the mark is done with; false when it has not come yet. */
static bool take(struct peer *p, const char *text)
{
    struct span s = buf_span(&p->in);
    const char *hit = s.n ? memmem(s.p, s.n, text, strlen(text)) : NULL;
    if (!hit)
        return false;
    buf_consume(&p->in, (size_t)(hit - s.p) + strlen(text));
    return true;
}

static void become_ready(struct peer *p)
{
    p->phase = READY;
    ready_count++;
}

static void component_step(struct peer *p)
{
    if (p->phase == HEADER) {
        struct span s = buf_span(&p->in);
        const char *id = s.n ? memmem(s.p, s.n, " id='", 5) : NULL;
        const char *end = id ? memchr(id + 5, '\'', s.n - (size_t)(id + 5 - s.p)) : NULL;
        char digest[41];
        if (!end || !memchr(end, '>', s.n - (size_t)(end - s.p)))
            return;
        link_handshake(span_make(id + 5, (size_t)(end - id - 5)), span_of(password), digest);
        buf_printf(&p->out, "<handshake>%s</handshake>", digest);
        mark(p);
        buf_clear(&p->in);
        p->phase = FINAL;
    } else if (take(p, "<handshake/>")) {
        become_ready(p);
    }
}

static void login_step(struct peer *p)
{
    struct span s;
    switch (p->phase) {
    case HEADER:
        if (take(p, "</stream:features>"))
            start_auth(p);
        break;
    case CHALLENGE:
        s = buf_span(&p->in);
        if (s.n && memmem(s.p, s.n, "</challenge>", 12)) {
            const char *start = memchr(s.p, '>', s.n);
            const char *end = memmem(s.p, s.n, "</challenge>", 12);
            struct buf text = {0};
            buf_append(&text, span_make(start + 1, (size_t)(end - start - 1)));
            buf_clear(&p->in);
            answer_challenge(p, buf_span(&text));
            buf_free(&text);
        }
        break;
    case FINAL:
        if (take(p, "</success>")) {
            p->phase = RESTARTED;
            send_header(p);
        }
        break;
    case RESTARTED:
        if (take(p, "</stream:features>")) {
            p->phase = BINDING;
            say(p, "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>"
                   "<resource>r</resource></bind></iq>");
        }
        break;
    case BINDING:
        if (take(p, "</iq>")) {
            p->phase = SESSION;
            say(p, "<presence/><iq type='get' id='p'><ping xmlns='urn:xmpp:ping'/></iq>");
        }
        break;
    case SESSION:
        s = buf_span(&p->in);
        if (s.n && memmem(s.p, s.n, "<iq", 3) && memmem(s.p, s.n, "id='p'", 6)) {
            buf_clear(&p->in);
            become_ready(p);
        }
        break;
    case READY:
        break;
    }
}

/* --- input ------------------------------------------------------------------------------------ */

static void take_messages(struct peer *p)
{
    for (;;) {
        struct span s = buf_span(&p->in);
        const char *end = s.n ? memmem(s.p, s.n, "</message>", 10) : NULL;
        if (!end)
            return;
        const char *text = memmem(s.p, (size_t)(end - s.p), "<body>", 6);
        if (!text)
            die("a message without a body", p);
        if (strtoull(text + 6, NULL, 10) != p->received)
            die("lost, doubled or out of order", p);
        p->received++;
        total++;
        buf_consume(&p->in, (size_t)(end + 10 - s.p));
        if (is_measuring)
            send_message(p->partner);
    }
}

static void on_readable(struct peer *p)
{
    char *room = buf_reserve(&p->in, 65536);
    ssize_t n = recv(p->fd, room, 65536, MSG_DONTWAIT);
    if (n == 0 || (n < 0 && errno != EAGAIN))
        die("connection lost", p);
    if (n <= 0)
        return;
    buf_commit(&p->in, (size_t)n);
    if (p->phase == READY) {
        take_messages(p);
    } else {
        enum phase before;
        do {
            before = p->phase;
            if (is_component)
                component_step(p);
            else
                login_step(p);
        } while (p->phase != before && p->phase != READY);
    }
    if (p->phase == READY && buf_len(&p->in) == 0)
        buf_free(&p->in);
}

static void turn(int timeout_ms)
{
    struct epoll_event events[512];
    int n = epoll_wait(poll_fd, events, 512, dirty_count ? 0 : timeout_ms);
    for (int i = 0; i < n; i++)
        on_readable(events[i].data.ptr);
    size_t count = dirty_count;
    static struct peer *batch[65536];
    memcpy(batch, dirty, count * sizeof *batch);
    dirty_count = 0;
    for (size_t i = 0; i < count; i++)
        flush(batch[i]);
}

static void open_peer(struct peer *p, uint16_t port, size_t index)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in from = {.sin_family = AF_INET};
    int one = 1;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + (uint32_t)(index / 20000));
    p->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (p->fd < 0 || bind(p->fd, (struct sockaddr *)&from, sizeof from) < 0 ||
        connect(p->fd, (struct sockaddr *)&to, sizeof to) < 0)
        die("connect", p);
    setsockopt(p->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = p};
    epoll_ctl(poll_fd, EPOLL_CTL_ADD, p->fd, &e);
}

/* --- figures ---------------------------------------------------------------------------------- */

/* CPU seconds of a process: all threads, to the nanosecond. */
static double cpu_of(const char *pid)
{
    char path[300];
    double sum = 0;
    snprintf(path, sizeof path, "/proc/%s/task", pid);
    DIR *d = opendir(path);
    if (!d)
        die("no such process", NULL);
    for (struct dirent *e; (e = readdir(d));) {
        unsigned long long ns = 0;
        if (e->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "/proc/%s/task/%.20s/schedstat", pid, e->d_name);
        FILE *f = fopen(path, "r");
        if (f && fscanf(f, "%llu", &ns) == 1)
            sum += (double)ns / 1e9;
        if (f)
            fclose(f);
    }
    closedir(d);
    return sum;
}

static double pss_of(const char *pid)
{
    char path[300], line[256];
    double kib = 0;
    snprintf(path, sizeof path, "/proc/%s/smaps_rollup", pid);
    FILE *f = fopen(path, "r");
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "Pss: %lf", &kib) == 1)
            break;
    if (f)
        fclose(f);
    return kib;
}

static double over_pids(const char *pids, double (*of)(const char *pid))
{
    double sum = 0;
    char one[32];
    for (const char *p = pids; *p;) {
        size_t n = strcspn(p, ",");
        snprintf(one, sizeof one, "%.*s", (int)n, p);
        sum += of(one);
        p += n + (p[n] == ',');
    }
    return sum;
}

static double own_cpu(void)
{
    struct rusage r;
    getrusage(RUSAGE_SELF, &r);
    return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) +
           (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6;
}

static void log_in_all(uint16_t port)
{
    double deadline = now() + 120;
    for (size_t i = 0; i < peer_count; i++) {
        open_peer(&peers[i], port, i);
        if (is_component) {
            buf_printf(&peers[i].out,
                       "<stream:stream to='%s' xmlns='jabber:component:accept' "
                       "xmlns:stream='http://etherx.jabber.org/streams'>",
                       peers[i].from);
            mark(&peers[i]);
        } else {
            send_header(&peers[i]);
        }
        /* a moderate number of logins under way: pre-login limits and accept queues hold */
        while (ready_count + 64 < i + 1 && now() < deadline)
            turn(10);
    }
    while (ready_count < peer_count && now() < deadline)
        turn(10);
    if (ready_count < peer_count)
        die("not all have logged in", NULL);
}

static void run(unsigned window, double seconds, const char *pids)
{
    is_measuring = true;
    for (size_t i = 0; i < peer_count; i++)
        for (unsigned w = 0; w < window; w++)
            if (!is_component || i == 0)
                send_message(&peers[i]);
    double warm = now() + 0.5;
    while (now() < warm)
        turn(10);
    double start = now(), cpu = over_pids(pids, cpu_of), own = own_cpu();
    uint64_t before = total;
    while (now() < start + seconds)
        for (int i = 0; i < 32; i++)
            turn(10);
    double took = now() - start;
    double count = (double)(total - before);
    cpu = over_pids(pids, cpu_of) - cpu;
    own = own_cpu() - own;
    printf("{\"messages\": %.0f, \"per_second\": %.0f, \"cpu_us\": %.3f, \"own_share\": %.2f}\n",
           count, count / took, cpu / count * 1e6, own / took);
    is_measuring = false;
    double end = now() + 5;
    uint64_t sent = 0, received = 0;
    do {
        turn(10);
        sent = received = 0;
        for (size_t i = 0; i < peer_count; i++) {
            sent += peers[i].sent;
            received += peers[i].received;
        }
    } while (sent != received && now() < end);
    if (sent != received)
        die("messages are missing at the end", NULL);
}

static void make_peers(size_t count)
{
    peer_count = count;
    peers = mem_zalloc(count * sizeof *peers);
    for (size_t i = 0; i < count; i++) {
        peers[i].partner = &peers[i ^ 1];
        snprintf(peers[i].user, sizeof peers[i].user, "u%zu", i);
        if (!is_component)
            snprintf(peers[i].to, sizeof peers[i].to, "u%zu@%s/r", i, host);
    }
}

static void make_body(const char *length)
{
    size_t n = strtoul(length, NULL, 10);
    while (buf_len(&body) + 8 < n)
        buf_append_char(&body, 'x');
}

int main(int argc, char **argv)
{
    crypto_init();
    poll_fd = epoll_create1(0);
    if (argc == 10 && strcmp(argv[1], "chat") == 0) {
        host = argv[2];
        password = argv[5];
        make_peers(strtoul(argv[4], NULL, 10));
        make_body(argv[7]);
        log_in_all((uint16_t)strtoul(argv[3], NULL, 10));
        run((unsigned)strtoul(argv[6], NULL, 10), strtod(argv[8], NULL), argv[9]);
    } else if (argc == 9 && strcmp(argv[1], "component") == 0) {
        is_component = true;
        password = argv[4];
        make_peers(2);
        char *comma = strchr(argv[3], ',');
        if (!comma)
            die("two names are needed", NULL);
        snprintf(peers[0].from, sizeof peers[0].from, "%.*s", (int)(comma - argv[3]), argv[3]);
        snprintf(peers[1].from, sizeof peers[1].from, "%s", comma + 1);
        for (int i = 0; i < 2; i++)
            memcpy(peers[i].to, peers[i].from, sizeof peers[i].to);
        /* all messages go from the first to the second */
        peers[1].partner = &peers[0];
        make_body(argv[6]);
        log_in_all((uint16_t)strtoul(argv[2], NULL, 10));
        run((unsigned)strtoul(argv[5], NULL, 10), strtod(argv[7], NULL), argv[8]);
    } else if (argc == 8 && strcmp(argv[1], "idle") == 0) {
        host = argv[2];
        password = argv[5];
        double before = over_pids(argv[7], pss_of);
        make_peers(strtoul(argv[4], NULL, 10));
        log_in_all((uint16_t)strtoul(argv[3], NULL, 10));
        double until = now() + strtod(argv[6], NULL);
        while (now() < until)
            turn(10);
        double after = over_pids(argv[7], pss_of);
        printf("{\"sessions\": %zu, \"pss_kib\": %.0f, \"kib_per_session\": %.2f}\n", peer_count,
               after, (after - before) / (double)peer_count);
    } else {
        fprintf(stderr, "usage: see the head of test/bench/load.c\n");
        return 2;
    }
    return 0;
}
