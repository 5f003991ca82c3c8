//! One Engine.IO session as a pure state machine: no I/O, no clock, no lock, no task.
//!
//! ```text
//!                    websocket               2probe              5 (no POST running)
//!  Polling(Idle) ──────────────► Probing ──────────────► Probed ───────────────────────► WebSocket
//!    ▲    │                        │                       │ 5 while a POST runs             │
//!    │    │ close()                │ anything else,        ├──────► Switching ── POST done ──┤
//!    │    ▼                        │ lost or timeout       │            │                    │ close()
//!    │  Closing(polling)           ▼                       ▼            ▼                    ▼
//!    └──────────────────────── Polling(Idle)           Polling      Polling          Closing(WebSocket)
//! ```
//!
//! Every state goes to `Closed` on a fatal input. The shells (a request, a WebSocket task, the timer) tell the machine
//! what happened through `handle_*` and ask it afterwards: [`poll_get`](Machine::poll_get) what a waiting GET is
//! answered, [`may_drain_websocket`](Machine::may_drain_websocket) whether the WebSocket may send what is queued,
//! [`poll_timeout`](Machine::poll_timeout) when to look again and [`poll_closed`](Machine::poll_closed) whether the
//! layer above must be told. They decide nothing about the protocol themselves.

mod heartbeat;
pub(crate) mod outbox;
#[cfg(test)]
mod sim;
#[cfg(test)]
mod table;

use std::sync::Arc;
use std::time::{Duration, Instant};

use self::heartbeat::{Heartbeat, Periods, Tick};
use crate::CloseReason;

/// The periods of an engine, shared by its sessions.
#[derive(Debug, Clone)]
pub(crate) struct Timing {
    pub(crate) ping_interval: Duration,
    pub(crate) ping_timeout: Duration,
    pub(crate) upgrade_timeout: Duration,
    /// How much too early a timer may look, so that deadlines are never late.
    pub(crate) grain: Duration,
}

/// The revision of the protocol that a client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// Of clients before Socket.IO 3: they ping.
    V3,
    V4,
}

impl Protocol {
    /// The server's packet of the heartbeat: a ping, or the answer to the client's.
    pub(crate) const fn beat(self) -> &'static str {
        match self {
            Self::V3 => "3",
            Self::V4 => "2",
        }
    }
}

#[derive(Debug)]
pub(crate) struct Machine {
    timing: Arc<Timing>,
    /// The pause between pings, its jitter already taken off.
    ping_interval: Duration,
    protocol: Protocol,
    transport: Transport,
    state: State,
    heartbeat: Heartbeat,
    /// The server's part of the heartbeat is to be sent: a ping, or the answer to the client's.
    beat_due: bool,
    /// The number of the newest WebSocket; what an older one says no longer counts.
    websocket: u32,
    /// The reason, until the layer above was told.
    closed: Option<CloseReason>,
}

#[derive(Debug)]
enum State {
    Polling(Polling),
    WebSocket,
    Closing(Closing),
    Closed { answer: LastAnswer },
}

#[derive(Debug, Default)]
struct Polling {
    get: Option<Get>,
    post: bool,
    probe: Probe,
}

/// A GET that waits.
#[derive(Debug)]
struct Get {
    /// Whether it is answered even if nothing is queued: only while a WebSocket takes over.
    noop: Option<NoopDue>,
}

#[derive(Debug)]
enum NoopDue {
    Now,
    At(Instant),
}

#[derive(Debug, Default)]
enum Probe {
    #[default]
    None,
    /// A WebSocket came; its `2probe` has not.
    Probing { by: Instant },
    /// `3probe` was sent; `5` has not come.
    Probed { by: Instant },
    /// `5` came while a POST was running, whose messages come first.
    Switching { by: Instant },
}

/// `close` was called: what is queued goes out, then the close packet or frame.
#[derive(Debug)]
struct Closing {
    reason: CloseReason,
    by: Instant,
    way: Way,
}

#[derive(Debug)]
enum Way {
    Polling { get: bool, noop: bool, post: bool },
    WebSocket,
}

/// What a GET that still waits when the session is gone is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LastAnswer {
    Noop,
    Close,
}

/// A packet of the peer, as far as the machine cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Input {
    Open,
    Close,
    Ping,
    /// `2probe`.
    Probe,
    Pong,
    Message,
    Upgrade,
    Noop,
}

/// What to do with a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Hand the message up.
    Deliver,
    /// Nothing; go on.
    Ignore,
    /// The session is over; look at nothing more.
    Stop,
}

/// What to do with a packet of a WebSocket that wants to take over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ProbeVerdict {
    /// Answer `3probe`.
    Answer,
    /// The WebSocket is the session's transport now.
    Upgraded,
    /// Read nothing until the running POST is done.
    Wait,
    /// Close the WebSocket; the session goes on without it.
    Fail,
}

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RequestError {
    /// A second GET or POST at the same time: the session is closed by it.
    Overlap,
    /// The session has moved to WebSocket.
    WrongTransport,
    /// The session is over.
    Gone,
}

/// What a waiting GET is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GetAnswer {
    Wait,
    /// Everything that is queued, and the server's part of the heartbeat before it if that is due.
    Packets {
        beat: bool,
    },
    Noop,
    /// The close packet, which ends the session; `noop` puts a noop before it.
    Last {
        noop: bool,
    },
    Close,
    Refused(RequestError),
}

/// The transport that a session uses now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Transport {
    /// HTTP long-polling.
    Polling,
    /// WebSocket.
    WebSocket,
}

impl Transport {
    /// The name on the wire: `polling` or `websocket`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Polling => "polling",
            Self::WebSocket => "websocket",
        }
    }
}

impl Machine {
    /// A machine whose ping interval is shortened by up to a tenth, as `jitter` says, so that clients which connected
    /// together do not tick together.
    pub(crate) fn new(
        transport: Transport,
        protocol: Protocol,
        timing: Arc<Timing>,
        jitter: u8,
        now: Instant,
    ) -> Self {
        let state = match transport {
            Transport::Polling => State::Polling(Polling::default()),
            Transport::WebSocket => State::WebSocket,
        };
        let shorter = match protocol {
            // The client's clock strikes.
            Protocol::V3 => Duration::ZERO,
            Protocol::V4 => timing.ping_interval / 10 * u32::from(jitter) / u32::from(u8::MAX),
        };
        let periods = Periods { interval: timing.ping_interval - shorter, timeout: timing.ping_timeout };
        Self {
            timing,
            ping_interval: periods.interval,
            protocol,
            transport,
            state,
            heartbeat: Heartbeat::new(now, protocol, periods),
            beat_due: false,
            websocket: 0,
            closed: None,
        }
    }

    // Requests over HTTP.

    pub(crate) fn handle_get(&mut self, now: Instant) -> Result<(), RequestError> {
        match &mut self.state {
            State::Polling(Polling { probe: Probe::Switching { .. }, .. }) => {
                Err(RequestError::WrongTransport)
            }
            State::Polling(Polling { get: Some(_), .. }) => {
                self.die(CloseReason::TransportError, LastAnswer::Close);
                Err(RequestError::Overlap)
            }
            State::Polling(polling) => {
                let is_probed = matches!(polling.probe, Probe::Probed { .. });
                polling.get = Some(Get { noop: is_probed.then(|| NoopDue::At(now + NOOP_PAUSE)) });
                Ok(())
            }
            State::Closing(Closing { way: Way::Polling { get: get @ false, noop, .. }, .. }) => {
                (*get, *noop) = (true, true);
                Ok(())
            }
            State::Closing(Closing { way: Way::Polling { .. }, .. }) => {
                self.die(CloseReason::TransportError, LastAnswer::Close);
                Err(RequestError::Overlap)
            }
            State::WebSocket | State::Closing(_) => Err(RequestError::WrongTransport),
            State::Closed { .. } => Err(RequestError::Gone),
        }
    }

    /// What the waiting GET is answered now; `has_queued` says whether the outbox holds anything.
    #[must_use]
    pub(crate) fn poll_get(&self, has_queued: bool) -> GetAnswer {
        match &self.state {
            State::Polling(Polling { probe: Probe::Switching { .. }, .. })
            | State::WebSocket
            | State::Closing(Closing { way: Way::WebSocket, .. }) => {
                GetAnswer::Refused(RequestError::WrongTransport)
            }
            State::Polling(_) if has_queued || self.beat_due => GetAnswer::Packets { beat: self.beat_due },
            State::Polling(Polling { get: Some(Get { noop: Some(NoopDue::Now) }), .. }) => GetAnswer::Noop,
            State::Polling(_) => GetAnswer::Wait,
            // A client acts on the close packet before it has handed up the messages of the same payload, so that it
            // would take a DISCONNECT for a broken connection: the next GET gets it.
            State::Closing(Closing { way: Way::Polling { .. }, .. }) if has_queued => {
                GetAnswer::Packets { beat: false }
            }
            State::Closing(Closing { way: Way::Polling { noop, .. }, .. }) => GetAnswer::Last { noop: *noop },
            State::Closed { answer: LastAnswer::Noop } => GetAnswer::Noop,
            State::Closed { answer: LastAnswer::Close } => GetAnswer::Close,
        }
    }

    /// The waiting GET was answered so.
    pub(crate) fn handle_get_answered(&mut self, answer: GetAnswer) {
        match &mut self.state {
            State::Polling(polling) => {
                polling.get = None;
                self.beat_due = false;
            }
            State::Closing(Closing { way: Way::Polling { get, .. }, .. }) => {
                *get = false;
                if let GetAnswer::Last { .. } = answer {
                    self.end();
                }
            }
            State::WebSocket | State::Closing(_) | State::Closed { .. } => {}
        }
    }

    /// The peer went away while its GET waited: nobody knows what it got, so nothing is sent again.
    pub(crate) fn handle_get_aborted(&mut self) {
        match &self.state {
            State::Polling(Polling { get: Some(_), .. })
            | State::Closing(Closing { way: Way::Polling { .. }, .. }) => {
                self.die(CloseReason::TransportError, LastAnswer::Close);
            }
            State::Polling(_) | State::WebSocket | State::Closing(_) | State::Closed { .. } => {}
        }
    }

    pub(crate) fn handle_post(&mut self) -> Result<(), RequestError> {
        match &mut self.state {
            State::Polling(Polling { probe: Probe::Switching { .. }, .. }) => {
                Err(RequestError::WrongTransport)
            }
            State::Polling(Polling { post: post @ false, .. })
            | State::Closing(Closing { way: Way::Polling { post: post @ false, .. }, .. }) => {
                *post = true;
                Ok(())
            }
            State::Polling(_) | State::Closing(Closing { way: Way::Polling { .. }, .. }) => {
                self.die(CloseReason::TransportError, LastAnswer::Close);
                Err(RequestError::Overlap)
            }
            State::WebSocket | State::Closing(_) => Err(RequestError::WrongTransport),
            State::Closed { .. } => Err(RequestError::Gone),
        }
    }

    /// All packets of the POST were handled.
    pub(crate) fn handle_post_done(&mut self) {
        match &mut self.state {
            State::Polling(Polling { probe: Probe::Switching { .. }, .. }) => self.switch(),
            State::Polling(Polling { post, .. })
            | State::Closing(Closing { way: Way::Polling { post, .. }, .. }) => *post = false,
            State::WebSocket | State::Closing(_) | State::Closed { .. } => {}
        }
    }

    /// The POST broke off, or its body cannot be read.
    pub(crate) fn handle_post_failed(&mut self, reason: CloseReason) {
        match &self.state {
            State::Polling(Polling { post: true, .. })
            | State::Closing(Closing { way: Way::Polling { .. }, .. }) => {
                self.die(reason, LastAnswer::Close);
            }
            State::Polling(_) | State::WebSocket | State::Closing(_) | State::Closed { .. } => {}
        }
    }

    fn periods(&self) -> Periods {
        Periods { interval: self.ping_interval, timeout: self.timing.ping_timeout }
    }

    // Packets.

    /// A packet that came over the session's own transport.
    pub(crate) fn handle_packet(&mut self, input: Input, now: Instant) -> Verdict {
        match &self.state {
            State::Polling(_) | State::WebSocket => {}
            State::Closing(_) if input == Input::Close => {
                self.end();
                return Verdict::Stop;
            }
            State::Closing(_) => return Verdict::Ignore,
            State::Closed { .. } => return Verdict::Stop,
        }
        let periods = self.periods();
        match input {
            Input::Pong if self.protocol == Protocol::V4 => {
                self.heartbeat.handle_pong(now, periods);
                return Verdict::Ignore;
            }
            Input::Ping | Input::Probe if self.protocol == Protocol::V3 => {
                self.heartbeat.handle_activity(now, periods);
                self.beat_due = true;
                return Verdict::Ignore;
            }
            // The other side's part of the heartbeat.
            Input::Ping | Input::Probe | Input::Pong => {
                self.die(CloseReason::TransportError, LastAnswer::Close);
            }
            Input::Close => self.die(CloseReason::TransportClose, LastAnswer::Noop),
            Input::Message => {
                self.heartbeat.handle_activity(now, periods);
                return Verdict::Deliver;
            }
            Input::Open | Input::Upgrade | Input::Noop => {
                self.heartbeat.handle_activity(now, periods);
                return Verdict::Ignore;
            }
        }
        Verdict::Stop
    }

    /// The peer sent something that is no packet.
    pub(crate) fn handle_garbage(&mut self) {
        match &self.state {
            State::Polling(_) | State::WebSocket => self.die(CloseReason::ParseError, LastAnswer::Close),
            State::Closing(_) => self.end(),
            State::Closed { .. } => {}
        }
    }

    // The WebSocket.

    /// A WebSocket asks for a session that began with polling; its number is to be shown with all it says later.
    pub(crate) fn handle_websocket(&mut self, now: Instant) -> Result<u32, RequestError> {
        match &mut self.state {
            State::Polling(Polling { probe: probe @ Probe::None, .. }) => {
                *probe = Probe::Probing { by: now + self.timing.upgrade_timeout };
                self.websocket += 1;
                Ok(self.websocket)
            }
            State::Polling(_) | State::WebSocket => Err(RequestError::Overlap),
            State::Closing(_) | State::Closed { .. } => Err(RequestError::Gone),
        }
    }

    /// A packet of the WebSocket that wants to take over.
    pub(crate) fn handle_probe_packet(&mut self, websocket: u32, input: Input) -> ProbeVerdict {
        let State::Polling(polling) = &mut self.state else { return ProbeVerdict::Fail };
        if websocket != self.websocket {
            return ProbeVerdict::Fail;
        }
        match (&polling.probe, input) {
            (Probe::Probing { by }, Input::Probe) => {
                polling.probe = Probe::Probed { by: *by };
                if let Some(get) = &mut polling.get {
                    get.noop = Some(NoopDue::Now);
                }
                ProbeVerdict::Answer
            }
            (Probe::Probed { by }, Input::Upgrade) if polling.post => {
                polling.probe = Probe::Switching { by: *by };
                ProbeVerdict::Wait
            }
            (Probe::Probed { .. }, Input::Upgrade) => {
                self.switch();
                ProbeVerdict::Upgraded
            }
            (Probe::None | Probe::Probing { .. } | Probe::Probed { .. } | Probe::Switching { .. }, _) => {
                polling.probe = Probe::None;
                ProbeVerdict::Fail
            }
        }
    }

    /// Where the WebSocket of that number stands in taking the session over.
    #[must_use]
    pub(crate) fn poll_probe(&self, websocket: u32) -> ProbeVerdict {
        match &self.state {
            _ if websocket != self.websocket => ProbeVerdict::Fail,
            State::Polling(Polling { probe: Probe::None, .. }) | State::Closing(_) | State::Closed { .. } => {
                ProbeVerdict::Fail
            }
            State::Polling(_) => ProbeVerdict::Wait,
            State::WebSocket => ProbeVerdict::Upgraded,
        }
    }

    /// The WebSocket of that number is gone. Before it took over, that costs only the probe.
    pub(crate) fn handle_websocket_lost(&mut self, websocket: u32, reason: CloseReason) {
        if websocket != self.websocket {
            return;
        }
        match &mut self.state {
            State::Polling(polling) => polling.probe = Probe::None,
            State::WebSocket => self.die(reason, LastAnswer::Close),
            State::Closing(Closing { way: Way::WebSocket, .. }) => self.end(),
            State::Closing(_) | State::Closed { .. } => {}
        }
    }

    /// Whether the WebSocket may send what is queued.
    #[must_use]
    pub(crate) fn may_drain_websocket(&self) -> bool {
        matches!(self.state, State::WebSocket | State::Closing(Closing { way: Way::WebSocket, .. }))
    }

    /// Whether the server's part of the heartbeat is to be sent over the WebSocket now.
    #[must_use]
    pub(crate) fn poll_beat(&mut self) -> bool {
        matches!(self.state, State::WebSocket) && std::mem::take(&mut self.beat_due)
    }

    // Time.

    /// Acts on the deadlines that have come.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        let due = |at: Instant| at <= now + self.timing.grain;
        match &mut self.state {
            State::Polling(polling) => {
                if let Probe::Probing { by } | Probe::Probed { by } | Probe::Switching { by } = polling.probe
                    && due(by)
                {
                    polling.probe = Probe::None;
                }
                if let Some(Get { noop: Some(noop @ NoopDue::At(_)) }) = &mut polling.get
                    && matches!(noop, NoopDue::At(at) if due(*at))
                {
                    *noop = NoopDue::Now;
                }
                self.handle_heartbeat(now);
            }
            State::WebSocket => self.handle_heartbeat(now),
            State::Closing(closing) if due(closing.by) => self.end(),
            State::Closing(_) | State::Closed { .. } => {}
        }
    }

    /// The next deadline.
    #[must_use]
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        match &self.state {
            State::Polling(polling) => {
                let probe = match polling.probe {
                    Probe::None => None,
                    Probe::Probing { by } | Probe::Probed { by } | Probe::Switching { by } => Some(by),
                };
                let noop = match polling.get {
                    Some(Get { noop: Some(NoopDue::At(at)) }) => Some(at),
                    Some(Get { noop: Some(NoopDue::Now) | None }) | None => None,
                };
                [self.heartbeat.deadline(), probe, noop].into_iter().flatten().min()
            }
            State::WebSocket => self.heartbeat.deadline(),
            State::Closing(closing) => Some(closing.by),
            State::Closed { .. } => None,
        }
    }

    /// Nothing is read of the peer until [`resume`](Self::resume).
    pub(crate) fn pause(&mut self, now: Instant) {
        self.heartbeat.pause(now);
    }

    pub(crate) fn resume(&mut self, now: Instant) {
        self.heartbeat.resume(now);
    }

    // The end.

    /// The layer above wants the session closed: what is queued still goes out.
    pub(crate) fn close(&mut self, reason: CloseReason, now: Instant) {
        let way = match &self.state {
            State::Polling(polling) => {
                Way::Polling { get: polling.get.is_some(), noop: false, post: polling.post }
            }
            State::WebSocket => Way::WebSocket,
            State::Closing(_) | State::Closed { .. } => return,
        };
        self.closed = Some(reason);
        self.state = State::Closing(Closing { reason, by: now + CLOSE_TIMEOUT, way });
    }

    /// The session ends at once, whatever is queued.
    pub(crate) fn abort(&mut self, reason: CloseReason) {
        match &self.state {
            State::Polling(_) | State::WebSocket => self.die(reason, LastAnswer::Close),
            State::Closing(_) => self.end(),
            State::Closed { .. } => {}
        }
    }

    /// The reason, once, when the layer above is to be told that the session is closed.
    #[must_use]
    pub(crate) fn poll_closed(&mut self) -> Option<CloseReason> {
        self.closed.take()
    }

    /// Why the layer above closed the session, while what it sent before still goes out.
    #[must_use]
    pub(crate) fn closing(&self) -> Option<CloseReason> {
        match &self.state {
            State::Closing(closing) => Some(closing.reason),
            State::Polling(_) | State::WebSocket | State::Closed { .. } => None,
        }
    }

    /// Whether the task of a WebSocket has something to do other than to send the outbox.
    #[must_use]
    pub(crate) fn has_news_for_websocket(&self) -> bool {
        !matches!(self.state, State::WebSocket) || self.beat_due
    }

    /// Whether messages may be sent.
    #[must_use]
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.state, State::Polling(_) | State::WebSocket)
    }

    /// Whether nothing is left to do.
    #[must_use]
    pub(crate) fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed { .. })
    }

    /// Whether a GET waits that could be answered with a message now.
    #[must_use]
    pub(crate) fn is_get_waiting(&self) -> bool {
        matches!(self.state, State::Polling(Polling { get: Some(_), .. }))
    }

    /// The revision of the protocol that the client speaks.
    #[must_use]
    pub(crate) fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// The transport of the session's messages.
    #[must_use]
    pub(crate) fn transport(&self) -> Transport {
        self.transport
    }

    fn switch(&mut self) {
        self.transport = Transport::WebSocket;
        self.state = State::WebSocket;
    }

    fn handle_heartbeat(&mut self, now: Instant) {
        match self.heartbeat.handle_timeout(now, self.timing.grain, self.periods()) {
            Tick::Nothing => {}
            Tick::Ping => self.beat_due = true,
            Tick::Expired => self.die(CloseReason::PingTimeout, LastAnswer::Close),
        }
    }

    /// Ends an open session.
    fn die(&mut self, reason: CloseReason, answer: LastAnswer) {
        if self.is_open() {
            self.closed = Some(reason);
        }
        self.state = State::Closed { answer };
    }

    /// Ends a session that the layer above has closed already.
    fn end(&mut self) {
        self.state = State::Closed { answer: LastAnswer::Close };
    }
}

/// Between two noops while a WebSocket takes over: neither a single one, after which a client's next poll would hang
/// until the next ping, nor a tight loop of requests.
const NOOP_PAUSE: Duration = Duration::from_millis(100);

/// How long a closed session waits for its peer to fetch what is queued.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(30);
