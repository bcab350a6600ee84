# SPDX-License-Identifier: GPL-3.0-or-later
# The bench: a load generator, the raw relay it is compared with, and test/bench/bench, which starts
# servers and prints tables. The Makefile includes this file.

DEPS_BENCH := prosody ejabberd jabberd2 valgrind

LOAD := $(BUILD)/test/bench/load/load
FLOOR := $(BUILD)/test/bench/floor
$(LOAD): $(call obj,$(wildcard test/bench/load/*.c)) $(SEES_tls)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(PKG_LIBS) -lpthread
$(FLOOR): $(FLOOR).o $(SEES_tls)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(PKG_LIBS) -lpthread

# Whole processes on simulated connections, as in the plays: instructions are counted of these.
COUNT := $(BUILD)/test/bench/count
$(COUNT): $(COUNT).o $(BUILD)/test/replay/stage.o $(ROUTER_ROOM) $(C2S_ROOM) $(SEES_xmpp)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(PKG_LIBS) -lpthread

.PHONY: load
load: $(LOAD) $(FLOOR)
# The smoke of the generator is one of the end-to-end tests.
e2e: $(LOAD)

# --- what people type ------------------------------------------------------------------------------

# PEERS="prosody ejabberd", SCENARIO="chat component", ROUNDS=3, SECONDS=3 narrow it.
BENCH = env KONTALK_BUILD=$(BUILD) $(PYTHON) test/bench/bench --out $(BUILD)/bench

.PHONY: deps-bench
deps-bench:
	+@$(AGAIN) deps
	@test/deps $(DEPS_BENCH)

.PHONY: bench
bench:
	+@$(AGAIN) deps-bench
	+@$(AGAIN) -s $(PARALLEL) all load
	@$(BENCH) compare $(if $(PEERS),--peers '$(PEERS)') $(if $(SCENARIO),--scenarios '$(SCENARIO)') \
	    $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(SECONDS),--seconds $(SECONDS))

.PHONY: bench-quick
bench-quick:
	+@$(AGAIN) deps-bench
	+@$(AGAIN) -s $(PARALLEL) all load
	@$(BENCH) quick

.PHONY: bench-growth
bench-growth:
	+@$(AGAIN) -s $(PARALLEL) all load
	@$(BENCH) growth

# Instruction counts: bench-instructions keeps them in instructions.txt, bench-check compares.
.PHONY: bench-instructions bench-check
bench-instructions bench-check:
	@test/deps valgrind
	+@$(AGAIN) -s $(PARALLEL) $(COUNT)
	@env KONTALK_BUILD=$(BUILD) $(PYTHON) test/bench/instructions \
	    $(if $(filter bench-check,$@),--check,--write)
