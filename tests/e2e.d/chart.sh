# shellcheck shell=bash
# What the chart installs, what it may do, and what stays of it. Read by tests/e2e.

CHART=$ROOT/charts/sluice
# The chart of the version before this one, as it was packaged then.
PREVIOUS=$ROOT/tests/e2e.d/sluice-0.1.0.tgz

# install CHART NAMESPACE FLAG...: the release "sluice", with the images as they were built here.
install() {
  local chart=$1 namespace=$2
  shift 2
  helm -n "$namespace" upgrade --install sluice "$chart" --wait --timeout 2m \
    --set "connectImage=$KAFKA_IMAGE" \
    --set "image.repository=${OPERATOR_IMAGE%:*},image.tag=${OPERATOR_IMAGE##*:}" "$@"
}

helm_test() {
  expect "the chart takes the address of a Kafka for its test" \
    install "$CHART" "$OPERATOR" --set test.bootstrapServers=kafka.kafka:9092
  expect "helm test applies a pipeline and finds it ready" \
    helm -n "$OPERATOR" test sluice --logs --timeout 2m
}

# Everything that the operator did so far, by the apiserver's audit log, against its roles. The last
# thing that it does is to end in good order and to tell so.
rights() {
  kubectl -n "$OPERATOR" rollout restart deployment sluice
  expect "the operator is restarted, one pod after the other" \
    kubectl -n "$OPERATOR" rollout status deployment sluice --timeout=90s
  expect "the pods from before are gone" within 60 operator_pods_are 2
  audit >"$WORK/audit.log"
  kubectl get clusterroles,clusterrolebindings,roles,rolebindings -A -o json >"$WORK/roles.json"
  expect "each right of the operator is used, and none is missing" "$PROGRAMS/sluice-demo" grants \
    --roles "$WORK/roles.json" --audit "$WORK/audit.log" --without-pod sluice-test
}

operator_pods_are() {
  [ "$(kubectl -n "$OPERATOR" get pods -l app.kubernetes.io/name=sluice -o name | wc -l)" = "$1" ]
}

# audit: the log since these tests began, for the cluster may have had an operator before.
audit() { audit_log | tail -n "+$((AUDIT_BEGIN + 1))"; }

audit_log() { docker exec "$CLUSTER-control-plane" sh -c 'cat /var/log/kubernetes/audit.log || true'; }

AUDIT_BEGIN=$(audit_log | wc -l)

# The definition, the pipelines and what they own, each with its UID.
identities() {
  kubectl get customresourcedefinition ingestionpipelines.sluice.dev -o 'jsonpath={.metadata.uid}{"\n"}'
  k get ingestionpipelines,deployments,persistentvolumeclaims \
    -o 'jsonpath={range .items[*]}{.kind} {.metadata.name} {.metadata.uid}{"\n"}{end}'
}

same_identities() { identities | diff "$WORK/identities" -; }

upgrade_and_uninstall() {
  local deployment='{.metadata.uid}'
  identities >"$WORK/identities"
  expect "the chart is uninstalled" helm -n "$OPERATOR" uninstall sluice --wait
  expect "uninstalling keeps the definition, every pipeline and its pods" same_identities
  expect "the previous version of the chart finds them again" install "$PREVIOUS" "$OPERATOR"
  deployment=$(kubectl -n "$OPERATOR" get deployment sluice -o "jsonpath=$deployment")
  expect "the previous version is upgraded to this one" install "$CHART" "$OPERATOR"
  expect "an upgrade keeps the definition, every pipeline and its pods" same_identities
  expect "an upgrade keeps the operator's Deployment" \
    [ "$(kubectl -n "$OPERATOR" get deployment sluice -o 'jsonpath={.metadata.uid}')" = "$deployment" ]
  expect "a pipeline is ready after the upgrade" ready elastic-consumer
}

# An operator for one namespace, in the place of the one for all.
scope() {
  local own=sluice-scoped scoped touched='{.metadata.finalizers}{.status.conditions}'
  helm -n "$OPERATOR" uninstall sluice --wait
  kubectl create namespace "$own"
  kubectl label namespace "$own" pod-security.kubernetes.io/enforce=restricted
  kubectl create namespace elsewhere
  expect "the chart is installed for one namespace" \
    install "$CHART" "$own" --set "watchNamespaces={$NAMESPACE}" --set crds.install=false
  expect "it made nothing for the whole cluster" no_cluster_roles "$own"
  k apply -f "$ROOT/manifests/topics-only.yaml"
  kubectl -n elsewhere apply -f "$ROOT/manifests/topics-only.yaml"
  expect "a pipeline in that namespace becomes ready" ready topics-only
  expect "a pipeline in another namespace is left alone" \
    [ -z "$(kubectl -n elsewhere get ingestionpipeline topics-only -o "jsonpath=$touched")" ]
  scoped=$(audit | grep -F "system:serviceaccount:$own:sluice")
  expect "nothing was refused to the operator of one namespace" nothing_refused "$scoped"
  # As the next run wants to find it.
  k delete ingestionpipeline topics-only --timeout=60s
  helm -n "$own" uninstall sluice --wait
  kubectl delete namespace "$own" elsewhere --timeout=90s
  kubectl -n "$OPERATOR" delete lease sluice
}

nothing_refused() { [ -n "$1" ] && ! grep -F '"authorization.k8s.io/decision":"forbid"' <<<"$1"; }

no_cluster_roles() {
  local made
  made=$(kubectl get clusterroles,clusterrolebindings -l app.kubernetes.io/instance=sluice -o name)
  [ -z "$made" ] || { echo "$made" && return 1; }
  helm -n "$1" get manifest sluice | grep -q 'kind: Role$'
}
