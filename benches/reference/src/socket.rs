//! One WebSocket: a future that reads, answers, and writes.

use std::cell::RefCell;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::frames::{self, BINARY, PING, PONG, TEXT};
use crate::packets::{self, Answer};
use crate::peers::{self, Peer};
use crate::sessions::Session;
use crate::sid;

/// Serves a WebSocket until it ends. `session` is the one that it wants to take over, `read_buf` what hyper has read
/// beyond the request.
pub(crate) async fn run(stream: TcpStream, read_buf: Bytes, session: Option<Arc<Session>>) {
    let task = std::future::poll_fn(|cx| Poll::Ready(cx.waker().clone())).await;
    let mut socket = Socket::new(stream, Peer::new(task), session);
    let first = (!read_buf.is_empty()).then(|| read_buf.to_vec());
    // Even when it is empty it keeps hyper's buffer alive.
    drop(read_buf);
    if let Some(mut first) = first {
        let mut out = mem::take(&mut socket.unsent);
        let is_open = socket.receive(&mut first, &mut out).is_ok();
        socket.unsent = out;
        if !is_open {
            return;
        }
    }
    socket.await;
}

struct Socket {
    stream: TcpStream,
    peer: Arc<Peer>,
    stage: Stage,
    rooms: Vec<Box<[u8]>>,
    awaits_attachment: bool,
    /// The start of a frame that is not whole.
    partial: Vec<u8>,
    /// What the stream did not take. Until it has, nothing else is written, and nothing read.
    unsent: Vec<u8>,
    /// Made way for others since it was woken by what is pending.
    has_yielded: bool,
}

enum Stage {
    Probing(Arc<Session>),
    Open,
}

/// The connection is over.
#[derive(Debug)]
struct Ended;

/// Memory that all connections of a thread use in turn.
struct Scratch {
    input: Box<[u8]>,
    output: Vec<u8>,
}

/// A message of 64 KiB fits with room to spare.
const INPUT_BYTES: usize = 128 << 10;

thread_local! {
    static SCRATCH: RefCell<Scratch> =
        RefCell::new(Scratch { input: vec![0; INPUT_BYTES].into(), output: Vec::new() });
}

impl Future for Socket {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        SCRATCH.with_borrow_mut(|scratch| match self.turn(scratch, cx) {
            Ok(()) => Poll::Pending,
            Err(Ended) => Poll::Ready(()),
        })
    }
}

impl Socket {
    fn new(stream: TcpStream, peer: Arc<Peer>, session: Option<Arc<Session>>) -> Self {
        let mut unsent = Vec::new();
        let stage = match session {
            Some(session) => Stage::Probing(session),
            None => {
                frames::write(&mut unsent, TEXT, &[&packets::open(&sid::next(), "")]);
                Stage::Open
            }
        };
        Self {
            stream,
            peer,
            stage,
            rooms: Vec::new(),
            awaits_attachment: false,
            partial: Vec::new(),
            unsent,
            has_yielded: false,
        }
    }

    /// Does what there is to do, and leaves the task to be woken by the stream or by the peer.
    fn turn(&mut self, scratch: &mut Scratch, cx: &mut Context<'_>) -> Result<(), Ended> {
        let Scratch { input, output } = scratch;
        loop {
            if !self.unsent.is_empty() {
                let mut unsent = mem::take(&mut self.unsent);
                let n_written = self.write(&unsent, cx)?;
                if n_written < unsent.len() {
                    unsent.drain(..n_written);
                    self.unsent = unsent;
                    return Ok(());
                }
            }
            output.clear();
            let has_read = self.read(input, output, cx)?;
            if !has_read && !self.has_yielded && self.peer.has_pending() {
                // What others have for this connection in the same turn of the runtime goes out in one write.
                self.has_yielded = true;
                cx.waker().wake_by_ref();
                return Ok(());
            }
            self.has_yielded = false;
            self.peer.take_pending(output);
            let n_written = self.write(output, cx)?;
            self.unsent.extend_from_slice(&output[n_written..]);
            if !has_read && self.unsent.is_empty() {
                return Ok(());
            }
        }
    }

    /// Reads once and answers what came; whether anything did.
    fn read(&mut self, input: &mut [u8], out: &mut Vec<u8>, cx: &mut Context<'_>) -> Result<bool, Ended> {
        let mut read = ReadBuf::new(input);
        let bytes = match Pin::new(&mut self.stream).poll_read(cx, &mut read) {
            Poll::Pending => return Ok(false),
            Poll::Ready(Ok(())) if !read.filled().is_empty() => read.filled_mut(),
            Poll::Ready(_) => return Err(Ended),
        };
        self.receive(bytes, out)?;
        Ok(true)
    }

    /// Writes as much as the stream takes.
    fn write(&mut self, bytes: &[u8], cx: &mut Context<'_>) -> Result<usize, Ended> {
        let mut n_written = 0;
        while n_written < bytes.len() {
            match Pin::new(&mut self.stream).poll_write(cx, &bytes[n_written..]) {
                Poll::Ready(Ok(n)) => n_written += n,
                Poll::Ready(Err(_)) => return Err(Ended),
                Poll::Pending => break,
            }
        }
        Ok(n_written)
    }

    /// Answers the frames that are whole, and keeps the rest.
    fn receive(&mut self, bytes: &mut [u8], out: &mut Vec<u8>) -> Result<(), Ended> {
        if self.partial.is_empty() {
            let n_used = self.answer_all(bytes, out)?;
            self.partial.extend_from_slice(&bytes[n_used..]);
        } else {
            let mut partial = mem::take(&mut self.partial);
            partial.extend_from_slice(bytes);
            let n_used = self.answer_all(&mut partial, out)?;
            partial.drain(..n_used);
            // Its memory stays: who sends large messages sends more of them.
            self.partial = partial;
        }
        Ok(())
    }

    fn answer_all(&mut self, bytes: &mut [u8], out: &mut Vec<u8>) -> Result<usize, Ended> {
        let mut n_used = 0;
        while let Some(frame) = frames::read(&mut bytes[n_used..]).map_err(|_| Ended)? {
            n_used += frame.len;
            match (frame.opcode, &self.stage) {
                (TEXT, Stage::Open) => self.answer(frame.payload, out),
                (TEXT, Stage::Probing(session)) => match frame.payload {
                    b"2probe" => {
                        frames::write(out, TEXT, &[b"3probe"]);
                        session.probe();
                    }
                    b"5" => {
                        session.upgrade(|packet| frames::write(out, TEXT, &[packet]));
                        self.stage = Stage::Open;
                        peers::join(&self.peer);
                    }
                    _ => return Err(Ended),
                },
                (BINARY, _) if self.awaits_attachment => {
                    self.awaits_attachment = false;
                    frames::write(out, TEXT, &[b"451-[\"message-back\",{\"_placeholder\":true,\"num\":0}]"]);
                    frames::write(out, BINARY, &[frame.payload]);
                }
                (PING, _) => frames::write(out, PONG, &[frame.payload]),
                (PONG, _) => {}
                _ => return Err(Ended),
            }
        }
        Ok(n_used)
    }

    fn answer(&mut self, packet: &[u8], out: &mut Vec<u8>) {
        match packets::answer(packet) {
            Answer::Reply(parts) => frames::write(out, TEXT, &parts),
            Answer::AwaitAttachment => self.awaits_attachment = true,
            Answer::Broadcast => peers::send_to_all(&[packet]),
            Answer::ToRoom { room, parts } => peers::send_to_room(room, &parts),
            Answer::Join { room, reply } => {
                peers::join_room(&self.peer, room);
                self.rooms.push(room.into());
                frames::write(out, TEXT, &reply);
            }
            Answer::Connect => {
                peers::join(&self.peer);
                frames::write(out, TEXT, &packets::connected(&sid::next()));
            }
            Answer::Nothing => {}
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        peers::leave(&self.peer, &self.rooms);
        if let Stage::Probing(session) = &self.stage {
            session.remove();
        }
    }
}
