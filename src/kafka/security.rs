//! How a client proves who it is and whom it trusts: TLS and SASL as values, their settings in
//! librdkafka's words, and what is wrong with them before anybody is asked. Holds secrets, and
//! shows none of them.

use jiff::Timestamp;
use rdkafka::config::ClientConfig as NativeConfig;
use x509_cert::Certificate;

pub use crate::sensitive::Sensitive;

/// What a connection is secured with; the default is nothing at all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Security {
    /// TLS; `None` sends everything in clear text.
    pub tls: Option<Tls>,
    /// The login; `None` is whoever the certificate says, or nobody.
    pub sasl: Option<Sasl>,
}

/// TLS to the brokers; their host names are always verified.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Tls {
    /// Authorities to trust, as PEM; `None` for those of the system.
    pub ca: Option<String>,
    /// This side's certificate.
    pub client: Option<KeyPair>,
}

/// A certificate and its key, both as PEM.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct KeyPair {
    /// The certificate, and those of the authorities between it and the root.
    pub certificate: String,
    /// The private key.
    pub key: Sensitive,
}

/// A login.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Sasl {
    /// `PLAIN`, `SCRAM-SHA-256` or `SCRAM-SHA-512`.
    Password {
        /// Kafka's word for it.
        mechanism: &'static str,
        /// Who logs in.
        username: String,
        /// The proof.
        password: Sensitive,
    },
    /// `OAUTHBEARER`, with tokens by client credentials.
    OauthBearer(ClientCredentials),
}

/// OAuth 2.0 client credentials (RFC 6749 section 4.4).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ClientCredentials {
    /// The token endpoint.
    pub token_endpoint_url: String,
    /// The scope to ask for.
    pub scope: Option<String>,
    /// Who asks.
    pub client_id: String,
    /// The proof.
    pub client_secret: Sensitive,
    /// Authorities to trust for the endpoint, as PEM; `None` for those of the system.
    pub ca: Option<String>,
}

/// Why certificates from a Secret cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// There is no certificate in it.
    #[error("holds no PEM certificate")]
    NoCertificate,
    /// There is no private key in it.
    #[error("holds no PEM private key")]
    NoKey,
    /// Its time is over.
    #[error("has expired: renew it")]
    Expired,
    /// Its time is yet to come.
    #[error("is not valid yet: check the clock of whoever issued it")]
    NotYetValid,
}

impl Security {
    /// Whom Kafka takes the client for, as it writes principals: `User:plant`.
    ///
    /// For `OAUTHBEARER` it is the client's id, which a broker may map to another name.
    #[must_use]
    pub fn principal(&self) -> String {
        let name = match (&self.sasl, &self.tls) {
            (Some(Sasl::Password { username, .. }), _) => username.clone(),
            (Some(Sasl::OauthBearer(credentials)), _) => credentials.client_id.clone(),
            (
                None,
                Some(Tls {
                    client: Some(pair), ..
                }),
            ) => subject(&pair.certificate).unwrap_or_else(|| "ANONYMOUS".to_owned()),
            (None, _) => "ANONYMOUS".to_owned(),
        };
        format!("User:{name}")
    }

    /// Kafka's word for the combination, as in `security.protocol`.
    #[must_use]
    pub const fn protocol(&self) -> &'static str {
        match (&self.tls, &self.sasl) {
            (None, None) => "PLAINTEXT",
            (Some(_), None) => "SSL",
            (None, Some(_)) => "SASL_PLAINTEXT",
            (Some(_), Some(_)) => "SASL_SSL",
        }
    }

    /// Kafka's word for the login.
    #[must_use]
    pub const fn mechanism(&self) -> &'static str {
        match &self.sasl {
            None => "none",
            Some(Sasl::Password { mechanism, .. }) => mechanism,
            Some(Sasl::OauthBearer(_)) => "OAUTHBEARER",
        }
    }

    /// Why a Java client could not use it, though this one can: which field of the spec, and what
    /// is wrong with the Secret that it names.
    #[must_use]
    pub fn unfit_for_java(&self) -> Option<(&'static str, &'static str)> {
        let unquotable = |text: &str| text.contains(['"', '\\']);
        match &self.sasl {
            Some(Sasl::Password {
                username, password, ..
            }) if unquotable(username) || unquotable(password.reveal()) => Some((
                "sasl.secretRef",
                "the user name or the password holds a double quote or a backslash",
            )),
            _ => {
                let pair = self.tls.as_ref()?.client.as_ref()?;
                let fit = pair.key.reveal().contains("-----BEGIN PRIVATE KEY-----");
                (!fit).then_some((
                    "tls.clientSecretRef",
                    "the key in tls.key is not of the form PKCS#8, `BEGIN PRIVATE KEY`",
                ))
            }
        }
    }

    /// librdkafka's settings for it.
    pub(super) fn configure(&self, settings: &mut NativeConfig) {
        settings.set("security.protocol", self.protocol());
        if let Some(tls) = &self.tls {
            if let Some(ca) = &tls.ca {
                settings.set("ssl.ca.pem", ca);
            }
            if let Some(pair) = &tls.client {
                settings.set("ssl.certificate.pem", &pair.certificate);
                settings.set("ssl.key.pem", pair.key.reveal());
            }
        }
        if self.sasl.is_some() {
            settings.set("sasl.mechanism", self.mechanism());
        }
        if let Some(Sasl::Password {
            username, password, ..
        }) = &self.sasl
        {
            settings.set("sasl.username", username);
            settings.set("sasl.password", password.reveal());
        }
    }
}

/// Whether this side's certificate can be used at a time: the first in the file is the one.
///
/// # Errors
/// What is wrong with it.
pub fn check_certificate(pem: &str, now: Timestamp) -> Result<(), Unusable> {
    check(chain(pem).first(), now)
}

/// Whether authorities can be used at a time: one that is valid is enough, since a bundle keeps
/// the last one while the next one comes into use.
///
/// # Errors
/// What is wrong with the first of them.
pub fn check_authorities(pem: &str, now: Timestamp) -> Result<(), Unusable> {
    let chain = chain(pem);
    if chain
        .iter()
        .any(|authority| check(Some(authority), now).is_ok())
    {
        return Ok(());
    }
    check(chain.first(), now)
}

fn check(certificate: Option<&Certificate>, now: Timestamp) -> Result<(), Unusable> {
    let certificate = certificate.ok_or(Unusable::NoCertificate)?;
    let validity = certificate.tbs_certificate().validity();
    let at = |time: x509_cert::time::Time| {
        i64::try_from(time.to_unix_duration().as_secs()).unwrap_or(i64::MAX)
    };
    if now.as_second() > at(validity.not_after) {
        Err(Unusable::Expired)
    } else if now.as_second() < at(validity.not_before) {
        Err(Unusable::NotYetValid)
    } else {
        Ok(())
    }
}

/// Whether a file holds a private key.
///
/// # Errors
/// When it holds none.
pub fn check_key(pem: &str) -> Result<(), Unusable> {
    let found = pem.contains("-----BEGIN") && pem.contains("PRIVATE KEY-----");
    found.then_some(()).ok_or(Unusable::NoKey)
}

fn chain(pem: &str) -> Vec<Certificate> {
    Certificate::load_pem_chain(pem.trim().as_bytes()).unwrap_or_default()
}

/// The distinguished name of a certificate's owner, by RFC 4514, as Kafka writes it.
fn subject(pem: &str) -> Option<String> {
    let chain = chain(pem);
    Some(chain.first()?.tbs_certificate().subject().to_string())
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair as Key, date_time_ymd};

    use super::*;

    fn certificate(from: i32, to: i32) -> String {
        let mut params = CertificateParams::default();
        params.not_before = date_time_ymd(from, 1, 1);
        params.not_after = date_time_ymd(to, 1, 1);
        let mut name = DistinguishedName::new();
        name.push(DnType::OrganizationName, "works");
        name.push(DnType::CommonName, "plant");
        params.distinguished_name = name;
        let key = Key::generate().unwrap();
        params.self_signed(&key).unwrap().pem()
    }

    fn security(sasl: Option<Sasl>) -> Security {
        let client = KeyPair {
            certificate: certificate(2020, 2030),
            key: Sensitive::new("key".into()),
        };
        Security {
            tls: Some(Tls {
                ca: None,
                client: Some(client),
            }),
            sasl,
        }
    }

    fn login() -> Sasl {
        Sasl::Password {
            mechanism: "SCRAM-SHA-512",
            username: "plant".into(),
            password: Sensitive::new("hunter2".into()),
        }
    }

    #[test]
    fn the_login_names_the_principal_else_the_certificate_does() {
        assert_eq!(security(Some(login())).principal(), "User:plant");
        let subject = security(None).principal();
        assert_eq!(subject, "User:CN=plant,O=works");
        assert_eq!(Security::default().principal(), "User:ANONYMOUS");
    }

    #[test]
    fn a_secret_shows_in_no_rendering() {
        let shown = format!("{:?}", security(Some(login())));
        assert!(!shown.contains("hunter2"), "{shown}");
        assert!(shown.contains("(hidden)"), "{shown}");
    }

    #[test]
    fn certificates_are_looked_at_before_anybody_is_asked() {
        let check = |pem: &str, at: &str| check_certificate(pem, at.parse().unwrap());
        let pem = certificate(2024, 2025);
        assert_eq!(check(&pem, "2024-06-01T00:00:00Z"), Ok(()));
        assert_eq!(check(&pem, "2025-06-01T00:00:00Z"), Err(Unusable::Expired));
        assert_eq!(
            check(&pem, "2023-06-01T00:00:00Z"),
            Err(Unusable::NotYetValid)
        );
        assert_eq!(
            check("no certificate", "2024-06-01T00:00:00Z"),
            Err(Unusable::NoCertificate)
        );
        let bundle = format!("{pem}{}", certificate(2025, 2030));
        let at = "2026-01-01T00:00:00Z".parse().unwrap();
        assert_eq!(check_authorities(&bundle, at), Ok(()));
        assert_eq!(check_certificate(&bundle, at), Err(Unusable::Expired));
    }
}
