# shellcheck shell=bash
# The kind node image, with the images of the control plane inside.
title="making the node image"
inputs=("$HACK/images/node" "$HACK/go/kind" "$CACHE/stamps/kubernetes" "$CACHE/stamps/coredns" "$CACHE/stamps/debian")

present() { docker image inspect "$NODE_IMAGE"; }

build() {
  local context=$CACHE/context/node files pause
  rm -rf "$context"
  mkdir -p "$context/bin"
  trap 'rm -rf "$CACHE/context/node"' EXIT

  go mod -C "$HACK/go/kind" download sigs.k8s.io/kind
  files=$(go list -C "$HACK/go/kind" -m -f '{{.Dir}}' sigs.k8s.io/kind)/images/base/files
  cp -r --no-preserve=mode,ownership "$files" "$context/kind"
  cp -r "$HACK"/images/node/{setup,manifests} "$context/"
  cp "$BIN"/{hyperkube,crictl} "$context/bin/"
  control_plane_images "$context/content"
  pause=$(required_images | grep /pause:)

  tar -C "$CACHE/debian/node" -c . | docker import - sluice/node-base:source
  docker build --network none --tag "$NODE_IMAGE" --file "$HACK/images/node/Dockerfile" \
    --build-arg BASE=sluice/node-base:source --build-arg "VERSION=$KUBERNETES_VERSION" \
    --build-arg "PAUSE=$pause" "$context"
}

required_images() { "$BIN/kubeadm" config images list --kubernetes-version "$KUBERNETES_VERSION"; }

# control_plane_images DIRECTORY: makes it a containerd root with what kubeadm asks for, and the
# pod network.
control_plane_images() {
  local tree=$CACHE/debian/netfilter names=(sluice/control-plane:source) name source program
  local path='ENV PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
  cp "$BIN"/{hyperkube,nodeagent} "$tree/usr/local/bin/"
  for program in etcd kube-apiserver kube-controller-manager kube-proxy kube-scheduler; do
    ln -sf hyperkube "$tree/usr/local/bin/$program"
  done
  tar -C "$tree" -c . | docker import --change "$path" - sluice/control-plane:source
  tar -C "$BIN" -c coredns | docker import --change 'ENTRYPOINT ["/coredns"]' - sluice/coredns:source
  tar -C "$BIN" -c pause | docker import --change 'ENTRYPOINT ["/pause"]' - sluice/pause:source
  for name in $(required_images); do
    case $name in
      */coredns:*) source=sluice/coredns:source ;;
      */pause:*) source=sluice/pause:source ;;
      *) source=sluice/control-plane:source ;;
    esac
    docker tag "$source" "$name"
    names+=("$name")
  done
  docker save "${names[@]}" | import "$1"
  docker rmi "${names[@]}" sluice/coredns:source sluice/pause:source >/dev/null
}

# import ROOT: an image archive on stdin into a containerd root, by a containerd of its own that
# does nothing else. Its socket is in /tmp for the length limit of socket paths.
import() {
  local root=$1 run pid
  run=$(mktemp -d)
  cat >"$run/config.toml" <<TOML
version = 2
root = "$root"
state = "$run/state"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
  address = "$run/containerd.sock"
[ttrpc]
  address = "$run/ttrpc.sock"
TOML
  containerd --config "$run/config.toml" &
  pid=$!
  local ctr=(ctr --address "$run/containerd.sock" --namespace k8s.io) tries
  for tries in {1..50}; do
    if "${ctr[@]}" version >/dev/null 2>&1; then break; fi
    sleep 0.2
  done
  "${ctr[@]}" images import --all-platforms --no-unpack --digests -
  "${ctr[@]}" images list -q
  kill "$pid"
  wait "$pid" || true
  rm -rf "$run"
}
