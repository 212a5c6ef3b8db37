//! The stages after the policies were combined, in the order in which they run: each takes the
//! count so far, and keeps, bounds or passes it on with its reason. What a stage must know beyond
//! that is an argument; only the windows of wishes are written here.

use jiff::Timestamp;

use super::{
    bounds::InForce,
    combine::Combined,
    decision::{PASSES, Trace},
    gate::Passage,
    memory::Memory,
    policies::{Context, time_lag::is_behind},
    rates::RATE_SECONDS,
    rehearse, steady,
};
use crate::api::scaling::Autoscaling;

/// The next level at or above what a policy wants, and never more pods than partitions. A step from
/// the present count that would end where it began goes on to the next level: the pods between the
/// two lower no share, so with the first of them gone the others are of no use either.
pub fn partitions(context: &Context<'_>, trace: &mut Trace, wish: Option<&Combined>) {
    let (from, value) = (trace.from(), trace.value());
    let level = if wish.is_some() && value > 0 {
        let most = context.spec.max_replicas.max(value);
        context.levels.at_or_above(value).min(most)
    } else {
        value
    };
    let level = if wish.is_some_and(|wish| wish.is_relative) && value < from && level >= from {
        context.levels.below(from)
    } else {
        level
    };
    match context.levels.cap().filter(|&cap| level > cap) {
        Some(cap) => trace.stage("partitions", cap, format!("{cap} partitions to share")),
        None if level > value => {
            let reason = format!("{level} lowers the largest share, {value} does not");
            trace.stage("partitions", level, reason);
        }
        None if level < value => {
            let reason = format!("{value} lowers no share more than {level} does");
            trace.stage("partitions", level, reason);
        }
        None => trace.stage("partitions", value, PASSES),
    }
}

/// The count that a policy would have on its own: at a level of the partitions, within the bounds.
pub fn within_bounds(context: &Context<'_>, count: i32) -> i32 {
    let level = if count > 0 {
        context.levels.at_or_above(count).min(context.highest())
    } else {
        0
    };
    level.max(context.spec.min_replicas)
}

/// What forbids a scale-in whatever a policy wants: the unknown, being behind, falling behind.
/// Says whether what is left of it is a trial.
pub fn guards(context: &Context<'_>, covers_arrivals: bool, trace: &mut Trace) -> bool {
    let unreadable = context.reading.unreadable.as_ref();
    let hold = unreadable.map(|unreadable| {
        let others = unreadable.count - 1;
        format!("no scale-in, {others} more like {}", unreadable.first)
    });
    let is_halted = context.reading.is_halted;
    let halted = is_halted.then(|| "no scale-in while no partition makes progress".to_owned());
    trace.hold_if("known lag", hold.or(halted).filter(|_| trace.is_scale_in()));
    let hold = context
        .active_policies()
        .filter(|policy| {
            trace.is_scale_in()
                && policy
                    .target_tracking
                    .as_ref()
                    .is_some_and(|tracking| is_behind(context, tracking))
        })
        .min_by_key(|policy| &policy.name)
        .map(|policy| format!("no scale-in while {} is behind its target", policy.name));
    trace.hold_if("behind target", hold);
    // To zero goes only a group that is proven idle: there is nothing to rehearse.
    if !trace.is_scale_in() || trace.value() == 0 {
        trace.hold_if("rehearsal", None);
        return false;
    }
    let rehearsed = rehearse::scale_in(context, trace.value(), covers_arrivals);
    trace.stage("rehearsal", rehearsed.count, rehearsed.reason);
    rehearsed.is_trial
}

/// The lowest wish of the scale-out window, the highest of the scale-in window. From zero there is
/// no window, and to zero the time of proven idleness is the window: what counts is that no other
/// count above one was wanted.
///
/// A mean rate that falls takes some seconds to do so, and wishes fall with it: a scale-in does not
/// stop at a count that was only wished for on the way.
pub fn stabilize(spec: &Autoscaling, memory: &mut Memory, at: Timestamp, trace: &mut Trace) {
    let (from, wish) = (trace.from(), trace.value());
    let (window, window_in) = (
        spec.behavior.scale_out_window(),
        spec.behavior.scale_in_window(),
    );
    let (lowest, highest) = wishes(spec, memory, at, (from, wish.max(1)));
    let settled = if from == 0 {
        wish
    } else {
        from.max(lowest).min(highest)
    };
    let settled = if wish == 0 && settled <= 1 {
        0
    } else {
        settled
    };
    let window_seconds = window_in.as_secs_f64();
    let turns = memory
        .highest
        .turns_within(at, window_seconds, RATE_SECONDS);
    if settled < from && wish < settled && turns {
        let reason = format!("less than {settled} in a moment: one change in place of two");
        trace.stage("stabilization", from, reason);
        return;
    }
    let reason = match settled.cmp(&wish) {
        std::cmp::Ordering::Equal => PASSES.to_owned(),
        std::cmp::Ordering::Less => format!("only {settled} was wanted all of the last {window}"),
        std::cmp::Ordering::Greater => format!("{settled} was wanted within the last {window_in}"),
    };
    trace.stage("stabilization", settled, reason);
}

/// Takes a wish into the windows and returns the lowest of the one, the highest of the other.
fn wishes(
    spec: &Autoscaling,
    memory: &mut Memory,
    at: Timestamp,
    (from, wish): (i32, i32),
) -> (i32, i32) {
    let window_out = spec.behavior.scale_out_window().as_secs_f64();
    let window_in = spec.behavior.scale_in_window().as_secs_f64();
    let lowest = memory.lowest.settle(at, from, wish, window_out);
    (lowest, memory.highest.settle(at, from, wish, window_in))
}

/// A count that a person set passes every window, and from then on counts in them.
pub fn remember_wish(spec: &Autoscaling, memory: &mut Memory, at: Timestamp, trace: &Trace) {
    let _ = wishes(spec, memory, at, (trace.from(), trace.value()));
}

/// The bounds of profiles and schedules, where some hold, and the count that a schedule sets. Says
/// whether they changed the count: then it is a person's, like any bound, and no policy's need.
pub fn in_time(in_force: &InForce<'_>, trace: &mut Trace) -> bool {
    let wish = trace.value();
    if let Some(reason) = &in_force.reason {
        let (min, max) = (in_force.spec.min_replicas, in_force.spec.max_replicas);
        let count = in_force.set.map_or(trace.value(), |set| set.value);
        trace.stage(
            "profile and schedule",
            count.max(min).min(max),
            reason.clone(),
        );
    }
    trace.value() != wish
}

/// What kind of change is about to be made.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// Whether the count is a step from the present one.
    pub is_relative: bool,
    /// Whether it is tried, not known to suffice.
    pub is_trial: bool,
}

/// Cooldown and warm-up.
pub fn pauses(spec: &Autoscaling, memory: &Memory, at: Timestamp, step: Step, trace: &mut Trace) {
    let (last_in, last_out) = (memory.last_scale_in, memory.last_scale_out);
    let wait = if trace.is_scale_in() {
        let trial = steady::trial_wait(last_in, last_out, at).filter(|_| step.is_trial);
        steady::scale_in_wait(spec, last_in, last_out, at).or(trial)
    } else if trace.is_scale_out() && trace.from() > 0 {
        steady::scale_out_wait(spec, last_out, at, step.is_relative)
    } else {
        None
    };
    trace.hold_if("cooldown", wait);
    let scale_in = trace.is_scale_in();
    let wait = steady::warming_up(spec, last_out, at).filter(|_| scale_in);
    trace.hold_if("warm-up", wait);
}

/// The rebalance gate; `cost` says why a change is not worth its standstill, where it is not. Where
/// there is no pod, there is nothing to wait for.
pub fn gate(passage: Passage, cost: Option<String>, trace: &mut Trace) {
    let cost = cost.filter(|_| trace.from() > 0 && trace.value() > 0);
    match passage {
        Passage::Closed if trace.from() == 0 => trace.hold_if("rebalance gate", None),
        Passage::Open => trace.hold_if("rebalance gate", cost),
        Passage::Closed => {
            trace.hold_if("rebalance gate", Some("the group is rebalancing".into()));
        }
        Passage::Stuck => {
            let reason = "passes: the group has been rebalancing for too long to wait for it";
            trace.stage("rebalance gate", trace.value(), reason);
        }
    }
}

/// The bounds that a person set; they apply whatever is unknown and whatever holds. While no policy
/// can read what it looks at, `defaultReplicas` is a floor too.
pub fn bounds(spec: &Autoscaling, is_blind: bool, trace: &mut Trace) {
    let value = trace.value();
    let floor = spec.default_replicas.filter(|_| is_blind);
    let floor = floor.filter(|&floor| floor > spec.min_replicas);
    let least = floor.unwrap_or(spec.min_replicas);
    let bounded = value.max(least).min(spec.max_replicas);
    let reason = match bounded.cmp(&value) {
        std::cmp::Ordering::Equal => PASSES.to_owned(),
        std::cmp::Ordering::Greater if floor.is_some() => {
            format!("defaultReplicas is {bounded}, and nothing can be read")
        }
        std::cmp::Ordering::Greater => format!("minReplicas is {bounded}"),
        std::cmp::Ordering::Less => format!("maxReplicas is {bounded}"),
    };
    trace.stage("bounds", bounded, reason);
}
