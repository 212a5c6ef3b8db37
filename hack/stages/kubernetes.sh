# shellcheck shell=bash
# etcd and every Kubernetes program in one static binary, and the small programs of the node.
title="building Kubernetes $KUBERNETES_VERSION from source"
links=(etcd kube-apiserver kube-controller-manager kube-proxy kube-scheduler kubeadm kubectl kubelet)
inputs=("$HACK/go/kubernetes" "$(go env GOVERSION)")
outputs=("$BIN"/{hyperkube,nodeagent,crictl,pause} "${links[@]/#/$BIN/}")

build() {
  cd "$HACK/go/kubernetes" || return
  export CGO_ENABLED=0
  local version=k8s.io/component-base/version minor link
  minor=$(cut -d . -f 2 <<<"$KUBERNETES_VERSION")
  nice go build -trimpath -o "$BIN/hyperkube" -ldflags "-s -w \
    -X $version.gitVersion=$KUBERNETES_VERSION -X $version.gitMajor=1 -X $version.gitMinor=$minor \
    -X $version.gitTreeState=clean -X $version.gitCommit=source \
    -X $version.buildDate=1970-01-01T00:00:00Z" .
  nice go build -trimpath -o "$BIN/" -ldflags '-s -w' ./nodeagent ./crictl ./pause
  for link in "${links[@]}"; do ln -sf hyperkube "$BIN/$link"; done
}
