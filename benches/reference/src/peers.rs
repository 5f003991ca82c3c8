//! The WebSockets that joined: who gets broadcasts, who is in which room, and when each is pinged.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::task::Waker;
use std::time::Duration;

use hashbrown::HashMap;
use tokio::time::interval;

use crate::frames::{self, TEXT};
use crate::sync::lock;

/// What others know of a connection.
pub(crate) struct Peer {
    /// Frames from others. Only the connection's own task writes to its socket.
    pending: Mutex<Vec<u8>>,
    task: Waker,
    /// Its slot in [`RING`], or `NOWHERE` before it joined; the ring's lock guards this and the seat.
    slot: AtomicUsize,
    /// Its place in the slot.
    seat: AtomicUsize,
}

const NOWHERE: usize = usize::MAX;

impl Peer {
    pub(crate) fn new(task: Waker) -> Arc<Self> {
        Arc::new(Self {
            pending: Mutex::default(),
            task,
            slot: AtomicUsize::new(NOWHERE),
            seat: AtomicUsize::new(0),
        })
    }

    fn push(&self, frame: &[u8]) {
        let mut pending = lock(&self.pending);
        let was_empty = pending.is_empty();
        pending.extend_from_slice(frame);
        drop(pending);
        // Otherwise whoever put the first frame there has woken the task, which takes all.
        if was_empty {
            self.task.wake_by_ref();
        }
    }

    pub(crate) fn has_pending(&self) -> bool {
        !lock(&self.pending).is_empty()
    }

    /// Moves what is pending to the end of `out`.
    pub(crate) fn take_pending(&self, out: &mut Vec<u8>) {
        let mut pending = lock(&self.pending);
        out.extend_from_slice(&pending);
        if pending.capacity() > KEPT_CAPACITY {
            *pending = Vec::new();
        } else {
            pending.clear();
        }
    }
}

/// A buffer that has grown past this is freed when it is empty.
const KEPT_CAPACITY: usize = 64 << 10;

/// All peers, by the tick in which they are pinged: a coarse wheel instead of a timer for each.
struct Ring {
    slots: [Vec<Arc<Peer>>; N_SLOTS],
    now: usize,
}

/// The wheel turns once in a ping interval of 25 s.
const N_SLOTS: usize = 25;
/// Waking up is what a ping costs most, so all of a second go together.
const TICK: Duration = Duration::from_secs(1);

static RING: Mutex<Ring> = Mutex::new(Ring { slots: [const { Vec::new() }; N_SLOTS], now: 0 });

static ROOMS: LazyLock<Mutex<Rooms>> = LazyLock::new(Mutex::default);

type Rooms = HashMap<Box<[u8]>, Vec<Arc<Peer>>>;

/// Pings every peer once in 25 s, from when it joined.
pub(crate) async fn keep_pinging() {
    let mut ping = Vec::new();
    frames::write(&mut ping, TEXT, &[b"2"]);
    let mut ticks = interval(TICK);
    loop {
        ticks.tick().await;
        let mut ring = lock(&RING);
        ring.now = (ring.now + 1) % N_SLOTS;
        let due = &ring.slots[ring.now];
        due.iter().for_each(|peer| peer.push(&ping));
    }
}

/// From now on it gets broadcasts and pings.
pub(crate) fn join(peer: &Arc<Peer>) {
    let mut ring = lock(&RING);
    if peer.slot.load(Ordering::Relaxed) != NOWHERE {
        return;
    }
    let now = ring.now;
    let slot = &mut ring.slots[now];
    peer.slot.store(now, Ordering::Relaxed);
    peer.seat.store(slot.len(), Ordering::Relaxed);
    slot.push(Arc::clone(peer));
}

pub(crate) fn join_room(peer: &Arc<Peer>, room: &[u8]) {
    lock(&ROOMS).entry_ref(room).or_default().push(Arc::clone(peer));
}

/// Forgets a peer whose connection has ended, and that it is in `rooms`.
pub(crate) fn leave(peer: &Arc<Peer>, rooms: &[Box<[u8]>]) {
    let slot = peer.slot.load(Ordering::Relaxed);
    if slot != NOWHERE {
        let mut ring = lock(&RING);
        let (slot, seat) = (&mut ring.slots[slot], peer.seat.load(Ordering::Relaxed));
        slot.swap_remove(seat);
        if let Some(moved) = slot.get(seat) {
            moved.seat.store(seat, Ordering::Relaxed);
        }
    }
    for room in rooms {
        let mut all = lock(&ROOMS);
        if let Some(members) = all.get_mut(room) {
            members.retain(|member| !Arc::ptr_eq(member, peer));
            if members.is_empty() {
                all.remove(room);
            }
        }
    }
}

/// Sends a text frame to every peer.
pub(crate) fn send_to_all(parts: &[&[u8]]) {
    let mut frame = Vec::new();
    frames::write(&mut frame, TEXT, parts);
    lock(&RING).slots.iter().flatten().for_each(|peer| peer.push(&frame));
}

/// Sends a text frame to the members of a room.
pub(crate) fn send_to_room(room: &[u8], parts: &[&[u8]]) {
    let mut frame = Vec::new();
    frames::write(&mut frame, TEXT, parts);
    if let Some(members) = lock(&ROOMS).get(room) {
        members.iter().for_each(|peer| peer.push(&frame));
    }
}
