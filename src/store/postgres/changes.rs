//! Hears what other nodes announce, by LISTEN on a connection of its own.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::{PgListener, PgPoolOptions};
use sqlx::{Acquire, Connection, Error};
use tokio::time::{Instant, error::Elapsed, timeout, timeout_at};

use super::connections::{Connections, Repeat};
use super::fault;
use super::row::Bound;
use crate::error::{StoreError, StoreErrorKind};
use crate::id::Id;
use crate::store::{Answer, Change, ChangeFeed};

/// One channel of one database.
#[derive(Clone)]
pub(super) struct Announcements {
    pub(super) connections: Connections,
    pub(super) channel: String,
}

type Tell = Arc<dyn Fn(Change) + Send + Sync>;

impl ChangeFeed for Announcements {
    fn listen(&self, tell: Tell) -> Answer<StoreError> {
        let this = self.clone();
        Answer::later(async move {
            match this.follow(&tell).await {
                Ok(never) => match never {},
                Err(Lost::Silence) => StoreError::new(StoreErrorKind::Timeout),
                Err(Lost::Deaf) => StoreError::new(StoreErrorKind::Unavailable).with_source(DEAF),
                Err(Lost::Broken(error)) => fault::store_error(error),
                Err(Lost::Store(error)) => error,
            }
        })
    }
}

impl Announcements {
    async fn follow(self, tell: &Tell) -> Result<Infallible, Lost> {
        // A pool of one: sqlx's listener takes its connection from a pool.
        let pool = PgPoolOptions::new().max_connections(1).acquire_timeout(PATIENCE);
        let pool = pool.connect_lazy_with(self.connections.options());
        let mut listener = timeout(PATIENCE, PgListener::connect_with(&pool)).await??;
        // To connect again would hide that something was missed.
        listener.eager_reconnect(false);
        timeout(PATIENCE, listener.listen(&self.channel)).await??;
        self.hear_ourselves(&mut listener).await?;
        tell(Change::Listening);
        loop {
            hear_for(PULSE, &mut listener, tell).await?;
            // The server hands over what it has for this connection before it answers, and it has
            // whatever was committed, and answered, before it was asked.
            timeout(PATIENCE, ping(&mut listener)).await??;
            while let Some(news) = listener.next_buffered() {
                tell_all(news.payload(), tell);
            }
            tell(Change::Alive);
        }
    }
}

impl Announcements {
    /// Waits for a word of our own, sent by another connection to a channel that nobody else has.
    /// What answers LISTEN may be a server that lends this connection to others in between, and
    /// then nothing is ever heard.
    async fn hear_ourselves(&self, listener: &mut PgListener) -> Result<(), Lost> {
        let id = Id::generate().map_err(|error| {
            Lost::Store(StoreError::new(StoreErrorKind::Unavailable).with_source(error))
        })?;
        let channel = format!("sessile_{}", id.as_uuid().simple());
        timeout(PATIENCE, listener.listen(&channel)).await??;
        let sql = Arc::from("SELECT pg_notify($1, '')");
        let bound = Bound::default().with(&*channel).map_err(Lost::Store)?;
        self.connections.rows(&sql, bound.done(), Repeat::Harmless).await?;
        let end = Instant::now() + PATIENCE;
        loop {
            match timeout_at(end, listener.try_recv()).await {
                Ok(Ok(Some(news))) if news.channel() == channel => break,
                Ok(Ok(Some(_))) => {} // from before `Listening`
                Ok(Ok(None)) => return Err(closed()),
                Ok(Err(error)) => return Err(Lost::Broken(error)),
                Err(_) => return Err(Lost::Deaf),
            }
        }
        Ok(timeout(PATIENCE, listener.unlisten(&channel)).await??)
    }
}

async fn hear_for(pulse: Duration, listener: &mut PgListener, tell: &Tell) -> Result<(), Lost> {
    let end = Instant::now() + pulse;
    while Instant::now() < end {
        match timeout_at(end, listener.try_recv()).await {
            Ok(Ok(Some(news))) => tell_all(news.payload(), tell),
            Ok(Ok(None)) => return Err(closed()),
            Ok(Err(error)) => return Err(Lost::Broken(error)),
            Err(_) => break,
        }
    }
    Ok(())
}

async fn ping(listener: &mut PgListener) -> Result<(), Error> {
    listener.acquire().await?.ping().await
}

/// An announcement: `*`, or sessions separated by spaces, those that were written with their
/// version as in `id:7`. What does not read so may be about any of them.
fn tell_all(news: &str, tell: &Tell) {
    news.split(' ').for_each(|word| tell(read(word).unwrap_or(Change::All)));
}

fn read(word: &str) -> Option<Change> {
    match word.split_once(':') {
        Some((id, version)) => {
            Some(Change::Written { id: id.parse().ok()?, version: version.parse().ok()? })
        }
        None => Some(Change::Changed { id: word.parse::<Id>().ok()? }),
    }
}

/// Why nothing is heard any more.
enum Lost {
    Silence,
    Deaf,
    Broken(Error),
    Store(StoreError),
}

fn closed() -> Lost {
    Lost::Broken(io::Error::from(io::ErrorKind::UnexpectedEof).into())
}

impl From<Elapsed> for Lost {
    fn from(_: Elapsed) -> Self {
        Self::Silence
    }
}

impl From<Error> for Lost {
    fn from(error: Error) -> Self {
        Self::Broken(error)
    }
}

const DEAF: &str = "nothing can be heard at this address, as through a PgBouncer in transaction \
                    mode: a cache needs an address of the server itself";

/// How often the connection is tried: twice as often as the contract asks.
const PULSE: Duration = Duration::from_millis(500);
/// How long it may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_announcement_is_read_and_the_unreadable_means_all() {
        let text = "8c6f4d0a-0f39-4f0e-9a55-6d4f0a3b9c11";
        let id: Id = text.parse().unwrap();
        assert_eq!(read(text), Some(Change::Changed { id }));
        assert_eq!(read(&format!("{text}:7")), Some(Change::Written { id, version: 7 }));
        for word in ["*", "", "x", ":", "x:1", &format!("{text}:"), &format!("{text}:-1")] {
            assert_eq!(read(word), None, "{word}");
        }
    }
}
