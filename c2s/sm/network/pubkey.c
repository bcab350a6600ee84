/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * pubkey - the OpenPGP key of this server (urn:xmpp:pubkey:2): what other members verify our
 * records of homes with, and clients our words. A row of iq.c.
 *
 * Accounts have none of their own here: who asks for one hears item-not-found.
 */
#include "c2s/sm/network/network.h"

#include "tls/crypto.h"

bool sm_has_key(const struct sm *sm)
{
    return sm_has_network(sm) && sm->net->key;
}

void sm_pubkey_get(struct sm_in *in, uint32_t payload)
{
    struct sm_out out;
    struct buf *buf;

    (void)payload;
    if (!span_is_none(in->to.local) || !sm_has_key(in->sm)) {
        sm_refuse(in, STANZA_ITEM_NOT_FOUND, NULL);
        return;
    }
    buf = sm_iq_open(in, &out);
    xml_raw(buf, SPAN("<pubkey xmlns='" NS_PUBKEY "'>"));
    base64_encode(buf, server_key_packets(in->sm->net->key));
    xml_raw(buf, SPAN("</pubkey>"));
    sm_iq_close(&out);
}
