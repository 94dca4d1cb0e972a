//! Calls on the store behind, each noted in the cache from its begin to its end.

use std::sync::Arc;

use super::Shared;
use super::front::{Begun, Effect};
use super::lane::Kind;
use crate::error::StoreError;
use crate::id::Id;
use crate::store::{Answer, StoreAnswer};

/// A call that is under way. Dropped before its [`end`](Self::end), a write counts as
/// [`Effect::Unknown`].
///
/// A write that its caller drops is let go. To bring it to its end in a task of its own would
/// pile up tasks in front of a server that hangs, and would help little: what the server does
/// late, it tells the feed when it does, as if another node had written. Until the feed's own
/// bound has passed, the lane is closed besides.
pub(super) struct Call<S, T: Send + Sync + 'static> {
    shared: Arc<Shared<S, T>>,
    begun: Option<Begun>,
    kind: Kind,
}

impl<S, T: Send + Sync + 'static> Call<S, T> {
    pub(super) fn begin(shared: &Arc<Shared<S, T>>, id: Id, kind: Kind) -> Self {
        let begun = Some(shared.front.begin(id, kind));
        Self { shared: Arc::clone(shared), begun, kind }
    }

    pub(super) fn end(mut self, effect: Effect<T>) {
        self.settle(effect);
    }

    fn settle(&mut self, effect: Effect<T>) {
        if let Some(begun) = self.begun.take() {
            self.shared.front.end(begun, effect);
        }
    }
}

impl<S, T: Send + Sync + 'static> Drop for Call<S, T> {
    fn drop(&mut self) {
        self.settle(match self.kind {
            Kind::Load => Effect::Nothing,
            Kind::Write => Effect::Unknown,
        });
    }
}

/// A subject whose sessions may be ended by a call that is under way. Dropped before its
/// [`end`](Self::end), nobody knows which were.
pub(super) struct Purge<S, T: Send + Sync + 'static> {
    shared: Arc<Shared<S, T>>,
    number: Option<u64>,
}

impl<S, T: Send + Sync + 'static> Purge<S, T> {
    pub(super) fn begin(shared: &Arc<Shared<S, T>>, subject: Arc<str>) -> Self {
        let number = Some(shared.front.subjects.close(subject));
        Self { shared: Arc::clone(shared), number }
    }

    /// These were ended.
    pub(super) fn end(mut self, ended: &[Id]) {
        ended.iter().for_each(|id| self.shared.front.changed(*id));
        if let Some(number) = self.number.take() {
            self.shared.front.subjects.open(number);
        }
    }
}

impl<S, T: Send + Sync + 'static> Drop for Purge<S, T> {
    fn drop(&mut self) {
        if let Some(number) = self.number.take() {
            let trust = &self.shared.front.trust;
            let moment = trust.moment();
            self.shared.front.subjects.distrust(number, moment, trust.from(moment));
        }
    }
}

/// Passes on the store's answer, at once if it is there, and does with it what must be done
/// before anybody sees it.
pub(super) fn settle<V: Send + 'static>(
    answer: StoreAnswer<V>,
    then: impl FnOnce(&Result<V, StoreError>) + Send + 'static,
) -> StoreAnswer<V> {
    match answer.now_or_later() {
        Ok(answer) => {
            then(&answer);
            Answer::ready(answer)
        }
        Err(later) => Answer::later(async move {
            let answer = later.await;
            then(&answer);
            answer
        }),
    }
}
