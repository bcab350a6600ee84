/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Who gets what: RFC 6121 section 8.5 for every type of stanza, every form of address and every
 * state of the recipient, from a client of ours and from elsewhere.
 */
#include "sm_kit.h"

/* How bob is there. */
enum {
    UNKNOWN,   /* there is no such account */
    OFFLINE,   /* no session */
    CONNECTED, /* bob@prime.test/match, without presence */
    NEGATIVE,  /* available, with a negative priority */
    AVAILABLE,
    MIXED,     /* match is negative, and there is bob@prime.test/second, which is not */
    SITUATIONS,
};

enum { BARE, MATCH, OTHER, ADDRESSES };

/*
 * What becomes of it, in each situation:
 *   .  nothing            e  refused             o  stored
 *   m  match gets it      s  second gets it      b  both
 *   q  kept as a request  M, B  that, and delivered  u  answered with "unsubscribed"
 */
static const struct row {
    const char *name, *type;
    const char *to[ADDRESSES];
    const char *payload;
    const char *to_local[ADDRESSES]; /* from a client of ours, where that is not the same */
} rows[] = {
    {"message", NULL,        {"eoooms", "eommmm", "eoooms"}, "<body>b</body>", {0}},
    {"message", "normal",    {"eoooms", "eommmm", "eoooms"}, "<body>b</body>", {0}},
    {"message", "chat",      {"eoooms", "eommmm", "eoooms"}, "<body>b</body>", {0}},
    {"message", "strange",   {"eoooms", "eommmm", "eoooms"}, "<body>b</body>", {0}},
    {"message", "groupchat", {"eeeeee", "eemmmm", "eeeeee"}, "<body>b</body>", {0}},
    {"message", "headline",  {"....ms", "..mmmm", "......"}, "<body>b</body>", {0}},
    {"message", "error",     {"......", "..mmmm", "......"}, "<body>b</body>", {0}},
    {"presence", NULL,          {"...mmb", "..mmmm", "......"}, "", {0}},
    {"presence", "unavailable", {"...mmb", "..mmmm", "......"}, "", {0}},
    {"presence", "subscribe",   {"uqqMMB", "uqqMMB", "uqqMMB"}, "", {0}},
    {"presence", "subscribed",  {"......", "......", "......"}, "", {0}},
    {"presence", "unsubscribe", {"......", "......", "......"}, "", {0}},
    {"presence", "unsubscribed", {"......", "......", "......"}, "", {0}},
    {"presence", "error",       {"......", "..mmmm", "......"}, "", {0}},
    {"presence", "strange",     {"......", "......", "......"}, "", {0}},
    /* a stranger's; clients do not probe */
    {"presence", "probe",       {"uuuuuu", "uuuuuu", "uuuuuu"}, "",
     {"......", "......", "......"}},
    {"iq", "get",    {"eeeeee", "eemmmm", "eeeeee"}, "<q xmlns='n'/>", {0}},
    {"iq", "set",    {"eeeeee", "eemmmm", "eeeeee"}, "<q xmlns='n'/>", {0}},
    {"iq", "result", {"......", "..mmmm", "......"}, "", {0}},
    {"iq", "error",  {"......", "..mmmm", "......"}, "", {0}},
};

struct stage {
    struct kit *k;
    struct kit_client *alice, *match, *second;
};

static void set(struct stage *st, int situation, bool is_linked)
{
    struct kit *k = st->k = kit_new(NULL);
    st->alice = kit_open(k, "alice", "prime.test", "a");
    kit_say(k, st->alice, "<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>");
    if (situation >= CONNECTED)
        st->match = kit_open(k, "bob", "prime.test", "match");
    if (situation == NEGATIVE || situation == MIXED)
        kit_say(k, st->match, "<presence><priority>-1</priority></presence>");
    if (situation == AVAILABLE)
        kit_say(k, st->match, "<presence/>");
    if (situation == MIXED) {
        st->second = kit_open(k, "bob", "prime.test", "second");
        kit_say(k, st->second, "<presence/>");
    }
    if (!is_linked)
        return;
    kit_link_up(k);
    sm_link_events.on_claim(k->sm, SPAN("alice@prime.test"), SPAN_NONE);
    sm_link_events.on_claim(k->sm, SPAN("bob@prime.test"), SPAN_NONE);
    kit_settle(k);
}

static void clear(struct stage *st)
{
    kit_sql(st->k, "DELETE FROM offline WHERE ?1 = ?1", "");
    kit_sql(st->k, "DELETE FROM roster WHERE ?1 = ?1", "");
    kit_sql(st->k, "DELETE FROM roster_request WHERE ?1 = ?1", "");
    kit_drain(&st->k->link.out);
    kit_heard(st->alice);
    if (st->match)
        kit_heard(st->match);
    if (st->second)
        kit_heard(st->second);
}

static void unset(struct stage *st)
{
    kit_close(st->k, st->alice);
    if (st->match)
        kit_close(st->k, st->match);
    if (st->second)
        kit_close(st->k, st->second);
    kit_free(st->k);
    *st = (struct stage){0};
}

static bool got(struct kit_client *c)
{
    return c && strstr(kit_heard(c), "id='t'") != NULL;
}

static int64_t count(struct stage *st, const char *sql)
{
    return kit_sql(st->k, sql, "");
}

static char outcome(struct stage *st, const char *answer)
{
    const bool is_refused = strstr(answer, "type='error'") && strstr(answer, "id='t'");
    const bool is_undone = strstr(answer, "type='unsubscribed'") != NULL;
    const bool is_stored = count(st, "SELECT count(*) FROM offline WHERE ?1 = ?1") > 0;
    const bool is_kept = count(st, "SELECT count(*) FROM roster_request WHERE ?1 = ?1") > 0;
    const bool by_match = got(st->match), by_second = got(st->second);

    /* one thing only, but a request is kept and delivered */
    assert_in_range(is_refused + is_undone + is_stored + is_kept, 0, 1);
    if (is_kept)
        return (char)(by_match ? (by_second ? 'B' : 'M') : by_second ? 'S' : 'q');
    if (is_refused || is_undone || is_stored) {
        assert_false(by_match || by_second);
        return is_refused ? 'e' : is_undone ? 'u' : 'o';
    }
    return (char)(by_match ? (by_second ? 'b' : 'm') : by_second ? 's' : '.');
}

static char try(struct stage *st, const struct row *row, const char *user, int address,
                bool is_local)
{
    static const char *const forms[] = {"", "/match", "/other"};
    char xml[300];

    clear(st);
    snprintf(xml, sizeof(xml), "<%s%s%s%s to='%s@prime.test%s' id='t'%s>%s</%s>", row->name,
             row->type ? " type='" : "", row->type ? row->type : "", row->type ? "'" : "", user,
             forms[address], is_local ? "" : " from='x@else.org/r'", row->payload, row->name);
    if (is_local)
        kit_say(st->k, st->alice, xml);
    else
        kit_link_say(st->k, xml);
    return outcome(st, is_local ? kit_heard(st->alice) : kit_drain(&st->k->link.out));
}

static void walk(bool is_local)
{
    for (int situation = 0; situation < SITUATIONS; situation++) {
        struct stage st = {0};
        set(&st, situation, !is_local);
        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
            for (int a = 0; a < ADDRESSES; a++) {
                const char *wanted =
                    is_local && rows[i].to_local[a] ? rows[i].to_local[a] : rows[i].to[a];
                const char *user = situation == UNKNOWN ? "nobody" : "bob";
                const char is = try(&st, &rows[i], user, a, is_local);
                if (is != wanted[situation])
                    fail_msg("%s %s, address %d, situation %d, %s: %c, not %c", rows[i].name,
                             rows[i].type ? rows[i].type : "-", a, situation,
                             is_local ? "local" : "remote", is, wanted[situation]);
            }
        }
        unset(&st);
    }
}

static void from_elsewhere(void **state)
{
    (void)state;
    walk(false);
}

/* Without a router: what would go there and come back is handled at once. */
static void from_a_client_of_ours(void **state)
{
    (void)state;
    walk(true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(from_elsewhere),
        cmocka_unit_test(from_a_client_of_ours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
