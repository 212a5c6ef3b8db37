# The two commands: `make demo` and `make test`. `make help` lists the rest.
# Settings: hack/lib/settings.sh.
.DEFAULT_GOAL := help
.PHONY: demo demo-down test test-fast bench bench-autoscaler check parts clean-cache help

demo: ## A cluster, Kafka, the operator and the story of two pipelines
	hack/cluster/up
	demo/run

demo-down: ## Takes the cluster away and everything that came with it
	hack/cluster/down

test: ## Every test: core, real apiserver, real Kafka, and the demo on a cluster
	hack/test all

test-fast: ## Every test that needs no cluster
	hack/test fast

bench: ## What the operator costs: writes, memory, seconds; about 11 minutes
	hack/bench

bench-autoscaler: ## The autoscaler beside models of others, in closed loop; about 2 minutes
	cargo bench --package sluice --bench decision --bench autoscaler

check: ## Format, lints and generated files
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- --deny warnings
	cargo run --quiet --package sluice -- crd | diff --unified crds/ingestionpipelines.yaml -
	cargo run --quiet --package sluice -- crd --docs | diff --unified docs/reference.md -

parts: ## What the tests need without a cluster: an apiserver, Kafka, kubectl, helm
	hack/parts

clean-cache: ## Takes everything away that was built or downloaded for the cluster
	hack/cluster/down
	hack/clean-cache

help: ## This text
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
