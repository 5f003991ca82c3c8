//! The wait for a client's answer.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use serde::de::DeserializeOwned;
use socketio_parser::Args;
use tokio::sync::oneshot;
use tokio::time::{Instant, Sleep};

use crate::Socket;
use crate::error::{AckError, EmitError, HandlerError};

/// Waits for a client's answer; what [`Socket::emit_with_ack`] returns.
///
/// # Cancel safety
///
/// The event was sent before. Dropping the future forgets the answer.
pub struct AckFuture<T> {
    socket: Socket,
    event: Box<str>,
    id: u64,
    state: State,
    sent_at: Instant,
    timeout: Duration,
    _answer: PhantomData<fn() -> T>,
}

enum State {
    Failed(AckError),
    Waiting { answer: oneshot::Receiver<Args>, sleep: Option<Pin<Box<Sleep>>> },
    Done,
}

impl<T> AckFuture<T> {
    pub(super) fn new(
        socket: Socket,
        event: &str,
        id: u64,
        sent: Result<oneshot::Receiver<Args>, AckError>,
    ) -> Self {
        let timeout = socket.shared().config.ack_timeout;
        let state = match sent {
            Ok(answer) => State::Waiting { answer, sleep: None },
            Err(error) => State::Failed(error),
        };
        let sent_at = Instant::now();
        Self { socket, event: event.into(), id, state, sent_at, timeout, _answer: PhantomData }
    }

    /// Waits this long at most, counted from the emit. Default: 30 s, or
    /// [`Builder::ack_timeout`](crate::Builder::ack_timeout).
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }
}

impl<T: DeserializeOwned> Future for AckFuture<T> {
    type Output = Result<T, AckError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let due = this.sent_at.checked_add(this.timeout);
        let outcome = match &mut this.state {
            State::Waiting { answer, sleep } => match Pin::new(answer).poll(cx) {
                Poll::Ready(Ok(args)) => Ok(args),
                Poll::Ready(Err(_)) => Err(AckError::Disconnected),
                // A time past the end of the clock never comes.
                Poll::Pending => match due {
                    Some(due) => {
                        let sleep = sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(due)));
                        if sleep.as_mut().poll(cx).is_pending() {
                            return Poll::Pending;
                        }
                        Err(AckError::Timeout)
                    }
                    None => return Poll::Pending,
                },
            },
            // Polled again after its end, it says what remains to be said.
            State::Failed(_) | State::Done => match std::mem::replace(&mut this.state, State::Done) {
                State::Failed(error) => Err(error),
                _ => Err(AckError::Disconnected),
            },
        };
        this.forget();
        Poll::Ready(outcome.and_then(|args| Ok(args.get()?)))
    }
}

impl<T> AckFuture<T> {
    fn forget(&mut self) {
        if let State::Waiting { .. } = std::mem::replace(&mut self.state, State::Done) {
            let forgotten = self.socket.inner().acks.lock().take(self.id);
            drop(forgotten);
        }
    }
}

impl<T> Drop for AckFuture<T> {
    fn drop(&mut self) {
        match std::mem::replace(&mut self.state, State::Done) {
            State::Failed(AckError::Emit(error @ EmitError::Encode(_))) => {
                self.socket.inner().report(&self.event, &HandlerError::Emit(error));
            }
            waiting => {
                self.state = waiting;
                self.forget();
            }
        }
    }
}

impl<T> fmt::Debug for AckFuture<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AckFuture").field("event", &self.event).field("id", &self.id).finish_non_exhaustive()
    }
}
