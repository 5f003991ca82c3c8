//! What the layer above implements.

use std::fmt;

use engine_io_parser::Message;
use http::HeaderMap;

use crate::{CloseReason, Session};

/// The application of an engine: told of every new session.
///
/// It is called on the task that carries the session's first request; it must not block.
pub trait Handler: Send + Sync + 'static {
    /// A session is open. What this returns gets its messages; the session may be written to at once.
    fn on_open(&self, session: Session) -> Box<dyn SessionHandler>;
}

/// What receives the messages of one session.
///
/// The methods are never called concurrently for one session. They run on the task that read the message and must
/// not block.
pub trait SessionHandler: Send + 'static {
    /// A message came in. Messages are handed over once and in the order in which the peer sent them, also across an
    /// upgrade.
    fn on_message(&mut self, incoming: Incoming<'_>) -> Flow;

    /// The session is closed: nothing can be sent, and no message follows. Called exactly once, promptly, even while
    /// messages that were sent before are still on their way.
    ///
    /// `detail` says more for an operator to read, if more is known: which rule a frame broke, say.
    fn on_close(self: Box<Self>, reason: CloseReason, detail: Option<&str>);
}

/// Whether the engine may go on reading a session's messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Flow {
    /// Go on.
    Continue,
    /// Read nothing more of this session until [`Session::resume`] is called.
    ///
    /// Meanwhile the peer is held back by its transport, and its heartbeat deadline stands still.
    Pause,
}

/// A message together with what is known of the request that brought it.
pub struct Incoming<'a> {
    /// The message.
    pub message: Message,
    headers: Option<&'a HeaderMap>,
}

impl<'a> Incoming<'a> {
    pub(crate) fn new(message: Message, headers: Option<&'a HeaderMap>) -> Self {
        Self { message, headers }
    }

    /// The headers of the POST that brought the message; none for a message that came over a WebSocket, whose only
    /// request is the one that [`Session::request`] keeps or that of its upgrade.
    #[must_use]
    pub fn headers(&self) -> Option<&'a HeaderMap> {
        self.headers
    }
}

impl fmt::Debug for Incoming<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Incoming").field("message", &self.message).finish_non_exhaustive()
    }
}
