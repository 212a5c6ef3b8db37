//! The retention guard: unread records that Kafka would delete before the group has read them. Then
//! waiting is the one thing that cannot be made good, so the count goes to the highest at once.

use jiff::Timestamp;

use super::{
    decision::{Trace, amount},
    history::Seen,
    partition::records,
    policies::Context,
    tally::{Backlog, PartitionName},
};

/// The unread records that expire first, and how much there is to read before.
#[derive(Clone, Debug, PartialEq)]
pub struct Expiry {
    /// Where they are.
    pub partition: PartitionName,
    /// Seconds until Kafka deletes the oldest of them; 0 or less when it already deletes.
    pub left: f64,
    /// Seconds since the oldest of them arrived.
    pub age: f64,
    /// The most unread records of one partition.
    pub most: i64,
}

impl Expiry {
    /// When the oldest unread record of a partition expires: by the age that its topic keeps
    /// records for, or when the start of the log, which also moves for other reasons, reaches it.
    /// `None` where neither is known.
    pub fn of(
        at: Timestamp,
        seen: &Seen<'_>,
        backlog: Backlog,
        retention: Option<f64>,
    ) -> Option<Self> {
        let by_age = retention.map(|seconds| seconds - backlog.time_lag);
        let by_start = seen.past.seconds_to_expiry(at, seen.standing.position);
        let left = match (by_age, by_start) {
            (Some(a), Some(b)) => a.min(b),
            (a, b) => a.or(b)?,
        };
        Some(Self {
            partition: PartitionName {
                topic: seen.sample.topic.clone(),
                partition: seen.sample.partition,
            },
            left,
            age: backlog.time_lag,
            most: backlog.lag,
        })
    }

    /// Of two, what expires first, with the most unread records of either.
    pub fn sooner(a: Option<Self>, b: Option<Self>) -> Option<Self> {
        let (Some(a), Some(b)) = (&a, &b) else {
            return a.or(b);
        };
        let most = a.most.max(b.most);
        let first = if b.left < a.left { b } else { a };
        Some(Self {
            most,
            ..first.clone()
        })
    }
}

/// Goes to the highest count where that of the stages before would lose records; a stage only then.
/// Says why.
pub fn guard(context: &Context<'_>, trace: &mut Trace) -> Option<String> {
    let why = risk(context, trace.value())?;
    let highest = context.highest().max(trace.value());
    trace.stage("retention", highest, why.clone());
    Some(why)
}

/// Why unread records would expire before `count` pods have read them; `None` when they are read in
/// time. The time to drain is all unread records by what all pods process, or those of the fullest
/// partition by what one does. While nothing is known of that, half of the retention is the limit:
/// it leaves as much time as the backlog took to build up.
fn risk(context: &Context<'_>, count: i32) -> Option<String> {
    let expiry = context.reading.expiry.as_ref()?;
    let place = &expiry.partition;
    let per_replica = context.memory.capacity.as_ref().map(|c| c.per_replica);
    let Some(rate) = per_replica.filter(|&rate| rate > 0.0) else {
        let is_late = expiry.age >= expiry.left;
        return is_late.then(|| format!("half of the retention of {place} has passed"));
    };
    let lag = context.reading.series.lag.map_or(0.0, records);
    let drain = (lag / f64::from(count.max(1))).max(records(expiry.most)) / rate;
    (drain >= expiry.left).then(|| {
        let left = amount(expiry.left.max(0.0));
        let drain = amount(drain);
        format!("{place} loses unread records in {left} s, {count} pods need {drain} s")
    })
}
