//! The write half of a connection: what is due goes out in one call.

use std::cell::Cell;
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use engine_io_parser::SharedFrame;
use tokio::io::AsyncWrite;
use tungstenite::protocol::frame::coding::{Data, OpCode};

use super::frames::write_frame;
use crate::Session;
use crate::server::deadlines::now;
use crate::session::Protocol;
use crate::session::outbox::cost;

/// Owns no buffer while nothing is half-written.
#[derive(Debug)]
pub(super) struct Writer {
    /// The client cannot take binary frames and gets them in base64 (`b64=1`).
    base64: bool,
    protocol: Protocol,
    /// Ready frames that go out before anything else: pongs, pings, the handshake, the close frame.
    control: Vec<u8>,
    /// What the connection has not taken yet, the first part from `offset` on.
    unsent: VecDeque<Part>,
    offset: usize,
    /// What the outbox counts as on its way.
    in_flight: usize,
    needs_flush: bool,
}

#[derive(Debug)]
enum Part {
    Bytes(Vec<u8>),
    Frame(SharedFrame),
    /// As clients of protocol revision 3 get it.
    FrameV3(SharedFrame),
}

impl Part {
    fn slices(&self) -> [&[u8]; 2] {
        match self {
            Self::Bytes(bytes) => [bytes, &[]],
            Self::Frame(frame) => frame.websocket(),
            Self::FrameV3(frame) => frame.websocket_v3(),
        }
    }

    fn len(&self) -> usize {
        self.slices().iter().map(|slice| slice.len()).sum()
    }
}

impl Writer {
    pub(super) fn new(base64: bool, protocol: Protocol) -> Self {
        Self {
            base64,
            protocol,
            control: Vec::new(),
            unsent: VecDeque::new(),
            offset: 0,
            in_flight: 0,
            needs_flush: false,
        }
    }

    /// Where ready frames are put that go out first.
    pub(super) fn control(&mut self) -> &mut Vec<u8> {
        &mut self.control
    }

    /// Whether the connection has not taken all of the last write.
    pub(super) fn is_blocked(&self) -> bool {
        !self.unsent.is_empty()
    }

    /// Writes all that is due, the outbox as far as the session's state allows; ready when nothing is left.
    pub(super) fn poll_write<IO: AsyncWrite + Unpin>(
        &mut self,
        io: &mut IO,
        session: &Session,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            if self.is_blocked() && self.poll_unsent(io, session, cx)?.is_pending() {
                return Poll::Pending;
            }
            let mut batch = BATCH.take();
            let is_all = self.collect(session, &mut batch);
            let len = batch.iter().map(Part::len).sum();
            let written =
                if batch.is_empty() { Poll::Ready(Ok(0)) } else { self.poll_batch(io, &batch, len, cx) };
            let is_through = matches!(written, Poll::Ready(Ok(n)) if n == len);
            if is_through {
                batch.clear();
            } else {
                self.unsent.extend(batch.drain(..));
            }
            BATCH.set(batch);
            if let Poll::Ready(n) = written? {
                self.sent(n, session);
            }
            if is_all && is_through {
                if self.needs_flush {
                    ready!(Pin::new(&mut *io).poll_flush(cx))?;
                    self.needs_flush = false;
                }
                return Poll::Ready(Ok(()));
            }
        }
    }

    /// Takes what goes into the next write: control frames, then the outbox up to [`BATCH_BYTES`]. Says whether that is
    /// all there is.
    fn collect(&mut self, session: &Session, batch: &mut Vec<Part>) -> bool {
        let mut bytes = self.control.len();
        if bytes > 0 {
            batch.push(Part::Bytes(std::mem::take(&mut self.control)));
        }
        session.with_core(|core| {
            if !core.machine.may_drain_websocket() {
                return true;
            }
            while bytes < BATCH_BYTES
                && batch.len() < BATCH_FRAMES
                && let Some(frame) = core.outbox.pop()
            {
                self.in_flight += cost(&frame);
                let part = match self.protocol {
                    _ if self.base64 && frame.is_binary() => Part::Bytes(self.in_base64(&frame)),
                    Protocol::V4 => Part::Frame(frame),
                    Protocol::V3 => Part::FrameV3(frame),
                };
                bytes += part.len();
                batch.push(part);
            }
            core.outbox.is_empty()
        })
    }

    /// A binary message as a text frame.
    fn in_base64(&self, frame: &SharedFrame) -> Vec<u8> {
        let mut text = Vec::new();
        match self.protocol {
            Protocol::V4 => write_frame(&mut text, OpCode::Data(Data::Text), frame.packet()),
            Protocol::V3 => {
                // It names its type too.
                let base64 = frame.packet().strip_prefix(b"b").unwrap_or_default();
                write_frame(&mut text, OpCode::Data(Data::Text), &[b"b4", base64].concat());
            }
        }
        text
    }

    /// One write of a fresh batch. Small parts are joined first: copying them is cheaper than a longer list of slices.
    fn poll_batch<IO: AsyncWrite + Unpin>(
        &self,
        io: &mut IO,
        batch: &[Part],
        len: usize,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        if let [part] = batch
            && let [bytes, []] = part.slices()
        {
            return poll_write(io, bytes, cx);
        }
        if len <= BATCH_BYTES {
            let mut joined = JOINED.take();
            batch.iter().flat_map(Part::slices).for_each(|slice| joined.extend_from_slice(slice));
            let written = poll_write(io, &joined, cx);
            joined.clear();
            JOINED.set(joined);
            return written;
        }
        poll_vectored(io, batch.iter(), 0, cx)
    }

    /// Goes on with what an earlier write left.
    fn poll_unsent<IO: AsyncWrite + Unpin>(
        &mut self,
        io: &mut IO,
        session: &Session,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        let mut progress = false;
        while !self.unsent.is_empty() {
            match poll_vectored(io, self.unsent.iter(), self.offset, cx)? {
                Poll::Ready(n) => {
                    progress = true;
                    self.sent(n, session);
                }
                Poll::Pending => {
                    session.drive(|core| core.outbox.write_blocked(progress, now()));
                    return Poll::Pending;
                }
            }
        }
        // One slow moment must not cost memory for the rest of the connection's life.
        self.unsent = VecDeque::new();
        Poll::Ready(Ok(()))
    }

    /// The connection took `n` bytes from the front of what is unsent.
    fn sent(&mut self, n: usize, session: &Session) {
        self.needs_flush |= n > 0;
        if !self.unsent.is_empty() {
            self.offset += n;
        }
        while let Some(part) = self.unsent.front()
            && self.offset >= part.len()
        {
            self.offset -= part.len();
            self.unsent.pop_front();
        }
        let credit = if self.unsent.is_empty() { self.in_flight } else { n.min(self.in_flight) };
        if credit > 0 {
            self.in_flight -= credit;
            session.written(credit);
        }
    }
}

fn poll_write<IO: AsyncWrite + Unpin>(
    io: &mut IO,
    bytes: &[u8],
    cx: &mut Context<'_>,
) -> Poll<io::Result<usize>> {
    match ready!(Pin::new(io).poll_write(cx, bytes))? {
        0 => Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
        n => Poll::Ready(Ok(n)),
    }
}

fn poll_vectored<'a, IO: AsyncWrite + Unpin>(
    io: &mut IO,
    parts: impl Iterator<Item = &'a Part>,
    offset: usize,
    cx: &mut Context<'_>,
) -> Poll<io::Result<usize>> {
    let mut skip = offset;
    let mut slices = [IoSlice::new(&[]); BATCH_FRAMES];
    let mut n_slices = 0;
    for slice in parts.flat_map(Part::slices) {
        let rest = slice.get(skip..).unwrap_or_default();
        skip = skip.saturating_sub(slice.len());
        let Some(free) = slices.get_mut(n_slices) else { break };
        if !rest.is_empty() {
            *free = IoSlice::new(rest);
            n_slices += 1;
        }
    }
    match ready!(Pin::new(io).poll_write_vectored(cx, slices.get(..n_slices).unwrap_or_default()))? {
        0 => Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
        n => Poll::Ready(Ok(n)),
    }
}

/// How much one write gathers.
const BATCH_BYTES: usize = 64 << 10;
const BATCH_FRAMES: usize = 64;

thread_local! {
    /// Buffers that all connections of a thread share; whoever uses one takes it out of its slot.
    static BATCH: Cell<Vec<Part>> = const { Cell::new(Vec::new()) };
    static JOINED: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}
