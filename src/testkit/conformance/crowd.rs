//! Doing many things at once.

use std::future::poll_fn;
use std::panic::resume_unwind;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use tokio::sync::Barrier;
use tokio::task::JoinSet;

/// Runs these as tasks that all begin together, and hands back what they come to, in the order in
/// which they were given. A panic in one is a panic here, and ends the others.
pub(super) async fn together<F>(deeds: impl IntoIterator<Item = F>) -> Vec<F::Output>
where
    F: Future<Output: Send + 'static> + Send + 'static,
{
    let deeds: Vec<F> = deeds.into_iter().collect();
    let start = Arc::new(Barrier::new(deeds.len()));
    let mut tasks = JoinSet::new();
    for (place, deed) in deeds.into_iter().enumerate() {
        let start = Arc::clone(&start);
        tasks.spawn(async move {
            start.wait().await;
            (place, deed.await)
        });
    }
    let mut outputs = Vec::new();
    while let Some(finished) = tasks.join_next().await {
        match finished {
            Ok(output) => outputs.push(output),
            Err(error) => resume_unwind(error.into_panic()),
        }
    }
    outputs.sort_by_key(|(place, _)| *place);
    outputs.into_iter().map(|(_, output)| output).collect()
}

/// Runs two different things that begin together.
pub(super) async fn both<A, B>(one: A, other: B) -> (A::Output, B::Output)
where
    A: Future,
    B: Future<Output: Send + 'static> + Send + 'static,
{
    let start = Arc::new(Barrier::new(2));
    let mut tasks = JoinSet::new();
    let begin = Arc::clone(&start);
    tasks.spawn(async move {
        begin.wait().await;
        other.await
    });
    start.wait().await;
    let first = one.await;
    match tasks.join_next().await {
        Some(Ok(second)) => (first, second),
        Some(Err(error)) => resume_unwind(error.into_panic()),
        None => super::trial::fail("a task got lost"),
    }
}

/// Runs two things in one task, a step of the first and a step of the second in turns: whatever
/// can get between the steps of the first does, without luck.
pub(super) async fn in_turns<A: Future, B: Future>(one: A, other: B) -> (A::Output, B::Output) {
    let (mut one, mut other) = (pin!(one), pin!(other));
    let (mut first, mut second) = (None, None);
    poll_fn(|cx| {
        if first.is_none() {
            first = ready(one.as_mut().poll(cx));
        }
        if second.is_none() {
            second = ready(other.as_mut().poll(cx));
        }
        match (first.take(), second.take()) {
            (Some(first), Some(second)) => Poll::Ready((first, second)),
            (some, other) => {
                (first, second) = (some, other);
                Poll::Pending
            }
        }
    })
    .await
}

fn ready<V>(poll: Poll<V>) -> Option<V> {
    match poll {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}
