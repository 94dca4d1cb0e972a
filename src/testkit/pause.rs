//! Letting others go first.

use std::future::poll_fn;
use std::task::Poll;

/// Is pending so many times, and asks to be polled again each time.
pub(super) async fn give_way(mut times: u32) {
    poll_fn(|cx| {
        if times == 0 {
            return Poll::Ready(());
        }
        times -= 1;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
