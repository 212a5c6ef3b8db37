//! Whether the rights that the operator needs are granted, and to whom that question was put.

use futures::{StreamExt as _, stream};
use k8s_openapi::api::authorization::v1::ResourceAttributes;
use kube::Client;

use super::{AT_ONCE, CheckArgs, Line, Outcome};
use crate::{
    cli::cluster::Cluster,
    k8s::{
        self, questions,
        rights::{Place, RIGHTS, Right},
    },
};

/// How user names of service accounts begin.
const SERVICE_ACCOUNT: &str = "system:serviceaccount:";

/// Checks every right; one line when all are granted, else one for each that is not.
///
/// # Errors
/// When no client can be made.
pub async fn rights(args: &CheckArgs, cluster: &Cluster) -> anyhow::Result<Vec<Line>> {
    let operator = &args.operator;
    let (client, user) = if args.as_operator {
        let account = format!(
            "{SERVICE_ACCOUNT}{}:{}",
            operator.operator_namespace, operator.operator_service
        );
        (cluster.impersonating(&account)?, Ok(account))
    } else {
        let client = cluster.client.clone();
        let user = questions::whoami(&client).await;
        (client, user)
    };
    let user = user.unwrap_or_else(|_| "the present user".to_owned());
    let actions = actions(args.namespace(cluster), &operator.operator_namespace);
    Ok(match missing(&client, actions).await {
        Err(error) => vec![Line::new(
            "rights",
            user,
            Outcome::NotChecked,
            error.to_string(),
        )],
        Ok(missing) if missing.is_empty() => vec![Line::new(
            "rights",
            user,
            Outcome::Ok,
            "everything that the operator does is allowed",
        )],
        Ok(missing) => missing.iter().map(|right| denied(&user, right)).collect(),
    })
}

/// A person need not be allowed what the operator does, so that is no problem of theirs.
fn denied(user: &str, right: &str) -> Line {
    let (outcome, advice) = if user.starts_with(SERVICE_ACCOUNT) {
        (Outcome::Problem, "grant it as the chart does")
    } else {
        (
            Outcome::NotChecked,
            "whether the operator may is told by --as-operator, or in its pod",
        )
    };
    Line::new(
        "rights",
        user,
        outcome,
        format!("may not {right}: {advice}"),
    )
}

/// Everything to ask for. Without a namespace the rights have to hold in all of them.
fn actions(namespace: Option<&str>, operator: &str) -> Vec<ResourceAttributes> {
    let action = |right: &'static Right, verb: &str| {
        let (resource, subresource) = match right.resource.split_once('/') {
            Some((resource, subresource)) => (resource, Some(subresource)),
            None => (right.resource, None),
        };
        ResourceAttributes {
            group: Some(right.group.to_owned()),
            resource: Some(resource.to_owned()),
            subresource: subresource.map(str::to_owned),
            name: right.name.map(str::to_owned),
            verb: Some(verb.to_owned()),
            namespace: match right.place {
                Place::Cluster => None,
                Place::Pipelines => namespace.map(str::to_owned),
                Place::Operator => Some(operator.to_owned()),
            },
            ..ResourceAttributes::default()
        }
    };
    let rights = RIGHTS.iter();
    let all = rights.flat_map(|right| right.verbs.iter().map(move |verb| action(right, verb)));
    all.collect()
}

/// The rights that are not granted, in words.
async fn missing(
    client: &Client,
    actions: Vec<ResourceAttributes>,
) -> Result<Vec<String>, k8s::Error> {
    let ask = async |action: ResourceAttributes| {
        let words = words(&action);
        let allowed = questions::may(client, action).await?;
        Ok::<_, k8s::Error>((!allowed).then_some(words))
    };
    let answers: Vec<_> = stream::iter(actions.into_iter().map(ask))
        .buffered(AT_ONCE)
        .collect()
        .await;
    answers.into_iter().filter_map(Result::transpose).collect()
}

fn words(action: &ResourceAttributes) -> String {
    let part = |part: &Option<String>| part.clone().unwrap_or_default();
    let mut resource = part(&action.resource);
    if let Some(subresource) = &action.subresource {
        resource = format!("{resource}/{subresource}");
    }
    if let Some(group) = action.group.as_ref().filter(|group| !group.is_empty()) {
        resource = format!("{resource} of {group}");
    }
    let place = match (&action.namespace, &action.name) {
        (Some(namespace), _) => format!("in namespace {namespace}"),
        (None, Some(name)) => format!("named {name}"),
        (None, None) => "in all namespaces".to_owned(),
    };
    format!("{} {resource} {place}", part(&action.verb))
}
