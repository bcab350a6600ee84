/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * replay - what its files share: replay_script.c reads a recording and compares stanzas, replay.c
 * plays the router's side of it.
 */
#ifndef CTL_REPLAY_H
#define CTL_REPLAY_H

#include "base/buf.h"

enum direction { FROM_COMPONENT, TO_COMPONENT };

struct step {
    uint64_t at_us;
    enum direction direction;
    struct span frame; /* one line; owned by the script */
};

/* One connection of the component: its first whole one, or what the recording has instead. */
struct script {
    char *name;
    bool has_bodies;
    bool is_whole; /* from the handshake on */
    struct step *steps;
    size_t count;
};

/* False with a reason. script_free in both cases. */
bool script_load(struct script *s, const char *path, char error_r[256]);
void script_free(struct script *s);

/*
 * script_canonical - a frame as it is compared: attributes in order, identifiers that its sender
 * made up and points in time replaced, texts replaced when hide is set. Appends nothing when the
 * frame does not parse.
 */
void script_canonical(struct buf *out, struct span frame, bool hide);

#endif
