//! The answers of many clients to one event.

use std::fmt;
use std::future::{Future, IntoFuture, poll_fn};
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use serde::de::DeserializeOwned;
use socketio_adapter as adapter;
use socketio_adapter::{AdapterError, Missing, SocketId};

use crate::error::{AckError, EmitError};
use crate::json_args;
use crate::namespace::NamespaceInner;

/// How one client answered: which one (nodes that run the official server do not say), and the answer read as `T` or
/// why there is none.
pub type ClientAck<T> = (Option<SocketId>, Result<T, AckError>);

/// The answers of many clients to one event; what [`Broadcast::emit_with_ack`](crate::Broadcast::emit_with_ack)
/// returns.
///
/// It can be read in two ways. As a stream, with [`next`](Self::next) or as a [`Stream`], it yields each answer when it
/// comes. Awaited, it is all answers that were not taken yet, as [`Acks`]. Either way it ends when each client that was
/// asked has answered, has left, or has had its time: a client that leaves is not waited for.
///
/// ```
/// use std::time::Duration;
///
/// # async fn demo(io: socketio_server::Server) -> Result<(), socketio_server::EmitError> {
/// let acks = io.to("players").timeout(Duration::from_secs(5)).emit_with_ack::<u32>("score?", ()).await?;
/// println!("{} of {} have answered", acks.values().count(), acks.acks.len());
/// for id in acks.unanswered() {
///     println!("{id} has not");
/// }
///
/// let mut votes = io.emit_with_ack::<bool>("vote", "lunch?");
/// while let Some((socket, vote)) = votes.next().await {
///     println!("{socket:?}: {vote:?}");
/// }
/// # Ok(())
/// # }
/// ```
///
/// Memory: one answer per client that was asked, until it is read; while one is waited for, about 100 bytes per client
/// and a task.
///
/// # Cancel safety
///
/// The event was sent before. Dropping the stream forgets the answers, and nothing of them is kept.
pub struct AckStream<T> {
    namespace: Arc<NamespaceInner>,
    event: Box<str>,
    state: State,
    _answer: PhantomData<fn() -> T>,
}

enum State {
    /// Nobody was asked; the error is told once.
    Failed(Option<EmitError>),
    Open(adapter::AckStream),
}

/// All answers to a broadcast, in the order of their arrival; what an awaited [`AckStream`] is.
///
/// A part of the answers is an answer: nothing of what came is lost because somebody else was silent.
#[derive(Debug)]
#[non_exhaustive]
pub struct Acks<T> {
    /// One per client that was asked.
    pub acks: Vec<ClientAck<T>>,
    /// The nodes that did not say whom they asked.
    pub missing: Missing,
    /// Why other nodes could not be asked.
    pub error: Option<AdapterError>,
}

impl<T> AckStream<T> {
    pub(super) fn new(
        namespace: &Arc<NamespaceInner>,
        event: &str,
        sent: Result<adapter::AckStream, EmitError>,
    ) -> Self {
        let state = match sent {
            Ok(stream) => State::Open(stream),
            Err(error) => State::Failed(Some(error)),
        };
        Self { namespace: Arc::clone(namespace), event: event.into(), state, _answer: PhantomData }
    }

    /// Why nobody, or nobody on other nodes, could be asked; it is told once.
    pub(super) fn take_error(&mut self) -> Option<EmitError> {
        match &mut self.state {
            State::Failed(error) => error.take(),
            State::Open(stream) => stream.take_error().map(EmitError::Adapter),
        }
    }

    /// The nodes known by now not to have said whom they asked.
    #[must_use]
    pub fn missing(&self) -> Missing {
        match &self.state {
            State::Failed(_) => Missing::default(),
            State::Open(stream) => stream.missing(),
        }
    }
}

impl<T: DeserializeOwned> AckStream<T> {
    /// Waits for the next answer; `None` is the end.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: an answer leaves the stream only when it is returned.
    pub async fn next(&mut self) -> Option<ClientAck<T>> {
        poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }
}

impl<T: DeserializeOwned> Stream for AckStream<T> {
    type Item = ClientAck<T>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<ClientAck<T>>> {
        let State::Open(stream) = &mut self.state else { return Poll::Ready(None) };
        Pin::new(stream).poll_next(cx).map(|ack| ack.map(|ack| (ack.socket, read(ack.result))))
    }
}

fn read<T: DeserializeOwned>(result: Result<adapter::JsonArgs, adapter::AckError>) -> Result<T, AckError> {
    let args = json_args::read_answer(&result.map_err(AckError::of_client)?).map_err(AckError::Malformed)?;
    Ok(args.get()?)
}

impl<T: DeserializeOwned> IntoFuture for AckStream<T> {
    type Output = Result<Acks<T>, EmitError>;
    type IntoFuture = CollectAcks<T>;

    fn into_future(self) -> CollectAcks<T> {
        CollectAcks { stream: self, acks: Vec::new() }
    }
}

impl<T> Drop for AckStream<T> {
    fn drop(&mut self) {
        if let State::Failed(Some(error @ EmitError::Encode(_))) = &self.state {
            self.namespace.report_emit(&self.event, error);
        }
    }
}

impl<T> fmt::Debug for AckStream<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AckStream").field("event", &self.event).finish_non_exhaustive()
    }
}

/// The wait that an awaited [`AckStream`] is. It ends with an error only if nobody was asked.
///
/// # Cancel safety
///
/// Not cancel safe: answers that came are dropped with it. Use [`AckStream::next`] to keep them.
#[must_use = "futures do nothing unless polled"]
pub struct CollectAcks<T> {
    stream: AckStream<T>,
    acks: Vec<ClientAck<T>>,
}

/// No value is pinned: they are only collected.
impl<T> Unpin for CollectAcks<T> {}

impl<T: DeserializeOwned> Future for CollectAcks<T> {
    type Output = Result<Acks<T>, EmitError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        while let Some(ack) = ready!(Pin::new(&mut this.stream).poll_next(cx)) {
            this.acks.push(ack);
        }
        let missing = this.stream.missing();
        let error = match this.stream.take_error() {
            Some(EmitError::Adapter(error)) => Some(error),
            Some(error) => return Poll::Ready(Err(error)),
            None => None,
        };
        Poll::Ready(Ok(Acks { acks: std::mem::take(&mut this.acks), missing, error }))
    }
}

impl<T> fmt::Debug for CollectAcks<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CollectAcks").field("stream", &self.stream).finish_non_exhaustive()
    }
}

impl<T> Acks<T> {
    /// The answers.
    pub fn values(&self) -> impl Iterator<Item = &T> {
        self.acks.iter().filter_map(|(_, result)| result.as_ref().ok())
    }

    /// The answers alone, in the order of their arrival.
    #[must_use]
    pub fn into_values(self) -> Vec<T> {
        self.acks.into_iter().filter_map(|(_, result)| result.ok()).collect()
    }

    /// The clients that were asked and gave no answer, as far as their nodes name them.
    pub fn unanswered(&self) -> impl Iterator<Item = &SocketId> {
        self.acks.iter().filter(|(_, result)| is_silent(result)).filter_map(|(socket, _)| socket.as_ref())
    }

    /// Whether each client that was asked has answered, and no node is missing.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.missing.is_empty()
            && self.error.is_none()
            && !self.acks.iter().any(|(_, result)| is_silent(result))
    }
}

fn is_silent<T>(result: &Result<T, AckError>) -> bool {
    matches!(result, Err(error) if !error.is_answer())
}
