//! What a handler may take as an argument.

use std::any::type_name;
use std::ops::Deref;
use std::sync::Arc;

use bytes::Bytes;
use engine_io_parser::Text;
use serde::de::DeserializeOwned;
use socketio_adapter::Room;
use socketio_parser::{Args, ArgsError};

use crate::event::{Ack, ConnectContext, DisconnectContext, EventContext};
use crate::interchange::binary_values;
use crate::{DisconnectReason, Handshake, Namespace, Server, Socket};

/// A type that handlers can take as an argument; `C` says in which handlers.
///
/// | argument | event | connect, middleware | disconnect | event of another server |
/// |---|---|---|---|---|
/// | [`Namespace`], [`Server`], [`State<T>`](State) | yes | yes | yes | yes |
/// | [`Socket`], [`Handshake`] | yes | yes | yes | |
/// | [`Data<T>`](Data), [`Args`], [`Attachments`], [`EventName`], [`Ack`] | yes | | | yes |
/// | [`Auth<T>`](Auth) | yes | yes | | |
/// | [`DisconnectReason`], [`DisconnectDetail`], [`Rooms`] | | | yes | |
///
/// `Result<T, ExtractError>` hands a failure to the handler instead of to the error hook. Write an implementation for a
/// type of your own to have it made from a socket, say a user from [`Socket::data`]:
///
/// ```
/// use std::sync::Arc;
///
/// use socketio_server::handler::{Extract, ExtractError, SocketContext};
///
/// struct User { name: String }
/// struct CurrentUser(Arc<User>);
///
/// impl<C: SocketContext> Extract<C> for CurrentUser {
///     fn extract(context: &mut C) -> Result<Self, ExtractError> {
///         let user = context.socket().data().get::<User>();
///         user.map(Self).ok_or_else(|| ExtractError::other("nobody has logged in on this socket"))
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be taken from `{C}`: wrap what a client sends, `Data<{Self}>`, or implement `Extract<{C}>`",
    label = "not an argument for `{C}`",
    note = "what each context gives stands at `socketio_server::handler::Extract`"
)]
pub trait Extract<C>: Sized {
    /// Makes the value.
    ///
    /// # Errors
    ///
    /// If what the client sent, or what was set up, does not allow it. The handler is not called then.
    fn extract(context: &mut C) -> Result<Self, ExtractError>;
}

/// A context that belongs to a socket; all do but an event of another server.
pub trait SocketContext {
    /// The socket.
    fn socket(&self) -> &Socket;
}

/// A handler could not be called, for an argument of it could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExtractError {
    /// What the client sent does not fit the type of the argument.
    #[error("arguments do not fit `{expected}`")]
    Args {
        /// The Rust type that was expected.
        expected: &'static str,
        /// Where and why.
        source: ArgsError,
    },
    /// The credentials of the client do not fit the type of the argument.
    #[error("credentials do not fit `{expected}`")]
    Auth {
        /// The Rust type that was expected.
        expected: &'static str,
        /// Where and why.
        source: ArgsError,
    },
    /// Nothing of this type was given to [`Builder::state`](crate::Builder::state).
    #[error("no state of type `{expected}`")]
    NoState {
        /// The Rust type that was expected.
        expected: &'static str,
    },
    /// The handler takes two [`Ack`]s.
    #[error("the ack was taken already")]
    AckTaken,
    /// The server is gone.
    #[error("the server is gone")]
    NoServer,
    /// An argument of the application's own could not be made.
    #[error("{0}")]
    Other(Box<dyn std::error::Error + Send + Sync>),
}

impl ExtractError {
    /// An error of the application's own.
    #[must_use]
    pub fn other(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Other(error.into())
    }
}

/// The arguments of an event, read as `T` in one pass.
///
/// A tuple or an array `[T; N]` takes several arguments, `()` none, any other type one. Surplus arguments are
/// ignored; a missing one is `None` where the type is an `Option`. Binary values are [`Binary`](crate::Binary).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Data<T>(pub T);

/// What the client sent when it joined the namespace (`auth` in the JavaScript client), read as `T`.
///
/// A client that sent nothing counts as one that sent an empty object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Auth<T>(pub T);

/// What was given to [`Builder::state`](crate::Builder::state), shared by all handlers.
#[derive(Debug)]
pub struct State<T>(pub Arc<T>);

/// The binary values that came with an event, in the order in which they came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachments(pub Vec<Bytes>);

/// The name of the event that the handler is called for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventName(pub Text);

/// What more is known of why the socket left than the [`DisconnectReason`] says: the rule that a packet broke, the code of
/// a close frame, an error of the network. It is text for people to read, and may change between versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DisconnectDetail(pub Option<Arc<str>>);

/// The rooms that the socket was in when it left, its own included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rooms(pub Vec<Room>);

impl<T> Clone for State<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Deref for State<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl SocketContext for ConnectContext {
    fn socket(&self) -> &Socket {
        &self.socket
    }
}

impl SocketContext for EventContext {
    fn socket(&self) -> &Socket {
        &self.socket
    }
}

impl SocketContext for DisconnectContext {
    fn socket(&self) -> &Socket {
        &self.socket
    }
}

impl<C: SocketContext> Extract<C> for Socket {
    fn extract(context: &mut C) -> Result<Self, ExtractError> {
        Ok(context.socket().clone())
    }
}

impl<C: SocketContext> Extract<C> for Namespace {
    fn extract(context: &mut C) -> Result<Self, ExtractError> {
        Ok(context.socket().namespace())
    }
}

impl<C: SocketContext> Extract<C> for Server {
    fn extract(context: &mut C) -> Result<Self, ExtractError> {
        context.socket().namespace().server().ok_or(ExtractError::NoServer)
    }
}

impl<C: SocketContext> Extract<C> for Handshake {
    fn extract(context: &mut C) -> Result<Self, ExtractError> {
        Ok(context.socket().handshake().clone())
    }
}

impl<C: SocketContext, T: Send + Sync + 'static> Extract<C> for State<T> {
    fn extract(context: &mut C) -> Result<Self, ExtractError> {
        let state = context.socket().shared().state::<T>();
        state.map(Self).ok_or(ExtractError::NoState { expected: type_name::<T>() })
    }
}

impl<C, T: Extract<C>> Extract<C> for Result<T, ExtractError> {
    fn extract(context: &mut C) -> Result<Self, ExtractError> {
        Ok(T::extract(context))
    }
}

impl<T: DeserializeOwned> Extract<EventContext> for Data<T> {
    fn extract(context: &mut EventContext) -> Result<Self, ExtractError> {
        match context.args.get() {
            Ok(value) => Ok(Self(value)),
            Err(source) => Err(ExtractError::Args { expected: type_name::<T>(), source }),
        }
    }
}

impl Extract<EventContext> for Args {
    fn extract(context: &mut EventContext) -> Result<Self, ExtractError> {
        Ok(context.args.clone())
    }
}

impl Extract<EventContext> for Attachments {
    fn extract(context: &mut EventContext) -> Result<Self, ExtractError> {
        match binary_values(&context.args) {
            Ok(values) => Ok(Self(values)),
            Err(source) => Err(ExtractError::Args { expected: type_name::<Self>(), source }),
        }
    }
}

impl Extract<EventContext> for EventName {
    fn extract(context: &mut EventContext) -> Result<Self, ExtractError> {
        Ok(Self(context.name.clone()))
    }
}

impl Extract<EventContext> for Ack {
    fn extract(context: &mut EventContext) -> Result<Self, ExtractError> {
        context.ack.take().ok_or(ExtractError::AckTaken)
    }
}

impl<T: DeserializeOwned> Extract<EventContext> for Auth<T> {
    fn extract(context: &mut EventContext) -> Result<Self, ExtractError> {
        context.socket.auth().map(Self)
    }
}

impl<T: DeserializeOwned> Extract<ConnectContext> for Auth<T> {
    fn extract(context: &mut ConnectContext) -> Result<Self, ExtractError> {
        context.socket.auth().map(Self)
    }
}

impl Extract<DisconnectContext> for DisconnectReason {
    fn extract(context: &mut DisconnectContext) -> Result<Self, ExtractError> {
        Ok(context.reason)
    }
}

impl Extract<DisconnectContext> for DisconnectDetail {
    fn extract(context: &mut DisconnectContext) -> Result<Self, ExtractError> {
        Ok(Self(context.detail.clone()))
    }
}

impl Extract<DisconnectContext> for Rooms {
    fn extract(context: &mut DisconnectContext) -> Result<Self, ExtractError> {
        Ok(Self(context.rooms.clone()))
    }
}
