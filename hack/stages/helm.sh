# shellcheck shell=bash
# Helm, which installs the operator. Unless it is told, it takes the cluster for a Kubernetes 1.20
# where it renders a chart without one.
title="building Helm $HELM_VERSION from source"
inputs=("$HACK/go/helm" "$(go env GOVERSION)")
outputs=("$BIN/helm")

build() {
  local helm=helm.sh/helm/v3 minor
  minor=$(cut -d . -f 2 <<<"$KUBERNETES_VERSION")
  CGO_ENABLED=0 nice go build -C "$HACK/go/helm" -trimpath -o "$BIN/helm" -ldflags "-s -w \
    -X $helm/internal/version.version=$HELM_VERSION -X $helm/pkg/chartutil.k8sVersionMajor=1 \
    -X $helm/pkg/chartutil.k8sVersionMinor=$minor" $helm/cmd/helm
}
