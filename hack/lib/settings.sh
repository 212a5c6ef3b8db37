# shellcheck shell=bash
# Every name, place and version that the scripts under hack/ use, each with its default. What a
# person may change is an environment variable SLUICE_*; two checkouts run side by side when
# they differ in SLUICE_CLUSTER (they share what was built) or in SLUICE_CACHE (they share
# nothing). This file only says; it makes and starts nothing.

HACK=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
ROOT=$(dirname "$HACK")

# What was built, downloaded and is running. Removing it costs the next run about 25 minutes.
CACHE=${SLUICE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/sluice}
BIN=$CACHE/bin
LOGS=$CACHE/logs

# The cluster: its name, its kubeconfig (never ~/.kube/config) and, when given, its pod network,
# its service network and the port of its apiserver on this machine.
CLUSTER=${SLUICE_CLUSTER:-sluice}
STATE=$CACHE/$CLUSTER
KUBECONFIG=$STATE/kubeconfig
POD_SUBNET=${SLUICE_POD_SUBNET:-}
SERVICE_SUBNET=${SLUICE_SERVICE_SUBNET:-}
API_PORT=${SLUICE_API_PORT:-}

# Which Docker daemon: "host" is the one that the docker command finds, "own" is one that
# hack/cluster/up starts under the cache, "auto" takes the host's when it answers.
DOCKER=${SLUICE_DOCKER:-auto}
if [ "$DOCKER" = own ]; then
  DOCKER_HOST=unix://$CACHE/docker/docker.sock
  # Debian's Docker has no buildx, without which a newer client only warns
  DOCKER_BUILDKIT=0
  export DOCKER_HOST DOCKER_BUILDKIT
fi

# The Go modules pin their own versions; they are read from there, so that each stands once.
pinned() { sed -nE "s#^(require|\\s)\\s*$2 (v\\S+).*#\\2#p" "$HACK/go/$1/go.mod" | head -n 1; }
KUBERNETES_VERSION=$(pinned kubernetes k8s.io/kubernetes)
COREDNS_VERSION=$(pinned coredns github.com/coredns/coredns)
KIND_VERSION=$(pinned kind sigs.k8s.io/kind)
HELM_VERSION=$(pinned helm helm.sh/helm/v3)
# As a module v0.311.3 is Prometheus 3.11.3.
PROMETHEUS_VERSION=$(pinned prometheus github.com/prometheus/prometheus)
KAFKA_VERSION=4.3.1
DEBIAN=bookworm
KAFKA=$CACHE/kafka/$KAFKA_VERSION

# Which node image: "published" is pulled, "source" is built here, "auto" pulls when it can.
# kind publishes for some patch releases only, hence not for exactly the version built here.
NODE=${SLUICE_NODE:-auto}
NODE_PUBLISHED=kindest/node:v1.34.0
NODE_IMAGE=sluice/node:$KUBERNETES_VERSION
if [ "$NODE" = published ]; then NODE_IMAGE=$NODE_PUBLISHED; fi

# What this machine lacks comes from the cache; the cache comes first, so that every machine
# runs the same versions.
PATH=$BIN:$PATH
# The modules are complete and pinned: nothing may change them, and no other Go is fetched.
GOFLAGS=-mod=readonly
GOTOOLCHAIN=local
export KUBECONFIG PATH GOFLAGS GOTOOLCHAIN
