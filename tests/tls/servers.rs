//! Redis servers that speak nothing but TLS.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use sessile::store::RedisOptions;
use tokio::time::sleep;

use super::papers::Papers;
use super::services::Services;

/// Servers with one certificate for all. They are named by their numbers.
pub(crate) struct TlsServers {
    running: Vec<Option<TlsServer>>,
    pub(crate) ports: Vec<u16>,
    /// Where the nodes of a cluster talk to each other.
    pub(crate) buses: Vec<u16>,
    // Dropped last: the servers work in its folder, at ports that these hold.
    papers: Papers,
    _claims: Services,
}

/// It ends with this value, or with the test's process, whose pipe it then misses.
struct TlsServer(Child);

impl Drop for TlsServer {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        drop(self.0.wait());
    }
}

impl TlsServers {
    /// Finds ports for this many: nobody else takes one while its server is dead.
    pub(crate) fn new(many: usize) -> Self {
        // Provides for `redis-server` as well.
        let claims = Services::start(&["redis"]);
        let ports: Vec<u16> =
            (0..many).map(|number| claims.claim_port(&format!("tls-{number}"))).collect();
        let buses = ports.iter().map(|port| port + 10_000).collect();
        let running = (0..many).map(|_| None).collect();
        Self { running, ports, buses, papers: Papers::new(), _claims: claims }
    }

    /// Starts one, with this in its configuration beside what all have, and waits for it.
    pub(crate) async fn launch(&mut self, number: usize, lines: &str) {
        let folder = self.folder(number);
        fs::create_dir(&folder).unwrap();
        let config = format!(
            "port 0\ntls-port {port}\nbind 127.0.0.1 -::1\nsave \"\"\ndir {folder}\n\
             tls-cert-file {papers}/server.pem\ntls-key-file {papers}/server.key\n\
             tls-ca-cert-file {papers}/ca.pem\ntls-auth-clients no\ntls-replication yes\n{lines}\n",
            port = self.ports[number],
            folder = folder.display(),
            papers = self.papers.dir.display(),
        );
        fs::write(folder.join("redis.conf"), config).unwrap();
        let option = if lines.starts_with("sentinel ") { "--sentinel" } else { "" };
        let command = format!(
            "redis-server ./redis.conf {option} >log 2>&1 </dev/null & read -r _; kill -9 $!"
        );
        let shell = Command::new("sh")
            .args(["-c", &command])
            .current_dir(&folder)
            .stdin(Stdio::piped())
            .spawn()
            .expect("a shell");
        self.running[number] = Some(TlsServer(shell));
        self.until(number, &["PING"], "PONG").await;
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self, number: usize) {
        drop(self.running[number].take().expect("a server that runs"));
    }

    /// What a server answers to a command.
    pub(crate) fn say(&self, number: usize, command: &[&str]) -> String {
        let output = Command::new("redis-cli")
            .args(["--tls", "--cacert"])
            .arg(self.papers.path("ca.pem"))
            .args(["-p", &self.ports[number].to_string()])
            .args(command)
            .stdin(Stdio::null())
            .output()
            .expect("redis-cli");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Waits until this is in a server's answer.
    pub(crate) async fn until(&self, number: usize, command: &[&str], wanted: &str) {
        for _ in 0..600 {
            if self.say(number, command).contains(wanted) {
                return;
            }
            sleep(Duration::from_millis(50)).await;
        }
        let log = fs::read_to_string(self.folder(number).join("log")).unwrap_or_default();
        panic!("{command:?} at {number}: {}\n{log}", self.say(number, command));
    }

    pub(crate) fn options(&self, url: &str, authority: &str) -> RedisOptions {
        RedisOptions::new(url)
            .timeout(Duration::from_secs(10))
            .root_certificate(self.papers.pem(authority))
    }

    fn folder(&self, number: usize) -> PathBuf {
        self.papers.path(&number.to_string())
    }
}
