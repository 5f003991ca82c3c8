//! What drives one WebSocket: a single future that reads, writes and follows the session's state.

use std::borrow::Cow;
use std::cell::Cell;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};
use std::{fmt, io};

use engine_io_parser::{DecodeError, Limits, Message, PROBE, PacketRef, Text, v3};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;
use tungstenite::protocol::frame::coding::{CloseCode, Control, Data, OpCode};

use super::frames::{FrameReader, Inbound, write_close, write_frame};
use super::writer::Writer;
use crate::handler::Flow;
use crate::server::deadlines::now;
use crate::session::{Input, ProbeVerdict, Protocol, Transport, Verdict};
use crate::transport::unpack;
use crate::{CloseReason, Session};

/// Drives a WebSocket until it is closed, then ends.
///
/// While the connection is idle it owns no buffer: it reads into memory that the connections of a thread share.
pub(super) struct Driver<IO> {
    io: IO,
    session: Session,
    /// The number under which the session knows this WebSocket.
    number: u32,
    limits: Limits,
    protocol: Protocol,
    reader: FrameReader,
    writer: Writer,
    /// What was read but not looked at: there was too much for one turn, or the session is paused.
    unread: Vec<u8>,
    stage: Stage,
    /// Whether the last turn made way for others before it writes.
    has_yielded: bool,
    /// Pongs that wait to be written.
    n_pongs: u8,
    control_rate: ControlRate,
}

#[derive(Debug)]
enum Stage {
    /// Asks to take over a session that polls.
    Probing,
    /// `5` came while a POST is running: nothing is read until it is done.
    Switching,
    /// Is the session's transport.
    Open,
    /// Says goodbye: writes what is left, then waits for the peer to close.
    Closing { linger: Option<Pin<Box<Sleep>>>, peer_closed: bool, has_shut_down: bool },
}

/// The connection is to be closed with this code (none: a close frame without body).
struct Goodbye(Option<CloseCode>);

/// One turn of the connection's task.
struct Turn {
    /// When the first frame was looked at: a turn that reads nothing needs no clock.
    now: Option<Instant>,
    /// How many frames may still be handled in it.
    budget: u32,
}

impl Turn {
    fn now(&mut self) -> Instant {
        *self.now.get_or_insert_with(now)
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Driver<IO> {
    pub(super) fn new(io: IO, session: Session, number: u32, limits: Limits, base64: bool) -> Self {
        let stage = if number == 0 { Stage::Open } else { Stage::Probing };
        let protocol = session.revision();
        Self {
            io,
            session,
            number,
            reader: FrameReader::new(limits.max_payload_bytes),
            limits,
            writer: Writer::new(base64, protocol),
            protocol,
            unread: Vec::new(),
            stage,
            has_yielded: false,
            n_pongs: 0,
            control_rate: ControlRate::default(),
        }
    }

    /// A packet that goes out before anything else.
    pub(super) fn send_first(&mut self, packet: &[u8]) {
        write_frame(self.writer.control(), OpCode::Data(Data::Text), packet);
    }

    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Awake, the task looks at everything before it sleeps: nobody need wake it, least of all it itself.
        let look = self.session.with_core(|core| core.look_from_websocket(cx));
        // Woken by the outbox: others that run in this turn may have more for this peer, and all of it goes out in one
        // call.
        if look.is_due && !self.has_yielded && matches!(self.stage, Stage::Open) && !self.writer.is_blocked()
        {
            self.has_yielded = true;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.has_yielded = false;
        let may_read = match self.stage {
            Stage::Probing => true,
            Stage::Switching => false,
            Stage::Open => !look.is_held,
            Stage::Closing { peer_closed, .. } => !peer_closed,
        };
        let read = if may_read { self.read(cx) } else { Ok(false) };
        let has_read = read.unwrap_or_else(|Goodbye(code)| {
            self.say_goodbye(code);
            true
        });
        if has_read {
            self.session.deliver_close();
        }
        // What is unchanged since the look need not be looked at again.
        let mut has_news = has_read || look.has_news || !matches!(self.stage, Stage::Open);
        loop {
            if has_news {
                self.follow_session(cx);
            }
            if let Stage::Closing { .. } = self.stage {
                return self.poll_closing(cx);
            }
            let is_blocked = self.writer.poll_write(&mut self.io, &self.session, cx)?.is_pending();
            if !is_blocked {
                self.n_pongs = 0;
            }
            if self.fall_asleep(is_blocked, cx) {
                return Poll::Pending;
            }
            has_news = true;
        }
    }

    /// Has the task woken by whoever sends or changes the session next, unless that has happened since it looked.
    fn fall_asleep(&self, is_blocked: bool, cx: &Context<'_>) -> bool {
        let number = self.number;
        self.session.with_core(|core| {
            let machine = &core.machine;
            let has_news = match self.stage {
                // While the peer takes nothing, only the end of the session is news.
                Stage::Open if is_blocked => machine.is_closed(),
                Stage::Open => machine.has_news_for_websocket() || core.is_due_on_websocket(),
                Stage::Probing | Stage::Switching => machine.poll_probe(number) != ProbeVerdict::Wait,
                Stage::Closing { .. } => true,
            };
            if !has_news {
                core.set_websocket_waker(cx);
            }
            !has_news
        })
    }

    /// Writes what is left, then waits for the peer to close too; both only for so long.
    fn poll_closing(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Poll::Pending = self.poll_goodbye(cx)?
            && let Stage::Closing { linger, .. } = &mut self.stage
        {
            let linger = linger.get_or_insert_with(|| Box::pin(tokio::time::sleep(LINGER)));
            ready!(linger.as_mut().poll(cx));
        }
        Poll::Ready(Ok(()))
    }

    fn poll_goodbye(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.writer.poll_write(&mut self.io, &self.session, cx))?;
        // What still comes in is read, or the kernel would answer it with a reset that overtakes our close frame. Nothing
        // in it can say goodbye twice.
        if let Stage::Closing { peer_closed: false, .. } = self.stage {
            let _ = self.read(cx);
        }
        let Stage::Closing { peer_closed, has_shut_down, .. } = &mut self.stage else {
            return Poll::Ready(Ok(()));
        };
        // A peer whose frames cannot be told apart any more cannot answer with a close frame: it is told the end of the
        // stream instead, and does the same.
        if (*peer_closed || self.reader.is_broken()) && !*has_shut_down {
            ready!(Pin::new(&mut self.io).poll_shutdown(cx))?;
            *has_shut_down = true;
        }
        if *peer_closed { Poll::Ready(Ok(())) } else { Poll::Pending }
    }

    /// Does what the session's state asks of its WebSocket.
    fn follow_session(&mut self, cx: &Context<'_>) {
        if let Stage::Closing { .. } = self.stage {
            return;
        }
        let number = self.number;
        if let Stage::Probing | Stage::Switching = self.stage {
            match self.session.with_core(|core| core.machine.poll_probe(number)) {
                ProbeVerdict::Upgraded => {
                    self.stage = Stage::Open;
                    // What came behind `5` is read in the next turn.
                    cx.waker().wake_by_ref();
                }
                ProbeVerdict::Fail => return self.say_goodbye(None),
                ProbeVerdict::Answer | ProbeVerdict::Wait => return,
            }
        }
        let (beat, closing, is_closed) = self.session.with_core(|core| {
            let closing = core.machine.closing().filter(|_| core.outbox.is_idle());
            (core.machine.poll_beat(), closing, core.machine.is_closed())
        });
        if beat {
            write_frame(self.writer.control(), OpCode::Data(Data::Text), self.protocol.beat().as_bytes());
        }
        if let Some(reason) = closing {
            self.say_goodbye(close_code(reason));
            let ended = CloseReason::TransportClose;
            self.session.drive(|core| core.machine.handle_websocket_lost(number, ended));
        } else if is_closed {
            let code = self.session.last_reason().and_then(close_code);
            self.say_goodbye(code);
        }
    }

    /// From here on only the close frame goes out, and nothing that comes in counts.
    fn say_goodbye(&mut self, code: Option<CloseCode>) {
        if let Stage::Closing { .. } = self.stage {
            return;
        }
        write_close(self.writer.control(), code);
        self.unread = Vec::new();
        self.stage = Stage::Closing { linger: None, peer_closed: false, has_shut_down: false };
    }

    /// Reads what there is, up to a budget, or until something says that nothing more [may be read](Self::may_read). Says
    /// whether anything came.
    fn read(&mut self, cx: &mut Context<'_>) -> Result<bool, Goodbye> {
        let mut has_read = false;
        let mut turn = Turn { now: None, budget: FRAMES_PER_TURN };
        if !self.unread.is_empty() {
            has_read = true;
            let mut unread = std::mem::take(&mut self.unread);
            self.look_at(&mut unread, &mut turn)?;
            if !self.may_read(cx) {
                return Ok(true);
            }
        }
        let mut scratch = SCRATCH.take();
        scratch.resize(SCRATCH_BYTES, 0);
        let read = self.read_into(&mut scratch, &mut turn, cx);
        SCRATCH.set(scratch);
        let has_read = has_read | read?;
        if !self.unread.is_empty() && self.may_read(cx) {
            // Over the budget: the rest waits for the next turn, so that one busy peer does not keep others waiting.
            cx.waker().wake_by_ref();
        }
        Ok(has_read)
    }

    fn read_into(
        &mut self,
        scratch: &mut [u8],
        turn: &mut Turn,
        cx: &mut Context<'_>,
    ) -> Result<bool, Goodbye> {
        let mut has_read = false;
        while self.unread.is_empty() && (!has_read || self.may_read(cx)) {
            let mut buf = ReadBuf::new(scratch);
            match Pin::new(&mut self.io).poll_read(cx, &mut buf) {
                Poll::Pending => break,
                Poll::Ready(Ok(())) if !buf.filled().is_empty() => {
                    has_read = true;
                    let n = buf.filled().len();
                    if let Some(input) = scratch.get_mut(..n) {
                        self.look_at(input, turn)?;
                    }
                    if n == SCRATCH_BYTES {
                        // There may be more, but others want their turn.
                        cx.waker().wake_by_ref();
                        break;
                    }
                }
                Poll::Ready(ended) => {
                    match ended {
                        Ok(()) => {
                            self.lost(CloseReason::TransportClose, &"no close frame came before the end")
                        }
                        Err(error) => self.lost(CloseReason::TransportClose, &error),
                    }
                    // Nobody is there to be told that nothing follows.
                    self.stage = Stage::Closing { linger: None, peer_closed: true, has_shut_down: true };
                    return Ok(true);
                }
            }
        }
        Ok(has_read)
    }

    /// Whether reading goes on after what was read; if the session is paused, the task is woken when that ends.
    fn may_read(&self, cx: &Context<'_>) -> bool {
        match self.stage {
            Stage::Probing => true,
            Stage::Switching => false,
            Stage::Open => self.session.poll_resumed(Transport::WebSocket, cx).is_ready(),
            Stage::Closing { peer_closed, .. } => !peer_closed,
        }
    }

    /// Handles the frames in `input`; what is over the budget, or follows a pause, is kept for later.
    fn look_at(&mut self, mut input: &mut [u8], turn: &mut Turn) -> Result<(), Goodbye> {
        let mut flow = Flow::Continue;
        while !input.is_empty() {
            if turn.budget == 0 || flow == Flow::Pause {
                self.unread = input.to_vec();
                return Ok(());
            }
            if let Stage::Closing { peer_closed: true, .. } = self.stage {
                return Ok(());
            }
            let inbound = match self.reader.next(&mut input) {
                Ok(Some(inbound)) => inbound,
                Ok(None) => return Ok(()),
                Err(error) => {
                    tracing::debug!(target: "engine:ws", sid = %self.session.id(), %error, "bad frame");
                    self.lost(CloseReason::TransportError, &error);
                    return Err(Goodbye(Some(error.close_code())));
                }
            };
            turn.budget -= 1;
            flow = self.handle(inbound, turn.now())?;
        }
        Ok(())
    }

    /// Handles one frame; [`Flow::Pause`] says that nothing more may be looked at for now.
    fn handle(&mut self, inbound: Inbound<'_>, now: Instant) -> Result<Flow, Goodbye> {
        if let Stage::Closing { peer_closed, .. } = &mut self.stage {
            // Only the peer's own close frame still matters.
            *peer_closed |= matches!(inbound, Inbound::Close(_));
            return Ok(Flow::Continue);
        }
        match inbound {
            Inbound::Text(text) => return self.handle_text(text, now),
            Inbound::Binary(bytes) => return self.handle_binary(bytes, now),
            Inbound::Ping(payload) if self.n_pongs < MAX_PONGS && self.control_rate.allows(now) => {
                self.n_pongs += 1;
                write_frame(self.writer.control(), OpCode::Control(Control::Pong), &payload);
            }
            Inbound::Pong if self.control_rate.allows(now) => {}
            Inbound::Ping(_) | Inbound::Pong => return self.refuse_flood(),
            Inbound::Close(code) => {
                match code {
                    Some(code) => {
                        self.lost(CloseReason::TransportClose, &format_args!("close frame with code {code}"))
                    }
                    None => self.lost(CloseReason::TransportClose, &"close frame"),
                }
                self.say_goodbye(code.map(CloseCode::from));
                if let Stage::Closing { peer_closed, .. } = &mut self.stage {
                    *peer_closed = true;
                }
            }
        }
        Ok(Flow::Continue)
    }

    fn handle_text(&mut self, text: Cow<'_, str>, now: Instant) -> Result<Flow, Goodbye> {
        let decoded = match text {
            // The hot path: a message is copied out of the read buffer once, exactly sized.
            Cow::Borrowed(text) => self.decode(text).and_then(|packet| unpack(packet, |text| text.into())),
            Cow::Owned(text) => {
                let text = Text::from(text);
                self.decode(&text).and_then(|packet| unpack(packet, |part| text.slice_ref(part)))
            }
        };
        match decoded {
            Ok((input, message)) => self.handle_packet(input, message, now),
            Err(error) => self.handle_garbage(&error),
        }
    }

    fn decode<'t>(&self, text: &'t str) -> Result<PacketRef<'t>, DecodeError> {
        match self.protocol {
            Protocol::V4 => PacketRef::decode_text(text, &self.limits),
            Protocol::V3 => v3::decode_text(text, &self.limits),
        }
    }

    fn handle_binary(&mut self, bytes: Cow<'_, [u8]>, now: Instant) -> Result<Flow, Goodbye> {
        let message = match self.protocol {
            Protocol::V4 => Ok(Message::Binary(bytes.into_owned().into())),
            Protocol::V3 => v3::decode_binary(&bytes, &self.limits)
                .and_then(|packet| unpack(packet, |text| text.into()))
                .and_then(|(_, message)| message.ok_or(DecodeError::EmptyPacket)),
        };
        match message {
            Ok(message) => self.handle_packet(Input::Message, Some(message), now),
            Err(error) => self.handle_garbage(&error),
        }
    }

    /// What came is no packet.
    fn handle_garbage(&self, error: &DecodeError) -> Result<Flow, Goodbye> {
        tracing::debug!(target: "engine:ws", sid = %self.session.id(), %error, "not a packet");
        if let Stage::Open = self.stage {
            self.session.drive_because(error, |core| core.machine.handle_garbage());
            Err(Goodbye(Some(CloseCode::Protocol)))
        } else {
            self.lost(CloseReason::TransportError, error);
            Err(Goodbye(None))
        }
    }

    fn handle_packet(
        &mut self,
        input: Input,
        message: Option<Message>,
        now: Instant,
    ) -> Result<Flow, Goodbye> {
        if !matches!(self.stage, Stage::Open) {
            return self.handle_probe_packet(input);
        }
        match (self.session.receive(input, now), message) {
            (Verdict::Deliver, Some(message)) => Ok(self.session.deliver(message, None)),
            (Verdict::Stop, _) => Err(Goodbye(self.session.last_reason().and_then(close_code))),
            (Verdict::Deliver | Verdict::Ignore, _) => Ok(Flow::Continue),
        }
    }

    fn handle_probe_packet(&mut self, input: Input) -> Result<Flow, Goodbye> {
        let number = self.number;
        match self.session.drive(|core| core.machine.handle_probe_packet(number, input)) {
            ProbeVerdict::Answer => {
                let pong = ["3", PROBE].concat();
                write_frame(self.writer.control(), OpCode::Data(Data::Text), pong.as_bytes());
            }
            ProbeVerdict::Upgraded => {
                tracing::debug!(target: "engine:socket", sid = %self.session.id(), "upgraded to websocket");
                self.stage = Stage::Open;
            }
            ProbeVerdict::Wait => {
                self.stage = Stage::Switching;
                return Ok(Flow::Pause);
            }
            ProbeVerdict::Fail => return Err(Goodbye(None)),
        }
        Ok(Flow::Continue)
    }

    /// More pings and pongs than any client needs, or more than this one reads the answers of.
    fn refuse_flood(&self) -> Result<Flow, Goodbye> {
        let detail = "too many WebSocket pings and pongs";
        tracing::debug!(target: "engine:ws", sid = %self.session.id(), detail, "closing the connection");
        self.lost(CloseReason::RateLimited, &detail);
        Err(Goodbye(Some(CloseCode::Policy)))
    }

    fn lost(&self, reason: CloseReason, detail: &dyn fmt::Display) {
        let number = self.number;
        self.session.drive_because(detail, |core| core.machine.handle_websocket_lost(number, reason));
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Future for Driver<IO> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        if let Err(error) = ready!(this.poll_turn(cx)) {
            tracing::debug!(target: "engine:ws", sid = %this.session.id(), %error, "connection lost");
        }
        Poll::Ready(())
    }
}

impl<IO> Drop for Driver<IO> {
    /// However the task ends, the session does not wait for this WebSocket any longer.
    fn drop(&mut self) {
        let number = self.number;
        self.session.drive(|core| core.machine.handle_websocket_lost(number, CloseReason::TransportClose));
    }
}

/// Counts the control frames of a peer in windows of [`CONTROL_WINDOW`].
#[derive(Debug, Default)]
struct ControlRate {
    since: Option<Instant>,
    n_frames: u16,
}

impl ControlRate {
    fn allows(&mut self, now: Instant) -> bool {
        if self.since.is_none_or(|since| now.saturating_duration_since(since) >= CONTROL_WINDOW) {
            (self.since, self.n_frames) = (Some(now), 0);
        }
        self.n_frames += 1;
        self.n_frames <= MAX_CONTROL_FRAMES
    }
}

/// The close frame's code for an end that the session decided.
fn close_code(reason: CloseReason) -> Option<CloseCode> {
    match reason {
        CloseReason::ServerShuttingDown => Some(CloseCode::Away),
        CloseReason::TransportError | CloseReason::ParseError => Some(CloseCode::Protocol),
        CloseReason::SlowConsumer | CloseReason::RateLimited => Some(CloseCode::Policy),
        CloseReason::TransportClose
        | CloseReason::PingTimeout
        | CloseReason::ForcedClose
        | CloseReason::ForcedServerClose
        | CloseReason::SessionTakenOver => None,
    }
}

/// How many frames of one peer are handled before others get their turn.
const FRAMES_PER_TURN: u32 = 128;
/// How much is read at once: a message of 64 KiB still fits with its header, and is then looked at in place.
const SCRATCH_BYTES: usize = 128 << 10;
/// How many pings may wait for a peer that does not read its pongs.
const MAX_PONGS: u8 = 16;
/// How many pings and pongs a peer may send in [`CONTROL_WINDOW`]: a hundred a second.
const MAX_CONTROL_FRAMES: u16 = 1000;
const CONTROL_WINDOW: Duration = Duration::from_secs(10);
/// How long the peer has to answer our close frame.
const LINGER: Duration = Duration::from_secs(2);

thread_local! {
    /// The read buffer of a thread; it is out of its slot while user code runs.
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thousand_control_frames_in_ten_seconds_are_allowed_and_no_more() {
        let start = now();
        let mut rate = ControlRate::default();
        assert!((0..MAX_CONTROL_FRAMES).all(|_| rate.allows(start)));
        assert!(!rate.allows(start + CONTROL_WINDOW - Duration::from_millis(1)));
        assert!(rate.allows(start + CONTROL_WINDOW));
    }
}
