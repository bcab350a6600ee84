/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_sm_archive - what is archived, for whom, when it counts as safe, and how it goes again. */
#include "sm_kit.h"

#define ARCHIVED "<stanza-id xmlns='urn:xmpp:sid:0' by='"

static struct sm_opts archive_opts(void)
{
    struct sm_opts opts = *kit_opts();
    opts.archive = true;
    opts.archive_rule = SM_ARCHIVE_ALWAYS;
    opts.archive_page = 10;
    return opts;
}

static struct kit *kit_archive(void)
{
    const struct sm_opts opts = archive_opts();
    return kit_new(&opts);
}

static int64_t archived(struct kit *k, const char *name)
{
    return kit_sql(k,
                   "SELECT count(*) FROM archive WHERE account ="
                   " (SELECT id FROM account WHERE name = ?1)",
                   name);
}

static struct kit_client *online(struct kit *k, const char *name, const char *domain,
                                 const char *resource)
{
    struct kit_client *c = kit_open(k, name, domain, resource);
    kit_say(k, c, "<presence/>");
    kit_heard(c);
    return c;
}

static void both_ends_have_it_once(void **state)
{
    (void)state;
    struct kit *k = kit_archive();
    struct kit_client *a = online(k, "alice", "prime.test", "x");
    struct kit_client *b = online(k, "bob", "prime.test", "y");
    struct kit_client *b2 = online(k, "bob", "prime.test", "z");
    kit_say(k, a, "<message to='bob@prime.test' type='chat' id='m1'><body>hi</body></message>");
    const char *heard = kit_heard(b);
    EXPECT_IN(heard, "<body>hi</body>" ARCHIVED "bob@prime.test' id='");
    assert_null(strstr(heard, "alice@prime.test' id='"));
    EXPECT(b2, ARCHIVED "bob@prime.test' id='");
    assert_int_equal(archived(k, "alice"), 1);
    assert_int_equal(archived(k, "bob"), 1);
    assert_int_equal(a->unsafe_count, 0);
    /* The stored stanza is what was said: no stanza-id in it. */
    assert_int_equal(kit_sql(k, "SELECT count(*) FROM archive WHERE stanza LIKE '%stanza-id%'"
                                " OR ?1 IS NULL", ""), 0);
    assert_int_equal(kit_sql(k, "SELECT count(*) FROM archive WHERE peer = ?1 AND resource = 'x'",
                             "alice@prime.test"), 1);
    assert_int_equal(kit_sql(k, "SELECT count(*) FROM archive WHERE peer = ?1"
                                " AND resource IS NULL", "bob@prime.test"), 1);
    kit_close(k, a);
    kit_close(k, b);
    kit_close(k, b2);
    kit_free(k);
}

static void what_is_archived(void **state)
{
    (void)state;
    static const struct {
        const char *stanza;
        int count;
    } rows[] = {
        {"<message to='bob@prime.test'><body>x</body></message>", 1},
        {"<message to='bob@prime.test' type='normal'><body>x</body></message>", 1},
        {"<message to='bob@prime.test' type='odd'><body>x</body></message>", 1},
        {"<message to='bob@prime.test/y' type='chat'><body>x</body></message>", 1},
        {"<message to='bob@prime.test' type='chat'><subject>x</subject></message>", 1},
        {"<message to='bob@prime.test' type='headline'><body>x</body></message>", 0},
        {"<message to='bob@prime.test/y' type='groupchat'><body>x</body></message>", 0},
        {"<message to='bob@prime.test/y' type='error'><body>x</body></message>", 0},
        {"<message to='bob@prime.test' type='chat'>"
         "<composing xmlns='http://jabber.org/protocol/chatstates'/></message>", 0},
        {"<message to='bob@prime.test' type='chat'><thread>t</thread></message>", 0},
        {"<message to='bob@prime.test' type='chat'><x xmlns='urn:other'/></message>", 0},
        {"<message to='bob@prime.test' type='chat'><body>x</body>"
         "<no-store xmlns='urn:xmpp:hints'/></message>", 0},
        {"<message to='bob@prime.test' type='chat'><body>x</body>"
         "<no-permanent-store xmlns='urn:xmpp:hints'/></message>", 0},
        {"<message to='bob@prime.test' type='chat'><x xmlns='urn:other'/>"
         "<store xmlns='urn:xmpp:hints'/></message>", 1},
        {"<message to='bob@prime.test' type='chat'>"
         "<received xmlns='urn:xmpp:receipts' id='1'/></message>", 1},
        {"<message to='bob@prime.test' type='chat'>"
         "<displayed xmlns='urn:xmpp:chat-markers:0' id='1'/></message>", 1},
        {"<message to='bob@prime.test' type='chat'>"
         "<encryption xmlns='urn:xmpp:eme:0' namespace='n'/></message>", 1},
        {"<message to='bob@prime.test' type='chat'>"
         "<encrypted xmlns='eu.siacs.conversations.axolotl'/></message>", 1},
        {"<message to='bob@prime.test' type='chat'>"
         "<e2e xmlns='urn:ietf:params:xml:ns:xmpp-e2e'>x</e2e></message>", 1},
    };
    struct kit *k = kit_archive();
    struct kit_client *a = online(k, "alice", "prime.test", "x");
    struct kit_client *b = online(k, "bob", "prime.test", "y");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        kit_sql(k, "DELETE FROM archive WHERE ?1 = ''", "");
        kit_say(k, a, rows[i].stanza);
        if (archived(k, "alice") != rows[i].count || archived(k, "bob") != rows[i].count)
            fail_msg("row %zu: %s", i, rows[i].stanza);
        assert_int_equal(strstr(kit_heard(b), ARCHIVED) != NULL, rows[i].count);
    }
    kit_close(k, a);
    kit_close(k, b);
    kit_free(k);
}

static void off_means_off(void **state)
{
    (void)state;
    struct kit *k = kit_new(NULL);
    struct kit_client *a = online(k, "alice", "prime.test", "x");
    struct kit_client *b = online(k, "bob", "prime.test", "y");
    kit_say(k, a, "<message to='bob@prime.test' type='chat'><body>hi</body></message>");
    assert_null(strstr(kit_heard(b), "stanza-id"));
    assert_int_equal(archived(k, "alice") + archived(k, "bob"), 0);
    kit_say(k, a, "<iq type='get' id='1'><query xmlns='http://jabber.org/protocol/disco#info'/>"
                  "</iq>");
    assert_null(strstr(kit_heard(a), "urn:xmpp:mam"));
    kit_say(k, a, "<iq type='set' id='2'><query xmlns='urn:xmpp:mam:2'/></iq>");
    EXPECT(a, "<service-unavailable");
    kit_say(k, a, "<iq type='get' id='3'><prefs xmlns='urn:xmpp:mam:2'/></iq>");
    EXPECT(a, "<service-unavailable");
    kit_close(k, a);
    kit_close(k, b);
    kit_free(k);
}

/* Each account once, however it goes to oneself. */
static void notes_to_oneself_are_kept_once(void **state)
{
    (void)state;
    static const char *const to[] = {"", "to='alice@prime.test'", "to='alice@net.test'",
                                     "to='alice@prime.test/z'", "to='alice@prime.test/x'"};
    struct kit *k = kit_archive();
    struct kit_client *a = online(k, "alice", "prime.test", "x");
    struct kit_client *z = online(k, "alice", "prime.test", "z");
    for (size_t i = 0; i < ARRAY_LEN(to); i++) {
        char text[200];
        snprintf(text, sizeof(text), "<message %s type='chat'><body>note</body></message>", to[i]);
        kit_say(k, a, text);
        assert_int_equal(archived(k, "alice"), i + 1);
    }
    EXPECT(z, ARCHIVED "alice@prime.test'");
    assert_int_equal(kit_sql(k, "SELECT count(*) FROM archive WHERE peer = ?1",
                             "alice@prime.test"), ARRAY_LEN(to));
    kit_close(k, a);
    kit_close(k, z);
    kit_free(k);
}

/* C05: an id in the name of the recipient's account is only ever ours. */
static void forged_ids_are_replaced(void **state)
{
    (void)state;
    struct kit *k = kit_archive();
    struct kit_client *b = online(k, "bob", "prime.test", "y");
    kit_link_up(k);
    kit_link_say(k, "<message from='eve@far.test/r' to='bob@prime.test' type='chat'><body>x</body>"
                    "<stanza-id xmlns='urn:xmpp:sid:0' by='bob@prime.test' id='forged'/>"
                    "<stanza-id xmlns='urn:xmpp:sid:0' by='Bob@PRIME.test' id='forged'/>"
                    "<delay xmlns='urn:xmpp:delay' from='Prime.Test' stamp='forged'/>"
                    "<stanza-id xmlns='urn:xmpp:sid:0' by='room.far.test' id='theirs'/>"
                    "</message>");
    const char *heard = kit_heard(b);
    assert_null(strstr(heard, "forged"));
    EXPECT_IN(heard, "id='theirs'");
    EXPECT_IN(heard, ARCHIVED "bob@prime.test' id='");
    assert_int_equal(kit_sql(k, "SELECT count(*) FROM archive WHERE peer = ?1 AND resource = 'r'",
                             "eve@far.test"), 1);
    kit_say(k, b, "<message to='bob@prime.test' type='chat'><body>y</body>"
                  "<stanza-id xmlns='urn:xmpp:sid:0' by='BOB@prime.test' id='forged'/></message>");
    heard = kit_heard(b);
    EXPECT_IN(heard, "<body>y</body>");
    assert_null(strstr(heard, "forged"));
    kit_close(k, b);
    kit_free(k);
}

static void remote_recipients_see_no_id_of_the_sender(void **state)
{
    (void)state;
    struct kit *k = kit_archive();
    struct kit_client *a = online(k, "alice", "prime.test", "x");
    kit_link_up(k);
    kit_settle(k);
    kit_drain(&k->link.out);
    kit_say(k, a, "<message to='Eve@Far.test/r' type='chat'><body>x</body></message>");
    const char *sent = kit_drain(&k->link.out);
    EXPECT_IN(sent, "<body>x</body>");
    assert_null(strstr(sent, "stanza-id"));
    assert_int_equal(kit_sql(k, "SELECT count(*) FROM archive WHERE peer = ?1 AND resource = 'r'",
                             "eve@far.test"), 1);
    kit_close(k, a);
    kit_free(k);
}

/* The name by which a client knows its own account is the one it logged in with. */
static void the_id_is_by_the_address_of_the_client(void **state)
{
    (void)state;
    struct kit *k = kit_archive();
    struct kit_client *a = online(k, "alice", "prime.test", "x");
    struct kit_client *b = online(k, "bob", "prime.test", "y");
    struct kit_client *n = online(k, "bob", "net.test", "n");
    kit_say(k, n, "<iq type='set' id='1'><enable xmlns='urn:xmpp:carbons:2'/></iq>");
    kit_heard(n);
    kit_say(k, a, "<message to='bob@net.test' type='chat'><body>x</body></message>");
    EXPECT(b, ARCHIVED "bob@prime.test'");
    EXPECT(n, ARCHIVED "bob@net.test'");
    kit_say(k, a, "<message to='bob@prime.test/y' type='chat'><body>x</body></message>");
    EXPECT(n, "</body>" ARCHIVED "bob@net.test'");
    assert_int_equal(kit_sql(k, "SELECT count(*) FROM archive WHERE peer = ?1",
                             "bob@prime.test"), 2);
    kit_close(k, a);
    kit_close(k, b);
    kit_close(k, n);
    kit_free(k);
}

static void copies_for_the_sender_have_his_id(void **state)
{
    (void)state;
    struct kit *k = kit_archive();
    struct kit_client *a = online(k, "alice", "prime.test", "x");
    struct kit_client *a2 = online(k, "alice", "prime.test", "z");
    struct kit_client *b = online(k, "bob", "prime.test", "y");
    kit_say(k, a2, "<iq type='set' id='1'><enable xmlns='urn:xmpp:carbons:2'/></iq>");
    kit_heard(a2);
    kit_say(k, a, "<message to='bob@prime.test/y' type='chat'><body>x</body></message>");
    const char *heard = kit_heard(a2);
    EXPECT_IN(heard, "<sent xmlns='urn:xmpp:carbons:2'>");
    EXPECT_IN(heard, ARCHIVED "alice@prime.test'");
    assert_null(strstr(heard, "by='bob"));
    heard = kit_heard(b);
    EXPECT_IN(heard, ARCHIVED "bob@prime.test'");
    assert_null(strstr(heard, "by='alice"));
    kit_close(k, a);
    kit_close(k, a2);
    kit_close(k, b);
    kit_free(k);
}

/* The same id is in the stored message that comes with the next login. */
static void the_absent_are_served_from_the_store(void **state)
{
    (void)state;
    struct kit *k = kit_archive();
    kit_link_up(k);
    kit_link_say(k, "<message from='eve@far.test/r' to='bob@prime.test' type='chat' id='1'>"
                    "<body>one</body></message>");
    kit_link_say(k, "<message from='eve@far.test/r' to='bob@prime.test' type='chat' id='2'>"
                    "<body>two</body><no-permanent-store xmlns='urn:xmpp:hints'/></message>");
    assert_int_equal(archived(k, "bob"), 1);
    assert_int_equal(kit_offline_count(k, "bob"), 2);
    assert_int_equal(kit_sql(k, "SELECT count(*) FROM offline JOIN archive"
                                " ON offline.archive_id = archive.id WHERE ?1 = ''", ""), 1);
    kit_link_down(k);
    struct kit_client *b = kit_open(k, "bob", "net.test", "y");
    kit_say(k, b, "<presence/>");
    const char *heard = kit_heard(b);
    EXPECT_IN(heard, "<body>one</body><delay");
    EXPECT_IN(heard, ARCHIVED "bob@net.test' id='");
    EXPECT_IN(heard, "<body>two</body><no-permanent-store");
    const char *second = strstr(heard, "<body>two");
    assert_null(strstr(second, "stanza-id"));
    kit_close(k, b);
    kit_free(k);
}

static void who_is_here_but_unavailable_gets_it_once(void **state)
{
    (void)state;
    struct kit *k = kit_archive();
    struct kit_client *a = online(k, "alice", "prime.test", "x");
    struct kit_client *b = kit_open(k, "bob", "prime.test", "y");
    kit_say(k, a, "<message to='bob@prime.test' type='chat'><body>x</body></message>");
    assert_int_equal(archived(k, "bob"), 1);
    assert_int_equal(kit_offline_count(k, "bob"), 1);
    assert_int_equal(kit_sql(k, "SELECT count(*) FROM offline JOIN archive"
                                " ON offline.archive_id = archive.id WHERE ?1 = ''", ""), 1);
    kit_say(k, b, "<presence/>");
    EXPECT(b, ARCHIVED "bob@prime.test'");
    kit_close(k, a);
    kit_close(k, b);
    kit_free(k);
}

/* What is refused because too much is stored is not archived for who would not have got it. */
static void refused_messages_are_in_no_archive_of_the_absent(void **state)
{
    (void)state;
    struct kit *k = kit_archive();
    kit_link_up(k);
    for (int i = 0; i < 6; i++)
        kit_link_say(k, "<message from='eve@far.test/r' to='bob@prime.test' type='chat' id='1'>"
                        "<body>one</body></message>");
    EXPECT_LINK(k, "<service-unavailable");
    assert_int_equal(archived(k, "bob"), 4);
    kit_link_say(k, "<message from='eve@far.test/r' to='nobody@prime.test' type='chat' id='1'>"
                    "<body>one</body></message>");
    EXPECT_LINK(k, "<service-unavailable");
    assert_int_equal(kit_sql(k, "SELECT count(*) FROM archive WHERE ?1 = ''", ""), 4);
    kit_free(k);
}

static void a_message_is_safe_when_its_archives_have_it(void **state)
{
    (void)state;
    struct kit *k = kit_archive();
    struct kit_client *a = online(k, "alice", "prime.test", "x");
    struct kit_client *b = online(k, "bob", "prime.test", "y");
    int before = a->done_count;
    kit_input(k, a, "<message to='bob@prime.test' type='chat'><body>1</body></message>");
    kit_input(k, a, "<message to='bob@prime.test' type='chat'><body>2</body></message>");
    EXPECT(b, "<body>2</body>"); /* it does not wait */
    assert_int_equal(a->done_count, before);
    assert_int_equal(store_pending(k->store), 0);
    kit_settle(k);
    assert_int_equal(a->done_count, before + 2);
    assert_int_equal(a->unsafe_count, 0);
    kit_close(k, a);
    kit_close(k, b);
    kit_free(k);
}

/* Four rows, one job, one commit. */
static void a_tick_is_one_job(void **state)
{
    (void)state;
    struct kit *k = kit_archive();
    struct kit_client *a = online(k, "alice", "prime.test", "x");
    struct kit_client *b = online(k, "bob", "prime.test", "y");
    uint64_t commits = store_commits(k->store);
    for (int i = 0; i < 50; i++)
        kit_input(k, a, "<message to='bob@prime.test' type='chat'><body>1</body></message>");
    assert_int_equal(store_pending(k->store), 0);
    kit_settle(k);
    assert_int_equal(store_commits(k->store), commits + 1);
    assert_int_equal(archived(k, "bob"), 50);
    /* More than a batch holds. */
    for (int i = 0; i < 200; i++)
        kit_input(k, a, "<message to='bob@prime.test' type='chat'><body>1</body></message>");
    assert_true(store_pending(k->store) > 0);
    kit_settle(k);
    assert_int_equal(archived(k, "bob"), 250);
    assert_int_equal(archived(k, "alice"), 250);
    assert_int_equal(kit_sql(k, "SELECT count(DISTINCT id) FROM archive WHERE ?1 = ''", ""), 500);
    kit_close(k, a);
    kit_close(k, b);
    kit_free(k);
}

/* The store refuses one row (the account is no more) or all: delivered is delivered. */
static void a_failing_store_loses_no_delivery(void **state)
{
    (void)state;
    struct kit *k = kit_archive();
    struct kit_client *a = online(k, "alice", "prime.test", "x");
    struct kit_client *b = online(k, "bob", "prime.test", "y");
    kit_sql(k, "DELETE FROM account WHERE name = ?1", "bob");
    kit_say(k, a, "<message to='bob@prime.test' type='chat'><body>1</body></message>");
    EXPECT(b, "<body>1</body>");
    assert_int_equal(archived(k, "alice"), 1);
    assert_int_equal(a->unsafe_count, 1);
    assert_null(strstr(kit_heard(a), "error"));
    kit_close(k, a);
    kit_close(k, b);
    kit_free(k);
}

/* The user is not given to others before his archive has everything. */
static void a_release_waits_for_the_archive(void **state)
{
    (void)state;
    struct kit *k = kit_archive();
    kit_link_up(k);
    struct kit_client *b = kit_open(k, "bob", "prime.test", "y");
    sm_link_events.on_claim(k->sm, SPAN("bob@prime.test"), SPAN("c2s-1.prime.test"));
    kit_settle(k);
    assert_non_null(b->session);
    kit_drain(&k->link.words);
    kit_input(k, b, "<message to='eve@far.test' type='chat'><body>1</body></message>");
    sm_close(b->session);
    b->session = NULL;
    EXPECT_WORDS(k, "release bob@prime.test\n");
    sm_link_events.on_released(k->sm, SPAN("bob@prime.test"));
    EXPECT_WORDS(k, "");
    kit_settle(k);
    EXPECT_WORDS(k, "released-ok bob@prime.test\n");
    assert_int_equal(archived(k, "bob"), 1);
    kit_close(k, b);
    kit_free(k);
}

static void what_is_batched_survives_the_end(void **state)
{
    (void)state;
    struct kit *k = kit_archive();
    struct kit_client *a = online(k, "alice", "prime.test", "x");
    kit_input(k, a, "<message to='alice@prime.test' type='chat'><body>1</body></message>");
    sm_close(a->session);
    a->session = NULL;
    sm_free(&k->sm);
    assert_int_equal(archived(k, "alice"), 1);
    buf_free(&a->out);
    free(a);
    kit_free(k);
}

/* What a client never got is not archived once more, and keeps its id. */
static void undelivered_messages_keep_their_id(void **state)
{
    (void)state;
    struct kit *k = kit_archive();
    struct kit_client *a = online(k, "alice", "prime.test", "x");
    struct kit_client *b = online(k, "bob", "prime.test", "y");
    kit_say(k, a, "<message to='bob@prime.test' type='chat'><body>1</body></message>");
    char *stanza = mem_strdup_span(span_of(kit_heard(b)));
    sm_undelivered(b->session, span_of(stanza), 1767225600000);
    kit_settle(k);
    assert_int_equal(archived(k, "bob"), 1);
    assert_int_equal(kit_offline_count(k, "bob"), 1);
    kit_close(k, b);
    b = kit_open(k, "bob", "prime.test", "y");
    kit_say(k, b, "<presence/>");
    const char *heard = kit_heard(b), *id = strstr(heard, ARCHIVED);
    assert_non_null(id);
    assert_null(strstr(id + 1, ARCHIVED));
    *strchr(strstr(stanza, ARCHIVED), '/') = '\0';
    EXPECT_IN(heard, strstr(stanza, ARCHIVED));
    free(stanza);
    kit_close(k, a);
    kit_close(k, b);
    kit_free(k);
}

/* --- going again ------------------------------------------------------------------------------ */

#define DAY_MS (24 * 3600 * 1000)

static void fill(struct kit *k, struct kit_client *a, int count)
{
    for (int i = 0; i < count; i++) {
        kit_input(k, a, "<message to='alice@prime.test' type='chat'><body>1</body></message>");
        if (i % 100 == 99)
            kit_settle(k);
        buf_clear(&a->out);
    }
    kit_settle(k);
}

static void the_old_goes_in_slices(void **state)
{
    (void)state;
    struct sm_opts opts = archive_opts();
    opts.archive_days = 2;
    struct kit *k = kit_new(&opts);
    struct kit_client *a = online(k, "alice", "prime.test", "x");
    fill(k, a, 1200);
    loop_sim_advance(k->loop, DAY_MS);
    fill(k, a, 3);
    assert_int_equal(archived(k, "alice"), 1203);
    loop_sim_advance(k->loop, DAY_MS - 3600 * 1000);
    assert_int_equal(archived(k, "alice"), 1203);
    uint64_t commits = store_commits(k->store);
    loop_sim_advance(k->loop, 2 * 3600 * 1000);
    assert_true(store_commits(k->store) >= commits + 3); /* 500, 500, 200 */
    assert_int_equal(archived(k, "alice"), 3);
    loop_sim_advance(k->loop, 2 * DAY_MS);
    assert_int_equal(archived(k, "alice"), 0);
    kit_close(k, a);
    kit_free(k);
}

static void too_much_of_one_user_goes(void **state)
{
    (void)state;
    struct sm_opts opts = archive_opts();
    opts.archive_messages = 700;
    struct kit *k = kit_new(&opts);
    struct kit_client *a = online(k, "alice", "prime.test", "x");
    struct kit_client *b = online(k, "bob", "prime.test", "y");
    fill(k, a, 1900);
    kit_say(k, a, "<message to='bob@prime.test' type='chat'><body>1</body></message>");
    assert_int_equal(archived(k, "alice"), 1901);
    int64_t newest = kit_sql(k, "SELECT max(id) & 4294967295 FROM archive WHERE ?1 = ''", "");
    loop_sim_advance(k->loop, 3600 * 1000 + 120000);
    assert_int_equal(archived(k, "alice"), 700);
    assert_int_equal(archived(k, "bob"), 1);
    assert_int_equal(kit_sql(k, "SELECT max(id) & 4294967295 FROM archive WHERE ?1 = ''", ""),
                     newest);
    kit_close(k, a);
    kit_close(k, b);
    kit_free(k);
}

struct purged {
    int calls;
    int64_t removed;
};

static void on_purged(void *ctx, int64_t removed, bool is_whole)
{
    struct purged *p = ctx;
    assert_true(is_whole);
    p->calls++;
    p->removed = removed;
}

static void the_administration_purges(void **state)
{
    (void)state;
    struct kit *k = kit_archive();
    struct kit_client *a = online(k, "alice", "prime.test", "x");
    struct kit_client *b = online(k, "bob", "prime.test", "y");
    struct purged p = {0};
    fill(k, a, 1100);
    kit_say(k, a, "<message to='bob@prime.test' type='chat'><body>1</body></message>");
    int64_t now = loop_wall(k->loop);
    sm_archive_purge(k->sm, SPAN("alice"), now - DAY_MS, on_purged, &p);
    assert_int_equal(p.calls, 0);
    loop_sim_advance(k->loop, 1000);
    assert_int_equal(p.calls, 1);
    assert_int_equal(p.removed, 0);
    sm_archive_purge(k->sm, SPAN("alice"), now + 1, on_purged, &p);
    loop_sim_advance(k->loop, 1000);
    assert_int_equal(p.removed, 1101);
    assert_int_equal(archived(k, "bob"), 1);
    sm_archive_purge(k->sm, SPAN("nobody"), now + 1, on_purged, &p);
    loop_sim_advance(k->loop, 1000);
    assert_int_equal(p.removed, 0);
    sm_archive_purge(k->sm, SPAN_NONE, now + 1, on_purged, &p);
    loop_sim_advance(k->loop, 1000);
    assert_int_equal(p.removed, 1);
    assert_int_equal(p.calls, 4);
    fill(k, a, 600);
    kit_close(k, a);
    kit_close(k, b);
    sm_archive_purge(k->sm, SPAN_NONE, now + DAY_MS, on_purged, &p);
    kit_free(k); /* in the middle of it: nothing is called any more */
    assert_int_equal(p.calls, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_ends_have_it_once),
        cmocka_unit_test(what_is_archived),
        cmocka_unit_test(off_means_off),
        cmocka_unit_test(notes_to_oneself_are_kept_once),
        cmocka_unit_test(forged_ids_are_replaced),
        cmocka_unit_test(remote_recipients_see_no_id_of_the_sender),
        cmocka_unit_test(the_id_is_by_the_address_of_the_client),
        cmocka_unit_test(copies_for_the_sender_have_his_id),
        cmocka_unit_test(the_absent_are_served_from_the_store),
        cmocka_unit_test(who_is_here_but_unavailable_gets_it_once),
        cmocka_unit_test(refused_messages_are_in_no_archive_of_the_absent),
        cmocka_unit_test(a_message_is_safe_when_its_archives_have_it),
        cmocka_unit_test(a_tick_is_one_job),
        cmocka_unit_test(a_failing_store_loses_no_delivery),
        cmocka_unit_test(a_release_waits_for_the_archive),
        cmocka_unit_test(what_is_batched_survives_the_end),
        cmocka_unit_test(undelivered_messages_keep_their_id),
        cmocka_unit_test(the_old_goes_in_slices),
        cmocka_unit_test(too_much_of_one_user_goes),
        cmocka_unit_test(the_administration_purges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
