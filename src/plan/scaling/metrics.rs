//! The further series of a connector: what is wrong with their declaration, whom a query may be
//! put to, and the values of expressions. Which values were read is a matter of observing.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use super::expression::{self, Expression};
use crate::{
    api::{
        common::Reason,
        kafka::CaRef,
        metrics::{BUILT_IN, Prometheus, PrometheusAuthentication, SeriesSource},
        pods::{KeyRef, LocalRef},
        scaling::Autoscaling,
    },
    class::Class,
    plan::{
        Settings, Unknown,
        connectors::{
            kafka_client::{PASSWORD, USERNAME},
            references::{Reference, Source, SourceKind},
        },
    },
};

/// What is wrong with a declared metric. No value comes of it, so nothing scales in by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The field below `autoscaling`: `metrics[drain].expression`.
    pub field: String,
    /// What is wrong there, and what to do.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.message)
    }
}

/// What is wrong with the metrics of a block, beyond what its definition refuses: expressions that
/// cannot be read, whose types do not fit, or that name no series. `given` are series that come
/// from elsewhere, such as a trace.
#[must_use]
pub fn problems(spec: &Autoscaling, given: &BTreeSet<String>) -> Vec<Problem> {
    Expressions::default().problems(&spec.metrics, given)
}

/// The address under which the server of a query is asked: one that the operator's settings list,
/// as they spell it. Whoever may write a pipeline would else choose what the operator connects to.
///
/// # Errors
/// Why it is not asked.
pub fn server<'a>(settings: &'a Settings, query: &Prometheus) -> Result<&'a str, Unknown> {
    let asked = query.server_address.trim_end_matches('/');
    let mut listed = settings.prometheus_servers.iter();
    let found = listed.find(|server| server.trim_end_matches('/') == asked);
    found.map(String::as_str).ok_or_else(|| Unknown {
        class: Class::Invalid,
        reason: Reason::MetricInvalid,
        message: format!(
            "serverAddress: the operator may not ask {asked}: its administrator allows servers by \
             --prometheus-servers (value prometheusServers of the chart)"
        ),
    })
}

/// What is read of Secrets to ask a Prometheus; fields below its `authentication`.
#[must_use]
pub fn prometheus_references(authentication: &PrometheusAuthentication) -> Vec<Reference> {
    let reference = |secret: &str, key: &str, field: &str| Reference {
        source: Source {
            kind: SourceKind::Secret,
            name: secret.to_owned(),
        },
        key: Some(key.to_owned()),
        field: field.to_owned(),
    };
    let mut references = Vec::new();
    if let Some(KeyRef { name, key }) = &authentication.bearer_token_secret_ref {
        references.push(reference(name, key, "bearerTokenSecretRef"));
    }
    if let Some(LocalRef { name }) = &authentication.basic_auth_secret_ref {
        let keys = [USERNAME, PASSWORD].into_iter();
        references.extend(keys.map(|key| reference(name, key, "basicAuthSecretRef")));
    }
    if let Some(CaRef { name, key }) = &authentication.ca_secret_ref {
        references.push(reference(name, key, "caSecretRef"));
    }
    references
}

/// The expressions of a connector, read once as long as they stay the same: reading them costs more
/// than a decision.
#[derive(Clone, Debug, Default)]
pub struct Expressions(Vec<Read>);

/// One expression, and what was read of it, or why it cannot be.
#[derive(Clone, Debug)]
struct Read {
    name: String,
    text: String,
    expression: Result<Expression, String>,
}

impl Expressions {
    /// The values of the expressions among `sources`, in order, each over the `known` series and
    /// the expressions above it. A series that is known already is left out.
    pub fn values(
        &mut self,
        sources: &[SeriesSource],
        known: &BTreeMap<String, Option<f64>>,
    ) -> Vec<(String, Option<f64>)> {
        self.update(sources);
        if self.0.is_empty() {
            return Vec::new();
        }
        let mut context = expression::context();
        for (name, value) in known {
            if let Some(value) = value {
                context.add_variable_from_value(name, *value);
            }
        }
        let mut values = Vec::new();
        for Read {
            name, expression, ..
        } in &self.0
        {
            if known.contains_key(name) {
                continue;
            }
            let value = expression.as_ref().ok().and_then(|e| e.evaluate(&context));
            if let Some(value) = value {
                context.add_variable_from_value(name, value);
            }
            values.push((name.clone(), value));
        }
        values
    }

    /// See [`problems`].
    pub fn problems(&mut self, sources: &[SeriesSource], given: &BTreeSet<String>) -> Vec<Problem> {
        self.update(sources);
        let mut read = self.0.iter();
        let mut above: BTreeSet<&str> = BTreeSet::new();
        let mut problems = Vec::new();
        for source in sources {
            let expression = source.expression.as_ref().and_then(|_| read.next());
            let message = expression.and_then(|read| match &read.expression {
                Err(message) => Some(message.clone()),
                Ok(expression) => stranger(expression, &above, given, sources),
            });
            problems.extend(message.map(|message| Problem {
                field: format!("metrics[{}].expression", source.name),
                message,
            }));
            above.insert(&source.name);
        }
        problems
    }

    fn update(&mut self, sources: &[SeriesSource]) {
        let declared = sources
            .iter()
            .filter_map(|source| Some((&source.name, source.expression.as_ref()?)));
        let kept = self.0.iter().map(|read| (&read.name, &read.text));
        if declared.clone().eq(kept) {
            return;
        }
        let read = |(name, text): (&String, &String)| Read {
            name: name.clone(),
            text: text.clone(),
            expression: Expression::parse(text),
        };
        self.0 = declared.map(read).collect();
    }
}

/// The complaint about a series that an expression below the metrics `above` cannot name.
fn stranger(
    expression: &Expression,
    above: &BTreeSet<&str>,
    given: &BTreeSet<String>,
    all: &[SeriesSource],
) -> Option<String> {
    let is_known =
        |name: &str| BUILT_IN.contains(&name) || above.contains(name) || given.contains(name);
    let unknown = expression.names().find(|name| !is_known(name))?;
    if all.iter().any(|source| source.name == unknown) {
        return Some(format!(
            "the metric `{unknown}` does not stand above this one: move it up"
        ));
    }
    let known: Vec<_> = BUILT_IN.iter().chain(above).copied().collect();
    Some(format!(
        "there is no series `{unknown}`: use one of {}, or declare it above",
        known.join(", ")
    ))
}
