# shellcheck shell=bash
# The images of the operator, the demo and Kafka. Each has a tag of its own content, which rolls
# the pods that use it, and a plain one for manifests; both names are left in images.env.
title="making the images"
stamp=$STATE/images.stamp
release=${CARGO_TARGET_DIR:-$ROOT/target}/release
file=$STATE/images.env
inputs=("$ROOT/Dockerfile" "$ROOT/demo/Dockerfile" "$HACK"/images/{kafka,operator} "$CACHE/stamps/kafka"
  "$release/sluice" "$release/sluice-demo" "$NODE")

present() {
  local image
  for image in $(images); do docker image inspect "$image" || return 1; done
}

images() { sed 's/.*=//' "$file"; }

build() {
  : >"$file.new"
  operator
  image DEMO_IMAGE sluice/demo dev "$ROOT/demo/Dockerfile" minimal "$release/sluice-demo"
  image KAFKA_IMAGE sluice/kafka "$KAFKA_VERSION" "$HACK/images/kafka/Dockerfile" java \
    "$KAFKA"/{libs,plugins} "$HACK"/images/kafka/{kafka,log4j2.properties}
  mv "$file.new" "$file"
}

# The operator's image stands on nothing: all its files are in one archive.
operator() {
  local system=
  if [ "$NODE" = source ]; then system=$CACHE/debian/minimal; fi
  "$HACK/images/operator/rootfs" "$release/sluice" "$STATE/rootfs.tar" "$system"
  image OPERATOR_IMAGE sluice/operator dev "$ROOT/Dockerfile" '' "$STATE/rootfs.tar"
  rm "$STATE/rootfs.tar"
}

# image VARIABLE NAME TAG DOCKERFILE TREE FILE...: builds NAME:TAG of these files. Where no
# registry is reachable it stands on the root file system TREE of the stage "debian"; without a
# TREE it is the stage "prebuilt" of its Dockerfile.
image() {
  local variable=$1 name=$2 tag=$3 dockerfile=$4 tree=$5
  local context=$CACHE/context/$CLUSTER base=$NODE options=() hash
  shift 5
  if [ -z "$tree" ]; then
    base=
    options=(--target prebuilt --build-arg ROOTFS=rootfs.tar)
  elif [ "$NODE" = source ]; then
    base "$tree"
    base=$(docker image inspect --format '{{.Id}}' "sluice/base:$tree")
    options=(--network none --build-arg "BASE=sluice/base:$tree")
  fi
  hash=$({
    echo "$base"
    find "$dockerfile" "$@" -type f -print0 | LC_ALL=C sort -z | xargs -0 cat
  } | sha256sum | cut -c 1-12)
  if ! docker image inspect "$name:$tag-$hash"; then
    rm -rf "$context"
    mkdir -p "$context"
    cp -r "$@" "$context/"
    docker build --tag "$name:$tag-$hash" --file "$dockerfile" "${options[@]}" "$context"
    rm -rf "$context"
  fi
  docker tag "$name:$tag-$hash" "$name:$tag"
  echo "$variable=$name:$tag-$hash" >>"$file.new"
}

# base TREE: that root file system as an image, once for each state of the trees.
base() {
  local label
  label=$(cut -c 1-12 "$CACHE/stamps/debian")
  if ! docker image inspect "sluice/base:$1-$label"; then
    tar -C "$CACHE/debian/$1" -c . | docker import - "sluice/base:$1-$label"
  fi
  docker tag "sluice/base:$1-$label" "sluice/base:$1"
}
