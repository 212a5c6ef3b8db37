# shellcheck shell=bash
# The images, on the cluster's nodes: by their own tags, and by the plain ones of the manifests.
title="loading the images into the cluster"

present() { false; }

build() {
  local image names=()
  for image in $(sed 's/.*=//' "$STATE/images.env"); do names+=("$image" "${image%-*}"); done
  kind load docker-image --name "$CLUSTER" "${names[@]}"
}
