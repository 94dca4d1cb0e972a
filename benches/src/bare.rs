//! The service without sessions.

use std::sync::Arc;

use tokio::runtime::Runtime;
use tower::service_fn;

use crate::contender::{Contender, OnRuntime, Polled, Subject, runtime, untouched};
use crate::scenario::Scenario;

pub(crate) struct Bare(Option<Arc<Runtime>>);

impl Bare {
    pub(crate) fn polled() -> Self {
        Self(None)
    }

    pub(crate) fn on_runtime() -> Self {
        Self(Some(runtime()))
    }
}

impl Contender for Bare {
    fn subject(&self, _: Scenario) -> Box<dyn Subject> {
        match &self.0 {
            None => Box::new(Polled(service_fn(untouched))),
            Some(runtime) => Box::new(OnRuntime(service_fn(untouched), Arc::clone(runtime))),
        }
    }

    fn log_in(&self) -> String {
        format!("sid={}", "A".repeat(64))
    }
}
