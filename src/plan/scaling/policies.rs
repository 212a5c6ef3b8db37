//! What each policy wants, independent of the others. A policy that cannot tell says so; it never
//! guesses, and it never looks at what another one wants.

mod adjustment;
mod alarm;
pub mod lag_threshold;
mod numbers;
mod predictive;
pub mod rules;
mod standstill;
pub mod step;
pub mod target_tracking;
pub mod time_lag;

use self::step::Response;
use super::{
    acts::Wait,
    levels::Levels,
    memory::Memory,
    observation::Observation,
    series::Reading,
    steady::{is_tolerated, whole_count},
    windows::Windows,
};
use crate::api::{
    policies::{ARRIVAL_RATE, CONSUME_RATE, LAG, LAGGING_PARTITIONS, Policy, PolicyKind, TIME_LAG},
    scaling::Autoscaling,
};

/// Everything that a policy and the stages after it may look at.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The declared block.
    pub spec: &'a Autoscaling,
    /// What was seen.
    pub observation: &'a Observation,
    /// The series, computed from it.
    pub reading: &'a Reading,
    /// The samples that policies look back on.
    pub windows: &'a Windows,
    /// The partition levels.
    pub levels: &'a Levels,
    /// What is remembered.
    pub memory: &'a Memory,
}

impl<'a> Context<'a> {
    /// The count that is asked for now.
    pub const fn replicas(&self) -> i32 {
        self.observation.replicas
    }

    /// The largest count that can be reached: `maxReplicas`, or the partitions when fewer.
    pub fn highest(&self) -> i32 {
        let cap = self.levels.cap().unwrap_or(i32::MAX);
        self.spec.max_replicas.min(cap)
    }

    /// The policies that play a part.
    pub fn active_policies(&self) -> impl Iterator<Item = &'a Policy> + use<'a> {
        let policies = self.spec.policies.iter();
        policies.filter(|policy| !policy.is_shadow())
    }

    /// The pods that count in averages: ready, and past their warm-up.
    pub fn warm_replicas(&self) -> i32 {
        let warmup = self.spec.warmup.as_secs_f64();
        let warm = self.settled(warmup);
        self.observation.ready.clamp(0, warm)
    }

    /// The count without what the last scale-outs added and what is still on its way: they are
    /// warming up, or `cooldown.scaleOut` is not over. A step adds to this count, so that the same
    /// step again adds nothing, and a larger one only the difference (AWS).
    pub fn settled_replicas(&self) -> i32 {
        let cooldown = self.spec.cooldown.scale_out.max(self.spec.warmup);
        self.settled(cooldown.as_secs_f64())
    }

    fn settled(&self, seconds: f64) -> i32 {
        let before = self.memory.before_scale_outs(self.observation.at, seconds);
        before.map_or(self.replicas(), |count| count.min(self.replicas()))
    }
}

/// What a policy says.
#[derive(Clone, Debug, PartialEq)]
pub enum Opinion {
    /// It wants a count.
    Wants(Wish),
    /// It knows no better than to try one level fewer, when nobody else wants anything.
    Tries(Wish),
    /// It has nothing to say; it neither blocks nor demands.
    Abstains(String),
    /// It cannot tell yet, for want of samples: nobody may scale in.
    Settling(String),
    /// It cannot tell: nobody may scale in.
    Unknown(String),
}

/// A count that a policy wants.
#[derive(Clone, Debug, PartialEq)]
pub struct Wish {
    /// The count, at least 1, before any bounds.
    pub count: i32,
    /// Whether it is a step from the present count, not a count that the metric calls for; nor one
    /// from the count that is settled, which a step that is taken again does not exceed.
    pub is_relative: bool,
    /// Whether it covers what arrives, by what a pod can process.
    pub covers_arrivals: bool,
    /// Whether the policy may remove pods.
    pub may_scale_in: bool,
    /// What the policy waits for once its wish was carried out.
    pub wait: Option<Wait>,
    /// How it came about, with numbers.
    pub reason: String,
}

impl Wish {
    /// A count that the policy calls for now, up or down, without knowing what a pod can process.
    pub const fn of(count: i32, reason: String) -> Self {
        Self {
            count,
            is_relative: false,
            covers_arrivals: false,
            may_scale_in: true,
            wait: None,
            reason,
        }
    }
}

impl Opinion {
    /// How it came about.
    pub fn reason(&self) -> &str {
        match self {
            Self::Wants(wish) | Self::Tries(wish) => &wish.reason,
            Self::Abstains(reason) | Self::Settling(reason) | Self::Unknown(reason) => reason,
        }
    }

    /// The count that it asks for, or `replicas` when it asks for none.
    pub const fn count(&self, replicas: i32) -> i32 {
        match self {
            Self::Wants(wish) | Self::Tries(wish) => wish.count,
            Self::Abstains(_) | Self::Settling(_) | Self::Unknown(_) => replicas,
        }
    }
}

/// What `policy` wants.
pub fn opinion(context: &Context<'_>, policy: &Policy) -> Opinion {
    if context.reading.no_partitions {
        return Opinion::Unknown("no partition of the consumed topics is known".into());
    }
    match policy.kind() {
        Some(PolicyKind::TargetTracking(tracking)) => target_tracking::opinion(context, tracking),
        Some(PolicyKind::Step(step)) => Response::from(step).opinion(context),
        Some(PolicyKind::Simple(simple)) => step::simple(context, &policy.name, simple),
        Some(PolicyKind::Rules(rules)) => rules::opinion(context, &policy.name, rules),
        Some(PolicyKind::LagThreshold(lag)) => lag_threshold::opinion(context, lag),
        Some(PolicyKind::Predictive(forecast)) => predictive::opinion(context, forecast),
        None => Opinion::Abstains("it has no kind that is known here".to_owned()),
    }
}

/// A condition under which a policy adds pods, to be asked for counts below the present one.
#[derive(Debug)]
pub enum Trigger<'a> {
    /// The alarm of a step or simple policy.
    Alarm(step::Trigger<'a>),
    /// An out-rule.
    Rule(rules::Trigger<'a>),
    /// A target for the number of unread records.
    Standstill(standstill::Trigger<'a>),
}

impl Trigger<'_> {
    /// Why it would add pods if `candidate` of the present `replicas` stayed, if so.
    pub fn fires(&self, replicas: i32, candidate: i32) -> Option<String> {
        match self {
            Self::Alarm(alarm) => alarm.fires(replicas, candidate),
            Self::Rule(rule) => rule.fires(replicas, candidate),
            Self::Standstill(lag) => lag.fires(candidate),
        }
    }
}

/// The conditions under which `policy` adds pods. A policy that says which count it needs has none
/// but what the change itself costs: the policies together are never below that count.
pub fn triggers<'a>(context: &Context<'a>, policy: &'a Policy) -> Vec<Trigger<'a>> {
    use standstill::Trigger as Standstill;
    let alarm = |response| step::Trigger::of(context, response).map(Trigger::Alarm);
    let rule = |rule| rules::Trigger::of(context, rule).map(Trigger::Rule);
    match policy.kind() {
        Some(PolicyKind::Step(step)) => alarm(Response::from(step)).into_iter().collect(),
        Some(PolicyKind::Simple(simple)) => alarm(Response::from(simple)).into_iter().collect(),
        Some(PolicyKind::Rules(rules)) => rules.iter().filter_map(rule).collect(),
        Some(PolicyKind::TargetTracking(tracking)) => {
            let lag = Standstill::of_tracking(context, tracking);
            lag.map(Trigger::Standstill).into_iter().collect()
        }
        Some(PolicyKind::LagThreshold(threshold)) => {
            let lag = Standstill::of_threshold(context, threshold);
            lag.map(Trigger::Standstill).into_iter().collect()
        }
        _ => Vec::new(),
    }
}

/// The series that are always there: sums over the pods, and an age.
const SERIES: [&str; 5] = [
    LAG,
    TIME_LAG,
    ARRIVAL_RATE,
    CONSUME_RATE,
    LAGGING_PARTITIONS,
];

/// What becomes of a metric when fewer pods share the same load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share {
    /// An average over the pods: it rises as their number falls.
    Average,
    /// A sum, or an age: it stays.
    Whole,
}

impl Share {
    /// The kind of a metric: the series that are always there are sums or ages, any other is taken
    /// for an average, as in target tracking.
    pub fn of(metric: &str) -> Self {
        if SERIES.contains(&metric) {
            Self::Whole
        } else {
            Self::Average
        }
    }

    /// By how much a value changes when `candidate` of `replicas` stay.
    pub fn factor(self, replicas: i32, candidate: i32) -> f64 {
        match self {
            Self::Average => f64::from(replicas) / f64::from(candidate.max(1)),
            Self::Whole => 1.0,
        }
    }
}

/// Whether a metric says how far the group is behind. Such a metric falls to nothing as soon as
/// there are enough pods, and says nothing of how many are enough.
pub fn is_backlog(metric: &str) -> bool {
    [LAG, TIME_LAG, LAGGING_PARTITIONS].contains(&metric)
}

/// A count for a need of so many pods, of which at most `highest` can be reached. Inside the
/// tolerance the present count stays, unless the need lies at a bound: a bound that is never
/// reached for tolerance would be another bound.
pub fn proportional(context: &Context<'_>, need: f64, highest: i32, why: &str) -> (i32, String) {
    let replicas = context.replicas();
    let lowest = context.spec.min_replicas;
    let count = whole_count(need);
    let at_bound =
        (count >= highest && replicas < highest) || (count <= lowest && replicas > lowest);
    if is_tolerated(need, replicas, &context.spec.behavior) && !at_bound {
        (replicas, format!("{why}: within the tolerance"))
    } else {
        (count, format!("{why}: {count}"))
    }
}
