//! What can go wrong, by whose fault.

use std::error::Error;

use serde::Serialize;
use socketio_adapter as adapter;
use socketio_adapter::AdapterError;
use socketio_adapter::rooms::JoinError;
use socketio_parser::{ArgsError, DecodeError, EncodeError};

use crate::event::ExtractError;

/// The options given to a [`Builder`](crate::Builder) do not fit together.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// An option must not be zero.
    #[error("`{option}` must not be zero")]
    Zero {
        /// Its name.
        option: &'static str,
    },
    /// A custom parser has limits of its own, so that `parser_limits` would do nothing.
    #[error("`parser_limits` has no effect on a custom parser")]
    LimitsOfCustomParser,
    /// The Engine.IO server refuses its options.
    #[error("the options of the engine do not fit together")]
    Engine(#[source] Box<dyn Error + Send + Sync>),
}

/// The adapter stays as it is: connections have been opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the adapter cannot be changed any more: a connection has been opened")]
pub struct AdapterFixed;

/// An event was not sent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EmitError {
    /// The socket has left its namespace, or has not joined it yet.
    #[error("the socket is not connected")]
    Disconnected,
    /// The client takes its messages too slowly; its connection is closed for that.
    #[error("the client takes its messages too slowly")]
    SlowConsumer,
    /// The arguments could not be encoded; nobody got them.
    #[error("the event could not be encoded")]
    Encode(#[from] EncodeError),
    /// The sockets of this node have got the event, other nodes have not.
    #[error("the event did not reach other nodes")]
    Adapter(#[from] AdapterError),
}

/// Why there is no answer to an event that was emitted with
/// [`emit_with_ack`](crate::Socket::emit_with_ack), to one client or to many.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AckError {
    /// The client did not answer in time.
    #[error("operation has timed out")]
    Timeout,
    /// The client left before it answered.
    #[error("the client disconnected before it answered")]
    Disconnected,
    /// So many answers of this client are waited for that the event was not sent.
    #[error("{max} answers of this client are waited for")]
    TooMany {
        /// The limit.
        max: usize,
    },
    /// The event could not be sent.
    #[error("the event was not sent")]
    Emit(#[from] EmitError),
    /// The answer does not fit the type that was expected.
    #[error("the answer does not fit the type that was expected")]
    Args(#[from] ArgsError),
    /// Another node passed something on that is no answer.
    #[error("another node passed on a malformed answer")]
    Malformed(#[source] DecodeError),
}

impl AckError {
    /// Why a client gave no answer to a broadcast, as its node tells it.
    pub(crate) fn of_client(error: adapter::AckError) -> Self {
        match error {
            adapter::AckError::Timeout => Self::Timeout,
            adapter::AckError::TooMany { max } => Self::TooMany { max },
            _ => Self::Disconnected,
        }
    }

    /// Whether somebody answered, though not with what was expected.
    pub(crate) fn is_answer(&self) -> bool {
        matches!(self, Self::Args(_) | Self::Malformed(_))
    }
}

/// A handler failed. Its client learns nothing of it; the namespace's error hook and the log do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HandlerError {
    /// An argument of the handler could not be made, so it was not called.
    #[error("the handler was not called")]
    Extract(#[from] ExtractError),
    /// It returned an error.
    #[error("the handler failed")]
    Failed(#[source] Box<dyn Error + Send + Sync>),
    /// It panicked.
    #[error("the handler panicked: {message}")]
    Panicked {
        /// What it panicked with, if that was text.
        message: String,
    },
    /// The middlewares of an event took longer than
    /// [`middleware_timeout`](crate::Builder::middleware_timeout); its handlers were not called.
    #[error("the middlewares of the event took longer than {timeout:?}")]
    MiddlewareTimeout {
        /// The limit.
        timeout: std::time::Duration,
    },
    /// An event could not be sent, and nobody looked at the value that said so.
    #[error("an emit failed")]
    Emit(#[source] EmitError),
    /// A room could not be joined, and nobody looked at the value that said so.
    #[error("a room could not be joined")]
    Join(#[source] JoinRoomError),
    /// The handler took the [`Ack`](crate::Ack) and returned a [`Reply`](crate::Reply) as well.
    #[error("a reply was returned, but the ack had been taken")]
    AckTaken,
}

/// A room was not joined, or other nodes were not told.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JoinRoomError {
    /// A rule or a limit stands against it.
    #[error(transparent)]
    Refused(#[from] JoinError),
    /// It was joined on this node, but the adapter could not subscribe to it.
    #[error("the room was joined on this node only")]
    Adapter(#[from] AdapterError),
}

/// A middleware refuses a client: what `connect_error` tells it.
///
/// ```
/// use serde::Serialize;
/// use socketio_server::ConnectError;
///
/// #[derive(Serialize)]
/// struct Details { retry: bool }
///
/// let plain = ConnectError::new("not authorized");
/// let detailed = ConnectError::new("not authorized").with_data(Details { retry: false });
/// # let _ = (plain, detailed);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct ConnectError {
    message: String,
    data: Option<serde_json::Value>,
}

impl ConnectError {
    /// A refusal with this message, `error.message` at the client.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), data: None }
    }

    /// Adds more for the client, `error.data` there.
    ///
    /// Data that has no form in JSON is left out, and the log says so.
    #[must_use]
    pub fn with_data(mut self, data: impl Serialize) -> Self {
        self.data = serde_json::to_value(data)
            .inspect_err(|error| {
                tracing::error!(target: "socket.io:namespace", message = self.message, %error, "data left out of a refusal");
            })
            .ok();
        self
    }

    /// The message.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    pub(crate) fn data(&self) -> Option<&serde_json::Value> {
        self.data.as_ref()
    }
}

impl From<&str> for ConnectError {
    fn from(message: &str) -> Self {
        Self::new(message)
    }
}

impl From<String> for ConnectError {
    fn from(message: String) -> Self {
        Self::new(message)
    }
}
