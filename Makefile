# The everyday commands. Everything here builds with every optional part (the trait Full).
SWIFT      ?= swift
# SwiftPM passes the traits on in the order of a set: with an order of its own each time, whatever makes it plan anew (a new file, a test run)
# makes it compile the whole package anew, too.
PACKAGE    := SWIFT_DETERMINISTIC_HASHING=1 $(SWIFT)
PYTHON     ?= python3
CONFIG     ?= debug
# Figures are worth something in release alone.
FIGURES_CONFIG := $(if $(filter command environment,$(firstword $(origin CONFIG))),$(CONFIG),release)
TRAITS     := --traits Full
BUILD      := .build
# Everything that is built in release is built with the same options, or it would be built again.
RELEASE     = -c release $$(.ci/headers)
OPTIONS     = $(if $(filter release,$(1)),$(RELEASE),-c $(1))
# What the demo shows, as fast as something optimised can be built: with what it does not show it would take half as long again.
DEMO       := $(PACKAGE) build --scratch-path $(BUILD)/demo -c release --traits OpenSSL,QUIC -Xswiftc -Osize -Xcxx -O1 -debug-info-format none
REPORTS    := $(BUILD)/reports
VENV       := Interop/.venv
PYTEST     := $(VENV)/bin/python -m pytest
# Where the examples are put, together with the tool without any optional part.
EXAMPLES_BIN := $(BUILD)/examples
# The tests against real nodes mostly wait: so many files of them run side by side, also on two cores.
WORKERS    ?= 4
SWIFT_SOURCES := $(wildcard Package.swift Sources Tests Benchmarks/Package.swift Benchmarks/Sources Fuzz/Package.swift Fuzz/Sources Examples/Package.swift Examples/Sources Examples/Servers/Package.swift Examples/Servers/Sources)
# Where make install puts the tool.
PREFIX     ?= /usr/local
P2P_VECTORS ?= $(abspath ../shared/vectors)
export P2P_VECTORS

.DEFAULT_GOAL := help
.PHONY: help setup demo build install test unit interop nat-lab relay-bench examples dashboard docs autobahn bare bench bench-turns compare tunnels lookups lookups-go gates soak fuzz format lint clean

help: ## What this file can do
	@grep -hE '^[a-z-]+:.*##' $(firstword $(MAKEFILE_LIST)) | sed -E 's/:[^#]*## /\t/' | while IFS="$$(printf '\t')" read -r name text; do printf '  make %-11s %s\n' "$$name" "$$text"; done

setup:
	@.ci/setup build

demo: setup ## Two nodes dial, authenticate, identify, ping and echo on this machine
ifeq ($(FIGURES_CONFIG),debug)
	@echo "==> Building p2p (debug); the first build takes about ten minutes"
	@$(PACKAGE) build $(TRAITS) --product p2p
	@.ci/demo "$$($(PACKAGE) build $(TRAITS) --show-bin-path)/p2p"
else
	@echo "==> Building p2p, optimised; the first build takes some eight minutes"
	@$(DEMO) $$(.ci/headers) --product p2p
	@.ci/demo "$$($(DEMO) --show-bin-path)/p2p"
endif

build: setup
	$(PACKAGE) build $(TRAITS) --build-tests

test: unit interop ## Unit tests, then the tests against real go and python nodes

unit: build ## Unit tests alone (FILTER=Name for some)
	@mkdir -p $(REPORTS) && rm -f $(REPORTS)/unit*.xml
	$(PACKAGE) test $(TRAITS) --skip-build --no-parallel --xunit-output $(REPORTS)/unit.xml $(if $(FILTER),--filter $(FILTER))

interop: build $(if $(EXAMPLES_READY),,examples) ## Interoperability and hostile-peer tests alone (ARGS="-k ping" for some)
	@.ci/setup test
	@.ci/peers
	@.ci/autobahn || echo "==> No Autobahn suite here: its tests will be skipped"
	@.ci/pouchdb || echo "==> No PouchDB here: its test will be skipped"
	@mkdir -p $(REPORTS) && rm -f $(REPORTS)/interop.xml
	P2P_BIN="$$($(PACKAGE) build $(TRAITS) --show-bin-path)/p2p" EXAMPLES_BIN="$(EXAMPLES_BIN)" $(PYTEST) Interop -n $(WORKERS) --dist loadfile --junitxml=$(REPORTS)/interop.xml $(ARGS)

nat-lab: setup ## Direct connections through every pair of routers, next to go's (ARGS="--kinds port,symmetric --runs 3 --json FILE")
	@.ci/setup test
	@.ci/peers
	$(PACKAGE) build $(TRAITS) $(call OPTIONS,$(CONFIG)) --product p2p
	P2P_BIN="$$($(PACKAGE) build $(TRAITS) -c $(CONFIG) --show-bin-path)/p2p" $(VENV)/bin/python Interop/nat_table.py $(ARGS)

relay-bench: setup ## Our relay next to go's: memory, CPU time and what it carries (in release unless CONFIG says else)
	@.ci/setup test
	@.ci/peers
	$(PACKAGE) build $(TRAITS) $(call OPTIONS,$(FIGURES_CONFIG)) --product p2p
	$(PACKAGE) build $(TRAITS) $(call OPTIONS,$(FIGURES_CONFIG)) --product P2PRelayLoad
	P2P_BIN="$$($(PACKAGE) build $(TRAITS) -c $(FIGURES_CONFIG) --show-bin-path)/p2p" $(VENV)/bin/python Interop/relay_bench.py $(ARGS)

autobahn: setup ## The Autobahn suite of WebSockets against our server and our client, with the cases that fail
	@.ci/setup test
	@.ci/peers
	@.ci/autobahn
	$(PACKAGE) build $(TRAITS) --product p2p
	$(PACKAGE) build $(TRAITS) --product P2PWebSocketEcho
	P2P_BIN="$$($(PACKAGE) build $(TRAITS) --show-bin-path)/p2p" $(PYTEST) Interop/test_autobahn.py -s $(ARGS)

examples: setup ## The programs of Examples/, without any optional part
	.ci/bare build

dashboard: setup ## The dashboard for operators, and its picture of a node at work (Examples/Operations)
	@.ci/setup test
	@.ci/peers
	$(PYTHON) Examples/Operations/dashboard.py
	$(PACKAGE) build $(TRAITS) --product p2p
	P2P_BIN="$$($(PACKAGE) build $(TRAITS) --show-bin-path)/p2p" $(VENV)/bin/python Interop/dashboard_at_work.py

docs: build ## The documentation of the product P2P; a warning is an error
	.ci/docs "$$($(PACKAGE) build $(TRAITS) --show-bin-path)"

bare: setup ## A build without any optional part or system library, and what it says of what it lacks
	.ci/bare

install: setup ## The tool p2p, optimised, into PREFIX/bin (PREFIX=~/.local)
	$(PACKAGE) build $(TRAITS) $(RELEASE) --product p2p
	install -d "$(PREFIX)/bin"
	install -m 755 "$$($(PACKAGE) build $(TRAITS) -c release --show-bin-path)/p2p" "$(PREFIX)/bin/p2p"

bench: setup ## Figures, in release (ARGS="throughput" for some)
	$(PACKAGE) build -c release --package-path Benchmarks --product Bench
	"$$($(PACKAGE) build -c release --package-path Benchmarks --show-bin-path)/Bench" $(ARGS)

bench-turns: setup ## The figures of another state and of this one, in turns, in release (BASE=COMMIT, ARGS="--only quic")
	@commit=$$(git rev-parse --verify --quiet "$(BASE)^{commit}") \
	    || { echo 'bench-turns: say which state to compare with: make bench-turns BASE=COMMIT'; exit 2; }; \
	test -e $(BUILD)/base/.git || git clone --quiet --no-checkout . $(BUILD)/base; \
	git -C $(BUILD)/base fetch --quiet origin $$commit && git -C $(BUILD)/base checkout --quiet --detach $$commit
	$(PACKAGE) build -c release --package-path $(BUILD)/base/Benchmarks --product Bench
	$(PACKAGE) build -c release --package-path Benchmarks --product Bench
	$(PYTHON) Benchmarks/turns.py "$$($(PACKAGE) build -c release --package-path $(BUILD)/base/Benchmarks --show-bin-path)/Bench" \
	    "$$($(PACKAGE) build -c release --package-path Benchmarks --show-bin-path)/Bench" $(ARGS)

compare: setup ## The same work by two nodes of ours and by two go nodes, in one run, in release (ARGS="--stack tls")
	@.ci/setup test
	@.ci/peers
	$(PACKAGE) build $(TRAITS) $(RELEASE) --product p2p
	P2P_BIN="$$($(PACKAGE) build $(TRAITS) -c release --show-bin-path)/p2p" $(VENV)/bin/python Benchmarks/compare.py $(ARGS)

tunnels: setup ## What tunnels cost next to bare streams and to ssh -L, in release (ARGS="connections --transport tcp")
	@.ci/setup test
	@.ci/peers
	$(PACKAGE) build $(TRAITS) $(RELEASE) --product p2p
	P2P_BIN="$$($(PACKAGE) build $(TRAITS) -c release --show-bin-path)/p2p" $(VENV)/bin/python Benchmarks/tunnels.py $(ARGS)

lookups: setup ## What a look-up in the hash table costs as the network grows, as a picture (Specs/kademlia-lookups.svg)
	P2P_SIMULATION_LOOKUPS=200 $(PACKAGE) test $(TRAITS) --no-parallel --filter SimulationTests/alive > $(BUILD)/lookups.log
	$(PYTHON) Benchmarks/lookups.py < $(BUILD)/lookups.log > Specs/kademlia-lookups.svg

gates: build ## The gates of the hash table as they are meant, each of them for eight networks, some 40 minutes (SEEDS="9 10" for others)
	for seed in $(or $(SEEDS),1 2 3 4 5 6 7 8); do P2P_SIMULATION_LOOKUPS=200 P2P_SIMULATION_SEED=$$seed $(PACKAGE) test $(TRAITS) --skip-build \
	    --no-parallel --filter '^P2PKademliaTests\.(SimulationTests|ProvidingTests|SweepTests|NetworkSizeTests)/' || exit 1; done

lookups-go: setup ## Look-ups by ours and by a go client in one network of 30 go nodes, all alive and 30 % silent (ARGS="--lookups 50")
	@.ci/setup test
	@.ci/peers
	$(PACKAGE) build $(TRAITS) $(RELEASE) --product p2p
	P2P_BIN="$$($(PACKAGE) build $(TRAITS) -c release --show-bin-path)/p2p" $(VENV)/bin/python Benchmarks/lookups_against_go.py $(ARGS)

soak: setup ## Long runs and thousands of repetitions of the hostile cases, in release
	@.ci/setup test
	@.ci/peers
	$(PACKAGE) build $(TRAITS) $(RELEASE) --product p2p
	SOAK=1 P2P_BIN="$$($(PACKAGE) build $(TRAITS) -c release --show-bin-path)/p2p" $(PYTEST) Interop $(ARGS)

fuzz: setup ## Every fuzz target for a while (SECONDS=60 each)
	@test -x Fuzz/run || { echo "fuzz: there is no Fuzz/run yet" >&2; exit 1; }
	Fuzz/run $(or $(SECONDS),60) $(ARGS)

format: ## Format the Swift sources in place
	$(SWIFT) format format --in-place --parallel --recursive $(SWIFT_SOURCES)

lint: ## Formatting, import rules, leftovers
	@.ci/setup lint
	$(SWIFT) format lint --strict --parallel --recursive $(SWIFT_SOURCES)
	@$(PYTHON) .ci/imports.py
	@$(PYTHON) .ci/residue.py

clean: ## Remove what was built and installed here
	rm -rf $(BUILD) Examples/.build $(VENV) Interop/.cache
	find Interop -name __pycache__ -type d -prune -exec rm -rf {} +
