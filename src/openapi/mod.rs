//! Session layers in OpenAPI documents made with [`utoipa`]: how a client shows its ticket, which
//! operations want one, and how they refuse.
//!
//! ```
//! use sessile::openapi::{Operations, Security, SessionDocs};
//! use sessile::transport::{Bearer, Cookie};
//! use sessile::{Key, SessionLayer, Values, store::MemoryStore};
//! use utoipa::{Modify, OpenApi};
//!
//! #[utoipa::path(get, path = "/me", tag = "members", responses((status = 200)))]
//! async fn me() {}
//!
//! #[utoipa::path(post, path = "/log_in", responses((status = 204)))]
//! async fn log_in() {}
//!
//! #[derive(OpenApi)]
//! #[openapi(paths(me, log_in))]
//! struct Api;
//!
//! let sessions = SessionLayer::<Values>::new(MemoryStore::new(), Key::generate())
//!     .transport(Cookie::host("sid"))
//!     .or_transport(Bearer::new());
//! let mut document = Api::openapi();
//! SessionDocs::new()
//!     .guard(Operations::tagged("members"), Security::of(&sessions))
//!     .modify(&mut document);
//!
//! let document = serde_json::to_value(&document)?;
//! let me = &document["paths"]["/me"]["get"];
//! // either suffices
//! assert_eq!(me["security"], serde_json::json!([{"cookie.__Host-sid": []}, {"bearer": []}]));
//! assert!(me["responses"]["401"]["content"]["application/problem+json"].is_object());
//! assert!(document["paths"]["/log_in"]["post"].get("security").is_none());
//! # Ok::<(), serde_json::Error>(())
//! ```
//!
//! 1. A scheme's name is made of where the ticket travels and under which name: `cookie.__Host-sid`,
//!    `header.x-session`, `query.ticket`, `bearer`. Two different places never have one name.
//! 2. [`Security::named`] gives another name. Two different schemes of one name are an error at
//!    construction, within a layer, between layers, and with a scheme that the document has.
//! 3. An operation that says `security` itself keeps it; so do responses that it documents.
//! 4. Refusals are documented by asking the layer's [`Refusals`](crate::Refusals): what stands in
//!    the document is what a client gets.

mod docs;
mod operations;
mod refusals;
mod scheme;
mod security;

pub use self::docs::SessionDocs;
pub use self::operations::Operations;
pub use self::security::Security;
