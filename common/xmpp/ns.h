/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * ns - namespaces, one spelling each.
 */
#ifndef XMPP_NS_H
#define XMPP_NS_H

#include "base/span.h"

#define NS_STREAM "http://etherx.jabber.org/streams"
#define NS_CLIENT "jabber:client"
#define NS_SERVER "jabber:server"
#define NS_COMPONENT "jabber:component:accept"
#define NS_STREAM_ERRORS "urn:ietf:params:xml:ns:xmpp-streams"
#define NS_STANZA_ERRORS "urn:ietf:params:xml:ns:xmpp-stanzas"
#define NS_XMPP_ERRORS "urn:xmpp:errors"
#define NS_TLS "urn:ietf:params:xml:ns:xmpp-tls"
#define NS_SASL "urn:ietf:params:xml:ns:xmpp-sasl"
#define NS_SASL_CB "urn:xmpp:sasl-cb:0"
#define NS_BIND "urn:ietf:params:xml:ns:xmpp-bind"
#define NS_SESSION "urn:ietf:params:xml:ns:xmpp-session"
#define NS_COMPRESS "http://jabber.org/protocol/compress"
#define NS_ROSTER "jabber:iq:roster"
#define NS_ROSTER_VER "urn:xmpp:features:rosterver"
#define NS_DISCO_INFO "http://jabber.org/protocol/disco#info"
#define NS_DISCO_ITEMS "http://jabber.org/protocol/disco#items"
#define NS_PING "urn:xmpp:ping"
#define NS_VERSION "jabber:iq:version"
#define NS_TIME "urn:xmpp:time"
#define NS_DELAY "urn:xmpp:delay"
#define NS_CARBONS "urn:xmpp:carbons:2"
#define NS_CARBONS_RULES "urn:xmpp:carbons:rules:0"
#define NS_FORWARD "urn:xmpp:forward:0"
#define NS_RECEIPTS "urn:xmpp:receipts"
#define NS_MARKERS "urn:xmpp:chat-markers:0"
#define NS_MUC_USER "http://jabber.org/protocol/muc#user"
#define NS_CONFERENCE "jabber:x:conference"
#define NS_BLOCKING "urn:xmpp:blocking"
#define NS_VCARD "vcard-temp"
#define NS_PRIVATE "jabber:iq:private"
#define NS_LAST "jabber:iq:last"
#define NS_EXTDISCO "urn:xmpp:extdisco:2"
#define NS_SERVERINFO "http://jabber.org/network/serverinfo"
#define NS_BLOCKING_ERRORS "urn:xmpp:blocking:errors"
#define NS_MAM "urn:xmpp:mam:2"
#define NS_STANZA_ID "urn:xmpp:sid:0"
#define NS_HINTS "urn:xmpp:hints"
#define NS_CHATSTATES "http://jabber.org/protocol/chatstates"
#define NS_SM "urn:xmpp:sm:3"
#define NS_CSI "urn:xmpp:csi:0"
#define NS_STREAM_LIMITS "urn:xmpp:stream-limits:0"
#define NS_CAPS "http://jabber.org/protocol/caps"
#define NS_PUBSUB "http://jabber.org/protocol/pubsub"
#define NS_XMLNS "http://www.w3.org/2000/xmlns/"
#define NS_XML "http://www.w3.org/XML/1998/namespace"
/* Our extension of XEP-0114 between the router and components that speak it */
#define NS_ROUTER "http://kontalk.org/extensions/router"

#endif
