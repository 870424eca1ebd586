# Rollcall's commands. `make` alone lists them.

.DEFAULT_GOAL := help
SHELL := /bin/sh

GO       ?= go
FUZZTIME ?= 30s
N        ?= 5000
# What `make test` and `make cover` test; one package while working on it: make test PKG=./db
PKG      ?= ./...
# More flags for the benchmark, for instance BENCHFLAGS='-scale -users 10000000'.
BENCHFLAGS ?=
# More flags for go test, for instance TESTFLAGS='-run TestRun -v'.
TESTFLAGS ?=
GOLANGCI_LINT ?= $(GO) run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
# A PostgreSQL server for everything that runs under it.
PGTEST   := $(GO) run ./internal/pgtest/cmd/pgtest --

# The version comes from git describe; go's own stamp fails where the clone belongs to another user.
export GOFLAGS := $(filter-out -buildvcs%,$(GOFLAGS)) -buildvcs=false

# The race detector needs cgo, and that a C compiler. Rollcall itself needs neither.
CC_FOUND := $(shell cc=$$($(GO) env CC); command -v "$${cc%% *}" 2>/dev/null)
RACE     := $(if $(CC_FOUND),-race)
export CGO_ENABLED := $(if $(CC_FOUND),1,0)

# Programs that the tests need, and the Debian package of each.
PROGRAMS := postgres:postgresql pgbouncer:pgbouncer chromium:chromium redis-server:redis-server

# What the tools of clients/js need; the package itself runs on older ones too.
NODE_ENOUGH := const [major, minor] = process.versions.node.split(".").map(Number); process.exit(major > 20 || (major === 20 && minor >= 19) ? 0 : 1)

.PHONY: help
help: ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: deps
deps: ## install what the tests need and the machine lacks (Debian, Ubuntu)
	@PATH="$$PATH:/usr/sbin:$$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | tr '\n' ':')"; \
	missing=; \
	for entry in $(PROGRAMS); do \
		command -v "$${entry%%:*}" >/dev/null 2>&1 || missing="$$missing $${entry##*:}"; \
	done; \
	if [ -z "$$missing" ]; then \
		echo "deps: nothing is missing"; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then \
		echo "deps: installing$$missing"; \
		: 'RUNLEVEL=1 keeps the packages from starting their servers: the tests start their own.'; \
		export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1; \
		apt-get update -qq && apt-get install -y -qq --no-install-recommends $$missing >/dev/null; \
	else \
		echo "deps: missing:$$missing; run: sudo apt-get install$$missing (or your system's like)"; \
	fi

.PHONY: build
build: ## build the program into bin/rollcall, static
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o bin/rollcall .
	@echo "build: bin/rollcall $(VERSION)"

.PHONY: format
format: ## check that the code is formatted
	@files=$$(git ls-files --cached --others --exclude-standard '*.go' 2>/dev/null || find . -name '*.go'); \
	bad=$$(for f in $$files; do if [ -f "$$f" ]; then echo "$$f"; fi; done | xargs gofmt -l); \
	if [ -n "$$bad" ]; then echo "format: run gofmt -w on:"; echo "$$bad"; exit 1; fi

.PHONY: vet
vet: ## run go vet
	@$(GO) vet ./...
	@cd deploy && $(GO) vet .

.PHONY: lint
lint: ## run golangci-lint (the first time, building it takes minutes)
	@$(GOLANGCI_LINT) run ./...
	@cd deploy && $(GOLANGCI_LINT) run .

.PHONY: test
test: deps format vet lint ## check the format, vet, lint, and run all tests on a real PostgreSQL
	@start=$$(date +%s); how="with the race detector"; \
	if [ -z "$(RACE)" ]; then \
		how="WITHOUT the race detector"; \
		echo "test: no C compiler ($$($(GO) env CC)): the race detector needs one, so the tests run without it"; \
	fi; \
	$(PGTEST) $(GO) test $(RACE) -shuffle=on -timeout=30m $(TESTFLAGS) $(PKG) || exit 1; \
	: 'The simulation of some hundred worlds takes minutes with the race detector, which sees a few of them above.'; \
	[ "$(PKG)" != ./... ] || [ -z "$(RACE)" ] || $(PGTEST) $(GO) test ./internal/simulation || exit 1; \
	: 'deploy is a module of its own. Kubernetes and Prometheus need no race detector of ours.'; \
	[ "$(PKG)" != ./... ] || $(PGTEST) sh -c 'cd deploy && $(GO) test -shuffle=on -timeout=30m $(TESTFLAGS) .' || exit 1; \
	[ "$(PKG)" != ./... ] || $(MAKE) --no-print-directory js || exit 1; \
	echo "test: format, vet, lint and tests passed ($$how; the tests took $$(( $$(date +%s) - start )) s)"

.PHONY: js
js: ## build, check and test clients/js, where there is Node.js 20.19 or newer with npm
	@if ! command -v node >/dev/null 2>&1 || ! command -v npm >/dev/null 2>&1; then \
		echo "js: the JavaScript client was NOT tested: there is no Node.js with npm"; exit 0; \
	elif ! node -e '$(NODE_ENOUGH)'; then \
		echo "js: the JavaScript client was NOT tested: its tools need Node.js 20.19, this is $$(node -v)"; exit 0; \
	fi; \
	start=$$(date +%s); cd clients/js || exit 1; \
	: 'npm writes its own copy of the lock file when it has installed.'; \
	if ! [ node_modules/.package-lock.json -nt package-lock.json ]; then \
		npm ci --no-audit --no-fund --prefer-offline --silent || { echo "js: npm ci failed; why: cd clients/js && npm ci"; exit 1; }; \
	fi; \
	for step in build types lint test test:package; do \
		out=$$(npm run --silent "$$step" 2>&1) || { echo "$$out"; echo "js: npm run $$step failed"; exit 1; }; \
	done; \
	browser="no browser tests"; \
	if [ -d test/browser ]; then \
		(cd ../.. && $(PGTEST) sh -c 'cd clients/js && npm run --silent test:browser') || { echo "js: npm run test:browser failed"; exit 1; }; \
		browser="and the browser tests"; \
	fi; \
	echo "js: build, types, lint, unit tests, package $$browser passed in $$(( $$(date +%s) - start )) s"

.PHONY: bench
bench: deps build ## Rollcall beside what a team would write, on a real PostgreSQL (6 minutes)
	@$(PGTEST) $(GO) run ./bench $(BENCHFLAGS)

.PHONY: simulate
simulate: deps ## the simulation over N random worlds for each database (5000)
	@$(PGTEST) $(GO) test -count=1 -timeout=24h ./internal/simulation -rapid.checks=$(N) -rapid.shrinktime=5m

.PHONY: fuzz
fuzz: ## run each fuzz target for FUZZTIME (30s)
	@n=0; \
	for pkg in $$($(GO) list ./...); do \
		for target in $$($(GO) test -list '^Fuzz' "$$pkg" | grep '^Fuzz' || true); do \
			echo "fuzz: $$pkg $$target"; n=$$((n + 1)); \
			$(PGTEST) $(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) "$$pkg" || exit 1; \
		done; \
	done; \
	echo "fuzz: $$n targets, $(FUZZTIME) each, found nothing"

.PHONY: cover
cover: deps ## run the tests and report which statements they reach
	@$(PGTEST) $(GO) test -coverpkg=./... -coverprofile=cover.out $(TESTFLAGS) $(PKG) || exit 1; \
	$(GO) tool cover -func=cover.out | tail -n 1; \
	echo "cover: line by line: go tool cover -html=cover.out"

.PHONY: clean
clean: ## remove what these commands made
	@rm -rf bin cover.out clients/js/dist clients/js/node_modules
