module sluice.dev/hack/monitors

go 1.24.0

// Nothing of it is compiled: only its definitions of ServiceMonitor and PodMonitor are read.
require github.com/prometheus-operator/prometheus-operator v0.85.0
