//! The further series of a connector: whom a query may be put to, what is read of Secrets for it,
//! and the values of expressions. Which values were read is a matter of observing.

use super::{
    expression::{self, Expression},
    observation::Observation,
    problems::ALWAYS,
    series::Series,
};
use crate::{
    api::{
        common::Reason,
        kafka::CaRef,
        metrics::{Prometheus, PrometheusAuthentication, SeriesSource},
        pods::{KeyRef, LocalRef},
        policies::TIME_LAG,
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
pub struct Expressions(Vec<Compiled>);

/// One expression; none where it cannot be read, which is found before it is used.
#[derive(Clone, Debug)]
struct Compiled {
    name: String,
    text: String,
    expression: Option<Expression>,
}

impl Expressions {
    /// Adds the values of the expressions among `sources` to the series, in order, each over the
    /// series that are there and the expressions above it. What was observed under a name stands.
    pub fn add_to(
        &mut self,
        series: &mut Series,
        sources: &[SeriesSource],
        observation: &Observation,
    ) {
        self.update(sources);
        if self.0.is_empty() {
            return;
        }
        let mut context = expression::context();
        for (name, value) in known(series) {
            context.add_variable_from_value(name, value);
        }
        let given = &observation.metrics;
        let computed = self.0.iter().filter(|c| !given.contains_key(&c.name));
        for Compiled {
            name, expression, ..
        } in computed
        {
            let value = expression.as_ref().and_then(|e| e.evaluate(&context));
            if let Some(value) = value {
                context.add_variable_from_value(name, value);
            }
            series.others.insert(name.clone(), value);
        }
    }

    fn update(&mut self, sources: &[SeriesSource]) {
        let declared = sources
            .iter()
            .filter_map(|source| Some((&source.name, source.expression.as_ref()?)));
        let kept = self.0.iter().map(|kept| (&kept.name, &kept.text));
        if declared.clone().eq(kept) {
            return;
        }
        let compiled = |(name, text): (&String, &String)| Compiled {
            name: name.clone(),
            text: text.clone(),
            expression: Expression::parse(text).ok(),
        };
        self.0 = declared.map(compiled).collect();
    }
}

/// The series that have a value. A time lag that may be longer has none here: a smaller number is
/// not safe to compute with.
fn known(series: &Series) -> impl Iterator<Item = (&str, f64)> {
    let always = ALWAYS.into_iter();
    let certain = always.filter(|name| *name != TIME_LAG || !series.time_lag_or_more);
    let others = series.others.keys().map(String::as_str);
    certain
        .chain(others)
        .filter_map(|name| Some((name, series.value(name)?)))
}
