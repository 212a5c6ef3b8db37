//! The election in paused time, against a Lease in memory that checks resource versions as the
//! apiserver does. `tests/it/high_availability.rs` has the real one.

use std::sync::Mutex;

use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use kube::client::{Body, ClientBuilder};
use serde_json::{Value, json};
use tokio::time::{Instant, advance};
use tower::Service;

use super::*;

thread_local! {
    static START: Instant = Instant::now() - Duration::from_secs(1);
}

/// Paused time; one for each test, since each has a thread of its own.
fn clock() -> Duration {
    START.with(Instant::elapsed)
}

/// A machine whose time of day is half a century off.
fn wrong_time() -> Timestamp {
    Timestamp::UNIX_EPOCH + clock()
}

fn settings(identity: &str) -> Settings {
    Settings {
        namespace: "sluice-system".into(),
        name: "sluice".into(),
        identity: identity.into(),
        duration: SHORTEST,
        clock,
        now: wrong_time,
    }
}

#[derive(Clone, Default)]
struct Server(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    lease: Option<Value>,
    version: u64,
    requests: usize,
    down: bool,
}

impl Server {
    fn elector(&self, identity: &str) -> Elector {
        Elector::new(self.client(), settings(identity))
    }

    fn client(&self) -> Client {
        ClientBuilder::new(self.service(), "default").build()
    }

    fn service(
        &self,
    ) -> impl Service<
        Request<Body>,
        Response = Response<Body>,
        Error = kube::Error,
        Future: Send + 'static,
    > + Send
    + 'static {
        let server = self.clone();
        tower::service_fn(move |request: Request<Body>| {
            let server = server.clone();
            async move {
                let (parts, body) = request.into_parts();
                let body = body.collect().await?.to_bytes();
                let sent = serde_json::from_slice(&body).unwrap_or_default();
                let (code, answer) = server.answer(&parts.method, sent);
                let answer = Body::from(answer.to_string().into_bytes());
                Ok(Response::builder().status(code).body(answer).unwrap())
            }
        })
    }

    fn answer(&self, method: &Method, mut sent: Value) -> (StatusCode, Value) {
        let mut state = self.0.lock().unwrap();
        state.requests += 1;
        let version = |lease: &Value| lease["metadata"]["resourceVersion"].clone();
        let code = match (method, &state.lease) {
            _ if state.down => StatusCode::INTERNAL_SERVER_ERROR,
            (&Method::GET, Some(lease)) => return (StatusCode::OK, lease.clone()),
            (&Method::POST, Some(_)) => StatusCode::CONFLICT,
            (&Method::GET | &Method::PUT, None) => StatusCode::NOT_FOUND,
            (&Method::PUT, Some(lease)) if version(lease) != version(&sent) => StatusCode::CONFLICT,
            _ => StatusCode::OK,
        };
        if code != StatusCode::OK {
            let reason = if code == StatusCode::NOT_FOUND {
                "NotFound"
            } else {
                "no"
            };
            let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure",
                "code": code.as_u16(), "message": "no", "reason": reason, "metadata": {}});
            return (code, status);
        }
        state.version += 1;
        sent["metadata"]["resourceVersion"] = json!(state.version.to_string());
        sent["metadata"]["namespace"] = json!("sluice-system");
        state.lease = Some(sent.clone());
        (code, sent)
    }

    fn spec(&self) -> LeaseSpec {
        let lease = self.0.lock().unwrap().lease.clone().unwrap();
        serde_json::from_value(lease["spec"].clone()).unwrap()
    }

    fn holder(&self) -> Option<String> {
        self.spec().holder_identity
    }
}

#[tokio::test(start_paused = true)]
async fn a_write_may_begin_only_where_it_ends_before_the_lease() {
    let server = Server::default();
    let mut elector = server.elector("a");
    let leadership = elector.leadership();
    assert_eq!(leadership.may_write(), Err(NotLeading));
    elector.acquire().await;
    assert_eq!(leadership.may_write(), Ok(()));
    advance(Duration::from_millis(4900)).await;
    assert_eq!(leadership.may_write(), Ok(()));
    advance(Duration::from_millis(200)).await;
    assert_eq!(leadership.may_write(), Err(NotLeading));
}

#[tokio::test(start_paused = true)]
async fn the_gate_lets_reads_pass_and_sends_no_write() {
    let server = Server::default();
    let leadership = server.elector("a").leadership();
    let client = ClientBuilder::new(server.service(), "default")
        .with_layer(&super::super::gate(leadership))
        .build();
    let api = Api::<Lease>::namespaced(client, "sluice-system");
    let read = api.get_opt("sluice").await.unwrap();
    assert!(read.is_none());
    let (params, lease) = (PostParams::default(), Lease::default());
    let call = api.create(&params, &lease);
    let error = within(DEADLINE, "create".into(), call).await.unwrap_err();
    assert!(matches!(error, Error::NotLeading { .. }), "{error}");
    assert_eq!(server.0.lock().unwrap().requests, 1);
}

#[tokio::test(start_paused = true)]
async fn who_is_silent_is_replaced_after_the_duration_whatever_times_it_named() {
    let server = Server::default();
    server.elector("a").acquire().await;
    // Its holder's time of day has run out for decades: that says nothing.
    let began = Instant::now();
    let mut other = server.elector("b");
    other.acquire().await;
    let took = began.elapsed();
    assert_eq!(server.holder().as_deref(), Some("b"));
    assert_eq!(server.spec().lease_transitions, Some(1));
    assert!(took >= SHORTEST && took < SHORTEST + EVERY, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn who_renews_stays() {
    let server = Server::default();
    let mut first = server.elector("a");
    first.acquire().await;
    let leadership = first.leadership();
    let held = tokio::spawn(first.hold(CancellationToken::new()));
    let mut other = server.elector("b");
    let waited = tokio::time::timeout(Duration::from_secs(600), other.acquire()).await;
    assert!(waited.is_err());
    assert_eq!(leadership.may_write(), Ok(()));
    assert_eq!(server.holder().as_deref(), Some("a"));
    held.abort();
}

#[tokio::test(start_paused = true)]
async fn who_cannot_renew_gives_up_before_another_may_begin() {
    let server = Server::default();
    let mut elector = server.elector("a");
    elector.acquire().await;
    let leadership = elector.leadership();
    server.0.lock().unwrap().down = true;
    let began = Instant::now();
    let lost = elector.hold(CancellationToken::new()).await.unwrap_err();
    assert!(matches!(lost, Lost::Expired { .. }), "{lost}");
    assert!(began.elapsed() < SHORTEST, "{:?}", began.elapsed());
    assert_eq!(leadership.may_write(), Err(NotLeading));
}

#[tokio::test(start_paused = true)]
async fn who_was_stopped_for_long_asks_nothing_more() {
    let server = Server::default();
    let mut elector = server.elector("a");
    elector.acquire().await;
    let held = tokio::spawn(elector.hold(CancellationToken::new()));
    tokio::task::yield_now().await;
    let before = server.0.lock().unwrap().requests;
    advance(Duration::from_secs(20)).await;
    let lost = held.await.unwrap().unwrap_err();
    assert!(matches!(lost, Lost::Expired { .. }), "{lost}");
    assert_eq!(server.0.lock().unwrap().requests, before);
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_another_took_or_that_is_gone_is_lost_at_once() {
    for gone in [false, true] {
        let server = Server::default();
        let mut elector = server.elector("a");
        elector.acquire().await;
        {
            let mut state = server.0.lock().unwrap();
            let lease = state.lease.take().unwrap();
            if !gone {
                state.lease = Some(lease);
                let lease = state.lease.as_mut().unwrap();
                lease["spec"]["holderIdentity"] = json!("b");
                lease["metadata"]["resourceVersion"] = json!("99");
            }
        }
        let began = Instant::now();
        let leadership = elector.leadership();
        let lost = elector.hold(CancellationToken::new()).await.unwrap_err();
        assert_eq!(matches!(lost, Lost::Deleted), gone, "{lost}");
        assert!(began.elapsed() <= 2 * EVERY, "{:?}", began.elapsed());
        assert_eq!(leadership.may_write(), Err(NotLeading));
    }
}

#[tokio::test(start_paused = true)]
async fn who_leaves_gives_the_lease_back() {
    let server = Server::default();
    let mut first = server.elector("a");
    first.acquire().await;
    let leave = CancellationToken::new();
    let held = tokio::spawn(first.hold(leave.clone()));
    let mut other = server.elector("b");
    let next = tokio::spawn(async move { other.acquire().await });
    tokio::time::sleep(Duration::from_secs(60)).await;
    let began = Instant::now();
    leave.cancel();
    held.await.unwrap().unwrap();
    next.await.unwrap();
    assert!(began.elapsed() <= EVERY, "{:?}", began.elapsed());
    assert_eq!(server.holder().as_deref(), Some("b"));
}
