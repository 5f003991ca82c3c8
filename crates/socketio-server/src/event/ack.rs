//! Answers to events of the client.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;

use crate::Socket;
use crate::error::EmitError;

/// The answer to an event, to be sent whenever the handler wants.
///
/// It is sent at most once. Dropped, it is not sent, and the client waits until its own timeout; a client that did not
/// ask for an answer gets none.
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
struct Request {
    socket: Socket,
    id: u64,
    /// Several handlers were called for the event, and the first that answers wins.
    shared: Option<Arc<AtomicBool>>,
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
                    Some(Request { socket: socket.clone(), id, shared: shared.clone() })
                }
                _ => None,
            };
            Self { request }
        })
    }

    /// Whether the client waits for an answer.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        self.request.is_some()
    }

    /// Sends the answer: a tuple or an array is several arguments, `()` none, any other type one.
    ///
    /// It is done when the call returns. The value says whether it went well; dropped, an encoding error goes to the
    /// namespace's error hook. If the client has left, or did not ask, nothing is sent.
    pub fn send<T: Serialize>(self, args: T) -> crate::Emit {
        let socket = self.request.as_ref().map(|request| request.socket.clone());
        let result = self.reply(&args);
        match socket {
            Some(socket) => crate::Emit::to_socket(&socket, "ack", result),
            None => crate::Emit::nothing(),
        }
    }

    pub(crate) fn reply<T: Serialize + ?Sized>(self, args: &T) -> Result<(), EmitError> {
        let Some(Request { socket, id, shared }) = self.request else { return Ok(()) };
        if shared.is_some_and(|sent| sent.swap(true, Ordering::Relaxed)) {
            return Ok(());
        }
        socket.send_ack(id, args)
    }
}
