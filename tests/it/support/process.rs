//! The operator as people run it: the binary, in a process of its own, which tests signal and end.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use super::{apiserver::Apiserver, eventually, kafka::free_port};

/// A running `sluice run`. It ends with this value.
pub struct Process {
    child: Child,
    port: u16,
    folder: TempDir,
}

impl Process {
    /// Starts the operator for an apiserver, in the name of the user with this token.
    pub fn start(apiserver: &Apiserver, token: &str, flags: &[&str]) -> Self {
        let program = Command::new(env!("CARGO_BIN_EXE_sluice"));
        Self::start_with(program, apiserver, token, flags)
    }

    /// As [`Process::start`], with another program, or one that becomes the operator in the end.
    pub fn start_with(
        mut program: Command,
        apiserver: &Apiserver,
        token: &str,
        flags: &[&str],
    ) -> Self {
        let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
        let kubeconfig = folder.path().join("kubeconfig");
        apiserver.kubeconfig_for(token, &kubeconfig);
        let log = fs::File::create(log(folder.path())).unwrap();
        let child = program
            .arg("run")
            .arg(format!("--http-address=127.0.0.1:{port}"))
            .arg(format!("--pod-name={token}"))
            .args(flags)
            .env("KUBECONFIG", kubeconfig)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        Self {
            child,
            port,
            folder,
        }
    }

    /// Its number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal, such as `STOP`.
    pub fn signal(&self, name: &str) {
        let pid = self.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &pid]).status();
        assert!(sent.unwrap().success());
    }

    /// Waits until the process has ended.
    pub async fn ended(&mut self) -> ExitStatus {
        eventually("the operator ends", async || self.child.try_wait().unwrap()).await
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(log(self.folder.path())).unwrap()
    }

    /// Status and text of an answer of its endpoint; `None` while it does not answer.
    pub async fn get(&self, path: &str) -> Option<(u16, String)> {
        // reqwest wants one even where no TLS is spoken; a second call changes nothing.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let url = format!("http://127.0.0.1:{}{path}", self.port);
        let answer = reqwest::get(url).await.ok()?;
        Some((answer.status().as_u16(), answer.text().await.ok()?))
    }

    /// A metric without labels; `None` while it does not answer.
    pub async fn metric(&self, name: &str) -> Option<f64> {
        let (_, text) = self.get("/metrics").await?;
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(&format!("{name} ")))?;
        line.parse().ok()
    }

    /// Whether it leads, as it says itself.
    pub async fn leads(&self) -> bool {
        self.metric("sluice_leader").await == Some(1.0)
    }

    /// Waits until it leads; how long that took.
    pub async fn until_leading(&self) -> Duration {
        let began = Instant::now();
        while !self.leads().await {
            assert!(
                began.elapsed() < Duration::from_secs(60),
                "it does not lead after a minute:\n{}",
                self.log()
            );
            sleep(Duration::from_millis(50)).await;
        }
        began.elapsed()
    }

    /// Waits until it could take over, or works.
    pub async fn until_ready(&self) {
        let ready = async || (self.get("/readyz").await?.0 == 200).then_some(());
        eventually("the operator is ready", ready).await;
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn log(folder: &Path) -> PathBuf {
    folder.join("log")
}
