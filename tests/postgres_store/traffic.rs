//! How often a call goes to the server and back, counted on the wire.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use sessile::Id;
use sessile::store::{Admission, Limit, PostgresStore, Revoke, Scan, Store, SubjectIndex};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::{TcpListener, TcpStream};

use super::{NOW, edit, fresh, keep, record, url};

/// Stands between the store and the server and counts what asks for an answer.
struct Wire {
    url: String,
    round_trips: Arc<AtomicUsize>,
}

impl Wire {
    async fn tap() -> Self {
        let url = url();
        let (front, rest) = url.split_once('@').unwrap();
        let (server, database) = rest.split_once('/').unwrap();
        let server: SocketAddr = server.parse().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("{front}@{}/{database}?sslmode=disable", listener.local_addr().unwrap());
        let round_trips = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&round_trips);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(server).await.unwrap();
                let (client_in, mut client_out) = client.into_split();
                let (mut server_in, server_out) = server.into_split();
                tokio::spawn(async move { copy(&mut server_in, &mut client_out).await });
                tokio::spawn(forward(client_in, server_out, Arc::clone(&count)));
            }
        });
        Self { url, round_trips }
    }

    /// Round trips since the last time.
    fn count(&self) -> usize {
        self.round_trips.swap(0, Ordering::SeqCst)
    }
}

/// Passes messages on, and counts those after which a client waits: Sync and Query.
async fn forward(
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWriteExt + Unpin,
    count: Arc<AtomicUsize>,
) -> std::io::Result<()> {
    let mut kind = None; // the first message has none
    loop {
        let length = from.read_u32().await?;
        let mut body = vec![0; usize::try_from(length).unwrap() - 4];
        from.read_exact(&mut body).await?;
        if matches!(kind, Some(b'S' | b'Q')) {
            count.fetch_add(1, Ordering::SeqCst);
        }
        let mut message = Vec::from_iter(kind);
        message.extend(length.to_be_bytes());
        message.extend(body);
        to.write_all(&message).await?;
        kind = Some(from.read_u8().await?);
    }
}

#[tokio::test]
async fn every_call_is_one_round_trip() {
    for announce in [false, true] {
        let wire = Wire::tap().await;
        let options = PostgresStore::<u32>::options().table(fresh("t")).announce(announce);
        let store = options.connect(&wire.url).await.unwrap();
        let new = |subject| Arc::new(record(Some(subject), 7));
        let id = || Id::generate().unwrap();
        // The second time each statement is prepared.
        for prepared in [false, true] {
            let first = keep(&store, record(Some("a"), 7)).await;
            let second = keep(&store, record(Some("a"), 7)).await;
            let counted = |what: &str, trips: usize| {
                let found = wire.count();
                assert!(found > 0 && (!prepared || found == trips), "{what}: {found}");
            };
            wire.count();
            store.load(first, NOW).await.unwrap();
            counted("load", 1);
            edit(&store, first, |n| *n += 1).await;
            counted("load and replace", 2);
            store.replace(first, 1, new("a"), NOW).await.unwrap();
            counted("a stale replace", 1);
            store.touch(first, NOW).await.unwrap();
            counted("touch", 1);
            store.create(id(), new("a"), Admission::OPEN.in_place_of(second), NOW).await.unwrap();
            counted("create in place of another", 1);
            let limited = Admission::OPEN.limited(Limit::evict_oldest(1));
            store.create(id(), new("a"), limited, NOW).await.unwrap();
            counted("create that evicts", 1);
            let denied = Admission::OPEN.limited(Limit::deny(1));
            store.create(id(), new("a"), denied, NOW).await.unwrap();
            counted("create that is denied", 1);
            store.list("a", None, 10, NOW).await.unwrap();
            counted("list", 1);
            store.count("a", NOW).await.unwrap();
            counted("count", 1);
            store.revoke("a", Revoke::All, 10, NOW).await.unwrap();
            counted("revoke", 1);
            store.delete(first, NOW).await.unwrap();
            counted("delete", 1);
            store.sweep(NOW, 10).await.unwrap();
            counted("sweep", 1);
            Scan::scan(&store, None, 10, NOW).await.unwrap();
            counted("scan", 1);
        }
    }
}
