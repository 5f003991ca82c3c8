//! What an emit or a join returns: done already, may be dropped, may be awaited.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use socketio_adapter::Receipt;
use socketio_adapter::rooms::JoinError;
use tokio::sync::oneshot;

use crate::Socket;
use crate::error::{EmitError, HandlerError, JoinRoomError};
use crate::namespace::{NamespaceInner, Receipts};

/// An event that was emitted: local outboxes have it already.
///
/// Drop it, and that is that; an encoding error goes to the namespace's [`on_error`](crate::Namespace::on_error) hook
/// then, or to the log if it was a broadcast.
/// Await it to slow down with a slow client: it ends when no more than 1 MiB waits in the outbox, or, for a broadcast, when all
/// recipients were woken and the other nodes have been sent the event. It never waits for the slowest of many clients.
///
/// A handler may return it.
pub struct Emit {
    origin: Origin,
    event: Option<Box<str>>,
    result: Result<(), EmitError>,
    receipt: Option<Receipt>,
    waking: Option<oneshot::Receiver<()>>,
}

enum Origin {
    Socket(Socket),
    Namespace(Arc<NamespaceInner>),
    Nothing,
}

impl Emit {
    pub(crate) fn to_socket(socket: &Socket, event: &str, result: Result<(), EmitError>) -> Self {
        // The name is of interest only if there is something to report.
        let event = result.is_err().then(|| event.into());
        Self { origin: Origin::Socket(socket.clone()), event, result, receipt: None, waking: None }
    }

    pub(crate) fn to_namespace(
        namespace: &Arc<NamespaceInner>,
        receipt: Receipt,
        waking: Option<oneshot::Receiver<()>>,
    ) -> Self {
        let origin = Origin::Namespace(Arc::clone(namespace));
        Self { origin, event: None, result: Ok(()), receipt: Some(receipt), waking }
    }

    pub(crate) fn failed(namespace: &Arc<NamespaceInner>, event: &str, error: EmitError) -> Self {
        let origin = Origin::Namespace(Arc::clone(namespace));
        Self { origin, event: Some(event.into()), result: Err(error), receipt: None, waking: None }
    }

    pub(crate) fn nothing() -> Self {
        Self { origin: Origin::Nothing, event: None, result: Ok(()), receipt: None, waking: None }
    }

    /// How the local part went, without waiting for anything.
    ///
    /// # Errors
    ///
    /// [`EmitError`] says why nothing was sent.
    pub fn into_local_result(mut self) -> Result<(), EmitError> {
        std::mem::replace(&mut self.result, Ok(()))
    }
}

impl Drop for Emit {
    fn drop(&mut self) {
        if let Err(error @ EmitError::Encode(_)) = std::mem::replace(&mut self.result, Ok(())) {
            let event = self.event.as_deref().unwrap_or_default();
            match &self.origin {
                Origin::Socket(socket) => socket.inner().report(event, &HandlerError::Emit(error)),
                Origin::Namespace(namespace) => namespace.report_emit(event, &error),
                Origin::Nothing => {}
            }
        }
    }
}

impl IntoFuture for Emit {
    type Output = Result<(), EmitError>;
    type IntoFuture = EmitFuture;

    fn into_future(self) -> EmitFuture {
        EmitFuture { emit: self }
    }
}

impl fmt::Debug for Emit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Emit").field("result", &self.result).finish_non_exhaustive()
    }
}

/// The wait that an awaited [`Emit`] is.
///
/// # Cancel safety
///
/// Cancel safe: the event is sent already.
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct EmitFuture {
    emit: Emit,
}

impl Future for EmitFuture {
    type Output = Result<(), EmitError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let emit = &mut self.emit;
        if emit.result.is_err() {
            return Poll::Ready(std::mem::replace(&mut emit.result, Ok(())));
        }
        if let Some(waking) = &mut emit.waking {
            match Pin::new(waking).poll(cx) {
                Poll::Ready(_) => emit.waking = None,
                Poll::Pending => return Poll::Pending,
            }
        }
        if let Some(receipt) = &mut emit.receipt {
            match Pin::new(receipt).poll(cx) {
                Poll::Ready(Ok(())) => emit.receipt = None,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error.into())),
                Poll::Pending => return Poll::Pending,
            }
        }
        let Origin::Socket(socket) = &emit.origin else { return Poll::Ready(Ok(())) };
        if socket.is_connected() { socket.conn().poll_writable(cx) } else { Poll::Ready(()) }.map(Ok)
    }
}

/// Rooms that were joined or left: done already on this node.
///
/// Drop it, and a refusal goes to the namespace's [`on_error`](crate::Namespace::on_error) hook. Await it to have the
/// refusal, and to wait until events that other nodes send to the rooms arrive here.
///
/// A handler may return it.
pub struct Joined {
    socket: Socket,
    result: Result<Receipts, JoinError>,
}

impl Joined {
    pub(crate) fn new(socket: &Socket, result: Result<Receipts, JoinError>) -> Self {
        Self { socket: socket.clone(), result }
    }

    /// How the local part went, without waiting for anything.
    ///
    /// # Errors
    ///
    /// [`JoinRoomError::Refused`] says why the rooms were not joined.
    pub fn into_local_result(mut self) -> Result<(), JoinRoomError> {
        self.take_result()?;
        Ok(())
    }

    fn take_result(&mut self) -> Result<Receipts, JoinError> {
        std::mem::replace(&mut self.result, Ok(Receipts::new()))
    }
}

impl Drop for Joined {
    fn drop(&mut self) {
        if let Err(error) = self.take_result() {
            self.socket.inner().report("join", &HandlerError::Join(error.into()));
        }
    }
}

impl IntoFuture for Joined {
    type Output = Result<(), JoinRoomError>;
    type IntoFuture = JoinedFuture;

    fn into_future(mut self) -> JoinedFuture {
        JoinedFuture(self.take_result().map_err(Some))
    }
}

impl fmt::Debug for Joined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Joined").field("result", &self.result).finish_non_exhaustive()
    }
}

/// The wait that an awaited [`Joined`] is.
///
/// # Cancel safety
///
/// Cancel safe: the rooms are joined already.
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct JoinedFuture(Result<Receipts, Option<JoinError>>);

impl Future for JoinedFuture {
    type Output = Result<(), JoinRoomError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let receipts = match &mut self.0 {
            Ok(receipts) => receipts,
            Err(error) => return Poll::Ready(error.take().map_or(Ok(()), |error| Err(error.into()))),
        };
        while let Some(receipt) = receipts.last_mut() {
            match Pin::new(receipt).poll(cx) {
                Poll::Ready(Ok(())) => drop(receipts.pop()),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error.into())),
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(Ok(()))
    }
}
