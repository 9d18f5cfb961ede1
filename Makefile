SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

# tool builds what tools/ pins where the user's cache does not hold it yet, and prints the path.
tool := go run ./internal/devstack/cmd/tool

# STACK=production runs demo and dev on PostgreSQL, Azurite and Temporal's production server.
STACK ?=
starter_flags := $(if $(STACK),--stack=$(STACK))

# FUZZTIME is how long each fuzz test runs.
FUZZTIME ?= 30s

# SECTIONS are those of `make bench`: scan,inflate,request,build,join,memory. None is all.
SECTIONS ?=

.PHONY: help demo dev test chaos lint build api-docs viewer htmx screenshots bench bench-memory bench-go load load-night fuzz

help: ## List what make can do
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: ## Make both exhausts from sample data (STACK=production for real parts)
	go run ./starter demo $(starter_flags)

dev: ## Run Temporal, the worker and the API until Ctrl-C (STACK=production for real parts)
	go run ./starter dev $(starter_flags)

# The packages whose code is concurrent are tested with the race detector. The others start programs of
# their own, or databases that hold 100,000 rows, which it does not look into but makes slow. It also checks the pointers of
# telemetry/gunzip.
concurrent := access|activities|api|blob|internal|service|telemetry/gunzip|workflows
# Those of its tests that hold a bound of memory, or compare thousands of made-up exhausts, take it minutes. They run without it.
unraced := Test(MemoryIsBounded|[A-Za-z]*WhatASimpleProgram)

test: ## Run every test on real servers, nearly all of concurrent code with the race detector
	$(tool) temporal temporal-server temporal-sql-tool azurite-blob swagger-ui htmx pgbouncer chromium axe-core newman openapi-typescript tsc oidc-provider jq curl python3 > /dev/null
	packages=$$(go list ./...) && raced=$$(grep -E '^data-exhaust/($(concurrent))(/|$$)' <<< "$$packages") && \
	go test -race -p 3 -timeout 20m -skip '^$(unraced)' $$raced && \
	go test -p 3 -timeout 20m -run '^$(unraced)' $$(grep -rlE --include='*_test.go' '^func $(unraced)' $$(go list -f '{{.Dir}}' $$raced) | xargs dirname | sort -u) && \
	go test -p 3 -timeout 20m $$(grep -vE '^data-exhaust/($(concurrent))(/|$$)' <<< "$$packages")

chaos: ## Stop, kill and cut off workers at every point of every activity
	$(tool) temporal-server temporal-sql-tool azurite-blob > /dev/null
	go test -timeout 90m -parallel 8 ./e2e/attempts -all

lint: ## Check format, vet, staticcheck, and that workflows are deterministic
	@unformatted=$$(gofmt -l .); if [ -n "$$unformatted" ]; then echo "not formatted by gofmt:"; echo "$$unformatted"; exit 1; fi
	go vet ./...
	staticcheck=$$($(tool) staticcheck); "$$staticcheck" ./...
	workflowcheck=$$($(tool) workflowcheck); "$$workflowcheck" ./workflows/...

build: ## Build api, worker and starter into bin/
	go build -trimpath -o bin/ ./api ./worker ./starter

api-docs: ## Make openapi.json, docs/api.md and the Postman collection of api/openapi/openapi.yaml
	go run ./api/openapi/generate

bench: ## Compare the engine with DuckDB, jq and bare decompression, in one table (docs/performance.md)
	go run ./bench $(if $(SECTIONS),-only $(SECTIONS))

bench-memory: ## Measure the worker's memory on each corpus and on ten times as much of it (6 GB of disk)
	go run ./bench -only memory -scale 10

bench-go: ## Run every benchmark of the packages
	go test -run '^$$' -bench . -benchmem -p 1 -timeout 60m ./...

load: ## Measure the rate of small exhausts and the time of one, on the production stack
	go run ./bench/load

load-night: ## Measure the time of an exhaust while the night runs, on the production stack
	go run ./bench/load night

fuzz: ## Run every fuzz test for FUZZTIME (30s)
	@go test -list '^Fuzz' ./... \
	| awk '/^Fuzz/ {names[n++] = $$1} /^ok/ {for (i = 0; i < n; i++) print $$2, names[i]; n = 0}' \
	| while read -r package name; do \
		echo "$$package $$name"; \
		go test -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZTIME) "$$package" < /dev/null; \
	done

viewer: ## Copy the viewer of /docs/, of the version that tools/package.json pins, into api/reference/viewer
	package=$$($(tool) swagger-ui); \
	cd api/reference/viewer; for file in *; do cp "$$package/$$file" .; done

screenshots: ## Make pictures of every page of the console, as it looks to people, in screenshots/
	$(tool) temporal chromium fonts-noto-core axe-core > /dev/null
	go test -count=1 -timeout 30m ./e2e/console -pictures "$(CURDIR)/screenshots"

htmx: ## Copy htmx, of the version that tools/package.json pins, into api/console/library
	package=$$($(tool) htmx); \
	cp "$$package/dist/htmx.min.js" "$$package/LICENSE" api/console/library
