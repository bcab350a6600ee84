/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The small ones: vCards (XEP-0054), private XML (XEP-0049), last activity (XEP-0012), services
 * elsewhere (XEP-0215), contact addresses (XEP-0157).
 */
#include "sm_kit.h"

#define IQ(type, to, payload) "<iq type='" type "' id='q'" to ">" payload "</iq>"
#define TO(jid) " to='" jid "'"
#define CARD "<vCard xmlns='vcard-temp'><FN>A &amp; B</FN><N><GIVEN/></N></vCard>"
#define NO_CARD "<vCard xmlns='vcard-temp'/>"
#define PRIVATE(inside) "<query xmlns='jabber:iq:private'>" inside "</query>"
#define LAST "<query xmlns='jabber:iq:last'/>"
#define DONE "<iq type='result' id='q'"

struct row {
    const char *xml, *answer;
};

static void ask_all(struct kit *k, struct kit_client *c, const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        kit_say(k, c, rows[i].xml);
        EXPECT(c, rows[i].answer);
    }
}

/* What someone elsewhere hears. */
static void expect_far(struct kit *k, const char *xml, const char *answer)
{
    k->link.is_up = true;
    sm_set_link(k->sm, &k->link);
    kit_link_say(k, xml);
    EXPECT_LINK(k, answer);
    sm_set_link(k->sm, NULL);
    kit_settle(k);
}

#define FAR_GET "<iq type='get' id='q' from='x@far.test/y' to='alice@prime.test'>" NO_CARD "</iq>"

static void vcards(void **state)
{
    static const struct row none[] = {
        {IQ("get", "", NO_CARD), "<item-not-found"},
        /* C25: of a user without one and of nobody */
        {IQ("get", TO("bob@prime.test"), NO_CARD), "<service-unavailable"},
        {IQ("get", TO("nobody@prime.test"), NO_CARD), "<service-unavailable"},
        {IQ("get", TO("prime.test"), NO_CARD), "<service-unavailable"},
        {IQ("set", TO("bob@prime.test"), CARD), "<forbidden"},
        {IQ("set", TO("nobody@prime.test"), CARD), "<forbidden"},
        {IQ("set", "", CARD), DONE},
        {IQ("get", "", NO_CARD), ">" CARD "</iq>"},
        {IQ("get", TO("alice@net.test"), NO_CARD), ">" CARD "</iq>"},
    };
    struct kit *k = kit_new(NULL);
    struct kit_client *a = kit_open(k, "alice", "prime.test", "a");
    struct kit_client *b = kit_open(k, "bob", "prime.test", "b");
    (void)state;

    ask_all(k, a, none, ARRAY_LEN(none));
    /* by anyone, whether alice is there or not */
    kit_say(k, b, IQ("get", TO("alice@prime.test"), NO_CARD));
    EXPECT(b, "from='alice@prime.test' to='bob@prime.test/b'>" CARD "</iq>");
    expect_far(k, FAR_GET, CARD);
    kit_close(k, a);
    kit_say(k, b, IQ("get", TO("alice@prime.test"), NO_CARD));
    EXPECT(b, "from='alice@prime.test' to='bob@prime.test/b'>" CARD "</iq>");
    expect_far(k, FAR_GET, CARD);
    /* but not by who is blocked: C24 */
    kit_sql(k, "INSERT INTO block SELECT id, 'far.test' FROM account WHERE name = ?1", "alice");
    expect_far(k, FAR_GET, "<service-unavailable");
    a = kit_open(k, "alice", "prime.test", "a");
    expect_far(k, FAR_GET, "<service-unavailable");
    /* the last one counts, and none is too big */
    kit_say(k, a, IQ("set", "", "<vCard xmlns='vcard-temp'><FN>C</FN></vCard>"));
    kit_say(k, a, IQ("get", "", NO_CARD));
    EXPECT(a, "<FN>C</FN>");
    struct buf big = {0};
    buf_append_z(&big, "<iq type='set' id='q'><vCard xmlns='vcard-temp'><PHOTO>");
    while (buf_len(&big) < 200000)
        buf_append_z(&big, "iVBORw0KGgo=");
    buf_append_z(&big, "</PHOTO></vCard></iq>");
    kit_say(k, a, buf_z(&big));
    EXPECT(a, "<not-acceptable");
    buf_free(&big);
    kit_sql(k, "DELETE FROM account WHERE name = ?1", "alice");
    assert_int_equal(kit_sql(k, "SELECT count(*) FROM vcard WHERE ?1 != ''", "x"), 0);
    kit_say(k, a, IQ("set", "", CARD));
    EXPECT(a, "<internal-server-error");
    kit_close(k, b), kit_close(k, a);
    kit_free(k);
}

static void private_elements(void **state)
{
    static const struct row rows[] = {
        {IQ("get", "", PRIVATE("<storage xmlns='storage:bookmarks'/>")),
         PRIVATE("<storage xmlns='storage:bookmarks'/>")},
        {IQ("set", "", PRIVATE("<storage xmlns='storage:bookmarks'><conference jid='r@s'/>"
                               "</storage><x xmlns='exodus:prefs'>1 &lt; 2</x>")), DONE},
        {IQ("get", "", PRIVATE("<storage xmlns='storage:bookmarks'/>")),
         PRIVATE("<storage xmlns='storage:bookmarks'><conference jid='r@s'/></storage>")},
        {IQ("get", "", PRIVATE("<x xmlns='exodus:prefs'/>")), ">1 &lt; 2</x>"},
        {IQ("get", "", PRIVATE("<y xmlns='exodus:prefs'/>")), "<y xmlns='exodus:prefs'/>"},
        {IQ("set", "", PRIVATE("<x xmlns='exodus:prefs'/>")), DONE},
        {IQ("get", "", PRIVATE("<x xmlns='exodus:prefs'/>")), "<x xmlns='exodus:prefs'/>"},
        {IQ("set", "", PRIVATE("")), "<bad-request"},
        {IQ("get", "", PRIVATE("")), "<bad-request"},
        {IQ("get", "", PRIVATE("<x xmlns='a'/><y xmlns='b'/>")), "<bad-request"},
        {IQ("set", "", PRIVATE("<x/>")), "<not-acceptable"},
        {IQ("set", "", PRIVATE("<x xmlns='jabber:client'/>")), "<not-acceptable"},
        {IQ("get", TO("bob@prime.test"), PRIVATE("<x xmlns='a'/>")), "<forbidden"},
        {IQ("set", TO("bob@prime.test"), PRIVATE("<x xmlns='a'/>")), "<forbidden"},
        {IQ("get", TO("nobody@prime.test"), PRIVATE("<x xmlns='a'/>")), "<forbidden"},
    };
    struct kit *k = kit_new(NULL);
    struct kit_client *a = kit_open(k, "alice", "prime.test", "a");
    struct kit_client *b = kit_open(k, "bob", "prime.test", "b");
    (void)state;

    ask_all(k, a, rows, ARRAY_LEN(rows));
    kit_say(k, b, IQ("get", "", PRIVATE("<storage xmlns='storage:bookmarks'/>")));
    EXPECT(b, PRIVATE("<storage xmlns='storage:bookmarks'/>"));
    kit_close(k, b), kit_close(k, a);
    kit_free(k);
}

/* 100 elements, 512 KiB: what goes beyond is refused as a whole, and what is there can change. */
static void private_is_bounded(void **state)
{
    struct kit *k = kit_new(NULL);
    struct kit_client *a = kit_open(k, "alice", "prime.test", "a");
    struct buf many = {0};
    char text[256];
    (void)state;

    for (int i = 0; i < 100; i++) {
        snprintf(text, sizeof(text), IQ("set", "", PRIVATE("<x xmlns='n:%d'/>")), i);
        kit_say(k, a, text);
        EXPECT(a, DONE);
    }
    kit_say(k, a, IQ("set", "", PRIVATE("<x xmlns='n:0'>new</x><x xmlns='n:100'/>")));
    EXPECT(a, "<resource-constraint");
    kit_say(k, a, IQ("get", "", PRIVATE("<x xmlns='n:0'/>")));
    EXPECT(a, "<x xmlns='n:0'/>");
    kit_say(k, a, IQ("set", "", PRIVATE("<x xmlns='n:0'>new</x>")));
    EXPECT(a, DONE);
    for (int i = 0; i < 3; i++) {
        buf_clear(&many);
        buf_printf(&many, "<iq type='set' id='q'><query xmlns='jabber:iq:private'>"
                          "<x xmlns='n:%d'>", i);
        while (buf_len(&many) < 200000)
            buf_append_z(&many, "0123456789abcdef");
        buf_append_z(&many, "</x></query></iq>");
        kit_say(k, a, buf_z(&many));
        EXPECT(a, i < 2 ? DONE : "<resource-constraint");
    }
    buf_free(&many);
    kit_close(k, a);
    kit_free(k);
}

static void befriend(struct kit *k)
{
    kit_sql(k, "INSERT INTO roster (account, jid, subscription)"
               " SELECT id, 'bob@prime.test', 2 FROM account WHERE name = ?1",
            "alice");
}

static void last_activity(void **state)
{
    struct kit *k = kit_new(NULL);
    (void)state;

    befriend(k);
    struct kit_client *b = kit_open(k, "bob", "prime.test", "b");
    loop_sim_advance(k->loop, 60000);
    kit_say(k, b, IQ("get", TO("prime.test"), LAST));
    EXPECT(b, "<query xmlns='jabber:iq:last' seconds='60'></query>");
    /* C25: strangers hear the same of anyone */
    kit_say(k, b, IQ("get", TO("nobody@prime.test"), LAST));
    EXPECT(b, "<forbidden");
    kit_link_up(k);
    kit_link_say(k, "<iq type='get' id='q' from='x@far.test' to='alice@prime.test'>" LAST "</iq>");
    EXPECT_LINK(k, "<forbidden");
    kit_link_down(k);
    kit_say(k, b, IQ("get", TO("alice@prime.test"), LAST));
    EXPECT(b, "<service-unavailable"); /* never here */

    struct kit_client *a = kit_open(k, "alice", "prime.test", "a");
    struct kit_client *a2 = kit_open(k, "alice", "prime.test", "a2");
    kit_say(k, a, "<presence/>");
    kit_say(k, a2, "<presence/>");
    kit_say(k, b, IQ("get", TO("alice@prime.test"), LAST));
    EXPECT(b, "seconds='0'");
    /* the last to leave counts; with its words, if it has said any */
    kit_say(k, a, "<presence type='unavailable'><status>early</status></presence>");
    kit_say(k, b, IQ("get", TO("alice@prime.test"), LAST));
    EXPECT(b, "seconds='0'");
    assert_int_equal(kit_sql(k, "SELECT count(*) FROM last WHERE ?1 != ''", "x"), 0);
    kit_say(k, a2, "<presence type='unavailable'><status>bye &amp; bye</status></presence>");
    loop_sim_advance(k->loop, 5000);
    kit_say(k, b, IQ("get", TO("alice@prime.test"), LAST));
    EXPECT(b, "seconds='5'>bye &amp; bye</query>");
    kit_close(k, a2), kit_close(k, a);
    loop_sim_advance(k->loop, 5000);
    kit_say(k, b, IQ("get", TO("alice@prime.test"), LAST));
    EXPECT(b, "seconds='10'>bye &amp; bye</query>");
    /* cut off */
    a = kit_open(k, "alice", "prime.test", "a");
    kit_say(k, a, "<presence/>");
    kit_close(k, a);
    loop_sim_advance(k->loop, 3000);
    kit_say(k, b, IQ("get", TO("alice@prime.test"), LAST));
    EXPECT(b, "seconds='3'></query>");
    kit_close(k, b);
    kit_free(k);
}

#define SERVICES(attrs) "<services xmlns='urn:xmpp:extdisco:2'" attrs "/>"
#define CREDENTIALS(attrs)                                                                         \
    "<credentials xmlns='urn:xmpp:extdisco:2'><service " attrs "/></credentials>"
#define STUN "<service type='stun' host='s.test' port='3478' transport='udp'/>"
/* Virtual time begins with 2026: the credentials end a day later */
#define TURN                                                                                       \
    "<service type='turn' host='t.test' port='3478' transport='udp' username='1767312000'"         \
    " password='gzQeEqc2s+jcb8QWiHin9JqiEOw=' restricted='true'"                                   \
    " expires='2026-01-02T00:00:00.000Z'/>"
#define FTP                                                                                        \
    "<service type='ftp' host='f.test' username='guest' password='g&apos;' restricted='true'/>"

static struct sm_opts with_services(void)
{
    static char none[] = "", udp[] = "udp", stun[] = "stun", turn[] = "turn", ftp[] = "ftp",
                s[] = "s.test", t[] = "t.test", f[] = "f.test", guest[] = "guest", g[] = "g'",
                secret[] = "a very long secret";
    static const struct sm_external externals[] = {
        {.type = stun, .host = s, .port = 3478, .transport = udp, .username = none,
         .password = none, .secret = none},
        {.type = turn, .host = t, .port = 3478, .transport = udp, .username = none,
         .password = none, .secret = secret, .lifetime = 86400000},
        {.type = ftp, .host = f, .transport = none, .username = guest, .password = g,
         .secret = none},
    };
    struct sm_opts opts = *kit_opts();
    opts.externals = externals;
    opts.external_count = ARRAY_LEN(externals);
    return opts;
}

static void external_services(void **state)
{
    static const struct row rows[] = {
        {IQ("get", TO("prime.test"), SERVICES(" type='stun'")),
         "<services xmlns='urn:xmpp:extdisco:2' type='stun'>" STUN "</services></iq>"},
        {IQ("get", TO("prime.test"), SERVICES(" type='none'")), "type='none'></services>"},
        {IQ("get", TO("prime.test"), CREDENTIALS("host='f.test' type='ftp'")),
         "<credentials xmlns='urn:xmpp:extdisco:2'>" FTP "</credentials></iq>"},
        {IQ("get", TO("prime.test"), CREDENTIALS("host='t.test' type='turn' port='1'")),
         "<item-not-found"},
        {IQ("get", TO("prime.test"), CREDENTIALS("host='f.test' type='turn'")),
         "<item-not-found"},
        {IQ("get", TO("prime.test"), CREDENTIALS("host='f.test'")), "<bad-request"},
        {IQ("get", TO("prime.test"), "<credentials xmlns='urn:xmpp:extdisco:2'/>"),
         "<bad-request"},
        {IQ("get", TO("bob@prime.test"), SERVICES("")), "<service-unavailable"},
    };
    struct sm_opts opts = with_services();
    struct kit *k = kit_new(&opts);
    struct kit_client *a = kit_open(k, "alice", "prime.test", "a");
    (void)state;

    kit_say(k, a, IQ("get", TO("prime.test"), SERVICES("")));
    const char *heard = kit_heard(a);
    EXPECT_IN(heard, STUN "<service type='turn'");
    EXPECT_IN(heard, FTP "</services>");
    EXPECT_IN(heard, " restricted='true' expires='2026-01-02T00:00:00.");
    kit_say(k, a,
            IQ("get", TO("prime.test"), CREDENTIALS("host='t.test' type='turn' port='3478'")));
    EXPECT(a, "<credentials xmlns='urn:xmpp:extdisco:2'>" TURN "</credentials></iq>");
    ask_all(k, a, rows, ARRAY_LEN(rows));
    /* not for strangers */
    kit_link_up(k);
    kit_link_say(k, "<iq type='get' id='q' from='x@far.test' to='prime.test'>" SERVICES("")
                    "</iq>");
    EXPECT_LINK(k, "<forbidden");
    kit_link_say(k, "<iq type='get' id='q' from='x@far.test' to='prime.test'>"
                    CREDENTIALS("host='t.test' type='turn'") "</iq>");
    EXPECT_LINK(k, "<forbidden");
    kit_close(k, a);
    kit_free(k);
}

static void contact_addresses(void **state)
{
    static char mail[] = "mailto:a@b.test", room[] = "xmpp:r@s?join&x";
    char *abuse[] = {mail, room}, *support[] = {room};
    struct conf_list contacts[SM_CONTACT_KINDS] = {
        [SM_CONTACT_ABUSE] = {abuse, 2},
        [SM_CONTACT_SUPPORT] = {support, 1},
    };
    struct sm_opts opts = *kit_opts();
    struct kit *k = kit_new(&opts);
    struct kit_client *a = kit_open(k, "alice", "prime.test", "a");
    const char *ask = IQ("get", TO("prime.test"),
                         "<query xmlns='http://jabber.org/protocol/disco#info'/>");
    (void)state;

    kit_say(k, a, ask);
    assert_null(strstr(kit_heard(a), "jabber:x:data"));
    opts.contacts = contacts;
    sm_set_limits(k->sm, &opts); /* as a reload does */
    kit_say(k, a, ask);
    EXPECT(a, "<x xmlns='jabber:x:data' type='result'>"
              "<field var='FORM_TYPE' type='hidden'>"
              "<value>http://jabber.org/network/serverinfo</value></field>"
              "<field var='abuse-addresses' type='list-multi'><value>mailto:a@b.test</value>"
              "<value>xmpp:r@s?join&amp;x</value></field>"
              "<field var='support-addresses' type='list-multi'>"
              "<value>xmpp:r@s?join&amp;x</value></field></x></query></iq>");
    kit_say(k, a, IQ("get", "", "<query xmlns='http://jabber.org/protocol/disco#info'/>"));
    assert_null(strstr(kit_heard(a), "jabber:x:data"));
    kit_close(k, a);
    kit_free(k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vcards), cmocka_unit_test(private_elements),
        cmocka_unit_test(private_is_bounded), cmocka_unit_test(last_activity),
        cmocka_unit_test(external_services), cmocka_unit_test(contact_addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
