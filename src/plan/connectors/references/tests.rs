use super::*;
use crate::api::pods::{EnvVarSource, KeyRef, LocalRef, Projected, ProjectedSource, SecretVolume};

fn container() -> Container {
    let local = |name: &str| LocalRef { name: name.into() };
    Container {
        env: vec![
            EnvVar {
                name: "PLAIN".into(),
                value: Some("1".into()),
                value_from: None,
            },
            EnvVar {
                name: "TOKEN".into(),
                value: None,
                value_from: Some(EnvVarSource {
                    secret_key_ref: Some(KeyRef {
                        name: "api".into(),
                        key: "token".into(),
                    }),
                    config_map_key_ref: None,
                }),
            },
        ],
        env_from: vec![EnvFrom {
            config_map_ref: Some(local("settings")),
            ..EnvFrom::default()
        }],
        volumes: vec![
            Volume {
                name: "cert".into(),
                secret: Some(SecretVolume {
                    secret_name: "tls".into(),
                }),
                ..Volume::default()
            },
            Volume {
                name: "all".into(),
                projected: Some(Projected {
                    sources: vec![ProjectedSource {
                        config_map: Some(local("settings")),
                        secret: None,
                    }],
                }),
                ..Volume::default()
            },
        ],
        ..Container::default()
    }
}

fn source(kind: SourceKind, name: &str) -> Source {
    Source {
        kind,
        name: name.into(),
    }
}

fn data(token: &str) -> Data {
    let keys = |pairs: &[(&str, &str)]| {
        Some(
            pairs
                .iter()
                .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
                .collect(),
        )
    };
    Data::from([
        (
            source(SourceKind::Secret, "api"),
            keys(&[("token", token), ("other", "0")]),
        ),
        (source(SourceKind::Secret, "tls"), keys(&[("tls.crt", "c")])),
        (
            source(SourceKind::ConfigMap, "settings"),
            keys(&[("level", "info")]),
        ),
    ])
}

#[test]
fn every_reference_is_found_with_its_field() {
    let fields: Vec<_> = of_container(&container())
        .into_iter()
        .map(|r| (r.field, r.source.to_string(), r.key))
        .collect();
    let found: Vec<_> = fields
        .iter()
        .map(|(f, s, k)| (f.as_str(), s.as_str(), k.as_deref()))
        .collect();
    assert_eq!(
        found,
        [
            ("volumes[cert].secret", "Secret `tls`", None),
            ("volumes[all].projected", "ConfigMap `settings`", None),
            (
                "env[TOKEN].valueFrom.secretKeyRef",
                "Secret `api`",
                Some("token")
            ),
            ("envFrom[0].configMapRef", "ConfigMap `settings`", None),
        ]
    );
}

#[test]
fn what_is_missing_is_named_with_its_field() {
    let references = of_container(&container());
    assert_eq!(
        missing("spec.connectors[e].container", &references, &data("1")),
        []
    );
    let mut gone = data("1");
    gone.insert(source(SourceKind::Secret, "tls"), None);
    gone.insert(source(SourceKind::Secret, "api"), Some(BTreeMap::new()));
    let messages: Vec<_> = missing("spec.connectors[e].container", &references, &gone)
        .into_iter()
        .map(|f| f.message)
        .collect();
    assert_eq!(
        messages,
        [
            "spec.connectors[e].container.volumes[cert].secret: Secret `tls` does not exist: create it, or correct the reference",
            "spec.connectors[e].container.env[TOKEN].valueFrom.secretKeyRef: Secret `api` has no key `token`: create it, or correct the reference",
        ]
    );
}

#[test]
fn the_digest_follows_what_is_read_and_nothing_else() {
    let references = of_container(&container());
    let digest = |data: &Data| config_digest(&references, data);
    assert_ne!(digest(&data("1")), digest(&data("2")));
    let mut unread = data("1");
    if let Some(Some(keys)) = unread.get_mut(&source(SourceKind::Secret, "api")) {
        keys.insert("other".into(), "changed".into());
    }
    assert_eq!(digest(&unread), digest(&data("1")));
    assert_eq!(config_digest(&[], &data("1")), None);
}
