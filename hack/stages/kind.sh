# shellcheck shell=bash
# kind, which makes a cluster of containers.
title="building kind $KIND_VERSION from source"
inputs=("$HACK/go/kind" "$(go env GOVERSION)")
outputs=("$BIN/kind")

build() {
  CGO_ENABLED=0 nice go build -C "$HACK/go/kind" -trimpath -ldflags '-s -w' -o "$BIN/kind" sigs.k8s.io/kind
}
