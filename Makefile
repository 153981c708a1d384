# blindseq: `make help` lists the targets.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
BIN := $(CURDIR)/bin
TOOLS := $(BIN)/tools
REVISION ?= $(shell git rev-parse HEAD 2>/dev/null || echo unknown)
# All builds without the race detector have the flags of the programs, so that nothing is compiled twice.
ifeq ($(findstring -trimpath,$(GOFLAGS)),)
export GOFLAGS := $(strip $(shell go env GOFLAGS) -trimpath -tags=netgo,osusergo,static_build,grpcnotrace)
endif
LDFLAGS := -s -w -X blindseq/kit/service.Version=$(VERSION) -X blindseq/kit/service.Revision=$(REVISION)
# Every package of every module of go.work.
ALL = $(shell go list -m -f '{{.Dir}}/...')
OURS = $(shell git ls-files --cached --others --exclude-standard '*.go' | grep -vE '\.pb(\.gw)?\.go$$')

.PHONY: help
help: ## List the targets
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 16

.PHONY: run
run: ## Run everything in one process (needs only Go); ARGS="--help" shows its flags
	@go build -ldflags '-X blindseq/kit/service.Version=$(VERSION)' -o $(BIN)/devnet ./devnet/cmd/devnet
	@exec $(BIN)/devnet $(ARGS)

.PHONY: demo
demo: ## Let a sandwich bot attack swaps, plain and sealed, on a devnet of its own (needs only Go); PICTURE=file.svg
	@go build -ldflags '-X blindseq/kit/service.Version=$(VERSION)' -o $(BIN)/devnet ./devnet/cmd/devnet
	@go run ./e2e/cmd/blindseq-demo -devnet $(BIN)/devnet -picture '$(or $(PICTURE),$(BIN)/demo.svg)'

.PHONY: build
build: ## Build the static programs into bin/
	@./scripts/build.sh $(BIN) '$(LDFLAGS)'

.PHONY: images images-push
images: ## Pack the programs into images in bin/images, and load them into the local Docker engine if there is one (needs only Go)
	@./scripts/images.sh $(BIN)/images '$(VERSION)' '$(REVISION)' '$(LDFLAGS)'

images-push: ## Build for amd64 and arm64 and push to PUSH=registry/path, with SBOM and provenance
	@: $${PUSH:?is the registry and path to push to, for example registry.internal/blindseq}
	@./scripts/images.sh $(BIN)/images '$(VERSION)' '$(REVISION)' '$(LDFLAGS)'

.PHONY: quick
quick: ## Check formatting, vet, lint and the unit tests that need neither Redis nor other processes
	@$(MAKE) lint
	@BLINDSEQ_TEST_REDIS=miniredis go test -short -vet=off -timeout 5m $(filter-out %/e2e/... %/devnet/... %/k8s/...,$(ALL)) | { grep -v 'no test files' || true; }
	@BLINDSEQ_TEST_REDIS=miniredis go test -short -vet=off -count=1 $(filter %/devnet/... %/k8s/...,$(ALL)) | { grep -v 'no test files' || true; }

# gotestsum prints what go test prints; make test counts the tests of all stages from the files in TEST_JSON.
GOTESTSUM = $(TOOLS)/gotestsum --hide-summary skipped $(if $(TEST_JSON),--jsonfile $(TEST_JSON)/$@.json)

.PHONY: test
test: deps tools ## Run all checks and tests, with the race detector, on miniredis and a real redis-server
	@./scripts/test.sh

.PHONY: test-unit
test-unit: npm $(TOOLS)/gotestsum ## Run the tests of every module but e2e, devnet and k8s (make lint vets them)
	@GORACE=atexit_sleep_ms=100 $(GOTESTSUM) --format standard-quiet -- \
		-race -vet=off -p 4 -timeout 15m $(filter-out %/e2e/... %/devnet/... %/k8s/...,$(ALL))

.PHONY: test-docs
test-docs: $(TOOLS)/gotestsum ## Run the tests of devnet and k8s, which read docs/ and k8s/: go test's cache does not see these
	@GORACE=atexit_sleep_ms=100 $(GOTESTSUM) --format standard-quiet -- \
		-race -vet=off -count=1 -timeout 15m $(filter %/devnet/... %/k8s/...,$(ALL))

.PHONY: e2e
e2e: build deps npm $(TOOLS)/gotestsum ## Drive the real programs as processes from outside
	@BLINDSEQ_E2E_BIN=$(BIN) BLINDSEQ_E2E_FAILPOINTS=$(BIN)/failpoints $(GOTESTSUM) --format standard-verbose -- \
		-count=1 -vet=off -timeout 30m -parallel 4 $$(go list ./e2e/... | grep -v '/e2e/sim$$')

PAGE := api-gw/internal/page/web
.PHONY: npm
npm: e2e/wallets/node_modules/.package-lock.json e2e/demo/contracts/node_modules/.package-lock.json sdk/js/dist/index.js $(PAGE)/node_modules/.package-lock.json tools/site/node_modules/.package-lock.json
sdk/js/dist/index.js: sdk/js/node_modules/.package-lock.json sdk/js/tsconfig.json $(wildcard sdk/js/src/*.ts)
	@cd sdk/js && rm -rf dist && npm run --silent build
%/node_modules/.package-lock.json: %/package-lock.json
	@cd $* && npm ci --no-audit --no-fund && touch node_modules/.package-lock.json

.PHONY: page page-check
page: npm ## Build the gateway's page, which is committed: go build needs no Node.js
	@cd $(PAGE) && npm run --silent build

page-check: npm ## Compare the gateway's page with one built anew (make page repairs it)
	@out=$$(mktemp -d) && trap 'rm -rf "$$out"' EXIT && cd $(PAGE) && OUT_DIR="$$out" npm run --silent build -- --logLevel warn && \
		diff -r "$$out" ../dist || { echo "api-gw/internal/page/dist is not what web/ builds (make page)"; exit 1; }

.PHONY: soak
soak: build deps npm ## Repeat the suites with real processes for SOAK (60m), stop at no failure, and print a tally by test
	@BLINDSEQ_E2E_BIN=$(BIN) BLINDSEQ_E2E_FAILPOINTS=$(BIN)/failpoints $(BIN)/blindseq-soak -for $(or $(SOAK),60m)

.PHONY: soak-run
soak-run: ## Leave make run under a steady load for SOAK (30m): latency and memory of the last minute within a tenth of the second's (needs only Go)
	@go build -ldflags '-X blindseq/kit/service.Version=$(VERSION)' -o $(BIN)/devnet ./devnet/cmd/devnet
	@go run ./e2e/cmd/blindseq-steady -devnet $(BIN)/devnet -for $(or $(SOAK),30m)

.PHONY: soak-abuse
soak-abuse: build deps ## Attack the real programs in every known way at once for SOAK_ABUSE (10m) beside honest wallets: latency, memory, history
	@BLINDSEQ_E2E_BIN=$(BIN) BLINDSEQ_SOAK_ABUSE=$(or $(SOAK_ABUSE),10m) \
		go test -count=1 -v -timeout 5h -run TestHonestWalletsAreServedUnderAbuse ./e2e/abuse

.PHONY: fuzz-api
fuzz-api: build deps $(TOOLS)/schemathesis/bin/schemathesis ## Fuzz JSON-RPC of gateway, bundler and producer, and REST by its OpenAPI document, for FUZZTIME (10m) each
	@BLINDSEQ_E2E_BIN=$(BIN) BLINDSEQ_FUZZ_API=$(or $(FUZZTIME),10m) BLINDSEQ_SCHEMATHESIS=$(TOOLS)/schemathesis/bin/schemathesis \
		go test -count=1 -v -timeout 5h -run TestFuzzedAPIsAnswerAndDoNotGrow ./e2e/abuse

$(TOOLS)/schemathesis/bin/schemathesis: tools/schemathesis/requirements.txt
	@python3 -m venv $(TOOLS)/schemathesis && $(TOOLS)/schemathesis/bin/pip install --quiet --requirement $< && touch $@

.PHONY: suites
suites: npm ## Run other people's tools and suites at both ports and compare with geth; SUITES=web3py,rpc,hardhat,foundry,waits (all; minutes; needs Python)
	@BLINDSEQ_SUITES=$(or $(SUITES),all) BLINDSEQ_SUITES_CACHE=$(TOOLS) BLINDSEQ_SUITES_GETH=$$(./scripts/geth.sh $(TOOLS)) \
		go test -count=1 -v -parallel 12 -timeout 1h ./e2e/suites

.PHONY: kill-long
kill-long: build deps ## Kill the real programs KILLS (2000) times, at every step they have
	@BLINDSEQ_E2E_BIN=$(BIN) BLINDSEQ_E2E_FAILPOINTS=$(BIN)/failpoints BLINDSEQ_E2E_KILLS=$(or $(KILLS),2000) \
		go test -count=1 -v -timeout 5h -run 'TestNothingIsLostAtAKill|TestEveryProgramStops' ./e2e

.PHONY: bundlers-long
bundlers-long: build deps ## Send from 64 wallets 50 transactions each through two bundlers, under kills
	@BLINDSEQ_E2E_BIN=$(BIN) BLINDSEQ_E2E_WALLETS=64 BLINDSEQ_E2E_NONCES=50 go test -count=1 -v -timeout 1h -run TestTwoBundlersUnderKills ./e2e

.PHONY: backlog
backlog: build deps ## Fill the pool with BACKLOG (100000) transactions and watch the memory of every service
	@BLINDSEQ_E2E_BIN=$(BIN) BLINDSEQ_E2E_BACKLOG=$(BACKLOG) go test -count=1 -v -run TestABacklog ./e2e/

.PHONY: redis-long
redis-long: build deps ## Test faults of Redis and the network for longer: FAILOVERS (20), SCHEDULES (2000), each link half open alone, 10,000 calls beside another deployment
	@BLINDSEQ_LOCK_SECTIONS=10000 go test -count=1 -v -timeout 1h -run TestSectionsNeverOverlap ./kit/lock
	@BLINDSEQ_SENTINEL_FAILOVERS=$(or $(FAILOVERS),20) go test -count=1 -v -timeout 1h -run TestOfTwoHolders ./producer-svc
	@BLINDSEQ_E2E_BIN=$(BIN) BLINDSEQ_SENTINEL_FAILOVERS=$(or $(FAILOVERS),20) BLINDSEQ_E2E_HALF_OPEN=1 \
		BLINDSEQ_E2E_REDIS_SCHEDULES=$(or $(SCHEDULES),2000) go test -count=1 -v -timeout 3h \
		-run 'TestProductionSurvives|TestProductionContinuesAfterEveryLink' ./e2e
	@BLINDSEQ_E2E_BIN=$(BIN) BLINDSEQ_E2E_NEIGHBOURS=10000 go test -count=1 -v -timeout 1h -run TestDeploymentsOnOneRedis ./e2e

.PHONY: k8s-up k8s-down k8s-secrets k8s-e2e k8s-e2e-long
k8s-up: ## Deploy on the cluster of the current kubeconfig and wait until all pods are ready (make images first)
	@./scripts/k8s.sh up '$(VERSION)'

k8s-down: ## Remove the deployment, with its volumes and secrets
	@./scripts/k8s.sh down '$(VERSION)'

k8s-secrets: ## Make the secrets of a new deployment; existing secrets stay
	@./scripts/k8s.sh secrets '$(VERSION)'

k8s-e2e: ## Test what k8s-up deployed from outside: load, scaling, updates, kills
	@./scripts/k8s.sh e2e '$(VERSION)'

k8s-e2e-long: ## As k8s-e2e, with kills for 10 minutes and observers that catch up over 10,000 blocks
	@./scripts/k8s.sh e2e-long '$(VERSION)'

.PHONY: catch-up
catch-up: build deps ## Replace a producer's disk by one from 10,000 blocks ago, and time how it and observers catch up
	@BLINDSEQ_E2E_MISSED=10000 BLINDSEQ_E2E_BIN=$(BIN) go test -count=1 -v -timeout 30m -run "OldDisk|MissedPreblocksAreAppliedByStream" ./producer-svc ./e2e/

.PHONY: catch-up-long
catch-up-long: build deps ## Make a chain of 100,000 blocks, and time an observer that comes from nothing; ARGS="-blocks 20000 -profile"
	@$(BIN)/blindseq-longchain -bin $(BIN) $(ARGS)

.PHONY: sim-test
sim-test: $(TOOLS)/gotestsum ## Run the simulators: 10,000 schedules, 1,000 hostile ones, also on the real chain, every pair of crashes, every seeded defect
	@BLINDSEQ_HOSTILE_SCHEDULES=1000 $(GOTESTSUM) --format standard-verbose -- -count=1 -vet=off -timeout 30m ./e2e/sim ./producer-svc/internal/hostile

.PHONY: sim
sim: ## Run one simulated schedule and print every event; SEED=... SHRINK=1
	@go run ./e2e/cmd/blindseq-sim --replay --seed $(or $(SEED),0) $(if $(SHRINK),--shrink)

.PHONY: sim-long
sim-long: ## Run SCHEDULES (250,000) simulated schedules on all cores, starting at SEED (10,000)
	@go run ./e2e/cmd/blindseq-sim --schedules $(or $(SCHEDULES),250000) --seed $(or $(SEED),10000)

.PHONY: bench
bench: build deps ## Measure sealing, engine, blueprint log and the whole pipeline in one run
	@BLINDSEQ_E2E_BIN=$(BIN) ./scripts/bench.sh

.PHONY: bench-reads
bench-reads: build deps ## Compare reads through the gateway with those of geth --dev (builds geth once: minutes)
	@./scripts/bench-reads.sh $(BIN) $(TOOLS)

.PHONY: fuzz
fuzz: ## Run every fuzz target for FUZZTIME (5m) each and print a tally; continues a run that was stopped; JOBS=2 ONLY=seal
	@JOBS=$(or $(JOBS),0) ONLY=$(or $(ONLY),.) ./scripts/fuzz.sh $(or $(FUZZTIME),5m)

.PHONY: lint
lint: $(TOOLS)/golangci-lint ## Run the linters of .golangci.yml, and gofmt (make fmt repairs formatting)
	@out=$$(gofmt -l $(OURS)); [ -z "$$out" ] || { echo "gofmt would change (make fmt):"; echo "$$out"; exit 1; }
	@linters=$$(sed -n 's/^    - \([a-z]*\).*/\1/p' .golangci.yml | paste -sd'|'); \
		! grep -n '//nolint' $(OURS) | grep -vE "//nolint:($$linters) // " || { echo "nolint: not a linter of .golangci.yml, or no reason"; exit 1; }
	@$(TOOLS)/golangci-lint run $(ALL)

.PHONY: fmt
fmt: ## Format the Go code
	@gofmt -w $(OURS)

.PHONY: proto
proto: $(TOOLS)/buf ## Generate code and OpenAPI from proto/
	@./scripts/proto.sh proto "$(TOOLS)"

.PHONY: proto-check
proto-check: $(TOOLS)/buf ## Lint the contracts, compare them with the last release and with the generated code
	@cd proto && PATH="$(TOOLS):$$PATH" buf lint
	@cd proto && PATH="$(TOOLS):$$PATH" buf breaking --against released/*.binpb
	@./scripts/proto-check.sh "$(TOOLS)"

.PHONY: docs
docs: ## Regenerate the reference documentation (flags, metrics)
	@UPDATE_DOCS=1 go test -count=1 -run TestReference ./devnet/...

.PHONY: docs-site
docs-site: tools/site/node_modules/.package-lock.json ## Build the pages as a site into bin/site; a link that leads nowhere is an error
	@cd tools/site && npm run --silent build

.PHONY: chart
chart: ## Make the templates of the Helm chart from the kustomizations
	@UPDATE_CHART=1 go test -count=1 -run TestTheChartIsMade ./k8s

.PHONY: k8s-lint
k8s-lint: $(TOOLS)/helm $(TOOLS)/kube-score $(TOOLS)/checkov/bin/checkov ## Lint all combinations of the manifests and the chart with kubeconform, kube-score, checkov and helm (needs Python)
	@BLINDSEQ_HELM=$(TOOLS)/helm BLINDSEQ_KUBE_SCORE=$(TOOLS)/kube-score BLINDSEQ_CHECKOV=$(TOOLS)/checkov/bin/checkov \
		go test -count=1 -v -timeout 30m -run 'Conform|KubeScore|Checkov|Helm' ./k8s

$(TOOLS)/helm: tools/helm/go.mod
$(TOOLS)/kube-score: tools/kube-score/go.mod
$(TOOLS)/helm $(TOOLS)/kube-score:
	@mkdir -p $(TOOLS) && cd tools/$(@F) && GOWORK=off GOBIN=$(TOOLS) go install tool && touch $@

$(TOOLS)/checkov/bin/checkov: tools/checkov/requirements.txt
	@python3 -m venv $(TOOLS)/checkov && $(TOOLS)/checkov/bin/pip install --quiet --requirement $< && touch $@

.PHONY: deps
deps: ## Install what the tests need, or name what is missing
	@./scripts/deps.sh

.PHONY: tools
tools: $(TOOLS)/buf $(TOOLS)/gotestsum $(TOOLS)/golangci-lint ## Build the pinned development tools into bin/tools

$(TOOLS)/gotestsum: tools/go.mod
	@mkdir -p $(TOOLS) && cd tools && GOWORK=off GOBIN=$(TOOLS) go install tool && touch $@

$(TOOLS)/golangci-lint: tools/lint/go.mod
	@mkdir -p $(TOOLS) && cd tools/lint && GOWORK=off GOBIN=$(TOOLS) go install tool && touch $@

$(TOOLS)/buf: tools/buf/go.mod tools/buf/package-lock.json $(TOOLS)/gotestsum
	@./scripts/buf.sh $(TOOLS)

.PHONY: clean
clean: ## Remove everything that was built
	@rm -rf $(BIN)
