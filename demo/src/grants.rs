//! Least privilege, from the apiserver's own records: what the operator asked for in a whole run,
//! against what its roles grant. A grant that nothing used is one too many; a refused request shows
//! one too few. Reads two files; asks no cluster.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

#[derive(clap::Args)]
pub struct Args {
    /// `kubectl get clusterroles,clusterrolebindings,roles,rolebindings -A -o json`
    #[arg(long)]
    roles: PathBuf,
    /// The audit log, one JSON object a line.
    #[arg(long)]
    audit: PathBuf,
    /// Namespace of the operator's service account.
    #[arg(long, default_value = "sluice-system")]
    namespace: String,
    /// Name of the operator's service account.
    #[arg(long, default_value = "sluice")]
    service_account: String,
    /// A pod with the same service account whose requests do not count.
    #[arg(long)]
    without_pod: Option<String>,
}

/// Asked by the admission plugin `OwnerReferencesPermissionEnforcement` while an object that blocks
/// the deletion of its owner is written; such questions are in no audit log. The tests' cluster runs
/// the plugin, so that without this grant no Deployment could be created.
const ASKED_BY_ADMISSION: (&str, &str, &str) =
    ("sluice.dev", "ingestionpipelines/finalizers", "update");

/// An object of RBAC.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Object {
    kind: String,
    metadata: Metadata,
    #[serde(default)]
    rules: Option<Vec<Rule>>,
    role_ref: Option<RoleRef>,
    #[serde(default)]
    subjects: Vec<Subject>,
}

#[derive(Deserialize)]
struct Metadata {
    name: String,
    namespace: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Rule {
    #[serde(default)]
    api_groups: Vec<String>,
    #[serde(default)]
    resources: Vec<String>,
    #[serde(default)]
    resource_names: Vec<String>,
    verbs: Vec<String>,
}

#[derive(Deserialize)]
struct RoleRef {
    kind: String,
    name: String,
}

#[derive(Deserialize)]
struct Subject {
    kind: String,
    name: String,
    namespace: Option<String>,
}

/// The smallest thing that a role can grant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Grant {
    /// None is every namespace, and what has none.
    namespace: Option<String>,
    group: String,
    /// With its subresource: `deployments/scale`.
    resource: String,
    name: Option<String>,
    verb: String,
}

impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            group,
            resource,
            verb,
            ..
        } = self;
        let dot = if group.is_empty() { "" } else { "." };
        write!(f, "{verb} {resource}{dot}{group}")?;
        if let Some(name) = &self.name {
            write!(f, " {name}")?;
        }
        match &self.namespace {
            Some(namespace) => write!(f, " in namespace {namespace}"),
            None => write!(f, " in every namespace"),
        }
    }
}

/// One line of the audit log, as far as it is needed here.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    verb: String,
    #[serde(rename = "requestURI")]
    request_uri: String,
    user: User,
    object_ref: Option<ObjectRef>,
    response_status: Option<ResponseStatus>,
    #[serde(default)]
    annotations: Annotations,
}

#[derive(Default, Deserialize)]
struct Annotations {
    /// `allow` or `forbid`. The code alone would not tell: admission answers 403 as well, for
    /// example in the seconds in which it does not know a new definition yet.
    #[serde(default, rename = "authorization.k8s.io/decision")]
    decision: String,
}

#[derive(Deserialize)]
struct User {
    username: String,
    #[serde(default)]
    extra: Extra,
}

#[derive(Default, Deserialize)]
struct Extra {
    #[serde(default, rename = "authentication.kubernetes.io/pod-name")]
    pod: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ObjectRef {
    #[serde(default)]
    api_group: String,
    resource: String,
    subresource: Option<String>,
    namespace: Option<String>,
    name: Option<String>,
}

#[derive(Deserialize)]
struct ResponseStatus {
    #[serde(default)]
    code: u16,
}

/// What the log shows.
#[derive(Default)]
struct Requests {
    /// In the shape of the grant that each needs.
    allowed: BTreeSet<Grant>,
    refused: BTreeSet<String>,
}

/// Compares them; true when they are the same.
pub fn run(args: &Args) -> Result<bool> {
    let account = (args.namespace.as_str(), args.service_account.as_str());
    let grants = grants(&read(&args.roles)?, account)?;
    if grants.is_empty() {
        bail!("no role is bound to the service account {account:?}");
    }
    let requests = requests(&read(&args.audit)?, account, args.without_pod.as_deref())?;
    let unused = unused(&grants, &requests.allowed);
    for grant in &unused {
        println!("granted, and never used: {grant}");
    }
    for refused in &requests.refused {
        println!("refused: {refused}");
    }
    println!(
        "{} grants, {} of them unused; {} kinds of requests allowed, {} refused",
        grants.len(),
        unused.len(),
        requests.allowed.len(),
        requests.refused.len()
    );
    Ok(unused.is_empty() && requests.refused.is_empty())
}

fn read(path: &PathBuf) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

/// Everything that is granted to the service account itself.
fn grants(roles: &str, (namespace, name): (&str, &str)) -> Result<BTreeSet<Grant>> {
    #[derive(Deserialize)]
    struct List {
        items: Vec<Object>,
    }
    let objects = serde_json::from_str::<List>(roles)
        .context("the roles")?
        .items;
    let ours = |subject: &Subject| {
        subject.kind == "ServiceAccount"
            && subject.name == name
            && subject.namespace.as_deref() == Some(namespace)
    };
    let mut grants = BTreeSet::new();
    for binding in objects.iter().filter(|o| o.subjects.iter().any(ours)) {
        let role = bound(binding, &objects)?;
        for rule in role.rules.iter().flatten() {
            grants.extend(expand(rule, binding.metadata.namespace.as_deref()));
        }
    }
    Ok(grants)
}

/// The role of a binding.
fn bound<'a>(binding: &Object, objects: &'a [Object]) -> Result<&'a Object> {
    let wanted = binding.role_ref.as_ref().context("a binding of no role")?;
    let found = objects.iter().find(|object| {
        object.kind == wanted.kind
            && object.metadata.name == wanted.name
            && (object.kind == "ClusterRole"
                || object.metadata.namespace == binding.metadata.namespace)
    });
    found.with_context(|| format!("there is no {} {}", wanted.kind, wanted.name))
}

fn expand(rule: &Rule, namespace: Option<&str>) -> Vec<Grant> {
    let mut grants = Vec::new();
    let names: Vec<_> = if rule.resource_names.is_empty() {
        vec![None]
    } else {
        rule.resource_names.iter().cloned().map(Some).collect()
    };
    for group in &rule.api_groups {
        for resource in &rule.resources {
            for verb in &rule.verbs {
                grants.extend(names.iter().map(|name| Grant {
                    namespace: namespace.map(str::to_owned),
                    group: group.clone(),
                    resource: resource.clone(),
                    name: name.clone(),
                    verb: verb.clone(),
                }));
            }
        }
    }
    grants
}

fn requests(log: &str, (namespace, name): (&str, &str), without: Option<&str>) -> Result<Requests> {
    let user = format!("system:serviceaccount:{namespace}:{name}");
    let mut requests = Requests::default();
    for line in log.lines() {
        let event: Event = serde_json::from_str(line).context("the audit log")?;
        let counts = without.is_none_or(|pod| !event.user.extra.pod.iter().any(|p| p == pod));
        if event.user.username == user && counts {
            requests.add(event);
        }
    }
    Ok(requests)
}

impl Requests {
    fn add(&mut self, event: Event) {
        let code = event.response_status.map_or(0, |status| status.code);
        if event.annotations.decision == "forbid" {
            let path = event.request_uri.split('?').next().unwrap_or_default();
            self.refused.insert(format!("{} {path}", event.verb));
            return;
        }
        let Some(object) = event.object_ref else {
            return;
        };
        let resource = match object.subresource {
            Some(subresource) => format!("{}/{subresource}", object.resource),
            None => object.resource,
        };
        let request = Grant {
            namespace: object.namespace,
            group: object.api_group,
            resource,
            name: object.name,
            verb: event.verb,
        };
        // A server-side apply of what was not there also needs the right to create it.
        if request.verb == "patch" && code == 201 {
            self.allowed.insert(Grant {
                verb: "create".to_owned(),
                ..request.clone()
            });
        }
        self.allowed.insert(request);
    }
}

/// The grants that no request needed. One for every namespace is not used by a request that a
/// narrower one allows as well: it would belong into that Role.
fn unused(grants: &BTreeSet<Grant>, requests: &BTreeSet<Grant>) -> Vec<Grant> {
    let by_role = |request: &Grant| {
        let mut narrow = grants.iter().filter(|grant| grant.namespace.is_some());
        narrow.any(|grant| allows(grant, request))
    };
    let everywhere: Vec<_> = requests.iter().filter(|r| !by_role(r)).collect();
    let used = |grant: &Grant| match grant.namespace {
        Some(_) => requests.iter().any(|request| allows(grant, request)),
        None => everywhere.iter().any(|request| allows(grant, request)),
    };
    let asked = |grant: &Grant| {
        let (group, resource, verb) = ASKED_BY_ADMISSION;
        grant.group == group && grant.resource == resource && grant.verb == verb
    };
    let unused = grants.iter().filter(|grant| !asked(grant) && !used(grant));
    unused.cloned().collect()
}

/// Whether a grant allows a request. No word stands for everything: `*` allows nothing here, and so
/// is reported as unused.
fn allows(grant: &Grant, request: &Grant) -> bool {
    let place = grant.namespace.is_none() || grant.namespace == request.namespace;
    let name = grant.name.is_none() || grant.name == request.name;
    place
        && name
        && grant.group == request.group
        && grant.resource == request.resource
        && grant.verb == request.verb
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const ACCOUNT: (&str, &str) = ("sluice-system", "sluice");

    fn role(kind: &str, namespace: Option<&str>, rules: &Value) -> [Value; 2] {
        let metadata = json!({"name": "sluice", "namespace": namespace});
        let subject =
            json!({"kind": "ServiceAccount", "name": "sluice", "namespace": "sluice-system"});
        [
            json!({"kind": kind, "metadata": metadata, "rules": rules}),
            json!({
                "kind": format!("{kind}Binding"), "metadata": metadata,
                "roleRef": {"kind": kind, "name": "sluice"}, "subjects": [subject],
            }),
        ]
    }

    fn granted(roles: &[[Value; 2]]) -> BTreeSet<Grant> {
        let list = json!({"items": roles.concat()});
        grants(&list.to_string(), ACCOUNT).unwrap()
    }

    fn line(verb: &str, namespace: Option<&str>, resource: &str, code: u16) -> String {
        let decision = if code == 403 { "forbid" } else { "allow" };
        let event = json!({
            "verb": verb,
            "requestURI": format!("/api/v1/{resource}?limit=1"),
            "user": {"username": "system:serviceaccount:sluice-system:sluice", "extra": {
                "authentication.kubernetes.io/pod-name": ["sluice-1"],
            }},
            "objectRef": {"resource": resource, "namespace": namespace},
            "responseStatus": {"code": code},
            "annotations": {"authorization.k8s.io/decision": decision},
        });
        format!("{event}\n")
    }

    fn unused_of(roles: &[[Value; 2]], log: &[String]) -> Vec<String> {
        let requests = requests(&log.concat(), ACCOUNT, None).unwrap();
        let unused = unused(&granted(roles), &requests.allowed);
        unused.iter().map(Grant::to_string).collect()
    }

    fn rule(verbs: &[&str]) -> Value {
        json!([{"apiGroups": [""], "resources": ["configmaps"], "verbs": verbs}])
    }

    #[test]
    fn what_is_never_used_is_named() {
        let roles = [role("ClusterRole", None, &rule(&["get", "list"]))];
        let log = [line("get", Some("a"), "configmaps", 404)];
        let unused = unused_of(&roles, &log);
        assert_eq!(unused, ["list configmaps in every namespace"]);
    }

    #[test]
    fn a_right_for_every_namespace_is_not_used_where_a_role_is_enough() {
        let roles = [
            role("ClusterRole", None, &rule(&["get"])),
            role("Role", Some("sluice-system"), &rule(&["get"])),
        ];
        let own = line("get", Some("sluice-system"), "configmaps", 200);
        let unused = unused_of(&roles, std::slice::from_ref(&own));
        assert_eq!(unused, ["get configmaps in every namespace"]);
        let other = line("get", Some("a"), "configmaps", 200);
        assert!(unused_of(&roles, &[own, other]).is_empty());
    }

    #[test]
    fn an_apply_that_creates_uses_both_rights() {
        let roles = [role("ClusterRole", None, &rule(&["create", "patch"]))];
        let changed = line("patch", Some("a"), "configmaps", 200);
        assert_eq!(unused_of(&roles, &[changed]).len(), 1);
        let created = line("patch", Some("a"), "configmaps", 201);
        assert!(unused_of(&roles, &[created]).is_empty());
    }

    #[test]
    fn a_word_for_everything_is_never_used() {
        let roles = [role("ClusterRole", None, &rule(&["*"]))];
        let log = [line("get", Some("a"), "configmaps", 200)];
        assert_eq!(unused_of(&roles, &log), ["* configmaps in every namespace"]);
    }

    #[test]
    fn a_refusal_is_named_without_its_query() {
        let log = line("list", Some("a"), "secrets", 403);
        let requests = requests(&log, ACCOUNT, None).unwrap();
        assert_eq!(requests.refused.first().unwrap(), "list /api/v1/secrets");
        assert!(requests.allowed.is_empty());
    }

    #[test]
    fn other_users_and_the_test_pod_do_not_count() {
        let log = line("get", Some("a"), "configmaps", 200);
        let other = requests(&log, ("sluice-system", "other"), None).unwrap();
        assert!(other.allowed.is_empty());
        let test = requests(&log, ACCOUNT, Some("sluice-1")).unwrap();
        assert!(test.allowed.is_empty());
    }
}
