//! What is to happen to the calls to come.

use std::collections::{BTreeMap, VecDeque};
use std::future::{Future, pending};
use std::mem::take;
use std::pin::Pin;

use super::fault::{Calls, Fault, Operation};
use crate::clock::Clock;
use crate::error::{StoreError, StoreErrorKind};
use crate::store::StoreAnswer;
use crate::testkit::give_way;

pub(super) type Hook = Pin<Box<dyn Future<Output = ()> + Send>>;

#[derive(Default)]
pub(super) struct Script {
    pub(super) calls: Calls,
    pub(super) later: bool,
    plans: BTreeMap<Operation, Plan>,
}

#[derive(Default)]
struct Plan {
    once: VecDeque<Fault>,
    always: Option<Fault>,
    before: Option<Hook>,
    after: Option<Hook>,
}

impl Script {
    pub(super) fn next(&mut self, operation: Operation, fault: Fault) {
        self.plan(operation).once.push_back(fault);
    }

    pub(super) fn always(&mut self, operation: Operation, fault: Fault) {
        self.plan(operation).always = Some(fault);
    }

    pub(super) fn before(&mut self, operation: Operation, hook: Hook) {
        self.plan(operation).before = Some(hook);
    }

    pub(super) fn after(&mut self, operation: Operation, hook: Hook) {
        self.plan(operation).after = Some(hook);
    }

    pub(super) fn heal(&mut self) {
        self.plans.clear();
    }

    /// Counts a call and says what happens to it.
    pub(super) fn turn(&mut self, operation: Operation) -> Turn {
        self.calls.note(operation);
        let later = self.later;
        let plan = self.plan(operation);
        let fault = plan.once.pop_front().or(plan.always);
        Turn { fault, later, before: take(&mut plan.before), after: take(&mut plan.after) }
    }

    fn plan(&mut self, operation: Operation) -> &mut Plan {
        self.plans.entry(operation).or_default()
    }
}

/// What happens to one call.
pub(super) struct Turn {
    fault: Option<Fault>,
    later: bool,
    before: Option<Hook>,
    after: Option<Hook>,
}

impl Turn {
    /// The error that is all there is to it, so that it can be answered at once.
    pub(super) const fn mere_error(&self) -> Option<StoreErrorKind> {
        match (self.fault, self.later, &self.before, &self.after) {
            (Some(Fault::Fail(kind)), false, None, None) => Some(kind),
            _ => None,
        }
    }

    /// Whether nothing happens to it.
    pub(super) const fn is_plain(&self) -> bool {
        self.fault.is_none() && !self.later && self.before.is_none() && self.after.is_none()
    }

    pub(super) async fn run<V>(
        self,
        clock: &dyn Clock,
        call: impl FnOnce() -> StoreAnswer<V>,
    ) -> Result<V, StoreError> {
        if self.later {
            give_way(1).await;
        }
        if let Some(hook) = self.before {
            hook.await;
        }
        let answer = suffer(self.fault, clock, call).await;
        if let Some(hook) = self.after {
            hook.await;
        }
        answer
    }
}

async fn suffer<V>(
    fault: Option<Fault>,
    clock: &dyn Clock,
    call: impl FnOnce() -> StoreAnswer<V>,
) -> Result<V, StoreError> {
    match fault {
        None => call().await,
        Some(Fault::Fail(kind)) => Err(StoreError::new(kind)),
        Some(Fault::LoseReply(kind)) => call().await.and(Err(StoreError::new(kind))),
        Some(Fault::Hang) => pending().await,
        Some(Fault::HangAfter) => {
            call().await?;
            pending().await
        }
        Some(Fault::Delay(by)) => {
            clock.sleep(by).await;
            call().await
        }
        Some(Fault::Yield { before, after }) => {
            give_way(before).await;
            let answer = call().await;
            give_way(after).await;
            answer
        }
    }
}
