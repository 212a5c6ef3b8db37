# shellcheck shell=bash
# A Docker daemon of our own, for machines that have none: its data, socket and process id are
# under the cache, and it makes no bridge but the one that kind asks for.

DAEMON=$CACHE/docker
DAEMON_PID=$DAEMON/run/docker.pid

# is PIDFILE WORD: the process of that file lives and has this word among its arguments. After
# a crash the number may belong to anybody.
is() {
  local pid
  pid=$(cat "$1" 2>/dev/null) || return 1
  tr '\0' '\n' <"/proc/$pid/cmdline" 2>/dev/null | grep -qxF -- "$2"
}

daemon_runs() { is "$DAEMON_PID" "$DAEMON/data"; }

start_daemon() {
  # A daemon without a bridge of its own takes docker0 away, whoever made it.
  if ! daemon_runs && ip link show docker0 >/dev/null 2>&1 && pgrep -x dockerd >/dev/null; then
    echo "Another Docker daemon uses docker0 on this machine: set SLUICE_DOCKER=host to use it."
    return 1
  fi
  mkdir -p "$DAEMON/run"
  daemon_runs || rm -f "$DAEMON_PID"
  local containerd=$DAEMON/run/containerd
  is "$containerd/containerd.pid" "$containerd/containerd.toml" || rm -f "$containerd/containerd.pid"

  # kind mounts it into its nodes
  mkdir -p /lib/modules
  # One kubelet and containerd a node need more than the default of 128.
  sysctl -qw fs.inotify.max_user_instances=8192 fs.inotify.max_user_watches=524288
  # Before dockerd, which drops everything forwarded on this machine where it has to turn
  # forwarding on by itself.
  sysctl -qw net.ipv4.ip_forward=1

  local options=(
    --data-root "$DAEMON/data" --exec-root "$DAEMON/run" --pidfile "$DAEMON_PID"
    --host "$DOCKER_HOST" --bridge none
  )
  if ! has_cap_sys_resource; then
    options+=(--add-runtime "runc-capped=$HACK/lib/runc-capped" --default-runtime runc-capped)
  fi
  setsid dockerd "${options[@]}" >>"$LOGS/dockerd.log" 2>&1 </dev/null &
  local tries
  for tries in {1..60}; do
    if docker info >/dev/null 2>&1; then return; fi
    kill -0 $! 2>/dev/null || break
    sleep 0.5
  done
  tail -n 15 "$LOGS/dockerd.log"
  return 1
}

stop_daemon() {
  local pid
  pid=$(cat "$DAEMON_PID")
  kill "$pid"
  while kill -0 "$pid" 2>/dev/null; do sleep 0.1; done
  # It mounts its data onto itself at each start, and network namespaces under its run folder; a
  # killed one, and at times an orderly one, leaves them behind.
  mounts_below "$DAEMON" | xargs --no-run-if-empty --delimiter '\n' umount
}

# mounts_below FOLDER: as often as each is mounted, the latest first.
mounts_below() { awk -v below="$1/" 'index($5, below) == 1 { print $5 }' /proc/self/mountinfo | tac; }

# A container that asks for every capability (--privileged) is refused where the machine itself
# lacks one; bit 24 is the one that sandboxes and virtual machines like to take.
has_cap_sys_resource() {
  local bounding
  bounding=$(awk '/^CapBnd:/ { print $2 }' /proc/self/status)
  (((0x$bounding >> 24) & 1))
}

# The rules that dockerd leaves behind. They are shared by all daemons of a machine; after a crash
# any of them may be missing.
remove_docker_rules() {
  if pgrep -x dockerd >/dev/null; then return; fi
  local chain
  rule -t nat -D PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
  rule -t nat -D OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER
  rule -D FORWARD -j DOCKER-USER
  rule -D FORWARD -j DOCKER-ISOLATION-STAGE-1
  # the first stage of isolation names the second
  for chain in DOCKER-USER DOCKER-ISOLATION-STAGE-1 DOCKER-ISOLATION-STAGE-2 DOCKER; do
    rule -F "$chain"
    rule -X "$chain"
  done
  rule -t nat -F DOCKER
  rule -t nat -X DOCKER
}

rule() { iptables -w "$@" 2>/dev/null || true; }
