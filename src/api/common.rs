//! Words that several parts of the resource share: durations, conditions and their reasons.
//! Wire types only; nothing here decides.

use std::{borrow::Cow, fmt, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A length of time written as one number and one unit, `30s`, `5m` or `1h`; at most 7 days.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Duration(std::time::Duration);

/// Why a text is not a [`Duration`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a duration: write a number and a unit, such as 30s, 5m or 1h, at most 168h")]
pub struct InvalidDuration(String);

impl Duration {
    const MAX_SECONDS: u64 = 7 * 24 * 3600;
    /// What the schema accepts; the same set as [`Duration::from_str`], but for the upper bound.
    pub const PATTERN: &'static str = "^[0-9]{1,6}[smh]$";

    /// A duration of whole seconds, cut at 7 days.
    #[must_use]
    pub const fn from_secs(seconds: u64) -> Self {
        let bounded = if seconds > Self::MAX_SECONDS {
            Self::MAX_SECONDS
        } else {
            seconds
        };
        Self(std::time::Duration::from_secs(bounded))
    }

    /// The length in whole seconds, 0 to 604,800.
    #[must_use]
    pub const fn as_secs(self) -> u64 {
        self.0.as_secs()
    }

    /// The length in seconds as a floating-point number.
    #[must_use]
    pub fn as_secs_f64(self) -> f64 {
        self.0.as_secs_f64()
    }

    /// The same length as the standard library's type.
    #[must_use]
    pub const fn as_std(self) -> std::time::Duration {
        self.0
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.as_secs() {
            0 => f.write_str("0s"),
            s if s % 3600 == 0 => write!(f, "{}h", s / 3600),
            s if s % 60 == 0 => write!(f, "{}m", s / 60),
            s => write!(f, "{s}s"),
        }
    }
}

impl FromStr for Duration {
    type Err = InvalidDuration;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidDuration(text.to_owned());
        let unit = match text.chars().last() {
            Some('s') => 1,
            Some('m') => 60,
            Some('h') => 3600,
            _ => return Err(invalid()),
        };
        let digits = &text[..text.len() - 1];
        if digits.is_empty() || digits.len() > 6 || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(invalid());
        }
        let number: u64 = digits.parse().map_err(|_| invalid())?;
        match number * unit {
            seconds if seconds <= Self::MAX_SECONDS => Ok(Self::from_secs(seconds)),
            _ => Err(invalid()),
        }
    }
}

impl Serialize for Duration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

impl JsonSchema for Duration {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "pattern": Self::PATTERN, "maxLength": 7})
    }
}

/// The condition types of a pipeline. `Ready`, `Reconciling` and `Stalled` follow kstatus.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ConditionType {
    /// Everything that the spec asks for is there and works.
    Ready,
    /// Work towards the current generation is under way.
    Reconciling,
    /// No further progress without a person.
    Stalled,
    /// Every topic is as declared, or as observed where it is only observed.
    TopicsReady,
    /// Every connector runs as declared.
    ConnectorsReady,
    /// The autoscaler reads its metrics and may act.
    ScalingActive,
    /// The pipeline was stopped by `spec.suspend`.
    Suspended,
}

impl ConditionType {
    /// The `type` field of the condition.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "Ready",
            Self::Reconciling => "Reconciling",
            Self::Stalled => "Stalled",
            Self::TopicsReady => "TopicsReady",
            Self::ConnectorsReady => "ConnectorsReady",
            Self::ScalingActive => "ScalingActive",
            Self::Suspended => "Suspended",
        }
    }
}

macro_rules! reasons {
    ($($(#[doc = $doc:literal])+ $name:ident,)+) => {
        /// Why a condition, a phase or an event is what it is: stable words that tools may match.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Reason { $($(#[doc = $doc])+ $name,)+ }

        impl Reason {
            /// Every reason, for the documentation's test.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The reason of this word.
            #[must_use]
            pub fn of(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|reason| reason.as_str() == word)
            }

            /// The word in `reason` fields.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)+ }
            }
        }
    };
}

reasons! {
    /// Everything is as declared.
    AsDeclared,
    /// Work is under way.
    Progressing,
    /// Nothing of this kind is declared.
    NoneDeclared,
    /// `spec.suspend` is set.
    Suspended,
    /// The annotation `sluice.dev/paused` is set: nothing is written but status.
    Paused,
    /// The object is being deleted.
    Deleting,
    /// The spec cannot be carried out as it is; the message names the field.
    InvalidSpec,
    /// No broker answered at `spec.kafka.bootstrapServers`.
    KafkaUnreachable,
    /// Kafka, or its token endpoint, refused the login.
    AuthenticationFailed,
    /// Kafka refused a call for the identity in use.
    AuthorizationFailed,
    /// A certificate, the broker's or this side's, is not valid at this time.
    CertificateExpired,
    /// The broker's certificate is for another host name.
    CertificateHostMismatch,
    /// The broker's certificate is of no trusted authority.
    CertificateUntrusted,
    /// The broker refused this side's certificate, or wants one.
    ClientCertificateRefused,
    /// TLS with Kafka could not be agreed on.
    TlsFailed,
    /// What a Secret of `spec.kafka` holds cannot be used.
    CredentialsInvalid,
    /// Kafka answered with an error; its own words are in the message.
    KafkaRefused,
    /// Another Kafka cluster answers at the same address.
    ClusterChanged,
    /// The topic exists and `adopt` does not allow to take it over.
    TopicExists,
    /// Partitions can only grow.
    PartitionsCannotShrink,
    /// The replication factor of a live topic cannot be changed.
    ReplicationFactorDiffers,
    /// Kafka refused the topic as declared.
    TopicRefused,
    /// The topic is observed only and does not exist.
    TopicMissing,
    /// The topic id is not the recorded one: it was deleted and created again by somebody.
    TopicRecreated,
    /// A topic was taken out of the spec and is kept in Kafka.
    TopicReleased,
    /// Another pipeline holds the same topic, consumer group or Connect name.
    Claimed,
    /// The brokers create topics by themselves on first use.
    AutoCreateEnabled,
    /// A topic that the connector needs is not ready.
    WaitingForTopics,
    /// The Kafka Connect workers are not ready yet.
    WorkersNotReady,
    /// The Connect REST interface did not answer.
    ConnectUnreachable,
    /// Connect answered with an error; its own words are in the message.
    ConnectRefused,
    /// The connector class is not among the worker's plugins.
    ConnectorClassMissing,
    /// `config/validate` found errors in the connector's configuration.
    ConnectorConfigInvalid,
    /// At least one task failed; the first trace is in the connector's status.
    TaskFailed,
    /// The connector runs but not all of its tasks do yet.
    TasksNotRunning,
    /// A Secret or ConfigMap, or a key of it, does not exist.
    ReferenceMissing,
    /// The container image cannot be pulled.
    ImagePullFailed,
    /// A container ends again and again.
    ContainerCrashing,
    /// Pods are not ready yet.
    PodsNotReady,
    /// Something of this name exists and is not ours.
    NotOurs,
    /// Metrics are read and the count follows them.
    Scaling,
    /// No connector has an `autoscaling` block.
    NotConfigured,
    /// `autoscaling.mode` is `Shadow`: decisions are made and shown, and nobody acts.
    Shadow,
    /// `autoscaling.mode` is `Off`: nothing is decided.
    ScalingOff,
    /// A person suspended scale-out or scale-in.
    ScalingSuspended,
    /// A person set the count, and it is left alone for a time.
    Overridden,
    /// The broker would soon forget the commits of a group without pods.
    OffsetsExpiring,
    /// The spec works, and probably not as meant.
    SpecWarning,
    /// An `HorizontalPodAutoscaler` or `ScaledObject` targets the same Deployment.
    ConflictingScaler,
    /// Lag, or a part of it, cannot be read: no scale-in.
    LagUnknown,
    /// The replica count changed.
    ScaledOut,
    /// The replica count changed.
    ScaledIn,
    /// A metric cannot be used as it is declared: nothing scales in by it.
    MetricInvalid,
    /// A metric cannot be read: no scale-in by it.
    MetricUnknown,
    /// More replicas cannot help: there are no more partitions to share.
    PartitionLimited,
    /// More replicas cannot help: a partition gets more than one of them can process.
    HotPartition,
    /// More replicas cannot help: partitions with unread records make no progress.
    StuckPartitions,
    /// More replicas did not help: the last scale-out brought nothing.
    ScaleOutIneffective,
    /// Kafka would delete unread records before they are read.
    RetentionAtRisk,
    /// The wanted count lies outside the declared bounds.
    AtMaximum,
    /// Something outside the cluster was left behind at deletion.
    LeftBehind,
    /// The Kubernetes API refused or failed a write.
    ApplyFailed,
    /// The operator's lease was not renewed in time: nothing was sent.
    NotLeading,
    /// The Kubernetes API refused or failed a read.
    KubernetesFailed,
    /// The consumer group does not finish rebalancing: scaling no longer waits for it.
    RebalanceStuck,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_one_number_and_one_unit() {
        for (text, seconds) in [("0s", 0), ("30s", 30), ("5m", 300), ("168h", 604_800)] {
            assert_eq!(text.parse(), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in [
            "", "5", "m", "-5s", "1.5h", "1h30m", "169h", "5 m", "9999999s", "5d",
        ] {
            assert!(text.parse::<Duration>().is_err(), "{text}");
        }
    }

    #[test]
    fn durations_print_in_their_largest_whole_unit() {
        for (seconds, text) in [
            (0, "0s"),
            (45, "45s"),
            (90, "90s"),
            (300, "5m"),
            (7200, "2h"),
        ] {
            assert_eq!(Duration::from_secs(seconds).to_string(), text);
        }
    }
}
