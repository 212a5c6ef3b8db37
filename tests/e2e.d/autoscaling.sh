# shellcheck shell=bash
# What an autoscaler does on a cluster: from zero pods by steps and back, in time, while it is
# suspended, and while Kafka is away. Read by tests/e2e.

# Two pipelines side by side: `surge`, which sleeps until records come, and `shift`, whose schedule
# begins and ends while the other one works.
autoscaling() {
  local name
  surge_pipeline | k apply -f -
  shift_pipeline | k apply -f -
  expect "a pipeline that begins with zero pods is ready" ready surge
  expect "it has no pod while nothing is to be read" [ "$(pods_of surge)" = 0 ]
  expect "its load begins" job surge-load produce --topic surge --producer "surge-$(date +%s)" \
    --phase 3s@20 --phase 40s@250
  expect "the first record wakes it" within 30 pods_at_least surge 1
  expect "a surge adds pods by a step" within 60 decided surge more
  expect "as many as there are partitions" within 60 pods_at_least surge 4
  expect "sluice why tells it, live" tells_live surge
  expect "a schedule raises the least number of pods" within 30 pods_at_least shift 3
  outage
  expect "it goes back to zero pods when nothing is left to read" within 120 pods_are surge 0
  expect "a suspension holds what its policy wants" within 60 held_by shift suspension
  expect "and the pods are all there" pods_are shift 3
  expect "the suspension is taken back" k patch ingestionpipeline shift --type json \
    -p '[{"op": "remove", "path": "/spec/connectors/0/autoscaling/suspend"}]'
  expect "then its policy removes pods" within 60 pods_are shift 1
  k delete job surge-load --ignore-not-found --wait=false
  for name in surge shift; do
    expect "pipeline $name is deleted" k delete ingestionpipeline "$name" --timeout=60s
  done
}

# Kafka goes in the middle of the surge, and comes back with its records.
outage() {
  local before watcher
  before=$(pods_of surge)
  watch_pods surge >"$WORK/pods" 2>/dev/null &
  watcher=$!
  expect "Kafka is taken away" kubectl -n kafka scale statefulset kafka --replicas=0
  expect "its pod is gone" kubectl -n kafka wait --for=delete pod/kafka-0 --timeout=60s
  expect "the autoscaler says that it is blind" within 60 scaling_is surge "False LagUnknown"
  expect "Kafka comes back" kubectl -n kafka scale statefulset kafka --replicas=1
  expect "Kafka serves again" kubectl -n kafka rollout status statefulset/kafka --timeout=120s
  expect "the autoscaler sees again" within 90 scaling_is surge "True *"
  kill "$watcher" || true
  wait "$watcher" 2>/dev/null || true
  expect "no pod was taken away while nobody could see" never_below "$before" "$WORK/pods"
}

# Every second the number of pods that are asked for.
watch_pods() {
  while :; do
    pods_of "$1" && echo
    sleep 1
  done
}

# never_below COUNT FILE: the file has numbers, none of them smaller.
never_below() {
  echo "at least $1 expected, there were: $(sort -n "$2" | uniq -c | tr '\n' ';')"
  awk -v least="$1" 'NF { seen++; if ($1 < least) low++ } END { exit !(seen > 5 && !low) }' "$2"
}

pods_of() { k get deployment "$1-work" -o 'jsonpath={.spec.replicas}'; }

pods_are() { [ "$(pods_of "$1")" = "$2" ]; }

pods_at_least() { [ "$(pods_of "$1")" -ge "$2" ]; }

# decided PIPELINE POLICY: among the decisions in status is one of this policy.
decided() {
  local by
  by=$(k get ingestionpipeline "$1" -o 'jsonpath={.status.connectors[0].decisions[*].by}')
  grep -qw -- "$2" <<<"$by"
}

# scaling_is PIPELINE PATTERN: status and reason of ScalingActive.
scaling_is() {
  local condition='{.status.conditions[?(@.type=="ScalingActive")]' said
  said=$(k get ingestionpipeline "$1" -o "jsonpath=$condition.status} $condition.reason}")
  echo "$said"
  # shellcheck disable=SC2053 # a pattern
  [[ $said == $2 ]]
}

# why PIPELINE: its newest decision; that a count is held is no failure here.
why() { "$PROGRAMS/sluice" why "$1" work -n "$NAMESPACE" -o json || [ $? = 1 ]; }

tells_live() {
  local told
  told=$(why "$1")
  echo "$told"
  [[ $told == *'"source": "operator"'* && $told == *'"name": "policy/more"'* && $told == *'"outlook"'* ]]
}

held_by() { [[ "$(why "$1")" == *"\"by\": \"$2\""* ]]; }

# pipeline NAME PARTITIONS: a pipeline whose pods process 100 records/s each; its autoscaling block
# comes from standard input.
pipeline() {
  cat <<END
apiVersion: sluice.dev/v1alpha1
kind: IngestionPipeline
metadata: {name: $1}
spec:
  kafka: {bootstrapServers: kafka.kafka:9092}
  topics: [{name: $1, partitions: $2, replicationFactor: 1}]
  connectors:
    - name: work
      role: Sink
      container:
        image: $DEMO_IMAGE
        args: [consume, --rate, "100"]
        resources: {requests: {cpu: 10m, memory: 16Mi}, limits: {memory: 64Mi}}
      consumes: {group: $1, topics: [$1]}
      autoscaling:
END
  sed 's/^/        /'
}

surge_pipeline() {
  pipeline surge 4 <<'END'
minReplicas: 0
maxReplicas: 4
interval: 1s
warmup: 3s
cooldown: {scaleIn: 5s}
behavior: {scaleIn: {stabilizationWindow: 5s}}
activation: {idleFor: 15s}
policies:
  - name: more
    step:
      metric: lag
      threshold: 200
      period: 3s
      steps:
        - {lowerBound: 0, upperBound: 400, adjustment: 1}
        - {lowerBound: 400, adjustment: 3}
END
}

shift_pipeline() {
  pipeline shift 3 <<END
maxReplicas: 3
interval: 1s
warmup: 3s
cooldown: {scaleIn: 0s}
behavior: {scaleIn: {stabilizationWindow: 5s}}
policies:
  - {name: backlog, targetTracking: {metric: lag, target: 1000}}
schedules:
  - {name: hour, at: "$(date -u -d '15 seconds' +%FT%TZ)", duration: 60s, minReplicas: 3}
suspend: {scaleIn: true, reason: an end-to-end test}
END
}
