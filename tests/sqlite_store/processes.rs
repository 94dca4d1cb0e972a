//! Several processes on one file: this program again, told by a variable what to do.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use sessile::OpenErrorKind;
use sessile::store::Limit;

use super::*;

const URL: &str = "SESSILE_TEST_SQLITE_URL";
const KEPT: usize = 3;

fn this_test(program: &Path, name: &str, url: &str) -> Command {
    let mut command = Command::new(program);
    command.args(["--exact", &format!("processes::{name}"), "--ignored", "--nocapture"]);
    command.env(URL, url).stdin(Stdio::null()).stderr(Stdio::null()).stdout(Stdio::piped());
    command
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").unwrap();
    out.flush().unwrap();
}

/// Not a test: what the killed process does. It writes without end, and tells what was
/// acknowledged: `kept ID VERSION` and `ended ID`.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a part of a_killed_writer_loses_nothing_that_was_acknowledged"]
async fn write_until_killed() {
    let store = SqliteStore::<Sample>::connect(&std::env::var(URL).unwrap()).await.unwrap();
    let writer = |number| {
        let store = store.clone();
        tokio::spawn(async move {
            loop {
                if number % 2 == 0 { write_twice(&store).await } else { log_in(&store).await }
            }
        })
    };
    drop(tokio::join!(writer(0), writer(1), writer(2), writer(3)));
}

async fn write_twice(store: &SqliteStore<Sample>) {
    let id = begin(store, record(None)).await;
    say(&format!("kept {id} 1"));
    let mut next = record(None);
    (next.meta.version, next.data.counter) = (2, 1);
    assert_eq!(store.replace(id, 1, Arc::new(next), NOW).await.unwrap(), Saved::Done);
    say(&format!("kept {id} 2"));
}

async fn log_in(store: &SqliteStore<Sample>) {
    let terms = Admission::OPEN.limited(Limit::evict_oldest(KEPT));
    let created = store.create(fresh(), Arc::new(record(Some("ann"))), terms, NOW).await.unwrap();
    let Created::Done { evicted, .. } = created else { panic!("{created:?}") };
    for id in evicted {
        say(&format!("ended {id}"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_writer_loses_nothing_that_was_acknowledged() {
    for round in 0..3 {
        let folder = Folder::new();
        let program = std::env::current_exe().unwrap();
        let mut child = this_test(&program, "write_until_killed", &folder.url()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut told: Vec<String> = Vec::new();
        let ours = folder.store().await;
        let mut our_ids = Vec::new();
        while told.len() < 200 + 150 * round {
            told.push(lines.next().expect("it ended by itself").unwrap());
            if told.len().is_multiple_of(10) {
                our_ids.push(begin(&ours, record(None)).await); // two processes write at once
            }
        }
        child.kill().unwrap();
        child.wait().unwrap();
        told.extend(lines.map_while(Result::ok));

        let reopened = folder.store().await;
        for store in [&ours, &reopened] {
            told_the_truth(store, &told).await;
            for id in &our_ids {
                assert!(is_live(store, *id).await, "ours, written beside it");
            }
            let count = store.count("ann", NOW).await.unwrap();
            assert!(count <= KEPT, "{count} sessions of at most {KEPT}");
            begin(store, record(None)).await;
        }
        let mut foreigner = folder.foreigner().await;
        let check = sqlx::query_scalar::<_, String>("PRAGMA integrity_check");
        assert_eq!(check.fetch_one(&mut foreigner).await.unwrap(), "ok");
    }
}

async fn told_the_truth(store: &SqliteStore<Sample>, told: &[String]) {
    let (mut kept, mut ended) = (BTreeMap::new(), 0);
    for line in told {
        // The last line may have been cut short.
        match *line.split(' ').collect::<Vec<_>>() {
            ["kept", id, version] => {
                let version: u64 = version.parse().unwrap_or(1);
                kept.insert(id.parse::<Id>().unwrap(), version);
            }
            ["ended", id] => {
                let Ok(id) = id.parse() else { continue };
                ended += 1;
                assert!(!is_live(store, id).await, "ended, and live again");
            }
            _ => {}
        }
    }
    assert!(kept.len() > 10 && ended > 0, "{} kept, {ended} ended", kept.len());
    for (id, version) in kept {
        let found = store.load(id, NOW).await.unwrap().expect("acknowledged, and lost");
        assert!(found.meta.version >= version, "an acknowledged write was lost");
        assert_eq!(found.data.counter + 1, found.meta.version, "half a write");
    }
}

/// Not a test: creates sessions until the disk takes no more, and tells of each.
#[tokio::test]
#[ignore = "a part of a_disk_that_takes_no_more_is_an_error_and_not_a_lie"]
async fn write_until_refused() {
    let store = SqliteStore::<Sample>::connect(&std::env::var(URL).unwrap()).await.unwrap();
    let mut refusals = 0;
    for _ in 0..2_000 {
        if refusals == 6 {
            return;
        }
        let id = fresh();
        let mut record = record(Some("ann"));
        record.data = record.data.with_blob("x".repeat(3_000));
        let terms = match refusals % 2 {
            0 => Admission::OPEN,
            _ => Admission::OPEN.limited(Limit::evict_oldest(10_000)),
        };
        match store.create(id, Arc::new(record), terms, NOW).await {
            Ok(Created::Done { .. }) => say(&format!("kept {id}")),
            Ok(other) => panic!("{other:?}"),
            Err(error) => {
                refusals += 1;
                say(&format!("refused {:?}", error.kind()));
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_takes_no_more_is_an_error_and_not_a_lie() {
    let folder = Folder::new();
    drop(folder.store().await);
    // No file may grow beyond 1 MiB, so that the log of changes cannot be written at a commit.
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' XFSZ; ulimit -f 2048; exec \"$@\"", "sh"]);
    command.arg(std::env::current_exe().unwrap());
    command.args(["--exact", "processes::write_until_refused", "--ignored", "--nocapture"]);
    command.env(URL, folder.url()).stdin(Stdio::null()).stderr(Stdio::null());
    let told = String::from_utf8(command.output().unwrap().stdout).unwrap();

    let store = folder.store().await;
    let (mut kept, mut refused) = (0, 0);
    for line in told.lines() {
        match *line.split(' ').collect::<Vec<_>>() {
            ["kept", id] => {
                kept += 1;
                assert!(is_live(&store, id.parse().unwrap()).await, "number {kept} was lost");
            }
            ["refused", "Full" | "Unavailable"] => refused += 1,
            _ => {}
        }
    }
    assert!(kept > 20 && refused == 6, "{kept} kept, {refused} refused: {told}");
    assert_eq!(store.count("ann", NOW).await.unwrap(), kept, "refused, and yet there");
    begin(&store, record(None)).await;
}

/// Not a test: opens, and tells how that went.
#[tokio::test]
#[ignore = "a part of a_file_without_write_permission_is_denied"]
async fn open_and_tell() {
    match SqliteStore::<Sample>::connect(&std::env::var(URL).unwrap()).await {
        Ok(_) => say("\nopened"),
        Err(error) if error.kind() == OpenErrorKind::Denied => say("\ndenied"),
        Err(error) => say(&format!("\n{error:?}")),
    }
}

#[tokio::test]
async fn a_file_without_write_permission_is_denied() {
    let folder = Folder::new();
    let locked = folder.0.join("locked");
    fs::create_dir(&locked).unwrap();
    let url = format!("sqlite:{}", locked.join("sessions.db").display());
    drop(SqliteStore::<Sample>::connect(&url).await.unwrap());
    fs::set_permissions(locked.join("sessions.db"), PermissionsExt::from_mode(0o444)).unwrap();
    fs::set_permissions(&locked, PermissionsExt::from_mode(0o555)).unwrap();
    // Root may write everywhere, so it sends nobody, who may not be able to run us where we are.
    let program = folder.0.join("program");
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    let new_file = format!("sqlite:{}", locked.join("new.db").display());
    for url in [url, new_file] {
        let mut command = this_test(&program, "open_and_tell", &url);
        if fs::metadata(&folder.0).unwrap().uid() == 0 {
            command.uid(NOBODY).gid(NOBODY);
        }
        let told = String::from_utf8(command.output().unwrap().stdout).unwrap();
        assert!(told.lines().any(|line| line == "denied"), "{url}: {told}");
    }
    fs::set_permissions(&locked, PermissionsExt::from_mode(0o755)).unwrap();
}

const NOBODY: u32 = 65_534;
