/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The core of publish-subscribe by itself: who may do what, what a node is like, and requests that
 * run on a store without a session manager, for a service that has no contacts.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/loop.h"
#include "base/mem.h"
#include "c2s/schema.h"
#include "c2s/sm/pubsub/pubsub.h"
#include "xml/parser.h"
#include "xmpp/form.h"

#include <stdio.h>
#include <stdlib.h>

#define PS NS_PUBSUB
#define REQUEST(type, inside)                                                                      \
    "<iq type='" type "' id='1'><pubsub xmlns='" PS "'>" inside "</pubsub></iq>"
#define OWNER(type, inside)                                                                        \
    "<iq type='" type "' id='1'><pubsub xmlns='" PS "#owner'>" inside "</pubsub></iq>"
#define CONFIG(fields)                                                                             \
    "<x xmlns='jabber:x:data' type='submit'>" fields "</x>"
#define FIELD(var, value) "<field var='pubsub#" var "'><value>" value "</value></field>"

/* --- who may what --- */

enum { STRANGER, SEES, IN_GROUP, RELATIONS };

/* Who may read: by access model, affiliation, and what there is otherwise. 1: may. */
static const char *const may_read[][PUBSUB_OWNER + 1] = {
    /*                     none   outcast member publish-only publisher owner */
    [PUBSUB_OPEN] =      {"111", "000",  "111", "000",       "111",    "111"},
    [PUBSUB_PRESENCE] =  {"011", "000",  "111", "000",       "111",    "111"},
    [PUBSUB_ROSTER] =    {"001", "000",  "111", "000",       "111",    "111"},
    [PUBSUB_WHITELIST] = {"000", "000",  "111", "000",       "111",    "111"},
};

static struct pubsub_relation relation(int a, int what)
{
    return (struct pubsub_relation){
        .affiliation = (enum pubsub_affiliation)a,
        .sees_presence = what != STRANGER,
        .is_in_group = what == IN_GROUP,
    };
}

static void reading(void **state)
{
    (void)state;
    for (unsigned char model = PUBSUB_OPEN; model <= PUBSUB_WHITELIST; model++) {
        for (int a = PUBSUB_NONE; a <= PUBSUB_OWNER; a++) {
            for (int what = STRANGER; what < RELATIONS; what++) {
                struct pubsub_config c = {.access = model};
                struct pubsub_relation r = relation(a, what);
                bool may = pubsub_check(&c, &r, PUBSUB_MAY_READ).error == STANZA_ERROR_NONE;
                if (may != (may_read[model][a][what] == '1'))
                    fail_msg("model %d affiliation %d relation %d", model, a, what);
            }
        }
    }
}

static void publishing_and_owning(void **state)
{
    /* by publish model: none, outcast, member, publish-only, publisher, owner */
    static const char *const may[] = {
        [PUBSUB_BY_PUBLISHERS] = "000111",
        [PUBSUB_BY_SUBSCRIBERS] = "000111",
        [PUBSUB_BY_ALL] = "101111",
    };
    (void)state;

    for (unsigned char model = 0; model < ARRAY_LEN(may); model++) {
        for (int a = PUBSUB_NONE; a <= PUBSUB_OWNER; a++) {
            struct pubsub_config c = {.access = PUBSUB_OPEN, .publish = model};
            struct pubsub_relation r = relation(a, STRANGER);
            assert_int_equal(pubsub_check(&c, &r, PUBSUB_MAY_PUBLISH).error == STANZA_ERROR_NONE,
                             may[model][a] == '1');
            assert_int_equal(pubsub_check(&c, &r, PUBSUB_MAY_OWN).error == STANZA_ERROR_NONE,
                             a == PUBSUB_OWNER);
            r.is_subscribed = true;
            if (model == PUBSUB_BY_SUBSCRIBERS)
                assert_int_equal(pubsub_check(&c, &r, PUBSUB_MAY_PUBLISH).error ==
                                     STANZA_ERROR_NONE, a != PUBSUB_OUTCAST);
        }
    }
}

/* --- configuration --- */

static struct stanza *parse(struct stanza *s, const char *xml)
{
    assert_int_equal(xml_parse_stanza(xml_parser_shared(SPAN(NS_CLIENT)), span_of(xml), s), XML_OK);
    return s;
}

static void a_form_is_what_it_says(void **state)
{
    static const struct {
        const char *fields;
        enum stanza_error e;
    } cases[] = {
        {"", STANZA_ERROR_NONE},
        {FIELD("max_items", "10"), STANZA_ERROR_NONE},
        {FIELD("max_items", "11"), STANZA_NOT_ACCEPTABLE},
        {FIELD("max_items", "-1"), STANZA_NOT_ACCEPTABLE},
        {FIELD("max_items", ""), STANZA_NOT_ACCEPTABLE},
        {FIELD("max_items", "max"), STANZA_ERROR_NONE},
        {FIELD("item_expire", "60"), STANZA_ERROR_NONE},
        {FIELD("item_expire", "99999999999999999999"), STANZA_NOT_ACCEPTABLE},
        {FIELD("access_model", "authorize"), STANZA_NOT_ACCEPTABLE},
        {FIELD("publish_model", "open"), STANZA_ERROR_NONE},
        {FIELD("persist_items", "2"), STANZA_BAD_REQUEST},
        {FIELD("purge_offline", "0"), STANZA_ERROR_NONE},
        {FIELD("purge_offline", "1"), STANZA_NOT_ACCEPTABLE},
        {FIELD("notification_type", "chat"), STANZA_NOT_ACCEPTABLE},
        {FIELD("notification_type", "normal"), STANZA_ERROR_NONE},
        {FIELD("roster_groups_allowed", "a&#10;b"), STANZA_NOT_ACCEPTABLE},
        {FIELD("unheard_of", "1"), STANZA_CONFLICT},
    };
    struct stanza s = {0};
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char xml[512];
        struct pubsub_config c;
        snprintf(xml, sizeof(xml), "<iq>" CONFIG("%s") "</iq>", cases[i].fields);
        parse(&s, xml);
        pubsub_config_default(&c);
        if (pubsub_config_read(&s, form_find(&s, 0, SPAN_NONE), true, 10, &c) != cases[i].e)
            fail_msg("%s", cases[i].fields);
    }
    stanza_free(&s);
    xml_parser_shared_free();
}

/* What is written is read as it was. */
static void a_form_comes_back(void **state)
{
    struct pubsub_config c, read;
    struct stanza s = {0};
    struct buf xml = {0};
    (void)state;

    pubsub_config_default(&c);
    c.access = PUBSUB_ROSTER;
    c.publish = PUBSUB_BY_ALL;
    c.last = PUBSUB_LAST_ON_SUB;
    c.is_normal = true;
    c.flags = PUBSUB_DELIVER | PUBSUB_TELL_CONFIG;
    c.max_items = PUBSUB_ITEMS_MAX;
    c.expire = 3600;
    c.title = SPAN("A <title> & more");
    c.groups = SPAN("Friends\nOld 'friends'");
    buf_append_z(&xml, "<iq>");
    pubsub_config_write_form(&xml, &c);
    buf_append_z(&xml, "</iq>");
    parse(&s, buf_z(&xml));
    pubsub_config_default(&read);
    assert_int_equal(pubsub_config_read(&s, form_find(&s, 0, SPAN(NS_PUBSUB_CONFIG)), true, 10,
                                        &read), STANZA_ERROR_NONE);
    assert_true(pubsub_config_eq(&c, &read));
    read.groups = SPAN("Friends");
    assert_false(pubsub_config_eq(&c, &read));
    stanza_free(&s);
    buf_free(&xml);
    xml_parser_shared_free();
}

/* --- requests, of a service without contacts --- */

struct world {
    struct loop *loop;
    struct store *store;
};

struct ask_job {
    struct store_job job;
    struct pubsub_ask ask;
    int result;
};

static int run(struct db *db, struct store_job *job)
{
    struct ask_job *j = (struct ask_job *)job;

    return pubsub_run(&j->ask, db);
}

static void on_done(struct store_job *job, int result)
{
    ((struct ask_job *)job)->result = result;
}

static int add_account(struct db *db, struct store_job *job)
{
    (void)job;
    return db_run(db_sql(
        db, "INSERT INTO account (id, name, created, iterations, salt_sha1, stored_sha1,"
            " server_sha1, salt_sha256, stored_sha256, server_sha256)"
            " VALUES (7, 'news', 0, 4096, x'00', x'00', x'00', x'00', x'00', x'00')"));
}

static void submit(struct world *w, struct ask_job *j, int (*work)(struct db *, struct store_job *))
{
    j->job.run = work;
    j->job.done = on_done;
    store_submit(w->store, STORE_WRITE, &j->job);
    loop_sim_advance(w->loop, 10);
}

static int setup(void **state)
{
    static struct world w;
    const struct store_opts opts = {.migrations = c2s_migrations};
    char error[STORE_ERROR_MAX];
    struct ask_job j = {0};

    w.loop = loop_new_sim();
    w.store = store_open(w.loop, &opts, error);
    assert_non_null(w.store);
    submit(&w, &j, add_account);
    assert_int_equal(j.result, STORE_OK);
    *state = &w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;

    store_close(&w->store);
    loop_free(&w->loop);
    xml_parser_shared_free();
    return 0;
}

static const struct pubsub_limits limits = {
    .max_nodes = 3, .max_items = 3, .max_item_bytes = 100, .max_bytes = 200, .max_people = 2,
    .max_answer = 120,
};

/* who: bare; the owner is news@pubsub.test. Returns the answer or the condition's name. */
static const char *ask_as(struct world *w, const char *who, const char *xml, char events_r[512])
{
    static char kept[4096];
    struct stanza s = {0};
    struct ask_job j = {0};

    pubsub_ask_init(&j.ask);
    j.ask.request = parse(&s, xml);
    j.ask.payload = stanza_child(&s, 0, SPAN_NONE, SPAN_NONE);
    j.ask.account = 7;
    j.ask.service = SPAN("news@pubsub.test");
    j.ask.who = j.ask.who_full = span_of(who);
    j.ask.is_owner = span_eq(j.ask.who, j.ask.service);
    j.ask.limits = limits;
    memcpy(j.ask.spare_id, "spare", 6);
    submit(w, &j, run);
    if (j.result == PUBSUB_REFUSED)
        snprintf(kept, sizeof(kept), "%s %s", stanza_error_name(j.ask.refusal.error),
                 j.ask.refusal.condition ? j.ask.refusal.condition : "");
    else
        snprintf(kept, sizeof(kept), "%.*s", SPAN_ARG(buf_span(&j.ask.answer)));
    if (events_r) {
        events_r[0] = 0;
        LIST_FOR_EACH (node, &j.ask.events) {
            struct pubsub_event *e = CONTAINER_OF(node, struct pubsub_event, link);
            snprintf(events_r, 512, "%.*s|%.*s|%s|%.*s", SPAN_ARG(buf_span(&e->subscribers)),
                     SPAN_ARG(buf_span(&e->people)), e->is_open ? "open" : "",
                     SPAN_ARG(buf_span(&e->denied)));
        }
    }
    pubsub_ask_free(&j.ask);
    stanza_free(&s);
    return kept;
}

#define NEWS "news@pubsub.test"
#define READER "reader@far.test"
#define EXPECT(who, xml, text)                                                                     \
    do {                                                                                           \
        const char *got_ = ask_as(w, who, xml, NULL);                                              \
        if (!strstr(got_, text))                                                                   \
            fail_msg("expected %s in %s", text, got_);                                             \
    } while (0)
#define PUBLISH(node, id, text)                                                                    \
    REQUEST("set", "<publish node='" node "'><item id='" id "'><e xmlns='u'>" text                 \
                   "</e></item></publish>")

static void without_contacts_nobody_sees_presence(void **state)
{
    struct world *w = *state;

    EXPECT(NEWS, PUBLISH("n", "1", ""), "<publish node='n'><item id='1'/>");
    EXPECT(READER, REQUEST("get", "<items node='n'/>"),
           "not-authorized presence-subscription-required");
    EXPECT(NEWS, OWNER("set", "<configure node='n'>" CONFIG(FIELD("access_model", "open")
                       FIELD("publish_model", "subscribers") FIELD("max_items", "max"))
                       "</configure>"), "");
    EXPECT(READER, REQUEST("get", "<items node='n'/>"), "<item id='1'>");
    EXPECT(READER, PUBLISH("n", "2", ""), "forbidden");
    EXPECT(READER, REQUEST("set", "<subscribe node='n' jid='" READER "'/>"), "subscribed");
    EXPECT(READER, PUBLISH("n", "2", ""), "<item id='2'/>");
    EXPECT(READER, PUBLISH("n", "1", "his"), "forbidden"); /* that is another's */
    EXPECT(READER, REQUEST("set", "<retract node='n'><item id='1'/></retract>"), "item-not-found");
    EXPECT(NEWS, REQUEST("set", "<retract node='n'><item id='2'/></retract>"), "");
}

static void an_event_has_its_lists(void **state)
{
    struct world *w = *state;
    char events[512];

    ask_as(w, NEWS, PUBLISH("n", "3", ""), events);
    assert_string_equal(events, READER "\n||open|");
    EXPECT(NEWS, OWNER("set", "<affiliations node='n'><affiliation jid='bad@far.test'"
                       " affiliation='outcast'/><affiliation jid='m@far.test'"
                       " affiliation='member'/></affiliations>"), "");
    ask_as(w, NEWS, PUBLISH("n", "3", ""), events);
    assert_string_equal(events, READER "\n|m@far.test\n|open|bad@far.test\n");
    /* two are enough */
    EXPECT(NEWS, OWNER("set", "<affiliations node='n'><affiliation jid='x@far.test'"
                       " affiliation='member'/></affiliations>"), "resource-constraint");
    EXPECT("bad@far.test", REQUEST("get", "<items node='n'/>"), "forbidden");
    /* who is thrown out is no subscriber any more */
    EXPECT(NEWS, OWNER("set", "<affiliations node='n'><affiliation jid='m@far.test'"
                       " affiliation='none'/><affiliation jid='" READER "' affiliation='outcast'/>"
                       "</affiliations>"), "");
    ask_as(w, NEWS, PUBLISH("n", "3", ""), events);
    assert_string_equal(events, "||open|bad@far.test\n" READER "\n");
}

#define TEXT_60 "012345678901234567890123456789012345678901234567890123456789"

/* What is refused has changed nothing; what is asked for comes in pages that fit. */
static void it_is_bounded(void **state)
{
    struct world *w = *state;

    EXPECT(NEWS, OWNER("set", "<purge node='n'/>"), "");
    EXPECT(NEWS, PUBLISH("n", "a", TEXT_60 TEXT_60), "not-acceptable payload-too-big");
    EXPECT(NEWS, PUBLISH("n", "a", TEXT_60), "<item id='a'/>");
    EXPECT(NEWS, PUBLISH("n", "b", TEXT_60), "<item id='b'/>");
    EXPECT(NEWS, PUBLISH("n", "c", TEXT_60), "resource-constraint");
    EXPECT(NEWS, PUBLISH("n", "a", ""), "<item id='a'/>");
    EXPECT(NEWS, REQUEST("get", "<items node='n'/>"), "<items node='n'><item id='b'>");
    EXPECT(NEWS, PUBLISH("n", "c", ""), "<item id='c'/>");
    EXPECT(NEWS, PUBLISH("n", "d", ""), "<item id='d'/>");
    /* b has been the oldest of four */
    EXPECT(NEWS, REQUEST("get", "<items node='n'><item id='b'/></items>"),
           "<items node='n'></items>");
    EXPECT(NEWS, REQUEST("get", "<items node='n'/><set xmlns='http://jabber.org/protocol/rsm'>"
                         "<max>0</max></set>"), "<count>3</count>");
    EXPECT(NEWS, PUBLISH("n", "e", TEXT_60), "<item id='e'/>");
    EXPECT(NEWS, PUBLISH("n", "f", TEXT_60), "<item id='f'/>");
    /* the newest that fit into one answer */
    EXPECT(NEWS, REQUEST("get", "<items node='n'/>"), "<items node='n'><item id='f'>");
    EXPECT(NEWS, REQUEST("set", "<create/>"), "<create node='spare'/>");
    EXPECT(NEWS, REQUEST("set", "<create node='spare'/>"), "conflict");
    EXPECT(NEWS, REQUEST("set", "<create node='third'/>"), "");
    EXPECT(NEWS, REQUEST("set", "<create node='fourth'/>"), "resource-constraint");
}

static void bad_requests(void **state)
{
    static const char *const bad[][2] = {
        {REQUEST("set", ""), "bad-request"},
        {REQUEST("get", "<publish node='n'/>"), "bad-request"},
        {OWNER("set", "<publish node='n'/>"), "bad-request"},
        {REQUEST("get", "<items/>"), "bad-request nodeid-required"},
        {REQUEST("get", "<items node='a&#10;b'/>"), "not-acceptable"},
        {REQUEST("get", "<items node='n' max_items='many'/>"), "bad-request"},
        {REQUEST("set", "<publish node='n'><item/><item/></publish>"), "max-items-exceeded"},
        {REQUEST("set", "<subscribe node='n' jid='@'/>"), "bad-request invalid-jid"},
        {REQUEST("set", "<unsubscribe node='n' jid='" NEWS "' subid='1'/>"), "invalid-subid"},
        {REQUEST("get", "<default/>"), "feature-not-implemented unsupported"},
        {OWNER("set", "<configure node='n'/>"), "bad-request"},
        {OWNER("set", "<affiliations node='n'><affiliation jid='@' affiliation='member'/>"
                      "</affiliations>"), "jid-malformed"},
        {OWNER("set", "<affiliations node='n'><affiliation jid='a@b/c' affiliation='member'/>"
                      "</affiliations>"), "bad-request"},
        {OWNER("set", "<affiliations node='n'><affiliation jid='a@b' affiliation='king'/>"
                      "</affiliations>"), "bad-request"},
        {OWNER("set", "<subscriptions node='n'><subscription jid='a@b' subscription='pending'/>"
                      "</subscriptions>"), "not-acceptable"},
    };
    struct world *w = *state;

    EXPECT(NEWS, PUBLISH("n", "1", ""), "<item id='1'/>");
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        EXPECT(NEWS, bad[i][0], bad[i][1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reading),
        cmocka_unit_test(publishing_and_owning),
        cmocka_unit_test(a_form_is_what_it_says),
        cmocka_unit_test(a_form_comes_back),
    };
    /* These go on from one to the next. */
    const struct CMUnitTest requests[] = {
        cmocka_unit_test(without_contacts_nobody_sees_presence),
        cmocka_unit_test(an_event_has_its_lists),
        cmocka_unit_test(it_is_bounded),
        cmocka_unit_test(bad_requests),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    return failed + cmocka_run_group_tests(requests, setup, teardown);
}
