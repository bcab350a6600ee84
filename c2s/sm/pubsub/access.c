/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * access - who may read, publish to and own a node (XEP-0060 4.1, 4.5): pure decisions, made from
 * what is known of the node and of who asks.
 */
#include "c2s/sm/pubsub/pubsub_private.h"

static const char *const names[] = {
    [PUBSUB_NONE] = "none",
    [PUBSUB_OUTCAST] = "outcast",
    [PUBSUB_MEMBER] = "member",
    [PUBSUB_PUBLISH_ONLY] = "publish-only",
    [PUBSUB_PUBLISHER] = "publisher",
    [PUBSUB_OWNER] = "owner",
};

const char *pubsub_affiliation_name(enum pubsub_affiliation a)
{
    return names[a];
}

bool pubsub_affiliation_parse(struct span name, enum pubsub_affiliation *a_r)
{
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (span_eq(name, span_of(names[i]))) {
            *a_r = (enum pubsub_affiliation)i;
            return true;
        }
    }
    return false;
}

static const struct pubsub_refusal allowed = {STANZA_ERROR_NONE, NULL};
static const struct pubsub_refusal forbidden = {STANZA_FORBIDDEN, NULL};

/* The access model decides for those whom no affiliation has let in or thrown out. */
static struct pubsub_refusal check_model(const struct pubsub_config *c,
                                         const struct pubsub_relation *r)
{
    switch ((enum pubsub_access)c->access) {
    case PUBSUB_OPEN:
        return allowed;
    case PUBSUB_PRESENCE:
        if (r->sees_presence)
            return allowed;
        return (struct pubsub_refusal){STANZA_NOT_AUTHORIZED, "presence-subscription-required"};
    case PUBSUB_ROSTER:
        if (r->sees_presence && r->is_in_group)
            return allowed;
        return (struct pubsub_refusal){STANZA_NOT_AUTHORIZED, "not-in-roster-group"};
    case PUBSUB_WHITELIST:
        break;
    }
    if (r->sees_presence)
        return (struct pubsub_refusal){STANZA_NOT_ALLOWED, "closed-node"};
    return (struct pubsub_refusal){STANZA_ITEM_NOT_FOUND, NULL}; /* as where nobody is (C25) */
}

static struct pubsub_refusal check_read(const struct pubsub_config *c,
                                        const struct pubsub_relation *r)
{
    switch (r->affiliation) {
    case PUBSUB_OWNER:
    case PUBSUB_PUBLISHER:
    case PUBSUB_MEMBER:
        return allowed;
    case PUBSUB_OUTCAST:
    case PUBSUB_PUBLISH_ONLY:
        return forbidden;
    case PUBSUB_NONE:
        break;
    }
    return check_model(c, r);
}

static bool may_publish(const struct pubsub_config *c, const struct pubsub_relation *r)
{
    if (r->affiliation >= PUBSUB_PUBLISH_ONLY)
        return true;
    if (r->affiliation == PUBSUB_OUTCAST)
        return false;
    if (c->publish == PUBSUB_BY_SUBSCRIBERS)
        return r->is_subscribed && check_read(c, r).error == STANZA_ERROR_NONE;
    return c->publish == PUBSUB_BY_ALL;
}

struct pubsub_refusal pubsub_check(const struct pubsub_config *c, const struct pubsub_relation *r,
                                   enum pubsub_right right)
{
    switch (right) {
    case PUBSUB_MAY_READ:
        return check_read(c, r);
    case PUBSUB_MAY_PUBLISH:
        return may_publish(c, r) ? allowed : forbidden;
    case PUBSUB_MAY_OWN:
        break;
    }
    return r->affiliation == PUBSUB_OWNER ? allowed : forbidden;
}
