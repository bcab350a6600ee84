# SPDX-License-Identifier: GPL-3.0-or-later
# The slow looks at the code, besides make check and make lint.
#
#   make valgrind      unit tests, plays and fuzz inputs under valgrind; an error or a leak fails
#   make analyze       gcc -fanalyzer and clang's analyzer; test/lint/analyze.known has false alarms
#   make coverage      lines that unit tests and plays run; below 90 % in common/ or router/ fails.
#                      BUILD/coverage/index.html shows each line

DEPS_STRICT := valgrind gcovr clang clang-tools

VALGRIND := valgrind -q --leak-check=full --show-leak-kinds=definite,indirect \
            --errors-for-leak-kinds=definite,indirect --error-exitcode=99 --num-callers=20

.PHONY: valgrind
valgrind:
	@test/deps $(DEPS_STRICT)
	-+@$(AGAIN) -s -k $(PARALLEL) unit replay corpus
	@$(PYTHON) test/run --build $(BUILD) --under '$(VALGRIND)' unit replay corpus

.PHONY: analyze
analyze:
	@test/deps $(DEPS_STRICT)
	@$(PYTHON) test/lint/analyze.py $(PKGS)

# kontalkctl talks to processes that run: its tests are end to end, and counted there.
COVERAGE := $(BUILD)/coverage
GCOVR := gcovr --root . --object-directory $(COVERAGE) --exclude router/ctl/ --exclude '.*/main.c' \
         --fail-under-line 90

.PHONY: coverage
coverage:
	@test/deps $(DEPS_STRICT)
	@mkdir -p $(COVERAGE) && find $(COVERAGE) -name '*.gcda' -delete
	-+@CFLAGS=--coverage LDFLAGS=--coverage $(MAKE) --no-print-directory -s -k $(PARALLEL) OPT=-O0 \
	    BUILD=$(COVERAGE) HARDEN= HARDEN_GCC= unit replay
	-@$(PYTHON) test/run --build $(COVERAGE) unit replay
	@$(GCOVR) --filter common/ --html-details $(COVERAGE)/common.html $(COVERAGE)
	@$(GCOVR) --filter router/ --html-details $(COVERAGE)/router.html $(COVERAGE)
