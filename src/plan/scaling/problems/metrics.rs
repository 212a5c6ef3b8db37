//! Further series: names that are identifiers, exactly one source each, and expressions that can be
//! read, whose types fit, and that only name series above them.

use std::collections::BTreeSet;

use super::{ALWAYS, Report};
use crate::{api::metrics::SeriesSource, plan::scaling::expression::Expression};

/// Most further series.
const MOST: usize = 20;
/// Longest name, in bytes.
const LONGEST: usize = 63;

/// Checks a block's metrics, and adds their names to the `series` that can be read.
pub fn metrics<'a>(
    sources: &'a [SeriesSource],
    series: &mut BTreeSet<&'a str>,
    report: &mut Report,
) {
    if sources.len() > MOST {
        report.refuse(
            "metrics",
            format!("there are more than {MOST}: remove some"),
        );
    }
    report.unique("metrics", sources.iter().map(|source| source.name.as_str()));
    for (index, source) in sources.iter().enumerate() {
        let path = format!("metrics[{index}]");
        name(&source.name, &format!("{path}.name"), report);
        if source.prometheus.is_some() == source.expression.is_some() {
            report.refuse(
                &path,
                "a metric has exactly one of prometheus and expression: split it into two",
            );
        }
        if let Some(text) = &source.expression
            && let Err(message) = expression(text, series, &sources[index..])
        {
            report.refuse(format!("{path}.expression"), message);
        }
        series.insert(&source.name);
    }
}

fn name(name: &str, path: &str, report: &mut Report) {
    let is_letter = |c: char| c.is_ascii_alphabetic() || c == '_';
    let is_identifier = name.len() <= LONGEST
        && name.starts_with(is_letter)
        && name.chars().all(|c| is_letter(c) || c.is_ascii_digit());
    if !is_identifier || ["true", "false", "null", "in"].contains(&name) {
        report.refuse(
            path,
            format!(
                "{name} is no name for a series: use 1 to {LONGEST} letters, digits and \
                 underscores, a digit not first, and none of true, false, null and in"
            ),
        );
    } else if ALWAYS.contains(&name) {
        report.refuse(
            path,
            format!("the series {name} is always there: choose another name"),
        );
    }
}

/// What is wrong with an expression over the `series` that it may name. `below` are the metrics
/// from its own on.
fn expression(text: &str, series: &BTreeSet<&str>, below: &[SeriesSource]) -> Result<(), String> {
    let expression = Expression::parse(text)?;
    let Some(unknown) = expression.names().find(|name| !series.contains(name)) else {
        return Ok(());
    };
    if below.iter().any(|source| source.name == unknown) {
        return Err(format!(
            "the metric {unknown} does not stand above this one: move it up"
        ));
    }
    let known: Vec<_> = series.iter().copied().collect();
    Err(format!(
        "there is no series {unknown}: use one of {}, or add it to metrics above",
        known.join(", ")
    ))
}
