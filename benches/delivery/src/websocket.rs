//! Clients on real sessions and WebSockets.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::{Buf, Bytes};
use engine_io_server::{CloseReason, Config, Engine, Handler, Incoming, Session, SessionHandler};
use http::Request;
use http::request::Parts;
use socketio_server::engine::{Flow, Receiver};
use socketio_server::{Server, Value};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::runtime::Runtime;

use crate::Turn;
use crate::server::{NEWS, news, runtime, server, websocket_len};
use crate::turn::Said;

/// A server whose clients are on WebSockets: what they say comes from memory in one read, what they hear is taken at
/// once and counted.
///
/// Each connection has its task, as behind a listener, and one thread runs them all.
#[derive(Debug)]
pub struct WebSockets {
    io: Server,
    inboxes: Vec<Arc<Mutex<Inbox>>>,
    heard: Arc<Mutex<Heard>>,
    runtime: Runtime,
    news: Value,
    news_len: usize,
}

/// A connection as its task sees it.
struct Wire {
    inbox: Arc<Mutex<Inbox>>,
    heard: Arc<Mutex<Heard>>,
}

/// What the server has not read yet.
#[derive(Debug, Default)]
struct Inbox {
    unread: Bytes,
    reader: Option<Waker>,
}

/// What all clients together have heard, and are to hear.
#[derive(Debug, Default)]
struct Heard {
    n_bytes: usize,
    n_bytes_due: usize,
    waiting: Option<Waker>,
}

/// Opens the sessions of an engine on a server.
struct Opener(Server);

struct Opened(Receiver);

/// No ping comes between.
const PING_INTERVAL: Duration = Duration::from_secs(24 * 3600);

/// Enough for one connection to be served.
const N_YIELDS: usize = 16;

impl WebSockets {
    /// A server with so many clients in the root namespace.
    #[must_use]
    pub fn connect(n_clients: usize) -> Self {
        let io = server();
        let config = Config::default().ping_interval(PING_INTERVAL);
        let engine = Engine::new(config, Opener(io.clone())).expect("the options make sense");
        let (news, frame) = news();
        let news_len = websocket_len(&frame);
        let heard = Arc::default();
        let mut all = Self { io, inboxes: Vec::new(), heard, runtime: runtime(), news, news_len };
        for _ in 0..n_clients {
            let wire = Wire { inbox: Arc::default(), heard: Arc::clone(&all.heard) };
            all.inboxes.push(Arc::clone(&wire.inbox));
            all.runtime.block_on(join(&engine, wire));
        }
        assert_eq!(all.io.sockets().len(), n_clients, "all clients are in");
        lock(&all.heard).n_bytes = 0;
        all
    }

    /// A turn of the first client, as often as one likes. Returns how many bytes it heard.
    pub fn turn(&self, turn: &Turn) -> impl FnMut() -> usize {
        let said: Bytes = turn.says().iter().flat_map(masked).collect();
        let n_bytes = turn.n_bytes_on_websocket();
        move || self.hears(n_bytes, || lock(&self.inboxes[0]).put(said.clone()))
    }

    /// Emits to all clients. Returns how many bytes they heard.
    pub fn emit(&self) -> usize {
        self.hears(self.news_len * self.inboxes.len(), || drop(self.io.emit(NEWS, &self.news)))
    }

    /// Acts, and runs the server until the clients have heard just so many bytes.
    fn hears(&self, n_bytes: usize, act: impl FnOnce()) -> usize {
        lock(&self.heard).n_bytes_due += n_bytes;
        self.runtime.block_on(async {
            act();
            poll_fn(|cx| lock(&self.heard).poll(cx)).await;
        });
        n_bytes
    }
}

/// A client connects and joins the root namespace.
async fn join(engine: &Engine, wire: Wire) {
    let upgrade = engine.accept_websocket(&upgrade_request()).await.expect("nothing is wrong with it");
    lock(&wire.inbox).put(masked(&Said::Text("0".to_owned())).into());
    tokio::spawn(upgrade.run(wire));
    for _ in 0..N_YIELDS {
        tokio::task::yield_now().await;
    }
}

fn upgrade_request() -> Parts {
    let request = Request::get("/socket.io/?EIO=4&transport=websocket")
        .header("host", "localhost")
        .header("connection", "Upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
    request.body(()).expect("these are headers").into_parts().0
}

/// The frame in which a client says it.
fn masked(said: &Said) -> Vec<u8> {
    // A key of zeros would let a server skip the work.
    const KEY: [u8; 4] = [0x6d, 0x61, 0x73, 0x6b];
    let (opcode, packet) = match said {
        Said::Text(text) => (0x81, format!("4{text}").into_bytes()),
        Said::Binary(bytes) => (0x82, bytes.clone()),
    };
    let mut frame = vec![opcode];
    match u16::try_from(packet.len()) {
        Ok(len @ 0..=125) => frame.extend_from_slice(&[0x80 | len.to_be_bytes()[1]]),
        Ok(len) => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&len.to_be_bytes());
        }
        Err(_) => {
            frame.push(0x80 | 127);
            frame.extend_from_slice(&(packet.len() as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(&KEY);
    frame.extend(packet.iter().zip(KEY.iter().cycle()).map(|(byte, key)| byte ^ key));
    frame
}

impl Inbox {
    fn put(&mut self, bytes: Bytes) {
        self.unread = bytes;
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }
}

impl Heard {
    fn add(&mut self, n_bytes: usize) {
        self.n_bytes += n_bytes;
        if self.n_bytes >= self.n_bytes_due
            && let Some(waiting) = self.waiting.take()
        {
            waiting.wake();
        }
    }

    /// Waits until what is due was heard; nothing more may be.
    fn poll(&mut self, cx: &Context<'_>) -> Poll<()> {
        if self.n_bytes < self.n_bytes_due {
            self.waiting = Some(cx.waker().clone());
            return Poll::Pending;
        }
        assert_eq!(self.n_bytes, self.n_bytes_due, "what the clients heard");
        Poll::Ready(())
    }
}

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut inbox = lock(&self.inbox);
        if inbox.unread.is_empty() {
            inbox.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let n = inbox.unread.len().min(buf.remaining());
        buf.put_slice(&inbox.unread[..n]);
        inbox.unread.advance(n);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        lock(&self.heard).add(bytes.len());
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let n = parts.iter().map(|part| part.len()).sum();
        lock(&self.heard).add(n);
        Poll::Ready(Ok(n))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl Handler for Opener {
    fn on_open(&self, session: Session) -> Box<dyn SessionHandler> {
        Box::new(Opened(self.0.open(Arc::new(session))))
    }
}

impl SessionHandler for Opened {
    fn on_message(&mut self, incoming: Incoming<'_>) -> engine_io_server::Flow {
        match self.0.on_message(incoming.message) {
            Flow::Continue => engine_io_server::Flow::Continue,
            Flow::Pause => engine_io_server::Flow::Pause,
        }
    }

    fn on_close(self: Box<Self>, reason: CloseReason, detail: Option<&str>) {
        self.0.on_close(reason.into(), detail);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_client_hears_the_answer_of_each_turn() {
        let sockets = WebSockets::connect(1);
        for turn in [Turn::event(), Turn::sixteen_events(), Turn::long_event(), Turn::attachment()] {
            let mut turn = sockets.turn(&turn);
            for _ in 0..3 {
                turn();
            }
        }
    }

    #[test]
    fn all_clients_hear_a_broadcast() {
        let sockets = WebSockets::connect(300);
        for _ in 0..3 {
            sockets.emit();
        }
    }
}
