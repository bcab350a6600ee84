/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_sm_pie - accounts as documents of XEP-0227: what goes in comes out, in slices; what cannot
 * be is refused and leaves the rest as it is. */
#include "test/unit/c2s/sm_kit.h"

/* --- both ways --- */

struct out {
    struct buf text;
    size_t queued; /* what the reader has not taken */
    int count, writes;
    enum sm_pie_result result;
    uint64_t users;
};

static void on_write(void *ctx, struct span xml)
{
    struct out *o = ctx;
    o->writes++;
    buf_append(&o->text, xml);
}

static size_t on_queued(void *ctx)
{
    return ((struct out *)ctx)->queued;
}

static void on_exported(void *ctx, enum sm_pie_result r, uint64_t users)
{
    struct out *o = ctx;
    o->count++;
    o->result = r;
    o->users = users;
}

static const struct sm_export_ops export_ops = {on_write, on_queued, on_exported};

/* The whole document of one user, or of all. */
static const char *export(struct kit *k, const char *user)
{
    struct out o = {0};
    sm_export(k->sm, user ? span_of(user) : SPAN_NONE, &export_ops, &o);
    assert_int_equal(o.count, 0);
    loop_sim_advance(k->loop, 1000);
    assert_int_equal(o.count, 1);
    assert_int_equal(o.result, SM_PIE_DONE);
    const char *text = kit_drain(&o.text);
    buf_free(&o.text);
    return text;
}

struct in {
    int count;
    enum sm_pie_result result;
    struct sm_import_figures f;
};

static void on_imported(void *ctx, enum sm_pie_result r, const struct sm_import_figures *f)
{
    struct in *i = ctx;
    i->count++;
    i->result = r;
    i->f = *f;
}

static struct sm_import_figures import_as(struct kit *k, const char *user, const char *xml,
                                          bool may_set_keys)
{
    struct in i = {0};
    sm_import(k->sm, span_of(user), span_of(xml), may_set_keys, on_imported, &i);
    assert_int_equal(i.count, 0);
    kit_settle(k);
    assert_int_equal(i.count, 1);
    assert_int_equal(i.result, SM_PIE_DONE);
    return i.f;
}

static struct sm_import_figures import(struct kit *k, const char *user, const char *xml)
{
    return import_as(k, user, xml, true);
}

#define EXPECT_FIGURES(f, t, n, r, i)                                                              \
    do {                                                                                           \
        assert_int_equal((f).taken, t);                                                            \
        assert_int_equal((f).known, n);                                                            \
        assert_int_equal((f).refused, r);                                                          \
        assert_int_equal((f).ignored, i);                                                          \
    } while (0)

#define ARCHIVED(id, stamp, from, to, body)                                                        \
    "<result xmlns='urn:xmpp:mam:2' id='" id "'><forwarded xmlns='urn:xmpp:forward:0'>"            \
    "<delay xmlns='urn:xmpp:delay' stamp='" stamp "'/><message xmlns='jabber:client' from='" from  \
    "' to='" to "' type='chat'><body>" body "</body></message></forwarded></result>\n"

static const char everything[] =
    "<scram-credentials xmlns='urn:xmpp:pie:0#scram' mechanism='SCRAM-SHA-1'>"
    "<iter-count>10000</iter-count><salt>TmFDbE5hQ2xOYUNsTmFDbE5hQ2xOYUNsTmFDbE5hQ2xOYUNsTmFDbA=="
    "</salt><server-key>0pXWGK0GZJ6TR73AIUN3ITYtA1g=</server-key>"
    "<stored-key>Q6qT/SbybblGCZz8e8eSfCJOQic=</stored-key></scram-credentials>\n"
    "<query xmlns='jabber:iq:roster'>\n"
    "<item jid='bob@prime.test' name='B &amp; b' subscription='both'><group>One</group>"
    "<group>Two</group></item>\n"
    "<item jid='far@away.example' subscription='none' ask='subscribe'></item>\n"
    "<item jid='late@away.example' subscription='to' approved='true'></item>\n"
    "</query>\n"
    "<presence xmlns='jabber:client' from='asks@away.example' type='subscribe'><status>me</status>"
    "</presence>\n"
    "<offline-messages>\n"
    "<message xmlns='jabber:client' from='bob@prime.test/x' to='alice@prime.test' type='chat'>"
    "<body>waits</body><delay xmlns='urn:xmpp:delay' from='prime.test'"
    " stamp='2025-12-31T23:59:59.250Z'/><stanza-id xmlns='urn:xmpp:sid:0' by='alice@prime.test'"
    " id='00033690d2b20001'/></message>\n"
    "</offline-messages>\n"
    "<vCard xmlns='vcard-temp'><FN>Alice</FN></vCard>\n"
    "<query xmlns='jabber:iq:private'>\n<a xmlns='own:1'><b c='&lt;'/></a>\n</query>\n"
    "<blocklist xmlns='urn:xmpp:blocking'>\n<item jid='bad.example'/>\n"
    "<item jid='x@bad.example/y'/>\n</blocklist>\n";

static const char nodes[] =
    "<pubsub xmlns='http://jabber.org/protocol/pubsub#owner'>"
    "<configure node='n'><x xmlns='jabber:x:data' type='submit'><field var='pubsub#access_model'>"
    "<value>whitelist</value></field><field var='pubsub#title'><value>T</value></field>"
    "<field var='other#thing'><value>?</value></field></x></configure>"
    "<affiliations node='n'><affiliation jid='bob@prime.test' affiliation='member'/>"
    "</affiliations><subscriptions node='n'><subscription jid='bob@prime.test'"
    " subscription='subscribed'/></subscriptions><configure node='empty'/></pubsub>"
    "<pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='n'><item id='1'>"
    "<p xmlns='u:p'/></item><item id='2' publisher='bob@prime.test'><q xmlns='u:q'>t</q></item>"
    "</items></pubsub>";

static const char archive[] =
    "<prefs xmlns='urn:xmpp:mam:2' default='roster'><always><jid>a@b</jid></always><never></never>"
    "</prefs>\n"
    "<archive xmlns='urn:xmpp:pie:0#mam'>\n"
    ARCHIVED("000336a0b1c80001", "2025-12-01T00:00:00.000Z", "alice@prime.test/x", "bob@prime.test",
             "sent")
    ARCHIVED("foreign-1", "2025-12-01T00:00:01Z", "bob@prime.test/x", "alice@prime.test", "got")
    ARCHIVED("foreign-2", "2025-12-01T00:00:01Z", "bob@prime.test/x", "alice@prime.test", "more")
    "</archive>\n";

/* `text` with what is in `part` where it should be. */
static void expect_part(const char *text, const char *part)
{
    kit_expect_in(text, part, __FILE__, __LINE__);
}

static void what_goes_in_comes_out(void **state)
{
    struct kit *k = kit_new(NULL);
    (void)state;

    struct buf xml = {0};
    kit_sql(k, "UPDATE account SET stored_sha1 = x'', stored_sha256 = x'' WHERE name = ?1",
            "alice");
    /* In a document it has its namespace from around. */
    const char *at = strstr(everything, "<offline-messages>");
    buf_printf(&xml, "%.*s<offline-messages xmlns='urn:xmpp:pie:0'>%s%s", (int)(at - everything),
               everything, at + strlen("<offline-messages>"), nodes);
    struct sm_import_figures f = import(k, "alice", buf_z(&xml));
    EXPECT_FIGURES(f, 1 + 3 + 1 + 1 + 1 + 1 + 2 + 2 + 2 + 2, 0, 0, 0);
    assert_true(f.has_keys && f.has_sha1_only);
    f = import(k, "alice", archive);
    EXPECT_FIGURES(f, 4, 0, 0, 0);

    char *text = mem_strdup_span(span_of(export(k, "alice")));
    expect_part(text, "<server-data xmlns='urn:xmpp:pie:0'>\n<host jid='prime.test'>\n"
                      "<user name='alice'>\n<scram-credentials");
    for (const char *part = everything; (part = strchr(part, '\n')) && part[1]; part++) {
        char line[600];
        snprintf(line, sizeof(line), "%.*s", (int)strcspn(part + 1, "\n"), part + 1);
        if (!strstr(line, "stamp="))
            expect_part(text, line);
    }
    expect_part(text, "stamp='2025-12-31T23:59:59.250Z'/><stanza-id");
    expect_part(text, "<items node='n'><item id='1'><p xmlns='u:p'/></item>\n");
    expect_part(text, "<item id='2' publisher='bob@prime.test'><q xmlns='u:q'>t</q></item>\n");
    expect_part(text, "<affiliations node='n'><affiliation jid='bob@prime.test'"
                      " affiliation='member'/></affiliations>");
    expect_part(text, "<subscription jid='bob@prime.test' subscription='subscribed'/>");
    expect_part(text, "<configure node='empty'>");
    expect_part(text, "<body>got</body>");
    assert_null(strstr(text, "other#thing"));

    /* Once more: all of it is known. */
    f = import(k, "alice", buf_z(&xml));
    EXPECT_FIGURES(f, 1, 3 + 1 + 1 + 1 + 1 + 2, 0, 0); /* keys are set again */
    f = import_as(k, "alice", buf_z(&xml), false);
    EXPECT_FIGURES(f, 0, 1 + 3 + 1 + 1 + 1 + 1 + 2, 0, 0);
    f = import(k, "alice", archive);
    EXPECT_FIGURES(f, 0, 4, 0, 0);
    assert_string_equal(export(k, "alice"), text);
    free(text);
    buf_free(&xml);
    kit_free(k);
}

static void others_archives_keep_their_order(void **state)
{
    struct kit *k = kit_new(NULL);
    (void)state;

    import(k, "alice", archive);
    const char *text = export(k, "alice");
    const char *sent = strstr(text, "<body>sent<"), *got = strstr(text, "<body>got<");
    const char *more = strstr(text, "<body>more<");
    assert_true(sent && sent < got && got < more);
    assert_int_equal(kit_sql(k, "SELECT count(*) FROM archive WHERE peer = ?1", "bob@prime.test"),
                     3);
    kit_free(k);
}

/* --- what cannot be --- */

static void each_entry_is_refused_alone(void **state)
{
    static const struct {
        const char *xml;
        int taken, refused, ignored;
    } cases[] = {
        {"<query xmlns='jabber:iq:roster'><item jid='a@b'/><item jid='@'/><item/>"
         "<item jid='alice@net.test'/><item jid='c@d'/></query>", 2, 3, 0},
        {"<query xmlns='jabber:iq:privacy'><list/></query><other xmlns='u:x'/>", 0, 0, 2},
        {"<presence xmlns='jabber:client' from='a@b'/>", 0, 1, 0},
        {"<presence xmlns='urn:xmpp:pie:0' type='subscribe' from='a@b'/>", 1, 0, 0},
        {"<blocklist xmlns='urn:xmpp:blocking'><item/><item jid='e@f'/></blocklist>", 1, 1, 0},
        {"<scram-credentials xmlns='urn:xmpp:pie:0#scram' mechanism='SCRAM-SHA-512'/>", 0, 1, 0},
        {"<scram-credentials xmlns='urn:xmpp:pie:0#scram' mechanism='SCRAM-SHA-1'><iter-count>0"
         "</iter-count><salt>AAAA</salt><server-key>AAAA</server-key><stored-key>AAAA</stored-key>"
         "</scram-credentials>", 0, 1, 0},
        {"<scram-credentials xmlns='urn:xmpp:pie:0#scram' mechanism='SCRAM-SHA-1'><iter-count>1000"
         "</iter-count><salt>AAAA</salt><server-key>0pXWGK0GZJ6TR73AIUN3ITYtA1g=</server-key>"
         "<stored-key>AAAA</stored-key></scram-credentials>", 0, 1, 0},
        {"<prefs xmlns='urn:xmpp:mam:2' default='sometimes'/>", 0, 1, 0},
        {"<archive xmlns='urn:xmpp:pie:0#mam'><result xmlns='urn:xmpp:mam:2'/>"
         "<result xmlns='urn:xmpp:mam:2'><forwarded xmlns='urn:xmpp:forward:0'><delay"
         " xmlns='urn:xmpp:delay' stamp='yesterday'/><message xmlns='jabber:client'/></forwarded>"
         "</result></archive>", 0, 2, 0},
        {"<pubsub xmlns='http://jabber.org/protocol/pubsub#owner'><affiliations node='none'>"
         "<affiliation jid='a@b' affiliation='member'/></affiliations><configure/></pubsub>", 0, 2,
         0},
        {"<offline-messages xmlns='urn:xmpp:pie:0'><message/></offline-messages>", 0, 1, 0},
    };
    struct kit *k = kit_new(NULL);
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct sm_import_figures f = import(k, "alice", cases[i].xml);
        if (f.refused != (uint64_t)cases[i].refused)
            print_error("%s\n", cases[i].xml);
        EXPECT_FIGURES(f, cases[i].taken, 0, cases[i].refused, cases[i].ignored);
        assert_int_equal(f.example[0] != '\0', cases[i].refused + cases[i].ignored > 0);
        assert_false(f.has_keys);
    }
    kit_free(k);
}

static void a_piece_that_is_no_xml_ends_there(void **state)
{
    static const char *const bad[] = {
        "<!DOCTYPE x [<!ENTITY a 'aaaa'>]>", "<a>&a;</a>", "<a></b>", "<!-- x -->", "text", "<a",
        "\xff", "<?x y?>",
    };
    struct kit *k = kit_new(NULL);
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct buf xml = {0};
        buf_printf(&xml, "<query xmlns='jabber:iq:private'><x%zu xmlns='u:1'/></query> %s"
                         "<query xmlns='jabber:iq:private'><never xmlns='u:1'/></query>", i,
                   bad[i]);
        struct sm_import_figures f = import(k, "alice", buf_z(&xml));
        EXPECT_FIGURES(f, 1, 0, 1, 0);
        buf_free(&xml);
    }
    assert_int_equal(kit_sql(k, "SELECT count(*) FROM private WHERE name = ?1", "never"), 0);
    kit_free(k);
}

static void what_users_may_have_is_all_they_get(void **state)
{
    struct kit *k = kit_new(NULL);
    struct buf xml = {0};
    (void)state;

    buf_append_z(&xml, "<query xmlns='jabber:iq:roster'>");
    for (int i = 0; i < 7; i++)
        buf_printf(&xml, "<item jid='c%d@away.example'/>", i);
    buf_append_z(&xml, "</query><blocklist xmlns='urn:xmpp:blocking'>");
    for (int i = 0; i < 7; i++)
        buf_printf(&xml, "<item jid='c%d@away.example'/>", i);
    buf_append_z(&xml, "</blocklist><offline-messages xmlns='urn:xmpp:pie:0'>");
    for (int i = 0; i < 7; i++)
        buf_printf(&xml, "<message xmlns='jabber:client'><body>%d</body></message>", i);
    buf_append_z(&xml, "</offline-messages>");
    struct sm_import_figures f = import(k, "alice", buf_z(&xml));
    EXPECT_FIGURES(f, 5 + 4 + 4, 0, 2 + 3 + 3, 0);

    /* Of items, too: 4,000 bytes each, 20,000 in all. */
    buf_clear(&xml);
    buf_append_z(&xml, "<pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='n'>");
    for (int i = 0; i < 8; i++) {
        buf_printf(&xml, "<item id='%d'><x xmlns='u:x'>", i);
        for (int j = 0; j < (i == 7 ? 500 : 390); j++)
            buf_append_z(&xml, "0123456789");
        buf_append_z(&xml, "</x></item>");
    }
    buf_append_z(&xml, "</items></pubsub>");
    f = import(k, "alice", buf_z(&xml));
    EXPECT_FIGURES(f, 5, 0, 3, 0);
    assert_int_equal(kit_sql(k, "SELECT count(*) FROM pubsub_item WHERE ?1 = ''", ""), 5);
    buf_free(&xml);
    kit_free(k);
}

static void keys_of_one_account_have_the_same_rounds(void **state)
{
    static const char keys[] =
        "<scram-credentials xmlns='urn:xmpp:pie:0#scram' mechanism='SCRAM-SHA-%s'><iter-count>%d"
        "</iter-count><salt>AAAA</salt><server-key>%s</server-key><stored-key>%s</stored-key>"
        "</scram-credentials>";
    static const char k1[] = "0pXWGK0GZJ6TR73AIUN3ITYtA1g=";
    static const char k2[] = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    struct kit *k = kit_new(NULL);
    struct buf xml = {0};
    (void)state;

    kit_sql(k, "UPDATE account SET stored_sha1 = x'', stored_sha256 = x'' WHERE name = ?1",
            "alice");
#define HAS(hash) kit_sql(k, "SELECT length(stored_" hash ") FROM account WHERE name = ?1", "alice")
    buf_printf(&xml, keys, "1", 1000, k1, k1);
    struct sm_import_figures f = import(k, "alice", buf_z(&xml));
    assert_true(f.has_keys && f.has_sha1_only);
    assert_int_equal(HAS("sha1"), 20);
    buf_clear(&xml);
    buf_printf(&xml, keys, "256", 2000, k2, k2); /* the better ones stay */
    f = import(k, "alice", buf_z(&xml));
    assert_true(f.has_keys && !f.has_sha1_only);
    assert_int_equal(HAS("sha1"), 0);
    assert_int_equal(HAS("sha256"), 32);
    buf_clear(&xml);
    buf_printf(&xml, keys, "1", 1000, k1, k1);
    import(k, "alice", buf_z(&xml));
    assert_int_equal(HAS("sha1"), 0);
    buf_clear(&xml);
    buf_printf(&xml, keys, "1", 2000, k1, k1);
    f = import(k, "alice", buf_z(&xml));
    assert_int_equal(HAS("sha1"), 20);
    assert_false(f.has_sha1_only);
    buf_free(&xml);
    kit_free(k);
}

/* --- slices --- */

static void a_big_archive_goes_out_in_slices(void **state)
{
    struct kit *k = kit_new(NULL);
    struct out o = {0};
    (void)state;

    kit_sql(k, "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 3000)"
               " INSERT INTO archive (account, id, peer, stanza) SELECT account.id, i << 21, 'x@y',"
               " '<message><body>' || i || '</body></message>' FROM c, account WHERE name = ?1",
            "alice");
    o.queued = 2 << 20; /* nobody reads */
    sm_export(k->sm, SPAN("alice"), &export_ops, &o);
    loop_sim_advance(k->loop, 5000);
    assert_int_equal(o.writes, 0);
    assert_int_equal(o.count, 0);
    o.queued = 0;
    loop_sim_advance(k->loop, 5000);
    assert_int_equal(o.count, 1);
    assert_true(o.writes > 3000 / 200);
    size_t found = 0;
    for (const char *p = buf_z(&o.text); (p = strstr(p, "<result ")); p++)
        found++;
    assert_int_equal(found, 3000);
    expect_part(buf_z(&o.text), "<body>3000</body>");
    buf_free(&o.text);
    kit_free(k);
}

static void all_and_nobody(void **state)
{
    struct kit *k = kit_new(NULL);
    struct out o = {0};
    (void)state;

    kit_account(k, "/3/gone");
    const char *text = export(k, NULL);
    expect_part(text, "<user name='alice'>");
    expect_part(text, "<user name='bob'>");
    assert_null(strstr(text, "gone"));
    sm_export(k->sm, SPAN("nobody"), &export_ops, &o);
    kit_settle(k);
    assert_int_equal(o.result, SM_PIE_NO_USER);
    assert_int_equal(buf_len(&o.text), 0);
    kit_sql(k, "DELETE FROM account WHERE name < ?1", "zz");
    expect_part(export(k, NULL), "<host jid='prime.test'>\n</host>\n</server-data>\n");

    struct in i = {0};
    sm_import(k->sm, SPAN("nobody"), SPAN("<x xmlns='y'/>"), true, on_imported, &i);
    kit_settle(k);
    assert_int_equal(i.result, SM_PIE_NO_USER);
    kit_free(k);
}

static void it_can_be_stopped(void **state)
{
    struct kit *k = kit_new(NULL);
    struct out o = {0}, left = {0};
    struct in i = {0};
    (void)state;

    struct sm_export *e = sm_export(k->sm, SPAN_NONE, &export_ops, &o);
    sm_export_stop(e);
    kit_settle(k);
    assert_int_equal(o.count, 1);
    assert_int_equal(o.result, SM_PIE_FAILED);
    sm_export(k->sm, SPAN_NONE, &export_ops, &left);
    sm_import(k->sm, SPAN("alice"), SPAN("<x xmlns='y'/>"), true, on_imported, &i);
    kit_free(k);
    assert_int_equal(left.count + i.count, 0);
    buf_free(&o.text);
    buf_free(&left.text);
}

/* --- who owns the user --- */

static void the_owner_reads_it_anew(void **state)
{
    struct kit *k = kit_new(NULL);
    struct kit_client *a = kit_open(k, "alice", "prime.test", "x");
    struct kit_client *b = kit_open(k, "bob", "prime.test", "x");
    (void)state;

    kit_say(k, a, "<presence/>");
    kit_say(k, b, "<presence/>");
    import(k, "alice", "<query xmlns='jabber:iq:roster'><item jid='bob@prime.test'"
                       " subscription='from'/></query><offline-messages xmlns='urn:xmpp:pie:0'>"
                       "<message xmlns='jabber:client'><body>from before</body></message>"
                       "</offline-messages>");
    kit_heard(a), kit_heard(b);
    sm_import_end(k->sm, SPAN("alice"));
    kit_settle(k);
    EXPECT(a, "from before");
    kit_say(k, a, "<presence><show>away</show></presence>");
    EXPECT(b, "<show>away</show>");

    kit_link_up(k); /* of whom we do not own, the owner is told */
    kit_drain(&k->link.out);
    sm_import_end(k->sm, SPAN("carol"));
    const char *told = kit_drain(&k->link.out);
    EXPECT_IN(told, "to='carol@prime.test'><changed ");
    EXPECT_IN(told, "to='carol@prime.test'><stored ");
    kit_close(k, a), kit_close(k, b);
    kit_free(k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_goes_in_comes_out),
        cmocka_unit_test(others_archives_keep_their_order),
        cmocka_unit_test(each_entry_is_refused_alone),
        cmocka_unit_test(a_piece_that_is_no_xml_ends_there),
        cmocka_unit_test(what_users_may_have_is_all_they_get),
        cmocka_unit_test(keys_of_one_account_have_the_same_rounds),
        cmocka_unit_test(a_big_archive_goes_out_in_slices),
        cmocka_unit_test(all_and_nobody),
        cmocka_unit_test(it_can_be_stopped),
        cmocka_unit_test(the_owner_reads_it_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
