# shellcheck shell=bash
# Programs of the demo as Jobs. Read by demo/run and by tests/e2e.

# job NAME ARGUMENT...: starts a program of the demo, in place of the last one of that name.
job() {
  local name=$1 volume='emptyDir: {}'
  shift
  case $* in *' /data/'*) volume='persistentVolumeClaim: {claimName: readings-csv}' ;; esac
  kubectl -n "$NAMESPACE" delete job "$name" --ignore-not-found --cascade=foreground
  local arguments
  arguments=$(printf '"%s", ' "$@")
  sed -e "s#NAME#$name#" -e "s#IMAGE#$DEMO_IMAGE#" -e "s#ARGUMENTS#[${arguments%, }]#" \
    -e "s#VOLUME#$volume#" "$ROOT/demo/job.yaml" | kubectl -n "$NAMESPACE" apply -f -
}
