//! Answers of many clients to one broadcast.

use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use futures_core::Stream;
use tokio::sync::Notify;

use crate::lock::lock;
use crate::{AdapterError, JsonArgs, Missing, NodeId, SocketId};

/// How one client answered a broadcast.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClientAck {
    /// Which client, if its node says; nodes that run the official server do not.
    pub socket: Option<SocketId>,
    /// The arguments of its ack, or why there are none.
    pub result: Result<JsonArgs, AckError>,
}

/// Why a client that was asked for an ack gave none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum AckError {
    /// It did not answer in time.
    #[error("the client did not acknowledge the event in time")]
    Timeout,
    /// It left before it answered.
    #[error("the client disconnected before it acknowledged the event")]
    Disconnected,
    /// So many of its answers are waited for that it was not asked.
    #[error("{max} answers of the client are waited for")]
    TooMany {
        /// The limit.
        max: usize,
    },
}

/// The answers to a broadcast as they arrive: one per client that was asked, then the end.
///
/// The stream ends when every client has answered, failed to, or left, and every node has answered or is counted as
/// missing. Dropping it forgets the answers that are still to come.
pub struct AckStream(Arc<Shared>);

/// All answers to a broadcast, what [`AckStream::finish`] returns.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct BroadcastAcks {
    /// One per client that was asked, in the order of arrival.
    pub acks: Vec<ClientAck>,
    /// The nodes that did not say whom they asked.
    pub missing: Missing,
    /// Why nodes could not be asked.
    pub error: Option<AdapterError>,
}

/// Where nodes put the answers of their clients.
///
/// The stream ends when every clone of it, and every [`PendingAck`] made from it, is gone.
#[derive(Clone)]
pub struct AckSink(Arc<OpenEnd>);

/// The duty to tell how one client answered. It can be done once; dropped, it says [`AckError::Disconnected`].
#[derive(Debug)]
pub struct PendingAck {
    sink: AckSink,
    socket: Option<SocketId>,
    is_resolved: bool,
}

impl AckStream {
    /// A stream, and where to put what it yields.
    #[must_use]
    pub fn channel() -> (AckSink, Self) {
        let shared = Arc::new(Shared {
            state: Mutex::new(State { is_read: true, is_open: true, ..State::default() }),
            unread: Notify::new(),
        });
        (AckSink(Arc::new(OpenEnd(Arc::clone(&shared)))), Self(shared))
    }

    /// Waits for the next answer; `None` is the end.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: an answer leaves the stream only when it is returned.
    pub async fn next(&mut self) -> Option<ClientAck> {
        poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }

    /// Waits for all answers.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: answers that came already are dropped with it. Use [`next`](Self::next) to keep them.
    pub async fn finish(mut self) -> BroadcastAcks {
        let mut acks = Vec::new();
        while let Some(ack) = self.next().await {
            acks.push(ack);
        }
        let mut state = lock(&self.0.state);
        BroadcastAcks { acks, missing: std::mem::take(&mut state.missing), error: state.error.take() }
    }

    /// The nodes known to be missing by now; complete when the stream has ended.
    #[must_use]
    pub fn missing(&self) -> Missing {
        lock(&self.0.state).missing.clone()
    }

    /// Takes out why nodes could not be asked, if that happened.
    pub fn take_error(&mut self) -> Option<AdapterError> {
        lock(&self.0.state).error.take()
    }
}

impl Stream for AckStream {
    type Item = ClientAck;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<ClientAck>> {
        let mut state = lock(&self.0.state);
        match state.queue.pop_front() {
            Some(ack) => Poll::Ready(Some(ack)),
            None if !state.is_open => Poll::Ready(None),
            None => {
                if !state.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
                    state.waker = Some(cx.waker().clone());
                }
                Poll::Pending
            }
        }
    }
}

impl Drop for AckStream {
    fn drop(&mut self) {
        let mut state = lock(&self.0.state);
        state.is_read = false;
        // What user code the values run when they are dropped must not meet the lock.
        let (queue, waker) = (std::mem::take(&mut state.queue), state.waker.take());
        drop(state);
        drop((queue, waker));
        self.0.unread.notify_waiters();
    }
}

impl fmt::Debug for AckStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AckStream").finish_non_exhaustive()
    }
}

impl AckSink {
    /// Announces that a client is asked. Its answer arrives through the returned value, exactly once.
    #[must_use = "dropping it tells that the client disconnected"]
    pub fn asked(&self, socket: impl Into<Option<SocketId>>) -> PendingAck {
        PendingAck { sink: self.clone(), socket: socket.into(), is_resolved: false }
    }

    /// Tells that a node did not answer.
    pub fn missing(&self, node: NodeId) {
        lock(&self.shared().state).missing.nodes.push(node);
    }

    /// Tells that `n` nodes without known ids did not answer.
    pub fn missing_unnamed(&self, n: usize) {
        lock(&self.shared().state).missing.n_unnamed += n;
    }

    /// Tells why nodes could not be asked; the first reason is kept.
    pub fn error(&self, error: AdapterError) {
        lock(&self.shared().state).error.get_or_insert(error);
    }

    /// Whether nobody reads the answers any more.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        !lock(&self.shared().state).is_read
    }

    /// Waits until nobody reads the answers any more. The future does not keep the stream open.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub fn closed(&self) -> impl Future<Output = ()> + Send + use<> {
        let shared = Arc::clone(&self.0.0);
        async move {
            // Made before the look at the state, so that the end is not missed between the two.
            let unread = shared.unread.notified();
            let is_read = lock(&shared.state).is_read;
            if is_read {
                unread.await;
            }
        }
    }

    fn push(&self, ack: ClientAck) {
        let mut state = lock(&self.shared().state);
        if state.is_read {
            state.queue.push_back(ack);
            let waker = state.waker.take();
            drop(state);
            waker.into_iter().for_each(Waker::wake);
        }
    }

    fn shared(&self) -> &Shared {
        &self.0.0
    }
}

impl fmt::Debug for AckSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AckSink").finish_non_exhaustive()
    }
}

impl PendingAck {
    /// The client that was asked, if it has a name.
    #[must_use]
    pub fn socket(&self) -> Option<&SocketId> {
        self.socket.as_ref()
    }

    /// Whether nobody waits for the answer any more.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.sink.is_closed()
    }

    /// Tells how the client answered.
    pub fn resolve(mut self, result: Result<JsonArgs, AckError>) {
        self.is_resolved = true;
        self.sink.push(ClientAck { socket: self.socket.take(), result });
    }
}

impl Drop for PendingAck {
    fn drop(&mut self) {
        if !self.is_resolved {
            self.sink.push(ClientAck { socket: self.socket.take(), result: Err(AckError::Disconnected) });
        }
    }
}

/// One per stream: the answers that were not read yet. There is at most one for each client that was asked.
struct Shared {
    state: Mutex<State>,
    /// Tells those who would answer that the stream was dropped.
    unread: Notify,
}

#[derive(Default)]
struct State {
    queue: VecDeque<ClientAck>,
    missing: Missing,
    error: Option<AdapterError>,
    waker: Option<Waker>,
    is_read: bool,
    is_open: bool,
}

/// Held by all sinks together; its end is the end of the stream.
struct OpenEnd(Arc<Shared>);

impl Drop for OpenEnd {
    fn drop(&mut self) {
        let mut state = lock(&self.0.state);
        state.is_open = false;
        let waker = state.waker.take();
        drop(state);
        waker.into_iter().for_each(Waker::wake);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(json: &str) -> JsonArgs {
        JsonArgs::new(json, vec![])
    }

    #[tokio::test]
    async fn every_client_answers_exactly_once_and_then_the_stream_ends() {
        let (sink, mut stream) = AckStream::channel();
        let (a, b, c) = (sink.asked(SocketId::from("a")), sink.asked(SocketId::from("b")), sink.asked(None));
        drop(sink);
        b.resolve(Ok(args("[1]")));
        a.resolve(Err(AckError::Timeout));
        assert_eq!(
            stream.next().await,
            Some(ClientAck { socket: Some("b".into()), result: Ok(args("[1]")) })
        );
        drop(c);
        let rest = stream.finish().await;
        assert_eq!(
            rest.acks,
            [
                ClientAck { socket: Some("a".into()), result: Err(AckError::Timeout) },
                ClientAck { socket: None, result: Err(AckError::Disconnected) },
            ]
        );
        assert!(rest.missing.is_empty());
    }

    #[tokio::test]
    async fn an_answer_wakes_whoever_waits() {
        let (sink, mut stream) = AckStream::channel();
        let waiting = tokio::spawn(async move { (stream.next().await, stream.next().await) });
        tokio::task::yield_now().await;
        sink.asked(SocketId::from("a")).resolve(Ok(args("[]")));
        tokio::task::yield_now().await;
        drop(sink);
        let (first, end) = waiting.await.expect("the reader ends");
        assert_eq!(first.and_then(|ack| ack.socket), Some("a".into()));
        assert_eq!(end, None);
    }

    #[tokio::test]
    async fn missing_nodes_are_named() {
        let (sink, stream) = AckStream::channel();
        sink.missing("n2".into());
        sink.missing_unnamed(1);
        sink.error(crate::AdapterErrorKind::LinkDown.into());
        drop(sink);
        let acks = stream.finish().await;
        assert_eq!(acks.missing.nodes, ["n2"]);
        assert_eq!(acks.missing.len(), 2);
        assert_eq!(acks.error.map(|error| error.kind()), Some(crate::AdapterErrorKind::LinkDown));
    }

    #[test]
    fn answers_nobody_reads_are_not_kept() {
        let (sink, stream) = AckStream::channel();
        let pending = sink.asked(SocketId::from("a"));
        assert!(!pending.is_closed());
        drop(stream);
        assert!(sink.is_closed());
        assert!(pending.is_closed());
        pending.resolve(Ok(args("[]")));
        assert!(lock(&sink.shared().state).queue.is_empty());
    }
    #[tokio::test]
    async fn those_who_would_answer_hear_that_the_stream_was_dropped() {
        let (sink, mut stream) = AckStream::channel();
        let closed = tokio::spawn(sink.closed());
        tokio::task::yield_now().await;
        assert!(!closed.is_finished());
        drop(stream);
        closed.await.expect("it ends");
        sink.closed().await;
        (_, stream) = AckStream::channel();
        assert_eq!(stream.next().await, None);
    }

    #[tokio::test]
    async fn who_waits_for_the_reader_to_go_does_not_keep_the_stream_open() {
        let (sink, mut stream) = AckStream::channel();
        let closed = sink.closed();
        drop(sink);
        assert_eq!(stream.next().await, None);
        drop(stream);
        closed.await;
    }
}
