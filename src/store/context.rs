//! How a session began, as the text that stores keep beside its data.

use std::sync::Arc;

use crate::context::Context;
use crate::error::{StoreError, StoreErrorKind};
use crate::record::Meta;

/// What is kept of it; `None` if nothing is known.
pub(super) fn encode(meta: &Meta) -> Option<String> {
    meta.context.as_deref().map(Context::to_json)
}

/// Reads it back. Like data, what cannot be read stays where it is: a later version may know more
/// levels of assurance than this one, and to write without them would lose them.
pub(super) fn decode(text: Option<&str>) -> Result<Option<Arc<Context>>, StoreError> {
    let Some(text) = text else { return Ok(None) };
    let context = Context::from_json(text).ok_or_else(|| {
        StoreError::new(StoreErrorKind::Undecodable).with_source("the context is not in its form")
    })?;
    Ok(Some(Arc::new(context)))
}
