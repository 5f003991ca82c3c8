//! What a handler is called for, from which its arguments are taken.

use std::sync::Arc;

use socketio_adapter::Room;
use socketio_parser::Args;

use crate::event::ack::Ack;
use crate::{DisconnectReason, Socket};

/// A client is joining a namespace: the context of middleware and of connect handlers.
#[derive(Debug, Clone)]
pub struct ConnectContext {
    pub(crate) socket: Socket,
}

/// A client has sent an event.
#[derive(Debug)]
pub struct EventContext {
    pub(crate) socket: Socket,
    pub(crate) name: engine_io_parser::Text,
    pub(crate) args: Args,
    /// Where the answer goes; `None` after an [`Ack`] was taken out.
    pub(crate) ack: Option<Ack>,
}

/// What a handler is called for.
pub(crate) trait Context: Send + 'static {
    /// What is left when the handler has all its arguments: where its answer goes. A long message must not be kept while
    /// the handler runs and answers.
    fn into_ack(self) -> Option<Ack>
    where
        Self: Sized,
    {
        None
    }
}

impl Context for ConnectContext {}

impl Context for EventContext {
    fn into_ack(self) -> Option<Ack> {
        self.ack
    }
}

impl Context for DisconnectContext {}

/// A client has left a namespace.
#[derive(Debug, Clone)]
pub struct DisconnectContext {
    pub(crate) socket: Socket,
    pub(crate) reason: DisconnectReason,
    pub(crate) detail: Option<Arc<str>>,
    pub(crate) rooms: Vec<Room>,
}
