//! A relay before a server that counts round trips, whatever protocol they speak.

#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]
#![allow(clippy::expect_used, reason = "a test fails by panicking")]

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Stands before one server until it is dropped.
///
/// A round trip begins when the client speaks after the server has spoken, or first of all: what
/// it sends without waiting for an answer is one trip, however many commands and packets that is.
/// This is exact for one request at a time.
///
/// A connection that only hears of changes (`LISTEN`, `CLIENT TRACKING`) is not counted: it speaks
/// when it likes, for no request.
#[derive(Debug)]
pub struct CountingProxy {
    address: SocketAddr,
    trips: Arc<AtomicU64>,
    accepting: JoinHandle<()>,
}

/// One connection, seen from both sides.
struct Line {
    /// Whether the client was the last to speak.
    asked: AtomicBool,
    /// Whether it only hears of changes.
    channel: AtomicBool,
    trips: Arc<AtomicU64>,
}

impl CountingProxy {
    /// Listens on a free port and passes everything on to `host:port`.
    pub async fn before(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let trips = Arc::<AtomicU64>::default();
        let accepting = tokio::spawn(accept(listener, server.to_owned(), Arc::clone(&trips)));
        Self { address, trips, accepting }
    }

    /// Stands before the server of this address (`scheme://[user@]host:port/…`), and answers the
    /// address that leads through it.
    pub async fn before_url(url: &str) -> (Self, String) {
        let (scheme, rest) = url.split_once("://").expect("an address");
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (user, host) = host.rsplit_once('@').map_or(("", host), |(user, host)| (user, host));
        let proxy = Self::before(host).await;
        let at = if user.is_empty() { "" } else { "@" };
        let url = format!("{scheme}://{user}{at}{}/{path}", proxy.address);
        (proxy, url)
    }

    /// Round trips so far.
    pub fn trips(&self) -> u64 {
        self.trips.load(Ordering::SeqCst)
    }
}

impl Drop for CountingProxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, server: String, trips: Arc<AtomicU64>) {
    while let Ok((client, _)) = listener.accept().await {
        let line = Line {
            asked: AtomicBool::new(false),
            channel: AtomicBool::new(false),
            trips: Arc::clone(&trips),
        };
        let server = server.clone();
        tokio::spawn(async move {
            let Ok(server) = TcpStream::connect(server).await else {
                return; // the client sees its connection closed
            };
            if client.set_nodelay(true).is_err() || server.set_nodelay(true).is_err() {
                return;
            }
            let (from_client, to_client) = client.into_split();
            let (from_server, to_server) = server.into_split();
            // Either end of the line ends both.
            tokio::select! {
                _ = questions(from_client, to_server, &line) => {}
                _ = answers(from_server, to_client, &line) => {}
            }
        });
    }
}

async fn questions(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, line: &Line) -> io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let length = from.read(&mut buffer).await?;
        let said = buffer.get(..length).unwrap_or_default();
        if said.is_empty() {
            return Ok(());
        }
        let mentions = |word: &[u8]| said.windows(word.len()).any(|part| part == word);
        if mentions(b"LISTEN ") || mentions(b"TRACKING") {
            line.channel.store(true, Ordering::SeqCst);
        }
        let speaks_first = !line.asked.swap(true, Ordering::SeqCst);
        if speaks_first && !line.channel.load(Ordering::SeqCst) {
            line.trips.fetch_add(1, Ordering::SeqCst);
        }
        to.write_all(said).await?;
    }
}

async fn answers(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, line: &Line) -> io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let length = from.read(&mut buffer).await?;
        let said = buffer.get(..length).unwrap_or_default();
        if said.is_empty() {
            return Ok(());
        }
        line.asked.store(false, Ordering::SeqCst);
        to.write_all(said).await?;
    }
}
