//! Handlers of events that other servers send.

use std::any::type_name;

use engine_io_parser::Text;
use serde::Serialize;
use serde::de::DeserializeOwned;
use socketio_parser::Args;

use crate::error::HandlerError;
use crate::event::context::Context;
use crate::event::handler::erase;
use crate::event::outcome::reply;
use crate::event::{
    Ack, Attachments, Call, Data, EventName, Extract, ExtractError, Handler, Outcome, Reply, State,
};
use crate::{Namespace, Server};

/// Another server has sent an event.
#[derive(Debug)]
pub struct ServerEventContext {
    pub(crate) namespace: Namespace,
    pub(crate) name: Text,
    pub(crate) args: Args,
    /// Where the answer goes; `None` after an [`Ack`] was taken out.
    pub(crate) ack: Option<Ack>,
}

impl Context for ServerEventContext {
    fn into_ack(self) -> Option<Ack> {
        self.ack
    }
}

pub(crate) fn erase_server_event<H, A>(handler: H) -> Box<Call<ServerEventContext, HandlerError>>
where
    H: Handler<ServerEventContext, A>,
    H::Output: Outcome<ServerEventContext>,
{
    erase(handler)
}

impl Extract<ServerEventContext> for Namespace {
    fn extract(context: &mut ServerEventContext) -> Result<Self, ExtractError> {
        Ok(context.namespace.clone())
    }
}

impl Extract<ServerEventContext> for Server {
    fn extract(context: &mut ServerEventContext) -> Result<Self, ExtractError> {
        context.namespace.server().ok_or(ExtractError::NoServer)
    }
}

impl<T: Send + Sync + 'static> Extract<ServerEventContext> for State<T> {
    fn extract(context: &mut ServerEventContext) -> Result<Self, ExtractError> {
        let state = context.namespace.inner().shared().state::<T>();
        state.map(Self).ok_or(ExtractError::NoState { expected: type_name::<T>() })
    }
}

impl<T: DeserializeOwned> Extract<ServerEventContext> for Data<T> {
    fn extract(context: &mut ServerEventContext) -> Result<Self, ExtractError> {
        match context.args.get() {
            Ok(value) => Ok(Self(value)),
            Err(source) => Err(ExtractError::Args { expected: type_name::<T>(), source }),
        }
    }
}

impl Extract<ServerEventContext> for Args {
    fn extract(context: &mut ServerEventContext) -> Result<Self, ExtractError> {
        Ok(context.args.clone())
    }
}

impl Extract<ServerEventContext> for Attachments {
    fn extract(context: &mut ServerEventContext) -> Result<Self, ExtractError> {
        Ok(Self(context.args.attachments().to_vec()))
    }
}

impl Extract<ServerEventContext> for EventName {
    fn extract(context: &mut ServerEventContext) -> Result<Self, ExtractError> {
        Ok(Self(context.name.clone()))
    }
}

impl Extract<ServerEventContext> for Ack {
    fn extract(context: &mut ServerEventContext) -> Result<Self, ExtractError> {
        context.ack.take().ok_or(ExtractError::AckTaken)
    }
}

impl<T: Serialize + Send + 'static> Outcome<ServerEventContext> for Reply<T> {
    fn settle(self, ack: Option<Ack>) -> Result<(), HandlerError> {
        reply(&self.0, ack)
    }
}
