# SPDX-License-Identifier: Apache-2.0
# The few commands that people type; meson and ninja do the work. "make help" lists them.

DIR ?= demo
PORT ?= 2525
PREFIX ?= /usr/local
DESTDIR ?=
TIME ?= 60
TARGET ?=

# Debian's own, whatever else stands in PATH: the test packages are installed for it.
PYTHON := /usr/bin/python3
MESON := $(PYTHON) /usr/bin/meson
NINJA := /usr/bin/ninja

# Meson's and ninja's chatter is shown only when they fail.
QUIET = tools/quietly

.DEFAULT_GOAL := build
.PHONY: run build test lint fuzz bench docs install clean help deps-build deps-test
.NOTPARALLEL:

run: build  ## Build, then start the demo in the foreground (DIR=demo PORT=2525)
	@exec build/waybill demo --dir "$(DIR)" --port "$(PORT)"

build: deps-build build/build.ninja  ## Build optimised: build/waybilld and build/waybill
	@$(QUIET) $(NINJA) -C build

test: deps-test build-test/build.ninja build-fuzz/build.ninja  ## Build with sanitizers and run every test
	@$(QUIET) $(NINJA) -C build-test
	@$(QUIET) $(NINJA) -C build-fuzz fuzz-targets
	@$(PYTHON) tests/run.py --build build-test --fuzz build-fuzz

lint: deps-test  ## Check sizes, layers, banned calls and the like
	@$(PYTHON) tools/lint.py

fuzz: deps-test build-fuzz/build.ninja  ## Fuzz each parser for TIME=60 seconds, or one: TARGET=session
	@$(QUIET) $(NINJA) -C build-fuzz fuzz-targets
	@$(PYTHON) tests/run.py --fuzz build-fuzz --only fuzz --fuzz-seconds-each "$(TIME)" --fuzz-target "$(TARGET)"

bench: build  ## Measure against Postfix, and that no time tells a secret; writes bench/RESULTS.md
	@tools/install-deps bench
	@bench/run
	@exec bench/run secret

docs: build  ## Make the generated pages again: docs/replies.md, docs/configuration.md
	@$(QUIET) $(NINJA) -C build docs-configuration
	@$(PYTHON) tools/gen_replies.py catalogue/replies.toml --docs docs/replies.md

install: build  ## Install below DESTDIR= with PREFIX=/usr/local
	@$(MESON) configure build --prefix "$(PREFIX)" --sysconfdir /etc --localstatedir /var
	@$(QUIET) $(NINJA) -C build
	@$(MESON) install -C build --no-rebuild --quiet $(if $(DESTDIR),--destdir "$(abspath $(DESTDIR))")

clean:  ## Remove the build folders (the demo's data stays)
	@rm -rf build build-test build-fuzz

help:  ## Show this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 18

deps-build:
	@tools/install-deps build

deps-test:
	@tools/install-deps test

build/build.ninja:
	@$(QUIET) $(MESON) setup build --prefix "$(PREFIX)" --sysconfdir /etc --localstatedir /var -Dtests=false

build-test/build.ninja:
	@$(QUIET) $(MESON) setup build-test -Db_sanitize=address,undefined

# Configured again when a target's source comes or goes.
build-fuzz/build.ninja: tests/fuzz/targets.txt $(wildcard tests/fuzz/fuzz_*.c)
	@CC=clang $(QUIET) $(MESON) setup build-fuzz $(if $(wildcard build-fuzz/build.ninja),--reconfigure) \
		-Dfuzz=true -Dtests=false -Dwerror=false -Db_sanitize=address,undefined -Db_lundef=false
