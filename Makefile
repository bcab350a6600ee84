# SPDX-License-Identifier: GPL-3.0-or-later
# One make for everything. `make help` lists the targets.
#
# BUILD=dir keeps a variant's objects apart; SANITIZE=1 builds with ASan and UBSan.

BUILD ?= build$(if $(SANITIZE),/asan)
PREFIX ?= /usr/local
DESTDIR ?=
VERSION := 0.1.0

# Compiler and linker flags: what each is for is in HACKING.md.
CSTD := -std=gnu17
OPT ?= -O2
WARN := -Wall -Wextra -Wshadow -Wmissing-prototypes -Wstrict-prototypes -Wformat=2 -Wvla -Walloca \
        -Wnull-dereference -Werror=format-security -Werror=implicit-function-declaration
IS_GCC := $(shell $(CC) --version 2>/dev/null | grep -q 'Free Software Foundation' && echo 1)
ifeq ($(IS_GCC),1)
WARN += -Wbidi-chars=any -Wtrampolines
HARDEN_GCC := -fzero-call-used-regs=used-gpr
endif
ifdef SANITIZE
HARDEN := -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
LDHARDEN := -fsanitize=address,undefined
else
HARDEN := -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fstack-clash-protection \
          -fcf-protection=full -ftrivial-auto-var-init=zero $(HARDEN_GCC) \
          -fno-delete-null-pointer-checks -fno-strict-overflow -fno-strict-aliasing
LDHARDEN := -Wl,-z,relro,-z,now,-z,noexecstack,-z,separate-code
endif

PKGS := libuv libxml-2.0 gnutls sqlite3 libidn inih
PKG_CFLAGS := $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
PKG_LIBS := $(shell pkg-config --libs $(PKGS) 2>/dev/null)

CPPFLAGS += -D_GNU_SOURCE -DKONTALK_VERSION='"$(VERSION)"' -Icommon -I. $(PKG_CFLAGS)
CFLAGS += $(CSTD) $(OPT) -g -fPIE $(WARN) $(HARDEN) $(if $(CI),-Werror)
LDFLAGS += -pie $(LDHARDEN) -Wl,--as-needed

# --- what is built -----------------------------------------------------------------------------

LAYERS := base xml tls store xmpp
obj = $(patsubst %.c,$(BUILD)/%.o,$(1))
$(foreach l,$(LAYERS),$(eval LIB_$(l) := $(BUILD)/libkontalk-$(l).a))
# A layer sees itself and those below it, nothing else: the link order is the architecture.
SEES_base := $(LIB_base)
SEES_xml := $(LIB_xml) $(LIB_base)
SEES_tls := $(LIB_tls) $(LIB_base)
SEES_store := $(LIB_store) $(LIB_base)
SEES_xmpp := $(LIB_xmpp) $(LIB_xml) $(LIB_tls) $(LIB_store) $(LIB_base)

ROUTER_SRC := $(wildcard router/*.c)
C2S_SRC := $(wildcard c2s/*.c c2s/sm/*.c)
CTL_SRC := $(wildcard router/ctl/*.c)
# The daemons without their main.c, for tests that hold a whole process.
ROUTER_ROOM := $(call obj,$(filter-out router/main.c,$(ROUTER_SRC)))
C2S_ROOM := $(call obj,$(filter-out c2s/main.c,$(C2S_SRC)))

PROGRAMS := $(BUILD)/kontalk-router $(BUILD)/kontalk-c2s $(BUILD)/kontalkctl

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
$(BUILD)/kontalkctl: $(call obj,$(CTL_SRC)) $(SEES_base)
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
$(UNIT): $(BUILD)/%: $(BUILD)/%.o
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $< $(filter-out $<,$^) $(PKG_LIBS) -lcmocka -lpthread

.PHONY: unit
unit: $(UNIT)

.PHONY: clean
clean:
	rm -rf $(BUILD)

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
