#![doc = include_str!("story.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "accounts")]
pub mod accounts;
mod answer;
mod assurance;
mod client;
mod clock;
pub mod codec;
mod commit;
mod context;
pub mod csrf;
mod endings;
mod entry;
mod error;
mod event;
mod expiry;
#[cfg(feature = "axum")]
mod extract;
mod finish;
mod forwarded;
mod future;
#[cfg(feature = "tonic")]
mod grpc;
pub mod guard;
pub mod guide;
mod head;
mod hints;
mod id;
mod key;
mod layer;
mod log;
#[cfg(feature = "openapi")]
pub mod openapi;
mod plan;
mod profile;
mod record;
mod refusal;
mod registry;
mod report;
mod response;
mod routes;
mod same;
mod service;
mod session;
mod shared;
mod signal;
mod site_data;
mod size;
mod spend;
pub mod store;
mod stripes;
mod sweeper;
#[cfg(feature = "testkit")]
pub mod testkit;
mod tickets;
#[cfg(any(feature = "jwt", feature = "paseto"))]
pub mod token;
pub mod transport;
mod values;
mod verdict;
pub mod verify;
mod wait;

pub use crate::assurance::Assurance;
pub use crate::client::Client;
pub use crate::clock::{Clock, Sleep, SystemClock, Timestamp};
pub use crate::context::Context;
pub use crate::error::{
    ConfigError, Error, ErrorKind, OpenError, OpenErrorKind, StoreError, StoreErrorKind,
};
pub use crate::event::{EndReason, Event, Observer, Rejection};
pub use crate::expiry::Expiry;
#[cfg(feature = "axum")]
pub use crate::extract::{Permitted, SessionRejection};
pub use crate::future::ResponseFuture;
#[cfg(feature = "tonic")]
pub use crate::grpc::SessionRequest;
pub use crate::guard::RequireSession;
pub use crate::hints::ClientHints;
pub use crate::id::{Id, ParseIdError};
pub use crate::key::{Key, KeyId, Keyring, Revoked};
pub use crate::layer::SessionLayer;
pub use crate::profile::Profile;
pub use crate::record::{Meta, Record, SessionData};
pub use crate::refusal::{Denied, Refusal, Refusals, ReturnTo};
pub use crate::registry::{Listed, Sessions};
pub use crate::report::{Deviation, Report, RevocationKind, Standard, TransportReport};
pub use crate::service::SessionService;
pub use crate::session::{Active, LazySession, NewSession, Session, Snapshot, Status};
pub use crate::site_data::SiteData;
pub use crate::sweeper::{Sweeper, SweeperHandle};
pub use crate::tickets::Revocation;
pub use crate::values::{ValueError, Values};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
