//! Turns async functions into handlers.

use std::future::Future;
use std::pin::Pin;

use crate::error::{ConnectError, HandlerError};
use crate::event::context::Context;
use crate::event::{
    ConnectContext, DisconnectContext, EventContext, Extract, ExtractError, MiddlewareOutcome, Outcome,
};

/// A future on the heap.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send + 'static>>;

/// An async function that can be a handler: up to eight arguments that implement [`Extract<C>`](Extract).
///
/// It is implemented for `async fn`s, for `async` closures that capture nothing, and for closures that return an
/// `async move` block. `A` is inferred.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a handler: write an `async fn` or `async` closure whose arguments can all be taken from `{C}`",
    label = "not a handler for `{C}`",
    note = "what a client sends is wrapped: `Data<T>` in an event, `Auth<T>` at connect, where `T` implements `serde::Deserialize`",
    note = "`DisconnectReason`, `DisconnectDetail` and `Rooms` are there at disconnect only, `Ack` in events, `Socket` not in events of another server; see `socketio_server::handler::Extract` for all arguments",
    note = "there are at most eight of them; the function is `Send + Sync + 'static`, and what it holds over an `.await` is `Send`"
)]
pub trait Handler<C, A>: Send + Sync + 'static {
    /// What the async function returns.
    type Output: Send + 'static;

    /// The running function.
    #[doc(hidden)]
    type Future: Future<Output = Self::Output> + Send + 'static;

    /// Makes the arguments and calls the function.
    #[doc(hidden)]
    fn call(&self, context: &mut C) -> Result<Self::Future, ExtractError>;
}

macro_rules! handler {
    ($($arg:ident)*) => {
        impl<F, Fut, C, $($arg,)*> Handler<C, ($($arg,)*)> for F
        where
            F: Fn($($arg),*) -> Fut + Send + Sync + 'static,
            Fut: Future + Send + 'static,
            Fut::Output: Send + 'static,
            $($arg: Extract<C>,)*
        {
            type Output = Fut::Output;
            type Future = Fut;

            #[allow(unused_variables, reason = "without arguments nothing is taken from the context")]
            fn call(&self, context: &mut C) -> Result<Fut, ExtractError> {
                Ok(self($($arg::extract(context)?),*))
            }
        }
    };
}

handler!();
handler!(A1);
handler!(A1 A2);
handler!(A1 A2 A3);
handler!(A1 A2 A3 A4);
handler!(A1 A2 A3 A4 A5);
handler!(A1 A2 A3 A4 A5 A6);
handler!(A1 A2 A3 A4 A5 A6 A7);
handler!(A1 A2 A3 A4 A5 A6 A7 A8);

/// A handler whose types are forgotten.
pub(crate) type Call<C, E> = dyn Fn(C) -> BoxFuture<Result<(), E>> + Send + Sync;

/// The handler of an event.
pub(crate) type EventHandler = Call<EventContext, HandlerError>;

pub(crate) fn erase_event<H, A>(handler: H) -> Box<EventHandler>
where
    H: Handler<EventContext, A>,
    H::Output: Outcome<EventContext>,
{
    erase(handler)
}

pub(crate) fn erase_connect<H, A>(handler: H) -> Box<Call<ConnectContext, HandlerError>>
where
    H: Handler<ConnectContext, A>,
    H::Output: Outcome<ConnectContext>,
{
    erase(handler)
}

pub(crate) fn erase_disconnect<H, A>(handler: H) -> Box<Call<DisconnectContext, HandlerError>>
where
    H: Handler<DisconnectContext, A>,
    H::Output: Outcome<DisconnectContext>,
{
    erase(handler)
}

/// A middleware that fails because of its arguments refuses the client without telling it more.
pub(crate) fn erase_middleware<H, A>(handler: H) -> Box<Call<ConnectContext, MiddlewareError>>
where
    H: Handler<ConnectContext, A>,
    H::Output: MiddlewareOutcome,
{
    Box::new(move |mut context| match handler.call(&mut context) {
        Ok(future) => Box::pin(async move { future.await.decide().map_err(MiddlewareError::Refused) }),
        Err(error) => Box::pin(async move { Err(MiddlewareError::Failed(HandlerError::Extract(error))) }),
    })
}

/// Why a middleware did not let a client in.
#[derive(Debug)]
pub(crate) enum MiddlewareError {
    /// It said so.
    Refused(ConnectError),
    /// It could not say.
    Failed(HandlerError),
}

pub(super) fn erase<C, H, A>(handler: H) -> Box<Call<C, HandlerError>>
where
    C: Context,
    H: Handler<C, A>,
    H::Output: Outcome<C>,
{
    Box::new(move |mut context| match handler.call(&mut context) {
        Ok(future) => {
            let ack = context.into_ack();
            Box::pin(async move { future.await.settle(ack) })
        }
        Err(error) => Box::pin(async move { Err(HandlerError::Extract(error)) }),
    })
}
