//! The operator's HTTP endpoint: `/metrics`, `/healthz`, `/readyz`, `/v1/pipelines/<namespace>/
//! <name>` with the newest view of a pipeline, `.../<name>/why` with what would change its
//! decisions, which an operator that stands by does not have: it answers 421; and `/v1/settings`
//! with what planning depends on. Read-only; holds no secret.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use axum::{
    Router,
    extract::{Path, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{
    live::{Live, View},
    metrics::Metrics,
};

/// What the endpoint shows.
#[derive(Clone)]
pub struct Endpoint {
    /// Metrics.
    pub metrics: Metrics,
    /// The newest views of pipelines.
    pub live: Live,
    /// The operator's settings, for those who plan as it does.
    pub settings: serde_json::Value,
    /// Set once the operator works, or stands by and could take over.
    pub ready: Arc<AtomicBool>,
    /// Set while the operator leads: only then has it views of pipelines.
    pub leads: Arc<AtomicBool>,
}

/// Serves until `stop` is cancelled.
///
/// # Errors
/// When the listener fails.
pub async fn serve(
    listener: TcpListener,
    endpoint: Endpoint,
    stop: CancellationToken,
) -> std::io::Result<()> {
    axum::serve(listener, router(endpoint))
        .with_graceful_shutdown(stop.cancelled_owned())
        .await
}

fn router(endpoint: Endpoint) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(|| async { "ok" }))
        .route("/readyz", get(ready))
        .route("/v1/pipelines/{namespace}/{name}", get(newest))
        .route("/v1/pipelines/{namespace}/{name}/why", get(why))
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

async fn newest(State(endpoint): State<Endpoint>, Path(name): Path<(String, String)>) -> Response {
    pipeline(&endpoint, &name, View::newest).await
}

async fn why(State(endpoint): State<Endpoint>, Path(name): Path<(String, String)>) -> Response {
    pipeline(&endpoint, &name, View::why).await
}

async fn pipeline(
    endpoint: &Endpoint,
    (namespace, name): &(String, String),
    show: fn(&View) -> Value,
) -> Response {
    if !endpoint.leads.load(Ordering::Relaxed) {
        // Not "unavailable", which clients of Kubernetes answer by waiting: the next request
        // through the Service may reach the leader.
        let words = "this operator stands by: ask again, another one leads";
        return (StatusCode::MISDIRECTED_REQUEST, words).into_response();
    }
    let Some(view) = endpoint.live.get(namespace, name) else {
        let words = "no such pipeline, or not looked at yet";
        return (StatusCode::NOT_FOUND, words).into_response();
    };
    // It takes some milliseconds of computing, which must not hold up passes.
    match tokio::task::spawn_blocking(move || show(&view)).await {
        Ok(view) => axum::Json(view).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
