//! What a handler may return.

use std::error::Error;

use serde::Serialize;

use crate::error::{ConnectError, HandlerError};
use crate::event::{Ack, EventContext};
use crate::{Emit, Joined};

/// What a handler returns: `()`, the value of an emit or of a join, [`Reply<T>`](Reply), or a `Result` of these.
///
/// An error goes to the namespace's [`on_error`](crate::Namespace::on_error) hook and to the log. The client learns
/// nothing of it: the protocol has no way to say so.
#[diagnostic::on_unimplemented(
    message = "a handler cannot return `{Self}`: return `()`, `Reply(value)` to answer an event, or a `Result` of these",
    label = "returned by this handler",
    note = "the value of an emit or of a join may be returned too; only handlers of events can reply",
    note = "the error of a `Result` must implement `std::error::Error`, or be a `&str` or `String`"
)]
pub trait Outcome<C>: Send + 'static {
    /// Acts on what was returned; `ack` is where an answer goes, if the client can get one.
    ///
    /// # Errors
    ///
    /// What the handler, or the emit that it returned, has failed with.
    #[doc(hidden)]
    fn settle(self, ack: Option<Ack>) -> Result<(), HandlerError>;
}

/// What a middleware returns: `()` lets the client in, a `Result` decides.
///
/// The error of the `Result` becomes a [`ConnectError`], which the client gets.
#[diagnostic::on_unimplemented(
    message = "a middleware cannot return `{Self}`: return `()` or `Result<(), E>`, where `E` is `ConnectError`, `&str` or `String`",
    label = "returned by this middleware",
    note = "the client gets the error, so no other is turned into one: use `ConnectError::new`"
)]
pub trait MiddlewareOutcome: Send + 'static {
    /// The decision.
    #[doc(hidden)]
    fn decide(self) -> Result<(), ConnectError>;
}

/// Answers the event: the client's ack gets these arguments.
///
/// A tuple or an array is several arguments, `()` none, any other type one. Nothing is sent to a client that did not
/// ask for an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reply<T>(pub T);

impl<C: 'static> Outcome<C> for () {
    fn settle(self, _: Option<Ack>) -> Result<(), HandlerError> {
        Ok(())
    }
}

/// A handler that loops for ever, or always panics.
#[diagnostic::do_not_recommend]
impl<C: 'static> Outcome<C> for Never {
    fn settle(self, _: Option<Ack>) -> Result<(), HandlerError> {
        match self {}
    }
}

#[diagnostic::do_not_recommend]
impl MiddlewareOutcome for Never {
    fn decide(self) -> Result<(), ConnectError> {
        match self {}
    }
}

/// The type `!`, which can't be written down yet but where a function returns it.
type Never = <fn() -> ! as Returns>::Output;

/// What a function returns; public, and out of reach, because an implementation for a public trait names it.
#[allow(unreachable_pub, reason = "nobody is to reach it")]
pub trait Returns {
    /// It.
    type Output;
}

impl<T> Returns for fn() -> T {
    type Output = T;
}

impl<C: 'static> Outcome<C> for Emit {
    fn settle(self, _: Option<Ack>) -> Result<(), HandlerError> {
        self.into_local_result().map_err(HandlerError::Emit)
    }
}

impl<C: 'static> Outcome<C> for Joined {
    fn settle(self, _: Option<Ack>) -> Result<(), HandlerError> {
        self.into_local_result().map_err(HandlerError::Join)
    }
}

impl<T: Serialize + Send + 'static> Outcome<EventContext> for Reply<T> {
    fn settle(self, ack: Option<Ack>) -> Result<(), HandlerError> {
        reply(&self.0, ack)
    }
}

/// Answers whoever asked, if somebody did.
pub(super) fn reply<T: Serialize>(args: &T, ack: Option<Ack>) -> Result<(), HandlerError> {
    let ack = ack.ok_or(HandlerError::AckTaken)?;
    if ack.is_requested() { ack.reply(args).map_err(HandlerError::Emit) } else { Ok(()) }
}

#[diagnostic::do_not_recommend]
impl<C, T, E> Outcome<C> for Result<T, E>
where
    T: Outcome<C>,
    E: Into<Box<dyn Error + Send + Sync>> + Send + 'static,
{
    fn settle(self, ack: Option<Ack>) -> Result<(), HandlerError> {
        match self {
            Ok(outcome) => outcome.settle(ack),
            Err(error) => Err(HandlerError::Failed(error.into())),
        }
    }
}

impl MiddlewareOutcome for () {
    fn decide(self) -> Result<(), ConnectError> {
        Ok(())
    }
}

#[diagnostic::do_not_recommend]
impl<E: Into<ConnectError> + Send + 'static> MiddlewareOutcome for Result<(), E> {
    fn decide(self) -> Result<(), ConnectError> {
        self.map_err(Into::into)
    }
}
