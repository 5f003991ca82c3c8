//! What a namespace does with all of its sockets.

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::broadcast::{AckStream, Broadcast};
use crate::namespace::Namespace;

/// Operations on all sockets of the namespace, on all nodes. [`to`](Self::to) and [`except`](Self::except) address
/// fewer.
impl Namespace {
    /// Addresses all sockets, and waits this long for answers; see [`Broadcast::timeout`].
    #[must_use]
    pub fn timeout(&self, timeout: Duration) -> Broadcast {
        self.all().timeout(timeout)
    }

    /// Sends an event to all sockets and waits for the answer of each; see [`Broadcast::emit_with_ack`].
    pub fn emit_with_ack<T: DeserializeOwned>(&self, event: &str, args: impl Serialize) -> AckStream<T> {
        self.all().emit_with_ack(event, args)
    }
}
