//! The operator's HTTP endpoint: `/metrics`, `/healthz`, `/readyz`, `/v1/pipelines/<namespace>/
//! <name>` with the newest view of a pipeline, and `/v1/settings` with what planning depends on.
//! Read-only; holds no secret.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use axum::{
    Router,
    extract::{Path, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{live::Live, metrics::Metrics};

/// What the endpoint shows.
#[derive(Clone)]
pub struct Endpoint {
    /// Metrics.
    pub metrics: Metrics,
    /// The newest views of pipelines.
    pub live: Live,
    /// The operator's settings, for those who plan as it does.
    pub settings: serde_json::Value,
    /// Set once the operator works.
    pub ready: Arc<AtomicBool>,
}

/// Serves until `stop` is cancelled.
///
/// # Errors
/// When the address cannot be listened on.
pub async fn serve(
    address: SocketAddr,
    endpoint: Endpoint,
    stop: CancellationToken,
) -> std::io::Result<()> {
    let listener = TcpListener::bind(address).await?;
    axum::serve(listener, router(endpoint))
        .with_graceful_shutdown(stop.cancelled_owned())
        .await
}

fn router(endpoint: Endpoint) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(|| async { "ok" }))
        .route("/readyz", get(ready))
        .route("/v1/pipelines/{namespace}/{name}", get(pipeline))
        .route("/v1/settings", get(settings))
        .with_state(endpoint)
}

async fn metrics(State(endpoint): State<Endpoint>) -> Response {
    const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    (
        [(header::CONTENT_TYPE, OPENMETRICS)],
        endpoint.metrics.encode(),
    )
        .into_response()
}

async fn ready(State(endpoint): State<Endpoint>) -> Response {
    if endpoint.ready.load(Ordering::Relaxed) {
        "ok".into_response()
    } else {
        (
            StatusCode::SERVICE_UNAVAILABLE,
            "pipelines are not listed yet",
        )
            .into_response()
    }
}

async fn settings(State(endpoint): State<Endpoint>) -> Response {
    axum::Json(endpoint.settings).into_response()
}

async fn pipeline(
    State(endpoint): State<Endpoint>,
    Path((namespace, name)): Path<(String, String)>,
) -> Response {
    match endpoint.live.get(&namespace, &name) {
        Some(view) => axum::Json(view).into_response(),
        None => (
            StatusCode::NOT_FOUND,
            "no such pipeline, or not looked at yet",
        )
            .into_response(),
    }
}
