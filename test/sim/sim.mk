# SPDX-License-Identifier: GPL-3.0-or-later
# The simulation: one program that holds whole suites, linked so that it sees what passes between
# their parts (test/sim/wraps.c).

SIM_WRAPS := $(shell sed -n 's/^WRAP.[^,]*, *\([a-z0-9_]*\),.*/\1/p' test/sim/wraps.c)
SIM := $(BUILD)/test/sim/sim
$(SIM): $(call obj,$(wildcard test/sim/*.c) test/replay/stage.c) $(ROUTER_ROOM) $(C2S_ROOM) \
        $(SEES_xmpp)
	$(CC) $(CFLAGS) $(LDFLAGS) $(SIM_WRAPS:%=-Wl,--wrap=%) -o $@ $^ $(PKG_LIBS) -lpthread

.PHONY: sim
sim: $(SIM)
