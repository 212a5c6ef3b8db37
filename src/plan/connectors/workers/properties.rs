//! The properties of a pipeline's Connect workers, as text for a `ConfigMap`. Values come from a
//! pipeline and are escaped: none may add a line of its own.

use std::{collections::BTreeMap, fmt::Write as _};

use crate::{
    api::{connectors::ConnectWorkers, kafka::Kafka},
    plan::{connectors::kafka_client, names},
};

/// Where the REST interface listens in each worker's pod.
pub const REST_PORT: i32 = 8083;
/// Environment variable with the address of the worker's pod.
pub(super) const POD_IP: &str = "POD_IP";
/// More copies of an internal topic than this only cost.
const MAX_REPLICATION: i32 = 3;
/// What the keys of the internal topics end with; the rest of the topic's name is the group's.
const INTERNAL: [(&str, &str); 3] = [
    ("config.storage", "configs"),
    ("offset.storage", "offsets"),
    ("status.storage", "status"),
];

/// The three topics in which a worker group keeps its connectors, their offsets and their states.
#[must_use]
pub fn internal_topics(group: &str) -> [String; 3] {
    INTERNAL.map(|(_, ending)| format!("{group}.{ending}"))
}

/// The worker's properties.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Properties(BTreeMap<String, String>);

impl Properties {
    /// The properties of a group's workers. `brokers` bounds the copies of the internal topics,
    /// which the first worker creates.
    pub fn new(workers: &ConnectWorkers, kafka: &Kafka, group: &str, brokers: i32) -> Self {
        let fixed = [
            ("plugin.path", "/opt/kafka/plugins"),
            // Plugins that only reflection finds still work, with a warning.
            ("plugin.discovery", "hybrid_warn"),
            // Lines and structures alike survive the journey of the default; a connector that
            // wants something else says so.
            (
                "key.converter",
                "org.apache.kafka.connect.json.JsonConverter",
            ),
            (
                "value.converter",
                "org.apache.kafka.connect.json.JsonConverter",
            ),
            // The least that is done twice after a crash, for one small record a task each time.
            ("offset.flush.interval.ms", "5000"),
            // Reassign the tasks of a lost worker at once instead of after the usual 5 minutes.
            ("scheduled.rebalance.max.delay.ms", "0"),
            // Tuning is the connector's own affair; what would lead it away from the pipeline's
            // group and cluster is refused before Connect is asked.
            ("connector.client.config.override.policy", "All"),
        ];
        let mut properties: BTreeMap<_, _> = fixed
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into();
        let mut set = |key: &str, value: String| properties.insert(key.to_owned(), value);
        set("bootstrap.servers", kafka.bootstrap_servers.clone());
        set("group.id", group.to_owned());
        set("listeners", format!("http://:{REST_PORT}"));
        set("rest.advertised.host.name", format!("${{env:{POD_IP}}}"));
        set("rest.advertised.port", REST_PORT.to_string());
        let copies = brokers.clamp(1, MAX_REPLICATION);
        for ((prefix, _), topic) in INTERNAL.iter().zip(internal_topics(group)) {
            set(&format!("{prefix}.topic"), topic);
            set(&format!("{prefix}.replication.factor"), copies.to_string());
        }
        // The worker's own clients, and those that it makes for connectors.
        for prefix in ["", "producer.", "consumer.", "admin."] {
            for (key, value) in kafka_client::properties(kafka) {
                set(&format!("{prefix}{key}"), value);
            }
        }
        let secured = !kafka_client::references(kafka).is_empty();
        let mut properties = Self(properties);
        properties.providers(workers, secured);
        properties
    }

    /// What `${provider:...}` in a configuration may read: the pod's address, files below the
    /// declared volumes, and those that Kafka is reached with. Secrets come to a connector through
    /// a volume, never through its spec.
    fn providers(&mut self, workers: &ConnectWorkers, secured: bool) {
        const PACKAGE: &str = "org.apache.kafka.common.config.provider";
        let mut set = |key: String, value: &str| self.0.insert(key, value.to_owned());
        let mounts = workers.volumes.iter().map(|v| v.mount_path.as_str());
        // A comma would make two paths of one.
        let mounts: Vec<_> = mounts.filter(|path| !path.contains(',')).collect();
        let mut names = vec!["env"];
        set(
            "config.providers.env.param.allowlist.pattern".into(),
            POD_IP,
        );
        set(
            "config.providers.env.class".into(),
            &format!("{PACKAGE}.EnvVarConfigProvider"),
        );
        if !mounts.is_empty() {
            for (name, class) in [("directory", "Directory"), ("file", "File")] {
                names.push(name);
                let prefix = format!("config.providers.{name}");
                set(
                    format!("{prefix}.class"),
                    &format!("{PACKAGE}.{class}ConfigProvider"),
                );
                set(format!("{prefix}.param.allowed.paths"), &mounts.join(","));
            }
        }
        if secured {
            names.push("kafka");
            set(
                "config.providers.kafka.class".into(),
                &format!("{PACKAGE}.DirectoryConfigProvider"),
            );
            set(
                "config.providers.kafka.param.allowed.paths".into(),
                kafka_client::FOLDER,
            );
        }
        set("config.providers".into(), &names.join(","));
    }

    /// The text of the file.
    pub fn text(&self) -> String {
        self.0.iter().fold(String::new(), |mut text, (key, value)| {
            let _ = writeln!(text, "{key}={}", escaped(value));
            text
        })
    }

    /// Changes with everything that a running worker would do differently. The copies of the
    /// internal topics count at their creation only: a broker more must not roll the workers.
    pub fn digest(&self) -> String {
        let lasting = |(key, _): &(&String, &String)| !key.ends_with(".replication.factor");
        names::digest(
            self.0
                .iter()
                .filter(lasting)
                .flat_map(|(key, value)| [key, value]),
        )
    }
}

/// A value as `java.util.Properties` reads it: ISO 8859-1 with escapes.
fn escaped(value: &str) -> String {
    value.encode_utf16().fold(String::new(), |mut text, unit| {
        match u8::try_from(unit) {
            Ok(byte @ (b'!'..=b'[' | b']'..=b'~')) => text.push(char::from(byte)),
            _ => {
                let _ = write!(text, "\\u{unit:04x}");
            }
        }
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::pods::Volume;

    fn kafka(servers: &str) -> Kafka {
        Kafka {
            bootstrap_servers: servers.to_owned(),
            ..Kafka::default()
        }
    }

    fn properties(brokers: i32) -> Properties {
        let workers = ConnectWorkers::default();
        Properties::new(&workers, &kafka("kafka:9092"), "plant.p._workers", brokers)
    }

    #[test]
    fn internal_topics_belong_to_the_group_and_have_at_most_three_copies() {
        for (brokers, copies) in [(0, 1), (1, 1), (2, 2), (5, 3)] {
            let text = properties(brokers).text();
            for (key, ending) in [
                ("config", "configs"),
                ("offset", "offsets"),
                ("status", "status"),
            ] {
                assert!(text.contains(&format!("{key}.storage.topic=plant.p._workers.{ending}\n")));
                let line = format!("{key}.storage.replication.factor={copies}\n");
                assert!(text.contains(&line), "{text}");
            }
        }
    }

    #[test]
    fn another_number_of_brokers_rolls_nothing() {
        assert_eq!(properties(1).digest(), properties(3).digest());
        assert_ne!(properties(1).text(), properties(3).text());
    }

    #[test]
    fn no_value_adds_a_line() {
        let volume = |mount_path: &str| Volume {
            mount_path: mount_path.to_owned(),
            ..Volume::default()
        };
        let workers = ConnectWorkers {
            volumes: vec![
                volume("/a\nplugin.path=/evil"),
                volume("/b,/"),
                volume("/ö"),
            ],
            ..ConnectWorkers::default()
        };
        let text = Properties::new(&workers, &kafka("a\\b:9092"), "g", 1).text();
        assert!(
            !text
                .lines()
                .any(|line| line.starts_with("plugin.path=/evil"))
        );
        assert!(
            text.contains("param.allowed.paths=/a\\u000aplugin.path=/evil,/\\u00f6\n"),
            "{text}"
        );
        assert!(
            text.contains("bootstrap.servers=a\\u005cb:9092\n"),
            "{text}"
        );
    }

    #[test]
    fn files_are_readable_below_volumes_only() {
        assert!(properties(1).text().contains("config.providers=env\n"));
    }
}
