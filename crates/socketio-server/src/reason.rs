//! Why a socket left its namespace.

use std::fmt;

/// Why a [`Socket`](crate::Socket) left its namespace, in the official server's words.
///
/// [`as_str`](Self::as_str) gives the strings that the official server hands to its `disconnect` listeners, so code
/// that compares reasons keeps working. `SlowConsumer`, `RateLimited` and `SessionTakenOver` exist only here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DisconnectReason {
    /// A request or a frame broke the rules of its transport, or a request was aborted.
    TransportError,
    /// The client closed the connection.
    TransportClose,
    /// The client sent bytes that are not Engine.IO packets.
    ParseError,
    /// The client answered no ping in time.
    PingTimeout,
    /// The client broke the Socket.IO protocol, or the application closed the connection.
    ForcedClose,
    /// The client joined no namespace within [`connect_timeout`](crate::Builder::connect_timeout).
    ForcedServerClose,
    /// The server is shutting down.
    ServerShuttingDown,
    /// The client left the namespace.
    ClientNamespaceDisconnect,
    /// The application called [`Socket::disconnect`](crate::Socket::disconnect).
    ServerNamespaceDisconnect,
    /// The client took its messages too slowly and the limit of its outbox was reached.
    SlowConsumer,
    /// The client sent more than it may.
    RateLimited,
    /// The same client came back on another connection and took its session over.
    SessionTakenOver,
}

impl DisconnectReason {
    /// The reason as the official server spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TransportError => "transport error",
            Self::TransportClose => "transport close",
            Self::ParseError => "parse error",
            Self::PingTimeout => "ping timeout",
            Self::ForcedClose => "forced close",
            Self::ForcedServerClose => "forced server close",
            Self::ServerShuttingDown => "server shutting down",
            Self::ClientNamespaceDisconnect => "client namespace disconnect",
            Self::ServerNamespaceDisconnect => "server namespace disconnect",
            Self::SlowConsumer => "slow consumer",
            Self::RateLimited => "rate limited",
            Self::SessionTakenOver => "session taken over",
        }
    }

    /// Whether the client may come back and go on where it was: the connection broke, but nobody meant to end it.
    #[must_use]
    pub const fn is_recoverable(self) -> bool {
        match self {
            Self::TransportError
            | Self::TransportClose
            | Self::PingTimeout
            | Self::ForcedClose
            | Self::ForcedServerClose
            | Self::ServerShuttingDown
            | Self::SlowConsumer
            | Self::SessionTakenOver => true,
            Self::ParseError
            | Self::ClientNamespaceDisconnect
            | Self::ServerNamespaceDisconnect
            | Self::RateLimited => false,
        }
    }
}

impl fmt::Display for DisconnectReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_spelt_as_by_the_official_server_and_recoverable_as_there() {
        use DisconnectReason as R;
        let table = [
            (R::TransportError, "transport error", true),
            (R::TransportClose, "transport close", true),
            (R::ForcedClose, "forced close", true),
            (R::PingTimeout, "ping timeout", true),
            (R::ServerShuttingDown, "server shutting down", true),
            (R::ForcedServerClose, "forced server close", true),
            (R::ParseError, "parse error", false),
            (R::ClientNamespaceDisconnect, "client namespace disconnect", false),
            (R::ServerNamespaceDisconnect, "server namespace disconnect", false),
        ];
        for (reason, text, recoverable) in table {
            assert_eq!(reason.to_string(), text);
            assert_eq!(reason.is_recoverable(), recoverable, "{text}");
        }
    }
}
