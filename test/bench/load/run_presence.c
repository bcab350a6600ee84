/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * run_presence - presence to contacts: users in a ring, each a friend of its opt.contacts nearest.
 * Everybody sends numbered presence; the next when the present one has reached all friends. An
 * operation is a delivery to a friend; what the server sends back to the sender is not counted.
 *
 * Friendships are made by ordinary subscriptions and stay in the server.
 */
#include "load.h"

#include <stdlib.h>

#define SETTLE_SECONDS 20
#define SETUP_SECONDS 120
#define ATTEMPTS 20

static struct client *clients;
static unsigned count, half;
static bool is_running;
static unsigned answers, befriended;

static bool has_all(void *ctx)
{
    return answers >= *(unsigned *)ctx;
}

/* The user number in "u12@…"; fails the run when it is none of ours. */
static unsigned user_of(const struct client *c, struct span stanza)
{
    struct span from = scan_attr(stanza, "from");
    uint64_t user;
    if (from.n < 2 || from.p[0] != 'u' ||
        !span_to_u64(span_make(from.p + 1, span_index(from, '@') - 1), UINT32_MAX, &user) ||
        user < opt.first || user - opt.first >= count)
        fail(c, stanza, "an unknown sender");
    return (unsigned)user - opt.first;
}

/* --- friendships ---------------------------------------------------------------------------------
 */

static unsigned count_both(struct span stanza)
{
    unsigned n = 0;
    const char *end = stanza.p + stanza.n;
    for (const char *p = stanza.p; (p = memmem(p, (size_t)(end - p), "subscription=", 13)); p += 13)
        n += p + 18 < end && memcmp(p + 14, "both", 4) == 0;
    return n;
}

static void answer_presence(struct client *c, const char *type, unsigned user)
{
    buf_printf(&c->out, "<presence type='%s' to='u%u@%s'/>", type, opt.first + user, opt.host);
    net_mark(c);
}

static void on_setup(struct client *c, struct span stanza)
{
    if (scan_is(stanza, "iq") && span_eq(scan_attr(stanza, "id"), SPAN("roster"))) {
        answers++;
        befriended += count_both(stanza) >= 2 * half;
    }
    if (!scan_is(stanza, "presence") || !span_eq(scan_attr(stanza, "type"), SPAN("subscribe")))
        return;
    unsigned from = user_of(c, stanza), distance = (c->index + count - from) % count;
    answer_presence(c, "subscribed", from);
    /* the one before us in the ring began */
    if (distance <= half)
        answer_presence(c, "subscribe", from);
}

static bool are_friends(void)
{
    answers = befriended = 0;
    for (unsigned i = 0; i < count; i++)
        net_say(&clients[i], "<iq type='get' id='roster'><query xmlns='jabber:iq:roster'/></iq>");
    net_until(has_all, &count, SETUP_SECONDS, "rosters");
    return befriended == count;
}

static void make_friends(void)
{
    if (are_friends())
        return;
    for (unsigned i = 0; i < count; i++)
        for (unsigned d = 1; d <= half; d++)
            answer_presence(&clients[i], "subscribe", (i + d) % count);
    for (unsigned attempt = 0; attempt < ATTEMPTS && !are_friends(); attempt++)
        net_for(0.5);
    if (befriended == 0)
        unsupported("the server makes no friends of users who subscribe to each other");
    if (befriended != count)
        fail(NULL, SPAN_NONE, "%u of %u users have no friends", count - befriended, count);
}

/* --- presence ------------------------------------------------------------------------------------
 */

static void send_next(struct client *c)
{
    c->flow.received = 0;
    c->flow.stamps[0] = now_ns;
    buf_printf(&c->out, "<presence><status>n%llu</status></presence>",
               (unsigned long long)c->flow.sent++);
    net_mark(c);
}

static void on_presence(struct client *c, struct span stanza)
{
    uint64_t number;
    struct span status = scan_text(stanza, "status");
    if (!scan_is(stanza, "presence") || status.n < 2 || status.p[0] != 'n' ||
        !span_to_u64(span_from(status, 1), UINT64_MAX, &number))
        return;
    unsigned from = user_of(c, stanza);
    if (from == c->index)
        return;
    unsigned distance = (from + count - c->index) % count;
    uint64_t *due = c->extra;
    struct client *sender = &clients[from];
    if (distance > half && count - distance > half)
        fail(c, stanza, "misdelivered: no friend");
    if (number != due[from])
        fail(c, stanza, "lost, doubled or reordered: %llu was due", (unsigned long long)due[from]);
    due[from]++;
    flow_stamp(sender, 0);
    if (is_measuring)
        operations++;
    if (++sender->flow.received == 2 * half && is_running)
        send_next(sender);
}

static bool is_settled(void *ctx)
{
    (void)ctx;
    for (unsigned i = 0; i < count; i++)
        if (clients[i].flow.received != 2 * half)
            return false;
    return true;
}

void run_presence(void)
{
    count = opt.users;
    half = opt.contacts / 2;
    if (half == 0 || 2 * half >= count)
        fail(NULL, SPAN_NONE, "%u contacts among %u users", opt.contacts, count);
    clients = mem_zalloc(count * sizeof *clients);
    for (unsigned i = 0; i < count; i++) {
        login_describe(&clients[i], i, opt.first + i, 0);
        flow_init(&clients[i], 1);
        clients[i].extra = mem_zalloc(count * sizeof(uint64_t));
    }
    login_all(clients, count);
    login_presence_all(clients, count, on_setup);
    make_friends();
    for (unsigned i = 0; i < count; i++)
        clients[i].on_stanza = on_presence;
    is_running = true;
    for (unsigned i = 0; i < count; i++)
        send_next(&clients[i]);
    figures_measure();
    is_running = false;
    net_until(is_settled, NULL, SETTLE_SECONDS, "the last presence (lost?)");
    figures_print("presence");
}
