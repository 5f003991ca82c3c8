//! What an operation returns: done here already, on its way elsewhere.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::sync::oneshot;

use crate::{AdapterError, AdapterErrorKind};

/// The outcome of an operation whose local part is done already.
///
/// It may be dropped: nothing depends on its being polled. Awaited, it ends when the engine has taken the message
/// (not when other nodes have acted on it), at once and without allocation if there is nothing to wait for.
///
/// # Cancel safety
///
/// Cancel safe: dropping it forgets the outcome, it does not undo the operation.
pub struct Receipt {
    n_local: usize,
    state: State,
}

enum State {
    Ready(Result<(), AdapterError>),
    Pending(oneshot::Receiver<Result<(), AdapterError>>),
    /// Several, of which those that are through are gone; and the first failure.
    Many(Vec<Receipt>, Result<(), AdapterError>),
}

/// Where an adapter reports the outcome that a [`Receipt`] waits for.
///
/// Dropped without a report, it lets the receipt end with [`AdapterErrorKind::Closed`].
#[derive(Debug)]
pub struct ReceiptSender(oneshot::Sender<Result<(), AdapterError>>);

impl Receipt {
    /// Everything is done.
    #[must_use]
    pub fn done() -> Self {
        Self { n_local: 0, state: State::Ready(Ok(())) }
    }

    /// The local part is done, the rest failed at once.
    #[must_use]
    pub fn failed(error: AdapterError) -> Self {
        Self { n_local: 0, state: State::Ready(Err(error)) }
    }

    /// The outcome will be reported through the sender.
    #[must_use]
    pub fn channel() -> (ReceiptSender, Self) {
        let (sender, receiver) = oneshot::channel();
        (ReceiptSender(sender), Self { n_local: 0, state: State::Pending(receiver) })
    }

    /// The outcome of several operations: done when all are, failed if one has.
    #[must_use]
    pub fn all(receipts: impl IntoIterator<Item = Self>) -> Self {
        let mut n_local = 0;
        let mut failed = Ok(());
        let mut pending = Vec::new();
        for receipt in receipts {
            n_local += receipt.n_local;
            match receipt.state {
                State::Ready(outcome) => failed = failed.and(outcome),
                _ => pending.push(receipt),
            }
        }
        let state = if pending.is_empty() { State::Ready(failed) } else { State::Many(pending, failed) };
        Self { n_local, state }
    }

    /// The same receipt, which knows how many local sockets the operation addressed.
    #[must_use]
    pub fn with_local(mut self, n_local: usize) -> Self {
        self.n_local = n_local;
        self
    }

    /// How many sockets of this node the operation addressed.
    #[must_use]
    pub fn local(&self) -> usize {
        self.n_local
    }

    /// Whether awaiting it would not wait.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        matches!(self.state, State::Ready(_))
    }
}

impl Future for Receipt {
    type Output = Result<(), AdapterError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let outcome = match &mut self.state {
            State::Ready(outcome) => std::mem::replace(outcome, Ok(())),
            State::Pending(receiver) => match Pin::new(receiver).poll(cx) {
                Poll::Ready(Ok(outcome)) => outcome,
                Poll::Ready(Err(_)) => Err(AdapterErrorKind::Closed.into()),
                Poll::Pending => return Poll::Pending,
            },
            State::Many(pending, failed) => {
                pending.retain_mut(|receipt| match Pin::new(receipt).poll(cx) {
                    Poll::Ready(outcome) => {
                        let before = std::mem::replace(failed, Ok(()));
                        *failed = before.and(outcome);
                        false
                    }
                    Poll::Pending => true,
                });
                if !pending.is_empty() {
                    return Poll::Pending;
                }
                std::mem::replace(failed, Ok(()))
            }
        };
        self.state = State::Ready(Ok(()));
        Poll::Ready(outcome)
    }
}

impl fmt::Debug for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut receipt = f.debug_struct("Receipt");
        receipt.field("local", &self.n_local);
        match &self.state {
            State::Ready(outcome) => receipt.field("outcome", outcome).finish(),
            State::Pending(_) | State::Many(..) => receipt.finish_non_exhaustive(),
        }
    }
}

impl ReceiptSender {
    /// Reports the outcome; nobody may be waiting for it any more.
    pub fn report(self, outcome: Result<(), AdapterError>) {
        let _ = self.0.send(outcome);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_finished_receipt_ends_at_once() {
        let receipt = Receipt::done().with_local(3);
        assert!(receipt.is_ready());
        assert_eq!(receipt.local(), 3);
        receipt.await.expect("done");
    }

    #[tokio::test]
    async fn a_failure_is_reported_once() {
        let mut receipt = Receipt::failed(AdapterErrorKind::LinkDown.into());
        assert_eq!((&mut receipt).await.unwrap_err().kind(), AdapterErrorKind::LinkDown);
        receipt.await.expect("polled again, it has nothing more to say");
    }

    #[tokio::test]
    async fn a_dropped_sender_ends_the_receipt_with_closed() {
        let (sender, receipt) = Receipt::channel();
        assert!(!receipt.is_ready());
        drop(sender);
        assert_eq!(receipt.await.unwrap_err().kind(), AdapterErrorKind::Closed);
    }

    #[tokio::test]
    async fn the_reported_outcome_arrives_and_a_dropped_receipt_is_no_error() {
        let (sender, receipt) = Receipt::channel();
        sender.report(Ok(()));
        receipt.await.expect("reported");
        let (sender, receipt) = Receipt::channel();
        drop(receipt);
        sender.report(Ok(()));
    }

    #[tokio::test]
    async fn several_receipts_are_done_when_all_are_and_fail_if_one_does() {
        let (first, one) = Receipt::channel();
        let (second, other) = Receipt::channel();
        let mut all = Receipt::all([one.with_local(2), Receipt::done().with_local(1), other]);
        assert_eq!((all.local(), all.is_ready()), (3, false));
        first.report(Err(AdapterErrorKind::LinkDown.into()));
        let is_waiting =
            std::future::poll_fn(|cx| Poll::Ready(Pin::new(&mut all).poll(cx).is_pending())).await;
        assert!(is_waiting, "one is still on its way");
        second.report(Ok(()));
        assert_eq!(all.await.unwrap_err().kind(), AdapterErrorKind::LinkDown);
        assert!(Receipt::all([]).is_ready());
        let failed = Receipt::all([Receipt::done(), Receipt::failed(AdapterErrorKind::QueueFull.into())]);
        assert_eq!(failed.await.unwrap_err().kind(), AdapterErrorKind::QueueFull);
    }
}
