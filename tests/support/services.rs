//! Real servers for tests: those that `scripts/test` shares among all, and private sets that a test
//! may break. Both are the work of `scripts/services`.

#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]
#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::hash_map::RandomState;
use std::env;
use std::fs;
use std::hash::BuildHasher;
use std::path::{Path, PathBuf};
use std::process::{self, Command, Stdio};
use std::thread;

/// The address of a server that all tests share, from the variable that holds it. Keep to a
/// namespace of your own there (a schema, a key prefix), and never stop it.
///
/// # Panics
/// If the variable is not set: a test without its server has failed.
pub fn shared_url(variable: &str) -> String {
    env::var(variable).unwrap_or_else(|_| {
        panic!(
            "{variable} is not set: run `scripts/test`, or only this with `scripts/test run \
             cargo test …`, or `scripts/services up` and then `eval \"$(scripts/services env)\"`"
        )
    })
}

/// Servers of one test's own, to kill, freeze and start again. They end with this value, and with
/// the process if that is killed.
///
/// What was acknowledged survives [`kill`](Self::kill) on all of them.
///
/// Every method waits for a shell script and so blocks its thread, some for seconds: with load
/// running meanwhile, use a multi-threaded runtime and `tokio::task::block_in_place`.
///
/// ```no_run
/// let servers = Services::start(&["redis-cluster"]);
/// let store = connect(&servers.url("redis-cluster"));
/// servers.kill("redis-cluster-1"); // redis-cluster-4 takes over
/// ```
#[derive(Debug)]
pub struct Services {
    dir: PathBuf,
}

impl Services {
    /// Starts these: `postgres`, `redis`, `redis-cluster`, `redis-sentinel` (see
    /// `scripts/services`). They answer when this returns.
    pub fn start(names: &[&str]) -> Self {
        let name = format!("sessile-test-{:016x}", RandomState::new().hash_one(process::id()));
        // From here on it is dropped, also if the start fails.
        let services = Self { dir: env::temp_dir().join(name) };
        let owner = process::id().to_string();
        services.script("up", &[&["--owner", &owner], names].concat());
        services
    }

    /// The address of one, as the library takes it. Parts of a cluster have one, too.
    pub fn url(&self, name: &str) -> String {
        self.script("url", &[name])
    }

    /// Address and port of one server: `postgres`, `redis`, `redis-cluster-1` to `-6` (the first
    /// three start as masters, 4 follows 1, and so on), `redis-sentinel-master`,
    /// `redis-sentinel-replica`, `redis-sentinel-1` to `-3` (the sentinels).
    pub fn node(&self, name: &str) -> String {
        let port = self.dir.join(name).join("port");
        let port = fs::read_to_string(port).unwrap_or_else(|_| panic!("no server {name} here"));
        format!("127.0.0.1:{}", port.trim())
    }

    /// A port for a server that the test starts itself, under a name of the test's own. Nobody
    /// else takes it, nor the port 10000 above it, as long as these servers are there.
    pub fn claim_port(&self, name: &str) -> u16 {
        self.script("claim", &[name]).parse().expect("a port")
    }

    /// Its log, over all its lives.
    pub fn log(&self, name: &str) -> PathBuf {
        self.dir.join(name).join("log")
    }

    /// Its processes, as long as they live.
    pub fn pids(&self, name: &str) -> Vec<u32> {
        let pids = self.script("pids", &[name]);
        pids.lines().map(|pid| pid.parse().expect("a process id")).collect()
    }

    /// `kill -9`. Nobody listens at its port when this returns.
    pub fn kill(&self, name: &str) {
        self.script("kill", &[name]);
    }

    /// Starts it again with its port and its data, and returns when it answers. A single node of
    /// a cluster may still have to find its place there.
    pub fn restart(&self, name: &str) {
        self.script("restart", &[name]);
    }

    /// Freezes it: connections stay open and are accepted, and nobody answers.
    pub fn pause(&self, name: &str) {
        self.script("pause", &[name]);
    }

    /// The end of [`pause`](Self::pause).
    pub fn resume(&self, name: &str) {
        self.script("resume", &[name]);
    }

    fn script(&self, verb: &str, arguments: &[&str]) -> String {
        match self.try_script(verb, arguments) {
            Ok(said) => said,
            Err(why) => panic!("scripts/services {verb} {arguments:?}: {why}"),
        }
    }

    fn try_script(&self, verb: &str, arguments: &[&str]) -> Result<String, String> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/services");
        let output = Command::new("bash")
            .arg(script)
            .arg(verb)
            .arg("--dir")
            .arg(&self.dir)
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .map_err(|error| format!("bash: {error}"))?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
    }
}

impl Drop for Services {
    fn drop(&mut self) {
        if let Err(why) = self.try_script("down", &[]) {
            // A second panic would hide the first one.
            assert!(thread::panicking(), "scripts/services down: {why}");
        }
    }
}
