//! The connection as the server sees it: an outbox, and the first request that never was.

use std::collections::VecDeque;
use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::SystemTime;

use socketio_server::DisconnectReason;
use socketio_server::engine::{Connection, SendError, SharedFrame, Wake};

use crate::sync::Mutex;

/// Above this much in the outbox, an emit that is awaited waits.
const SOFT_BYTES: usize = 1 << 20;
/// A message that goes past this closes the connection. One of any size fits an empty outbox.
const HARD_BYTES: usize = 16 << 20;
/// What a frame counts beside its content.
const FRAME_COST: usize = 16;

/// What a server learns from the first request of a connection.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) target: String,
    /// Names are in lower case.
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) address: SocketAddr,
    pub(crate) is_secure: bool,
}

/// One connection. What the server sends waits in its outbox until the [reader](crate::reader) takes it.
#[derive(Debug)]
pub(crate) struct Link {
    id: String,
    request: Request,
    received_at: SystemTime,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    outbox: VecDeque<SharedFrame>,
    n_bytes: usize,
    /// The client takes nothing for now.
    is_stopped: bool,
    end: Option<DisconnectReason>,
    /// What the server says of it.
    detail: Option<String>,
    /// How often the server has asked to be sent more.
    n_resumed: u64,
    reader: Option<Waker>,
    /// Who waits for the outbox to become smaller.
    writers: Vec<Waker>,
}

impl Link {
    pub(crate) fn new(request: Request) -> Self {
        // Applications may know their connections by it.
        static N_LINKS: AtomicU64 = AtomicU64::new(0);
        let id = format!("test-connection-{}", N_LINKS.fetch_add(1, Ordering::Relaxed));
        Self { id, request, received_at: SystemTime::now(), state: Mutex::default() }
    }

    /// From now on `waker` is told of whatever happens to the link.
    pub(crate) fn register(&self, waker: &Waker) {
        self.state.lock().reader = Some(waker.clone());
    }

    /// Takes the next frame; `Ready(None)` is the end. Nobody is woken by this call: see [`register`](Self::register).
    pub(crate) fn poll_frame(&self) -> Poll<Option<SharedFrame>> {
        let mut state = self.state.lock();
        let frame = if state.is_stopped { None } else { state.outbox.pop_front() };
        let Some(frame) = frame else {
            let is_over = state.end.is_some() && state.outbox.is_empty();
            return if is_over { Poll::Ready(None) } else { Poll::Pending };
        };
        state.n_bytes -= cost(&frame);
        let writers =
            if state.n_bytes <= SOFT_BYTES { std::mem::take(&mut state.writers) } else { Vec::new() };
        drop(state);
        writers.into_iter().for_each(Waker::wake);
        Poll::Ready(Some(frame))
    }

    pub(crate) fn set_stopped(&self, is_stopped: bool) {
        self.state.lock().change(|state| state.is_stopped = is_stopped);
    }

    /// The connection breaks: what has not arrived never will. Returns why it has ended, if not for this reason.
    pub(crate) fn cut(&self, reason: DisconnectReason) -> DisconnectReason {
        let mut reason = reason;
        self.state.lock().change(|state| {
            state.clear();
            reason = *state.end.get_or_insert(reason);
        });
        reason
    }

    pub(crate) fn end(&self) -> Option<DisconnectReason> {
        self.state.lock().end
    }

    pub(crate) fn detail(&self) -> Option<String> {
        self.state.lock().detail.clone()
    }

    pub(crate) fn n_resumed(&self) -> u64 {
        self.state.lock().n_resumed
    }
}

impl State {
    /// Changes something and tells whoever waits. Their wakers only schedule, so the lock may be held.
    fn change(&mut self, change: impl FnOnce(&mut Self)) {
        change(self);
        if let Some(reader) = &self.reader {
            reader.wake_by_ref();
        }
        if self.end.is_some() {
            self.writers.drain(..).for_each(Waker::wake);
        }
    }

    fn clear(&mut self) {
        self.outbox.clear();
        self.n_bytes = 0;
    }

    fn push(&mut self, frames: &[SharedFrame]) -> Result<Wake, SendError> {
        if self.end.is_some() {
            return Err(SendError::Closed);
        }
        let more: usize = frames.iter().map(cost).sum();
        if self.n_bytes > 0 && self.n_bytes + more > HARD_BYTES {
            self.change(|state| {
                state.clear();
                state.end = Some(DisconnectReason::SlowConsumer);
            });
            return Err(SendError::SlowConsumer);
        }
        self.n_bytes += more;
        self.outbox.extend(frames.iter().cloned());
        Ok(self.reader.clone().map_or(Wake::none(), Wake::from))
    }
}

fn cost(frame: &SharedFrame) -> usize {
    frame.len() + FRAME_COST
}

impl Connection for Link {
    fn id(&self) -> &str {
        &self.id
    }

    fn transport(&self) -> &'static str {
        "websocket"
    }

    fn remote_addr(&self) -> Option<SocketAddr> {
        Some(self.request.address)
    }

    fn is_secure(&self) -> bool {
        self.request.is_secure
    }

    fn received_at(&self) -> SystemTime {
        self.received_at
    }

    fn target(&self) -> &str {
        &self.request.target
    }

    fn visit_headers(&self, visit: &mut dyn FnMut(&str, &[u8])) {
        self.request.headers.iter().for_each(|(name, value)| visit(name, value));
    }

    fn queue(&self, frames: &[SharedFrame]) -> Result<Wake, SendError> {
        self.state.lock().push(frames)
    }

    fn queue_volatile(&self, frames: &[SharedFrame]) -> Option<Wake> {
        let mut state = self.state.lock();
        let is_ready = !state.is_stopped && state.outbox.is_empty();
        if is_ready { state.push(frames).ok() } else { None }
    }

    fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.state.lock();
        if state.n_bytes <= SOFT_BYTES || state.end.is_some() {
            return Poll::Ready(());
        }
        state.writers.push(cx.waker().clone());
        Poll::Pending
    }

    /// The reader tells the server of the end: this may be called from within anything.
    fn close(&self, reason: DisconnectReason) {
        self.state.lock().change(|state| {
            state.end.get_or_insert(reason);
        });
    }

    fn close_because(&self, reason: DisconnectReason, detail: &dyn fmt::Display) {
        self.state.lock().change(|state| {
            if state.end.is_none() {
                (state.end, state.detail) = (Some(reason), Some(detail.to_string()));
            }
        });
    }

    fn resume(&self) {
        self.state.lock().change(|state| state.n_resumed += 1);
    }

    fn is_open(&self) -> bool {
        self.end().is_none()
    }
}
