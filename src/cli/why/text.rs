//! What `sluice why` tells, in at most 100 columns.

use std::fmt::Write as _;

use jiff::Timestamp;

use super::{ConnectorTold, DecisionTold, Told};
use crate::{
    api::decisions::{DecisionStatus, StageStatus},
    cli::output::wrapped,
    plan::scaling::{Inputs, PASSES, amount},
};

/// The widest line, in characters.
const WIDTH: usize = 100;
/// Where the text after a label begins.
const TEXT: usize = 12;
/// How the stage of a policy begins.
const POLICY: &str = "policy/";
/// The stage in which the policies' wishes become one.
const COMBINED: &str = "combined";
/// The stage that tells what went in.
const SERIES: &str = "series";

/// The text for a person; with colours for a terminal.
pub fn of(told: &Told, colour: bool) -> String {
    let mut page = Page {
        text: format!(
            "{}/{} at {}",
            told.namespace,
            told.pipeline,
            second(told.at)
        ),
        colour,
    };
    if let Some(age) = told.age_seconds {
        let _ = write!(page.text, ", from status, {age} s old");
    }
    page.text.push('\n');
    for connector in &told.connectors {
        page.connector(connector);
    }
    page.text
}

struct Page {
    text: String,
    colour: bool,
}

impl Page {
    fn connector(&mut self, connector: &ConnectorTold) {
        if let Some(message) = &connector.message {
            let reason = connector.reason.as_deref().unwrap_or_default();
            let line = format!("connector {}: {reason}: {message}", connector.name);
            self.headline("31", &line);
        }
        if connector.decisions.is_empty() {
            let line = format!("connector {}: nothing was decided yet", connector.name);
            self.headline("1", &line);
        }
        for decision in &connector.decisions {
            self.decision(decision);
        }
    }

    fn decision(&mut self, told: &DecisionTold) {
        let decision = &told.decision;
        self.headline("1", &told.headline);
        self.block("at", &[second(decision.at.0)]);
        self.block("went in", &went_in(told));
        self.lines("stages", &stages(&decision.stages));
        self.block("won", &winner(&decision.stages));
        self.block("held by", &holder(decision));
        self.block("changes", &told.outlook);
    }

    fn headline(&mut self, code: &str, line: &str) {
        let line = wrapped(line, 2, WIDTH);
        let line = self.painted(code, &line);
        let _ = writeln!(self.text, "\n{line}");
    }

    /// Some sentences, the first of them with a label.
    fn block(&mut self, label: &str, sentences: &[String]) {
        let lines: Vec<String> = sentences.iter().map(|s| wrapped(s, TEXT, WIDTH)).collect();
        self.lines(label, &lines);
    }

    /// Some lines as they are, the first of them with a label.
    fn lines(&mut self, label: &str, lines: &[String]) {
        for (index, line) in lines.iter().enumerate() {
            let label = if index == 0 { label } else { "" };
            let label = self.painted("2", &format!("  {label:<width$}", width = TEXT - 2));
            let _ = writeln!(self.text, "{label}{line}");
        }
    }

    fn painted(&self, code: &str, text: &str) -> String {
        if self.colour {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}

fn second(at: Timestamp) -> String {
    at.strftime("%FT%TZ").to_string()
}

/// The inputs: whole where the operator told them, else as the stage of the series has them.
fn went_in(told: &DecisionTold) -> Vec<String> {
    let stage = told.decision.stages.iter().find(|s| s.name == SERIES);
    let mut lines: Vec<String> = stage
        .map(|stage| stage.reason.clone())
        .into_iter()
        .collect();
    if let Some(inputs) = &told.inputs {
        lines.push(format!(
            "{} of {} replicas ready, group {:?}",
            inputs.ready, told.decision.from, inputs.group
        ));
        lines.extend(capacity(inputs));
    }
    lines
}

fn capacity(inputs: &Inputs) -> Option<String> {
    let capacity = inputs.capacity.as_ref()?;
    let rate = amount(capacity.per_replica);
    let told = match (capacity.samples, capacity.too_much) {
        (0, Some(limit)) => format!(
            "a replica did {rate}/s at least, and {}/s were too much: never measured under a backlog",
            amount(limit)
        ),
        (0, None) => format!("a replica did {rate}/s at least: never measured under a backlog"),
        (1, _) => format!("a replica does {rate}/s, by 1 sample under a backlog"),
        (samples, _) => format!("a replica does {rate}/s, by {samples} samples under a backlog"),
    };
    Some(told)
}

/// The stages in columns; those that let the count pass share a line.
fn stages(stages: &[StageStatus]) -> Vec<String> {
    let (mut rows, mut passing) = (Vec::new(), Vec::new());
    for stage in stages.iter().filter(|stage| stage.name != SERIES) {
        if stage.reason == PASSES {
            passing.push(stage.name.as_str());
        } else {
            let change = format!("{} -> {}", stage.input, stage.output);
            rows.push((stage.name.as_str(), change, stage.reason.as_str()));
        }
    }
    let name = rows.iter().map(|row| row.0.len()).max().unwrap_or_default();
    let change = rows.iter().map(|row| row.1.len()).max().unwrap_or_default();
    let row = |row: &(&str, String, &str)| {
        let head = format!("{:name$}  {:change$}  ", row.0, row.1);
        let reason = wrapped(row.2, TEXT + head.len(), WIDTH);
        head + &reason
    };
    let mut lines: Vec<String> = rows.iter().map(row).collect();
    if !passing.is_empty() {
        let names = format!("let it pass: {}", passing.join(", "));
        lines.push(wrapped(&names, TEXT, WIDTH));
    }
    lines
}

/// Whose wish it is that the stages after the policies took up.
fn winner(stages: &[StageStatus]) -> Vec<String> {
    let Some(combined) = stages.iter().find(|stage| stage.name == COMBINED) else {
        return Vec::new();
    };
    let mut policies = stages.iter().filter(|stage| {
        let is_its = (stage.output, &stage.reason) == (combined.output, &combined.reason);
        stage.name.starts_with(POLICY) && is_its
    });
    let name = policies.next().map(|stage| &stage.name[POLICY.len()..]);
    name.map(|name| format!("policy {name} wants {}", combined.output))
        .into_iter()
        .collect()
}

/// The stage that kept the count from what was wanted.
fn holder(decision: &DecisionStatus) -> Vec<String> {
    let stage = decision.stages.iter().find(|s| s.name == decision.by);
    let line = stage.map(|stage| format!("{}: {}", stage.name, stage.reason));
    line.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(outlook: &[&str]) -> Told {
        let why = "lag 300 at 100 a replica: 3; stabilization: 6 was wanted within the last 5m, \
                   which is as long as the window";
        let stages = json!([
            {"name": "series", "input": 6, "output": 6, "reason": "lag 300, 2 s behind"},
            {"name": "policy/a-policy-with-quite-a-long-name", "input": 6, "output": 6,
             "reason": "cpu could not be read, and this sentence is long enough to be broken"},
            {"name": "policy/lag", "input": 6, "output": 3, "reason": "lag 300 at 100 a replica: 3"},
            {"name": "combined", "input": 6, "output": 3, "reason": "lag 300 at 100 a replica: 3"},
            {"name": "partitions", "input": 3, "output": 3, "reason": "passes"},
            {"name": "stabilization", "input": 3, "output": 6, "reason": "6 was wanted"},
            {"name": "cooldown", "input": 6, "output": 6, "reason": "passes"},
        ]);
        let decision: DecisionStatus = serde_json::from_value(json!({
            "at": "2026-01-05T10:00:05Z", "from": 6, "to": 6, "by": "stabilization", "why": why,
            "stages": stages,
        }))
        .unwrap();
        let inputs = json!({
            "ready": 5, "group": "Stable", "partitions": [12], "minReplicas": 1, "maxReplicas": 12,
            "capacity": {"perReplica": 167.0, "samples": 2},
        });
        let decision = DecisionTold {
            headline: crate::plan::scaling::headline("enrich", 6, 6, false, why),
            decision,
            series: None,
            inputs: Some(serde_json::from_value(inputs).unwrap()),
            outlook: outlook.iter().map(|&line| line.to_owned()).collect(),
        };
        Told {
            namespace: "plant".into(),
            pipeline: "readings".into(),
            at: "2026-01-05T10:00:09Z".parse().unwrap(),
            source: "status",
            age_seconds: Some(4),
            connectors: vec![ConnectorTold {
                name: "enrich".into(),
                reason: Some("Shadow".into()),
                message: Some("autoscaling.mode is Shadow".into()),
                decisions: vec![decision],
            }],
        }
    }

    #[test]
    fn a_decision_reads_like_this() {
        let told = told(&["6 -> 3 at 10:05:00Z when the stabilization window ends"]);
        insta::assert_snapshot!(of(&told, false));
    }

    #[test]
    fn colours_change_no_word_and_no_line_is_too_wide() {
        let told = told(&["6 -> 3 at 10:05:00Z when the stabilization window ends"]);
        let (plain, mut colour) = (of(&told, false), of(&told, true));
        assert!(
            plain.lines().all(|line| line.chars().count() <= WIDTH),
            "{plain}"
        );
        for code in ["\x1b[0m", "\x1b[1m", "\x1b[2m", "\x1b[31m"] {
            assert!(colour.contains(code));
            colour = colour.replace(code, "");
        }
        assert_eq!(plain, colour);
    }
}
