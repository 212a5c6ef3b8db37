# shellcheck shell=bash
# Runs a list of stages with one line of progress each:
#   [3/9] building Kubernetes v1.34.4 from source ... 4m12s
# Stages that wait for the network or the disk may be started ahead, beside those that keep the
# processors busy; each still has its line at its place in the list.

declare -A started=() # process ids (and process groups) of the stages started ahead
results=$(mktemp -d)  # what they printed; another run may use the same cache
position=0
total=0

# plan STAGE...: what is to come, for the count.
plan() { total=$#; }

# ahead STAGE...: starts them now; `step` will wait for them.
ahead() {
  local name
  for name in "$@"; do
    setsid "$HACK/stage" "$name" >"$results/$name" &
    started[$name]=$!
  done
}

# step STAGE: runs it, or waits for it, and says how long it took.
step() {
  local name=$1 result
  position=$((position + 1))
  printf '[%d/%d] %s ... ' "$position" "$total" "$("$HACK/stage" "$name" --title)"
  if [ -n "${started[$name]:-}" ]; then
    wait "${started[$name]}" || fail "$name"
    unset "started[$name]"
    result=$(cat "$results/$name")
  else
    result=$("$HACK/stage" "$name") || fail "$name"
  fi
  duration "$result"
}

# duration SECONDS|cached: as people write it.
duration() {
  case $1 in
    *[!0-9]*) echo "$1" ;;
    *) if [ "$1" -ge 60 ]; then printf '%dm%02ds\n' $(($1 / 60)) $(($1 % 60)); else echo "${1}s"; fi ;;
  esac
}

fail() {
  echo failed
  {
    echo
    tail -n 20 "$LOGS/$1.log" | sed 's/^/  | /'
    echo "The stage \"$1\" failed; its whole log: $LOGS/$1.log"
  } >&2
  exit 1
}

# Nothing that was started ahead outlives this script.
stop_started() {
  local pid
  for pid in "${started[@]}"; do kill -- "-$pid" 2>/dev/null || true; done
  rm -rf "$results"
}
trap stop_started EXIT
trap 'exit 130' INT TERM

# need COMMAND WHAT: ends with a plain sentence when a tool of the machine is missing.
need() {
  command -v "$1" >/dev/null && return
  echo "$1 is not on PATH: install $2, then run this again." >&2
  exit 1
}
