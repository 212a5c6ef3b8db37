//! What is refused and what is warned of, each with its place.

use serde_json::{Value, json};

use super::*;

/// A block with these fields beside a policy that is fine.
fn block(fields: &Value) -> Autoscaling {
    let mut block = json!({
        "maxReplicas": 12,
        "policies": [{"name": "keep-up", "targetTracking": {"metric": "timeLag", "target": 30}}],
    });
    let fields = fields.as_object().unwrap().clone();
    block.as_object_mut().unwrap().extend(fields);
    serde_json::from_value(block).unwrap()
}

fn policies(policies: &Value) -> Autoscaling {
    block(&json!({"policies": policies}))
}

/// A block with one step policy on lag that has these bands.
fn bands(comparison: &str, steps: &Value) -> Autoscaling {
    policies(&json!([{"name": "p", "step": {
        "metric": "lag", "threshold": 50, "comparison": comparison, "steps": steps}}]))
}

const ABOVE: &str = "GreaterThanOrEqualToThreshold";
const BELOW: &str = "LessThanOrEqualToThreshold";

fn told(spec: &Autoscaling, severity: Severity) -> Vec<String> {
    let given = BTreeSet::from(["cpu".to_owned(), "threads".to_owned()]);
    let problems = problems_beside(spec, &given).into_iter();
    problems
        .filter(|problem| problem.severity == severity)
        .map(|problem| problem.to_string())
        .collect()
}

/// Each pair: a block, and how what is refused of it begins; nothing else may be.
fn refused(cases: Vec<(Autoscaling, &str)>) {
    for (spec, expected) in cases {
        let told = told(&spec, Severity::Refused);
        assert_eq!(told.len(), 1, "{expected}: {told:?}");
        assert!(
            told[0].starts_with(expected),
            "{}\nnot: {expected}",
            told[0]
        );
    }
}

#[test]
fn a_usual_block_has_no_problem() {
    for fields in [
        json!({}),
        json!({"minReplicas": 0, "defaultReplicas": 0}),
        json!({"schedules": [{"name": "day", "schedule": "0 6 * * 1-5", "timeZone": "Europe/Paris",
            "duration": "8h", "minReplicas": 4}]}),
        json!({"policies": [], "schedules": [{"name": "once", "at": "2026-01-05T08:00:00Z", "replicas": 6}]}),
        json!({"profiles": [
            {"name": "work", "capacity": {"minimum": 2, "maximum": 12, "default": 4}, "recurrence":
                {"days": ["Monday", "Friday"], "hours": [8], "minutes": [0], "duration": "10h"}},
            {"name": "night", "capacity": {"minimum": 1, "maximum": 2}, "recurrence":
                {"days": ["Monday"], "hours": [18], "minutes": [0], "duration": "6h"}},
            {"name": "sale", "capacity": {"minimum": 6, "maximum": 12}, "fixedDate":
                {"start": "2026-11-27T00:00:00", "end": "2026-11-28T00:00:00", "timeZone": "Europe/Paris"}},
        ]}),
    ] {
        assert_eq!(problems(&block(&fields)), [], "{fields}");
    }
}

/// W34a to W34e of the conformance vectors, and what else AWS refuses.
#[test]
fn every_value_beyond_the_threshold_is_in_one_band() {
    let path = "policies[0].step.steps";
    for (comparison, steps, expected) in [
        (
            ABOVE,
            json!([{"lowerBound": 0, "upperBound": 10, "adjustment": 1}, {"lowerBound": 20, "adjustment": 3}]),
            ": no step covers 10 to 20: set upperBound: 20 in steps[0] or lowerBound: 10 in steps[1]",
        ),
        (
            BELOW,
            json!([{"lowerBound": -9, "upperBound": 0, "adjustment": -1}, {"upperBound": -6, "adjustment": -4}]),
            ": steps[1] and steps[0] both cover -9 to -6",
        ),
        (
            ABOVE,
            json!([{"lowerBound": 0, "adjustment": 1}, {"lowerBound": 10, "adjustment": 3}]),
            ": steps[0] and steps[1] both cover 10 to everything above",
        ),
        (
            ABOVE,
            json!([{"lowerBound": 0, "upperBound": 10, "adjustment": 1}, {"lowerBound": 10, "upperBound": 20, "adjustment": 3}]),
            ": no step covers what is above 20: leave upperBound out",
        ),
        (
            BELOW,
            json!([{"lowerBound": -10, "upperBound": 0, "adjustment": -1}, {"lowerBound": -20, "upperBound": -10, "adjustment": -3}]),
            ": no step covers what is below -20: leave lowerBound out",
        ),
        (
            ABOVE,
            json!([{"adjustment": 1}]),
            "[0]: a step needs lowerBound",
        ),
        (
            ABOVE,
            json!([{"lowerBound": 0, "adjustment": 1}, {"lowerBound": 5, "upperBound": 5, "adjustment": 1}]),
            "[1]: lowerBound 5 is not below upperBound 5",
        ),
        (ABOVE, json!([]), ": there is no step"),
    ] {
        refused(vec![(
            bands(comparison, &steps),
            &format!("{path}{expected}"),
        )]);
    }
    let good = json!([{"lowerBound": -10, "upperBound": 0, "adjustment": 0},
        {"lowerBound": -20, "upperBound": -10, "adjustment": -10}, {"upperBound": -20, "adjustment": -30}]);
    assert_eq!(problems(&bands(BELOW, &good)), []);
}

/// L17 and L18 of the conformance vectors among others.
#[test]
fn bounds_and_kinds() {
    let step =
        json!({"metric": "cpu", "threshold": 50, "steps": [{"lowerBound": 0, "adjustment": 1}]});
    let two =
        json!([{"name": "p", "targetTracking": {"metric": "cpu", "target": 50}, "step": step}]);
    let twice = json!([{"name": "p", "step": step}, {"name": "p", "step": step}]);
    refused(vec![
        (
            block(&json!({"minReplicas": 5, "maxReplicas": 3})),
            "minReplicas: minReplicas 5 exceeds maxReplicas 3: lower minReplicas or raise maxReplicas",
        ),
        (
            block(&json!({"defaultReplicas": 13})),
            "defaultReplicas: 13 does not lie between minReplicas 1 and maxReplicas 12",
        ),
        (
            block(&json!({"maxReplicas": 2000})),
            "maxReplicas: 2000 does not lie between 1 and 1000",
        ),
        (policies(&json!([])), "policies: nothing decides"),
        (policies(&two), "policies[0]: a policy has exactly one of"),
        (
            policies(&json!([{"name": "p"}])),
            "policies[0]: a policy has exactly one of",
        ),
        (policies(&twice), "policies[1].name: p is there twice"),
    ]);
}

#[test]
fn targets_are_numbers_within_their_bounds() {
    let tracking = |fields: Value| {
        let mut tracking = json!({"metric": "timeLag", "target": 30});
        let fields = fields.as_object().unwrap().clone();
        tracking.as_object_mut().unwrap().extend(fields);
        policies(&json!([{"name": "p", "targetTracking": tracking}]))
    };
    let mut no_number = tracking(json!({}));
    no_number.policies[0]
        .target_tracking
        .as_mut()
        .unwrap()
        .target = f64::NAN;
    let mut infinite = tracking(json!({}));
    infinite.policies[0]
        .target_tracking
        .as_mut()
        .unwrap()
        .target = f64::INFINITY;
    refused(vec![
        (
            no_number,
            "policies[0].targetTracking.target: NaN is no number",
        ),
        (
            infinite,
            "policies[0].targetTracking.target: inf is no number",
        ),
        (
            tracking(json!({"target": -3})),
            "policies[0].targetTracking.target: -3 must be above 0",
        ),
        (
            tracking(json!({"target": 700_000})),
            "policies[0].targetTracking.target: 700000 is in seconds",
        ),
        (
            tracking(json!({"utilization": 0})),
            "policies[0].targetTracking.utilization: 0 does not lie",
        ),
        (
            tracking(json!({"catchUp": "25h"})),
            "policies[0].targetTracking.catchUp: 25h does not lie between 1s and 24h",
        ),
        (
            tracking(json!({"of": "Total"})),
            "policies[0].targetTracking.of: it does not apply to timeLag",
        ),
        (
            tracking(json!({"metric": "lag", "utilization": 0.5})),
            "policies[0].targetTracking: utilization and catchUp",
        ),
    ]);
}

#[test]
fn lengths_of_time_and_steadiness() {
    refused(vec![
        (
            block(&json!({"interval": "6m"})),
            "interval: 6m does not lie between 1s and 5m",
        ),
        (
            block(&json!({"warmup": "2h"})),
            "warmup: 2h does not lie between 0s and 1h",
        ),
        (
            block(&json!({"cooldown": {"scaleIn": "25h"}})),
            "cooldown.scaleIn: 25h does not lie",
        ),
        (
            block(&json!({"activation": {"lag": -1}})),
            "activation.lag: -1 does not lie",
        ),
        (
            block(&json!({"behavior": {"scaleIn": {"stabilizationWindow": "2h"}}})),
            "behavior.scaleIn.stabilizationWindow: 2h does not lie",
        ),
        (
            block(&json!({"behavior": {"scaleOut": {"tolerance": 1.5}}})),
            "behavior.scaleOut.tolerance: 1.5 does not lie between 0 and 1",
        ),
        (
            block(
                &json!({"behavior": {"scaleOut": {"policies": [{"type": "Pods", "value": 1, "period": "31m"}]}}}),
            ),
            "behavior.scaleOut.policies[0].period: 31m does not lie between 1s and 30m",
        ),
        (
            policies(&json!([{"name": "p", "predictive": {"lookAhead": "2h"}}])),
            "policies[0].predictive.lookAhead: 2h does not lie between 0s and 1h",
        ),
    ]);
}

#[test]
fn metrics_must_be_series() {
    let tracking = |metric: &str| {
        policies(&json!([{"name": "p", "targetTracking": {"metric": metric, "target": 3}}]))
    };
    refused(vec![(
        tracking("queue"),
        "policies[0].targetTracking.metric: there is no series queue: use one of arrivalRate, ",
    )]);
    let given = BTreeSet::from(["queue".to_owned()]);
    assert_eq!(problems_beside(&tracking("queue"), &given), []);
}

#[test]
fn further_series_are_named_once_have_one_source_and_can_be_computed() {
    let metrics = |metrics: Value| block(&json!({"metrics": metrics}));
    let computed = |text: &str| metrics(json!([{"name": "m", "expression": text}]));
    let asked = json!({"serverAddress": "http://p", "query": "up"});
    let first = "metrics[0].expression: ";
    refused(vec![
        (computed("lag +"), &format!("{first}column 6: ")),
        (
            computed("lag > 1"),
            &format!("{first}it yields true or false"),
        ),
        (
            computed("lagg * 2"),
            &format!("{first}there is no series lagg: use one of arrivalRate, "),
        ),
        (
            computed("m + 1"),
            &format!("{first}the metric m does not stand above this one: move it up"),
        ),
        (
            computed(&"1+".repeat(300)),
            &format!("{first}it is longer than 512 bytes"),
        ),
        (
            metrics(json!([{"name": "a", "expression": "b"}, {"name": "b", "prometheus": asked}])),
            "metrics[0].expression: the metric b does not stand above this one: move it up",
        ),
        (
            metrics(json!([{"name": "lag", "expression": "1"}])),
            "metrics[0].name: the series lag is always there",
        ),
        (
            metrics(json!([{"name": "2x", "expression": "1"}])),
            "metrics[0].name: 2x is no name for a series",
        ),
        (
            metrics(json!([{"name": "in", "expression": "1"}])),
            "metrics[0].name: in is no name for a series",
        ),
        (
            metrics(json!([{"name": "m"}])),
            "metrics[0]: a metric has exactly one of",
        ),
        (
            metrics(json!([{"name": "m", "expression": "1", "prometheus": asked}])),
            "metrics[0]: a metric has exactly one of",
        ),
        (
            metrics(json!([{"name": "m", "expression": "1"}, {"name": "m", "expression": "2"}])),
            "metrics[1].name: m is there twice",
        ),
    ]);
    let fine = block(&json!({
        "metrics": [
            {"name": "q", "prometheus": asked},
            {"name": "drain", "expression": "(lag + q + cpu) / max(consumeRate, 1)"},
            {"name": "twice", "expression": "drain * 2"},
        ],
        "policies": [{"name": "p", "targetTracking": {"metric": "twice", "target": 3}}],
    }));
    assert_eq!(told(&fine, Severity::Refused), [""; 0]);
}

#[test]
fn schedules_occur_and_say_what_for_how_long() {
    let schedule = |fields: Value| {
        let mut schedule =
            json!({"name": "s", "schedule": "0 6 * * *", "duration": "2h", "minReplicas": 4});
        let fields = fields.as_object().unwrap().clone();
        schedule.as_object_mut().unwrap().extend(fields);
        block(&json!({"schedules": [schedule]}))
    };
    refused(vec![
        (
            schedule(json!({"schedule": "0 25 * * *"})),
            "schedules[0].schedule: `0 25 * * *` is not a cron expression",
        ),
        (
            schedule(json!({"schedule": "0 8 31 2 *"})),
            "schedules[0].schedule: it never occurs",
        ),
        (
            schedule(json!({"start": "2026-01-05T07:00:00Z", "end": "2026-01-05T09:00:00Z"})),
            "schedules[0].schedule: it never occurs",
        ),
        (
            schedule(json!({"timeZone": "Mars/Olympus"})),
            "schedules[0].timeZone: there is no time zone Mars/Olympus",
        ),
        (
            schedule(json!({"schedule": null})),
            "schedules[0]: a schedule has exactly one of",
        ),
        (
            schedule(
                json!({"schedule": null, "at": "2026-01-05T07:00:00Z", "end": "2026-02-05T07:00:00Z"}),
            ),
            "schedules[0]: start and end bound the life of a cron schedule",
        ),
        (
            schedule(json!({"duration": null})),
            "schedules[0].duration: bounds of a schedule need duration",
        ),
        (
            schedule(json!({"minReplicas": null})),
            "schedules[0]: a schedule sets minReplicas",
        ),
        (
            schedule(json!({"maxReplicas": 3})),
            "schedules[0].minReplicas: minReplicas 4 exceeds maxReplicas 3",
        ),
    ]);
    let beyond = told(&schedule(json!({"minReplicas": 20})), Severity::Warning);
    assert!(
        beyond[0].starts_with("schedules[0].minReplicas: 20 exceeds"),
        "{beyond:?}"
    );
    let mut twins = schedule(json!({}));
    twins.schedules.push(twins.schedules[0].clone());
    twins.schedules[1].name = "t".into();
    let twins = told(&twins, Severity::Warning);
    assert!(
        twins[0].starts_with("schedules[1]: it occurs together with schedules[0]"),
        "{twins:?}"
    );
}

fn weekly(name: &str, days: &Value, hour: i8, duration: &str, zone: &str) -> Value {
    json!({"name": name, "capacity": {"minimum": 1, "maximum": 4}, "recurrence":
        {"days": days, "hours": [hour], "minutes": [0], "duration": duration, "timeZone": zone}})
}

fn dated(name: &str, start: &str, end: &str) -> Value {
    json!({"name": name, "capacity": {"minimum": 1, "maximum": 4},
        "fixedDate": {"start": start, "end": end}})
}

#[test]
fn only_one_profile_of_a_kind_can_hold() {
    let (monday, sunday) = (json!(["Monday"]), json!(["Sunday"]));
    for (title, a, b, overlap) in [
        (
            "after another",
            weekly("a", &monday, 8, "2h", "UTC"),
            weekly("b", &monday, 10, "2h", "UTC"),
            false,
        ),
        (
            "into another",
            weekly("a", &monday, 8, "2h", "UTC"),
            weekly("b", &monday, 9, "2h", "UTC"),
            true,
        ),
        (
            "over the week's end",
            weekly("a", &sunday, 23, "2h", "UTC"),
            weekly("b", &monday, 0, "1h", "UTC"),
            true,
        ),
        (
            "another zone",
            weekly("a", &monday, 8, "1h", "Europe/Paris"),
            weekly("b", &monday, 7, "1h", "UTC"),
            true,
        ),
        (
            "only in summer",
            weekly("a", &monday, 8, "1h", "Europe/Paris"),
            weekly("b", &monday, 6, "1h", "UTC"),
            true,
        ),
        (
            "far away",
            weekly("a", &monday, 8, "1h", "Europe/Paris"),
            weekly("b", &monday, 8, "1h", "UTC"),
            false,
        ),
        (
            "dates",
            dated("a", "2026-12-24T00:00:00", "2026-12-27T00:00:00"),
            dated("b", "2026-12-26T00:00:00", "2026-12-28T00:00:00"),
            true,
        ),
        (
            "dates in a row",
            dated("a", "2026-12-24T00:00:00", "2026-12-26T00:00:00"),
            dated("b", "2026-12-26T00:00:00", "2026-12-28T00:00:00"),
            false,
        ),
        (
            "a date goes before a recurrence",
            dated("a", "2026-12-24T00:00:00", "2026-12-26T00:00:00"),
            weekly("b", &monday, 8, "2h", "UTC"),
            false,
        ),
    ] {
        let told = told(&block(&json!({"profiles": [a, b]})), Severity::Refused);
        let expected = "profiles[1]: it holds at the same time as profiles[0]";
        assert_eq!(
            told.iter().any(|t| t.starts_with(expected)),
            overlap,
            "{title}: {told:?}"
        );
        assert_eq!(told.len(), usize::from(overlap), "{title}: {told:?}");
    }
}

#[test]
fn profiles_are_whole() {
    let mut neither = weekly("a", &json!(["Monday"]), 8, "2h", "UTC");
    neither.as_object_mut().unwrap().remove("recurrence");
    let mut capacity = weekly("a", &json!(["Monday"]), 8, "2h", "UTC");
    capacity["capacity"] = json!({"minimum": 2, "maximum": 4, "default": 5});
    let mut policy = weekly("a", &json!(["Monday"]), 8, "2h", "UTC");
    policy["policies"] = json!([{"name": "p", "targetTracking": {"metric": "queue", "target": 3}}]);
    let profile = |profile: Value| block(&json!({"profiles": [profile]}));
    refused(vec![
        (
            profile(neither),
            "profiles[0]: a profile has exactly one of fixedDate and recurrence",
        ),
        (
            profile(capacity),
            "profiles[0].capacity.default: 5 does not lie between minimum 2 and maximum 4",
        ),
        (
            profile(policy),
            "profiles[0].policies[0].targetTracking.metric: there is no series queue",
        ),
        (
            profile(weekly("a", &json!([]), 8, "2h", "UTC")),
            "profiles[0].recurrence.days: there is no day",
        ),
        (
            profile(weekly("a", &json!(["Monday"]), 24, "2h", "UTC")),
            "profiles[0].recurrence.hours: 24 does not lie between 0 and 23",
        ),
        (
            profile(weekly("a", &json!(["Monday"]), 8, "2h", "Nowhere")),
            "profiles[0].recurrence.timeZone: there is no time zone Nowhere",
        ),
        (
            profile(dated("a", "2026-02-30T00:00:00", "2026-03-02T00:00:00")),
            "profiles[0].fixedDate.start: 2026-02-30T00:00:00 is not a local date and time",
        ),
        (
            profile(dated("a", "2026-03-02T00:00:00", "2026-03-01T00:00:00")),
            "profiles[0].fixedDate.start: start must be before end",
        ),
    ]);
}

fn rule(direction: &str, operator: &str, threshold: f64) -> Value {
    json!({"metric": "threads", "operator": operator, "threshold": threshold, "direction": direction})
}

/// Z2 of the conformance vectors: 600 in both directions never comes back in.
#[test]
fn thresholds_need_a_margin() {
    let rules = |removes: f64| {
        policies(&json!([{"name": "azure", "rules": [
            rule("Increase", "GreaterThanOrEqual", 600.0), rule("Decrease", "LessThan", removes)]}]))
    };
    let warned = told(&rules(600.0), Severity::Warning);
    assert_eq!(warned.len(), 1);
    assert_eq!(
        warned[0],
        "policies[0].rules[1].threshold: every scale-in at 600 would be undone: threads 600 on 12 \
         pods is 655 on 11, and policies[0].rules[0].threshold adds pods at 600; set it below 550 \
         for 12 pods, below 300 for scale-in down to 1"
    );
    assert_eq!(told(&rules(540.0), Severity::Warning), [""; 0]);
    let steps = |metric: &str, removes: f64| {
        policies(&json!([
            {"name": "out", "step": {"metric": metric, "threshold": 70, "comparison": ABOVE,
                "steps": [{"lowerBound": 0, "upperBound": 10, "adjustment": 0}, {"lowerBound": 10, "adjustment": 1}]}},
            {"name": "in", "step": {"metric": metric, "threshold": removes, "comparison": BELOW,
                "steps": [{"upperBound": 0, "adjustment": -1}]}},
        ]))
    };
    assert_eq!(told(&steps("cpu", 73.0), Severity::Warning), [""; 0]);
    let warned = told(&steps("cpu", 76.0), Severity::Warning);
    assert!(
        warned[0].starts_with("policies[1].step.threshold: every scale-in at 76"),
        "{warned:?}"
    );
    let warned = told(&steps("lag", 81.0), Severity::Warning);
    assert!(
        warned[0].contains("fewer pods do not change lag"),
        "{warned:?}"
    );
    assert_eq!(told(&steps("lag", 79.0), Severity::Warning), [""; 0]);
}

#[test]
fn what_removes_needs_something_that_adds() {
    let alone =
        policies(&json!([{"name": "azure", "rules": [rule("Decrease", "LessThan", 10.0)]}]));
    let warned = told(&alone, Severity::Warning);
    assert!(
        warned[0].starts_with("policies[0].rules[0]: nothing adds pods by threads"),
        "{warned:?}"
    );
}
