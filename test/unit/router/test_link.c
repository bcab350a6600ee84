/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The router and the component's end of the link that our own processes use, with each other: what
 * one says the other must understand.
 */
#include "house.h"

struct process {
    struct house *house;
    struct link *link;
    struct conn *near; /* the last connection, the router's end */
    const char *name;
    struct buf told;
};

static struct conn *connect_to_router(void *ctx)
{
    struct process *p = ctx;
    struct conn *far;
    if (!p->house->router)
        return NULL;
    conn_pair_fake(p->house->loop, p->house->chunk, 0, &far, &p->near);
    router_accept(p->house->router, p->near);
    return far;
}

static void on_up(void *ctx)
{
    struct process *p = ctx;
    buf_printf(&p->told, "up;");
    link_claims_begin(p->link);
    link_claims_add(p->link, SPAN("bulk@h"));
    link_claims_end(p->link);
}

static void on_down(void *ctx)
{
    struct process *p = ctx;
    buf_printf(&p->told, "down;");
}

static void on_stanza(void *ctx, struct stanza *stanza)
{
    struct process *p = ctx;
    buf_printf(&p->told, "stanza %.*s;", SPAN_ARG(stanza->id));
}

static void on_envelope(void *ctx, struct stanza *envelope)
{
    struct process *p = ctx;
    buf_printf(&p->told, "envelope %.*s%.*s %u;", SPAN_ARG(envelope->from),
               SPAN_ARG(envelope->type), stanza_child_count(envelope, 0));
}

static void on_route(void *ctx, struct span name, bool is_up)
{
    struct process *p = ctx;
    buf_printf(&p->told, "route %.*s %d;", SPAN_ARG(name), is_up);
}

static void on_claim(void *ctx, struct span jid, struct span owner)
{
    struct process *p = ctx;
    buf_printf(&p->told, "claim %.*s=%.*s;", SPAN_ARG(jid), SPAN_ARG(owner));
}

static void on_released(void *ctx, struct span jid)
{
    struct process *p = ctx;
    buf_printf(&p->told, "released %.*s;", SPAN_ARG(jid));
}

static const struct link_events events = {.on_up = on_up,
                                          .on_down = on_down,
                                          .on_stanza = on_stanza,
                                          .on_envelope = on_envelope,
                                          .on_route = on_route,
                                          .on_claim = on_claim,
                                          .on_released = on_released};

static const struct link_bind binds[] = {{.name = SPAN_INIT("h"), .shared = true}};

static void begin(struct process *p, struct house *h, const char *name, bool watch)
{
    *p = (struct process){.house = h, .name = name};
    p->link = link_new(h->loop,
                       &(struct link_opts){.name = span_of(name),
                                           .secret = SPAN(C2S_SECRET),
                                           .binds = binds,
                                           .bind_count = 1,
                                           .watch = watch,
                                           .connect = connect_to_router,
                                           .connect_ctx = p},
                       &events, p);
    loop_sim_advance(h->loop, 1);
}

static void end(struct process *p)
{
    link_close(&p->link, NULL, NULL);
    loop_sim_advance(p->house->loop, 10000);
    buf_free(&p->told);
}

static void expect(struct process *p, const char *told)
{
    loop_sim_settle(p->house->loop);
    if (strcmp(buf_z(&p->told), told) != 0)
        fail_msg("%s\nexpected: %s\n    told: %s", p->name, told, buf_z(&p->told));
    buf_clear(&p->told);
}

static void say(struct process *p, const char *text)
{
    struct buf *out = link_begin(p->link, (struct link_done){0});
    assert_non_null(out);
    buf_append_z(out, text);
    link_end(p->link);
    loop_sim_settle(p->house->loop);
}

static void they_claim_and_watch(size_t chunk)
{
    struct house *h = house_new(chunk, 0);
    struct process a, b;
    begin(&a, h, "c2s-1.h", true);
    expect(&a, "up;route h 1;");
    begin(&b, h, "c2s-2.h", false);
    expect(&b, "up;claim bulk@h=c2s-1.h;");
    struct wire *irc = join_irc(h);
    expect(&a, "route irc.h 1;");
    link_claim(a.link, SPAN("u@h"));
    expect(&a, "claim u@h=;");
    link_claim(b.link, SPAN("u@h"));
    expect(&b, "claim u@h=c2s-1.h;");
    wire_say(irc, "<message from='irc.h' to='u@h' id='1'/>");
    expect(&a, "stanza 1;");
    wire_free(&irc);
    expect(&a, "route irc.h 0;");
    end(&a);
    end(&b);
    house_free(h);
}
AT_ALL_CHUNKS(they_claim_and_watch)

static void they_pass_users_on(size_t chunk)
{
    struct house *h = house_new(chunk, 0);
    struct process a, b;
    begin(&a, h, "c2s-1.h", false);
    begin(&b, h, "c2s-2.h", false);
    expect(&a, "up;");
    expect(&b, "up;claim bulk@h=c2s-1.h;");
    link_release(a.link, SPAN("bulk@h"));
    expect(&a, "released bulk@h;");
    link_claim(b.link, SPAN("bulk@h"));
    say(&b, "<message from='h' to='bulk@h' id='1'/>");
    expect(&b, "");
    link_released_ok(a.link, SPAN("bulk@h"));
    expect(&b, "claim bulk@h=;stanza 1;");
    say(&a, "<envelope" EXT " from='c2s-1.h' to='c2s-2.h'><presence/></envelope>");
    expect(&b, "envelope c2s-1.h 1;");
    say(&a, "<envelope" EXT " from='c2s-1.h' to='c2s-3.h'><presence/></envelope>");
    expect(&a, "envelope c2s-3.herror 1;");
    end(&a);
    end(&b);
    house_free(h);
}
AT_ALL_CHUNKS(they_pass_users_on)

/* The router restarts: everybody comes back, what was sent meanwhile arrives. */
static void the_router_restarts(void **state)
{
    struct house *h = house_new(0, 1000);
    struct process a, b;
    (void)state;
    begin(&a, h, "c2s-1.h", false);
    begin(&b, h, "c2s-2.h", false);
    loop_sim_advance(h->loop, 200);
    link_claim(b.link, SPAN("u@h"));
    expect(&a, "up;");
    expect(&b, "up;claim bulk@h=c2s-1.h;claim u@h=;");
    router_free(&h->router);
    loop_sim_settle(h->loop);
    expect(&a, "down;");
    say(&a, "<message from='x@h' to='u@h' id='1'/>");
    house_start(h);
    loop_sim_advance(h->loop, 2000);
    assert_non_null(strstr(buf_z(&a.told), "up;"));
    assert_non_null(strstr(buf_z(&b.told), "up;"));
    assert_int_equal(!strstr(buf_z(&a.told), "stanza 1"), !!strstr(buf_z(&b.told), "stanza 1"));
    end(&a);
    end(&b);
    house_free(h);
}

/* Each hears the other's heart. */
static void hearts(void **state)
{
    struct house *h = house_new(0, 0);
    struct process a;
    (void)state;
    begin(&a, h, "c2s-1.h", false);
    expect(&a, "up;");
    loop_sim_advance(h->loop, 600000);
    expect(&a, "");
    assert_true(link_is_up(a.link));
    end(&a);
    house_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(they_claim_and_watch_at_all),
        cmocka_unit_test(they_pass_users_on_at_all),
        cmocka_unit_test(the_router_restarts),
        cmocka_unit_test(hearts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
