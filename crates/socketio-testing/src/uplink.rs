//! From the client to the server: in order, one message at a time, and not while the server wants none.
//!
//! Messages are handed over in the call that sends them, unless another such call is under way: that one takes them
//! along then. So the handler of an event has been polled when `emit` returns.

use std::collections::VecDeque;
use std::mem;

use socketio_server::DisconnectReason;
use socketio_server::engine::{Flow, Message, Receiver};

use crate::link::Link;
use crate::sync::Mutex;

#[derive(Debug)]
pub(crate) struct Uplink(Mutex<State>);

#[derive(Debug)]
struct State {
    server: Server,
    /// Bounded by what the test sends.
    waiting: VecDeque<Message>,
    /// The server wants nothing until it has asked for more once more than so many times.
    paused_at: Option<u64>,
}

#[derive(Debug)]
enum Server {
    Ready(Receiver),
    /// It is being handed a message.
    Busy,
    /// It knows that the connection is closed.
    Gone,
}

impl Uplink {
    pub(crate) fn new(receiver: Receiver) -> Self {
        Self(Mutex::new(State { server: Server::Ready(receiver), waiting: VecDeque::new(), paused_at: None }))
    }

    /// Sends the messages of one packet.
    pub(crate) fn send(&self, messages: impl Iterator<Item = Message>, link: &Link) {
        self.0.lock().waiting.extend(messages);
        self.drive(link);
    }

    /// Hands over what can be handed over, and last the end of the connection.
    pub(crate) fn drive(&self, link: &Link) {
        loop {
            // Bound first, so that the lock is not held while the server works.
            let begun = self.0.lock().begin(link);
            let Some((mut receiver, step)) = begun else { return };
            let message = match step {
                Step::Message(message) => message,
                Step::End(reason, detail) => return receiver.on_close(reason, detail.as_deref()),
            };
            let n_resumed = link.n_resumed();
            let flow = receiver.on_message(message);
            let mut state = self.0.lock();
            state.server = Server::Ready(receiver);
            // If the server has asked for more meanwhile, the pause is over already.
            state.paused_at = (flow == Flow::Pause).then_some(n_resumed);
        }
    }
}

enum Step {
    Message(Message),
    End(DisconnectReason, Option<String>),
}

impl State {
    /// Takes the receiver, and what it is to be told, if it is there and there is anything.
    fn begin(&mut self, link: &Link) -> Option<(Receiver, Step)> {
        let receiver = match mem::replace(&mut self.server, Server::Busy) {
            Server::Ready(receiver) => receiver,
            Server::Busy => return None,
            Server::Gone => {
                self.server = Server::Gone;
                self.waiting.clear();
                return None;
            }
        };
        let is_paused = self.paused_at == Some(link.n_resumed());
        // What was sent before the end arrives before it, unless the server does not read.
        let message = if is_paused { None } else { self.waiting.pop_front() };
        if let Some(message) = message {
            return Some((receiver, Step::Message(message)));
        }
        if let Some(reason) = link.end() {
            self.server = Server::Gone;
            self.waiting.clear();
            return Some((receiver, Step::End(reason, link.detail())));
        }
        self.server = Server::Ready(receiver);
        None
    }
}
