//! What is brought to its end even if nobody waits for it any more.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::timeout;

/// Something that is under way. Dropped before it is done, it goes on in a task, for a while.
///
/// Whoever waits for a statement may be gone before the server answers: the layer waits for two
/// seconds, a client closes its connection. A server that waits itself (for a lock, say) does not
/// look whether the connection is still there. Were that closed and another one opened, the server
/// would have more to do with each request, until it has no connection left for anybody.
pub(super) struct Errand<F: Future<Output: Send> + Send + 'static> {
    under_way: Option<Pin<Box<F>>>,
    /// For how long it goes on alone.
    alone: Duration,
}

impl<F: Future<Output: Send> + Send + 'static> Errand<F> {
    pub(super) fn of(what: F) -> Self {
        Self { under_way: Some(Box::pin(what)), alone: LONGEST_ALONE }
    }
}

impl<F: Future<Output: Send> + Send + 'static> Future for Errand<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let Some(under_way) = &mut self.under_way else { return Poll::Pending };
        let polled = under_way.as_mut().poll(context);
        if polled.is_ready() {
            self.under_way = None;
        }
        polled
    }
}

impl<F: Future<Output: Send> + Send + 'static> Drop for Errand<F> {
    fn drop(&mut self) {
        // Without a runtime nothing can go on.
        if let (Some(rest), Ok(runtime)) = (self.under_way.take(), Handle::try_current()) {
            let alone = self.alone;
            drop(runtime.spawn(async move { timeout(alone, rest).await }));
        }
    }
}

/// A little more than the server gives a statement of ours: see
/// [`SETTINGS`](super::connections::SETTINGS). Whoever has not answered by then is out of reach.
const LONGEST_ALONE: Duration = Duration::from_secs(6);

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    /// Polls it, and drops it if it is not done.
    async fn begin<F: Future<Output: Send> + Send + 'static>(errand: Errand<F>) {
        assert!(timeout(Duration::ZERO, errand).await.is_err());
    }

    #[tokio::test]
    async fn what_is_dropped_goes_on() {
        let (answer, answered) = oneshot::channel();
        let (done, is_done) = oneshot::channel();
        begin(Errand::of(async {
            answered.await.unwrap();
            done.send(()).unwrap();
        }))
        .await;
        answer.send(()).unwrap();
        is_done.await.unwrap();
        assert_eq!(Errand::of(async { 7 }).await, 7);
    }

    #[tokio::test]
    async fn what_never_ends_is_let_go() {
        let (held, let_go) = oneshot::channel::<()>();
        let forever = async move {
            std::future::pending::<()>().await;
            drop(held);
        };
        let mut errand = Errand::of(forever);
        errand.alone = Duration::from_millis(5);
        begin(errand).await;
        assert!(let_go.await.is_err());
    }
}
