/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sm_commands - what the tests of commands share: an administrator, boss@prime.test, his client,
 * and accounts as the transport keeps them.
 */
#ifndef TEST_SM_COMMANDS_H
#define TEST_SM_COMMANDS_H

#include "sm_kit.h"

#include "c2s/accounts.h"
#include "c2s/accounts_sm.h"

#define COMMANDS "http://jabber.org/protocol/commands"
#define ADMIN "http://jabber.org/protocol/admin#"
#define FIELD(var, value) "<field var='" var "'><value>" value "</value></field>"

#define JIDS(values) "<field var='accountjids'>" values "</field>"
#define V(text) "<value>" text "</value>"

struct office {
    struct kit *k;
    struct accounts *accounts;
    struct kit_client *boss;
};

static inline struct sm_opts office_opts(void)
{
    static char allow[] = "allow", boss[] = "boss@prime.test", far[] = "remote@far.test";
    static char *words[] = {allow, boss, far};
    static char name[] = "administer";
    static const struct sm_rule rule = {.name = name, .words = {.items = words, .count = 3}};
    struct sm_opts opts = *kit_opts();
    opts.rules = &rule;
    opts.rule_count = 1;
    return opts;
}

static inline struct office office_open(void)
{
    struct sm_opts opts = office_opts();
    struct office o = {.k = kit_new(&opts)};
    kit_account(o.k, "boss");
    o.accounts = accounts_new(o.k->loop, o.k->store, 4096);
    sm_set_accounts(o.k->sm, &accounts_sm_ops, o.accounts);
    o.boss = kit_open(o.k, "boss", "prime.test", "desk");
    return o;
}

static inline void office_close(struct office *o)
{
    sm_close(o->boss->session);
    kit_settle(o->k);
    sm_free(&o->k->sm); /* what is under way then is answered, too */
    accounts_free(&o->accounts);
    kit_free(o->k);
    buf_free(&o->boss->out);
    free(o->boss);
}

/* The request; id "": without a session. */
static inline const char *command_of(const char *node, const char *id, const char *action,
                                     const char *content)
{
    static char xml[1 << 17];
    int n = snprintf(xml, sizeof(xml), "<iq type='set' id='c' to='prime.test'><command xmlns='"
                                       COMMANDS "' node='%s'", node);
    if (*id)
        n += snprintf(xml + n, sizeof(xml) - (size_t)n, " sessionid='%s'", id);
    if (*action)
        n += snprintf(xml + n, sizeof(xml) - (size_t)n, " action='%s'", action);
    snprintf(xml + n, sizeof(xml) - (size_t)n, ">%s</command></iq>", content);
    return xml;
}

static inline const char *say_command(struct office *o, struct kit_client *c, const char *node,
                              const char *id, const char *action, const char *content)
{
    kit_say(o->k, c, command_of(node, id, action, content));
    return kit_heard(c);
}

/* Of what was heard. */
static inline const char *id_in(const char *heard)
{
    static char ids[4][64];
    static unsigned turn;
    char *id = ids[turn++ % 4];
    const char *at = strstr(heard, "sessionid='");
    assert_non_null(at);
    snprintf(id, 64, "%.48s", at + strlen("sessionid='"));
    return id;
}

static inline const char *form_of(const char *fields)
{
    static char xml[1 << 16];
    snprintf(xml, sizeof(xml), "<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'>"
                               "<value>http://jabber.org/protocol/admin</value></field>%s</x>",
             fields);
    return xml;
}

/* Begins a command and submits its form; what is heard then. */
static inline const char *execute(struct office *o, const char *node, const char *fields)
{
    const char *id = id_in(say_command(o, o->boss, node, "", "execute", ""));
    return say_command(o, o->boss, node, id, "complete", form_of(fields));
}

/* Of a command that asks for nothing. */
static inline const char *number(struct office *o, const char *node)
{
    return say_command(o, o->boss, node, "", "execute", "");
}

#endif
