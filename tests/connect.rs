//! A store by its address: which scheme is which store, and what a wrong address gets.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::sync::Arc;

use sessile::store::{self, Store};
use sessile::{OpenError, OpenErrorKind, Values};

async fn open(address: &str) -> Result<Arc<dyn Store<Values>>, OpenError> {
    store::connect(address).await
}

#[tokio::test]
async fn a_scheme_is_a_store_whatever_its_case() {
    for (address, name) in [
        ("memory:", "MemoryStore"),
        ("MEMORY:", "MemoryStore"),
        ("sqlite::memory:", "SqliteStore"),
        ("SQLite::memory:", "SqliteStore"),
    ] {
        let store = open(address).await.unwrap_or_else(|error| panic!("{address}: {error}"));
        assert!(format!("{store:?}").starts_with(name), "{address}: {store:?}");
    }
}

#[tokio::test]
async fn a_wrong_address_is_a_typed_error_with_a_remedy_and_no_secret() {
    use OpenErrorKind::{Config, UnknownScheme, Unreachable};
    for (address, kind, remedy) in [
        ("", Config, "begins with its kind"),
        ("hunter2", Config, "begins with its kind"),
        ("memory:hunter2", Config, "`memory:`"),
        ("mongodb://ann:hunter2@localhost", UnknownScheme, "`mongodb:` is none of"),
        ("s3cret hunter2:x", UnknownScheme, "`…:` is none of"),
        ("redis://ann:hunter2@127.0.0.1:1", Unreachable, "address"),
        ("redis+cluster://ann:hunter2@127.0.0.1:1", Unreachable, "address"),
        ("postgres://ann:hunter2@127.0.0.1:1/none", Unreachable, ""),
    ] {
        let error = open(address).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{address}: {error}");
        let text = format!("{error} {error:?}");
        assert!(text.contains(remedy), "{address}: {text}");
        assert!(!text.contains("hunter2"), "{address}: {text}");
    }
}
