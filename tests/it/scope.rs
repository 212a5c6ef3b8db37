//! The operator as a process with nothing but Roles in two namespaces: it works there, leaves a
//! third alone, and asks for nothing that it may not.

use std::{collections::BTreeSet, time::Duration};

use k8s_openapi::api::{
    authentication::v1::TokenRequest,
    core::v1::ServiceAccount,
    rbac::v1::{Role, RoleBinding},
};
use kube::{
    Api, Client,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::support::{
    apiserver, eventually, kafka,
    operator::{Tenant, condition},
    process::Process,
};

/// What the operator needs in a namespace of pipelines.
fn rules() -> Value {
    let rule = |group: &str, resources: &[&str], verbs: &[&str]| json!({"apiGroups": [group], "resources": resources, "verbs": verbs});
    json!([
        rule(
            "sluice.dev",
            &["ingestionpipelines"],
            &["get", "list", "watch", "patch"]
        ),
        rule("sluice.dev", &["ingestionpipelines/status"], &["patch"]),
        rule(
            "sluice.dev",
            &["ingestionpipelines/finalizers"],
            &["update"]
        ),
        rule(
            "apps",
            &["deployments"],
            &["get", "list", "watch", "create", "patch", "delete"]
        ),
        rule("apps", &["deployments/scale"], &["get", "patch"]),
        rule("", &["pods"], &["list"]),
        rule(
            "",
            &["services", "configmaps"],
            &["get", "create", "patch", "delete"]
        ),
        rule(
            "networking.k8s.io",
            &["networkpolicies"],
            &["get", "create", "patch", "delete"]
        ),
        rule("", &["secrets"], &["get"]),
        rule("events.k8s.io", &["events"], &["create", "patch"]),
        rule("autoscaling", &["horizontalpodautoscalers"], &["list"]),
        rule("keda.sh", &["scaledobjects"], &["list"]),
    ])
}

/// What it needs in its own namespace.
fn own_rules() -> Value {
    let all_leases =
        json!({"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["create"]});
    let own_lease = json!({"apiGroups": ["coordination.k8s.io"], "resources": ["leases"],
        "resourceNames": ["sluice"], "verbs": ["get", "update"]});
    let claims = json!({"apiGroups": [""], "resources": ["configmaps"],
        "verbs": ["get", "list", "create", "patch", "deletecollection"]});
    let events = json!({"apiGroups": ["events.k8s.io"], "resources": ["events"], "verbs": ["create", "patch"]});
    json!([all_leases, own_lease, claims, events])
}

async fn apply<K>(client: &Client, namespace: &str, object: Value)
where
    K: kube::Resource<Scope = kube::core::NamespaceResourceScope, DynamicType = ()>
        + Clone
        + std::fmt::Debug
        + Serialize
        + DeserializeOwned,
{
    let mut object = object;
    object["apiVersion"] = json!(K::api_version(&()));
    object["kind"] = json!(K::kind(&()));
    object["metadata"] = json!({"name": "sluice"});
    let params = PatchParams::apply("tests").force();
    Api::<K>::namespaced(client.clone(), namespace)
        .patch("sluice", &params, &Patch::Apply(object))
        .await
        .unwrap();
}

/// Lets the account of the operator's namespace do this in a namespace.
async fn grant(client: &Client, namespace: &str, operator_namespace: &str, rules: Value) {
    apply::<Role>(client, namespace, json!({"rules": rules})).await;
    let binding = json!({
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "sluice"},
        "subjects": [{"kind": "ServiceAccount", "name": "sluice", "namespace": operator_namespace}],
    });
    apply::<RoleBinding>(client, namespace, binding).await;
}

async fn token(client: &Client, namespace: &str) -> String {
    apply::<ServiceAccount>(client, namespace, json!({})).await;
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), namespace);
    let request = TokenRequest::default();
    let answer = accounts
        .create_token_request("sluice", &PostParams::default(), &request)
        .await
        .unwrap();
    answer.status.unwrap().token
}

#[tokio::test]
async fn with_roles_in_two_namespaces_it_works_there_and_asks_for_nothing_else() {
    let server = apiserver::without_operator();
    let operator = Tenant::on(server).await;
    let tenants = [Tenant::on(server).await, Tenant::on(server).await];
    let other = Tenant::on(server).await;
    let client = &operator.client;
    let token = token(client, &operator.namespace).await;
    grant(
        client,
        &operator.namespace,
        &operator.namespace,
        own_rules(),
    )
    .await;
    for tenant in &tenants {
        grant(client, &tenant.namespace, &operator.namespace, rules()).await;
    }
    let pipeline = |tenant: &Tenant| {
        let topic = format!("{}.t", tenant.namespace);
        let connector = json!({"name": "work", "role": "Source", "container": {"image": "none:1"}});
        json!({"kafka": {"bootstrapServers": kafka::shared().bootstrap()},
            "topics": [{"name": topic, "deletionPolicy": "Delete"}], "connectors": [connector]})
    };
    other.apply("p", pipeline(&other)).await;
    let flags = [
        "--leader-election".to_owned(),
        format!("--operator-namespace={}", operator.namespace),
        format!(
            "--watch-namespaces={},{}",
            tenants[0].namespace, tenants[1].namespace
        ),
    ];
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let mut process = Process::start(server, &token, &flags);
    process.until_leading().await;
    process.until_ready().await;
    for tenant in &tenants {
        tenant.apply("p", pipeline(tenant)).await;
        tenant
            .until("p", 30, |status| {
                condition(status, "TopicsReady").0 == "True"
            })
            .await;
        tenant
            .until("p", 30, |status| {
                status
                    .connectors
                    .iter()
                    .any(|c| c.desired_replicas == Some(1))
            })
            .await;
        until_deployed(tenant).await;
    }
    tenants[0].delete("p", 20).await;
    // Whoever changes its Deployment wakes the pipeline: the watch of children is there, too.
    tenants[1]
        .deployments()
        .delete("p-work", &DeleteParams::default())
        .await
        .unwrap();
    until_deployed(&tenants[1]).await;
    sleep(Duration::from_secs(2)).await;
    let left_alone = other.pipelines().get("p").await.unwrap();
    assert_eq!(left_alone.metadata.finalizers, None);
    assert_eq!(left_alone.status.unwrap_or_default().conditions, []);

    process.signal("TERM");
    assert!(process.ended().await.success());
    let log = process.log();
    assert!(
        !log.contains("forbidden") && !log.contains("ERROR"),
        "{log}"
    );
    asked_only_for(&operator, &tenants);
}

async fn until_deployed(tenant: &Tenant) {
    eventually("the Deployment is there", async || {
        let found = tenant.deployments().get_opt("p-work").await.unwrap()?;
        found.metadata.deletion_timestamp.is_none().then_some(())
    })
    .await;
}

/// The audit log has no refusal, and no request beyond these namespaces.
fn asked_only_for(operator: &Tenant, tenants: &[Tenant; 2]) {
    let user = format!("system:serviceaccount:{}:sluice", operator.namespace);
    let asked = apiserver::without_operator().audit(&user);
    let spaces: BTreeSet<_> = asked
        .iter()
        .map(|entry| {
            entry["objectRef"]["namespace"]
                .as_str()
                .unwrap_or("the cluster")
        })
        .collect();
    let expected = [operator, &tenants[0], &tenants[1]].map(|tenant| tenant.namespace.as_str());
    assert_eq!(spaces, BTreeSet::from(expected));
    let refused: Vec<_> = asked
        .iter()
        .filter(|entry| entry["responseStatus"]["code"] == 403)
        .collect();
    assert!(refused.is_empty(), "{refused:#?}");
}

#[tokio::test]
async fn a_deletion_that_is_refused_is_tried_again_with_patience() {
    let server = apiserver::without_operator();
    let tenant = Tenant::on(server).await;
    let token = token(&tenant.client, &tenant.namespace).await;
    // Without the right to give claims back.
    grant(
        &tenant.client,
        &tenant.namespace,
        &tenant.namespace,
        rules(),
    )
    .await;
    let namespace = &tenant.namespace;
    let flags = [
        format!("--operator-namespace={namespace}"),
        format!("--watch-namespaces={namespace}"),
    ];
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let process = Process::start(server, &token, &flags);
    process.until_ready().await;
    let spec = json!({"kafka": {"bootstrapServers": kafka::shared().bootstrap()}, "topics": []});
    tenant.apply("p", spec).await;
    eventually("the pipeline is taken up", async || {
        let pipeline = tenant.pipelines().get("p").await.unwrap();
        pipeline.metadata.finalizers.map(drop)
    })
    .await;
    let params = DeleteParams::default();
    tenant.pipelines().delete("p", &params).await.unwrap();
    sleep(Duration::from_secs(15)).await;
    let user = format!("system:serviceaccount:{namespace}:sluice");
    let tries = server.audit(&user).into_iter();
    let tries = tries.filter(|entry| entry["verb"] == "deletecollection");
    // At once, and after 10 s; the object's own changes may ask for one more.
    let count = tries.count();
    assert!((1..=3).contains(&count), "{count}:\n{}", process.log());
}

#[tokio::test]
async fn what_it_may_not_list_is_said_at_the_start() {
    let server = apiserver::without_operator();
    let operator = Tenant::on(server).await;
    let token = token(&operator.client, &operator.namespace).await;
    let namespace = format!("--watch-namespaces={}", operator.namespace);
    let process = Process::start(server, &token, &[&namespace]);
    let said = async || process.log().contains("is forbidden").then_some(());
    eventually("it says what it may not", said).await;
    let words = format!(
        "pipelines cannot be listed in namespace {}",
        operator.namespace
    );
    assert!(process.log().contains(&words), "{}", process.log());
}
