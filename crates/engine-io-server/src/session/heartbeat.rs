//! Pings and the deadline for their pongs.

use std::time::{Duration, Instant};

use crate::session::Protocol;

/// The heartbeat of a session.
///
/// In Engine.IO 4 the server pings and the client answers:
///
/// ```text
///            ping_at reached                pong
///   Resting ────────────────► Waiting ─────────────► Resting
///                                │ pong_by reached
///                                └──────────────────► expired
/// ```
///
/// In Engine.IO 3 the client pings, and the server only listens: whatever comes shows that the client lives.
#[derive(Debug)]
pub(super) struct Heartbeat {
    beat: Beat,
    /// Since when nothing is read of the peer; its pong may lie unread, so its deadline stands still.
    paused_at: Option<Instant>,
}

#[derive(Debug, Clone, Copy)]
enum Beat {
    Resting { ping_at: Instant },
    Waiting { pong_by: Instant, extended: bool, excused: bool },
    Listening { until: Instant, excused: bool },
}

/// What a look at the clock brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tick {
    Nothing,
    Ping,
    Expired,
}

/// The two periods of a session, its jitter already taken off the interval.
#[derive(Debug, Clone, Copy)]
pub(super) struct Periods {
    pub(super) interval: Duration,
    pub(super) timeout: Duration,
}

impl Periods {
    /// How long a client that pings may be silent.
    fn silence(self) -> Duration {
        self.interval + self.timeout
    }
}

impl Heartbeat {
    pub(super) fn new(now: Instant, protocol: Protocol, periods: Periods) -> Self {
        let beat = match protocol {
            Protocol::V3 => Beat::Listening { until: now + periods.silence(), excused: false },
            Protocol::V4 => Beat::Resting { ping_at: now + periods.interval },
        };
        Self { beat, paused_at: None }
    }

    #[must_use]
    pub(super) fn deadline(&self) -> Option<Instant> {
        match (self.beat, self.paused_at) {
            (Beat::Resting { ping_at }, _) => Some(ping_at),
            (Beat::Waiting { pong_by: until, .. } | Beat::Listening { until, .. }, None) => Some(until),
            (Beat::Waiting { .. } | Beat::Listening { .. }, Some(_)) => None,
        }
    }

    /// Acts on a deadline that has come; `grain` is how much too early the timer may look.
    pub(super) fn handle_timeout(&mut self, now: Instant, grain: Duration, periods: Periods) -> Tick {
        let is_due = self.deadline().is_some_and(|deadline| deadline <= now + grain);
        match &mut self.beat {
            _ if !is_due => Tick::Nothing,
            Beat::Resting { ping_at } => {
                // Counted from when the ping was due, so that small delays of the timer do not add up; a ping that is
                // much too late starts afresh.
                let is_late = now > *ping_at + periods.timeout / 10;
                let pong_by = if is_late { now } else { *ping_at } + periods.timeout;
                self.beat = Beat::Waiting { pong_by, extended: false, excused: false };
                if self.paused_at.is_some() {
                    self.paused_at = Some(now);
                }
                Tick::Ping
            }
            // The clock jumped far past the deadline: it was this process that stood still, and the pong may wait in
            // the kernel. The peer gets one more period.
            Beat::Waiting { pong_by: until, excused, .. } | Beat::Listening { until, excused }
                if !*excused && now > *until + periods.timeout / 4 =>
            {
                *excused = true;
                *until = now + periods.timeout;
                Tick::Nothing
            }
            Beat::Waiting { .. } | Beat::Listening { .. } => Tick::Expired,
        }
    }

    /// A pong counts only while a ping is out.
    pub(super) fn handle_pong(&mut self, now: Instant, periods: Periods) {
        if let Beat::Waiting { .. } = self.beat {
            self.beat = Beat::Resting { ping_at: now + periods.interval };
        }
    }

    /// Another packet than a pong: the peer lives, though its pong may stand behind a long upload. Extends the deadline
    /// once per ping; where the client pings, each time.
    pub(super) fn handle_activity(&mut self, now: Instant, periods: Periods) {
        match &mut self.beat {
            Beat::Waiting { pong_by, extended: extended @ false, .. } => {
                *extended = true;
                *pong_by = now + periods.timeout;
            }
            Beat::Listening { .. } => {
                self.beat = Beat::Listening { until: now + periods.silence(), excused: false };
            }
            Beat::Resting { .. } | Beat::Waiting { .. } => {}
        }
    }

    pub(super) fn pause(&mut self, now: Instant) {
        self.paused_at.get_or_insert(now);
    }

    pub(super) fn resume(&mut self, now: Instant) {
        let Some(paused_at) = self.paused_at.take() else { return };
        if let Beat::Waiting { pong_by: until, .. } | Beat::Listening { until, .. } = &mut self.beat {
            *until += now.saturating_duration_since(paused_at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERIODS: Periods = Periods { interval: Duration::from_secs(25), timeout: Duration::from_secs(20) };
    const GRAIN: Duration = Duration::from_millis(1);

    fn secs(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    /// A heartbeat whose ping went out at `start + 25 s`.
    fn waiting() -> (Heartbeat, Instant) {
        let start = Instant::now();
        let mut heartbeat = Heartbeat::new(start, Protocol::V4, PERIODS);
        let at = start + secs(25);
        assert_eq!(heartbeat.handle_timeout(at, GRAIN, PERIODS), Tick::Ping);
        (heartbeat, at)
    }

    #[test]
    fn an_unanswered_ping_expires_exactly_at_the_timeout() {
        let (mut heartbeat, at) = waiting();
        assert_eq!(heartbeat.handle_timeout(at + secs(20) - 2 * GRAIN, GRAIN, PERIODS), Tick::Nothing);
        assert_eq!(heartbeat.handle_timeout(at + secs(20), GRAIN, PERIODS), Tick::Expired);
    }

    #[test]
    fn a_timer_that_is_a_little_late_does_not_move_the_deadline() {
        let start = Instant::now();
        let mut heartbeat = Heartbeat::new(start, Protocol::V4, PERIODS);
        assert_eq!(heartbeat.handle_timeout(start + secs(27), GRAIN, PERIODS), Tick::Ping);
        assert_eq!(heartbeat.deadline(), Some(start + secs(45)));
    }

    #[test]
    fn a_ping_that_is_much_too_late_gives_the_whole_timeout() {
        let start = Instant::now();
        let mut heartbeat = Heartbeat::new(start, Protocol::V4, PERIODS);
        assert_eq!(heartbeat.handle_timeout(start + secs(40), GRAIN, PERIODS), Tick::Ping);
        assert_eq!(heartbeat.deadline(), Some(start + secs(60)));
    }

    #[test]
    fn a_pong_starts_the_next_interval() {
        let (mut heartbeat, at) = waiting();
        heartbeat.handle_pong(at + secs(3), PERIODS);
        assert_eq!(heartbeat.deadline(), Some(at + secs(28)));
    }

    #[test]
    fn an_unasked_pong_changes_nothing() {
        let start = Instant::now();
        let mut heartbeat = Heartbeat::new(start, Protocol::V4, PERIODS);
        heartbeat.handle_pong(start + secs(10), PERIODS);
        assert_eq!(heartbeat.deadline(), Some(start + secs(25)));
    }

    #[test]
    fn activity_extends_the_deadline_once_per_ping() {
        let (mut heartbeat, at) = waiting();
        heartbeat.handle_activity(at + secs(10), PERIODS);
        assert_eq!(heartbeat.deadline(), Some(at + secs(30)));
        heartbeat.handle_activity(at + secs(20), PERIODS);
        assert_eq!(heartbeat.deadline(), Some(at + secs(30)));
        heartbeat.handle_pong(at + secs(21), PERIODS);
        let next = at + secs(46);
        assert_eq!(heartbeat.handle_timeout(next, GRAIN, PERIODS), Tick::Ping);
        heartbeat.handle_activity(next + secs(1), PERIODS);
        assert_eq!(heartbeat.deadline(), Some(next + secs(21)));
    }

    #[test]
    fn activity_before_a_ping_changes_nothing() {
        let start = Instant::now();
        let mut heartbeat = Heartbeat::new(start, Protocol::V4, PERIODS);
        heartbeat.handle_activity(start + secs(24), PERIODS);
        assert_eq!(heartbeat.deadline(), Some(start + secs(25)));
    }

    #[test]
    fn the_deadline_stands_still_while_nothing_is_read() {
        let (mut heartbeat, at) = waiting();
        heartbeat.pause(at + secs(5));
        assert_eq!(heartbeat.deadline(), None);
        heartbeat.resume(at + secs(105));
        assert_eq!(heartbeat.deadline(), Some(at + secs(120)));
    }

    #[test]
    fn a_ping_goes_out_while_paused_and_its_deadline_starts_at_the_resumption() {
        let start = Instant::now();
        let mut heartbeat = Heartbeat::new(start, Protocol::V4, PERIODS);
        heartbeat.pause(start + secs(1));
        assert_eq!(heartbeat.handle_timeout(start + secs(25), GRAIN, PERIODS), Tick::Ping);
        heartbeat.resume(start + secs(60));
        assert_eq!(heartbeat.deadline(), Some(start + secs(80)));
    }

    #[test]
    fn a_stall_of_the_process_gives_one_more_timeout_and_only_one() {
        let (mut heartbeat, at) = waiting();
        let late = at + secs(60);
        assert_eq!(heartbeat.handle_timeout(late, GRAIN, PERIODS), Tick::Nothing);
        assert_eq!(heartbeat.deadline(), Some(late + secs(20)));
        assert_eq!(heartbeat.handle_timeout(late + secs(90), GRAIN, PERIODS), Tick::Expired);
    }

    #[test]
    fn where_the_client_pings_silence_ends_the_session_and_any_packet_breaks_it() {
        let start = Instant::now();
        let mut heartbeat = Heartbeat::new(start, Protocol::V3, PERIODS);
        assert_eq!(heartbeat.deadline(), Some(start + secs(45)));
        assert_eq!(heartbeat.handle_timeout(start + secs(44), GRAIN, PERIODS), Tick::Nothing);
        heartbeat.handle_activity(start + secs(30), PERIODS);
        assert_eq!(heartbeat.handle_timeout(start + secs(45), GRAIN, PERIODS), Tick::Nothing);
        assert_eq!(heartbeat.handle_timeout(start + secs(75), GRAIN, PERIODS), Tick::Expired);
    }

    #[test]
    fn the_silence_of_a_client_that_pings_is_not_counted_while_nothing_is_read_nor_after_a_stall() {
        let start = Instant::now();
        let mut heartbeat = Heartbeat::new(start, Protocol::V3, PERIODS);
        heartbeat.pause(start + secs(40));
        assert_eq!(heartbeat.deadline(), None);
        heartbeat.resume(start + secs(100));
        assert_eq!(heartbeat.deadline(), Some(start + secs(105)));
        assert_eq!(
            heartbeat.handle_timeout(start + secs(200), GRAIN, PERIODS),
            Tick::Nothing,
            "we stood still"
        );
        assert_eq!(heartbeat.handle_timeout(start + secs(220), GRAIN, PERIODS), Tick::Expired);
    }
}
