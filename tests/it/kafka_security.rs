//! The Kafka adapter on a broker with security: every way in that a pipeline can ask for, and every
//! way to be kept out, told apart.

use std::time::Duration;

use sluice::{
    class::Security as Fault,
    kafka::{
        Client, ClientConfig, Error, Pool, PoolSettings, Security, read,
        security::{ClientCredentials, KeyPair, Sasl, Sensitive, Tls},
        write,
    },
};

use crate::support::secure::{self, CLIENT_ID, CLIENT_SECRET, PASSWORD, Secure, USER};

fn secret(text: &str) -> Sensitive {
    Sensitive::new(text.to_owned())
}

fn tls(ca: &str) -> Tls {
    Tls {
        ca: Some(ca.to_owned()),
        client: None,
    }
}

fn password(mechanism: &'static str, password: &str) -> Security {
    Security {
        tls: Some(tls(&secure::shared().ca)),
        sasl: Some(Sasl::Password {
            mechanism,
            username: USER.to_owned(),
            password: secret(password),
        }),
    }
}

fn token(client_secret: &str) -> Security {
    let secure = secure::shared();
    Security {
        tls: Some(tls(&secure.ca)),
        sasl: Some(Sasl::OauthBearer(ClientCredentials {
            token_endpoint_url: secure.token_endpoint.clone(),
            scope: Some("kafka".to_owned()),
            client_id: CLIENT_ID.to_owned(),
            client_secret: secret(client_secret),
            ca: None,
        })),
    }
}

fn mutual(secure: &Secure, certificate: &str, key: &str) -> Security {
    Security {
        tls: Some(Tls {
            ca: Some(secure.ca.clone()),
            client: Some(KeyPair {
                certificate: certificate.to_owned(),
                key: secret(key),
            }),
        }),
        sasl: None,
    }
}

fn trusted(secure: &Secure) -> Security {
    mutual(secure, &secure.client_certificate, &secure.client_key)
}

async fn client(listener: &str, security: Security) -> Client {
    let config = ClientConfig {
        bootstrap_servers: secure::shared().bootstrap(listener),
        security,
    };
    let pool = Pool::new(PoolSettings::default());
    let client = pool.client(&config).await.unwrap();
    client.with_deadline(Duration::from_secs(8))
}

async fn refused(listener: &str, security: Security) -> Error {
    let client = client(listener, security).await;
    read::cluster(&client).await.unwrap_err()
}

#[tokio::test]
async fn every_kind_of_security_lets_the_right_one_in() {
    let secure = secure::shared();
    let plain_tls = Security {
        tls: Some(tls(&secure.ca)),
        sasl: None,
    };
    let ways = [
        ("TLS", plain_tls),
        ("MUTUAL", trusted(secure)),
        ("SASL", password("PLAIN", PASSWORD)),
        ("SASL", password("SCRAM-SHA-256", PASSWORD)),
        ("SASL", password("SCRAM-SHA-512", PASSWORD)),
        ("TOKEN", token(CLIENT_SECRET)),
    ];
    let id = read::cluster(&secure.broker.client().await)
        .await
        .unwrap()
        .id;
    for (listener, security) in ways {
        let way = format!("{listener} {}", security.mechanism());
        let seen = read::cluster(&client(listener, security).await).await;
        assert_eq!(seen.map(|cluster| cluster.id).as_ref(), Ok(&id), "{way}");
    }
}

#[tokio::test]
async fn commits_are_read_over_a_second_connection_that_logs_in_too() {
    let secure = secure::shared();
    secure.broker.create_topic("secured-commits", 1).await;
    secure.broker.produce("secured-commits", 0, 5);
    secure
        .broker
        .commit("secured-group", &[("secured-commits", 0, 3)]);
    for (listener, security) in [
        ("SASL", password("SCRAM-SHA-512", PASSWORD)),
        ("TOKEN", token(CLIENT_SECRET)),
    ] {
        let client = client(listener, security).await;
        let asked = [("secured-commits".to_owned(), 0)];
        let seen = read::committed(&client, "secured-group", &asked).await;
        assert_eq!(seen.unwrap()[&asked[0]], Ok(Some(3)), "{listener}");
    }
}

#[tokio::test]
async fn a_wrong_proof_is_a_login_that_names_who_tried() {
    for mechanism in ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] {
        let error = refused("SASL", password(mechanism, "no-such-password")).await;
        assert_eq!(error.security(), Some(Fault::Login), "{mechanism}: {error}");
        let words = error.to_string();
        assert!(words.contains("User:plant"), "{words}");
        assert!(words.contains(mechanism), "{words}");
        assert!(!words.contains("no-such-password"), "{words}");
    }
    let error = refused("TOKEN", token("not-the-secret")).await;
    assert_eq!(error.security(), Some(Fault::Login), "{error}");
    let words = error.to_string();
    assert!(
        words.contains("refused client `plant-client`: invalid_client"),
        "{words}"
    );
    assert!(!words.contains("not-the-secret"), "{words}");
}

#[tokio::test]
async fn what_is_wrong_with_a_certificate_is_told_apart() {
    let secure = secure::shared();
    let trusting = |ca: &str| Security {
        tls: Some(tls(ca)),
        sasl: None,
    };
    let cases = [
        ("TLS", trusting(&secure.other_ca), Fault::Authority),
        ("EXPIRED", trusting(&secure.ca), Fault::CertificateExpired),
        ("STRANGE", trusting(&secure.ca), Fault::HostName),
        ("MUTUAL", trusting(&secure.ca), Fault::ClientCertificate),
        (
            "MUTUAL",
            mutual(secure, &secure.expired_certificate, &secure.expired_key),
            Fault::ClientCertificate,
        ),
    ];
    for (listener, security, fault) in cases {
        let error = refused(listener, security).await;
        assert_eq!(error.security(), Some(fault), "{listener}: {error}");
    }
}

#[tokio::test]
async fn a_key_of_another_certificate_is_refused_before_anybody_is_asked() {
    let secure = secure::shared();
    let config = ClientConfig {
        bootstrap_servers: secure.bootstrap("MUTUAL"),
        security: mutual(secure, &secure.client_certificate, &secure.expired_key),
    };
    let pool = Pool::new(PoolSettings::default());
    let error = pool.client(&config).await.unwrap_err();
    assert_eq!(error.security(), Some(Fault::Credentials), "{error}");
    assert!(error.to_string().contains("key values mismatch"), "{error}");
}

#[tokio::test]
async fn clear_text_and_tls_that_meet_say_so() {
    let secure = secure::shared();
    let error = refused("TLS", Security::default()).await.to_string();
    assert!(error.ends_with("or want TLS"), "{error}");
    let config = ClientConfig {
        bootstrap_servers: secure.broker.bootstrap(),
        security: Security {
            tls: Some(tls(&secure.ca)),
            sasl: None,
        },
    };
    let pool = Pool::new(PoolSettings::default());
    let client = pool.client(&config).await.unwrap();
    let client = client.with_deadline(Duration::from_secs(8));
    let error = read::cluster(&client).await.unwrap_err();
    assert_eq!(error.security(), Some(Fault::Tls), "{error}");
}

#[tokio::test]
async fn a_missing_right_names_the_principal_that_lacks_it() {
    let secure = secure::shared();
    secure.broker.create_topic("forbidden", 1).await;
    secure.broker.deny("forbidden");
    let ways = [
        ("SASL", password("SCRAM-SHA-512", PASSWORD), "User:plant"),
        ("MUTUAL", trusted(secure), "User:CN=plant-cert"),
    ];
    for (listener, security, principal) in ways {
        let client = client(listener, security).await;
        let names = ["forbidden".to_owned()];
        let seen = read::topics(&client, &names).await.unwrap();
        let error = seen["forbidden"].clone().unwrap_err();
        assert_eq!(error.security(), Some(Fault::Rights), "{error}");
        let words = format!("to {principal}: TOPIC_AUTHORIZATION_FAILED");
        assert!(error.to_string().contains(&words), "{error}");
        let change = [("retention.ms".to_owned(), Some("1".to_owned()))].into();
        let set = write::set_configs(&client, &[("forbidden".to_owned(), change)]).await;
        let error = set.unwrap()["forbidden"].clone().unwrap_err();
        assert!(error.to_string().contains(principal), "{error}");
    }
}
