# shellcheck shell=bash
# What pipelines do on a cluster. Read by tests/e2e.

the_demo() {
  local results status=0 expectation
  results=$WORK/results
  : >"$results"
  RESULTS=$results "$ROOT/demo/run" || status=$?
  while read -r expectation; do ok "$expectation"; done <"$results"
  if [ "$status" = 0 ]; then ok "the demo ends well"; else not_ok "the demo ends well (status $status)"; fi
}

# The demo's two samples are among them: a second apply of what is there changes nothing.
every_sample() {
  local path name
  for path in "$ROOT"/manifests/*.yaml; do
    sed "s#image: sluice/demo:.*#image: $DEMO_IMAGE#" "$path" | k apply -f - ||
      not_ok "the apiserver accepts $(basename "$path")"
  done
  for path in "$ROOT"/manifests/*.yaml; do
    name=$(basename "$path" .yaml)
    if ready "$name"; then
      ok "manifests/$name.yaml becomes ready"
    else
      k get ingestionpipeline "$name" -o yaml || true
      not_ok "manifests/$name.yaml becomes ready"
    fi
  done
}

# The operator reads a Secret that a connector names, to roll its pods when it changes.
secrets() {
  local template
  secret first
  k patch ingestionpipeline fixed-replicas --type json -p '[{"op": "add",
    "path": "/spec/connectors/0/container/env",
    "value": [{"name": "WORD", "valueFrom": {"secretKeyRef": {"name": "words", "key": "word"}}}]}]'
  expect "a Secret becomes a variable of a connector" within 60 names_secret words
  expect "a pipeline that names a Secret is ready" ready fixed-replicas
  template=$(pod_template)
  secret second
  expect "a changed Secret rolls the pods" within 90 template_is_not "$template"
}

secret() { k create secret generic words "--from-literal=word=$1" --dry-run=client -o yaml | k apply -f -; }

pod_template() { k get deployment fixed-replicas-bill -o 'jsonpath={.spec.template}'; }

names_secret() { [[ "$(pod_template)" == *"\"secretKeyRef\":{\"key\":\"word\",\"name\":\"$1\"}"* ]]; }

template_is_not() { [ "$(pod_template)" != "$1" ]; }

workers_that_are_no_longer_declared() {
  local kind
  k patch ingestionpipeline file-to-kafka --type json -p '[
    {"op": "remove", "path": "/spec/connectors"}, {"op": "remove", "path": "/spec/connect"}]'
  for kind in deployment service configmap networkpolicy; do
    expect "the $kind of workers that are no longer declared goes" \
      k wait --for=delete "$kind/file-to-kafka-connect" --timeout=90s
  done
}

# A pipeline that went without its operator leaves its claims; the next of its name takes them.
claims_that_were_left_behind() {
  local replicas
  replicas=$(kubectl -n "$OPERATOR" get deployment sluice -o 'jsonpath={.spec.replicas}')
  kubectl -n "$OPERATOR" scale deployment sluice --replicas=0
  kubectl -n "$OPERATOR" wait --for=delete pod -l app.kubernetes.io/name=sluice --timeout=60s
  k delete ingestionpipeline topics-only --wait=false
  k patch ingestionpipeline topics-only --type merge -p '{"metadata": {"finalizers": null}}'
  k apply -f "$ROOT/manifests/topics-only.yaml"
  kubectl -n "$OPERATOR" scale deployment sluice --replicas="$replicas"
  kubectl -n "$OPERATOR" rollout status deployment sluice --timeout=90s
  expect "a pipeline takes over what an earlier one of its name left claimed" ready topics-only
}

# Deleting a pipeline takes its pods with it and waits for nobody.
deletion() {
  local name
  for name in lag-target fixed-replicas observed-topic topics-only; do
    expect "pipeline $name is deleted" k delete ingestionpipeline "$name" --timeout=60s
  done
  expect "the pods of a deleted pipeline go" \
    k wait --for=delete pod -l sluice.dev/pipeline=fixed-replicas --timeout=60s
}
