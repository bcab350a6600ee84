/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sm_pep - what the tests of publish-subscribe share: how requests are spelled, and a user with
 * contacts and nodes. Alice sees bob and he her, and he is in her groups; eve is nobody to her.
 */
#ifndef TEST_SM_PEP_H
#define TEST_SM_PEP_H

#include "sm_kit.h"

#define PS "http://jabber.org/protocol/pubsub"
#define IQ(type, to, inside) "<iq type='" type "' id='q'" to ">" inside "</iq>"
#define PUBSUB(inside) "<pubsub xmlns='" PS "'>" inside "</pubsub>"
#define OWNER(inside) "<pubsub xmlns='" PS "#owner'>" inside "</pubsub>"
#define FORM(type, fields)                                                                         \
    "<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE' type='hidden'><value>" PS       \
    "#" type "</value></field>" fields "</x>"
#define FIELD(var, value) "<field var='pubsub#" var "'><value>" value "</value></field>"
#define PUBLISH(node, id, payload)                                                                 \
    "<publish node='" node "'><item id='" id "'>" payload "</item></publish>"
#define OPTIONS(fields)                                                                            \
    "<publish-options>" FORM("publish-options", fields) "</publish-options>"
#define E(text) "<e xmlns='urn:e'>" text "</e>"
#define TO_BOB " to='bob@prime.test'"
#define TO_ALICE " to='alice@prime.test'"

struct say {
    const char *xml, *answer;
};

static inline void play(struct kit *k, struct kit_client *c, const struct say *says, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        kit_say(k, c, says[i].xml);
        EXPECT(c, says[i].answer);
    }
}

static inline struct kit *with_contacts(void)
{
    struct kit *k = kit_new(NULL);

    kit_account(k, "eve");
    kit_sql(k, "INSERT INTO roster (account, jid, subscription, groups) SELECT id,"
               " 'bob@prime.test', 3, 'Work' || char(10) || 'Friends' FROM account"
               " WHERE name = ?1", "alice");
    kit_sql(k, "INSERT INTO roster (account, jid, subscription) SELECT id, 'r@far.test', 3"
               " FROM account WHERE name = ?1", "alice");
    kit_sql(k, "INSERT INTO roster (account, jid, subscription) SELECT id, 'alice@prime.test', 3"
               " FROM account WHERE name = ?1", "bob");
    return k;
}

static const struct say nodes[] __attribute__((unused)) = {
    {IQ("set", "", PUBSUB(PUBLISH("open", "1", E("")) OPTIONS(FIELD("access_model", "open")))), ""},
    {IQ("set", "", PUBSUB(PUBLISH("presence", "1", E("")))), ""},
    {IQ("set", "", PUBSUB("<create node='roster'/><configure>" FORM("node_config",
        FIELD("access_model", "roster") FIELD("roster_groups_allowed", "Friends"))
        "</configure>")), ""},
    {IQ("set", "", PUBSUB(PUBLISH("roster", "1", E("")))), ""},
    {IQ("set", "", PUBSUB(PUBLISH("white", "1", E("")) OPTIONS(FIELD("access_model",
        "whitelist")))), ""},
};

#endif
