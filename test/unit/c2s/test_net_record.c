/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_net_record - records of homes: which holds, what they look like, who has signed them.
 */
#include "net_signed.h"

#include "c2s/sm/network/record.h"

/* --- in the store --- */

struct save {
    struct store_job job;
    struct sm_home_record r;
    int result;
    char old[64];
};

static int save_run(struct db *db, struct store_job *job)
{
    struct save *s = (struct save *)job;
    struct buf old = {0};
    s->result = sm_record_save(db, &s->r, &old);
    snprintf(s->old, sizeof(s->old), "%.*s", SPAN_ARG(buf_span(&old)));
    buf_free(&old);
    return STORE_OK;
}

static void save_done(struct store_job *job, int result)
{
    (void)job;
    assert_int_equal(result, STORE_OK);
}

static struct save save(struct kit *k, const char *host, int64_t stamp, const char *proof)
{
    static struct save s;
    s = (struct save){.r = {SPAN("u"), span_of(host), stamp, span_of(proof)}};
    s.job.run = save_run;
    s.job.done = save_done;
    store_submit(k->store, STORE_WRITE, &s.job);
    loop_sim_advance(k->loop, 10);
    return s;
}

static void the_newer_one_is_kept(void **state)
{
    static const struct {
        const char *host, *proof;
        int64_t stamp;
        int result;
        const char *old;
    } steps[] = {
        {"beta.test", "b", 100, 1, ""},
        {"gamma.test", "g", 99, 0, "beta.test"},  /* older */
        {"gamma.test", "g", 100, 0, "beta.test"}, /* as old: the smaller name holds */
        {"alpha.test", "a", 100, 1, "beta.test"},
        {"gamma.test", "", 101, 1, "alpha.test"},
        {"gamma.test", "g", 101, 1, ""}, /* signed by now */
        {"gamma.test", "x", 101, 1, ""}, /* by another key */
        {"gamma.test", "", 101, 1, ""},  /* which stays */
    };
    struct kit *k = net_key_kit();
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        const struct save s = save(k, steps[i].host, steps[i].stamp, steps[i].proof);
        assert_int_equal(s.result, steps[i].result);
        assert_string_equal(s.old, steps[i].old);
    }
    assert_int_equal(kit_sql(k, "SELECT stamp FROM home WHERE user = ?1 AND proof = x'78'", "u"),
                     101);
    net_free(k);
}

/* --- on the wire --- */

static bool is_read(const char *xml, struct sm_home_record *r, struct buf *scratch)
{
    static struct stanza s;
    assert_int_equal(xml_parse_stanza(xml_parser_shared(SPAN(NS_NETWORK)), span_of(xml), &s),
                     XML_OK);
    return sm_record_read(&s, 0, r, scratch);
}

static void what_is_written_is_read(void **state)
{
    const struct sm_home_record r = {SPAN("neil"), SPAN("beta.test"), 1700000000000,
                                     SPAN("\1\2\xff")};
    struct buf out = {0}, scratch = {0};
    struct sm_home_record got;
    (void)state;
    sm_record_write(&out, &r);
    assert_true(is_read(buf_z(&out), &got, &scratch));
    assert_true(span_eq(got.user, r.user) && span_eq(got.host, r.host));
    assert_true(got.stamp == r.stamp && span_eq(got.proof, r.proof));
    buf_free(&out);
    buf_free(&scratch);
}

static void what_is_no_record_is_not_read(void **state)
{
    static const char *const cases[] = {
        "<home host='b.test' stamp='1'/>",
        "<home user='u' stamp='1'/>",
        "<home user='u' host='b.test'/>",
        "<home user='U' host='b.test' stamp='1'/>",
        "<home user='u@x' host='b.test' stamp='1'/>",
        "<home user='' host='b.test' stamp='1'/>",
        "<home user='u' host='B.test' stamp='1'/>",
        "<home user='u' host='' stamp='1'/>",
        "<home user='u' host='b.test' stamp='-1'/>",
        "<home user='u' host='b.test' stamp='1.5'/>",
        "<home user='u' host='b.test' stamp='99999999999999999999'/>",
        "<home user='u' host='b.test' stamp='1' proof='*'/>",
        "<house user='u' host='b.test' stamp='1'/>",
        "<home xmlns='other' user='u' host='b.test' stamp='1'/>",
    };
    struct sm_home_record r;
    struct buf scratch = {0}, big = {0};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        if (is_read(cases[i], &r, &scratch))
            fail_msg("%s", cases[i]);
    }
    buf_append_z(&big, "<home user='u' host='b.test' stamp='1' proof='");
    for (int i = 0; i < 1 << 18; i++)
        buf_append_z(&big, "AAAA");
    buf_append_z(&big, "'/>");
    assert_false(is_read(buf_z(&big), &r, &scratch));
    assert_int_equal(buf_len(&scratch), 0);
    buf_free(&big);
    buf_free(&scratch);
}

/* --- signatures --- */

struct verdict {
    int count;
    bool is_good;
};

static void on_verdict(void *ctx, bool is_good)
{
    struct verdict *v = ctx;
    v->count++;
    v->is_good = is_good;
}

/* Of a record as its XML says. */
static struct verdict verify(struct kit *k, const char *xml, bool gives_key)
{
    struct sm_home_record r;
    struct buf scratch = {0};
    struct verdict v = {0};
    assert_true(is_read(xml, &r, &scratch));
    sm_record_verify(k->sm, &r, on_verdict, &v);
    assert_int_equal(v.count, 0);
    buf_free(&scratch);
    if (gives_key)
        net_give_key(k, &key_beta, &key_beta);
    kit_settle(k);
    assert_int_equal(v.count, 1);
    return v;
}

static void a_record_must_be_signed_by_its_home(void **state)
{
    struct kit *k = net_key_kit();
    const int64_t now = loop_wall(k->loop);
    (void)state;
    assert_true(verify(k, net_record("u", "beta.test", now, &key_beta), true).is_good);
    assert_true(verify(k, net_record("u", "beta.test", now + 599000, &key_beta), false).is_good);
    /* by another server; not at all; of the future */
    assert_false(verify(k, net_record("u", "beta.test", now, &key_gamma), false).is_good);
    assert_false(verify(k, net_record("u", "beta.test", now, NULL), false).is_good);
    assert_false(verify(k, net_record("u", "beta.test", now + 700000, &key_beta), false).is_good);
    /* of a server that is none of the network */
    assert_false(verify(k, net_record("u", "evil.test", now, &key_beta), false).is_good);
    net_free(k);
}

static void our_own_are_signed(void **state)
{
    struct kit *k = net_key_kit();
    struct sm_home_record r = {SPAN("u"), SPAN("prime.test"), loop_wall(k->loop), SPAN_NONE};
    struct buf proof = {0};
    struct verdict v = {0};
    (void)state;
    sm_record_sign(k->sm, r.user, r.stamp, &proof);
    assert_int_equal(buf_len(&proof), 256);
    r.proof = buf_span(&proof);
    sm_record_verify(k->sm, &r, on_verdict, &v);
    kit_settle(k);
    assert_true(v.is_good);
    r.stamp--;
    sm_record_verify(k->sm, &r, on_verdict, &v);
    kit_settle(k);
    assert_false(v.is_good);
    buf_free(&proof);
    net_free(k);
}

static void without_a_key_nothing_is_signed(void **state)
{
    struct kit *k = net_new(NET_TABLE, NULL);
    struct buf proof = {0};
    (void)state;
    sm_record_sign(k->sm, SPAN("u"), 1, &proof);
    assert_int_equal(buf_len(&proof), 0);
    net_free(k);
}

static void who_waits_hears_of_the_end(void **state)
{
    struct kit *k = net_key_kit();
    struct sm_home_record r = {SPAN("u"), SPAN("beta.test"), 1, SPAN("x")};
    struct verdict v = {0};
    (void)state;
    sm_record_verify(k->sm, &r, on_verdict, &v);
    net_free(k);
    assert_int_equal(v.count, 1);
    assert_false(v.is_good);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_newer_one_is_kept),
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(what_is_no_record_is_not_read),
        cmocka_unit_test(a_record_must_be_signed_by_its_home),
        cmocka_unit_test(our_own_are_signed),
        cmocka_unit_test(without_a_key_nothing_is_signed),
        cmocka_unit_test(who_waits_hears_of_the_end),
    };
    return cmocka_run_group_tests(tests, net_keys_set_up, net_keys_tear_down);
}
