//! The custom resource on a real apiserver: it is accepted, its rules refuse what they should and
//! nothing else, and every refusal names the field and says what to do.

use std::{collections::BTreeMap, path::Path};

use http::Request;
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use sluice::api::IngestionPipeline;

use crate::support::apiserver::{admit, shared};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn pipeline(spec: &Value) -> Value {
    json!({
        "apiVersion": "sluice.dev/v1alpha1",
        "kind": "IngestionPipeline",
        "metadata": {"name": "p"},
        "spec": spec,
    })
}

/// A spec with this beside `kafka`.
fn with(part: &Value) -> Value {
    let mut spec = json!({"kafka": {"bootstrapServers": "kafka:9092"}});
    let fields = part.as_object().unwrap().clone();
    spec.as_object_mut().unwrap().extend(fields);
    pipeline(&spec)
}

fn topic(fields: &Value) -> Value {
    let mut topic = json!({"name": "readings"});
    topic
        .as_object_mut()
        .unwrap()
        .extend(fields.as_object().unwrap().clone());
    with(&json!({"topics": [topic]}))
}

/// A pipeline with one container connector that has these fields beside the usual ones.
fn connector(fields: &Value) -> Value {
    let mut connector = json!({
        "name": "enrich",
        "role": "Processor",
        "container": {"image": "img:1"},
        "consumes": {"group": "enrich", "topics": ["readings"]},
    });
    for (key, value) in fields.as_object().unwrap() {
        match value {
            Value::Null => connector.as_object_mut().unwrap().remove(key),
            value => connector
                .as_object_mut()
                .unwrap()
                .insert(key.clone(), value.clone()),
        };
    }
    with(&json!({"topics": [{"name": "readings"}], "connectors": [connector]}))
}

fn container(fields: &Value) -> Value {
    let mut container = json!({"image": "img:1"});
    container
        .as_object_mut()
        .unwrap()
        .extend(fields.as_object().unwrap().clone());
    connector(&json!({"container": container}))
}

fn connect(fields: &Value) -> Value {
    let mut connector = json!({
        "name": "csv",
        "role": "Source",
        "connect": {"class": "FileStreamSource", "config": {"file": "/data/in.csv", "topic": "readings"}},
    });
    connector
        .as_object_mut()
        .unwrap()
        .extend(fields.as_object().unwrap().clone());
    with(&json!({"connect": {}, "topics": [{"name": "readings"}], "connectors": [connector]}))
}

fn scaled(fields: &Value) -> Value {
    let mut scaling = json!({
        "maxReplicas": 12,
        "policies": [{"name": "keep-up", "targetTracking": {"metric": "timeLag", "target": 30}}],
    });
    scaling
        .as_object_mut()
        .unwrap()
        .extend(fields.as_object().unwrap().clone());
    connector(&json!({"autoscaling": scaling}))
}

async fn refusal(pipeline: &Value) -> String {
    let api = shared();
    match admit(&api.client(), "default", pipeline).await {
        Ok(_) => panic!("accepted: {pipeline}"),
        Err(status) => status.message,
    }
}

/// Each pair: what is refused, and what the refusal must say: where, and what to do.
async fn refused(cases: &[(Value, &[&str])]) {
    for (pipeline, words) in cases {
        let message = refusal(pipeline).await;
        for word in *words {
            assert!(message.contains(word), "`{word}` is not in: {message}");
        }
    }
}

async fn accepted(cases: &[Value]) {
    let api = shared();
    for pipeline in cases {
        if let Err(status) = admit(&api.client(), "default", pipeline).await {
            panic!("refused: {}\n{pipeline}", status.message);
        }
    }
}

#[test]
fn the_committed_definition_is_the_one_in_the_code() {
    let path = root().join("crds/ingestionpipelines.yaml");
    let code = serde_yaml::to_string(&sluice::api::crd()).unwrap();
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == code,
        "crds/ differs from the code: `cargo run -- crd > crds/ingestionpipelines.yaml`"
    );
}

/// The topics and consumer groups that a pipeline holds for itself.
fn claims(sample: &Value) -> Vec<String> {
    let of = |list: &str| sample["spec"][list].as_array().cloned().unwrap_or_default();
    let topics = of("topics").into_iter();
    let topics = topics.filter(|topic| topic["management"] != "Observed");
    let topics = topics.map(|topic| format!("topic {}", topic["name"]));
    let groups = of("connectors").into_iter();
    let groups = groups.filter(|connector| connector["consumes"]["group"].is_string());
    let groups = groups.map(|connector| format!("group {}", connector["consumes"]["group"]));
    topics.chain(groups).collect()
}

#[tokio::test]
async fn every_sample_is_accepted_beside_the_others() {
    let api = shared();
    let mut samples = 0;
    let mut claimed = BTreeMap::new();
    for entry in std::fs::read_dir(root().join("manifests"))
        .into_iter()
        .flatten()
    {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        for document in text.split("\n---") {
            if !document.contains("\nkind: IngestionPipeline") {
                continue;
            }
            let mut sample: Value = serde_yaml::from_str(document).unwrap();
            sample["metadata"]["namespace"] = json!("default");
            if let Err(status) = admit(&api.client(), "default", &sample).await {
                panic!("{}: {}", path.display(), status.message);
            }
            for claim in claims(&sample) {
                let before = claimed.insert(claim.clone(), path.clone());
                let before = before.map(|path| path.display().to_string());
                assert_eq!(before, None, "{}: {claim} is taken", path.display());
            }
            samples += 1;
        }
    }
    assert!(samples > 0, "no IngestionPipeline in manifests/");
}

#[tokio::test]
async fn what_the_documentation_shows_is_accepted() {
    accepted(&[
        with(&json!({})),
        topic(&json!({
            "partitions": 12, "replicationFactor": 3, "minInSyncReplicas": 2,
            "config": {"compression.type": "zstd", "retention.ms": "86400000"},
            "configPolicy": "Exclusive", "adopt": "Always", "deletionPolicy": "Delete",
        })),
        topic(&json!({"management": "Observed"})),
        connect(&json!({})),
        connect(&json!({"role": "Sink", "consumes": {"topics": ["readings"]}})),
        connector(&json!({"replicas": 0})),
        topic(&json!({"partitions": null, "minInSyncReplicas": null, "replicationFactor": 3})),
        connector(&json!({"role": "Source", "consumes": null})),
        scaled(&json!({"minReplicas": 12, "interval": "5m", "cooldown": {"scaleOut": "0s", "scaleIn": "15s"}, "warmup": "10s"})),
        container(&json!({
            "command": ["/run"], "args": ["--level", "info"], "imagePullPolicy": "IfNotPresent",
            "imagePullSecrets": [{"name": "pull"}],
            "env": [{"name": "LEVEL", "value": "info"}, {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "api", "key": "token"}}}],
            "envFrom": [{"configMapRef": {"name": "settings"}}, {"prefix": "S_", "secretRef": {"name": "api"}}],
            "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"memory": "1.5Gi"}},
            "ports": [{"name": "metrics", "containerPort": 9090}],
            "readinessProbe": {"httpGet": {"path": "/ready", "port": 9090}, "periodSeconds": 5},
            "livenessProbe": {"tcpSocket": {"port": 9090}},
            "startupProbe": {"exec": {"command": ["true"]}, "failureThreshold": 30},
            "terminationGracePeriodSeconds": 60,
            "volumes": [
                {"name": "tmp", "mountPath": "/tmp", "emptyDir": {"sizeLimit": "64Mi"}},
                {"name": "in", "mountPath": "/data", "subPath": "in", "readOnly": true, "persistentVolumeClaim": {"claimName": "csv"}},
                {"name": "cert", "mountPath": "/cert", "secret": {"secretName": "tls"}},
                {"name": "conf", "mountPath": "/conf", "configMap": {"name": "settings"}},
                {"name": "all", "mountPath": "/all", "projected": {"sources": [{"secret": {"name": "tls"}}, {"configMap": {"name": "settings"}}]}},
            ],
            "runAsUser": 1000, "runAsGroup": 1000, "fsGroup": 1000, "readOnlyRootFilesystem": false,
            "nodeSelector": {"kubernetes.io/arch": "amd64"},
            "tolerations": [{"key": "k", "operator": "Exists", "effect": "NoSchedule"}, {"operator": "Exists"}],
            "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "ScheduleAnyway"}],
            "labels": {"team": "plant"}, "annotations": {"example.org/note": "any text: at all"},
        })),
    ])
    .await;
}

#[tokio::test]
async fn kafka_and_unknown_fields_are_checked() {
    refused(&[
        (pipeline(&json!({})), &["spec.kafka", "Required value"]),
        (
            pipeline(&json!({"kafka": {"bootstrapServers": "kafka"}})),
            &["spec.kafka.bootstrapServers"],
        ),
        (
            pipeline(&json!({"kafka": {"bootstrapServers": "a:1, b:2"}})),
            &["spec.kafka.bootstrapServers"],
        ),
        (
            pipeline(&json!({"kafka": {"bootstrapServers": "a:1", "sasl": {
                "mechanism": "OAUTHBEARER", "secretRef": {"name": "s"}}}})),
            &["spec.kafka.sasl", "set oauthbearer exactly where the mechanism is OAUTHBEARER"],
        ),
        (
            pipeline(&json!({"kafka": {"bootstrapServers": "a:1", "sasl": {
                "mechanism": "GSSAPI", "secretRef": {"name": "s"}}}})),
            &["spec.kafka.sasl.mechanism", "SCRAM-SHA-512"],
        ),
        (
            pipeline(&json!({"kafka": {"bootstrapServers": "a:1", "sasl": {
                "mechanism": "PLAIN", "secretRef": {"name": "s", "namespace": "other"}}}})),
            &["unknown field \"spec.kafka.sasl.secretRef.namespace\""],
        ),
        (
            pipeline(&json!({"kafka": {"bootstrapServers": "a:1", "tls": {
                "caSecretRef": {"name": "kube-system/ca"}}}})),
            &["spec.kafka.tls.caSecretRef.name"],
        ),
        (
            container(&json!({"env": [{"name": "KAFKA_SASL_PASSWORD_FILE", "value": "x"}]})),
            &["env must not set"],
        ),
        (
            container(&json!({"volumes": [{"name": "v", "mountPath": "/etc/sluice/kafka", "emptyDir": {}}]})),
            &["mountPath must not be below /etc/sluice"],
        ),
        (
            with(&json!({"suspended": true})),
            &["unknown field \"spec.suspended\""],
        ),
        (with(&json!({"suspend": "yes"})), &["spec.suspend"]),
        (
            topic(&json!({"partition": 3})),
            &["unknown field \"spec.topics[0].partition\""],
        ),
        (
            container(&json!({"securityContext": {}})),
            &["unknown field \"spec.connectors[0].container.securityContext\""],
        ),
    ])
    .await;
    let mut long = with(&json!({}));
    long["metadata"]["name"] = json!("x".repeat(64));
    refused(&[(long, &["metadata.name must have at most 63 characters"])]).await;
}

#[tokio::test]
async fn topics_are_checked() {
    let pair = |a: &str, b: &str| with(&json!({"topics": [{"name": a}, {"name": b}]}));
    refused(&[
        (topic(&json!({"partitions": 0})), &["spec.topics[0].partitions", "greater than or equal to 1"]),
        (topic(&json!({"partitions": 10_001})), &["spec.topics[0].partitions", "less than or equal to 10000"]),
        (topic(&json!({"replicationFactor": 0})), &["spec.topics[0].replicationFactor"]),
        (
            topic(&json!({"replicationFactor": 1, "minInSyncReplicas": 2})),
            &["spec.topics[0]", "minInSyncReplicas must not exceed replicationFactor: lower"],
        ),
        (
            topic(&json!({"config": {"min.insync.replicas": "2"}})),
            &["spec.topics[0]", "by the field minInSyncReplicas"],
        ),
        (topic(&json!({"name": "__offsets"})), &["name is reserved by Kafka", "choose another"]),
        (topic(&json!({"name": ".."})), &["name is reserved by Kafka"]),
        (topic(&json!({"name": "a/b"})), &["spec.topics[0].name"]),
        (topic(&json!({"name": "x".repeat(250)})), &["spec.topics[0].name"]),
        (
            topic(&json!({"management": "Observed", "partitions": 3})),
            &["management Observed only reads the topic: remove partitions"],
        ),
        (
            topic(&json!({"management": "Observed", "deletionPolicy": "Delete"})),
            &["deletionPolicy Delete is not allowed for management Observed"],
        ),
        (topic(&json!({"adopt": "Sometimes"})), &["spec.topics[0].adopt", "\"Never\", \"IfEqual\", \"Always\""]),
        (pair("a", "a"), &["spec.topics[1]", "Duplicate value"]),
        (pair("a.b", "a_b"), &["topics: two names differ only in '.' and '_'", "rename one"]),
        (
            with(&json!({"topics": (0..65).map(|n| json!({"name": format!("t{n}")})).collect::<Vec<_>>()})),
            &["spec.topics", "64"],
        ),
    ])
    .await;
}

#[tokio::test]
async fn connectors_are_checked() {
    let both = json!({"class": "X"});
    refused(&[
        (connector(&json!({"connect": both})), &["spec.connectors[0]", "set exactly one runtime: connect or container"]),
        (connector(&json!({"container": null})), &["set exactly one runtime"]),
        (
            connect(&json!({"replicas": 2})),
            &["replicas and autoscaling only work with container", "connect.tasksMax"],
        ),
        (connector(&json!({"consumes": {"topics": ["readings"]}})), &["consumes.group is required for container"]),
        (
            connect(&json!({"role": "Sink", "consumes": {"group": "g", "topics": ["readings"]}})),
            &["consumes.group cannot be set for connect"],
        ),
        (connector(&json!({"role": "Source"})), &["a Source writes to Kafka: remove consumes"]),
        (
            connector(&json!({"consumes": {"group": "g", "topics": ["other"]}})),
            &["consumes.topics names a topic that spec.topics does not list", "add it there"],
        ),
        (
            with(&json!({"connectors": [{"name": "c", "role": "Sink", "container": {"image": "i"}, "consumes": {"group": "g", "topics": ["t"]}}]})),
            &["spec.topics is empty: list the topic there"],
        ),
        (
            with(&json!({"connectors": [{"name": "c", "role": "Source", "connect": {"class": "X"}}]})),
            &["needs workers: add spec.connect"],
        ),
        (
            connect(&json!({"connect": {"class": "X", "config": {"tasks.max": "3"}}})),
            &["config must not set name, connector.class or tasks.max"],
        ),
        (
            connect(&json!({"connect": {"class": "X", "config": {"big": "x".repeat(16_385)}}})),
            &["connect.config.big", "16384"],
        ),
        (connect(&json!({"connect": {"class": "X", "tasksMax": 0}})), &["spec.connectors[0].connect.tasksMax"]),
        (connector(&json!({"name": "No"})), &["spec.connectors[0].name"]),
        (connector(&json!({"replicas": 1001})), &["spec.connectors[0].replicas"]),
    ])
    .await;
}

#[tokio::test]
async fn autoscaling_is_checked() {
    let mut both = scaled(&json!({}));
    both["spec"]["connectors"][0]["replicas"] = json!(2);
    let mut nothing = scaled(&json!({}));
    nothing["spec"]["connectors"][0]
        .as_object_mut()
        .unwrap()
        .remove("consumes");
    let policy = |policy: Value| scaled(&json!({"policies": [policy]}));
    refused(&[
        (both, &["set replicas or autoscaling, not both", "remove replicas"]),
        (nothing, &["autoscaling follows a consumer group: add consumes"]),
        (scaled(&json!({"minReplicas": 13})), &["spec.connectors[0].autoscaling", "minReplicas must not exceed maxReplicas: lower"]),
        (scaled(&json!({"minReplicas": -1})), &["spec.connectors[0].autoscaling.minReplicas"]),
        (scaled(&json!({"maxReplicas": 1001})), &["spec.connectors[0].autoscaling.maxReplicas"]),
        (scaled(&json!({"interval": "10m"})), &["interval must lie between 1s and 5m"]),
        (scaled(&json!({"interval": "1.5s"})), &["spec.connectors[0].autoscaling.interval"]),
        (scaled(&json!({"policies": []})), &["autoscaling needs at least one of policies, schedules and profiles"]),
        (policy(json!({"name": "p"})), &["a policy has exactly one of targetTracking, step"]),
        (scaled(&json!({"overrideFor": "169h"})), &["overrideFor must not exceed 168h"]),
        (scaled(&json!({"activation": {"idleFor": "169h"}})), &["idleFor must not exceed 168h"]),
        (scaled(&json!({"defaultReplicas": 13})), &["defaultReplicas must lie between"]),
        (policy(json!({"name": "p", "targetTracking": {"metric": "lag", "target": 0}})), &["targetTracking", "target must be above 0"]),
        (
            policy(json!({"name": "p", "targetTracking": {"metric": "lag", "target": 1, "catchUp": "5m"}})),
            &["utilization and catchUp", "timeLag"],
        ),
    ])
    .await;
}

/// One step policy with these bands.
#[tokio::test]
async fn further_series_are_checked() {
    let metrics = |metrics: Value| scaled(&json!({"metrics": metrics}));
    let named = |name: &str| metrics(json!([{"name": name, "expression": "1"}]));
    let asked = |fields: Value| {
        let mut query = json!({"serverAddress": "https://p:9090/prefix", "query": "up"});
        query
            .as_object_mut()
            .unwrap()
            .extend(fields.as_object().unwrap().clone());
        metrics(json!([{"name": "m", "prometheus": query}]))
    };
    let many: Vec<Value> = (0..21)
        .map(|i| json!({"name": format!("m{i}"), "expression": "1"}))
        .collect();
    let one_of = "a metric has exactly one of prometheus and expression";
    refused(&[
        (metrics(json!([{"name": "m"}])), &[one_of]),
        (metrics(json!([{"name": "m", "expression": "1", "prometheus": {"serverAddress": "http://p", "query": "up"}}])), &[one_of]),
        (named("lag"), &["are always there: choose another name"]),
        (named("in"), &["mean something else in expressions: choose another name"]),
        (named("a-b"), &["spec.connectors[0].autoscaling.metrics[0].name"]),
        (named("1a"), &["spec.connectors[0].autoscaling.metrics[0].name"]),
        (metrics(json!([{"name": "m", "expression": "1"}, {"name": "m", "expression": "2"}])), &["Duplicate value"]),
        (metrics(json!(many)), &["spec.connectors[0].autoscaling.metrics", "must have at most 20 items"]),
        (metrics(json!([{"name": "m", "expression": "1".repeat(513)}])), &["metrics[0].expression"]),
        (asked(json!({"serverAddress": "file:///etc/passwd"})), &["prometheus.serverAddress"]),
        (asked(json!({"serverAddress": "http://user:word@p"})), &["prometheus.serverAddress"]),
        (asked(json!({"serverAddress": "http://p?query=up"})), &["prometheus.serverAddress"]),
        (
            asked(json!({"authentication": {"bearerTokenSecretRef": {"name": "s", "key": "t"}, "basicAuthSecretRef": {"name": "s"}}})),
            &["at most one of bearerTokenSecretRef and basicAuthSecretRef"],
        ),
        (
            asked(json!({"serverAddress": "http://p", "authentication": {"caSecretRef": {"name": "ca"}}})),
            &["caSecretRef is for an https address"],
        ),
        (asked(json!({"authentication": {"bearerTokenSecretRef": {"name": "../s", "key": "t"}}})), &["bearerTokenSecretRef.name"]),
    ])
    .await;
    accepted(&[
        asked(json!({})),
        asked(json!({"authentication": {"bearerTokenSecretRef": {"name": "s", "key": "t"}, "caSecretRef": {"name": "ca"}}})),
        scaled(&json!({
            "metrics": [{"name": "a", "expression": "lag / 2"}, {"name": "b_2", "expression": "a > 1 ? a : 0"}],
            "policies": [{"name": "p", "targetTracking": {"metric": "b_2", "target": 3, "of": "Total"}}],
        })),
    ])
    .await;
}

fn steps(steps: &Value) -> Value {
    let step = json!({"metric": "lag", "threshold": 50, "steps": steps});
    scaled(&json!({"policies": [{"name": "p", "step": step}]}))
}

#[tokio::test]
async fn the_bands_of_a_step_policy_cover_every_value_once() {
    accepted(&[
        steps(&json!([{"lowerBound": 0, "adjustment": 1}])),
        steps(&json!([{"upperBound": 0, "adjustment": -1}])),
        steps(&json!([{"lowerBound": 10, "upperBound": 20.5, "adjustment": 1}, {"lowerBound": 20.5, "adjustment": 3}])),
        steps(&json!([
            {"upperBound": -20, "adjustment": -3}, {"lowerBound": -20, "upperBound": -10, "adjustment": -1},
            {"lowerBound": -10, "upperBound": 0, "adjustment": 0},
        ])),
        steps(&json!([
            {"upperBound": -10, "adjustment": 1}, {"lowerBound": -10, "upperBound": 10, "adjustment": 2},
            {"lowerBound": 10, "adjustment": 3},
        ])),
    ])
    .await;
    let (ends, begins) = (
        "a step ends where no other begins",
        "a step begins where no other ends",
    );
    refused(&[
        (steps(&json!([{"adjustment": 1}])), &["a step needs lowerBound, upperBound or both"]),
        (steps(&json!([{"lowerBound": 5, "upperBound": 5, "adjustment": 1}])), &["lowerBound must be below upperBound"]),
        (
            steps(&json!([{"lowerBound": 0, "upperBound": 10, "adjustment": 1}, {"lowerBound": 20, "adjustment": 3}])),
            &["spec.connectors[0].autoscaling", ends],
        ),
        (
            steps(&json!([{"lowerBound": -9, "upperBound": 0, "adjustment": -1}, {"upperBound": -6, "adjustment": -4}])),
            &["spec.connectors[0].autoscaling", begins],
        ),
        (
            steps(&json!([{"lowerBound": 0, "adjustment": 1}, {"lowerBound": 10, "adjustment": 3}])),
            &[begins],
        ),
        (
            steps(&json!([{"lowerBound": 0, "upperBound": 10, "adjustment": 1}, {"lowerBound": 10, "upperBound": 20, "adjustment": 3}])),
            &[ends],
        ),
        (
            steps(&json!([{"lowerBound": -10, "upperBound": 0, "adjustment": -1}, {"lowerBound": -20, "upperBound": -10, "adjustment": -3}])),
            &[begins],
        ),
        (
            steps(&json!([
                {"lowerBound": 0, "upperBound": 10, "adjustment": 1}, {"lowerBound": 0, "upperBound": 10, "adjustment": 1},
                {"lowerBound": 10, "adjustment": 3},
            ])),
            &[begins],
        ),
    ])
    .await;
}

#[tokio::test]
async fn schedules_and_profiles_are_checked() {
    let schedule = |fields: Value| {
        let mut schedule = json!({"name": "s", "schedule": "0 6 * * 1-5", "timeZone": "Europe/Paris",
            "duration": "8h", "minReplicas": 4});
        let fields = fields.as_object().unwrap().clone();
        schedule.as_object_mut().unwrap().extend(fields);
        schedule
            .as_object_mut()
            .unwrap()
            .retain(|_, value| !value.is_null());
        scaled(&json!({"schedules": [schedule]}))
    };
    let profile = |fields: Value| {
        let mut profile =
            json!({"name": "p", "capacity": {"minimum": 2, "maximum": 8, "default": 4}});
        let fields = fields.as_object().unwrap().clone();
        profile.as_object_mut().unwrap().extend(fields);
        scaled(&json!({"profiles": [profile]}))
    };
    let weekly = json!({"days": ["Monday"], "hours": [8], "minutes": [0], "duration": "10h"});
    let week = |field: &str, value: Value| {
        let mut weekly = weekly.clone();
        weekly[field] = value;
        profile(json!({"recurrence": weekly}))
    };
    let date = |start: &str, end: &str| profile(json!({"fixedDate": {"start": start, "end": end}}));
    accepted(&[
        schedule(json!({})),
        schedule(json!({"schedule": null, "at": "2026-01-05T08:00:00Z"})),
        schedule(json!({"minReplicas": null, "duration": null, "replicas": 6})),
        schedule(json!({"start": "2026-01-05T08:00:00Z", "end": "2026-02-05T08:00:00Z"})),
        week("hours", json!([8, 20])),
        date("2026-12-24T00:00:00", "2026-12-27T00:00:00"),
    ])
    .await;
    refused(&[
        (schedule(json!({"schedule": "0 6 * *"})), &["schedules[0].schedule"]),
        (schedule(json!({"schedule": "0 6 ? * 1#2"})), &["schedules[0].schedule"]),
        (schedule(json!({"schedule": null})), &["exactly one of schedule (cron) and at"]),
        (schedule(json!({"minReplicas": null})), &["a schedule sets minReplicas, maxReplicas, replicas"]),
        (schedule(json!({"maxReplicas": 3})), &["minReplicas must not exceed maxReplicas"]),
        (schedule(json!({"duration": null})), &["bounds of a schedule need duration"]),
        (schedule(json!({"duration": "169h"})), &["duration must lie between 1s and 168h"]),
        (
            schedule(json!({"schedule": null, "at": "2026-01-05T08:00:00Z", "end": "2026-02-05T08:00:00Z"})),
            &["at is one time: remove them"],
        ),
        (
            schedule(json!({"start": "2026-02-05T08:00:00Z", "end": "2026-01-05T08:00:00Z"})),
            &["start must be before end"],
        ),
        (profile(json!({})), &["a profile has exactly one of fixedDate and recurrence"]),
        (
            profile(json!({"recurrence": weekly, "capacity": {"minimum": 2, "maximum": 8, "default": 9}})),
            &["minimum <= default <= maximum"],
        ),
        (week("hours", json!([24])), &["recurrence.hours[0]"]),
        (week("duration", json!("0s")), &["duration must lie between 1s and 168h"]),
        (week("days", json!(["Someday"])), &["recurrence.days[0]"]),
        (date("2026-12-27T00:00:00", "2026-12-24T00:00:00"), &["start must be before end"]),
        (date("tomorrow", "2026-12-24T00:00:00"), &["fixedDate.start"]),
    ])
    .await;
}

#[tokio::test]
async fn pods_are_checked() {
    let volume = |fields: Value| {
        let mut volume = json!({"name": "v", "mountPath": "/v"});
        volume
            .as_object_mut()
            .unwrap()
            .extend(fields.as_object().unwrap().clone());
        container(&json!({"volumes": [volume]}))
    };
    let variable = |fields: Value| container(&json!({"env": [fields]}));
    refused(&[
        (container(&json!({"runAsUser": 0})), &["container.runAsUser", "greater than or equal to 1"]),
        (container(&json!({"fsGroup": 0})), &["container.fsGroup"]),
        (container(&json!({"image": ""})), &["container.image"]),
        (volume(json!({})), &["volumes[0]", "set exactly one of configMap, secret"]),
        (volume(json!({"emptyDir": {}, "configMap": {"name": "c"}})), &["set exactly one of configMap, secret"]),
        (volume(json!({"hostPath": {"path": "/"}})), &["unknown field", "hostPath"]),
        (volume(json!({"emptyDir": {}, "mountPath": "relative"})), &["volumes[0].mountPath"]),
        (volume(json!({"emptyDir": {}, "subPath": "a/../../b"})), &["volumes[0]", "subPath must be relative"]),
        (
            container(&json!({"volumes": [
                {"name": "a", "mountPath": "/v", "emptyDir": {}}, {"name": "b", "mountPath": "/v", "emptyDir": {}}
            ]})),
            &["two volumes have the same mountPath", "change one"],
        ),
        (variable(json!({"name": "KAFKA_GROUP_ID", "value": "x"})), &["env must not set", "Sluice sets them"]),
        (variable(json!({"name": "A", "value": "x", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}})), &["set value or valueFrom, not both"]),
        (variable(json!({"name": "A", "valueFrom": {}})), &["set exactly one of secretKeyRef and configMapKeyRef"]),
        (container(&json!({"envFrom": [{}]})), &["set exactly one of secretRef and configMapRef"]),
        (container(&json!({"resources": {"requests": {"cpu": "much"}}})), &["resources.requests"]),
        (container(&json!({"resources": {"requests": {"CPU!": "1"}}})), &["container.resources", "none of cpu, memory"]),
        (
            container(&json!({"readinessProbe": {"periodSeconds": 5}})),
            &["readinessProbe", "set exactly one of httpGet, tcpSocket and exec"],
        ),
        (container(&json!({"ports": [{"containerPort": 70_000}]})), &["ports[0].containerPort"]),
        (container(&json!({"labels": {"sluice.dev/pipeline": "other"}})), &["labels must not begin with sluice.dev/"]),
        (container(&json!({"labels": {"a b": "c"}})), &["labels", "letters, digits"]),
        (container(&json!({"labels": {"a": "b c"}})), &["container.labels"]),
        (container(&json!({"annotations": {"sluice.dev/config-digest": "x"}})), &["annotations must not begin with sluice.dev/"]),
        (container(&json!({"tolerations": [{"operator": "Exists", "value": "x"}]})), &["tolerations[0]", "remove value"]),
        (container(&json!({"tolerations": [{"operator": "Equal", "value": "x"}]})), &["tolerations[0]", "key"]),
        (
            container(&json!({"topologySpreadConstraints": [{"maxSkew": 0, "topologyKey": "k", "whenUnsatisfiable": "DoNotSchedule"}]})),
            &["topologySpreadConstraints[0].maxSkew"],
        ),
    ])
    .await;
}

#[tokio::test]
async fn defaults_are_filled_in_and_status_waits_from_the_first_second() {
    let api = shared();
    let created = admit(&api.client(), "default", &scaled(&json!({})))
        .await
        .unwrap();
    assert_eq!(created["status"], json!({"observedGeneration": -1}));
    let topic = &created["spec"]["topics"][0];
    assert_eq!(
        topic,
        &json!({"name": "readings", "management": "Managed", "configPolicy": "Declared", "adopt": "IfEqual", "deletionPolicy": "Retain"})
    );
    let connector = &created["spec"]["connectors"][0];
    assert_eq!(connector["consumes"]["offsetReset"], "Earliest");
    let scaling = &connector["autoscaling"];
    assert_eq!(
        [
            &scaling["minReplicas"],
            &scaling["interval"],
            &scaling["warmup"]
        ],
        [&json!(1), &json!("5s"), &json!("1m")]
    );
}

#[tokio::test]
async fn partitions_grow_and_never_shrink() {
    let server = shared();
    let namespace = server.namespace().await;
    let api: Api<IngestionPipeline> = Api::namespaced(server.client(), &namespace);
    let created = serde_json::from_value(topic(&json!({"partitions": 4}))).unwrap();
    api.create(&PostParams::default(), &created).await.unwrap();
    let set = async |topics: Value| {
        let patch = json!({"spec": {"topics": topics}});
        api.patch("p", &PatchParams::default(), &Patch::Merge(patch))
            .await
    };
    set(json!([{"name": "first"}, {"name": "readings", "partitions": 6}]))
        .await
        .unwrap();
    let refused = set(json!([{"name": "readings", "partitions": 5}]))
        .await
        .unwrap_err();
    let refused = refused.to_string();
    assert!(
        refused.contains("spec.topics[0]")
            && refused.contains("partitions cannot shrink")
            && refused.contains("keep the old value or raise it"),
        "{refused}"
    );
    api.delete("p", &DeleteParams::default()).await.unwrap();
}

#[tokio::test]
async fn the_columns_show_how_a_pipeline_stands() {
    let server = shared();
    let client = server.client();
    let namespace = server.namespace().await;
    let api: Api<IngestionPipeline> = Api::namespaced(client.clone(), &namespace);
    let created = serde_json::from_value(with(&json!({}))).unwrap();
    api.create(&PostParams::default(), &created).await.unwrap();
    let status = json!({"status": {
        "observedGeneration": 1,
        "conditions": [{"type": "Ready", "status": "True", "reason": "AsDeclared", "message": "all is well", "lastTransitionTime": "2026-01-01T00:00:00Z"}],
        "summary": {"topics": "2/3", "replicas": 6, "lag": 1200, "timeLagSeconds": 4},
    }});
    api.patch_status("p", &PatchParams::default(), &Patch::Merge(status))
        .await
        .unwrap();
    let request = Request::get(format!(
        "/apis/sluice.dev/v1alpha1/namespaces/{namespace}/ingestionpipelines"
    ))
    .header("Accept", "application/json;as=Table;v=v1;g=meta.k8s.io")
    .body(Vec::new())
    .unwrap();
    let table: Value = client.request(request).await.unwrap();
    let columns: Vec<_> = table["columnDefinitions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| c["name"].as_str().unwrap())
        .collect();
    assert_eq!(
        columns,
        [
            "Name", "Ready", "Topics", "Replicas", "Lag", "Behind", "Age", "Message"
        ]
    );
    let cells = table["rows"][0]["cells"].as_array().unwrap();
    assert_eq!(
        &cells[..6],
        &[
            json!("p"),
            json!("True"),
            json!("2/3"),
            json!(6),
            json!(1200),
            json!(4)
        ]
    );
    assert_eq!(cells[7], "all is well");
}
