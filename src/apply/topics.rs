//! Topic steps, in batches: claims, then one call each to create, grow, configure and delete, then
//! releases. A topic whose step failed takes no further one in this pass.

use std::{collections::BTreeMap, future::Future};

use super::{Cause, Sinks, Target, claim_failure, kafka_failure, not_leading};
use crate::{
    api::{common::Reason, topics::Topic},
    kafka::{
        self, Client,
        write::{self, ConfigChange, NewTopic},
    },
    plan::{
        Failure, Subject,
        changes::{CLAIM, CONFIGURE_TOPIC, CREATE_TOPIC, DELETE_TOPIC, GROW_TOPIC, RELEASE},
        claims::{Claim, ClaimKind},
        topics::{TopicPlan, TopicStep, declared_config},
    },
};

/// Carries out the steps of all topics; what failed comes back.
pub async fn topics(
    sinks: &Sinks,
    target: Target<'_>,
    client: Option<&Client>,
    plans: &[TopicPlan],
) -> Vec<Failure> {
    let mut lanes = Lanes {
        plans,
        failures: BTreeMap::new(),
        sinks,
    };
    for (name, ()) in lanes.next(|step| matches!(step, TopicStep::Claim).then_some(())) {
        let claim = Claim {
            kind: ClaimKind::Topic,
            name: name.to_owned(),
        };
        let result = sinks.claim(target, &claim).await;
        lanes.done(CLAIM, name, result.map_err(|error| claim_failure(&error)));
    }
    if let Some(client) = client {
        in_kafka(&mut lanes, client).await;
    }
    for (name, ()) in lanes.next(|step| matches!(step, TopicStep::Release).then_some(())) {
        let claim = Claim {
            kind: ClaimKind::Topic,
            name: name.to_owned(),
        };
        let result = sinks.release(target, &claim).await;
        lanes.done(RELEASE, name, result.map_err(|error| claim_failure(&error)));
    }
    lanes.failures.into_values().collect()
}

async fn in_kafka(lanes: &mut Lanes<'_>, client: &Client) {
    let new: Vec<NewTopic> = lanes
        .next(|step| {
            if let TopicStep::Create(topic) = step {
                Some(new_topic(topic))
            } else {
                None
            }
        })
        .into_iter()
        .map(|(_, topic)| topic)
        .collect();
    if !new.is_empty() {
        let call = async { write::create_topics(client, &new).await.map(created) };
        lanes.batch(CREATE_TOPIC, names(&new), call).await;
    }
    let grown: Vec<(String, i32)> = lanes.owned(|step| {
        if let TopicStep::Grow(to) = step {
            Some(*to)
        } else {
            None
        }
    });
    if !grown.is_empty() {
        let call = write::create_partitions(client, &grown);
        lanes.batch(GROW_TOPIC, firsts(&grown), call).await;
    }
    let changed: Vec<(String, ConfigChange)> = lanes.owned(|step| {
        if let TopicStep::Configure(changes) = step {
            Some(changes.clone())
        } else {
            None
        }
    });
    if !changed.is_empty() {
        let call = write::set_configs(client, &changed);
        lanes.batch(CONFIGURE_TOPIC, firsts(&changed), call).await;
    }
    let deleted: Vec<(String, ())> =
        lanes.owned(|step| matches!(step, TopicStep::Delete { .. }).then_some(()));
    if !deleted.is_empty() {
        let names = firsts(&deleted);
        let call = write::delete_topics(client, &names);
        lanes.batch(DELETE_TOPIC, names.clone(), call).await;
    }
}

/// A topic that is already there is as good as created: brokers are late to show a new one to those
/// who look, and the next look sees what became of it.
fn created(mut results: write::ByTopic) -> write::ByTopic {
    for result in results.values_mut() {
        if result.as_ref().is_err_and(kafka::Error::is_already_there) {
            *result = Ok(());
        }
    }
    results
}

fn new_topic(topic: &Topic) -> NewTopic {
    NewTopic {
        name: topic.name.clone(),
        partitions: topic.partitions,
        replication_factor: topic.replication_factor,
        config: declared_config(topic),
    }
}

fn names(topics: &[NewTopic]) -> Vec<String> {
    topics.iter().map(|topic| topic.name.clone()).collect()
}

fn firsts<T>(pairs: &[(String, T)]) -> Vec<String> {
    pairs.iter().map(|(name, _)| name.clone()).collect()
}

/// The topics' steps, each topic a lane of its own.
struct Lanes<'a> {
    plans: &'a [TopicPlan],
    failures: BTreeMap<String, Failure>,
    sinks: &'a Sinks,
}

impl<'a> Lanes<'a> {
    /// The steps of one kind, of topics without a failure.
    fn next<T>(&self, pick: impl Fn(&TopicStep) -> Option<T>) -> Vec<(&'a str, T)> {
        let open = self
            .plans
            .iter()
            .filter(|plan| !self.failures.contains_key(&plan.status.name));
        let step = |plan: &'a TopicPlan| {
            Some((
                plan.status.name.as_str(),
                plan.steps.iter().find_map(&pick)?,
            ))
        };
        open.filter_map(step).collect()
    }

    fn owned<T>(&self, pick: impl Fn(&TopicStep) -> Option<T>) -> Vec<(String, T)> {
        self.next(pick)
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect()
    }

    fn done(&mut self, step: &'static str, name: &str, result: Result<(), Cause>) {
        let cause = result.err();
        self.sinks
            .count(step, cause.as_ref().map(|cause| cause.class));
        tracing::info!(
            step,
            topic = name,
            failed = cause.as_ref().map(|c| c.message.as_str())
        );
        if let Some(cause) = cause {
            let message = format!("topic {name}: {}", cause.message);
            let subject = Subject::Topic(name.to_owned());
            let failure = Failure {
                subject,
                class: cause.class,
                reason: cause.reason,
                message,
            };
            self.failures.insert(name.to_owned(), failure);
        }
    }

    /// One call for many topics, each with its own outcome.
    async fn batch(
        &mut self,
        step: &'static str,
        names: Vec<String>,
        call: impl Future<Output = Result<write::ByTopic, kafka::Error>>,
    ) {
        if self.sinks.leadership.may_write().is_err() {
            for name in names {
                self.done(step, &name, Err(not_leading()));
            }
            return;
        }
        let mut results = match call.await {
            Ok(results) => results,
            Err(error) => names
                .iter()
                .map(|name| (name.clone(), Err(error.clone())))
                .collect(),
        };
        for name in names {
            let result = results.remove(&name).unwrap_or(Ok(()));
            self.done(
                step,
                &name,
                result.map_err(|error| kafka_failure(&error, Reason::TopicRefused)),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_topic_that_is_already_there_counts_as_created() {
        let refused = |code: &str| kafka::Error::Refused {
            call: "CreateTopics",
            code: code.to_owned(),
            message: None,
        };
        let results = write::ByTopic::from([
            ("late".to_owned(), Err(refused("TOPIC_ALREADY_EXISTS"))),
            (
                "wide".to_owned(),
                Err(refused("INVALID_REPLICATION_FACTOR")),
            ),
        ]);
        let results = created(results);
        assert!(results["late"].is_ok());
        assert!(results["wide"].is_err());
    }
}
