/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * router, control: a router on a real loop, with its listener and its control socket in a directory
 * of the test; one of our own links is its component. What it refuses to start or reload with.
 */
#include "house.h"

#include "base/control.h"

#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

static struct {
    char dir[64], socket[96], listen_at[112], control[96], known[112], tap[96];
    char *listen[1];
    struct router_conf conf;
    struct loop *loop;
    struct router *router;
    struct link *link;
    struct timer too_late, look;
    unsigned stopped;
    struct buf got;
    int result;
    char error[256];
} f;

static void quiet(void *ctx, struct span line)
{
    (void)ctx;
    (void)line;
}

static int set_up(void **state)
{
    (void)state;
    memset(&f, 0, sizeof f);
    log_set_sink(quiet, NULL);
    snprintf(f.dir, sizeof f.dir, "/tmp/test-router-XXXXXX");
    assert_non_null(mkdtemp(f.dir));
    snprintf(f.socket, sizeof f.socket, "%s/router.sock", f.dir);
    snprintf(f.control, sizeof f.control, "%s/router.ctl", f.dir);
    snprintf(f.known, sizeof f.known, "%s.known", f.control); /* who was here: settle.c */
    snprintf(f.tap, sizeof f.tap, "%s/tap", f.dir);
    snprintf(f.listen_at, sizeof f.listen_at, "unix:%s", f.socket);
    f.listen[0] = f.listen_at;
    f.conf = (struct router_conf){.listen = {f.listen, 1},
                                  .control = f.control,
                                  .tls_cert = "",
                                  .tls_key = "",
                                  .tap_file = "",
                                  .tap_size = 1 << 20,
                                  .queue = 64 * 1024,
                                  .components = house_components,
                                  .component_count = ARRAY_LEN(house_components)};
    f.loop = loop_new();
    return 0;
}

static void stop_loop(void *ctx)
{
    (void)ctx;
    loop_stop(f.loop);
}

static void gone(void *ctx)
{
    (void)ctx;
    f.link = NULL;
    loop_stop(f.loop);
}

static int tear_down(void **state)
{
    (void)state;
    if (f.link) {
        struct link *l = f.link;
        link_close(&l, gone, NULL);
        loop_run(f.loop);
    }
    router_free(&f.router);
    timer_stop(&f.too_late);
    loop_free(&f.loop);
    unlink(f.tap);
    unlink(f.known);
    assert_int_equal(rmdir(f.dir), 0); /* the sockets' files have gone with the router */
    xml_parser_shared_free();
    buf_free(&f.got);
    log_set_sink(NULL, NULL);
    return 0;
}

static void on_too_late(void *ctx)
{
    (void)ctx;
    fail_msg("nothing happens");
}

/* Until somebody stops the loop. */
static void run(void)
{
    timer_start(&f.too_late, f.loop, 20000, on_too_late, NULL);
    loop_run(f.loop);
    timer_stop(&f.too_late);
}

static void start(void)
{
    char error[CONF_ERROR_MAX] = "";
    f.router = router_new(f.loop, &f.conf, error);
    assert_string_equal(error, "");
    assert_true(router_listen(f.router, error));
}

/* --- a component ------------------------------------------------------------------------------ */

static void on_claim(void *ctx, struct span jid, struct span owner)
{
    (void)ctx;
    (void)jid;
    assert_true(span_is_none(owner));
    loop_stop(f.loop);
}

/* The last of those that live taps have been shown: they may end. */
static void on_stanza(void *ctx, struct stanza *stanza)
{
    (void)ctx;
    if (span_eq(stanza->id, SPAN("last")))
        live_end_all(f.router);
}

static void join_by_link(void)
{
    static const struct link_bind binds[] = {{.name = SPAN_INIT("h"), .shared = true}};
    static const struct link_events events = {
        .on_up = stop_loop, .on_claim = on_claim, .on_stanza = on_stanza, .on_envelope = on_stanza};
    struct link_opts opts = {.name = SPAN("c2s-1.h"),
                             .secret = SPAN(C2S_SECRET),
                             .binds = binds,
                             .bind_count = 1};
    assert_int_equal(addr_parse(span_of(f.listen_at), &opts.router), 0);
    f.link = link_new(f.loop, &opts, &events, NULL);
    run();
    assert_true(link_is_up(f.link));
    link_claim(f.link, SPAN("u@h"));
    run();
}

/* --- asking ----------------------------------------------------------------------------------- */

struct question {
    const struct span *words;
    size_t count;
    struct loop_wakeup *wakeup;
};

static void on_row(void *ctx, const struct span *words, size_t count)
{
    (void)ctx;
    for (size_t i = 0; i < count; i++)
        buf_printf(&f.got, "<%.*s>", SPAN_ARG(words[i]));
    buf_append_char(&f.got, '\n');
}

static void *ask_beside(void *arg)
{
    struct question *q = arg;
    f.result = control_ask(f.control, q->words, q->count, on_row, NULL, f.error);
    loop_wakeup_send(q->wakeup);
    return NULL;
}

static const char *ask(const struct span *words, size_t count)
{
    pthread_t thread;
    struct question q = {
        .words = words, .count = count, .wakeup = loop_wakeup_new(f.loop, stop_loop, NULL)};
    buf_clear(&f.got);
    assert_int_equal(pthread_create(&thread, NULL, ask_beside, &q), 0);
    run();
    pthread_join(thread, NULL);
    loop_wakeup_free(&q.wakeup);
    return buf_z(&f.got);
}

#define ASK(...)                                                                                   \
    ask((const struct span[]){__VA_ARGS__}, ARRAY_LEN(((const struct span[]){__VA_ARGS__})))

static void expect_row(const char *answer, const char *row)
{
    if (!strstr(answer, row))
        fail_msg("no %s in:\n%s", row, answer);
}

/* --- tests ------------------------------------------------------------------------------------ */

static void control_tells_who_is_there(void **state)
{
    (void)state;
    start();
    struct stat st;
    assert_int_equal(stat(f.socket, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    expect_row(ASK(SPAN("info")), "<peers><0>\n");
    assert_int_equal(f.result, 0);
    join_by_link();
    const char *answer = ASK(SPAN("info"));
    expect_row(answer, "<peers><1>\n");
    expect_row(answer, "<routes><2>\n");
    expect_row(answer, "<claims><1>\n");
    answer = ASK(SPAN("route"), SPAN("list"));
    expect_row(answer, "<h><c2s><shared><c2s-1.h><yes>\n");
    expect_row(answer, "<c2s-1.h><c2s><instance><c2s-1.h><yes>\n");
    expect_row(ASK(SPAN("claim"), SPAN("list")), "<u@h><c2s-1.h>\n");
}

static void control_explains_routes(void **state)
{
    (void)state;
    start();
    join_by_link();
    expect_row(ASK(SPAN("route"), SPAN("explain"), SPAN("u@h/r")), "<u@h/r><claim");
    expect_row(ASK(SPAN("route"), SPAN("explain"), SPAN("U@H")), "<c2s-1.h><c2s>");
    ASK(SPAN("route"), SPAN("explain"), SPAN("@"));
    assert_int_equal(f.result, 1);
    assert_string_equal(f.error, "not an address");
    ASK(SPAN("route"), SPAN("explain"), SPAN("u@h"), SPAN("a@/"));
    assert_int_equal(f.result, 1);
}

static void control_records(void **state)
{
    (void)state;
    start();
    const struct span file = span_of(f.tap), name = SPAN("C2S-1.h");
    ASK(SPAN("record"), SPAN("start"), name, SPAN("not/absolute"));
    assert_int_equal(f.result, 1);
    ASK(SPAN("record"), SPAN("start"), name, file, SPAN("nobodies"));
    assert_int_equal(f.result, 1);
    ASK(SPAN("record"), SPAN("start"), name, file, SPAN("bodies"));
    assert_int_equal(f.result, 0);
    ASK(SPAN("record"), SPAN("start"), name, file);
    assert_int_equal(f.result, 1);
    assert_string_equal(f.error, "it is being recorded already");
    join_by_link();
    ASK(SPAN("record"), SPAN("stop"), SPAN("c2s-1.h"));
    assert_int_equal(f.result, 0);
    ASK(SPAN("record"), SPAN("stop"), SPAN("c2s-1.h"));
    assert_int_equal(f.result, 1);
    struct stat st;
    assert_int_equal(stat(f.tap, &st), 0);
    assert_true(st.st_size > 100);
}

static void no_matter(void *ctx, bool safe)
{
    (void)ctx;
    (void)safe;
}

static void say(const char *stanza)
{
    struct buf *out = link_begin(f.link, (struct link_done){.call = no_matter});
    assert_non_null(out);
    buf_append_z(out, stanza);
    link_end(f.link);
}

/* As soon as somebody looks. */
static void say_what_is_seen(void *ctx)
{
    if (list_is_empty(&f.router->live_taps)) {
        timer_start(&f.look, f.loop, 1, say_what_is_seen, ctx);
        return;
    }
    say("<message from='u@h/x' to='c2s-1.h' id='from'><body>word</body></message>");
    say("<message from='v@h' to='u@h' id='to'/>");
    say("<message from='v@h' to='c2s-1.h' id='others'><body>u@h</body></message>");
    say("<message from='uu@h' to='c2s-1.h' id='like'/>");
    say("<envelope" EXT " from='c2s-1.h' to='c2s-1.h' id='in'><x jid='u@h/r'/></envelope>");
    say("<envelope" EXT " from='c2s-1.h' to='c2s-1.h' id='out'><x jid='uu@h'>'u@h</x></envelope>");
    say("<message from='v@h' to='c2s-1.h' id='last'/>");
}

static void control_taps(void **state)
{
    (void)state;
    start();
    join_by_link();
    ASK(SPAN("tap"), SPAN("@"));
    assert_int_equal(f.result, 1);
    ASK(SPAN("tap"), SPAN("u@h"), SPAN("nobodies"));
    assert_int_equal(f.result, 1);

    timer_start(&f.look, f.loop, 1, say_what_is_seen, NULL);
    const char *answer = ASK(SPAN("tap"), SPAN("U@h"), SPAN("bodies"));
    assert_int_equal(f.result, 0);
    expect_row(answer, "<time><from><to><bytes><stanza>\n");
    expect_row(answer, "<c2s-1.h><c2s-1.h><72><<message from='u@h/x' to='c2s-1.h' id='from'>"
                       "<body>word</body></message>>\n");
    expect_row(answer, "id='to'");
    expect_row(answer, "id='in'");
    for (size_t i = 0; i < 4; i++) {
        static const char *const ids[] = {"id='others'", "id='like'", "id='out'", "id='last'"};
        assert_null(strstr(answer, ids[i]));
    }

    timer_start(&f.look, f.loop, 1, say_what_is_seen, NULL);
    answer = ASK(SPAN("tap"));
    expect_row(answer, "id='others'><body>[3]</body>");
    expect_row(answer, "id='last'");
}

static void on_stopped(void *ctx)
{
    (void)ctx;
    f.stopped++;
    loop_stop(f.loop);
}

static void a_stop_ends_all_streams(void **state)
{
    (void)state;
    start();
    join_by_link();
    router_stop(f.router, on_stopped, NULL);
    assert_int_equal(access(f.socket, F_OK), -1); /* nobody gets in any more */
    run();
    assert_int_equal(f.stopped, 1);
    assert_int_equal(f.router->peer_count, 0);
    assert_false(link_is_up(f.link));
}

static void bad_places_are_named(void **state)
{
    (void)state;
    char error[CONF_ERROR_MAX] = "", path[128];
    snprintf(path, sizeof path, "unix:%s/none/router.sock", f.dir);
    f.listen[0] = path;
    f.router = router_new(f.loop, &f.conf, error);
    assert_false(router_listen(f.router, error));
    assert_non_null(strstr(error, path));
    router_free(&f.router);

    f.conf.listen.count = 0;
    f.conf.control = path;
    f.router = router_new(f.loop, &f.conf, error);
    assert_false(router_listen(f.router, error));
    assert_true(strncmp(error, "control ", 8) == 0);
}

static void a_bad_start_leaves_nothing(void **state)
{
    (void)state;
    char error[CONF_ERROR_MAX] = "", path[128];
    snprintf(path, sizeof path, "%s/none/cert.pem", f.dir);
    f.conf.tls_cert = f.conf.tls_key = path;
    assert_null(router_new(f.loop, &f.conf, error));
    assert_non_null(strstr(error, path));
    f.conf.tls_cert = f.conf.tls_key = "";
    f.conf.tap_file = path;
    assert_null(router_new(f.loop, &f.conf, error));
    assert_non_null(strstr(error, path));
}

static void a_bad_reload_changes_nothing(void **state)
{
    (void)state;
    char error[CONF_ERROR_MAX] = "", path[128];
    struct router_conf next;
    start();
    join_by_link();
    snprintf(path, sizeof path, "%s/none/x", f.dir);
    next = f.conf;
    next.tls_cert = next.tls_key = path;
    assert_false(router_reload(f.router, &next, error));
    next = f.conf;
    next.tap_file = path;
    assert_false(router_reload(f.router, &next, error));
    assert_ptr_equal(f.router->conf, &f.conf);
    assert_null(f.router->tap);
    assert_true(link_is_up(f.link));
}

/* What needs a restart is refused, not ignored. */
static void a_reload_refuses_what_is_fixed(void **state)
{
    (void)state;
    char error[CONF_ERROR_MAX], *elsewhere[] = {f.listen_at, "127.0.0.1:1"};
    struct router_conf moved = f.conf, more = f.conf, fewer = f.conf, control = f.conf;
    moved.listen.items = &elsewhere[1];
    more.listen = (struct conf_list){elsewhere, 2};
    fewer.listen.count = 0;
    control.control = "/elsewhere";
    moved.tap_file = f.tap;
    const struct {
        const struct router_conf *conf;
        const char *key;
    } cases[] = {{&moved, "listen"}, {&more, "listen"}, {&fewer, "listen"}, {&control, "control"}};
    start();
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        error[0] = '\0';
        if (router_reload(f.router, cases[i].conf, error) || !strstr(error, cases[i].key) ||
            !strstr(error, " cannot change while running"))
            fail_msg("case %zu: %s", i, error);
        assert_ptr_equal(f.router->conf, &f.conf);
    }
    assert_int_equal(access(f.tap, F_OK), -1); /* nor has it begun anything */
}

static void a_reload_opens_the_tap(void **state)
{
    (void)state;
    char error[CONF_ERROR_MAX] = "";
    struct router_conf next = f.conf;
    start();
    next.tap_file = f.tap;
    assert_true(router_reload(f.router, &next, error));
    join_by_link();
    assert_int_equal(access(f.tap, F_OK), 0);
    assert_non_null(f.router->tap);
    assert_true(router_reload(f.router, &f.conf, error));
    assert_null(f.router->tap);
    assert_true(link_is_up(f.link)); /* the same section has the same rights */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(control_tells_who_is_there), TEST(control_explains_routes),
        TEST(a_stop_ends_all_streams),    TEST(bad_places_are_named),
        TEST(a_bad_start_leaves_nothing), TEST(a_bad_reload_changes_nothing),
        TEST(a_reload_opens_the_tap),     TEST(control_records),
        TEST(control_taps),               TEST(a_reload_refuses_what_is_fixed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
