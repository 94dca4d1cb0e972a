//! Redis as somebody else sees it: through `redis-cli`.

#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::process::{Command, Stdio};

const EXPIRES: &str = "
    local function now()
        local time = redis.call('TIME')
        return time[1] * 1000 + math.floor(time[2] / 1000)
    end
    local before, left
    repeat
        before, left = now(), redis.call('PTTL', KEYS[1])
    until now() == before
    return before + left";

/// `redis-cli` at the first server of an address; Sentinels are asked for the primary.
#[derive(Clone, Debug)]
pub struct Cli {
    host: String,
    port: String,
    cluster: bool,
}

impl Cli {
    pub fn new(url: &str) -> Self {
        let (scheme, rest) = url.split_once("://").expect("an address");
        let (hosts, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (host, port) = hosts.split(',').next().unwrap().split_once(':').expect("host:port");
        let first =
            Self { host: host.into(), port: port.into(), cluster: scheme == "redis+cluster" };
        if scheme != "redis+sentinel" {
            return first;
        }
        let service = path.split('/').next().unwrap();
        let primary = first.run(&["SENTINEL", "get-master-addr-by-name", service]);
        let (host, port) = primary.split_once('\n').expect("a primary");
        Self { host: host.into(), port: port.into(), cluster: false }
    }

    /// At one server, `host:port`, even if it is one of a cluster.
    pub fn node(address: &str) -> Self {
        let (host, port) = address.split_once(':').expect("host:port");
        Self { host: host.into(), port: port.into(), cluster: false }
    }

    /// What a command answers; in a cluster, wherever its key is.
    pub fn run(&self, arguments: &[&str]) -> String {
        let output = self.command().args(arguments).stdin(Stdio::null()).output().unwrap();
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    /// The same as a number.
    pub fn number(&self, arguments: &[&str]) -> u64 {
        let answer = self.run(arguments);
        answer.parse().unwrap_or_else(|_| panic!("{arguments:?}: {answer}"))
    }

    /// When a key goes, in milliseconds since 1970. Redis 7 has a command for that. Redis 6.2 tells
    /// how long from now, and its clock goes on while a script runs: it is read until both readings
    /// are of one millisecond.
    pub fn expires(&self, key: &str) -> u64 {
        self.number(&["EVAL", EXPIRES, "1", key])
    }

    pub fn command(&self) -> Command {
        let mut command = Command::new("redis-cli");
        command.args(["-h", &self.host, "-p", &self.port]);
        if self.cluster {
            command.arg("-c");
        }
        command
    }

    /// `host:port`.
    pub fn address(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
}
