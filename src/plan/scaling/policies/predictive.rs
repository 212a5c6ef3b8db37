//! Predictive scaling: pods ahead of a load that comes back every day or week, from what arrived in
//! the hours before. It only raises the floor under what the other policies want; it never removes
//! pods, and never goes beyond `maxReplicas`.

use jiff::{SignedDuration, Timestamp};

use super::{Context, Opinion, Wish};
use crate::{
    api::policies::Predictive,
    plan::scaling::{capacity::Capacity, decision::amount, hours::Hour, steady::whole_count},
};

/// What `policy` wants: pods for the hour that runs and for that of `lookAhead` from now. The mean of
/// an hour is planned with the room of `utilization`, its peak without. With `ForecastOnly` the
/// policy plays no part and is only shown.
pub fn opinion(context: &Context<'_>, policy: &Predictive) -> Opinion {
    let abstains = |why: &str| Opinion::Abstains(why.to_owned());
    let at = context.observation.at;
    let ahead = SignedDuration::try_from(policy.look_ahead.as_std()).unwrap_or_default();
    let then = at.checked_add(ahead).unwrap_or(at);
    let history = usize::try_from(policy.history.as_secs() / 3600).unwrap_or(usize::MAX);
    let hours = &context.memory.hours;
    let forecasts = [at, then].map(|time| Some((time, hours.forecast(time, history)?)));
    let per_replica = context
        .memory
        .capacity
        .as_ref()
        .and_then(Capacity::measured);
    let Some(per_replica) = per_replica else {
        return abstains("no pod's rate is known yet");
    };
    let need = |hour: &Hour| (hour.mean / policy.utilization()).max(hour.peak) / per_replica;
    let needs = forecasts.iter().flatten();
    let most = needs.max_by(|(_, a), (_, b)| need(a).total_cmp(&need(b)));
    let Some((time, hour)) = most else {
        return abstains("this hour of a day before is not known yet: it takes 24h of samples");
    };
    let count = whole_count(need(hour));
    let reason = describe(*time, hour, per_replica);
    Opinion::Wants(Wish {
        may_scale_in: false,
        ..Wish::of(count, format!("{reason}: {count} at least"))
    })
}

fn describe(time: Timestamp, hour: &Hour, per_replica: f64) -> String {
    format!(
        "forecast for {}:00 UTC: {}/s, at most {}/s, {}/s a replica",
        time.strftime("%H"),
        amount(hour.mean),
        amount(hour.peak),
        amount(per_replica)
    )
}
