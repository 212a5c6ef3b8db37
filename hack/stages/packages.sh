# shellcheck shell=bash
# What a bare Debian host lacks for a daemon of our own and for making root file systems.
title="installing Debian's Docker and debootstrap"
packages=(debootstrap)

# A daemon from somewhere else is used with its own containerd.
command -v containerd >/dev/null || packages+=(containerd)
if [ "$DOCKER" = own ]; then packages+=(containerd docker.io iptables procps); fi

present() { dpkg --status "${packages[@]}"; }

build() {
  if present >/dev/null 2>&1; then return; fi
  if [ "$(id -u)" != 0 ] || ! command -v apt-get; then
    echo "No Docker daemon with a published node image is reachable. Making both from source
needs root on Debian 12 or a system like it; otherwise start Docker, put kind on PATH and check
that the image $NODE_PUBLISHED can be pulled."
    return 1
  fi
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -q
  # docker.io starts no daemon where there is no init; where there is one, that daemon is used.
  apt-get install -q --yes --no-install-recommends "${packages[@]}"
}
