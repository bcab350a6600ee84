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

# The same for networks of servers: a router, a c2s and a net for each. The names of net's own are
# set apart (net_room_), for the router has files of the same names.
RINGS := $(BUILD)/test/sim/rings
RINGS_WRAPS := $(shell cat test/sim/net/wraps.c test/sim/net/plants.c | \
                       sed -n 's/^WRAP.[^,]*, *\([a-z0-9_]*\),.*/\1/p')
NET_APART := $(BUILD)/test/sim/net-room.a
NET_USERS := $(call obj,test/sim/net/links.c) # speak of them
$(NET_APART): $(NET_ROOM) $(NET_USERS)
	@mkdir -p $(@D)/net-room
	@rm -f $@ $(@D)/net-room/*
	nm -g --defined-only $(NET_ROOM) | \
	    awk 'NF == 3 && $$3 !~ /^net_/ { print $$3, "net_room_" $$3 }' >$(@D)/net-room/names
	for o in $^; do \
	    objcopy --redefine-syms=$(@D)/net-room/names $$o $(@D)/net-room/$$(basename $$o) || exit 1; \
	done
	$(AR) rcs $@ $(@D)/net-room/*.o

$(RINGS): $(filter-out $(NET_USERS),$(call obj,$(wildcard test/sim/net/*.c))) \
          $(call obj,test/sim/seeds.c test/sim/words.c) $(ROUTER_ROOM) \
          $(C2S_ROOM) $(NET_APART) $(LIB_dns) $(SEES_xmpp)
	$(CC) $(CFLAGS) $(LDFLAGS) $(RINGS_WRAPS:%=-Wl,--wrap=%) -o $@ $^ $(PKG_LIBS) -lpthread

sim: $(RINGS)
