# shellcheck shell=bash
# The cluster's DNS server.
title="building CoreDNS $COREDNS_VERSION from source"
inputs=("$HACK/go/coredns" "$(go env GOVERSION)")
outputs=("$BIN/coredns")

build() {
  CGO_ENABLED=0 nice go build -C "$HACK/go/coredns" -trimpath -ldflags '-s -w' -o "$BIN/coredns" github.com/coredns/coredns
}
