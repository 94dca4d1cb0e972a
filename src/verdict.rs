//! What verifiers make of a session that was loaded.

use std::sync::Arc;

use http::HeaderMap;

use crate::answer::{Answer, StoreAnswer};
use crate::client::Client;
use crate::error::StoreError;
use crate::event::{EndReason, Event, Rejection};
use crate::plan::Came;
use crate::record::SessionData;
use crate::session::{Base, Live, Status};
use crate::shared::Shared;
use crate::verify::{Verdict, Visit};
use crate::wait::Timed;

/// Who asks, for those who judge sessions.
pub(crate) type Asker<'r> = (&'r HeaderMap, Option<&'r Arc<Client>>);

impl<T: SessionData> Shared<T> {
    /// Asks the verifiers. Answers at once if they do.
    pub(crate) fn judge(
        self: &Arc<Self>,
        base: Base<T>,
        (headers, client): Asker<'_>,
    ) -> StoreAnswer<Base<T>> {
        let Base::Live(mut live) = base else { return Answer::ready(Ok(base)) };
        for (at, verifier) in self.verifiers.iter().enumerate() {
            let answer = verifier.verify(&visit(&live, headers, client));
            let verdict = match answer.now_or_later() {
                Ok(verdict) => self.heard(verdict),
                Err(later) => {
                    let (shared, headers) = (Arc::clone(self), headers.clone());
                    let client = client.cloned();
                    return Answer::later(async move {
                        shared.judge_later(live, headers, client, at, later).await
                    });
                }
            };
            live = match verdict.map(|verdict| self.follow(live, verdict, client)) {
                Ok(Base::Live(live)) => live,
                Ok(decided) => return Answer::ready(Ok(decided)),
                Err(error) => return Answer::ready(Err(error)),
            };
        }
        Answer::ready(Ok(Base::Live(live)))
    }

    /// The rest, from a verifier on that must be waited for.
    async fn judge_later(
        self: Arc<Self>,
        mut live: Live<T>,
        headers: HeaderMap,
        client: Option<Arc<Client>>,
        at: usize,
        first: StoreAnswer<Verdict>,
    ) -> Result<Base<T>, StoreError> {
        let mut first = Some(first);
        for verifier in self.verifiers.iter().skip(at) {
            let answer = first
                .take()
                .unwrap_or_else(|| verifier.verify(&visit(&live, &headers, client.as_ref())));
            let verdict = Timed::new(answer, &*self.clock, self.store_timeout).await;
            match self.follow(live, self.heard(verdict)?, client.as_ref()) {
                Base::Live(next) => live = next,
                decided => return Ok(decided),
            }
        }
        Ok(Base::Live(live))
    }

    fn heard(&self, verdict: Result<Verdict, StoreError>) -> Result<Verdict, StoreError> {
        verdict.inspect_err(|error| self.store_failed("verify", error))
    }

    fn follow(&self, mut live: Live<T>, verdict: Verdict, client: Option<&Arc<Client>>) -> Base<T> {
        if verdict != Verdict::Pass {
            let client = client.map(|client| &**client);
            self.tell(Event::Doubted { id: live.id, verdict, client });
        }
        match verdict {
            Verdict::Pass | Verdict::Observe(_) => Base::Live(live),
            Verdict::StepUp(_) => {
                live.doubted = true;
                Base::Live(live)
            }
            Verdict::Void(_) => {
                let status = Status::Rejected(Rejection::Void);
                Base::in_vain(status, live.id, live.via, Came::Void)
            }
            Verdict::End(_) => {
                let Live { id, via, record, .. } = live;
                Base::Condemned { id, via, reason: EndReason::Condemned, record }
            }
        }
    }
}

fn visit<'v, T>(
    live: &'v Live<T>,
    headers: &'v HeaderMap,
    client: Option<&'v Arc<Client>>,
) -> Visit<'v, T> {
    Visit::new(live.id, &live.record, headers, client.map(|client| &**client), live.now)
}
