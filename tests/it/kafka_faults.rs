//! The Kafka adapter when Kafka is away, hangs or comes back, and what a sample costs on the wire.

use std::time::Duration;

use sluice::class::Class;
use sluice::kafka::read::{self, Isolation, OffsetSpec};
use sluice::kafka::{ClientConfig, Error, Pool, PoolSettings, write};
use tokio::time::Instant;

use crate::support::eventually;
use crate::support::kafka::{self, Broker, Ports, free_port};
use crate::support::proxy::{Proxy, api_key};

#[tokio::test]
async fn an_unreachable_broker_is_named_within_the_deadline() {
    let servers = format!("127.0.0.1:{}", free_port());
    let config = ClientConfig {
        bootstrap_servers: servers.clone(),
        ..ClientConfig::default()
    };
    let client = Pool::new(PoolSettings::default())
        .client(&config)
        .await
        .unwrap();
    let client = client.with_deadline(Duration::from_secs(2));
    let start = Instant::now();
    let error = read::cluster(&client).await.unwrap_err();
    assert!(
        start.elapsed() < Duration::from_secs(4),
        "{:?}",
        start.elapsed()
    );
    let words = format!("Kafka at {servers} cannot be reached: the connection failed");
    assert_eq!(error.to_string(), words);
    assert_eq!(error.class(), Class::Down);
    let names = ["any".to_owned()];
    let group = read::group(&client, "any").await.unwrap_err();
    let topics = read::topics(&client, &names).await.unwrap_err();
    let asked = [("any".to_owned(), 0)];
    let at = (OffsetSpec::Latest, Isolation::ReadCommitted);
    let offsets = read::offsets(&client, &asked, at.0, at.1)
        .await
        .unwrap_err();
    assert_eq!(
        [group, topics, offsets].map(|error| error.to_string()),
        [words.as_str(); 3]
    );
}

#[tokio::test]
async fn a_host_that_has_no_address_is_told_from_one_that_is_down() {
    let config = ClientConfig {
        bootstrap_servers: "kafka.invalid:9092".to_owned(),
        ..ClientConfig::default()
    };
    let client = Pool::new(PoolSettings::default())
        .client(&config)
        .await
        .unwrap();
    let error = read::cluster(&client.with_deadline(Duration::from_secs(3)))
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "Kafka at kafka.invalid:9092 cannot be reached: the host name cannot be resolved"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_client_recovers_when_the_broker_is_back() {
    let mut broker = Broker::start(&[]);
    let client = broker.client().await.with_deadline(Duration::from_secs(3));
    broker.create_topic("faults-back", 1).await;
    broker.produce("faults-back", 0, 5);
    let asked = [("faults-back".to_owned(), 0)];
    let at = (OffsetSpec::Latest, Isolation::ReadCommitted);
    assert_eq!(
        read::offsets(&client, &asked, at.0, at.1).await.unwrap()[&asked[0]],
        Ok(5)
    );
    broker.kill();
    let error = read::offsets(&client, &asked, at.0, at.1)
        .await
        .unwrap_err();
    assert_eq!(error.class(), Class::Down, "{error}");
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
    broker.restart();
    eventually("the offsets again", async || {
        let seen = read::offsets(&client, &asked, at.0, at.1).await.ok()?;
        (seen[&asked[0]] == Ok(5)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_sample_is_two_requests_and_a_hung_network_ends_at_the_deadline() {
    let broker = kafka::shared();
    let Ports {
        proxied: port,
        behind,
        ..
    } = broker.ports();
    let proxy = Proxy::start(port, behind);
    broker.create_topic("faults-sample", 12).await;
    let config = ClientConfig {
        bootstrap_servers: format!("127.0.0.1:{port}"),
        ..ClientConfig::default()
    };
    let client = Pool::new(PoolSettings::default())
        .client(&config)
        .await
        .unwrap();
    let asked = (0..12)
        .map(|number| ("faults-sample".to_owned(), number))
        .collect::<Vec<_>>();
    let at = (OffsetSpec::Latest, Isolation::ReadCommitted);
    let sample = async || {
        let committed = read::committed(&client, "faults-group", &asked).await;
        read::offsets(&client, &asked, at.0, at.1).await.unwrap();
        committed.ok()
    };
    let two = |times| {
        [
            (api_key::LIST_OFFSETS, times),
            (api_key::OFFSET_FETCH, times),
        ]
        .into()
    };
    eventually("leaders and coordinator are known", async || {
        proxy.take_counts();
        sample().await?;
        (proxy.take_counts() == two(1)).then_some(())
    })
    .await;
    for _ in 0..5 {
        sample().await.unwrap();
    }
    assert_eq!(proxy.take_counts(), two(5));
    proxy.hold();
    let client = client.with_deadline(Duration::from_secs(2));
    let start = Instant::now();
    let error = read::committed(&client, "faults-group", &asked)
        .await
        .unwrap_err();
    assert!(
        start.elapsed() < Duration::from_secs(4),
        "{:?}",
        start.elapsed()
    );
    assert_eq!(
        error,
        Error::Unanswered {
            call: "OffsetFetch"
        }
    );
    proxy.release();
    let client = client.with_deadline(Duration::from_secs(20));
    read::committed(&client, "faults-group", &asked)
        .await
        .unwrap();
}

#[tokio::test]
async fn what_may_not_be_seen_or_changed_is_denied_and_spoils_nothing_else() {
    let broker = Broker::start(&[
        (
            "authorizer.class.name",
            "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        ),
        ("allow.everyone.if.no.acl.found", "true"),
    ]);
    let client = broker.client().await;
    broker.create_topic("open", 1).await;
    broker.create_topic("secret", 1).await;
    broker.deny("secret");
    let names = ["open", "secret"].map(String::from);
    let asked = names.clone().map(|name| (name, 0));
    let topics = eventually("the rule is in force", async || {
        let topics = read::topics(&client, &names).await.unwrap();
        topics["secret"].is_err().then_some(topics)
    })
    .await;
    assert!(topics["open"].is_ok());
    let configs = read::topic_configs(&client, &names).await.unwrap();
    let at = (OffsetSpec::Latest, Isolation::ReadCommitted);
    let offsets = read::offsets(&client, &asked, at.0, at.1).await.unwrap();
    assert_eq!(offsets[&asked[0]], Ok(0));
    let totals = [("secret".to_owned(), 2)];
    let grown = write::create_partitions(&client, &totals).await.unwrap();
    let change = [("retention.ms".to_owned(), Some("1".to_owned()))].into();
    let set = write::set_configs(&client, &[("secret".to_owned(), change)])
        .await
        .unwrap();
    let errors = [
        topics["secret"].clone().unwrap_err(),
        configs["secret"].clone().unwrap_err(),
        offsets[&asked[1]].clone().unwrap_err(),
        grown["secret"].clone().unwrap_err(),
        set["secret"].clone().unwrap_err(),
        read::group(&client, "secret").await.unwrap_err(),
        read::committed(&client, "secret", &asked)
            .await
            .unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.class(), Class::Denied, "{error}");
    }
    eventually("another group", async || {
        read::committed(&client, "open", &asked[..1]).await.ok()
    })
    .await;
}
