//! A client without a network: what it sends is handed straight to the server, and what the server sends is kept.
#![allow(
    clippy::unwrap_used,
    dead_code,
    missing_docs,
    missing_debug_implementations,
    unreachable_pub,
    reason = "each test file uses a part of it"
)]

pub mod visitor;

use std::fmt::Display;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use serde_json::Value;
use socketio_server::engine::{Connection, Flow, Message, Receiver, SendError, SharedFrame, Wake};
use socketio_server::{Builder, DisconnectReason, Server};

/// The client's end of a connection.
pub struct Peer {
    pub connection: Arc<TestConnection>,
    receiver: Option<Receiver>,
}

#[derive(Default)]
pub struct TestConnection {
    sent: Mutex<Vec<SharedFrame>>,
    closed: Mutex<Option<(DisconnectReason, Option<String>)>>,
    /// Told when the server lets what it has queued be written.
    pub writer: Option<Waker>,
    /// Whether awaited emits have to wait, and who does.
    pub is_full: AtomicBool,
    waiting: Mutex<Vec<Waker>>,
    pub is_busy: AtomicBool,
    pub n_resumed: AtomicUsize,
    pub protocol_3: AtomicBool,
    /// It came over TLS, and nothing else is known of it.
    has_no_request: bool,
}

impl Connection for TestConnection {
    fn id(&self) -> &str {
        "session-of-engine-io"
    }

    fn protocol(&self) -> u8 {
        if self.protocol_3.load(Ordering::Relaxed) { 3 } else { 4 }
    }

    fn transport(&self) -> &'static str {
        "websocket"
    }

    fn remote_addr(&self) -> Option<SocketAddr> {
        (!self.has_no_request).then(|| SocketAddr::from(([192, 0, 2, 1], 4711)))
    }

    fn is_secure(&self) -> bool {
        self.has_no_request
    }

    fn received_at(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH
    }

    fn target(&self) -> &str {
        if self.has_no_request { "" } else { "/socket.io/?EIO=4&transport=websocket&name=a%20b" }
    }

    fn visit_headers(&self, visit: &mut dyn FnMut(&str, &[u8])) {
        if self.has_no_request {
            return;
        }
        visit("host", b"localhost");
        visit("origin", b"http://localhost");
        visit("x-twice", b"1");
        visit("x-twice", b"2");
    }

    fn queue(&self, frames: &[SharedFrame]) -> Result<Wake, SendError> {
        if !self.is_open() {
            return Err(SendError::Closed);
        }
        self.sent.lock().unwrap().extend(frames.iter().cloned());
        Ok(self.writer.clone().map_or(Wake::none(), Wake::from))
    }

    fn queue_volatile(&self, frames: &[SharedFrame]) -> Option<Wake> {
        if self.is_busy.load(Ordering::Relaxed) { None } else { self.queue(frames).ok() }
    }

    fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.is_full.load(Ordering::Relaxed) {
            return Poll::Ready(());
        }
        self.waiting.lock().unwrap().push(cx.waker().clone());
        Poll::Pending
    }

    fn close(&self, reason: DisconnectReason) {
        self.closed.lock().unwrap().get_or_insert((reason, None));
    }

    fn close_because(&self, reason: DisconnectReason, detail: &dyn Display) {
        self.closed.lock().unwrap().get_or_insert((reason, Some(detail.to_string())));
    }

    fn resume(&self) {
        self.n_resumed.fetch_add(1, Ordering::Relaxed);
    }

    fn is_open(&self) -> bool {
        self.closed.lock().unwrap().is_none()
    }
}

impl TestConnection {
    /// As [`Peer::take`].
    pub fn take(&self) -> Vec<String> {
        let sent = std::mem::take(&mut *self.sent.lock().unwrap());
        sent.iter()
            .map(|frame| match frame.to_message() {
                Message::Text(text) => text.to_string(),
                Message::Binary(bytes) => format!("b:{bytes:?}"),
            })
            .collect()
    }

    /// The client has taken what waited.
    pub fn drain(&self) {
        self.is_full.store(false, Ordering::Relaxed);
        self.waiting.lock().unwrap().drain(..).for_each(Waker::wake);
    }

    pub fn without_request() -> Self {
        Self { has_no_request: true, ..Self::default() }
    }

    pub fn with_writer(writer: Waker) -> Self {
        Self { writer: Some(writer), ..Self::default() }
    }
}

impl Peer {
    /// Opens a connection that has joined nothing.
    pub fn open(io: &Server) -> Self {
        Self::open_with(io, TestConnection::default())
    }

    pub fn open_with(io: &Server, connection: TestConnection) -> Self {
        let connection = Arc::new(connection);
        let receiver = io.open(Arc::clone(&connection) as _);
        Self { connection, receiver: Some(receiver) }
    }

    /// Opens a connection and joins the root namespace, which must be decided at once.
    pub fn join(io: &Server) -> Self {
        let mut peer = Self::open(io);
        peer.enter("/");
        peer
    }

    /// Joins a namespace, which must be decided at once; returns the socket's id.
    pub fn enter(&mut self, namespace: &str) -> String {
        let prefix = if namespace == "/" { String::new() } else { format!("{namespace},") };
        self.send(&format!("0{prefix}"));
        let answer = self.take();
        let json = answer[0].strip_prefix(&format!("0{prefix}")).expect("the answer to CONNECT comes first");
        let answer: Value = serde_json::from_str(json).unwrap();
        answer["sid"].as_str().unwrap().to_owned()
    }

    /// Hands a text to the server as its engine would.
    pub fn send(&mut self, text: &str) {
        let _ = self.offer(text);
    }

    /// Hands a text to the server, which says whether it takes more.
    pub fn offer(&mut self, text: &str) -> Flow {
        self.deliver(Message::from(text))
    }

    pub fn send_binary(&mut self, bytes: &'static [u8]) {
        let _ = self.deliver(Message::from(Bytes::from_static(bytes)));
    }

    fn deliver(&mut self, message: Message) -> Flow {
        let Some(receiver) = &mut self.receiver else { return Flow::Continue };
        let flow = receiver.on_message(message);
        self.notice_close();
        flow
    }

    /// As an engine does, tells the server of a close that it has asked for. Returns the reason of the close, if any.
    pub fn notice_close(&mut self) -> Option<DisconnectReason> {
        let (reason, detail) = self.connection.closed.lock().unwrap().clone()?;
        if let Some(receiver) = self.receiver.take() {
            receiver.on_close(reason, detail.as_deref());
        }
        Some(reason)
    }

    /// The client goes away.
    pub fn hang_up(&mut self, reason: DisconnectReason) {
        self.connection.close(reason);
        self.notice_close();
    }

    /// What the server has sent since the last time; binary messages as `b:` and their bytes.
    pub fn take(&mut self) -> Vec<String> {
        self.connection.take()
    }

    /// Whether the server has sent something that was not taken.
    pub fn has_messages(&self) -> bool {
        !self.connection.sent.lock().unwrap().is_empty()
    }

    /// As [`take`](Self::take), as they were queued.
    pub fn take_frames(&mut self) -> Vec<SharedFrame> {
        std::mem::take(&mut *self.connection.sent.lock().unwrap())
    }

    pub fn n_resumed(&self) -> usize {
        self.connection.n_resumed.load(Ordering::Relaxed)
    }
}

/// A server with default options.
pub fn server() -> Server {
    build(Server::builder())
}

pub fn build(builder: Builder) -> Server {
    builder.build().expect("these options fit together")
}

/// Lets all tasks run that can; the clock is stopped.
pub async fn settle() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

/// What handlers note for the test to read.
#[derive(Clone, Default)]
pub struct Notes(Arc<Mutex<Vec<String>>>);

impl Notes {
    pub fn add(&self, note: impl Into<String>) {
        self.0.lock().unwrap().push(note.into());
    }

    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}
