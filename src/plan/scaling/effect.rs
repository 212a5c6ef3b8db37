//! Whether scale-outs bring anything. A group that is held up by what it writes to, or by a lock,
//! processes no more with twice the pods; then more of them cost money and rebalances, and nothing
//! else. After Flink's autoscaler, which calls a scale-up ineffective below a tenth of its expected
//! gain.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{
    capacity::three_digits, decision::Trace, memory::Memory, observation::Observation,
    series::Reading, time::whole_second,
};
use crate::api::decisions::{IneffectiveScaleOut, ScaleOutOnTrial, ScalingMemory};

/// Holds a scale-out while the last one has brought nothing; a stage only then.
pub fn hold(memory: &Memory, trace: &mut Trace) {
    let known = memory.effect.ineffective().filter(|_| trace.from() > 0);
    if let Some(known) = known.filter(|_| trace.is_scale_out()) {
        let Ineffective {
            from, to, until, ..
        } = known;
        let reason = format!("{from} -> {to} brought nothing: no scale-out until {until}");
        trace.hold_if("effect", Some(reason));
    }
}

/// Which part of the expected gain must be there.
const GAIN: f64 = 0.1;
/// How long nothing is added after a scale-out without effect: what held the group up may be gone
/// by then.
const FROZEN: SignedDuration = SignedDuration::from_mins(30);

/// What is known of the effect of scale-outs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Effect {
    /// The revision of the pods that all this is about.
    revision: Option<String>,
    on_trial: Option<OnTrial>,
    ineffective: Option<Ineffective>,
}

/// A scale-out whose effect is not known yet.
#[derive(Clone, Debug, PartialEq)]
struct OnTrial {
    from: i32,
    /// What a pod processed before, busy all the time.
    per_replica: f64,
}

/// A scale-out without effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ineffective {
    /// Count before.
    pub from: i32,
    /// Count after.
    pub to: i32,
    /// Until when nothing is added, in whole seconds.
    pub until: Timestamp,
}

impl Effect {
    /// The scale-out without effect, while nothing is added for it.
    pub const fn ineffective(&self) -> Option<&Ineffective> {
        self.ineffective.as_ref()
    }

    /// Takes in a look. Pods that are warm and still busy all the time show what the last scale-out
    /// brought; pods that wait for records prove that it was enough.
    pub fn judge(&mut self, observation: &Observation, reading: &Reading, interval: f64) {
        let (at, now) = (observation.at, observation.replicas);
        if observation.revision.is_some() && observation.revision != self.revision {
            *self = Self::default();
        }
        self.ineffective = self.ineffective.take().filter(|known| at < known.until);
        let on_trial = self.on_trial.take().filter(|trial| now > trial.from);
        let settled = reading.load.is_some();
        let Some(trial) = on_trial else { return };
        let keeps_up = reading
            .series
            .time_lag
            .is_some_and(|age| age < 2.0 * interval);
        match reading.saturated_rate.filter(|_| settled) {
            Some(rate) if trial.brought_nothing(rate, now) => {
                self.ineffective = Some(Ineffective {
                    from: trial.from,
                    to: now,
                    until: whole_second(at)
                        .saturating_add(FROZEN)
                        .unwrap_or(Timestamp::MAX),
                });
            }
            Some(_) => {}
            None if settled && keeps_up => {}
            None => self.on_trial = Some(trial),
        }
    }

    /// Takes note of a scale-out that was made while all pods were busy. Those that follow before its
    /// effect is known are judged together with it.
    pub fn note(&mut self, observation: &Observation, reading: &Reading) {
        let has_samples = !observation.partitions.is_empty();
        if let Some(rate) = reading.saturated_rate.filter(|_| has_samples) {
            self.revision.clone_from(&observation.revision);
            self.on_trial.get_or_insert(OnTrial {
                from: observation.replicas,
                per_replica: three_digits(rate),
            });
        }
    }

    /// Puts it into status.
    pub fn put_into(&self, status: &mut ScalingMemory) {
        status.on_trial = self.on_trial.as_ref().map(|trial| ScaleOutOnTrial {
            from: trial.from,
            per_replica: trial.per_replica,
        });
        status.ineffective = self.ineffective.as_ref().map(|known| IneffectiveScaleOut {
            from: known.from,
            to: known.to,
            until: Time(known.until),
        });
        let is_known = status.on_trial.is_some() || status.ineffective.is_some();
        status.effect_of = self.revision.clone().filter(|_| is_known);
    }

    /// From status.
    pub fn from_status(status: &ScalingMemory) -> Self {
        Self {
            revision: status.effect_of.clone(),
            on_trial: status.on_trial.as_ref().map(|trial| OnTrial {
                from: trial.from,
                per_replica: three_digits(trial.per_replica),
            }),
            ineffective: status.ineffective.as_ref().map(|known| Ineffective {
                from: known.from,
                to: known.to,
                until: known.until.0,
            }),
        }
    }
}

impl OnTrial {
    /// Whether `rate` a second of each of `now` pods is hardly more in all than before.
    fn brought_nothing(&self, rate: f64, now: i32) -> bool {
        let gained = rate * f64::from(now) - self.per_replica * f64::from(self.from);
        gained < GAIN * self.per_replica * f64::from(now - self.from)
    }
}
