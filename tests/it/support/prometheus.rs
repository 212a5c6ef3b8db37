//! A real Prometheus on loopback, an exporter that it scrapes, and a gate in front of it that wants
//! a bearer token, which Prometheus leaves to such gates itself.
#![expect(
    clippy::disallowed_methods,
    reason = "a fixture: it uses the clock directly"
)]

use std::{
    fmt::Write as _,
    fs,
    io::{self, BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    process::Child,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use super::{
    apiserver,
    kafka::free_port,
    secure::{USER, authority, issue},
};

/// bcrypt of [`PASSWORD`](super::secure::PASSWORD), with the lowest cost.
const HASH: &str = "$2b$04$JDLsO6MgaPGShCjb/.d8i.2U6rs0zyeyRcacd8Gi6mM4NYSrsadnu";
/// For a start on a busy machine; usually half a second.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running Prometheus; dropping it kills it and removes its data.
pub struct Prometheus {
    /// Its address, as pipelines name it.
    pub address: String,
    /// The authority of its certificate, as PEM, where it speaks TLS.
    pub ca: Option<String>,
    process: Child,
    dir: TempDir,
}

/// The address of the one Prometheus that the operator of all tests may ask. It listens there once
/// a test has started it.
pub fn listed() -> &'static str {
    static ADDRESS: OnceLock<String> = OnceLock::new();
    ADDRESS.get_or_init(|| format!("http://127.0.0.1:{}", free_port()))
}

/// A server that the operator of all tests may ask, and that never answers within its deadline.
pub struct Silent {
    /// Its address.
    pub address: String,
    /// How often it was asked.
    pub asked: Arc<AtomicUsize>,
}

/// The one silent server.
pub fn silent() -> &'static Silent {
    static SILENT: OnceLock<Silent> = OnceLock::new();
    SILENT.get_or_init(|| {
        let asked = Arc::<AtomicUsize>::default();
        let counted = Arc::clone(&asked);
        let port = serve(move |_, _connection| {
            counted.fetch_add(1, Ordering::Relaxed);
            thread::sleep(Duration::from_secs(10));
            Ok(())
        });
        Silent {
            address: format!("http://127.0.0.1:{port}"),
            asked,
        }
    })
}

/// The one that tests of single queries share: open to everybody, with nothing to scrape.
pub fn shared() -> &'static Prometheus {
    static SHARED: OnceLock<Prometheus> = OnceLock::new();
    SHARED.get_or_init(|| Prometheus::start(&format!("http://127.0.0.1:{}", free_port()), None))
}

impl Prometheus {
    /// Starts it at an address, scraping an exporter every 200 ms, and waits until it answers.
    pub fn start(address: &str, exporter: Option<&Exporter>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self::start_in(dir, address, exporter, None)
    }

    /// Starts one that speaks TLS and lets in nobody but [`USER`] with its password.
    pub fn secured() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let ca = authority("prometheus-test-ca");
        let (certificate, key) = issue(&ca, "prometheus", &["127.0.0.1"], 2020, 2090);
        fs::write(dir.path().join("tls.crt"), certificate).unwrap();
        fs::write(dir.path().join("tls.key"), key).unwrap();
        let web = format!(
            "tls_server_config: {{cert_file: tls.crt, key_file: tls.key}}\n\
             basic_auth_users: {{{USER}: {HASH}}}\n"
        );
        fs::write(dir.path().join("web.yml"), web).unwrap();
        let address = format!("https://127.0.0.1:{}", free_port());
        Self::start_in(dir, &address, None, Some(ca.pem()))
    }

    fn start_in(
        dir: TempDir,
        address: &str,
        exporter: Option<&Exporter>,
        ca: Option<String>,
    ) -> Self {
        let mut config = "global: {scrape_interval: 200ms, scrape_timeout: 200ms}\n".to_owned();
        if let Some(Exporter { port, .. }) = exporter {
            let targets = format!("static_configs: [{{targets: ['127.0.0.1:{port}']}}]");
            writeln!(
                config,
                "scrape_configs: [{{job_name: exporter, {targets}}}]"
            )
            .unwrap();
        }
        fs::write(dir.path().join("prometheus.yml"), config).unwrap();
        let port = address.rsplit(':').next().unwrap();
        let at = |name: &str| dir.path().join(name).display().to_string();
        let mut flags = vec![
            format!("--web.listen-address=127.0.0.1:{port}"),
            format!("--config.file={}", at("prometheus.yml")),
            format!("--storage.tsdb.path={}", at("data")),
        ];
        if ca.is_some() {
            flags.push(format!("--web.config.file={}", at("web.yml")));
        }
        let process = apiserver::run(dir.path(), "prometheus", &flags);
        let mut started = Self {
            address: address.to_owned(),
            ca,
            process,
            dir,
        };
        started.until_ready();
        started
    }

    /// It listens some time before it answers queries, and says when it does.
    fn until_ready(&mut self) {
        let start = Instant::now();
        let log = || fs::read_to_string(self.dir.path().join("prometheus.log")).unwrap();
        while !log().contains("Server is ready to receive web requests") {
            let ended = self.process.try_wait().unwrap();
            assert!(ended.is_none(), "Prometheus ended: {}", log());
            assert!(start.elapsed() < PATIENCE, "it is not ready: {}", log());
            thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        // Closes the pipe of the watchdog, which ends the server.
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

/// An exporter with one gauge, `queue_depth`. Ends with the process.
pub struct Exporter {
    port: u16,
    value: Arc<Mutex<f64>>,
}

impl Exporter {
    /// Starts one whose gauge has this value.
    pub fn start(value: f64) -> Self {
        let value = Arc::new(Mutex::new(value));
        let shared = Arc::clone(&value);
        let port = serve(move |_, mut connection| {
            let body = format!("queue_depth {}\n", shared.lock().unwrap());
            let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\n";
            write!(
                connection,
                "{head}Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            )
        });
        Self { port, value }
    }

    /// Gives the gauge another value.
    pub fn set(&self, value: f64) {
        *self.value.lock().unwrap() = value;
    }
}

/// A gate in front of a Prometheus that lets in whoever shows this token; its address. What it says
/// to others repeats what they showed, as a careless gate may.
pub fn gate(behind: &Prometheus, token: &str) -> String {
    let port: u16 = behind.address.rsplit(':').next().unwrap().parse().unwrap();
    let wanted = format!("authorization: bearer {token}").to_lowercase();
    let port = serve(move |head, mut connection| {
        let shown = head.lines().find(|line| line.starts_with("authorization:"));
        if shown.map(str::to_lowercase).as_ref() != Some(&wanted) {
            let body = format!(r#"{{"error":"not {}"}}"#, shown.unwrap_or_default());
            let length = body.len();
            return write!(
                connection,
                "HTTP/1.1 401 Unauthorized\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
            );
        }
        let mut upstream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        let (first, _) = head.split_once("\r\n").unwrap_or_default();
        write!(
            upstream,
            "{first}\r\nHost: prometheus\r\nConnection: close\r\n\r\n"
        )?;
        io::copy(&mut upstream, &mut connection).map(|_| ())
    });
    format!("http://127.0.0.1:{port}")
}

/// Serves connections on a port of loopback, one thread and one request each; `answer` gets the
/// head of the request.
fn serve(answer: impl Fn(&str, TcpStream) -> io::Result<()> + Clone + Send + 'static) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for connection in listener.incoming().map_while(Result::ok) {
            let answer = answer.clone();
            // Who hangs up early is its own affair.
            thread::spawn(move || answer(&head(&connection)?, connection));
        }
    });
    port
}

fn head(connection: &TcpStream) -> io::Result<String> {
    let mut head = String::new();
    let mut reader = BufReader::new(connection).take(64 << 10);
    while reader.read_line(&mut head)? > 2 {}
    Ok(head)
}
