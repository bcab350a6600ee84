# SPDX-License-Identifier: GPL-3.0-or-later
# Fuzz targets: each test/fuzz/fuzz_x.c is one, test/fuzz/corpus/x/ its inputs.
#
#   make corpus             built with any compiler, given the inputs by corpus.c (make check)
#   make fuzz TIME=60       built with clang and its sanitizers, each run so many seconds
#   make fuzz TARGETS=jid   one of them
#   make fuzz-merge         what was found goes into test/fuzz/corpus, as far as it covers more

TIME ?= 60
# Shorter traces of allocations, and no search for rare features: several times as many inputs.
FUZZ_RUN := ASAN_OPTIONS=malloc_context_size=4:quarantine_size_mb=32
FUZZ_FLAGS ?= -entropic=0
FUZZ_SRC := $(wildcard test/fuzz/fuzz_*.c)
TARGETS ?= $(patsubst test/fuzz/fuzz_%.c,%,$(FUZZ_SRC))
FUZZ := $(patsubst %.c,$(BUILD)/%,$(FUZZ_SRC))
# With LIBFUZZER=1 the driver is libFuzzer, else corpus.c.
FUZZ_MAIN := $(if $(LIBFUZZER),,$(BUILD)/test/fuzz/corpus.o)
FUZZ_BUILD := $(BUILD)/fuzz

$(FUZZ): $(BUILD)/%: $(BUILD)/%.o $(BUILD)/test/fuzz/fuzz.o $(FUZZ_MAIN) \
        $(BUILD)/test/replay/stage.o $(ROUTER_ROOM) $(C2S_ROOM) $(SEES_xmpp)
	$(CC) $(CFLAGS) $(LDFLAGS) $(if $(LIBFUZZER),-fsanitize=fuzzer) -Wl,--wrap=crypto_pbkdf2 \
	    -o $@ $^ $(PKG_LIBS) -lexpat -lpthread

.PHONY: corpus
corpus: $(FUZZ)

.PHONY: fuzz-build
fuzz-build:
	@test/deps clang libclang-rt-dev
	+@CFLAGS='-fsanitize=fuzzer-no-link' $(MAKE) --no-print-directory -s $(PARALLEL) CC=clang \
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
	    $(FUZZ_BUILD)/test/fuzz/fuzz_$$t -merge=1 -max_len=600 test/fuzz/corpus/$$t \
	        $(FUZZ_BUILD)/found/$$t 2>&1 | tail -n 1; \
	done
