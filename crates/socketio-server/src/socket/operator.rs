//! How events are sent to one client, where it is not as usual.

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use socketio_adapter::BroadcastFlags;
use socketio_parser::EncodedPacket;

use crate::emit::Emit;
use crate::error::EmitError;
use crate::{AckFuture, Socket};

/// Sends events to one client: those that it may miss ([`volatile`](Self::volatile)), that are not compressed
/// ([`compress`](Self::compress)), or whose answers are waited for so long ([`timeout`](Self::timeout)).
///
/// The methods of these names on [`Socket`] return it. They may follow each other in any order; nothing happens before
/// [`emit`](Self::emit) or another last word.
///
/// ```
/// use std::time::Duration;
///
/// # async fn demo(socket: socketio_server::Socket) -> Result<(), socketio_server::AckError> {
/// socket.volatile().compress(false).emit("frame", [0; 2000].as_slice());
/// let seen: bool = socket.timeout(Duration::from_secs(5)).compress(false).emit_with_ack("token", "…").await?;
/// # let _ = seen;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy)]
pub struct SocketOperator<'a> {
    socket: &'a Socket,
    flags: BroadcastFlags,
}

impl<'a> SocketOperator<'a> {
    pub(super) fn new(socket: &'a Socket) -> Self {
        Self { socket, flags: BroadcastFlags::default() }
    }

    /// A client that is not ready to receive at the instant of the emit misses the event.
    #[must_use]
    pub fn volatile(mut self) -> Self {
        self.flags.volatile = true;
        self
    }

    /// Whether the client's transport may compress the event. Default: true; see [`Socket::compress`].
    #[must_use]
    pub fn compress(mut self, compress: bool) -> Self {
        self.flags.compress = Some(compress);
        self
    }

    /// Waits this long for the answer to [`emit_with_ack`](Self::emit_with_ack).
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.flags.timeout = Some(timeout);
        self
    }

    /// Sends an event; see [`Socket::emit`]. One that is volatile is dropped as a whole if the client is not ready to
    /// receive at this instant.
    pub fn emit<T: Serialize>(self, event: &str, args: T) -> Emit {
        let Self { socket, flags } = self;
        let result = if socket.0.session().is_some() {
            socket.emit_logged(event, &args, &flags)
        } else {
            let packet = socket.encode(event, None, &args).map_err(EmitError::from);
            packet.and_then(|packet| {
                let packet = flagged(packet, &flags);
                socket.0.tell_listeners(packet.frames());
                if flags.volatile {
                    socket.0.queue_volatile(packet.frames()).map(drop)
                } else {
                    socket.0.queue(packet.frames()).map(drop)
                }
            })
        };
        Emit::to_socket(socket, event, result)
    }

    /// Sends the event `message`.
    pub fn send<T: Serialize>(self, args: T) -> Emit {
        self.emit("message", args)
    }

    /// Sends an event and waits for the client's answer; see [`Socket::emit_with_ack`].
    ///
    /// It does not go together with [`volatile`](Self::volatile): whoever is asked gets the event.
    pub fn emit_with_ack<T: DeserializeOwned>(self, event: &str, args: impl Serialize) -> AckFuture<T> {
        let Self { socket, flags } = self;
        let answer = socket.ask(event, &args, &flags);
        match flags.timeout {
            Some(timeout) => answer.timeout(timeout),
            None => answer,
        }
    }
}

/// The packet as the flags want it; of these, `compress` counts.
pub(super) fn flagged(packet: EncodedPacket, flags: &BroadcastFlags) -> EncodedPacket {
    if flags.may_compress() { packet } else { packet.without_compression() }
}
