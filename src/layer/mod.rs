//! The layer and its settings.

// In the order in which the documentation is to list the methods.
mod session_layer;

mod transports;

#[cfg(feature = "fastapi-sessions")]
mod fastapi;

mod limits;

mod failures;

mod hooks;

use std::sync::Arc;
use std::time::Duration;

pub use self::session_layer::SessionLayer;
use crate::error::ConfigError;
use crate::record::SessionData;
#[cfg(feature = "openapi")]
use crate::refusal::Refusals;
use crate::registry::Sessions;
use crate::report::Report;
use crate::shared::Shared;
use crate::sweeper::Sweeper;

impl<T: SessionData> SessionLayer<T> {
    /// Loads sessions only when somebody asks: the extensions then hold a
    /// [`LazySession<T>`](crate::LazySession), and static files behind the layer cost neither a
    /// signature check nor a store call.
    ///
    /// ```
    /// # use std::convert::Infallible;
    /// use http::{Request, Response};
    /// use sessile::{Key, LazySession, Session, SessionLayer, Values, store::MemoryStore};
    /// # use tower::{Layer, ServiceExt, service_fn};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let sessions = SessionLayer::<Values>::new(MemoryStore::new(), Key::generate()).lazy();
    /// # let service = sessions.layer(service_fn(|request: Request<()>| async move {
    /// // in the service behind it:
    /// assert!(Session::<Values>::of(&request).is_none());
    /// assert!(LazySession::<Values>::of(&request).is_some());
    /// # Ok::<_, Infallible>(Response::new(String::new()))
    /// # }));
    /// # assert_eq!(service.oneshot(Request::new(())).await.unwrap().status(), 200);
    /// # }
    /// ```
    pub fn lazy(mut self) -> Self {
        self.shared().lazy = true;
        self
    }

    /// Lists and ends the sessions of any subject; see [`Sessions`].
    ///
    /// ```
    /// # use sessile::{Key, SessionLayer, Values, store::MemoryStore};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), sessile::Error> {
    /// let layer = SessionLayer::<Values>::new(MemoryStore::new(), Key::generate());
    /// let sessions = layer.sessions();
    /// assert_eq!(sessions.count("ann").await?, 0);
    /// # Ok(()) }
    /// ```
    ///
    /// # Panics
    /// If the store keeps no index of subjects.
    #[track_caller]
    pub fn sessions(&self) -> Sessions<T> {
        accept(self.try_sessions())
    }

    /// The same for a store that is chosen at run time.
    ///
    /// ```
    /// # use sessile::{Key, SessionLayer, Values, store::MemoryStore};
    /// let layer = SessionLayer::<Values>::new(MemoryStore::new(), Key::generate());
    /// assert!(layer.try_sessions().is_ok(), "the memory store keeps an index");
    /// ```
    ///
    /// # Errors
    /// If the store keeps no index of subjects.
    pub fn try_sessions(&self) -> Result<Sessions<T>, ConfigError> {
        if self.shared.store.subjects().is_none() {
            return Err(ConfigError::new(
                "this store keeps no index of subjects and cannot list their sessions: use one \
                 whose `Store::subjects` answers an index",
            ));
        }
        Ok(Sessions::new(Arc::clone(&self.shared)))
    }

    /// What removes expired sessions in the background, once it is spawned: a hundred at a
    /// time, until none is left, at this interval. Zero turns it off.
    ///
    /// ```
    /// # use sessile::{Key, SessionLayer, Values, store::MemoryStore};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// use std::time::Duration;
    /// let layer = SessionLayer::<Values>::new(MemoryStore::new(), Key::generate());
    /// tokio::spawn(layer.sweeper(Duration::from_secs(60)));
    /// # }
    /// ```
    pub fn sweeper(&self, every: Duration) -> Sweeper {
        Sweeper::new(Arc::clone(&self.shared), every)
    }

    /// What the layer is set to, and where that falls short of the standards: see [`Report`].
    ///
    /// ```
    /// # use sessile::{Key, SessionLayer, Values, store::MemoryStore};
    /// let key = Key::generate();
    /// let sessions = SessionLayer::<Values>::new(MemoryStore::new(), key.clone());
    /// eprintln!("{}", sessions.report()); // where the application starts
    /// assert_eq!(sessions.report().keys, [key.id()]);
    /// ```
    pub fn report(&self) -> Report {
        Report::of(&self.keys, &self.shared)
    }

    /// The statuses and bodies of its refusals, for documents that show them.
    #[cfg(feature = "openapi")]
    pub(crate) fn refusals_in_use(&self) -> &Refusals {
        &self.shared.refusals
    }

    pub(super) fn shared(&mut self) -> &mut Shared<T> {
        Arc::make_mut(&mut self.shared)
    }
}

#[track_caller]
#[expect(clippy::panic, reason = "documented: configuration mistakes fail at construction")]
fn accept<L>(configured: Result<L, ConfigError>) -> L {
    match configured {
        Ok(layer) => layer,
        Err(error) => panic!("{error}"),
    }
}
