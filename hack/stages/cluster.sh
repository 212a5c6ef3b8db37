# shellcheck shell=bash
# The cluster. One that is broken, or was made with other settings, is made anew.
title="creating the cluster \"$CLUSTER\""
stamp=$STATE/cluster.stamp
config=$STATE/kind-config.yaml
inputs=("$ROOT/kind-config.yaml" "$HACK/audit-policy.yaml"
  "$POD_SUBNET" "$SERVICE_SUBNET" "$API_PORT"
  "$(docker image inspect --format '{{.Id}}' "$NODE_IMAGE" 2>/dev/null || true)")

present() {
  kind get clusters | grep -qxF "$CLUSTER" &&
    kubectl --request-timeout=5s wait nodes --all --for=condition=Ready --timeout=5s
}

build() {
  kind delete cluster --name "$CLUSTER"
  cp "$ROOT/kind-config.yaml" "$config"
  setting podSubnet "$POD_SUBNET"
  setting serviceSubnet "$SERVICE_SUBNET"
  setting apiServerPort "$API_PORT"
  # the file names a path below it
  cd "$ROOT" || return
  kind create cluster --name "$CLUSTER" --image "$NODE_IMAGE" --config "$config" --wait 120s
  kubectl wait nodes --all --for=condition=Ready --timeout=120s
  kubectl --namespace kube-system rollout status deployment/coredns --timeout=120s
}

# setting FIELD VALUE: in place of the value in kind-config.yaml, unless it is empty.
setting() {
  if [ -n "$2" ]; then sed -i "s#^\( *$1:\).*#\1 $2#" "$config"; fi
}
