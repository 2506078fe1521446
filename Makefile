# What a developer and CI run. `make help` lists the targets.

GO ?= go
# The product is pure Go; only the race detector and the libseccomp twin need cgo.
export CGO_ENABLED ?= 0

# For example BENCH='-format go -only tax'; see docs/benchmarks.md.
BENCH ?=
TESTFLAGS ?=
SOAK ?= 15m

.DEFAULT_GOAL := help

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-10s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

# Entered before the Go runtime begins, `reflect run` starts programs at a third of the
# cost (package starter of the supervisor).
LDFLAGS = -E=github.com/sysreflect/sysreflect/supervisor/internal/starter.entry

# The linker writes through a mapping, page by page. What is written in large pieces is
# cached in large pieces, and starts 0.4 ms faster (docs/decisions.md).
build: ## build dist/reflect, one static binary
	$(GO) build -trimpath -ldflags='$(LDFLAGS)' -o dist/reflect.linked ./cmd/reflect
	dd if=dist/reflect.linked of=dist/reflect.new bs=1M status=none
	chmod 755 dist/reflect.new
	mv dist/reflect.new dist/reflect
	rm dist/reflect.linked

generate: ## rebuild what is committed but generated (the shim's image needs gcc)
	$(GO) generate ./vdsoshim # which others are generated from
	$(GO) generate ./...

deps: ## install with apt what the tests need, when root; else say what is missing
	@integration/deps.sh

# What runs other tests once more by another mechanism waits for the most part, so it
# runs beside the rest.
BESIDE = ^(TestTracer|TestSignalMechanisms|TestBehaviour)
# What compares times with those that others measured has the machine for itself.
ALONE = ^Test(Workload|Bench)Agrees

test: deps ## run all tests
ifneq ($(findstring -run,$(TESTFLAGS)),)
	$(GO) test -timeout 13m $(TESTFLAGS) ./...
else
	@out=$$(mktemp) && trap "rm -f $$out" EXIT && status=0; \
	$(GO) test -timeout 13m $(TESTFLAGS) -run '$(ALONE)' ./integration || status=1; \
	$(GO) test -timeout 13m $(TESTFLAGS) -run '$(BESIDE)' ./integration >$$out 2>&1 & beside=$$!; \
	$(GO) test -timeout 13m $(TESTFLAGS) -skip '$(BESIDE)|$(ALONE)' ./... || status=1; \
	wait $$beside || status=1; cat $$out; exit $$status
endif

behaviour: deps ## print the table of what programs see, natively and under each mechanism
	@cd integration && $(GO) test -count 1 -run '^TestBehaviour$$'

soak: ## the generator's tests in their long form; SOAK=30m says about how long, half a minute at least
	SOAK=$(SOAK) $(GO) test -timeout 0 -count 1 -v -run 'TestExplore|TestModel|TestRestoredTwice|TestStress' ./vdsoshim

check: deps lint generated ## everything: lint, generated files, builds, race detector, libseccomp twin
	$(GO) build ./...
	CGO_ENABLED=1 $(GO) build ./...
	GOOS=darwin GOARCH=arm64 CGO_ENABLED=0 $(GO) vet ./cmd/reflect # says that it needs linux on x86-64
	CGO_ENABLED=1 $(GO) vet -tags libseccomp ./...
	CGO_ENABLED=1 $(GO) test -tags libseccomp ./bpf
	CGO_ENABLED=1 $(GO) test -race -timeout 13m $$($(GO) list ./... | grep -v /integration)
	@# The integration tests run programs; the race detector belongs into the one they test.
	@dir=$$(mktemp -d) && trap "rm -rf $$dir" EXIT && chmod 755 $$dir && set -x && \
		CGO_ENABLED=1 $(GO) build -race -o $$dir/reflect ./cmd/reflect && \
		GORACE='atexit_sleep_ms=0 exitcode=66' REFLECT_BINARY=$$dir/reflect $(GO) test -timeout 30m ./integration

lint: ## gofmt, go vet, staticcheck
	@unformatted=$$(gofmt -l .); test -z "$$unformatted" || { echo "gofmt would change:" $$unformatted; exit 1; }
	$(GO) vet ./...
	$(GO) tool staticcheck ./...

generated: ## regenerate, and fail if a committed file changes
	integration/generated.sh

bench: deps ## measure reflect beside its floors and targets; BENCH=flags, -h lists them
	@$(GO) run ./experiment/cmd/bench $(BENCH)

# One random call after another, as programs that shuffle or hash do it.
RANDOM_PROGRAM = import os; all(os.urandom(16) for _ in range(100000))

results: build ## measure, on a quiet machine, and write docs/results.md (five minutes)
	@mkdir -p dist/results
	dist/reflect bench --json dist/results/bench.json --html dist/results/bench.html
	dist/reflect bench all-calls --json dist/results/all-calls.json --html dist/results/all-calls.html
	dist/reflect bench workload --name 'python3: os.urandom(16), 100,000 times' --json dist/results/random.json \
		--html dist/results/random.html -- /usr/bin/python3 -I -c '$(RANDOM_PROGRAM)'
	$(GO) run ./experiment/cmd/results dist/results/bench.json dist/results/all-calls.json dist/results/random.json >dist/results/results.md
	mv dist/results/results.md docs/results.md

clean: ## remove what was built
	rm -rf dist

.PHONY: help build generate deps test behaviour soak check lint generated bench results clean
