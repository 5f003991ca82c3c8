//! Why a session ended, in the official server's words.

use std::fmt;

/// Why a session (or a Socket.IO socket on it) ended.
///
/// [`as_str`](Self::as_str) gives the strings of the official server, so that code which compares reasons keeps
/// working; the last three are ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CloseReason {
    /// A request or a frame broke the rules of its transport, or a request was aborted.
    TransportError,
    /// The peer closed the connection, or said that it would.
    TransportClose,
    /// The peer sent bytes that are not Engine.IO packets.
    ParseError,
    /// No pong came in time.
    PingTimeout,
    /// The layer above closed the session, most often for a protocol violation.
    ForcedClose,
    /// The peer joined no namespace in time.
    ForcedServerClose,
    /// The server is shutting down.
    ServerShuttingDown,
    /// The peer took its messages too slowly and the limit of its outbox was reached.
    SlowConsumer,
    /// The peer sent more than it may.
    RateLimited,
    /// The same client came back on another connection and took its session over.
    SessionTakenOver,
}

impl CloseReason {
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
            Self::SlowConsumer => "slow consumer",
            Self::RateLimited => "rate limited",
            Self::SessionTakenOver => "session taken over",
        }
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_spelt_as_by_the_official_server() {
        let spelt = [
            (CloseReason::TransportError, "transport error"),
            (CloseReason::TransportClose, "transport close"),
            (CloseReason::ParseError, "parse error"),
            (CloseReason::PingTimeout, "ping timeout"),
            (CloseReason::ForcedClose, "forced close"),
            (CloseReason::ForcedServerClose, "forced server close"),
            (CloseReason::ServerShuttingDown, "server shutting down"),
        ];
        for (reason, text) in spelt {
            assert_eq!(reason.to_string(), text);
        }
    }
}
