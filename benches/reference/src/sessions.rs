//! Sessions that poll.

use std::mem;
use std::sync::{Arc, LazyLock, Mutex};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use hashbrown::HashMap;

use crate::packets::{self, Answer};
use crate::sid::{self, Sid};
use crate::sync::lock;

/// Stands between the packets of a payload.
const SEPARATOR: u8 = 0x1e;

static SESSIONS: LazyLock<Mutex<HashMap<Sid, Arc<Session>>>> = LazyLock::new(Mutex::default);

pub(crate) struct Session {
    sid: Sid,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Packets for the client, as the payload of the next poll.
    outbox: Vec<u8>,
    /// The task of the poll that waits.
    waiting: Option<Waker>,
    /// A WebSocket wants to take over: polls are sent away.
    is_probed: bool,
}

/// Opens a session and returns the payload that tells its client.
pub(crate) fn open() -> Bytes {
    let sid = sid::next();
    lock(&SESSIONS).insert(sid, Arc::new(Session { sid, state: Mutex::default() }));
    packets::open(&sid, "\"websocket\"").into()
}

/// The session that a request is for.
pub(crate) fn find(sid: &str) -> Option<Arc<Session>> {
    let sid: &Sid = sid.as_bytes().try_into().ok()?;
    lock(&SESSIONS).get(sid).cloned()
}

impl Session {
    /// Forgets the session; whoever still holds it keeps it alive until then.
    pub(crate) fn remove(&self) {
        lock(&SESSIONS).remove(&self.sid);
    }

    /// Takes the payload of a POST.
    pub(crate) fn receive(&self, payload: &[u8]) {
        let mut state = lock(&self.state);
        let mut start = 0;
        for end in memchr::memchr_iter(SEPARATOR, payload) {
            state.answer(&payload[start..end]);
            start = end + 1;
        }
        state.answer(&payload[start..]);
        let woken = if state.outbox.is_empty() { None } else { state.waiting.take() };
        drop(state);
        if let Some(task) = woken {
            task.wake();
        }
    }

    /// Waits for the payload that a GET is answered with.
    pub(crate) fn poll(&self, cx: &Context<'_>) -> Poll<Bytes> {
        let mut state = lock(&self.state);
        if !state.outbox.is_empty() {
            return Poll::Ready(mem::take(&mut state.outbox).into());
        }
        if state.is_probed {
            return Poll::Ready(NOOP);
        }
        state.waiting = Some(cx.waker().clone());
        Poll::Pending
    }

    /// A WebSocket wants to take over: the poll that waits is sent away, and so are those that come.
    pub(crate) fn probe(&self) {
        let mut state = lock(&self.state);
        state.is_probed = true;
        let woken = state.waiting.take();
        drop(state);
        if let Some(task) = woken {
            task.wake();
        }
    }

    /// Ends the session in favour of a WebSocket, which has to send what this returns, one packet after the other.
    pub(crate) fn upgrade(&self, mut send: impl FnMut(&[u8])) {
        self.remove();
        let rest = mem::take(&mut lock(&self.state).outbox);
        rest.split(|byte| *byte == SEPARATOR).filter(|packet| !packet.is_empty()).for_each(&mut send);
    }
}

const NOOP: Bytes = Bytes::from_static(b"6");

impl State {
    fn answer(&mut self, packet: &[u8]) {
        match packets::answer(packet) {
            Answer::Connect => self.push(&packets::connected(&sid::next())),
            Answer::Reply(parts) => self.push(&parts),
            // The rest is for WebSockets.
            _ => {}
        }
    }

    fn push(&mut self, parts: &[&[u8]]) {
        if self.outbox.is_empty() {
            // A vector that is full becomes `Bytes` as it is; with room to spare it would need one more allocation.
            self.outbox.reserve_exact(parts.iter().map(|part| part.len()).sum());
        } else {
            self.outbox.push(SEPARATOR);
        }
        parts.iter().for_each(|part| self.outbox.extend_from_slice(part));
    }
}
