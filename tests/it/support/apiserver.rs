//! A real Kubernetes API on loopback: etcd, kube-apiserver and kube-controller-manager, with the
//! custom resource installed. One for all tests; each keeps apart by a namespace of its own. There
//! is no node: pods are made and stay pending. Nothing outlives the test process, however that
//! ends.
#![expect(
    clippy::disallowed_methods,
    reason = "a fixture: it uses clients and the clock directly, and a failure ends the test"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, Patch, PatchParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::{Request, Status};
use kube::runtime::wait::{await_condition, conditions};
use kube::{Client, Config, CustomResourceExt};
use serde_json::{Value, json};
use sluice::api::IngestionPipeline;

use super::kafka::free_port;

/// For a starting control plane; a busy machine takes several times the usual four seconds.
const PATIENCE: Duration = Duration::from_secs(90);

/// The bearer token of the tests' own user. Each of the users may do everything; the audit log
/// tells them apart.
const TOKEN: &str = "test";
/// Users for two operators, and their tokens.
pub const OPERATORS: [&str; 2] = ["operator-a", "operator-b"];

/// Keeps who asked for what, without the contents.
const AUDIT_POLICY: &str = "
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived, ResponseStarted]
rules:
  - level: Metadata
";

/// Ends the program when this side's end of the pipe closes, which the kernel does even after a
/// SIGKILL, and removes its folder.
const WATCHDOG: &str = r#"
folder=$1; shift
exec 3<&0
"$@" </dev/null 3<&- &
program=$!
(read -r _ <&3; kill -9 $program; rm -rf "$folder") 2>/dev/null &
wait $program
"#;

/// A running control plane.
pub struct Apiserver {
    folder: PathBuf,
    url: String,
    // Held for their pipes: see WATCHDOG.
    _processes: Vec<Child>,
}

/// The control plane that all tests share, started by the first that asks.
pub fn shared() -> &'static Apiserver {
    static SHARED: OnceLock<Option<Apiserver>> = OnceLock::new();
    once(&SHARED)
}

/// Another one, for tests that start operators of their own: the operator in this process works on
/// every namespace of the shared one.
pub fn without_operator() -> &'static Apiserver {
    static WITHOUT: OnceLock<Option<Apiserver>> = OnceLock::new();
    once(&WITHOUT)
}

/// One try for all tests: where it fails, each of them says so.
fn once(cell: &'static OnceLock<Option<Apiserver>>) -> &'static Apiserver {
    // On a thread of its own: a test's runtime does not let another one block inside it.
    let started = cell.get_or_init(|| thread::spawn(Apiserver::start).join().ok());
    let Some(apiserver) = started else {
        panic!("the control plane did not start: the first test that asked for it says why");
    };
    apiserver
}

impl Apiserver {
    /// Starts one of its own. Waits for it on this thread, which must not be one of a runtime's.
    pub fn start() -> Self {
        let folder = tempfile::Builder::new()
            .prefix("sluice-apiserver-")
            .tempdir()
            .unwrap()
            .keep();
        let [store, peers, port] = [free_port(), free_port(), free_port()];
        let url = format!("https://127.0.0.1:{port}");
        fs::write(
            folder.join("tokens"),
            [TOKEN, OPERATORS[0], OPERATORS[1]]
                .map(|user| format!("{user},{user},{user},system:masters\n"))
                .concat(),
        )
        .unwrap();
        fs::write(folder.join("audit-policy"), AUDIT_POLICY).unwrap();
        fs::write(folder.join("kubeconfig"), kubeconfig(&url, TOKEN)).unwrap();
        let store = format!("http://127.0.0.1:{store}");
        let mut processes = vec![
            run(&folder, "etcd", &etcd_flags(&folder, &store, peers)),
            run(
                &folder,
                "kube-apiserver",
                &apiserver_flags(&folder, &store, port),
            ),
        ];
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let started = Self {
            folder: folder.clone(),
            url,
            _processes: Vec::new(),
        };
        runtime.block_on(started.ready(&mut processes));
        runtime.block_on(started.install_crd());
        // After the custom resource: the garbage collector looks for new kinds only every 30 s.
        let manager = controller_manager_flags(&folder);
        processes.push(run(&folder, "kube-controller-manager", &manager));
        Self {
            _processes: processes,
            ..started
        }
    }

    async fn ready(&self, processes: &mut [Child]) {
        let client = self.client();
        let start = Instant::now();
        loop {
            let request = http::Request::get("/readyz").body(Vec::new()).unwrap();
            if client.request_text(request).await.is_ok() {
                return;
            }
            let ended = processes
                .iter_mut()
                .any(|p| p.try_wait().unwrap().is_some());
            assert!(
                !ended && start.elapsed() < PATIENCE,
                "the control plane did not start:\n{}\n{}",
                self.log_tail("etcd"),
                self.log_tail("kube-apiserver")
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn install_crd(&self) {
        let api: Api<CustomResourceDefinition> = Api::all(self.client());
        let name = IngestionPipeline::crd_name();
        let params = PatchParams::apply("sluice-tests").force();
        api.patch(name, &params, &Patch::Apply(sluice::api::crd()))
            .await
            .unwrap();
        let established = await_condition(api, name, conditions::is_crd_established());
        tokio::time::timeout(Duration::from_secs(30), established)
            .await
            .expect("the custom resource is not established after 30 s")
            .unwrap();
    }

    /// A client with every right. It belongs to the runtime that asks: do not share it between
    /// tests.
    pub fn client(&self) -> Client {
        Client::try_from(self.config()).unwrap()
    }

    /// How that client is configured.
    pub fn config(&self) -> Config {
        let kubeconfig = Kubeconfig::read_from(self.kubeconfig()).unwrap();
        let options = KubeConfigOptions::default();
        futures::executor::block_on(Config::from_custom_kubeconfig(kubeconfig, &options)).unwrap()
    }

    /// A kubeconfig for programs.
    pub fn kubeconfig(&self) -> PathBuf {
        self.folder.join("kubeconfig")
    }

    /// A kubeconfig for programs that come with this token, at `path`.
    pub fn kubeconfig_for(&self, token: &str, path: &Path) {
        fs::write(path, kubeconfig(&self.url, token)).unwrap();
    }

    /// What a user has asked for, oldest first.
    pub fn audit(&self, user: &str) -> Vec<Value> {
        let log = fs::read_to_string(self.folder.join("audit")).unwrap();
        // The last line may not be complete.
        let entries = log
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok());
        entries
            .filter(|entry: &Value| entry["user"]["username"] == user)
            .collect()
    }

    /// A new namespace that only lets pods in that pass Pod Security *restricted*.
    pub async fn namespace(&self) -> String {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("test-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let labels = json!({"pod-security.kubernetes.io/enforce": "restricted"});
        let namespace = json!({"metadata": {"name": name, "labels": labels}});
        let namespace: Namespace = serde_json::from_value(namespace).unwrap();
        let api = Api::<Namespace>::all(self.client());
        api.create(&PostParams::default(), &namespace)
            .await
            .unwrap();
        name
    }

    fn log_tail(&self, program: &str) -> String {
        let log = fs::read_to_string(self.folder.join(program).with_extension("log"));
        let log = log.unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(5)..].join("\n")
    }
}

/// Sends an `IngestionPipeline` as `kubectl apply --dry-run=server` does, with strict validation;
/// `Err` is the API's refusal.
pub async fn admit(
    client: &Client,
    namespace: &str,
    pipeline: &Value,
) -> Result<Value, Box<Status>> {
    let path = format!("/apis/sluice.dev/v1alpha1/namespaces/{namespace}/ingestionpipelines");
    let request = Request::new(path);
    let params = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    let mut request = request
        .create(&params, serde_json::to_vec(pipeline).unwrap())
        .unwrap();
    let uri = format!("{}&fieldValidation=Strict", request.uri());
    *request.uri_mut() = uri.parse().unwrap();
    match client.request::<Value>(request).await {
        Ok(created) => Ok(created),
        Err(kube::Error::Api(status)) => Err(status),
        Err(other) => panic!("no answer: {other}"),
    }
}

/// Starts a program of the cache with its log beside its files; it ends with the test program, or
/// when its pipe is dropped.
pub fn run(folder: &Path, program: &str, flags: &[String]) -> Child {
    let path = super::cache().join("bin").join(program);
    assert!(
        path.exists(),
        "{} is missing: `make parts` builds it",
        path.display()
    );
    let log = fs::File::create(folder.join(program).with_extension("log")).unwrap();
    Command::new("sh")
        .args(["-c", WATCHDOG, "sh"])
        .arg(folder)
        .arg(path)
        .args(flags)
        .stdin(Stdio::piped())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap()
}

fn etcd_flags(folder: &Path, url: &str, peers: u16) -> Vec<String> {
    vec![
        format!("--data-dir={}", folder.join("store").display()),
        format!("--listen-client-urls={url}"),
        format!("--advertise-client-urls={url}"),
        format!("--listen-peer-urls=http://127.0.0.1:{peers}"),
        "--unsafe-no-fsync".to_owned(),
        "--log-level=error".to_owned(),
    ]
}

fn apiserver_flags(folder: &Path, store: &str, port: u16) -> Vec<String> {
    // The server's own key, which it makes at the start, also signs service account tokens.
    let key = folder.join("certificates/apiserver.key");
    vec![
        format!("--etcd-servers={store}"),
        "--bind-address=127.0.0.1".to_owned(),
        "--advertise-address=127.0.0.1".to_owned(),
        format!("--secure-port={port}"),
        format!("--cert-dir={}", folder.join("certificates").display()),
        format!("--token-auth-file={}", folder.join("tokens").display()),
        "--authorization-mode=RBAC".to_owned(),
        format!(
            "--audit-policy-file={}",
            folder.join("audit-policy").display()
        ),
        format!("--audit-log-path={}", folder.join("audit").display()),
        format!("--service-account-key-file={}", key.display()),
        format!("--service-account-signing-key-file={}", key.display()),
        "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
        "--service-cluster-ip-range=10.0.0.0/24".to_owned(),
        "--endpoint-reconciler-type=none".to_owned(),
        // Pods are accepted without waiting for the controller that makes service accounts.
        "--disable-admission-plugins=ServiceAccount".to_owned(),
    ]
}

fn controller_manager_flags(folder: &Path) -> Vec<String> {
    vec![
        format!("--kubeconfig={}", folder.join("kubeconfig").display()),
        "--leader-elect=false".to_owned(),
        "--secure-port=0".to_owned(),
        // A bound of 20 calls a second is for clusters that others share.
        "--kube-api-qps=1000".to_owned(),
        "--kube-api-burst=1000".to_owned(),
        "--controllers=deployment-controller,replicaset-controller,statefulset-controller,\
         garbage-collector-controller,namespace-controller,serviceaccount-controller"
            .to_owned(),
    ]
}

fn kubeconfig(url: &str, token: &str) -> String {
    let kubeconfig = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "test", "cluster": {"server": url, "insecure-skip-tls-verify": true}}],
        "users": [{"name": "test", "user": {"token": token}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        "current-context": "test",
    });
    kubeconfig.to_string()
}
