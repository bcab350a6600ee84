/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * contact_info - XEP-0157: where the people who run this server can be reached, as a form in what
 * disco tells of it (XEP-0128). disco.c calls it; the addresses are settings.
 */
#include "c2s/sm/sm_private.h"

#include "xmpp/form.h"

static const char *const fields[SM_CONTACT_KINDS] = {
    [SM_CONTACT_ABUSE] = "abuse-addresses",       [SM_CONTACT_ADMIN] = "admin-addresses",
    [SM_CONTACT_FEEDBACK] = "feedback-addresses", [SM_CONTACT_SALES] = "sales-addresses",
    [SM_CONTACT_SECURITY] = "security-addresses", [SM_CONTACT_STATUS] = "status-addresses",
    [SM_CONTACT_SUPPORT] = "support-addresses",
};

void sm_contact_info_write(const struct sm *sm, struct buf *out)
{
    const struct conf_list *contacts = sm->opts.contacts;
    bool is_any = false;

    for (size_t i = 0; contacts && i < SM_CONTACT_KINDS; i++) {
        if (contacts[i].count == 0)
            continue;
        if (!is_any)
            form_write_begin(out, "result", SPAN(NS_SERVERINFO));
        is_any = true;
        form_write_multi_begin(out, fields[i], "list-multi", NULL);
        for (size_t k = 0; k < contacts[i].count; k++)
            form_write_value(out, span_of(contacts[i].items[k]));
        form_write_multi_end(out);
    }
    if (is_any)
        form_write_end(out);
}
