# shellcheck shell=bash
# The images, on the cluster's nodes: by their own tags, and by the plain ones of the manifests.
title="loading the images into the cluster"

present() { false; }

build() {
  local images
  mapfile -t images < <(sed 's/.*=//' "$STATE/images.env")
  kind load docker-image --name "$CLUSTER" "${images[@]}" "${images[@]%-*}"
}
