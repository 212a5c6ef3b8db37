# shellcheck shell=bash
# Helm, which installs the operator.
title="building Helm $HELM_VERSION from source"
inputs=("$HACK/go/helm" "$(go env GOVERSION)")
outputs=("$BIN/helm")

build() {
  CGO_ENABLED=0 nice go build -C "$HACK/go/helm" -trimpath -ldflags '-s -w' -o "$BIN/helm" helm.sh/helm/v3/cmd/helm
}
