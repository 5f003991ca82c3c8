//! Middleware for events: what looks at each before its handlers do.

use std::error::Error;

use engine_io_parser::Text;
use serde::Serialize;
use socketio_parser::{Args, EncodeError, EventHeader, Packet, Parser};

use crate::error::HandlerError;
use crate::event::{BoxFuture, EventContext, Extract, ExtractError, Handler};

/// An event on its way to its handlers, as a middleware takes it to change it.
///
/// ```
/// use socketio_server::{EncodeError, IncomingEvent, Socket};
///
/// async fn rename(mut event: IncomingEvent) -> Result<IncomingEvent, EncodeError> {
///     if event.name() == "msg" {
///         event.set_name("message");
///         event.set_args(("from an old client", event.args().clone()))?;
///     }
///     Ok(event)
/// }
///
/// fn demo(socket: Socket) {
///     socket.use_middleware(rename);
/// }
/// ```
#[derive(Debug, Clone)]
pub struct IncomingEvent {
    name: Text,
    args: Args,
    parser: Parser,
}

impl IncomingEvent {
    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The arguments.
    #[must_use]
    pub fn args(&self) -> &Args {
        &self.args
    }

    /// Changes the name, and so the handlers that are called.
    pub fn set_name(&mut self, name: impl Into<Text>) {
        self.name = name.into();
    }

    /// Changes the arguments: a tuple or an array is several, `()` none, any other type one.
    ///
    /// # Errors
    ///
    /// [`EncodeError`] if they have no form in the server's packet format; the old ones stay.
    pub fn set_args(&mut self, args: impl Serialize) -> Result<(), EncodeError> {
        let packet = self.parser.encode_event(&EventHeader::new("/", "event"), &args)?;
        let mut decoder = self.parser.decoder();
        for frame in packet.frames() {
            if let Ok(Some(Packet::Event { args, .. })) = decoder.decode(frame.to_message()) {
                self.args = args;
            }
        }
        Ok(())
    }
}

impl Extract<EventContext> for IncomingEvent {
    fn extract(context: &mut EventContext) -> Result<Self, ExtractError> {
        let parser = context.socket.shared().parser.clone();
        Ok(Self { name: context.name.clone(), args: context.args.clone(), parser })
    }
}

/// What a middleware of events returns: `()` lets the event pass as it came, [`IncomingEvent`] as it was changed, `None`
/// drops it. An error drops it too, and goes to the namespace's [`on_error`](crate::Namespace::on_error) hook.
#[diagnostic::on_unimplemented(
    message = "a middleware of events cannot return `{Self}`: return `()`, `IncomingEvent`, `Option<IncomingEvent>`, or a `Result` of these",
    label = "returned by this middleware",
    note = "`()` lets the event pass as it came, `IncomingEvent` as it was changed, `None` drops it",
    note = "the error of a `Result` must implement `std::error::Error`, or be a `&str` or `String`"
)]
pub trait EventMiddlewareOutcome: Send + 'static {
    /// The decision.
    #[doc(hidden)]
    fn verdict(self) -> Result<Verdict, HandlerError>;
}

/// What becomes of an event.
#[doc(hidden)]
#[derive(Debug)]
pub enum Verdict {
    Pass,
    Changed(IncomingEvent),
    Dropped,
}

impl EventMiddlewareOutcome for () {
    fn verdict(self) -> Result<Verdict, HandlerError> {
        Ok(Verdict::Pass)
    }
}

impl EventMiddlewareOutcome for IncomingEvent {
    fn verdict(self) -> Result<Verdict, HandlerError> {
        Ok(Verdict::Changed(self))
    }
}

impl EventMiddlewareOutcome for Option<IncomingEvent> {
    fn verdict(self) -> Result<Verdict, HandlerError> {
        Ok(self.map_or(Verdict::Dropped, Verdict::Changed))
    }
}

#[diagnostic::do_not_recommend]
impl<T, E> EventMiddlewareOutcome for Result<T, E>
where
    T: EventMiddlewareOutcome,
    E: Into<Box<dyn Error + Send + Sync>> + Send + 'static,
{
    fn verdict(self) -> Result<Verdict, HandlerError> {
        self.map_err(|error| HandlerError::Failed(error.into()))?.verdict()
    }
}

/// A middleware of events whose types are forgotten.
pub(crate) type EventMiddleware =
    dyn Fn(EventContext) -> BoxFuture<Result<Verdict, HandlerError>> + Send + Sync;

pub(crate) fn erase_event_middleware<H, A>(middleware: H) -> Box<EventMiddleware>
where
    H: Handler<EventContext, A>,
    H::Output: EventMiddlewareOutcome,
{
    Box::new(move |mut context| match middleware.call(&mut context) {
        Ok(future) => Box::pin(async move { future.await.verdict() }),
        Err(error) => Box::pin(async move { Err(HandlerError::Extract(error)) }),
    })
}

impl IncomingEvent {
    pub(crate) fn into_parts(self) -> (Text, Args) {
        (self.name, self.args)
    }
}
