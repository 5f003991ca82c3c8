//! Clients on a connection of our own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::SystemTime;

use socketio_server::engine::{Connection, Flow, Message, Receiver, SendError, SharedFrame, Wake};
use socketio_server::{DisconnectReason, Server, Value};
use tokio::runtime::Runtime;

use crate::Turn;
use crate::server::{NEWS, ROOM, news, runtime, server};

/// A server whose clients speak from memory, and count what they hear.
#[derive(Debug)]
pub struct InMemory {
    io: Server,
    clients: Vec<Client>,
    news: Value,
    news_len: usize,
    /// Handlers that have to wait would be its tasks; none does.
    _runtime: Runtime,
}

#[derive(Debug)]
struct Client {
    receiver: Receiver,
    sink: Arc<Sink>,
}

/// What a client is sent is counted and dropped.
#[derive(Debug, Default)]
struct Sink {
    n_bytes: AtomicUsize,
}

impl InMemory {
    /// A server with so many clients, all of them in the root namespace and in one room.
    #[must_use]
    pub fn connect(n_clients: usize) -> Self {
        let runtime = runtime();
        let io = server();
        let clients = {
            let _in_runtime = runtime.enter();
            (0..n_clients).map(|_| Client::connect(&io)).collect()
        };
        assert_eq!(io.to(ROOM).sockets().len(), n_clients, "all clients are in the room");
        let (news, frame) = news();
        Self { io, clients, news, news_len: frame.len(), _runtime: runtime }
    }

    /// The first client has a turn. Returns how many bytes it heard.
    pub fn turn(&mut self, turn: &Turn) -> usize {
        let Client { receiver, sink } = &mut self.clients[0];
        sink.hears(turn.n_bytes_heard(), || {
            for said in turn.says() {
                let flow = receiver.on_message(said.to_message());
                assert_eq!(flow, Flow::Continue, "handlers end at once");
            }
        })
    }

    /// Emits to all clients. Returns how many bytes the last of them heard.
    pub fn emit(&self) -> usize {
        self.last().hears(self.news_len, || drop(self.io.emit(NEWS, &self.news)))
    }

    /// Emits to the room that all clients are in. Returns how many bytes the last of them heard.
    pub fn emit_to_room(&self) -> usize {
        self.last().hears(self.news_len, || drop(self.io.to(ROOM).emit(NEWS, &self.news)))
    }

    fn last(&self) -> &Sink {
        &self.clients.last().expect("there are clients").sink
    }
}

impl Client {
    fn connect(io: &Server) -> Self {
        let sink = Arc::new(Sink::default());
        let mut receiver = io.open(Arc::clone(&sink) as _);
        assert_eq!(receiver.on_message(Message::from("0")), Flow::Continue, "nothing waits here");
        Self { receiver, sink }
    }
}

impl Sink {
    /// Asserts that this client hears just so many bytes while `act` runs, and returns how many.
    fn hears(&self, n_bytes: usize, act: impl FnOnce()) -> usize {
        self.n_bytes.store(0, Ordering::Relaxed);
        act();
        let heard = self.n_bytes.load(Ordering::Relaxed);
        assert_eq!(heard, n_bytes, "what the client heard");
        heard
    }
}

impl Connection for Sink {
    fn id(&self) -> &str {
        "lv_VI97HAXpY6yYWAAAC"
    }

    fn transport(&self) -> &'static str {
        "websocket"
    }

    fn remote_addr(&self) -> Option<SocketAddr> {
        None
    }

    fn is_secure(&self) -> bool {
        false
    }

    fn received_at(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH
    }

    fn target(&self) -> &str {
        "/socket.io/?EIO=4&transport=websocket"
    }

    fn visit_headers(&self, visit: &mut dyn FnMut(&str, &[u8])) {
        visit("host", b"localhost");
    }

    fn queue(&self, frames: &[SharedFrame]) -> Result<Wake, SendError> {
        let n_bytes = frames.iter().map(SharedFrame::len).sum();
        self.n_bytes.fetch_add(n_bytes, Ordering::Relaxed);
        Ok(Wake::none())
    }

    fn queue_volatile(&self, frames: &[SharedFrame]) -> Option<Wake> {
        self.queue(frames).ok()
    }

    fn poll_writable(&self, _: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }

    fn close(&self, _: DisconnectReason) {}

    fn resume(&self) {}

    fn is_open(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_client_hears_the_answer_of_each_turn() {
        let mut memory = InMemory::connect(1);
        let turns = [
            Turn::event(),
            Turn::event_with_ack(),
            Turn::sixteen_events(),
            Turn::long_event(),
            Turn::attachment(),
        ];
        for turn in turns {
            for _ in 0..3 {
                memory.turn(&turn);
            }
        }
    }

    #[test]
    fn all_clients_hear_a_broadcast() {
        let memory = InMemory::connect(3);
        let heard = || -> Vec<usize> {
            memory.clients.iter().map(|client| client.sink.n_bytes.swap(0, Ordering::Relaxed)).collect()
        };
        heard();
        memory.emit();
        assert_eq!(heard(), [memory.news_len; 3]);
        memory.emit_to_room();
        assert_eq!(heard(), [memory.news_len; 3]);
    }
}
