# shellcheck shell=bash
# Prometheus, which tests of the autoscaler's metrics ask: without its pages, and without the
# discovery of what to scrape in clouds and clusters, which is most of what there is to compile.
title="building Prometheus $PROMETHEUS_VERSION from source"
inputs=("$HACK/go/prometheus" "$(go env GOVERSION)")
outputs=("$BIN/prometheus")

build() {
  CGO_ENABLED=0 nice go build -C "$HACK/go/prometheus" -trimpath -tags remove_all_sd -ldflags "-s -w" \
    -o "$BIN/prometheus" github.com/prometheus/prometheus/cmd/prometheus
}
