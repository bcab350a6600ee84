/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_sm_mam - what a user can ask his archive, and what is answered to whom. */
#include "sm_kit.h"

#define MAM "urn:xmpp:mam:2"
#define MAX_IDS 600

static struct sm_opts mam_opts(void)
{
    struct sm_opts opts = *kit_opts();
    opts.archive = true;
    opts.archive_rule = SM_ARCHIVE_ALWAYS;
    opts.archive_page = 250;
    return opts;
}

/* --- an archive ------------------------------------------------------------------------------- */

struct stage {
    struct kit *k;
    struct kit_client *a; /* alice, whose archive it is */
    char ids[MAX_IDS][20]; /* in order, as a page of all has them */
    size_t count;
};

static struct stage s;

/* From bob's resource odd or even to alice; the link says so. */
static void fill(size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char text[300];
        snprintf(text, sizeof(text),
                 "<message from='%s' to='alice@prime.test' type='chat' id='m%zu'><body>%zu"
                 "</body></message>",
                 i % 3 == 2 ? "eve@far.test/e" : i % 2 ? "bob@far.test/odd" : "bob@far.test/even",
                 i, i);
        kit_parse(s.k, NS_COMPONENT, text);
        sm_link_events.on_stanza(s.k->sm, &s.k->stanza);
        loop_sim_advance(s.k->loop, 10);
        buf_clear(&s.a->out);
    }
}

static void ask(const char *form, const char *set)
{
    char text[4000];
    snprintf(text, sizeof(text),
             "<iq type='set' id='q'><query xmlns='" MAM "' queryid='Q'>%s%s</query></iq>", form,
             set);
    kit_say(s.k, s.a, text);
}

/* The ids of the results that have come, into ids_r; what comes behind them is kept, too. */
static size_t hear(char ids_r[MAX_IDS][20], const char **rest_r)
{
    const char *heard = kit_heard(s.a), *at = heard;
    size_t n = 0;
    while ((at = strstr(at, "<result xmlns='" MAM "' queryid='Q' id='")) != NULL) {
        at = strstr(at, " id='") + 5;
        snprintf(ids_r[n++], 20, "%.16s", at);
        assert_true(n < MAX_IDS);
    }
    *rest_r = strstr(heard, "<iq");
    assert_non_null(*rest_r);
    return n;
}

static void learn(void)
{
    static char page[MAX_IDS][20];
    char set[200] = "";
    const char *rest;
    size_t n;
    s.count = 0;
    do {
        ask("", set);
        n = hear(page, &rest);
        memcpy(s.ids[s.count], page, n * sizeof(page[0]));
        s.count += n;
        snprintf(set, sizeof(set),
                 "<set xmlns='http://jabber.org/protocol/rsm'><after>%s</after></set>",
                 s.ids[s.count - 1]);
    } while (!strstr(rest, "complete='true'"));
}

static void set_up(const struct sm_opts *opts, size_t count)
{
    const struct sm_opts usual = mam_opts();
    s.k = kit_new(opts ? opts : &usual);
    s.a = kit_open(s.k, "alice", "prime.test", "x");
    kit_say(s.k, s.a, "<presence/>");
    kit_heard(s.a);
    fill(count);
    kit_settle(s.k);
    if (count > 0)
        learn();
    assert_int_equal(s.count, count);
}

static void tear_down(void)
{
    kit_close(s.k, s.a);
    kit_free(s.k);
    memset(&s, 0, sizeof(s));
}

#define FIELD(var, value) "<field var='" var "'><value>" value "</value></field>"
#define FORM(fields)                                                                               \
    "<x xmlns='jabber:x:data' type='submit'>" FIELD("FORM_TYPE", MAM) fields "</x>"
#define SET(content) "<set xmlns='http://jabber.org/protocol/rsm'>" content "</set>"

/* The page that is heard: those from first on, n of them, every step-th. */
static void expect_page(size_t first, size_t n, size_t step, bool is_flipped)
{
    static char page[MAX_IDS][20];
    const char *rest;
    size_t heard = hear(page, &rest);
    assert_int_equal(heard, n);
    for (size_t i = 0; i < n; i++)
        assert_string_equal(page[is_flipped ? n - 1 - i : i], s.ids[first + i * step]);
    if (n == 0) {
        assert_null(strstr(rest, "<first"));
        return;
    }
    char text[100];
    snprintf(text, sizeof(text), ">%s</first>", s.ids[first]);
    EXPECT_IN(rest, text);
    snprintf(text, sizeof(text), "<last>%s</last>", s.ids[first + (n - 1) * step]);
    EXPECT_IN(rest, text);
}

static const char *print(const char *format, const char *a, const char *b)
{
    static char text[4][600];
    static unsigned at;
    char *to = text[at++ % 4];
    const char *mark;
    size_t n = 0;
    for (; (mark = strchr(format, '$')) != NULL; format = mark + 2)
        n += (size_t)snprintf(to + n, 600 - n, "%.*s%s", (int)(mark - format), format,
                              mark[1] == '1' ? a : b);
    snprintf(to + n, 600 - n, "%s", format);
    return to;
}

/* --- queries ---------------------------------------------------------------------------------- */

static void a_result_is_a_forwarded_message(void **state)
{
    (void)state;
    set_up(NULL, 1);
    ask("", "");
    const char *heard = kit_heard(s.a);
    EXPECT_IN(heard, "<message from='alice@prime.test' to='alice@prime.test/x'><result xmlns='" MAM
                     "' queryid='Q' id='");
    EXPECT_IN(heard, "'><forwarded xmlns='urn:xmpp:forward:0'><delay xmlns='urn:xmpp:delay' "
                     "stamp='2026-01-01T00:00:0");
    EXPECT_IN(heard, "Z'/><message xmlns='jabber:client' ");
    EXPECT_IN(heard, "<body>0</body></message></forwarded></result></message><iq type='result' "
                     "id='q' to='alice@prime.test/x'><fin xmlns='" MAM "' complete='true'>"
                     "<set xmlns='http://jabber.org/protocol/rsm'><first>");
    EXPECT_IN(heard, "<count>1</count></set></fin></iq>");
    kit_say(s.k, s.a, "<iq type='set' id='q' to='alice@prime.test'><query xmlns='" MAM "'/></iq>");
    heard = kit_heard(s.a);
    assert_null(strstr(heard, "queryid"));
    EXPECT_IN(heard, "<iq type='result' id='q' from='alice@prime.test' to='alice@prime.test/x'>");
    tear_down();
}

static void an_empty_archive_is_complete(void **state)
{
    (void)state;
    set_up(NULL, 0);
    ask("", SET("<before/>"));
    EXPECT(s.a, "<fin xmlns='" MAM "' complete='true'>"
                "<set xmlns='http://jabber.org/protocol/rsm'><count>0</count></set></fin>");
    kit_say(s.k, s.a, "<iq type='get' id='m'><metadata xmlns='" MAM "'/></iq>");
    EXPECT(s.a, "<metadata xmlns='" MAM "'></metadata>");
    tear_down();
}

static void pages_go_both_ways(void **state)
{
    (void)state;
    set_up(NULL, 120);
    assert_int_equal(s.count, 120);
    ask("", "");
    expect_page(0, 50, 1, false); /* the default */
    for (size_t at = 0; at < 120; at += 25) {
        ask("", at == 0 ? SET("<max>25</max>")
                        : print(SET("<max>25</max><after>$1</after>"), s.ids[at - 1], ""));
        char *whole = mem_strdup_span(buf_span(&s.a->out));
        expect_page(at, at + 25 > 120 ? 20 : 25, 1, false);
        assert_int_equal(strstr(whole, "complete='true'") != NULL, at == 100);
        EXPECT_IN(whole, "<count>120</count>");
        free(whole);
    }
    for (size_t end = 120; end > 0; end = end > 50 ? end - 50 : 0) {
        ask("", end == 120 ? SET("<max>50</max><before/>")
                           : print(SET("<max>50</max><before>$1</before>"), s.ids[end], ""));
        assert_int_equal(strstr(buf_z(&s.a->out), "complete='true'") != NULL, end <= 50);
        expect_page(end > 50 ? end - 50 : 0, end > 50 ? 50 : end, 1, false);
    }
    /* A full page that is the last one is complete. */
    ask("", print(SET("<max>20</max><after>$1</after>"), s.ids[99], ""));
    assert_non_null(strstr(buf_z(&s.a->out), "complete='true'"));
    expect_page(100, 20, 1, false);
    ask("", print(SET("<after>$1</after>"), s.ids[119], ""));
    expect_page(0, 0, 1, false);
    tear_down();
}

static void pages_are_flipped_on_demand(void **state)
{
    (void)state;
    set_up(NULL, 30);
    ask("", SET("<max>10</max>") "<flip-page/>");
    expect_page(0, 10, 1, true);
    ask("", SET("<max>10</max><before/>") "<flip-page/>");
    expect_page(20, 10, 1, true);
    ask("", print(SET("<max>10</max><after>$1</after>") "<flip-page/>", s.ids[4], ""));
    expect_page(5, 10, 1, true);
    tear_down();
}

static void a_page_has_a_bound(void **state)
{
    (void)state;
    struct sm_opts opts = mam_opts();
    opts.archive_page = 10;
    set_up(&opts, 12);
    ask("", SET("<max>1000</max>"));
    assert_null(strstr(buf_z(&s.a->out), "complete"));
    expect_page(0, 10, 1, false);
    ask("", SET("<max>0</max>"));
    EXPECT(s.a, "<fin xmlns='" MAM "'><set xmlns='http://jabber.org/protocol/rsm'>"
                "<count>12</count></set></fin>");
    tear_down();
}

/* Who wrote the i-th: bob/even for 0 mod 6, bob/odd 1, eve 2, bob/odd 3, bob/even 4, eve 5. */
static void filters_choose(void **state)
{
    (void)state;
    set_up(NULL, 60);
    ask(FORM(FIELD("with", "eve@far.test")), "");
    expect_page(2, 20, 3, false);
    ask(FORM(FIELD("with", "Eve@FAR.test/e")), SET("<before/><max>5</max>"));
    expect_page(2 + 15 * 3, 5, 3, false);
    ask(FORM(FIELD("with", "eve@far.test/other")), "");
    expect_page(0, 0, 1, false);
    ask(FORM(FIELD("with", "nobody@far.test")), "");
    expect_page(0, 0, 1, false);
    ask(FORM(FIELD("with", "bob@far.test/even")), "");
    char page[MAX_IDS][20];
    const char *rest;
    assert_int_equal(hear(page, &rest), 20);
    assert_string_equal(page[0], s.ids[0]);
    assert_string_equal(page[1], s.ids[4]);
    assert_string_equal(page[2], s.ids[6]);
    ask(FORM(FIELD("with", "bob@far.test")), SET("<max>1</max>"));
    EXPECT(s.a, "<count>40</count>");
    ask(print(FORM(FIELD("after-id", "$1") FIELD("before-id", "$2")), s.ids[9], s.ids[20]), "");
    expect_page(10, 10, 1, false);
    ask(print(FORM(FIELD("after-id", "$1")), s.ids[49], ""), SET("<max>4</max><before/>"));
    expect_page(56, 4, 1, false);
    ask(print(FORM(FIELD("before-id", "$1")), s.ids[9], ""),
        print(SET("<after>$1</after>"), s.ids[2], ""));
    expect_page(3, 6, 1, false);
    ask(FORM(""), "");
    expect_page(0, 50, 1, false);
    ask(FORM(FIELD("include-groupchat", "true")), SET("<max>3</max>"));
    expect_page(0, 3, 1, false);
    ask(FORM("<field var='with'/><field><value>x</value></field>"), SET("<max>3</max>"));
    expect_page(0, 3, 1, false);
    tear_down();
}

static void messages_are_fetched_by_id(void **state)
{
    (void)state;
    set_up(NULL, 12);
    const char *three = print("<field var='ids'><value>$1</value><value>$2</value>", s.ids[8],
                              s.ids[2]);
    char form[600];
    snprintf(form, sizeof(form), FORM("%s<value>%s</value><value>%s</value></field>"), three,
             s.ids[5], s.ids[8]);
    ask(form, "");
    EXPECT_IN(buf_z(&s.a->out), "<count>3</count>");
    expect_page(2, 3, 3, false);
    ask(form, SET("<max>2</max>"));
    assert_null(strstr(buf_z(&s.a->out), "complete"));
    expect_page(2, 2, 3, false);
    ask(form, SET("<max>2</max><before/>") "<flip-page/>");
    expect_page(5, 2, 3, true);
    ask(form, print(SET("<after>$1</after>"), s.ids[2], ""));
    expect_page(5, 2, 3, false);
    ask(FORM("<field var='ids'><value>0123456789abcdef</value></field>"), "");
    EXPECT(s.a, "<item-not-found");
    ask(print(FORM("<field var='ids'><value>$1</value><value>nonsense</value></field>"), s.ids[0],
              ""), "");
    EXPECT(s.a, "<item-not-found");
    tear_down();
}

static void times_choose(void **state)
{
    (void)state;
    set_up(NULL, 3);
    loop_sim_advance(s.k->loop, 10000);
    fill(3);
    kit_settle(s.k);
    learn();
    assert_int_equal(s.count, 6);
    kit_say(s.k, s.a, "<iq type='get' id='m'><metadata xmlns='" MAM "'/></iq>");
    const char *heard = kit_heard(s.a);
    EXPECT_IN(heard, print("<start id='$1' timestamp='2026-01-01T00:00:0", s.ids[0], ""));
    EXPECT_IN(heard, print("<end id='$1' timestamp='2026-01-01T00:00:1", s.ids[5], ""));
    char first[30], last[30];
    snprintf(first, sizeof(first), "%.24s", strstr(heard, "timestamp='") + 11);
    snprintf(last, sizeof(last), "%.24s", strstr(strstr(heard, "<end"), "timestamp='") + 11);
    static const struct {
        const char *form;
        size_t at, n;
    } rows[] = {
        {FORM(FIELD("start", "2026-01-01T00:00:05Z")), 3, 3},
        {FORM(FIELD("end", "2026-01-01T00:00:05Z")), 0, 3},
        {FORM(FIELD("start", "2026-01-01T02:00:05.25+02:00")), 3, 3},
        {FORM(FIELD("start", "2025-12-31T19:00:05-05:00")), 3, 3},
        {FORM(FIELD("start", "1969-01-01T00:00:00Z")), 0, 6},
        {FORM(FIELD("end", "1969-01-01T00:00:00Z")), 0, 0},
        {FORM(FIELD("start", "9999-01-01T00:00:00Z")), 0, 0},
        {FORM(FIELD("end", "9999-01-01T00:00:00Z")), 0, 6},
        {FORM(FIELD("start", "2026-01-01T00:00:05Z") FIELD("end", "2026-01-01T00:00:06Z")), 0, 0},
        /* Both ends count. */
        {FORM(FIELD("start", "$1") FIELD("end", "$2")), 0, 6},
        {FORM(FIELD("start", "$2")), 5, 1},
        {FORM(FIELD("end", "$1")), 0, 1},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        ask(print(rows[i].form, first, last), "");
        expect_page(rows[i].at, rows[i].n, 1, false);
    }
    tear_down();
}

static void what_makes_no_sense_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *form, *set, *error;
    } rows[] = {
        {FORM(FIELD("{urn:x}text", "a")), "", "<feature-not-implemented"},
        {FORM(FIELD("with", "@")), "", "<bad-request"},
        {FORM(FIELD("with", "")), "", "<bad-request"},
        {FORM(FIELD("start", "")), "", "<bad-request"},
        {FORM(FIELD("start", "yesterday")), "", "<bad-request"},
        {FORM(FIELD("start", "2026-01-01")), "", "<bad-request"},
        {FORM(FIELD("start", "2026-01-01T00:00:00")), "", "<bad-request"},
        {FORM(FIELD("start", "2026-13-01T00:00:00Z")), "", "<bad-request"},
        {FORM(FIELD("start", "2026-01-01T24:00:00Z")), "", "<bad-request"},
        {FORM(FIELD("start", "2026-01-01T00:00:00.Z")), "", "<bad-request"},
        {FORM(FIELD("start", "2026-01-01T00:00:00Zulu")), "", "<bad-request"},
        {FORM(FIELD("start", "-026-01-01T00:00:00Z")), "", "<bad-request"},
        {FORM(FIELD("end", "2026-01-01T00:00:00+1:00")), "", "<bad-request"},
        {FORM(FIELD("start", "2026-01-01T00:00:00Z") FIELD("start", "2026-01-01T00:00:00Z")), "",
         "<bad-request"},
        {FORM(FIELD("include-groupchat", "maybe")), "", "<bad-request"},
        {FORM(FIELD("after-id", "0123456789abcdef")), "", "<item-not-found"},
        {FORM(FIELD("before-id", "nonsense")), "", "<item-not-found"},
        {"", SET("<after>0123456789abcdef</after>"), "<item-not-found"},
        {"", SET("<before>7fffffffffffffff</before>"), "<item-not-found"},
        {"", SET("<before>ffffffffffffffff</before>"), "<item-not-found"},
        {"", SET("<after>0000000000000000</after>"), "<item-not-found"},
        {"", SET("<after>0123456789ABCDEF</after>"), "<item-not-found"},
        {"", SET("<max>-1</max>"), "<bad-request"},
        {"", SET("<max>many</max>"), "<bad-request"},
        {"", SET("<max>10</max><index>5</index>"), "<feature-not-implemented"},
        {"<x xmlns='jabber:x:data' type='cancel'/>", "", "<bad-request"},
        {"<x xmlns='jabber:x:data' type='submit'>" FIELD("FORM_TYPE", "urn:x") "</x>", "",
         "<bad-request"},
        {"<x xmlns='jabber:x:data' type='submit'>" FIELD("with", "a@b") "</x>", "",
         "<bad-request"},
    };
    set_up(NULL, 2);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        ask(rows[i].form, rows[i].set);
        const char *heard = kit_heard(s.a);
        if (!strstr(heard, rows[i].error) || strstr(heard, "<result"))
            fail_msg("row %zu: %s", i, heard);
    }
    kit_say(s.k, s.a, "<iq type='set' id='1'><query xmlns='" MAM "' node='x'/></iq>");
    EXPECT(s.a, "<item-not-found");
    struct buf text = {0};
    buf_append_z(&text, "<iq type='set' id='1'><query xmlns='" MAM "' queryid='");
    for (int i = 0; i < 1500; i++)
        buf_append_char(&text, 'q');
    buf_append_z(&text, "'/></iq>");
    kit_say(s.k, s.a, buf_z(&text));
    EXPECT(s.a, "<bad-request");
    buf_free(&text);
    tear_down();
}

/* C05: an archive is its owner's. */
static void nobody_else_may_ask(void **state)
{
    (void)state;
    static const char *const payloads[] = {
        "type='set'><query xmlns='" MAM "'/>", "type='get'><query xmlns='" MAM "'/>",
        "type='get'><metadata xmlns='" MAM "'/>", "type='get'><prefs xmlns='" MAM "'/>",
        "type='set'><prefs xmlns='" MAM "' default='never'/>",
    };
    static const char *const whose[] = {"alice@prime.test", "bob@prime.test", "nobody@prime.test"};
    set_up(NULL, 2);
    struct kit_client *b = kit_open(s.k, "bob", "prime.test", "y");
    kit_link_up(s.k);
    kit_drain(&s.k->link.out);
    for (size_t i = 0; i < ARRAY_LEN(payloads); i++) {
        char text[300];
        snprintf(text, sizeof(text), "<iq id='1' to='alice@prime.test' %s</iq>", payloads[i]);
        kit_say(s.k, b, text);
        EXPECT(b, "<forbidden");
        for (size_t w = 0; w < ARRAY_LEN(whose); w++) {
            snprintf(text, sizeof(text), "<iq id='1' from='eve@far.test/e' to='%s' %s</iq>",
                     whose[w], payloads[i]);
            kit_link_say(s.k, text);
            EXPECT_LINK(s.k, "<forbidden");
        }
    }
    kit_close(s.k, b);
    tear_down();
}

static void the_form_tells_the_fields(void **state)
{
    (void)state;
    set_up(NULL, 0);
    kit_say(s.k, s.a, "<iq type='get' id='f'><query xmlns='" MAM "'/></iq>");
    const char *heard = kit_heard(s.a);
    EXPECT_IN(heard, "<query xmlns='" MAM "'><x xmlns='jabber:x:data' type='form'><field "
                     "var='FORM_TYPE' type='hidden'><value>" MAM "</value></field>");
    static const char *const fields[] = {"with", "start", "end", "before-id", "after-id", "ids",
                                         "include-groupchat"};
    for (size_t i = 0; i < ARRAY_LEN(fields); i++)
        EXPECT_IN(heard, print("<field var='$1' type='", fields[i], ""));
    EXPECT_IN(heard, "type='list-multi'><validate xmlns='http://jabber.org/protocol/xdata-validate'"
                     " datatype='xs:string'><open/></validate>");
    assert_null(strstr(heard, "required"));
    kit_say(s.k, s.a, "<iq type='get' id='d' to='alice@prime.test'>"
                      "<query xmlns='http://jabber.org/protocol/disco#info'/></iq>");
    heard = kit_heard(s.a);
    EXPECT_IN(heard, "<feature var='urn:xmpp:mam:2'/>");
    EXPECT_IN(heard, "<feature var='urn:xmpp:mam:2#extended'/>");
    EXPECT_IN(heard, "<feature var='urn:xmpp:mam:2#groupchat-field'/>");
    EXPECT_IN(heard, "<feature var='urn:xmpp:sid:0'/>");
    tear_down();
}

/* What has been archived in the same tick is there. */
static void a_query_sees_what_came_before_it(void **state)
{
    (void)state;
    set_up(NULL, 0);
    for (int i = 0; i < 3; i++)
        kit_input(s.k, s.a, "<message to='bob@prime.test' type='chat'><body>x</body></message>");
    kit_input(s.k, s.a, "<iq type='set' id='q'><query xmlns='" MAM "' queryid='Q'/></iq>");
    kit_settle(s.k);
    const char *rest;
    assert_int_equal(hear(s.ids, &rest), 3);
    ask(FORM(FIELD("with", "bob@net.test")), SET("<max>1</max>")); /* bob by his other name */
    EXPECT(s.a, "<count>3</count>");
    ask(FORM(FIELD("with", "alice@prime.test")), ""); /* notes to herself only */
    EXPECT(s.a, "<count>0</count>");
    tear_down();
}

/* A client that does not read gets no more than its queue holds; when it reads, the rest. */
static void a_page_waits_for_its_reader(void **state)
{
    (void)state;
    set_up(NULL, 200);
    s.a->backlog = 6000; /* of 10,000: more than half */
    kit_input(s.k, s.a, "<iq type='set' id='q'><query xmlns='" MAM "' queryid='Q'>"
                        SET("<max>200</max>") "</query></iq>");
    loop_sim_advance(s.k->loop, 5000);
    assert_null(strstr(buf_z(&s.a->out), "<fin"));
    size_t unread = buf_len(&s.a->out);
    assert_true(unread > 0);
    loop_sim_advance(s.k->loop, 5000);
    assert_int_equal(buf_len(&s.a->out), unread);
    s.a->backlog = 0;
    loop_sim_advance(s.k->loop, 1000);
    expect_page(0, 200, 1, false);
    /* It goes while it waits; so does everything. */
    s.a->backlog = 6000;
    kit_input(s.k, s.a, "<iq type='set' id='q'><query xmlns='" MAM "'>" SET("<max>200</max>")
                        "</query></iq>");
    kit_settle(s.k);
    sm_close(s.a->session);
    s.a->session = NULL;
    loop_sim_advance(s.k->loop, 1000);
    tear_down();
}

static void waiting_pages_end_with_the_whole(void **state)
{
    (void)state;
    set_up(NULL, 100);
    s.a->backlog = 6000;
    kit_input(s.k, s.a, "<iq type='set' id='q'><query xmlns='" MAM "'>" SET("<max>100</max>")
                        "</query></iq>");
    kit_settle(s.k);
    kit_input(s.k, s.a, "<iq type='set' id='q'><query xmlns='" MAM "'/></iq>");
    sm_free(&s.k->sm);
    s.a->session = NULL;
    tear_down();
}

static void queries_at_a_time_are_bounded(void **state)
{
    (void)state;
    set_up(NULL, 3);
    for (int i = 0; i < 21; i++)
        kit_input(s.k, s.a, "<iq type='set' id='q'><query xmlns='" MAM "'/></iq>");
    EXPECT(s.a, "<resource-constraint");
    kit_settle(s.k);
    kit_heard(s.a);
    ask("", "");
    expect_page(0, 3, 1, false);
    tear_down();
}

/* A search for one resource looks at the rows, some at a time. */
static void a_long_search_goes_in_steps(void **state)
{
    (void)state;
    set_up(NULL, 4);
    kit_sql(s.k,
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9000)"
            " INSERT INTO archive (account, id, peer, resource, stanza)"
            " SELECT 1, (SELECT max(id) FROM archive) + i, 'bob@far.test', CAST(i AS TEXT),"
            " '<message/>' FROM n WHERE ?1 = ''", "");
    ask(FORM(FIELD("with", "bob@far.test/8999")), "");
    const char *heard = kit_heard(s.a);
    EXPECT_IN(heard, "complete='true'");
    assert_null(strstr(heard, "<count>"));
    assert_non_null(strstr(heard, "<result"));
    ask(FORM(FIELD("with", "bob@far.test/even")), SET("<before/><max>2</max>"));
    expect_page(0, 1, 1, false);
    /* And nothing is counted that is long. */
    ask(FORM(FIELD("with", "bob@far.test")), SET("<max>1</max>"));
    heard = kit_heard(s.a);
    assert_null(strstr(heard, "<count>"));
    tear_down();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_result_is_a_forwarded_message),
        cmocka_unit_test(an_empty_archive_is_complete),
        cmocka_unit_test(pages_go_both_ways),
        cmocka_unit_test(pages_are_flipped_on_demand),
        cmocka_unit_test(a_page_has_a_bound),
        cmocka_unit_test(filters_choose),
        cmocka_unit_test(messages_are_fetched_by_id),
        cmocka_unit_test(times_choose),
        cmocka_unit_test(what_makes_no_sense_is_refused),
        cmocka_unit_test(nobody_else_may_ask),
        cmocka_unit_test(the_form_tells_the_fields),
        cmocka_unit_test(a_query_sees_what_came_before_it),
        cmocka_unit_test(a_page_waits_for_its_reader),
        cmocka_unit_test(waiting_pages_end_with_the_whole),
        cmocka_unit_test(queries_at_a_time_are_bounded),
        cmocka_unit_test(a_long_search_goes_in_steps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
