module sluice.dev/hack/prometheus

go 1.25.0

// Prometheus 3.11.3, the last release series that Go 1.25 builds.
require github.com/prometheus/prometheus v0.311.3
