//! The server's answer to an event of the client's.

use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use serde::de::DeserializeOwned;
use socketio_parser::Args;
use socketio_server::AckError;
use tokio::sync::oneshot;
use tokio::time::Sleep;

use crate::inbox::Inbox;

/// Waits for the server's answer; what [`TestClient::emit_with_ack`](crate::TestClient::emit_with_ack) returns.
///
/// It ends with the answer, with [`AckError::Timeout`] after the client's deadline, with [`AckError::Disconnected`] if
/// the client leaves before, or with [`AckError::Args`] if the answer does not fit `T`.
///
/// # Cancel safety
///
/// The event was sent before. Dropping the future forgets the answer.
#[must_use = "the answer is lost unless it is awaited"]
pub struct Answer<T> {
    inbox: Arc<Inbox>,
    id: u64,
    answer: oneshot::Receiver<Args>,
    deadline: Pin<Box<Sleep>>,
    _answer: PhantomData<fn() -> T>,
}

impl<T> Answer<T> {
    /// Waits for the answer with this id, which has not been asked for yet.
    pub(crate) fn new(inbox: &Arc<Inbox>, id: u64, deadline: Duration) -> Self {
        let (sender, answer) = oneshot::channel();
        inbox.with(|state| {
            // Without a place in the table, the sender is dropped, and that is the answer.
            if state.is_joined() {
                state.asked.insert(id, sender);
            }
        });
        let deadline = Box::pin(tokio::time::sleep(deadline));
        Self { inbox: Arc::clone(inbox), id, answer, deadline, _answer: PhantomData }
    }
}

impl<T: DeserializeOwned> Future for Answer<T> {
    type Output = Result<T, AckError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match Pin::new(&mut self.answer).poll(cx) {
            Poll::Ready(Ok(args)) => Poll::Ready(args.get().map_err(AckError::from)),
            Poll::Ready(Err(_)) => Poll::Ready(Err(AckError::Disconnected)),
            Poll::Pending => self.deadline.as_mut().poll(cx).map(|()| Err(AckError::Timeout)),
        }
    }
}

impl<T> Drop for Answer<T> {
    fn drop(&mut self) {
        self.inbox.with(|state| state.asked.remove(&self.id));
    }
}

impl<T> fmt::Debug for Answer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer").field("id", &self.id).finish_non_exhaustive()
    }
}
