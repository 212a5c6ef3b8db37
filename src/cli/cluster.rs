//! Which cluster a command talks to, as whom, and in which namespace: the words and defaults of
//! kubectl.

use std::{path::PathBuf, time::Duration};

use anyhow::{Context as _, anyhow};
use clap::Args;
use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};
use serde::de::DeserializeOwned;

/// How long connecting may take.
const CONNECT_DEADLINE: Duration = Duration::from_secs(5);

/// How often the Service is asked: it picks an operator at random, and one that stands by answers
/// 421.
const TRIES: usize = 10;

/// Flags of every command that asks a cluster.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Cluster")]
pub struct ClusterArgs {
    /// Namespace [default: the one of the kubeconfig's context; in a pod, the pod's].
    #[arg(short, long)]
    pub namespace: Option<String>,
    /// Kubeconfig file [default: $KUBECONFIG, then ~/.kube/config, then the pod's service account].
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig [default: its current one].
    #[arg(long)]
    context: Option<String>,
}

/// Flags of every command that asks the operator itself.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Operator")]
pub struct OperatorArgs {
    /// Namespace of the operator.
    #[arg(
        long,
        value_name = "NAMESPACE",
        env = "SLUICE_OPERATOR_NAMESPACE",
        default_value = "sluice-system"
    )]
    pub operator_namespace: String,
    /// Service of the operator, and its service account: the chart names both alike.
    #[arg(long, value_name = "NAME", default_value = "sluice")]
    pub operator_service: String,
}

impl OperatorArgs {
    /// Asks the operator's endpoint through the API server's service proxy, with the user's own
    /// credentials. `path` begins with a slash.
    ///
    /// # Errors
    /// When there is no answer, or no right to ask.
    pub async fn ask<T: DeserializeOwned>(&self, client: &Client, path: &str) -> anyhow::Result<T> {
        let service = format!(
            "/api/v1/namespaces/{}/services/{}:http/proxy",
            self.operator_namespace, self.operator_service
        );
        let address = service + path;
        for _ in 0..TRIES {
            let request = http::Request::get(&address).body(Vec::new())?;
            match client.request(request).await {
                Err(kube::Error::Api(status)) if status.code == 421 => {}
                answer => return Ok(answer?),
            }
        }
        Err(anyhow!("no operator leads"))
    }
}

/// A client and the namespace that commands work in.
#[derive(Clone)]
pub struct Cluster {
    /// The client.
    pub client: Client,
    /// The namespace that was asked for, or the default one.
    pub namespace: String,
    config: Config,
}

impl ClusterArgs {
    /// Reads the configuration; nothing is connected yet.
    ///
    /// # Errors
    /// When there is no usable configuration; the message names the file or the context.
    pub async fn cluster(&self) -> anyhow::Result<Cluster> {
        let mut config = self.config().await?;
        config.connect_timeout = Some(CONNECT_DEADLINE);
        let namespace = self.namespace.clone();
        Ok(Cluster {
            namespace: namespace.unwrap_or_else(|| config.default_namespace.clone()),
            client: Client::try_from(config.clone())?,
            config,
        })
    }

    async fn config(&self) -> anyhow::Result<Config> {
        let options = KubeConfigOptions {
            context: self.context.clone(),
            ..KubeConfigOptions::default()
        };
        if let Some(path) = &self.kubeconfig {
            let what = || format!("--kubeconfig {}", path.display());
            let file = Kubeconfig::read_from(path).with_context(what)?;
            return Config::from_custom_kubeconfig(file, &options)
                .await
                .with_context(what);
        }
        if let Some(context) = &self.context {
            return Config::from_kubeconfig(&options)
                .await
                .with_context(|| format!("--context {context}"));
        }
        Config::infer()
            .await
            .context("no cluster: there is neither a usable kubeconfig nor a service account")
    }
}

impl Cluster {
    /// The same cluster as another user, whom the present one has to be allowed to impersonate.
    ///
    /// # Errors
    /// When no client can be made.
    pub fn impersonating(&self, user: &str) -> anyhow::Result<Client> {
        let mut config = self.config.clone();
        config.auth_info.impersonate = Some(user.to_owned());
        Ok(Client::try_from(config)?)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use http::{Request, Response};
    use kube::client::Body;

    use super::*;

    #[tokio::test]
    async fn an_operator_that_stands_by_is_not_the_last_word() {
        static ASKED: AtomicUsize = AtomicUsize::new(0);
        let service = tower::service_fn(async |_: Request<Body>| {
            let (code, body) = match ASKED.fetch_add(1, Ordering::Relaxed) {
                0 | 1 => (421, "this operator stands by".to_owned()),
                _ => (200, r#"{"status": {}}"#.to_owned()),
            };
            let answer = Response::builder().status(code);
            Ok::<_, kube::Error>(answer.body(Body::from(body.into_bytes())).unwrap())
        });
        let operator = OperatorArgs {
            operator_namespace: "sluice-system".into(),
            operator_service: "sluice".into(),
        };
        let client = Client::new(service, "default");
        let answer: anyhow::Result<serde_json::Value> =
            operator.ask(&client, "/v1/pipelines/plant/p").await;
        assert_eq!(answer.unwrap(), serde_json::json!({"status": {}}));
        assert_eq!(ASKED.load(Ordering::Relaxed), 3);
    }
}
