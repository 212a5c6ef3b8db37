//! What the chart renders, put to a real apiserver: every object of every set of values under
//! charts/sluice/ci is accepted with strict validation, and the pods pass Pod Security *restricted*.

use std::{
    io::Write as _,
    path::Path,
    process::{Command, Output, Stdio},
};

use k8s_openapi::api::core::v1::{Namespace, Pod};
use kube::{
    Api,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};

use super::support::{apiserver, cache};

/// Namespace of the release.
const NAMESPACE: &str = "chart";

/// The objects of the chart with one set of values.
fn render(values: &Path) -> String {
    let chart = Path::new(env!("CARGO_MANIFEST_DIR")).join("charts/sluice");
    let output = Command::new(cache().join("bin/helm"))
        .args(["template", "sluice"])
        .arg(chart)
        .args(["--namespace", NAMESPACE, "--values"])
        .arg(values)
        .output()
        .expect("helm does not run: `make parts` builds it");
    text(&output)
}

/// What a program wrote; its errors when it failed.
fn text(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// Runs kubectl on the shared apiserver, with something to read.
fn kubectl(arguments: &[&str], input: &str) -> String {
    let mut kubectl = Command::new(cache().join("bin/kubectl"))
        .arg("--kubeconfig")
        .arg(apiserver::shared().kubeconfig())
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("kubectl does not run: `make parts` builds it");
    let mut pipe = kubectl.stdin.take().unwrap();
    pipe.write_all(input.as_bytes()).unwrap();
    drop(pipe);
    text(&kubectl.wait_with_output().unwrap())
}

/// The Prometheus operator's own definitions, so that monitors are looked at like everything else.
fn install_monitors() {
    let definitions = std::fs::read_to_string(cache().join("monitors.yaml"))
        .expect("the definitions of the monitors are missing: `make parts` fetches them");
    kubectl(&["apply", "--server-side", "--filename=-"], &definitions);
    let established = [
        "wait",
        "--for=condition=Established",
        "--timeout=30s",
        "--filename=-",
    ];
    kubectl(&established, &definitions);
}

/// Puts objects to the apiserver, which changes nothing and says what it thinks of every field.
fn dry_run(objects: &str) -> String {
    let apply = [
        "apply",
        "--server-side",
        "--force-conflicts",
        "--filename=-",
    ];
    let strictly = ["--dry-run=server", "--validate=strict"];
    kubectl(&[&apply[..], &strictly[..]].concat(), objects)
}

/// The namespaces that the sets of values name, closed to pods that are not restricted.
async fn namespaces() {
    let api = Api::<Namespace>::all(apiserver::shared().client());
    for name in [NAMESPACE, "team-a", "team-b"] {
        let labels = json!({"pod-security.kubernetes.io/enforce": "restricted"});
        let namespace = json!({
            "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels},
        });
        let params = PatchParams::apply("chart-test").force();
        let patch = Patch::Apply(&namespace);
        api.patch(name, &params, &patch).await.unwrap();
    }
}

/// A Deployment is only warned of a pod that its namespace will not let in: its pod is asked for.
async fn admit_pods(objects: &str) {
    let api = Api::<Pod>::namespaced(apiserver::shared().client(), NAMESPACE);
    let documents: Vec<Value> = serde_yaml::from_multiple(objects).unwrap();
    let deployments = documents.iter().filter(|d| d["kind"] == "Deployment");
    let mut asked = 0;
    for deployment in deployments {
        let mut pod = deployment["spec"]["template"].clone();
        pod["metadata"]["name"] = json!("sluice-pod");
        let pod: Pod = serde_json::from_value(pod).unwrap();
        let params = PostParams {
            dry_run: true,
            ..PostParams::default()
        };
        api.create(&params, &pod).await.unwrap();
        asked += 1;
    }
    assert_eq!(asked, 1);
}

#[tokio::test]
async fn the_apiserver_accepts_whatever_the_chart_renders() {
    namespaces().await;
    install_monitors();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("charts/sluice/ci");
    let mut sets = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let values = entry.unwrap().path();
        let objects = render(&values);
        let answer = dry_run(&objects);
        assert!(
            answer.contains("deployment.apps/"),
            "{}: {answer}",
            values.display()
        );
        admit_pods(&objects).await;
        sets += 1;
    }
    assert!(sets >= 3, "only {sets} sets of values");
}
