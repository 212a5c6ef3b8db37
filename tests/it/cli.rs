//! The binary as a tool: `check`, `plan`, `top` and `why` as a person calls them, against a real apiserver
//! and a real broker.

use std::{
    collections::BTreeSet,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use serde_json::{Value, json};
use sluice::{
    api::IngestionPipelineStatus,
    k8s::rights::{Place, RIGHTS},
};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use crate::support::{
    apiserver, cache, eventually,
    kafka::{self, free_port},
    operator::{self, Tenant},
};

/// What a call of the program printed, and how it ended.
struct Ended {
    code: i32,
    out: String,
    err: String,
}

impl Ended {
    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|_| panic!("{}\n{}", self.out, self.err))
    }
}

/// A person at a terminal: a kubeconfig whose context is in one namespace, and some files.
struct Person {
    folder: TempDir,
}

impl Person {
    /// With every right in the cluster, or as another user.
    fn new(namespace: &str, user: Option<&str>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let text = fs::read_to_string(apiserver::shared().kubeconfig()).unwrap();
        let mut kubeconfig: Value = serde_json::from_str(&text).unwrap();
        kubeconfig["contexts"][0]["context"]["namespace"] = json!(namespace);
        if let Some(user) = user {
            kubeconfig["users"][0]["user"]["as"] = json!(user);
        }
        fs::write(folder.path().join("kubeconfig"), kubeconfig.to_string()).unwrap();
        Self { folder }
    }

    fn file(&self, pipeline: &Value) -> PathBuf {
        let path = self.folder.path().join("pipeline.json");
        fs::write(&path, pipeline.to_string()).unwrap();
        path
    }

    fn run(&self, args: &[&str]) -> Ended {
        let output = Command::new(env!("CARGO_BIN_EXE_sluice"))
            .args(args)
            .env("KUBECONFIG", self.folder.path().join("kubeconfig"))
            .output()
            .unwrap();
        Ended {
            code: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    fn plan_live(&self, file: &Path) -> Ended {
        let namespace = operator::OPERATOR_NAMESPACE;
        let file = file.to_str().unwrap();
        let args = ["plan", file, "--live", "-o", "json", "--operator-namespace"];
        self.run(&[&args[..], &[namespace]].concat())
    }
}

fn pipeline(name: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": "sluice.dev/v1alpha1",
        "kind": "IngestionPipeline",
        "metadata": {"name": name},
        "spec": spec,
    })
}

/// A topic, and pods that write to it.
fn spec(bootstrap: &str, topic: &str, partitions: i32) -> Value {
    json!({
        "kafka": {"bootstrapServers": bootstrap},
        "topics": [{"name": topic, "partitions": partitions, "replicationFactor": 1}],
        "connectors": [{"name": "make", "role": "Source", "container": {"image": "example/make:1"}}],
    })
}

fn steps(plan: &Value) -> Vec<&str> {
    let steps = plan["pipelines"][0]["steps"].as_array().unwrap();
    steps
        .iter()
        .map(|step| step["step"].as_str().unwrap())
        .collect()
}

/// Resource versions once nothing has changed for two seconds.
async fn settled(tenant: &Tenant) -> Vec<String> {
    let start = Instant::now();
    loop {
        let before = tenant.versions().await;
        sleep(Duration::from_secs(2)).await;
        if tenant.versions().await == before {
            return before;
        }
        assert!(
            start.elapsed() < Duration::from_secs(30),
            "it never settles"
        );
    }
}

#[tokio::test]
async fn a_live_plan_tells_what_the_operator_then_does_and_nothing_afterwards() {
    let (tenant, client) = (Tenant::new().await, kafka::shared().client().await);
    let topic = format!("{}.planned", tenant.namespace);
    let spec = |partitions| spec(&kafka::shared().bootstrap(), &topic, partitions);
    let person = Person::new(&tenant.namespace, None);

    let file = person.file(&pipeline("p", &spec(2)));
    let ended = person.plan_live(&file);
    let plan = ended.json();
    assert_eq!(ended.code, 1, "{}", ended.err);
    assert_eq!(steps(&plan), ["claim", "createTopic", "createDeployment"]);
    assert_eq!(plan["pipelines"][0]["object"], "create");
    assert_eq!(plan["pipelines"][0]["namespace"], tenant.namespace);
    assert_eq!(
        tenant.versions().await,
        Vec::<String>::new(),
        "nothing was made"
    );
    assert_eq!(tenant.claims("p").await, 0);
    let topics = async |name: &str| {
        let names = [name.to_owned()];
        sluice::kafka::read::topics(&client, &names).await.unwrap()[name]
            .clone()
            .unwrap()
    };
    assert_eq!(topics(&topic).await, None);

    tenant.apply("p", spec(2)).await;
    eventually("topic and Deployment are there", async || {
        let deployment = tenant.deployments().get_opt("p-make").await.unwrap();
        (deployment.is_some() && topics(&topic).await.is_some()).then_some(())
    })
    .await;
    let versions = settled(&tenant).await;
    let ended = person.plan_live(&file);
    assert_eq!(ended.code, 0, "{}{}", ended.out, ended.err);
    assert_eq!(ended.json()["changes"], false);

    let ended = person.plan_live(&person.file(&pipeline("p", &spec(4))));
    let plan = ended.json();
    assert_eq!(ended.code, 1, "{}", ended.err);
    assert_eq!(steps(&plan), ["growTopic"]);
    assert_eq!(
        plan["pipelines"][0]["steps"][0]["change"],
        "grow from 2 to 4 partitions"
    );
    let fields = json!([format!("spec.topics[{topic}].partitions")]);
    assert_eq!(plan["pipelines"][0]["fields"], fields);

    let mut newer = spec(2);
    newer["connectors"][0]["container"]["image"] = json!("example/make:2");
    let ended = person.plan_live(&person.file(&pipeline("p", &newer)));
    let plan = ended.json();
    assert_eq!(steps(&plan), ["applyDeployment"]);
    let change = plan["pipelines"][0]["steps"][0]["change"].as_str().unwrap();
    let expected = "change Deployment p-make: spec.template.spec.containers[make].image";
    assert_eq!(change, expected);

    let ended = person.plan_live(&person.file(&pipeline("p", &spec(1))));
    assert_eq!(ended.code, 2, "{}", ended.out);
    assert!(
        ended.err.contains("partitions cannot shrink"),
        "{}",
        ended.err
    );
    assert_eq!(ended.out, "");

    assert_eq!(tenant.versions().await, versions, "nothing was written");
    assert_eq!(topics(&topic).await.unwrap().partitions, 2);
}

#[tokio::test]
async fn a_live_plan_needs_no_right_to_write_and_says_what_it_cannot_tell() {
    let tenant = Tenant::new().await;
    let user = format!("viewer-{}", tenant.namespace);
    kubectl_apply(&[
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
            "metadata": {"name": user},
            "rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["get", "list"]}],
        }),
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
            "metadata": {"name": user},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": user},
            "subjects": [{"kind": "User", "name": user}],
        }),
    ]);
    let person = Person::new(&tenant.namespace, Some(&user));
    let topic = format!("{}.viewed", tenant.namespace);
    let file = person.file(&pipeline(
        "p",
        &spec(&kafka::shared().bootstrap(), &topic, 1),
    ));
    let ended = person.plan_live(&file);
    assert_eq!(ended.code, 1, "{}", ended.err);
    assert!(
        ended.err.contains("rules were not checked"),
        "{}",
        ended.err
    );
    assert_eq!(
        steps(&ended.json()),
        ["claim", "createTopic", "createDeployment"]
    );

    let nowhere = format!("127.0.0.1:{}", free_port());
    let file = person.file(&pipeline("p", &spec(&nowhere, &topic, 1)));
    let ended = person.plan_live(&file);
    assert_eq!(
        ended.code, 2,
        "a Kafka that is away is not nothing to do: {}",
        ended.out
    );
    let unknown = ended.json()["pipelines"][0]["unknown"].to_string();
    assert!(unknown.contains("cannot be reached"), "{unknown}");
}

#[test]
fn a_plan_without_a_cluster_asks_nobody() {
    let person = Person {
        folder: tempfile::tempdir().unwrap(),
    };
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/manifests/file-to-kafka.yaml");
    let ended = person.run(&["plan", manifest, "-n", "plant", "-o", "json"]);
    assert_eq!(ended.code, 1, "{}", ended.err);
    assert!(ended.err.contains("passed over"), "{}", ended.err);
    let plan = ended.json();
    assert_eq!(plan["live"], false);
    assert_eq!(steps(&plan).last(), Some(&"createConnector"));
    assert_eq!(plan["pipelines"][0]["namespace"], "plant");
    // What admission cannot refuse, a plan does: a cron expression that no day meets.
    let text = fs::read_to_string(manifest.replace("file-to-kafka", "scheduled")).unwrap();
    let never = person.folder.path().join("never.yaml");
    fs::write(&never, text.replace("0 7 * * 1-5", "0 7 31 2 *")).unwrap();
    let ended = person.run(&["plan", never.to_str().unwrap()]);
    assert_eq!((ended.code, ended.out.as_str()), (2, ""));
    let place = "spec.connectors[sell].autoscaling.schedules[0].schedule: it never occurs";
    assert!(ended.err.contains(place), "{}", ended.err);
    let ended = person.run(&["plan", "/does/not/exist.yaml"]);
    assert_eq!(ended.code, 2);
    assert!(ended.err.contains("/does/not/exist.yaml"), "{}", ended.err);
}

#[tokio::test]
async fn check_tells_a_pipeline_that_works_from_one_that_does_not() {
    let tenant = Tenant::new().await;
    let person = Person::new(&tenant.namespace, None);
    let topics = |bootstrap: &str| {
        let topic = format!("{}.checked", tenant.namespace);
        json!({"kafka": {"bootstrapServers": bootstrap}, "topics": [{"name": topic, "partitions": 1}]})
    };
    tenant
        .apply("good", topics(&kafka::shared().bootstrap()))
        .await;
    let ended = person.run(&["check", "--pipeline", "good", "--wait", "30s", "-o", "json"]);
    let found = ended.json();
    assert_eq!(ended.code, 0, "{}{}", ended.out, ended.err);
    let line = |found: &Value, check: &str, object: &str| {
        let object = format!("{}/{object}", tenant.namespace);
        let lines = found["checks"].as_array().unwrap().iter();
        let mut of = lines.filter(|l| l["check"] == check && l["object"] == *object);
        let line = of
            .next()
            .unwrap_or_else(|| panic!("no {check} {object} in {found}"));
        (line["outcome"].clone(), line["message"].to_string())
    };
    assert_eq!(found["checks"][0]["check"], "definition");
    assert_eq!(found["checks"][0]["outcome"], "ok", "{found}");
    assert_eq!(found["checks"][1]["outcome"], "ok", "{found}");
    assert_eq!(line(&found, "kafka", "good").0, "ok");
    let ready = &found["conditions"].as_array().unwrap()[0];
    assert_eq!(
        (&ready["type"], &ready["status"]),
        (&json!("Ready"), &json!("True"))
    );

    let nowhere = format!("127.0.0.1:{}", free_port());
    tenant.apply("bad", topics(&nowhere)).await;
    tenant.refused("bad", "KafkaUnreachable").await;
    let ended = person.run(&["check", "-o", "json"]);
    let found = ended.json();
    assert_eq!(ended.code, 1, "{}", ended.err);
    assert_eq!(line(&found, "pipeline", "good").0, "ok");
    let (outcome, message) = line(&found, "kafka", "bad");
    assert_eq!(outcome, "problem");
    assert!(message.contains(&nowhere), "{message}");
    let (outcome, message) = line(&found, "pipeline", "bad");
    assert_eq!(outcome, "problem");
    assert!(message.contains("KafkaUnreachable"), "{message}");

    let ended = person.run(&["check", "--pipeline", "none", "-o", "json"]);
    assert_eq!(ended.code, 1);
    assert_eq!(line(&ended.json(), "pipeline", "none").0, "problem");
    let message = format!("no pipeline none in namespace {}", tenant.namespace);
    let ended = person.run(&["top", "none", "--once"]);
    assert_eq!(ended.code, 2);
    assert!(ended.err.contains(&message), "{}", ended.err);
}

/// A pipeline whose pods follow 100 unread records each; `name` of its connector.
fn scaled(tenant: &Tenant, block: &Value) -> Value {
    let topic = format!("{}.asked", tenant.namespace);
    json!({
        "kafka": {"bootstrapServers": kafka::shared().bootstrap()},
        "topics": [{"name": topic, "partitions": 6}],
        "connectors": [
            {"name": "work", "role": "Processor", "container": {"image": "example/none:1"},
             "consumes": {"group": topic, "topics": [topic]}, "autoscaling": block},
            {"name": "fixed", "role": "Source", "container": {"image": "example/none:1"}},
        ],
    })
}

#[tokio::test]
async fn why_tells_a_decision_in_the_words_of_its_event() {
    let tenant = Tenant::new().await;
    let person = Person::new(&tenant.namespace, None);
    let mut block = json!({
        "maxReplicas": 4, "interval": "1s", "partitions": {"align": false},
        "policies": [{"name": "lag", "targetTracking": {"metric": "lag", "target": 100}}],
    });
    tenant.apply("p", scaled(&tenant, &block)).await;
    let wait = |s: &IngestionPipelineStatus| s.connectors.iter().any(|c| c.replicas == Some(1));
    tenant.until("p", 30, wait).await;
    let topic = format!("{}.asked", tenant.namespace);
    for partition in 0..6 {
        kafka::shared().produce(&topic, partition, 1000);
    }
    let wait =
        |s: &IngestionPipelineStatus| s.connectors[0].decisions.first().is_some_and(|d| d.to == 4);
    tenant.until("p", 30, wait).await;
    let ended = person.run(&["why", "p", "-o", "json", "--last", "10"]);
    assert_eq!(ended.code, 0, "{}{}", ended.out, ended.err);
    assert!(ended.err.contains("from status"), "{}", ended.err);
    let told = ended.json();
    assert_eq!(told["source"], "status");
    let connectors = told["connectors"].as_array().unwrap();
    assert_eq!(connectors.len(), 1, "{told:#}");
    let decisions = connectors[0]["decisions"].as_array().unwrap();
    let decision = decisions
        .iter()
        .find(|decision| decision["to"] == 4)
        .unwrap();
    let notes = tenant.told("ScaledOut").await;
    assert!(
        notes.iter().any(|note| decision["headline"] == **note),
        "{notes:?} {decision:#}"
    );
    let outlook = connectors[0]["decisions"][0]["outlook"].to_string();
    assert!(outlook.contains("raise maxReplicas (4)"), "{told:#}");

    for format in ["table", "yaml"] {
        let ended = person.run(&["why", "p", "work", "-o", format]);
        assert_eq!(ended.code, 0, "{}", ended.err);
        assert!(ended.out.contains("policy/lag"), "{}", ended.out);
        assert!(!ended.out.contains('\x1b'), "colours are for terminals");
    }
    for (args, words) in [
        (&["why", "none"][..], "there is no pipeline none"),
        (
            &["why", "p", "none"],
            "there is no connector none: the pipeline has work, fixed",
        ),
        (&["why", "p", "fixed"], "fixed has no autoscaling block"),
    ] {
        let ended = person.run(args);
        assert_eq!((ended.code, ended.out.as_str()), (2, ""), "{args:?}");
        assert!(ended.err.contains(words), "{}", ended.err);
    }

    block["mode"] = json!("Shadow");
    tenant.apply("p", scaled(&tenant, &block)).await;
    let wait = |s: &IngestionPipelineStatus| operator::condition(s, "ScalingActive").1 == "Shadow";
    let status = tenant.until("p", 30, wait).await;
    assert_eq!(status.connectors[0].shadow_replicas, Some(4));
    let ended = person.run(&["why", "p"]);
    assert_eq!(ended.code, 1, "{}{}", ended.out, ended.err);
    assert!(
        ended.out.contains("connector work: Shadow: "),
        "{}",
        ended.out
    );
}

#[tokio::test]
async fn check_names_each_right_that_the_operator_lacks() {
    let namespace = apiserver::shared().namespace().await;
    let objects: Vec<Value> = rendered(&namespace)
        .into_iter()
        .filter(|object| object["apiVersion"] == "rbac.authorization.k8s.io/v1")
        .collect();
    kubectl_apply(&objects);
    let person = Person::new(&namespace, None);
    let check = || {
        let args = [
            "check",
            "-A",
            "--as-operator",
            "--operator-namespace",
            &namespace,
        ];
        let rights = person.run(&[&args[..], &["-o", "json"]].concat()).json();
        let lines = rights["checks"].as_array().unwrap().clone();
        let rights = lines.into_iter().filter(|line| line["check"] == "rights");
        rights.collect::<Vec<Value>>()
    };
    let lines = check();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!(lines[0]["outcome"], "ok", "{lines:?}");
    let account = format!("system:serviceaccount:{namespace}:sluice");
    assert_eq!(lines[0]["object"], *account);

    let mut role = objects
        .iter()
        .find(|o| is_operators(o, &namespace))
        .unwrap()
        .clone();
    for rule in role["rules"].as_array_mut().unwrap() {
        if rule["resources"][0] == "deployments/scale" {
            rule["verbs"] = json!(["get"]);
        }
    }
    kubectl_apply(&[role]);
    let lines = eventually("the right is gone", async || {
        let lines = check();
        (lines[0]["outcome"] == "problem").then_some(lines)
    })
    .await;
    assert_eq!(lines.len(), 1, "{lines:?}");
    let message = lines[0]["message"].as_str().unwrap();
    let expected = "may not patch deployments/scale of apps in all namespaces";
    assert!(message.starts_with(expected), "{message}");
}

/// The operator's own role; others of the chart are for people.
fn is_operators(object: &Value, namespace: &str) -> bool {
    object["kind"] == "ClusterRole" && object["metadata"]["name"] == format!("{namespace}:sluice")
}

#[test]
fn the_chart_grants_exactly_the_rights_that_are_checked() {
    let mut granted = BTreeSet::new();
    for object in rendered("sluice-system") {
        let in_operator = match object["kind"].as_str() {
            Some("ClusterRole") if is_operators(&object, "sluice-system") => false,
            Some("Role") => true,
            _ => continue,
        };
        for rule in object["rules"].as_array().unwrap() {
            granted.extend(rules(rule).map(|right| (right, in_operator)));
        }
    }
    let needed: BTreeSet<_> = RIGHTS
        .iter()
        .flat_map(|right| {
            let name = right.name.unwrap_or_default();
            right.verbs.iter().map(move |verb| {
                let words = [right.group, right.resource, name, verb].map(str::to_owned);
                (words, right.place == Place::Operator)
            })
        })
        .collect();
    let missing: Vec<_> = needed.difference(&granted).collect();
    let unused: Vec<_> = granted.difference(&needed).collect();
    assert!(missing.is_empty(), "the chart does not grant {missing:?}");
    assert!(
        unused.is_empty(),
        "src/k8s/rights.rs does not have {unused:?}"
    );
}

/// Group, resource, name and verb of everything that a rule grants.
fn rules(rule: &Value) -> impl Iterator<Item = [String; 4]> {
    let words = |key: &str| -> Vec<String> {
        let words = rule[key].as_array().into_iter().flatten();
        words
            .map(|word| word.as_str().unwrap().to_owned())
            .collect()
    };
    let mut names = words("resourceNames");
    if names.is_empty() {
        names.push(String::new());
    }
    let mut found = Vec::new();
    for group in words("apiGroups") {
        for resource in words("resources") {
            for name in &names {
                for verb in words("verbs") {
                    found.push([group.clone(), resource.clone(), name.clone(), verb]);
                }
            }
        }
    }
    found.into_iter()
}

/// The objects of the chart with its defaults, released as `sluice` into this namespace.
fn rendered(namespace: &str) -> Vec<Value> {
    let chart = concat!(env!("CARGO_MANIFEST_DIR"), "/charts/sluice");
    let output = Command::new(cache().join("bin/helm"))
        .args(["template", "sluice", chart, "--namespace", namespace])
        .output()
        .expect("helm is missing: `make parts` builds it");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8(output.stdout).unwrap();
    serde_yaml::from_multiple(&text).unwrap()
}

fn kubectl_apply(objects: &[Value]) {
    let mut kubectl = Command::new(cache().join("bin/kubectl"))
        .args(["apply", "-f", "-", "--kubeconfig"])
        .arg(apiserver::shared().kubeconfig())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("kubectl is missing: `make parts` builds it");
    let list = json!({"apiVersion": "v1", "kind": "List", "items": objects});
    let mut stdin = kubectl.stdin.take().unwrap();
    stdin.write_all(list.to_string().as_bytes()).unwrap();
    drop(stdin);
    assert!(kubectl.wait().unwrap().success());
}
