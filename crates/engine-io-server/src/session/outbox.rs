//! What waits to be sent to one peer, and when the peer takes it too slowly.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use engine_io_parser::SharedFrame;

/// The queue of one session. Frames are shared; only their bytes are counted.
///
/// Three limits end a session whose peer does not keep up (reason `slow consumer`); nothing is ever skipped:
/// past [`HARD_BYTES`] at once, above [`HIGH_BYTES`] for [`HIGH_FOR`] after a write attempt, and above [`SOFT_BYTES`]
/// for a ping timeout without a byte written.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    frames: VecDeque<SharedFrame>,
    /// Bytes queued, and bytes taken by a writer that the peer's connection has not accepted yet.
    queued_bytes: usize,
    in_flight_bytes: usize,
    /// In a box, as most peers keep up.
    slow: Option<Box<Slow>>,
}

#[derive(Debug)]
struct Slow {
    /// Since when a writer has found more than [`HIGH_BYTES`].
    high_since: Option<Instant>,
    last_progress: Instant,
}

/// Above this, the session is under pressure.
pub(crate) const SOFT_BYTES: usize = 1 << 20;
/// Above this, the peer has [`HIGH_FOR`] to get below it.
pub(crate) const HIGH_BYTES: usize = 4 << 20;
/// How long a session may stay above [`HIGH_BYTES`] after a write attempt.
pub(crate) const HIGH_FOR: Duration = Duration::from_secs(1);
/// A push that goes past this closes the session. One message of any size fits an empty outbox.
pub(crate) const HARD_BYTES: usize = 16 << 20;

/// The outbox is full: the peer is too slow.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Full;

impl Outbox {
    /// Queues all frames or none.
    pub(crate) fn push(&mut self, frames: &[SharedFrame]) -> Result<(), Full> {
        let more: usize = frames.iter().map(cost).sum();
        let bytes = self.bytes();
        if bytes > 0 && bytes + more > HARD_BYTES {
            return Err(Full);
        }
        self.queued_bytes += more;
        self.frames.extend(frames.iter().cloned());
        Ok(())
    }

    /// Takes the next frame; it stays accounted for until [`written`](Self::written).
    pub(crate) fn pop(&mut self) -> Option<SharedFrame> {
        let frame = self.frames.pop_front()?;
        self.queued_bytes -= cost(&frame);
        self.in_flight_bytes += cost(&frame);
        Some(frame)
    }

    /// The next frame, if there is one.
    pub(crate) fn front(&self) -> Option<&SharedFrame> {
        self.frames.front()
    }

    /// A writer has handed `frames_bytes` (as [`cost`] counts them) to the connection. The clock is asked only about a peer
    /// that is slow.
    pub(crate) fn written(&mut self, frames_bytes: usize, now: impl FnOnce() -> Instant) {
        self.in_flight_bytes = self.in_flight_bytes.saturating_sub(frames_bytes);
        let bytes = self.bytes();
        if bytes <= SOFT_BYTES {
            self.slow = None;
        } else if let Some(slow) = &mut self.slow {
            slow.last_progress = now();
            slow.high_since.take_if(|_| bytes <= HIGH_BYTES);
        }
    }

    /// A writer found that the connection takes no more now; `progress` says whether it took anything.
    pub(crate) fn write_blocked(&mut self, progress: bool, now: Instant) {
        let bytes = self.bytes();
        if bytes <= SOFT_BYTES {
            self.slow = None;
            return;
        }
        let slow = self.slow.get_or_insert_with(|| Box::new(Slow { high_since: None, last_progress: now }));
        if progress {
            slow.last_progress = now;
        }
        if bytes > HIGH_BYTES {
            slow.high_since.get_or_insert(now);
        } else {
            slow.high_since = None;
        }
    }

    /// When the peer has been too slow for too long, if nothing changes; `stall` is the longest time without a byte.
    #[must_use]
    pub(crate) fn deadline(&self, stall: Duration) -> Option<Instant> {
        let slow = self.slow.as_ref()?;
        let stalled = slow.last_progress + stall;
        Some(slow.high_since.map_or(stalled, |since| stalled.min(since + HIGH_FOR)))
    }

    #[must_use]
    pub(crate) fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// Whether a binary message is queued.
    #[must_use]
    pub(crate) fn has_binary(&self) -> bool {
        self.frames.iter().any(SharedFrame::is_binary)
    }

    /// Whether nothing is queued and nothing is on its way.
    #[must_use]
    pub(crate) fn is_idle(&self) -> bool {
        self.frames.is_empty() && self.in_flight_bytes == 0
    }

    #[must_use]
    pub(crate) fn bytes(&self) -> usize {
        self.queued_bytes + self.in_flight_bytes
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}

/// What a frame counts: its content and a flat sum for what the transport adds.
pub(crate) fn cost(frame: &SharedFrame) -> usize {
    frame.len() + FRAME_COST
}

const FRAME_COST: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    const STALL: Duration = Duration::from_secs(20);

    fn frame(len: usize) -> SharedFrame {
        SharedFrame::binary(vec![0; len].into())
    }

    fn outbox_with(bytes: usize) -> Outbox {
        let mut outbox = Outbox::default();
        outbox.push(&[frame(bytes - FRAME_COST)]).unwrap();
        outbox
    }

    #[test]
    fn one_message_of_any_size_fits_an_empty_outbox_and_nothing_after_it() {
        let mut outbox = outbox_with(HARD_BYTES + 1);
        assert_eq!(outbox.push(&[frame(0)]), Err(Full));
    }

    #[test]
    fn the_hard_limit_is_exact() {
        let mut outbox = outbox_with(HARD_BYTES - 2 * FRAME_COST);
        assert_eq!(outbox.push(&[frame(FRAME_COST)]), Ok(()));
        assert_eq!(outbox.bytes(), HARD_BYTES);
        assert_eq!(outbox.push(&[frame(0)]), Err(Full));
    }

    #[test]
    fn a_refused_batch_leaves_nothing_behind() {
        let mut outbox = outbox_with(HARD_BYTES - FRAME_COST);
        assert_eq!(outbox.push(&[frame(0), frame(0)]), Err(Full));
        assert_eq!(outbox.bytes(), HARD_BYTES - FRAME_COST);
    }

    #[test]
    fn bytes_in_flight_count_until_they_are_written() {
        let now = Instant::now();
        let mut outbox = outbox_with(100);
        let taken = outbox.pop().unwrap();
        assert!(outbox.is_empty() && !outbox.is_idle());
        outbox.written(cost(&taken), || now);
        assert!(outbox.is_idle());
    }

    #[test]
    fn above_the_high_mark_a_peer_has_one_second_from_the_first_write_attempt() {
        let now = Instant::now();
        let mut outbox = outbox_with(HIGH_BYTES + 1);
        assert_eq!(outbox.deadline(STALL), None, "nobody has tried to write yet");
        outbox.write_blocked(true, now);
        outbox.write_blocked(true, now + HIGH_FOR / 2);
        assert_eq!(outbox.deadline(STALL), Some(now + HIGH_FOR));
    }

    #[test]
    fn exactly_at_the_high_mark_only_the_stall_counts() {
        let now = Instant::now();
        let mut outbox = outbox_with(HIGH_BYTES);
        outbox.write_blocked(false, now);
        assert_eq!(outbox.deadline(STALL), Some(now + STALL));
        outbox.write_blocked(true, now + HIGH_FOR);
        assert_eq!(outbox.deadline(STALL), Some(now + HIGH_FOR + STALL));
    }

    #[test]
    fn at_the_soft_mark_there_is_no_deadline() {
        let now = Instant::now();
        let mut outbox = outbox_with(SOFT_BYTES);
        outbox.write_blocked(false, now);
        assert_eq!(outbox.deadline(STALL), None);
    }

    #[test]
    fn progress_below_the_soft_mark_forgives_all() {
        let now = Instant::now();
        let mut outbox = outbox_with(HIGH_BYTES + 1);
        outbox.write_blocked(true, now);
        let taken = outbox.pop().unwrap();
        outbox.written(cost(&taken), || now);
        assert_eq!(outbox.deadline(STALL), None);
    }
}
