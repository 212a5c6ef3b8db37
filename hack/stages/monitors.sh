# shellcheck shell=bash
# The Prometheus operator's definitions, by which the chart's monitors are tested.
title="fetching the definitions of ServiceMonitor and PodMonitor"
module=github.com/prometheus-operator/prometheus-operator
inputs=("$HACK/go/monitors")
outputs=("$CACHE/monitors.yaml")

build() {
  local folder
  cd "$HACK/go/monitors" || return
  go mod download $module
  folder=$(go list -m -f '{{.Dir}}' $module)/example/prometheus-operator-crd
  cat "$folder"/monitoring.coreos.com_{pod,service}monitors.yaml >"$CACHE/monitors.yaml"
}
