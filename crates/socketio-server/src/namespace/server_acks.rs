//! The answers of other servers to an event.

use std::fmt;
use std::future::IntoFuture;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use socketio_adapter::{AdapterError, DEFAULT_REQUEST_TIMEOUT, JsonArgs, Missing, NodeId, Replies};

use crate::error::{AckError, EmitError};
use crate::event::BoxFuture;
use crate::json_args;
use crate::namespace::NamespaceInner;

/// A question to all other servers; what
/// [`Namespace::server_side_emit_with_ack`](crate::Namespace::server_side_emit_with_ack) returns.
///
/// # Cancel safety
///
/// Awaited and dropped, it forgets the answers; the event may have been sent.
#[must_use = "nothing is sent unless it is awaited"]
pub struct ServerAcks<T> {
    namespace: Arc<NamespaceInner>,
    event: Box<str>,
    args: Result<JsonArgs, EmitError>,
    timeout: Duration,
    _answer: PhantomData<fn() -> T>,
}

/// The answers of other servers, in the order of their arrival.
///
/// A part of the answers is an answer: a server that is silent costs the timeout and its own answer, and is named.
#[derive(Debug)]
#[non_exhaustive]
pub struct ServerReplies<T> {
    /// Which server has answered, if the adapter knows, and the answer read as `T`.
    pub replies: Vec<(Option<NodeId>, Result<T, AckError>)>,
    /// The servers that did not answer.
    pub missing: Missing,
    /// Why other servers could not be asked.
    pub error: Option<AdapterError>,
}

impl<T> ServerAcks<T> {
    pub(super) fn new(
        namespace: &Arc<NamespaceInner>,
        event: &str,
        args: Result<JsonArgs, EmitError>,
    ) -> Self {
        let namespace = Arc::clone(namespace);
        Self { namespace, event: event.into(), args, timeout: DEFAULT_REQUEST_TIMEOUT, _answer: PhantomData }
    }

    /// Waits this long at most. Default: 5 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }
}

impl<T: DeserializeOwned + 'static> IntoFuture for ServerAcks<T> {
    type Output = Result<ServerReplies<T>, EmitError>;
    type IntoFuture = BoxFuture<Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        let Self { namespace, args, timeout, .. } = self;
        Box::pin(async move {
            let args = args?;
            Ok(read(namespace.adapter().server_side_emit_with_ack(&args, timeout).await))
        })
    }
}

fn read<T: DeserializeOwned>(replies: Replies) -> ServerReplies<T> {
    let Replies { replies, missing, error, .. } = replies;
    let answer = |args| Ok(json_args::read_answer(&args).map_err(AckError::Malformed)?.get()?);
    let replies = replies.into_iter().map(|reply| (reply.node, answer(reply.args)));
    ServerReplies { replies: replies.collect(), missing, error }
}

impl<T> fmt::Debug for ServerAcks<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerAcks").field("event", &self.event).finish_non_exhaustive()
    }
}

impl<T> ServerReplies<T> {
    /// The answers.
    pub fn values(&self) -> impl Iterator<Item = &T> {
        self.replies.iter().filter_map(|(_, result)| result.as_ref().ok())
    }

    /// The answers alone, in the order of their arrival.
    #[must_use]
    pub fn into_values(self) -> Vec<T> {
        self.replies.into_iter().filter_map(|(_, result)| result.ok()).collect()
    }

    /// Whether every other server has answered.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.missing.is_empty() && self.error.is_none()
    }
}
