# SPDX-License-Identifier: GPL-3.0-or-later
# One make for everything. `make help` lists the targets.
#
# BUILD=dir keeps a variant's objects apart; SANITIZE=1 builds with ASan and UBSan.

BUILD ?= build$(if $(SANITIZE),/asan)
PREFIX ?= /usr/local
SYSCONFDIR ?= /etc
DESTDIR ?=
VERSION := 0.1.0
# The ports of `make run` are PORT_BASE plus 22, 23, 69, 70 and 147: 5222, 5223, 5269, 5270, 5347.
PORT_BASE ?= 5200
PYTHON ?= /usr/bin/python3
JOBS ?= $(shell nproc 2>/dev/null || echo 1)

# Debian packages, by what they are for; README.md says why.
DEPS_BUILD := gcc libc6-dev binutils pkg-config libuv1-dev libxml2-dev libgnutls28-dev \
              libsqlite3-dev libidn-dev libinih-dev libstrophe-dev libunbound-dev librnp-dev
DEPS_RUN := python3 supervisor gnutls-bin dns-root-data ca-certificates
DEPS_TEST := libcmocka-dev libexpat1-dev python3-pytest python3-pytest-xdist python3-slixmpp \
             python3-aioxmpp go-sendxmpp profanity tmux biboumi ngircd jabber-muc strace \
             prosody ejabberd knot knot-dnsutils iproute2
DEPS_LINT := clang clang-tidy cppcheck

# Compiler and linker flags: what each is for is in HACKING.md.
CSTD := -std=gnu17
OPT ?= -O2
WARN := -Wall -Wextra -Wshadow -Wmissing-prototypes -Wstrict-prototypes -Wformat=2 -Wvla -Walloca \
        -Wnull-dereference -Werror=format-security -Werror=implicit-function-declaration
IS_GCC := $(shell $(CC) --version 2>/dev/null | grep -q 'Free Software Foundation' && echo 1)
ifeq ($(IS_GCC),1)
WARN += -Wbidi-chars=any -Wtrampolines
HARDEN_GCC := -fzero-call-used-regs=used-gpr -ftrivial-auto-var-init=zero
endif
ifdef SANITIZE
HARDEN := -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
LDHARDEN := -fsanitize=address,undefined
else
HARDEN := -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fstack-clash-protection \
          -fcf-protection=full $(HARDEN_GCC) \
          -fno-delete-null-pointer-checks -fno-strict-overflow -fno-strict-aliasing
LDHARDEN := -Wl,-z,relro,-z,now,-z,noexecstack,-z,separate-code,-z,shstk
endif

PKGS := libuv libxml-2.0 gnutls gnutls-dane sqlite3 libidn inih
PKG_CFLAGS := $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
# libunbound's own file for pkg-config asks for the headers of libevent, which nothing here needs.
PKG_LIBS := $(shell pkg-config --libs $(PKGS) 2>/dev/null) -lunbound -lrnp

CPPFLAGS += -D_GNU_SOURCE -DKONTALK_VERSION='"$(VERSION)"' -Icommon -I. $(PKG_CFLAGS)
CFLAGS += $(CSTD) $(OPT) -g -fPIE $(WARN) $(HARDEN) $(if $(CI),-Werror)
LDFLAGS += -pie $(LDHARDEN) -Wl,--as-needed

# --- what is built -----------------------------------------------------------------------------

LAYERS := base xml tls pgp store dns xmpp
obj = $(patsubst %.c,$(BUILD)/%.o,$(1))
$(foreach l,$(LAYERS),$(eval LIB_$(l) := $(BUILD)/libkontalk-$(l).a))
# A layer sees itself and those below it, nothing else: the link order is the architecture.
SEES_base := $(LIB_base)
SEES_xml := $(LIB_xml) $(LIB_base)
SEES_tls := $(LIB_tls) $(LIB_base)
SEES_pgp := $(LIB_pgp) $(LIB_base)
SEES_store := $(LIB_store) $(LIB_base)
SEES_dns := $(LIB_dns) $(LIB_base)
SEES_xmpp := $(LIB_xmpp) $(LIB_xml) $(LIB_tls) $(LIB_pgp) $(LIB_store) $(LIB_base)

ROUTER_SRC := $(wildcard router/*.c)
C2S_SRC := $(wildcard c2s/*.c c2s/sm/*.c c2s/sm/*/*.c)
S2S_SRC := $(wildcard s2s/*.c)
NET_SRC := $(wildcard net/*.c)
CTL_SRC := $(wildcard router/ctl/*.c)
# The daemons without their main.c, for tests that hold a whole process.
ROUTER_ROOM := $(call obj,$(filter-out router/main.c,$(ROUTER_SRC)))
C2S_ROOM := $(call obj,$(filter-out c2s/main.c,$(C2S_SRC)))
S2S_ROOM := $(call obj,$(filter-out s2s/main.c,$(S2S_SRC)))
NET_ROOM := $(call obj,$(filter-out net/main.c,$(NET_SRC)))

PROGRAMS := $(BUILD)/kontalk-router $(BUILD)/kontalk-c2s $(BUILD)/kontalk-s2s \
            $(BUILD)/kontalk-net $(BUILD)/kontalkctl

.PHONY: all
all: $(PROGRAMS)

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

define LAYER_RULE
$(LIB_$(1)): $(call obj,$(wildcard common/$(1)/*.c))
	@rm -f $$@
	$$(AR) rcs $$@ $$^
endef
$(foreach l,$(LAYERS),$(eval $(call LAYER_RULE,$(l))))

$(BUILD)/kontalk-router: $(call obj,$(ROUTER_SRC)) $(SEES_xmpp)
$(BUILD)/kontalk-c2s: $(call obj,$(C2S_SRC)) $(SEES_xmpp)
$(BUILD)/kontalk-s2s: $(call obj,$(S2S_SRC)) $(LIB_dns) $(SEES_xmpp)
$(BUILD)/kontalk-net: $(call obj,$(NET_SRC)) $(LIB_dns) $(SEES_xmpp)
$(BUILD)/kontalkctl: $(call obj,$(CTL_SRC) router/conf.c router/redact.c) $(SEES_xmpp)
$(BUILD)/kontalkctl: PKG_LIBS += -lstrophe
$(PROGRAMS):
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(PKG_LIBS) -lpthread

# --- unit tests: test/unit/ROOM/test_x.c sees its room and what lies below ------------------------

UNIT_SRC := $(wildcard test/unit/*/test_*.c)
UNIT := $(patsubst %.c,$(BUILD)/%,$(UNIT_SRC))
unit_of = $(patsubst %.c,$(BUILD)/%,$(wildcard test/unit/$(1)/test_*.c))
UNIT_HELP := $(call obj,$(wildcard test/unit/*.c))

$(foreach l,$(LAYERS),$(eval $(call unit_of,$(l)): $(UNIT_HELP) $(SEES_$(l))))
$(call unit_of,router): $(ROUTER_ROOM) $(UNIT_HELP) $(SEES_xmpp)
$(call unit_of,c2s): $(C2S_ROOM) $(UNIT_HELP) $(SEES_xmpp)
$(call unit_of,s2s): $(S2S_ROOM) $(UNIT_HELP) $(LIB_dns) $(SEES_xmpp)
$(call unit_of,net): $(NET_ROOM) $(UNIT_HELP) $(LIB_dns) $(SEES_xmpp)
$(UNIT): $(BUILD)/%: $(BUILD)/%.o
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $< $(filter-out $<,$^) $(PKG_LIBS) -lcmocka -lpthread

.PHONY: unit
unit: $(UNIT)

# --- replay tests: one program that holds whole processes, and the plays it is given --------------

REPLAY := $(if $(wildcard test/replay/*.c),$(BUILD)/test/replay/replay)
$(REPLAY): $(call obj,$(wildcard test/replay/*.c)) $(ROUTER_ROOM) $(C2S_ROOM) $(SEES_xmpp)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(PKG_LIBS) -lpthread

.PHONY: replay
replay: $(REPLAY)

# --- clients and components for the end-to-end tests: each .c file is one, of libstrophe only ------

E2E := $(patsubst %.c,$(BUILD)/%,$(wildcard test/e2e/*.c test/components/*.c))
$(E2E): $(BUILD)/%: $(BUILD)/%.o
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $< -lstrophe

.PHONY: e2e
e2e: $(E2E)

# --- the bench ---------------------------------------------------------------------------------------

include test/bench/bench.mk
include test/fuzz/fuzz.mk
include test/sim/sim.mk
include test/strict.mk

# --- what people type ------------------------------------------------------------------------------

# deps comes before anything is read off the installed packages: make starts itself again after it.
AGAIN = $(MAKE) --no-print-directory BUILD=$(BUILD)
PARALLEL = $(if $(filter -j%,$(MAKEFLAGS)),,-j$(JOBS))

.PHONY: deps
deps:
	@test/deps $(DEPS_BUILD) $(DEPS_RUN) $(DEPS_TEST) $(DEPS_LINT)

.PHONY: run
run:
	+@$(AGAIN) deps
	+@$(AGAIN) -s $(PARALLEL) all
	@exec env KONTALK_BUILD=$(BUILD) $(PYTHON) test/try run $(PORT_BASE)

.PHONY: check
check:
	+@$(AGAIN) deps
	-+@$(AGAIN) -s -k $(PARALLEL) all unit replay e2e corpus sim
	@$(PYTHON) test/run --build $(BUILD) unit replay corpus sim e2e

# For sanitizers and for a quick look: what needs no other program.
.PHONY: check-quick
check-quick:
	+@$(AGAIN) deps
	-+@$(AGAIN) -s -k $(PARALLEL) unit replay corpus sim
	@$(PYTHON) test/run --build $(BUILD) unit replay corpus sim

.PHONY: lint
lint:
	+@$(AGAIN) deps
	-+@$(AGAIN) -s -k $(PARALLEL) all
	@$(PYTHON) test/run --build $(BUILD) --packages '$(PKGS)' lint

# --- installing -------------------------------------------------------------------------------------

BINDIR := $(PREFIX)/bin
MANDIR := $(PREFIX)/share/man
UNITDIR ?= $(if $(filter /usr,$(PREFIX)),/usr,$(PREFIX))/lib
MAN := $(wildcard router/*.8 c2s/*.8 s2s/*.8 net/*.8 router/ctl/*.1)
# Configuration that is there already stays.
keep = [ -e $(DESTDIR)$(2) ] || install -m $(3) $(1) $(DESTDIR)$(2)

.PHONY: install
install: all
	install -d $(DESTDIR)$(BINDIR) $(DESTDIR)$(SYSCONFDIR)/kontalk
	install -m 0755 $(PROGRAMS) $(DESTDIR)$(BINDIR)
	@set -e; for f in router c2s s2s net kontalkctl; do \
	    $(call keep,etc/$$f.conf,$(SYSCONFDIR)/kontalk/$$f.conf,0640); done
	@$(call keep,etc/supervisord.conf,$(SYSCONFDIR)/kontalk/supervisord.conf,0644)
	@set -e; for f in $(MAN); do \
	    install -D -m 0644 $$f $(DESTDIR)$(MANDIR)/man$${f##*.}/$${f##*/}; done
	install -D -m 0644 packaging/completion/kontalkctl \
	    $(DESTDIR)$(PREFIX)/share/bash-completion/completions/kontalkctl
	install -d $(DESTDIR)$(UNITDIR)/systemd/system
	@set -e; for f in packaging/systemd/*; do \
	    sed 's|/usr/bin/kontalk|$(BINDIR)/kontalk|' $$f \
	        >$(DESTDIR)$(UNITDIR)/systemd/system/$${f##*/}; done
	install -D -m 0644 packaging/tmpfiles/kontalk.conf $(DESTDIR)$(UNITDIR)/tmpfiles.d/kontalk.conf
	install -D -m 0644 packaging/sysusers/kontalk.conf $(DESTDIR)$(UNITDIR)/sysusers.d/kontalk.conf

.PHONY: clean
clean:
	rm -rf $(BUILD)

.PHONY: help
help:
	@echo 'make            build kontalk-router, -c2s, -s2s, -net and kontalkctl in $(BUILD)/'
	@echo 'make run        build, and run a suite for trying out in run/; PORT_BASE=N moves its ports'
	@echo 'make check      unit, replay, simulation and end-to-end tests'
	@echo 'make lint       layers, doors, banned calls, clang-tidy, cppcheck'
	@echo 'make deps       install the Debian packages that all of these need'
	@echo 'make install    DESTDIR, PREFIX (/usr/local), SYSCONFDIR (/etc)'
	@echo 'make bench      compare with Prosody, ejabberd and jabberd2; see test/bench/README.md'
	@echo 'make unit       build the unit tests; check-quick also runs them and the plays'
	@echo 'make fuzz       run each fuzz target TIME=60 seconds; make corpus builds them for make check'
	@echo 'make valgrind   unit tests, plays and fuzz inputs under valgrind'
	@echo 'make analyze    the analyzers of gcc and clang; make coverage  lines that tests run'
	@echo 'make SANITIZE=1 TARGET   the same with ASan and UBSan, in build/asan/'

-include $(shell find $(BUILD) -type f -name '*.d' 2>/dev/null)
