# shellcheck shell=bash
# shellcheck source=../lib/docker.sh
. "$HACK/lib/docker.sh"
title="starting a Docker daemon"

present() { daemon_runs && timeout 10 docker info; }

build() {
  if present >/dev/null; then return; fi
  start_daemon
}
