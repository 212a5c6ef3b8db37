//! From zero pods to the first, and back. At zero the group is awake as soon as more records wait
//! than the activation threshold; it goes to sleep only after no record was unread for a time, and
//! that must be proven: every partition read, committed to its end, and not one record arrived.
//! While a policy wants more than one pod the policies decide. Commits of an empty group expire, so a
//! group that sleeps for long is woken before.

use jiff::Timestamp;

use super::{
    combine::Combined,
    decision::Trace,
    observation::{Observation, PartitionSample},
    partition::{records, standing},
    policies::{Context, Opinion},
    time::{seconds_between, whole_second},
};
use crate::api::{
    connectors::OffsetReset,
    policies::{LAG, PolicyKind},
};

/// The name of the stage.
const STAGE: &str = "activation";
/// How much of the time that the broker keeps commits a group may sleep.
const SLEEP: f64 = 0.9;

/// That no record was unread, since when, and up to which end of the logs: as long as the ends are
/// the same, none has arrived, whoever looked or did not look meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Idle {
    /// Since when, in whole seconds.
    pub since: Timestamp,
    /// The sum of the end offsets.
    pub ends: i64,
}

/// The proof after one more look; none when this one does not prove it.
pub fn proof(
    before: Option<Idle>,
    observation: &Observation,
    lag: Option<i64>,
) -> Result<Idle, String> {
    let ends = proven_ends(observation, lag)?;
    let since = match before {
        Some(idle) if idle.ends == ends => idle.since,
        _ => whole_second(observation.at),
    };
    Ok(Idle { since, ends })
}

/// The sum of the end offsets when every partition was read to its end; else what keeps it from
/// being proven.
fn proven_ends(observation: &Observation, lag: Option<i64>) -> Result<i64, String> {
    if lag != Some(0) {
        return Err(match lag {
            Some(lag) => format!("lag {lag}"),
            None => "the lag is not known".to_owned(),
        });
    }
    let mut ends = 0_i64;
    for sample in &observation.partitions {
        let name = || format!("partition {} of topic {}", sample.partition, sample.topic);
        let Some(end) = sample.end.filter(|_| sample.error.is_none()) else {
            return Err(format!("{} cannot be read", name()));
        };
        match sample.committed {
            None => return Err(format!("{} has no commit", name())),
            Some(committed) if committed > end => {
                return Err(format!("{} has a commit beyond its end", name()));
            }
            Some(_) => ends = ends.saturating_add(end),
        }
    }
    Ok(ends)
}

/// What activation makes of one look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Activation {
    /// There are pods, and there always must be some.
    Needless,
    /// Zero pods, and nothing calls for any.
    Asleep(String),
    /// Zero pods, and records wait, or commits would expire.
    Wakes {
        /// Why.
        reason: String,
        /// Whether only the commits are the reason.
        is_expiring: bool,
    },
    /// There are pods, and something keeps the last from going.
    Awake {
        /// What.
        reason: String,
        /// Whether that the broker does not keep commits for long enough is the reason.
        is_expiring: bool,
    },
    /// There are pods, and the last may go.
    Idle(String),
}

/// Judges one look. `idle` is the proof, or what it lacks.
pub fn judge(context: &Context<'_>, idle: &Result<Idle, String>) -> Activation {
    if context.spec.min_replicas > 0 {
        return Activation::Needless;
    }
    if context.replicas() == 0 {
        return at_zero(context);
    }
    match idle {
        Err(lacking) => Activation::Awake {
            reason: format!("not idle: {lacking}"),
            is_expiring: false,
        },
        Ok(idle) => above_zero(context, *idle),
    }
}

fn above_zero(context: &Context<'_>, idle: Idle) -> Activation {
    let (at, idle_for) = (context.observation.at, context.spec.activation.idle_for);
    // Who was just started has a right to be idle for as long.
    let started = context.memory.last_scale_out.map(|change| change.at);
    let since = started.map_or(idle.since, |started| started.max(idle.since));
    let is_expiring = kept_for(context).is_some_and(|kept| kept < idle_for.as_secs_f64());
    if is_expiring {
        let reason = "the broker keeps the commits of an empty group for a shorter time than \
                      activation.idleFor"
            .to_owned();
        Activation::Awake {
            reason,
            is_expiring,
        }
    } else if seconds_between(since, at) < idle_for.as_secs_f64() {
        Activation::Awake {
            reason: format!("idle, but not for {idle_for} yet"),
            is_expiring,
        }
    } else {
        Activation::Idle(format!("no record was unread for {idle_for}"))
    }
}

fn at_zero(context: &Context<'_>) -> Activation {
    let waiting = Waiting::of(context);
    if waiting.lag > 0 && waiting.is_without_commit {
        return Activation::Wakes {
            reason: format!("{} records wait, and the group has no commit", waiting.lag),
            is_expiring: false,
        };
    }
    let threshold = threshold(context);
    if waiting.lag > threshold {
        return Activation::Wakes {
            reason: format!("lag {} is above {threshold}", waiting.lag),
            is_expiring: false,
        };
    }
    if is_expiring(context) {
        return Activation::Wakes {
            reason: "the broker would soon forget the group's commits".to_owned(),
            is_expiring: true,
        };
    }
    Activation::Asleep(if waiting.is_known {
        format!("lag {} is not above {threshold}", waiting.lag)
    } else {
        "the lag is not known".to_owned()
    })
}

/// The records that wait at zero pods, whatever `offsetReset` says: of a partition without a commit
/// all that its log holds, because nobody has decided yet what to skip.
#[derive(Debug, Default)]
struct Waiting {
    lag: i64,
    is_known: bool,
    is_without_commit: bool,
}

impl Waiting {
    fn of(context: &Context<'_>) -> Self {
        let observation = context.observation;
        if observation.metrics.contains_key(LAG) || observation.partitions.is_empty() {
            let lag = context.reading.series.lag;
            return Self {
                lag: lag.unwrap_or(0),
                is_known: lag.is_some(),
                is_without_commit: false,
            };
        }
        let readable = || {
            let standing = |sample| standing(sample, OffsetReset::Earliest);
            let samples = observation.partitions.iter();
            samples.filter_map(move |sample| Some((sample, standing(sample)?.lag)))
        };
        let has_commit = |sample: &PartitionSample| sample.committed <= sample.end;
        Self {
            lag: readable().map(|(_, lag)| lag).fold(0, i64::saturating_add),
            is_known: readable().next().is_some(),
            is_without_commit: !readable().any(|(s, _)| s.committed.is_some() && has_commit(s)),
        }
    }
}

/// The lowest activation threshold of the policies that play a part: that of the block, or KEDA's
/// own where it is higher.
fn threshold(context: &Context<'_>) -> i64 {
    let block = context.spec.activation.lag;
    let of_policy = |kind| match kind {
        Some(PolicyKind::LagThreshold(policy)) => block.max(policy.activation_lag_threshold),
        _ => block,
    };
    let policies = context
        .active_policies()
        .map(|policy| of_policy(policy.kind()));
    policies.min().unwrap_or(block)
}

/// For how long, in seconds, commits are safe once the group is empty; none where it is not known.
fn kept_for(context: &Context<'_>) -> Option<f64> {
    let seconds = context.observation.offsets_retention_seconds?;
    Some(SLEEP * records(seconds))
}

/// Kafka counts from when the group became empty: the last scale-in was the one to zero.
fn is_expiring(context: &Context<'_>) -> bool {
    let slept = context.memory.last_scale_in.filter(|change| change.to == 0);
    let asleep = slept.map(|change| seconds_between(change.at, context.observation.at));
    kept_for(context)
        .zip(asleep)
        .is_some_and(|(kept, asleep)| asleep >= kept)
}

impl Activation {
    /// Tells the stage, where zero plays a part.
    pub fn tell(&self, trace: &mut Trace, least: i32) {
        match self {
            Self::Needless => {}
            Self::Asleep(reason) => trace.stage(STAGE, 0, reason.clone()),
            Self::Wakes { reason, .. } => trace.stage(STAGE, least, reason.clone()),
            Self::Awake { reason, .. } | Self::Idle(reason) => {
                trace.stage(STAGE, trace.value(), reason.clone());
            }
        }
    }

    /// What the policies want together, after activation: nothing while asleep, at least `least` to
    /// wake, and when idle zero in place of one, or of any count where no policy has an opinion.
    pub fn apply(&self, combined: Combined, opinions: &[(&str, Opinion)], least: i32) -> Combined {
        let own = |count, reason: &str| Combined {
            count,
            by: STAGE.to_owned(),
            reason: reason.to_owned(),
            is_relative: false,
            covers_arrivals: true,
            is_wish: true,
            wait: None,
        };
        match self {
            Self::Asleep(reason) => own(0, reason),
            Self::Wakes { reason, .. } if combined.count < least => own(least, reason),
            Self::Needless | Self::Awake { .. } | Self::Wakes { .. } => combined,
            Self::Idle(reason) => {
                let in_doubt =
                    |o: &Opinion| matches!(o, Opinion::Unknown(_) | Opinion::Settling(_));
                let is_certain = !opinions.iter().any(|(_, opinion)| in_doubt(opinion));
                // A step that only adds pods has nothing to say of a group that reads nothing.
                let is_unwanted = opinions
                    .iter()
                    .all(|(_, opinion)| matches!(opinion, Opinion::Abstains(_)));
                if is_certain && (is_unwanted || combined.count <= 1) {
                    own(0, reason)
                } else {
                    combined
                }
            }
        }
    }

    /// Whether the age of the commits is what decides.
    pub const fn is_expiring(&self) -> bool {
        matches!(
            self,
            Self::Wakes {
                is_expiring: true,
                ..
            } | Self::Awake {
                is_expiring: true,
                ..
            }
        )
    }
}
