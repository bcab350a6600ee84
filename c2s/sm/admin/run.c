/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * run - one execution of a command: its request, kept until it is answered, the form that it shows,
 * what it reads of the one filled in, and its answers. See commands.h.
 *
 * The request may hold a password: its memory is wiped.
 */
#include "c2s/sm/admin/run.h"

#include "xmpp/form.h"
#include "xmpp/iq.h"

#include <stdio.h>
#include <stdlib.h>

/* --- the request ------------------------------------------------------------------------------ */

void sm_run_take_request(struct sm_run *run, struct sm_in *in)
{
    stanza_copy(&run->request, in->stanza);
    run->request.from = arena_span(&run->request.arena, in->stanza->from);
    run->session = in->session ? sm_session_ref(in->session) : NULL;
    run->done = sm_in_take_done(in);
    run->state = SM_RUN_RUNNING;
    run->at = run->open = run->target_count = 0;
    sm_hold(run->sm);
}

void sm_run_forget_request(struct sm_run *run)
{
    arena_wipe(&run->request.arena);
    stanza_free(&run->request);
    buf_free(&run->result);
    buf_free(&run->notes);
    buf_wipe(&run->text);
    run->targets = NULL;
    run->form = 0;
}

void sm_run_begin(struct sm_run *run)
{
    LOG(LOG_INFO, "command.run", F_STR("by", run->who), F_STR("command", run->command->name));
    run->command->run(run);
}

/* --- what has been filled in ------------------------------------------------------------------ */

struct span sm_run_value(struct sm_run *run, const char *var)
{
    return form_value(&run->request, run->form, span_of(var));
}

static uint32_t first_value(const struct sm_run *run, const char *var)
{
    const uint32_t field = form_field(&run->request, run->form, span_of(var));

    return field ? stanza_child(&run->request, field, SPAN(NS_FORM), SPAN("value")) : 0;
}

static uint32_t next_value(const struct sm_run *run, uint32_t value)
{
    return stanza_next(&run->request, value, SPAN(NS_FORM), SPAN("value"));
}

bool sm_run_has_value(struct sm_run *run, const char *var, struct span value)
{
    uint32_t v = first_value(run, var);

    while (v && !span_eq(stanza_text(&run->request, v), value))
        v = next_value(run, v);
    return v != 0;
}

static bool read_target(struct sm_run *run, struct span text, bool may_be_full)
{
    struct arena *arena = &run->request.arena;
    struct sm_target *t = &run->targets[run->target_count];
    struct jid jid;
    struct jid_scratch scratch;

    if (!jid_parse(text, &jid, &scratch) || span_is_none(jid.local) ||
        !sm_is_local_domain(run->sm, jid.domain) || (!may_be_full && !jid_is_bare(&jid)))
        return false;
    t->full = arena_span(arena, jid.full);
    t->bare = span_make(t->full.p, jid.bare.n);
    t->local = span_make(t->full.p, jid.local.n);
    t->resource = jid_is_bare(&jid) ? SPAN_NONE : span_from(t->full, jid.bare.n + 1);
    run->target_count++;
    return true;
}

bool sm_run_targets(struct sm_run *run, const char *var, size_t max, bool may_be_full)
{
    uint32_t value = first_value(run, var);

    run->target_count = 0;
    run->targets = arena_alloc(&run->request.arena, max * sizeof(*run->targets));
    for (; value; value = next_value(run, value)) {
        if (run->target_count >= max ||
            !read_target(run, stanza_text(&run->request, value), may_be_full)) {
            sm_run_bad_payload(run);
            return false;
        }
    }
    for (size_t i = 0; i < run->target_count; i++)
        LOG(LOG_INFO, "command.account", F_STR("by", run->who),
            F_STR("command", run->command->name), F_SPAN("account", run->targets[i].full));
    return true;
}

bool sm_run_text(struct sm_run *run, const char *var, size_t max)
{
    buf_clear(&run->text);
    for (uint32_t value = first_value(run, var); value; value = next_value(run, value)) {
        if (buf_len(&run->text) > 0)
            buf_append_char(&run->text, '\n');
        buf_append(&run->text, stanza_text(&run->request, value));
    }
    if (buf_len(&run->text) <= max)
        return true;
    sm_run_refuse(run, STANZA_NOT_ACCEPTABLE, "the text is too long");
    return false;
}

/* --- answers ---------------------------------------------------------------------------------- */

/* As the handler had it. False: there is nobody to answer. */
static bool resume(struct sm_run *run, struct sm_in *in_r)
{
    *in_r = (struct sm_in){
        .sm = run->sm,
        .session = run->session,
        .stanza = &run->request,
        .is_from_link = !run->session,
    };
    return !run->sm->is_closed && (!run->session || run->session->client);
}

/* Once it has been answered; the run may be gone. */
static void release(struct sm_run *run, bool is_over)
{
    struct sm *sm = run->sm;
    struct sm_session *session = run->session;
    struct link_done done = run->done;

    run->session = NULL;
    run->done = (struct link_done){0};
    if (is_over || sm->is_closed) {
        sm_run_free(run);
    } else {
        sm_run_forget_request(run);
        sm_run_set_asking(run);
    }
    if (session)
        sm_session_unref(session);
    sm_done(done, !sm->is_closed);
    sm_unhold(sm);
}

void sm_run_write_open(const struct sm_run *run, struct buf *out, const char *status)
{
    xml_raw(out, SPAN("<command xmlns='" NS_COMMANDS "'"));
    xml_attr(out, "node", span_of(run->command->node));
    xml_attr(out, "sessionid", span_of(run->id));
    xml_attr(out, "status", span_of(status));
    xml_raw(out, SPAN(" xml:lang='en'>"));
}

static void write_values(struct buf *out, struct span lines)
{
    while (lines.n > 0)
        form_write_value(out, sm_line_take(&lines));
}

static void write_text_element(struct buf *out, struct span open, const char *text,
                               struct span close)
{
    xml_raw(out, open);
    xml_text(out, span_of(text));
    xml_raw(out, close);
}

static void write_options(struct buf *out, struct span lines)
{
    char label[JID_PART_MAX + 1];

    while (lines.n > 0) {
        const struct span line = sm_line_take(&lines);
        snprintf(label, sizeof(label), "%.*s", SPAN_ARG(line));
        form_write_option(out, label, line);
    }
}

static void write_field(struct buf *out, const struct sm_field *f, struct span lines)
{
    const bool is_list = strncmp(f->type, "list-", 5) == 0;

    form_write_multi_begin(out, f->var, f->type, f->label);
    if (f->is_required)
        xml_raw(out, SPAN("<required/>"));
    if (is_list)
        write_options(out, lines);
    else
        write_values(out, lines);
    for (const char *const *option = f->options; option && *option; option++)
        form_write_option(out, *option, span_of(*option));
    form_write_multi_end(out);
}

struct span sm_command_form_type(const struct sm_command *command)
{
    const struct span node = span_of(command->node);

    return span_make(node.p, span_index(node, '#'));
}

static void write_form(const struct sm_command *command, struct buf *out, struct span lines)
{
    form_write_begin(out, "form", SPAN_NONE);
    write_text_element(out, SPAN("<title>"), command->title, SPAN("</title>"));
    write_text_element(out, SPAN("<instructions>"), command->instructions,
                       SPAN("</instructions>"));
    form_write_field(out, "FORM_TYPE", "hidden", NULL, sm_command_form_type(command));
    for (const struct sm_field *f = command->fields; f->var; f++)
        write_field(out, f, f == command->fields ? lines : SPAN_NONE);
    form_write_end(out);
}

void sm_run_ask(struct sm_run *run, struct span lines)
{
    struct sm_in in;
    struct sm_out out;

    if (!resume(run, &in)) {
        release(run, true);
        return;
    }
    struct buf *buf = sm_iq_open(&in, &out);
    sm_run_write_open(run, buf, "executing");
    xml_raw(buf, SPAN("<actions execute='complete'><next/><complete/></actions>"));
    write_form(run->command, buf, lines);
    xml_raw(buf, SPAN("</command>"));
    sm_iq_close(&out);
    release(run, false);
}

void sm_run_complete(struct sm_run *run)
{
    struct sm_in in;
    struct sm_out out;

    if (resume(run, &in)) {
        struct buf *buf = sm_iq_open(&in, &out);
        sm_run_write_open(run, buf, "completed");
        if (buf_len(&run->result) > 0) {
            buf_append(buf, buf_span(&run->result));
            form_write_end(buf);
        }
        buf_append(buf, buf_span(&run->notes));
        xml_raw(buf, SPAN("</command>"));
        sm_iq_close(&out);
    }
    release(run, true);
}

void sm_run_refuse(struct sm_run *run, enum stanza_error e, const char *text)
{
    struct sm_in in;

    LOG(LOG_INFO, "command.failed", F_STR("by", run->who), F_STR("command", run->command->name),
        F_STR("cond", stanza_error_name(e)));
    if (resume(run, &in))
        sm_command_refuse(&in, e, NULL, text);
    release(run, run->form == 0);
}

void sm_run_bad_payload(struct sm_run *run)
{
    struct sm_in in;

    if (resume(run, &in))
        sm_command_refuse(&in, STANZA_BAD_REQUEST, "bad-payload", NULL);
    release(run, false);
}

/* --- results ---------------------------------------------------------------------------------- */

void sm_run_note(struct sm_run *run, const char *type, struct span about, const char *text)
{
    struct buf *out = &run->notes;

    xml_raw(out, SPAN("<note"));
    xml_attr(out, "type", span_of(type));
    xml_raw(out, SPAN(">"));
    if (!span_is_none(about)) {
        xml_text(out, about);
        xml_raw(out, SPAN(": "));
    }
    xml_text(out, span_of(text));
    xml_raw(out, SPAN("</note>"));
}

void sm_run_result(struct sm_run *run)
{
    form_write_begin(&run->result, "result", sm_command_form_type(run->command));
}

void sm_run_result_field(struct sm_run *run, const char *var, const char *label, struct span value)
{
    form_write_field(&run->result, var, NULL, label, value);
}

void sm_run_result_number(struct sm_run *run, const char *var, const char *label, uint64_t value)
{
    form_write_multi_begin(&run->result, var, NULL, label);
    xml_raw(&run->result, SPAN("<value>"));
    buf_append_u64(&run->result, value);
    xml_raw(&run->result, SPAN("</value>"));
    form_write_multi_end(&run->result);
}

void sm_run_result_lines(struct sm_run *run, const char *var, const char *label, struct span lines)
{
    form_write_multi_begin(&run->result, var, NULL, label);
    write_values(&run->result, lines);
    form_write_multi_end(&run->result);
}

/* --- the store -------------------------------------------------------------------------------- */

struct run_job {
    struct sm_job job; /* first */
    struct sm_run *run;
    int (*work)(struct db *db, struct sm_run *run);
    void (*then)(struct sm_run *run, int result);
};

static int job_run(struct db *db, struct store_job *job)
{
    struct run_job *j = (struct run_job *)(void *)job;

    return j->work(db, j->run);
}

static bool job_finish(struct sm_job *job, int result)
{
    struct run_job *j = (struct run_job *)job;

    j->then(j->run, result);
    return true;
}

void sm_run_store(struct sm_run *run, enum store_kind kind,
                  int (*work)(struct db *db, struct sm_run *run),
                  void (*then)(struct sm_run *run, int result))
{
    struct run_job *j = mem_zalloc(sizeof(*j));

    j->run = run;
    j->work = work;
    j->then = then;
    j->job.bytes = 65536;
    j->job.finish = job_finish;
    j->job.is_foreign = !run->session;
    if (sm_job_submit(run->sm, kind, &j->job, NULL, NULL, job_run))
        return;
    free(j);
    sm_run_refuse(run, STANZA_RESOURCE_CONSTRAINT, "too much at once");
}
