# shellcheck shell=bash
# What tests the chart: unit tests of its templates, pinned together with Helm, whose packages they
# share, and a linter of what they render.
title="building helm-unittest and kube-score from source"
inputs=("$HACK/go/helm" "$HACK/go/kube-score" "$(go env GOVERSION)")
outputs=("$BIN/helm-unittest" "$BIN/kube-score")

build() {
  local chartutil=helm.sh/helm/v3/pkg/chartutil minor
  minor=$(cut -d . -f 2 <<<"$KUBERNETES_VERSION")
  export CGO_ENABLED=0
  nice go build -C "$HACK/go/helm" -trimpath -o "$BIN/" -ldflags "-s -w \
    -X $chartutil.k8sVersionMajor=1 -X $chartutil.k8sVersionMinor=$minor" \
    github.com/helm-unittest/helm-unittest/cmd/helm-unittest
  nice go build -C "$HACK/go/kube-score" -trimpath -o "$BIN/" -ldflags '-s -w' \
    github.com/zegl/kube-score/cmd/kube-score
}
