//! How large a session's data is.

use std::io;

use serde::Serialize;

/// Whether the data, written as JSON, has at most so many bytes. What does not serialise has no
/// size; the store says so when it is written.
pub(crate) fn fits<T: Serialize>(data: &T, limit: usize) -> bool {
    let mut room = Room { left: limit, full: false };
    let written = serde_json::to_writer(&mut room, data);
    written.is_ok() || !room.full
}

/// Counts bytes, and stops at the limit.
struct Room {
    left: usize,
    full: bool,
}

impl io::Write for Room {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.left.checked_sub(bytes.len()) {
            Some(left) => self.left = left,
            None => self.full = true,
        }
        if self.full { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(bytes.len()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c18_a_size_is_counted_in_bytes_of_json() {
        assert!(fits(&"abc", 5));
        assert!(!fits(&"abc", 4));
        assert!(fits(&"ü", 4), "two bytes and the quotes");
        assert!(!fits(&vec!["a"; 1_000_000], 100));
        assert!(fits(&(), 4), "null");
    }
}
