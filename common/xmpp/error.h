/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * error - all stream errors (RFC 6120 4.9.3) and stanza errors (8.3.3): one line each.
 */
#ifndef XMPP_ERROR_H
#define XMPP_ERROR_H

#include "base/buf.h"
#include "xml/fault.h"
#include "xml/stanza.h"

#define STREAM_ERRORS(X)                                                                           \
    X(BAD_FORMAT, "bad-format")                                                                    \
    X(BAD_NAMESPACE_PREFIX, "bad-namespace-prefix")                                                \
    X(CONFLICT, "conflict")                                                                        \
    X(CONNECTION_TIMEOUT, "connection-timeout")                                                    \
    X(HOST_GONE, "host-gone")                                                                      \
    X(HOST_UNKNOWN, "host-unknown")                                                                \
    X(IMPROPER_ADDRESSING, "improper-addressing")                                                  \
    X(INTERNAL_SERVER_ERROR, "internal-server-error")                                              \
    X(INVALID_FROM, "invalid-from")                                                                \
    X(INVALID_NAMESPACE, "invalid-namespace")                                                      \
    X(INVALID_XML, "invalid-xml")                                                                  \
    X(NOT_AUTHORIZED, "not-authorized")                                                            \
    X(NOT_WELL_FORMED, "not-well-formed")                                                          \
    X(POLICY_VIOLATION, "policy-violation")                                                        \
    X(REMOTE_CONNECTION_FAILED, "remote-connection-failed")                                        \
    X(RESET, "reset")                                                                              \
    X(RESOURCE_CONSTRAINT, "resource-constraint")                                                  \
    X(RESTRICTED_XML, "restricted-xml")                                                            \
    X(SEE_OTHER_HOST, "see-other-host")                                                            \
    X(SYSTEM_SHUTDOWN, "system-shutdown")                                                          \
    X(UNDEFINED_CONDITION, "undefined-condition")                                                  \
    X(UNSUPPORTED_ENCODING, "unsupported-encoding")                                                \
    X(UNSUPPORTED_FEATURE, "unsupported-feature")                                                  \
    X(UNSUPPORTED_STANZA_TYPE, "unsupported-stanza-type")                                          \
    X(UNSUPPORTED_VERSION, "unsupported-version")

/* name, element, default type */
#define STANZA_ERRORS(X)                                                                           \
    X(BAD_REQUEST, "bad-request", "modify")                                                        \
    X(CONFLICT, "conflict", "cancel")                                                              \
    X(FEATURE_NOT_IMPLEMENTED, "feature-not-implemented", "cancel")                                \
    X(FORBIDDEN, "forbidden", "auth")                                                              \
    X(GONE, "gone", "cancel")                                                                      \
    X(INTERNAL_SERVER_ERROR, "internal-server-error", "cancel")                                    \
    X(ITEM_NOT_FOUND, "item-not-found", "cancel")                                                  \
    X(JID_MALFORMED, "jid-malformed", "modify")                                                    \
    X(NOT_ACCEPTABLE, "not-acceptable", "modify")                                                  \
    X(NOT_ALLOWED, "not-allowed", "cancel")                                                        \
    X(NOT_AUTHORIZED, "not-authorized", "auth")                                                    \
    X(POLICY_VIOLATION, "policy-violation", "modify")                                              \
    X(RECIPIENT_UNAVAILABLE, "recipient-unavailable", "wait")                                      \
    X(REDIRECT, "redirect", "modify")                                                              \
    X(REGISTRATION_REQUIRED, "registration-required", "auth")                                      \
    X(REMOTE_SERVER_NOT_FOUND, "remote-server-not-found", "cancel")                                \
    X(REMOTE_SERVER_TIMEOUT, "remote-server-timeout", "wait")                                      \
    X(RESOURCE_CONSTRAINT, "resource-constraint", "wait")                                          \
    X(SERVICE_UNAVAILABLE, "service-unavailable", "cancel")                                        \
    X(SUBSCRIPTION_REQUIRED, "subscription-required", "auth")                                      \
    X(UNDEFINED_CONDITION, "undefined-condition", "cancel")                                        \
    X(UNEXPECTED_REQUEST, "unexpected-request", "wait")

enum stream_error {
    STREAM_ERROR_NONE,
#define X(name, element) STREAM_##name,
    STREAM_ERRORS(X)
#undef X
};

enum stanza_error {
    STANZA_ERROR_NONE,
#define X(name, element, type) STANZA_##name,
    STANZA_ERRORS(X)
#undef X
};

const char *stream_error_name(enum stream_error e); /* "conflict" */
const char *stanza_error_name(enum stanza_error e);
enum stanza_error stanza_error_parse(struct span name); /* NONE when unknown */
const char *stanza_error_type(enum stanza_error e);     /* "cancel" */
enum stream_error stream_error_parse(struct span name); /* UNDEFINED_CONDITION when unknown */
enum stream_error stream_error_of_fault(enum xml_fault fault);
/* From a peer, it is about something that we have written. */
bool stream_error_is_complaint(enum stream_error e);

/* <stream:error>…</stream:error>; text may be NULL. app, when not NULL, is an element of
 * urn:xmpp:errors ("stanza-too-big"). */
void stream_error_write(struct buf *out, enum stream_error e, const char *text, const char *app);

/*
 * Answering rule of RFC 6120 8.3.1: stanzas of type error, iq results and presence other than
 * subscribe are never answered with an error; nor are messages of type headline when bounced by a
 * route (may_bounce).
 */
bool stanza_may_answer_error(struct span name, struct span type);

/*
 * The error answer to a stanza: to and from swapped (from, when not none, is put instead), type
 * error, the id kept, written for a stream whose default namespace is ns. The original payload is
 * left out (RFC 6120 8.3.1: MAY include). text may be NULL.
 */
void stanza_error_write(struct buf *out, const struct stanza *s, struct span ns, struct span from,
                        struct span to, enum stanza_error e, const char *text);
/* The same with a condition of an application's own (XML as it stands, behind the first) and the
 * type that its specification gives the error ("cancel"). */
void stanza_error_write_with(struct buf *out, const struct stanza *s, struct span from,
                             struct span to, enum stanza_error e, struct span type,
                             struct span app);
/* The same with XML of what the request was about, before the <error/>; text NULL, app none: not
 * told. */
void stanza_error_write_about(struct buf *out, const struct stanza *s, struct span about,
                              enum stanza_error e, const char *text, struct span app);
/* The same from parts: for a relay that has only the start tag. name: message, iq, presence.
 * from and to are those of the answer. id, from and to are written as they are: they come escaped,
 * as a start tag holds them. */
void stanza_error_write_parts(struct buf *out, struct span name, struct span id, struct span from,
                              struct span to, enum stanza_error e, const char *text);

/* Some answer errors with errors, sending back what came with one more <error/>: between two of
 * them that would never end. Such a stanza is to be dropped. */
bool stanza_is_error_of_error(const struct stanza *s);

#endif
