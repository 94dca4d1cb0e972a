//! A cache line of one's own.

/// Keeps what every call reads apart from what some calls write (128 bytes: processors fetch
/// cache lines in pairs).
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct Padded<V>(pub(super) V);
