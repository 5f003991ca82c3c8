//! Sockets of all nodes, found and described.

use std::sync::Arc;

use socketio_adapter::{AdapterError, Fetched, Missing};

use crate::broadcast::{Broadcast, RemoteSocket};
use crate::namespace::NamespaceInner;

/// The sockets found by [`fetch_sockets`](Broadcast::fetch_sockets), those of this node first.
///
/// A part of the answer is an answer: a node that is silent costs the timeout and its own sockets, and is named.
///
/// ```
/// # async fn demo(io: socketio_server::Server) {
/// for socket in io.to("room").fetch_sockets().await {
///     println!("{} is in {:?}", socket.id(), socket.rooms());
///     socket.emit("hello", ());
/// }
/// # }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct FetchedSockets {
    /// The sockets.
    pub sockets: Vec<RemoteSocket>,
    /// The nodes that did not answer.
    pub missing: Missing,
    /// Why other nodes could not be asked.
    pub error: Option<AdapterError>,
}

impl FetchedSockets {
    pub(super) fn new(namespace: &Arc<NamespaceInner>, fetched: Fetched) -> Self {
        let Fetched { sockets, missing, error, .. } = fetched;
        let remote = |snapshot| RemoteSocket::new(Broadcast::new(namespace), snapshot);
        Self { sockets: sockets.into_iter().map(remote).collect(), missing, error }
    }

    /// Whether every node has answered.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.missing.is_empty() && self.error.is_none()
    }
}

impl IntoIterator for FetchedSockets {
    type Item = RemoteSocket;
    type IntoIter = std::vec::IntoIter<RemoteSocket>;

    fn into_iter(self) -> Self::IntoIter {
        self.sockets.into_iter()
    }
}
