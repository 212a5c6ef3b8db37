//! The Prometheus adapter against a real Prometheus, and against servers that it cannot be brought
//! to be.

use std::time::Duration;

use sluice::{
    class::Class,
    prometheus::{Client, Error, Login, Proof, read},
    sensitive::Sensitive,
};
use tokio::time::Instant;

use crate::support::{
    connect::raw_server,
    eventually,
    kafka::free_port,
    prometheus::{Exporter, Prometheus, gate, shared},
    secure::{self, PASSWORD, USER},
};

async fn ask(server: &str, query: &str, login: &Login) -> Result<f64, Error> {
    let client = Client::with_deadline(Duration::from_secs(2)).unwrap();
    read::instant(&client, server, query, login).await
}

async fn asked(query: &str) -> Result<f64, Error> {
    ask(&shared().address, query, &Login::default()).await
}

fn basic(password: &str, ca: Option<String>) -> Login {
    let proof = Proof::Basic {
        username: USER.to_owned(),
        password: Sensitive::new(password.to_owned()),
    };
    Login {
        proof: Some(proof),
        ca,
    }
}

fn bearer(token: &str) -> Login {
    Login {
        proof: Some(Proof::Bearer(Sensitive::new(token.to_owned()))),
        ca: None,
    }
}

/// The message and the class of a refusal.
#[track_caller]
fn refusal(answer: Result<f64, Error>) -> (String, Class) {
    let error = answer.unwrap_err();
    (error.to_string(), error.class())
}

#[tokio::test]
async fn a_scalar_a_series_and_a_scraped_metric_are_numbers() {
    assert_eq!(format!("{:?}", asked("42").await), "Ok(42.0)");
    assert_eq!(format!("{:?}", asked("vector(-1.5) * 2").await), "Ok(-3.0)");
    let exporter = Exporter::start(7.0);
    let address = format!("http://127.0.0.1:{}/", free_port());
    let scraping = Prometheus::start(address.trim_end_matches('/'), Some(&exporter));
    let value = async || {
        ask(&address, "sum(queue_depth)", &Login::default())
            .await
            .ok()
    };
    assert_eq!(Some(eventually("a scrape", value).await), Some(7.0));
    exporter.set(8.0);
    let changed = async || value().await.filter(|value| *value > 7.5);
    eventually("another scrape", changed).await;
    drop(scraping);
    let (message, class) = refusal(ask(&address, "1", &Login::default()).await);
    assert_eq!(
        message,
        format!("{address} cannot be reached: connection refused")
    );
    assert_eq!(class, Class::Down);
}

#[tokio::test]
async fn what_is_not_one_number_is_no_number() {
    let two = r#"label_replace(vector(1), "a", "b", "", "") or vector(2)"#;
    let label = format!(
        r#"label_replace(vector(1), "a", "{}", "", "")"#,
        "x".repeat(1500)
    );
    let large = format!(
        r#"label_replace({label}, "b", "{}", "a", "(.*)")"#,
        "$1".repeat(50)
    );
    for (query, words, expected) in [
        ("up", "the query yields no data", Class::Waiting),
        (two, "must yield one series", Class::Invalid),
        ("vector(0) / 0", "yields NaN", Class::Waiting),
        ("1 / vector(0)", "yields +Inf", Class::Waiting),
        ("vector(1)[1m:1m]", "yields a matrix", Class::Invalid),
        (r#""text""#, "yields a string", Class::Invalid),
        (
            "sum(",
            "parse error: unclosed left parenthesis",
            Class::Invalid,
        ),
        (&large, "more than 64 KiB", Class::Invalid),
    ] {
        let (message, class) = refusal(asked(query).await);
        assert!(message.contains(words), "{message}");
        assert_eq!(class, expected, "{message}");
    }
}

#[tokio::test]
async fn who_asks_is_proven_by_a_password_over_tls() {
    let secured = Prometheus::secured();
    let (address, ca) = (&secured.address, &secured.ca);
    let known = basic(PASSWORD, ca.clone());
    assert_eq!(ask(address, "vector(1)", &known).await.ok(), Some(1.0));
    let nobody = Login {
        proof: None,
        ca: ca.clone(),
    };
    let other = secure::authority("another-ca").pem();
    for (login, words, expected) in [
        (basic("wrong-horse", ca.clone()), "HTTP 401", Class::Denied),
        (nobody, "HTTP 401", Class::Denied),
        (
            basic(PASSWORD, None),
            "certificate is not trusted",
            Class::Down,
        ),
        (
            basic(PASSWORD, Some(other)),
            "certificate is not trusted",
            Class::Down,
        ),
        (
            basic(PASSWORD, Some("no pem".into())),
            "store them as PEM",
            Class::Denied,
        ),
    ] {
        let (message, class) = refusal(ask(address, "vector(1)", &login).await);
        assert!(message.contains(words), "{message}");
        assert_eq!(class, expected, "{message}");
        let shown = format!("{message} {login:?}");
        assert!(!shown.contains("-horse"), "{shown}");
    }
}

#[tokio::test]
async fn who_asks_is_proven_by_a_token_and_nothing_repeats_it() {
    let gate = gate(shared(), "let-me-in");
    let answer = ask(&gate, "vector(1)", &bearer("let-me-in")).await;
    assert_eq!(answer.ok(), Some(1.0));
    let (message, class) = refusal(ask(&gate, "vector(1)", &bearer("canary-token")).await);
    assert!(message.contains("denied the query (HTTP 401)"), "{message}");
    assert_eq!(class, Class::Denied);
    assert!(!message.contains("canary"), "{message}");
    let echo = "HTTP/1.1 400 Bad Request\r\nContent-Length: 32\r\n\r\n{\"error\":\"no 'canary-token' here\"}";
    let echo = echo.replace(
        "32",
        &r#"{"error":"no 'canary-token' here"}"#.len().to_string(),
    );
    let server = format!("http://127.0.0.1:{}", raw_server(echo));
    let (message, _) = refusal(ask(&server, "1", &bearer("canary-token")).await);
    assert_eq!(message, format!("{server} refused the query (HTTP 400)"));
}

#[tokio::test]
async fn a_server_that_leads_elsewhere_or_never_answers_is_not_followed_or_waited_for() {
    let server = |answer: String| format!("http://127.0.0.1:{}", raw_server(answer));
    let elsewhere = format!(
        "HTTP/1.1 302 Found\r\nLocation: {}/api/v1/query?query=1\r\nContent-Length: 0\r\n\r\n",
        shared().address
    );
    let (message, class) = refusal(ask(&server(elsewhere), "1", &Login::default()).await);
    assert!(
        message.contains("refused the query (HTTP 302)"),
        "{message}"
    );
    assert_eq!(class, Class::Invalid);

    let page = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>".to_owned();
    let (message, _) = refusal(ask(&server(page), "1", &Login::default()).await);
    assert!(message.contains("not Prometheus' JSON"), "{message}");

    let ill = "HTTP/1.1 503 Unavailable\r\nContent-Length: 0\r\n\r\n".to_owned();
    let (message, class) = refusal(ask(&server(ill), "1", &Login::default()).await);
    assert!(
        message.contains("failed at the query (HTTP 503)"),
        "{message}"
    );
    assert_eq!(class, Class::Down);

    let began = Instant::now();
    let (message, class) = refusal(ask(&server(String::new()), "1", &Login::default()).await);
    assert!(
        message.contains("did not answer the query in time"),
        "{message}"
    );
    assert_eq!(class, Class::Down);
    assert!(began.elapsed() < Duration::from_secs(4));
}
