//! A session as the layer above and the transports see it: the machine, the outbox and who waits for them.

use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use engine_io_parser::{Message, SharedFrame};
use http::HeaderMap;

use crate::handler::{Flow, Handler, Incoming, SessionHandler};
use crate::server::Shared;
use crate::server::deadlines::now;
use crate::session::outbox::{Outbox, SOFT_BYTES};
use crate::session::{GetAnswer, Input, Machine, Protocol, Transport, Verdict};
use crate::sync::Mutex;
use crate::{CloseReason, HandshakeRequest, HttpCompression, SessionId};

/// A handle to one session; a clone is one pointer.
///
/// All methods may be called from anywhere, also inside the session's own handler. None blocks.
#[derive(Clone)]
pub struct Session(Arc<Inner>);

struct Inner {
    id: SessionId,
    request: HandshakeRequest,
    shared: Arc<Shared>,
    core: Mutex<Core>,
    /// Held while a message is handed up, so it is also what keeps messages in order.
    handler: Mutex<Option<Box<dyn SessionHandler>>>,
}

/// What the session's lock guards.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) machine: Machine,
    pub(crate) outbox: Outbox,
    waiting: Waiting,
    /// Why the session was closed.
    reason: Option<CloseReason>,
    /// The reason, until the handler was told.
    closed: Option<CloseReason>,
    /// More about it, until then.
    detail: Option<Box<Detail>>,
    /// The client of a polling session of protocol 3 wants binary messages as text.
    pub(crate) base64: bool,
    /// The layer above has asked for a pause.
    is_paused: bool,
    /// It has ended the pause that its handler is about to ask for: another thread was faster.
    is_resumed_early: bool,
    /// The earliest time for which the timer knows this session.
    scheduled: Option<Instant>,
}

/// What an operator may read of a session's end. Boxed twice, as most sessions never need it.
#[derive(Debug)]
struct Detail(Box<str>);

/// Who is to be woken when something changes.
#[derive(Debug, Default)]
struct Waiting {
    get: Option<Waker>,
    post: Option<Waker>,
    websocket: Option<Waker>,
    /// Those who wait for room in the outbox.
    room: Vec<Waker>,
}

/// The sending end of a message is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The session is closed.
    #[error("the session is closed")]
    Closed,
    /// The peer takes its messages too slowly: the outbox is full, and the session is closed with this call.
    #[error("the outbox is full, the session is closed")]
    SlowConsumer,
    /// The text contains U+001E, which separates the packets of a polling payload; no client could read it there.
    #[error("the text contains the separator of payloads, U+001E")]
    SeparatorInText,
}

/// A session with new messages in its outbox whose transport has not been woken yet.
///
/// Dropping it wakes the transport. Whoever sends one message to many sessions keeps these until all outboxes are
/// filled, so that waking can be spread over time.
#[derive(Debug, Default)]
#[must_use = "dropping it wakes the session's transport at once"]
pub struct Wake(Option<Waker>);

impl Wake {
    /// Whether there is anybody to wake; if not, the transport will look by itself.
    #[must_use]
    pub fn is_needed(&self) -> bool {
        self.0.is_some()
    }
}

impl Drop for Wake {
    fn drop(&mut self) {
        if let Some(waker) = self.0.take() {
            waker.wake();
        }
    }
}

impl Session {
    /// The session's id. It is a secret of this client: do not show it to others.
    #[must_use]
    pub fn id(&self) -> &SessionId {
        &self.0.id
    }

    /// The revision of the Engine.IO protocol that the client speaks: 4, or 3 with
    /// [`allow_eio3`](crate::Config::allow_eio3).
    #[must_use]
    pub fn protocol(&self) -> u8 {
        match self.revision() {
            Protocol::V3 => 3,
            Protocol::V4 => 4,
        }
    }

    pub(crate) fn revision(&self) -> Protocol {
        self.0.core.lock().machine.protocol()
    }

    /// The transport that the session uses now.
    #[must_use]
    pub fn transport(&self) -> Transport {
        self.0.core.lock().machine.transport()
    }

    /// The first request of the session; it stays the same across an upgrade.
    #[must_use]
    pub fn request(&self) -> &HandshakeRequest {
        &self.0.request
    }

    /// Whether messages may be sent.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.0.core.lock().machine.is_open()
    }

    /// How many bytes wait to be sent, those that the connection has not accepted yet included.
    #[must_use]
    pub fn buffered_bytes(&self) -> usize {
        self.0.core.lock().outbox.bytes()
    }

    /// Sends a message: it is in the outbox when this returns, and goes out in order.
    ///
    /// # Errors
    ///
    /// [`SendError`] if the session is closed, or is closed by this call since its peer is too slow, or if the text
    /// contains U+001E (on every transport, as an upgrade may come at any time).
    pub fn send(&self, message: impl Into<Message>) -> Result<(), SendError> {
        let message = message.into();
        match &message {
            Message::Text(text) if text.contains('\u{1e}') => Err(SendError::SeparatorInText),
            message => self.send_frames(&[SharedFrame::from(message)]),
        }
    }

    /// Sends frames that may be shared with other sessions: all of them, one after the other, or none.
    ///
    /// A text frame must not contain U+001E: that is not looked for here, and closes a session that polls.
    ///
    /// # Errors
    ///
    /// [`SendError::Closed`] and [`SendError::SlowConsumer`].
    pub fn send_frames(&self, frames: &[SharedFrame]) -> Result<(), SendError> {
        self.queue_frames(frames).map(drop)
    }

    /// As [`send_frames`](Self::send_frames), but leaves waking the transport to the caller.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn queue_frames(&self, frames: &[SharedFrame]) -> Result<Wake, SendError> {
        let mut core = self.0.core.lock();
        if !core.machine.is_open() {
            return Err(SendError::Closed);
        }
        if core.outbox.push(frames).is_err() {
            let n_bytes = core.outbox.bytes();
            drop(core);
            self.drive_because(&format_args!("{n_bytes} bytes waited, and no more fitted"), |core| {
                core.machine.abort(CloseReason::SlowConsumer);
            });
            return Err(SendError::SlowConsumer);
        }
        Ok(core.take_writer())
    }

    /// Sends frames only if they can be written this instant, or else drops them all: nothing may be queued or on its
    /// way, and a polling client must have a request waiting. Says whether they were sent.
    pub fn send_volatile(&self, frames: &[SharedFrame]) -> bool {
        self.queue_volatile(frames).is_some()
    }

    /// As [`send_volatile`](Self::send_volatile), but leaves waking the transport to the caller.
    pub fn queue_volatile(&self, frames: &[SharedFrame]) -> Option<Wake> {
        let mut core = self.0.core.lock();
        let is_ready = core.outbox.is_idle()
            && match core.machine.transport() {
                Transport::Polling => core.machine.is_get_waiting(),
                Transport::WebSocket => core.machine.is_open(),
            };
        (is_ready && core.outbox.push(frames).is_ok()).then(|| core.take_writer())
    }

    /// Waits until no more than 1 MiB is buffered, or the session is closed: the pace at which a client that takes its
    /// messages slowly can be sent many.
    ///
    /// # Cancel safety
    ///
    /// May be dropped and called again.
    pub async fn writable(&self) {
        poll_fn(|cx| self.poll_writable(cx)).await;
    }

    /// As [`writable`](Self::writable), for code that polls.
    pub fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut core = self.0.core.lock();
        if !core.machine.is_open() || core.outbox.bytes() <= SOFT_BYTES {
            return Poll::Ready(());
        }
        if !core.waiting.room.iter().any(|waiting| waiting.will_wake(cx.waker())) {
            core.waiting.room.push(cx.waker().clone());
        }
        Poll::Pending
    }

    /// Closes the session. The handler is told at once; what was sent before still goes out.
    pub fn close(&self, reason: CloseReason) {
        self.drive(|core| core.machine.close(reason, now()));
    }

    /// As [`close`](Self::close), with more for an operator to read, which the handler is told along with the reason.
    pub fn close_because(&self, reason: CloseReason, detail: impl fmt::Display) {
        self.drive_because(&detail, |core| core.machine.close(reason, now()));
    }

    /// Closes the session and drops what is still queued.
    pub fn abort(&self, reason: CloseReason) {
        self.drive(|core| core.machine.abort(reason));
    }

    /// Ends a [`Flow::Pause`]: messages are read again. It may be called from another thread before the handler that
    /// asks for the pause has returned.
    pub fn resume(&self) {
        self.drive_and_wake_websocket(|core| {
            core.is_resumed_early = !core.is_paused;
            core.is_paused = false;
            core.machine.resume(now());
        });
    }

    pub(crate) fn new(
        id: SessionId,
        request: HandshakeRequest,
        machine: Machine,
        base64: bool,
        shared: Arc<Shared>,
    ) -> Self {
        let core = Core {
            machine,
            outbox: Outbox::default(),
            waiting: Waiting::default(),
            reason: None,
            closed: None,
            detail: None,
            base64,
            is_paused: false,
            is_resumed_early: false,
            scheduled: None,
        };
        Self(Arc::new(Inner { id, request, shared, core: Mutex::new(core), handler: Mutex::new(None) }))
    }

    /// Enters the session into the registry and tells the application.
    pub(crate) fn open(&self, handler: &dyn Handler) {
        self.0.shared.registry.insert(self.clone());
        tracing::debug!(target: "engine", sid = %self.id(), transport = self.transport().as_str(), "session opened");
        {
            // The slot is held meanwhile, so a session that is closed in `on_open` waits for its handler.
            let mut slot = self.0.handler.lock();
            *slot = Some(handler.on_open(self.clone()));
        }
        self.drive(|_| ());
        self.deliver_close();
    }

    /// Changes the session's state and does what follows from it: wakes who waits, sets the timer, tells the handler.
    pub(crate) fn drive<R>(&self, change: impl FnOnce(&mut Core) -> R) -> R {
        let mut core = self.0.core.lock();
        let result = change(&mut core);
        let after = core.settle(self.0.shared.timing.ping_timeout);
        drop(core);
        if let Some(at) = after.schedule {
            self.0.shared.deadlines.schedule(at, self.0.id.clone(), &self.0.shared.registry);
        }
        if after.is_gone {
            self.0.shared.registry.remove(&self.0.id);
        }
        after.wake.into_iter().flatten().chain(after.room).for_each(Waker::wake);
        if let Some(reason) = after.closed {
            tracing::debug!(target: "engine:socket", sid = %self.id(), %reason, "session closed");
            self.deliver_close();
        }
        result
    }

    /// As [`drive`](Self::drive), for a change that may close the session, with what the handler is to read then.
    pub(crate) fn drive_because<R>(
        &self,
        detail: &dyn fmt::Display,
        change: impl FnOnce(&mut Core) -> R,
    ) -> R {
        self.drive(|core| core.because(detail, change))
    }

    /// As [`drive`](Self::drive), for changes after which the WebSocket's task may read again.
    pub(crate) fn drive_and_wake_websocket(&self, change: impl FnOnce(&mut Core)) {
        let websocket = self.drive(|core| {
            change(core);
            core.waiting.websocket.take()
        });
        if let Some(websocket) = websocket {
            websocket.wake();
        }
    }

    /// For the hot path of a transport that needs nothing of what [`drive`](Self::drive) looks after.
    pub(crate) fn with_core<R>(&self, look: impl FnOnce(&mut Core) -> R) -> R {
        look(&mut self.0.core.lock())
    }

    /// Why the session was closed, if it was.
    pub(crate) fn last_reason(&self) -> Option<CloseReason> {
        self.0.core.lock().reason
    }

    /// The connection has taken so much of the outbox.
    pub(crate) fn written(&self, n_bytes: usize) {
        let room = self.with_core(|core| {
            core.outbox.written(n_bytes, now);
            core.take_waiting_for_room()
        });
        room.into_iter().for_each(Waker::wake);
    }

    pub(crate) fn handle_timeout(&self, now: Instant) {
        self.drive(|core| {
            core.scheduled = None;
            core.machine.handle_timeout(now);
            let stall = core.outbox.deadline(self.0.shared.timing.ping_timeout);
            if stall.is_some_and(|at| at <= now + self.0.shared.timing.grain) {
                let n_bytes = core.outbox.bytes();
                tracing::debug!(target: "engine:socket", sid = %self.id(), n_bytes, "slow consumer");
                core.because(&format_args!("{n_bytes} bytes waited for too long"), |core| {
                    core.machine.abort(CloseReason::SlowConsumer);
                });
            }
        });
    }

    /// Takes note of a packet and says what to do with it.
    pub(crate) fn receive(&self, input: Input, now: Instant) -> Verdict {
        match input {
            // The hot path: nothing can follow from it that `drive` looks after.
            Input::Message => self.with_core(|core| {
                core.is_resumed_early = false;
                core.machine.handle_packet(input, now)
            }),
            Input::Ping | Input::Probe => {
                self.drive_because(&"the client sent a ping", |core| core.machine.handle_packet(input, now))
            }
            Input::Pong => {
                self.drive_because(&"the client sent a pong", |core| core.machine.handle_packet(input, now))
            }
            _ => self.drive(|core| core.machine.handle_packet(input, now)),
        }
    }

    pub(crate) fn http_compression(&self) -> HttpCompression {
        self.0.shared.http_compression
    }

    /// Hands one message up, which was [received](Self::receive) just before.
    ///
    /// [`deliver_close`](Self::deliver_close) is to be called after this, once for several messages.
    pub(crate) fn deliver(&self, message: Message, headers: Option<&HeaderMap>) -> Flow {
        let flow = match &mut *self.0.handler.lock() {
            Some(handler) => handler.on_message(Incoming::new(message, headers)),
            None => Flow::Continue,
        };
        match flow {
            Flow::Pause => self.drive(Core::pause),
            Flow::Continue => Flow::Continue,
        }
    }

    /// Whether reading is paused; whoever is told so is woken when that ends.
    pub(crate) fn poll_resumed(&self, transport: Transport, cx: &Context<'_>) -> Poll<()> {
        let mut core = self.0.core.lock();
        if !core.is_paused || !core.machine.is_open() {
            return Poll::Ready(());
        }
        match transport {
            Transport::Polling => core.waiting.post = Some(cx.waker().clone()),
            Transport::WebSocket => core.waiting.websocket = Some(cx.waker().clone()),
        }
        Poll::Pending
    }

    /// Waits, on behalf of a POST, until a GET waits too.
    pub(crate) fn poll_get_waiting(&self, cx: &Context<'_>) -> Poll<()> {
        let mut core = self.0.core.lock();
        if core.machine.is_get_waiting() || !core.machine.is_open() {
            return Poll::Ready(());
        }
        core.waiting.post = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Tells the handler that the session is closed, if that is due and nobody else is at it.
    ///
    /// Whoever has held the handler calls this after it let go, so a close in the middle of `on_message` is told after
    /// it. That the close is looked for before the handler is reached for, and not while it is held, makes sure that
    /// of two threads at least one tells: if this one does not see the close, the other finds the handler free.
    pub(crate) fn deliver_close(&self) {
        if self.0.core.lock().closed.is_none() {
            return;
        }
        let Some(mut slot) = self.0.handler.try_lock() else { return };
        // Before `open` has put the handler in place nobody can be told; `open` looks again.
        let Some(handler) = slot.take() else { return };
        let (reason, detail) = {
            let mut core = self.0.core.lock();
            (core.closed.take(), core.detail.take())
        };
        drop(slot);
        if let Some(reason) = reason {
            handler.on_close(reason, detail.as_ref().map(|detail| &*detail.0));
        }
    }
}

impl Core {
    pub(crate) fn set_get_waker(&mut self, cx: &Context<'_>) {
        self.waiting.get = Some(cx.waker().clone());
    }

    /// The WebSocket's task is to be woken when there is something to do for it.
    pub(crate) fn set_websocket_waker(&mut self, cx: &Context<'_>) {
        match &mut self.waiting.websocket {
            Some(waker) => waker.clone_from(cx.waker()),
            None => self.waiting.websocket = Some(cx.waker().clone()),
        }
    }

    /// Whether messages wait that the WebSocket may send.
    pub(crate) fn is_due_on_websocket(&self) -> bool {
        self.machine.may_drain_websocket() && !self.outbox.is_empty()
    }

    /// What there is to do for the WebSocket's task, which is awake: until it sleeps nobody need wake it, but whoever ends
    /// a pause.
    pub(crate) fn look_from_websocket(&mut self, cx: &Context<'_>) -> Look {
        let is_held = self.is_paused && self.machine.is_open();
        self.waiting.websocket = is_held.then(|| cx.waker().clone());
        Look { is_due: self.is_due_on_websocket(), has_news: self.machine.has_news_for_websocket(), is_held }
    }

    /// Pauses reading, unless the pause has been ended already.
    fn pause(&mut self) -> Flow {
        if std::mem::take(&mut self.is_resumed_early) {
            return Flow::Continue;
        }
        self.is_paused = true;
        self.machine.pause(now());
        Flow::Pause
    }

    /// Makes a change; if it closes the session, `detail` is why.
    pub(crate) fn because<R>(&mut self, detail: &dyn fmt::Display, change: impl FnOnce(&mut Self) -> R) -> R {
        let was_open = self.machine.is_open();
        let result = change(self);
        if was_open && !self.machine.is_open() {
            self.detail = Some(Box::new(Detail(detail.to_string().into())));
        }
        result
    }

    /// Who sends the outbox's messages, if it sleeps.
    fn take_writer(&mut self) -> Wake {
        Wake(match self.machine.transport() {
            Transport::WebSocket => self.waiting.websocket.take(),
            Transport::Polling => self.waiting.get.take(),
        })
    }

    fn take_waiting_for_room(&mut self) -> Vec<Waker> {
        if self.outbox.bytes() <= SOFT_BYTES || !self.machine.is_open() {
            std::mem::take(&mut self.waiting.room)
        } else {
            Vec::new()
        }
    }

    fn settle(&mut self, stall: std::time::Duration) -> After {
        if let Some(reason) = self.machine.poll_closed() {
            (self.reason, self.closed) = (Some(reason), Some(reason));
        }
        let is_gone = self.machine.is_closed();
        if is_gone {
            self.outbox.clear();
        }
        let next = [self.machine.poll_timeout(), self.outbox.deadline(stall)].into_iter().flatten().min();
        let schedule = next.filter(|at| self.scheduled.is_none_or(|scheduled| *at < scheduled));
        if schedule.is_some() {
            self.scheduled = schedule;
        }
        let has_answer = !matches!(self.machine.poll_get(!self.outbox.is_empty()), GetAnswer::Wait);
        let is_held = self.is_paused && self.machine.is_open();
        let wake = [
            self.waiting.get.take_if(|_| has_answer),
            self.waiting.post.take_if(|_| !is_held),
            self.waiting.websocket.take_if(|_| self.machine.has_news_for_websocket()),
        ];
        After { schedule, is_gone, wake, room: self.take_waiting_for_room(), closed: self.closed }
    }
}

/// What the WebSocket's task finds when it wakes.
pub(crate) struct Look {
    /// Messages wait that it may send.
    pub(crate) is_due: bool,
    /// The session's state asks for something.
    pub(crate) has_news: bool,
    /// Nothing is to be read.
    pub(crate) is_held: bool,
}

struct After {
    schedule: Option<Instant>,
    is_gone: bool,
    wake: [Option<Waker>; 3],
    room: Vec<Waker>,
    closed: Option<CloseReason>,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("id", self.id()).finish_non_exhaustive()
    }
}
