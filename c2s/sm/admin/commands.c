/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * commands - XEP-0050: the protocol of ad-hoc commands, for the commands in admin.c's table.
 *
 *   execute -> ASKING (form shown) -> execute, next, complete -> RUNNING -> completed (gone)
 *          \-> RUNNING, when it asks for nothing    refused: ASKING again
 *   cancel, the end of the session, or ten minutes without a word: gone
 *
 * Who may execute a command is asked at every step. An execution belongs to the full JID that began
 * it, and is kept in the instance that its stanzas come to. Called by iq.c and disco.c; run.c has
 * what the commands call.
 */
#include "c2s/sm/admin/run.h"

#include "tls/crypto.h"
#include "xmpp/form.h"
#include "xmpp/iq.h"

#include <stdlib.h>

enum action { EXECUTE, NEXT, PREV, COMPLETE, CANCEL, ACTIONS };

static const struct span action_names[ACTIONS] = {
    [EXECUTE] = SPAN_INIT("execute"),   [NEXT] = SPAN_INIT("next"),
    [PREV] = SPAN_INIT("prev"),         [COMPLETE] = SPAN_INIT("complete"),
    [CANCEL] = SPAN_INIT("cancel"),
};

/* ACTIONS: it is none. */
static enum action action_of(struct span name)
{
    enum action a = EXECUTE;

    if (span_is_none(name))
        return EXECUTE;
    while (a < ACTIONS && !span_eq(name, action_names[a]))
        a++;
    return a;
}

static const struct sm_command *find_command(struct span node)
{
    for (size_t i = 0; i < sm_command_count; i++) {
        if (span_eq(node, span_of(sm_command_table[i].node)))
            return &sm_command_table[i];
    }
    return NULL;
}

/* The true sender, prepared; what comes over the link may be spelled otherwise. */
static bool sender_of(const struct sm_in *in, struct jid *who, struct jid_scratch *scratch)
{
    return jid_parse(in->stanza->from, who, scratch);
}

static bool is_allowed(const struct sm_in *in, enum sm_right right)
{
    struct jid who;
    struct jid_scratch scratch;

    if (right == SM_RIGHT_OWN)
        return in->session != NULL;
    return sender_of(in, &who, &scratch) && sm_access_allows(in->sm, right, who.full);
}

/* What has been asked for goes along, but for its payload: clients find their execution by it. */
static void write_about(const struct stanza *s, struct buf *out)
{
    const uint32_t command = stanza_child(s, 0, SPAN(NS_COMMANDS), SPAN("command"));

    xml_raw(out, SPAN("<command xmlns='" NS_COMMANDS "'"));
    xml_attr(out, "node", stanza_attr(s, command, SPAN("node")));
    xml_attr(out, "sessionid", stanza_attr(s, command, SPAN("sessionid")));
    xml_attr(out, "action", stanza_attr(s, command, SPAN("action")));
    xml_raw(out, SPAN("/>"));
}

void sm_command_refuse(struct sm_in *in, enum stanza_error e, const char *condition,
                       const char *text)
{
    struct sm_out out;
    struct buf about = {0}, app = {0};

    write_about(in->stanza, &about);
    if (condition) {
        xml_raw(&app, SPAN("<"));
        buf_append_z(&app, condition);
        xml_raw(&app, SPAN(" xmlns='" NS_COMMANDS "'/>"));
    }
    struct buf *buf = sm_out_begin(in->sm, in->session, &out);
    stanza_error_write_about(buf, in->stanza, buf_span(&about), e, text, buf_span(&app));
    sm_out_end(&out);
    buf_free(&about);
    buf_free(&app);
}

static void refuse_request(struct sm_in *in, const char *condition)
{
    sm_command_refuse(in, STANZA_BAD_REQUEST, condition, NULL);
}

/* --- executions that are there ---------------------------------------------------------------- */

static struct sm_commands *commands_of(struct sm *sm)
{
    if (!sm->commands) {
        sm->commands = mem_zalloc(sizeof(*sm->commands));
        list_init(&sm->commands->runs);
        crypto_random(sm->commands->secret, sizeof(sm->commands->secret));
    }
    return sm->commands;
}

void sm_run_free(struct sm_run *run)
{
    struct sm_commands *c = run->sm->commands;

    list_remove(&run->node);
    map_remove(&c->by_id, span_of(run->id));
    c->count--;
    sm_run_forget_request(run);
    free(run->who);
    free(run);
}

static void on_expiry(void *ctx)
{
    struct sm *sm = ctx;
    const uint64_t now = loop_now(sm->loop);
    uint64_t next = UINT64_MAX;

    LIST_FOR_EACH (node, &sm->commands->runs) {
        struct sm_run *run = CONTAINER_OF(node, struct sm_run, node);
        if (run->state != SM_RUN_ASKING)
            continue;
        if (run->deadline <= now)
            sm_run_free(run);
        else if (run->deadline < next)
            next = run->deadline;
    }
    if (next != UINT64_MAX)
        timer_start(&sm->commands->expiry, sm->loop, next - now, on_expiry, sm);
}

void sm_run_set_asking(struct sm_run *run)
{
    struct sm_commands *c = run->sm->commands;

    run->state = SM_RUN_ASKING;
    run->deadline = loop_now(run->sm->loop) + SM_RUN_LIFE_MS;
    list_remove(&run->node);
    list_append(&c->runs, &run->node);
    if (!timer_is_running(&c->expiry) && !run->sm->is_closed)
        timer_start(&c->expiry, run->sm->loop, SM_RUN_LIFE_MS, on_expiry, run->sm);
}

/* Random, and a proof that it is ours: what is there no more differs from what never was. */
static void write_proof(const struct sm_commands *c, const char *random, struct span who,
                        const struct sm_command *command, char proof_r[17])
{
    unsigned char digest[CRYPTO_HASH_MAX];
    struct buf data = {0};

    buf_append(&data, span_make(random, 32));
    buf_append_z(&data, command->node);
    buf_append_char(&data, '\n');
    buf_append(&data, who);
    crypto_hmac(CRYPTO_SHA256, span_make((const char *)c->secret, sizeof(c->secret)),
                buf_span(&data), digest);
    crypto_hex(span_make((const char *)digest, 8), proof_r);
    buf_free(&data);
}

static bool was_ours(const struct sm_commands *c, struct span id, struct span who,
                     const struct sm_command *command)
{
    char proof[17];

    if (id.n != 48)
        return false;
    write_proof(c, id.p, who, command, proof);
    return crypto_equal(span_from(id, 32), span_of(proof));
}

/* Room for one more of his: his oldest form that nobody fills in makes way. */
static bool make_room(struct sm_commands *c, struct span bare, enum sm_right right)
{
    struct sm_run *oldest = NULL;
    size_t own = 0;

    LIST_FOR_EACH (node, &c->runs) {
        struct sm_run *run = CONTAINER_OF(node, struct sm_run, node);
        if (!span_eq(jid_bare_of(sm_run_who(run)), bare))
            continue;
        own++;
        if (!oldest && run->state == SM_RUN_ASKING)
            oldest = run;
    }
    if (own >= SM_RUNS_OF_ONE) {
        if (!oldest)
            return false;
        sm_run_free(oldest);
    }
    return c->count < (right == SM_RIGHT_OWN ? SM_RUNS_OWN : SM_RUNS_MAX);
}

static struct sm_run *run_new(struct sm_in *in, const struct sm_command *command,
                              const struct jid *who)
{
    struct sm_commands *c = commands_of(in->sm);

    if (!make_room(c, who->bare, command->right))
        return NULL;
    struct sm_run *run = mem_zalloc(sizeof(*run));
    run->sm = in->sm;
    run->command = command;
    run->who = mem_strdup_span(who->full);
    crypto_random_hex(run->id, 16);
    write_proof(c, run->id, who->full, command, run->id + 32);
    map_put(&c->by_id, span_of(run->id), run);
    list_append(&c->runs, &run->node);
    c->count++;
    return run;
}

/* --- requests --------------------------------------------------------------------------------- */

static void start(struct sm_in *in, const struct sm_command *command, const struct jid *who)
{
    struct sm_run *run = run_new(in, command, who);

    if (!run) {
        sm_command_refuse(in, STANZA_RESOURCE_CONSTRAINT, NULL, "too many commands at once");
        return;
    }
    sm_run_take_request(run, in);
    if (!command->fields)
        sm_run_begin(run);
    else if (command->ask)
        command->ask(run);
    else
        sm_run_ask(run, SPAN_NONE);
}

static void answer_canceled(struct sm_in *in, struct sm_run *run)
{
    struct sm_out out;
    struct buf *buf = sm_iq_open(in, &out);

    sm_run_write_open(run, buf, "canceled");
    xml_raw(buf, SPAN("</command>"));
    sm_iq_close(&out);
    sm_run_free(run);
}

/* Each required field has a value, and the form is the one that was shown. */
static bool is_filled_in(struct sm_run *run)
{
    struct stanza *s = &run->request;
    const uint32_t command = stanza_child(s, 0, SPAN(NS_COMMANDS), SPAN("command"));

    run->form = form_find(s, command, SPAN_NONE);
    if (!run->form)
        return false;
    struct span form_type = form_value(s, run->form, SPAN("FORM_TYPE"));
    if (!span_is_none(form_type) && !span_eq(form_type, sm_command_form_type(run->command)))
        return false;
    for (const struct sm_field *f = run->command->fields; f->var; f++) {
        if (f->is_required && span_is_empty(sm_run_value(run, f->var)))
            return false;
    }
    return true;
}

static void go_on(struct sm_in *in, struct sm_run *run, enum action action)
{
    if (run->state == SM_RUN_RUNNING || action == PREV) {
        refuse_request(in, "bad-action");
    } else if (action == CANCEL) {
        answer_canceled(in, run);
    } else {
        sm_run_take_request(run, in);
        if (is_filled_in(run))
            sm_run_begin(run);
        else
            sm_run_bad_payload(run);
    }
}

static void by_id(struct sm_in *in, const struct sm_command *command, const struct jid *who,
                  struct span id, enum action action)
{
    struct sm_commands *c = commands_of(in->sm);
    struct sm_run *run = map_get(&c->by_id, id);

    if (run && run->command == command && span_eq(sm_run_who(run), who->full))
        go_on(in, run, action);
    else if (was_ours(c, id, who->full, command))
        sm_command_refuse(in, STANZA_NOT_ALLOWED, "session-expired", NULL);
    else
        refuse_request(in, "bad-sessionid");
}

/* Those of XEP-0133 that we have not are known by name to who could execute the others. */
static enum stanza_error refusal_of_unknown(const struct sm_in *in, struct span node)
{
    if (!span_starts(node, SPAN(NS_ADMIN "#")))
        return STANZA_ITEM_NOT_FOUND;
    return is_allowed(in, SM_RIGHT_ADMINISTER) ? STANZA_FEATURE_NOT_IMPLEMENTED : STANZA_FORBIDDEN;
}

void sm_command(struct sm_in *in, uint32_t payload)
{
    const struct stanza *s = in->stanza;
    const struct span node = stanza_attr(s, payload, SPAN("node"));
    const struct span id = stanza_attr(s, payload, SPAN("sessionid"));
    const struct sm_command *command = find_command(node);
    const enum action action = action_of(stanza_attr(s, payload, SPAN("action")));
    struct jid who;
    struct jid_scratch scratch;

    if (span_is_empty(node)) {
        sm_command_refuse(in, STANZA_BAD_REQUEST, NULL, "which command?");
    } else if (!command) {
        sm_command_refuse(in, refusal_of_unknown(in, node), NULL, NULL);
    } else if (!is_allowed(in, command->right) || !sender_of(in, &who, &scratch)) {
        LOG(LOG_WARN, "command.forbidden", F_SPAN("by", s->from), F_STR("command", command->name));
        sm_command_refuse(in, STANZA_FORBIDDEN, NULL, NULL);
    } else if (action == ACTIONS) {
        refuse_request(in, "malformed-action");
    } else if (!span_is_none(id)) {
        by_id(in, command, &who, id, action);
    } else if (action != EXECUTE) {
        refuse_request(in, "bad-action");
    } else {
        start(in, command, &who);
    }
}

/* --- disco ------------------------------------------------------------------------------------ */

bool sm_command_is_node(struct span node)
{
    return span_eq(node, SPAN(NS_COMMANDS)) || find_command(node);
}

static void write_identity(struct buf *buf, const char *type, const char *name)
{
    xml_raw(buf, SPAN("<identity category='automation'"));
    xml_attr(buf, "type", span_of(type));
    xml_attr(buf, "name", span_of(name));
    xml_raw(buf, SPAN("/><feature var='" NS_COMMANDS "'/>"));
}

void sm_command_disco_info(struct sm_in *in, struct span node)
{
    const struct sm_command *command = find_command(node);
    struct sm_out out;

    if (command && !is_allowed(in, command->right)) {
        sm_refuse(in, STANZA_FORBIDDEN, NULL);
        return;
    }
    struct buf *buf = sm_iq_open(in, &out);
    xml_raw(buf, SPAN("<query xmlns='" NS_DISCO_INFO "'"));
    xml_attr(buf, "node", node);
    xml_raw(buf, SPAN(">"));
    if (command) {
        write_identity(buf, "command-node", command->name);
        xml_raw(buf, SPAN("<feature var='" NS_FORM "'/>"));
    } else {
        write_identity(buf, "command-list", "Commands");
    }
    xml_raw(buf, SPAN("</query>"));
    sm_iq_close(&out);
}

/* A command has no items. */
void sm_command_disco_items(struct sm_in *in, struct span node)
{
    struct sm_out out;
    struct buf *buf = sm_iq_open(in, &out);

    xml_raw(buf, SPAN("<query xmlns='" NS_DISCO_ITEMS "'"));
    xml_attr(buf, "node", node);
    xml_raw(buf, SPAN(">"));
    for (size_t i = 0; span_eq(node, SPAN(NS_COMMANDS)) && i < sm_command_count; i++) {
        const struct sm_command *command = &sm_command_table[i];
        if (!is_allowed(in, command->right))
            continue;
        xml_raw(buf, SPAN("<item"));
        xml_attr(buf, "jid", in->to.full);
        xml_attr(buf, "node", span_of(command->node));
        xml_attr(buf, "name", span_of(command->name));
        xml_raw(buf, SPAN("/>"));
    }
    xml_raw(buf, SPAN("</query>"));
    sm_iq_close(&out);
}

/* --- the end ---------------------------------------------------------------------------------- */

/* Who is gone fills in no form. */
void sm_commands_gone(struct sm_session *s)
{
    if (!s->sm->commands)
        return;
    LIST_FOR_EACH (node, &s->sm->commands->runs) {
        struct sm_run *run = CONTAINER_OF(node, struct sm_run, node);
        if (run->state == SM_RUN_ASKING && span_eq(sm_run_who(run), s->full))
            sm_run_free(run);
    }
}

/* What is running ends by its jobs, which hold the session manager. */
void sm_commands_close(struct sm *sm)
{
    if (!sm->commands)
        return;
    timer_stop(&sm->commands->expiry);
    LIST_FOR_EACH (node, &sm->commands->runs) {
        struct sm_run *run = CONTAINER_OF(node, struct sm_run, node);
        if (run->state == SM_RUN_ASKING)
            sm_run_free(run);
    }
}

void sm_commands_free(struct sm *sm)
{
    if (!sm->commands)
        return;
    map_free(&sm->commands->by_id);
    mem_wipe(sm->commands->secret, sizeof(sm->commands->secret));
    free(sm->commands);
}
