//! Answers to events of the client.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;
use socketio_adapter::ReplySender;

use crate::error::EmitError;
use crate::json_args;
use crate::namespace::NamespaceInner;
use crate::sync::Mutex;
use crate::{Emit, Socket};

/// The answer to an event, to be sent whenever the handler wants.
///
/// It is sent at most once. Dropped, it is not sent, and the client waits until its own timeout; a client that did not
/// ask for an answer gets none. An event of another server has one too.
///
/// ```
/// use socketio_server::{Ack, Data};
///
/// async fn divide(Data((a, b)): Data<(f64, f64)>, ack: Ack) {
///     ack.send(a / b);
/// }
/// ```
#[derive(Debug)]
pub struct Ack {
    request: Option<Request>,
}

#[derive(Debug)]
enum Request {
    Client {
        socket: Socket,
        id: u64,
        /// Several handlers were called for the event, and the first that answers wins.
        shared: Option<Arc<AtomicBool>>,
    },
    /// Another server asks; the first handler that answers takes out what answers it.
    Server(Arc<ServerRequest>),
}

struct ServerRequest {
    namespace: Arc<NamespaceInner>,
    reply: Mutex<Option<ReplySender>>,
}

impl Ack {
    /// The answer to an event that came with this id; `n_handlers` are called for it.
    pub(crate) fn for_handlers(
        socket: &Socket,
        id: Option<u64>,
        n_handlers: usize,
    ) -> impl Iterator<Item = Self> + use<> {
        let shared = (id.is_some() && n_handlers > 1).then(|| Arc::new(AtomicBool::new(false)));
        let socket = id.is_some().then(|| socket.clone());
        std::iter::repeat_with(move || {
            let request = match (&socket, id) {
                (Some(socket), Some(id)) => {
                    Some(Request::Client { socket: socket.clone(), id, shared: shared.clone() })
                }
                _ => None,
            };
            Self { request }
        })
    }

    /// The answer to another server's event; `reply` is there if that server waits for one.
    pub(crate) fn for_server(
        namespace: &Arc<NamespaceInner>,
        reply: Option<ReplySender>,
    ) -> impl Iterator<Item = Self> {
        let request = reply.map(|reply| {
            let namespace = Arc::clone(namespace);
            Arc::new(ServerRequest { namespace, reply: Mutex::new(Some(reply)) })
        });
        std::iter::repeat_with(move || Self { request: request.clone().map(Request::Server) })
    }

    /// Whether the client, or the server that sent the event, waits for an answer.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        self.request.is_some()
    }

    /// Sends the answer: a tuple or an array is several arguments, `()` none, any other type one.
    ///
    /// It is done when the call returns. The value says whether it went well; dropped, an encoding error goes to the
    /// namespace's error hook. If the client has left, or did not ask, nothing is sent.
    pub fn send<T: Serialize>(self, args: T) -> Emit {
        match &self.request {
            Some(Request::Client { socket, .. }) => {
                let socket = socket.clone();
                Emit::to_socket(&socket, "ack", self.reply(&args))
            }
            Some(Request::Server(asker)) => {
                let asker = Arc::clone(asker);
                match self.reply(&args) {
                    Ok(()) => Emit::nothing(),
                    Err(error) => Emit::failed(&asker.namespace, "ack", error),
                }
            }
            None => Emit::nothing(),
        }
    }

    pub(crate) fn reply<T: Serialize + ?Sized>(self, args: &T) -> Result<(), EmitError> {
        match self.request {
            None => Ok(()),
            Some(Request::Client { shared: Some(sent), .. }) if sent.swap(true, Ordering::Relaxed) => Ok(()),
            Some(Request::Client { socket, id, .. }) => socket.send_ack(id, args),
            Some(Request::Server(asker)) => {
                let args = json_args::of_answer(args)?;
                let reply = asker.reply.lock().take();
                if let Some(reply) = reply {
                    reply.send(args);
                }
                Ok(())
            }
        }
    }
}

impl fmt::Debug for ServerRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerRequest").finish_non_exhaustive()
    }
}
