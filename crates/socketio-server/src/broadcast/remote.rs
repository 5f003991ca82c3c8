//! A socket of any node, as it was when it was fetched.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_core::Stream;
use serde::Serialize;
use serde::de::DeserializeOwned;
use socketio_adapter::{NodeId, Room, SocketId, SocketSnapshot};

use crate::broadcast::{AckStream, Broadcast, IntoRooms};
use crate::emit::Emit;
use crate::error::AckError;
use crate::event::ExtractError;

/// A socket of any node, as it was when it was [fetched](crate::Broadcast::fetch_sockets); a clone is cheap.
///
/// Rooms, handshake and data are a snapshot, which does not follow the socket. What is sent to it, or done with it,
/// finds it wherever it is connected by now on the same id, and does nothing once it has left.
#[derive(Clone)]
pub struct RemoteSocket {
    snapshot: Arc<SocketSnapshot>,
    /// Addresses this socket.
    itself: Broadcast,
}

impl RemoteSocket {
    pub(super) fn new(everybody: Broadcast, snapshot: SocketSnapshot) -> Self {
        Self { itself: everybody.only(&snapshot.id), snapshot: Arc::new(snapshot) }
    }

    /// The public id.
    #[must_use]
    pub fn id(&self) -> &SocketId {
        &self.snapshot.id
    }

    /// The node that it is connected to; `None` is this one, or one that did not say.
    #[must_use]
    pub fn node(&self) -> Option<&NodeId> {
        self.snapshot.node.as_ref()
    }

    /// The rooms that it was in, its own included.
    #[must_use]
    pub fn rooms(&self) -> &[Room] {
        &self.snapshot.rooms
    }

    /// Its handshake, read as `T`: an object with the nine keys of the official server, as
    /// [`Handshake`](crate::Handshake) serializes.
    ///
    /// # Errors
    ///
    /// If it does not fit `T`.
    pub fn handshake<T: DeserializeOwned>(&self) -> Result<T, ExtractError> {
        serde_json::from_str(&self.snapshot.handshake).map_err(ExtractError::other)
    }

    /// What the application keeps with it and [shares](crate::SocketData::set_shared), read as `T`: an object with a key
    /// for each value; on nodes that run the official server, its `data`.
    ///
    /// # Errors
    ///
    /// If it does not fit `T`.
    pub fn data<T: DeserializeOwned>(&self) -> Result<T, ExtractError> {
        serde_json::from_str(&self.snapshot.data).map_err(ExtractError::other)
    }

    /// Sends it an event; see [`Broadcast::emit`].
    pub fn emit<T: Serialize>(&self, event: &str, args: T) -> Emit {
        self.itself.clone().emit(event, args)
    }

    /// The same socket, whose answers are waited for this long.
    #[must_use]
    pub fn timeout(&self, timeout: Duration) -> Self {
        Self { snapshot: Arc::clone(&self.snapshot), itself: self.itself.clone().timeout(timeout) }
    }

    /// The same socket, to which what is sent may be compressed or may not; see [`Socket::compress`](crate::Socket::compress).
    #[must_use]
    pub fn compress(&self, compress: bool) -> Self {
        Self { snapshot: Arc::clone(&self.snapshot), itself: self.itself.clone().compress(compress) }
    }

    /// Sends it an event and waits for its one answer, which is read as `T`.
    ///
    /// The future ends exactly once: with the answer, with [`AckError::Timeout`] (after 30 s, or what
    /// [`timeout`](Self::timeout) or [`Builder::ack_timeout`](crate::Builder::ack_timeout) says), or with
    /// [`AckError::Disconnected`].
    pub fn emit_with_ack<T: DeserializeOwned>(
        &self,
        event: &str,
        args: impl Serialize,
    ) -> RemoteAckFuture<T> {
        RemoteAckFuture(self.itself.clone().expecting_one().emit_with_ack(event, args))
    }

    /// Lets it join rooms.
    pub fn join(&self, rooms: impl IntoRooms) -> Emit {
        self.itself.clone().sockets_join(rooms)
    }

    /// Lets it leave rooms.
    pub fn leave(&self, rooms: impl IntoRooms) -> Emit {
        self.itself.clone().sockets_leave(rooms)
    }

    /// Makes it leave the namespace; its connection stays.
    pub fn disconnect(&self) -> Emit {
        self.itself.clone().disconnect_sockets()
    }

    /// Closes its connection, and with it its client's sockets in other namespaces.
    pub fn disconnect_client(&self) -> Emit {
        self.itself.clone().disconnect_clients()
    }
}

impl PartialEq for RemoteSocket {
    /// Whether both stand for the same socket, whenever they were fetched.
    fn eq(&self, other: &Self) -> bool {
        self.id() == other.id()
    }
}

impl Eq for RemoteSocket {}

impl fmt::Debug for RemoteSocket {
    /// Shows neither handshake nor data: there may be secrets in them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteSocket")
            .field("id", self.id())
            .field("node", &self.node())
            .field("rooms", &self.rooms())
            .finish_non_exhaustive()
    }
}

/// Waits for the answer of a [`RemoteSocket`].
///
/// # Cancel safety
///
/// The event was sent before. Dropping the future forgets the answer.
#[derive(Debug)]
#[must_use = "the answer is forgotten unless it is awaited"]
pub struct RemoteAckFuture<T>(AckStream<T>);

impl<T: DeserializeOwned> Future for RemoteAckFuture<T> {
    type Output = Result<T, AckError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let stream = &mut self.0;
        Poll::Ready(match ready!(Pin::new(&mut *stream).poll_next(cx)) {
            Some((_, result)) => result,
            // Nobody was asked: because that failed, because its node is silent, or because it has left.
            None => match stream.take_error() {
                Some(error) => Err(error.into()),
                None if !stream.missing().is_empty() => Err(AckError::Timeout),
                None => Err(AckError::Disconnected),
            },
        })
    }
}
