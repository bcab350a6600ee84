/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * redact - stanzas for people's eyes: one line each, without what users wrote unless it is wanted.
 */
#ifndef ROUTER_REDACT_H
#define ROUTER_REDACT_H

#include "base/buf.h"

/*
 * redact_line - appends a frame as one line, without the line's end. Without texts each text is
 * replaced by its length in bytes: "<body>[12]</body>". With them, the line means the same as the
 * frame: ends of lines in texts become references.
 */
void redact_line(struct buf *out, struct span frame, bool with_texts);

#endif
