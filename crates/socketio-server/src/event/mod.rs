//! Handlers: what they take, what they return, and when they run.

pub(crate) mod ack;
pub(crate) mod context;
pub(crate) mod dispatch;
mod extract;
mod handler;
mod handler_id;
mod middleware;
mod outcome;
pub(crate) mod run;
mod server_side;

pub use ack::Ack;
pub use context::{ConnectContext, DisconnectContext, EventContext};
pub use extract::{
    Attachments, Auth, Data, DisconnectDetail, EventName, Extract, ExtractError, Rooms, SocketContext, State,
};
pub use handler::{BoxFuture, Handler};
pub(crate) use handler::{
    Call, EventHandler, MiddlewareError, erase_connect, erase_disconnect, erase_event, erase_middleware,
};
pub use handler_id::HandlerId;
pub(crate) use handler_id::assert_not_reserved;
pub(crate) use middleware::Verdict;
pub(crate) use middleware::{EventMiddleware, erase_event_middleware};
pub use middleware::{EventMiddlewareOutcome, IncomingEvent};
pub use outcome::{MiddlewareOutcome, Outcome, Reply};
pub use server_side::ServerEventContext;
pub(crate) use server_side::erase_server_event;
