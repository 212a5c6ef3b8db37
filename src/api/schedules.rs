//! Bounds in time: AWS scheduled actions, Azure profiles, suspension. Wire types and admission rules
//! only; whether a cron expression or a time zone exists is checked when a pipeline is planned.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{common::Duration, policies::Policy};

/// A scheduled action of AWS: other bounds from each occurrence on, or a count set once. Where
/// several hold, the latest occurrence decides each bound; of two at once, the larger value.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.minReplicas) || has(self.maxReplicas) || has(self.replicas)")
        .message("a schedule sets minReplicas, maxReplicas, replicas or several of them"),
    validation = Rule::new("!has(self.minReplicas) || !has(self.maxReplicas) || self.minReplicas <= self.maxReplicas")
        .message("minReplicas must not exceed maxReplicas"),
    validation = Rule::new("has(self.schedule) != has(self.at)")
        .message("a schedule has exactly one of schedule (cron) and at (one time)"),
    validation = Rule::new("has(self.duration) || !(has(self.minReplicas) || has(self.maxReplicas))")
        .message("bounds of a schedule need duration: how long they hold after each occurrence"),
    validation = Rule::new("!has(self.at) || !(has(self.start) || has(self.end))")
        .message("start and end bound the life of a cron schedule; at is one time: remove them"),
    validation = Rule::new("!has(self.start) || !has(self.end) || self.start < self.end")
        .message("start must be before end"),
    validation = Rule::new("!has(self.duration) || (duration(self.duration) >= duration('1s') && duration(self.duration) <= duration('168h'))")
        .message("duration must lie between 1s and 168h: for example duration: 8h")
)]
pub struct Schedule {
    /// The schedule's name, unique within the block.
    #[schemars(
        length(min = 1, max = 63),
        regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
    )]
    pub name: String,
    /// When it occurs: minute, hour, day of month, month, day of week, as in cron. A time that the
    /// clocks skip is taken right after the change, one that they repeat counts once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 9, max = 100),
        regex(pattern = r"^[-0-9A-Za-z*,/]+(\s+[-0-9A-Za-z*,/]+){4}$")
    )]
    pub schedule: Option<String>,
    /// When it occurs, once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Time>,
    /// The IANA time zone of `schedule`, with its daylight saving time. Default UTC.
    #[serde(default = "utc")]
    #[schemars(length(min = 1, max = 64))]
    pub time_zone: String,
    /// No occurrence before this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<Time>,
    /// No occurrence from then on; bounds that hold then end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<Time>,
    /// How long the bounds hold after each occurrence; then those before hold again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration: Option<Duration>,
    /// Fewest pods meanwhile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1000))]
    pub min_replicas: Option<i32>,
    /// Most pods meanwhile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub max_replicas: Option<i32>,
    /// The count that is set once at each occurrence; afterwards the policies rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1000))]
    pub replicas: Option<i32>,
}

fn utc() -> String {
    "UTC".to_owned()
}

/// A profile of Azure: other bounds and policies for some time. One profile applies at a time, a
/// fixed date before a recurrence before the block itself; they are never merged.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.fixedDate) != has(self.recurrence)")
    .message("a profile has exactly one of fixedDate and recurrence; what holds else is the block itself"))]
pub struct Profile {
    /// The profile's name, unique within the block.
    #[schemars(
        length(min = 1, max = 63),
        regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
    )]
    pub name: String,
    /// Its bounds.
    pub capacity: ProfileCapacity,
    /// Its policies, in place of the block's; without any the count only keeps within the bounds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub policies: Vec<Policy>,
    /// Between two dates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fixed_date: Option<FixedDate>,
    /// Every week.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recurrence: Option<Recurrence>,
}

/// The bounds of a profile.
#[derive(KubeSchema, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.minimum <= self.maximum && (!has(self.default) || (self.default >= self.minimum && self.default <= self.maximum))")
    .message("minimum <= default <= maximum must hold"))]
pub struct ProfileCapacity {
    /// Fewest pods.
    #[schemars(range(min = 0, max = 1000))]
    pub minimum: i32,
    /// Most pods.
    #[schemars(range(min = 1, max = 1000))]
    pub maximum: i32,
    /// The floor while no metric can be read; never lowers the count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1000))]
    pub default: Option<i32>,
}

/// A time between two dates, in local wall time.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.start < self.end").message("start must be before end"))]
pub struct FixedDate {
    /// From then on, `2026-12-24T00:00:00`.
    #[schemars(length(max = 19), regex(pattern = LOCAL))]
    pub start: String,
    /// Until then, not included.
    #[schemars(length(max = 19), regex(pattern = LOCAL))]
    pub end: String,
    /// The IANA time zone. Default UTC.
    #[serde(default = "utc")]
    #[schemars(length(min = 1, max = 64))]
    pub time_zone: String,
}

/// A local date and time.
const LOCAL: &str = r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}$";

/// A time of every week, in local wall time: from each combination of day, hour and minute on.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("duration(self.duration) >= duration('1s') && duration(self.duration) <= duration('168h')")
    .message("duration must lie between 1s and 168h: for example duration: 10h"))]
pub struct Recurrence {
    /// On which days.
    #[schemars(length(min = 1, max = 7))]
    pub days: Vec<Weekday>,
    /// At which hours, 0 to 23.
    #[schemars(length(min = 1, max = 24), inner(range(min = 0, max = 23)))]
    pub hours: Vec<i8>,
    /// At which minutes, 0 to 59.
    #[schemars(length(min = 1, max = 60), inner(range(min = 0, max = 59)))]
    pub minutes: Vec<i8>,
    /// The IANA time zone. Default UTC.
    #[serde(default = "utc")]
    #[schemars(length(min = 1, max = 64))]
    pub time_zone: String,
    /// How long the profile holds from each of these times on.
    pub duration: Duration,
}

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "days of the week")]
pub enum Weekday {
    Monday,
    Tuesday,
    Wednesday,
    Thursday,
    Friday,
    Saturday,
    Sunday,
}

/// What the autoscaler is kept from, for a time. Bounds of a person hold all the same.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Suspension {
    /// No policy adds pods.
    #[serde(default)]
    pub scale_out: bool,
    /// No policy removes pods.
    #[serde(default)]
    pub scale_in: bool,
    /// No schedule has an effect; what occurs meanwhile is not made up for.
    #[serde(default)]
    pub schedules: bool,
    /// Until then; left out, until it is taken back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Time>,
    /// Why, for those who read the decisions.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 256))]
    pub reason: String,
}
