//! The pipelines that are measured: a mix such as a team might have.

use futures::{StreamExt, stream};
use kube::{
    Api, Client,
    api::{Patch, PatchParams},
};
use serde_json::{Value, json};
use sluice::api::IngestionPipeline;

/// A pipeline to ask for.
pub struct Pipeline {
    /// Where.
    pub namespace: String,
    /// Its name, and the prefix of every name of its in Kafka.
    pub name: String,
    /// What is asked.
    pub spec: Value,
}

/// What the mix is, for whoever reads a figure.
pub const MIX: &str = "of ten: 4 of topics only, 4 with pods that follow their lag, 2 with a fixed \
                       number of pods; each with a topic of 3 partitions, no records";

/// The `number`th pipeline of the mix.
pub fn of_mix(number: usize, namespace: &str, kafka: &Value) -> Pipeline {
    let name = format!("p{number}");
    let mut spec = json!({"kafka": kafka, "topics": [{"name": name, "partitions": 3}]});
    match number % 10 {
        0..4 => {}
        4..8 => spec["connectors"] = json!([follows_lag(&name, 6)]),
        _ => {
            spec["connectors"] = json!([{
                "name": "work", "role": "Source", "container": {"image": "example/none:1"}, "replicas": 1,
            }]);
        }
    }
    Pipeline {
        namespace: namespace.to_owned(),
        name,
        spec,
    }
}

/// A connector whose pods follow 100 unread records each of the topic of this name, in the group
/// of this name; every setting that may be left out is.
pub fn follows_lag(topic: &str, max: i32) -> Value {
    json!({
        "name": "work", "role": "Sink", "container": {"image": "example/none:1"},
        "consumes": {"group": topic, "topics": [topic]},
        "autoscaling": {
            "maxReplicas": max,
            "policies": [{"name": "lag", "targetTracking": {"metric": "lag", "target": 100}}],
        },
    })
}

/// Applies pipelines as a person does, several at once.
pub async fn apply(client: &Client, pipelines: &[Pipeline]) {
    let apply = |pipeline: &Pipeline| {
        let api = Api::<IngestionPipeline>::namespaced(client.clone(), &pipeline.namespace);
        let object = json!({
            "apiVersion": "sluice.dev/v1alpha1",
            "kind": "IngestionPipeline",
            "metadata": {"name": pipeline.name},
            "spec": pipeline.spec,
        });
        let name = pipeline.name.clone();
        async move {
            let params = PatchParams::apply("person").force();
            api.patch(&name, &params, &Patch::Apply(&object))
                .await
                .unwrap();
        }
    };
    stream::iter(pipelines)
        .map(apply)
        .buffer_unordered(8)
        .for_each(async |()| {})
        .await;
}
