//! One real broker with every kind of security that a pipeline can ask for, each on a listener of
//! its own, and what a client needs to get in: authorities, certificates, users and tokens. All
//! made for the run; nothing of it is a secret.
#![expect(
    clippy::disallowed_methods,
    reason = "a fixture: its tokens carry the time of day"
)]

use std::{
    fs,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    sync::OnceLock,
    thread,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, date_time_ymd,
};
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use tempfile::TempDir;

use super::kafka::{self, Broker, free_port};

/// The user of every mechanism, and what proves it.
pub const USER: &str = "plant";
/// The password of [`USER`].
pub const PASSWORD: &str = "correct-horse-battery";
/// The client that gets tokens.
pub const CLIENT_ID: &str = "plant-client";
/// The secret of [`CLIENT_ID`].
pub const CLIENT_SECRET: &str = "staple-of-the-client";
/// Whom tokens are issued to, and so the principal of whoever shows one.
pub const TOKEN_SUBJECT: &str = "plant-by-token";

/// The listeners, by Kafka's names for them.
const LISTENERS: [&str; 6] = ["TLS", "MUTUAL", "EXPIRED", "STRANGE", "SASL", "TOKEN"];

/// A broker with all of [`LISTENERS`], and the authority behind its certificates.
pub struct Secure {
    /// The broker; its ordinary listener is open to everybody, who may do everything there.
    pub broker: Broker,
    /// The authority of the broker's certificates, as PEM.
    pub ca: String,
    /// An authority that has nothing to do with it.
    pub other_ca: String,
    /// A certificate for a client, of the broker's authority, for `CN=plant-cert`.
    pub client_certificate: String,
    /// Its key.
    pub client_key: String,
    /// A certificate for a client whose time is over.
    pub expired_certificate: String,
    /// Its key.
    pub expired_key: String,
    /// Where tokens come from.
    pub token_endpoint: String,
    ports: Vec<u16>,
    _dir: TempDir,
}

/// The secured broker that tests share.
pub fn shared() -> &'static Secure {
    static SHARED: OnceLock<Secure> = OnceLock::new();
    SHARED.get_or_init(|| Secure::start(&[]))
}

impl Secure {
    /// Starts a broker whose listener `SASL` also knows these users of mechanism `PLAIN`, each
    /// with [`PASSWORD`].
    pub fn start(users: &[String]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let ca = authority("sluice-test-ca");
        let (client_certificate, client_key) = issue(&ca, "plant-cert", &[], 2020, 2090);
        let (expired_certificate, expired_key) = issue(&ca, "plant-cert", &[], 2020, 2021);
        let ports: Vec<u16> = LISTENERS.iter().map(|_| free_port()).collect();
        let (token_endpoint, jwks) = token_endpoint();
        let jwks_file = dir.path().join("jwks.json");
        fs::write(&jwks_file, jwks).unwrap();
        let jwks_url = format!("file://{}", jwks_file.display());
        let settings = settings(dir.path(), &ca, &ports, &jwks_url, users);
        let settings: Vec<(&str, &str)> = settings
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
            .collect();
        let allowed = format!("-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls={jwks_url}");
        let broker = Broker::start_with(&settings, &[allowed]);
        let secure = Self {
            broker,
            ca: ca.pem(),
            other_ca: authority("another-ca").pem(),
            client_certificate,
            client_key,
            expired_certificate,
            expired_key,
            token_endpoint,
            ports,
            _dir: dir,
        };
        secure.set_password(USER, PASSWORD);
        secure
    }

    /// `host:port` of the listener of this name.
    pub fn bootstrap(&self, listener: &str) -> String {
        let index = LISTENERS.iter().position(|name| *name == listener).unwrap();
        format!("127.0.0.1:{}", self.ports[index])
    }

    /// Gives a user this password, for both kinds of SCRAM.
    pub fn set_password(&self, user: &str, password: &str) {
        // One request may not name a user twice.
        for mechanism in ["SCRAM-SHA-256", "SCRAM-SHA-512"] {
            let config = format!("{mechanism}=[iterations=4096,password={password}]");
            let bootstrap = self.broker.bootstrap();
            let mut arguments = vec!["--bootstrap-server", &bootstrap, "--alter"];
            arguments.extend(["--add-config", &config]);
            arguments.extend(["--entity-type", "users", "--entity-name", user]);
            kafka::tool("kafka.admin.ConfigCommand", &arguments);
        }
    }
}

fn settings(
    dir: &Path,
    ca: &CertifiedIssuer<'_, KeyPair>,
    ports: &[u16],
    jwks: &str,
    users: &[String],
) -> Vec<(String, String)> {
    const AUTHORIZER: &str = "org.apache.kafka.metadata.authorizer.StandardAuthorizer";
    const LOGIN: &str = "org.apache.kafka.common.security";
    let protocols = ["SSL", "SSL", "SSL", "SSL", "SASL_SSL", "SASL_SSL"];
    let mut settings = vec![
        ("authorizer.class.name".to_owned(), AUTHORIZER.to_owned()),
        ("super.users".to_owned(), "User:ANONYMOUS".to_owned()),
        (
            "allow.everyone.if.no.acl.found".to_owned(),
            "true".to_owned(),
        ),
    ];
    for ((listener, port), protocol) in LISTENERS.iter().zip(ports).zip(protocols) {
        let address = format!(",{listener}://127.0.0.1:{port}");
        settings.push(("+listeners".to_owned(), address.clone()));
        settings.push(("+advertised.listeners".to_owned(), address));
        settings.push((
            "+listener.security.protocol.map".to_owned(),
            format!(",{listener}:{protocol}"),
        ));
        let mut own = |key: &str, value: &str| {
            let key = format!("listener.name.{}.{key}", listener.to_lowercase());
            settings.push((key, value.to_owned()));
        };
        let (names, until): (&[&str], _) = match *listener {
            "STRANGE" => (&["elsewhere.example"], 2090),
            "EXPIRED" => (&["127.0.0.1", "localhost"], 2021),
            _ => (&["127.0.0.1", "localhost"], 2090),
        };
        let (certificate, key) = issue(ca, "broker", names, 2020, until);
        let keystore = dir.join(format!("{listener}.pem"));
        fs::write(&keystore, key + &certificate).unwrap();
        own("ssl.keystore.type", "PEM");
        own("ssl.keystore.location", &keystore.display().to_string());
        match *listener {
            "MUTUAL" => {
                let truststore = dir.join("ca.pem");
                fs::write(&truststore, ca.pem()).unwrap();
                own("ssl.client.auth", "required");
                own("ssl.truststore.type", "PEM");
                own("ssl.truststore.location", &truststore.display().to_string());
            }
            "SASL" => {
                own(
                    "sasl.enabled.mechanisms",
                    "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
                );
                let scram = format!("{LOGIN}.scram.ScramLoginModule required;");
                own("scram-sha-256.sasl.jaas.config", &scram);
                own("scram-sha-512.sasl.jaas.config", &scram);
                let user = |name: &str| format!(" user_{name}=\"{PASSWORD}\"");
                let more: String = users.iter().map(|name| user(name)).collect();
                let plain = format!(
                    "{LOGIN}.plain.PlainLoginModule required{}{more};",
                    user(USER)
                );
                own("plain.sasl.jaas.config", &plain);
            }
            "TOKEN" => {
                own("sasl.enabled.mechanisms", "OAUTHBEARER");
                own(
                    "oauthbearer.sasl.jaas.config",
                    &format!("{LOGIN}.oauthbearer.OAuthBearerLoginModule required;"),
                );
                own(
                    "oauthbearer.sasl.server.callback.handler.class",
                    &format!("{LOGIN}.oauthbearer.OAuthBearerValidatorCallbackHandler"),
                );
                own("oauthbearer.sasl.oauthbearer.jwks.endpoint.url", jwks);
            }
            _ => {}
        }
    }
    settings
}

/// A new authority.
pub fn authority(name: &str) -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, name);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A certificate and its key, as PEM.
pub fn issue(
    ca: &CertifiedIssuer<'_, KeyPair>,
    common_name: &str,
    names: &[&str],
    from: i32,
    to: i32,
) -> (String, String) {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.not_before = date_time_ymd(from, 1, 1);
    params.not_after = date_time_ymd(to, 1, 1);
    params
        .distinguished_name
        .push(DnType::CommonName, common_name);
    params.extended_key_usages = vec![
        ExtendedKeyUsagePurpose::ServerAuth,
        ExtendedKeyUsagePurpose::ClientAuth,
    ];
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, ca).unwrap();
    (certificate.pem(), key.serialize_pem())
}

/// Starts a token endpoint on loopback, which ends with the process; its address, and its key as a
/// JSON Web Key Set.
fn token_endpoint() -> (String, String) {
    let random = ring::rand::SystemRandom::new();
    let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
    let key = EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref(), &random).unwrap();
    let point = key.public_key().as_ref();
    let (x, y) = (encode(&point[1..33]), encode(&point[33..65]));
    let jwks = serde_json::json!({"keys": [
        {"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": "1", "x": x, "y": y}
    ]});
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/token", listener.local_addr().unwrap());
    thread::spawn(move || {
        for connection in listener.incoming().map_while(Result::ok) {
            // A client that hangs up early is its own affair.
            let _ = answer(connection, &key);
        }
    });
    (address, jwks.to_string())
}

fn answer(mut connection: TcpStream, key: &EcdsaKeyPair) -> std::io::Result<()> {
    let (mut request, mut chunk) = (Vec::new(), [0; 4096]);
    // The form comes after the head, and ends with the client credentials' grant.
    while !String::from_utf8_lossy(&request).contains("client_credentials") {
        let read = connection.read(&mut chunk)?;
        if read == 0 {
            break;
        }
        request.extend_from_slice(&chunk[..read]);
    }
    let proof =
        base64::engine::general_purpose::STANDARD.encode(format!("{CLIENT_ID}:{CLIENT_SECRET}"));
    let (status, body) = if String::from_utf8_lossy(&request).contains(&proof) {
        let token = serde_json::json!({
            "access_token": token(key), "token_type": "Bearer", "expires_in": 3600
        });
        ("200 OK", token.to_string())
    } else {
        (
            "401 Unauthorized",
            r#"{"error":"invalid_client"}"#.to_owned(),
        )
    };
    write!(
        connection,
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{body}",
        body.len()
    )
}

/// A signed JSON Web Token.
fn token(key: &EcdsaKeyPair) -> String {
    let now = Timestamp::now().as_second();
    let header = encode(br#"{"alg":"ES256","typ":"JWT","kid":"1"}"#);
    let claims = serde_json::json!({
        "sub": TOKEN_SUBJECT, "iss": "sluice-test", "scope": ["kafka"],
        "iat": now, "exp": now + 3600
    });
    let signed = format!("{header}.{}", encode(claims.to_string().as_bytes()));
    let random = ring::rand::SystemRandom::new();
    let signature = key.sign(&random, signed.as_bytes()).unwrap();
    format!("{signed}.{}", encode(signature.as_ref()))
}

fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
