//! Which calls of the store are waited for, to say of a case that does not end.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The calls under way, by name. Clones are the same list.
#[derive(Clone, Default)]
pub(super) struct Calls(Arc<Mutex<BTreeMap<&'static str, u64>>>);

impl Calls {
    /// Waits for the answer and is listed meanwhile, also if it is dropped.
    pub(super) async fn during<A: Future>(&self, name: &'static str, answer: A) -> A::Output {
        *self.list().entry(name).or_default() += 1;
        let _listed = Listed { calls: self, name };
        answer.await
    }

    fn list(&self) -> MutexGuard<'_, BTreeMap<&'static str, u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Display for Calls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.list().keys().copied().collect();
        match names.as_slice() {
            [] => f.write_str("no call of the case itself is under way"),
            names => write!(f, "not answered: {}", names.join(", ")),
        }
    }
}

struct Listed<'a> {
    calls: &'a Calls,
    name: &'static str,
}

impl Drop for Listed<'_> {
    fn drop(&mut self) {
        let mut list = self.calls.list();
        let left = list.get(self.name).map_or(0, |count| count.saturating_sub(1));
        match left {
            0 => list.remove(self.name),
            left => list.insert(self.name, left),
        };
    }
}
