/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * wraps - what stands between the parts under test: the linker sends the calls named by WRAP here
 * first (test/sim/sim.mk).
 */
#ifndef TEST_RINGS_WRAPS_H
#define TEST_RINGS_WRAPS_H

/* WRAP(type, name, (parameters)): the real one is __real_name, the one here __wrap_name. */
#define WRAP(type, name, parameters)                                                               \
    type __real_##name parameters;                                                                 \
    type __wrap_##name parameters;                                                                 \
    type __wrap_##name parameters

#endif
