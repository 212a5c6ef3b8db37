//! One pipeline in one pass: topics, then workers and connectors, then scaling. Pure; the order
//! between parts is decided here: a connector whose topic is not there yet waits, and says so.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::Deployment;

use super::{
    Finding, Identity, Known, Look, PipelinePlan, Settings,
    claims::{self, Claim, ClaimKind, ClaimSeen},
    connectors::{
        connect::{ConnectSeen, restarts::Restarts},
        container::ContainerSeen,
        part::{self, ConnectorPart, ConnectorStep, WorkersPart},
        workers::{self, WorkersView},
    },
    names,
    scaling::problems,
    topics::{self, TopicPlan, TopicView},
};
use crate::api::{
    IngestionPipelineSpec, IngestionPipelineStatus,
    common::Reason,
    connectors::{Connector, ConnectorStatus},
    topics::{Management, TopicPhase, TopicStatus},
};

/// Annotation that accepts another Kafka cluster behind the same address: its id.
pub const ACCEPT_CLUSTER: &str = "sluice.dev/accept-cluster";
/// Annotation that deletes one topic: `<name>@<id>`.
pub const DELETE_TOPIC: &str = "sluice.dev/delete-topic";
/// Annotation that stops every write but status: `true`.
pub const PAUSED: &str = "sluice.dev/paused";

/// What is planned for, and what is known before looking.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// Which pipeline.
    pub pipeline: Identity<'a>,
    /// What is asked.
    pub spec: &'a IngestionPipelineSpec,
    /// The last status.
    pub last: &'a IngestionPipelineStatus,
    /// Its annotations.
    pub annotations: &'a BTreeMap<String, String>,
    /// The operator's settings.
    pub settings: &'a Settings,
    /// Restarts of failed tasks so far, by connector.
    pub restarts: &'a BTreeMap<String, Restarts>,
    /// The time of this pass.
    pub now: Timestamp,
}

/// The Kafka cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterSeen {
    /// Its id.
    pub id: String,
    /// Live brokers.
    pub brokers: usize,
    /// Whether brokers create topics on first use; none where that cannot be read.
    pub auto_create: Option<bool>,
    /// How long the commits of a group without members are kept; none where that cannot be read.
    pub offsets_retention: Option<Duration>,
}

/// Everything that one look read.
#[derive(Clone, Debug)]
pub struct LookSeen {
    /// The Kafka cluster.
    pub cluster: Known<ClusterSeen>,
    /// Declared topics, those of the last status, and one that is to be deleted.
    pub topics: BTreeMap<String, TopicView>,
    /// Claims on groups and on the worker group.
    pub claims: BTreeMap<Claim, Known<ClaimSeen>>,
    /// The Connect workers' objects, where any are declared or left.
    pub workers: Option<WorkersView>,
    /// The connectors in the workers, where any are declared.
    pub connect: Option<ConnectSeen>,
    /// The Deployments of container connectors.
    pub containers: ContainersSeen,
}

/// The Deployments of a pipeline.
#[derive(Clone, Debug)]
pub struct ContainersSeen {
    /// By declared connector.
    pub connectors: BTreeMap<String, ContainerSeen>,
    /// All that carry the pipeline's label, also of connectors that are no longer declared.
    pub deployments: Known<Vec<Deployment>>,
}

impl Subject<'_> {
    /// The connector's consumer group, as declared or as Connect derives it.
    #[must_use]
    pub fn group(&self, connector: &Connector) -> Option<String> {
        let consumes = connector.consumes.as_ref()?;
        Some(consumes.group.clone().unwrap_or_else(|| {
            names::sink_group(&names::outside(
                self.pipeline,
                &connector.name,
                self.settings,
            ))
        }))
    }

    /// What a connector has to claim before it is created.
    #[must_use]
    pub fn claims(&self, connector: &Connector) -> Vec<Claim> {
        if connector.connect.is_some() {
            return vec![workers::claim(self.pipeline, self.settings)];
        }
        let claim = |name| Claim {
            kind: ClaimKind::Group,
            name,
        };
        self.group(connector).map(claim).into_iter().collect()
    }

    /// Whether nothing but status may be written.
    #[must_use]
    pub fn paused(&self) -> bool {
        self.annotations
            .get(PAUSED)
            .is_some_and(|value| value == "true")
    }
}

/// Plans topics and connectors from one look.
pub fn look(subject: Subject<'_>, seen: &LookSeen) -> PipelinePlan {
    let mut plan = PipelinePlan {
        suspended: subject.spec.suspend,
        ..PipelinePlan::default()
    };
    let mut findings = Vec::new();
    match cluster(subject, &seen.cluster) {
        Ok(id) => plan.cluster_id = id,
        Err(finding) => {
            plan.look = Some(nothing_done(subject, finding));
            return plan;
        }
    }
    findings.extend(auto_create(&seen.cluster));
    findings.extend(subject.spec.connectors.iter().flat_map(doubtful));
    let topics = topics(subject, seen);
    let workers = part::workers(subject, seen);
    let connectors = subject
        .spec
        .connectors
        .iter()
        .map(|c| connector(subject, c, seen, &topics))
        .collect();
    let mut look = Look {
        findings,
        topics,
        workers,
        connectors,
    };
    if subject.paused() {
        pause(&mut look);
    }
    plan.look = Some(look);
    plan
}

/// The cluster id to pin, or why nothing may be done: another cluster behind a known address has
/// other topics under the same names.
fn cluster(subject: Subject<'_>, seen: &Known<ClusterSeen>) -> Result<Option<String>, Finding> {
    let pinned = subject.last.cluster_id.as_ref();
    let Some(cluster) = seen.value() else {
        return Ok(pinned.cloned());
    };
    let accepted = subject
        .annotations
        .get(ACCEPT_CLUSTER)
        .is_some_and(|id| *id == cluster.id);
    match pinned {
        Some(pinned) if *pinned != cluster.id && !accepted => Err(Finding::stalled(
            Reason::ClusterChanged,
            format!(
                "kafka.bootstrapServers {} is now the Kafka cluster {}, and this pipeline works on \
                 {pinned}: nothing is changed; if that is meant, set the annotation \
                 {ACCEPT_CLUSTER}: {}",
                subject.spec.kafka.bootstrap_servers, cluster.id, cluster.id
            ),
        )),
        _ => Ok(Some(cluster.id.clone())),
    }
}

/// The last status with the reason why nothing was done.
fn nothing_done(subject: Subject<'_>, finding: Finding) -> Look {
    let topic = |status: &TopicStatus| TopicPlan {
        status: status.clone(),
        steps: Vec::new(),
        findings: Vec::new(),
    };
    let connector = |status: &ConnectorStatus| ConnectorPart {
        status: status.clone(),
        ..ConnectorPart::default()
    };
    Look {
        findings: vec![finding],
        topics: subject.last.topics.iter().map(topic).collect(),
        workers: WorkersPart::default(),
        connectors: subject.last.connectors.iter().map(connector).collect(),
    }
}

fn auto_create(seen: &Known<ClusterSeen>) -> Option<Finding> {
    let on = seen.value().and_then(|cluster| cluster.auto_create) == Some(true);
    on.then(|| {
        Finding::note(
            Reason::AutoCreateEnabled,
            "the brokers create topics on first use (auto.create.topics.enable=true): a client \
             with a wrong topic name makes a topic instead of an error; set it to false",
        )
    })
}

/// What of a connector's autoscaling works, and probably not as meant.
fn doubtful(connector: &Connector) -> impl Iterator<Item = Finding> + use<> {
    let problems = connector.autoscaling.as_ref().map(problems::problems);
    let name = connector.name.clone();
    let warnings = problems.unwrap_or_default().into_iter();
    warnings
        .filter(|problem| problem.severity == problems::Severity::Warning)
        .map(move |problem| {
            let message = format!("spec.connectors[{name}].autoscaling.{problem}");
            Finding::note(Reason::SpecWarning, message)
        })
}

fn topics(subject: Subject<'_>, seen: &LookSeen) -> Vec<TopicPlan> {
    let last = |name: &str| subject.last.topics.iter().find(|t| t.name == name);
    let declared = subject.spec.topics.iter().filter_map(|spec| {
        Some(topics::topic(
            spec,
            seen.topics.get(&spec.name)?,
            last(&spec.name),
        ))
    });
    let gone = subject.last.topics.iter().filter(|status| {
        !subject
            .spec
            .topics
            .iter()
            .any(|spec| spec.name == status.name)
    });
    let released = gone.filter_map(|status| {
        let view = seen.topics.get(&status.name)?;
        topics::released(status, &view.claim)
    });
    declared
        .chain(released)
        .chain(deleted(subject, seen))
        .collect()
}

/// A topic that a person asked to delete, by name and id, and that is not declared.
fn deleted(subject: Subject<'_>, seen: &LookSeen) -> Option<TopicPlan> {
    let (name, id) = topics::delete_request(subject.annotations.get(DELETE_TOPIC)?)?;
    if subject.spec.topics.iter().any(|topic| topic.name == name) {
        return None;
    }
    let steps = topics::deleted_by_request(id, seen.topics.get(name)?);
    let status = TopicStatus {
        name: name.to_owned(),
        phase: TopicPhase::Releasing,
        ..Default::default()
    };
    (!steps.is_empty()).then_some(TopicPlan {
        status,
        steps,
        findings: Vec::new(),
    })
}

/// One connector: what its runtime needs, once its claims are taken and its topics are there.
fn connector(
    subject: Subject<'_>,
    spec: &Connector,
    seen: &LookSeen,
    topics: &[TopicPlan],
) -> ConnectorPart {
    let unready: BTreeSet<String> = topics
        .iter()
        .filter(|topic| topic.status.id.is_none())
        .map(|topic| topic.status.name.clone())
        .collect();
    let part = part::runtime(subject, spec, seen, &unready);
    let mut take = Vec::new();
    for claim in subject.claims(spec) {
        let free = Known::Value(ClaimSeen::Free);
        match claims::admit(&claim, seen.claims.get(&claim).unwrap_or(&free)) {
            Ok(true) => take.push(ConnectorStep::Claim(claim)),
            Ok(false) => {}
            Err(finding) => return part.held(finding),
        }
    }
    part.after(take)
}

fn pause(look: &mut Look) {
    for topic in &mut look.topics {
        topic.steps.clear();
    }
    for connector in &mut look.connectors {
        connector.steps.clear();
    }
    look.workers.claim = None;
    look.workers.steps.clear();
    look.workers.removals.clear();
    look.findings.push(Finding::waiting(
        Reason::Paused,
        format!("annotation {PAUSED} is true: nothing is written but status; remove it to go on"),
    ));
}

/// Every topic whose claim this look needs: the managed ones, and those to be let go.
#[must_use]
pub fn topics_to_read(subject: Subject<'_>) -> Vec<String> {
    let declared = subject.spec.topics.iter().map(|topic| topic.name.clone());
    let last = subject.last.topics.iter().map(|topic| topic.name.clone());
    let asked = subject
        .annotations
        .get(DELETE_TOPIC)
        .and_then(|text| topics::delete_request(text));
    let mut names: Vec<String> = declared
        .chain(last)
        .chain(asked.map(|(name, _)| name.to_owned()))
        .collect();
    names.sort();
    names.dedup();
    names
}

/// Whether a topic is claimed at all: observed ones belong to somebody else.
#[must_use]
pub fn claims_topic(spec: &IngestionPipelineSpec, name: &str) -> bool {
    let declared = spec.topics.iter().find(|topic| topic.name == name);
    declared.is_none_or(|topic| topic.management == Management::Managed)
}
