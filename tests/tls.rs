//! TLS to Redis and PostgreSQL: with servers of the test's own, and certificates of an authority that
//! nobody else knows.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use sessile::store::{
    self, Admission, Change, PostgresOptions, PostgresStore, RedisOptions, RedisStore, Store,
};
use sessile::{Clock, Id, Meta, OpenError, OpenErrorKind, Record, SystemClock, Timestamp, Values};
use tokio::time::{sleep, timeout};

#[path = "support/services.rs"]
mod services;

use services::Services;

/// Two authorities, and a certificate for `localhost` from the first.
struct Papers {
    dir: PathBuf,
}

impl Papers {
    fn new() -> Self {
        let name = format!("sessile-tls-{}", Id::generate().unwrap());
        let papers = Self { dir: std::env::temp_dir().join(name) };
        fs::create_dir(&papers.dir).unwrap();
        for authority in ["ca", "other"] {
            papers.openssl(&format!(
                "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 \
                 -subj /CN={authority} -keyout {authority}.key -out {authority}.pem"
            ));
        }
        papers.openssl(
            "req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=localhost \
             -keyout server.key -out server.csr",
        );
        fs::write(papers.path("names"), "subjectAltName=DNS:localhost\n").unwrap();
        papers.openssl(
            "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 \
             -extfile names -out server.pem",
        );
        papers
    }

    fn openssl(&self, arguments: &str) {
        let command = Command::new("openssl")
            .args(arguments.split_whitespace())
            .current_dir(&self.dir)
            .output()
            .expect("openssl, which makes the certificates: install the package of that name");
        assert!(command.status.success(), "{}", String::from_utf8_lossy(&command.stderr));
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    fn pem(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }
}

impl Drop for Papers {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.dir));
    }
}

/// A Redis that speaks nothing but TLS. It ends with the test, or with the test's process, whose
/// pipe it then misses.
struct TlsRedis {
    process: Child,
    port: u16,
    papers: Papers,
}

impl TlsRedis {
    async fn start() -> Self {
        // Provides for `redis-server`.
        drop(Services::start(&["redis"]));
        let papers = Papers::new();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let server = format!(
            "redis-server --port 0 --tls-port {port} --bind 127.0.0.1 --save '' --dir {dir} \
             --tls-cert-file {dir}/server.pem --tls-key-file {dir}/server.key \
             --tls-ca-cert-file {dir}/ca.pem --tls-auth-clients no >{dir}/log 2>&1 </dev/null & \
             read -r _; kill -9 $!",
            dir = papers.dir.display()
        );
        let process = Command::new("sh")
            .args(["-c", &server])
            .stdin(Stdio::piped())
            .spawn()
            .expect("a shell");
        let redis = Self { process, port, papers };
        for _ in 0..600 {
            if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return redis;
            }
            sleep(Duration::from_millis(50)).await;
        }
        panic!("Redis does not start: {}", redis.papers.pem("log"));
    }

    fn options(&self, host: &str, authority: &str) -> RedisOptions {
        RedisOptions::new(format!("rediss://{host}:{}/", self.port))
            .timeout(Duration::from_secs(10))
            .root_certificate(self.papers.pem(authority))
    }
}

impl Drop for TlsRedis {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        drop(self.process.wait());
    }
}

fn now() -> Timestamp {
    SystemClock.now().into()
}

/// A session that is kept and found again.
async fn begin(store: &dyn Store<String>) -> Id {
    let (id, minute) = (Id::generate().unwrap(), Duration::from_secs(60));
    let record = Arc::new(Record::new(Meta::new(now(), minute, minute), "hello".to_owned()));
    store.create(id, record, Admission::OPEN, now()).await.unwrap();
    assert_eq!(store.load(id, now()).await.unwrap().unwrap().data, "hello");
    id
}

fn expect(outcome: Result<impl Sized, OpenError>, kind: OpenErrorKind, remedy: &str, what: &str) {
    let Err(error) = outcome else { panic!("{what} was opened") };
    assert_eq!(error.kind(), kind, "{what}: {error:?}");
    assert!(error.to_string().contains(remedy), "{what}: {error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_is_spoken_to_if_its_authority_vouches_for_it_and_not_otherwise() {
    use OpenErrorKind::{Config, Unreachable};

    let redis = TlsRedis::start().await;
    let open = async |options: RedisOptions| RedisStore::<String>::open(options).await;
    let store = open(redis.options("localhost", "ca.pem")).await.unwrap();
    let id = begin(&store).await;

    // What others change is heard over TLS as well.
    let (heard, mut changes) = tokio::sync::mpsc::unbounded_channel();
    let feed = store.changes().unwrap();
    let listening = tokio::spawn(feed.listen(Arc::new(move |change| {
        heard.send(change).expect("somebody listens");
    })));
    let deleted = async {
        while changes.recv().await != Some(Change::Listening) {}
        assert!(store.delete(id, now()).await.unwrap());
        while changes.recv().await != Some(Change::Changed { id }) {}
    };
    timeout(Duration::from_secs(30), deleted).await.unwrap();
    listening.abort();

    let other = open(redis.options("localhost", "other.pem")).await;
    expect(other, Config, "root_certificate", "a server of another authority");
    let name = open(redis.options("127.0.0.1", "ca.pem")).await;
    expect(name, Config, "name the host", "a certificate for another host");
    let url = format!("rediss://localhost:{}/", redis.port);
    let system = store::connect::<Values>(&url).await;
    expect(system, Config, "root_certificate", "an authority that the system does not know");
    let plain = open(RedisOptions::new(format!("redis://localhost:{}/", redis.port))).await;
    expect(plain, Unreachable, "check the address", "TLS without TLS");
    let garbage = RedisOptions::new(&url).root_certificate("hunter2");
    let outcome = open(garbage.clone()).await;
    assert!(!format!("{outcome:?} {garbage:?}").contains("hunter2"));
    expect(outcome, Config, "PEM", "an authority that is none");
    let useless =
        RedisOptions::new("redis://localhost/").root_certificate(redis.papers.pem("ca.pem"));
    expect(open(useless).await, Config, "`rediss:`", "an authority without TLS");
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_is_spoken_to_if_its_authority_vouches_for_it_and_not_otherwise() {
    let (services, papers) = (Services::start(&["postgres"]), Papers::new());
    let url = services.url("postgres").replace("127.0.0.1", "localhost");
    let with = |mode: &str, authority: &Path| {
        format!("{url}?sslmode={mode}&sslrootcert={}", authority.display())
    };
    let open = async |url: String| PostgresStore::<String>::open(PostgresOptions::new(url)).await;
    let (ca, other) = (papers.path("ca.pem"), papers.path("other.pem"));
    let outcome = open(with("require", &ca)).await;
    expect(outcome, OpenErrorKind::Config, "`sslmode`", "a server without TLS");

    turn_on_tls(&services, &papers);
    let store = open(with("verify-full", &ca)).await.unwrap();
    begin(&store).await;
    let outcome = open(with("verify-full", &other)).await;
    expect(outcome, OpenErrorKind::Config, "sslrootcert", "a server of another authority");
    let address = with("verify-full", &ca).replace("localhost", "127.0.0.1");
    expect(open(address).await, OpenErrorKind::Config, "sslrootcert", "another host's certificate");
    begin(&open(format!("{url}?sslmode=require")).await.unwrap()).await;
}

/// With the rights of the server's own user, to which the files must belong.
fn turn_on_tls(services: &Services, papers: &Papers) {
    let data = services.log("postgres").with_file_name("data");
    let config = data.join("postgresql.conf");
    let settings = fs::read_to_string(&config).unwrap();
    fs::write(&config, format!("{settings}\nssl = on\n")).unwrap();
    for (from, to) in [("server.pem", "server.crt"), ("server.key", "server.key")] {
        // A copy of a file that is the server's has the server's owner and rights.
        let to = data.join(to);
        let copy = Command::new("cp")
            .arg("--preserve=mode,ownership")
            .args([data.join("PG_VERSION"), to.clone()])
            .status();
        assert!(copy.unwrap().success());
        fs::write(to, papers.pem(from)).unwrap();
    }
    services.restart("postgres");
}
