# SPDX-License-Identifier: GPL-3.0-or-later
# Fuzz targets: each test/fuzz/fuzz_x.c is one, test/fuzz/corpus/x/ its inputs.
#
#   make corpus             built with any compiler, given the inputs by corpus.c (make check)
#   make fuzz TIME=60       built with clang and its sanitizers, each run so many seconds
#   make fuzz TARGETS=jid   one of them
#   make fuzz-merge         what was found goes into test/fuzz/corpus, as far as it covers more

TIME ?= 60
# Several times as many inputs: no traces of allocations (an input that crashes has them under
# `make SANITIZE=1 corpus`), memory that is freed is kept as long as it fits the cache, operands of
# comparisons are not traced (those of memcmp and strcmp are), rare features are not searched for.
FUZZ_RUN := ASAN_OPTIONS=malloc_context_size=0:quarantine_size_mb=4:$\
            thread_local_quarantine_size_kb=64:max_malloc_fill_size=256
FUZZ_COVERAGE := -fsanitize=fuzzer-no-link -fno-sanitize-coverage=trace-cmp
FUZZ_FLAGS ?= -entropic=0 -max_len=600
FUZZ_SRC := $(wildcard test/fuzz/fuzz_*.c)
TARGETS ?= $(patsubst test/fuzz/fuzz_%.c,%,$(FUZZ_SRC))
FUZZ := $(patsubst %.c,$(BUILD)/%,$(FUZZ_SRC))
# With LIBFUZZER=1 the driver is libFuzzer, else corpus.c.
FUZZ_MAIN := $(if $(LIBFUZZER),,$(BUILD)/test/fuzz/corpus.o)
FUZZ_BUILD := $(BUILD)/fuzz
# What everything runs on leads no input anywhere new: it is not counted.
ifdef LIBFUZZER
$(patsubst %,$(BUILD)/common/base/%.o,buf conn conn_fake list loop loop_sim loop_timer map mem) \
$(BUILD)/common/store/%.o $(BUILD)/test/%.o: \
    CFLAGS += -fno-sanitize-coverage=inline-8bit-counters,pc-table,indirect-calls,stack-depth
endif

# Of this a target takes what it calls: the fewer counters, the less there is to look at after each
# input.
FUZZ_ROOMS := $(BUILD)/test/fuzz/rooms.a
$(FUZZ_ROOMS): $(BUILD)/test/fuzz/keep.o $(BUILD)/test/replay/stage.o $(ROUTER_ROOM) $(C2S_ROOM)
	@rm -f $@
	@$(AR) rcs $@ $^

# Daemons are strangers, and give the same names to different things: s2s and net are linked alone.
FUZZ_S2S := $(BUILD)/test/fuzz/fuzz_s2s
FUZZ_NET := $(BUILD)/test/fuzz/fuzz_net
FUZZ_DNS := $(BUILD)/test/fuzz/fuzz_dns
$(FUZZ): FUZZ_SEES = $(FUZZ_ROOMS)
$(FUZZ_DNS): FUZZ_SEES = $(LIB_dns)
$(FUZZ_DNS): $(LIB_dns)
$(FUZZ_S2S): FUZZ_SEES = $(S2S_ROOM) $(LIB_dns)
$(FUZZ_S2S): $(S2S_ROOM) $(LIB_dns)
$(FUZZ_NET): FUZZ_SEES = $(NET_ROOM) $(LIB_dns)
$(FUZZ_NET): $(NET_ROOM) $(LIB_dns)
$(filter-out $(FUZZ_S2S) $(FUZZ_NET) $(FUZZ_DNS),$(FUZZ)): $(FUZZ_ROOMS)

$(FUZZ): $(BUILD)/%: $(BUILD)/%.o $(BUILD)/test/fuzz/fuzz.o $(FUZZ_MAIN) $(SEES_xmpp)
	$(CC) $(CFLAGS) $(LDFLAGS) $(if $(LIBFUZZER),-fsanitize=fuzzer) \
	    -Wl,--wrap=crypto_pbkdf2,--wrap=xml_parse_open -o $@ $@.o $(BUILD)/test/fuzz/fuzz.o \
	    $(FUZZ_MAIN) $(FUZZ_SEES) $(SEES_xmpp) $(PKG_LIBS) -lexpat -lpthread

.PHONY: corpus
corpus: $(FUZZ)

.PHONY: fuzz-build
fuzz-build:
	@test/deps clang libclang-rt-dev
	+@CFLAGS='$(FUZZ_COVERAGE)' $(MAKE) --no-print-directory -s $(PARALLEL) CC=clang \
	    BUILD=$(FUZZ_BUILD) SANITIZE=1 LIBFUZZER=1 corpus

.PHONY: fuzz
fuzz: fuzz-build
	@set -e; for t in $(TARGETS); do \
	    found=$(FUZZ_BUILD)/found/$$t; mkdir -p $$found; echo "== $$t"; \
	    $(FUZZ_RUN) $(FUZZ_BUILD)/test/fuzz/fuzz_$$t -max_total_time=$(TIME) \
	        -timeout=10 -print_final_stats=1 -dict=test/fuzz/xmpp.dict \
	        -artifact_prefix=$(FUZZ_BUILD)/$$t- -verbosity=0 $(FUZZ_FLAGS) \
	        $$found test/fuzz/corpus/$$t; \
	done

.PHONY: fuzz-merge
fuzz-merge: fuzz-build
	@set -e; for t in $(TARGETS); do \
	    $(FUZZ_BUILD)/test/fuzz/fuzz_$$t -set_cover_merge=1 -use_counters=0 -max_len=600 \
	        test/fuzz/corpus/$$t $(FUZZ_BUILD)/found/$$t 2>&1 | tail -n 1; \
	done
